"""What identifiers of every kind have in common: reasons, fixed-width forms, and bytes of whole Arrow arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Bools: TypeAlias = NDArray[np.bool_]
Bytes: TypeAlias = NDArray[np.uint8]


class Reason(IntEnum):
    """Why an identifier is unusable; 0 is usable."""

    OK = 0
    MISSING = 1
    MALFORMED = 2
    FAILED_CHECK = 3
    ALL_ZERO = 4
    TEST = 5
    UNKNOWN = 6

    def description(self) -> str:
        """One clause for reports."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Reason.OK: "usable",
    Reason.MISSING: "no value",
    Reason.MALFORMED: "not of the identifier's form (digits, letters, length)",
    Reason.FAILED_CHECK: "has the form, but fails the identifier's own check",
    Reason.ALL_ZERO: "zeros only",
    Reason.TEST: "a number of examples and tests, which is nobody's",
    Reason.UNKNOWN: "a word or number that says that it is not known",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """Per value: the canonical text (null where unusable) and the :class:`Reason` as int8 (never null)."""

    canonical: Any
    reason: Any

    def counts(self) -> dict[Reason, int]:
        """How many values have each reason."""
        found = np.bincount(self.reason.to_numpy(zero_copy_only=False), minlength=len(Reason))
        return {reason: int(found[reason]) for reason in Reason}


def as_strings(values: Any) -> Any:
    """One ``string`` array of an array or chunked array of any string, dictionary or number type."""
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    return values if values.type == pa.string() else values.cast(pa.string())


def byte_view(values: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], Bytes]:
    """Start and length in bytes of each value of a string or binary array (0 for nulls), and the bytes behind them."""
    size = len(values)
    buffers = values.buffers()
    offsets = np.frombuffer(buffers[1], dtype=np.int32, count=values.offset + size + 1)[values.offset :].astype(
        np.int64
    )
    data = np.frombuffer(buffers[2] or b"", dtype=np.uint8)
    lengths = np.diff(offsets)
    if values.null_count:
        lengths = np.where(values.is_valid().to_numpy(zero_copy_only=False), lengths, 0)
    return offsets[:-1], lengths, data


def fixed_width(values: Any, width: int) -> tuple[NDArray[np.int64], Bytes]:
    """Row numbers of the values that are ``width`` bytes long, and those bytes as ``(rows, width)``."""
    starts, lengths, data = byte_view(values)
    rows = np.flatnonzero(lengths == width)
    if len(rows) and int(starts[-1] + lengths[-1] - starts[0]) == len(rows) * width:
        # all others are empty: what is left lies side by side
        first = int(starts[0])
        return rows, data[first : first + len(rows) * width].reshape(len(rows), width)
    return rows, data[starts[rows, None] + np.arange(width)]


def outer_spaces(starts: NDArray[np.int64], lengths: NDArray[np.int64], data: Bytes) -> NDArray[np.int64]:
    """Row numbers of the values that may begin or end with a space, Unicode's included (UTF-8)."""
    if not len(starts) or not _is_odd(data[starts[0] : starts[-1] + lengths[-1]]).any():
        return np.zeros(0, dtype=np.int64)
    filled = np.flatnonzero(lengths)
    first, last = starts[filled], starts[filled] + lengths[filled] - 1
    odd = np.flatnonzero(_is_odd(data[first]) | _is_odd(data[last]))
    first, last = first[odd], last[odd]
    begins = (data[first] <= _SPACE) | np.isin(data[first], _LEADS)
    two, three = data[np.maximum(last - 1, 0)], data[np.maximum(last - 2, 0)]
    ends = (data[last] <= _SPACE) | (two == _LEADS[0]) | np.isin(three, _LEADS[1:])
    found: NDArray[np.int64] = filled[odd[begins | ends]]
    return found


_SPACE = 32
_LEADS = np.array([0xC2, 0xE1, 0xE2, 0xE3], dtype=np.uint8)
"""First bytes of the spaces beyond ASCII: of two bytes (U+0085, U+00A0), and of three (U+1680, U+2000 to U+3000)."""


def _is_odd(data: Bytes) -> Bools:
    """Bytes that are, or may belong to, a space: control characters, spaces and what is beyond ASCII."""
    odd: Bools = data - np.uint8(_SPACE + 1) > 126 - (_SPACE + 1)
    return odd


def strings_from(matrix: Bytes, usable: Bools) -> Any:
    """ASCII rows of ``matrix`` as a string array, null where not ``usable``."""
    rows, width = matrix.shape
    if bool(usable.all()):
        offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
        return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix)))
    offsets = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(usable * np.int32(width), out=offsets[1:])
    bitmap = pa.py_buffer(np.packbits(usable, bitorder="little").tobytes())
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(matrix[usable]), bitmap)


def same_bytes(one: Any, other: Any) -> bool:
    """Whether two string arrays hold the same texts everywhere (null counts as empty), seen at a glance."""
    if one is other:
        return True
    starts, lengths, data = byte_view(one)
    others, other_lengths, other_data = byte_view(other)
    if not np.array_equal(lengths, other_lengths) or not len(starts):
        return not len(starts)
    size = int(lengths.sum())
    if size != starts[-1] + lengths[-1] - starts[0] or size != others[-1] + lengths[-1] - others[0]:
        return False  # nulls that hold bytes
    return np.array_equal(data[starts[0] : starts[0] + size], other_data[others[0] : others[0] + size])


def mask(values: Any) -> Bools:
    """A boolean Arrow array as numpy; null counts as false."""
    found: Bools = pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


def matches(values: Any, pattern: str) -> Bools:
    """Which values hold the regular expression (RE2); null never."""
    return mask(pc.match_substring_regex(values, pattern))


def reasons(values: Any, formed: Bools, passed: Bools) -> NDArray[np.int8]:
    """Reasons of values (text, null or empty where missing) of which some have the form, and some pass the check."""
    empty = mask(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), True))
    found: NDArray[np.int8] = np.where(formed, np.where(passed, Reason.OK, Reason.FAILED_CHECK), Reason.MALFORMED)
    return np.where(empty, Reason.MISSING, found).astype(np.int8)


def completed(fast: Any, good: Bools, values: Any, slow: Callable[[Any], Checked]) -> Checked:
    """Canonical texts of the ``good`` rows, which a quick look has settled, and what ``slow`` says of the others."""
    reason = np.zeros(len(values), dtype=np.int8)
    rest = np.flatnonzero(~good)
    if not rest.size:
        return Checked(fast, pa.array(reason))
    checked = slow(values.take(pa.array(rest)))
    reason[rest] = checked.reason.to_numpy(zero_copy_only=False)
    return Checked(pc.replace_with_mask(fast, pa.array(~good), checked.canonical), pa.array(reason))


def null_unless(values: Any, usable: Bools) -> Any:
    """The values, null where not ``usable``."""
    if bool(usable.all()):
        return values
    return pc.if_else(pa.array(usable), values, pa.scalar(None, pa.string()))


def all_columns(matrix: Bytes, test: Callable[[Bytes], Bools]) -> Bools:
    """Rows of which every byte passes; column by column, since numpy reduces short rows slowly."""
    tested = test(matrix)
    passed = np.ones(len(matrix), dtype=np.bool_)
    if not tested.all():
        for column in tested.T:
            passed &= column
    return passed


def digits_form(found: Bytes) -> Bools:
    """Rows of ASCII figures only."""
    return all_columns(found, lambda column: column - np.uint8(48) <= 9)


@dataclass(frozen=True, slots=True)
class Form:
    """Fixed-width text: the widths that may be written, how groups may be parted, and which bytes fit.

    ``grouped`` is tried on values that do not fit at once (RE2); its groups, joined, are the value.
    """

    width: int
    shorter: tuple[int, ...]
    grouped: str
    joined: str
    fits: Callable[[Bytes], Bools]

    def read(self, values: Any) -> tuple[Bytes, NDArray[np.int8]]:
        """Canonical bytes, zero-padded on the left, and reasons (OK, MISSING or MALFORMED). The bytes may be those of
        ``values``: they are not to be written to."""
        rows, found = fixed_width(values, self.width)
        if len(rows) == len(values) and bool(self.fits(found).all()):
            return found, np.zeros(len(values), dtype=np.int8)
        matrix = np.full((len(values), self.width), 48, dtype=np.uint8)
        reason = np.full(len(values), Reason.MALFORMED, dtype=np.int8)
        reason[byte_view(values)[1] == 0] = Reason.MISSING
        self._fill(values, np.arange(len(values)), matrix, reason)
        rest = np.flatnonzero(reason == Reason.MALFORMED)
        if rest.size:
            trimmed = pc.utf8_trim_whitespace(values.take(pa.array(rest)))
            reason[rest[pc.fill_null(pc.equal(trimmed, ""), True).to_numpy(zero_copy_only=False)]] = Reason.MISSING
            tidy = pc.replace_substring_regex(pc.ascii_upper(trimmed), self.grouped, self.joined)
            self._fill(tidy, rest, matrix, reason)
        return matrix, reason

    def _fill(self, values: Any, places: NDArray[np.int64], matrix: Bytes, reason: NDArray[np.int8]) -> None:
        for width in (self.width, *self.shorter):
            rows, found = fixed_width(values, width)
            fit = self.fits(found)
            matrix[places[rows[fit]], self.width - width :] = found[fit]
            reason[places[rows[fit]]] = Reason.OK


def judged(matrix: Bytes, reason: NDArray[np.int8], check_passed: Callable[[Bytes], Bools]) -> Checked:
    """The verdict on values that were read into fixed-width rows."""
    formed = reason == Reason.OK
    reason[formed & ~check_passed(matrix)] = Reason.FAILED_CHECK
    zero = np.flatnonzero(formed & (matrix[:, -1] == 48))
    reason[zero[(matrix[zero] == 48).all(axis=1)]] = Reason.ALL_ZERO
    return Checked(strings_from(matrix, reason == Reason.OK), pa.array(reason))
