"""Defects of whole files, planted in a few named deliveries so that most files stay acceptable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from synthetic.defects import Ledger
from synthetic.delivery_layouts import NATIONAL_SUPPLIERS
from synthetic.plan import Municipality
from synthetic.randomness import Bools, uniforms
from synthetic.value_defects import ALL_KINDS, NAME_COLUMNS

WRONG_PERIOD = "2014"
# a file with one of these is rejected as a whole by the shipped schemas and project
UNACCEPTABLE = frozenset({"absent_column", "extra_column", "merged_header", "wrong_period"})
UNACCEPTABLE |= {"no_header", "truncated", "too_many_bad", "wrong_separator", "utf16", "other_years", "double_column"}
COLUMN_DEFECT_SHARE = 0.05
USER_MISSING = 999_999_999
_USER_MISSING_RATE = 0.02
_NEWLINE_RATE = 0.2
_ABSENT = {"hemp_clearances": "bag_id", "debt_assistance": "start_date", "property_tax": "owner_kind"}
_EXTRA = "telefoonnummer"
_SCHEMAS = ("property_tax", "hemp_clearances", "debt_assistance")

FileKey = tuple[str, str]


def assign(plan: tuple[Municipality, ...]) -> Mapping[FileKey, tuple[str, ...]]:
    """(supplier, schema) → kinds of defects; at 50,000 persons half of the 16 files have any, 4 cannot be accepted."""
    count = len(plan)
    chosen = [
        ("hemp_clearances", 0, "bom_utf8"),
        ("hemp_clearances", 0, "thousand_dots"),
        ("hemp_clearances", 1, "day_month_short"),
        ("hemp_clearances", 1, "quoted_newline"),
        ("hemp_clearances", 2 if count > 2 else 0, "absent_column"),
        ("debt_assistance", 0, "wrong_period"),
        ("debt_assistance", 1, "merged_header"),
        ("debt_assistance", 2 if count > 2 else 1, "numbers_as_text"),
        ("debt_assistance", 3 if count > 3 else 1, "bsn_as_number"),
        ("property_tax", 0, "user_missing"),
        ("property_tax", 1, "extra_column"),
    ]
    # 5 % of the files have an absent or extra column; two are in the list already
    for number in range(round(COLUMN_DEFECT_SHARE * (3 * count + 1)) - 2):
        kind = ("absent_column", "extra_column")[number % 2]
        chosen.append((_SCHEMAS[number % 3], (5 + 7 * number) % count, kind))
    found: dict[FileKey, tuple[str, ...]] = {}
    for schema, index, kind in chosen:
        key = (plan[index].code, schema)
        if kind not in found.get(key, ()):
            found[key] = (*found.get(key, ()), kind)
    return found


def assign_full(plan: tuple[Municipality, ...]) -> Mapping[FileKey, tuple[str, ...]]:
    """The same for the full programme: of 80 files 19 have any, 14 cannot be accepted, each kind at least once."""
    chosen: dict[tuple[str, int], tuple[str, ...]] = {
        ("hemp_clearances", 0): ("bom_utf8", "thousand_dots"),
        ("hemp_clearances", 1): ("day_month_short", "quoted_newline"),
        ("hemp_clearances", 2): ("absent_column",),
        ("hemp_clearances", 8): ("no_header",),
        ("debt_assistance", 0): ("wrong_period",),
        ("debt_assistance", 1): ("merged_header",),
        ("debt_assistance", 2): ("numbers_as_text",),
        ("debt_assistance", 3): ("bsn_as_number",),
        ("property_tax", 0): ("user_missing",),
        ("property_tax", 1): ("extra_column",),
        ("property_tax", 7): ("absent_column",),
        ("social_assistance", 3): ("truncated",),
        ("social_assistance", 4): ("too_many_bad",),
        ("social_assistance", 10): ("double_column",),
        ("permits", 5): ("wrong_separator",),
        ("permits", 6): ("utf16",),
        ("permits", 9): ("other_years",),
    }
    found = {(plan[index].code, schema): kinds for (schema, index), kinds in chosen.items()}
    national = {"suspicious_transactions": ("extra_column",), "anbi_list": ("merged_header",)}
    return found | {(NATIONAL_SUPPLIERS[schema], schema): kinds for schema, kinds in national.items()}


@dataclass(slots=True)
class Spoiled:
    """A frame as it will be written, and what the writer must do differently."""

    frame: pd.DataFrame
    encoding: str = ""  # the layout's
    title_rows: int = 0
    user_missing: Mapping[str, int] = field(default_factory=dict)
    period: str | None = None
    rewrite: Callable[[bytes], bytes] = bytes


@dataclass(frozen=True, slots=True)
class _Context:
    schema: str
    seed: int
    first_id: int
    file: str
    ledger: Ledger


def spoil(
    frame: pd.DataFrame, kinds: tuple[str, ...], *, schema: str, seed: int, first_id: int, file: str, ledger: Ledger
) -> Spoiled:
    """Apply whole-file defects in the order given and note them."""
    context = _Context(schema, seed, first_id, file, ledger)
    spoiled = Spoiled(frame.copy())
    for kind in kinds:
        column = _SPOIL[kind](spoiled, context)
        if column is not None:
            ledger.whole_file(file, column, kind)
    return spoiled


def _bom(spoiled: Spoiled, _: _Context) -> str:
    spoiled.encoding = "utf-8-sig"
    return ""


def _thousand_dots(spoiled: Spoiled, _: _Context) -> str:
    spoiled.frame["damage_eur"] = _each(spoiled.frame["damage_eur"], _dotted)
    return "damage_eur"


def _day_month_short(spoiled: Spoiled, _: _Context) -> str:
    for name in ("clearance_date", "occupant_birth_date"):
        spoiled.frame[name] = _each(spoiled.frame[name], _short_date)
    return "clearance_date"


def _absent_column(spoiled: Spoiled, context: _Context) -> str:
    column = _ABSENT[context.schema]
    spoiled.frame = spoiled.frame.drop(columns=column)
    context.ledger.forget(context.file, column)
    return column


def _extra_column(spoiled: Spoiled, _: _Context) -> str:
    # by the first column's value, so that a duplicate stays one
    numbers = [f"06-{number:08d}" for number in pd.factorize(spoiled.frame.iloc[:, 0])[0].tolist()]
    spoiled.frame[_EXTRA] = np.array(numbers, dtype=object)
    return _EXTRA


def _wrong_period(spoiled: Spoiled, _: _Context) -> str:
    spoiled.period = WRONG_PERIOD
    return ""


def _merged_header(spoiled: Spoiled, _: _Context) -> str:
    spoiled.title_rows = 2
    return ""


def _numbers_as_text(spoiled: Spoiled, _: _Context) -> str:
    frame = spoiled.frame
    frame["debt_eur"] = _each(frame["debt_eur"], lambda value: f"{float(value):.2f}".replace(".", ","))
    frame["creditors"] = _each(frame["creditors"], str)
    return "debt_eur"


def _bsn_as_number(spoiled: Spoiled, context: _Context) -> str:
    """The column was a number once: leading zeros are gone, and the cells are numbers."""
    values = spoiled.frame["bsn"].tolist()
    lost = [number for number, value in enumerate(values, start=1) if value.startswith("0")]
    numbers = np.empty(len(values), dtype=object)
    numbers[:] = [int(value) if value.isdigit() else value for value in values]
    spoiled.frame["bsn"] = numbers
    context.ledger.rows(context.file, lost, "bsn", "leading_zero_lost")
    return "bsn"


def _single(frame: pd.DataFrame) -> Bools:
    """Records that were not repeated: a repeated one must stay the same in both places."""
    but_names = [column for column in frame.columns if column not in NAME_COLUMNS]
    return ~frame.duplicated(but_names, keep=False).to_numpy()


def _quoted_newline(spoiled: Spoiled, context: _Context) -> None:
    u = uniforms(context.seed, "defect/newline", context.first_id, len(spoiled.frame))[:, 0]
    remarks = spoiled.frame["remark"].to_numpy(dtype=object, copy=True)
    single = np.flatnonzero(_single(spoiled.frame))
    rows = single[u[single] < _NEWLINE_RATE]
    rows = rows if len(rows) else single[:1]
    remarks[rows] = [f'{value}\r\nZie bijlage; "kopie" in dossier.' for value in remarks[rows].tolist()]
    spoiled.frame["remark"] = remarks
    context.ledger.rows(context.file, (rows + 1).tolist(), "remark", "quoted_newline")


def _user_missing(spoiled: Spoiled, context: _Context) -> None:
    u = uniforms(context.seed, "defect/user-missing", context.first_id, len(spoiled.frame))[:, 0]
    rows = np.flatnonzero(_single(spoiled.frame) & (u < _USER_MISSING_RATE))
    values = spoiled.frame["woz_value"].to_numpy(copy=True)
    values[rows] = USER_MISSING
    spoiled.frame["woz_value"] = values
    spoiled.user_missing = {"woz_value": USER_MISSING}
    context.ledger.rows(context.file, (rows + 1).tolist(), "woz_value", "user_missing")


def _too_many_bad(spoiled: Spoiled, context: _Context) -> str:
    """One BSN in six fails the eleven-test: above every tolerance."""
    column = next(name for name in ALL_KINDS["bsn_eleven_test"].columns if name in spoiled.frame.columns)
    values = spoiled.frame[column].to_numpy(dtype=object, copy=True)
    rows = np.arange(0, len(values), 6)
    values[rows] = [ALL_KINDS["bsn_eleven_test"].spoil(value) if value else value for value in values[rows].tolist()]
    spoiled.frame[column] = values
    context.ledger.rows(context.file, (rows + 1).tolist(), column, "bsn_eleven_test")
    return column


def _other_years(spoiled: Spoiled, _: _Context) -> str:
    spoiled.frame["granted_on"] = _each(spoiled.frame["granted_on"], lambda value: f"{int(value[:4]) - 20}{value[4:]}")
    return "granted_on"


def _rewritten(rewrite: Callable[[bytes], bytes]) -> Callable[[Spoiled, _Context], str]:
    def spoil_bytes(spoiled: Spoiled, _: _Context) -> str:
        spoiled.rewrite = rewrite
        return ""

    return spoil_bytes


def _cut(content: bytes) -> bytes:
    """An upload that broke off in its last record."""
    return content[: content.rfind(b";")]


def _doubled(content: bytes) -> bytes:
    """The second column is called like the first."""
    names = content[: content.index(b"\n")].split(b";")
    return b";".join([names[0], names[0], *names[2:]]) + content[content.index(b"\n") :]


_SPOIL: Mapping[str, Callable[[Spoiled, _Context], str | None]] = {
    "bom_utf8": _bom,
    "thousand_dots": _thousand_dots,
    "day_month_short": _day_month_short,
    "absent_column": _absent_column,
    "extra_column": _extra_column,
    "wrong_period": _wrong_period,
    "merged_header": _merged_header,
    "numbers_as_text": _numbers_as_text,
    "bsn_as_number": _bsn_as_number,
    "quoted_newline": _quoted_newline,
    "user_missing": _user_missing,
    "too_many_bad": _too_many_bad,
    "other_years": _other_years,
    "no_header": _rewritten(lambda content: content[content.index(b"\n") + 1 :]),
    "truncated": _rewritten(_cut),
    "wrong_separator": _rewritten(lambda content: content.replace(b";", b",")),
    "utf16": _rewritten(lambda content: content.decode("utf-8").encode("utf-16")),
    "double_column": _rewritten(_doubled),
}


def _each(values: pd.Series, change: Callable[[str], str]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    out = np.empty(len(values), dtype=object)
    out[:] = [value if value in ("", None) else change(value) for value in values.tolist()]
    return out


def _dotted(value: str) -> str:
    if "," not in value:
        return value
    whole, cents = value.split(",")
    return f"{int(whole):,}".replace(",", ".") + "," + cents


def _short_date(value: str) -> str:
    day, month, year = value.split("-")
    return f"{int(day)}-{int(month)}-{year}"
