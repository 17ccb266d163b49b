"""Pieces of HTML: whatever comes in as text is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from output_control.report.contents import Language
from output_control.report.texts import say


def words(name: str, language: Language, **parts: object) -> str:
    """A text of the report, safe for HTML."""
    return html.escape(say(name, language, **parts))


def number(value: float, language: Language, decimals: int = 2) -> str:
    """A figure with thousands apart by a thin space and the language's decimal mark; whole figures without decimals."""
    text = f"{value:,.{decimals}f}" if value % 1 else f"{value:,.0f}"
    return text.replace(",", "\u202f").replace(".", "," if language == "nl" else ".")


def facts_table(rows: Iterable[tuple[str, str]], caption: str, head: tuple[str, str]) -> str:
    """A table of names and values."""
    body = [f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>' for name, value in rows]
    return table_of([(name, False) for name in head], body, caption, kind="facts")


def table_of(head: Sequence[tuple[str, bool]], body: Iterable[str], caption: str, kind: str = "plain") -> str:
    """A table of style ``kind`` from its headings (text, stands above numbers) and rows that are HTML already."""
    places = [' class="n"' if right else "" for _, right in head]
    titles = "".join(
        f'<th scope="col"{place}>{html.escape(text)}</th>' for place, (text, _) in zip(places, head, strict=True)
    )
    rows = "\n".join(body)
    return (
        f'<table class="{kind}"><caption>{html.escape(caption)}</caption>\n<thead><tr>{titles}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table>"
    )


def scrolling(table: str, name: str) -> str:
    """A region that the keyboard can reach and scroll."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(name)}">{table}</div>'
