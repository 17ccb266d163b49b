"""``zicht docs``: the reference pages that are made from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("docs")(docs)


def docs(
    out: Annotated[Path, typer.Argument(help="Folder of the reference pages.")] = Path("docs/reference"),
    configs: Annotated[Path, typer.Option(help="Folder with policies and schemas.")] = Path("configs"),
) -> None:
    """Write the reference pages: commands, schemas, policies, requests, errors.

    Example: zicht docs docs/reference
    """
    from enclave.files import write_text
    from pipeline.main import app
    from pipeline.reference_pages import reference_pages

    pages = reference_pages(app, configs)
    for name, text in pages.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(out / name, text, mode=0o644)
    typer.echo(f"wrote {len(pages)} pages to {out}")
