"""How values of a column are to be written, as its schema says: told to who wrote them otherwise, without a value."""

from __future__ import annotations

from collections.abc import Callable

from pseudonymise.quarantine import Defect
from pseudonymise.schemas import ColumnSpec, DeliverySchema

IDENTIFIERS = {
    "bsn": ("burgerservicenummer: 9 cijfers, elfproef", "citizen service number: 9 digits, eleven-test"),
    "rsin": ("RSIN: 9 cijfers, elfproef", "RSIN: 9 digits, eleven-test"),
    "kvk": ("KvK-nummer: 8 cijfers", "KvK number: 8 digits"),
    "establishment": ("vestigingsnummer: 12 cijfers", "establishment number: 12 digits"),
    "bag": ("BAG-nummer: 16 cijfers", "BAG number: 16 digits"),
    "postcode": ("postcode: 4 cijfers en 2 letters", "postcode: 4 digits and 2 letters"),
    "street": ("straatnaam", "street name"),
    "house_number": ("huisnummer", "house number"),
    "addition": ("huisnummertoevoeging", "house number addition"),
    "address": ("postcode, huisnummer en toevoeging", "postcode, house number and addition"),
    "name": ("naam", "name"),
    "licence_plate": ("kenteken: 6 letters en cijfers", "licence plate: 6 letters and digits"),
    "iban": ("IBAN, met controlegetal", "IBAN, with its check digits"),
    "phone": ("telefoonnummer", "phone number"),
    "email": ("e-mailadres", "e-mail address"),
    "foreign": (
        "buitenlands nummer: landcode en nummer, of een V-nummer (V-nr 1234567890)",
        "foreign number: code of the country and number, or a V-nummer (V-nr 1234567890)",
    ),
    "own_number": ("eigen nummer: letters en cijfers", "own number: letters and digits"),
    "clk": (
        "filter van een persoon, in base64 (zicht encoding file)",
        "filter of a person, base64 (zicht encoding file)",
    ),
}
"""Kind of identifier → what it is made of, in Dutch and in English."""
DATES = {"dd-mm-yyyy": "dd-mm-jjjj", "yyyy-mm-dd": "jjjj-mm-dd", "yyyymmdd": "jjjjmmdd"}
"""How dates are written: in English, in Dutch."""
MOST_CODES = 20


def what_is_wrong(defect: Defect, column: str, schema: DeliverySchema, years: tuple[int, int]) -> str:
    """A clause for the supplier: the defect with the form, codes, bounds or years that the schema asks for.

    ``years``: the first and last that the delivery is about. Where the schema says no more of the column, or
    ``column`` stands for several, this is the defect's own description.
    """
    if column not in schema.names:
        return defect.description()
    if defect is Defect.OTHER_PERIOD:
        first, last = years_allowed(schema, years)
        return f"lies outside {first}-{last}, the years that this delivery may hold"
    said = _SAID[defect](schema.column(column), schema) if defect in _SAID else ""
    return said or defect.description()


def years_allowed(schema: DeliverySchema, years: tuple[int, int]) -> tuple[int, int]:
    """The first and last year that a delivery about ``years`` may hold."""
    before = schema.rules.period.years_before if schema.rules.period else 0
    return years[0] - before, years[1]


def in_english(value: float) -> str:
    """A bound with commas between thousands."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,}"


def _date(_: ColumnSpec, schema: DeliverySchema) -> str:
    return f"not a date of the calendar, written {schema.date_format}"


def _number(spec: ColumnSpec, schema: DeliverySchema) -> str:
    if spec.type == "integer":
        return "not a whole number, written in figures"
    if schema.decimal_mark == ",":
        return "not a number, written in figures with a decimal comma"
    return "not a number, written in figures with a decimal point"


def _codes(spec: ColumnSpec, schema: DeliverySchema) -> str:
    if len(spec.codes) > MOST_CODES:
        return f"not one of the codes that this column may hold: zicht delivery schemas {schema.name}"
    return f"not one of the codes {', '.join(spec.codes)}"


def _range(spec: ColumnSpec, _: DeliverySchema) -> str:
    if spec.minimum is None:
        return f"more than {in_english(spec.maximum or 0)}, the most that it may be"
    if spec.maximum is None:
        return f"less than {in_english(spec.minimum)}, the least that it may be"
    return f"outside the range, {in_english(spec.minimum)} to {in_english(spec.maximum)}"


def _pattern(spec: ColumnSpec, schema: DeliverySchema) -> str:
    if spec.kind == "house_number":
        return "not a house number: 1 to 99999, perhaps with its addition"
    return f"not of the form that the schema asks for: see the example, zicht delivery schemas {schema.name}"


def _identifier(spec: ColumnSpec, _: DeliverySchema) -> str:
    return f"not of the form of this identifier ({IDENTIFIERS[spec.kind][1]})" if spec.kind in IDENTIFIERS else ""


def _length(spec: ColumnSpec, _: DeliverySchema) -> str:
    return f"longer than {spec.max_length} characters (a letter with an accent counts as two)"


_SAID: dict[Defect, Callable[[ColumnSpec, DeliverySchema], str]] = {
    Defect.NOT_A_DATE: _date,
    Defect.NOT_A_NUMBER: _number,
    Defect.NOT_IN_LIST: _codes,
    Defect.OUT_OF_RANGE: _range,
    Defect.MALFORMED: _identifier,
    Defect.PATTERN: _pattern,
    Defect.TOO_LONG: _length,
}
