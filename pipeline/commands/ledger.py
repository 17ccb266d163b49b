"""``zicht ledger``: verify the release ledger, list what it remembers, erase what has expired."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.options import DEFAULT_WORKSPACE, WorkspaceOption, opened, teller
from pipeline.office import Office, utc_now

if TYPE_CHECKING:
    from pipeline.research import ResearchDesk

ledger_app = typer.Typer(help="Verify, list and erase what the release ledger remembers.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(ledger_app, name="ledger")


@ledger_app.command("verify")
def verify(workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Check every entry of the ledger, that it holds each release that the journal knows, and the gate's own files.

    Runs as the gate's operating-system user. Example: zicht ledger verify
    """
    from output_control.ledger.book import anchors_of

    office = opened(workspace)
    desk = _desk(office)
    found = desk.ledger().verify(anchors_of(office.journal))
    desk.gate_files().check(utc_now())
    erased = sum(entry.erased for entry in found)
    typer.echo(f"the ledger holds: {len(found)} release(s), {erased} of them erased")


@ledger_app.command("show")
def show(workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """List the releases that the ledger remembers, on what grounds and until when; no unit and no cell.

    Example: zicht ledger show
    """
    for entry in _desk(opened(workspace)).ledger().entries():
        about = entry.header.about
        state = "erased" if entry.erased else f"kept until {about.kept_until}"
        typer.echo(f"{entry.header.sequence:5} {about.project} {about.release}: {state}; {about.legal_basis}")


@ledger_app.command("erase")
def erase(
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Erase what is kept until this day or less.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Destroy the keys of what has expired. A later request about the same kinds of units then goes to a person.

    Example: zicht ledger erase --until 2036-12-31
    """
    office = opened(workspace)
    gone = _desk(office).ledger().erase(until.date())
    office.journal.append(
        actor="release-service",
        action="ledger erased",
        subject=until.date().isoformat(),
        details={"releases": list(gone)},
        now=utc_now(),
    )
    typer.echo(f"erased the units of {len(gone)} release(s)" + ("" if gone else "; nothing had expired"))


def _desk(office: Office) -> ResearchDesk:
    from pipeline.research import ResearchDesk

    return ResearchDesk(office, teller(as_json=False), actor="release-service")
