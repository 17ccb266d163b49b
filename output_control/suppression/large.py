"""Large count tables: everything that touches all primaries is a lookup of boxes or an LP over one part of the table.

The relaxed master is solved part by part (the parts' bounds add up to a bound of the whole), what it hides is proven by
boxes and by LPs with random directions inside a part, what stays open is served by the cheapest boxes, and then
secondaries are published again in batches, one per part at a time. It asks no more of a count than not to be exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from output_control.protection import Witnesses
from output_control.suppression.boxes import Boxes, Found
from output_control.suppression.exact import guidance
from output_control.suppression.flow import push, serve
from output_control.suppression.neighbourhood import ball
from output_control.suppression.problem import Problem, Target
from output_control.suppression.pruning import Region
from output_control.suppression.search import Search
from output_control.table import BoolArray, FloatArray, IntArray

MASTER_CELLS = 120_000
PART_CELLS = 5_000
IDLE = 3
PUSHES = 3000
LEAST_PUSHES = 3
SINGLES = 3000
SERVED = 60


@dataclass(slots=True, eq=False)
class Large:
    """What is hidden, the box of each target (price 0: proven by it), and a search for those that no box proves."""

    problem: Problem
    boxes: Boxes
    cells: IntArray
    hidden: BoolArray
    found: Found
    search: Search
    bound: float | None

    @property
    def cost(self) -> float:
        """What the hidden non-primary groups cost."""
        return float(self.problem.cost[self.hidden & ~self.problem.primary].sum())


def fits(problem: Problem) -> bool:
    """Whether this way can be gone: counts that must not be exact, without cells held still."""
    return (
        problem.boxes is not None
        and problem.integral
        and all(target.size <= 1 and not target.held for target in problem.targets)
    )


def suppress_large(problem: Problem, boxes: Boxes, budget: int | None) -> tuple[Large, list[Target]]:
    """A proven pattern, and the targets for which nothing helps (none, but where cells must stay published).

    Raises `OutOfBudget` when the LPs of ``budget`` are used up.
    """
    hidden, bound = _guided(problem, boxes)
    cells = problem.first_cell[[target.cell for target in problem.targets]]
    search = Search.start(problem.with_targets([]), budget)
    search.hidden = hidden
    state = Large(problem, boxes, cells, hidden, Found.nothing(len(cells)), search, bound)
    _look_up(state, np.arange(len(cells)))
    _push_parts(state)
    _serve(state)
    boxed = {state.problem.targets[position].cell for position in np.flatnonzero(state.found.price == 0).tolist()}
    rest = [target for target in search.problem.targets if not target.met and target.cell not in boxed]
    lost = [target for target in rest if not serve(search, target)]
    if not lost:
        prune_by_boxes(state)
    return state, lost


def _guided(problem: Problem, boxes: Boxes) -> tuple[BoolArray, float | None]:
    """What the relaxed masters of the parts hide, and the sum of their bounds."""
    hidden, bound = problem.primary.copy(), 0.0
    for groups in _parts(problem, boxes, MASTER_CELLS):
        part = _restricted(problem, groups)
        guide = guidance(part, up_to=part.size)
        hidden[groups] |= guide.hidden
        bound += guide.bound or 0.0
    return hidden, bound


def _restricted(problem: Problem, groups: IntArray) -> Problem:
    """The equations that lie within ``groups`` alone."""
    columns = problem.columns[:, groups]
    matrix = sparse.csr_array(columns)
    whole = np.diff(matrix.indptr) == np.diff(problem.matrix.indptr)
    matrix = sparse.csr_array(matrix[np.flatnonzero(whole & (np.diff(matrix.indptr) > 0))])
    place = np.full(problem.size, -1, dtype=np.int64)
    place[groups] = np.arange(len(groups))
    targets = [replace(target, cell=int(place[target.cell])) for target in problem.targets if place[target.cell] >= 0]
    return replace(
        problem,
        matrix=matrix,
        columns=sparse.csc_array(matrix),
        amount=problem.amount[groups],
        cost=problem.cost[groups],
        primary=problem.primary[groups],
        keep=problem.keep[groups],
        sole=problem.sole[groups],
        box=problem.box[groups],
        targets=targets,
    )


def _parts(problem: Problem, boxes: Boxes, most: int) -> Iterator[IntArray]:
    """Groups by subtree of the longest dimension; those above all subtrees belong to none."""
    label = boxes.subtree_of(problem.first_cell, most)
    order = np.argsort(label, kind="stable")
    cut = np.searchsorted(label[order], np.arange(int(label.max(initial=-1)) + 2))
    for low, high in pairwise(cut.tolist()):
        if high > low:
            yield np.sort(order[low:high])


def _look_up(state: Large, targets: IntArray) -> None:
    """Boxes of hidden cells for some targets."""
    price = state.problem.by_cell(np.where(state.hidden, 0.0, np.inf))
    _set(state.found, targets, _cheapest(state, targets, price))


def _cheapest(state: Large, targets: IntArray, price: FloatArray) -> Found:
    one = np.ones(len(targets))
    return state.boxes.cheapest(state.cells[targets], one, np.zeros(len(targets)), price)


def _set(found: Found, at: IntArray, new: Found) -> None:
    for mine, theirs in zip(found.parts, new.parts, strict=True):
        mine[at] = theirs


def _open(state: Large) -> IntArray:
    return np.flatnonzero(state.found.price > 0)


def _push_parts(state: Large) -> None:
    """LPs over the hidden groups of each part, for the targets that no box proves."""
    search, problem = state.search, state.problem
    for position in _open(state):
        target = problem.targets[position]
        search.proof.demand(target)
    waiting: dict[int, list[Target]] = {}
    label = state.boxes.subtree_of(problem.first_cell, PART_CELLS)
    for target in search.problem.targets:
        waiting.setdefault(int(label[target.cell]), []).append(target)
    inside = np.flatnonzero(state.hidden)
    inside = inside[np.argsort(label[inside], kind="stable")]
    for part in sorted(waiting):
        low, high = np.searchsorted(label[inside], [part, part + 1])
        if part >= 0:
            _push_part(state, waiting[part], np.sort(inside[low:high]), max(PUSHES // len(waiting), LEAST_PUSHES))


def _push_part(state: Large, targets: list[Target], groups: IntArray, allowed: int) -> None:
    """LPs over some hidden groups, all others standing still, as a table of its own: what costs there is its size."""
    search = state.search
    own = _still_around(state.problem, groups, targets)
    local = Search.start(own, None)
    local.counter, local.hidden = search.counter, np.ones(own.size, dtype=np.bool_)
    region = ball(own, np.arange(own.size), whole=True)
    left = [target for target in own.targets if _holds(region.cells, target.cell)]
    idle = 0
    while left and idle < IDLE and allowed:
        allowed -= 1
        before = len(left)
        push(local, region, left)
        left = [target for target in left if not target.met]
        idle = 0 if len(left) < before else idle + 1
    single, share = Region(local, region), SINGLES * len(targets) // max(len(search.problem.targets), 1)
    for target in left[:share]:
        if not target.met:
            single.attempt(target)
    for target, found in zip(targets, own.targets, strict=True):
        search.proof.take_over(target, found, local.proof, groups)


def _still_around(problem: Problem, groups: IntArray, targets: list[Target]) -> Problem:
    """The equations that ``groups`` are in, without their other members."""
    matrix = sparse.csr_array(problem.columns[:, groups])
    matrix = sparse.csr_array(matrix[np.flatnonzero(np.diff(matrix.indptr))])
    return replace(
        problem,
        matrix=matrix,
        columns=sparse.csc_array(matrix),
        amount=problem.amount[groups],
        cost=problem.cost[groups],
        primary=problem.primary[groups],
        keep=problem.keep[groups],
        sole=problem.sole[groups],
        box=problem.box[groups],
        boxes=None,
        targets=[replace(t, cell=int(np.searchsorted(groups, t.cell)), also=[]) for t in targets],
    )


def _holds(cells: IntArray, cell: int) -> bool:
    at = int(np.searchsorted(cells, cell))
    return at < len(cells) and int(cells[at]) == cell


def _serve(state: Large) -> None:
    """Hide the cheapest box of what is still open, the cheapest of each area first; look again after that."""
    problem = state.problem
    proven = {id(target) for target in state.search.problem.targets if target.met}
    left = np.array([p for p in _open(state) if id(problem.targets[p]) not in proven], dtype=np.int64)
    for _ in range(SERVED):
        if not len(left):
            return
        price = problem.by_cell(np.where(state.hidden, 0.0, np.where(problem.keep, np.inf, problem.cost)))
        found = _cheapest(state, left, price)
        there = np.flatnonzero(np.isfinite(found.price))
        if not len(there):
            return
        order = there[np.lexsort((left[there], found.price[there]))]
        area = state.boxes.part_of(state.cells[left[order]])
        first = order[np.sort(np.unique(area, return_index=True)[1])]
        chosen = np.union1d(first, np.flatnonzero(found.price == 0))
        picked = found.at(chosen)
        _, cell, _ = state.boxes.corners(state.cells[left[chosen]], picked)
        state.hidden[problem.group[cell]] = True
        picked.price[:] = 0.0
        _set(state.found, left[chosen], picked)
        left = np.delete(left, chosen)


def prune_by_boxes(state: Large) -> None:
    """Publish secondaries again where boxes of what else is hidden prove every target that leaned on them.

    One per area at a time, the dearest first. All that are tried together are taken away together, so a box that
    is found then needs none of them; where one is not found, those that the old box needs are hidden again.
    """
    problem, boxes = state.problem, state.boxes
    free = state.hidden & ~problem.primary
    for target in state.search.problem.targets:
        for cells, _ in state.search.proof.used(target):
            free[cells] = False
    queue = np.flatnonzero(free)
    queue = queue[np.lexsort((queue, -problem.cost[queue]))]
    area = boxes.part_of(problem.first_cell[queue])
    while len(queue):
        first = np.sort(np.unique(area, return_index=True)[1])
        _drop_together(state, queue[first])
        queue, area = np.delete(queue, first), np.delete(area, first)


def _drop_together(state: Large, groups: IntArray) -> None:
    problem = state.problem
    tried = np.zeros(problem.size, dtype=np.bool_)
    tried[groups] = True
    state.hidden[groups] = False
    proven = np.flatnonzero(state.found.price == 0)
    leaning, needs = _leaning(state, proven, tried)
    price = problem.by_cell(np.where(state.hidden, 0.0, np.inf))
    fresh = _cheapest(state, leaning, price)
    kept = fresh.price == 0
    _set(state.found, leaning[kept], fresh.at(np.flatnonzero(kept)))
    failed = ~kept
    state.hidden[problem.group[needs[1][failed[needs[0]]]]] = True


def _leaning(state: Large, proven: IntArray, tried: BoolArray) -> tuple[IntArray, tuple[IntArray, IntArray]]:
    """The targets whose boxes hold tried groups; and pairs of (position among these, tried cell)."""
    problem, boxes = state.problem, state.boxes
    near = np.isin(boxes.area_of(state.cells[proven]), np.unique(boxes.area_of(problem.first_cell[tried])))
    proven = proven[near]
    owner, cell, _ = boxes.corners(state.cells[proven], state.found.at(proven))
    hit = tried[problem.group[cell]]
    leaning, position = np.unique(owner[hit], return_inverse=True)
    return proven[leaning], (position.reshape(-1), cell[hit])


def witnesses(state: Large, primary: BoolArray) -> Witnesses:
    """Boxes and moves of LPs as one proof in terms of cells."""
    size = len(state.boxes.table)
    other = state.search.proof.witnesses(size, primary)
    proven = np.flatnonzero(state.found.price == 0)
    owner, cell, sign = state.boxes.corners(state.cells[proven], state.found.at(proven))
    moves = sparse.csr_array((sign, (owner, cell)), shape=(len(proven), size))
    row_of = np.full(state.problem.size, -1, dtype=np.int64)
    row_of[[state.problem.targets[position].cell for position in proven.tolist()]] = np.arange(len(proven))
    by_box = np.where(primary, row_of[state.problem.group], -1)
    shift = np.int64(len(proven))
    up = np.where(by_box >= 0, by_box, np.where(other.up >= 0, other.up + shift, -1))
    down = np.where(by_box >= 0, -1, np.where(other.down >= 0, other.down + shift, -1))
    return Witnesses(sparse.csr_array(sparse.vstack([moves, other.moves])), up, down, np.zeros((0, 2), np.int64))
