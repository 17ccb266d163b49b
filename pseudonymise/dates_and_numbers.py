"""Cells that hold dates or numbers as schemas write them, read from bytes where they are written plainly."""

from __future__ import annotations

import contextlib
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
    # where the four pairs of figures of yyyymmdd stand in the text, and what parts them; its width
    "dd-mm-yyyy": ((6, 8, 3, 0), (2, 5), 10),
    "yyyy-mm-dd": ((0, 2, 5, 8), (4, 7), 10),
    "yyyymmdd": ((0, 2, 4, 6), (), 8),
}
_MONTH_DAYS = np.zeros(256, dtype=np.uint8)
_MONTH_DAYS[1:13] = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ZERO, _NINE = 48, 9
_NO_PAIR = 255
_PAIRS = np.full(1 << 16, _NO_PAIR, dtype=np.uint8)
"""Two figures as their bytes stand in a word of two → their number."""
_PAIRS[np.frombuffer("".join(f"{number:02d}" for number in range(100)).encode(), dtype="<u2")] = np.arange(100)
_WIDEST = 18


def dates(cells: Cells, date_format: str) -> tuple[Any, Codes]:
    """Dates that exist (Gregorian calendar, 1800–2199) as text yyyymmdd, null where there is none."""
    places, parted, width = _PLAIN[date_format]
    rows, written = fixed_width(cells.text, width)
    everywhere = slice(None) if len(rows) == len(cells.text) else rows
    pairs = np.zeros((len(cells.text), len(places)), dtype="<u2")
    for column, place in enumerate(places):
        pairs[everywhere, column] = written[:, place : place + 2].view("<u2")[:, 0]
    good = _exist(_PAIRS[pairs])
    for place in parted:
        good[everywhere] &= written[:, place] == ord("-")
    figures = pairs.view(np.uint8)
    rest = np.flatnonzero(~good & (cells.lengths > 0))
    if rest.size:
        _read_slowly(cells.text.take(pa.array(rest)), _FORMS[date_format], figures, rest)
        good[rest] = _exist(_PAIRS[pairs[rest]])
    wrong = np.where(good, 0, FORM_CODES[Defect.NOT_A_DATE]).astype(np.int8)
    return strings_from(figures, good), wrong


def _read_slowly(texts: Any, form: str, figures: npt.NDArray[np.uint8], rows: Ints) -> None:
    """Days and months without a zero before them, or parted by other marks; what is no date becomes zeros."""
    parts = pc.extract_regex(texts, form)
    for name, width, at in (("y", 4, 0), ("m", 2, 4), ("d", 2, 6)):
        part = pc.utf8_lpad(pc.fill_null(pc.struct_field(parts, name), "0"), width, "0")
        figures[rows, at : at + width] = fixed_width(part, width)[1]


def _exist(pairs: npt.NDArray[np.uint8]) -> Bools:
    """Which rows of century, year, month and day are a date; no pair is none."""
    century, year, month, day = (np.ascontiguousarray(pairs[:, column]) for column in range(4))
    found: Bools = (day >= 1) & (day <= _MONTH_DAYS[month]) & (year != _NO_PAIR)
    found &= (century >= FIRST_YEAR // 100) & (century <= LAST_YEAR // 100)
    leap_days = np.flatnonzero((month == 2) & (day == 29))
    found[leap_days] &= np.where(year[leap_days] == 0, century[leap_days], year[leap_days]) % 4 == 0
    return found


def numbers(cells: Cells, mark: str, *, whole: bool) -> tuple[Any, Codes]:
    """Whole numbers below 10¹⁸, or decimals with ``mark``; null where there is none.

    A thousands separator in its right places, a sign and (of whole numbers) a decimal part of zeros are read too.
    """
    plain, values = _plain_numbers(cells, mark, pa.int64() if whole else pa.float64())
    rest = np.flatnonzero(~plain & (cells.lengths > 0))
    wrong = np.zeros(len(plain), dtype=np.int8)
    wrong[cells.empty] = FORM_CODES[Defect.NOT_A_NUMBER]  # whoever asks knows that these are empty
    if not rest.size:
        return values, wrong
    read, good = _read_numbers(cells.text.take(pa.array(rest)), mark, whole=whole)
    wrong[rest[~good]] = FORM_CODES[Defect.NOT_A_NUMBER]
    where = np.zeros(len(plain), dtype=np.bool_)
    where[rest] = True
    return pc.replace_with_mask(values, pa.array(where), read.cast(values.type)), wrong


def _plain_numbers(cells: Cells, mark: str, kind: pa.DataType) -> tuple[Bools, Any]:
    """Cells of figures only, of which (save in whole numbers) at most one, and neither the first nor the last
    character, is the mark; and the numbers that they are."""
    if not len(cells.starts):
        return np.zeros(0, dtype=np.bool_), pa.array([], kind)
    begin, end = int(cells.starts[0]), int(cells.starts[-1] + cells.lengths[-1])
    data, starts = cells.data[begin:end], cells.starts - begin
    fits: Bools = (cells.lengths > 0) & (cells.lengths <= _WIDEST)
    figure = data - np.uint8(_ZERO) <= _NINE
    if pa.types.is_integer(kind):
        if not figure.all():
            fits &= _counted(figure, starts, cells.lengths) == cells.lengths
        return fits, _texts(data, starts, cells.lengths, fits).cast(kind)
    marks = data == ord(mark)
    pointed = data if mark == "." else np.where(marks, np.uint8(ord(".")), data)
    if len(data):
        fits &= figure[np.minimum(starts, len(data) - 1)] & figure[np.maximum(starts + cells.lengths - 1, 0)]
    if (figure | marks).all():
        with contextlib.suppress(pa.ArrowInvalid):  # a cell with two marks: nothing else is wrong with any
            return fits, _texts(pointed, starts, cells.lengths, fits).cast(kind)
    marked = _counted(marks, starts, cells.lengths)
    fits &= (marked <= 1) & (_counted(figure, starts, cells.lengths) + marked == cells.lengths)
    return fits, _texts(pointed, starts, cells.lengths, fits).cast(kind)


def _counted(marked: Bools, starts: Ints, lengths: Ints) -> Ints:
    total = np.zeros(len(marked) + 1, dtype=np.int32)
    np.cumsum(marked, out=total[1:])
    found: Ints = total[starts + lengths] - total[starts]
    return found


def _texts(data: npt.NDArray[np.uint8], starts: Ints, lengths: Ints, kept: Bools) -> Any:
    """Cells that lie one behind the other, null where not ``kept``."""
    offsets = np.append(starts, starts[-1] + lengths[-1]).astype(np.int32)
    bitmap = None if kept.all() else pa.py_buffer(np.packbits(kept, bitorder="little").tobytes())
    return pa.StringArray.from_buffers(len(kept), pa.py_buffer(offsets), pa.py_buffer(data), bitmap)


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
