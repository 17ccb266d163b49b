"""Two tables laid over each other: what follows from the one for the other, and which differences are too small.

Everything is read off the rows that the tables share, never off the names of columns: cells that hold the same rows are
equal whatever they are called, cells that lie in one another give a difference, and groups of cells that cover the
same rows add up to the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from output_control.ledger.grid import Grid
from output_control.tables.table import BoolArray, IntArray

NESTED, UNION, REVISED, MARGIN, OUTSIDE = "nested", "union", "revised", "margin", "outside"


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """What is left between two sets of cells: so few units that it must not be computed."""

    amount: float
    units: int


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """Σ ``first`` (cells of the first table) − Σ ``second`` (of the second) = ± ``rest`` (0 when there is none)."""

    first: IntArray
    second: IntArray
    sign: int
    rest: Rest | None
    kind: str


class Overlap:
    """The shared rows of two tables."""

    def __init__(self, first: Grid, second: Grid) -> None:
        self.first, self.second = first, second
        mine, theirs = first.source.rows.row, second.source.rows.row
        if len(mine) == len(theirs) and np.array_equal(mine, theirs):
            self._at_first: IntArray = np.arange(len(mine))
            self._at_second = self._at_first
        else:
            at = np.minimum(np.searchsorted(theirs, mine), max(len(theirs) - 1, 0))
            both = theirs[at] == mine if len(theirs) else np.zeros(len(mine), dtype=np.bool_)
            self._at_first, self._at_second = np.flatnonzero(both), at[both]
        self.shared = len(self._at_first)
        self.p, self.q, self.n = self._pairs()
        self.first_only = first.leaf_rows - np.bincount(self.p, weights=self.n, minlength=len(first.leaf_cells))
        self.second_only = second.leaf_rows - np.bincount(self.q, weights=self.n, minlength=len(second.leaf_cells))

    def relations(self, threshold: int) -> list[Relation]:
        """All that links the two tables; a rest is one of 1 … ``threshold`` − 1 units."""
        if not self.shared:
            return []
        found = self._nested(threshold, sign=1)
        found += [_mirrored(relation) for relation in self.turned()._nested(threshold, sign=-1)]
        return found + self._margins(threshold)

    def revised(self, threshold: int) -> IntArray:
        """Cells of the first table that the second shows too, of the same codes, with some other units: fewer than
        ``threshold`` that came or went, and some of both."""
        if self.first.dims != self.second.dims or not self.shared:
            return np.zeros(0, dtype=np.int64)
        mine, theirs = (
            self.first.codes[self.first.leaf_cells[self.p]],
            self.second.codes[self.second.leaf_cells[self.q]],
        )
        cells = self.first.smallest(np.minimum(mine, theirs), np.maximum(mine, theirs))
        both = self.first.up(cells, self.n.astype(np.float64))
        same = self.second.cell(self.first.keys)
        gone = np.where(same >= 0, self.first.count - both, 0)
        come = np.where(same >= 0, self.second.count[np.maximum(same, 0)] - both, 0)
        most = (threshold - 1) * max(self.first.most_rows_of_a_unit, self.second.most_rows_of_a_unit)
        near = np.flatnonzero((gone > 0) & (come > 0) & (gone + come <= most))
        return np.array([c for c in near.tolist() if self._changed_units(c, int(same[c])) < threshold], dtype=np.int64)

    def turned(self) -> Overlap:
        """The same, the second table first."""
        other = object.__new__(Overlap)
        other.first, other.second = self.second, self.first
        other._at_first, other._at_second, other.shared = self._at_second, self._at_first, self.shared
        # narrow numbers are sorted by their digits, in a quarter of the time
        few = len(self.first.leaf_cells) <= 1 << 16
        order = np.argsort(self.p.astype(np.uint16) if few else self.p, kind="stable")
        other.p, other.q, other.n = self.q[order], self.p[order], self.n[order]
        other.first_only, other.second_only = self.second_only, self.first_only
        return other

    def _pairs(self) -> tuple[IntArray, IntArray, IntArray]:
        """Leaves that share rows, with how many; sorted by the second table's leaf."""
        wide = len(self.first.leaf_cells)
        joint = self.second.leaf_of_row[self._at_second] * wide + self.first.leaf_of_row[self._at_first]
        # sorting beats counting in a square of leaves by leaves, and narrow numbers sort fastest
        joint = np.sort(joint.astype(np.int32) if wide * len(self.second.leaf_cells) < 1 << 31 else joint)
        first = np.flatnonzero(np.append(True, joint[1:] != joint[:-1])[: len(joint)])
        there = joint[first].astype(np.int64)
        return there % wide, there // wide, np.diff(first, append=len(joint))

    def _nested(self, threshold: int, *, sign: int) -> list[Relation]:
        """Cells of the second table inside cells of the first: equal, or with a small rest between."""
        inside = self.container()
        found = self._pairs_in(inside, threshold, sign)
        return found + self._unions(inside, threshold, sign)

    def container(self) -> IntArray:
        """Per cell of the second table, the smallest cell of the first that holds all its rows, or -1."""
        codes = self.first.codes[self.first.leaf_cells]
        start = np.searchsorted(self.q, np.arange(len(self.second.leaf_cells) + 1))
        whole = (self.second_only == 0) & (np.diff(start) > 0)
        low, high = (self._ends_of_leaves(codes, start, whole, edge) for edge in (np.minimum, np.maximum))
        at = self.second.members
        held = np.diff(at.start) > 0
        safe = np.minimum(at.start[:-1], max(len(at.leaf) - 1, 0))
        inside = np.logical_and.reduceat(whole[at.leaf], safe) & held
        low = np.minimum.reduceat(low[at.leaf], safe, axis=0)
        high = np.maximum.reduceat(high[at.leaf], safe, axis=0)
        return np.where(inside, self.first.smallest(low, high), -1)

    def _ends_of_leaves(
        self, codes: np.ndarray[tuple[int, int], np.dtype[np.int32]], start: IntArray, whole: BoolArray, edge: np.ufunc
    ) -> IntArray:
        ends = np.zeros((len(whole), codes.shape[1]), dtype=np.int64)
        there = np.flatnonzero(np.diff(start) > 0)
        if len(there):
            ends[there] = edge.reduceat(codes[self.p], start[there], axis=0)
        return ends

    def twins(self, inside: IntArray) -> BoolArray:
        """Cells of the second table that hold the same rows as a cell of the first: what is left between them and
        another cell of the first is a difference within that table, which its own rules judge."""
        there = np.maximum(inside, 0)
        twins: BoolArray = (inside >= 0) & (self.first.count[there] == self.second.count)
        return twins

    def _pairs_in(self, inside: IntArray, threshold: int, sign: int) -> list[Relation]:
        cells = np.flatnonzero((inside >= 0) & ~self.twins(inside))
        position, above = self.first.above(self.first.codes[inside[cells]])
        inner = cells[position]
        missing = self.first.count[above] - self.second.count[inner]
        fewer = self.first.source.table.freq[above] - self.second.source.table.freq[inner]
        most = (threshold - 1) * self.first.most_rows_of_a_unit
        same_unit = self.first.source.kinds == self.second.source.kinds
        close = (above >= 0) & (missing > 0) & (missing <= most) & ((fewer < threshold) | (not same_unit))
        found = []
        for outer, cell in zip(above[close].tolist(), inner[close].tolist(), strict=True):
            rest = self._rest(outer, self.second.members.of(cell), threshold)
            if rest is not None:
                found.append(Relation(np.array([outer]), np.array([cell]), sign, rest, NESTED))
        return found

    def _unions(self, inside: IntArray, threshold: int, sign: int) -> list[Relation]:
        """Cells of the first table that leaves of the second, together, fill up to a small rest."""
        leaves = self.second.leaf_cells
        home = inside[leaves]
        own = np.flatnonzero(home >= 0)
        if not len(own):
            return []
        twins = self.twins(inside)[leaves]
        filled = self.first.up(home[own], self.second.leaf_rows[own].astype(np.float64))
        number = self.first.up(home[own], np.ones(len(own)))
        missing = self.first.count - filled
        most = (threshold - 1) * self.first.most_rows_of_a_unit
        found = []
        position, above = self.first.above(self.first.codes[home[own]])
        for outer in np.flatnonzero((missing > 0) & (missing <= most) & (number > 1)).tolist():
            parts = own[position[above == outer]]
            if twins[parts].all():
                continue
            rest = self._rest(outer, parts, threshold)
            if rest is not None:
                found.append(Relation(np.array([outer]), leaves[parts], sign, rest, UNION))
        return found

    def _margins(self, threshold: int) -> list[Relation]:
        """The finest groups of leaves that cover the same rows in both tables, or the same but for a small rest."""
        wide = len(self.first.leaf_cells)
        size = wide + len(self.second.leaf_cells)
        graph = sparse.coo_array((np.ones(len(self.p)), (self.p, wide + self.q)), shape=(size, size))
        groups, found_label = csgraph.connected_components(graph, directed=False)
        label = found_label.astype(np.int64)
        mine, theirs = _Groups(self.first, label[:wide], groups), _Groups(self.second, label[wide:], groups)
        beyond_mine = np.bincount(label[:wide], weights=self.first_only, minlength=groups)
        beyond_theirs = np.bincount(label[wide:], weights=self.second_only, minlength=groups)
        found = []
        for group in np.flatnonzero((mine.size > 0) & (theirs.size > 0)).tolist():
            first, second = mine.cells(group), theirs.cells(group)
            if not beyond_mine[group] and not beyond_theirs[group]:
                found.append(Relation(first, second, 1, None, MARGIN))
            elif not beyond_theirs[group] or not beyond_mine[group]:
                sign = 1 if beyond_mine[group] else -1
                rest = self._outside(sign, mine.leaves(group) if sign > 0 else theirs.leaves(group), threshold)
                found += [Relation(first, second, sign, rest, OUTSIDE)] if rest else []
        return found

    def _outside(self, sign: int, leaves: IntArray, threshold: int) -> Rest | None:
        """What the first table (sign 1) or the second has in a group beyond the other, if it is of few units."""
        grid, shared, only = (
            (self.first, self._at_first, self.first_only)
            if sign > 0
            else (self.second, self._at_second, self.second_only)
        )
        if only[leaves].sum() > (threshold - 1) * grid.most_rows_of_a_unit:
            return None
        rows = np.concatenate([grid.rows_of(cell) for cell in grid.leaf_cells[leaves].tolist()])
        at = np.minimum(np.searchsorted(shared, rows), max(len(shared) - 1, 0))
        return small_rest(grid, rows[shared[at] != rows] if len(shared) else rows, threshold)

    def _rest(self, outer: int, inner_leaves: IntArray, threshold: int) -> Rest | None:
        """The rows of a cell of the first table that are in none of the second's leaves, if they are of few units."""
        return small_rest(self.first, self.rows_beyond(outer, inner_leaves), threshold)

    def rows_beyond(self, outer: int, inner_leaves: IntArray) -> IntArray:
        """The rows of a cell of the first table that are in none of these leaves of the second."""
        rows = self.first.rows_of(outer)
        return np.asarray(rows[~np.isin(self._there[rows], inner_leaves)], dtype=np.int64)

    def leaves_met(self, cell: int) -> IntArray | None:
        """The leaves of the second table that hold rows of a cell of the first; None when they do not hold all."""
        met = np.unique(self._there[self.first.rows_of(cell)])
        return None if met[0] < 0 else met

    def rest_over(self, cell: int, leaves: IntArray, threshold: int) -> Rest | None:
        """The rows of these leaves of the second table that a cell of the first lacks, if they are of few units."""
        rows = np.concatenate([self.second.rows_of(at) for at in self.second.leaf_cells[leaves].tolist()])
        held = self.first.source.rows.row[self.first.rows_of(cell)]
        return small_rest(self.second, rows[~np.isin(self.second.source.rows.row[rows], held)], threshold)

    @cached_property
    def _there(self) -> IntArray:
        """Per row of the first table, the leaf of the second that it is in, or -1."""
        found = np.full(len(self.first.leaf_of_row), -1, dtype=np.int64)
        found[self._at_first] = self.second.leaf_of_row[self._at_second]
        return found

    def _changed_units(self, first: int, second: int) -> int:
        mine, theirs = self.first.rows_of(first), self.second.rows_of(second)
        ids = self.first.source.rows, self.second.source.rows
        gone = mine[~np.isin(ids[0].row[mine], ids[1].row[theirs])]
        come = theirs[~np.isin(ids[1].row[theirs], ids[0].row[mine])]
        return len(np.union1d(ids[0].unit[gone], ids[1].unit[come]))


def small_rest(grid: Grid, rows: IntArray, threshold: int) -> Rest | None:
    """The rest that these rows are, if it is of at least one and fewer than ``threshold`` units."""
    held = grid.source.rows
    units = len(np.unique(held.unit[rows]))
    return Rest(float(held.amount[rows].sum()), units) if 0 < units < threshold else None


class _Groups:
    """Leaves of a table by group, and for each group the one cell that it is, if there is one."""

    def __init__(self, grid: Grid, label: IntArray, groups: int) -> None:
        self._grid = grid
        self._order: IntArray = np.argsort(label, kind="stable")
        self._start: IntArray = np.searchsorted(label[self._order], np.arange(groups + 1))
        self.size: IntArray = np.diff(self._start)
        there = np.flatnonzero(self.size)
        codes = grid.codes[grid.leaf_cells[self._order]].astype(np.int64)
        low, high = (edge.reduceat(codes, self._start[there], axis=0) for edge in (np.minimum, np.maximum))
        self._cell: IntArray = np.full(groups, -1, dtype=np.int64)
        cell = grid.smallest(low, high)
        rows = np.add.reduceat(grid.leaf_rows[self._order], self._start[there])
        self._cell[there] = np.where((cell >= 0) & (grid.count[np.maximum(cell, 0)] == rows), cell, -1)

    def leaves(self, group: int) -> IntArray:
        """The leaves of a group."""
        return self._order[self._start[group] : self._start[group + 1]]

    def cells(self, group: int) -> IntArray:
        """The one cell that a group is, or its leaves' cells."""
        one = self._cell[group]
        return np.array([one]) if one >= 0 else self._grid.leaf_cells[self.leaves(group)]


def _mirrored(relation: Relation) -> Relation:
    return Relation(relation.second, relation.first, relation.sign, relation.rest, relation.kind)
