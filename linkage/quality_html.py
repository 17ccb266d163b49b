"""The linkage-quality report as one HTML file with its pictures inside: opens anywhere, asks nothing of a network.

Reads the Markdown that :mod:`linkage.quality_pages` writes, and nothing more general: headings, tables, pictures that
stand alone on a line, and paragraphs.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

_PICTURE = re.compile(r"^!\[(.*)\]\((.*)\)$")
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{border-bottom:1px solid #b6c7d6;padding:.2rem .6rem}"
    "th{text-align:left}.n{text-align:right}figure{margin:1rem 0}svg{max-width:100%;height:auto}"
)


def html_page(markdown: str, drawn: Mapping[str, str]) -> str:
    """The page; ``drawn`` holds the pictures (SVG) by file name."""
    lines = markdown.splitlines()
    title = html.escape(lines[0].lstrip("# "))
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
            *_blocks(lines, drawn),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _blocks(lines: Iterable[str], drawn: Mapping[str, str]) -> Iterator[str]:
    for in_table, block in groupby(lines, lambda line: line.startswith("|")):
        if in_table:
            yield _table(list(block))
            continue
        for line in block:
            if line:
                yield _line(line, drawn)


def _line(line: str, drawn: Mapping[str, str]) -> str:
    if found := _PICTURE.match(line):
        picture = _apart(drawn[found[2]], re.sub(r"\W", "-", found[2]))
        return f'<figure role="img" aria-label="{html.escape(found[1])}">{picture}</figure>'
    marks = len(line) - len(line.lstrip("#"))
    if marks:
        return f"<h{marks}>{html.escape(line[marks:].strip())}</h{marks}>"
    return f"<p>{html.escape(line)}</p>"


def _apart(svg: str, name: str) -> str:
    """Ids that no other picture of the page has."""
    return re.sub(r'(?<=["#])(part-\d+)(?=["\)])', rf"{name}-\1", svg)


def _table(rows: list[str]) -> str:
    head, kinds, *body = [[cell.strip() for cell in row.strip().strip("|").split(" | ")] for row in _spaced(rows)]
    numeric = [kind.endswith(":") for kind in kinds]
    parts = ["<table>", _row(head, numeric, "th"), *(_row(row, numeric, "td") for row in body), "</table>"]
    return "\n".join(parts)


def _spaced(rows: list[str]) -> list[str]:
    """The line of dashes written as the others are."""
    return [row.replace("|", " | ") if at == 1 else row for at, row in enumerate(rows)]


def _row(cells: list[str], numeric: list[bool], tag: str) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    made = [
        f"<{tag}{scope}{' class=n' if right else ''}>{html.escape(cell)}</{tag}>"
        for cell, right in zip(cells, [*numeric, *[False] * len(cells)], strict=False)  # a category may hold a bar
    ]
    return f"<tr>{''.join(made)}</tr>"
