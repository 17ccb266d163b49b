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
from output_control.tables.table import BoolArray, FloatArray, IntArray

# inside of what can fall, by more than the solver's tolerance
HAIR = 2e-7
# a hair beyond the level, so that a rise can be scaled down to it
BEYOND = 1e-6
# of the level, by how much a rise may break an equation: the audit allows ten times that
SOUND = 1e-7
ROUNDS = 8


class Rises:
    """Rises of many targets over the hidden groups of one ball: those that nobody rules out, and such as few do.

    Nothing asks them to be short, and what one answer moves stays where it is for the next, since only the objective
    changes (primal simplex). So they are long, and cost a small part of what short ones do.
    """

    def __init__(self, search: Search, ball: Ball, targets: Sequence[Target], far: FloatArray) -> None:
        """``targets`` lie in the ball and are to rise by ``far`` (> 0)."""
        self._search, self._ball, self._targets, self._far = search, ball, targets, far
        problem, cells = search.problem, ball.cells
        self._at = np.searchsorted(cells, [target.cell for target in targets])
        self._unit = float(np.median(far))
        self._alone = problem.is_known_to_few()[cells]
        self._sure = np.where(self._alone, 0.0, problem.fall_for_everyone()[cells])
        self._amount = problem.amount[cells]

    def keep(self) -> BoolArray:
        """Keep rises that nobody rules out, of many targets in one move and then of each by itself; which there are."""
        lower, upper = np.minimum(HAIR - self._sure / self._unit, 0.0), np.where(self._alone, 0.0, np.inf)
        model = self._model(self._ball.matrix, np.zeros(len(lower)), lower, upper)
        done = np.zeros(len(self._targets), dtype=np.bool_)
        for _ in range(ROUNDS):
            # who is alone knows the cell, whatever others would let it do
            left = np.flatnonzero(~done & ~self._alone[self._at])
            found = self._rise(model, left, lower, upper)
            done[found] = True
            if not len(found):
                break
        model.keep_vertex()
        for position in np.flatnonzero(~done):
            done[self._rise(model, np.array([position]), lower, upper)] = True
        return done

    def _model(self, matrix: sparse.csr_array, cost: FloatArray, lower: FloatArray, upper: FloatArray) -> Model:
        still = np.zeros(matrix.shape[0])
        return Model(matrix, cost, lower, upper, (still, still))

    def _rise(self, model: Model, asked: IntArray, lower: FloatArray, upper: FloatArray) -> IntArray:
        """Keep one move that raises as many of some targets as it can; returns which it raises far enough."""
        if not len(asked):
            return asked
        at, need = self._at[asked], self._far[asked] * (1 + BEYOND) / self._unit
        cost, most = np.zeros(len(lower)), upper.copy()
        np.minimum.at(cost, at, -1.0 / need if len(asked) > 1 else -1.0)
        most[at] = 0.0
        np.maximum.at(most, at, need)
        model.revise(cost, lower, most)
        self._search.count()
        found = model.solve()
        if found is None:
            return asked[:0]
        upper = upper.copy()
        upper[at] = np.inf
        # what goes beyond its bounds by the solver's tolerance is held there, and the equations looked at anew
        change = np.clip(found.x * self._unit, -self._sure, upper)
        broken = float(np.abs(self._ball.matrix @ change).max(initial=0.0))
        far = self._far[asked]
        served = asked[(change[at] >= far) & (broken <= SOUND * far)]
        if len(served):
            self._search.proof.keep_also(self._ball.cells, change, [self._targets[each] for each in served.tolist()])
        return served

    def keep_known_to_few(self, left: IntArray) -> BoolArray:
        """Keep a rise of each of some targets (by place) that goes least beyond what nobody rules out; whether there is
        one."""
        if not len(left):
            return np.zeros(0, dtype=np.bool_)
        count, sure = len(self._ball.cells), np.minimum(self._sure, self._amount) / self._unit
        beyond, above = np.flatnonzero(self._amount / self._unit > sure), np.flatnonzero(self._alone)
        more = len(beyond) + len(above)
        matrix = sparse.hstack([self._ball.matrix, -self._ball.matrix[:, beyond], self._ball.matrix[:, above]])
        lower = np.concatenate([-sure, np.zeros(more)])
        fall = np.maximum(self._amount[beyond] / self._unit - sure[beyond] - HAIR, 0.0)
        upper = np.concatenate([np.where(self._alone, 0.0, np.inf), fall, np.full(len(above), np.inf)])
        cost = np.concatenate([np.zeros(count), np.ones(more)])
        model = self._model(sparse.csr_array(matrix), cost, lower, upper)
        column = np.concatenate([np.arange(count), beyond, above])
        sign = np.concatenate([np.ones(count), -np.ones(len(beyond)), np.ones(len(above))])
        done = np.zeros(len(left), dtype=np.bool_)
        for number, position in enumerate(left.tolist()):
            at, far = self._at[position], float(self._far[position])
            low, high = lower.copy(), upper.copy()
            high[column == at] = 0.0
            low[at] = high[at] = far / self._unit
            model.revise(cost, low, high)
            self._search.count()
            found = model.solve()
            if found is not None:
                change = np.zeros(count)
                np.add.at(change, column, sign * found.x * self._unit)
                done[number] = self._search.proof.add_short(self._targets[position], far, self._ball.cells, change)
        return done


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
