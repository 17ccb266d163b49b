"""Who rules out a move of the table by what is known of its cells: one contributor, or only two together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from output_control.suppression.problem import Problem
from output_control.tables.table import FloatArray, IntArray

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Leaning:
    """Who rules out one witness: a ``single`` contributor, or only two together."""

    single: frozenset[int]
    couples: frozenset[Pair]

    def known_to(self, pair: Pair) -> bool:
        """Whether the two rule it out."""
        return not self.single.isdisjoint(pair) or pair in self.couples

    def partners(self, one: int) -> set[int]:
        """Who rules it out, alone or together with ``one``."""
        return set(self.single) | {other for pair in self.couples if one in pair for other in pair}


def leaning_on(problem: Problem, cells: IntArray, change: FloatArray, slack: float) -> Leaning:
    """Of a move, who knows a cell that moves, or holds more of one that falls than is left of it."""
    sole, couple = problem.sole[cells], problem.couple[cells]
    holders, parts = problem.holders[cells], problem.parts[cells]
    falls = change < 0
    left = (problem.whole[cells] + change + slack)[:, None]
    over = (holders >= 0) & falls[:, None] & (parts > left)
    couples = {(one, other) for one, other in couple[couple[:, 0] >= 0].tolist()}
    for one, other in combinations(range(holders.shape[1]), 2) if problem.coalition > 1 else ():
        both = (holders[:, other] >= 0) & falls & (parts[:, one] + parts[:, other] > left[:, 0])
        couples |= {(min(pair), max(pair)) for pair in holders[both][:, [one, other]].tolist()}
    return Leaning(frozenset([*sole[sole >= 0].tolist(), *holders[over].tolist()]), frozenset(couples))
