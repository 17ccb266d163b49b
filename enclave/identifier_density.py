"""Whether a column of numbers is in fact one of identifiers.

One number in eleven passes the eleven-test by chance, a column of BSNs passes it always: so a column is judged whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.foreign_numbers import passes_rule
from enclave.identifiers import Reason, as_strings, check

FEWEST_NUMBERS = 30
"""A declared column is judged on at least this many different numbers of the identifier's length …"""
DEVIATIONS = 5.0
"""… and is a leak when more pass than by chance + this many standard deviations (p < 1e-6 by chance)."""
SHORTEST_COPY = 5
"""Figures; a shorter number may equal one of the same record by chance."""
FEWEST_COPIES = 3
COPIED_SHARE = 1e-3


def _checked(kind: str) -> Callable[[Any], tuple[int, int]]:
    def tested(numbers: Any) -> tuple[int, int]:
        counts = check(kind, numbers).counts()
        return counts[Reason.OK] + counts[Reason.FAILED_CHECK], counts[Reason.OK]

    return tested


def _mobile(numbers: Any) -> tuple[int, int]:
    """Of numbers as long as a Dutch mobile number without its zero, or with the country's code: how many begin so."""
    long_enough = pc.match_substring_regex(numbers, r"^(?:0?[1-9][0-9]{8}|31[0-9]{9})$")
    begin_so = pc.match_substring_regex(numbers, r"^(?:0?6[1-58][0-9]{7}|316[1-58][0-9]{7})$")
    return _true(long_enough), _true(begin_so)


def _true(found: Any) -> int:
    return int(pc.sum(pc.fill_null(found, False)).as_py() or 0)


def _foreign(country: str) -> Callable[[Any], tuple[int, int]]:
    def tested(numbers: Any) -> tuple[int, int]:
        eleven = numbers.filter(pc.equal(pc.binary_length(numbers), 11))
        if not len(eleven):
            return 0, 0
        eleven = eleven.filter(pc.match_substring_regex(eleven, "^[0-9]+$"))
        return len(eleven), int(passes_rule(country, eleven).sum())

    return tested


FORMS: Mapping[str, tuple[float, Callable[[Any], tuple[int, int]]]] = {
    "bsn": (1 / 11, _checked("bsn")),
    "bag": (0.06, _checked("bag")),
    "mobile": (0.5, _mobile),
    "belgian": (2 / 97, _foreign("BE")),
    "german": (0.1, _foreign("DE")),
    "polish": (0.1, _foreign("PL")),
}
"""Form -> share of other numbers of that length that pass, and the test. 6 of 100 pairs are BAG object types; of
mobile numbers there is no check, and amounts may begin with a 6, but not half of a column of nine figures. Foreign
numbers are those of eleven figures with a check of their own; of others that begin with a date fewer pass.
What the numbers of a delivery are tried for; figures of a release only for ``bsn``."""


@dataclass(slots=True)
class _Seen:
    numbers: int = 0
    passed: int = 0


class DensityCheck:
    """Whether a declared column (numbers, codes, dates) is in fact one of identifiers; fed batch by batch.

    Only different values count, as far as one batch shows them: a code that fills a column proves nothing. ``forms``
    are of :data:`FORMS`.
    """

    def __init__(self, forms: Sequence[str] = ("bsn",)) -> None:
        self._seen = {form: _Seen() for form in forms}

    def add(self, values: Any) -> None:
        """Take in one batch of the column."""
        if not _could_hold_numbers(values.type):
            return
        numbers = _whole_numbers(values)
        for form, seen in self._seen.items():
            tried, passed = FORMS[form][1](numbers)
            seen.numbers += tried
            seen.passed += passed

    def leaks(self) -> bool:
        """Whether more numbers passed than chance explains."""
        return any(_beyond_chance(seen, FORMS[form][0]) for form, seen in self._seen.items())


def _beyond_chance(seen: _Seen, chance: float) -> bool:
    expected = seen.numbers * chance + DEVIATIONS * math.sqrt(seen.numbers * chance * (1 - chance))
    return seen.numbers >= FEWEST_NUMBERS and seen.passed > expected


@dataclass(slots=True)
class CopyCheck:
    """Whether a column that stays repeats an identifier of its own record that goes; fed batch by batch.

    This finds what has no check of its own: KvK, establishment, and the supplier's own numbers.
    """

    _filled: int = field(default=0, init=False)
    _copies: int = field(default=0, init=False)

    def add(self, values: Any, own: Sequence[Any]) -> None:
        """Take in one batch: the column, and the identifier columns of the same rows as :func:`bare` numbers."""
        if not own or not _could_hold_numbers(values.type):
            return
        numbers = bare(values)
        copied = np.zeros(len(numbers), dtype=np.bool_)
        for column in own:
            copied |= pc.fill_null(pc.equal(numbers, column), False).to_numpy(zero_copy_only=False)
        self._filled += len(numbers) - numbers.null_count
        self._copies += int(copied.sum())

    def leaks(self) -> bool:
        """Whether more numbers are repeated than chance explains."""
        return self._copies >= FEWEST_COPIES and self._copies > COPIED_SHARE * self._filled


def bare(values: Any) -> Any:
    """Letters and figures in upper case without leading zeros; null where shorter than :data:`SHORTEST_COPY`."""
    texts = pc.ascii_upper(as_strings(_whole(values)))
    if _spelt(values.type):
        texts = pc.replace_substring_regex(texts, "[^A-Z0-9]", "")
    texts = pc.ascii_ltrim(texts, characters="0")
    long_enough = pc.fill_null(pc.greater_equal(pc.binary_length(texts), SHORTEST_COPY), False)
    return pc.if_else(long_enough, texts, pa.scalar(None, pa.string()))


def _could_hold_numbers(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)) or _spelt(kind)


def _spelt(kind: Any) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary))


def _whole_numbers(values: Any) -> Any:
    """Distinct values as texts."""
    return as_strings(pc.unique(_whole(values)))


def _whole(values: Any) -> Any:
    """Fractions, which are no identifiers, made null; whole numbers of any type as integers."""
    if not (pa.types.is_floating(values.type) or pa.types.is_decimal(values.type)):
        return values
    exact = values if pa.types.is_floating(values.type) else values.cast(pa.float64())
    whole = pc.and_(pc.equal(pc.floor(exact), exact), pc.less(pc.abs(exact), 2.0**53))
    return pc.if_else(pc.fill_null(whole, False), values, pa.scalar(None, values.type)).cast(pa.int64())
