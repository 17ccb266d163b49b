"""Differences of enough units, of which one unit makes up nearly all: two sums subtract to what it contributes.

The difference scan counts units; here the confidential rules on the largest contributions are applied to what a cell of
one table has beyond a cell of the other. As within one table they must hold, too, once what nearly all records have
at least is taken off each: a constant that was added to all hides nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from output_control.ledger.grid import Grid
from output_control.ledger.overlap import NESTED, Overlap, Relation, Rest
from output_control.ledger.released import COUNT
from output_control.tables.joint_table import joint_table
from output_control.tables.rules import Dominance, PPercent, Rule, primary
from output_control.tables.table import NO_CONTRIBUTOR, BoolArray, FloatArray
from output_control.tables.tabulation import OUTERMOST

LARGEST = 3


def dominated_rests(overlap: Overlap, rules: Sequence[Rule], least: int, *, sign: int) -> list[Relation]:
    """Cells of the first table that hold a cell of the second and a rest that breaks one of ``rules``.

    ``sign``: 1 with the new table first, -1 with the new table second. Rests of fewer than ``least`` units are found by
    the difference scan.
    """
    first = overlap.first
    if not rules or (first.source.quantity == COUNT and first.most_rows_of_a_unit == 1):
        return []
    found: dict[tuple[int, int], Rest] = {}
    for off in offs([] if first.source.quantity == COUNT else [first.source.rows.amount]):
        rests = []
        for outer, inner in _candidates(overlap, max(reach_of(rule) for rule in rules), off):
            amount, parts = _rest(overlap, outer, inner, off)
            if len(parts) >= least:
                rests.append((outer, inner, Rest(amount, len(parts)), parts))
        hits = _judged([parts for *_, parts in rests], rules) if rests else np.zeros(0, dtype=np.bool_)
        found |= {(outer, inner): rest for (outer, inner, rest, _), hit in zip(rests, hits, strict=True) if hit}
    sides = ((np.array(pair[::sign]), rest) for pair, rest in found.items())
    return [Relation(pair[:1], pair[1:], sign, rest, NESTED) for pair, rest in sides]


def offs(amounts: Sequence[FloatArray]) -> list[float]:
    """What is taken off each record's amount before dominance is judged: nothing, and what all but one in `OUTERMOST`
    have at least, if above 0."""
    least = min((float(np.sort(each)[len(each) // OUTERMOST]) for each in amounts if len(each)), default=0.0)
    return [0.0, least] if least > 0 else [0.0]


def sized(rest: FloatArray, off: float) -> FloatArray:
    """Amounts, ``off`` taken off each of their records, as sizes: without their sign, or as what is beyond it."""
    return np.maximum(rest, 0.0) if off else np.abs(rest)


def _judged(rests: Sequence[FloatArray], rules: Sequence[Rule]) -> BoolArray:
    """Which rests, given as sizes per unit, break a rule."""
    top = np.array([np.sort(np.pad(parts, (0, LARGEST)))[::-1][:LARGEST] for parts in rests])
    return breaks_a_rule(np.array([parts.sum() for parts in rests]), top, rules)


def breaks_a_rule(sizes: FloatArray, top: FloatArray, rules: Sequence[Rule]) -> BoolArray:
    """Which groups of units, of ``sizes`` and with ``top`` (groups × 3) largest contributions, break a rule."""
    nothing = sparse.csr_array((0, len(sizes)))
    table = joint_table(
        sizes,
        np.full(len(sizes), NO_CONTRIBUTOR, dtype=np.int64),
        integral=False,
        relations=nothing,
        audited=nothing,
        name=lambda _: "a difference",
    )
    return primary(replace(table, top=top), rules).mask


def _candidates(overlap: Overlap, reach: float, off: float) -> list[tuple[int, int]]:
    """Pairs of an outer and an inner cell, neither sensitive itself, whose difference could be one unit's."""
    first, second = overlap.first, overlap.second
    inside = overlap.container()
    cells = np.flatnonzero((inside >= 0) & ~overlap.twins(inside))
    position, outer = first.above(first.codes[inside[cells]])
    inner = cells[position]
    size, most = _sizes(first, off)
    beyond = size[outer] - _sizes(second, off)[0][inner]
    open_ = (outer >= 0) & (first.count[outer] > second.count[inner])
    open_ &= ~first.source.primary.mask[outer] & ~second.source.primary.mask[inner]
    pick = open_ & (beyond <= reach * most[outer])
    return list(zip(outer[pick].tolist(), inner[pick].tolist(), strict=True))


def reach_of(rule: Rule) -> float:
    """So many times its largest contribution is the largest cell that the rule can find."""
    if isinstance(rule, Dominance):
        return rule.n * 100 / rule.k
    if isinstance(rule, PPercent):
        return 1 + rule.coalition + rule.p / 100
    return 3.0


def _sizes(grid: Grid, off: float) -> tuple[FloatArray, FloatArray]:
    """Per cell, the size of all amounts less ``off``, and at least the largest size of one unit."""
    size = sized(grid.source.rows.amount - off, off)
    _, unit = np.unique(grid.source.rows.unit, return_inverse=True)
    of_unit = np.bincount(unit.reshape(-1), weights=size)
    leaf, most = np.zeros(len(grid.leaf_cells)), np.zeros(len(grid.leaf_cells))
    np.add.at(leaf, grid.leaf_of_row, size)
    np.maximum.at(most, grid.leaf_of_row, of_unit[unit.reshape(-1)])
    start = np.minimum(grid.members.start[:-1], max(len(grid.members.leaf) - 1, 0))
    return grid.sums(leaf), np.maximum.reduceat(most[grid.members.leaf], start)


def _rest(overlap: Overlap, outer: int, inner: int, off: float) -> tuple[float, FloatArray]:
    """What the outer cell has beyond the inner one, and the size of it, less ``off`` a record, per unit."""
    rows, held = overlap.rows_beyond(outer, overlap.second.members.of(inner)), overlap.first.source.rows
    _, unit = np.unique(held.unit[rows], return_inverse=True)
    of_unit = np.bincount(unit.reshape(-1), weights=held.amount[rows] - off).astype(np.float64)
    return float(held.amount[rows].sum()), sized(of_unit, off)
