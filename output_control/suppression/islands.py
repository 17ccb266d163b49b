"""Balls of hidden cells for many targets: a small island is one ball, of a larger one the part near a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from output_control.suppression.neighbourhood import Ball, ball, is_whole
from output_control.suppression.problem import Target
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, IntArray

STUCK = -1


class Islands:
    """The parts of a table in which hidden cells can move together, as long as no more is hidden.

    Cells that cannot move at all are on none. A table in which few cells are hidden is one island.
    """

    def __init__(self, search: Search, size: int) -> None:
        self._search = search
        self._size = size
        movable = ball(search.problem, np.flatnonzero(search.hidden), whole=True)
        self._whole = is_whole(search.hidden, size)
        self._movable = np.zeros_like(search.hidden)
        self._movable[movable.cells] = True
        self._number = np.full(len(search.hidden), STUCK)
        self._number[movable.cells] = 0 if self._whole else _components(movable.matrix)
        self._cells = np.bincount(self._number[movable.cells], minlength=1)
        self._balls: dict[int, Ball] = {0: movable} if self._whole else {}

    def serving(self, queue: Sequence[Target]) -> Iterator[tuple[Ball, list[Target]]]:
        """A ball around each open target that was in none before, with all open targets that are in it."""
        number = self._number[[target.cell for target in queue]].tolist()
        waiting: dict[int, list[Target]] = {}
        for island, target in zip(number, queue, strict=True):
            waiting.setdefault(island, []).append(target)
        waiting.pop(STUCK, None)
        done: set[int] = set()
        for island, target in zip(number, queue, strict=True):
            if island not in waiting or id(target) in done or target.met:
                continue
            around = self._around(island, target)
            served = inside([each for each in waiting[island] if not each.met], around)
            yield around, served
            if island in self._balls:
                del waiting[island]
                continue
            done |= {id(each) for each in (target, *served)}
            waiting[island] = [each for each in waiting[island] if id(each) not in done]

    def _around(self, island: int, target: Target) -> Ball:
        if island not in self._balls:
            if self._cells[island] > self._size:
                centre = np.array([target.cell])
                return self._search.near.around(centre, self._movable, self._size, hidden_only=True)
            self._balls[island] = ball(self._search.problem, np.flatnonzero(self._number == island), whole=False)
        return self._balls[island]


def can_move(search: Search) -> BoolArray:
    """Per group whether it is hidden and not alone in an equation, however often such are left out."""
    mask = np.zeros_like(search.hidden)
    mask[ball(search.problem, np.flatnonzero(search.hidden), whole=True).cells] = True
    return mask


def inside(targets: Sequence[Target], around: Ball) -> list[Target]:
    """The targets whose cell is in the ball."""
    cells = np.array([target.cell for target in targets])
    return [targets[position] for position in np.flatnonzero(np.isin(cells, around.cells)).tolist()]


def _components(matrix: sparse.csr_array) -> IntArray:
    """Per column a number: equal where equations tie columns together, directly or through others."""
    rows, columns = matrix.shape
    edges = sparse.csr_array(
        (np.ones_like(matrix.data), matrix.indices + rows, matrix.indptr), shape=(rows, rows + columns)
    )
    square = sparse.block_array([[edges], [sparse.csr_array((columns, rows + columns))]], format="csr")
    number: IntArray = np.unique(csgraph.connected_components(square, directed=False)[1][rows:], return_inverse=True)[1]
    return number
