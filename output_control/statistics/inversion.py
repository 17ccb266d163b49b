"""What derived figures give back: each published rate, interval, shrunken value, ratio or mean undone to its counts.

The attacker is granted everything but the hidden count itself: the denominator, the expected number, the parameters of
the shrinkage. A figure says that the count lies in an interval; what is left after all figures of a cell must still be
as wide as the policy asks. Written for the audit alone: closed inverses, none of the formulas that made the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import betainc, gammaincc

from output_control.tables.table import BoolArray, FloatArray, IntArray

Z = 1.959963984540054
SLACK = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """Figures of one kind per cell, NaN where none is shown, to ``digits`` significant digits.

    ``scale`` and ``offset`` per cell undo what is linear: count = offset + scale · figure. ``wilson`` -1 or 1 marks the
    lower or upper end of a Wilson interval of ``of`` records, which is undone by its own square root.
    """

    shown: FloatArray
    digits: int
    scale: FloatArray
    offset: FloatArray
    wilson: int = 0
    of: FloatArray = field(default_factory=lambda: np.zeros(0))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """The least and the most that the count behind each figure can be; infinite where none is shown."""
        below, above = half_widths(self.shown, self.digits)
        ends = [self._count(self.shown - below), self._count(self.shown + above)]
        absent = np.isnan(self.shown)
        return np.where(absent, -np.inf, np.minimum(*ends)), np.where(absent, np.inf, np.maximum(*ends))

    def _count(self, figure: FloatArray) -> FloatArray:
        if self.wilson:
            held = np.clip(figure, 0, 1)
            with np.errstate(divide="ignore", invalid="ignore"):
                figure = held - self.wilson * Z * np.sqrt(held * (1 - held) / self.of)
        with np.errstate(invalid="ignore"):
            return np.asarray(self.offset + self.scale * figure, dtype=np.float64)


def half_widths(shown: FloatArray, digits: int) -> tuple[FloatArray, FloatArray]:
    """How far the true figure may lie below and above the one shown, rounded to significant digits; 0 for 0.

    Below a power of ten the next digit is finer: 0.1 to one digit is 0.095 to 0.15.
    """
    nothing = np.isnan(shown) | (shown == 0)
    size = np.abs(np.where(nothing, 1.0, shown))
    exponent = np.floor(np.log10(size) + SLACK)
    above = 0.5 * 10.0 ** (exponent - digits + 1)
    below = np.where(np.abs(size - 10.0**exponent) <= SLACK * size, above / 10, above)
    return np.where(nothing, 0.0, below), np.where(nothing, 0.0, above)


def of_rate(shown: FloatArray, digits: int, denominator: FloatArray) -> Published:
    """c = rate · n."""
    return Published(shown, digits, denominator, np.zeros(len(shown)))


def of_wilson(shown: FloatArray, digits: int, denominator: FloatArray, *, end: int) -> Published:
    """The end w of the interval solves (c/n − w)² = z² w(1 − w)/n, so c = n·(w ± z·√(w(1 − w)/n))."""
    return Published(shown, digits, denominator, np.zeros(len(shown)), wilson=end, of=denominator)


def of_shrunken(shown: FloatArray, digits: int, denominator: FloatArray, *, mean: float, variance: float) -> Published:
    """value = mean + w·(c/n − mean) with w = variance/(variance + mean(1 − mean)/n)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steep = denominator + mean * (1 - mean) / variance if variance > 0 else np.full(len(shown), np.inf)
    return Published(shown, digits, steep, mean * denominator - mean * steep)


def of_ratio(shown: FloatArray, digits: int, expected: FloatArray) -> Published:
    """O = ratio · E."""
    return Published(shown, digits, expected, np.zeros(len(shown)))


def of_quotient(shown: FloatArray, digits: int, denominator: FloatArray, *, whole: tuple[float, float]) -> Published:
    """quotient = (c/n)/(C/N), with C and N of ``whole``: c = quotient · n · C/N."""
    return Published(shown, digits, denominator * (whole[0] / whole[1]), np.zeros(len(shown)))


def of_category_ratio(shown: FloatArray, digits: int, against: FloatArray) -> Published:
    """c = ratio · (count of the other category)."""
    return Published(shown, digits, against, np.zeros(len(shown)))


def of_direct(
    shown: FloatArray, digits: int, numerator: FloatArray, denominator: FloatArray, weights: FloatArray, *, stratum: int
) -> Published:
    """value = Σ w·c/n: the count of one stratum, to who knows those of the others (strata by rows)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = weights[:, np.newaxis] * numerator / denominator
        steep = denominator[stratum] / weights[stratum]
    return Published(shown, digits, steep, -steep * np.delete(parts, stratum, axis=0).sum(axis=0))


def of_binomial_limit(
    shown: FloatArray, digits: int, denominator: FloatArray, *, target: float, tail: float
) -> BoolArray:
    """Whether a control limit of a rate around ``target`` can be that of each of these denominators.

    The number that a limit stands for lies where the distribution, straight between whole numbers, reaches ``tail``:
    below the end of what is shown, above its beginning. The distribution is the incomplete beta function's.
    """

    def reaches(number: FloatArray) -> FloatArray:
        at = np.clip(number, 0, denominator - 1)
        return np.where(number >= denominator, 1.0, betainc(denominator - at, at + 1, 1 - target))

    return _reached(shown, digits, denominator, reaches, tail)


def of_poisson_limit(shown: FloatArray, digits: int, expected: FloatArray, *, tail: float) -> BoolArray:
    """Whether a control limit of observed by expected can be that of each of these expected numbers."""

    def reaches(number: FloatArray) -> FloatArray:
        return np.asarray(gammaincc(np.maximum(number, 0) + 1, expected), dtype=np.float64)

    return _reached(shown, digits, expected, reaches, tail)


def _reached(
    shown: FloatArray, digits: int, scale: FloatArray, reaches: Callable[[FloatArray], FloatArray], tail: float
) -> BoolArray:
    def between(number: FloatArray) -> FloatArray:
        """The distribution at ``number``, straight from 0 at -1 on."""
        below = np.floor(number)
        least = np.where(below < 0, 0.0, reaches(below))
        return least + (number - below) * (reaches(below + 1) - least)

    below, above = half_widths(shown, digits)
    # a limit below 0 is shown as 0, so 0 says only that the distribution begins above the tail
    least = np.where(shown > 0, between((shown - below) * scale), 0.0)
    most = np.where(shown > 0, between((shown + above) * scale), reaches(np.zeros(len(shown))))
    return np.asarray((least <= tail + SLACK) & (most >= tail - SLACK))


def of_mean(shown: FloatArray, digits: int, records: FloatArray) -> Published:
    """Total = mean · n."""
    return Published(shown, digits, records, np.zeros(len(shown)))


def left_open(figures: Mapping[str, Published], most: FloatArray, *, whole: bool) -> tuple[FloatArray, FloatArray]:
    """What all figures together leave of each count in 0…``most``; whole numbers when ``whole``."""
    low, high = np.zeros(len(most)), most.astype(np.float64).copy()
    for figure in figures.values():
        least, greatest = figure.bounds()
        low = np.maximum(low, np.nan_to_num(least, nan=-np.inf))
        high = np.minimum(high, np.nan_to_num(greatest, nan=np.inf))
    slack = SLACK * np.maximum(1.0, np.where(np.isfinite(high), high, 1.0))
    if whole:
        low, high = np.ceil(low - slack), np.floor(high + slack)
    return low, high


def given_away(
    figures: Mapping[str, Published], most: FloatArray, hidden: BoolArray, width: FloatArray, *, whole: bool
) -> IntArray:
    """Cells with a hidden count that the figures shown for them leave less open than ``width``.

    A cell for which nothing is shown is open by definition here: its interval is for the audit of the table.
    """
    low, high = left_open(figures, most, whole=whole)
    nothing = np.all([np.isnan(figure.shown) for figure in figures.values()], axis=0)
    return np.flatnonzero(hidden & ~nothing & (high - low < width)).astype(np.int64)
