"""``zicht delivery``: the municipality's side; works without anything else of Zicht."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from enclave.errors import BadInput
from pipeline.commands.options import JsonOption

delivery_app = typer.Typer(help="Check and seal a file at home, before it is handed in.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="The file to deliver.")]
SchemasOption = Annotated[Path, typer.Option(help="Folder with the delivery schemas.")]
DEFAULT_SCHEMAS = Path("configs/schemas")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(delivery_app, name="delivery")


@delivery_app.command("check")
def check(
    file: FileArgument,
    schema: Annotated[str, typer.Option(help="Name of the schema, such as hemp_clearances.")],
    period: Annotated[str, typer.Option(help="The period the file is about: a year, or first-last year.")] = "2016",
    schemas: SchemasOption = DEFAULT_SCHEMAS,
    as_json: JsonOption = False,
) -> None:
    """Check a file as the enclave will: every fault with its column and row, never a value.

    Example: zicht delivery check hemp.csv --schema hemp_clearances --period 2016
    """
    from pseudonymise.delivery import check_file
    from pseudonymise.schemas import load_schema

    report = check_file(file, load_schema(schemas / f"{schema}.yaml"), period)
    if as_json:
        facts = {"received": report.received, "accepted": report.accepted, "quarantined": report.quarantined}
        typer.echo(json.dumps({**facts, "acceptable": report.acceptable}))
    else:
        typer.echo(str(report))
        if report.acceptable:
            typer.echo(f"Next: zicht delivery seal {file.name} --to RECIPIENT …")
    if not report.acceptable:
        raise typer.Exit(BadInput.exit_code)


@delivery_app.command("seal")
def seal(
    file: FileArgument,
    to: Annotated[str, typer.Option(help="The enclave's recipient: age1…, or the file that holds it.")],
    manifest: Annotated[Path, typer.Option(help="The manifest (YAML): supplier, schema, purpose, legal basis …")],
    out: Annotated[Path, typer.Option(help="Folder for the sealed file.")] = Path(),
) -> None:
    """Encrypt a file with its manifest so that only the enclave can open it.

    Example: zicht delivery seal hemp.csv --to seal-ondermijning.pub --manifest hemp.manifest.yaml
    """
    from pseudonymise.delivery import seal as seal_file
    from pseudonymise.manifest import read_manifest

    recipient = Path(to).read_text().strip() if Path(to).is_file() else to
    sealed = seal_file(file, read_manifest(manifest), recipient, out)
    typer.echo(f"sealed {sealed}\nNext: hand in {sealed.name}; only the enclave can open it")
