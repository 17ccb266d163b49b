"""Text columns → typed columns, and per value the code of what is wrong with its form.

Empty text and null are the same: no value. Outer spaces never count. Nothing here looks at two columns at once, nor at
ranges or code lists: that is :mod:`pseudonymise.validation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from enclave import identifiers
from enclave.filters import FULL_SHARE, bits_set, read_filters
from pseudonymise.formats.batch import Note
from pseudonymise.quarantine import Defect
from pseudonymise.schemas import CHECKED_KINDS, ColumnSpec, DeliverySchema

Codes = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

FORM_CODES = {
    Defect.MISSING: 1,
    Defect.MALFORMED: 2,
    Defect.FAILED_CHECK: 3,
    Defect.ALL_ZERO: 4,
    Defect.NOT_A_NUMBER: 5,
    Defect.NOT_A_DATE: 6,
    Defect.TOO_LONG: 7,
}
_OF_IDENTIFIERS = {
    identifiers.Reason.MALFORMED: Defect.MALFORMED,
    identifiers.Reason.FAILED_CHECK: Defect.FAILED_CHECK,
    identifiers.Reason.ALL_ZERO: Defect.ALL_ZERO,
}
_DATE_FORMS = {
    "dd-mm-yyyy": r"^(?P<d>[0-9]{1,2})[-/.](?P<m>[0-9]{1,2})[-/.](?P<y>[0-9]{4})$",
    "yyyy-mm-dd": r"^(?P<y>[0-9]{4})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})$",
    "yyyymmdd": r"^(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})$",
}
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
FIRST_YEAR, LAST_YEAR = 1800, 2199
# UTF-8 that was read as cp1252 and written again (Ã«, Ã¶, â€™), and the replacement character
_BROKEN_CHARACTERS = (
    "[\u00c2\u00c3][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u2013-\u203a\u20ac\u2122]"
)
_BROKEN_CHARACTERS += "|\u00e2\u20ac|\ufffd"


@dataclass(frozen=True, slots=True)
class Converted:
    """A typed column (null = no usable value), codes of :data:`FORM_CODES` (0 = sound), and the values to note."""

    values: Any
    form: Codes
    notes: dict[Note, Bools]


def arrow_type(spec: ColumnSpec) -> pa.DataType:
    """Integers are int64, decimals double, everything else text: dates as yyyymmdd, codes and identifiers canonical."""
    return {"integer": pa.int64(), "decimal": pa.float64()}.get(spec.type, pa.string())


def convert(spec: ColumnSpec, schema: DeliverySchema, values: Any) -> Converted:
    """Convert one column of text."""
    values = pc.fill_null(_one_array(values), "")
    trimmed = pc.utf8_trim_whitespace(values)
    empty = _mask(pc.equal(trimmed, ""))
    too_long = _mask(pc.greater(pc.binary_length(trimmed), spec.max_length))
    typed, form = _typed(spec, schema, pc.if_else(pa.array(empty), pa.scalar(None, pa.string()), trimmed))
    form = np.where(too_long, FORM_CODES[Defect.TOO_LONG], form)
    form = np.where(empty, 0 if spec.nullable else FORM_CODES[Defect.MISSING], form).astype(np.int8)
    return Converted(typed, form, {note: mask for note, mask in _notes(spec, schema, values, typed) if mask.any()})


def _notes(spec: ColumnSpec, schema: DeliverySchema, raw: Any, typed: Any) -> Iterator[tuple[Note, Bools]]:
    if spec.kind in CHECKED_KINDS:
        yield Note.REPAIRED, _mask(pc.fill_null(pc.not_equal(typed, raw), False))
    elif spec.type == "text" or spec.kind == "name":
        yield Note.BROKEN_CHARACTERS, _mask(pc.match_substring_regex(raw, _BROKEN_CHARACTERS))
        yield Note.LINE_BREAK, _mask(pc.match_substring(raw, "\n"))
    elif spec.type in ("integer", "decimal"):
        separated = pc.match_substring(raw, "." if schema.decimal_mark == "," else ",")
        yield Note.VARIANT, _mask(pc.and_(separated, pc.is_valid(typed)))
    elif spec.type == "date" or spec.kind == "birth_date":
        short = pc.less(pc.binary_length(raw), len(schema.date_format))
        yield Note.VARIANT, _mask(pc.and_(short, pc.is_valid(typed)))


def _typed(spec: ColumnSpec, schema: DeliverySchema, text: Any) -> tuple[Any, Codes]:
    if spec.kind is not None and spec.kind in CHECKED_KINDS:
        return _checked_identifier(spec.kind, text)
    if spec.bits is not None:
        return _filters(text, spec.bits)
    if spec.type == "date" or spec.kind == "birth_date":
        return _dates(text, schema.date_format)
    if spec.type in ("integer", "decimal"):
        return _numbers(text, spec, schema.decimal_mark)
    return text, np.zeros(len(text), dtype=np.int8)


def _checked_identifier(kind: str, text: Any) -> tuple[Any, Codes]:
    checked = identifiers.check(kind, text)
    to_form = np.zeros(len(identifiers.Reason), dtype=np.int8)
    for reason, defect in _OF_IDENTIFIERS.items():
        to_form[reason] = FORM_CODES[defect]
    return checked.canonical, to_form[checked.reason.to_numpy(zero_copy_only=False)]


def _filters(text: Any, bits: int) -> tuple[Any, Codes]:
    """Filters of the declared length; empty ones, and ones so full that they are like everybody, are set aside."""
    read, good = read_filters(text, bits)
    counts = bits_set(read)
    form = np.where(good, 0, FORM_CODES[Defect.MALFORMED])
    form = np.where(good & (counts > FULL_SHARE * bits), FORM_CODES[Defect.FAILED_CHECK], form)
    return text, np.where(good & (counts == 0), FORM_CODES[Defect.ALL_ZERO], form).astype(np.int8)


def _numbers(text: Any, spec: ColumnSpec, mark: str) -> tuple[Any, Codes]:
    """Whole numbers below 10¹⁸ and decimals, with or without a thousands separator in its right places."""
    thousands = re.escape("." if mark == "," else ",")
    tail = rf"({re.escape(mark)}[0-9]{{1,18}})?" if spec.type == "decimal" else rf"({re.escape(mark)}0{{1,18}})?"
    form = rf"^[+-]?([0-9]{{1,18}}|[0-9]{{1,3}}({thousands}[0-9]{{3}}){{1,5}}){tail}$"
    good = pc.fill_null(pc.match_substring_regex(text, form), False)
    kept = pc.if_else(good, text, pa.scalar(None, pa.string()))
    plain = pc.replace_substring(pc.replace_substring(kept, "." if mark == "," else ",", ""), mark, ".")
    plain = pc.utf8_ltrim(plain, "+")
    if spec.type == "integer":
        plain = pc.replace_substring_regex(plain, r"\.0*$", "")
    return plain.cast(arrow_type(spec)), _coded(~_mask(good), Defect.NOT_A_NUMBER)


def _dates(text: Any, date_format: str) -> tuple[Any, Codes]:
    """Dates that exist (Gregorian calendar, 1800–2199) as yyyymmdd."""
    parts = pc.extract_regex(text, _DATE_FORMS[date_format])
    year, month, day = (
        pc.fill_null(pc.struct_field(parts, name).cast(pa.int64()), 0).to_numpy(zero_copy_only=False) for name in "ymd"
    )
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    known = (month >= 1) & (month <= 12)
    days = _MONTH_DAYS[np.where(known, month, 0)] + (leap & (month == 2))
    good = known & (day >= 1) & (day <= days) & (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    numbers = pa.array(np.where(good, year * 10000 + month * 100 + day, 0), mask=~good)
    return numbers.cast(pa.string()), _coded(~good, Defect.NOT_A_DATE)


def _coded(wrong: Bools, defect: Defect) -> Codes:
    return np.where(wrong, FORM_CODES[defect], 0).astype(np.int8)


def _mask(values: Any) -> Bools:
    found: Bools = values.to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


def _one_array(values: Any) -> Any:
    if isinstance(values, pa.ChunkedArray):
        return (
            values.chunk(0)
            if values.num_chunks == 1
            else pa.concat_arrays(values.chunks or [pa.array([], pa.string())])
        )
    return values
