"""``zicht gate``: the gate's own files, and how the office changes them."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import DEFAULT_WORKSPACE, WorkspaceOption, opened, teller
from pipeline.office import utc_now

gate_app = typer.Typer(
    help="The gate's own files: what was changed there stops every check, until it is accepted.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(gate_app, name="gate")


@gate_app.callback()
def _commands() -> None:
    """A group, though it has one command."""


@gate_app.command("accept")
def accept(
    files: Annotated[list[str], typer.Argument(help="Names of the files in gate/ that the office changed.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Accept files of the gate as they lie there now: another confidential part of the policy, another release key.

    Only those that are named: all others must be as they were. Checks are made anew, and requests need new approvals.

    Runs as the gate's operating-system user. Example: zicht gate accept cbs_ra.confidential.yaml
    """
    from pipeline.research import ResearchDesk

    desk = ResearchDesk(opened(workspace), teller(as_json=False), actor="gate")
    desk.policy_as_it_lies()  # one that does not hold is not accepted
    desk.gate_files().accept(files, utc_now())
    typer.echo(f"accepted {', '.join(sorted(set(files)))}\nNext: zicht check")
