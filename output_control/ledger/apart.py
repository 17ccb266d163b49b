"""How few units lie between a cell of one table and what cells of another add up to and subtract to.

Where tables hold the same records these are held against each other; where they cannot (other periods), or where a
second year would stand between populations of the same people, members and units are. Of the other table every union
and difference of published cells counts that one reaches by dividing cells, time and again, along one dimension: two
areas, all but an area, an area without one of its parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from enclave.errors import Refused
from output_control.ledger.grid import Grid
from output_control.ledger.released import LEVELS, MODEL, ReleasedTable
from output_control.ledger.rows import RECORDS_OF
from output_control.ledger.same_data import same_but_for_few
from output_control.tables.table import BoolArray, FloatArray, IntArray

AT_ONCE = 4_000_000


def differ_by_few(first: Grid, second: Grid, least: int) -> bool:
    """Whether 1 … ``least`` − 1 units lie between a published cell of the one and published cells of the other.

    Levels are held against single cells. Populations as a whole of other periods count only where they are of the same
    data (:mod:`output_control.ledger.same_data`): else what changed with all others lies between, too.

    Raises:
        Refused: the two hold members of one kind, and the ledger does not know which.
    """
    levels = LEVELS in (first.source.quantity, second.source.quantity)
    if levels and not _alike_in_size(first.source, second.source, least):
        return False
    for ids, whole in _compared_by(first.source, second.source):
        if whole and (levels or not _same_data(first.source, second.source, least)):
            continue
        ours, theirs = (_Side(grid, each) for grid, each in zip((first, second), ids, strict=True))
        if not _found(ours.known, theirs.known)[0].any():
            continue
        alone = levels or whole
        if _Pair(ours, theirs).near(least, whole=whole, alone=alone) or (
            _Pair(theirs, ours).near(least, whole=whole, alone=alone)
        ):
            return True
    return False


def _alike_in_size(first: ReleasedTable, second: ReleasedTable, least: int) -> bool:
    """Whether cells of the two have numbers of units that are ``least`` − 1 apart at most; True where units differ."""
    ours, theirs = (each.table.freq[_shown(each)] for each in (first, second))
    if first.kinds[0] != second.kinds[0] or not len(theirs):
        return bool(len(theirs))
    theirs = np.sort(theirs)
    at = np.searchsorted(theirs, ours)
    gaps = [np.abs(theirs[np.clip(at + step, 0, len(theirs) - 1)] - ours) for step in (-1, 0)]
    return bool((np.minimum(*gaps) < least).any())


def _shown(table: ReleasedTable) -> BoolArray:
    """Cells whose figures leave; the total of levels is that of their model."""
    shown = ~(table.hidden | table.primary.mask)
    return np.asarray(shown & (table.table.codes.any(axis=1) | (table.quantity != LEVELS)), dtype=np.bool_)


def _same_data(first: ReleasedTable, second: ReleasedTable, least: int) -> bool:
    shared = bool(_found(first.rows.row, second.rows.row)[0].any())
    return shared or same_but_for_few(first, second, least)


def _compared_by(first: ReleasedTable, second: ReleasedTable) -> Iterator[tuple[tuple[IntArray, IntArray], bool]]:
    """Ids by which the two can be compared; where their records are the same, populations as a ``whole`` by more."""
    periods = [each.period.split(RECORDS_OF)[0] for each in (first, second)]
    by_rows = first.kinds[1] == second.kinds[1] and periods[0] == periods[1]
    if by_rows:
        yield (first.rows.row, second.rows.row), False
    known = False
    for kind in sorted(set(first.kinds) & set(second.kinds)):
        ours, theirs = _ids_of(first, kind), _ids_of(second, kind)
        if ours is None or theirs is None:
            continue
        known = True
        same = np.array_equal(ours, first.rows.row) and np.array_equal(theirs, second.rows.row)
        if not (by_rows and same):
            yield (ours, theirs), by_rows
    if not by_rows and not known and set(first.kinds) & set(second.kinds):
        raise Refused(
            f"{first.label} and {second.label} are of other periods, and one of them left before the ledger kept which "
            "members its records are of; a person must decide",
            next_step="ask for the periods of what was released, or ask the output checkers",
        )


def _ids_of(table: ReleasedTable, kind: str) -> IntArray | None:
    """Ids of ``kind`` per row; None where the ledger has not kept them."""
    if table.kinds[0] == kind:
        return table.rows.unit
    return table.rows.member if table.period or table.rows.member is not None else table.rows.row


def _found(ids: IntArray, among: IntArray) -> tuple[BoolArray, IntArray]:
    """Which of the sorted ``ids`` are among others, sorted too, and where."""
    at = np.minimum(np.searchsorted(among, ids), len(among) - 1)
    both: BoolArray = among[at] == ids
    return both, at


class _Side:
    """A table by ``ids`` of its rows; ``known`` are the different ones, with the leaf each lies in (-1: in several) and
    its ``weight``, so that what a unit has weighs 1 at most."""

    def __init__(self, grid: Grid, ids: IntArray) -> None:
        self.grid, self.ids, self.table = grid, ids, grid.source
        self.known, first, which = np.unique(ids, return_index=True, return_inverse=True)
        leaf = grid.leaf_of_row
        self.leaf: IntArray = leaf[first].copy()
        self.leaf[which.reshape(-1)[leaf != self.leaf[which.reshape(-1)]]] = -1
        _, unit, times = np.unique(self.table.rows.unit[first], return_inverse=True, return_counts=True)
        self.weight: FloatArray = 1 / times[unit.reshape(-1)]

    @cached_property
    def holds(self) -> sparse.csr_array:
        """Cells × leaves."""
        start, leaf = self.grid.members.start, self.grid.members.leaf
        shape = len(start) - 1, len(self.grid.leaf_cells)
        return sparse.csr_array((np.ones(len(leaf)), leaf, start), shape=shape)

    @property
    def published(self) -> BoolArray:
        """Cells whose figures leave."""
        return _shown(self.table)

    @cached_property
    def total(self) -> BoolArray:
        """The cell of everyone."""
        return np.asarray(~self.table.table.codes.any(axis=1), dtype=np.bool_)

    def rows_in(self, cells: IntArray) -> BoolArray:
        """Rows that lie in one of ``cells``."""
        leaves = np.asarray(self.holds[cells].sum(axis=0)).reshape(-1) > 0
        return np.asarray(leaves[self.grid.leaf_of_row], dtype=np.bool_)

    def parts(self) -> list[sparse.csr_array]:
        """Per dimension, cells × the cells one step below."""
        table, found = self.table.table, []
        keys, stride = table.keys(), int(np.prod(table.shape, dtype=np.int64))
        for at, dim in enumerate(table.dims):
            stride //= table.shape[at]
            code = table.codes[:, at].astype(np.int64)
            below = np.flatnonzero(code > 0)
            above = np.searchsorted(keys, keys[below] + (dim.parent[code[below]] - code[below]) * stride)
            found.append(sparse.csr_array((np.ones(len(below)), (above, below)), shape=(len(keys), len(keys))))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """Per cell of the other table (rows) and cell of ours (columns): ``mine`` is what of ours lies in it, by our units,
    ``theirs`` the same by theirs; ``size`` of each of ours and ``held`` by each of theirs, whole."""

    mine: FloatArray
    theirs: FloatArray
    size: FloatArray
    held: FloatArray


class _Pair:
    """Cells of our table, each beside what the cells of another make up."""

    def __init__(self, ours: _Side, theirs: _Side) -> None:
        self._ours, self._theirs = ours, theirs
        both, at = _found(ours.known, theirs.known)
        # what lies in several leaves is left out: it only adds to a difference, and the rows tell in the end
        lone = (ours.leaf >= 0) & (~both | (theirs.leaf[at] >= 0))
        other = theirs.leaf >= 0
        other[at[both & (ours.leaf < 0)]] = False
        shared = np.flatnonzero(both & lone)
        leaves = len(theirs.grid.leaf_cells), len(ours.grid.leaf_cells)
        place = theirs.leaf[at[shared]], ours.leaf[shared]
        self._mine = sparse.csr_array((ours.weight[shared], place), shape=leaves)
        self._met = sparse.csr_array((theirs.weight[at[shared]], place), shape=leaves)
        self._size = np.bincount(ours.leaf[lone], weights=ours.weight[lone], minlength=leaves[1])
        self._held = np.bincount(theirs.leaf[other], weights=theirs.weight[other], minlength=leaves[0])

    def near(self, least: int, *, whole: bool, alone: bool) -> bool:
        """Whether fewer than ``least`` units, and some, lie between; ``alone``: a cell and a cell; ``whole``: our
        model's population as a whole, and of another model too its population as a whole."""
        ours, theirs = self._ours, self._theirs
        if whole and ours.table.quantity != MODEL:
            return False
        cells = np.flatnonzero(ours.published & (ours.total | (not whole)))
        shown = theirs.published & (theirs.total | (not whole or theirs.table.quantity != MODEL))
        step = max(AT_ONCE // (len(theirs.table.table) * (2 + len(theirs.table.table.dims))), 1)
        for some in (cells[start : start + step] for start in range(0, len(cells), step)):
            found = self._weights(some)
            if self._single(some, shown, found, least) or (not alone and self._united(some, shown, found, least)):
                return True
        return False

    def _weights(self, cells: IntArray) -> _Weights:
        ours, theirs = self._ours.holds[cells], self._theirs.holds
        return _Weights(
            mine=(theirs @ (self._mine @ ours.T)).toarray(),
            theirs=(theirs @ (self._met @ ours.T)).toarray(),
            size=ours @ self._size,
            held=theirs @ self._held,
        )

    def _single(self, cells: IntArray, shown: BoolArray, found: _Weights, least: int) -> bool:
        """By one cell."""
        near = (found.size - found.mine < least) & (found.held[:, None] - found.theirs < least)
        pairs = np.argwhere(near & shown[:, None])
        return any(self._few(int(cells[at]), self._theirs.rows_in(np.array([cell])), least) for cell, at in pairs)

    def _united(self, cells: IntArray, shown: BoolArray, found: _Weights, least: int) -> bool:
        """By the cells that make up the most like sum."""
        division = _Division(self._theirs, shown, found)
        beyond = found.size - found.mine[self._theirs.total][0]
        near = np.flatnonzero(division.cost + beyond < 2 * least)
        return any(self._few(int(cells[at]), division.rows(at), least) for at in near.tolist())

    def _few(self, cell: int, there: BoolArray, least: int) -> bool:
        ours, theirs = self._ours, self._theirs
        here = ours.rows_in(np.array([cell]))
        gone = here & ~np.isin(ours.ids, theirs.ids[there])
        come = there & ~np.isin(theirs.ids, ours.ids[here])
        units = np.union1d(ours.table.rows.unit[gone], theirs.table.rows.unit[come])
        return 0 < len(units) < least


class _Division:
    """For each of our cells, the sum and difference of published cells of the other table that is most like it.

    A cell is left out or taken in as it is, or divided along a dimension and its parts left out or taken in; within
    what was taken in, a published cell may be subtracted again. Costs are what lies between, by ``_Weights``.
    """

    def __init__(self, side: _Side, shown: BoolArray, found: _Weights) -> None:
        self._side, self._shown = side, shown
        self._parts = side.parts()
        self._whole = [found.mine, found.held[:, None] - found.theirs]  # left out, taken in
        self._best = [cost.copy() for cost in self._whole]
        table = side.table.table
        depth = np.sum([dim.depth[table.codes[:, at]] for at, dim in enumerate(table.dims)], axis=0)
        divided = np.stack([np.diff(part.indptr) > 0 for part in self._parts])
        for level in range(int(depth.max()), -1, -1):
            here = np.flatnonzero(depth == level)
            for best in self._best:
                for part, there in zip(self._parts, divided, strict=True):
                    inner = here[there[here]]
                    best[inner] = np.minimum(best[inner], part[inner] @ best)
            open_ = here[shown[here]]
            self._best[0][open_] = self._best[1][open_] = np.minimum(*(best[open_] for best in self._best))
        self.cost: FloatArray = self._best[0][side.total][0]

    def rows(self, at: int) -> BoolArray:
        """The rows that one of our cells, by its place, was found most like."""
        found = np.zeros(len(self._side.ids), dtype=np.bool_)
        stack = [(int(np.flatnonzero(self._side.total)[0]), 0)]
        while stack:
            cell, taken = stack.pop()
            states = (taken, 1 - taken) if self._shown[cell] else (taken,)
            state, ways = min(((each, self._ways(cell, each, at)) for each in states), key=lambda way: way[1][0])
            if ways[1] < 0:
                if state:
                    found |= self._side.rows_in(np.array([cell]))
                continue
            stack += [(below, state) for below in self._parts[ways[1]][[cell]].indices.tolist()]
        return found

    def _ways(self, cell: int, state: int, at: int) -> tuple[float, int]:
        """The least cost of a cell that is left out (0) or taken in (1), and along which dimension (-1: as it is)."""
        ways = [(float(self._whole[state][cell, at]), -1)]
        for dim, part in enumerate(self._parts):
            below = part[[cell]].indices
            if len(below):
                ways.append((float(self._best[state][below, at].sum()), dim))
        return min(ways)
