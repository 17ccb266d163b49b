"""A table as a lattice of cells over its finest ones: which leaves a cell holds, and which cells hold it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from output_control.ledger.released import ReleasedTable, Rows
from output_control.tables.table import CodeArray, Dimension, FloatArray, IntArray, cell_keys


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Which leaves each cell holds: those of cell c are ``leaf[start[c]:start[c + 1]]``."""

    start: IntArray
    leaf: IntArray

    def of(self, cell: int) -> IntArray:
        """The leaves in one cell."""
        return self.leaf[self.start[cell] : self.start[cell + 1]]


class Grid:
    """The cells of a table with their rows; leaves are numbered in the order of their cells."""

    def __init__(self, table: ReleasedTable) -> None:
        self.source, self.dims = table, table.table.dims
        self.codes, self.keys, self.shape = table.table.codes, table.table.keys(), table.table.shape
        there = np.zeros(len(self.codes), dtype=np.bool_)
        there[table.rows.leaf] = True
        self.leaf_cells: IntArray = np.flatnonzero(there)
        self.leaf_of_row: IntArray = (np.cumsum(there) - 1)[table.rows.leaf]
        self.leaf_rows: IntArray = np.bincount(self.leaf_of_row, minlength=len(self.leaf_cells))
        self.members = self._members()
        self.count: IntArray = self.sums(self.leaf_rows.astype(np.float64)).astype(np.int64)
        repeated = np.unique(table.rows.unit, return_counts=True)[1]
        self.most_rows_of_a_unit = int(repeated.max(initial=1))

    def by_unit(self) -> Grid:
        """The same cells, with each unit that stands in one row in the place of that row."""
        rows = self.source.rows
        _, which, times = np.unique(rows.unit, return_inverse=True, return_counts=True)
        once = times[which.reshape(-1)] == 1
        # a unit of several rows has no like among units: its rows keep numbers that are no unit's
        row = np.where(once, rows.unit, -1 - rows.row)
        order = np.argsort(row, kind="stable")
        moved = Rows(row[order], rows.unit[order], rows.leaf[order], rows.amount[order])
        return Grid(replace(self.source, rows=moved))

    def rows_of(self, cell: int) -> IntArray:
        """The rows in one cell."""
        order, start = self._by_leaf
        return np.concatenate([order[start[leaf] : start[leaf + 1]] for leaf in self.members.of(cell).tolist()])

    @cached_property
    def _by_leaf(self) -> tuple[IntArray, IntArray]:
        """Rows in the order of their leaves, and where each leaf starts."""
        start: IntArray = np.concatenate([[0], np.cumsum(self.leaf_rows)])
        return np.argsort(self.leaf_of_row, kind="stable"), start

    def above(self, codes: CodeArray | IntArray) -> tuple[IntArray, IntArray]:
        """For each row of codes, the cells at or above it: positions in ``codes``, and cells."""
        position, key = np.arange(len(codes)), np.zeros(len(codes), dtype=np.int64)
        for at, dim in enumerate(self.dims):
            steps, reached = self._upwards(dim, codes[:, at])
            # every row so far meets every code at or above its own
            order = np.argsort(steps, kind="stable")
            steps, reached = steps[order], reached[order]
            start = np.searchsorted(steps, np.arange(len(codes) + 1))
            width = np.diff(start)[position]
            pick = np.repeat(start[position] - np.cumsum(width) + width, width) + np.arange(int(width.sum()))
            position, key = np.repeat(position, width), np.repeat(key, width)
            key = key * self.shape[at] + reached[pick]
        return position, self.cell(key)

    def cell(self, key: IntArray) -> IntArray:
        """The cell at each position of the cross product; -1 where it is empty."""
        found = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return np.where(self.keys[found] == key, found, -1)

    def sums(self, of_leaves: FloatArray) -> FloatArray:
        """Per cell, the sum over its leaves."""
        running = np.concatenate([[0.0], np.cumsum(of_leaves[self.members.leaf])])
        total: FloatArray = running[self.members.start[1:]] - running[self.members.start[:-1]]
        return total

    def up(self, cells: IntArray, amount: FloatArray) -> FloatArray:
        """Per cell, the sum of what was put into cells at or below it."""
        return self.up_from(self.codes[cells], amount)

    def up_from(self, codes: CodeArray | IntArray, amount: FloatArray) -> FloatArray:
        """The same of what was put at ``codes``, whether there is a cell or not."""
        position, above = self.above(codes)
        total: FloatArray = np.bincount(
            above[above >= 0], weights=amount[position[above >= 0]], minlength=len(self.codes)
        ).astype(np.float64)
        return total

    def smallest(self, low: IntArray, high: IntArray) -> IntArray:
        """The smallest cell that covers codes from ``low`` to ``high`` (rows × dims); -1 where none is there."""
        codes = np.column_stack([self.cover(dim, low[:, at], high[:, at]) for at, dim in enumerate(self.dims)])
        return self.cell(cell_keys(codes, self.shape))

    @staticmethod
    def cover(dim: Dimension, low: IntArray, high: IntArray) -> IntArray:
        """The smallest code above both of each two. Codes are numbered depth first, so that a subtree is a range."""
        end, code = _ends(dim), low.copy()
        while True:
            short = high >= end[code]
            if not short.any():
                return code
            code[short] = dim.parent[code[short]]

    @staticmethod
    def _upwards(dim: Dimension, code: CodeArray | IntArray) -> tuple[IntArray, IntArray]:
        here, now = np.arange(len(code)), code.astype(np.int64)
        positions, codes = [here[:0]], [now[:0]]
        while len(here):
            positions.append(here)
            codes.append(now)
            now = dim.parent[now].astype(np.int64)
            here, now = here[now >= 0], now[now >= 0]
        return np.concatenate(positions), np.concatenate(codes)

    def _members(self) -> Members:
        leaf, cell = self.above(self.codes[self.leaf_cells])
        leaf, cell = leaf[cell >= 0], cell[cell >= 0]
        order = np.argsort(cell, kind="stable")
        start = np.searchsorted(cell[order], np.arange(len(self.codes) + 1))
        return Members(start, leaf[order])


def _ends(dim: Dimension) -> IntArray:
    """One past the last code below each code."""
    end = np.arange(1, len(dim.codes) + 1)
    for code in range(len(dim.codes) - 1, 0, -1):
        parent = dim.parent[code]
        end[parent] = max(end[parent], end[code])
    return end
