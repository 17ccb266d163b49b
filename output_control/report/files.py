"""The report and the comparison of a checked table as files: for the checkers' annex, and for who asked."""

from __future__ import annotations

import numpy as np

from output_control.alternatives.comparison import comparison_document
from output_control.alternatives.loss import loss
from output_control.outputs import json_bytes
from output_control.protection import Options
from output_control.report.contents import DimensionLabels, EarlierFinding, Language, Report, Texts
from output_control.report.intervals import intervals_of
from output_control.report.page import report_page
from output_control.table_check import ProtectedTable
from output_control.wishes import wish_in_words

LANGUAGES: tuple[Language, ...] = ("nl", "en")


def protection_files(
    protected: ProtectedTable, *, confidential: bool, earlier: tuple[EarlierFinding, ...] = ()
) -> dict[str, bytes]:
    """`<name>.report.<language>.html`, and `<name>.comparison.json` where ways were compared.

    ``confidential``: the checkers' version; ``earlier``: what the release ledger found.
    """
    report = report_of(protected, earlier=earlier)
    name = protected.evidence.request.name
    names: dict[Language, str] = {language: f"{name}.report.{language}.html" for language in LANGUAGES}
    files = {
        names[language]: report_page(
            report, language, "checkers" if confidential else "author", other=names["en" if language == "nl" else "nl"]
        )
        for language in LANGUAGES
    }
    if protected.comparison:
        files[f"{name}.comparison.json"] = json_bytes(
            comparison_document(protected.comparison, confidential=confidential)
        )
    return files


def report_of(protected: ProtectedTable, *, earlier: tuple[EarlierFinding, ...] = ()) -> Report:
    """The report of a table that passed the gate."""
    evidence, altered = protected.evidence, protected.altered
    said = wish_in_words(evidence.request)
    of_author: Texts = {"nl": "Wens van de aanvrager", "en": "Wish of the author"}
    wish = ((of_author, said),) if said else ()
    table, request = evidence.table, evidence.request
    published = table.value if altered is None else altered.published.astype(np.float64)
    intervals = intervals_of(
        table,
        protected.primary,
        protected.pattern,
        protected.report,
        altered,
        options=Options(occupied=True),  # as the gate audits
        alone=not protected.beside,
    )
    return Report(
        title=request.title,
        facts=(
            ({"nl": "Aanvraag", "en": "Request"}, request.name),
            ({"nl": "Beschermde eenheid", "en": "Protected unit"}, request.unit),
            ({"nl": "Populatie", "en": "Population"}, request.population.dataset),
            *wish,
        ),
        table=table,
        dims=tuple(
            DimensionLabels(
                {"nl": shown.classification.title_nl, "en": shown.classification.title_en},
                tuple({"nl": dutch, "en": english} for dutch, english in zip(*shown.labels(), strict=True)),
            )
            for shown in evidence.shown
        ),
        published=published,
        hidden=protected.pattern.suppressed,
        sensitive=protected.primary.mask,
        reason=protected.primary.reason,
        lower=intervals.lower,
        upper=intervals.upper,
        intervals_exact=intervals.exact,
        loss=loss(table, published, protected.pattern.suppressed),
        altered="" if altered is None else altered.said,
        least_units=protected.least_units,
        comparison=protected.comparison,
        earlier=earlier,
        cells_file=f"{request.name}.cells.csv",
        groups=protected.primary.groups,
    )
