"""Sums of cells of one table less sums of cells of another: ten areas of the one are five regions of the other but for
three persons, and no cell of either is as large as that.

Groups of cells that hold nearly the same records hang together by what they share, once single records that stray from
one group to the next are left aside. Looked at are the finest cells of both tables, and each two dimensions of which
the codes are too many for coarse atoms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from output_control.ledger.grid import Grid
from output_control.ledger.overlap import UNION, Overlap, Relation, Rest, small_rest
from output_control.ledger.widest import MOST_ATOMS
from output_control.tables.table import FloatArray, IntArray

AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _Division:
    """Cells of a table that share no record: the ``part`` of each of its leaves, and the ``cell`` of each part."""

    grid: Grid
    part: IntArray
    cell: IntArray


def near_unions(overlap: Overlap, threshold: int) -> list[Relation]:
    """Sums of two and more cells of either table with a rest of 1 … ``threshold`` − 1 units between, all of it in one
    of the two."""
    first, second = overlap.first, overlap.second
    most = (threshold - 1) * max(first.most_rows_of_a_unit, second.most_rows_of_a_unit)
    pairs = [(_leaves(first), _leaves(second))]
    for mine in _dimensions(first):
        pairs += [(mine, theirs) for theirs in _dimensions(second) if len(mine.cell) * len(theirs.cell) > MOST_ATOMS]
    return [found for mine, theirs in pairs for found in _between(overlap, mine, theirs, most, threshold)]


def _leaves(grid: Grid) -> _Division:
    return _Division(grid, np.arange(len(grid.leaf_cells)), grid.leaf_cells)


def _dimensions(grid: Grid) -> Iterator[_Division]:
    """The finest codes of each dimension, where there are more dimensions than one."""
    for at in range(len(grid.dims) if len(grid.dims) > 1 else 0):
        code, part = np.unique(grid.codes[grid.leaf_cells, at], return_inverse=True)
        stride = int(np.prod(grid.shape[at + 1 :], dtype=np.int64))
        yield _Division(grid, part.reshape(-1), grid.cell(code.astype(np.int64) * stride))


def _between(overlap: Overlap, mine: _Division, theirs: _Division, most: int, threshold: int) -> Iterator[Relation]:
    wide, size = len(mine.cell), len(mine.cell) + len(theirs.cell)
    a, b, shared = _shared(overlap, mine, theirs)
    rows = [np.bincount(each.part, weights=each.grid.leaf_rows, minlength=len(each.cell)) for each in (mine, theirs)]
    strays = (shared <= most) & (2 * shared < np.minimum(rows[0][a], rows[1][b]))
    if not strays.any():
        return  # what hangs together is what the scan of margins finds
    graph = sparse.coo_array((np.ones(int((~strays).sum())), (a[~strays], wide + b[~strays])), shape=(size, size))
    groups, label = csgraph.connected_components(graph, directed=False)
    both = label[a] == label[wide + b]
    held = np.bincount(label[a[both]], weights=shared[both], minlength=groups)
    beyond = [
        np.bincount(of, weights=each, minlength=groups) - held
        for of, each in zip((label[:wide], label[wide:]), rows, strict=True)
    ]
    number = [np.bincount(of, minlength=groups) for of in (label[:wide], label[wide:])]
    one_sided = (np.minimum(*beyond) == 0) & (np.maximum(*beyond) > 0) & (np.maximum(*beyond) <= most)
    for group in np.flatnonzero(one_sided & (np.minimum(*number) > 1)).tolist():
        parts = np.flatnonzero(label[:wide] == group), np.flatnonzero(label[wide:] == group)
        sign = 1 if beyond[0][group] else -1
        rest = _rest(mine, theirs, parts, sign, threshold)
        if rest is not None:
            yield Relation(mine.cell[parts[0]], theirs.cell[parts[1]], sign, rest, UNION)


def _shared(overlap: Overlap, mine: _Division, theirs: _Division) -> tuple[IntArray, IntArray, FloatArray]:
    """Parts of the one and of the other that share records, and how many."""
    wide = len(mine.cell)
    if wide == len(overlap.first.leaf_cells) and len(theirs.cell) == len(overlap.second.leaf_cells):
        return mine.part[overlap.p], theirs.part[overlap.q], overlap.n.astype(np.float64)
    key = theirs.part[overlap.q] * wide + mine.part[overlap.p]
    if wide * len(theirs.cell) <= AT_ONCE:
        counted = np.asarray(np.bincount(key, weights=overlap.n), dtype=np.float64)
        found: IntArray = np.flatnonzero(counted).astype(np.int64)
        return found % wide, found // wide, counted[found]
    found, place = np.unique(key, return_inverse=True)
    times = np.bincount(place.reshape(-1), weights=overlap.n)
    return found % wide, found // wide, np.asarray(times, dtype=np.float64)


def _rest(
    mine: _Division, theirs: _Division, parts: tuple[IntArray, IntArray], sign: int, threshold: int
) -> Rest | None:
    """The records of the one side that the other lacks, if they are of few units."""
    larger, smaller = (mine, theirs) if sign > 0 else (theirs, mine)
    outer, inner = parts if sign > 0 else parts[::-1]
    rows, held = (np.flatnonzero(np.isin(each.part, some)[each.grid.leaf_of_row])
                  for each, some in ((larger, outer), (smaller, inner)))  # fmt: skip
    known = smaller.grid.source.rows.row[held]
    return small_rest(larger.grid, rows[~np.isin(larger.grid.source.rows.row[rows], known)], threshold)
