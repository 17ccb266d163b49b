"""Serving the open targets of a table of counts region by region, each by the cheapest move beside what is hidden.

A ball of the cheapest cells around a target of a sparse table runs over its many sensitive cells and holds no whole
move; a region is a few sibling subtrees of the longest dimension with everything in them. Its model is built once: from
target to target only bounds and prices change, and each programme starts from the last one's vertex.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from output_control.linear_programme import Model
from output_control.suppression.boxes import Boxes
from output_control.suppression.flow import accept, integer_move, is_whole_move
from output_control.suppression.islands import inside
from output_control.suppression.neighbourhood import Ball, ball, limits
from output_control.suppression.problem import Target
from output_control.suppression.search import Search
from output_control.tables.table import FloatArray, IntArray

# subtrees by themselves first, since what lies above them costs most; then siblings together with all above them
STEPS = ((2000, False), (3000, True), (6000, True))
SIDES = 4
TRIES = 3
SPREAD = 0.3
STEP = 1e-6
HALF = 0.5
FRACTION = 1e-7


def serve_by_region(search: Search, *, free: bool = False) -> None:
    """Hide what proves the open targets; those of which no whole move within a region is found stay open.

    ``free``: hide nothing, only prove what is proven by what is hidden already.
    """
    problem = search.problem
    if problem.boxes is None:
        return
    for most, above in STEPS:
        for groups in regions(problem.boxes, problem.first_cell, most, above=above):
            may_move = search.hidden[groups] if free else (search.hidden | ~problem.keep)[groups]
            around = ball(problem, groups[may_move], whole=False)
            targets = inside(search.proof.open_targets(), around)
            if targets:
                _Region(search, around).serve(targets)


def regions(boxes: Boxes, cells: IntArray, most: int, *, above: bool) -> Iterator[IntArray]:
    """Positions in ``cells`` by region: the largest subtrees of the longest dimension with at most ``most`` cells.

    With what lies ``above`` them, siblings are taken together up to that size, so that moves between them are inside.
    """
    dim, row = boxes.long_dimension, boxes.row[cells]
    parent = dim.parent.astype(np.int64)
    size = boxes.cells_below()
    top = _tops(parent, size, most)
    for codes in _siblings(parent, size, top, most) if above else [[code] for code in top]:
        wanted = np.zeros(len(dim.codes), dtype=np.bool_)
        wanted[codes] = True
        for code in range(codes[0] + 1, len(dim.codes)):
            wanted[code] |= wanted[parent[code]]
        up = int(parent[codes[0]])
        while above and up >= 0:
            wanted[up] = True
            up = int(parent[up])
        yield np.flatnonzero(wanted[row])


def _tops(parent: IntArray, size: IntArray, most: int) -> list[int]:
    """The codes of the largest subtrees with at most ``most`` cells."""
    top, covered = [], np.zeros(len(parent), dtype=np.bool_)
    for code, above in enumerate(parent.tolist()):
        covered[code] = above >= 0 and covered[above]
        if not covered[code] and size[code] <= most:
            top.append(code)
            covered[code] = True
    return top


def _siblings(parent: IntArray, size: IntArray, top: list[int], most: int) -> Iterator[list[int]]:
    """Subtrees of one parent taken together, in their order, up to ``most`` cells and about as many each.

    One that is left over by itself would have nothing to move with but the dear cells above it.
    """
    for up in sorted({int(parent[code]) for code in top}):
        below = [code for code in sorted(top) if parent[code] == up]
        share = int(size[below].sum()) / -(-int(size[below].sum()) // most)
        together: list[int] = []
        for code in below:
            if together and (size[together].sum() + size[code] / 2 > share or size[[*together, code]].sum() > most):
                yield together
                together = []
            together.append(code)
        yield together


class _Region:
    """Routes of targets within one ball."""

    def __init__(self, search: Search, around: Ball) -> None:
        self.search, self.around = search, around
        lower, self._rise = limits(search.problem, around, 1.0)
        self._fall, size = -lower, len(around.cells)
        both = sparse.csr_array(sparse.hstack([around.matrix, -around.matrix]))
        none, still = np.zeros(2 * size), np.zeros(around.matrix.shape[0])
        self._model = Model(both, none, none, none, (still, still))
        self._step = STEP * float(search.problem.cost.max(initial=1.0))

    def serve(self, targets: Sequence[Target]) -> None:
        """Hide the cheapest route of each target, one after another."""
        for target in targets:
            for _ in range(SIDES):
                moves = [move for side in target.open_sides if (move := self._route(target, side)) is not None]
                if not moves or not accept(self.search, self.around, min(moves, key=lambda move: move[0])[1]):
                    break

    def _route(self, target: Target, side: float) -> tuple[float, FloatArray] | None:
        """What the cheapest move found hides at least, and the move; other prices where a vertex is fractional."""
        size, at = len(self.around.cells), int(np.searchsorted(self.around.cells, target.cell))
        need = target.needs_up if side > 0 else target.needs_down
        low, high = np.zeros(2 * size), np.concatenate([self._rise, self._fall])
        mine, other = (at, size + at) if side > 0 else (size + at, at)
        if need > high[mine]:
            return None
        low[mine], high[mine], high[other] = need, need, 0.0
        if target.held:
            held = np.flatnonzero(np.isin(self.around.cells, sorted(target.held)))
            high[held] = high[size + held] = 0.0
        self._model.set_bounds(low, high)
        price = np.where(self.search.hidden, 0.0, self.search.problem.cost)[self.around.cells]
        tried = np.zeros(size, dtype=np.bool_)
        for attempt in range(TRIES):
            rough = price if not attempt else price * self.search.lognormal(SPREAD, size)
            self._model.set_cost(np.concatenate([rough, rough]) + self._step)
            self.search.count()
            found = self._model.solve()
            if found is None:
                return None
            move = found.x[:size] - found.x[size:]
            if is_whole_move(move):
                return float(price[np.abs(move) > HALF].sum()), np.rint(move)
            tried |= np.abs(move) > FRACTION
        lower, upper = low[:size] - high[size:], high[:size] - low[size:]
        lower[at] = upper[at] = need * side
        return self._whole_among(np.flatnonzero(tried), price, lower, upper)

    def _whole_among(
        self, some: IntArray, price: FloatArray, lower: FloatArray, upper: FloatArray
    ) -> tuple[float, FloatArray] | None:
        """The cheapest integral move of ``some`` cells, those of all vertices that were fractional."""
        part = Ball(self.around.cells[some], sparse.csr_array(self.around.matrix[:, some]), whole=False)
        found = integer_move(self.search, part, price[some], lower[some], upper[some])
        if found is None:
            return None
        move = np.zeros(len(self.around.cells))
        move[some] = found[1]
        return found[0], move
