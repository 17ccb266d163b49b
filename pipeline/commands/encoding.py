"""``zicht encoding``: filters of persons, made where the persons are known, by who has the secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import typer

from enclave.errors import BadInput
from pipeline.commands.delivery import LanguageOption
from pipeline.commands.options import JsonOption

if TYPE_CHECKING:
    from enclave.project import PersonField
    from linkage.encodings.encoder import Encoder

encoding_app = typer.Typer(
    help="Hand over filters of persons instead of who they are (linkage at the source).", no_args_is_help=True
)

SchemaOption = Annotated[
    Path | None,
    typer.Option(
        help="The linkage schema (JSON), from the linkage authority; else configs/linkage/persons.json here, else the "
        "one that came with Zicht.",
    ),
]
SecretOption = Annotated[Path, typer.Option(help="File (mode 0600) that holds the secret, from the linkage authority.")]
DEFAULT_LINKAGE_SCHEMA = Path("configs/linkage/persons.json")
OWN_CONFIGS = Path(__file__).resolve().parents[2]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(encoding_app, name="encoding")


@encoding_app.command("secret")
def secret(out: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")]) -> None:
    """Draw the secret that suppliers share: for the linkage authority, never for the enclave.

    Example: zicht encoding secret linkage-2026.secret
    """
    from enclave.entropy import SecureEntropy
    from linkage.encodings.secret import draw_secret

    drawn = draw_secret(out, SecureEntropy())
    typer.echo(f"wrote {out}, check value {drawn.check()}")
    typer.echo("Next: give it to the suppliers by a safe way, and the check value (zicht encoding label) to the office")


@encoding_app.command("label")
def label(
    secret_file: SecretOption,
    linkage_schema: SchemaOption = None,
    filters: Annotated[
        Path | None, typer.Option(help="A file of filters that other software made: write the label beside it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what filters are made under: for the project file, and for filters of clkhash.

    Example: zicht encoding label --secret-file linkage-2026.secret
    """
    from linkage.encodings.files import write_label

    found = _encoder(linkage_schema, secret_file).label
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        typer.echo(f"linkage_schema: {found.linkage_schema}\nsecret_check: {found.secret_check}\nbits: {found.bits}")
    if filters is not None:
        typer.echo(f"wrote {write_label(filters, found)}")


@encoding_app.command("file")
def file(
    table: Annotated[Path, typer.Argument(help="A CSV file of persons.")],
    out: Annotated[Path, typer.Option(help="The CSV file of filters to write.")],
    secret_file: SecretOption,
    linkage_schema: SchemaOption = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="What stands where, such as surname=achternaam; without it features are columns as they are."
        ),
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A column that is handed over as it is.")] = None,
    separator: Annotated[str, typer.Option(help="Between cells.")] = ";",
    text: Annotated[Literal["utf-8", "cp1252"], typer.Option(help="Text encoding of both files.")] = "utf-8",
    language: LanguageOption = "en",
) -> None:
    """Turn persons into filters at home; names, dates and addresses do not leave.

    Example: zicht encoding file clients.csv --out filters.csv --secret-file linkage-2026.secret
    --column surname=achternaam --column birth_date=geboren --keep start_date
    """
    from linkage.encodings.files import PlainTable, encode_table, label_path
    from pseudonymise.clerk_report import Language

    rows = encode_table(
        table,
        _encoder(linkage_schema, secret_file),
        out,
        columns=_columns(column or []),
        keep=tuple(keep or ()),
        written=PlainTable(separator, text),
    )
    say = Language(language).pick
    typer.echo(f"{say('geschreven:', 'wrote')} {out} ({rows} filters) {say('en', 'and')} {label_path(out).name}")
    then = say("daarna formulier en verzegelen als elke levering", "then manifest and seal as any delivery")
    typer.echo(f"{say('Verder', 'Next')}: zicht delivery check {out.name} --schema …, {then}")


@encoding_app.command("register")
def encode_key_register(
    key_register: Annotated[Path, typer.Argument(help="The office's key register: the folder with persons.parquet.")],
    secret_file: SecretOption,
    linkage_schema: SchemaOption = None,
) -> None:
    """Make the filters of the key register, to which those of suppliers are compared: for the linkage authority.

    Example: zicht encoding register build/country/key_register --secret-file linkage-2026.secret
    """
    from linkage.encodings.files import encode_register

    made = encode_register(key_register / "persons.parquet", _encoder(linkage_schema, secret_file), key_register)
    typer.echo(f"wrote {made.name}\nNext: take the secret away from this machine; zicht pseudonymise does without it")


def _encoder(linkage_schema: Path | None, secret_file: Path) -> Encoder:
    from linkage.encodings.encoder import Encoder
    from linkage.encodings.linkage_schema import load_linkage_schema
    from linkage.encodings.secret import read_secret

    here = DEFAULT_LINKAGE_SCHEMA if DEFAULT_LINKAGE_SCHEMA.is_file() else OWN_CONFIGS / DEFAULT_LINKAGE_SCHEMA
    return Encoder(load_linkage_schema(linkage_schema or here), read_secret(secret_file))


def _columns(given: list[str]) -> dict[PersonField, str]:
    """``field=column`` options."""
    from enclave.project import PersonField

    found: dict[PersonField, str] = {}
    for text in given:
        field, _, name = text.partition("=")
        if field not in get_args(PersonField) or not name:
            raise BadInput(
                "--column takes FIELD=COLUMN", next_step=f"FIELD is one of {', '.join(get_args(PersonField))}"
            )
        found[cast("PersonField", field)] = name
    return found
