"""The reports of checked outputs, and a table's comparison, as files: for the checkers' annex and for who asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from enclave.request_parts import Request
from output_control.alternatives.comparison import comparison_document
from output_control.alternatives.loss import loss
from output_control.outputs import OutputColumn, json_bytes
from output_control.protection import Options
from output_control.report.contents import DimensionLabels, EarlierFinding, Language, Report, Texts
from output_control.report.grounds import Grounds
from output_control.report.grounds_page import ModelReport, model_page
from output_control.report.intervals import intervals_of
from output_control.report.page import report_page
from output_control.report.skeleton import Audience
from output_control.statistics.figures import rounded
from output_control.table_check import ProtectedTable
from output_control.wishes import wish_in_words

LANGUAGES: tuple[Language, ...] = ("nl", "en")


def protection_files(
    protected: ProtectedTable, *, confidential: bool, digits: int, earlier: tuple[EarlierFinding, ...] = ()
) -> dict[str, bytes]:
    """`<name>.report.<language>.html`, and `<name>.comparison.json` where ways were compared.

    ``confidential``: the checkers' version; ``digits``: of a mean as it leaves; ``earlier``: what the release ledger
    found.
    """
    report = report_of(protected, confidential=confidential, digits=digits, earlier=earlier)
    name, audience = protected.evidence.request.name, _audience(confidential=confidential)
    names = _names(name)
    files = {
        names[language]: report_page(report, language, audience, other=names[_foreign(language)])
        for language in LANGUAGES
    }
    if protected.comparison:
        files[f"{name}.comparison.json"] = json_bytes(
            comparison_document(protected.comparison, confidential=confidential)
        )
    return files


def model_files(
    request: Request,
    columns: Sequence[OutputColumn],
    document: Mapping[str, object],
    grounds: Grounds,
    *,
    confidential: bool,
    earlier: tuple[EarlierFinding, ...] = (),
) -> dict[str, bytes]:
    """`<name>.report.<language>.html` of an output that is no table; ``document`` is its evidence that may leave."""
    said = document.get("model", {})
    # what the request says is among what was asked
    known = {*type(request).model_fields, "references"}
    told = {name: value for name, value in said.items() if name not in known} if isinstance(said, Mapping) else {}
    facts = tuple(_flat(told))
    report = ModelReport(request, str(getattr(request, "kind", "")), columns, facts, grounds, earlier)
    names, audience = _names(request.name), _audience(confidential=confidential)
    return {
        names[language]: model_page(report, language, audience, other=names[_foreign(language)])
        for language in LANGUAGES
    }


def _names(name: str) -> dict[Language, str]:
    return {language: f"{name}.report.{language}.html" for language in LANGUAGES}


def _foreign(language: Language) -> Language:
    return "en" if language == "nl" else "nl"


def _audience(*, confidential: bool) -> Audience:
    return "checkers" if confidential else "author"


def _flat(said: object, above: str = "") -> Iterator[tuple[str, str | float]]:
    """Facts one by one, each under its names from outer to inner."""
    if isinstance(said, Mapping):
        for name, value in said.items():
            yield from _flat(value, f"{above} {name}".strip())
    else:
        yield above, said if isinstance(said, int | float) else str(said)


def report_of(
    protected: ProtectedTable, *, confidential: bool, digits: int, earlier: tuple[EarlierFinding, ...] = ()
) -> Report:
    """The report of a table that passed the gate; the attacker's intervals are solved for who may see them.

    The author of means sees these, rounded to ``digits`` as they leave; checkers see the sums that were protected.
    """
    evidence, altered = protected.evidence, protected.altered
    said = wish_in_words(evidence.request)
    of_author: Texts = {"nl": "Wens van de aanvrager", "en": "Wish of the author"}
    wish = ((of_author, said),) if said else ()
    table, request = evidence.table, evidence.request
    published = table.value if altered is None else altered.published.astype(np.float64)
    if request.statistic == "mean" and not confidential:
        published = rounded(table.value / evidence.weighted, digits)
    intervals = intervals_of(
        table,
        protected.primary,
        protected.pattern,
        protected.report,
        altered,
        options=Options(occupied=True),  # as the gate audits
        sight=protected.sight,
        solve=confidential,
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
        intervals_whole=intervals.whole,
        loss=loss(table, table.value if altered is None else published, protected.pattern.suppressed),
        altered="" if altered is None else altered.said,
        least_units=protected.least_units,
        comparison=protected.comparison,
        earlier=earlier,
        cells_file=f"{request.name}.cells.csv",
        groups=protected.primary.groups,
    )
