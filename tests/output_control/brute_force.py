"""An attacker who tries tables one by one, written apart: nothing of the gate is imported here.

It knows the trees of the dimensions, every published figure of one or several tables, and that no figure is below 0.
Whole-number tables are searched exhaustively; of magnitudes the two ends are a linear programme over the inner cells.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp

Codes = tuple[str, ...]
NODES = 200_000


class TooLong(Exception):
    """The search did not end within its nodes: no verdict."""


@dataclass(frozen=True)
class Tree:
    """One dimension: a root, and the children of every code that has any."""

    name: str
    root: str
    children: Mapping[str, tuple[str, ...]]

    def below(self, code: str) -> frozenset[str]:
        """The leaves under ``code``."""
        under = self.children.get(code, ())
        return frozenset({code}) if not under else frozenset().union(*(self.below(child) for child in under))

    def codes(self) -> list[str]:
        """Every code, the root first."""
        found = [self.root]
        for code in found:
            found += self.children.get(code, ())
        return found


@dataclass(frozen=True)
class Published:
    """What one table shows: a figure per cell, None where hidden; a cell that is not there is known to be 0."""

    trees: tuple[Tree, ...]
    shown: Mapping[Codes, float | None]


@dataclass
class BruteForce:
    """All tables at once, over the inner cells of all their dimensions."""

    tables: Sequence[Published]
    least: int = 0  # what a hidden figure is known to be at least
    inner: list[Codes] = field(init=False)
    equations: list[tuple[list[int], float, float]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        leaves: dict[str, frozenset[str]] = {}
        for table in self.tables:
            for tree in table.trees:
                assert leaves.setdefault(tree.name, tree.below(tree.root)) == tree.below(tree.root)
        self.names = list(leaves)
        self.inner = list(itertools.product(*(sorted(leaves[name]) for name in self.names)))
        for table in self.tables:
            for codes in itertools.product(*(tree.codes() for tree in table.trees)):
                figure = table.shown.get(codes, 0.0)
                inside = self.inside(table, codes)
                self.equations.append((inside, self.least, np.inf) if figure is None else (inside, figure, figure))

    def inside(self, table: Published, codes: Codes) -> list[int]:
        """Which inner cells a cell of ``table`` sums."""
        under = {tree.name: tree.below(code) for tree, code in zip(table.trees, codes, strict=True)}
        return [
            at
            for at, cell in enumerate(self.inner)
            if all(code in under[name] for name, code in zip(self.names, cell, strict=True) if name in under)
        ]

    def can_be(
        self, table: Published, codes: Codes, low: float, high: float, known: Iterable[tuple[Codes, float]] = ()
    ) -> bool:
        """Whether some whole-number table agrees with everything published and has this cell between the two.

        ``known`` are further cells of ``table`` that the attacker has been told.
        """
        asked = [(self.inside(table, codes), low, high)]
        asked += [(self.inside(table, each), figure, figure) for each, figure in known]
        finite = [high for _, _, high in self.equations if np.isfinite(high)]
        cap = max(finite, default=0.0) + sum(low for _, low, _ in self.equations) + abs(low) + 10
        start = [0.0] * len(self.inner), [cap] * len(self.inner)
        return _search([*self.equations, *asked], start, [NODES])

    def every_table(self, cap: int) -> Iterator[dict[Codes, int]]:
        """Each whole-number table, by inner cell of at most ``cap``, that agrees with everything published."""
        for found in _every(self.equations, ([0.0] * len(self.inner), [float(cap)] * len(self.inner)), [NODES]):
            yield {cell: int(value) for cell, value in zip(self.inner, found, strict=True)}

    def every_at_once(self, cap: int) -> np.ndarray:
        """As `every_table`, all of them together: a row per table, a column per inner cell."""
        low, high = [0.0] * len(self.inner), [float(cap)] * len(self.inner)
        if not _narrow(self.equations, low, high):
            return np.zeros((0, len(self.inner)))
        matrix = np.zeros((len(self.equations), len(self.inner)))
        for row, (inside, _, _) in enumerate(self.equations):
            matrix[row, inside] = 1
        least, most = (np.array([each[side] for each in self.equations]) for side in (1, 2))
        found = np.zeros((1, 0))
        for at in range(1, len(self.inner) + 1):
            values = np.arange(low[at - 1], high[at - 1] + 1)
            found = np.hstack([np.repeat(found, len(values), axis=0), np.tile(values, len(found))[:, None]])
            sums, rest = found @ matrix[:, :at].T, matrix[:, at:]
            found = found[((sums + rest @ low[at:] <= most) & (sums + rest @ high[at:] >= least)).all(axis=1)]
            if len(found) > NODES:
                raise TooLong
        return found

    def whole_ends(self, table: Published, codes: Codes) -> tuple[float, float]:
        """The least and the most that a cell can be in any whole-number table, by an integer programme."""
        aim, matrix = np.zeros(len(self.inner)), np.zeros((len(self.equations), len(self.inner)))
        aim[self.inside(table, codes)] = 1
        for row, (inside, _, _) in enumerate(self.equations):
            matrix[row, inside] = 1
        limits = LinearConstraint(matrix, *([each[side] for each in self.equations] for side in (1, 2)))
        low, high = (milp(sign * aim, constraints=limits, integrality=np.ones(len(aim))) for sign in (1, -1))
        assert low.status == 0 and high.status in (0, 3, 4)
        return float(round(low.fun)), np.inf if high.x is None else float(round(-high.fun))

    def ends(self, table: Published, codes: Codes, held: Mapping[Codes, float] | None = None) -> tuple[float, float]:
        """The least and the most that a cell can be when figures are no whole numbers; ``held`` cells are known."""
        aim = np.zeros(len(self.inner))
        aim[self.inside(table, codes)] = 1
        fixed = [(inside, low) for inside, low, high in self.equations if np.isfinite(high)]
        fixed += [(self.inside(table, each), figure) for each, figure in (held or {}).items()]
        matrix = np.zeros((len(fixed), len(self.inner)))
        for row, (inside, _) in enumerate(fixed):
            matrix[row, inside] = 1
        scale = max([abs(figure) for _, figure in fixed if figure] or [1.0])
        right = np.array([figure for _, figure in fixed]) / scale
        found = [
            linprog(sign * aim, A_eq=matrix if fixed else None, b_eq=right if fixed else None, bounds=(0, None))
            for sign in (1, -1)
        ]
        assert all(one.status in (0, 3) for one in found), [one.message for one in found]
        low, high = (np.inf if one.status == 3 else abs(one.fun) * scale for one in found)
        return low, high


def _search(
    equations: list[tuple[list[int], float, float]], box: tuple[list[float], list[float]], left: list[int]
) -> bool:
    """Depth first over whole numbers, with what each sum leaves to its parts."""
    left[0] -= 1
    if left[0] < 0:
        raise TooLong
    low, high = list(box[0]), list(box[1])
    if not _narrow(equations, low, high):
        return False
    wide = [at for at in range(len(low)) if high[at] > low[at]]
    if not wide:
        return True
    at = min(wide, key=lambda one: high[one] - low[one])
    for value in range(int(low[at]), int(high[at]) + 1):
        low_, high_ = list(low), list(high)
        low_[at] = high_[at] = float(value)
        if _search(equations, (low_, high_), left):
            return True
    return False


def _every(
    equations: list[tuple[list[int], float, float]], box: tuple[list[float], list[float]], left: list[int]
) -> Iterator[list[float]]:
    left[0] -= 1
    if left[0] < 0:
        raise TooLong
    low, high = list(box[0]), list(box[1])
    if not _narrow(equations, low, high):
        return
    wide = [at for at in range(len(low)) if high[at] > low[at]]
    if not wide:
        yield low
        return
    at = min(wide, key=lambda one: high[one] - low[one])
    for value in range(int(low[at]), int(high[at]) + 1):
        low_, high_ = list(low), list(high)
        low_[at] = high_[at] = float(value)
        yield from _every(equations, (low_, high_), left)


def _narrow(equations: list[tuple[list[int], float, float]], low: list[float], high: list[float]) -> bool:
    """Tighten until nothing changes; False when nothing is left."""
    changed = True
    while changed:
        changed = False
        for inside, least, most in equations:
            lows, highs = sum(low[at] for at in inside), sum(high[at] for at in inside)
            if lows > most or highs < least:
                return False
            for at in inside:
                top, bottom = most - (lows - low[at]), least - (highs - high[at])
                if top < high[at]:
                    high[at], changed = top, True
                    highs = sum(high[one] for one in inside)
                if bottom > low[at]:
                    low[at], changed = bottom, True
                    lows = sum(low[one] for one in inside)
                if low[at] > high[at]:
                    return False
    return True
