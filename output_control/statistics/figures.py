"""Figures derived from counts: rates, Wilson intervals, empirical-Bayes values, observed by expected.

Pure arithmetic on arrays, one element per cell; NaN where a figure is not to be had. How each is undone, and what that
gives away, stands in `output_control.statistics.inversion`, which shares no code with this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from output_control.statistics.rounding import significant
from output_control.tables.table import BoolArray, FloatArray

NORMAL_975 = 1.959963984540054


def rate(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Numerator by denominator, in 0…1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def wilson(numerator: FloatArray, denominator: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The 95 % score interval of a rate. Source: Wilson 1927, doi:10.1080/01621459.1927.10502953."""
    square, share = NORMAL_975**2, rate(numerator, denominator)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (share + square / (2 * denominator)) / (1 + square / denominator)
        half = NORMAL_975 * np.sqrt(share * (1 - share) / denominator + square / (4 * denominator**2))
        half = half / (1 + square / denominator)
    # exactly 0 and 1 where the formula has them, not the last bit of a difference
    low, high = np.where(numerator <= 0, 0.0, middle - half), np.where(numerator >= denominator, 1.0, middle + half)
    return np.where(denominator > 0, low, np.nan), np.where(denominator > 0, high, np.nan)


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """The distribution of rates towards which cells are shrunken: its mean and its variance between cells."""

    mean: float
    variance: float

    @staticmethod
    def over(numerator: FloatArray, denominator: FloatArray, cells: BoolArray) -> Shrinkage:
        """Moments over ``cells`` alone: no count of another cell stands in what is published.

        Source: Marshall 1991, doi:10.2307/2347593, with the binomial variance.
        """
        c, n = numerator[cells], denominator[cells]
        whole = float(n.sum())
        if whole == 0:
            return Shrinkage(float("nan"), 0.0)
        mean = float(c.sum()) / whole
        spread = float((n * (c / n - mean) ** 2).sum()) / whole
        return Shrinkage(mean, max(spread - mean * (1 - mean) / (whole / len(n)), 0.0))

    def of(self, numerator: FloatArray, denominator: FloatArray) -> FloatArray:
        """The shrunken rates."""
        with np.errstate(divide="ignore", invalid="ignore"):
            own = self.variance + self.mean * (1 - self.mean) / denominator
            weight = np.where(own > 0, self.variance / own, 0.0)
        return self.mean + weight * (rate(numerator, denominator) - self.mean)


def ratio(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """Observed by expected (indirect standardisation)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected > 0, observed / expected, np.nan)


def rounded(values: FloatArray, digits: int) -> FloatArray:
    """Each to ``digits`` significant digits, as `output_control.statistics.rounding.significant` does; NaN stays."""
    return np.array([significant(float(v), digits) if np.isfinite(v) else np.nan for v in values], dtype=np.float64)
