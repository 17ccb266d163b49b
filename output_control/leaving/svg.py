"""Figures that leave are SVG as the gate draws it: lines, bars, points and words, and nothing that runs or refers.

Known are the elements, their attributes, and the form of every value: a colour of the palette, a place of at most four
figures and two decimals, a size, a pattern of dashes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.parsers.expat import ExpatError, ParserCreate

import pyarrow as pa

from output_control.drawing.figure import MOST_MARKS
from output_control.drawing.svg import COLOURS, DASHES, FAINT, FONT, INK
from output_control.leaving.by_hand import faults_of_extent
from output_control.leaving.text import faults_of_texts, hides_characters, in_lines

NAMESPACE = "http://www.w3.org/2000/svg"
_PLACE = r"-?[0-9]{1,4}(?:\.[0-9]{1,2})?"
_SIZE = r"[0-9]{1,4}(?:\.[0-9]{1,2})?"
_COLOUR = "|".join((*COLOURS, INK, FAINT, "#ffffff", "none"))
_NAME = r"(?s:.*)"  # looked at as words
FORMS = {
    "xmlns": re.escape(NAMESPACE),
    "viewBox": r"0 0 [0-9]{1,4} [0-9]{1,4}",
    "role": "img",
    "aria-labelledby": _NAME,
    "id": _NAME,
    "transform": rf"rotate\(-90 {_PLACE} {_PLACE}\)",
    **dict.fromkeys(("x", "y", "x1", "y1", "x2", "y2", "cx", "cy"), _PLACE),
    "width": _SIZE,
    "height": _SIZE,
    "r": r"[0-9]{1,2}",
    "d": rf"M{_PLACE} {_PLACE}(?: L{_PLACE} {_PLACE})*",
    "fill": _COLOUR,
    "stroke": _COLOUR,
    "fill-opacity": r"0(?:\.[0-9]{1,2})?|1",
    "stroke-width": r"[0-9](?:\.5)?",
    "stroke-dasharray": "|".join(DASHES),
    "font-family": FONT,
    "font-size": r"[0-9]{1,2}",
    "text-anchor": "start|middle|end",
}
"""Attribute -> the form of its value."""
ELEMENTS = frozenset({"svg", "title", "desc", "g", "rect", "line", "path", "circle", "text"})
MOST_ELEMENTS = 2 * MOST_MARKS + 1000
"""A mark and its range each; axes, a legend and the words of a heat map beside them."""
MOST_POINTS = 12 * MOST_MARKS
"""Corners of lines: two per step, or those of a funnel's six lines."""
MOST_WORDS = MOST_MARKS + 200
"""One per mark of a heat map, and those of its axes."""
MOST_BY_HAND = 500
"""Elements, corners and words that a person looks at one by one."""
_LONG_NUMBER = re.compile(r"[0-9]{8}")
_NAMES = ("id", "aria-labelledby")
_LETTER = 0.6
"""Width of a letter, as a part of its height."""
_SMALLEST = 6
"""Height of a letter that a person reads."""
_GAP = 2.5
"""Letters that may lie between two texts of one line that are read as one."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A text and where it stands, from left to right."""

    line: str
    begin: float
    end: float
    text: str


def faults_of_svg(text: str, *, drawn_from: bool, by_hand: bool = False) -> Iterator[str]:
    """What an SVG holds beside a drawing; ``drawn_from``: the table that it shows lies beside it.

    ``by_hand``: the gate did not draw it. It holds no more than a person sees, and words beside each other are also
    read on; those of the gate stand in the table beside them.
    """
    words: list[str] = []
    yield from read_svg(text, words, drawn_from=drawn_from, by_hand=by_hand)
    yield from faults_of_texts(pa.array(words, pa.string()))


def read_svg(text: str, words: list[str], *, drawn_from: bool, by_hand: bool = False) -> Iterator[str]:
    """As `faults_of_svg`, but for what its words tell: they are added to ``words``."""
    if not drawn_from:
        yield "is a figure without its table beside it"
    if "<!" in text or "<?" in text:
        yield "holds a declaration, a comment or an instruction: no drawing of the gate"
        return
    seen = _Seen(words)
    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = seen.start, seen.end
    parser.CharacterDataHandler = seen.data
    try:
        parser.Parse(text, True)
    except ExpatError:
        yield "is not well-formed"
        return
    if by_hand:
        yield from faults_of_extent(words)
        words += _read_on(seen.written)
    words[:] = map(in_lines, words)
    if hides_characters(" ".join([*words, *map(in_lines, seen.values)])):
        yield "holds characters that are not shown"
    if any(_LONG_NUMBER.search(value) for value in seen.values):
        yield "holds an attribute with a number of eight figures or more, as identifiers are"
    if seen.unseen:
        yield f"holds {seen.unseen} text(s) that nobody sees: too small, without ink, or beside the picture"
    if seen.odd:
        yield f"holds {seen.odd} element(s) that the gate does not draw"
    bounds = (MOST_BY_HAND,) * 3 if by_hand else (MOST_ELEMENTS, MOST_POINTS, MOST_WORDS)
    if seen.elements > bounds[0] or seen.points > bounds[1] or seen.texts > bounds[2]:
        yield "holds more marks or words than a figure needs: records are not drawn one by one"


class _Seen:
    """What is met in a drawing, element by element."""

    def __init__(self, words: list[str]) -> None:
        self.odd = self.elements = self.points = self.texts = self.unseen = 0
        self.values: list[str] = []
        self.written: list[_Written] = []
        self._words = words
        self._words.append("")
        self._open: list[tuple[str, dict[str, str], int]] = []
        self._picture: list[float] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and re.fullmatch(FORMS["viewBox"], attributes.get("viewBox", "")):
            self._picture = [float(side) for side in attributes["viewBox"].split()[2:]]
        given = [value for key, value in attributes.items() if key != "xmlns"]
        self.odd += name not in ELEMENTS or any(
            re.fullmatch(FORMS.get(key, "(?!)"), value) is None for key, value in attributes.items()
        )
        self.elements += 1
        self.texts += name == "text"
        self.points += attributes.get("d", "").count("L")
        self.values += given
        self._words.extend([*(attributes.get(key, "") for key in _NAMES), ""])
        self._open.append((name, attributes, len(self._words) - 1))

    def _is_seen(self, attributes: dict[str, str]) -> bool:
        """Whether a text stands in the picture, in ink, large enough to be read."""
        try:
            place = [float(attributes.get(side, "0")) for side in ("x", "y")]
            size = float(attributes.get("font-size", "16"))
        except ValueError:
            return False
        around = [attributes, *(each for _, each, _ in self._open)]
        inked = all(each.get("fill", INK) == INK and each.get("fill-opacity", "1") == "1" for each in around)
        inside = all(0 <= at <= side for at, side in zip(place, self._picture, strict=False))
        return inked and inside and size >= _SMALLEST

    def data(self, said: str) -> None:
        self._words[-1] += said

    def end(self, name: str) -> None:
        _, attributes, first = self._open.pop()
        if name == "text":
            self.unseen += not self._is_seen(attributes)
            written = _written(attributes, "".join(self._words[first:]))
            self.written += [written] if written else []


def _written(attributes: dict[str, str], text: str) -> _Written | None:
    try:
        at, size = float(attributes.get("x", "0")), float(attributes.get("font-size", "16"))
    except ValueError:
        return None  # of no known form, and told as such
    wide = _LETTER * size * len(text)
    begin = at - {"middle": wide / 2, "end": wide}.get(attributes.get("text-anchor", ""), 0.0)
    turned = "transform" in attributes
    return _Written(attributes.get("y", "0") if not turned else f"turned {at}", begin, begin + wide, text)


def _read_on(written: Sequence[_Written]) -> list[str]:
    """Words of one line that stand close by each other, as they are read."""
    lines: defaultdict[str, list[_Written]] = defaultdict(list)
    for each in written:
        lines[each.line].append(each)
    read: list[str] = []
    for line in lines.values():
        line.sort(key=lambda each: each.begin)
        end = float("-inf")
        for each in line:
            letter = (each.end - each.begin) / max(len(each.text), 1)
            if each.begin - end <= _GAP * letter:
                read[-1] += f" {each.text}"
            else:
                read.append(each.text)
            end = each.end
    return read
