"""The state of a search for a pattern: what is hidden, what is proven, and how many LPs that took."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from output_control.suppression.neighbourhood import Neighbourhoods
from output_control.suppression.problem import Problem, Target
from output_control.suppression.proof import Proof
from output_control.tables.table import BoolArray, FloatArray

SEED = 2718


class OutOfBudget(Exception):
    """The number of LPs that the caller allowed is used up."""


@dataclass(slots=True, eq=False)
class Counter:
    """How many LPs were solved, and how many may be."""

    budget: int | None
    solved: int = 0

    def count(self) -> None:
        """One more LP. Raises `OutOfBudget` when it is one too many."""
        if self.budget is not None and self.solved >= self.budget:
            raise OutOfBudget
        self.solved += 1


@dataclass(slots=True, eq=False)
class Search:
    """What is hidden so far, with the proof. Random numbers follow from the seed and the number of earlier draws."""

    problem: Problem
    proof: Proof
    near: Neighbourhoods
    hidden: BoolArray
    counter: Counter
    _random: np.random.Generator = field(default_factory=lambda: np.random.Generator(np.random.Philox(key=SEED)))

    @staticmethod
    def start(problem: Problem, budget: int | None) -> Search:
        """Only the primaries are hidden, nothing is proven."""
        near = Neighbourhoods(problem)
        return Search(problem, Proof(problem), near, problem.primary.copy(), Counter(budget))

    def over(self, targets: list[Target], hidden: BoolArray) -> Search:
        """Another pattern of the same table; nothing is proven, the LPs count on."""
        problem = self.problem.with_targets(targets)
        return Search(problem, Proof(problem), self.near, hidden.copy(), self.counter)

    def price(self, cost: FloatArray) -> None:
        """Go on at other costs; what is hidden and proven stays so."""
        self.problem = self.proof.problem = self.problem.priced(cost)

    def count(self) -> None:
        """One more LP."""
        self.counter.count()

    def signs(self, count: int) -> FloatArray:
        """Random ± 1."""
        signs: FloatArray = self._random.integers(0, 2, count).astype(np.float64) * 2.0 - 1.0
        return signs

    def lognormal(self, spread: float, count: int) -> FloatArray:
        """Random factors around 1."""
        factors: FloatArray = self._random.lognormal(0, spread, count)
        return factors
