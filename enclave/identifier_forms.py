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
        values = values.combine_chunks()
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
    if len(values) and bool((lengths == width).all()):
        first = int(starts[0])
        return np.arange(len(values)), data[first : first + len(values) * width].reshape(len(values), width)
    rows = np.flatnonzero(lengths == width)
    return rows, data[starts[rows, None] + np.arange(width)]


def strings_from(matrix: Bytes, usable: Bools) -> Any:
    """ASCII rows of ``matrix`` as a string array, null where not ``usable``."""
    offsets = np.zeros(len(matrix) + 1, dtype=np.int32)
    np.cumsum(usable * np.int32(matrix.shape[1]), out=offsets[1:])
    data = matrix if bool(usable.all()) else matrix[usable]
    bitmap = pa.py_buffer(np.packbits(usable, bitorder="little").tobytes())
    return pa.StringArray.from_buffers(
        len(matrix), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data)), bitmap
    )


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
    return pc.if_else(pa.array(usable), values, pa.scalar(None, pa.string()))


def all_columns(matrix: Bytes, test: Callable[[Bytes], Bools]) -> Bools:
    """Rows of which every byte passes; column by column, since numpy reduces short rows slowly."""
    passed = np.ones(len(matrix), dtype=np.bool_)
    for column in matrix.T:
        passed &= test(column)
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
        """Canonical bytes, zero-padded on the left, and reasons (OK, MISSING or MALFORMED)."""
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
            if len(rows) == len(places) and bool(fit.all()) and width == self.width:
                matrix[places] = found
                reason[places] = Reason.OK
                return
            matrix[places[rows[fit]], self.width - width :] = found[fit]
            reason[places[rows[fit]]] = Reason.OK


def judged(matrix: Bytes, reason: NDArray[np.int8], check_passed: Callable[[Bytes], Bools]) -> Checked:
    """The verdict on values that were read into fixed-width rows."""
    formed = reason == Reason.OK
    reason[formed & ~check_passed(matrix)] = Reason.FAILED_CHECK
    reason[formed & all_columns(matrix, lambda column: column == 48)] = Reason.ALL_ZERO
    return Checked(strings_from(matrix, reason == Reason.OK), pa.array(reason))
