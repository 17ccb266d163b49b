"""Licence plates of vehicles (*kentekens*) since 1951: the fourteen sidecodes of the RDW, with or without hyphens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from enclave.identifier_forms import (
    Bools,
    Bytes,
    Checked,
    all_columns,
    completed,
    fixed_width,
    null_unless,
    reasons,
    strings_from,
)

SIDECODES = (
    "XX9999",
    "9999XX",
    "99XX99",
    "XX99XX",
    "XXXX99",
    "99XXXX",
    "99XXX9",
    "9XXX99",
    "XX999X",
    "X999XX",
    "XXX99X",
    "X99XXX",
    "9XX999",
    "999XX9",
)
"""X a letter, 9 a figure; the first three were given out until 1978, when vowels were still in use."""

_OLD = 3
_BITS = 1 << np.arange(5, -1, -1)
_REFUSED_WORDS = r"(?:^|[0-9])(?:GVD|KKK|KVT|LPF|NSB|PKK|PSV|TBS)(?:[0-9]|$)"
_REFUSED_PAIRS = r"^[A-Z0-9]{4}S[SD]$|^[A-Z0-9]{2}S[SD][A-Z0-9]{2}$|^S[SD][A-Z0-9]{4}$|[0-9][A-Z]?S[SD](?:[0-9]|$)"
_SPECIAL = r"^(?:AA|CD)"
"""The royal house, and diplomats, whose CD may be parted from the rest by figures."""
_TRAILER = ord("O")


def check_plates(values: Any) -> Checked:
    """Canonical six characters without hyphens, in capitals.

    Malformed: none of the fourteen sidecodes. Failed: letters, or a word of letters, that sidecodes 4 to 14 leave out.
    """
    rows, written = fixed_width(values, 8)
    six = _without_hyphens(written)
    good = np.zeros(len(values), dtype=np.bool_)
    good[rows] = _good_plates(six)
    matrix = np.zeros((len(values), 6), dtype=np.uint8)
    matrix[rows] = six
    return completed(strings_from(matrix, good), good, values, _any_plates)


def written_usually(values: Any) -> Bools:
    """Which plates are six capitals and figures in three groups parted by hyphens, as on the plate."""
    rows, written = fixed_width(values, 8)
    usual = np.zeros(len(values), dtype=np.bool_)
    usual[rows] = all_columns(_without_hyphens(written), lambda six: _KINDS_OF_CHARACTERS[six] != 0)
    return usual


def _without_hyphens(written: Bytes) -> Bytes:
    """Six characters of eight, where the other two are hyphens that stand as on a plate; else zeros.

    Eight characters are one word, the first in its lowest byte: what follows a hyphen moves down over it.
    """
    words = np.ascontiguousarray(written).view("<u8").ravel()
    plain = np.zeros(len(words), dtype="<u8")
    for first, second in _HYPHENS:
        hyphens = np.uint64(_HYPHEN << 8 * first | _HYPHEN << 8 * second)
        rows = np.flatnonzero((words & _bytes(first, second)) == hyphens)
        word = words[rows]
        middle = word & _bytes(*range(first + 1, second))
        tail = word & _bytes(*range(second + 1, 8))
        plain[rows] = (word & _bytes(*range(first))) | (middle >> np.uint64(8)) | (tail >> np.uint64(16))
    return plain.view(np.uint8).reshape(-1, 8)[:, :6]


def _bytes(*places: int) -> np.uint64:
    """A word with all bits of these bytes set."""
    return np.uint64(sum(0xFF << 8 * place for place in places))


def _good_plates(six: Bytes) -> Bools:
    """Plates of capitals and figures that are surely good: of a sidecode, without any letter that is ever left out."""
    kinds = np.zeros((len(six), 8), dtype=np.uint8)
    kinds[:, :6] = _KINDS_OF_CHARACTERS[six]
    words = kinds.view("<u8").ravel()

    def marked(kind: int) -> NDArray[np.uint64]:
        return words >> np.uint64(kind) & _EACH

    letters = marked(_LETTER)
    signature = letters * _GATHER >> np.uint64(58)
    doubtful = (marked(_IS_ODD) != 0) | _THREE[signature] & (marked(_IN_WORD) != 0)
    good: Bools = (letters | marked(_FIGURE) == _EACH) & _KNOWN[signature] & ~doubtful
    return good


def _signature(code: str) -> int:
    return sum((character == "X") << (5 - position) for position, character in enumerate(code))


def _flags(size: int, places: list[int]) -> Bools:
    flags = np.zeros(size, dtype=np.bool_)
    flags[places] = True
    return flags


_KNOWN = _flags(64, [_signature(code) for code in SIDECODES])
_THREE = _flags(64, [_signature(code) for code in SIDECODES if "XXX" in code and "XXXX" not in code])
# since sidecode 4 (RDW): no vowels and neither C nor Q, since they make words or look like a nought
_LEFT_OUT = _flags(256, list(b"AEIOUCQ"))
# letters that some plates may not have, or only in one place, and those that every refused word of three has one of
_LETTER, _FIGURE, _IS_ODD, _IN_WORD = range(4)
_KINDS_OF_CHARACTERS = np.zeros(256, dtype=np.uint8)
for _kind, _characters_of in enumerate((range(65, 91), range(48, 58), b"AEIOUCQS", b"SKVF")):
    _KINDS_OF_CHARACTERS[list(_characters_of)] |= np.uint8(1 << _kind)
_EACH = np.uint64(0x010101010101)
"""The lowest bit of each of six bytes; times the next, these six bits stand in a row at the top of the word."""
_GATHER = np.uint64(0x8040201008040201)
_HYPHEN = ord("-")
_HYPHENS = ((2, 5), (2, 6), (1, 5), (3, 6), (1, 4))
"""Where sidecodes have their hyphens."""


def _any_plates(values: Any) -> Checked:
    plain = pc.replace_substring_regex(pc.ascii_upper(pc.fill_null(values, "")), r"[\s\x{A0}.-]", "")
    six = pc.fill_null(pc.match_substring_regex(plain, "^[A-Z0-9]{6}$"), False)
    rows = np.flatnonzero(six.to_numpy(zero_copy_only=False))
    formed = np.zeros(len(plain), dtype=np.bool_)
    passed = np.zeros(len(plain), dtype=np.bool_)
    if rows.size:
        written = plain.take(pa.array(rows))
        code = _sidecode(written)
        formed[rows] = code >= 0
        passed[rows] = (code < _OLD) | ~_left_out(written)
    reason = reasons(values, formed, passed)
    return Checked(null_unless(plain, reason == 0), pa.array(reason))


def _characters(six: Any) -> Bytes:
    return fixed_width(six, 6)[1]


def _sidecode(six: Any) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Position in :data:`SIDECODES`; −1 for none."""
    known = np.full(64, -1, dtype=np.int64)
    known[[_signature(code) for code in SIDECODES]] = np.arange(len(SIDECODES))
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = known[(_characters(six) >= 65) @ _BITS]
    return found


def _left_out(six: Any) -> Bools:
    """Letters or words that sidecodes since 1978 do not have; trailers begin with O."""
    characters = _characters(six)
    odd = _LEFT_OUT[characters]
    odd[:, 0] &= characters[:, 0] != _TRAILER
    special = pc.match_substring_regex(six, _SPECIAL).to_numpy(zero_copy_only=False)
    odd[special, :2] = False
    words = pc.match_substring_regex(six, f"{_REFUSED_WORDS}|{_REFUSED_PAIRS}").to_numpy(zero_copy_only=False)
    out: Bools = odd.any(axis=1) | words
    return out
