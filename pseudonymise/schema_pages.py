"""A delivery schema as a page for people, in Dutch or English: per column what it means, how to write it, an example,
whether it must be filled, and what happens to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pseudonymise.clerk_report import Language
from pseudonymise.schemas import ColumnSpec, DeliverySchema
from pseudonymise.written import DATES, IDENTIFIERS, in_english

_TREATMENTS = {
    "hash": ("vervangen door een sleutelhash", "replaced by a keyed hash"),
    "drop": ("weg na controle", "dropped after checking"),
    "keep": ("blijft", "kept"),
    "text-scan": (
        "gescand: één gevonden nummer of naam weigert de levering",
        "scanned: one identifier that is found refuses the delivery",
    ),
    "text-drop-on-leak": (
        "gescand: een tekst met een nummer of naam wordt leeg",
        "scanned: a text with an identifier is blanked",
    ),
    "coarsen:year": ("alleen het jaar blijft", "the year alone is kept"),
    "coarsen:five_years": ("alleen de periode van vijf jaar blijft", "the period of five years alone is kept"),
    "coarsen:decade": ("alleen het tiental jaren blijft", "the decade alone is kept"),
    "coarsen:pc4": ("alleen de vier cijfers blijven", "the four digits alone are kept"),
    "coarsen:pc2": ("alleen de eerste twee cijfers blijven", "the first two digits alone are kept"),
}
_FORMATS = {"csv": "CSV", "xlsx": "Excel (.xlsx)", "sav": "SPSS (.sav)"}


def schema_page(schema: DeliverySchema, language: Language) -> str:
    """The page, as Markdown."""
    return "\n".join(_lines(schema, language)) + "\n"


def _lines(schema: DeliverySchema, language: Language) -> Iterator[str]:
    say = language.pick
    yield f"# {say(schema.title_nl, schema.title_en)}\n"
    yield say(f"`{schema.name}`, versie {schema.version}. ", f"`{schema.name}`, version {schema.version}. ") + (
        say("Bestand: ", "File: ") + f"{say(' of ', ' or ').join(_FORMATS[form] for form in schema.formats)}.\n"
    )
    if "csv" in schema.formats:
        marks = (f"`{schema.separator}`", f"`{schema.decimal_mark}`", " / ".join(schema.encodings))
        yield say(
            f"CSV: gescheiden door {marks[0]}, decimaalteken {marks[1]}, tekencodering {marks[2]}.\n",
            f"CSV: separated by {marks[0]}, decimal mark {marks[1]}, encoding {marks[2]}.\n",
        )
    yield say(
        f"Hoogstens {schema.tolerance:.0%} van de rijen mag fouten hebben: die rijen worden apart gezet en geteld, de "
        "andere gaan door. Zijn het er meer, dan wordt het bestand geweigerd.\n",
        f"At most {schema.tolerance:.0%} of the rows may have faults: those are set aside and counted, the others go "
        "on. With more of them the file is refused.\n",
    )
    titles = say(
        "Kolom|Betekenis|Vorm|Voorbeeld|Verplicht|Wat ermee gebeurt",
        "Column|Meaning|Format|Example|Required|What happens to it",
    ).split("|")
    yield f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|"
    for column in schema.columns:
        cells = (
            f"`{column.name}`",
            say(column.meaning_nl, column.meaning_en),
            content_of(column, schema, language),
            f"`{column.example}`",
            _required(column, language),
            treatment_of(column, language),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    rules = list(_rules(schema, language))
    if rules:
        yield say("\n## Regels\n", "\n## Rules\n")
        yield from rules


def content_of(column: ColumnSpec, schema: DeliverySchema, language: Language) -> str:
    """How a value of the column is written."""
    say = language.pick
    if column.codes:
        return ", ".join(f"`{code}` = {meaning}" for code, meaning in column.codes.items())
    if column.type == "date" or column.kind == "birth_date":
        return say(f"datum, {DATES[schema.date_format]}", f"date, {schema.date_format}")
    if column.type in ("integer", "decimal"):
        kind = say("geheel getal", "whole number") if column.type == "integer" else say("getal", "number")
        return kind + _range(column, language)
    if column.kind is not None:
        return say(*IDENTIFIERS[column.kind]) + _longest(column, language)
    return say("tekst", "text") + _longest(column, language)


def _range(column: ColumnSpec, language: Language) -> str:
    low, high = (None if bound is None else _number(bound, language) for bound in (column.minimum, column.maximum))
    if low is not None and high is not None:
        return language.pick(f", {low} t/m {high}", f", {low} to {high}")
    if low is not None:
        return language.pick(f", ten minste {low}", f", at least {low}")
    return language.pick(f", ten hoogste {high}", f", at most {high}") if high is not None else ""


def _number(value: float, language: Language) -> str:
    text = in_english(value)
    return text.translate(str.maketrans(",.", ".,")) if language is Language.NL else text


def _longest(column: ColumnSpec, language: Language) -> str:
    if "max_length" not in column.model_fields_set:
        return ""
    return language.pick(f", hoogstens {column.max_length} tekens", f", at most {column.max_length} characters")


def _required(column: ColumnSpec, language: Language) -> str:
    if not column.required:
        return language.pick("nee, de kolom mag ontbreken", "no, the column may be absent")
    if column.nullable:
        return language.pick("kolom ja, waarde mag leeg", "column yes, a value may be empty")
    return language.pick("ja", "yes")


def treatment_of(column: ColumnSpec, language: Language) -> str:
    """What happens to the column's values in the enclave."""
    found = _TREATMENTS.get(column.treatment)
    return language.pick(*found) if found else column.treatment


def _rules(schema: DeliverySchema, language: Language) -> Iterator[str]:
    say, rules = language.pick, schema.rules
    for group in rules.unique:
        yield say(f"- Geen twee rijen zijn gelijk in {_and(group)}.", f"- No two rows are equal in {_and(group)}.")
    for group in rules.any_of:
        yield say(f"- Ten minste één is gevuld: {_and(group)}.", f"- At least one is filled: {_and(group)}.")
    for first, second in rules.in_order:
        yield say(f"- `{first}` ligt niet na `{second}`.", f"- `{first}` is not after `{second}`.")
    for rule in rules.required_if:
        yield say(
            f"- Is `{rule.column}` = `{rule.code}`, dan is `{rule.then}` gevuld.",
            f"- Where `{rule.column}` = `{rule.code}`, `{rule.then}` is filled.",
        )
    for link in rules.refers:
        yield say(
            f"- {_and(link.columns)} staat ook in {_and(link.to)} van het bestand `{link.schema_name}`, dat meekomt.",
            f"- {_and(link.columns)} stands also in {_and(link.to)} of the file `{link.schema_name}` that comes along.",
        )
    if rules.period:
        before = rules.period.years_before
        earlier = say(f", of hoogstens {before} jaar eerder", f", or at most {before} years before") if before else ""
        yield say(
            f"- `{rules.period.column}` ligt in de periode", f"- `{rules.period.column}` is within the period"
        ) + (f"{earlier}.")


def _and(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
