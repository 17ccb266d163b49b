"""The attacker's interval of every cell that the report lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from output_control.alternatives.altered import AlteredTable
from output_control.attacker import Attacker
from output_control.audit import AuditReport, full_equations
from output_control.protection import Options, Pattern, least
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable, FloatArray

SOLVED_UP_TO = 300


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Per cell, NaN where none was computed; ``exact``: the ends are the attacker's own, not only proven bounds."""

    lower: FloatArray
    upper: FloatArray
    exact: bool


def intervals_of(
    table: CellTable,
    primary: PrimaryResult,
    pattern: Pattern,
    report: AuditReport,
    altered: AlteredTable | None,
    *,
    options: Options,
    alone: bool = True,
) -> Intervals:
    """The audit's intervals of the sensitive cells; where few cells are hidden, those of all of them, solved anew.

    ``options`` are those of the audit. Not ``alone``: other tables narrow the intervals, and only the audit saw them.
    """
    lower, upper = np.full(len(table), np.nan), np.full(len(table), np.nan)
    cells = np.flatnonzero(primary.mask)
    lower[cells], upper[cells] = report.lower, report.upper
    hidden = np.flatnonzero(pattern.suppressed)
    if not alone or altered is not None or not len(hidden) or len(hidden) > SOLVED_UP_TO:
        return Intervals(lower, upper, report.intervals_exact)
    low = least(table, options)
    attacker = Attacker(full_equations(table), table.value, pattern.suppressed, integral=table.integral, least=low)
    exact = True
    for cell in hidden.tolist():
        up, down = attacker.furthest(cell, 1), attacker.furthest(cell, -1)
        exact &= up is not None and down is not None
        lower[cell] = lower[cell] if down is None else table.value[cell] - down
        upper[cell] = upper[cell] if up is None else table.value[cell] + up
    return Intervals(lower, upper, exact=exact)
