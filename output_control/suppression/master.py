"""The master problem of the optimal pattern, and the cuts that its proposals break.

Master problem over x (1: hidden): an equation with one primary hides another member; a hidden member of an equation
without primaries is not alone (s_e ≥ 2 x_j with s_e the sum of the equation's x). Whatever pattern the master
proposes, the attacker's LP for each target either finds a witness or, by its dual, a capacity cut
Σ min(capacity, level) x ≥ level that the pattern breaks. Source: Fischetti & Salazar, *Management Science* 47 (2001)
1008–1027, doi:10.1287/mnsc.47.7.1008.9805.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy import sparse

from output_control.linear_programme import Model, Solution
from output_control.suppression.capacity import equation_cuts
from output_control.suppression.problem import Problem, Target
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, FloatArray

ZERO = 1e-9
NODES = 300
BATCHES = 6
FEW = 20


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
    iterations: int = 0

    @staticmethod
    def build(problem: Problem) -> Master:
        """Cover and bridge rows for every equation, and the cuts that one equation gives."""
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
        master = Master(problem, sparse.csr_array(rows), lower, upper, sums)
        weights = equation_cuts(problem)
        for start, end in pairwise(weights.indptr.tolist()):
            cells = weights.indices[start:end].astype(np.int64)
            master.cuts.append(Cut(cells, weights.data[start:end], 1.0))
        return master

    def model(
        self, *, whole: bool, nodes: int = NODES, among: BoolArray | None = None, relative_gap: float = 0.0
    ) -> Model:
        """The master with all cuts so far, as an LP or an integer programme; only groups ``among`` may be hidden."""
        problem = self.problem
        free = ~problem.keep if among is None else ~problem.keep & (among | problem.primary)
        lower = np.concatenate([problem.primary.astype(np.float64), np.zeros(self.sums)])
        upper = np.concatenate([free.astype(np.float64), np.full(self.sums, np.inf)])
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
            relative_gap=relative_gap,
        )

    def propose(
        self, best: Search, nodes: int, *, among: BoolArray | None = None, relative_gap: float = 0.0
    ) -> Solution | None:
        """The cheapest pattern that keeps all cuts so far (within the nodes and the gap), from the one of ``best``."""
        best.count()
        model = self.model(whole=True, nodes=nodes, among=among, relative_gap=relative_gap)
        hidden = best.hidden.astype(np.float64)
        pattern = sparse.csr_array(abs(self.problem.matrix))
        free = np.flatnonzero(pattern @ self.problem.primary.astype(np.float64) == 0)
        model.start_from(np.concatenate([hidden, pattern[free] @ hidden]))
        found = model.solve()
        if found is not None and among is None:
            self.iterations += found.iterations
        return found

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
        # a width may be had on either side, unless a rise is asked for besides
        signs = np.where([target.up > 0 for target in targets], 1.0, signs)
        lower[at] = np.where(signs > 0, np.minimum(lower[at], 0), np.maximum(lower[at], -need))
        upper[at] = np.where(signs > 0, np.minimum(upper[at], need), upper[at])
        cost = np.zeros(len(self.active))
        cost[at] = -signs / need
        found = self.solve(cost, lower, upper)
        if found is not None:
            one_sided = np.array([not target.down and target.plain for target in targets])
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
        target.bound(self.active, lower, upper, level)
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
        amount = problem.amount
        if target.rests is not None:
            amount = np.minimum(amount, target.rests.of(np.arange(problem.size)))
        return np.where(slope < 0, np.inf, np.maximum(slope, 0) * amount / own)

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


def separate(search: Search, targets: Sequence[Target], x: FloatArray) -> tuple[list[Cut], list[Target]]:
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
