"""The table itself, with what is shown of each cell: the last dimension across where it is short enough."""

from __future__ import annotations

import html
from collections.abc import Iterator

import numpy as np

from output_control.report.contents import DimensionLabels, Language, Report
from output_control.report.markup import number, scrolling, words
from output_control.report.texts import say
from output_control.tables.table import IntArray

ROWS_SHOWN = 400
WIDEST = 14
MARKS = {"primary": "●", "secondary": "○", "hidden": "·", "sensitive": "▲", "altered": "≈"}


def crosstab(report: Report, language: Language, *, confidential: bool) -> str:
    """The table, limited to its first `ROWS_SHOWN` rows with a note that says so, and the legend of its marks."""
    table = report.table
    across = len(table.dims) - 1 if len(table.dims) > 1 and table.shape[-1] <= WIDEST else None
    down = [position for position in range(len(table.dims)) if position != across]
    all_rows = int(np.prod([table.shape[position] for position in down], dtype=np.int64))
    place = np.full(min(int(np.prod(table.shape, dtype=np.int64)), _shown_cells(report)), -1, dtype=np.int64)
    keys = table.keys()
    known = keys < len(place)
    place[keys[known]] = np.flatnonzero(known)
    body = list(_rows(report, language, place, down, across, confidential=confidential))
    heads = [report.dims[position].title[language] for position in down]
    last = _titles(report.dims[across], table.dims[across].codes, language) if across is not None else None
    titles = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    titles += "".join(f'<th scope="col" class="n">{text}</th>' for text in last or [words("shown", language)])
    caption = words("table_caption", language)
    whole = f"<table><caption>{caption}</caption>\n<thead><tr>{titles}</tr></thead>\n<tbody>\n" + "\n".join(body)
    note = limited(len(body), all_rows, report.cells_file if confidential else "", language)
    legend = _legend(report, language, confidential=confidential)
    return legend + note + scrolling(whole + "\n</tbody></table>", say("the_table", language))


def limited(shown: int, of: int, file: str, language: Language) -> str:
    """A note that rows were left out, or nothing."""
    if shown >= of:
        return ""
    name = "rows_limited" if file else "rows_limited_plain"
    said = words(name, language, shown=number(shown, language), all=number(of, language), file=file)
    return f'<p class="notice">{said}</p>'


def label(dim: DimensionLabels, code: str, at: int, language: Language) -> str:
    """A category: its label, and its code where that is something else."""
    text = dim.labels[at][language]
    shown = html.escape(text)
    return shown if text == code else f'{shown} <span class="code">{html.escape(code)}</span>'


def _shown_cells(report: Report) -> int:
    return ROWS_SHOWN * int(report.table.shape[-1])


def _titles(dim: DimensionLabels, codes: tuple[str, ...], language: Language) -> list[str]:
    return [label(dim, code, at, language) for at, code in enumerate(codes)]


def _rows(
    report: Report,
    language: Language,
    place: IntArray,
    down: list[int],
    across: int | None,
    *,
    confidential: bool,
) -> Iterator[str]:
    shape = report.table.shape
    wide = shape[across] if across is not None else 1
    rows = min(len(place) // wide, ROWS_SHOWN)
    codes = np.column_stack(np.unravel_index(np.arange(rows), tuple(shape[position] for position in down)))
    for row, at in enumerate(codes.tolist()):
        heads = "".join(_head(report, position, code, language) for position, code in zip(down, at, strict=True))
        cells = (_cell(report, int(place[row * wide + i]), language, confidential=confidential) for i in range(wide))
        yield f"<tr>{heads}{''.join(cells)}</tr>"


def _head(report: Report, position: int, code: int, language: Language) -> str:
    dim = report.table.dims[position]
    depth = min(int(dim.depth[code]), 4)
    deep = f' class="d{depth}"' if depth else ""
    return f'<th scope="row"{deep}>{label(report.dims[position], dim.codes[code], code, language)}</th>'


def _cell(report: Report, cell: int, language: Language, *, confidential: bool) -> str:
    if cell < 0:
        return '<td class="n">0</td>'
    true = number(float(report.table.value[cell]), language)
    if report.hidden[cell]:
        kind = "hidden" if not confidential else "primary" if report.sensitive[cell] else "secondary"
        said = _mark(kind, language) + (f' <span class="true">{true}</span>' if confidential else "")
        return f'<td class="n {kind}">{said}</td>'
    shown = number(float(report.published[cell]), language)
    if not report.altered or not confidential:
        return f'<td class="n">{shown}</td>'
    kind = "sensitive" if report.sensitive[cell] else ""
    mark = _mark("sensitive", language) + " " if kind else ""
    return f'<td class="n {kind}">{mark}{shown} {_mark("altered", language)} <span class="true">{true}</span></td>'


def _mark(kind: str, language: Language) -> str:
    """A mark that is read aloud in words."""
    spoken = {"altered": "true", "hidden": "mark_hidden"}.get(kind, kind)
    return f'<span role="img" aria-label="{words(spoken, language)}">{MARKS[kind]}</span>'


def _legend(report: Report, language: Language, *, confidential: bool) -> str:
    if report.altered:
        kinds = ["sensitive", "altered"] if confidential else []
    else:
        kinds = ["primary", "secondary"] if confidential else ["hidden"]
    items = [f'<li><b class="{kind}">{MARKS[kind]}</b> {words(f"mark_{kind}", language)}</li>' for kind in kinds]
    items.append(f"<li>{words('mark_empty', language)}</li>" if not report.altered else "")
    return f'<ul class="legend" aria-label="{words("legend", language)}">{"".join(items)}</ul>\n'
