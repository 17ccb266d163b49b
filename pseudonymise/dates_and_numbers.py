"""Cells that hold dates or numbers as schemas write them, read from bytes where they are written plainly."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifiers import fixed_width, strings_from
from pseudonymise.cells import Bools, Cells, Ints
from pseudonymise.quarantine import FORM_CODES, Defect

Codes = npt.NDArray[np.int8]
FIRST_YEAR, LAST_YEAR = 1800, 2199
_FORMS = {
    "dd-mm-yyyy": r"^(?P<d>[0-9]{1,2})[-/.](?P<m>[0-9]{1,2})[-/.](?P<y>[0-9]{4})$",
    "yyyy-mm-dd": r"^(?P<y>[0-9]{4})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})$",
    "yyyymmdd": r"^(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})$",
}
_PLAIN = {
    # the places of yyyymmdd in the text, and of what parts them
    "dd-mm-yyyy": ((6, 7, 8, 9, 3, 4, 0, 1), (2, 5)),
    "yyyy-mm-dd": ((0, 1, 2, 3, 5, 6, 8, 9), (4, 7)),
    "yyyymmdd": ((0, 1, 2, 3, 4, 5, 6, 7), ()),
}
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_ZERO, _NINE = 48, 9
_WIDEST = 18


def dates(cells: Cells, date_format: str) -> tuple[Any, Codes]:
    """Dates that exist (Gregorian calendar, 1800–2199) as text yyyymmdd, null where there is none."""
    places, parted = _PLAIN[date_format]
    rows, written = fixed_width(cells.text, len(places) + len(parted))
    figures = np.full((len(cells.text), 8), _ZERO, dtype=np.uint8)
    figures[rows] = written[:, places]
    plain = np.zeros(len(figures), dtype=np.bool_)
    plain[rows] = True
    for place in parted:
        plain[rows] &= written[:, place] == ord("-")
    for column in figures.T:
        plain &= column - np.uint8(_ZERO) <= _NINE
    rest = np.flatnonzero(~plain & (cells.lengths > 0))
    if rest.size:
        _read_slowly(cells.text.take(pa.array(rest)), _FORMS[date_format], figures, rest)
    good = _exist(figures)
    wrong = np.where(good, 0, FORM_CODES[Defect.NOT_A_DATE]).astype(np.int8)
    return strings_from(figures, good), wrong


def _read_slowly(texts: Any, form: str, figures: npt.NDArray[np.uint8], rows: Ints) -> None:
    """Days and months without a zero before them, or parted by other marks."""
    parts = pc.extract_regex(texts, form)
    for name, width, at in (("y", 4, 0), ("m", 2, 4), ("d", 2, 6)):
        part = pc.utf8_lpad(pc.fill_null(pc.struct_field(parts, name), "0"), width, "0")
        figures[rows, at : at + width] = fixed_width(part, width)[1]


def _exist(figures: npt.NDArray[np.uint8]) -> Bools:
    digits = figures.astype(np.int16) - _ZERO
    year = digits[:, 0] * 1000 + digits[:, 1] * 100 + digits[:, 2] * 10 + digits[:, 3]
    month, day = digits[:, 4] * 10 + digits[:, 5], digits[:, 6] * 10 + digits[:, 7]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    known = (month >= 1) & (month <= 12)
    days = _MONTH_DAYS[np.where(known, month, 0)] + (leap & (month == 2))
    found: Bools = known & (day >= 1) & (day <= days) & (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    return found


def numbers(cells: Cells, mark: str, *, whole: bool) -> tuple[Any, Codes]:
    """Whole numbers below 10¹⁸, or decimals with ``mark``; null where there is none.

    A thousands separator in its right places, a sign and (of whole numbers) a decimal part of zeros are read too.
    """
    plain = _plain_numbers(cells, mark, whole=whole)
    kind = pa.int64() if whole else pa.float64()
    rest = np.flatnonzero(~plain & (cells.lengths > 0))
    values = _with_point(cells, mark, plain, whole=whole).cast(kind)
    wrong = np.zeros(len(plain), dtype=np.int8)
    wrong[cells.empty] = FORM_CODES[Defect.NOT_A_NUMBER]  # whoever asks knows that these are empty
    if not rest.size:
        return values, wrong
    read, good = _read_numbers(cells.text.take(pa.array(rest)), mark, whole=whole)
    wrong[rest[~good]] = FORM_CODES[Defect.NOT_A_NUMBER]
    where = np.zeros(len(plain), dtype=np.bool_)
    where[rest] = True
    return pc.replace_with_mask(values, pa.array(where), read.cast(kind)), wrong


def _plain_numbers(cells: Cells, mark: str, *, whole: bool) -> Bools:
    """Cells of figures only, of which at most one, and neither the first nor the last character, is the mark."""
    if not len(cells.data) or not len(cells.starts):
        return np.zeros(len(cells.starts), dtype=np.bool_)
    begin, end = int(cells.starts[0]), int(cells.starts[-1] + cells.lengths[-1])
    data = cells.data[begin:end]
    starts = cells.starts - begin
    figure = data - np.uint8(_ZERO) <= _NINE
    counted = _counted(figure, starts, cells.lengths)
    fits: Bools = (cells.lengths > 0) & (cells.lengths <= _WIDEST)
    if whole:
        fits &= counted == cells.lengths
        return fits
    marks = _counted(data == ord(mark), starts, cells.lengths)
    last = np.minimum(starts + np.maximum(cells.lengths - 1, 0), max(len(data) - 1, 0))
    first = np.minimum(starts, max(len(data) - 1, 0))
    fits &= (counted + marks == cells.lengths) & (marks <= 1) & figure[first] & figure[last]
    return fits


def _counted(marked: Bools, starts: Ints, lengths: Ints) -> Ints:
    total = np.zeros(len(marked) + 1, dtype=np.int32)
    np.cumsum(marked, out=total[1:])
    found: Ints = total[starts + lengths] - total[starts]
    return found


def _with_point(cells: Cells, mark: str, plain: Bools, *, whole: bool) -> Any:
    """The same cells with a point for the mark, null where they are not plain."""
    offsets = np.append(cells.starts, cells.starts[-1:] + cells.lengths[-1:]).astype(np.int32)
    data = cells.data if whole or mark == "." else np.where(cells.data == ord(mark), np.uint8(ord(".")), cells.data)
    bitmap = None if plain.all() else pa.py_buffer(np.packbits(plain, bitorder="little").tobytes())
    buffers = (pa.py_buffer(offsets if len(offsets) else np.zeros(1, dtype=np.int32)), pa.py_buffer(data))
    return pa.StringArray.from_buffers(len(plain), *buffers, bitmap)


def _read_numbers(texts: Any, mark: str, *, whole: bool) -> tuple[Any, Bools]:
    separator = "." if mark == "," else ","
    thousands = re.escape(separator)
    tail = rf"({re.escape(mark)}0{{1,18}})?" if whole else rf"({re.escape(mark)}[0-9]{{1,18}})?"
    form = rf"^[+-]?([0-9]{{1,18}}|[0-9]{{1,3}}({thousands}[0-9]{{3}}){{1,5}}){tail}$"
    good = pc.match_substring_regex(texts, form)
    kept = pc.if_else(good, texts, pa.scalar(None, pa.string()))
    plain = pc.utf8_ltrim(pc.replace_substring(pc.replace_substring(kept, separator, ""), mark, "."), "+")
    if whole:
        plain = pc.replace_substring_regex(plain, r"\.0*$", "")
    return plain, good.to_numpy(zero_copy_only=False)
