"""``zicht init``, ``receive``, ``withdraw``, ``pseudonymise``, ``link``: the custodian's commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from enclave.errors import BadInput
from enclave.zones import Zone
from pipeline.commands.options import (
    DEFAULT_WORKSPACE,
    AgainOption,
    JsonOption,
    PassphraseOption,
    WorkspaceOption,
    opened,
    teller,
)
from pipeline.office import create_office, read_given, read_passphrase, settings_for, utc_now

if TYPE_CHECKING:
    from pipeline.custodian import CustodianDesk
    from pseudonymise.withdrawal import Confirmation


_TELL = "send the suppliers the signed answers (inbox/receipts/….refused.json; --hand-in puts them there)"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init")(init)
    app.command("receive")(receive)
    app.command("withdraw")(withdraw)
    app.command("pseudonymise")(pseudonymise)
    app.command("link")(link)


def init(
    data: Annotated[Path, typer.Option(help="Folder with registers/, key_register/ and classifications/.")],
    project: Annotated[str, typer.Option(help="Name of the project file.")] = "ondermijning",
    configs: Annotated[Path, typer.Option(help="Folder with policies, schemas, classifications, projects.")] = Path(
        "configs"
    ),
    confidential: Annotated[
        Path | None, typer.Option(help="The policy's confidential part; the example's when absent.")
    ] = None,
    custodian_passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--custodian-passphrase-file",
            "--passphrase-file",
            help="File (mode 0600) that holds the passphrase of the custodian's key store; else asked.",
        ),
    ] = None,
    root_passphrase_file: Annotated[
        Path | None,
        typer.Option(help="File (mode 0600) that holds the passphrase of the office's root key; else asked."),
    ] = None,
    service_passphrase_file: Annotated[
        Path | None, typer.Option(help="File (mode 0600) that holds the passphrase of the release key; else asked.")
    ] = None,
    token: Annotated[
        str, typer.Option(help="Label of a PKCS#11 token that is to hold the keys; its PIN is the passphrase then.")
    ] = "",
    token_module: Annotated[
        str, typer.Option(envvar="ZICHT_PKCS11_MODULE", help="The token's PKCS#11 library (.so).")
    ] = "",
    engine: Annotated[Literal["duckdb", "spark"], typer.Option(help="Engine of the large steps.")] = "duckdb",
    threads: Annotated[int, typer.Option(min=1, help="Threads; the release is the same.")] = 2,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Set up an installation: zones, key store, root and release key, policy.

    Example: zicht init --data build/country --workspace build/office
    """
    from enclave.entropy import SecureEntropy
    from pipeline.office_setup import set_up
    from pseudonymise.unlocking import TokenLock

    settings = settings_for(workspace, data, configs, project=project, engine=engine, threads=threads)
    office = create_office(workspace, settings)
    policies = office.configs / "policies"
    if confidential is None:
        confidential = policies / f"{office.project.policy}.confidential.example.yaml"
        typer.echo("the policy's confidential part is the published example: replace it before real use", err=True)
    secret = read_passphrase("the custodian's key store", custodian_passphrase_file)
    set_up(
        office,
        custodian=TokenLock(token_module, token, secret) if token else secret,
        root=read_passphrase("the office's root key", root_passphrase_file),
        service=read_passphrase("the release key", service_passphrase_file),
        entropy=SecureEntropy(),
        confidential=confidential,
        now=utc_now(),
    )
    typer.echo(f"set up {workspace}\nNext: zicht key new, zicht roster sign; suppliers: zicht delivery seal")


def receive(
    sealed: Annotated[
        list[Path] | None,
        typer.Argument(help="Sealed deliveries and notices of withdrawal; all deliveries of the inbox when absent."),
    ] = None,
    hand_in: Annotated[
        Path | None,
        typer.Option(help="Take everything from a supplier's hand-in folder, and put the answers into its receipts/."),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    again: AgainOption = False,
    as_json: JsonOption = False,
) -> None:
    """Open, check and receive sealed deliveries; each gets a signed answer: a receipt, or a refusal that says why not.

    What was refused before stays refused; name it, or --again, when the project file or a withdrawal made room for it.

    Example: zicht receive build/run/inbox/*.zicht --passphrase-file custodian.pass
    """
    from pipeline.hand_in import accept_into_inbox, answer, handed_in, in_inbox
    from pipeline.withdrawn_rows import refuse_withdrawn_rows
    from pseudonymise.handing_in import is_plain
    from pseudonymise.withdrawal import NOTICE_SUFFIX

    desk = desk_in(workspace, passphrase_file, as_json=as_json)
    notices = [file for file in sealed or () if file.suffix == NOTICE_SUFFIX]
    deliveries = [file for file in sealed or () if file.suffix != NOTICE_SUFFIX]
    notices += [file for file in sorted(hand_in.glob(f"*{NOTICE_SUFFIX}")) if is_plain(file)] if hand_in else []
    named = bool(sealed)
    withdrawn, refused = desk.withdraw_on(notices, again=again or named)
    _tell_withdrawn(withdrawn, desk)
    deliveries += handed_in(desk.office, hand_in, again=again) if hand_in else []
    everything = sealed is None and hand_in is None
    found = in_inbox(desk.office) if everything else accept_into_inbox(desk.office, deliveries)
    intake = desk.receive(found, again=again, named=named)
    for receipt in intake.receipts:
        typer.echo(receipt.model_dump_json() if as_json else str(receipt))
    if hand_in is not None:
        answer(desk.office, desk.custody, hand_in, withdrawn)
    if not as_json:
        typer.echo(f"Next: zicht plausibility; zicht pseudonymise ({intake.total('accepted')} rows accepted)")
    if refused or intake.refused:
        faults = [*refused, *intake.refused]
        raise BadInput("deliveries were refused", faults=faults, next_step=_TELL)
    refuse_withdrawn_rows(desk.office)


def withdraw(
    delivery: Annotated[str, typer.Argument(help="The delivery's name, as on its receipt.")],
    reason: Annotated[Literal["wrong-file", "wrong-period", "errors", "not-allowed"], typer.Option(help="Why.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Withdraw a delivery by hand, for a supplier who cannot send a notice; say which releases used it.

    Suppliers do it themselves: zicht delivery withdraw. Example: zicht withdraw GM9001-… --reason errors
    """
    from pipeline.withdrawn_rows import refuse_withdrawn_rows
    from pseudonymise.withdrawal import Reason

    desk = desk_in(workspace, passphrase_file, as_json=False)
    _tell_withdrawn(desk.withdraw(delivery, Reason(reason)), desk)
    refuse_withdrawn_rows(desk.office)
    typer.echo("Next: zicht pseudonymise; zicht link")


def _tell_withdrawn(withdrawn: Sequence[Confirmation], desk: CustodianDesk) -> None:
    from pipeline.lineage import told_uses

    uses = told_uses(desk.office.journal)
    for confirmation in withdrawn:
        typer.echo(str(confirmation))
        used = uses.get(confirmation.delivery, ())
        typer.echo(f"  releases that used it: {', '.join(used) if used else 'none'}")


def pseudonymise(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    again: AgainOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replace the identifiers of accepted deliveries by keyed hashes.

    Where the project file says so, records of persons, firms or homes without a usable identifier are matched to the
    key register by likeness first.

    Example: zicht pseudonymise --passphrase-file custodian.pass
    """
    outcomes = desk_in(workspace, passphrase_file, as_json=as_json).pseudonymise(again=again)
    hashed = [outcome for outcome in outcomes if outcome.record.step.startswith("pseudonymise ")]
    typer.echo(f"{len(hashed)} deliveries are pseudonymised ({sum(outcome.ran for outcome in hashed)} now)")
    for outcome in outcomes:
        if outcome not in hashed:
            counts = outcome.record.counts
            typer.echo(f"{outcome.record.step} by likeness: {counts['linked']} of {counts['wanted']} records linked")
    typer.echo("Next: zicht link")


def link(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    again: AgainOption = False,
    as_json: JsonOption = False,
) -> None:
    """Link deliveries and registers by random integers of the project, and report how well they match.

    Example: zicht link --passphrase-file custodian.pass
    """
    outcome = desk_in(workspace, passphrase_file, as_json=as_json).link(again=again)
    facts = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in outcome.record.counts.items())
    typer.echo(f"{'linked' if outcome.ran else 'up to date'}: {facts}\nNext: zicht run")


def desk_in(workspace: Path, passphrase_file: Path | None, *, as_json: bool) -> CustodianDesk:
    """The custodian's desk of an installation, opened with the passphrase in the file or else asked."""
    from pipeline.custodian import open_desk

    office = opened(workspace)
    given = read_given(office.workspace.path(Zone.KEY), passphrase_file)
    return open_desk(office, given, teller(as_json=as_json))
