"""Lorenz, ROC and survival curves: the figures by other means, and no step that few units make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from enclave.requests import (
    LorenzRequest,
    RocRequest,
    SurvivalRequest,
)
from output_control.distributions.lorenz import gini
from tests.output_control.distribution_requests import (
    EXACT,
    ONE_OF_EACH,
    asked,
    columns,
    homes,
    judge,
    mixed,
    model_of,
    refused,
    worth,
)

# Lorenz ---------------------------------------------------------------------------------------------------------------


def test_the_curve_and_gini_of_equal_and_of_rising_contributions(tmp_path: Path) -> None:
    equal = judge(tmp_path / "a", worth([7.0] * 200), asked(LorenzRequest, measure="worth", classes=4))
    assert columns(equal)["measure_share"] == [0.25, 0.5, 0.75, 1.0]
    assert model_of(equal)["gini"] == 0
    # 1..m: Gini (m + 1)/(3m) − 1/(3m)·… = (m² − 1)/(3m(m + 1)) = (m − 1)/(3m)
    rising = judge(tmp_path / "b", worth([float(i) for i in range(1, 201)]), asked(LorenzRequest, measure="worth"))
    assert model_of(rising)["gini"] == pytest.approx(199 / 600, abs=5e-4)
    shares = [sum(range(1, 20 * k + 1)) / (200 * 201 / 2) for k in range(1, 11)]
    assert columns(rising)["measure_share"] == [round(share, 3) for share in shares]


@given(st.lists(st.floats(0.01, 1e6), min_size=2, max_size=60))
def test_gini_is_half_the_relative_mean_difference(values: list[float]) -> None:
    x = np.sort(np.array(values))
    expected = np.abs(x[:, None] - x).mean() / (2 * x.mean())
    assert gini(x) == pytest.approx(expected, abs=1e-9)


def test_contributions_are_summed_by_unit_before_anything(tmp_path: Path) -> None:
    data = worth([1.0, 3.0] * 100)
    owners = data.set_column(1, "owner", pa.array(np.arange(200) // 2))
    found = judge(tmp_path, owners, asked(LorenzRequest, measure="worth", classes=2))
    assert columns(found)["measure_share"] == [0.5, 1.0]


def test_a_class_that_one_unit_dominates_is_refused(tmp_path: Path) -> None:
    rich = worth([float(i) for i in range(1, 200)] + [1e6])
    assert "one unit's for too large a part" in refused(tmp_path, rich, asked(LorenzRequest, measure="worth"))


@pytest.mark.parametrize(
    ("values", "classes", "fault"),
    [([-1.0, *[5.0] * 99], 2, "below 0"), ([5.0] * 99, 10, "fewer than 10 units"), ([0.0] * 100, 2, "0 for everyone")],
)
def test_what_has_no_lorenz_curve_is_refused(tmp_path: Path, values: list[float], classes: int, fault: str) -> None:
    assert fault in refused(tmp_path, worth(values), asked(LorenzRequest, measure="worth", classes=classes))


# ROC ------------------------------------------------------------------------------------------------------------------


def test_the_area_is_that_of_scikit_learn_and_the_curve_is_at_its_own_thresholds(tmp_path: Path) -> None:
    data = mixed()
    found = judge(tmp_path, data, ONE_OF_EACH["roc"])
    frame, rows = data.to_pandas(), columns(found)
    assert model_of(found)["area"] == round(roc_auc_score(frame["y"], frame["score"]), 3)
    for threshold, hits, alarms in zip(rows["threshold"], rows["sensitivity"], rows["false_alarms"], strict=True):
        above = frame["score"] >= (threshold if threshold is not None else -np.inf)
        assert hits == round(float(above[frame["y"] == 1].mean()), 3)
        assert alarms == round(float(above[frame["y"] == 0].mean()), 3)
    assert (rows["threshold"][-1], rows["sensitivity"][-1]) == (None, 1.0)


def test_every_step_of_a_roc_curve_holds_ten_units_with_and_without(tmp_path: Path) -> None:
    found = judge(tmp_path, mixed(), ONE_OF_EACH["roc"])
    import json

    annex = json.loads(found.annex["roc.json"])
    assert min(annex["events_of_steps"]) >= 10
    assert min(annex["others"]) >= 10


def test_a_score_that_singles_one_unit_out_makes_no_step(tmp_path: Path) -> None:
    score = np.r_[np.full(60, 0.3), np.full(60, 0.6), 0.99]
    data = homes(121, y=np.r_[np.tile([0, 1], 60), 1], score=score)
    found = columns(judge(tmp_path, data, asked(RocRequest, outcome="y", score="score")))
    assert found["threshold"] == [0.6, None]
    lone = homes(121, y=np.r_[np.zeros(60), np.ones(60), 1].astype(np.int64), score=score)
    assert "fewer than two steps" in refused(tmp_path / "b", lone, asked(RocRequest, outcome="y", score="score"))


# survival -------------------------------------------------------------------------------------------------------------


def test_the_curve_at_each_step_is_that_of_statsmodels(tmp_path: Path) -> None:
    data = mixed()
    found = columns(judge(tmp_path, data, ONE_OF_EACH["survival"]))
    frame = data.to_pandas()
    for kind, time, value in zip(found["kind"], found["time"], found["survival"], strict=True):
        own = frame[frame["kind"] == kind]
        other = SurvfuncRight(own["time"], own["y"])
        before = other.surv_prob[other.surv_times <= time]
        assert value == round(float(before[-1]), 3)
    last = [row for row in range(len(found["kind"])) if found["kind"][row] == "a"]
    own = frame[frame["kind"] == "a"]
    for row in last[:3]:
        other = SurvfuncRight(own["time"], own["y"])
        at = int((other.surv_times <= found["time"][row]).sum()) - 1
        s, se = other.surv_prob[at], other.surv_prob_se[at]
        reach = np.exp(1.959963984540054 * se / (s * abs(np.log(s))))
        assert (found["low"][row], found["high"][row]) == (round(s**reach, 3), round(s ** (1 / reach), 3))


def test_the_log_rank_test_is_that_of_statsmodels(tmp_path: Path) -> None:
    data = mixed()
    found = judge(tmp_path, data, ONE_OF_EACH["survival"])
    frame = data.to_pandas()
    chi2, p = survdiff(frame["time"], frame["y"], frame["kind"])
    said = model_of(found)["log_rank"]
    assert said == {"chi2": float(f"{chi2:.2e}"), "df": 1, "p": float(f"{p:.1e}")}


def test_kaplan_and_meiers_own_arithmetic(tmp_path: Path) -> None:
    # 40 begin; 10 die in the first interval; 10 are censored and 10 die in the second: 3/4, then 3/4 · 10/20
    time = np.r_[np.full(10, 0.5), np.full(10, 1.2), np.full(10, 1.8), np.full(10, 2.5)]
    event = np.r_[np.ones(10), np.zeros(10), np.ones(10), np.ones(10)].astype(np.int64)
    found = columns(
        judge(
            tmp_path, homes(40, y=event, time=time), asked(SurvivalRequest, outcome="y", duration="time", interval=1.0)
        )
    )
    assert found["survival"] == [0.75, 0.375]
    assert found["time"] == [1.0, 2.0]
    assert (found["at_risk"], found["events"]) == ([40, 30], [10, 10])


def test_the_longest_time_is_not_seen_nor_that_of_any_nine(tmp_path: Path) -> None:
    request = asked(SurvivalRequest, outcome="y", duration="time", interval=1.0)
    for last, ends in ((9, 1.0), (10, 29.0)):  # the last time shown has ten units beyond it
        time = np.r_[np.full(40, 0.5), np.full(40, 1.5), np.linspace(30, 90, last)]
        data = homes(len(time), y=(np.arange(len(time)) > 0).astype(np.int64), time=time)
        assert columns(judge(tmp_path / str(last), data, request))["time"][-1] == ends


def test_a_death_alone_in_its_interval_is_no_step(tmp_path: Path) -> None:
    time = np.r_[np.full(20, 0.5), 1.5, np.full(20, 2.5)]
    data = homes(41, y=(np.arange(41) != 3).astype(np.int64), time=time)
    found = columns(judge(tmp_path, data, asked(SurvivalRequest, outcome="y", duration="time", interval=1.0), **EXACT))
    assert (found["time"], found["events"]) == ([2.0], [20])


def test_a_small_category_has_no_curve(tmp_path: Path) -> None:
    data = mixed()
    kinds = np.array(data.column("kind").to_pylist(), dtype=object)
    kinds[:9] = "c"
    small = data.set_column(data.column_names.index("kind"), "kind", pa.array(kinds.tolist()))
    said = refused(tmp_path, small, ONE_OF_EACH["survival"])
    assert "a curve has no step with 10 units with the event" in said


@pytest.mark.parametrize(
    ("time", "interval", "fault"),
    [(0.0, 1.0, "not above 0"), (5.0, 0.001, "more than 1000 intervals"), (5.0, 0.123, "2 significant digits")],
)
def test_times_that_could_carry_a_value_are_refused(tmp_path: Path, time: float, interval: float, fault: str) -> None:
    data = homes(60, y=np.tile([0, 1], 30), time=np.r_[np.full(59, 2.0), time])
    request = asked(SurvivalRequest, outcome="y", duration="time", interval=interval)
    assert fault in refused(tmp_path, data, request)
