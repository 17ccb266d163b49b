"""The report of a table that stands alone, for its owner (`zicht protect --html`)."""

from __future__ import annotations

from output_control.alternatives.comparison import Compared
from output_control.alternatives.loss import loss
from output_control.audit import AuditReport
from output_control.protection import Options, Pattern
from output_control.report.contents import DimensionLabels, Report
from output_control.report.intervals import intervals_of
from output_control.report.page import report_page
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable

ENGLISH, DUTCH = "protection.html", "protection.nl.html"


def owner_pages(
    name: str,
    table: CellTable,
    sensitive: PrimaryResult,
    pattern: Pattern,
    checked: AuditReport,
    *,
    options: Options,
    comparison: tuple[Compared, ...] = (),
) -> dict[str, bytes]:
    """`protection.html` (English) and `protection.nl.html`, each complete in itself."""
    intervals = intervals_of(table, sensitive, pattern, checked, None, options=options)
    report = Report(
        title=name,
        facts=(),
        table=table,
        dims=tuple(
            DimensionLabels({"nl": dim.name, "en": dim.name}, tuple({"nl": code, "en": code} for code in dim.codes))
            for dim in table.dims
        ),
        published=table.value,
        hidden=pattern.suppressed,
        sensitive=sensitive.mask,
        reason=sensitive.reason,
        lower=intervals.lower,
        upper=intervals.upper,
        intervals_exact=intervals.exact,
        loss=loss(table, table.value, pattern.suppressed),
        comparison=comparison,
        cells_file="pattern.csv",
    )
    return {
        ENGLISH: report_page(report, "en", "owner", other=DUTCH),
        DUTCH: report_page(report, "nl", "owner", other=ENGLISH),
    }
