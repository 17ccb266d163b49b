"""The part of a table around a primary: where a search for a witness looks first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from output_control.linear_programme import Model
from output_control.suppression.problem import Problem
from output_control.tables.table import BoolArray, FloatArray, IntArray

WHOLE = 2500
SMALL = 500
WIDE = 8.0  # of the box of counts, where cells may have to move further than the target


@dataclass(frozen=True, slots=True, eq=False)
class Ball:
    """Some groups and the equations that they are in; all other groups stand still.

    ``whole``: every group that was allowed and can move is in it.
    """

    cells: IntArray
    matrix: sparse.csr_array
    whole: bool


class Neighbourhoods:
    """Finds balls by Dijkstra over the graph of cells and equations.

    A step costs one hop for a suppressed cell, and one hop plus its scaled cost for a published one: by cost alone the
    ball wanders through the giant suppressed component of a sparse table.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._scale = float(np.median(problem.cost)) if problem.size else 1.0
        # of `everywhere`, once it is needed
        self.model: Model | None = None

    @cached_property
    def _graph(self) -> sparse.csr_array:
        """Cells and equations as nodes; built when first needed, as it is as large as the table."""
        n_rows, n_cells = self._problem.matrix.shape
        pattern = abs(self._problem.matrix)
        empty_rows = sparse.csr_array((n_rows, n_rows))
        empty_cells = sparse.csr_array((n_cells, n_cells))
        return sparse.csr_array(sparse.block_array([[empty_cells, pattern.T], [pattern, empty_rows]], format="csr"))

    @cached_property
    def _into_cell(self) -> BoolArray:
        into: BoolArray = self._graph.indices < self._problem.size
        return into

    @cached_property
    def everywhere(self) -> Ball:
        """All groups that can move, whatever is hidden: but for those that must stay published."""
        return ball(self._problem, np.flatnonzero(~self._problem.keep | self._problem.primary), whole=True)

    def is_everywhere(self, ball: Ball) -> bool:
        """Whether ``ball`` is `everywhere`; that is not made for the question."""
        return "everywhere" in self.__dict__ and ball is self.everywhere

    def around(self, centres: IntArray, suppressed: BoolArray, size: int, *, hidden_only: bool = False) -> Ball:
        """The ``size`` groups nearest to ``centres`` (all of a small table); only suppressed ones if asked."""
        allowed = suppressed if hidden_only else suppressed | ~self._problem.keep
        if is_whole(allowed, size):
            return ball(self._problem, np.flatnonzero(allowed), whole=True)
        distance = self._distances(centres, suppressed, allowed, size)
        order = np.argsort(distance, kind="stable")[:size]
        near = np.sort(order[np.isfinite(distance[order])])
        return ball(self._problem, near, whole=len(near) == int(allowed.sum()))

    def _distances(self, centres: IntArray, suppressed: BoolArray, allowed: BoolArray, size: int) -> FloatArray:
        step = np.where(suppressed, 1.0, 1.0 + np.minimum(self._problem.cost / self._scale, 20.0))
        step[~allowed] = np.inf
        data = np.full(len(self._graph.indices), 1e-6)
        data[self._into_cell] = step[self._graph.indices[self._into_cell]]
        graph = sparse.csr_array((data, self._graph.indices, self._graph.indptr), shape=self._graph.shape)
        n_cells, radius = self._problem.size, 4.0
        while True:
            found = csgraph.dijkstra(graph, indices=centres, min_only=True, limit=radius)[:n_cells]
            if int(np.isfinite(found).sum()) >= size or radius > 300:
                return np.asarray(found, dtype=np.float64)
            radius *= 2


def is_whole(allowed: BoolArray, size: int) -> bool:
    """Whether so few groups are allowed that a ball of ``size`` is all of them."""
    return int(allowed.sum()) <= (size if size < SMALL else max(size, WHOLE))


def ball(problem: Problem, cells: IntArray, *, whole: bool) -> Ball:
    """The ball of ``cells`` with its equations; a cell alone in an equation cannot move and is left out."""
    # by entries, since there are thousands of small balls and every sparse matrix costs a fraction of a millisecond
    columns = problem.columns
    start, length = columns.indptr[cells], np.diff(columns.indptr)[cells]
    entry = np.repeat(start - np.cumsum(length) + length, length) + np.arange(int(length.sum()))
    cell, sign = np.repeat(np.arange(len(cells)), length), columns.data[entry]
    rows, row = np.unique(columns.indices[entry], return_inverse=True)
    while len(lonely := cell[np.bincount(row, minlength=len(rows))[row] == 1]):
        kept = np.isin(cell, lonely, invert=True)
        cell, row, sign, cells = _closed_up(cell[kept], lonely), row[kept], sign[kept], np.delete(cells, lonely)
    order = np.argsort(row, kind="stable")
    number = np.bincount(row, minlength=len(rows))
    shape = int((number > 0).sum()), len(cells)
    inside, ends = cell[order].astype(np.int32), np.append(0, np.cumsum(number[number > 0])).astype(np.int32)
    matrix = sparse.csr_array((sign[order], inside, ends), shape=shape)
    return Ball(cells, matrix, whole)


def limits(problem: Problem, ball: Ball, unit: float, stretch: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """How far each cell of a ball may fall and rise, in units; ``stretch`` widens the box of counts."""
    amount, box = problem.amount[ball.cells], problem.box[ball.cells] * stretch
    return -np.minimum(amount, box) / unit, box / unit


def _closed_up(position: IntArray, gone: IntArray) -> IntArray:
    """Positions when those that are ``gone`` were left out of the list."""
    return position - np.searchsorted(np.unique(gone), position)
