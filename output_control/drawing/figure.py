"""Figures: drawn by the gate from the columns that are released, and from nothing else.

An image that an analysis made is never passed on: it may show a record, or hold one in its bytes. What is hidden in the
table is a gap in the figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pyarrow as pa

from enclave.errors import Refused
from enclave.requests import Figure
from output_control.drawing.svg import COLOURS, FAINT, INK, document, element, line, path, words
from output_control.outputs import OutputColumn

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 80.0, 560.0, 50.0, 360.0
MOST_MARKS, MOST_CATEGORIES, MOST_SERIES = 2000, 40, 8
TICKS = 5
FUNNELS = {"rate": "denominator", "ratio": "expected"}
Cell = str | float | None


@dataclass(frozen=True, slots=True)
class Mark:
    """One row of the table that is drawn."""

    x: str | float
    y: float
    series: str
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Axis:
    """Data to place: numbers linearly, categories (when ``names``) at the middle of equal parts."""

    low: float
    high: float
    start: float
    end: float
    names: tuple[str, ...] = ()

    def at(self, value: str | float) -> float:
        """Where ``value`` lies."""
        position = self.names.index(value) + 0.5 if isinstance(value, str) else value
        return self.start + (position - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and words of the axis's marks."""
        if self.names:
            return [(self.at(name), name) for name in self.names]
        step = _round_step((self.high - self.low) / TICKS)
        first = math.ceil(self.low / step - 1e-9)
        values = [step * (first + i) for i in range(int((self.high - self.low) / step + 1e-9) + 2)]
        return [(self.at(value), f"{value:.6g}") for value in values if value <= self.high + step * 1e-9]


def draw(name: str, title: str, figure: Figure, columns: Sequence[OutputColumn]) -> bytes:
    """The figure as SVG.

    Raises:
        Refused: it names columns that are not released, or nothing, too much, or no number is left to draw.
    """
    if figure.chart == "funnel":
        return _funnel(name, title, figure, columns)
    marks = _marks(figure, columns)
    if figure.chart == "heat":
        return _heat(name, title, figure, marks)
    x, y = _axis_x(figure, marks), _axis_y(figure, marks)
    series = tuple(dict.fromkeys(mark.series for mark in marks))
    parts = [*_axes(figure, title, x, y), *_legend(series)]
    for number, each in enumerate(series):
        own = [mark for mark in marks if mark.series == each]
        if figure.chart == "bar":
            parts += _bars(own, x, y, number, len(series))
        else:
            parts += _lines(figure, own, x, y, number)
    return document(name, title, figure.alternative, parts, width=WIDTH, height=HEIGHT)


def _marks(figure: Figure, columns: Sequence[OutputColumn]) -> list[Mark]:
    table = {column.name: column for column in columns}
    named = {figure.x, figure.y, *filter(None, (figure.by, figure.low, figure.high)), *(c for c, _ in figure.where)}
    unknown = sorted(named - table.keys())
    if unknown:
        raise Refused(f"the figure names {len(unknown)} column(s) that the output does not have: {', '.join(unknown)}")
    if any(table[c].datatype == "string" for c in (figure.y, figure.low, figure.high) if c):
        raise Refused("the figure's y is no column of numbers")
    if figure.chart == "heat" and figure.by is None:
        raise Refused("a heat map needs the field by: its rows")
    cells = {column: _cells(table[column].values) for column in named}
    kept = [
        row
        for row in range(len(columns[0].values))
        if all(_text(cells[column][row]) == code for column, code in figure.where) and cells[figure.y][row] is not None
    ]
    marks = [_mark(figure, cells, row) for row in kept if cells[figure.x][row] is not None]
    series = {mark.series for mark in marks}
    if not marks:
        raise Refused("no published row is left to draw")
    most = MOST_CATEGORIES if figure.chart == "heat" else MOST_SERIES
    if len(marks) > MOST_MARKS or len(series) > most:
        raise Refused(
            f"the figure has more than {MOST_MARKS} marks or {most} series", next_step="keep fewer rows with where"
        )
    return marks


def _mark(figure: Figure, cells: dict[str, list[Cell]], row: int) -> Mark:
    def number(column: str | None) -> float | None:
        value = cells[column][row] if column else None
        return float(value) if value is not None else None

    x, y = cells[figure.x][row], number(figure.y)
    categorical = figure.chart in {"bar", "heat"}
    place = _text(x) if isinstance(x, str) or categorical or x is None else float(x)
    series = _text(cells[figure.by][row]) if figure.by else ""
    return Mark(place, 0.0 if y is None else y, series, number(figure.low), number(figure.high))


def _cells(values: pa.Array) -> list[Cell]:
    return list(values.to_pylist())


def _text(value: Cell) -> str:
    return value if isinstance(value, str) else "" if value is None else f"{value:g}"


def _axis_x(figure: Figure, marks: list[Mark]) -> Axis:
    names = tuple(dict.fromkeys(mark.x for mark in marks if isinstance(mark.x, str)))
    if len(names) > MOST_CATEGORIES:
        raise Refused(f"the figure has more than {MOST_CATEGORIES} categories", next_step="keep fewer rows with where")
    if names:
        return Axis(0, len(names), LEFT, RIGHT, names)
    numbers = [mark.x for mark in marks if not isinstance(mark.x, str)]
    low, high = min(numbers), max(numbers)
    return Axis(low, high if high > low else low + 1, LEFT, RIGHT)


def _axis_y(figure: Figure, marks: list[Mark]) -> Axis:
    found = [value for mark in marks for value in (mark.y, mark.low, mark.high) if value is not None]
    # lengths of bars are compared, so they begin at nothing; shares do too, but in a funnel, where the spread counts
    from_nothing = figure.chart == "bar" or (figure.chart != "funnel" and min(found) >= 0)
    low, most = (min(0.0, *found), max(0.0, *found)) if from_nothing else (min(found), max(found))
    step = _round_step((most - low) / TICKS)
    high = math.ceil(most / step - 1e-9) * step
    low = math.floor(low / step + 1e-9) * step
    return Axis(low, high if high > low else low + 1, BOTTOM, TOP)


def _round_step(rough: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


def _axes(figure: Figure, title: str, x: Axis, y: Axis) -> list[str]:
    parts = [words(title if len(title) <= 90 else f"{title[:89]}…", 16, 26, size=15)]
    for place, text in y.ticks():
        parts += [] if y.names else [line(LEFT, place, RIGHT, place, colour=FAINT)]
        parts.append(words(text, LEFT - 6, place + 4, anchor="end"))
    crowded = len(x.names) > 8
    for place, text in x.ticks():
        parts.append(line(place, BOTTOM, place, BOTTOM + 4))
        if crowded:
            parts.append(words(text, place + 4, BOTTOM + 8, size=10, anchor="end", turned=True))
        else:
            parts.append(words(text, place, BOTTOM + 18, anchor="middle"))
    middle = (LEFT + RIGHT) / 2
    return [
        *parts,
        line(LEFT, BOTTOM, RIGHT, BOTTOM),
        words(figure.x_label, middle, HEIGHT - 16, anchor="middle"),
        words(figure.y_label, 18, (TOP + BOTTOM) / 2, anchor="middle", turned=True),
    ]


def _legend(series: Sequence[str]) -> list[str]:
    parts: list[str] = []
    for number, name in enumerate(series if len(series) > 1 else ()):
        y = TOP + 18 * number
        parts += [path([(RIGHT + 12, y), (RIGHT + 36, y)], number), words(name, RIGHT + 42, y + 4)]
    return parts


def _bars(own: list[Mark], x: Axis, y: Axis, number: int, series: int) -> list[str]:
    width = (RIGHT - LEFT) / max(len(x.names), 1) * 0.8 / series
    parts = []
    for mark in own:
        left = x.at(mark.x) + (number - series / 2) * width
        top, base = y.at(max(mark.y, 0.0)), y.at(min(mark.y, 0.0))
        colour = COLOURS[number % len(COLOURS)]
        parts.append(element("rect", x=left, y=top, width=width, height=base - top, fill=colour))
        parts += _range(mark, left + width / 2, y, INK)
    return parts


def _lines(figure: Figure, own: list[Mark], x: Axis, y: Axis, number: int) -> list[str]:
    points = [(x.at(mark.x), y.at(mark.y)) for mark in own]
    colour = COLOURS[number % len(COLOURS)]
    parts = [part for mark in own for part in _range(mark, x.at(mark.x), y, colour)]
    if figure.chart == "point":
        return parts + [element("circle", cx=px, cy=py, r=4, fill=colour) for px, py in points]
    if figure.chart == "step":
        corners = [(later[0], earlier[1]) for earlier, later in pairwise(points)]
        points = [point for pair in zip(points, [*corners, points[-1]], strict=True) for point in pair]
    return [*parts, path(points, number)]


def _range(mark: Mark, at: float, y: Axis, colour: str) -> list[str]:
    if mark.low is None or mark.high is None:
        return []
    return [line(at, y.at(mark.low), at, y.at(mark.high), colour=colour)]


def _heat(name: str, title: str, figure: Figure, marks: list[Mark]) -> bytes:
    """Cells by x and ``by``, darker for more, with the figure written in each; nothing where it is hidden."""
    x = _axis_x(figure, marks)
    rows = tuple(dict.fromkeys(mark.series for mark in marks))
    y = Axis(0, len(rows), TOP, BOTTOM, rows)
    largest = max(abs(mark.y) for mark in marks) or 1.0
    wide, tall = (RIGHT - LEFT) / len(x.names), (BOTTOM - TOP) / len(rows)
    parts = _axes(figure, title, x, y)
    for mark in marks:
        left, top, part = x.at(mark.x) - wide / 2, y.at(mark.series) - tall / 2, abs(mark.y) / largest
        colour = COLOURS[0] if mark.y >= 0 else COLOURS[1]
        parts.append(element("rect", x=left, y=top, width=wide, height=tall, fill=colour, fill_opacity=0.6 * part))
        parts.append(words(f"{mark.y:g}", x.at(mark.x), y.at(mark.series) + 4, size=11, anchor="middle"))
    return document(name, title, figure.alternative, parts, width=WIDTH, height=HEIGHT)


def _funnel(name: str, title: str, figure: Figure, columns: Sequence[OutputColumn]) -> bytes:
    """Rows by their precision, with the target and the control limits from point to point.

    The whole is left out: it is the target itself, and has no limits.
    """
    if FUNNELS.get(figure.y) != figure.x or figure.by or figure.low or figure.high:
        raise Refused(
            "a funnel is of the rate by its denominator, or of the ratio by its expected number",
            next_step="ask for the figure funnel or ratio_funnel of the rate, and name x and y only",
        )
    before = "" if figure.y == "rate" else "ratio_"
    limits = {width: [f"{before}{width}_{end}" for end in ("low", "high")] for width in ("limit95", "limit998")}

    def along(column: str, low: str | None = None) -> list[Mark]:
        asked = figure.model_copy(update={"chart": "line", "y": column, "low": low})
        return sorted(_marks(asked, columns), key=lambda mark: (mark.x, mark.y))

    points = [replace(mark, low=None) for mark in along(figure.y, limits["limit95"][0]) if mark.low is not None]
    lines = [along(column) for pair in limits.values() for column in pair]
    level = 1.0 if before else along("target")[0].y
    drawn = [points, [replace(lines[0][at], y=level) for at in (0, -1)], *lines]
    every = [mark for each in drawn for mark in each]
    x, y = _axis_x(figure, every), _axis_y(figure, every)
    parts = [*_axes(figure, title, x, y), *_legend((figure.y, "target", "95%", "99.8%"))]
    for number, own in zip((0, 1, 2, 2, 3, 3), drawn, strict=True):
        parts += _lines(figure.model_copy(update={"chart": "line" if number else "point"}), own, x, y, number)
    return document(name, title, figure.alternative, parts, width=WIDTH, height=HEIGHT)
