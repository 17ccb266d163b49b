"""Cells of one table that finest cells of another cover but for a small rest: three areas less a region of nearly them.

The difference scan finds what lies within a cell. Here it is what spills over: a cell is held by the finest cells of
the other table that meet it, and these have a few units more than it has.
"""

from __future__ import annotations

import numpy as np

from output_control.ledger.grid import Grid
from output_control.ledger.overlap import UNION, Overlap, Relation, Rest
from output_control.tables.table import BoolArray, Dimension, IntArray


def covers(overlap: Overlap, threshold: int, *, sign: int) -> list[Relation]:
    """Cells of the first table that leaves of the second cover, with a rest of 1 … ``threshold`` − 1 units.

    ``sign``: 1 with the new table first, -1 with the new table second. Of a leaf fewer than half of the records spill
    over; what of another lies inside is then a rest itself, of the cell less the others.
    """
    first, second = overlap.first, overlap.second
    leaf, home = _homes(overlap, (threshold - 1) * second.most_rows_of_a_unit)
    if not len(leaf):
        return []
    spilled = first.up_from(home, second.leaf_rows[leaf].astype(np.float64)) - first.count
    most = (threshold - 1) * second.most_rows_of_a_unit
    found = []
    for cell in np.flatnonzero((spilled > 0) & (spilled <= most)).tolist():
        parts = overlap.leaves_met(cell)
        if parts is None or second.leaf_rows[parts].sum() - first.count[cell] > most or _is_a_cell(second, parts):
            continue
        rest = overlap.rest_over(cell, parts, threshold)
        if rest is not None:
            found.append(_relation(cell, second.leaf_cells[parts], rest, sign))
    return found


def _relation(cell: int, parts: IntArray, rest: Rest, sign: int) -> Relation:
    sides = (np.array([cell]), parts)
    ours, theirs = sides if sign > 0 else sides[::-1]
    return Relation(ours, theirs, -sign, rest, UNION)


def _is_a_cell(grid: Grid, leaves: IntArray) -> bool:
    """Whether leaves make up a cell: then it is a difference of two cells, which the scan finds."""
    codes = grid.codes[grid.leaf_cells[leaves]].astype(np.int64)
    cell = int(grid.smallest(codes.min(axis=0)[None, :], codes.max(axis=0)[None, :])[0])
    return cell >= 0 and int(grid.count[cell]) == int(grid.leaf_rows[leaves].sum())


def _homes(overlap: Overlap, most: int) -> tuple[IntArray, IntArray]:
    """Leaves of the second table that lie in a cell of the first but for a few records, and codes (leaves × dims) at or
    below those of the smallest such cell; of these no record may be.

    Only those that lie below the total. Records that the first table does not hold are among the few.
    """
    first, second = overlap.first, overlap.second
    size = second.leaf_rows
    spill = np.minimum(most, (size - 1) // 2)
    whole = overlap.second_only <= spill
    home = np.zeros((len(size), len(first.dims)), dtype=np.int64)
    for at, dim in enumerate(first.dims):
        code = first.codes[first.leaf_cells, at].astype(np.int64)
        near = np.flatnonzero(whole & _in_one_part(overlap, dim, code, spill))
        home[near, at] = _trimmed(overlap, dim, code, near, spill)
    leaf = np.flatnonzero(whole & home.any(axis=1))
    return leaf, home[leaf]


def _in_one_part(overlap: Overlap, dim: Dimension, code: IntArray, spill: IntArray) -> BoolArray:
    """Leaves of which all but the spill lies below one code of the first level: most do not, and cost no more."""
    top = np.cumsum(dim.depth == 1) - 1
    parts = int(top[-1]) + 1
    if parts < 1:
        return np.zeros(len(spill), dtype=np.bool_)
    counted = np.bincount(
        overlap.q * parts + np.maximum(top[code[overlap.p]], 0), weights=overlap.n, minlength=len(spill) * parts
    )
    return np.asarray(counted.reshape(-1, parts).max(axis=1) >= overlap.second.leaf_rows - spill, dtype=np.bool_)


def _trimmed(overlap: Overlap, dim: Dimension, code: IntArray, leaves: IntArray, spill: IntArray) -> IntArray:
    """Per leaf, the smallest code over what is left when the spill is taken off both ends of its records' codes."""
    there = np.flatnonzero(np.isin(overlap.q, leaves))
    leaf, value, times = overlap.q[there], code[overlap.p[there]], overlap.n[there]
    order = np.lexsort((value, leaf))
    leaf, value = leaf[order], value[order]
    reached = np.cumsum(times[order])
    start = np.searchsorted(leaf, leaves)
    before = np.where(start > 0, reached[start - 1], 0)
    held, left = overlap.second.leaf_rows - overlap.second_only, spill - overlap.second_only
    ends = before + left[leaves] + 1, before + held[leaves] - left[leaves]
    low, high = (value[np.searchsorted(reached, end)] for end in ends)
    return Grid.cover(dim, low, high)
