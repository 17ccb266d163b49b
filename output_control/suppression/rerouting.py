"""Patterns of counts by routes: each target takes the cheapest move beside what the others hide, and gives way later.

The batches of LP-flow move many targets at once, in random directions; in a sparse table of many dimensions such moves
meet nowhere and hide twice what is needed. Here targets go one by one; then some give up their routes together and take
new ones, which stay if they cost less (rip-up and reroute, as in the design of circuits: C. Y. Lee, *IRE Trans.
Electron. Comput.* EC-10 (1961) 346–365, doi:10.1109/TEC.1961.5219222, gave the routes).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from output_control.linear_programme import Model
from output_control.suppression.flow import serve
from output_control.suppression.problem import Problem
from output_control.suppression.pruning import prune
from output_control.suppression.search import OutOfBudget, Search
from output_control.tables.table import BoolArray, FloatArray, IntArray

SEED = 31
MOST = 30
RELATED = 8
SPREAD = 0.3
STEP = 1e-4
GIVE_UP = 40


def routable(problem: Problem) -> bool:
    """Whether routes say all that is asked: counts that must not be exact."""
    return problem.integral and all(target.size <= 1 and target.plain for target in problem.targets)


def reroute(search: Search, lps: int) -> Search:
    """A safe pattern by routes, at most ``lps`` LPs of them; that of ``search`` where routes make none that is cheaper.

    What an LP leaves fractional is no route: such targets are served last, beside all the others.
    """
    routes = _Routes(search)
    fresh = [target.fresh() for target in search.problem.targets]
    try:
        routes.draw()
        routes.improve(search.counter.solved + lps)
        made = search.over(fresh, search.problem.primary | (routes.used > 0))
        for cells, change in routes.moves.values():
            made.proof.add(cells, change)
        if not all(serve(made, target) for target in made.proof.open_targets()):
            return search
    except OutOfBudget:
        return search
    prune(made, lps, swap=False)
    return min(search, made, key=_cost)


def _cost(search: Search) -> float:
    return float(search.problem.cost[search.hidden & ~search.problem.primary].sum())


class _Routes:
    """A move per target (by its place among the targets), and how many moves use each group."""

    def __init__(self, search: Search) -> None:
        self.search, self.problem = search, search.problem
        self.used = np.zeros(self.problem.size, dtype=np.int64)
        self.moves: dict[int, tuple[IntArray, FloatArray]] = {}
        self._random = np.random.Generator(np.random.Philox(key=SEED))
        matrix, none = self.problem.matrix, np.zeros(2 * self.problem.size)
        still = np.zeros(matrix.shape[0])
        both = sparse.csr_array(sparse.hstack([matrix, -matrix]))
        self._model = Model(both, none, none, none, (still, still))
        self._fall = np.where(self.problem.keep, 0.0, np.minimum(self.problem.amount, 1.0))
        self._rise = np.where(self.problem.keep, 0.0, 1.0)
        self._step = STEP * max(float(np.median(self.problem.cost)), STEP)

    @property
    def cost(self) -> float:
        """What all routes together hide."""
        return float(self.problem.cost[(self.used > 0) & ~self.problem.primary].sum())

    def draw(self) -> None:
        """A first route for every target."""
        for place in range(len(self.problem.targets)):
            self._route(place, self.problem.cost)

    def improve(self, last: int) -> None:
        """Let the routes through a secondary, and some that touch them, be found again, while LPs are left."""
        best, idle = self.cost, 0
        while self.search.counter.solved < last and idle < GIVE_UP:
            chosen = self._choice()
            if not chosen:
                return
            old = {place: self.moves[place] for place in chosen}
            rough = self.problem.cost * self._random.lognormal(0, SPREAD, self.problem.size)
            for place in chosen:
                self._release(place)
            for place in chosen:
                self._route(place, rough, old[place])
            for place in chosen:
                self._route(place, self.problem.cost)
            idle = idle + 1 if self.cost >= best else 0
            if self.cost > best:
                for place in chosen:
                    self._take(place, old[place])
            best = min(best, self.cost)

    def _choice(self) -> list[int]:
        """The routes through a random secondary, and a few of those that share a group with them, in random order."""
        dear = np.flatnonzero((self.used > 0) & ~self.problem.primary)
        if not len(dear):
            return []
        through = int(dear[self._random.integers(len(dear))])
        chosen = [place for place, (cells, _) in self.moves.items() if through in cells]
        touched: BoolArray = np.zeros(self.problem.size, dtype=np.bool_)
        for place in chosen:
            touched[self.moves[place][0]] = True
        beside = [p for p, (cells, _) in self.moves.items() if p not in chosen and bool(touched[cells].any())]
        more = self._random.permutation(beside)[: self._random.integers(RELATED)].tolist()
        return [int(place) for place in self._random.permutation([*chosen, *more])[:MOST]]

    def _route(self, place: int, cost: FloatArray, otherwise: tuple[IntArray, FloatArray] | None = None) -> None:
        """The cheapest route of one target beside all others; the one it has (or ``otherwise``) where none is found."""
        kept = self._release(place) or otherwise
        price = np.where(self.problem.primary | (self.used > 0), 0.0, cost) + self._step
        found = self._solve(self.problem.targets[place].cell, price)
        if found is not None or kept is not None:
            self._take(place, found or kept)

    def _solve(self, cell: int, price: FloatArray) -> tuple[IntArray, FloatArray] | None:
        size = self.problem.size
        lower, upper = np.zeros(2 * size), np.concatenate([self._rise, self._fall])
        lower[cell], upper[size + cell] = 1.0, 0.0
        self._model.set_bounds(lower, upper)
        self._model.set_cost(np.concatenate([price, price]))
        self.search.count()
        found = self._model.solve()
        if found is None:
            return None
        change = found.x[:size] - found.x[size:]
        whole = np.rint(change)
        if np.abs(change - whole).max(initial=0) > STEP:
            return None
        cells = np.flatnonzero(whole)
        return cells, whole[cells]

    def _take(self, place: int, move: tuple[IntArray, FloatArray] | None) -> None:
        self._release(place)
        if move is not None:
            self.moves[place] = move
            self.used[move[0]] += 1

    def _release(self, place: int) -> tuple[IntArray, FloatArray] | None:
        move = self.moves.pop(place, None)
        if move is not None:
            self.used[move[0]] -= 1
        return move
