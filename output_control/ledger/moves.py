"""Moves: changes of the cells of several tables at once that nothing published rules out.

A hidden cell is open when such moves raise and lower it far enough. They were found when its table was protected; the
ledger keeps them, so that a later check has to look only for what its new tables shut. Nothing is taken on trust: a
move counts when it keeps every equation of the system at hand, and the audit verifies it once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from output_control.protection import Witnesses
from output_control.tables.table import BoolArray, FloatArray, IntArray

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Entry by entry: the ``move`` changes a ``cell`` of a ``table`` by ``change``.

    ``table`` is a position in ``tables``, which are named by release (empty: that of the table which holds the moves),
    name and quantity.
    """

    tables: tuple[Key, ...]
    move: IntArray
    table: IntArray
    cell: IntArray
    change: FloatArray

    @staticmethod
    def none() -> Moves:
        """No moves."""
        nothing = np.zeros(0, dtype=np.int64)
        return Moves((), nothing, nothing, nothing, np.zeros(0))

    @staticmethod
    def of(moves: sparse.csr_array, tables: Sequence[Key], columns: Sequence[IntArray]) -> Moves:
        """The part of ``moves`` (moves × columns of a system) that is in cells of tables, which lie at ``columns``."""
        size = moves.shape[1]
        table, cell = np.full(size, -1, dtype=np.int64), np.full(size, -1, dtype=np.int64)
        for at, column in enumerate(columns):
            there = np.flatnonzero(column >= 0)
            table[column[there]], cell[column[there]] = at, there
        entries = sparse.coo_array(moves)
        move, column = (part.astype(np.int64) for part in entries.coords)
        kept = (table[column] >= 0) & (entries.data != 0)
        return Moves(tuple(tables), move[kept], table[column[kept]], cell[column[kept]], entries.data[kept])


def gathered(held: Sequence[Moves], keys: Sequence[Key], columns: Sequence[IntArray], size: int) -> sparse.csr_array:
    """All ``held`` moves over the columns of a system of ``size``; cells that are not in the system are left out."""
    place = {key: at for at, key in enumerate(keys)}
    rows, cells, changes, count = [], [], [], 0
    for moves in held:
        for at, key in enumerate(moves.tables):
            if key not in place:
                continue
            mine = moves.table == at
            column = columns[place[key]][moves.cell[mine]]
            there = column >= 0
            rows.append(moves.move[mine][there] + count)
            cells.append(column[there])
            changes.append(moves.change[mine][there])
        count += int(moves.move.max(initial=-1)) + 1
    if not rows:
        return sparse.csr_array((0, size))
    row, cell = np.concatenate(rows), np.concatenate(cells)
    # cells of several tables that hold the same rows have one column, and move as one
    once = np.unique(row * size + cell, return_index=True)[1]
    return sparse.csr_array((np.concatenate(changes)[once], (row[once], cell[once])), shape=(count, size))


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Moves that hold in a system while ``hidden`` cells are hidden, and per column the furthest up and down."""

    moves: sparse.csr_array
    up: FloatArray
    down: FloatArray
    up_by: IntArray
    down_by: IntArray

    @staticmethod
    def of(moves: sparse.csr_array, equations: sparse.csr_array, spare: FloatArray, hidden: BoolArray) -> Shown:
        """Those of ``moves`` (whole numbers), and their opposites, that hold; a column can fall by its ``spare``."""
        both = sparse.csr_array(sparse.vstack([moves, -moves]))
        both.eliminate_zeros()
        broken = np.diff(sparse.csr_array(_nonzero(both @ equations.T)).indptr) > 0
        owner = np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
        wrong = ~hidden[both.indices] | (spare[both.indices] + both.data < 0) | (both.data != np.rint(both.data))
        broken[owner[wrong]] = True
        kept = sparse.csr_array(both[np.flatnonzero(~broken & (np.diff(both.indptr) > 0))])
        size = kept.shape[1]
        up, down = np.zeros(size), np.zeros(size)
        up_by, down_by = np.full(size, -1, dtype=np.int64), np.full(size, -1, dtype=np.int64)
        row = np.repeat(np.arange(kept.shape[0]), np.diff(kept.indptr))
        for side, far, by in ((1, up, up_by), (-1, down, down_by)):
            # the last of a column is the furthest
            order = np.lexsort((row, kept.data * side, kept.indices))
            last = order[np.flatnonzero(np.diff(kept.indices[order], append=size))]
            last = last[kept.data[last] * side > 0]
            far[kept.indices[last]], by[kept.indices[last]] = np.abs(kept.data[last]), row[last]
        return Shown(kept, up, down, up_by, down_by)

    def beside(self, found: Witnesses, cells: BoolArray) -> Witnesses:
        """The witnesses of a pattern, and those of ``cells``, which it was not asked to protect."""
        used = np.unique(np.concatenate([self.up_by[cells], self.down_by[cells]]))
        used = used[used >= 0]
        row = np.full(self.moves.shape[0] + 1, -1, dtype=np.int64)
        row[used] = found.moves.shape[0] + np.arange(len(used))
        return Witnesses(
            sparse.csr_array(sparse.vstack([found.moves, self.moves[used]])),
            np.where(cells, row[self.up_by], found.up),
            np.where(cells, row[self.down_by], found.down),
            found.also,
        )


def _nonzero(matrix: sparse.csr_array) -> sparse.csr_array:
    made = sparse.csr_array(matrix)
    made.eliminate_zeros()
    return made
