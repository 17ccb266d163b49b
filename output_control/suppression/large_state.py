"""How far the suppression of a large table has come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from output_control.suppression.boxes import Boxes, Found
from output_control.suppression.problem import Problem
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, FloatArray, IntArray


@dataclass(slots=True, eq=False)
class Large:
    """What is hidden, the box of each target (price 0: proven by it), and a search for those that no box proves.

    ``cells`` names a cell per target. Every cell that a box lowers holds at least 1, and every one that it raises at
    least ``rising`` (1 where the target must be shown to fall, else 0), so that the box can be turned round.
    """

    problem: Problem
    boxes: Boxes
    cells: IntArray
    rising: FloatArray
    hidden: BoolArray
    found: Found
    search: Search
    bound: float

    @property
    def cost(self) -> float:
        """What the hidden non-primary groups cost."""
        return float(self.problem.cost[self.hidden & ~self.problem.primary].sum())

    def open_targets(self) -> IntArray:
        """Positions of the targets that neither a box nor an LP proves."""
        unboxed = np.flatnonzero(self.found.price > 0).tolist()
        return np.array([at for at in unboxed if not self.problem.targets[at].met], dtype=np.int64)

    def boxes_for(self, targets: IntArray, price: FloatArray) -> Found:
        """The cheapest boxes for some targets at a price per group."""
        per_cell = self.problem.by_cell(price)
        return self.boxes.cheapest(self.cells[targets], np.ones(len(targets)), self.rising[targets], per_cell)
