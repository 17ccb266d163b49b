"""``zicht release``, ``verify``, ``reproduce``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from enclave.signatures import SigningKey, load_public
from enclave.zones import Zone
from pipeline.commands.options import (
    DEFAULT_WORKSPACE,
    JsonOption,
    PassphraseOption,
    WorkspaceOption,
    opened,
    teller,
)
from pipeline.office import ROOT_PUBLIC, read_passphrase, utc_now


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("release")(release)
    app.command("verify")(verify)
    app.command("reproduce")(reproduce)


def release(
    request: Annotated[str, typer.Argument(help="The request's id.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """The release service: tabulate again, compare with what was approved, sign, publish the bundle.

    Runs as the gate's operating-system user. Example: zicht release 3f9c… --passphrase-file service.pass
    """
    from output_control.ledger.book import Book
    from output_control.ledger.charter import load_charter
    from output_control.release import release as release_request
    from pipeline.commands.review import desk_of
    from pipeline.office_setup import RELEASE_SIGNING_KEY
    from pipeline.research import ResearchDesk

    office = opened(workspace)
    review_desk = desk_of(office)
    desk = ResearchDesk(office, teller(as_json=as_json), actor="release-service")
    desk.gate_files().check(utc_now())
    key_file = office.workspace.path(Zone.GATE) / RELEASE_SIGNING_KEY
    signing = SigningKey.load(key_file, read_passphrase("the release key", passphrase_file))
    document = desk_request(office.workspace.path(Zone.REVIEW), request)
    released = release_request(
        request,
        workspace=office.workspace,
        signing_key=signing,
        roster=review_desk.roster,
        root_public=office.root_public,
        recheck=desk.checker(office.project.analysis(document)),
        book=Book(desk.ledger(), load_charter(office.configs / "ledger.yaml")),
        journal=office.journal,
        now=utc_now(),
    )
    if as_json:
        typer.echo(json.dumps({"bundle": str(released.path), "manifest": released.digest}))
    else:
        root = office.public_key(ROOT_PUBLIC)
        typer.echo(f"released {released.path}\nNext: zicht verify {released.path} --key {root}")


def desk_request(review: Path, request: str) -> str:
    """The analysis that a request is for."""
    from output_control.review.request_file import read_request

    return read_request(review, request).document.analysis


def verify(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    key: Annotated[Path, typer.Option(help="The office's root public key (release.pub), from a source you trust.")],
    as_json: JsonOption = False,
) -> None:
    """Check a release: signature, digests, approvals, roster, policy. Needs nothing but the root public key.

    Example: zicht verify build/run/released/ondermijning/doorsluishuizen-v1-… --key build/run/public-keys/release.pub
    """
    from output_control.release.verify import verify_bundle

    report = verify_bundle(bundle, load_public(key), now=utc_now())
    if as_json:
        typer.echo(json.dumps(asdict(report), sort_keys=True))
        return
    typer.echo(f"{bundle.name} holds: {report.files} files, {report.project} / {report.analysis} v{report.version}")
    typer.echo(f"author {report.author}; approved by {', '.join(report.checkers)}; released {report.released}")


def reproduce(
    bundle: Annotated[Path, typer.Argument(help="A release bundle, of this installation or of another one.")],
    key: Annotated[Path | None, typer.Option(help="Root public key of the office that released it.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Run a release's analysis and the gate again, on this installation's data, and compare every file.

    Example: zicht reproduce build/run/released/ondermijning/doorsluishuizen-v1-…
    """
    from output_control.release.verify import verify_bundle
    from pipeline.reproduction import compare
    from pipeline.research import ResearchDesk

    office = opened(workspace)
    report = verify_bundle(bundle, load_public(key) if key else office.root_public)
    desk = ResearchDesk(office, teller(as_json=False), actor="auditor")
    same = compare(bundle, report, desk)
    annex = sum(name.startswith("annex/") for name in same)
    office.journal.append(
        actor="auditor",
        action="release reproduced",
        subject=bundle.name,
        details={"files": len(same)},
        now=utc_now(),
    )
    typer.echo(f"{bundle.name} is reproduced: {len(same) - annex} files of outputs and evidence are byte-identical")
    checkers = f"{annex} files, byte-identical" if annex else "not compared: the request lies in another installation"
    typer.echo(f"what the checkers saw beside them: {checkers}")
