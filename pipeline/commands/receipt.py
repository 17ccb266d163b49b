"""``zicht receipt``: what the enclave answered, checked at home; for the light installation, without a network."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.delivery import LanguageOption
from pipeline.commands.options import JsonOption

if TYPE_CHECKING:
    from enclave.signatures import PublicKey
    from pseudonymise.clerk_report import Language

receipt_app = typer.Typer(help="Check what the enclave answered.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(receipt_app, name="receipt")


@receipt_app.command("verify")
def verify_receipt(
    receipt: Annotated[Path, typer.Argument(help="The receipt (JSON), as it was sent back.")],
    key: Annotated[Path, typer.Option(help="The enclave's public receipt key (receipt.pub), from a source you trust.")],
    file: Annotated[
        Path | None,
        typer.Option(help="The file you delivered: is the receipt about its bytes? Of a refusal, the sealed file."),
    ] = None,
    outbox: Annotated[Path | None, typer.Option(help="Write it down in the journal of this outbox.")] = None,
    language: LanguageOption = "en",
    as_json: JsonOption = False,
) -> None:
    """Check a receipt: that the enclave signed it, that it is whole, and that it is about your file.

    The confirmation of a withdrawal (….withdrawn.json) is checked in the same way, and so is a refusal
    (….refused.json), with --file for what was handed in (….zicht).

    Example: zicht receipt verify GM9001-hemp_clearances-2016-….json --key receipt.pub --file hemp.csv
    """
    from enclave.signatures import load_public
    from pseudonymise.clerk_report import Language, receipt_text
    from pseudonymise.outbox import Outbox
    from pseudonymise.receipt import Receipt, check_delivered
    from pseudonymise.refusal import REFUSED_SUFFIX
    from pseudonymise.withdrawal import Confirmation

    speak = Language(language)
    if receipt.name.endswith(REFUSED_SUFFIX):
        _verify_refusal(receipt, load_public(key), file, outbox, speak, as_json=as_json)
        return
    if receipt.name.endswith(".withdrawn.json"):
        confirmed = Confirmation.load(receipt, load_public(key))
        if outbox is not None:
            Outbox(outbox).note(confirmed, now=datetime.now(UTC))
        typer.echo(confirmed.model_dump_json() if as_json else f"{receipt.name}: {confirmed}")
        return
    answered = Receipt.load(receipt, load_public(key))
    if file is not None:
        check_delivered(answered, file)
    if outbox is not None:
        Outbox(outbox).note(answered, now=datetime.now(UTC))
    if as_json:
        typer.echo(
            json.dumps(
                {**answered.findings.as_json(), "key_id": answered.key_id, "file_matches": True if file else None}
            )
        )
        return
    about = (
        speak.pick(f"het gaat over {file.name}", f"it is about {file.name}")
        if file
        else speak.pick(
            "met --file BESTAND wordt nagekeken of het over uw bestand gaat",
            "--file FILE checks that it is about your file",
        )
    )
    holds = speak.pick("klopt: ondertekend door", "holds: signed by")
    typer.echo(f"{receipt.name} {holds} {answered.key_id}; {about}\n{receipt_text(answered, speak)}")
    found = answered.findings
    typer.echo(
        speak.pick(
            f"bewaard tot {found.retention_date} op grond van {found.legal_basis}, voor {found.purpose}",
            f"kept until {found.retention_date} on {found.legal_basis}, for {found.purpose}",
        )
    )


def _verify_refusal(
    receipt: Path, key: PublicKey, file: Path | None, outbox: Path | None, speak: Language, *, as_json: bool
) -> None:
    from pseudonymise.clerk_report import refusal_text
    from pseudonymise.outbox import Outbox
    from pseudonymise.refusal import Refusal, check_sealed

    refused = Refusal.load(receipt, key)
    if file is not None:
        check_sealed(refused, file)
    sealed_here = ""
    if outbox is not None:
        home = Outbox(outbox)
        sealed_here = home.sealed_as(refused.sealed_sha256)
        home.note(refused, now=datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps({**refused.model_dump(mode="json"), "file_matches": True if file else None}))
        return
    holds = speak.pick("klopt: ondertekend door", "holds: signed by")
    about = file.name if file else sealed_here
    told = speak.pick(f"; het gaat over {about}", f"; it is about {about}") if about else ""
    typer.echo(f"{receipt.name} {holds} {refused.key_id}{told}\n{refusal_text(refused, speak)}")
