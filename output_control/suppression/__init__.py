"""Secondary suppression: which further cells to hide so that no primary can be computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from enclave.errors import CannotProtect
from output_control.protection import (
    CountProtection,
    Exact,
    Method,
    Options,
    Pattern,
    Range,
    Width,
    Witnesses,
    as_parts,
    demand,
)
from output_control.suppression.boxes import Boxes
from output_control.suppression.covering import cover
from output_control.suppression.cutting import Cutting, seed
from output_control.suppression.exact import (
    BOUNDED,
    THOROUGH,
    Guidance,
    cost_of,
    guidance,
    is_close,
    optimise,
    repair,
    share_above,
)
from output_control.suppression.flow import serve
from output_control.suppression.gauss import GAUSS_UP_TO, eliminate
from output_control.suppression.large import fits, suppress_large, witnesses
from output_control.suppression.problem import Problem, Target, build
from output_control.suppression.prove import prove_all, prove_each, prove_many
from output_control.suppression.pruning import prune
from output_control.suppression.rerouting import reroute, routable
from output_control.suppression.search import OutOfBudget, Search
from output_control.suppression.singletons import cover_singletons
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, IntArray

__all__ = [
    "CountProtection",
    "Exact",
    "Method",
    "Options",
    "Pattern",
    "Range",
    "Width",
    "Witnesses",
    "demand",
    "suppress",
]

CELLS_SHOWN = 10
EXACT_UP_TO = 40_000
# 3-way magnitudes of so many groups were proven optimal in at most 20 CPU s; one of 329 was not in 37
PROVEN_UP_TO = 250
# groups times primaries of magnitudes: 4,526 by 785 was not done in 50 CPU s, which flow took 4 for
OPTIMAL_WORK_UP_TO = 3_000_000
GAUSS_BESIDES_UP_TO = 1500
BY_PARTS_FROM = 8_000
NEAR = 0.02
# an exchange under what contributors know is looked for only where the gap is wider
ENOUGH = 0.05
EXCHANGES = 1000
ROUTED_UP_TO = 1500
REROUTED = 600
ASTRAY = 0.15
LOOKED_AT = 500
# magnitudes that so many hidden cells do not prove are served anew, which costs less than to look at all
ALONE_AMONG = 2_000


def suppress(table: CellTable, primary: PrimaryResult, *, options: Options) -> Pattern:
    """Hide secondary cells until every demand of ``options`` is proven by a witness.

    The same input gives the same pattern, whatever ``options.threads``. The pattern is safe by construction, and
    still must pass `output_control.audit.audit` before anyone sees it. Raises `CannotProtect` naming the cells (never
    values) that no suppression protects, or when the budget ended before everything was proven.
    """
    found = _suppress(table, primary, options)
    known = as_parts(table, options)
    if known is None:
        return found
    sums, asked = known
    hidden: BoolArray = found.suppressed if options.hidden is None else found.suppressed | options.hidden
    asked = replace(asked, hidden=hidden)
    near = primary.where(~_clear_of_parts(build(sums, primary, asked), primary, found.witnesses))
    if not near.mask.any():
        return found
    # hiding more never narrows an interval, so what who knows a part makes necessary comes on top
    more = _suppress(sums, near, asked)
    suppressed: BoolArray = found.suppressed | more.suppressed
    if np.array_equal(suppressed, found.suppressed):
        return replace(found, beside_parts=more.witnesses)
    secondary = suppressed & ~primary.mask
    cost = float((table.sizes if options.cost is None else options.cost)[secondary].sum())
    return replace(
        found, suppressed=suppressed, secondary=secondary, cost=cost, optimal=False, gap=None,
        beside_parts=more.witnesses,
    )  # fmt: skip


def _clear_of_parts(problem: Problem, primary: PrimaryResult, proof: Witnesses) -> BoolArray:
    """The primaries that a witness takes far enough for those who know their parts, so that nobody rules it out.

    All at once; of what a rule asks a level for, nothing is taken to be shown.
    """
    moves, cells = proof.moves, np.flatnonzero(primary.mask & (primary.upl <= 0))
    fall, row_of = (
        problem.fall_for_everyone()[problem.group],
        np.repeat(np.arange(moves.shape[0]), np.diff(moves.indptr)),
    )
    clear: BoolArray = np.zeros(len(primary.mask), dtype=np.bool_)
    for sign in (1.0, -1.0):
        lower = np.maximum(-sign * moves.data, 0.0)
        share = np.ones(moves.shape[0])
        room = np.divide(fall[moves.indices], lower, out=np.full(len(lower), np.inf), where=lower > 0)
        np.minimum.at(share, row_of, room)
        for rows in (proof.up[cells], proof.down[cells]):
            there = np.flatnonzero(rows >= 0)
            step = np.abs(np.asarray(moves[rows[there], cells[there]]).reshape(-1))
            clear[cells[there]] |= share[rows[there]] * step >= problem.apart
    return clear


def _suppress(table: CellTable, primary: PrimaryResult, options: Options) -> Pattern:
    _refuse_public_primaries(table, primary, options)
    problem = build(table, primary, options)
    boxes = problem.boxes if fits(problem) else None
    if problem.size > EXACT_UP_TO and options.method in {"auto", "flow"} and boxes is not None:
        return _large(table, primary, options, problem, boxes)
    if options.method == "auto" and not problem.integral and problem.size * len(problem.targets) > OPTIMAL_WORK_UP_TO:
        options = replace(options, method="flow")
    cutting = Cutting.of(problem)
    whole = options.method == "auto" and problem.integral
    guide = cutting.guidance() if cutting else guidance(problem, whole=whole)
    search = _heuristic(table, problem, guide, options, cutting)
    guide = cutting.guidance() if cutting else guide
    bound, proven, method = guide.bound, False, "gauss" if options.method == "gauss" else "flow"
    routed = _is_astray(problem, search, bound, options)
    if routed:
        search = reroute(search, REROUTED)
    if options.method == "optimal" or (options.method == "auto" and problem.size <= EXACT_UP_TO):
        small = not problem.integral and problem.size <= PROVEN_UP_TO
        effort = THOROUGH if options.method == "optimal" or small else BOUNDED
        best = optimise(search, effort, guide.bound or 0.0)
        search, bound, proven, method = best.search, best.bound, best.proven, "optimal"
        if not proven and options.method == "auto":
            near = problem.knows_parts and cost_of(search) - bound <= ENOUGH * cost_of(search)
            if not near and (not is_close(search, bound) or problem.size <= BOUNDED.close_from):
                search = _exchanged(search)
            if problem.size <= GAUSS_BESIDES_UP_TO and problem.integral and not routed:
                search = _cheaper(search, table, problem, guide, options)
    gap = 0.0 if proven else share_above(cost_of(search), bound)
    return _pattern(table, primary, options, search, method=method, optimal=proven, gap=gap)


def _is_astray(problem: Problem, search: Search, bound: float | None, options: Options) -> bool:
    """Whether LP-flow hides so much more than the bound that single routes will find what is much cheaper."""
    small = options.method == "auto" and problem.size <= ROUTED_UP_TO and routable(problem)
    return small and bound is not None and cost_of(search) - bound > ASTRAY * cost_of(search)


def _cheaper(search: Search, table: CellTable, problem: Problem, guide: Guidance, options: Options) -> Search:
    """The pattern by Gaussian elimination where it loses less; where that finds none, the one that is there stays."""
    try:
        return min(search, _heuristic(table, problem, guide, replace(options, method="gauss")), key=cost_of)
    except CannotProtect:
        return search


def _large(table: CellTable, primary: PrimaryResult, options: Options, problem: Problem, boxes: Boxes) -> Pattern:
    """The way of large count tables; `fits` has found it possible."""
    try:
        state, lost = suppress_large(problem, boxes, options.budget, options.threads)
    except OutOfBudget:
        raise _too_little(options) from None
    if lost:
        raise _hopeless(table, state.search, lost)
    hidden: BoolArray = state.hidden[problem.group]
    return Pattern(
        suppressed=hidden,
        secondary=hidden & ~primary.mask,
        witnesses=witnesses(state, primary.mask),
        cost=float((table.sizes if options.cost is None else options.cost)[hidden & ~primary.mask].sum()),
        method="flow",
        optimal=False,
        gap=share_above(state.cost, state.bound),
    )


def _too_little(options: Options) -> CannotProtect:
    return CannotProtect(
        f"the budget of {options.budget} LPs ended before every sensitive cell was protected",
        next_step="raise the budget",
    )


def _heuristic(
    table: CellTable, problem: Problem, guide: Guidance, options: Options, cutting: Cutting | None = None
) -> Search:
    """A safe pattern by LP-flow, or by Gaussian elimination and what that leaves open; pruned."""
    fresh_targets = [target.fresh() for target in problem.targets if not target.against]
    search = Search.start(problem.with_targets(fresh_targets).priced(guide.cost), options.budget)
    try:
        # the guide's own programme
        search.count()
        by_parts = options.method == "flow" and problem.size > BY_PARTS_FROM and fits(problem)
        if by_parts and problem.boxes is not None:
            search.hidden |= suppress_large(problem, problem.boxes, options.budget, options.threads)[0].hidden
            lost = [target for target in prove_all(search, search.problem.targets) if not serve(search, target)]
        elif options.method == "gauss":
            search.hidden |= _eliminated(problem)
            lost = cover(search)
        else:
            lost = _seeded(search, guide) if cutting is None else _sown(search, cutting, guide)
        search.price(problem.cost)
        lost += cover_singletons(search)
    except OutOfBudget:
        raise _too_little(options) from None
    if lost:
        raise _hopeless(table, search, lost)
    near = guide.bound is not None and cost_of(search) - guide.bound <= NEAR * cost_of(search)
    # what contributors know makes dropping dear, and the master's proposals do better than to drop from this pattern
    if not by_parts and not (problem.knows_parts and options.method == "auto"):
        # with auto, exchanges wait until the proof has failed without them
        prune(search, swap=not near and options.method != "auto" and problem.size <= BY_PARTS_FROM)
    return search


def _exchanged(search: Search) -> Search:
    """The pattern with dear secondaries exchanged for cheaper ones, within a bound of LPs."""
    prune(search, EXCHANGES)
    return search


def _seeded(search: Search, guide: Guidance) -> list[Target]:
    """Cover from what the master hides, unless that leaves half of the demands open: then it is no start."""
    trial = search.over([target.fresh() for target in search.problem.targets], guide.hidden)
    lost = prove_many(trial, trial.problem.targets)
    if len(lost) <= LOOKED_AT:
        lost = prove_each(trial, lost, None if search.problem.integral else ALONE_AMONG)
    if 2 * len(lost) <= len(search.problem.targets):
        search.hidden |= guide.hidden
        search.proof.adopt(trial.proof, search.hidden)
    return repair(search, search.proof.open_targets())


def _sown(search: Search, cutting: Cutting, guide: Guidance) -> list[Target]:
    """Cover from what the cuts hide; no free moves are sought around a proposal that is far from enough."""
    if cutting.is_far:
        return _seeded(search, guide)
    seed(search, cutting)
    return repair(search, search.proof.open_targets())


def _eliminated(problem: Problem) -> BoolArray:
    if problem.size > GAUSS_UP_TO:
        raise CannotProtect(
            f"Gaussian elimination is for tables of up to {GAUSS_UP_TO} different cells; this one has {problem.size}",
            next_step="use the method flow",
        )
    return eliminate(problem)


def _pattern(
    table: CellTable,
    primary: PrimaryResult,
    options: Options,
    search: Search,
    *,
    method: str,
    optimal: bool,
    gap: float | None,
) -> Pattern:
    hidden: BoolArray = search.hidden[search.problem.group]
    secondary = hidden & ~primary.mask
    return Pattern(
        suppressed=hidden,
        secondary=secondary,
        witnesses=search.proof.witnesses(len(table), primary.mask),
        cost=float((table.sizes if options.cost is None else options.cost)[secondary].sum()),
        method=method,
        optimal=optimal,
        gap=gap,
    )


def _refuse_public_primaries(table: CellTable, primary: PrimaryResult, options: Options) -> None:
    if options.keep is None:
        return
    clash = np.flatnonzero(options.keep & primary.mask)
    if len(clash):
        raise CannotProtect(
            "sensitive cells must stay published",
            where=f"{len(clash)} cell(s): {_name(table, clash)}",
            next_step="allow them to be hidden, or recode",
        )


def _hopeless(table: CellTable, search: Search, lost: list[Target]) -> CannotProtect:
    groups = np.unique([target.cell for target in lost])
    cells = np.flatnonzero(np.isin(search.problem.group, groups))
    against = " (some to contributors who are alone in other cells)" if any(target.against for target in lost) else ""
    # how many, which and to whom is for the table's owner: a researcher may not learn what a confidential rule finds
    return CannotProtect(
        "sensitive cells stay open to an attacker even with every other cell hidden",
        where=f"{len(groups)} cell(s){against}: {_name(table, cells)}",
        next_step="recode (merge categories), drop a level or a dimension, or ask for a narrower interval",
    )


def _name(table: CellTable, cells: IntArray) -> str:
    shown = "; ".join(" × ".join(table.labels(int(cell))) for cell in cells[:CELLS_SHOWN])
    return shown + ("; …" if len(cells) > CELLS_SHOWN else "")
