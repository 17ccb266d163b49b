"""Invented identifiers that pass their checks, from ranges reserved for the synthetic country.

BSN and RSIN share one number space with one check, the eleven-test: 9a+8b+7c+6d+5e+4f+3g+2h−i ≡ 0 (mod 11). The reserve
is 9999xxxxx, which holds 9,091 such numbers; larger countries go on downwards through 9xxxxxxxx (9.09 million) and on.
One person in fifty has a number from 0999xxxxx downwards, so that a lost leading zero is visible.
"""

from __future__ import annotations

import numpy as np

from synthetic.calendar_days import Texts, digits, glue
from synthetic.randomness import Ints, uniforms

_WEIGHTS = np.array([9, 8, 7, 6, 5, 4, 3, 2], dtype=np.int64)
_RIN_PRIME = 898_999_999
_KVK_PRIME = 999_983
_ZERO_RANGE_FROM, _ZERO_RANGE_WIDTH = 99_000_000, 1_000_000
LEADING_ZERO_EVERY = 50
_POSTCODE_LETTERS = np.frombuffer(b"ABCDEGHJKLMNPRSTVWXZ", dtype="S1")


def eleven_test(numbers: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each 9-digit number passes the eleven-test of BSN and RSIN."""
    total = np.zeros(len(numbers), dtype=np.int64)
    rest = numbers // 10
    for weight in _WEIGHTS[::-1]:
        rest, digit = np.divmod(rest, 10)
        total += weight * digit
    passed: np.ndarray[tuple[int], np.dtype[np.bool_]] = (total - numbers % 10) % 11 == 0
    return passed


def valid_numbers_below(top: int, count: int) -> Ints:
    """The ``count`` highest numbers ≤ ``top`` that pass the eleven-test, highest first."""
    prefixes = np.arange(top // 10, max(top // 10 - (count * 11) // 10 - 20, 0), -1, dtype=np.int64)
    total = np.zeros(len(prefixes), dtype=np.int64)
    rest = prefixes.copy()
    for weight in _WEIGHTS[::-1]:
        rest, digit = np.divmod(rest, 10)
        total += weight * digit
    check = total % 11
    return (prefixes * 10 + check)[check < 10][:count]


class NumberSpace:
    """Deals out BSN and RSIN by ordinal: persons first, then unregistered persons, then entities.

    A seeded permutation keeps neighbours in the register from having neighbouring numbers.
    """

    def __init__(self, *, seed: int, persons: int, others: int) -> None:
        self._zero = valid_numbers_below(99_999_999, persons // LEADING_ZERO_EVERY + 1)
        self._main = valid_numbers_below(999_999_999, persons + others)
        self._size = persons + others
        self._persons = persons
        self._step, self._shift = _bijection(seed, "bsn", self._size)

    def persons(self, ordinals: Ints) -> Texts:
        """BSNs of registered persons, by ordinal 0 … persons − 1."""
        numbers = self._main[(ordinals * self._step + self._shift) % self._size]
        zero = ordinals % LEADING_ZERO_EVERY == 0
        numbers[zero] = self._zero[ordinals[zero] // LEADING_ZERO_EVERY]
        return digits(numbers, 9)

    def others(self, ordinals: Ints) -> Texts:
        """BSNs or RSINs beyond the registered persons, by ordinal 0 … others − 1."""
        return digits(self._main[((ordinals + self._persons) * self._step + self._shift) % self._size], 9)


def _bijection(seed: int, name: str, modulus: int) -> tuple[int, int]:
    """Multiplier coprime to ``modulus`` and shift of a permutation of 0 … modulus − 1."""
    u = uniforms(seed, f"bijection/{name}", 0, 1, 2)[0]
    step = int(u[0] * 0.4 * modulus + 0.3 * modulus) | 1
    while np.gcd(step, modulus) != 1:
        step += 2
    return step, int(u[1] * modulus)


def rin_person(seed: int, global_ids: Ints) -> Texts:
    """RINPERSOON: 9 digits, meaningless, below 900,000,000 and outside the BSN reserves."""
    step, shift = _bijection(seed, "rinpersoon", _RIN_PRIME)
    numbers = (global_ids * step + shift) % _RIN_PRIME
    return digits(np.where(numbers >= _ZERO_RANGE_FROM, numbers + _ZERO_RANGE_WIDTH, numbers), 9)


def rin_object(seed: int, global_ids: Ints) -> Texts:
    """RINOBJECTNUMMER: 32 letters A–P, meaningless; letters only, so that it contains no other identifier."""
    step, shift = _bijection(seed, "rinobject", _RIN_PRIME)
    mixed = ((global_ids * step + shift) % _RIN_PRIME).astype(np.uint64)
    words = np.stack([mixed * np.uint64(0x9E3779B97F4A7C15), mixed * np.uint64(0xD6E8FEB86659FD93)], axis=1)
    octets = words.view(np.uint8)
    nibbles = np.stack([octets >> 4, octets & 15], axis=2).reshape(len(global_ids), 32)
    return (nibbles + 65).astype(np.uint8).view("S32").ravel()


def beid(seed: int, ordinals: Ints) -> Texts:
    """BEID: E and 8 letters A–J."""
    step, shift = _bijection(seed, "beid", 99_999_989)
    letters = digits((ordinals * step + shift) % 99_999_989, 8).view(np.uint8).reshape(-1, 8) + 17
    return glue(b"E", letters.astype(np.uint8).view("S8").ravel())


def record_number(seed: int, kind: str, global_ids: Ints) -> Texts:
    """Meaningless record numbers: nine letters A–J, which no identifier of nine figures can be taken for."""
    step, shift = _bijection(seed, kind, _RIN_PRIME)
    letters = digits((global_ids * step + shift) % _RIN_PRIME, 9).view(np.uint8) + 17
    return letters.astype(np.uint8).view("S9").ravel()


def kvk(seed: int, ordinals: Ints) -> Texts:
    """KvK numbers: 09 and 6 digits (no chamber ever issued 09…; the leading zero must survive)."""
    step, shift = _bijection(seed, "kvk", _KVK_PRIME)
    return glue(b"09", digits((ordinals * step + shift) % _KVK_PRIME, 6))


def establishment(kvk_numbers: Texts) -> Texts:
    """Establishment numbers: 12 digits, the first of each entity."""
    return glue(b"0000", kvk_numbers)


def second_establishment(kvk_numbers: Texts) -> Texts:
    """Establishment numbers of a second establishment."""
    return glue(b"000000", digits(kvk_numbers.astype(np.int64) % 1_000_000, 6))


def bag_id(municipality: bytes, ordinals: Ints) -> Texts:
    """BAG id of a residence object: municipality (4) + 01 + 10 digits."""
    return glue(municipality + b"01", digits(ordinals, 10))


def postcode(four: Ints, segment: Ints) -> Texts:
    """Postcodes 1234AB from the four figures and a segment number 0 … 399 within them."""
    letters = glue(_POSTCODE_LETTERS[segment // 20 % 20], _POSTCODE_LETTERS[segment % 20])
    return glue(digits(four, 4), letters)
