"""``zicht delivery``: the supplier's side; for the light installation, without a network."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from enclave.errors import BadInput, Fault
from pipeline.commands.options import JsonOption

if TYPE_CHECKING:
    from pseudonymise.schemas import DeliverySchema

delivery_app = typer.Typer(
    help="Check, describe, seal and hand in a file, or take it back; all of it at home.", no_args_is_help=True
)

OWN_SCHEMAS = Path(__file__).resolve().parents[2] / "configs" / "schemas"
LanguageName = Literal["nl", "en"]
Reasons = Literal["wrong-file", "wrong-period", "errors", "not-allowed"]
FilesArgument = Annotated[list[Path], typer.Argument(help="The file to deliver; several that belong together.")]
SchemaOption = Annotated[
    list[str], typer.Option(help="Name of the schema, such as hemp_clearances; with several files one for each.")
]
SchemasOption = Annotated[
    Path | None,
    typer.Option(help="Folder with delivery schemas; else configs/schemas here, else those that came with Zicht."),
]
LanguageOption = Annotated[
    LanguageName, typer.Option(envvar="ZICHT_LANGUAGE", help="Language of what is told: nl or en.")
]
OutboxOption = Annotated[Path, typer.Option(help="The folder in which you seal: keep it, it can take deliveries back.")]
RecipientOption = Annotated[str, typer.Option(help="The enclave's recipient: age1…, or the file that holds it.")]
DEFAULT_OUTBOX = Path("outbox")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(delivery_app, name="delivery")


@delivery_app.command("schemas")
def schemas(
    name: Annotated[str, typer.Argument(help="The schema to describe; all are listed when absent.")] = "",
    language: LanguageOption = "en",
    schemas: SchemasOption = None,
) -> None:
    """Say what can be delivered, and of one schema what every column must hold and what happens to it.

    Example: zicht delivery schemas hemp_clearances --language nl
    """
    from pseudonymise.clerk_report import Language
    from pseudonymise.schema_pages import schema_page
    from pseudonymise.schemas import load_schema, load_schemas

    folder, speak = _folder(schemas), Language(language)
    if name:
        typer.echo(schema_page(load_schema(folder / f"{name}.yaml"), speak), nl=False)
        return
    for each in load_schemas(folder).values():
        typer.echo(f"{each.name:<24}{speak.pick(each.title_nl, each.title_en)} ({', '.join(each.formats)})")


@delivery_app.command("template")
def template(
    name: Annotated[str, typer.Argument(help="Name of the schema.")],
    out: Annotated[Path, typer.Option(help="The empty file to write: .csv, .xlsx or .sav.")],
    language: LanguageOption = "en",
    schemas: SchemasOption = None,
) -> None:
    """Write an empty file to fill in, in the form that its name's ending says.

    Example: zicht delivery template hemp_clearances --out hemp_clearances_2016.xlsx --language nl
    """
    from pseudonymise.clerk_report import Language
    from pseudonymise.schemas import load_schema
    from pseudonymise.templates import write_template

    _refuse_place(out, [], "the empty file cannot be written there")
    schema = load_schema(_folder(schemas) / f"{name}.yaml")
    form = schema.format_of(out.name)
    if out.suffix.lower() != f".{form}" or out.exists():
        raise BadInput(
            "the file exists, or has another ending than a form of this schema",
            where=out.name,
            next_step=f"name a new file that ends in {' or '.join(f'.{each}' for each in schema.formats)}",
        )
    write_template(schema, form, out, Language(language))
    typer.echo(f"{Language(language).pick('geschreven:', 'wrote')} {out.name}")


@delivery_app.command("check")
def check(
    files: FilesArgument,
    schema: SchemaOption,
    period: Annotated[
        str, typer.Option(help="A year, or first-last year; else the manifest's beside it, or as the file is named.")
    ] = "",
    rows: Annotated[
        Path | None, typer.Option(help="Write a list of all faulty rows (CSV): file, row, column, what is wrong.")
    ] = None,
    language: LanguageOption = "en",
    schemas: SchemasOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a file as the enclave will: every fault with its column and row, never a value.

    Several files of one delivery are checked together: what one refers to must stand in the other.

    Example: zicht delivery check hemp.csv --schema hemp_clearances --period 2016
    """
    from pseudonymise.clerk_report import Language, report_facts, report_text
    from pseudonymise.delivery import check_files
    from pseudonymise.row_list import row_list
    from pseudonymise.schemas import load_schemas

    speak = Language(language)
    pairs = _with_schemas(files, schema, schemas)
    _refuse_missing(files)
    about, wrong = _period_of(files[0], period)
    if rows is not None:
        _refuse_place(rows, files, "the list cannot be written there")
    with row_list(rows, speak, dict(pairs), about) if rows else contextlib.nullcontext() as tell:
        reports = check_files(pairs, about, tell, lambda: load_schemas(_folder(schemas)).values())
    reports = tuple(replace(report, fatal=wrong + report.fatal) for report in reports)
    good = all(report.acceptable for report in reports)
    if as_json:
        totals = {name: sum(getattr(r, name) for r in reports) for name in ("received", "accepted", "quarantined")}
        listed = [report_facts(report, speak) for report in reports]
        typer.echo(json.dumps({**totals, "acceptable": good, "files": listed}))
    else:
        for report in reports:
            typer.echo(report_text(report, speak))
        if rows is not None:
            typer.echo(f"{speak.pick('geschreven:', 'wrote')} {rows}")
        named = " ".join(file.name for file in files)
        mend = speak.pick("verbeter het en kijk het opnieuw na:", "mend it and check it again:")
        following = f"zicht delivery manifest {named} …" if good else f"{mend} zicht delivery check {named} …"
        typer.echo(f"{speak.pick('Verder', 'Next')}: {following}")
    if not good:
        raise typer.Exit(BadInput.exit_code)


@delivery_app.command("manifest")
def manifest(
    files: FilesArgument,
    schema: SchemaOption,
    period: Annotated[str, typer.Option(help="The period the file is about: a year, or first-last year.")],
    supplier: Annotated[str, typer.Option(help="Who delivers: GM and four digits, or an agreed name.")],
    legal_basis: Annotated[str, typer.Option(help="The law and article on which you hand this over.")],
    purpose: Annotated[str, typer.Option(help="What it may be used for (doelbinding).")],
    retention_date: Annotated[str, typer.Option(help="Until when it may be kept: yyyy-mm-dd.")],
    contact: Annotated[str, typer.Option(help="Where questions go: a department, not a person's name.")],
    out: Annotated[Path, typer.Option(help="The manifest to write.")],
    schemas: SchemasOption = None,
    language: LanguageOption = "en",
) -> None:
    """Write the manifest of a file that passes the check: who, what, on what legal basis, until when, which bytes.

    Example: zicht delivery manifest hemp.csv --schema hemp_clearances --period 2016 --supplier GM9001 … --out hemp.yaml
    """
    import yaml

    from enclave.files import write_text
    from pseudonymise.clerk_report import Language, empty_text
    from pseudonymise.delivery import check_files, declared_faults, describe_files
    from pseudonymise.manifest import refuse_fields
    from pseudonymise.schemas import load_schemas

    pairs = _with_schemas(files, schema, schemas)
    _refuse_missing(files)
    _refuse_place(out, files, "the manifest cannot be written there")
    made_under = _encoding_of(*pairs[0]) if len(pairs) == 1 else {}
    declared = {
        "supplier": supplier,
        "period": period,
        "legal_basis": legal_basis,
        "purpose": purpose,
        "retention_date": retention_date,
        "contact": contact,
        **made_under,
    }
    faults = declared_faults(pairs, _now().date(), **declared)
    about = "" if any(fault.column == "period" for fault in faults) else period
    reports = check_files(pairs, about, others=lambda: load_schemas(_folder(schemas)).values())
    in_files = tuple(fault for report in reports if not report.acceptable for fault in report.faults)
    if in_files:
        raise BadInput("the file does not pass the check", where=files[0].name, faults=faults + in_files)
    refuse_fields(faults)
    described = describe_files(
        [(*pair, report.received) for pair, report in zip(pairs, reports, strict=True)], **declared
    )
    write_text(out, yaml.safe_dump(described.as_json(), sort_keys=False, allow_unicode=True))
    named = " ".join(file.name for file in files)
    say = _speaks(language)
    typer.echo(f"{say('geschreven:', 'wrote')} {out}")
    for report in reports:
        if not report.received:
            typer.echo(f"{report.file}: {empty_text(Language(language))}")
    typer.echo(f"{say('Verder', 'Next')}: zicht delivery seal {named} --to RECIPIENT --manifest {out.name}")


@delivery_app.command("seal")
def seal(
    files: FilesArgument,
    to: RecipientOption,
    manifest: Annotated[Path, typer.Option(help="The manifest (YAML): supplier, schema, purpose, legal basis …")],
    out: OutboxOption = DEFAULT_OUTBOX,
    replaces: Annotated[str, typer.Option(help="The earlier delivery whose place this one takes.")] = "",
    language: LanguageOption = "en",
) -> None:
    """Encrypt a file with its manifest so that only the enclave can open it.

    Example: zicht delivery seal hemp.csv --to seal-ondermijning.pub --manifest hemp.manifest.yaml
    """
    from pseudonymise.manifest import read_manifest
    from pseudonymise.outbox import Outbox

    sealed = Outbox(out).seal(files, read_manifest(manifest), _recipient(to), now=_now(), replaces=replaces)
    say = _speaks(language)
    only = say("alleen de enclave kan het openen", "only the enclave can open it")
    typer.echo(f"{say('verzegeld:', 'sealed')} {sealed}")
    typer.echo(f"{say('Verder', 'Next')}: zicht delivery hand-in {sealed} --to FOLDER; {only}")


@delivery_app.command("key")
def key(
    new: Annotated[
        bool, typer.Option("--new", help="Draw another key: the old one was lost, or seen by others.")
    ] = False,
    outbox: OutboxOption = DEFAULT_OUTBOX,
    language: LanguageOption = "en",
) -> None:
    """Show the key that signs what you seal: send its public half to the office, tell the fingerprint by telephone.

    The private half lies in the outbox, without a passphrase: who reads that folder can deliver and withdraw as you.

    Example: zicht delivery key
    """
    from pseudonymise.outbox import Outbox
    from pseudonymise.sender import PUBLIC_FILE, fingerprint, own_key

    signing = Outbox(outbox).new_key(now=_now()) if new else own_key(outbox)
    say = _speaks(language)
    typer.echo(f"{outbox / PUBLIC_FILE}: {fingerprint(signing.public)}")
    typer.echo(
        say(
            "Verder: stuur dit bestand aan het bureau en zeg de vingerafdruk langs een andere weg",
            "Next: send this file to the office, and tell the fingerprint over another way",
        )
    )


@delivery_app.command("hand-in")
def hand_in(
    sealed: Annotated[Path, typer.Argument(help="What was sealed, or a notice of withdrawal.")],
    to: Annotated[Path, typer.Option(help="The folder that the office reads: a share, a stick.")],
    outbox: OutboxOption = DEFAULT_OUTBOX,
    language: LanguageOption = "en",
) -> None:
    """Copy what is sealed into the office's folder; a copy that broke off goes on where it was.

    Example: zicht delivery hand-in outbox/GM9001-hemp_clearances-2016-….zicht --to S:/uitwisseling
    """
    from pseudonymise.outbox import Outbox

    kept = Outbox(outbox).hand_in(sealed, to, now=_now())
    say = _speaks(language)
    there = say(f" ({kept} bytes waren er al)", f" ({kept} bytes were there already)") if kept else ""
    typer.echo(f"{say('ingeleverd:', 'handed in')} {sealed.name}{there}")
    wait = say("Verder: wacht op het ontvangstbewijs;", "Next: wait for the receipt;")
    typer.echo(f"{wait} zicht receipt verify RECEIPT --key receipt.pub --file FILE")


@delivery_app.command("withdraw")
def withdraw(
    delivery: Annotated[str, typer.Argument(help="The delivery's name, as on its receipt.")],
    reason: Annotated[Reasons, typer.Option(help="Why.")],
    to: RecipientOption,
    outbox: OutboxOption = DEFAULT_OUTBOX,
    language: LanguageOption = "en",
) -> None:
    """Take a delivery back: a sealed notice, to be handed in. The enclave then no longer uses it.

    To correct it instead, seal the newer version with --replaces.

    Example: zicht delivery withdraw GM9001-hemp_clearances-2016-… --reason wrong-file --to seal-ondermijning.pub
    """
    from pseudonymise.outbox import Outbox
    from pseudonymise.withdrawal import Reason

    notice = Outbox(outbox).withdraw(delivery, Reason(reason), _recipient(to), now=_now())
    say = _speaks(language)
    typer.echo(f"{say('geschreven:', 'wrote')} {notice}")
    typer.echo(f"{say('Verder', 'Next')}: zicht delivery hand-in {notice} --to FOLDER")


def _speaks(language: LanguageName) -> Callable[[str, str], str]:
    from pseudonymise.clerk_report import Language

    return Language(language).pick


def _folder(schemas: Path | None) -> Path:
    here = Path("configs/schemas")
    return schemas or (here if here.is_dir() else OWN_SCHEMAS)


def _with_schemas(files: list[Path], names: list[str], folder: Path | None) -> list[tuple[Path, DeliverySchema]]:
    from pseudonymise.schemas import load_schema

    if len(names) != len(files):
        raise BadInput(
            f"{len(files)} files and {len(names)} schemas were named",
            next_step="give --schema once for each file, in the same order",
        )
    return [(file, load_schema(_folder(folder) / f"{name}.yaml")) for file, name in zip(files, names, strict=True)]


def _refuse_missing(files: list[Path]) -> None:
    for file in files:
        if not file.is_file():
            raise BadInput("there is no such file", where=file.name or str(file))


def _refuse_place(out: Path, files: list[Path], what: str) -> None:
    """A folder, a place in a folder that is not there, or a file that is to be delivered."""
    if out.is_dir() or not out.parent.is_dir() or out.resolve() in [file.resolve() for file in files]:
        raise BadInput(what, where=out.name or str(out), next_step="name a new file in a folder that exists")


def _recipient(to: str) -> str:
    if to.startswith("age1"):
        return to
    if not Path(to).is_file():
        raise BadInput(
            "there is no such file", where=Path(to).name, next_step="give the recipient, or the file that holds it"
        )
    return Path(to).read_text(encoding="utf-8", errors="replace").strip()


def _now() -> datetime:
    return datetime.now(UTC)


def _encoding_of(file: Path, schema: DeliverySchema) -> dict[str, object]:
    """What the filters of a file were made under, for its manifest; nothing for other files."""
    if schema.filters is None:
        return {}
    from linkage.encodings.files import read_label

    return {"encoding": read_label(file).model_dump()}


def _period_of(file: Path, given: str) -> tuple[str, tuple[Fault, ...]]:
    """The period that was given, else that of the manifest beside the file, else the end of the file's name
    (``hemp_clearances_2016.csv``); '' and why, when it is none."""
    from pseudonymise.manifest import read_manifest
    from pseudonymise.schemas import period_years

    beside = file.with_name(f"{file.stem}.manifest.yaml")
    named = re.search(r"_([0-9]{4}(?:-[0-9]{4})?)$", file.stem)
    try:
        found = given or (read_manifest(beside).period if beside.is_file() else named[1] if named else "")
        if not found:
            return "", (Fault(file.name, "period", "the period is not known: --period 2016, or --period 1996-2015"),)
        period_years(found)
    except BadInput as wrong:
        return "", wrong.faults or (Fault(wrong.where, "period", wrong.what),)
    return found, ()
