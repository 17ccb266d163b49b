"""``zicht scan``: what a file hides, before a person decides on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enclave.errors import BadInput, Refused


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scan")(scan)


def scan(files: Annotated[list[Path], typer.Argument(help="Files that someone wants to take out by hand.")]) -> None:
    """Look for identifiers, hidden sheets, metadata and foreign content in files; lets nothing out by itself.

    Example: zicht scan table.xlsx figure.png
    """
    from output_control.leaving.documents import MOST_BYTES, faults_of_document, faults_of_name

    faults = []
    for number, file in enumerate(files, start=1):
        named = faults_of_name(file.name)
        name = f"file {number}" if named else file.name  # which may be the identifier
        faults += [f"{name}: its name {fault}" for fault in named]
        try:
            with file.open("rb") as handle:
                content = handle.read(MOST_BYTES + 1)
        except OSError:
            what = "this is a folder: name its files" if file.is_dir() else "this file is not readable"
            raise BadInput(what, where=name or str(file)) from None
        faults += [f"{name}: {fault}" for fault in faults_of_document(file.name, content)]
    if faults:
        raise Refused(
            f"{len(faults)} reason(s) not to let this out\n" + "\n".join(f"  - {fault}" for fault in faults),
            next_step="ask for the figures as an output of the gate, or give plain text",
        )
    typer.echo(f"{len(files)} file(s): nothing found of what has a form (identifiers, listings, hidden parts)")
    typer.echo("Next: a checker reads them to the end; a scan sees no meaning, no name, no number told in another way")
