"""Per hidden or sensitive cell: why, and what an attacker is left with."""

from __future__ import annotations

import html

import numpy as np

from output_control.report.contents import Language, Report
from output_control.report.crosstab import label, limited
from output_control.report.markup import number, scrolling, table_of, words
from output_control.report.texts import say

CELLS_SHOWN = 500


def why(report: Report, language: Language, *, confidential: bool) -> str:
    """The list, limited to its first `CELLS_SHOWN` cells with a note that says so."""
    concerned = report.hidden | (report.sensitive if report.altered and confidential else False)
    cells = np.flatnonzero(concerned)
    cells = cells[np.argsort(report.table.keys()[cells])]
    if not len(cells):
        return f"<p>{words('why_none' if confidential else 'why_none_author', language)}</p>"
    head = [(dim.title[language], False) for dim in report.dims]
    if confidential:
        head.append((say("true", language), True))
        head += [(say("shown", language), True)] if report.altered else []
        head.append((say("status", language), False))
    head.append((say("reason", language), False))
    head += [(say("interval", language), True)] if confidential else []
    exact = "why_caption_exact" if report.intervals_exact else "why_caption_least"
    exact = exact if report.intervals_whole else "why_caption_pairs"
    caption = say(exact if confidential else "why_caption_author", language)
    body = [_row(report, int(cell), language, confidential=confidential) for cell in cells[:CELLS_SHOWN]]
    note = limited(len(body), len(cells), report.cells_file if confidential else "", language)
    name = "why_altered" if report.altered else "why"
    return note + scrolling(table_of(head, body, caption), say(name, language))


def _row(report: Report, cell: int, language: Language, *, confidential: bool) -> str:
    table = report.table
    codes = table.codes[cell].tolist()
    named = [
        label(names, dim.codes[code], code, language)
        for names, dim, code in zip(report.dims, table.dims, codes, strict=True)
    ]
    cells = "".join(f'<th scope="row">{name}</th>' for name in named)
    if not confidential:
        return f"<tr>{cells}<td>{html.escape(_reason_for_author(report, cell, language))}</td></tr>"
    kind = "sensitive" if report.altered else "primary" if report.sensitive[cell] else "secondary"
    cells += f'<td class="n">{number(float(table.value[cell]), language)}</td>'
    cells += f'<td class="n">{number(float(report.published[cell]), language)}</td>' if report.altered else ""
    cells += f'<td class="{kind}">{words(kind, language)}</td><td>{html.escape(_reason(report, cell, language))}</td>'
    return f'<tr>{cells}<td class="n">{html.escape(_interval(report, cell, language))}</td></tr>'


def _reason(report: Report, cell: int, language: Language) -> str:
    rules = [rule for rule in str(report.reason[cell]).split("+") if rule] or ["protects"]
    said = [_rule(rule, report.least_units, language) for rule in rules if rule != "group"]
    return "; ".join([*said, *(_groups(report, cell, language) if "group" in rules else [])])


def _groups(report: Report, cell: int, language: Language) -> list[str]:
    """Of which group a cell tells too much, one line per verdict."""
    table, groups = report.table, report.groups
    lines = []
    for at in np.flatnonzero(groups.cell == cell).tolist():
        codes, sensitive = table.codes[cell].tolist(), int(groups.sensitive[at])
        named = [
            f"{dim.title[language]}: {dim.labels[code][language]}" for dim, code in zip(report.dims, codes, strict=True)
        ]
        category = named.pop(sensitive)
        counted = str(groups.counted[at])
        lines.append(
            say(
                "reason_group_of",
                language,
                inside=number(float(groups.inside[at]), language),
                whole=number(float(groups.whole[at]), language),
                counted=counted,
                group=", ".join(named) or say("everyone", language),
                category=category,
            )
        )
    return list(dict.fromkeys(lines)) or [say("reason_group", language)]


def _rule(rule: str, least: int, language: Language) -> str:
    if rule == "freq" and least:
        return say("reason_freq_n", language, n=least)
    return say(f"reason_{rule}", language)


def _reason_for_author(report: Report, cell: int, language: Language) -> str:
    """The minimum frequency is public; that a cell is hidden by another rule, or only beside one, is not."""
    if "freq" in str(report.reason[cell]).split("+"):
        return _rule("freq", report.least_units, language)
    return say("reason_author", language)


def _interval(report: Report, cell: int, language: Language) -> str:
    low, high = float(report.lower[cell]), float(report.upper[cell])
    if np.isnan(low) or np.isnan(high):
        return say("not_computed", language)
    return f"{number(low, language)} – {say('no_bound', language) if np.isinf(high) else number(high, language)}"
