"""Text columns → typed columns, and per value the code of what is wrong with its form.

Empty text and null are the same: no value. Outer spaces never count. Nothing here looks at two columns at once, nor at
ranges or code lists: that is :mod:`pseudonymise.validation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from enclave import identifiers
from enclave.filters import FULL_SHARE, bits_set, read_filters
from enclave.identifier_forms import mask, same_bytes
from pseudonymise.cells import Cells
from pseudonymise.dates_and_numbers import dates, numbers
from pseudonymise.formats.batch import Note
from pseudonymise.quarantine import FORM_CODES, Defect
from pseudonymise.schemas import CHECKED_KINDS, ColumnSpec, DeliverySchema

Codes = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

_OF_IDENTIFIERS = {
    identifiers.Reason.MALFORMED: Defect.MALFORMED,
    identifiers.Reason.FAILED_CHECK: Defect.FAILED_CHECK,
    identifiers.Reason.ALL_ZERO: Defect.ALL_ZERO,
    identifiers.Reason.TEST: Defect.TEST_ID,
    identifiers.Reason.UNKNOWN: Defect.UNKNOWN,
}
_FORM_OF_REASON = np.zeros(len(identifiers.Reason), dtype=np.int8)
for _reason, _defect in _OF_IDENTIFIERS.items():
    _FORM_OF_REASON[_reason] = FORM_CODES[_defect]
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
    cells = Cells.of(values)
    empty = cells.empty
    typed, form = _typed(spec, schema, cells)
    too_long = cells.lengths > spec.max_length
    if too_long.any():
        form = np.where(too_long, FORM_CODES[Defect.TOO_LONG], form).astype(np.int8)
    if empty.any():
        form = np.where(empty, 0 if spec.nullable else FORM_CODES[Defect.MISSING], form).astype(np.int8)
    return Converted(typed, form, {note: rows for note, rows in _notes(spec, schema, cells, typed) if rows.any()})


def _notes(spec: ColumnSpec, schema: DeliverySchema, cells: Cells, typed: Any) -> Iterator[tuple[Note, Bools]]:
    """What was repaired or is odd; a look at all bytes of the column says first whether anything can be."""
    if spec.kind in CHECKED_KINDS:
        yield Note.REPAIRED, _repaired(str(spec.kind), cells.raw, typed)
    elif spec.type == "text" or spec.kind in ("name", "street"):
        if cells.holds(_may_be_broken):
            yield Note.BROKEN_CHARACTERS, mask(pc.match_substring_regex(cells.raw, _BROKEN_CHARACTERS))
        if cells.holds(lambda data: data == ord("\n")):
            yield Note.LINE_BREAK, mask(pc.match_substring(cells.raw, "\n"))
    elif spec.type in ("integer", "decimal"):
        separator = "." if schema.decimal_mark == "," else ","
        if cells.holds(lambda data: data == ord(separator)):
            yield Note.VARIANT, mask(pc.and_(pc.match_substring(cells.raw, separator), pc.is_valid(typed)))
    elif spec.type == "date" or spec.kind == "birth_date":
        short = cells.lengths < len(schema.date_format)
        if short.any():
            yield Note.VARIANT, short & typed.is_valid().to_numpy(zero_copy_only=False)


def _may_be_broken(data: npt.NDArray[np.uint8]) -> Bools:
    """Where, in UTF-8, Â, Ã or â begins, or the replacement character may."""
    second = data[1:]
    begins: Bools = (data[:-1] == 0xC3) & ((second == 0x82) | (second == 0x83) | (second == 0xA2)) | (second == 0xBF)
    return begins


def _repaired(kind: str, raw: Any, typed: Any) -> Bools:
    if same_bytes(typed, raw):
        return np.zeros(len(raw), dtype=np.bool_)
    changed = mask(pc.not_equal(typed, raw))
    return changed & ~identifiers.spelled_usually(kind, raw) if changed.any() else changed


def _typed(spec: ColumnSpec, schema: DeliverySchema, cells: Cells) -> tuple[Any, Codes]:
    if spec.kind is not None and spec.kind in CHECKED_KINDS:
        return _checked_identifier(spec.kind, cells.text, refuse_test_ranges=schema.test_ranges == "refused")
    if spec.type == "date" or spec.kind == "birth_date":
        return dates(cells, schema.date_format)
    if spec.type in ("integer", "decimal"):
        return numbers(cells, schema.decimal_mark, whole=spec.type == "integer")
    text = cells.text
    empty = cells.empty
    if empty.any():
        text = pc.if_else(pa.array(empty), pa.scalar(None, pa.string()), text)
    if spec.bits is not None:
        return _filters(text, spec.bits)
    return text, np.zeros(len(text), dtype=np.int8)


def _checked_identifier(kind: str, text: Any, *, refuse_test_ranges: bool) -> tuple[Any, Codes]:
    checked = identifiers.check(kind, text, refuse_test_ranges=refuse_test_ranges)
    reason = checked.reason.to_numpy(zero_copy_only=False)
    return checked.canonical, _FORM_OF_REASON[reason] if reason.any() else reason


def _filters(text: Any, bits: int) -> tuple[Any, Codes]:
    """Filters of the declared length; empty ones, and ones so full that they are like everybody, are set aside."""
    read, good = read_filters(text, bits)
    counts = bits_set(read)
    form = np.where(good, 0, FORM_CODES[Defect.MALFORMED])
    form = np.where(good & (counts > FULL_SHARE * bits), FORM_CODES[Defect.FAILED_CHECK], form)
    return text, np.where(good & (counts == 0), FORM_CODES[Defect.ALL_ZERO], form).astype(np.int8)
