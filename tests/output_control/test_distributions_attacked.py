"""What a hostile derivation got out of distributions and models: each of these left before, or came out wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import (
    BoxPlotRequest,
    ClustersRequest,
    CorrelationRequest,
    HistogramRequest,
    LorenzRequest,
    OutputRequest,
    RegressionRequest,
    RocRequest,
    SurvivalRequest,
    Term,
    TreeRequest,
)
from output_control.models.regression import fit_regression
from output_control.models.regression_contents import regression_contents
from output_control.statistics.rounding import at_scale
from tests.output_control.distribution_requests import asked, columns, homes, judge
from tests.output_control.gate_world import World

ROWS = 300
RNG = np.random.default_rng(11)
INCOME = RNG.normal(30_000, 6_000, ROWS).round(0)


def through_the_gate(folder: Path, data: pa.Table, *requests: OutputRequest) -> str:
    """What the refusal says."""
    with pytest.raises(Refused) as caught:
        World(folder).add("homes", data).check(*requests)
    return str(caught.value)


# one unit's rows ----------------------------------------------------------------------------------------------------


def with_years(rows: int = 500) -> pa.Table:
    """A hundred homes with a record each, and one of them with many: invented periods make them."""
    rng = np.random.default_rng(3)
    home = np.concatenate([np.arange(100), np.full(rows, 7)])
    return pa.table(
        {
            "home": pa.array(home),
            "owner": pa.array(home),
            "year": pa.array(np.concatenate([np.zeros(100), np.arange(1, rows + 1)]).astype(np.int64)),
            "income": pa.array(np.concatenate([rng.normal(30_000, 9_000, 100).round(0), np.full(rows, 31_234.0)])),
            "y": pa.array(np.concatenate([np.arange(100) % 2, np.arange(rows) % 2])),
            "time": pa.array(np.concatenate([rng.exponential(4, 100) + 0.01, np.full(rows, 3.33)])),
            "score": pa.array(np.concatenate([rng.normal(size=100), np.full(rows, 0.1)])),
            "flag": pa.array(np.concatenate([np.arange(100) % 3 == 0, np.ones(rows)]).astype(np.int64)),
        }
    )


@pytest.mark.parametrize(
    "request_",
    [
        asked(BoxPlotRequest, measure="income", period="year"),
        asked(SurvivalRequest, outcome="y", duration="time", interval=1.0, period="year"),
        asked(RocRequest, outcome="y", score="score", period="year"),
        asked(ClustersRequest, features=("score", "flag"), clusters=2, period="year"),
    ],
    ids=lambda request: request.kind,
)
def test_a_figure_of_records_that_are_mostly_one_units_is_refused(tmp_path: Path, request_: Any) -> None:
    """The median of 600 records was the value of the one home that has 501 of them."""
    assert "one unit's for too large a part" in through_the_gate(tmp_path, with_years(), request_)


def test_records_of_several_per_unit_are_fine_when_none_has_most(tmp_path: Path) -> None:
    data = with_years(40)
    found = judge(tmp_path, data, asked(BoxPlotRequest, measure="income", period="year"))
    assert columns(found)["value"][2] is not None


def test_percentiles_of_a_category_in_which_nearly_all_have_one_value_are_refused(tmp_path: Path) -> None:
    """P5 to P95 were all 35 682: everyone's value, or one person's given to everyone."""
    kind = ["a"] * 150 + ["b"] * 150
    for number, same in enumerate((136, 135)):  # 91 and 90 %
        values = np.where(np.arange(ROWS) < same, 35_682.0, INCOME)
        request, folder = asked(BoxPlotRequest, measure="y", by="kind"), tmp_path / str(number)
        folder.mkdir()
        if same == 136:
            said = through_the_gate(folder, homes(ROWS, y=values, kind=kind), request)
            assert "nearly all of a category have one value" in said
        else:
            assert columns(judge(folder, homes(ROWS, y=values, kind=kind), request))["value"]


# numbers as codes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [7_654_321, 1234567.7654321])
def test_numbers_are_no_codes(tmp_path: Path, code: float) -> None:
    """Text lies in a code list; a number of seven figures, and more behind a point, could be anything of anyone."""
    data = homes(ROWS, y=INCOME, kind=np.where(np.arange(ROWS) % 2, code, code + 1), z=np.arange(ROWS) % 3)
    term = Term(column="kind", categorical=True, reference=str(code))
    for number, each in enumerate(
        [
            asked(BoxPlotRequest, measure="y", by="kind"),
            asked(RegressionRequest, family="ols", outcome="y", terms=(term, Term(column="z"))),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        said = through_the_gate(folder, data, each)
        assert "column kind holds no codes as text" in said
        assert "76543" not in said


# a few units in a mean ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["k_means", "agglomerative"])
@pytest.mark.parametrize(("other", "shown"), [(3, False), (9, False), (10, True)])
def test_a_centre_over_all_but_a_few_of_one_value_is_hidden(
    tmp_path: Path, method: str, other: int, shown: bool
) -> None:
    """Three 8s among 7s gave a centre of 7.015: the count of three that is hidden when the feature is 0/1."""
    x = np.where(np.arange(ROWS) < 150, 7.0, np.arange(ROWS) % 3)
    x[:other] = 8.0
    u = np.where(np.arange(ROWS) < 150, 0.0, 100.0) + RNG.normal(size=ROWS)
    request = asked(ClustersRequest, features=("u", "x"), clusters=2, method=method)
    found = columns(judge(tmp_path, homes(ROWS, u=u, x=x), request))
    (cluster,) = {c for c, f, v in zip(found["cluster"], found["feature"], found["centre"], strict=True)
                  if f == "u" and v < 50}  # fmt: skip
    centre = dict(zip(zip(found["cluster"], found["feature"], strict=True), found["centre"], strict=True))
    assert (centre[cluster, "x"] is not None) == shown


@pytest.mark.parametrize("added", [0.0, 5.0, 1000.0])
def test_a_mean_is_one_units_whatever_is_added_to_everyones_value(tmp_path: Path, added: float) -> None:
    """With 5 added to everyone's value no unit dominated the sum, and 200 times the mean less 5 was the one value."""
    worth = np.abs(RNG.normal(size=ROWS))
    worth[3] = 900.0
    high = np.arange(ROWS) >= 200
    data = homes(ROWS, worth=worth + 30 * high + added, high=high.astype(np.int64))
    tree = asked(TreeRequest, outcome="worth", target="number", features=("high",), max_depth=1)
    assert "no split of the tree" in through_the_gate(tmp_path, data, tree)


@pytest.mark.parametrize("target", ["flag", "category"])
def test_a_leaf_that_a_rounded_threshold_leaves_empty_is_taken_back(tmp_path: Path, target: str) -> None:
    """A threshold of 1002 is rounded to 1000, below everyone: its share was 0 by 0, a crash."""
    high, event = np.arange(ROWS) >= 150, np.arange(ROWS) % 10 < np.where(np.arange(ROWS) >= 150, 3, 6)
    y = event.astype(np.int64) if target == "flag" else np.where(event, "a", "b")
    tree = asked(TreeRequest, outcome="y", target=target, features=("x",), max_depth=1)
    said = through_the_gate(tmp_path, homes(ROWS, x=np.where(high, 1003, 1001), y=y), tree)
    assert "no split of the tree" in said


# a few units in a correlation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_a_correlation_with_a_number_that_three_units_have_is_hidden(tmp_path: Path, method: str) -> None:
    x = np.zeros(ROWS)
    x[[5, 50, 100]] = [1.0, 1.01, 1.02]
    other = np.random.default_rng(1).normal(size=ROWS)
    request = asked(CorrelationRequest, features=("y", "x", "other"), method=method)
    found = columns(judge(tmp_path, homes(ROWS, y=INCOME, x=x, other=other), request))
    assert [r is None for r in found["correlation"]] == [True, False, True]
    assert found["units"] == [None, 300, None]  # not a 0, which would be a figure


# decimals near nothing ----------------------------------------------------------------------------------------------


def test_an_estimate_near_nothing_has_no_more_decimals_than_its_error(tmp_path: Path) -> None:
    """Contributions that cancel leave one record's value in the last digits of their mean."""
    rng = np.random.default_rng(5)
    z = np.where(np.arange(ROWS) % 2, 1.0, -1.0)
    q = rng.normal(size=ROWS)
    q -= q.mean() + z * (q * z).mean()
    y = rng.normal(0, 1000, ROWS)
    y -= np.column_stack([np.ones(ROWS), z, q]) @ np.linalg.lstsq(np.column_stack([np.ones(ROWS), z, q]), y)[0]
    y[7] += 0.0123
    request = asked(RegressionRequest, family="ols", outcome="y", terms=(Term(column="z"), Term(column="q")))
    world = World(tmp_path).add("homes", homes(ROWS, y=y, z=z, q=q))
    with world.sources() as sources:
        fitted = fit_regression(request, sources, world.policy)
        found = columns(regression_contents(fitted, world.policy))
    assert 0 < abs(fitted.estimate[0]) < 1e-3
    assert found["coefficient"] == [0.0, 0.0, 0.0]
    assert all(50 < error < 70 for error in found["std_error"][:2])


@pytest.mark.parametrize(
    ("value", "scale", "shown"),
    [(0.000123456, 58.71, 0.0), (123.456, 58.71, 123.5), (1.23456, 0.0, 1.235), (-4.56789, 58.71, -4.57), (0, 0, 0)],
)
def test_decimals_are_those_of_the_larger_of_value_and_scale(value: float, scale: float, shown: float) -> None:
    assert at_scale(value, scale, 4) == shown


# numbers that are none ----------------------------------------------------------------------------------------------


def test_a_whole_number_that_no_float_holds_is_not_named(tmp_path: Path) -> None:
    """The library's error named it: Integer value 9007199254741073 not in range."""
    big = pa.array(np.arange(ROWS) + 2**53 + 1)
    request = asked(RegressionRequest, family="ols", outcome="y", terms=(Term(column="x"), Term(column="z")))
    said = through_the_gate(tmp_path, homes(ROWS, y=INCOME, x=big, z=np.arange(ROWS) % 2), request)
    assert "column x holds numbers above 2^53 in size" in said
    assert "90071992" not in said


@pytest.mark.parametrize(
    "request_",
    [
        asked(LorenzRequest, measure="huge"),
        asked(TreeRequest, outcome="y", features=("huge", "x")),
        asked(ClustersRequest, features=("huge", "x"), clusters=2),
        asked(CorrelationRequest, features=("huge", "x")),
    ],
    ids=lambda request: request.kind,
)
def test_numbers_too_large_to_square_are_refused_and_crash_nothing(tmp_path: Path, request_: Any) -> None:
    data = homes(ROWS, huge=INCOME * 1e300, x=np.arange(ROWS) % 7, y=np.arange(ROWS) % 2)
    assert "column huge holds numbers above 2^53" in through_the_gate(tmp_path, data, request_)


# wrong numbers ------------------------------------------------------------------------------------------------------


def test_a_value_on_a_decimal_edge_is_in_the_class_that_begins_there(tmp_path: Path) -> None:
    """0.3 stood below an edge of 3 · 0.1 = 0.30000000000000004, so thirty records were counted one class too low."""
    data = homes(ROWS, y=np.repeat(np.arange(10) / 10, 30))
    found = columns(judge(tmp_path, data, asked(HistogramRequest, measure="y", start=0.0, width=0.1, bins=10)))
    assert found["records"] == [30] * 10
    assert found["low"] == [None, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def test_a_roc_curve_counts_scores_at_or_above_the_threshold_it_shows(tmp_path: Path) -> None:
    """Scores of 0.496 were counted above a threshold of 0.5, to which they round."""
    score = np.repeat([0.2, 0.496, 0.7], 100)
    found = columns(
        judge(tmp_path, homes(ROWS, y=np.tile([0, 1], 150), score=score), asked(RocRequest, outcome="y", score="score"))
    )
    shown = {t: s for t, s in zip(found["threshold"], found["sensitivity"], strict=True) if t is not None}
    for threshold, sensitivity in shown.items():
        assert sensitivity == pytest.approx(float((score[1::2] >= threshold).mean()), abs=5e-4)


def test_times_of_a_curve_are_multiples_of_the_interval_as_written(tmp_path: Path) -> None:
    time = np.repeat(np.arange(1, 11) / 10, 30)
    request = asked(SurvivalRequest, outcome="y", duration="t", interval=0.1)
    found = columns(judge(tmp_path, homes(ROWS, y=np.arange(ROWS) % 3 > 0, t=time).cast(SCHEMA), request))
    assert found["time"][:3] == [0.1, 0.2, 0.3]


SCHEMA = pa.schema([("home", pa.int64()), ("owner", pa.int64()), ("y", pa.int64()), ("t", pa.float64())])
