"""Patterns of counts by routes: each target takes the cheapest move beside what the others hide, and gives way later.

The batches of LP-flow move many targets at once, in random directions; in a sparse table of many dimensions such moves
meet nowhere and hide twice what is needed. Here targets go one by one; then some give up their routes together and take
new ones, which stay if they cost less (rip-up and reroute, as in the design of circuits: C. Y. Lee, *IRE Trans.
Electron. Comput.* EC-10 (1961) 346–365, doi:10.1109/TEC.1961.5219222, gave the routes). Where a
width is asked, a route is a rise, a fall, or one of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from output_control.linear_programme import Model
from output_control.suppression.flow import serve
from output_control.suppression.problem import Problem, Target
from output_control.suppression.proof import Move
from output_control.suppression.pruning import prune
from output_control.suppression.search import OutOfBudget, Search
from output_control.tables.table import BoolArray, FloatArray, IntArray

SEED = 31
MOST = 30
RELATED = 8
SPREAD = 0.3
STEP = 1e-4
GIVE_UP = 500
"""After so many LPs that make nothing cheaper."""


def routable(problem: Problem) -> bool:
    """Whether routes say all that is asked: counts of which nobody knows parts."""
    return problem.integral and all(target.plain for target in problem.targets)


def reroute(search: Search, lps: int, *, afresh: bool = True) -> Search:
    """A safe pattern by routes, at most ``lps`` LPs of them; that of ``search`` where routes make none that is cheaper.

    The first routes are drawn ``afresh``, or are the witnesses of ``search``. What an LP leaves fractional is no
    route: such targets are served last, beside all the others.
    """
    routes = _Routes(search)
    fresh = [target.fresh() for target in search.problem.targets]
    try:
        if afresh:
            routes.draw()
        else:
            routes.follow()
        routes.improve(search.counter.solved + lps)
        made = search.over(fresh, search.problem.primary | (routes.used > 0))
        for route in routes.routes.values():
            for cells, change in route.moves:
                made.proof.add(cells, change)
        if not all(serve(made, target) for target in made.proof.open_targets()):
            return search
    except OutOfBudget:
        return search
    prune(made, lps, swap=False)
    return min(search, made, key=_cost)


def _cost(search: Search) -> float:
    return float(search.problem.cost[search.hidden & ~search.problem.primary].sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Route:
    """The moves that serve one target, and the groups that they touch."""

    cells: IntArray
    moves: Sequence[Move]

    @staticmethod
    def of(moves: Sequence[Move]) -> _Route:
        """The route of one or more moves."""
        return _Route(np.unique(np.concatenate([cells for cells, _ in moves])), moves)


class _Routes:
    """A route per target (by its place among the targets), and how many routes use each group."""

    def __init__(self, search: Search) -> None:
        self.search, self.problem = search, search.problem
        self.used = np.zeros(self.problem.size, dtype=np.int64)
        self.routes: dict[int, _Route] = {}
        self._random = np.random.Generator(np.random.Philox(key=SEED))
        matrix, none = self.problem.matrix, np.zeros(2 * self.problem.size)
        still = np.zeros(matrix.shape[0])
        both = sparse.csr_array(sparse.hstack([matrix, -matrix]))
        self._model = Model(both, none, none, none, (still, still))
        far = max((target.size for target in self.problem.targets), default=1.0)
        self._fall = np.where(self.problem.keep, 0.0, np.minimum(self.problem.amount, far))
        self._rise = np.where(self.problem.keep, 0.0, far)
        self._step = STEP * max(float(np.median(self.problem.cost)), STEP)

    @property
    def cost(self) -> float:
        """What all routes together hide."""
        return float(self.problem.cost[(self.used > 0) & ~self.problem.primary].sum())

    def draw(self) -> None:
        """A first route for every target."""
        for place in range(len(self.problem.targets)):
            self._reroute(place, self.problem.cost)

    def follow(self) -> None:
        """As first routes the witnesses that there are."""
        for place, target in enumerate(self.problem.targets):
            moves = self.search.proof.used(target)
            self._take(place, _Route.of(moves) if moves else None)

    def improve(self, last: int) -> None:
        """Let the routes through a secondary, and some that touch them, be found again, while LPs are left."""
        best, counter = self.cost, self.search.counter
        until = min(last, counter.solved + GIVE_UP)
        while counter.solved < until:
            chosen = self._choice()
            if not chosen:
                return
            old = {place: self.routes[place] for place in chosen}
            rough = self.problem.cost * self._random.lognormal(0, SPREAD, self.problem.size)
            for place in chosen:
                self._release(place)
            for place in chosen:
                self._reroute(place, rough, old[place])
            for place in chosen:
                self._reroute(place, self.problem.cost)
            if self.cost < best:
                until = min(last, counter.solved + GIVE_UP)
            elif self.cost > best:
                for place in chosen:
                    self._take(place, old[place])
            best = min(best, self.cost)

    def _choice(self) -> list[int]:
        """The routes through a random secondary, and a few of those that share a group with them, in random order."""
        dear = np.flatnonzero((self.used > 0) & ~self.problem.primary)
        if not len(dear):
            return []
        through = int(dear[self._random.integers(len(dear))])
        chosen = [place for place, route in self.routes.items() if through in route.cells]
        touched: BoolArray = np.zeros(self.problem.size, dtype=np.bool_)
        for place in chosen:
            touched[self.routes[place].cells] = True
        beside = [p for p, route in self.routes.items() if p not in chosen and bool(touched[route.cells].any())]
        more = self._random.permutation(beside)[: self._random.integers(RELATED)].tolist()
        return [int(place) for place in self._random.permutation([*chosen, *more])[:MOST]]

    def _reroute(self, place: int, cost: FloatArray, otherwise: _Route | None = None) -> None:
        """The cheapest route of one target beside all others; the one it has (or ``otherwise``) where none is found."""
        kept = self._release(place) or otherwise
        price = np.where(self.problem.primary | (self.used > 0), 0.0, cost) + self._step
        target = self.problem.targets[place]
        found = [route for way in self._ways(target) if (route := self._go(target.cell, way, price)) is not None]
        # the first of equals
        best = min(found, key=lambda route: float(price[route.cells].sum()), default=kept)
        self._take(place, best)

    def _ways(self, target: Target) -> Iterator[tuple[float, ...]]:
        """How far a target's group may rise (and fall) so that all that is asked is shown."""
        fall, width = float(self.problem.amount[target.cell]), target.width
        if target.down:
            yield max(target.up, width - target.down), -target.down
            return
        yield (max(target.up, width),)
        if 0 < fall < width:
            yield max(target.up, width - fall), -fall
        elif width > 1 and not target.up:
            yield (-width,)

    def _go(self, cell: int, way: tuple[float, ...], price: FloatArray) -> _Route | None:
        moves = list[Move]()
        for step in way:
            move = self._solve(cell, step, price) if step else None
            if step and move is None:
                return None
            if move is not None:
                moves.append(move)
                price = price.copy()
                price[move[0]] = self._step
        return _Route.of(moves) if moves else None

    def _solve(self, cell: int, step: float, price: FloatArray) -> Move | None:
        """The cheapest move of a group by ``step`` (signed); None where there is none, or it is no whole one."""
        size = self.problem.size
        lower, upper = np.zeros(2 * size), np.concatenate([self._rise, self._fall])
        mine, other = (cell, size + cell) if step > 0 else (size + cell, cell)
        if abs(step) > upper[mine]:
            return None
        lower[mine] = upper[mine] = abs(step)
        upper[other] = 0.0
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

    def _take(self, place: int, route: _Route | None) -> None:
        self._release(place)
        if route is not None:
            self.routes[place] = route
            self.used[route.cells] += 1

    def _release(self, place: int) -> _Route | None:
        route = self.routes.pop(place, None)
        if route is not None:
            self.used[route.cells] -= 1
        return route
