"""Identifiers as suppliers write them → one canonical text each, or the reason why a value is unusable.

Everything works on whole Arrow arrays. A value is never repaired by guessing: the one repair is the leading zero that
spreadsheets drop from a BSN or RSIN, which the eleven-test then confirms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from enclave.errors import BadInput

Bools: TypeAlias = NDArray[np.bool_]
Bytes: TypeAlias = NDArray[np.uint8]

ELEVEN_TEST_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)
"""9a+8b+7c+6d+5e+4f+3g+2h−i ≡ 0 (mod 11): BSN (Logisch Ontwerp BRP, element 01.20) and RSIN."""

BAG_OBJECT_TYPES = (1, 2, 3, 10, 20, 30)
"""Residence object, mooring, stand, building, address designation, public space (Catalogus BAG 2018, § 7)."""

OWN_NUMBER_BYTES = 64
ADDITION_LENGTH = 8
_UNUSED_POSTCODE_LETTERS = (b"SA", b"SD", b"SS")


class Reason(IntEnum):
    """Why an identifier is unusable; 0 is usable."""

    OK = 0
    MISSING = 1
    MALFORMED = 2
    FAILED_CHECK = 3
    ALL_ZERO = 4

    def description(self) -> str:
        """One clause for reports."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Reason.OK: "usable",
    Reason.MISSING: "no value",
    Reason.MALFORMED: "not of the identifier's form (digits, letters, length)",
    Reason.FAILED_CHECK: "has the form, but fails the identifier's own check",
    Reason.ALL_ZERO: "zeros only",
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


def check(kind: str, values: Any) -> Checked:
    """Check identifiers of ``kind`` (one of :data:`KINDS`) in a string array or chunked array; same length out.

    ``address`` takes ``postcode|number|addition`` (see :func:`join_address`).

    Raises:
        BadInput: no such kind.
    """
    if kind not in _CHECKS:
        raise BadInput(f"there is no identifier kind {kind}", next_step=f"use one of: {', '.join(KINDS)}")
    return _CHECKS[kind](as_strings(values))


def check_address(postcode: Any, number: Any, addition: Any) -> Checked:
    """Canonical ``1234AB|12|A`` from three columns: spaces, case, leading zeros and separators do not count.

    A house number with its addition in one field (``12a``, ``12-2``, ``12 bis``) is split; an addition that stands in
    the number's field as well as in its own counts as both, in that order.
    """
    codes = check("postcode", postcode)
    bare, tail, reason_number = _house_numbers(as_strings(number))
    own = _plain_upper(pc.fill_null(as_strings(addition), ""))
    whole = pc.binary_join_element_wise(tail, own, "")
    fits = pc.match_substring_regex(whole, rf"^[A-Z0-9]{{0,{ADDITION_LENGTH}}}$").to_numpy(zero_copy_only=False)
    reason = np.where(fits, 0, Reason.MALFORMED).astype(np.int8)
    for part in (reason_number, codes.reason.to_numpy(zero_copy_only=False)):
        reason = np.where(part != 0, part, reason).astype(np.int8)
    joined = pc.binary_join_element_wise(codes.canonical, bare, whole, "|")
    return Checked(_null_unless(joined, reason == 0), pa.array(reason))


def join_address(postcode: Any, number: Any, addition: Any) -> Any:
    """Three columns as supplied → ``postcode|number|addition`` as :func:`check` takes it; null where all are empty.

    A field that holds ``|`` gives more than three parts, and so a malformed address.
    """
    parts = [pc.fill_null(as_strings(column), "") for column in (postcode, number, addition)]
    joined = pc.binary_join_element_wise(*parts, "|")
    return pc.if_else(pc.equal(joined, "||"), pa.scalar(None, pa.string()), joined)


def passes_eleven_test(digits: Bytes) -> Bools:
    """Whether each row of nine digits (0–9, shape ``(n, 9)``) passes the eleven-test; nine zeros pass."""
    total = np.zeros(len(digits), dtype=np.int16)
    for column, weight in zip(digits.T, ELEVEN_TEST_WEIGHTS, strict=True):
        total += column * np.int16(weight)
    passed: Bools = total % 11 == 0
    return passed


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


def _null_unless(values: Any, usable: Bools) -> Any:
    return pc.if_else(pa.array(usable), values, pa.scalar(None, pa.string()))


def _all_columns(matrix: Bytes, test: Callable[[Bytes], Bools]) -> Bools:
    """Rows of which every byte passes; column by column, since numpy reduces short rows slowly."""
    passed = np.ones(len(matrix), dtype=np.bool_)
    for column in matrix.T:
        passed &= test(column)
    return passed


def _digits_form(found: Bytes) -> Bools:
    return _all_columns(found, lambda column: column - np.uint8(48) <= 9)


@dataclass(frozen=True, slots=True)
class _Form:
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
        self._fill(values, np.arange(len(values)), matrix, reason)
        rest = np.flatnonzero(reason)
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


def _judged(matrix: Bytes, reason: NDArray[np.int8], check_passed: Callable[[Bytes], Bools]) -> Checked:
    formed = reason == Reason.OK
    reason[formed & ~check_passed(matrix)] = Reason.FAILED_CHECK
    reason[formed & _all_columns(matrix, lambda column: column == 48)] = Reason.ALL_ZERO
    return Checked(strings_from(matrix, reason == Reason.OK), pa.array(reason))


_NINE = _Form(
    9, (8,), r"^(\d{3})[ .](\d{3})[ .](\d{3})$|^(\d{4})[ .](\d{2})[ .](\d{3})$", r"\1\2\3\4\5\6", _digits_form
)
_EIGHT = _Form(8, (), r"^(\d{4})[ .](\d{4})$", r"\1\2", _digits_form)
_TWELVE = _Form(12, (), r"^(\d{4})[ .](\d{4})[ .](\d{4})$", r"\1\2\3", _digits_form)
_SIXTEEN = _Form(16, (), r"^(\d{4})[ .](\d{2})[ .](\d{10})$", r"\1\2\3", _digits_form)


def _postcode_form(found: Bytes) -> Bools:
    letters = found[:, 4:] & np.uint8(0xDF)  # upper case
    return _digits_form(found[:, :4]) & _all_columns(letters, lambda column: column - np.uint8(65) <= 25)


_POSTCODE = _Form(6, (), r"^(\d{4})[\s\x{A0}-]*([A-Z]{2})$", r"\1\2", _postcode_form)


def _eleven(values: Any) -> Checked:
    matrix, reason = _NINE.read(values)
    return _judged(matrix, reason, lambda rows: passes_eleven_test(rows - 48))


def _digits_only(form: _Form) -> Callable[[Any], Checked]:
    def checked(values: Any) -> Checked:
        matrix, reason = form.read(values)
        return _judged(matrix, reason, lambda rows: np.ones(len(rows), dtype=np.bool_))

    return checked


def _bag(values: Any) -> Checked:
    matrix, reason = _SIXTEEN.read(values)

    def plausible(rows: Bytes) -> Bools:
        object_type = (rows[:, 4] - 48) * 10 + (rows[:, 5] - 48)
        known: Bools = np.isin(object_type, BAG_OBJECT_TYPES) & (rows[:, :4] != 48).any(axis=1)
        return known

    return _judged(matrix, reason, plausible)


def _postcode(values: Any) -> Checked:
    matrix, reason = _POSTCODE.read(values)
    matrix[:, 4:] &= np.where(reason[:, None] == Reason.OK, 0xDF, 0xFF).astype(np.uint8)

    def issued(rows: Bytes) -> Bools:
        letters = np.ascontiguousarray(rows[:, 4:]).view("S2").ravel()
        allowed: Bools = (rows[:, 0] != 48) & ~np.isin(letters, _UNUSED_POSTCODE_LETTERS)
        return allowed

    return _judged(matrix, reason, issued)


def _plain_upper(values: Any) -> Any:
    """Upper case without the marks people part additions with; other characters stay, and so fail the form."""
    return pc.replace_substring_regex(pc.utf8_upper(values), r"[\s\x{A0}./,'#_-]+", "")


def _house_numbers(values: Any) -> tuple[Any, Any, NDArray[np.int8]]:
    """Number without leading zeros, what follows it in the same field, and reasons."""
    text = pc.utf8_trim_whitespace(pc.fill_null(values, ""))
    parts = pc.extract_regex(text, r"^0*(?P<number>[0-9]{1,5})(?P<tail>(?:[^0-9].*)?)$")
    number = pc.fill_null(pc.struct_field(parts, "number"), "")
    tail = _plain_upper(pc.fill_null(pc.struct_field(parts, "tail"), ""))
    reason = np.where(pc.equal(number, "").to_numpy(zero_copy_only=False), Reason.MALFORMED, Reason.OK)
    reason = np.where(pc.equal(number, "0").to_numpy(zero_copy_only=False), Reason.ALL_ZERO, reason)
    reason = np.where(pc.equal(text, "").to_numpy(zero_copy_only=False), Reason.MISSING, reason)
    return number, tail, reason.astype(np.int8)


def _address(values: Any) -> Checked:
    three = pc.fill_null(pc.equal(pc.count_substring(values, "|"), 2), False)
    parts = pc.extract_regex(
        pc.if_else(three, values, "||"), r"(?s)^(?P<code>[^|]*)\|(?P<number>[^|]*)\|(?P<addition>.*)$"
    )
    checked = check_address(*(pc.struct_field(parts, name) for name in ("code", "number", "addition")))
    empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), True)
    malformed = pc.and_(pc.invert(three), pc.invert(empty)).to_numpy(zero_copy_only=False)
    reason = np.where(malformed, np.int8(Reason.MALFORMED), checked.reason.to_numpy(zero_copy_only=False))
    return Checked(checked.canonical, pa.array(reason.astype(np.int8)))


def _own_number(values: Any) -> Checked:
    """A supplier's own dossier or deed number: any text of 1 to 64 bytes, outer spaces apart."""
    trimmed = pc.utf8_trim_whitespace(pc.fill_null(values, ""))
    lengths = pc.binary_length(trimmed).to_numpy(zero_copy_only=False)
    reason = np.where(lengths == 0, Reason.MISSING, np.where(lengths > OWN_NUMBER_BYTES, Reason.MALFORMED, Reason.OK))
    return Checked(_null_unless(trimmed, reason == 0), pa.array(reason.astype(np.int8)))


_CHECKS: dict[str, Callable[[Any], Checked]] = {
    "bsn": _eleven,
    "rsin": _eleven,
    "kvk": _digits_only(_EIGHT),
    "establishment": _digits_only(_TWELVE),
    "bag": _bag,
    "postcode": _postcode,
    "address": _address,
    "own_number": _own_number,
}
KINDS = tuple(_CHECKS)
