"""Scored pairs → at most one register unit per record, and how probable it is.

The weight of a pair is log2 of the odds that it is a match, taken by itself. A record has one true unit at most, so
its candidates speak against each other: the probability of a pair is 2^w / (1 + sum of 2^w over the candidates).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LARGEST = 60.0
"""Weights above this count as this: beyond it, floating-point numbers can't tell sums apart."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Candidate pairs: record and unit as numbers from 0, weight, the pass that found the pair; one row per pair."""

    record: Ints
    unit: Ints
    weight: Floats
    rule: Ints

    def take(self, which: Bools | Ints) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.record[which], self.unit[which], self.weight[which], self.rule[which])

    def __len__(self) -> int:
        return len(self.record)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen pair of every record that has a candidate, by record, with its probability (0–1)."""

    pairs: Pairs
    probability: Floats


def choose(pairs: Pairs, *, one_to_one: bool) -> Chosen:
    """The most probable unit of every record; with ``one_to_one``, the assignment whose weights sum highest.

    Equal candidates share their probability, so that neither passes a threshold above one half. One-to-one, a rival
    that is assigned elsewhere by a higher weight is no rival; records that compete for a unit speak against each other
    too. Pairs of weight 0 or less (odds below one to one) are never assigned one-to-one.

    References: Jaro (1989), doi:10.1080/01621459.1989.10478785, for linkage as an assignment problem.
    """
    order = np.lexsort((pairs.unit, -pairs.weight, pairs.record))
    pairs = pairs.take(order)
    odds = np.exp2(np.minimum(pairs.weight, LARGEST))
    if not one_to_one:
        first = np.unique(pairs.record, return_index=True)[1]
        return Chosen(pairs.take(first), (odds / (1 + _sums(pairs.record, odds)))[first])
    assigned = assignment(pairs)
    unit_taken = weight_of(pairs.unit, pairs, assigned)
    record_taken = weight_of(pairs.record, pairs, assigned)
    of_record = np.where(~assigned & (unit_taken > pairs.weight), 0.0, odds)
    of_unit = np.where(~assigned & (record_taken > pairs.weight), 0.0, odds)
    probability = odds / (1 + np.maximum(_sums(pairs.record, of_record), _sums(pairs.unit, of_unit)))
    return Chosen(pairs.take(assigned), probability[assigned])


def assignment(pairs: Pairs) -> Bools:
    """Which pairs belong to the one-to-one assignment of the highest total weight.

    Every record may also stay alone, at weight 0. Pairs that compete with no other are assigned at once; those that do
    are solved group by group, a group being all that hangs together. Equal totals are decided by the order of records
    and units.
    """
    chosen: Bools = pairs.weight > 0
    useful = np.flatnonzero(chosen)
    if not len(useful):
        return chosen
    row = np.unique(pairs.record[useful], return_inverse=True)[1]
    column = np.unique(pairs.unit[useful], return_inverse=True)[1]
    competing = (np.bincount(row)[row] > 1) | (np.bincount(column)[column] > 1)
    contested = useful[competing]
    chosen[contested] = False
    for group in _groups(row[competing], column[competing]):
        rows = contested[group]
        chosen[rows[_solved(pairs.record[rows], pairs.unit[rows], pairs.weight[rows])]] = True
    return chosen


def mutual_best(pairs: Pairs) -> Bools:
    """Which pairs belong to the one-to-one assignment that takes the heaviest pair first, then the next that is free.

    Equal weights are decided by record and unit. Works in rounds of pairs that are best for both sides, which are the
    same pairs; needs no tables, however much hangs together. For weights that are similarities and not odds: a sum of
    them means nothing, so there is no highest one to look for.
    """
    order = np.lexsort((pairs.unit, pairs.record, -pairs.weight))
    chosen = np.zeros(len(pairs), dtype=np.bool_)
    while len(order):
        record, unit = pairs.record[order], pairs.unit[order]
        first = _is_first(record) & _is_first(unit)
        taken = order[first]
        chosen[taken] = True
        order = order[~np.isin(record, pairs.record[taken]) & ~np.isin(unit, pairs.unit[taken])]
    return chosen


def _is_first(values: Ints) -> Bools:
    """Whether each value has not come before."""
    first = np.zeros(len(values), dtype=np.bool_)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _groups(row: Ints, column: Ints) -> Iterator[Ints]:
    """Positions of the pairs of each connected group."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if not len(row):
        return
    rows, columns = (np.unique(side, return_inverse=True)[1] for side in (row, column))
    size = int(rows.max()) + 1
    nodes = size + int(columns.max()) + 1
    edges = csr_array((np.ones(len(rows), dtype=np.int8), (rows, size + columns)), shape=(nodes, nodes))
    label = connected_components(edges, directed=False)[1][rows]
    order = np.argsort(label, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _solved(record: Ints, unit: Ints, weight: Floats) -> Ints:
    """Positions of the assigned pairs of one group (Kuhn–Munkres)."""
    from scipy.optimize import linear_sum_assignment

    records, row = np.unique(record, return_inverse=True)
    units, column = np.unique(unit, return_inverse=True)
    table = np.zeros((len(records), len(units)))
    position = np.full(table.shape, -1, dtype=np.int64)
    table[row, column] = np.minimum(weight, LARGEST)
    position[row, column] = np.arange(len(record))
    picked: Ints = position[linear_sum_assignment(table, maximize=True)]
    return picked[picked >= 0]


def _sums(groups: Ints, values: Floats) -> Floats:
    """Per row the sum of ``values`` over its group; always added in the order of rows."""
    if not len(groups):
        return values
    inverse = np.unique(groups, return_inverse=True)[1]
    sums: Floats = np.asarray(np.bincount(inverse, weights=values), dtype=np.float64)[inverse]
    return sums


def weight_of(groups: Ints, pairs: Pairs, assigned: Bools) -> Floats:
    """Per row the weight of the assigned pair of its group; minus infinity when it has none."""
    if not len(groups):
        return pairs.weight
    keys, inverse = np.unique(groups, return_inverse=True)
    best = np.full(len(keys), -np.inf)
    best[inverse[assigned]] = pairs.weight[assigned]
    found: Floats = best[inverse]
    return found
