"""Does every figure of a rate follow from counts that are published? The audit of `compared_rates`.

Each shown figure is undone to a count, granted all others *that are published*: what comes out must be the published
count. A figure over a hidden one cannot be undone so, and is found; a figure that says anything else is found too. So
who has the release learns nothing from its figures that its counts do not say. Written for the audit alone: it finds
the counts in the table, and undoes the figures, by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
from scipy.special import gammainc

from enclave.requests import Rate
from output_control.policy import TableRules
from output_control.statistics import inversion
from output_control.statistics.rounding import to_bases
from output_control.tables.evidence import Evidence
from output_control.tables.table import BoolArray, FloatArray, IntArray

TAILS = {"limit95_low": 0.025, "limit95_high": 0.975, "limit998_low": 0.001, "limit998_high": 0.999}


class PublishedCounts:
    """All cells of the table of a rate request as an array with an axis per dimension; NaN where hidden."""

    def __init__(self, evidence: Evidence, rate: Rate, suppressed: BoolArray, base: int) -> None:
        table = evidence.table
        self._cells = np.zeros(table.shape)
        self._cells[tuple(table.codes.T)] = np.where(suppressed, np.nan, to_bases(table.value, base))
        self._axes = {shown.column: shown for shown in evidence.shown}
        self._rate = rate

    def of_rows(self, category: str | None, stratum: tuple[str, ...] = ()) -> FloatArray:
        """Per row, in a category (none: all) of a stratum (none: all)."""
        return np.asarray(self._cells[self._place(category, stratum, slice(None))].ravel(), dtype=np.float64)

    def of_whole(self, category: str | None, stratum: tuple[str, ...] = ()) -> np.float64:
        """The same of all rows together."""
        return np.float64(self._cells[self._place(category, stratum, 0)])

    def strata(self) -> list[tuple[str, ...]]:
        """Each combination of the finest codes of the standardising dimensions."""
        return list(product(*(self._axes[name].dimension.leaves for name in self._rate.standardise)))

    def standard(self) -> FloatArray:
        """The share of every stratum in the standard population."""
        if self._rate.standard == "classification":
            listed = self._axes[self._rate.standardise[0]].classification
            parent = {code.code: code.parent for code in listed.codes}
            found = dict.fromkeys(parent, 0.0)
            for leaf, number in listed.standard.items():
                code = leaf
                while code:
                    found[code] += number
                    code = parent[code]
            numbers = np.array([found[code] for (code,) in self.strata()])
        else:
            numbers = np.array([self.of_whole(None, stratum) for stratum in self.strata()])
        return np.asarray(numbers / numbers.sum(), dtype=np.float64)

    def _place(self, category: str | None, stratum: tuple[str, ...], rows: slice | int) -> tuple[slice | int, ...]:
        asked = dict(zip(self._rate.standardise, stratum, strict=True)) if stratum else {}
        asked |= {self._rate.column: category} if category is not None else {}
        left = {self._rate.column, *self._rate.standardise}
        return tuple(
            shown.dimension.index[asked[name]] if name in asked else 0 if name in left else rows
            for name, shown in self._axes.items()
        )


def unsupported(
    evidence: Evidence, suppressed: BoolArray, rules: TableRules, shown: Mapping[str, FloatArray]
) -> IntArray:
    """Rows with a figure that does not follow from published counts; ``shown`` by column, NaN where not shown."""
    rate = evidence.request.rate
    assert rate is not None  # noqa: S101 - called for rate requests only
    counts = PublishedCounts(evidence, rate, suppressed, rules.count_rounding.value.base or 1)
    rows = np.zeros(len(counts.of_rows(None)), dtype=np.bool_)
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, follows in _checked(counts, rate, shown, rules.figure_digits.value):
            rows |= ~np.isnan(shown[name]) & ~follows
    return np.flatnonzero(rows).astype(np.int64)


def _checked(
    counts: PublishedCounts, rate: Rate, shown: Mapping[str, FloatArray], digits: int
) -> Iterator[tuple[str, BoolArray]]:
    """Each figure's column with the rows in which it follows; a column that nothing here undoes follows nowhere."""
    c, n = counts.of_rows(rate.category), counts.of_rows(None)
    whole = counts.of_whole(rate.category), counts.of_whole(None)
    for name, values in shown.items():
        if name == "quotient":
            yield name, _gives(inversion.of_quotient(values, digits, n, whole=whole), c)
        elif name == "category_ratio":
            yield name, _gives(inversion.of_category_ratio(values, digits, counts.of_rows(rate.against)), c)
        elif name == "target":
            undone = inversion.of_rate(values, digits, np.full(len(n), whole[1]))
            yield name, _gives(undone, np.full(len(n), whole[0]))
        elif name in TAILS:
            target = whole[0] / whole[1]
            yield name, inversion.of_binomial_limit(values, digits, n, target=target, tail=TAILS[name])
        elif name == "direct":
            yield from _of_direct(counts, rate, shown, digits)
        elif name in {"expected", "ratio"} or name.startswith("ratio_limit"):
            yield name, _of_expected(counts, rate, name, values, digits)
        elif name == "rate":
            yield name, _gives(inversion.of_rate(values, digits, n), c)
        elif name in {"ci95_low", "ci95_high"}:
            yield name, _gives(inversion.of_wilson(values, digits, n, end=-1 if name == "ci95_low" else 1), c)
        elif name != "shrunken" and not ("direct" in shown and name.startswith("direct_")):
            yield name, np.zeros(len(n), dtype=np.bool_)


def _of_direct(
    counts: PublishedCounts, rate: Rate, shown: Mapping[str, FloatArray], digits: int
) -> Iterator[tuple[str, BoolArray]]:
    weights = counts.standard()
    kept = weights != 0
    weights = weights[kept]
    strata = [stratum for stratum, taken in zip(counts.strata(), kept, strict=True) if taken]
    c = np.array([counts.of_rows(rate.category, stratum) for stratum in strata])
    n = np.array([counts.of_rows(None, stratum) for stratum in strata])
    undone = inversion.of_direct(shown["direct"], digits, c, n, weights, stratum=0)
    yield "direct", _gives(undone, c[0])
    share = weights[:, np.newaxis] / n
    value, variance = np.einsum("sr,sr->r", share, c), np.einsum("sr,sr->r", share**2, c)
    further = np.max(share, axis=0)
    nothing = (shown["direct_low"] == 0) & (value == 0)
    yield "direct_low", nothing | _gamma(shown["direct_low"], digits, value, variance, 0.025)
    yield "direct_high", _gamma(shown["direct_high"], digits, value + further, variance + further**2, 0.975)


def _gamma(shown: FloatArray, digits: int, mean: FloatArray, variance: FloatArray, tail: float) -> BoolArray:
    """Whether a gamma distribution of that mean and variance reaches ``tail`` within what the figure stands for."""
    below, above = inversion.half_widths(shown, digits)
    least, most = (gammainc(mean**2 / variance, mean / variance * end) for end in (shown - below, shown + above))
    return np.asarray((least <= tail + inversion.SLACK) & (most >= tail - inversion.SLACK))


def _of_expected(counts: PublishedCounts, rate: Rate, name: str, values: FloatArray, digits: int) -> BoolArray:
    strata = counts.strata()
    n = np.array([counts.of_rows(None, stratum) for stratum in strata])
    rates = np.array([counts.of_whole(rate.category, each) / counts.of_whole(None, each) for each in strata])
    # a stratum that a row lacks takes no part, whatever its rate is
    expected = np.where(n == 0, 0.0, n * rates[:, np.newaxis]).sum(axis=0)
    if name == "expected":
        return _gives(inversion.Published(values, digits, np.ones(len(values)), np.zeros(len(values))), expected)
    if name == "ratio":
        return _gives(inversion.of_ratio(values, digits, expected), counts.of_rows(rate.category))
    return inversion.of_poisson_limit(values, digits, expected, tail=TAILS[name.removeprefix("ratio_")])


def _gives(undone: inversion.Published, count: FloatArray) -> BoolArray:
    """Whether the figure, undone, can be the published count; never where either is hidden."""
    low, high = undone.bounds()
    slack = inversion.SLACK * np.maximum(1.0, np.abs(undone.scale * undone.shown))
    return np.asarray((low - slack <= count) & (count <= high + slack))
