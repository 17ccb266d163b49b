"""A sum or a mean with the table of counts that stands beside it: two tables over the same cells, one set hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from output_control.audit import AuditReport, audit
from output_control.protection import Options, Pattern
from output_control.suppression import suppress
from output_control.tables.derived import Sources
from output_control.tables.evidence import Evidence, tabulate
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable
from output_control.tables.tabulation import WeightUse
from output_control.unions.protected import protect_sums
from output_control.unions.sums import Judge, finder


def attached_counts(evidence: Evidence, sources: Sources, weights: WeightUse) -> Evidence:
    """Records with the measure, per cell; weighted where weights are secret, for both numbers would give them away."""
    request = evidence.request
    weight = request.weight if weights == "secret" else None
    counted = request.model_copy(update={"statistic": "median", "weight": weight})
    return tabulate(counted, evidence.shown, sources, weights=weights)


def protect_both(
    figure: Evidence,
    of_figure: PrimaryResult,
    counts: Evidence,
    of_counts: PrimaryResult,
    options: Options,
    *,
    judges: tuple[Judge | None, Judge | None] = (None, None),
) -> tuple[Pattern, AuditReport]:
    """One pattern that protects the figure and its counts, each by every kind of unit, and what hidden cells of either
    add up to as far as its of ``judges`` finds that sensitive; the report is of all audits.

    Hiding more never narrows an interval: a witness moves only cells that were hidden before. So what each table needs
    is put together, the later at no cost where an earlier one hides already, and all are audited with the whole.
    """
    ours = suppress(figure.table, of_figure, options=options)
    cheap = replace(options, cost=np.where(ours.suppressed, 0.0, counts.table.value))
    theirs = suppress(counts.table, of_counts, options=cheap)
    finds = finder(figure.table, judges[0]), finder(counts.table, judges[1])
    further = _Further.of([(figure, of_figure), (counts, of_counts)], ours.suppressed | theirs.suppressed, options)
    hidden = further.hidden
    while True:
        ours, report = protect_sums(figure.table, of_figure, _hiding(ours, of_figure, hidden), options, finds[0])
        wider = _hiding(theirs, of_counts, ours.suppressed)
        theirs, beside = protect_sums(counts.table, of_counts, wider, options, finds[1])
        safe = report.safe and beside.safe
        if not safe or np.array_equal(theirs.suppressed, hidden):
            break
        hidden = theirs.suppressed
    missed = not bool(hidden[of_counts.mask].all())
    return ours, further.audited(
        replace(
            report,
            exact=report.exact + beside.exact,
            below_level=report.below_level + beside.below_level + int(missed),
            singleton_exact=report.singleton_exact + beside.singleton_exact,
        ),
        ours.suppressed,
    )


def protect_kinds(
    figure: Evidence, sensitive: PrimaryResult, options: Options, judge: Judge | None
) -> tuple[Pattern, AuditReport]:
    """As `protect_both`, of figures without a table of counts beside them."""
    ours = suppress(figure.table, sensitive, options=options)
    further = _Further.of([(figure, sensitive)], ours.suppressed, options)
    wider = _hiding(ours, sensitive, further.hidden)
    ours, report = protect_sums(figure.table, sensitive, wider, options, finder(figure.table, judge))
    return ours, further.audited(report, ours.suppressed)


@dataclass(frozen=True, slots=True, eq=False)
class _Further:
    """Tables over the same cells by further kinds of unit, with the proof of each: a holding knows what its firms have.

    ``hidden`` is what all of them together need, and what was hidden before.
    """

    of_each: tuple[tuple[CellTable, PrimaryResult, Pattern], ...]
    options: Options
    hidden: BoolArray

    @staticmethod
    def of(tables: Sequence[tuple[Evidence, PrimaryResult]], hidden: BoolArray, options: Options) -> _Further:
        """Hide besides what each kind but the first needs, at no cost where cells are ``hidden`` already."""
        found: list[tuple[CellTable, PrimaryResult, Pattern]] = []
        for table, primary in ((kind.table, primary) for evidence, primary in tables for kind in evidence.also):
            free = replace(options, cost=np.where(hidden, 0.0, table.sizes))
            found.append((table, primary, suppress(table, primary, options=free)))
            hidden = hidden | found[-1][2].suppressed
        return _Further(tuple(found), options, hidden)

    def audited(self, report: AuditReport, hidden: BoolArray) -> AuditReport:
        """``report`` with what the audits of each find where ``hidden`` is hidden."""
        for table, primary, pattern in self.of_each:
            own = audit(table, primary, _hiding(pattern, primary, hidden), self.options)
            report = replace(
                report,
                exact=report.exact + own.exact,
                below_level=report.below_level + own.below_level,
                singleton_exact=report.singleton_exact + own.singleton_exact,
            )
        return report


def _hiding(pattern: Pattern, primary: PrimaryResult, hidden: BoolArray) -> Pattern:
    return replace(pattern, suppressed=hidden, secondary=hidden & ~primary.mask)
