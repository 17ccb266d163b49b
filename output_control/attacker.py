"""What an attacker can compute: the least and the most that a hidden cell can be, given everything published.

One model over the hidden cells in the full equations; from cell to cell only objective and bounds change, so HiGHS
starts from the last basis. Written for the audit alone; the suppressor does not use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from highspy import Highs, HighsLp, HighsModelStatus, HighsVarType, MatrixFormat
from scipy import sparse

from output_control.tables.table import BoolArray, FloatArray

NODE_LIMIT = 5000
NEAR = 1e-6
UNBOUNDED = (HighsModelStatus.kUnbounded, HighsModelStatus.kUnboundedOrInfeasible)


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """How far a cell can be moved (never less than 0), and the change of all cells that does it.

    ``off``: by how much the change leaves the equations, or takes a cell lower than it can be (counts: 0).
    """

    far: float
    change: FloatArray
    off: float = 0.0

    def moves(self, enough: FloatArray, asked: FloatArray) -> BoolArray:
        """Which cells the change moves by what is ``asked`` of them, and keeps the equations to a millionth of what is
        ``enough`` for them: what is near for a large cell may be all that there is of a small one."""
        if not len(self.change):
            return np.zeros(len(asked), dtype=np.bool_)
        moved: BoolArray = (np.abs(self.change) >= asked) & (self.off <= NEAR * enough)
        return moved


class Attacker:
    """The attacker on one table and pattern; values are moves away from the truth."""

    def __init__(
        self,
        equations: sparse.csr_array,
        value: FloatArray,
        hidden: BoolArray,
        *,
        integral: bool,
        least: FloatArray | None = None,
    ) -> None:
        """``least``: what each cell is known to be at least (default: 0)."""
        self._value, self._integral = value, integral
        self._spare = value if least is None else value - least
        self._cells = np.flatnonzero(hidden)
        self._place = np.full(len(value), -1, dtype=np.int64)
        self._place[self._cells] = np.arange(len(self._cells))
        part = sparse.csr_array(equations[:, self._cells])
        self._matrix = sparse.csr_array(part[np.flatnonzero(np.diff(part.indptr))])
        self._columns = np.arange(len(self._cells), dtype=np.int32)
        self._model = self._build(whole=False)

    def _build(self, *, whole: bool) -> Highs:
        model, highs = HighsLp(), Highs()  # type: ignore[no-untyped-call]  # highspy has no annotations
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("threads", 1)
        rows, columns = self._matrix.shape
        model.num_row_, model.num_col_ = rows, columns
        model.col_cost_ = model.col_lower_ = model.col_upper_ = np.zeros(columns)
        model.row_lower_ = model.row_upper_ = np.zeros(rows)
        model.a_matrix_.format_ = MatrixFormat.kRowwise
        model.a_matrix_.start_ = self._matrix.indptr.astype(np.int32)
        model.a_matrix_.index_ = self._matrix.indices.astype(np.int32)
        model.a_matrix_.value_ = self._matrix.data
        if whole:
            model.integrality_ = [HighsVarType.kInteger] * columns
            highs.setOptionValue("mip_max_nodes", NODE_LIMIT)
        highs.passModel(model)
        return highs

    def reach(
        self, cell: int, side: int, enough: float, held: Sequence[int], rests: Mapping[int, float] | None = None
    ) -> Reach:
        """How far ``cell`` moves up (``side`` 1) or down (-1), up to ``enough``, while ``held`` cells stand still.

        ``rests``: what the attacker knows some cells to hold at most besides a part of the attacker's own, so that they
        fall by no more. For counts the move is a whole one; a programme that cannot be finished counts as no move at
        all.
        """
        spare = self._spare[self._cells]
        if rests:
            known = self._place[np.fromiter(rests, np.int64, len(rests))]
            there = known >= 0
            rest = np.fromiter(rests.values(), np.float64, len(rests))
            spare[known[there]] = np.minimum(spare[known[there]], rest[there])
        unit = 1.0 if self._integral else max(enough, 1e-300)
        cap = enough / unit
        found = self._solve(self._model, cell, side, cap, held=held, unit=unit, spare=spare)
        if found is None:
            return Reach(0.0, np.zeros(0))
        if self._integral and not np.allclose(found, np.rint(found), rtol=0, atol=1e-6):
            found = self._solve(self._build(whole=True), cell, side, cap, held=held, unit=unit, spare=spare)
            if found is None:
                return Reach(0.0, np.zeros(0))
        return self._checked(cell, side, np.rint(found) if self._integral else found * unit, enough, spare)

    def _checked(self, cell: int, side: int, change: FloatArray, enough: float, spare: FloatArray) -> Reach:
        """The move, if it really keeps the equations and what can fall to a millionth of ``enough`` (counts: exactly).

        ``spare``: how far each hidden cell can fall.
        """
        broken = float(np.abs(self._matrix @ change).max(initial=0))
        below = float(-(spare + change).min(initial=0))
        whole = np.zeros(len(self._value))
        whole[self._cells] = np.where(np.abs(change) > 1e-9 * enough, change, 0.0)
        if max(broken, below) > (0.0 if self._integral else NEAR * enough):
            return Reach(0.0, np.zeros(0))
        kept = whole[self._cells]
        off = max(float(np.abs(self._matrix @ kept).max(initial=0)), float(-(spare + kept).min(initial=0)))
        return Reach(max(float(whole[cell]) * side, 0.0), whole, off)

    def furthest(self, cell: int, side: int) -> float | None:
        """The end of the attacker's interval as a distance from the truth; infinite when nothing bounds it.

        Of counts the end among whole tables, which in three dimensions may be nearer than that of the LP; None when the
        programme for it cannot be finished.
        """
        unit = 1.0 if self._integral else max(float(self._spare[cell]), 1e-300)
        spare = self._spare[self._cells]
        found = self._solve(self._model, cell, side, np.inf, held=[], unit=unit, spare=spare)
        if found is None:
            # standing still is always possible, so that a programme without optimum is unbounded unless it failed
            return np.inf if self._model.getModelStatus() in UNBOUNDED else None
        if self._integral and not np.allclose(found, np.rint(found), rtol=0, atol=1e-6):
            found = self._solve(self._build(whole=True), cell, side, np.inf, held=[], unit=unit, spare=spare)
            if found is None:
                return None
        far = max(float(found[self._place[cell]]) * side * unit, 0.0)
        return float(np.rint(far)) if self._integral else far

    def _solve(
        self, model: Highs, cell: int, side: int, cap: float, *, held: Sequence[int], unit: float, spare: FloatArray
    ) -> FloatArray | None:
        lower = -spare / unit
        upper = np.full(len(self._cells), np.inf)
        at = int(self._place[cell])
        if side > 0:
            upper[at] = cap
        else:
            lower[at] = max(lower[at], -cap)
        still = self._place[np.asarray(held, dtype=np.int64)]
        still = still[still >= 0]
        lower[still] = upper[still] = 0.0
        cost = np.zeros(len(self._cells))
        cost[at] = -side
        model.changeColsBounds(len(cost), self._columns, lower, upper)
        model.changeColsCost(len(cost), self._columns, cost)
        model.run()
        if model.getModelStatus() != HighsModelStatus.kOptimal:
            return None
        return np.array(model.getSolution().col_value)
