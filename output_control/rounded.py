"""Counts that leave rounded, each cell by itself: what rounding alone protects, and what an attacker still derives.

The attacker knows the rule of rounding, every equation of the true counts, and that a hidden cell without secondaries
is a small one. Each rounded figure bounds its count; a primary is safe when whole tables within all bounds differ in it
by as much as the policy asks. Nothing here is shared with the suppressor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from highspy import Highs, HighsLp, HighsModelStatus, HighsVarType, MatrixFormat
from scipy import sparse

from output_control.audit import AuditReport, full_equations
from output_control.protection import Options, Pattern, Witnesses, demand
from output_control.statistics.rounding import to_bases
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, FloatArray

MOST_WORK = 300_000  # primaries times cells that the whole-number programmes are tried for
NODE_LIMIT = 500


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """What the attacker knows of each count before any equation."""

    low: FloatArray
    high: FloatArray

    @staticmethod
    def of(table: CellTable, primary: PrimaryResult, hidden: BoolArray, base: int) -> Bounds:
        """Rounded figures bound their counts; hidden cells are at least 1, and small where that is the only rule."""
        shown = to_bases(table.value, base)
        low, high = np.maximum(shown - base // 2, 1.0), shown + (base - 1) // 2
        low[hidden], high[hidden] = 1.0, np.inf
        if bool((table.value == table.n_contributors).all()):
            # what is shown is not below the threshold, and where that is the only rule, what is hidden is
            low = np.where(hidden, low, np.maximum(low, np.minimum(primary.threshold.max(), high)))
            if bool((primary.reason[hidden] == "freq").all()):
                high[hidden] = primary.threshold[hidden] - 1
        return Bounds(low, high)


def protect_by_rounding(
    table: CellTable, primary: PrimaryResult, options: Options, base: int, *, most_work: int = MOST_WORK
) -> Pattern | None:
    """The pattern that hides the primaries alone, if rounding to ``base`` protects them; else nothing.

    Larger tables (primaries times cells above ``most_work``) are not tried, whatever the machine.
    """
    if not primary.mask.any() or int(primary.mask.sum()) * len(table) > most_work:
        return None
    pattern = Pattern(
        suppressed=primary.mask.copy(),
        secondary=np.zeros(len(table), dtype=np.bool_),
        witnesses=Witnesses.none(len(table)),
        cost=0.0,
        method="rounding",
        optimal=True,
        gap=0.0,
    )
    return pattern if audit_rounded(table, primary, pattern, options, base, until_failed=True).safe else None


def audit_rounded(
    table: CellTable,
    primary: PrimaryResult,
    pattern: Pattern,
    options: Options,
    base: int,
    *,
    until_failed: bool = False,
) -> AuditReport:
    """The attacker's interval of each primary among rounded figures, against what the policy asks.

    ``until_failed`` leaves the primaries behind the first one that fails unattacked, and so failed. Whole tables are
    found by integer programmes (proofs that the interval is at least so wide); what a programme cannot show within its
    limit counts as not protected.
    """
    attack = _Attack(table, Bounds.of(table, primary, pattern.suppressed, base))
    asked = demand(table, primary, options)
    cells = np.flatnonzero(primary.mask)
    up, down = np.zeros(len(cells)), np.zeros(len(cells))
    for i, cell in enumerate(cells.tolist()):
        if not pattern.suppressed[cell]:
            continue
        enough = float(max(asked.up[cell], asked.down[cell], asked.width[cell]))
        anchor = int(primary.anchor[cell]) if asked.down[cell] > 0 else -1
        up[i], down[i] = attack.reach(cell, 1, enough, -1), attack.reach(cell, -1, enough, anchor)
        short = up[i] < asked.up[cell] or down[i] < asked.down[cell] or up[i] + down[i] < asked.width[cell]
        if until_failed and short:
            break
    met = (up >= asked.up[cells]) & (down >= asked.down[cells]) & (up + down >= asked.width[cells])
    value = table.value[cells]
    return AuditReport(
        primaries=len(cells),
        checked=len(cells),
        exact=int((up + down < 1).sum()),
        below_level=int((~met).sum()),
        singleton_exact=0,
        lower=value - down,
        upper=value + up,
        intervals_exact=False,
        failed=cells[~met].astype(np.int64),
    )


class _Attack:
    """One integer programme over all cells; from primary to primary only objective and two bounds change."""

    def __init__(self, table: CellTable, bounds: Bounds) -> None:
        self._value, self._bounds = table.value, bounds
        matrix = sparse.csr_array(full_equations(table))
        model, self._highs = HighsLp(), Highs()  # type: ignore[no-untyped-call]  # highspy has no annotations
        self._highs.setOptionValue("output_flag", False)
        self._highs.setOptionValue("threads", 1)
        self._highs.setOptionValue("mip_max_nodes", NODE_LIMIT)
        rows, columns = matrix.shape
        model.num_row_, model.num_col_ = rows, columns
        model.col_cost_ = np.zeros(columns)
        model.col_lower_, model.col_upper_ = bounds.low, bounds.high
        model.row_lower_ = model.row_upper_ = np.zeros(rows)
        model.a_matrix_.format_ = MatrixFormat.kRowwise
        model.a_matrix_.start_ = matrix.indptr.astype(np.int32)
        model.a_matrix_.index_ = matrix.indices.astype(np.int32)
        model.a_matrix_.value_ = matrix.data
        model.integrality_ = [HighsVarType.kInteger] * columns
        self._highs.passModel(model)
        self._matrix, self._last = matrix, 0

    def reach(self, cell: int, side: int, enough: float, anchor: int) -> float:
        """How far a whole table moves ``cell`` up (1) or down (-1), up to ``enough``; 0 when none is found."""
        low, high = self._bounds.low.copy(), self._bounds.high.copy()
        if side > 0:
            high[cell] = min(high[cell], self._value[cell] + enough)
        else:
            low[cell] = max(low[cell], self._value[cell] - enough)
        if anchor >= 0:
            low[anchor] = high[anchor] = self._value[anchor]
        highs = self._highs
        highs.changeColCost(self._last, 0.0)
        highs.changeColCost(cell, float(-side))
        self._last = cell
        columns = np.arange(len(low), dtype=np.int32)
        highs.changeColsBounds(len(low), columns, low, high)
        highs.run()
        if highs.getModelStatus() not in {HighsModelStatus.kOptimal, HighsModelStatus.kSolutionLimit}:
            return 0.0
        found = np.rint(np.array(highs.getSolution().col_value))
        holds = not np.abs(self._matrix @ found).any() and bool((found >= low).all() and (found <= high).all())
        return max(float(found[cell] - self._value[cell]) * side, 0.0) if holds else 0.0
