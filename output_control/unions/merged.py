"""Who is in a sum of cells: contributions of one unit to several of them are one contribution."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from output_control.tables.rollup import LARGEST, NOBODY, Tallies
from output_control.tables.table import IntArray
from output_control.tables.tabulation import Amounts, Contributions


def merged(held: Contributions, amounts: Amounts, unions: sparse.csr_array, keys: IntArray) -> Tallies:
    """``unions`` (unions × cells, over the finest cells) as `output_control.tables.tabulation.tallies` of cells.

    ``keys``: the position of each cell in the cross product, rising. A union is numbered by its row.
    """
    entries = sparse.coo_array(unions)
    union, cell = (each.astype(np.int64) for each in entries.coords)
    start, end = (np.searchsorted(held.cell, keys[cell], side=side) for side in ("left", "right"))
    count = end - start
    row = np.repeat(start - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    union = np.repeat(union, count)
    order = np.lexsort((held.unit[row], union))
    row, union = row[order], union[order]
    unit = held.unit[row]
    first = np.flatnonzero(np.r_[True, (union[1:] != union[:-1]) | (unit[1:] != unit[:-1])] if len(row) else row)
    sums, union, unit = np.add.reduceat(held.sums[row], first, axis=0), union[first], unit[first]
    column = {name: sums[:, at] for at, name in enumerate(amounts.names)}
    begin = np.flatnonzero(np.r_[True, union[1:] != union[:-1]])
    each = np.column_stack([sums, *amounts.counts(column)])
    ranked = [_largest(np.abs(amount), unit, union, begin) for amount in amounts.ranked(column)]
    top, owner = (np.stack(some, axis=1) for some in zip(*ranked, strict=True))
    return Tallies(union[begin], np.add.reduceat(each, begin, axis=0), top, owner)


def _largest(amount: IntArray, unit: IntArray, union: IntArray, begin: IntArray) -> tuple[IntArray, IntArray]:
    """Per union the largest amounts, equal ones by the larger unit first, and whose they are."""
    order = np.lexsort((-unit, -amount, union))
    end = np.append(begin[1:], len(union))
    top, owner = (np.full((len(begin), LARGEST), NOBODY, dtype=np.int64) for _ in range(2))
    for rank in range(LARGEST):
        there = begin + rank < end
        pick = order[begin[there] + rank]
        top[there, rank], owner[there, rank] = amount[pick], unit[pick]
    return top, owner
