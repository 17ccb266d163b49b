"""A rate table: its rows, its counts and its figures, each hidden with the counts that stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from enclave.requests import Rate
from output_control import figures, inversion
from output_control.evidence import Evidence
from output_control.policy import TableRules
from output_control.protection import Range, Width
from output_control.rounding import to_bases
from output_control.rules import PrimaryResult
from output_control.table import BoolArray, CellTable, CodeArray, FloatArray, IntArray, cell_keys

NOWHERE = -1


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
    rate, table = _asked(evidence), evidence.table
    rows, codes, full = _rows(evidence, rate)
    column = _position(evidence, rate.column)
    category = evidence.shown[column].dimension.index[rate.category]
    above, below = _cells(table, full, column, category), _cells(table, full, column, 0)
    base = rules.count_rounding.value.base or 1
    c, n = _counts(table, above, base), _counts(table, below, base)
    gone = _any_hidden(suppressed, above) | _any_hidden(suppressed, below)
    few = _few_units(evidence, below, rules.percentage_units.value)
    hidden = gone | few
    found = {"rate": figures.rate(c, n)}
    if "wilson" in rate.figures:
        found["ci95_low"], found["ci95_high"] = figures.wilson(c, n)
    if "shrunken" in rate.figures:
        found["shrunken"] = _shrinkage(evidence, rows, codes, (c, n), hidden).of(c, n)
    if "ratio" in rate.figures:
        expected, lost = _expected(evidence, full, suppressed, base)
        found["ratio"] = np.where(lost, np.nan, figures.ratio(c, expected))
    digits = rules.figure_digits.value
    shown = {name: np.where(hidden | (n <= 0), np.nan, figures.rounded(v, digits)) for name, v in found.items()}
    counts = {
        "numerator": np.where(_any_hidden(suppressed, above), np.nan, c),
        "denominator": np.where(_any_hidden(suppressed, below), np.nan, n),
    }
    return RateTable(rows, codes, above, below, counts, shown, hidden)


def exposed_by_rates(evidence: Evidence, suppressed: BoolArray, rules: TableRules, found: RateTable) -> IntArray:
    """Rows in which a shown figure gives a suppressed count back more closely than the policy's width for counts.

    The attacker is granted the whole and attacks the numerator; a hidden whole is wider open than that, for its rate is
    at most 1. A ratio that is shown over a hidden stratum counts as giving it away.
    """
    digits, base = rules.figure_digits.value, rules.count_rounding.value.base or 1
    table = evidence.table
    n = _counts(table, found.denominator, base)
    hidden = _any_hidden(suppressed, found.numerator) | _any_hidden(suppressed, found.denominator)
    shown = found.figures
    published = {"rate": inversion.of_rate(shown["rate"], digits, n)}
    for name, end in (("ci95_low", -1), ("ci95_high", 1)):
        if name in shown:
            published[name] = inversion.of_wilson(shown[name], digits, n, end=end)
    if "shrunken" in shown:
        moments = _shrinkage(
            evidence, found.rows, found.codes, (_counts(table, found.numerator, base), n), found.hidden
        )
        published["shrunken"] = inversion.of_shrunken(
            shown["shrunken"], digits, n, mean=moments.mean, variance=moments.variance
        )
    careless = np.zeros(len(n), dtype=np.bool_)
    if "ratio" in shown:
        full = _rows(evidence, _asked(evidence))[2]
        expected, lost = _expected(evidence, full, suppressed, base)
        published["ratio"] = inversion.of_ratio(shown["ratio"], digits, expected)
        careless = lost & ~np.isnan(shown["ratio"])
    asked = rules.count_protection.value.protection()
    width = np.full(len(n), float(asked.w) if isinstance(asked, Width) else 1.0)
    return np.union1d(np.flatnonzero(careless), inversion.given_away(published, n, hidden, width, whole=True))


def complements(evidence: Evidence, rules: TableRules) -> PrimaryResult:
    """Numerators whose complement is fewer units than the minimum: who knows the whole knows the rest.

    With more than two categories the complement is no cell of the table. Its units are at least those of the whole less
    those of the numerator; where one unit may be in both, that bound is what counts.
    """
    rate, table = _asked(evidence), evidence.table
    column = _position(evidence, rate.column)
    category = evidence.shown[column].dimension.index[rate.category]
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


def _asked(evidence: Evidence) -> Rate:
    rate = evidence.request.rate
    assert rate is not None  # noqa: S101 - called for rate requests only
    return rate


def _position(evidence: Evidence, column: str) -> int:
    return [shown.column for shown in evidence.shown].index(column)


def _rows(evidence: Evidence, rate: Rate) -> tuple[tuple[int, ...], CodeArray, CodeArray]:
    """Positions of the dimensions shown, codes of the rows in these, and in all (the others at their root)."""
    table = evidence.table
    left = {rate.column, *rate.standardise}
    rows = tuple(i for i, shown in enumerate(evidence.shown) if shown.column not in left)
    shape = tuple(table.shape[i] for i in rows)
    every = np.arange(int(np.prod(shape, dtype=np.int64)))
    codes = np.column_stack(np.unravel_index(every, shape)).astype(np.int32)
    full = np.zeros((len(codes), len(table.dims)), dtype=np.int32)
    full[:, list(rows)] = codes
    return rows, codes, full


def _cells(table: CellTable, full: CodeArray, position: int, code: int) -> IntArray:
    """The cell of each row with that code in one dimension, or -1."""
    wanted = full.copy()
    wanted[:, position] = code
    return _find(table, wanted)


def _find(table: CellTable, codes: CodeArray) -> IntArray:
    keys, sought = table.keys(), cell_keys(codes, table.shape)
    at = np.minimum(np.searchsorted(keys, sought), len(keys) - 1)
    return np.where(keys[at] == sought, at, NOWHERE).astype(np.int64)


def _counts(table: CellTable, cells: IntArray, base: int) -> FloatArray:
    value = np.where(cells >= 0, table.value[np.maximum(cells, 0)], 0.0)
    return to_bases(value, base)


def _any_hidden(suppressed: BoolArray, cells: IntArray) -> BoolArray:
    found: BoolArray = (cells >= 0) & suppressed[np.maximum(cells, 0)]
    return found


def _few_units(evidence: Evidence, cells: IntArray, least: int) -> BoolArray:
    few = np.zeros(len(cells), dtype=np.bool_)
    for kind in evidence.kinds:
        units = np.where(cells >= 0, kind.table.freq[np.maximum(cells, 0)], 0.0)
        few |= (units > 0) & (units < least)
    return few


def _shrinkage(
    evidence: Evidence,
    rows: tuple[int, ...],
    codes: CodeArray,
    counts: tuple[FloatArray, FloatArray],
    hidden: BoolArray,
) -> figures.Shrinkage:
    """Over the finest rows whose counts are all published."""
    finest = np.ones(len(codes), dtype=np.bool_)
    for place, position in enumerate(rows):
        dim = evidence.shown[position].dimension
        finest &= np.isin(codes[:, place], [dim.index[leaf] for leaf in dim.leaves])
    c, n = counts
    return figures.Shrinkage.over(c, n, finest & ~hidden & (n > 0))


def _expected(evidence: Evidence, full: CodeArray, suppressed: BoolArray, base: int) -> tuple[FloatArray, BoolArray]:
    """Expected numbers by the rates of the whole per stratum, and rows in which any count that this takes is hidden."""
    rate, table = _asked(evidence), evidence.table
    column = _position(evidence, rate.column)
    category = evidence.shown[column].dimension.index[rate.category]
    expected, lost = np.zeros(len(full)), np.zeros(len(full), dtype=np.bool_)
    for stratum in _strata(evidence, rate):
        here, whole = full.copy(), np.zeros((1, full.shape[1]), dtype=np.int32)
        for position, code in stratum.items():
            here[:, position] = whole[:, position] = code
        cells = _find(table, here)
        reference = [_cells(table, whole, column, code) for code in (category, 0)]
        c, n = (_counts(table, cell, base) for cell in reference)
        known = not any(bool(_any_hidden(suppressed, cell)[0]) for cell in reference)
        there = cells >= 0
        expected += np.where(there & (n > 0), _counts(table, cells, base) * (c / np.maximum(n, 1)), 0.0)
        lost |= there & (_any_hidden(suppressed, cells) | (not known))
    return expected, lost


def _strata(evidence: Evidence, rate: Rate) -> list[dict[int, int]]:
    """Each combination of the finest codes of the standardising dimensions, by position."""
    combined: list[dict[int, int]] = [{}]
    for name in rate.standardise:
        position = _position(evidence, name)
        dim = evidence.shown[position].dimension
        combined = [{**each, position: dim.index[leaf]} for each in combined for leaf in dim.leaves]
    return combined
