"""The attacker's interval of every cell that the report lists."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from output_control.alternatives.altered import AlteredTable
from output_control.attacker import Attacker
from output_control.audit import AuditReport, full_equations
from output_control.ledger.sight import Sight
from output_control.protection import Options, Pattern, least
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable, FloatArray, IntArray

SOLVED_UP_TO = 300
SOLVED_BESIDE = 100  # beside other tables, whose programmes are harder


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Per cell, NaN where none was computed; ``exact``: the ends are the attacker's own, not only proven bounds.

    ``whole``: from all that was published; otherwise from each two tables, and several together may narrow them.
    """

    lower: FloatArray
    upper: FloatArray
    exact: bool
    whole: bool = True


def intervals_of(
    table: CellTable,
    primary: PrimaryResult,
    pattern: Pattern,
    report: AuditReport,
    altered: AlteredTable | None,
    *,
    options: Options,
    sight: Sight | None = None,
    solve: bool = True,
) -> Intervals:
    """The audit's intervals of the sensitive cells; where few cells are hidden, those of all of them, solved anew.

    ``options`` are those of the audit. ``sight``: what an attacker sees beside other tables, who narrow the intervals.
    Without ``solve`` they stay those of the audit.
    """
    lower, upper = np.full(len(table), np.nan), np.full(len(table), np.nan)
    cells = np.flatnonzero(primary.mask)
    lower[cells], upper[cells] = report.lower, report.upper
    hidden = np.flatnonzero(pattern.suppressed)
    proven = Intervals(lower, upper, report.intervals_exact, whole=sight is None or sight.whole)
    most = SOLVED_UP_TO if sight is None else SOLVED_BESIDE
    if not solve or altered is not None or not len(hidden) or len(hidden) > most:
        return proven
    if sight is None:
        low = least(table, options)
        attacker = Attacker(full_equations(table), table.value, pattern.suppressed, integral=table.integral, least=low)
        return _solved(proven, attacker, hidden, hidden, table.value)
    beside = sight.attacker()
    return proven if beside is None else _solved(proven, beside, hidden, sight.place(pattern.suppressed), table.value)


def _solved(proven: Intervals, attacker: Attacker, hidden: IntArray, places: IntArray, value: FloatArray) -> Intervals:
    """Both ends of each of the ``hidden`` cells, by its place among the attacker's; -1 where it has none."""
    exact = True
    for cell, place in zip(hidden.tolist(), places.tolist(), strict=True):
        if place < 0:
            exact = False
            continue
        up, down = attacker.furthest(place, 1), attacker.furthest(place, -1)
        exact &= up is not None and down is not None
        if down is not None:
            proven.lower[cell] = value[cell] - down
        if up is not None:
            proven.upper[cell] = value[cell] + up
    return replace(proven, exact=exact)
