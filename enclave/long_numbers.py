"""Long numbers in words that many read (titles, names, purposes): an identifier is one, however it is parted."""

from __future__ import annotations

import re
import unicodedata

YEARS = re.compile(r"(?<![0-9])(?:1[89]|2[01])[0-9]{2} ?[-/_ ] ?(?:1[89]|2[01])[0-9]{2}(?![0-9])")
"""A span of years, such as 1996-2015, which is no number."""
_DATES = re.compile(
    r"(?<![0-9])(?:[0-3]?[0-9]([-/. ])[01]?[0-9]\1(?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}([-/.])[01]?[0-9]\2[0-3]?[0-9])"
    r"(?![0-9])"
)
_MUNICIPALITY = re.compile(r"(?<![A-Za-z])GM[0-9]{4}(?![0-9])")
_PARTED = re.compile(r"[0-9](?:(?:[^0-9A-Za-z]|[ .\-/_]{2,3})?[0-9]){7}")


def in_ascii_figures(text: str) -> str:
    """``text`` with figures of every script and width as 0 to 9 (Unicode NFKC, and decimal values)."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(letter, letter)) for letter in plain)


def holds_parted_number(text: str) -> bool:
    """Whether eight figures or more stand in a row, together or with marks between each two.

    Spans of years, dates, and codes of municipalities are none.
    """
    plain = in_ascii_figures(text)
    for harmless in (_DATES, YEARS, _MUNICIPALITY):
        plain = harmless.sub("#x#", plain)
    return bool(_PARTED.search(plain))
