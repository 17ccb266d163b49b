"""Figures that leave are SVG as the gate draws it: lines, bars, points and words, and nothing that runs or refers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers.expat import ExpatError, ParserCreate

import pyarrow as pa

from output_control.leaving.text import faults_of_texts, hides_characters, in_lines

ELEMENTS = frozenset({"svg", "title", "desc", "g", "rect", "line", "path", "circle", "text"})
ATTRIBUTES = frozenset(
    (
        *("xmlns", "viewBox", "width", "height", "role", "aria-labelledby", "id", "transform"),
        *("x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "d"),
        *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray"),
        *("font-family", "font-size", "font-weight", "text-anchor"),
    )
)
_NAMES = ("id", "aria-labelledby", "role", "font-family")
_LONG_NUMBER = re.compile(r"[0-9]{8}")
NAMESPACE = "http://www.w3.org/2000/svg"


def faults_of_svg(text: str, *, drawn_from: bool) -> Iterator[str]:
    """What an SVG holds beside a drawing; ``drawn_from``: the table that it shows lies beside it."""
    words: list[str] = []
    yield from read_svg(text, words, drawn_from=drawn_from)
    yield from faults_of_texts(pa.array(words, pa.string()))


def read_svg(text: str, words: list[str], *, drawn_from: bool) -> Iterator[str]:
    """As `faults_of_svg`, but for what its words tell: they are added to ``words``."""
    if not drawn_from:
        yield "is a figure without its table beside it"
    if "<!" in text or "<?" in text:
        yield "holds a declaration, a comment or an instruction: no drawing of the gate"
        return
    odd = 0
    values: list[str] = []
    words.append("")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal odd
        known = name in ELEMENTS and set(attributes) <= ATTRIBUTES
        foreign = attributes.get("xmlns", NAMESPACE) != NAMESPACE
        given = _values(attributes)
        odd += not known or foreign or any("url" in value or ":" in value for value in given)
        values.extend(given)
        words.extend([*(attributes.get(name, "") for name in _NAMES), ""])

    def data(said: str) -> None:
        words[-1] += said

    parser = ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = start, data
    try:
        parser.Parse(text, True)
    except ExpatError:
        yield "is not well-formed"
        return
    words[:] = map(in_lines, words)
    if hides_characters(" ".join([*words, *map(in_lines, values)])):
        yield "holds characters that are not shown"
    if any(_LONG_NUMBER.search(value) for value in values):
        yield "holds an attribute with a number of eight figures or more, as identifiers are"
    if odd:
        yield f"holds {odd} element(s) that the gate does not draw"


def _values(attributes: dict[str, str]) -> list[str]:
    return [value for name, value in attributes.items() if name != "xmlns"]
