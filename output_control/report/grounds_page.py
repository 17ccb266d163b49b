"""The report of a model or a distribution: what is asked, what it was held to, what it rests on, and what leaves."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from enclave.request_parts import Request
from output_control.outputs import SUPPRESSED, OutputColumn
from output_control.report.contents import EarlierFinding, Language
from output_control.report.crosstab import MARKS
from output_control.report.grounds import DOMINANCE, Basis, Cell, Change, Check, Grounds, Word, asked_for
from output_control.report.markup import facts_table, number, scrolling, table_of, words
from output_control.report.skeleton import Audience, earlier_releases, whole_page
from output_control.report.texts import say

ROWS_SHOWN = 400
DIGITS = 4  # of a figure that is not whole
_STATUSES = ("OBS_STATUS", "CONF_STATUS")


@dataclass(frozen=True, slots=True, eq=False)
class ModelReport:
    """One output that is no table, with what it rests on; ``facts`` leave with its evidence."""

    request: Request
    kind: str
    columns: Sequence[OutputColumn]
    facts: Sequence[tuple[str, str | float]]
    grounds: Grounds
    earlier: tuple[EarlierFinding, ...] = ()


def model_page(report: ModelReport, language: Language, audience: Audience, *, other: str) -> bytes:
    """The page in one language; ``other`` is the file name of the same page in the other language.

    ``audience``: ``checkers`` see everything; ``author`` sees neither exact counts, nor what came near to a rule, nor
    which rule hides a figure.
    """
    confidential = audience == "checkers"
    sections = [
        ("summary", _summary(report, language, confidential=confidential)),
        ("checks", _checks(report.grounds.checks, language, confidential=confidential)),
        ("changes", _changes(report.grounds.changes, language, confidential=confidential)),
        *([("basis", _bases(report.grounds.basis, language))] if confidential and report.grounds.basis else []),
        ("released", _released(report.columns, language) + _facts(report.facts, language)),
        ("earlier", earlier_releases(report.earlier, language)),
    ]
    title = say("model_title", language, title=report.request.title)
    notice = "model_for_checkers" if confidential else "model_for_author"
    return whole_page(title, sections, language, notice=notice, skip=("skip_checks", "checks"), other=other)


def figure(value: float, language: Language) -> str:
    """A whole figure as it is, another to `DIGITS` significant digits, without an exponent."""
    if not np.isfinite(value):
        return say("no_bound", language)
    if value % 1 == 0:
        return number(value, language)
    text = np.format_float_positional(value, precision=DIGITS, fractional=False, trim="-")
    return text.replace(".", "," if language == "nl" else ".")


def _summary(report: ModelReport, language: Language, *, confidential: bool) -> str:
    request = report.request
    record = " × ".join(filter(None, (request.record, request.period)))
    rows = [
        (say("analysis_request", language), request.name),
        (say("kind", language), say(f"kind_{report.kind}", language)),
        (say("unit", language), request.unit),
        (say("population", language), request.population.dataset),
        (say("record", language), record),
        *((name, _text(value, language)) for name, value in asked_for(request)),
    ]
    if confidential:
        rows += [(say(f"size_{name}", language), number(size, language)) for name, size in report.grounds.sizes.items()]
    return facts_table(rows, say("model_caption", language), (say("fact", language), say("value", language)))


def _checks(checks: Sequence[Check], language: Language, *, confidential: bool) -> str:
    head = [(say("check", language), False), (say("rule", language), False)]
    head += [(say("nearest", language), True)] if confidential else []
    head += [(say("verdict", language), False)] if confidential else []
    body = [_check(each, language, confidential=confidential) for each in checks]
    caption = say("checks_caption" if confidential else "checks_caption_author", language)
    return scrolling(table_of(head, body, caption, kind="checks"), say("checks", language))


def _check(check: Check, language: Language, *, confidential: bool) -> str:
    asked = "" if check.asked is None else figure(check.asked, language)
    said = words(f"check_{check.name}", language, asked=asked)
    row = f'<tr><th scope="row">{said}</th><td>{_rule(check.rule, language)}</td>'
    if not confidential:
        return f"{row}</tr>"
    found = "–" if check.found is None else html.escape(figure(check.found, language))
    verdict = words(f"verdict_{check.done}", language, count=check.unmet)
    kind = ' class="sensitive"' if check.done == "hidden" else ""
    return f'{row}<td class="n">{found}</td><td{kind}>{verdict}</td></tr>'


def _changes(changes: Sequence[Change], language: Language, *, confidential: bool) -> str:
    shown: dict[tuple[str, str, str], list[str]] = {}
    for each in changes:
        if confidential or each.open:
            shown.setdefault((each.done, each.reason, each.rule), []).append(_what(each, language))
    if not shown:
        return f"<p>{words('changes_none', language)}</p>"
    head = [(say(name, language), False) for name in ("what", "done", "reason", *(["rule"] if confidential else []))]
    body = [_change(*key, what, language, confidential=confidential) for key, what in shown.items()]
    return scrolling(table_of(head, body, say("changes_caption", language)), say("changes", language))


def _what(change: Change, language: Language) -> str:
    noun = f"{say(f'col_{change.noun}', language)} " if change.noun else ""
    return noun + _text(change.what, language)


def _change(done: str, reason: str, rule: str, what: Sequence[str], language: Language, *, confidential: bool) -> str:
    """One row for all that was done for one reason."""
    named = html.escape("; ".join([*what[:ROWS_SHOWN], *(["…"] if len(what) > ROWS_SHOWN else [])]))
    # that something is hidden can be seen; for which reason tells of those that it protects
    told = confidential or done != "hidden"
    why = words(f"why_{reason}" if told else "reason_author", language)
    row = f'<tr><th scope="row">{named}</th><td>{words(f"done_{done}", language)}</td><td>{why}</td>'
    return row + (f"<td>{_rule(rule, language)}</td></tr>" if confidential else "</tr>")


def _rule(rule: str, language: Language) -> str:
    if not rule:
        return "–"
    return words("rule_dominance", language) if rule == DOMINANCE else f"<code>{html.escape(rule)}</code>"


def _bases(bases: Sequence[Basis], language: Language) -> str:
    return "\n".join(_basis(each, language) for each in bases)


def _basis(basis: Basis, language: Language) -> str:
    right = [all(not isinstance(row[at], str | Word) for row in basis.rows) for at in range(len(basis.head))]
    head = [(say(f"col_{name}", language), number) for name, number in zip(basis.head, right, strict=True)]
    cells = ([_text(cell, language) for cell in row] for row in basis.rows[:ROWS_SHOWN])
    caption = say(f"basis_{basis.caption}", language)
    return _limited(len(basis.rows), language) + scrolling(table_of(head, _rows(cells, right), caption), caption)


def _released(columns: Sequence[OutputColumn], language: Language) -> str:
    """The rows of the CSV file; a hidden figure shows its mark."""
    foreign: Language = "en" if language == "nl" else "nl"
    shown = [column for column in columns if column.name not in _STATUSES]
    right = [column.datatype != "string" for column in shown]
    head = [
        (column.titles.get(language, column.titles.get(foreign, column.name)), number)
        for column, number in zip(shown, right, strict=True)
    ]
    hidden = [
        status == SUPPRESSED
        for column in columns
        if column.name == "OBS_STATUS"
        for status in column.values.slice(0, ROWS_SHOWN).to_pylist()
    ]
    mark = f'<span role="img" aria-label="{words("mark_hidden", language)}">{MARKS["hidden"]}</span>'
    values = [column.values.slice(0, ROWS_SHOWN).to_pylist() for column in shown]
    cells = (
        [mark if value is None and hide else html.escape(_text(value, language)) for value in row]
        for hide, row in zip(hidden, zip(*values, strict=True), strict=True)
    )
    legend = f'<ul class="legend"><li><b>{MARKS["hidden"]}</b> {words("mark_hidden", language)}</li></ul>'
    table = scrolling(
        table_of(head, _rows(cells, right, escaped=True), say("released_caption", language)), say("released", language)
    )
    return (legend if any(hidden) else "") + _limited(len(columns[0].values), language) + table


def _facts(facts: Sequence[tuple[str, str | float]], language: Language) -> str:
    """What the evidence says beside the file."""
    rows = [(name, _text(value, language)) for name, value in facts]
    head = (say("fact", language), say("value", language))
    return facts_table(rows, say("facts_caption", language), head) if rows else ""


def _rows(rows: Iterable[Sequence[str]], right: Sequence[bool], *, escaped: bool = False) -> Iterator[str]:
    """Rows of a table, the first cell as their heading."""
    for row in rows:
        cells = row if escaped else [html.escape(cell) for cell in row]
        body = "".join(
            f'<td class="n">{cell}</td>' if number else f"<td>{cell}</td>"
            for cell, number in zip(cells[1:], right[1:], strict=True)
        )
        place = ' class="n"' if right[0] else ""
        yield f'<tr><th scope="row"{place}>{cells[0]}</th>{body}</tr>'


def _text(cell: Cell, language: Language) -> str:
    if cell is None or cell == "":
        return "–"
    if isinstance(cell, Word):
        return say(cell.name, language)
    return cell if isinstance(cell, str) else figure(float(cell), language)


def _limited(of: int, language: Language) -> str:
    if of <= ROWS_SHOWN:
        return ""
    said = words("rows_limited_plain", language, shown=number(ROWS_SHOWN, language), all=number(of, language))
    return f'<p class="notice">{said}</p>'
