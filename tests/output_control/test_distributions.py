"""Distributions: the figures by other means, what one unit gives away, and merging that no attacker undoes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from enclave.requests import (
    BoxPlotRequest,
    HistogramRequest,
)
from output_control.distributions.binning import Counted, merge_classes
from tests.output_control.distribution_requests import EXACT, asked, columns, homes, judge, refused, worth

# merging classes -----------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 15), st.booleans()), max_size=80),
    st.integers(1, 6),
    st.booleans(),
)
def test_each_merged_class_holds_enough_units_of_each_kind_and_none_could_be_split_off_the_front(
    rows: list[tuple[int, int, bool]], need: int, none_is_fine: bool
) -> None:
    place, unit, event = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    counted = [Counted(event == 1), Counted(event == 0, none_is_fine=none_is_fine)]
    merged = merge_classes(place, 10, unit, counted, need)

    def enough(members: list[int]) -> bool:
        events = {u for p, u, e in rows if p in members and e}
        others = {u for p, u, e in rows if p in members and not e}
        return len(events) >= need and (len(others) >= need or (none_is_fine and not others))

    if not enough(list(range(10))):
        assert len(merged) == 0 or all(enough(np.flatnonzero(merged == m).tolist()) for m in range(merged[-1] + 1))
    if len(merged):
        assert (np.diff(merged) >= 0).all() and (np.diff(merged) <= 1).all()
        for number in range(int(merged[-1]) + 1):
            members = np.flatnonzero(merged == number).tolist()
            assert enough(members)
            if number < merged[-1]:
                assert not any(enough(members[:k]) for k in range(1, len(members)))


# histogram and density -----------------------------------------------------------------------------------------------


def ages(*groups: tuple[float, int]) -> pa.Table:
    values = np.repeat([value for value, _ in groups], [count for _, count in groups])
    return homes(len(values), age=values.astype(float))


def by_age(**fields: object) -> HistogramRequest:
    return asked(HistogramRequest, **{"measure": "age", "start": 0.0, "width": 10.0, "bins": 5, **fields})


def test_a_class_of_nine_is_merged_with_its_neighbour_and_of_ten_is_not(tmp_path: Path) -> None:
    nine = columns(judge(tmp_path / "a", ages((5, 30), (15, 9), (25, 40), (45, 20)), by_age(), **EXACT))
    assert (nine["low"], nine["high"]) == ([None, 10.0, 30.0, 40.0], [10.0, 30.0, 40.0, None])
    assert nine["records"] == [30, 49, 0, 20]
    ten = columns(judge(tmp_path / "b", ages((5, 30), (15, 10), (25, 40), (45, 20)), by_age(), **EXACT))
    assert ten["records"] == [30, 10, 40, 0, 20]


def test_an_oldest_person_is_not_seen_since_the_outer_classes_are_open(tmp_path: Path) -> None:
    found = columns(judge(tmp_path, ages((5, 30), (15, 30), (25, 30), (107, 1)), by_age(), **EXACT))
    assert found["high"][-1] is None
    assert found["records"][-1] == 31  # the one is in the class of the thirty before it


def test_counts_leave_rounded_and_shares_are_of_the_rounded(tmp_path: Path) -> None:
    found = columns(judge(tmp_path, ages((5, 34), (15, 46)), by_age(bins=2)))
    assert found["records"] == [30, 50]
    assert found["share"] == [0.375, 0.625]


def test_a_class_with_97_percent_is_refused(tmp_path: Path) -> None:
    assert "nearly all units" in refused(tmp_path, ages((5, 970), (15, 30)), by_age())


def test_ten_records_of_one_owner_are_no_class(tmp_path: Path) -> None:
    data = ages((5, 40), (15, 12), (25, 40))
    owner = data.column("owner").to_numpy().copy()
    owner[40:52] = owner[40]
    found = columns(judge(tmp_path, data.set_column(1, "owner", pa.array(owner)), by_age(bins=3), **EXACT))
    assert found["records"] == [40, 52]


def test_a_class_dominated_by_one_owner_is_refused(tmp_path: Path) -> None:
    data = ages((5, 60), (15, 100))
    owner = data.column("owner").to_numpy().copy()
    owner[60:150] = owner[60]
    assert "one unit's for too large a part" in refused(
        tmp_path, data.set_column(1, "owner", pa.array(owner)), by_age()
    )


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"start": 12.345}, "more than 3 significant digits"),
        ({"width": 10.001}, "more than 3 significant digits"),
        ({"bandwidth": 3.0}, "a histogram has none"),
        ({"kind": "density"}, "a density needs a bandwidth"),
    ],
)
def test_classes_that_could_carry_a_value_are_refused(tmp_path: Path, fields: dict[str, Any], fault: str) -> None:
    assert fault in refused(tmp_path, ages((5, 40), (15, 40)), by_age(**fields))


def test_a_density_integrates_to_one_and_follows_from_the_published_classes_alone(tmp_path: Path) -> None:
    request = by_age(kind="density", bandwidth=4.0)
    first = judge(tmp_path / "a", ages((2, 30), (12, 60), (22, 50), (33, 40)), request)
    # other ages within the same classes: the density is the same to the last bit
    second = judge(tmp_path / "b", ages((8, 30), (17, 60), (29, 50), (31, 40)), request)
    assert columns(first) == columns(second)
    from output_control.distributions.histogram import Classes, density

    inside = np.repeat([0, 1], [80, 20])
    edges, held = (np.array([0.0, 20]), np.array([20.0, 50])), np.array([80, 20])
    classes = Classes(*edges, held, held, inside, merged_from=np.array([1, 1]), records_share=0.0)
    points = np.linspace(-60, 110, 3401)
    total = integrate.trapezoid(density(classes, np.array([80.0, 20]), points, 5.0), points)
    assert total == pytest.approx(1, abs=1e-6)


# percentiles ---------------------------------------------------------------------------------------------------------


def test_percentiles_are_the_nearest_rank_ones_rounded(tmp_path: Path) -> None:
    values = np.random.default_rng(2).lognormal(10, 1, 1001).round(2)
    found = columns(judge(tmp_path, worth(values.tolist()), asked(BoxPlotRequest, measure="worth")))
    expected = np.percentile(values, [5, 25, 50, 75, 95], method="inverted_cdf")
    assert found["value"] == [float(f"{value:.2e}") for value in expected]
    assert found["percentile"] == [5.0, 25.0, 50.0, 75.0, 95.0]


def test_a_tail_of_nine_units_is_hidden_and_of_ten_is_not(tmp_path: Path) -> None:
    # the 5th percentile of 200 is the 10th value, of 201 the 11th: ten units besides the one that holds it
    for rows, hidden in ((200, True), (201, False)):
        found = columns(
            judge(tmp_path / str(rows), worth([float(i) for i in range(rows)]), asked(BoxPlotRequest, measure="worth"))
        )
        assert (found["value"][0] is None) is hidden
        assert (found["OBS_STATUS"][0] == "Q") is hidden
        assert found["OBS_STATUS"][2] == "A"


def test_twelve_homes_of_one_owner_are_one_unit_of_a_tail(tmp_path: Path) -> None:
    data = worth([float(i) for i in range(240)])
    owner = np.arange(240)
    owner[:12] = 0
    found = columns(
        judge(tmp_path, data.set_column(1, "owner", pa.array(owner)), asked(BoxPlotRequest, measure="worth"))
    )
    assert found["value"][0] is None


def test_a_small_category_is_refused_since_its_code_may_be_a_value(tmp_path: Path) -> None:
    data = worth([float(i) for i in range(400)], kind=["a"] * 391 + ["b"] * 9)
    assert "a category has fewer than 10 units" in refused(
        tmp_path, data, asked(BoxPlotRequest, measure="worth", by="kind")
    )
    values = worth([float(i) for i in range(400)], kind=[f"{i}.5" for i in range(400)])
    said = refused(tmp_path / "b", values, asked(BoxPlotRequest, measure="worth", by="kind"))
    assert "a category has fewer than 10 units" in said
    assert "17.5" not in said and "400" not in said
