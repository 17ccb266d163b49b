"""``zicht supplier``: whose signing keys the office knows; what those suppliers deliver must be signed by them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enclave.errors import BadInput, NotAllowed
from pipeline.commands.options import DEFAULT_WORKSPACE, JsonOption, PassphraseOption, WorkspaceOption

if TYPE_CHECKING:
    from enclave.signatures import PublicKey

supplier_app = typer.Typer(
    help="The suppliers' public keys: what is not signed by the supplier's own is refused.", no_args_is_help=True
)
CodeArgument = Annotated[str, typer.Argument(help="The supplier, as in the project file: GM9001, kadaster.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(supplier_app, name="supplier")


@supplier_app.command("add")
def add(
    code: CodeArgument,
    key: Annotated[Path, typer.Argument(help="The supplier's signing.pub.")],
    fingerprint: Annotated[
        str, typer.Option(help="As the supplier told it over another way; else it is shown, and asked for.")
    ] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Let a public key be this supplier's from now on, in place of an earlier one; compare its fingerprint first.

    Example: zicht supplier add GM9001 signing.pub --passphrase-file custodian.pass
    """
    from enclave.signatures import load_public
    from pseudonymise.sender import fingerprint as shown

    public = load_public(key)
    if not fingerprint:
        typer.echo(f"{code}: {shown(public)}")
        if not typer.confirm("Did the supplier tell you this fingerprint over another way than the file came?"):
            raise NotAllowed(
                "a key that nobody confirmed is not taken up", next_step="call the supplier: zicht delivery key"
            )
    elif "".join(fingerprint.split()).lower() != "".join(shown(public).split()):
        raise BadInput(
            "the key has another fingerprint than the supplier told",
            where=key.name,
            next_step="find out who sent this file; nothing was taken up",
        )
    _change(code, public, workspace, passphrase_file)
    typer.echo(f"{code}: what is not signed by this key is refused from now on\nNext: zicht receive")


@supplier_app.command("revoke")
def revoke(
    code: CodeArgument,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Trust a supplier's key no more: nothing of this supplier is received until another one is confirmed.

    What was received before stays; withdraw what is in doubt.

    Example: zicht supplier revoke GM9001 --passphrase-file custodian.pass
    """
    _change(code, None, workspace, passphrase_file)
    typer.echo(
        f"{code}: nothing is received from now on\n"
        "Next: the supplier: zicht delivery key --new; you: zicht supplier add; zicht withdraw what is in doubt"
    )


@supplier_app.command("list")
def listed(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whose keys the office knows, with their fingerprints.

    Example: zicht supplier list --passphrase-file custodian.pass
    """
    from enclave.signatures import PublicKey
    from pipeline.commands.custodian import desk_in
    from pseudonymise.sender import fingerprint
    from pseudonymise.supplier_keys import supplier_keys

    desk = desk_in(workspace, passphrase_file, as_json=as_json)
    known = supplier_keys(desk.office.workspace, desk.office.journal, desk.custody.receipt_key().public)
    shown = {code: fingerprint(PublicKey(text)) if text else "revoked" for code, text in sorted(known.items())}
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for code, text in shown.items():
        typer.echo(f"{code:<12} {text}")
    others = "nobody" if desk.office.project.signed_deliveries == "required" else "everybody, sender not verified"
    typer.echo(f"{len(shown)} known; of others: {others}\nNext: zicht supplier add CODE signing.pub")


def _change(code: str, public: PublicKey | None, workspace: Path, passphrase_file: Path | None) -> None:
    from pipeline.commands.custodian import desk_in
    from pipeline.custodian import ACTOR
    from pipeline.office import utc_now
    from pseudonymise.supplier_keys import change

    desk = desk_in(workspace, passphrase_file, as_json=False)
    if not desk.office.project.knows(code):
        raise BadInput("the project expects nothing from this supplier", next_step="name it as the project file does")
    with desk.alone(), desk.journalling_keys("supplier"):
        change(
            code,
            public,
            workspace=desk.office.workspace,
            journal=desk.office.journal,
            key=desk.custody.receipt_key(),
            actor=ACTOR,
            now=utc_now(),
        )
