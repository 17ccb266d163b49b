"""Short moves of single magnitudes, and those that contributors do not rule out, by one programme of a part of a table.

What a contributor knows bounds how far cells fall. A rise that lowers none by more than it holds besides its largest
known part, and leaves the cells of sole contributors still, is a witness against everyone at once; so is, against some,
one that heeds what they know. The programme asks for the shortest move, and between questions only its bounds change,
so that each starts from the last one's vertex (dual simplex) and takes a few steps. Short moves lean on few cells.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from scipy import sparse

from output_control.linear_programme import Model
from output_control.suppression.neighbourhood import Ball
from output_control.suppression.problem import NOISE, TOLERANCE, Target
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, FloatArray

# inside of what can fall, by more than the solver's tolerance
HAIR = 2e-7


class Short:
    """The programme over the hidden groups of one ball; ``search`` may publish some of them meanwhile."""

    def __init__(self, search: Search, ball: Ball) -> None:
        self._search, self.ball = search, ball
        problem, zero = search.problem, np.zeros(2 * len(ball.cells))
        matrix, still = sparse.csr_array(sparse.hstack([ball.matrix, -ball.matrix])), np.zeros(ball.matrix.shape[0])
        self._model = Model(matrix, zero + 1.0, zero, zero, (still, still))
        self._amount = problem.amount[ball.cells]
        self._sure = problem.fall_for_everyone()[ball.cells]
        self._alone = problem.is_known_to_few()[ball.cells]

    def place(self, target: Target) -> int:
        """Where the target's group is in the ball, or -1."""
        at = int(np.searchsorted(self.ball.cells, target.cell))
        return at if at < len(self.ball.cells) and self.ball.cells[at] == target.cell else -1

    def rise(self, target: Target, far: float) -> bool:
        """Keep a rise that nobody else than who is alone in the target's own cell rules out; whether there is one."""
        return self._keep(target, far, self._sure, self._alone)

    def move_unknown_to(self, target: Target, far: float, sides: Sequence[float], members: Collection[int]) -> bool:
        """Keep a move to one of the ``sides`` that none of ``members`` rules out; whether there is one."""
        problem, cells = self._search.problem, self.ball.cells
        theirs = np.fromiter(members, np.int64, len(members))
        part = np.where(np.isin(problem.holders[cells], theirs), problem.parts[cells], 0.0).max(axis=1)
        rest = problem.whole[cells] - part
        rest[rest < NOISE * problem.whole[cells]] = 0.0
        rest[part == 0] = np.inf
        still = np.isin(problem.sole[cells], theirs)
        return any(self._keep(target, far * side, np.minimum(rest, self._amount), still) for side in sides)

    def prove(self, target: Target) -> bool:
        """Show what is open of one target by short moves: the rise, if it can be, such that nobody rules it out."""
        for side in (1.0, -1.0):
            need = target.needs_up if side > 0 else target.needs_down
            if need and not (side > 0 and target.plain and self._keep(target, need, self._sure, self._alone)):
                rests = np.inf if target.rests is None else target.rests.of(self.ball.cells)
                fall = np.minimum(self._amount, rests)
                still = np.isin(self.ball.cells, sorted(target.held))
                self._keep(target, need * side, fall, still)
        return target.met

    def _keep(self, target: Target, far: float, fall: FloatArray, still: BoolArray) -> bool:
        """Keep the shortest move of the target by ``far`` in which no cell falls by more than ``fall``, if there is."""
        at, size, count = self.place(target), abs(far), len(self.ball.cells)
        if at < 0 or not size:
            return False
        shown = ~self._search.hidden[self.ball.cells]
        bounds = np.concatenate([np.full(count, np.inf), np.maximum(fall / size - HAIR, 0.0)])
        bounds[:count][shown | still] = bounds[count:][shown | still] = 0.0
        if far < 0 and fall[at] < size * (1 - TOLERANCE):
            return False
        lower, own = np.zeros(2 * count), at if far > 0 else at + count
        bounds[at] = bounds[at + count] = 0.0
        lower[own] = bounds[own] = 1.0
        self._model.set_bounds(lower, bounds)
        self._search.count()
        found = self._model.solve()
        if found is None:
            return False
        return self._search.proof.add_short(target, far, self.ball.cells, (found.x[:count] - found.x[count:]) * size)
