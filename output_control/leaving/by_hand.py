"""How much a file may say that leaves by hand: what a person reads to the end, and in no form that only machines read.

A scan of identifiers sees forms, not records: a listing of records has none. So what no person would read, words of
packed data, and numbers that a spreadsheet computes are refused whatever they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

MOST_CHARACTERS = 200_000
"""Of all that a file says."""
MOST_IN_A_TEXT = 2_000
"""Characters of one cell, line, key, title or description."""
MOST_NUMBERS_IN_A_TEXT = 100
"""As many as a row has columns."""
MOST_IN_A_WORD = 64
"""Characters without a blank or another mark between them, as packed data has; a digest has as many."""
_WORD = re.compile(rf"(?=[+/_=-]*[0-9A-Za-z])[0-9A-Za-z+/_=-]{{{MOST_IN_A_WORD + 1},}}")
_NUMBER = re.compile(r"[0-9]+")
_JOINED = re.compile(r"[0-9]{21}")
_FORMULA = re.compile(r"\s*[=+\-@|%]")  # spreadsheets run such a field (OWASP, CSV injection)
_PLAIN = re.compile(r"\s*[-+]?[0-9.,\s]*[0-9][0-9.,\s]*%?|\s*[-+]|\s*[-+]?[0-9][0-9.,]*[eE][-+]?[0-9]{1,3}\s*")
_OTHER_BASE = re.compile(r"\s*0[xXoObB][0-9A-Fa-f]+\s*")
_COMPUTED = re.compile(r"\s*([-+]?[0-9]{1,40}(?:[.,][0-9]{1,40})?)(?:[eE]([-+]?[0-9]{1,2}))?\s*(%?)\s*")
_MARKUP = re.compile(r"<[A-Za-z!/?]|!\[|\]\(|\]:|https?://|ftp://", re.IGNORECASE)


def faults_of_extent(texts: Sequence[str]) -> Iterator[str]:
    """What is wrong with how much ``texts`` (cells, lines, keys) say, and in how long words."""
    if sum(map(len, texts)) > MOST_CHARACTERS:
        yield f"says more than {MOST_CHARACTERS} characters: a person reads no more"
        return
    long = sum(
        len(text) > MOST_IN_A_TEXT or (len(text) > 2 * MOST_NUMBERS_IN_A_TEXT and _numbers(text)) for text in texts
    )
    if long:
        yield (
            f"holds {long} text(s) of more than {MOST_IN_A_TEXT} characters or {MOST_NUMBERS_IN_A_TEXT} numbers: "
            "records are not listed"
        )
    joined = sum(_JOINED.search(text) is not None for text in texts)
    if joined:
        yield f"holds {joined} text(s) with more than 20 figures in a row, as several identifiers are"
    packed = sum(_WORD.search(text) is not None for text in texts)
    if packed:
        yield f"holds {packed} text(s) with a word of more than {MOST_IN_A_WORD} characters, as packed data has"


def _numbers(text: str) -> bool:
    return sum(1 for _ in _NUMBER.finditer(text)) > MOST_NUMBERS_IN_A_TEXT


def faults_of_fields(fields: Sequence[str]) -> Iterator[str]:
    """Fields that a spreadsheet would run or turn into another number."""
    run = sum(_FORMULA.match(field) is not None and _PLAIN.fullmatch(field) is None for field in fields)
    if run:
        yield f"holds {run} field(s) that a spreadsheet would run as a formula"
    other = sum(_OTHER_BASE.fullmatch(field) is not None for field in fields)
    if other:
        yield f"holds {other} number(s) of another base than ten"


def computed(fields: Sequence[str]) -> list[str]:
    """The numbers that a spreadsheet makes of fields with an exponent or a percent sign, written whole."""
    found = [_COMPUTED.fullmatch(field) for field in fields if field[-1:] == "%" or "e" in field or "E" in field]
    return [format(_value(each[1], each[2], each[3]), "f") for each in found if each and (each[2] or each[3])]


def _value(figures: str, exponent: str | None, percent: str) -> Decimal:
    return Decimal(figures.replace(",", ".")).scaleb(int(exponent or 0) - 2 * len(percent)).normalize()


def faults_of_markup(text: str) -> Iterator[str]:
    """What a page made of ``text`` (Markdown) would show otherwise, run or fetch."""
    if _MARKUP.search(text):
        yield "holds HTML, a picture or a link: give plain text"
