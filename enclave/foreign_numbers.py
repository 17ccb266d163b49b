"""Numbers by which other countries know a person: ``BE 85.07.30-033.28``, the country's code first.

Belgium, Germany and Poland, where most foreign owners and workers come from, are checked by their own rule; other
countries' numbers by their form alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from enclave.identifier_forms import Bools, Bytes, Checked, fixed_width, mask, matches, null_unless, reasons

_PARTS = r"^(?P<country>[A-Z]{2})[:;/ .-]*(?P<number>[A-Z0-9]{4,20})$"
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_PESEL_WEIGHTS = np.array([1, 3, 7, 9, 1, 3, 7, 9, 1, 3])
_PESEL_CENTURIES = np.array([1900, 2000, 2100, 2200, 1800])
_FIGURES = 11
_BELGIAN_PIVOT = 50
"""Two figures of a birth year below this may be of the 21st century; no clock is read to know better."""


def check_foreign(values: Any) -> Checked:
    """Canonical ``BE:85073003328``. Malformed: no country's code and number, or the Netherlands'. Failed: the rule of
    the country, where it is known here."""
    upper = pc.ascii_upper(pc.utf8_trim_whitespace(pc.fill_null(values, "")))
    country = pc.utf8_slice_codeunits(upper, 0, 2)
    rest = pc.replace_substring_regex(pc.utf8_slice_codeunits(upper, 2), r"[\s\x{A0}.,:;/-]", "")
    joined = pc.binary_join_element_wise(country, rest, "")
    formed = matches(joined, _PARTS) & matches(rest, "[0-9]") & ~mask(pc.equal(country, "NL"))
    passed = np.ones(len(upper), dtype=np.bool_)
    for code, rule in _RULES.items():
        rows = np.flatnonzero(formed & mask(pc.equal(country, code)))
        if rows.size:
            passed[rows] = _eleven_figures(rest.take(pa.array(rows)), rule)
    reason = reasons(values, formed, passed)
    return Checked(null_unless(pc.binary_join_element_wise(country, rest, ":"), reason == 0), pa.array(reason))


def _eleven_figures(numbers: Any, rule: Callable[[Bytes], Bools]) -> Bools:
    passed = np.zeros(len(numbers), dtype=np.bool_)
    rows = np.flatnonzero(matches(numbers, rf"^[0-9]{{{_FIGURES}}}$"))
    if rows.size:
        passed[rows] = rule(fixed_width(numbers.take(pa.array(rows)), _FIGURES)[1] - np.uint8(48))
    return passed


def _number(figures: Bytes, start: int, stop: int) -> NDArray[np.int64]:
    powers = 10 ** np.arange(stop - start - 1, -1, -1, dtype=np.int64)
    found: NDArray[np.int64] = figures[:, start:stop].astype(np.int64) @ powers
    return found


def _belgian(figures: Bytes) -> Bools:
    """National number: 97 minus the first nine figures modulo 97, a 2 before them for who was born from 2000 on; the
    month is 0 (not known) to 12 (Koninklijk Besluit of 3 April 1984)."""
    first, last = _number(figures, 0, 9), _number(figures, 9, 11)
    young = _number(figures, 0, 2) < _BELGIAN_PIVOT
    checked = (97 - first % 97 == last) | young & (97 - (first + 2 * 10**9) % 97 == last)
    good: Bools = checked & (_number(figures, 2, 4) <= 12) & figures.any(axis=1)
    return good


def _german(figures: Bytes) -> Bools:
    """Tax identification number: ISO 7064 MOD 11,10; no leading 0; of the first ten figures exactly one comes twice or
    three times (§ 139b Abgabenordnung, Steueridentifikationsnummerverordnung)."""
    counts = np.stack([(figures[:, :10] == digit).sum(axis=1) for digit in range(10)], axis=1)
    repeated = counts > 1
    shaped = (repeated.sum(axis=1) == 1) & (counts.max(axis=1) <= 3) & (figures[:, 0] != 0)
    product = np.full(len(figures), 10, dtype=np.int64)
    for column in figures[:, :10].T:
        total = (product + column) % 10
        product = np.where(total == 0, 10, total) * 2 % 11
    good: Bools = shaped & ((11 - product) % 10 == figures[:, 10])
    return good


def _polish(figures: Bytes) -> Bools:
    """PESEL: weights 1, 3, 7, 9; the month tells the century, and the date exists."""
    total = figures[:, :10].astype(np.int64) @ _PESEL_WEIGHTS
    written = _number(figures, 2, 4)
    year = _PESEL_CENTURIES[written // 20] + _number(figures, 0, 2)
    month, day = written % 20, _number(figures, 4, 6)
    known = (month >= 1) & (month <= 12)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = _MONTH_DAYS[np.where(known, month, 0)] + (leap & (month == 2))
    good: Bools = known & (day >= 1) & (day <= days) & ((total + figures[:, 10]) % 10 == 0)
    return good


_RULES: dict[str, Callable[[Bytes], Bools]] = {"BE": _belgian, "DE": _german, "PL": _polish}
