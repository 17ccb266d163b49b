"""A sum or a mean with the table of counts that stands beside it: two tables over the same cells, one set hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from enclave.requests import TableRequest
from output_control.audit import AuditReport, audit
from output_control.policy import TableRules
from output_control.protection import Options, Pattern
from output_control.suppression import suppress
from output_control.tables.derived import Sources
from output_control.tables.evidence import Evidence, tabulate
from output_control.tables.rules import MinimumFrequency, PrimaryResult
from output_control.tables.table import BoolArray, CellTable
from output_control.tables.tabulation import WeightUse


def figure_rule(request: TableRequest, rules: TableRules) -> MinimumFrequency:
    """The minimum frequency of a table: of a mean what a mean needs, since means and counts give the sums."""
    n = rules.minimum_frequency.value
    return MinimumFrequency(max(n, rules.mean_units.value) if request.statistic == "mean" else n)


def attached_counts(evidence: Evidence, sources: Sources, weights: WeightUse) -> Evidence:
    """Records with the measure, per cell; weighted where weights are secret, for both numbers would give them away."""
    request = evidence.request
    weight = request.weight if weights == "secret" else None
    counted = request.model_copy(update={"statistic": "median", "weight": weight})
    return tabulate(counted, evidence.shown, sources, weights=weights)


def protect_both(
    figure: Evidence, of_figure: PrimaryResult, counts: Evidence, of_counts: PrimaryResult, options: Options
) -> tuple[Pattern, AuditReport]:
    """One pattern that protects the figure and its counts; the report is of all audits."""
    asked = [(kind.table, of_figure) for kind in figure.kinds] + [(kind.table, of_counts) for kind in counts.kinds]
    return protect_all(asked, options)


def protect_all(asked: Sequence[tuple[CellTable, PrimaryResult]], options: Options) -> tuple[Pattern, AuditReport]:
    """One pattern that protects several tables over the same cells: of figures, of counts, and of each by every kind of
    unit, since a holding knows what its firms have. The report is of all audits, its intervals are of the first.

    Hiding more never narrows an interval: a witness moves only cells that were hidden before. So what each table needs
    is put together, the later at no cost where an earlier one hides already, and all are audited with the whole.
    """
    found: list[Pattern] = []
    hidden: BoolArray = np.zeros(len(asked[0][0]), dtype=np.bool_)
    for table, primary in asked:
        cost = np.where(hidden, 0.0, table.sizes) if found else options.cost
        found.append(suppress(table, primary, options=replace(options, cost=cost)))
        hidden = hidden | found[-1].suppressed
    patterns = [_hiding(each, primary, hidden) for each, (_, primary) in zip(found, asked, strict=True)]
    reports = [audit(*each, pattern, options) for each, pattern in zip(asked, patterns, strict=True)]
    missed = sum(not bool(hidden[primary.mask].all()) for _, primary in asked)
    return patterns[0], replace(
        reports[0],
        exact=sum(report.exact for report in reports),
        below_level=sum(report.below_level for report in reports) + missed,
        singleton_exact=sum(report.singleton_exact for report in reports),
    )


def _hiding(pattern: Pattern, primary: PrimaryResult, hidden: BoolArray) -> Pattern:
    return replace(pattern, suppressed=hidden, secondary=hidden & ~primary.mask)
