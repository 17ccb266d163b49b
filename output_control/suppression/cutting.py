"""A bound, and what to hide first, where an interval is asked: capacity cuts of many small parts of a table.

A cut of an attacker who knows only the equations within a part holds for the whole table, since further equations only
help. Its LP is tiny, so that thousands of targets are looked at in seconds, and most of what makes a pattern dear shows
in small parts. The master over the whole table stays one LP; when it meets the cuts of all small parts, or nearly, the
integer programme over the few groups that it hides in part is the proposal, which is cut in the same way. What is still
open when moves have been looked for is cut in larger parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from output_control.suppression.boxes import Boxes
from output_control.suppression.exact import FLOOR, HALF, Guidance
from output_control.suppression.flow import certify
from output_control.suppression.large import parts_of
from output_control.suppression.master import Cut, Master, separate
from output_control.suppression.problem import Problem, Target
from output_control.suppression.prove import prove_many
from output_control.suppression.regions import serve_by_region
from output_control.suppression.search import Search
from output_control.tables.table import FloatArray, IntArray

PART_CELLS = (600, 5_000)
CUT_FROM = 1_500
CUT_UP_TO = 120_000
FRACTIONAL_ROUNDS = 8
WHOLE_ROUNDS = 6
CLOSER_LOOKS = 2
GAIN = 2e-4
SUPPORT = 1e-3
NODES = 20
RELATIVE_GAP = 0.001
# of these tables larger parts are looked at too, and the whole:
# the integer programme over all groups says more than the LP, of both the bound and the proposal; where the proposal
# among few is far from the LP, that takes minutes
WHOLE_UP_TO = 40_000
NEAR = 0.025
# where a proposal breaks cuts of so many targets, the next integer programmes take minutes each
FAR = 0.1
COARSE = 0.003


class Cutting:
    """The master of a whole table with the cuts of its parts, and an integral proposal of what to hide."""

    def __init__(self, problem: Problem, boxes: Boxes) -> None:
        self.problem, self.boxes, self.master = problem, boxes, Master.build(problem)
        self._model = self.master.model(whole=False)
        self._share: FloatArray = np.zeros(problem.size)
        self._objective = self._bound = 0.0
        self.is_far = False
        self._among = problem.primary.copy()
        self.hidden = problem.primary.copy()

    @staticmethod
    def of(problem: Problem) -> Cutting | None:
        """For tables of counts of which more is asked than not to be exact; None where the master has no solution."""
        wide = any(target.size > 1 for target in problem.targets)
        if not (problem.integral and wide and problem.boxes is not None and CUT_FROM < problem.size <= CUT_UP_TO):
            return None
        cutting = Cutting(problem, problem.boxes)
        return cutting if cutting.start() else None

    def start(self) -> bool:
        """Cuts of the small parts, at fractional proposals and then at whole ones; False where there are none."""
        parts = list(_parts(self.problem, self.boxes, self.problem.targets, PART_CELLS[0]))
        before = 0.0
        for _ in range(FRACTIONAL_ROUNDS):
            if not self._relax():
                return False
            if self._objective - before < GAIN * self._objective or not self._add(parts, self._share):
                break
            before = self._objective
        for part in parts:
            part.watched = list(part.search.problem.targets)
        self.refine(parts)
        if self._is_easy() and self._propose(everywhere=True):
            self._add(parts, self.hidden.astype(np.float64))
            self.refine(parts)
        return True

    def refine(self, parts: Sequence[Part]) -> None:
        """Propose, and cut the proposal, until its targets meet all cuts of ``parts``."""
        for _ in range(WHOLE_ROUNDS):
            before = len(self.master.cuts)
            if not (self._relax() and self._propose() and self._add(parts, self.hidden.astype(np.float64))):
                return
            self.is_far = len(self.master.cuts) - before > FAR * len(self.problem.targets)
            if self.is_far:
                return

    def look_closer(self, targets: Sequence[Target]) -> bool:
        """Another proposal, where larger parts tell why ``targets`` stay open; whether they do. Not of large tables."""
        if self.problem.size > WHOLE_UP_TO or self.is_far:
            return False
        parts = list(_parts(self.problem, self.boxes, targets, PART_CELLS[1]))
        if not self._add(parts, self.hidden.astype(np.float64)):
            return False
        self.refine(parts)
        return True

    def guidance(self) -> Guidance:
        """Costs that favour what the master hides, its bound, and the proposal."""
        cost = self.problem.cost * np.maximum(1.0 - self._share, FLOOR)
        return Guidance(cost, max(self._objective, self._bound) * self.master.scale, self.hidden)

    def _relax(self) -> bool:
        found = self._model.solve()
        if found is not None:
            self._objective = found.objective
            self._share = np.clip(found.x[: self.problem.size], 0.0, 1.0)
            self._among |= self._share > SUPPORT
        return found is not None

    def _is_easy(self) -> bool:
        proposed = float(self.problem.cost[self.hidden & ~self.problem.primary].sum()) / self.master.scale
        few = self.problem.size <= WHOLE_UP_TO and not self.is_far
        return few and proposed - self._objective <= NEAR * proposed

    def _propose(self, *, everywhere: bool = False) -> bool:
        among, gap = (None, COARSE) if everywhere else (self._among, RELATIVE_GAP)
        found = self.master.model(whole=True, nodes=NODES, among=among, relative_gap=gap).solve()
        if found is not None:
            self.hidden = found.x[: self.problem.size] > HALF
            self._among |= self.hidden
            self._bound = max(self._bound, found.bound) if everywhere else self._bound
        return found is not None

    def _add(self, parts: Sequence[Part], x: FloatArray) -> bool:
        new = [cut for part in parts for cut in part.cuts(x)]
        if new:
            self.master.cuts += new
            self._model.add_rows(self.master.cut_rows(new), np.array([cut.level for cut in new]))
        return bool(new)


@dataclass(slots=True, eq=False)
class Part:
    """Some groups as a table of their own, and the targets that broke their cuts when last looked at."""

    groups: IntArray
    search: Search
    watched: list[Target]

    def cuts(self, x: FloatArray) -> Iterator[Cut]:
        """The cuts that x breaks, for the whole table."""
        if self.watched:
            found, self.watched = separate(self.search, self.watched, x[self.groups])
            for cut in found:
                yield Cut(self.groups[cut.cells], cut.weight, cut.level)


def _parts(problem: Problem, boxes: Boxes, targets: Sequence[Target], most: int) -> Iterator[Part]:
    asked = np.array([target.cell for target in targets], dtype=np.int64)
    for groups in parts_of(problem, boxes, most):
        inside = [targets[at] for at in np.flatnonzero(np.isin(asked, groups)).tolist()]
        if inside:
            part = problem.part(groups, inside, closed=True)
            yield Part(groups, Search.start(part, None), list(part.targets))


def seed(search: Search, cutting: Cutting) -> None:
    """Hide what ``cutting`` proposes, with all the proof that is found; proposals again where that leaves much open."""
    trial = search.over([target.fresh() for target in search.problem.targets], cutting.hidden)
    prove_many(trial, trial.problem.targets)
    for _ in range(CLOSER_LOOKS):
        certify(trial, rounds=2)
        serve_by_region(trial, free=True)
        if not cutting.look_closer(trial.proof.open_targets()):
            break
        again = search.over([target.fresh() for target in search.problem.targets], cutting.hidden)
        again.proof.adopt(trial.proof, again.hidden)
        trial = again
    search.hidden |= trial.hidden
    search.proof.adopt(trial.proof, search.hidden)
