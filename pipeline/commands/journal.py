"""``zicht journal``: read and verify the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from enclave.errors import BadInput
from enclave.journal import Head
from pipeline.commands.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, opened

journal_app = typer.Typer(help="Read and verify the journal.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(journal_app, name="journal")


@journal_app.command("verify")
def verify(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    anchor: Annotated[
        list[Path] | None, typer.Option(help="A receipt or release bundle that holds an earlier head; repeatable.")
    ] = None,
) -> None:
    """Check every entry, the recorded head, and heads kept in receipts and bundles.

    Example: zicht journal verify --anchor build/run/released/…/
    """
    office = opened(workspace)
    anchors = [_head_of(path) for path in anchor or []]
    anchors += [_head_of(path.parent) for path in sorted(office.workspace.root.glob("released/*/*/journal-head"))]
    head = office.journal.verify(anchors)
    typer.echo(f"journal holds: {head.sequence} entries, {len(anchors)} anchors, head {head.digest}")


@journal_app.command("show")
def show(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False, last: int = 20) -> None:
    """Show the last entries.

    Example: zicht journal show --last 50
    """
    entries = list(opened(workspace).journal.entries())[-last:]
    for entry in entries:
        if as_json:
            fields = {"sequence": entry.sequence, "time": entry.time, "actor": entry.actor, "action": entry.action}
            typer.echo(json.dumps({**fields, "subject": entry.subject, "details": dict(entry.details)}))
        else:
            typer.echo(f"{entry.sequence:6} {entry.time} {entry.actor:20} {entry.action:22} {entry.subject}")


def _head_of(path: Path) -> Head:
    """The head in a bundle's ``journal-head``, or in a receipt."""
    file = path / "journal-head" if path.is_dir() else path
    try:
        fields = json.loads(file.read_bytes())
        held = fields.get("journal_head", fields)
        return Head(int(held["sequence"]), str(held["digest"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadInput("this holds no journal head", where=file.name) from None
