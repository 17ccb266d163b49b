"""A rate table: its rows, its counts and its figures, each hidden with the counts that stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from output_control.policy import TableRules
from output_control.protection import Range, Width
from output_control.statistics import figures, inversion
from output_control.statistics.compared_rates import compared, expected_numbers
from output_control.statistics.rate_cells import Counts, RateCells, place_of_category
from output_control.tables.evidence import Evidence
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CodeArray, FloatArray, IntArray, cell_keys


@dataclass(frozen=True, slots=True, eq=False)
class RateTable:
    """Rows are the combinations of the dimensions ``rows`` (positions); -1 stands for an empty cell in what follows.

    ``numerator`` and ``denominator`` are cells of the table; ``counts`` are what is published of them, NaN where
    hidden; ``figures`` by name, NaN where hidden or undefined. ``hidden`` marks rows whose rate is not shown.
    """

    rows: tuple[int, ...]
    codes: CodeArray
    numerator: IntArray
    denominator: IntArray
    counts: Mapping[str, FloatArray]
    figures: Mapping[str, FloatArray]
    hidden: BoolArray


def rate_table(evidence: Evidence, suppressed: BoolArray, rules: TableRules) -> RateTable:
    """The rows and figures of a protected rate request.

    A figure is hidden when any count in it is (of a ratio: every stratum's too), and when its whole has fewer units
    than a percentage needs. With rounded counts, figures are computed from these: they tell nothing that the counts do
    not.
    """
    cells, least = RateCells.of(evidence, suppressed, rules), rules.percentage_units.value
    above, below = cells.count(cells.category), cells.count(0)
    c, n = above.value, below.value
    hidden = above.hidden | below.hidden | cells.few_units(below, least)
    found = {"rate": figures.rate(c, n)}
    if "wilson" in cells.rate.figures:
        found["ci95_low"], found["ci95_high"] = figures.wilson(c, n)
    if "shrunken" in cells.rate.figures:
        found["shrunken"] = _shrinkage(cells, above, below, hidden).of(c, n)
    found |= compared(cells, least)
    digits = rules.figure_digits.value
    shown = {name: np.where(hidden | (n <= 0), np.nan, figures.rounded(v, digits)) for name, v in found.items()}
    counts = {"numerator": np.where(above.hidden, np.nan, c), "denominator": np.where(below.hidden, np.nan, n)}
    return RateTable(cells.rows, cells.codes, above.cells, below.cells, counts, shown, hidden)


def exposed_by_rates(evidence: Evidence, suppressed: BoolArray, rules: TableRules, found: RateTable) -> IntArray:
    """Rows in which a shown figure gives a suppressed count back more closely than the policy's width for counts.

    The attacker is granted the whole and attacks the numerator; a hidden whole is wider open than that, for its rate is
    at most 1. A ratio that is shown over a hidden stratum counts as giving it away.
    """
    digits, cells = rules.figure_digits.value, RateCells.of(evidence, suppressed, rules)
    above, below = cells.count(cells.category), cells.count(0)
    n, hidden, shown = below.value, above.hidden | below.hidden, found.figures
    published = {"rate": inversion.of_rate(shown["rate"], digits, n)}
    for name, end in (("ci95_low", -1), ("ci95_high", 1)):
        if name in shown:
            published[name] = inversion.of_wilson(shown[name], digits, n, end=end)
    if "shrunken" in shown:
        moments = _shrinkage(cells, above, below, found.hidden)
        published["shrunken"] = inversion.of_shrunken(
            shown["shrunken"], digits, n, mean=moments.mean, variance=moments.variance
        )
    careless = np.zeros(len(n), dtype=np.bool_)
    if "ratio" in shown:
        expected = expected_numbers(cells)
        published["ratio"] = inversion.of_ratio(shown["ratio"], digits, expected.value)
        careless = expected.hidden & ~np.isnan(shown["ratio"])
    asked = rules.count_protection.value.protection()
    width = np.full(len(n), float(asked.w) if isinstance(asked, Width) else 1.0)
    return np.union1d(np.flatnonzero(careless), inversion.given_away(published, n, hidden, width, whole=True))


def complements(evidence: Evidence, rules: TableRules) -> PrimaryResult:
    """Numerators whose complement is fewer units than the minimum: who knows the whole knows the rest.

    With more than two categories the complement is no cell of the table. Its units are at least those of the whole less
    those of the numerator; where one unit may be in both, that bound is what counts.
    """
    table = evidence.table
    column, category = place_of_category(evidence)
    inside = np.flatnonzero(table.codes[:, column] == category)
    whole = table.codes[inside].copy()
    whole[:, column] = 0
    total = np.searchsorted(table.keys(), cell_keys(whole, table.shape))
    outside = evidence.records[total] - evidence.records[inside]
    units = table.freq[total] - table.freq[inside]
    n = rules.minimum_frequency.value
    few = (outside > 0) & (units < n)
    hit = inside[few]
    result = PrimaryResult.none(len(table))
    result.mask[hit] = True
    result.threshold[hit] = n
    if isinstance(rules.count_protection.value.protection(), Range):
        # for the complement to be possibly nobody, the numerator must be possibly everyone
        result.upl[hit] = outside[few]
    result.reason[hit] = "complement"
    return result


def _shrinkage(cells: RateCells, above: Counts, below: Counts, hidden: BoolArray) -> figures.Shrinkage:
    """Over the finest rows whose counts are all published."""
    finest = np.ones(len(cells.codes), dtype=np.bool_)
    for place, position in enumerate(cells.rows):
        dim = cells.evidence.shown[position].dimension
        finest &= np.isin(cells.codes[:, place], [dim.index[leaf] for leaf in dim.leaves])
    return figures.Shrinkage.over(above.value, below.value, finest & ~hidden & (below.value > 0))
