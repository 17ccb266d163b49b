"""The optimal pattern by cuts: the cheapest set of cells that no attacker's LP refutes.

`Master` proposes patterns, `separate` finds the cuts that they break, LP-flow makes a safe pattern of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from output_control.suppression.covering import cover
from output_control.suppression.crossing import cross
from output_control.suppression.flow import serve
from output_control.suppression.master import NODES, Cut, Master, separate
from output_control.suppression.problem import Problem, Target
from output_control.suppression.prove import check
from output_control.suppression.pruning import prune
from output_control.suppression.search import OutOfBudget, Search
from output_control.suppression.singletons import cover_singletons
from output_control.tables.table import BoolArray, FloatArray

LP_ROUNDS = 30
ROUNDS = 60
WIDE_GAP = 0.05
COARSE = 0.01
CLOSE = 0.015
GAIN = 1e-4
GUIDED_UP_TO = 120_000
FLOOR = 0.02
HALF = 0.5
FIRST_NODES = 20
SERVED_ALONE = 60
FRUITLESS = 10
# batches over larger tables of magnitudes cost more than one programme per target
COVERED_UP_TO = 20_000


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to go on: rounds of the integer master, fractional rounds without gain, and where the gap is wide,
    branch-and-bound nodes per round, LPs in all (None: no bound) and simplex ``iterations`` of the master; ``polish``
    bounds the LPs that prune proposals, by exchanges too if they are to ``swap``; no more rounds than ``groups`` are
    in the table, and tables of more than ``close_from`` are left at a gap of `CLOSE`; with a bound of ``iterations``,
    magnitudes whose gap was wide are left once it is not. Never seconds, so that a pattern stays the same.
    """

    rounds: int
    patience: int
    nodes: int
    lps: int | None
    polish: int | None
    swap: bool
    groups: int
    close_from: int
    iterations: int


NO_END = 10**9
THOROUGH = Effort(
    rounds=ROUNDS,
    patience=3,
    nodes=NODES,
    lps=None,
    polish=None,
    swap=True,
    groups=NO_END,
    close_from=NO_END,
    iterations=NO_END,
)
BOUNDED = Effort(
    rounds=12,
    patience=1,
    nodes=20,
    lps=1500,
    polish=1000,
    swap=False,
    groups=60_000,
    close_from=9_000,
    iterations=20_000,
)


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """The best pattern with its proof, and a bound on the cost of any."""

    search: Search
    bound: float
    proven: bool


@dataclass(frozen=True, slots=True, eq=False)
class Guidance:
    """What the relaxed master tells LP-flow: costs that favour the cells it hides, and a bound on the true cost."""

    cost: FloatArray
    bound: float | None
    hidden: BoolArray


def guidance(
    problem: Problem, up_to: int = GUIDED_UP_TO, *, whole: bool = False, relative_gap: float = 0.0
) -> Guidance:
    """One LP over the whole table; none for tables above ``up_to`` groups, where the costs stay as they are.

    LP-flow looks at one primary or one ball at a time; the relaxed cover and bridge rows see what serves many.
    ``whole``: what to hide comes from the integer programme (solved to within ``relative_gap``), which for counts is
    nearly the pattern itself.
    """
    if problem.size > up_to or not problem.targets:
        return Guidance(problem.cost, None, problem.primary)
    master = Master.build(problem)
    found = master.model(whole=False).solve()
    if found is None:
        return Guidance(problem.cost, None, problem.primary)
    share = np.clip(found.x[: problem.size], 0.0, 1.0)
    hidden, bound = share > HALF, found.objective
    model = master.model(whole=True, nodes=FIRST_NODES, relative_gap=relative_gap) if whole else None
    if model is not None and (best := model.solve()) is not None:
        hidden, bound = best.x[: problem.size] > HALF, max(best.bound, bound)
    return Guidance(problem.cost * np.maximum(1.0 - share, FLOOR), bound * master.scale, hidden)


def optimise(search: Search, effort: Effort = THOROUGH, known: float = 0.0) -> Optimum:
    """Improve the safe pattern of ``search`` until it is proven optimal, or the effort or the budget ends.

    A pattern of the master that leaves targets open is repaired by LP-flow and pruned, which often gives the next best.
    ``known`` is a bound that the caller has; where it is within `CLOSE` of the pattern, cuts at the fractional optimum
    are left out, and a table of many groups is left at that.
    The bound stands still once a cut was added whose only ground is that no integral witness was found; then the search
    ends when `FRUITLESS` proposals in a row were no better.
    """
    problem = search.problem
    master = Master.build(problem)
    best, proposal, bound, started, polished = search, search, known, search.counter.solved, 0
    if cost_of(best) <= bound + master.indifference:
        return Optimum(best, bound, True)
    asked, far, fruitless = list(search.problem.targets), False, 0
    try:
        if search.problem.size <= effort.close_from or not search.problem.integral:
            bound = max(bound, _relax(master, search, effort.patience))
        for _ in range(min(effort.rounds, max(effort.groups // search.problem.size, 1))):
            spent_out = far and master.iterations > effort.iterations
            if spent_out or (search.problem.size > effort.close_from and is_close(best, bound)):
                break
            coarse = COARSE if _is_far(best, bound) else 0.0
            nodes = effort.nodes if _is_wide(best, bound) else NODES
            solution = master.propose(best, nodes, relative_gap=coarse)
            if solution is None:
                break
            bound = bound if master.doubtful else max(bound, solution.bound * master.scale)
            if far and effort.iterations < NO_END and not _is_far(best, bound):
                break
            x, before = np.rint(solution.x[: search.problem.size]), best
            proposal, open_before, safe = _made_safe(search, x > HALF, (best, proposal))
            if safe:
                # what contributors know makes dropping dear, and the next proposals do as well without
                dear = problem.knows_parts and effort.polish is not None
                if open_before and not dear and cost_of(proposal) > bound + master.indifference:
                    polished += _polish(proposal, effort, polished)
                best = min(best, proposal, key=cost_of)
            asked = _asked(asked, proposal)
            if _is_far(best, bound):
                far = True
                crossed = cross(master, best, x > HALF, asked)
                proposal, _, safe = _made_safe(search, crossed, (best, proposal))
                best = min(best, proposal, key=cost_of) if safe else best
                asked = _asked(asked, proposal)
            if cost_of(best) <= bound + master.indifference:
                return Optimum(best, bound, True)
            fruitless = fruitless + 1 if master.doubtful and best is before else 0
            spent = search.counter.solved - started
            # where a proposal leaves every target open, the master is too far from any pattern to be of help
            vain = len(open_before) == len(search.problem.targets)
            spent_out = _is_wide(best, bound) and effort.lps is not None and (vain or spent > effort.lps)
            if spent_out or fruitless == FRUITLESS or not (open_before or coarse):
                break
            _tighten(master, search, x, open_before)
    except OutOfBudget:
        pass
    return Optimum(best, bound, False)


def share_above(cost: float, bound: float | None) -> float | None:
    """The gap: how much of ``cost`` lies above ``bound``; None without a bound."""
    if bound is None or not cost:
        return None if bound is None else 0.0
    return max(cost - bound, 0.0) / cost


def cost_of(search: Search) -> float:
    """What the hidden non-primary cells cost."""
    return float(search.problem.cost[search.hidden & ~search.problem.primary].sum())


def _made_safe(search: Search, hidden: BoolArray, known: tuple[Search, ...]) -> tuple[Search, list[Target], bool]:
    """A pattern that hides at least ``hidden``, what that alone leaves open, and whether the pattern is safe."""
    proposal, lost = check(search, hidden, known)
    open_before = list(lost)
    return proposal, open_before, not repair(proposal, lost) and not cover_singletons(proposal)


def _asked(asked: list[Target], proposal: Search) -> list[Target]:
    """All demands met so far; those against sole contributors come up as patterns need them."""
    known = {(target.cell, target.against) for target in asked}
    return asked + [
        target.fresh()
        for target in proposal.problem.targets
        if target.against and (target.cell, target.against) not in known
    ]


def _polish(proposal: Search, effort: Effort, spent: int) -> int:
    """Prune a repaired proposal within what is left for that; returns the LPs it took."""
    before = proposal.counter.solved
    if effort.polish is None or spent < effort.polish:
        prune(proposal, None if effort.polish is None else effort.polish - spent, swap=effort.swap)
    return proposal.counter.solved - before


def repair(proposal: Search, lost: list[Target]) -> list[Target]:
    """Hide what the open targets still need; many are served by the batches of LP-flow, few one by one.

    Returns those for which nothing helps.
    """
    problem = proposal.problem
    if len(lost) > SERVED_ALONE and (problem.integral or problem.size <= COVERED_UP_TO):
        return cover(proposal)
    return [target for target in lost if not serve(proposal, target)]


def is_close(best: Search, bound: float) -> bool:
    """Counts only: whether what is left to win is little."""
    cost = cost_of(best)
    return best.problem.integral and cost - bound <= CLOSE * cost


def _is_wide(best: Search, bound: float) -> bool:
    """Counts only: where a few rounds leave such a gap, more of them hardly close it."""
    cost = cost_of(best)
    return best.problem.integral and cost - bound > WIDE_GAP * cost


def _is_far(best: Search, bound: float) -> bool:
    """Magnitudes only: whether the gap is too wide to look for the optimum."""
    cost = cost_of(best)
    return not best.problem.integral and cost - bound > WIDE_GAP * cost


def _relax(master: Master, search: Search, patience: int) -> float:
    """Cuts at the fractional optimum; returns the bound it gives."""
    model = master.model(whole=False)
    bound, earlier = 0.0, 0.0
    watched = list(search.problem.targets)
    for _ in range(LP_ROUNDS):
        search.count()
        solution = model.solve()
        if solution is None:
            return bound
        bound = solution.objective * master.scale
        found, watched = separate(search, watched, solution.x[: search.problem.size])
        if not found:
            found, watched = separate(search, search.problem.targets, solution.x[: search.problem.size])
        if not found or solution.objective - earlier < GAIN * solution.objective:
            patience -= 1
        if not found or not patience:
            return bound
        earlier = solution.objective
        master.cuts += found
        model.add_rows(master.cut_rows(found), np.array([cut.level for cut in found]))
    return bound


def _tighten(master: Master, search: Search, x: FloatArray, lost: list[Target]) -> None:
    """Cut off a pattern that leaves ``lost`` (if any) open; where only integrality fails, ask for any further cell."""
    if not lost:
        return
    cuts, _ = separate(search, lost, x)
    if not cuts:
        master.doubtful = True
        free: BoolArray = (x < 0.5) & ~search.problem.keep
        cells = np.flatnonzero(free)
        cuts = [Cut(cells, np.ones(len(cells)), 1.0)]
    master.cuts += cuts
