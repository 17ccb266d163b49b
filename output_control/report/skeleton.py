"""The frame of every report: one self-contained HTML page, no script, nothing from outside, a policy that forbids both.

Every text that is not this project's own (titles, labels, codes, findings) passes `html.escape`. What a colour says a
mark and a word say too; tables have captions and headings in both directions; wide ones scroll by keyboard.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from typing import Literal

from output_control.report.contents import EarlierFinding, Language
from output_control.report.markup import facts_table, words
from output_control.report.style import STYLE
from output_control.report.texts import say

Audience = Literal["checkers", "author", "owner"]
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def whole_page(
    title: str,
    sections: Sequence[tuple[str, str]],
    language: Language,
    *,
    notice: str,
    skip: tuple[str, str],
    other: str,
) -> bytes:
    """The page from its sections (a word that is their heading, and HTML).

    ``notice``: the word that says for whom it is; ``skip``: the word of the link for keyboards, and the section that it
    leads to; ``other``: the file of the same page in the other language.
    """
    shown = html.escape(title)
    foreign: Language = "en" if language == "nl" else "nl"
    said = words("other_language", language)
    switch = f'<a href="{html.escape(other)}" hreflang="{foreign}" lang="{foreign}">{said}</a>'
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{shown}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#{_anchor(skip[1])}">{words(skip[0], language)}</a>
<header>
<p class="other">{switch}</p>
<nav aria-label="{words("contents", language)}">
<ul>{"".join(_link(name, language) for name, _ in sections)}</ul>
</nav>
<h1>{shown}</h1>
<p class="notice"><strong>{words(notice, language)}</strong></p>
</header>
<main>
{"".join(_section(name, body, language) for name, body in sections)}
</main>
</body>
</html>
""".encode()


def earlier_releases(earlier: Sequence[EarlierFinding], language: Language) -> str:
    """What the release ledger found, or that nothing was given."""
    if not earlier:
        return f"<p>{words('earlier_none', language)}</p>"
    rows = [(each.release, each.finding[language]) for each in earlier]
    return facts_table(rows, say("earlier", language), (say("release", language), say("finding", language)))


def _link(name: str, language: Language) -> str:
    return f'<li><a href="#{_anchor(name)}">{words(name, language)}</a></li>'


def _section(name: str, body: str, language: Language) -> str:
    anchor = _anchor(name)
    title = f'<h2 id="h-{anchor}">{words(name, language)}</h2>'
    return f'<section aria-labelledby="h-{anchor}" id="{anchor}">{title}\n{body}\n</section>\n'


def _anchor(name: str) -> str:
    return "why" if name.startswith("why") else name
