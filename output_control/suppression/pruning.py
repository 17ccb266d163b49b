"""Dropping what turned out not to be needed: secondaries by falling cost, each with the proofs that lean on it.

LP-flow hides cells for one primary after another, and what a later one hides often makes an earlier choice redundant.
A secondary is published again when every target whose witnesses use it can be proven from the others, and swapped when
that takes further cells that together cost less. Nothing is dropped on trust: the witnesses that prove the
smaller pattern are stored, and whatever fails leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from output_control.linear_programme import Model
from output_control.suppression.boxed import certify_by_boxes
from output_control.suppression.capacity import equation_cuts
from output_control.suppression.flow import aim, cheapest_move, compatible, typical_level
from output_control.suppression.neighbourhood import Ball, limits
from output_control.suppression.problem import TOLERANCE, Target
from output_control.suppression.rising import Short
from output_control.suppression.search import OutOfBudget, Search
from output_control.suppression.singletons import open_against_contributors, to_be_proven_again
from output_control.tables.table import BoolArray, FloatArray

REGION = 400
TOGETHER = 1
LPS_PER_CELL = 12
LPS_AT_LEAST = 2000
SWAP_BALL = 800
SWAP_TARGETS = 6


@dataclass(frozen=True, slots=True)
class _Proven:
    """What a target's proof was, to go back to."""

    target: Target
    raised: float
    lowered: float
    up_by: int
    down_by: int
    also: tuple[int, ...]

    @staticmethod
    def of(target: Target) -> _Proven:
        """The proof as it stands."""
        return _Proven(target, target.raised, target.lowered, target.up_by, target.down_by, tuple(target.also))

    def restore_beside(self) -> None:
        """Put it back beside what the attempt showed of the target, which holds of more hidden cells too."""
        target = self.target
        if not target.met:
            self.restore()
            return
        kept = {target.up_by, target.down_by, *target.also}
        target.also += [by for by in (self.up_by, self.down_by, *self.also) if by >= 0 and by not in kept]

    def restore(self) -> None:
        """Put it back; who leaned on what before the attempt is still listed."""
        target = self.target
        target.raised, target.lowered = self.raised, self.lowered
        target.up_by, target.down_by, target.also = self.up_by, self.down_by, list(self.also)


class Region:
    """One LP over the hidden groups of a ball: between questions only bounds and objective change."""

    def __init__(self, search: Search, ball: Ball) -> None:
        self.search, self.ball, self.inside = search, ball, set(ball.cells.tolist())
        self.short = Short(search, ball) if search.problem.knows_parts else None
        zero, still = np.zeros(len(ball.cells)), np.zeros(ball.matrix.shape[0])
        self._model = Model(ball.matrix, zero, zero, zero, (still, still))

    def prove(self, targets: Sequence[Target]) -> bool:
        """Find witnesses of all targets: first together, in random directions, then one by one."""
        if not self.inside.issuperset(target.cell for target in targets):
            return False
        if self.short is not None:
            return all(target.met or self.short.prove(target) for target in targets)
        if all(target.size <= 1 for target in targets):
            # the ways to split a width between rise and fall make looking up boxes dearer than programmes
            certify_by_boxes(self.search, targets)
        for _ in range(TOGETHER):
            left = [target for target in targets if not target.met]
            if len(left) > 1:
                self._push(compatible(self.search, left), self.search.signs(len(left)))
        # what failed last fails most often, and ends the trial soonest
        hardest = sorted(targets, key=lambda target: -target.failed_at)
        return all(target.met or self.attempt(target) for target in hardest)

    def attempt(self, target: Target) -> bool:
        """One target by itself, in each direction; it must lie in the ball.

        A programme that stays short of what it was asked for says how far the target can go at all on that side; where
        that is too little, the others are not asked.
        """
        furthest = {1.0: np.inf, -1.0: np.inf}
        at = int(np.searchsorted(self.ball.cells, target.cell))
        for sign in (1.0, -1.0, 1.0):
            if target.met:
                break
            asked = aim(target, sign)
            move = self._push([target], np.array([sign]))
            reached = 0.0 if move is None else abs(float(move[at]))
            if reached < abs(asked) * (1 - TOLERANCE):
                furthest[float(np.sign(asked))] = reached
            if _is_out_of_reach(target, furthest[1.0], furthest[-1.0]):
                break
        if not target.met:
            target.failed_at = self.search.counter.solved
        return target.met

    def _push(self, targets: Sequence[Target], signs: FloatArray) -> FloatArray | None:
        """The move of the ball's cells that takes the targets furthest; None when the programme was not solved."""
        search, ball = self.search, self.ball
        search.count()
        unit = typical_level(search.problem, targets)
        lower, upper = limits(search.problem, ball, unit)
        cost = np.zeros(len(ball.cells))
        still = ~search.hidden[ball.cells]
        lower[still] = upper[still] = 0.0
        targets[0].bound(ball.cells, lower, upper, unit)
        at = np.searchsorted(ball.cells, [target.cell for target in targets])
        for position, target, sign in zip(at, targets, signs, strict=False):
            need = aim(target, sign) / unit
            cost[position] = -1 / need
            lower[position], upper[position] = (
                (max(lower[position], need), 0.0) if need < 0 else (0.0, min(upper[position], need))
            )
        self._model.set_bounds(lower, upper)
        self._model.set_cost(cost)
        found = self._model.solve()
        if found is None:
            return None
        move: FloatArray = found.x * unit
        search.proof.add(ball.cells, move)
        return move


def _is_out_of_reach(target: Target, up: float, down: float) -> bool:
    """Whether a target that can rise and fall by so much at most cannot be proven."""
    short = up < target.up * (1 - TOLERANCE) or down < target.down * (1 - TOLERANCE)
    return short or up + down < target.width * (1 - TOLERANCE)


def prune(search: Search, limit: int | None = None, *, swap: bool = True) -> None:
    """Publish again what the proofs can do without, and swap what has a cheaper substitute.

    Every demand stays proven. At most ``limit`` LPs (default: in proportion to the hidden cells) and no more than the
    search's own budget; whatever has been dropped when they end stays dropped.
    """
    allowed = max(LPS_PER_CELL * int(search.hidden.sum()), LPS_AT_LEAST) if limit is None else limit
    work = _Pruning(search, search.counter.solved + allowed)
    try:
        work.drop_all()
        if swap and work.swap_all():
            work.drop_all()
    except OutOfBudget:
        work.undo()


class _Pruning:
    def __init__(self, search: Search, last: int) -> None:
        self.search, self.last = search, last
        self._trial: list[_Proven] = []
        self._before: BoolArray = search.hidden.copy()
        self._targets = len(search.problem.targets)
        cuts = equation_cuts(search.problem)
        self._cuts, self._cuts_of = cuts, sparse.csc_array(cuts)

    def secondaries(self) -> list[int]:
        """Hidden groups that are no primaries, the dearest first."""
        search = self.search
        cells = np.flatnonzero(search.hidden & ~search.problem.primary)
        return [int(cell) for cell in cells[np.argsort(-search.problem.cost[cells], kind="stable")]]

    def drop_all(self) -> None:
        """One round over all secondaries."""
        queue = self.secondaries()
        while queue:
            ball = self.search.near.around(np.array(queue[:1]), self.search.hidden, REGION, hidden_only=True)
            region = Region(self.search, ball)
            here = [cell for cell in queue if cell in region.inside or cell == queue[0]]
            for cell in here:
                self._attempt(cell, region)
            done = set(here)
            queue = [cell for cell in queue if cell not in done]

    def swap_all(self) -> bool:
        """One round of exchanges; whether there was any."""
        before = self._before
        for cell in self.secondaries():
            if self.search.hidden[cell]:
                self._attempt(cell, None)
        return bool((self._before != before).any())

    def _attempt(self, cell: int, region: Region | None) -> None:
        """Publish one group, unless a proof needs it."""
        search = self.search
        if search.counter.solved >= self.last:
            raise OutOfBudget
        beside = region is not None and search.proof.is_leaned_on_beside(cell, region.inside)
        if region is not None and (beside or self._is_needed(cell) or self._gives_away(cell)):
            return
        search.hidden[cell] = False
        leaning = self._nearest_first(cell, self._suspend(cell))
        kept = region.prove(leaning) if region is not None else self._reroute(cell, leaning)
        if kept and self._safe_inside(to_be_proven_again(self.search, leaning)):
            self._settle()
        else:
            self.undo()

    def _is_needed(self, cell: int) -> bool:
        """Whether without a group some equation alone holds a primary too close."""
        rows = self._cuts_of.indices[self._cuts_of.indptr[cell] : self._cuts_of.indptr[cell + 1]]
        weight = self._cuts_of.data[self._cuts_of.indptr[cell] : self._cuts_of.indptr[cell + 1]]
        left = self._cuts[rows] @ self.search.hidden.astype(np.float64) - weight
        return bool((left < 1 - TOLERANCE).any())

    def _gives_away(self, cell: int) -> bool:
        """Whether publishing a group leaves some equation with a primary as its only unknown, step by step."""
        problem, hidden = self.search.problem, self.search.hidden
        known, queue = {cell}, [cell]
        rows, columns = problem.matrix, problem.columns
        while queue:
            here = queue.pop()
            for row in columns.indices[columns.indptr[here] : columns.indptr[here + 1]].tolist():
                members = rows.indices[rows.indptr[row] : rows.indptr[row + 1]]
                unknown = [other for other in members[hidden[members]].tolist() if other not in known]
                if len(unknown) == 1:
                    if problem.primary[unknown[0]]:
                        return True
                    known.add(unknown[0])
                    queue.append(unknown[0])
        return False

    def _settle(self) -> None:
        """What there is now is what to go back to."""
        self._trial = []
        self._before = self.search.hidden.copy()
        self._targets = len(self.search.problem.targets)

    def _nearest_first(self, cell: int, leaning: list[Target]) -> list[Target]:
        """Of magnitudes whose targets are looked at one by one, those first that share an equation with ``cell``."""
        problem = self.search.problem
        if not problem.knows_parts:
            return leaning
        rows = problem.columns.indices[problem.columns.indptr[cell] : problem.columns.indptr[cell + 1]]
        near = set(sparse.csr_array(problem.matrix[rows]).indices.tolist())
        return sorted(leaning, key=lambda target: target.cell not in near)

    def _suspend(self, cell: int) -> list[Target]:
        """Take back every witness that uses a group; returns the targets that lose something."""
        leaning = []
        for target, hit in self.search.proof.leaning_on(cell):
            self._trial.append(_Proven.of(target))
            leaning.append(target)
            if target.up_by in hit:
                target.raised, target.up_by = 0.0, -1
            if target.down_by in hit:
                target.lowered, target.down_by = 0.0, -1
            target.also = [move for move in target.also if move not in hit]
        return leaning

    def undo(self) -> None:
        """Back to the pattern and the proofs before the attempt."""
        # what was shown with further cells hidden is shown no more
        beside = self.search.problem.knows_parts and not bool((self.search.hidden & ~self._before).any())
        self.search.hidden[:] = self._before
        for proven in self._trial:
            if beside:
                proven.restore_beside()
            else:
                proven.restore()
        self.search.proof.withdraw(self._targets)
        self._trial = []

    def _safe_inside(self, changed: list[Target]) -> bool:
        """Whether the new witnesses hold against contributors too."""
        problem = self.search.problem
        if not any(bool((who >= 0).any()) for who in (problem.sole, problem.couple, problem.holders)):
            return True
        return not open_against_contributors(self.search, changed)

    def _reroute(self, cell: int, leaning: list[Target]) -> bool:
        """Serve the targets anew without ``cell``, for less than it costs."""
        search = self.search
        if len(leaning) > SWAP_TARGETS:
            return False
        saved = float(search.problem.cost[cell])
        for target in leaning:
            for _ in range(4):
                if target.met:
                    break
                spent = cheapest_move(search, target, SWAP_BALL, avoid=cell, below=saved)
                if spent is None:
                    return False
                saved -= spent
        return all(target.met for target in leaning)
