"""Large count tables: everything that touches all primaries is a lookup of boxes or an LP over one part of the table.

The relaxed master is solved part by part (the parts' bounds add up to a bound of the whole), what it hides is proven by
boxes and by LPs with random directions inside a part, what stays open is served by the cheapest boxes, and then
secondaries are published again in batches, one per part at a time. It asks no more of a count than not to be exact.
Elimination is no yardstick here: it ends at `gauss.GAUSS_UP_TO` groups, since its memory grows with their square.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
from scipy import sparse

from output_control.protection import Witnesses
from output_control.suppression.boxes import Boxes, Found
from output_control.suppression.dropping import drop_by_boxes
from output_control.suppression.exact import Guidance, guidance
from output_control.suppression.flow import prove_alone, push_short, serve
from output_control.suppression.large_state import Large
from output_control.suppression.neighbourhood import ball
from output_control.suppression.problem import Problem, Target
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, IntArray

MASTER_CELLS = 120_000
# the first LPs are tiny and prove half; the parts of the last size hold nearly every move that there is
PART_CELLS = (500, 5_000)
IDLE = 3
PUSHES = 12
SERVED = 60
AT_ONCE = 50_000
COARSE = 0.003


def fits(problem: Problem) -> bool:
    """Whether this way can be gone: counts that must not be exact, without cells held still."""
    return (
        problem.boxes is not None
        and problem.integral
        and all(target.size <= 1 and target.plain for target in problem.targets)
    )


def suppress_large(problem: Problem, boxes: Boxes, budget: int | None, threads: int = 1) -> tuple[Large, list[Target]]:
    """A proven pattern, and the targets for which nothing helps (none, but where cells must stay published).

    Parts are solved by ``threads`` at a time, which changes nothing; with a budget one by one. Raises `OutOfBudget`
    when the LPs of ``budget`` are used up.
    """
    cells = problem.first_cell[[target.cell for target in problem.targets]]
    rising = np.array([float(target.down > 0) for target in problem.targets])
    search = Search.start(problem.with_targets([]), budget)
    with ThreadPoolExecutor(threads if budget is None else 1) as pool:
        search.hidden, bound = _guided(problem, boxes, pool)
        state = Large(problem, boxes, cells, rising, search.hidden, Found.nothing(len(cells)), search, bound)
        every = np.arange(len(cells))
        state.found.put(every, state.boxes_for(every, np.where(state.hidden, 0.0, np.inf)))
        _push_parts(state, pool)
    _serve(state)
    left = [problem.targets[at] for at in state.open_targets().tolist()]
    lost = [target for target in left if not serve(search, target)]
    if not lost:
        prune_by_boxes(state)
    return state, lost


def _guided(problem: Problem, boxes: Boxes, pool: Executor) -> tuple[BoolArray, float]:
    """What the relaxed masters of the parts hide, and the sum of their bounds."""
    hidden, bound = problem.primary.copy(), 0.0
    asked = np.array([target.cell for target in problem.targets], dtype=np.int64)

    def guide(groups: IntArray) -> Guidance:
        targets = [problem.targets[at] for at in np.flatnonzero(np.isin(asked, groups)).tolist()]
        part = problem.part(groups, targets, closed=True)
        return guidance(part, up_to=len(groups), whole=problem.size <= MASTER_CELLS, relative_gap=COARSE)

    parts = list(parts_of(problem, boxes, MASTER_CELLS))
    for groups, found in zip(parts, pool.map(guide, parts), strict=True):
        hidden[groups] |= found.hidden
        bound += found.bound or 0.0
    return hidden, bound


def parts_of(problem: Problem, boxes: Boxes, most: int) -> Iterator[IntArray]:
    """Groups by subtree of the longest dimension; those above all subtrees belong to none."""
    label = boxes.subtree_of(problem.first_cell, most)
    order = np.argsort(label, kind="stable")
    cut = np.searchsorted(label[order], np.arange(int(label.max(initial=-1)) + 2))
    for low, high in pairwise(cut.tolist()):
        if high > low:
            yield np.sort(order[low:high])


def _push_parts(state: Large, pool: Executor) -> None:
    """LPs over the hidden groups of each part, for the targets that no box proves; small parts first, then larger."""
    search, problem = state.search, state.problem
    for at in state.open_targets().tolist():
        search.proof.demand(problem.targets[at])
    inside = np.flatnonzero(state.hidden)
    for most in PART_CELLS:
        label = state.boxes.subtree_of(problem.first_cell, most)
        waiting: dict[int, list[Target]] = {}
        for target in search.proof.open_targets():
            waiting.setdefault(int(label[target.cell]), []).append(target)
        inside = inside[np.argsort(label[inside], kind="stable")]
        parts = [part for part in sorted(waiting) if part >= 0]
        ends = [np.searchsorted(label[inside], [part, part + 1]) for part in parts]
        held = [np.sort(inside[low:high]) for low, high in ends]
        asked = [waiting[part] for part in parts]
        done = pool.map(partial(_push_part, state, last=most == PART_CELLS[-1]), asked, held)
        for targets, groups, local in zip(asked, held, done, strict=True):
            for target, found in zip(targets, local.problem.targets, strict=True):
                search.proof.take_over(target, found, local.proof, groups)


def _push_part(state: Large, targets: list[Target], groups: IntArray, *, last: bool) -> Search:
    """LPs over some hidden groups, all others standing still, as a table of its own: what costs there is its size.

    First all targets in random directions, in the end one by one.
    """
    local = Search.start(state.problem.part(groups, targets, closed=False), None)
    if state.search.counter.budget is not None:
        local.counter = state.search.counter
    local.hidden = np.ones(len(groups), dtype=np.bool_)
    region = ball(local.problem, np.arange(len(groups)), whole=True)
    left, idle = [target for target in local.problem.targets if _holds(region.cells, target.cell)], 0
    for _ in range(PUSHES):
        if not left or idle == IDLE:
            break
        before = len(left)
        push_short(local, region, left)
        left = [target for target in left if not target.met]
        idle = 0 if len(left) < before else idle + 1
    for target in left if last else []:
        prove_alone(local, target)
    return local


def _holds(cells: IntArray, cell: int) -> bool:
    at = int(np.searchsorted(cells, cell))
    return at < len(cells) and int(cells[at]) == cell


def _serve(state: Large) -> None:
    """Hide the cheapest box of what is still open, the cheapest of each area first; look again after that."""
    problem, left = state.problem, state.open_targets()
    for _ in range(SERVED):
        price = np.where(state.hidden, 0.0, np.where(problem.keep, np.inf, problem.cost))
        found = state.boxes_for(left, price)
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
        state.found.put(left[chosen], picked)
        left = np.delete(left, chosen)


def prune_by_boxes(state: Large) -> None:
    """Publish secondaries again where boxes of what else is hidden prove every target that leaned on them."""
    used = np.zeros(state.problem.size, dtype=np.bool_)
    for target in state.search.problem.targets:
        for cells, _ in state.search.proof.used(target):
            used[cells] = True
    drop_by_boxes(state, used)


def witnesses(state: Large, primary: BoolArray) -> Witnesses:
    """Boxes and moves of LPs as one proof in terms of cells."""
    problem, size = state.problem, len(state.boxes.table)
    other = state.search.proof.witnesses(size, primary)
    proven = np.flatnonzero(state.found.price == 0)
    moves = sparse.csr_array(sparse.vstack([_moves(state, some) for some in _slices(proven)], format="csr"))
    falls = np.flatnonzero(state.rising[proven] > 0)
    groups = problem.group[state.cells[proven]]
    above = len(proven) + len(falls)
    up = np.where(other.up >= 0, other.up + above, -1)
    down = np.where(other.down >= 0, other.down + above, -1)
    for rows, of, first in ((up, groups, 0), (down, groups[falls], len(proven))):
        row_of = np.full(problem.size, -1, dtype=np.int64)
        row_of[of] = first + np.arange(len(of))
        mine = row_of[problem.group]
        rows[primary & (mine >= 0)] = mine[primary & (mine >= 0)]
    all_moves = sparse.vstack([moves, -moves[falls], other.moves], format="csr")
    return Witnesses(sparse.csr_array(all_moves), up, down, np.zeros((0, 2), np.int64))


def _slices(targets: IntArray) -> list[IntArray]:
    return np.split(targets, np.arange(AT_ONCE, len(targets), AT_ONCE))


def _moves(state: Large, targets: IntArray) -> sparse.csr_array:
    """The boxes of some targets as rows over all cells."""
    owner, cell, sign = state.boxes.corners(state.cells[targets], state.found.at(targets))
    return sparse.csr_array((sign, (owner, cell)), shape=(len(targets), len(state.boxes.table)))
