"""Figures: what is drawn is what is released, hidden figures are gaps, and the bytes are the same every time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import Refused
from enclave.requests import Figure, HistogramRequest
from output_control.drawing.figure import BOTTOM, LEFT, RIGHT, TOP, draw
from output_control.leaving.svg import faults_of_svg
from output_control.outputs import OutputColumn
from tests.output_control.distribution_requests import asked, mixed
from tests.output_control.gate_world import World, random_homes, table_request

NAMESPACE = "{http://www.w3.org/2000/svg}"
WORDS: dict[str, Any] = {"x_label": "Area", "y_label": "Homes", "alternative": "Most homes stand in the first area."}


def column(name: str, values: list[Any]) -> OutputColumn:
    text = isinstance(next(value for value in values if value is not None), str)
    return OutputColumn(name, "string" if text else "number", {"en": name}, pa.array(values))


AREAS = [column("area", ["A", "B", "C"]), column("value", [10.0, 20.0, None]), column("sex", ["m", "f", "f"])]
CURVE = [
    column("time", [1.0, 2.0, 4.0, 1.0, 2.0, 4.0]),
    column("left", [0.9, 0.6, 0.5, 0.8, None, 0.1]),
    column("low", [0.8, 0.5, 0.4, 0.7, None, 0.0]),
    column("high", [1.0, 0.7, 0.6, 0.9, None, 0.2]),
    column("kind", ["a", "a", "a", "b", "b", "b"]),
]


def picture(columns: list[OutputColumn], **fields: Any) -> ET.Element:
    drawn = draw("homes", "Homes by area", Figure.model_validate(WORDS | fields), columns)
    assert list(faults_of_svg(drawn.decode(), drawn_from=True)) == []
    return ET.fromstring(drawn)  # noqa: S314 - made here


def of(root: ET.Element, name: str) -> list[dict[str, str]]:
    return [element.attrib for element in root.iter(f"{NAMESPACE}{name}")]


def test_a_bar_is_as_high_as_its_figure_and_a_hidden_one_is_a_gap() -> None:
    bars = of(picture(AREAS, chart="bar", x="area", y="value"), "rect")[1:]
    assert [float(bar["height"]) for bar in bars] == [(BOTTOM - TOP) / 2, BOTTOM - TOP]  # the axis ends at 20
    assert {float(bar["y"]) + float(bar["height"]) for bar in bars} == {BOTTOM}


def test_a_line_goes_through_its_points_and_each_series_has_its_own() -> None:
    paths = of(picture(CURVE, chart="line", x="time", y="left", by="kind"), "path")
    curves = [path["d"] for path in paths if path["d"].count("L") > 1 or "M80" in path["d"]]
    first = [tuple(map(float, pair.split())) for pair in curves[0][1:].split(" L")]
    assert [x for x, _ in first] == pytest.approx([LEFT, LEFT + (RIGHT - LEFT) / 3, RIGHT], abs=0.01)
    assert [y for _, y in first] == pytest.approx([BOTTOM - (BOTTOM - TOP) * v for v in (0.9, 0.6, 0.5)], abs=0.01)
    assert len({path["stroke-dasharray"] for path in paths}) == 2


def test_a_step_is_level_until_the_next_time_and_intervals_are_lines() -> None:
    root = picture(CURVE[:4], chart="step", x="time", y="left", low="low", high="high")
    points = [tuple(map(float, pair.split())) for pair in of(root, "path")[0]["d"][1:].split(" L")]
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(points))
    upright = [line for line in of(root, "line") if line["x1"] == line["x2"] and float(line["y2"]) < BOTTOM]
    assert len(upright) == 5


def test_a_heat_map_writes_each_figure_and_leaves_hidden_ones_empty() -> None:
    root = picture(AREAS, chart="heat", x="area", by="sex", y="value")
    said = [element.text for element in root.iter(f"{NAMESPACE}text")]
    assert said.count("10") == said.count("20") == 1
    assert len(of(root, "rect")) == 3


def test_a_figure_has_title_axis_titles_and_an_alternative_text() -> None:
    root = picture(AREAS, chart="point", x="area", y="value")
    said = {element.tag.removeprefix(NAMESPACE): element.text for element in root}
    assert (said["title"], said["desc"]) == ("Homes by area", WORDS["alternative"])
    assert root.attrib["aria-labelledby"] == "homes-title homes-description"
    assert {"Area", "Homes", "Homes by area"} <= {element.text for element in root.iter(f"{NAMESPACE}text")}


def test_where_keeps_rows_of_a_code() -> None:
    bars = of(picture(AREAS, chart="bar", x="area", y="value", where=(("sex", "f"),)), "rect")[1:]
    assert len(bars) == 1


def test_words_are_escaped() -> None:
    odd = [column("area", ["<script>", 'a"&b']), column("value", [1.0, 2.0])]
    drawn = draw("homes", "A & <b>", Figure(chart="bar", x="area", y="value", **WORDS), odd)
    assert b"<script>" not in drawn
    assert b"A &amp; &lt;b&gt;" in drawn


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"x": "owner", "y": "value"}, "does not have: owner"),
        ({"x": "area", "y": "sex"}, "no column of numbers"),
        ({"x": "area", "y": "value", "where": (("sex", "x"),)}, "no published row"),
        ({"x": "area", "y": "value", "chart": "heat"}, "needs the field by"),
    ],
)
def test_what_cannot_be_drawn_is_refused(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(Refused, match=fault):
        picture(AREAS, **{"chart": "bar", **fields})


def test_bars_below_nothing_begin_at_nothing_and_stay_within_the_picture() -> None:
    below = [column("area", ["a", "b"]), column("value", [-33.0, -32.0])]
    bars = of(picture(below, chart="bar", x="area", y="value"), "rect")[1:]  # behind all lies the ground
    assert [float(bar["y"]) for bar in bars] == [TOP, TOP]
    assert [float(bar["height"]) for bar in bars] == pytest.approx(  # the axis ends at -40
        [(BOTTOM - TOP) * 33 / 40, (BOTTOM - TOP) * 32 / 40], abs=0.01
    )


def test_a_figure_with_too_many_categories_or_marks_is_refused() -> None:
    many = [column("area", [f"a{i}" for i in range(41)]), column("value", [1.0] * 41)]
    with pytest.raises(Refused, match="more than 40 categories"):
        picture(many, chart="bar", x="area", y="value")
    dots = [column("x", [float(i) for i in range(2001)]), column("value", [1.0] * 2001)]
    with pytest.raises(Refused, match="more than 2000 marks"):
        picture(dots, chart="point", x="x", y="value")


@given(
    st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9) | st.none()), min_size=1, max_size=30).filter(
        lambda rows: any(y is not None for _, y in rows)
    ),
    st.sampled_from(["bar", "line", "step", "point"]),
)
def test_all_marks_lie_within_the_axes_and_the_bytes_are_the_same(
    rows: list[tuple[float, float | None]], chart: str
) -> None:
    columns = [
        OutputColumn("x", "number", {}, pa.array([x for x, _ in rows])),
        OutputColumn("y", "number", {}, pa.array([y for _, y in rows], pa.float64())),
    ]
    figure = Figure.model_validate(WORDS | {"chart": chart, "x": "x", "y": "y"})
    drawn = draw("f", "Any", figure, columns)
    assert drawn == draw("f", "Any", figure, columns)
    assert list(faults_of_svg(drawn.decode(), drawn_from=True)) == []
    numbers = [float(n) for d in re.findall(r' d="M([^"]*)"', drawn.decode()) for n in re.findall(r"[-0-9.]+", d)]
    assert all(TOP - 1 <= n <= RIGHT + 1 for n in numbers)


def test_the_gate_puts_the_figure_beside_its_table(tmp_path: Path) -> None:
    figure = Figure(chart="heat", x="kind", by="flag", y="value", **WORDS)
    request = table_request("kind", "flag", figure=figure)
    world = World(tmp_path).add("homes", random_homes(1, 900))
    out = world.check(request)
    drawn = out.outputs["outputs/demo/homes.svg"]
    hidden = out.outputs["outputs/demo/homes.csv"].count(b'"Q"')
    assert drawn.count(b"<rect") == 1 + 4 * 3 - hidden
    assert world.check(request).outputs == out.outputs


def test_under_a_policy_without_figures_they_need_a_person(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", mixed())
    figure = Figure(chart="bar", x="class", y="share", **WORDS)
    request = asked(HistogramRequest, measure="worth", start=0.0, width=50_000.0, bins=10, figure=figure)
    policy = world.policy
    kinds = tuple(kind for kind in policy.public.output_kinds.value if kind != "figure")
    shorter = policy.public.output_kinds.model_copy(update={"value": kinds})
    from output_control.gate import faults_of_requests

    strict = policy.model_copy(update={"public": policy.public.model_copy(update={"output_kinds": shorter})})
    assert faults_of_requests([request], policy) == []
    assert "figures need a person" in faults_of_requests([request], strict)[0]


def test_a_figure_that_is_asked_with_an_identifier_in_its_words_is_refused(tmp_path: Path) -> None:
    said = {**WORDS, "alternative": "This shows what person 123456782 owns."}
    request = table_request("kind", figure=Figure(chart="bar", x="kind", y="value", **said))
    with pytest.raises(Refused, match="a text of the figure holds a number of eight digits"):
        World(tmp_path).add("homes", random_homes(1, 300)).check(request)


def test_numbers_are_drawn_with_few_decimals() -> None:
    columns = [column("x", [0.1, 0.2]), column("y", [np.pi, np.e])]
    drawn = draw("f", "Any", Figure(chart="line", x="x", y="y", **WORDS), columns)
    assert not re.search(rb"[0-9]\.[0-9]{3,}", drawn)
