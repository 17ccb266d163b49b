"""Small linear programmes over equations A z = 0, solved by HiGHS; deterministic, one thread, no clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from highspy import Highs, HighsLp, HighsModelStatus, HighsStatus, HighsVarType, MatrixFormat
from scipy import sparse

from output_control.tables.table import BoolArray, FloatArray

SEED = 7
PRIMAL = 4


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What HiGHS found: the point, the objective, the price of each row, a bound on the optimum (MIP), iterations."""

    x: FloatArray
    objective: float
    row_dual: FloatArray
    bound: float
    optimal: bool
    iterations: int


class Model:
    """min cost·x with rows[0] ≤ A x ≤ rows[1], lower ≤ x ≤ upper; costs, bounds and rows may change between solves."""

    def __init__(
        self,
        matrix: sparse.csr_array,
        cost: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        rows: tuple[FloatArray, FloatArray],
        *,
        integer: BoolArray | None = None,
        max_nodes: int | None = None,
        relative_gap: float = 0.0,
    ) -> None:
        self._highs = Highs()  # type: ignore[no-untyped-call]  # highspy has no annotations
        for option, value in (("output_flag", False), ("threads", 1), ("random_seed", SEED)):
            self._highs.setOptionValue(option, value)
        if max_nodes is not None:
            self._highs.setOptionValue("mip_max_nodes", max_nodes)
            self._highs.setOptionValue("mip_rel_gap", relative_gap)
        model = HighsLp()
        model.num_row_, model.num_col_ = matrix.shape
        model.col_cost_, model.col_lower_, model.col_upper_ = cost, lower, upper
        model.row_lower_, model.row_upper_ = rows
        model.a_matrix_.format_ = MatrixFormat.kRowwise
        model.a_matrix_.start_ = matrix.indptr.astype(np.int32)
        model.a_matrix_.index_ = matrix.indices.astype(np.int32)
        model.a_matrix_.value_ = matrix.data.astype(np.float64)
        if integer is not None:
            kinds = {True: HighsVarType.kInteger, False: HighsVarType.kContinuous}
            model.integrality_ = [kinds[bool(flag)] for flag in integer]
        self._highs.passModel(model)
        self._columns = np.arange(matrix.shape[1], dtype=np.int32)
        self._held = cost, lower, upper

    def search_plainly(self) -> None:
        """Branch by what earlier branchings brought, with cuts at the root alone: more nodes, each for far less."""
        self._highs.setOptionValue("mip_pscost_minreliable", 0)
        self._highs.setOptionValue("mip_allow_cut_separation_at_nodes", False)

    def keep_vertex(self) -> None:
        """Go on from the last vertex (primal simplex): for a row of solves of which only the objective changes."""
        self._highs.setOptionValue("simplex_strategy", PRIMAL)

    def revise(self, cost: FloatArray, lower: FloatArray, upper: FloatArray) -> None:
        """Another objective and other bounds, same basis; of a model that is changed in no other way. Only what differs
        is handed on: that is a few columns of many thousands."""
        (old, low, high), self._held = self._held, (cost, lower, upper)
        here = np.flatnonzero(cost != old)
        self._highs.changeColsCost(len(here), self._columns[here], cost[here])
        here = np.flatnonzero((lower != low) | (upper != high))
        self._highs.changeColsBounds(len(here), self._columns[here], lower[here], upper[here])

    def set_cost(self, cost: FloatArray) -> None:
        """Another objective, same basis."""
        self._highs.changeColsCost(len(cost), self._columns, cost)

    def set_bounds(self, lower: FloatArray, upper: FloatArray) -> None:
        """Other bounds of all columns."""
        self._highs.changeColsBounds(len(lower), self._columns, lower, upper)

    def add_rows(self, matrix: sparse.csr_array, row_lower: FloatArray) -> None:
        """More rows of the form row_lower ≤ A x."""
        self._highs.addRows(
            matrix.shape[0],
            row_lower,
            np.full(matrix.shape[0], np.inf),
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float64),
        )

    def start_from(self, x: FloatArray) -> None:
        """Offer a feasible point of an integer model."""
        self._highs.setSolution(len(x), self._columns, x)

    def solve(self) -> Solution | None:
        """The optimum, or None when there is none; an integer model may stop at its node limit with its best point."""
        if self._highs.run() == HighsStatus.kError:
            return None
        status = self._highs.getModelStatus()
        if status not in (HighsModelStatus.kOptimal, HighsModelStatus.kSolutionLimit):
            return None
        info, solution = self._highs.getInfo(), self._highs.getSolution()
        x = np.array(solution.col_value)
        if not np.isfinite(info.objective_function_value):
            return None
        return Solution(
            x=x,
            objective=info.objective_function_value,
            row_dual=np.array(solution.row_dual),
            bound=info.mip_dual_bound,
            optimal=status == HighsModelStatus.kOptimal,
            iterations=info.simplex_iteration_count,
        )
