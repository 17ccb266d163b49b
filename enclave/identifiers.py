"""Identifiers as suppliers write them → one canonical text each, or the reason why a value is unusable.

Everything works on whole Arrow arrays. A value is never repaired by guessing: the one repair is the leading zero that
spreadsheets drop from a BSN or RSIN, which the eleven-test then confirms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave import account_numbers, contact_points, foreign_numbers, licence_plates
from enclave.errors import BadInput
from enclave.house_numbers import house_numbers
from enclave.identifier_forms import (
    Bools,
    Bytes,
    Checked,
    Form,
    Reason,
    all_columns,
    as_strings,
    byte_view,
    digits_form,
    fixed_width,
    judged,
    mask,
    matches,
    null_unless,
    outer_spaces,
    strings_from,
)
from enclave.nobodys_identifiers import TEST_RANGES, is_example, says_unknown

__all__ = (
    "BAG_OBJECT_TYPES",
    "KINDS",
    "Bools",
    "Bytes",
    "Checked",
    "Reason",
    "as_strings",
    "byte_view",
    "check",
    "fixed_width",
    "passes_eleven_test",
    "spelled_usually",
    "strings_from",
)

ELEVEN_TEST_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)
"""9a+8b+7c+6d+5e+4f+3g+2h−i ≡ 0 (mod 11): BSN (Logisch Ontwerp BRP, element 01.20) and RSIN."""

BAG_OBJECT_TYPES = (1, 2, 3, 10, 20, 30)
"""Residence object, mooring, stand, building, address designation, public space (Catalogus BAG 2018, § 7)."""

OWN_NUMBER_BYTES = 64
_UNUSED_POSTCODE_FIRST, _UNUSED_POSTCODE_SECOND = b"S"[0], list(b"ADS")


def check(kind: str, values: Any, *, refuse_test_ranges: bool = False) -> Checked:
    """Check identifiers of ``kind`` (one of :data:`KINDS`) in a string array or chunked array; same length out.

    ``address`` is a postcode with house number and addition in one text. Well-known examples are nobody's and never
    usable; numbers from ranges reserved for tests are not when ``refuse_test_ranges`` (an invented country is made of
    them).

    Raises:
        BadInput: no such kind.
    """
    if kind not in _CHECKS:
        raise BadInput(f"there is no identifier kind {kind}", next_step=f"use one of: {', '.join(KINDS)}")
    texts = as_strings(values)
    return _without_nobodys(kind, texts, _CHECKS[kind](texts), refuse_test_ranges=refuse_test_ranges)


def _without_nobodys(kind: str, texts: Any, checked: Checked, *, refuse_test_ranges: bool) -> Checked:
    reason = checked.reason.to_numpy(zero_copy_only=False)
    unknown = says_unknown(kind, texts, reason)
    test = is_example(kind, checked.canonical)
    if refuse_test_ranges and kind in TEST_RANGES:
        test |= matches(checked.canonical, TEST_RANGES[kind])
    if not unknown.any() and not test.any():
        return checked
    reason = np.where(unknown, Reason.UNKNOWN, np.where(test, Reason.TEST, reason)).astype(np.int8)
    return Checked(null_unless(checked.canonical, reason == Reason.OK), pa.array(reason))


def passes_eleven_test(digits: Bytes) -> Bools:
    """Whether each row of nine digits (0–9, shape ``(n, 9)``) passes the eleven-test; nine zeros pass."""
    # four digits a time: in a word of four lanes, the product with the weights in reverse has their sum in its top lane
    words = np.ascontiguousarray(digits[:, :8]).view("<u8").ravel()
    total = ((words & _LANES) * _WEIGHTS[0] >> _TOP_LANE) + ((words >> _BYTE & _LANES) * _WEIGHTS[1] >> _TOP_LANE)
    passed: Bools = (total + digits[:, 8] * np.uint64(10)).astype(np.uint32) % np.uint32(11) == 0  # −i ≡ 10i
    return passed


_LANES, _BYTE, _TOP_LANE = np.uint64(0x00FF00FF00FF00FF), np.uint64(8), np.uint64(48)
_WEIGHTS = [
    np.uint64(sum(weight << 16 * lane for lane, weight in enumerate(reversed(ELEVEN_TEST_WEIGHTS[first:8:2]))))
    for first in (0, 1)
]


_NINE = Form(9, (8,), r"^(\d{3})[ .](\d{3})[ .](\d{3})$|^(\d{4})[ .](\d{2})[ .](\d{3})$", r"\1\2\3\4\5\6", digits_form)
_EIGHT = Form(8, (), r"^(\d{4})[ .](\d{4})$", r"\1\2", digits_form)
_TWELVE = Form(12, (), r"^(\d{4})[ .](\d{4})[ .](\d{4})$", r"\1\2\3", digits_form)
_SIXTEEN = Form(16, (), r"^(\d{4})[ .](\d{2})[ .](\d{10})$", r"\1\2\3", digits_form)


def _postcode_form(found: Bytes) -> Bools:
    letters = found[:, 4:] & np.uint8(0xDF)  # upper case
    return digits_form(found[:, :4]) & all_columns(letters, lambda column: column - np.uint8(65) <= 25)


_UPPER = np.array([0xFF] * 4 + [0xDF] * 2, dtype=np.uint8)


_POSTCODE = Form(6, (), r"^(\d{4})[\s\x{A0}-]*([A-Z]{2})$", r"\1\2", _postcode_form)


def _eleven(values: Any) -> Checked:
    matrix, reason = _NINE.read(values)
    return judged(matrix, reason, lambda rows: passes_eleven_test(rows - 48))


def _digits_only(form: Form) -> Callable[[Any], Checked]:
    def checked(values: Any) -> Checked:
        matrix, reason = form.read(values)
        return judged(matrix, reason, lambda rows: np.ones(len(rows), dtype=np.bool_))

    return checked


_BAG_TYPE = np.isin(np.arange(256), BAG_OBJECT_TYPES)
_FOUR_NOUGHTS = np.frombuffer(b"0000", dtype=np.uint32)[0]


def _bag(values: Any) -> Checked:
    matrix, reason = _SIXTEEN.read(values)

    def plausible(rows: Bytes) -> Bools:
        object_type = (rows[:, 4] - 48) * 10 + (rows[:, 5] - 48)
        municipality = np.ascontiguousarray(rows[:, :4]).view(np.uint32).ravel()
        known: Bools = _BAG_TYPE[object_type] & (municipality != _FOUR_NOUGHTS)
        return known

    return judged(matrix, reason, plausible)


def _postcode(values: Any) -> Checked:
    matrix, reason = _POSTCODE.read(values)

    def issued(rows: Bytes) -> Bools:
        unused = (rows[:, 4] == _UNUSED_POSTCODE_FIRST) & np.isin(rows[:, 5], _UNUSED_POSTCODE_SECOND)
        allowed: Bools = (rows[:, 0] != 48) & ~unused
        return allowed

    return judged(matrix & _UPPER, reason, issued)


_CODE = r"[1-9][0-9]{3}[\s\x{A0}]*[A-Za-z]{2}"
_ADDRESS = rf"^[\s\x{{A0}}]*(?P<code>{_CODE})\b[\s\x{{A0}},;-]*(?P<number>[^|]*)$"
_ADDRESS_CLOSED = rf"^[\s\x{{A0}}]*(?P<code>{_CODE})(?P<number>[0-9][^|]*)$"
_ADDRESS_TURNED = rf"^(?P<number>[^|]*?)[\s\x{{A0}},;]+(?P<code>{_CODE})[\s\x{{A0}}]*$"
_ADDRESS_PARTED = r"(?s)^(?P<code>[^|]*)\|(?P<number>[^|]*)\|(?P<addition>[^|]*)$"


def _address(values: Any) -> Checked:
    """``1234 AB 12-2``, ``1234AB12-2``, ``12-2, 1234 AB`` or ``1234AB|12|2``, which all are the last; see
    :mod:`enclave.house_numbers`."""
    forms = [pc.extract_regex(values, f) for f in (_ADDRESS_PARTED, _ADDRESS, _ADDRESS_CLOSED, _ADDRESS_TURNED)]
    code, number = (pc.coalesce(*(pc.struct_field(form, part) for form in forms)) for part in ("code", "number"))
    codes, door = check("postcode", code), house_numbers(number, pc.struct_field(forms[0], "addition"))
    reason = np.zeros(len(values), dtype=np.int8)
    for part in (door.reason, codes.reason):
        said = part.to_numpy(zero_copy_only=False)
        reason = np.where(said != 0, said, reason).astype(np.int8)
    unread = mask(pc.is_null(code)) & ~mask(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), True))
    reason = np.where(unread, np.int8(Reason.MALFORMED), reason)
    joined = pc.binary_join_element_wise(codes.canonical, door.number, door.addition, "|")
    return Checked(null_unless(joined, reason == 0), pa.array(reason))


def _own_number(values: Any) -> Checked:
    """A supplier's own dossier or deed number: any text of 1 to 64 bytes, outer spaces apart."""
    trimmed = pc.fill_null(values, "") if values.null_count else values
    if len(outer_spaces(*byte_view(trimmed))):
        trimmed = pc.utf8_trim_whitespace(trimmed)
    lengths = byte_view(trimmed)[1]
    reason = np.where(lengths == 0, Reason.MISSING, np.where(lengths > OWN_NUMBER_BYTES, Reason.MALFORMED, Reason.OK))
    return Checked(null_unless(trimmed, reason == 0), pa.array(reason.astype(np.int8)))


_CHECKS: dict[str, Callable[[Any], Checked]] = {
    "bsn": _eleven,
    "rsin": _eleven,
    "kvk": _digits_only(_EIGHT),
    "establishment": _digits_only(_TWELVE),
    "bag": _bag,
    "postcode": _postcode,
    "address": _address,
    "own_number": _own_number,
    "licence_plate": licence_plates.check_plates,
    "iban": account_numbers.check_ibans,
    "phone": contact_points.check_phones,
    "email": contact_points.check_emails,
    "foreign": foreign_numbers.check_foreign,
}
KINDS = tuple(_CHECKS)
_USUAL_SPELLING = {
    "licence_plate": (licence_plates.written_usually, r"^[A-Z0-9]{1,3}-[A-Z0-9]{1,3}-[A-Z0-9]{1,3}$"),
    "phone": (contact_points.written_usually, r"^0[0-9]{9}$"),
    "address": (None, r"^[1-9][0-9]{3} ?[A-Z]{2} [1-9][0-9]{0,4}(?:[ -]?[A-Za-z0-9]{1,5})?$"),
    "foreign": (None, r"^[A-Z]{2} [A-Z0-9 ./-]+$"),
}
"""What most values are, seen quickly, and the whole of it."""


def spelled_usually(kind: str, values: Any) -> Bools:
    """Which values are written as people write what is kept otherwise: they need no repair."""
    usual = np.zeros(len(values), dtype=np.bool_)
    if kind not in _USUAL_SPELLING:
        return usual
    quick, pattern = _USUAL_SPELLING[kind]
    if quick is not None:
        usual = quick(values)
    rest = np.flatnonzero(~usual)
    usual[rest] = matches(values.take(pa.array(rest)), pattern)
    return usual
