"""A sum or a mean with the table of counts that stands beside it: two tables over the same cells, one set hidden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from output_control.audit import AuditReport
from output_control.protection import Options, Pattern
from output_control.suppression import suppress
from output_control.tables.derived import Sources
from output_control.tables.evidence import Evidence, tabulate
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray
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
    """One pattern that protects the figure and its counts, and what hidden cells of either add up to as far as its of
    ``judges`` finds that sensitive; the report is of both audits.

    Hiding more never narrows an interval: a witness moves only cells that were hidden before. So what each table needs
    is put together, the second at no cost where the first hides already, and both are audited with the whole.
    """
    ours = suppress(figure.table, of_figure, options=options)
    cheap = replace(options, cost=np.where(ours.suppressed, 0.0, counts.table.value))
    theirs = suppress(counts.table, of_counts, options=cheap)
    finds = finder(figure.table, judges[0]), finder(counts.table, judges[1])
    hidden: BoolArray = ours.suppressed | theirs.suppressed
    while True:
        ours, report = protect_sums(figure.table, of_figure, _hiding(ours, of_figure, hidden), options, finds[0])
        wider = _hiding(theirs, of_counts, ours.suppressed)
        theirs, beside = protect_sums(counts.table, of_counts, wider, options, finds[1])
        safe = report.safe and beside.safe
        if not safe or np.array_equal(theirs.suppressed, hidden):
            break
        hidden = theirs.suppressed
    missed = not bool(hidden[of_counts.mask].all())
    return ours, replace(
        report,
        exact=report.exact + beside.exact,
        below_level=report.below_level + beside.below_level + int(missed),
        singleton_exact=report.singleton_exact + beside.singleton_exact,
    )


def _hiding(pattern: Pattern, primary: PrimaryResult, hidden: BoolArray) -> Pattern:
    return replace(pattern, suppressed=hidden, secondary=hidden & ~primary.mask)
