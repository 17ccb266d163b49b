"""The optimal pattern by cuts: the cheapest set of cells that no attacker's LP refutes.

Master problem over x (1: hidden): an equation with one primary hides another member; a hidden member of an equation
without primaries is not alone (s_e ≥ 2 x_j with s_e the sum of the equation's x). Whatever pattern the master
proposes, the attacker's LP for each target either finds a witness or, by its dual, a capacity cut
Σ min(capacity, level) x ≥ level that the pattern breaks. Source: Fischetti & Salazar, *Management Science* 47 (2001)
1008–1027, doi:10.1287/mnsc.47.7.1008.9805.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from output_control.suppression.flow import cover, serve
from output_control.suppression.lp import Model, Solution
from output_control.suppression.problem import Problem, Target
from output_control.suppression.prove import check
from output_control.suppression.pruning import prune
from output_control.suppression.search import OutOfBudget, Search
from output_control.suppression.singletons import cover_singletons
from output_control.tables.table import BoolArray, FloatArray

ZERO = 1e-9
LP_ROUNDS = 30
ROUNDS = 60
WIDE_GAP = 0.05
CLOSE = 0.015
NODES = 300
GAIN = 1e-4
GUIDED_UP_TO = 60_000
FLOOR = 0.02
HALF = 0.5
FIRST_NODES = 20
BATCHES = 6
FEW = 20
SERVED_ALONE = 60


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to go on: rounds of the integer master, fractional rounds without gain, and where the gap is wide,
    branch-and-bound nodes per round and LPs in all (None: no bound); ``polish`` bounds the LPs that prune proposals,
    by exchanges too if they are to ``swap``; no more rounds than ``groups`` are in the table, and tables of more than
    ``close_from`` are left at a gap of `CLOSE`. Never seconds, so that a pattern stays the same.
    """

    rounds: int
    patience: int
    nodes: int
    lps: int | None
    polish: int | None
    swap: bool
    groups: int
    close_from: int


NO_END = 10**9
THOROUGH = Effort(
    rounds=ROUNDS, patience=3, nodes=NODES, lps=None, polish=None, swap=True, groups=NO_END, close_from=NO_END
)
BOUNDED = Effort(rounds=12, patience=1, nodes=20, lps=1500, polish=1000, swap=False, groups=60_000, close_from=9_000)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Σ weight·x over ``cells`` ≥ level."""

    cells: np.ndarray[tuple[int], np.dtype[np.int64]]
    weight: FloatArray
    level: float


@dataclass(slots=True, eq=False)
class Master:
    """The rows of the master problem: columns are the groups and then one sum per equation without primaries."""

    problem: Problem
    rows: sparse.csr_array
    row_lower: FloatArray
    row_upper: FloatArray
    sums: int
    cuts: list[Cut] = field(default_factory=list)
    doubtful: bool = False

    @staticmethod
    def build(problem: Problem) -> Master:
        """Cover and bridge rows for every equation."""
        pattern = sparse.csr_array(abs(problem.matrix))
        pattern.data[:] = 1.0
        primaries = pattern @ problem.primary.astype(np.float64)
        demanding = np.zeros(problem.size)
        demanding[[target.cell for target in problem.targets]] = 1.0
        single = np.flatnonzero((primaries == 1) & (pattern @ demanding == 1))
        free = np.flatnonzero(primaries == 0)
        bridged = sparse.coo_array(pattern[free])
        sums, members = len(free), len(bridged.col)
        total = sparse.hstack([pattern[free], -sparse.eye_array(sums)])
        doubled = sparse.csr_array(
            (np.full(members, -2.0), (np.arange(members), bridged.col)), shape=(members, problem.size)
        )
        owner = sparse.csr_array((np.ones(members), (np.arange(members), bridged.row)), shape=(members, sums))
        empty = sparse.csr_array((len(single), sums))
        rows = sparse.vstack([sparse.hstack([pattern[single], empty]), total, sparse.hstack([doubled, owner])])
        lower = np.concatenate([np.full(len(single), 2.0), np.zeros(sums + members)])
        upper = np.concatenate([np.full(len(single), np.inf), np.zeros(sums), np.full(members, np.inf)])
        return Master(problem, sparse.csr_array(rows), lower, upper, sums)

    def model(self, *, whole: bool, nodes: int = NODES) -> Model:
        """The master with all cuts so far, as an LP or an integer programme."""
        problem = self.problem
        lower = np.concatenate([problem.primary.astype(np.float64), np.zeros(self.sums)])
        upper = np.concatenate([(~problem.keep).astype(np.float64), np.full(self.sums, np.inf)])
        cost = np.concatenate([np.where(problem.primary, 0.0, problem.cost), np.zeros(self.sums)])
        integer = np.concatenate([~problem.primary & ~problem.keep, np.zeros(self.sums, np.bool_)])
        rows = sparse.csr_array(sparse.vstack([self.rows, self.cut_rows(self.cuts)]))
        levels = np.array([cut.level for cut in self.cuts])
        return Model(
            rows,
            cost / self.scale,
            lower,
            upper,
            (
                np.concatenate([self.row_lower, levels]),
                np.concatenate([self.row_upper, np.full(len(levels), np.inf)]),
            ),
            integer=integer if whole else None,
            max_nodes=nodes if whole else None,
        )

    @property
    def scale(self) -> float:
        """What one unit of the master's objective is worth."""
        free = self.problem.cost[~self.problem.primary]
        return float(np.median(free)) if len(free) else 1.0

    @property
    def indifference(self) -> float:
        """Costs that differ by less are equal: solver noise, and the tie-break between patterns of equal value."""
        free = self.problem.cost[~self.problem.primary]
        noise = 1e-9 * float(free.sum())
        return noise + (0.4 if self.problem.whole_costs else 0.0)

    def cut_rows(self, cuts: list[Cut]) -> sparse.csr_array:
        """The left-hand sides of ``cuts``."""
        start = np.cumsum([0, *(len(cut.cells) for cut in cuts)])
        cells = np.concatenate([cut.cells for cut in cuts]) if cuts else np.zeros(0, np.int64)
        weight = np.concatenate([cut.weight for cut in cuts]) if cuts else np.zeros(0)
        return sparse.csr_array((weight, cells, start), shape=(len(cuts), self.problem.size + self.sums))


class Separation:
    """Finds capacity cuts that a (fractional) pattern breaks. Only groups with x > 0 can move."""

    def __init__(self, problem: Problem, x: FloatArray) -> None:
        self.problem, self.x = problem, np.clip(x, 0.0, 1.0)
        self.active = np.flatnonzero((self.x > ZERO) | problem.primary)
        part = sparse.csr_array(problem.columns[:, self.active])
        self.rows = np.flatnonzero(np.diff(part.indptr))
        self.amount = problem.amount[self.active]
        self.fixed = problem.primary[self.active]
        zero = np.zeros(len(self.active))
        rest = np.zeros(len(self.rows))
        self._model = Model(sparse.csr_array(part[self.rows]), zero, zero, zero, (rest, rest))

    def bounds(self, level: float) -> tuple[FloatArray, FloatArray]:
        """How far the active groups may fall and rise under x, in units of ``level``."""
        x, amount = self.x[self.active], self.amount / level
        return np.where(self.fixed, -amount, -np.minimum(amount, 1.0) * x), np.where(self.fixed, np.inf, x)

    def held_off(self, targets: list[Target], signs: FloatArray) -> BoolArray:
        """Targets that one LP with random directions shows to be safe under x (those of about the same size)."""
        done = np.zeros(len(targets), dtype=np.bool_)
        level = max((target.size for target in targets), default=1.0)
        lower, upper = self.bounds(level)
        at = np.searchsorted(self.active, [target.cell for target in targets])
        need = np.array([target.size for target in targets]) / level
        lower[at] = np.where(signs > 0, np.minimum(lower[at], 0), np.maximum(lower[at], -need))
        upper[at] = np.where(signs > 0, np.minimum(upper[at], need), upper[at])
        cost = np.zeros(len(self.active))
        cost[at] = -signs / need
        found = self.solve(cost, lower, upper)
        if found is not None:
            one_sided = np.array([not target.up and not target.down and not target.held for target in targets])
            done = one_sided & (found.x[at] * signs >= need * (1 - 1e-6))
        return done

    def cut(self, target: Target) -> Cut | None:
        """A cut for one target, or None when the attacker is held off by x."""
        for level, side in ((target.up, 1.0), (target.down, -1.0)):
            if level and (found := self._make(self._side(target, side, level), level)) is not None:
                return found
        if target.width:
            up = self._side(target, 1.0, target.width)
            if np.minimum(up, target.width) @ self.x < target.width * (1 - 1e-6):
                return self._make(up + self._side(target, -1.0, target.width), target.width)
        return None

    def _side(self, target: Target, side: float, level: float) -> FloatArray:
        """Capacities of all groups that bound the target's move to one side, from the dual of the attacker's LP."""
        problem = self.problem
        lower, upper = self.bounds(level)
        held = sorted(target.held)
        still = np.isin(self.active, held)
        lower[still] = upper[still] = 0.0
        at = int(np.searchsorted(self.active, target.cell))
        lower[at], upper[at] = (max(lower[at], -1.0), 1.0) if side < 0 else (lower[at], 1.0)
        cost = np.zeros(len(self.active))
        cost[at] = -side
        found = self.solve(cost, lower, upper)
        if found is None:
            return np.full(problem.size, np.inf)
        price = np.zeros(problem.matrix.shape[0])
        price[self.rows] = found.row_dual
        slope = -(problem.columns.T @ price)
        # Σ slope·z = 0 over all z with M z = 0, so own·(side·z_target) = -Σ slope·z over the others
        own = side * slope[target.cell]
        if own < ZERO:
            return np.full(problem.size, np.inf)
        slope[target.cell] = 0.0
        slope[held] = 0.0
        slope[np.abs(slope) < ZERO] = 0.0
        return np.where(slope < 0, np.inf, np.maximum(slope, 0) * problem.amount / own)

    def solve(self, cost: FloatArray, lower: FloatArray, upper: FloatArray) -> Solution | None:
        """The attacker's LP with this objective and these bounds, from the last basis."""
        self._model.set_cost(cost)
        self._model.set_bounds(lower, upper)
        return self._model.solve()

    def _make(self, capacity: FloatArray, level: float) -> Cut | None:
        """The cut with primaries moved over and capacities clipped, if x breaks it."""
        problem = self.problem
        rest = level - float(capacity[problem.primary].sum())
        if not rest > 1e-6 * level:
            return None
        cells = np.flatnonzero((capacity > 0) & ~problem.primary)
        weight = np.minimum(capacity[cells] / rest, 1.0)
        if weight @ self.x[cells] > 1 - 1e-4:
            return None
        return Cut(cells, weight, 1.0)


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


def guidance(problem: Problem, up_to: int = GUIDED_UP_TO, *, whole: bool = False) -> Guidance:
    """One LP over the whole table; none for tables above ``up_to`` groups, where the costs stay as they are.

    LP-flow looks at one primary or one ball at a time; the relaxed cover and bridge rows see what serves many.
    ``whole``: what to hide comes from the integer programme, which for counts is nearly the pattern itself.
    """
    if problem.size > up_to or not problem.targets:
        return Guidance(problem.cost, None, problem.primary)
    master = Master.build(problem)
    found = master.model(whole=False).solve()
    if found is None:
        return Guidance(problem.cost, None, problem.primary)
    share = np.clip(found.x[: problem.size], 0.0, 1.0)
    hidden, bound = share > HALF, found.objective
    if whole and (best := master.model(whole=True, nodes=FIRST_NODES).solve()) is not None:
        hidden, bound = best.x[: problem.size] > HALF, max(best.bound, bound)
    return Guidance(problem.cost * np.maximum(1.0 - share, FLOOR), bound * master.scale, hidden)


def optimise(search: Search, effort: Effort = THOROUGH, known: float = 0.0) -> Optimum:
    """Improve the safe pattern of ``search`` until it is proven optimal, or the effort or the budget ends.

    A pattern of the master that leaves targets open is repaired by LP-flow and pruned, which often gives the next best.
    ``known`` is a bound that the caller has; where it is within `CLOSE` of the pattern, cuts at the fractional optimum
    are left out, and a table of many groups is left at that.
    The bound stands still once a cut was added whose only ground is that no integral witness was found.
    """
    master = Master.build(search.problem)
    best, proposal, bound, started, polished = search, search, known, search.counter.solved, 0
    if cost_of(best) <= bound + master.indifference:
        return Optimum(best, bound, True)
    try:
        if search.problem.size <= effort.close_from or not search.problem.integral:
            bound = max(bound, _relax(master, search, effort.patience))
        for _ in range(min(effort.rounds, max(effort.groups // search.problem.size, 1))):
            if search.problem.size > effort.close_from and is_close(best, bound):
                break
            solution = _integer(master, best, effort.nodes if _is_wide(best, bound) else NODES)
            if solution is None:
                break
            bound = bound if master.doubtful else max(bound, solution.bound * master.scale)
            x = np.rint(solution.x[: search.problem.size])
            proposal, lost = check(search, x > 0.5, (best, proposal))
            open_before = list(lost)
            if not repair(proposal, lost) and not cover_singletons(proposal):
                if open_before and cost_of(proposal) > bound + master.indifference:
                    polished += _polish(proposal, effort, polished)
                best = min(best, proposal, key=cost_of)
            if cost_of(best) <= bound + master.indifference:
                return Optimum(best, bound, True)
            spent = search.counter.solved - started
            if not open_before or (_is_wide(best, bound) and effort.lps is not None and spent > effort.lps):
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
    if len(lost) > SERVED_ALONE:
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
        found, watched = _separate(search, watched, solution.x[: search.problem.size])
        if not found:
            found, watched = _separate(search, search.problem.targets, solution.x[: search.problem.size])
        if not found or solution.objective - earlier < GAIN * solution.objective:
            patience -= 1
        if not found or not patience:
            return bound
        earlier = solution.objective
        master.cuts += found
        model.add_rows(master.cut_rows(found), np.array([cut.level for cut in found]))
    return bound


def _separate(search: Search, targets: list[Target], x: FloatArray) -> tuple[list[Cut], list[Target]]:
    """The cuts that x breaks, and the targets that gave them."""
    separation = Separation(search.problem, x)
    left = list(targets)
    for _ in range(BATCHES):
        if len(left) <= FEW:
            break
        search.count()
        done = separation.held_off(left, search.signs(len(left)))
        left = [target for target, safe in zip(left, done, strict=True) if not safe]
    cuts, broken = [], []
    for target in left:
        search.count()
        if (cut := separation.cut(target)) is not None:
            cuts.append(cut)
            broken.append(target)
    return _distinct(cuts), broken


def _distinct(cuts: list[Cut]) -> list[Cut]:
    return list({(cut.cells.tobytes(), np.round(cut.weight, 9).tobytes()): cut for cut in cuts}.values())


def _integer(master: Master, best: Search, nodes: int) -> Solution | None:
    best.count()
    model = master.model(whole=True, nodes=nodes)
    hidden = best.hidden.astype(np.float64)
    pattern = sparse.csr_array(abs(master.problem.matrix))
    free = np.flatnonzero(pattern @ master.problem.primary.astype(np.float64) == 0)
    model.start_from(np.concatenate([hidden, pattern[free] @ hidden]))
    return model.solve()


def _tighten(master: Master, search: Search, x: FloatArray, lost: list[Target]) -> None:
    """Cut off a pattern that leaves ``lost`` open; where only integrality fails, ask for any further cell."""
    cuts, _ = _separate(search, lost, x)
    if not cuts:
        master.doubtful = True
        free: BoolArray = (x < 0.5) & ~search.problem.keep
        cells = np.flatnonzero(free)
        cuts = [Cut(cells, np.ones(len(cells)), 1.0)]
    master.cuts += cuts
