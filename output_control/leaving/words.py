"""Words that leave beside the figures: titles, names of outputs and columns. They hold no identifier and hide nothing.

A researcher sees records without identifiers, yet could write into a title what a record says, and a text with control
characters can show a checker something else than it holds.
"""

from __future__ import annotations

import re
import unicodedata

from enclave.long_numbers import YEARS, in_ascii_figures
from enclave.requests import OutputRequest

_LONG_NUMBER = re.compile(r"[0-9]{8}")
# with points, dashes or spaces between; a span of years (1996-2015) is none
_SPACED_NUMBER = re.compile(r"[0-9](?:[ .\-/_]{0,3}[0-9]){7,}|[0-9](?:[^0-9A-Za-z]{1,3}[0-9](?![0-9])){7,}")
_HIDING = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")
NOT_DRAWN = (  # beside these: joiners, fillers, the blank of Braille, variation selectors, as a class of characters
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
)
_NOT_DRAWN = re.compile(f"[{NOT_DRAWN}]")


def fault_of_text(text: str, *, lines: bool = False) -> str:
    """What keeps ``text`` from being shown to checkers and published; empty when nothing does.

    ``lines``: it is a text for checkers, in which line breaks, tabs and dates may stand.
    """
    shown = text.translate({10: " ", 13: " ", 9: " "}) if lines else text
    if any(unicodedata.category(letter) in _HIDING for letter in shown) or _NOT_DRAWN.search(shown):
        return "holds characters that are not shown, or change the order of others"
    digits = in_ascii_figures(YEARS.sub("", shown))
    if (_LONG_NUMBER if lines else _SPACED_NUMBER).search(digits):
        return "holds a number of eight digits or more, as identifiers are"
    return ""


def faults_of_words(request: OutputRequest) -> list[str]:
    """What is wrong with the title and the names of a request that would leave with its figures."""
    wrong = fault_of_text(request.title)
    faults = [f"{request.name}: the title {wrong}"] if wrong else []
    figure = request.figure
    for text in (figure.x_label, figure.y_label, figure.alternative) if figure else ():
        wrong = fault_of_text(text)
        faults += [f"{request.name}: a text of the figure {wrong}"] if wrong else []
    names = [request.name, request.derivation, *request.columns()]
    odd = sum(1 for name in names if fault_of_text(name))
    # the name itself stays unsaid: it may be the number
    return [*faults, *([f"{odd} name(s) of an output or a column hold a number of eight digits or more"] * (odd > 0))]
