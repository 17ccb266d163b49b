"""A bound, and what to hide first, where an interval is asked: capacity cuts of many small parts of a table.

A cut of an attacker who knows only the equations within a part holds for the whole table, since further equations only
help. Its LP is tiny, so that thousands of targets are looked at in seconds, and most of what makes a pattern dear shows
in small parts. The master over the whole table stays one LP; when it meets the cuts of all parts, or nearly, the
integer programme over the few groups that it hides in part is the proposal, which is cut in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from output_control.suppression.boxes import Boxes
from output_control.suppression.exact import FLOOR, HALF, Guidance
from output_control.suppression.large import parts_of
from output_control.suppression.lp import Solution
from output_control.suppression.master import Cut, Master, separate
from output_control.suppression.problem import Problem, Target
from output_control.suppression.search import Search
from output_control.tables.table import FloatArray, IntArray

PART_CELLS = 600
CUT_FROM = 1_500
CUT_UP_TO = 120_000
FRACTIONAL_ROUNDS = 8
WHOLE_ROUNDS = 6
GAIN = 2e-4
SUPPORT = 1e-3
NODES = 20
RELATIVE_GAP = 0.001


def is_cut(problem: Problem) -> bool:
    """Whether this is the way for a table: one of counts, of which more is asked than not to be exact."""
    wide = any(target.size > 1 for target in problem.targets)
    return problem.integral and wide and problem.boxes is not None and CUT_FROM < problem.size <= CUT_UP_TO


def guided_by_cuts(problem: Problem) -> Guidance | None:
    """The bound of the master with the cuts of all parts, and an integral proposal; None where it has no solution."""
    return _Cutting(problem).run() if problem.boxes is not None else None


@dataclass(slots=True, eq=False)
class _Part:
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


class _Cutting:
    def __init__(self, problem: Problem) -> None:
        self.problem, self.master = problem, Master.build(problem)
        self.parts = list(_parts(problem, problem.boxes)) if problem.boxes is not None else []
        self.model = self.master.model(whole=False)

    def run(self) -> Guidance | None:
        """Fractional rounds, then whole ones."""
        found = self._relaxed()
        if found is None:
            return None
        best, share = found.objective, found.x[: self.problem.size]
        hidden = share > HALF
        among = share > SUPPORT
        self._watch_all()
        for _ in range(WHOLE_ROUNDS):
            proposal = self.master.model(whole=True, nodes=NODES, among=among, relative_gap=RELATIVE_GAP).solve()
            if proposal is None:
                break
            x = np.rint(proposal.x[: self.problem.size])
            hidden = x > HALF
            if not self._add(x):
                break
            found = self.model.solve()
            if found is None:
                break
            best, share = found.objective, found.x[: self.problem.size]
            among = among | (share > SUPPORT)
        cost = self.problem.cost * np.maximum(1.0 - np.clip(share, 0.0, 1.0), FLOOR)
        return Guidance(cost, best * self.master.scale, hidden)

    def _relaxed(self) -> Solution | None:
        """The master's LP, until cuts hardly raise it."""
        found, before = self.model.solve(), 0.0
        for _ in range(FRACTIONAL_ROUNDS):
            if found is None or found.objective - before < GAIN * found.objective:
                break
            before = found.objective
            if not self._add(np.clip(found.x[: self.problem.size], 0.0, 1.0)):
                break
            found = self.model.solve()
        return found

    def _add(self, x: FloatArray) -> bool:
        new = [cut for part in self.parts for cut in part.cuts(x)]
        if new:
            self.master.cuts += new
            self.model.add_rows(self.master.cut_rows(new), np.array([cut.level for cut in new]))
        return bool(new)

    def _watch_all(self) -> None:
        for part in self.parts:
            part.watched = list(part.search.problem.targets)


def _parts(problem: Problem, boxes: Boxes) -> Iterator[_Part]:
    asked = np.array([target.cell for target in problem.targets], dtype=np.int64)
    for groups in parts_of(problem, boxes, PART_CELLS):
        targets = [problem.targets[at] for at in np.flatnonzero(np.isin(asked, groups)).tolist()]
        if targets:
            part = problem.part(groups, targets, closed=True)
            yield _Part(groups, Search.start(part, None), list(part.targets))
