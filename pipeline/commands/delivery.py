"""``zicht delivery``: the municipality's side; works without anything else of Zicht."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enclave.errors import BadInput
from pipeline.commands.options import JsonOption

if TYPE_CHECKING:
    from pseudonymise.schemas import DeliverySchema

delivery_app = typer.Typer(
    help="Check, describe and seal a file at home, before it is handed in.", no_args_is_help=True
)

receipt_app = typer.Typer(help="Check what the enclave answered.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="The file to deliver.")]
SchemasOption = Annotated[Path, typer.Option(help="Folder with the delivery schemas.")]
DEFAULT_SCHEMAS = Path("configs/schemas")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(delivery_app, name="delivery")
    app.add_typer(receipt_app, name="receipt")


@delivery_app.command("check")
def check(
    file: FileArgument,
    schema: Annotated[str, typer.Option(help="Name of the schema, such as hemp_clearances.")],
    period: Annotated[
        str, typer.Option(help="A year, or first-last year; else the manifest's beside it, or as the file is named.")
    ] = "",
    schemas: SchemasOption = DEFAULT_SCHEMAS,
    as_json: JsonOption = False,
) -> None:
    """Check a file as the enclave will: every fault with its column and row, never a value.

    Example: zicht delivery check hemp.csv --schema hemp_clearances --period 2016
    """
    from pseudonymise.delivery import check_file
    from pseudonymise.schemas import load_schema

    report = check_file(file, load_schema(schemas / f"{schema}.yaml"), period or _period_of(file))
    if as_json:
        facts = {"received": report.received, "accepted": report.accepted, "quarantined": report.quarantined}
        typer.echo(json.dumps({**facts, "acceptable": report.acceptable}))
    else:
        typer.echo(str(report))
        if report.acceptable:
            typer.echo(f"Next: zicht delivery manifest {file.name} …")
    if not report.acceptable:
        raise typer.Exit(BadInput.exit_code)


@delivery_app.command("manifest")
def manifest(
    file: FileArgument,
    schema: Annotated[str, typer.Option(help="Name of the schema, such as hemp_clearances.")],
    period: Annotated[str, typer.Option(help="The period the file is about: a year, or first-last year.")],
    supplier: Annotated[str, typer.Option(help="Who delivers: GM and four digits, or an agreed name.")],
    legal_basis: Annotated[str, typer.Option(help="The law and article on which you hand this over.")],
    purpose: Annotated[str, typer.Option(help="What it may be used for (doelbinding).")],
    retention_date: Annotated[str, typer.Option(help="Until when it may be kept: yyyy-mm-dd.")],
    contact: Annotated[str, typer.Option(help="Where questions go: a department, not a person's name.")],
    out: Annotated[Path, typer.Option(help="The manifest to write.")],
    schemas: SchemasOption = DEFAULT_SCHEMAS,
) -> None:
    """Write the manifest of a file that passes the check: who, what, on what legal basis, until when, which bytes.

    Example: zicht delivery manifest hemp.csv --schema hemp_clearances --period 2016 --supplier GM9001 … --out hemp.yaml
    """
    import yaml

    from enclave.files import write_text
    from pseudonymise.delivery import check_file, describe
    from pseudonymise.schemas import load_schema

    spec = load_schema(schemas / f"{schema}.yaml")
    report = check_file(file, spec, period)
    made_under = _encoding_of(file, spec)
    if not report.acceptable:
        raise BadInput("the file does not pass the check", where=file.name, faults=report.faults)
    described = describe(
        file,
        spec,
        report.received,
        supplier=supplier,
        period=period,
        legal_basis=legal_basis,
        purpose=purpose,
        retention_date=retention_date,
        contact=contact,
        **made_under,
    )
    write_text(out, yaml.safe_dump(described.as_json(), sort_keys=False, allow_unicode=True))
    typer.echo(f"wrote {out}\nNext: zicht delivery seal {file.name} --to RECIPIENT --manifest {out.name}")


def _encoding_of(file: Path, schema: DeliverySchema) -> dict[str, object]:
    """What the filters of a file were made under, for its manifest; nothing for other files."""
    if schema.filters is None:
        return {}
    from linkage.encodings.files import read_label

    return {"encoding": read_label(file).model_dump()}


def _period_of(file: Path) -> str:
    """The period of the manifest beside the file, or the end of the file's name (``hemp_clearances_2016.csv``)."""
    from pseudonymise.manifest import read_manifest

    beside = file.with_name(f"{file.stem}.manifest.yaml")
    if beside.is_file():
        return read_manifest(beside).period
    named = re.search(r"_([0-9]{4}(?:-[0-9]{4})?)$", file.stem)
    if named is None:
        raise BadInput("the period is not known", where=file.name, next_step="--period 2016, or --period 1996-2015")
    return named[1]


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


@receipt_app.command("verify")
def verify_receipt(
    receipt: Annotated[Path, typer.Argument(help="The receipt (JSON), as it was sent back.")],
    key: Annotated[Path, typer.Option(help="The enclave's public receipt key (receipt.pub), from a source you trust.")],
    file: Annotated[Path | None, typer.Option(help="The file you delivered: is the receipt about its bytes?")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a receipt: that the enclave signed it, that it is whole, and that it is about your file.

    Example: zicht receipt verify GM9001-hemp_clearances-2016-….json --key receipt.pub --file hemp.csv
    """
    from enclave.signatures import load_public
    from pseudonymise.receipt import check_delivered, load_receipt

    answered = load_receipt(receipt, load_public(key))
    if file is not None:
        check_delivered(answered, file)
    if as_json:
        typer.echo(
            json.dumps(
                {**answered.findings.as_json(), "key_id": answered.key_id, "file_matches": True if file else None}
            )
        )
        return
    about = f"it is about {file.name}" if file else "--file FILE checks that it is about your file"
    typer.echo(f"{receipt.name} holds: signed by {answered.key_id}; {about}\n{answered}")
    found = answered.findings
    typer.echo(f"kept until {found.retention_date} on {found.legal_basis}, for {found.purpose}")
