"""The report of a table as an HTML page (`output_control.report.skeleton` says what every page keeps to)."""

from __future__ import annotations

import html
from collections.abc import Sequence

from output_control.alternatives.comparison import Compared
from output_control.alternatives.loss import Loss
from output_control.report.contents import Language, Report
from output_control.report.crosstab import crosstab
from output_control.report.markup import facts_table, number, scrolling, table_of, words
from output_control.report.skeleton import Audience, earlier_releases, whole_page
from output_control.report.texts import say
from output_control.report.why import why


def report_page(report: Report, language: Language, audience: Audience, *, other: str) -> bytes:
    """The page in one language; ``other`` is the file name of the same page in the other language.

    ``audience``: ``checkers`` and ``owner`` see everything; ``author`` sees neither intervals nor true figures of
    hidden cells, nor which rule hides a cell where that could give a confidential parameter away.
    """
    confidential = audience != "author"
    sections = [
        ("summary", _summary(report, language, confidential=confidential)),
        ("lost", _lost(report.loss, language, confidential=confidential)),
        ("comparison", _comparison(report.comparison, language, confidential=confidential)),
        ("earlier", earlier_releases(report.earlier, language)),
        ("the_table", crosstab(report, language, confidential=confidential)),
        ("why_altered" if report.altered else "why", why(report, language, confidential=confidential)),
    ]
    if audience == "owner":
        sections = [section for section in sections if section[0] not in ("earlier", *_empty(report))]
    title = say("checkers_title", language, title=report.title)
    notice, skip = f"for_{audience}", ("skip", "the_table")
    return whole_page(title, sections, language, notice=notice, skip=skip, other=other)


def _empty(report: Report) -> tuple[str, ...]:
    return () if report.comparison else ("comparison",)


def _summary(report: Report, language: Language, *, confidential: bool) -> str:
    rows = [(title[language], value) for title, value in report.facts]
    rows.append((say("cells", language), number(len(report.table), language)))
    if report.altered:
        rows.append((say("altered", language), report.altered))
    else:
        rows.append((say("hidden_cells", language), number(int(report.hidden.sum()), language)))
    if confidential:
        secondary = report.hidden & ~report.sensitive
        names = ("primary_cells", "secondary_cells") if not report.altered else ("sensitive_cells",)
        counts = [int(report.sensitive.sum()), int(secondary.sum())]
        rows += [(say(name, language), number(count, language)) for name, count in zip(names, counts, strict=False)]
    rows.append((say("audit", language), say("audit_passed", language)))
    return facts_table(rows, say("summary_caption", language), (say("fact", language), say("value", language)))


def _lost(lost: Loss, language: Language, *, confidential: bool) -> str:
    rows = [
        ("cells_lost", number(lost.cells_lost, language)),
    ]
    rows += (
        []
        if not confidential
        else [
            ("value_lost", number(lost.value_lost, language)),
            ("cells_changed", number(lost.cells_changed, language)),
            ("mean_absolute_deviation", number(lost.mean_absolute_deviation, language)),
            ("largest_deviation", number(lost.largest_deviation, language)),
            ("hellinger_share", number(lost.hellinger_share, language, 4)),
        ]
    )
    head = (say("measure", language), say("value", language))
    caption = say("lost_caption" if confidential else "lost_caption_author", language)
    return facts_table([(say(name, language), said) for name, said in rows], caption, head)


def _comparison(rows: Sequence[Compared], language: Language, *, confidential: bool) -> str:
    if not rows:
        return f"<p>{words('comparison_none', language)}</p>"
    names = ["method", "protects", "adds_up", "cells_lost"]
    if confidential:
        names += [
            "value_lost",
            "cells_changed",
            "mean_short",
            "largest_short",
            "hellinger_short",
            "unprotected",
            "width",
        ]
    head = [(say(name, language), name not in ("method", "protects", "adds_up")) for name in names]
    body = [_compared(row, language, confidential=confidential) for row in rows]
    return scrolling(
        table_of(
            head,
            body,
            say("comparison_caption" if confidential else "comparison_caption_author", language),
            kind="ways",
        ),
        say("comparison", language),
    )


def _compared(row: Compared, language: Language, *, confidential: bool) -> str:
    parameters = (row.said if confidential else row.parameters).replace("base ", say("base", language) + " ")
    name = html.escape(", ".join(filter(None, (say(row.method, language), parameters))))
    start = f'<tr><th scope="row">{name}</th>'
    if row.loss is None:
        reason = words("no_solution", language, reason=row.reason)
        return f'{start}<td colspan="{10 if confidential else 3}">{reason}</td></tr>'
    lost = row.loss
    figures = [number(lost.cells_lost, language)]
    if confidential:
        figures += [
            number(lost.value_lost, language),
            number(lost.cells_changed, language),
            number(lost.mean_absolute_deviation, language),
            number(lost.largest_deviation, language),
            number(lost.hellinger_share, language, 4),
            number(row.unprotected, language),
            say("no_bound", language) if row.width is None else number(row.width, language),
        ]
    verdicts = [words("yes" if flag else "no", language) for flag in (row.safe, row.additive)]
    return (
        start
        + "".join(f"<td>{verdict}</td>" for verdict in verdicts)
        + "".join(f'<td class="n">{html.escape(figure)}</td>' for figure in figures)
        + "</tr>"
    )
