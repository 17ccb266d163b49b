"""``zicht status``: what is where, and what comes next."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from pipeline.commands.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, opened


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """Say what is where and what comes next.

    Example: zicht status
    """
    from pipeline.overview import overview

    lines, following = overview(opened(workspace))
    if as_json:
        typer.echo(json.dumps({"zones": [asdict(line) for line in lines], "next": following}))
        return
    for line in lines:
        typer.echo(f"{line.zone:14} {line.says}")
    for step in following:
        typer.echo(f"Next: {step}")
