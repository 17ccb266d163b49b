"""``zicht custody``, ``expire``, ``certificate``: how keys are held, rotated, and destroyed with the data."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enclave.errors import BadInput
from enclave.zones import Zone
from pipeline.commands.options import (
    DEFAULT_WORKSPACE,
    JsonOption,
    PassphraseOption,
    WorkspaceOption,
    opened,
    teller,
)
from pipeline.office import Office, read_given, read_passphrase, utc_now

if TYPE_CHECKING:
    from pipeline.custodian import CustodianDesk
    from pseudonymise.unlocking import Lock

custody_app = typer.Typer(
    help="How the custodian's keys are held: who opens them, versions, tokens.", no_args_is_help=True
)
certificate_app = typer.Typer(help="Check a certificate of destruction.", no_args_is_help=True)
LOCKED_ANEW = "key store locked anew"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(custody_app, name="custody")
    app.command("expire")(expire)
    app.add_typer(certificate_app, name="certificate")


@custody_app.command("show")
def show(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what opens the key store, the versions of the hash keys and when they end, and the dates of retention.

    Example: zicht custody show --passphrase-file custodian.pass
    """
    from pipeline.rotation import ends
    from pseudonymise.key_store import opened_by

    desk = _desk(workspace, passphrase_file)
    custody, store = desk.custody, desk.custody.store
    last = ends(custody)
    versions = [
        {
            "version": version,
            "lives": "on the token" if store.on_token(f"hash-master/v{version}") else "in the key store",
            "until": "in use" if version == custody.hash_version else str(last.get(version, "no date set")),
        }
        for version in custody.hash_versions()
    ]
    opened_with = opened_by(desk.office.workspace.path(Zone.KEY))[0]
    dates = [name.split("/")[-1] for name in store.names() if name.startswith("retention/")]
    if as_json:
        gone = list(store.destroyed())
        facts = {"opened by": opened_with, "hash keys": versions, "retention dates": dates, "destroyed": gone}
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"opened by {opened_with}")
    for found in versions:
        typer.echo(f"hash keys v{found['version']}: {found['until']}, {found['lives']}")
    typer.echo(f"data are kept until: {', '.join(dates) or 'nothing is kept'}")
    typer.echo(f"destroyed: {', '.join(store.destroyed()) or 'no key yet'}")


@custody_app.command("split")
def split(
    keeper: Annotated[list[str], typer.Option(help="A keeper, as name=passphrase file, or the name: asked then.")],
    needed: Annotated[int, typer.Option(min=2, help="How many of them open the store together.")] = 2,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Divide the key store's key among keepers, so that no single person opens it (Shamir's scheme).

    Example: zicht custody split --needed 2 --keeper anna --keeper bram --keeper els
    """
    from pseudonymise.unlocking import Split

    keepers: dict[str, bytes] = {}
    desk = _desk(workspace, passphrase_file)
    for text in keeper:
        name, _, file = text.partition("=")
        if not name.isidentifier() or name in keepers:
            raise BadInput("a keeper has a name of letters and digits, and stands in the list once")
        keepers[name] = read_passphrase(f"the share of {name}", Path(file) if file else None)
    _lock_anew(desk, Split(needed, keepers), f"{needed} of {len(keepers)} keepers")
    typer.echo(
        f"{needed} of {', '.join(sorted(keepers))} open the key store together now\n"
        "Next: destroy copies of the key store that one person could open, and make a new one"
    )


@custody_app.command("passphrase")
def passphrase(
    new_passphrase_file: Annotated[
        Path | None, typer.Option(help="File (mode 0600) that holds the new passphrase; else asked.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Lock the key store under another passphrase of one person.

    Example: zicht custody passphrase --new-passphrase-file new.pass --passphrase-file old.pass
    """
    from pseudonymise.unlocking import Passphrase

    desk = _desk(workspace, passphrase_file)
    _lock_anew(desk, Passphrase(read_passphrase("the key store, the new one", new_passphrase_file)), "a passphrase")
    typer.echo("the key store opens under the new passphrase\nNext: destroy copies of the key store under the old one")


@custody_app.command("token")
def token(
    label: Annotated[str, typer.Argument(help="The token's label.")],
    module: Annotated[str, typer.Option(envvar="ZICHT_PKCS11_MODULE", help="The token's PKCS#11 library (.so).")],
    pin_file: Annotated[
        Path | None, typer.Option(help="File (mode 0600) that holds the token's PIN; else asked.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Lock the key store under a PKCS#11 token; hash keys of the next version are made in it and never leave it.

    Example: zicht custody token zicht --module /usr/lib/softhsm/libsofthsm2.so --passphrase-file custodian.pass
    """
    from pseudonymise.unlocking import TokenLock

    desk = _desk(workspace, passphrase_file)
    _lock_anew(desk, TokenLock(module, label, read_passphrase(f"token {label} (its PIN)", pin_file)), "a token")
    desk.custody.close()
    typer.echo(
        "the key store opens by the token now\n"
        "Next: zicht custody rotate --until DATE: the hash keys live there too then; destroy older copies of the store"
    )


@custody_app.command("rotate")
def rotate(
    until: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="When the present version is destroyed (zicht expire).")
    ],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a new version of the hash keys in use and carry all data over; every number of the project stays.

    No identifier is read. Until the old version is destroyed, new deliveries tell which of their unmatched units had a
    number under it. Broken off, run it again. Example: zicht custody rotate --until 2027-01-31
    """
    from pipeline.rotation import rotate as rotate_keys

    done = rotate_keys(_desk(workspace, passphrase_file, as_json=as_json), until.date())
    if as_json:
        typer.echo(json.dumps({"version": done.version, "old version until": done.until.isoformat()}))
        return
    typer.echo(
        f"hash keys v{done.version} are in use; v{done.version - 1} is destroyed on {done.until}\n"
        f"Next: zicht link; from {done.until} on: zicht expire"
    )


@custody_app.command("accept-tables")
def accept_tables(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; what is lost is lost for good.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    root_passphrase_file: Annotated[
        Path | None,
        typer.Option(help="File (mode 0600) that holds the passphrase of the office's root key; else asked."),
    ] = None,
) -> None:
    """Go on with key tables from an older backup, or with none, where no newer ones are left: two persons say so.

    Restore the project's whole folder in keys/ first, from the newest backup that there is; or put what is left of it
    aside. Shows what is lost, and asks. The journal holds what custodian and office signed.

    Example: zicht custody accept-tables --passphrase-file custodian.pass
    """
    from pipeline.older_tables import accept_older, older_tables

    desk = _desk(workspace, passphrase_file)
    for line in older_tables(desk).lines():
        typer.echo(line)
    if not yes:
        if not sys.stdin.isatty():
            raise BadInput("nothing was accepted", next_step="say --yes when nothing newer is left")
        typer.confirm("is nothing newer left anywhere?", abort=True)
    accept_older(desk, read_passphrase("the office's root key (the second person)", root_passphrase_file))
    typer.echo("accepted\nNext: zicht expire; zicht pseudonymise; zicht link; then a new backup of keys/")


def expire(
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="What has reached its date by then; today.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; there is no way back.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Destroy what has reached its retention date: keys first, then files, with a signed certificate for each.

    Shows what would go, and asks. Broken off, run it again. Example: zicht expire --passphrase-file custodian.pass
    """
    from pipeline import expiry
    from pseudonymise.destruction import REFUSED_DELIVERY

    desk = _desk(workspace, passphrase_file, as_json=as_json, expiring=True)
    now = utc_now()
    plan = expiry.plan_expiry(desk, on.date() if on else now.date(), today=now.date())
    for line in plan.summary() if not as_json else ():
        typer.echo(line)
    if plan.subjects and not yes:
        if not sys.stdin.isatty():
            raise BadInput("nothing was destroyed", next_step="say --yes when all of this is to be destroyed for good")
        typer.confirm("destroy all of this for good?", abort=True)
    certificates = expiry.expire(desk, plan, now)
    if as_json:
        typer.echo(json.dumps([certificate.model_dump(mode="json") for certificate in certificates]))
    elif certificates:
        folder = desk.office.workspace.path(Zone.KEY) / "certificates"
        used = any(certificate.destroyed.kind != REFUSED_DELIVERY for certificate in certificates)
        typer.echo(
            f"destroyed; {len(certificates)} certificates in {folder}\n"
            "Next: send suppliers theirs (inbox/receipts/*.destroyed.json); destroy copies that a certificate names"
            + ("; zicht pseudonymise, zicht link for what is left" if used else "")
        )
    else:
        typer.echo("nothing has reached its date")


@certificate_app.command("verify")
def verify(
    certificate: Annotated[Path, typer.Argument(help="The certificate (JSON), as the office sent it.")],
    key: Annotated[Path, typer.Option(help="The enclave's public receipt key (receipt.pub), from a source you trust.")],
    as_json: JsonOption = False,
) -> None:
    """Check that the enclave signed a certificate of destruction, and say what it says.

    Example: zicht certificate verify GM9001-hemp_clearances-2016-….destroyed.json --key receipt.pub
    """
    from enclave.signatures import load_public
    from pseudonymise.destruction import Certificate

    found = Certificate.load(certificate, load_public(key))
    typer.echo(found.model_dump_json() if as_json else f"{certificate.name} holds: signed by {found.key_id}\n{found}")


def _desk(
    workspace: Path, passphrase_file: Path | None, *, as_json: bool = False, expiring: bool = False
) -> CustodianDesk:
    from pipeline.custodian import open_desk

    office = opened(workspace)
    given = read_given(office.workspace.path(Zone.KEY), passphrase_file)
    return open_desk(office, given, teller(as_json=as_json), expiring=expiring)


def _lock_anew(desk: CustodianDesk, lock: Lock, how: str) -> None:
    """Journalled before and not after: a lock that was journalled and not made is seen, the other way it is not."""
    office: Office = desk.office
    office.journal.append(
        actor="custodian", action=LOCKED_ANEW, subject=office.project.name, details={"by": how}, now=utc_now()
    )
    desk.custody.store.lock_anew(lock)
