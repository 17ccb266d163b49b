"""Distributions: the figures by other means, what one unit gives away, and merging that no attacker undoes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn.metrics import roc_auc_score
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from enclave.requests import (
    BoxPlotRequest,
    ClustersRequest,
    CorrelationRequest,
    HistogramRequest,
    LorenzRequest,
    NetworkRequest,
    RocRequest,
    SurvivalRequest,
)
from output_control.distributions.binning import Counted, merge_classes
from output_control.distributions.lorenz import gini
from output_control.dossier import Contents
from tests.output_control.distribution_requests import ONE_OF_EACH, asked, columns, homes, judge, mixed, refused, ties

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

EXACT = {"count_base": 1}


def ages(*groups: tuple[float, int]) -> pa.Table:
    values = np.repeat([value for value, _ in groups], [count for _, count in groups])
    return homes(len(values), age=values.astype(float))


def model_of(found: Contents) -> Any:
    """What the evidence says of the whole."""
    return found.document["model"]


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


def worth(values: list[float], **fields: Any) -> pa.Table:
    return homes(len(values), worth=np.array(values, dtype=float), **fields)


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


# Lorenz --------------------------------------------------------------------------------------------------------------


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


# ROC -----------------------------------------------------------------------------------------------------------------


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


# survival ------------------------------------------------------------------------------------------------------------


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


# clusters ------------------------------------------------------------------------------------------------------------


def test_planted_clusters_are_found_with_their_sizes_and_centres(tmp_path: Path) -> None:
    data = mixed()
    found = pd.DataFrame(columns(judge(tmp_path, data, ONE_OF_EACH["clusters"], **EXACT)))
    planted = data.to_pandas().assign(blob=lambda frame: (frame["u"] / 10).round())
    expected = planted.groupby("blob")[["u", "v"]].agg(["mean", "size"])
    for _, rows in found.groupby("cluster"):
        centre = dict(zip(rows["feature"], rows["centre"], strict=True))
        blob = round(centre["u"] / 10)
        assert rows["records"].iloc[0] == expected.loc[blob, ("u", "size")]
        assert centre["u"] == pytest.approx(expected.loc[blob, ("u", "mean")], rel=0.006, abs=0.006)


def test_a_cluster_of_forty_nine_is_refused(tmp_path: Path) -> None:
    u = np.r_[np.zeros(200), np.full(49, 100.0)] + np.random.default_rng(1).normal(size=249)
    request = asked(ClustersRequest, features=("u",), clusters=2)
    assert "a cluster has fewer than 50 units" in refused(tmp_path, homes(249, u=u), request)


def test_a_centre_that_few_units_make_is_hidden(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    u = np.r_[np.zeros(200), np.full(200, 100.0)] + rng.normal(size=400)
    rare = (np.arange(400) < 9).astype(np.int64)
    rich = np.r_[1e9, rng.uniform(1, 2, 399)]
    found = pd.DataFrame(
        columns(
            judge(
                tmp_path,
                homes(400, u=u * 1e3, rare=rare, rich=rich, u2=u),
                asked(ClustersRequest, features=("u", "u2", "rare", "rich"), clusters=2),
                cluster_units=30,
                group_share=0.999,
            )
        )
    )
    by = found.set_index(["feature", "cluster"])["centre"]
    assert by["rare"].isna().sum() == 1
    assert by["rich"].isna().sum() == 1
    assert not by["u"].isna().any()


@pytest.mark.parametrize("method", ["agglomerative", "gaussian_mixture"])
def test_planted_clusters_are_found_by_every_method(tmp_path: Path, method: str) -> None:
    rng = np.random.default_rng(5)
    blob = np.repeat([0, 1, 2], [100, 150, 200])
    data = homes(450, u=blob * 100 + rng.normal(0, 2, 450), v=blob * -50 + rng.normal(0, 1, 450))
    found = pd.DataFrame(
        columns(judge(tmp_path, data, asked(ClustersRequest, features=("u", "v"), clusters=3, method=method), **EXACT))
    )
    by = data.to_pandas().assign(blob=blob).groupby("blob")["u"]
    expected = sorted(zip(by.size(), by.mean(), by.std(ddof=0), strict=True), reverse=True)
    rows = found[found["feature"] == "u"].sort_values("cluster")
    assert rows["records"].tolist() == [size for size, _, _ in expected] == [200, 150, 100]
    assert rows["centre"].tolist() == pytest.approx([mean for _, mean, _ in expected], rel=0.006, abs=0.06)
    assert ("spread" in found) == (method == "gaussian_mixture")
    if method == "gaussian_mixture":
        assert rows["spread"].tolist() == pytest.approx([spread for _, _, spread in expected], rel=0.006)


@pytest.mark.parametrize("planted", ["one far out", "nine far out", "nearly all alike"])
def test_a_spread_that_few_units_make_or_that_is_nearly_none_is_hidden_with_its_centre(
    tmp_path: Path, planted: str
) -> None:
    rng = np.random.default_rng(5)
    u = np.repeat([0.0, 1000.0], 200) + rng.normal(0, 1, 400)
    v = rng.normal(0, 1, 400)
    v[:200] += 50
    if planted == "nearly all alike":
        v[10:200] = 50.0
    else:
        far = 1 if planted == "one far out" else 9
        v[:far] += np.linspace(60, 80, far)
    request = asked(ClustersRequest, features=("u", "u2", "v"), clusters=2, method="gaussian_mixture")
    data = homes(400, u=u, u2=u + rng.normal(0, 1, 400), v=v)
    monkeyed = pd.DataFrame(columns(judge(tmp_path, data, request, cluster_units=50)))
    hidden = monkeyed[monkeyed["spread"].isna()]
    assert set(hidden["feature"]) == {"v"} and len(hidden) == 1
    assert hidden["centre"].isna().all() and (hidden["OBS_STATUS"] == "Q").all()


def test_a_mixture_of_flags_and_ward_of_many_records_are_refused_with_what_to_ask_for(tmp_path: Path) -> None:
    flags = homes(300, u=np.arange(300.0), y=np.arange(300) % 2)
    mixture = asked(ClustersRequest, features=("u", "y"), clusters=2, method="gaussian_mixture")
    assert "feature y has two values only" in refused(tmp_path / "a", flags, mixture)
    many = homes(5001, u=np.arange(5001.0))
    ward = asked(ClustersRequest, features=("u",), clusters=2, method="agglomerative")
    assert "up to 5000 records" in refused(tmp_path / "b", many, ward)


# correlations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_correlations_are_those_of_scipy_over_records_that_have_both(tmp_path: Path, method: str) -> None:
    data = mixed()
    u = data.column("u").to_pylist()
    u[:40] = [None] * 40
    holes = data.set_column(data.column_names.index("u"), "u", pa.array(u))
    request = asked(CorrelationRequest, features=("u", "v", "flag"), method=method)
    found = columns(judge(tmp_path, holes, request))
    frame = holes.to_pandas()
    for a, b, r in zip(found["row"], found["column"], found["correlation"], strict=True):
        both = frame[[a, b]].dropna()
        of = stats.pearsonr if method == "pearson" else stats.spearmanr
        assert r == round(float(of(both[a], both[b])[0]), 3)


def hidden(tmp_path: Path, data: pa.Table, **fields: Any) -> dict[tuple[str, str], bool]:
    names = [name for name in data.column_names if name not in {"home", "owner"}]
    found = columns(judge(tmp_path, data, asked(CorrelationRequest, features=tuple(names), **fields)))
    return {(a, b): r is None for a, b, r in zip(found["row"], found["column"], found["correlation"], strict=True)}


def test_pairs_that_tell_of_a_few_are_hidden_and_the_others_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    data = homes(
        400,
        a=rng.normal(size=400),
        b=rng.normal(size=400),
        me=(np.arange(400) == 7).astype(np.int64),  # one person's dummy
        yes=np.tile([0, 1], 200),
        nearly=np.r_[np.tile([0, 1], 200)[:-9], 1 - np.tile([0, 1], 200)[-9:]],  # 9 in the off-diagonal cells
        rich=np.r_[1e9, rng.normal(size=399)],
        gone=pa.array([None] * 391 + list(rng.normal(size=9))),
        short=pa.array([None] * 5 + list(rng.normal(size=395))),
    )
    found = hidden(tmp_path, data)
    for name in ("me", "rich", "gone", "short"):
        assert all(is_hidden for pair, is_hidden in found.items() if name in pair), name
    assert found["yes", "nearly"]
    assert not found["a", "b"]
    assert not found["a", "yes"]


def test_a_column_and_its_double_are_not_correlated_in_public(tmp_path: Path) -> None:
    a = np.random.default_rng(1).normal(size=200)
    data = homes(200, a=a, b=2 * a + 1, c=np.random.default_rng(2).normal(size=200))
    found = hidden(tmp_path, data)
    assert found == {("a", "b"): True, ("a", "c"): False, ("b", "c"): False}


def test_when_no_pair_is_left_the_reasons_are_named(tmp_path: Path) -> None:
    data = homes(200, a=np.arange(200.0), b=np.arange(200.0) * 3)
    assert "one column as good as is the other" in refused(
        tmp_path, data, asked(CorrelationRequest, features=("a", "b"))
    )


# networks ------------------------------------------------------------------------------------------------------------


def test_members_are_counted_by_class_of_degree(tmp_path: Path) -> None:
    data = ties()
    request = ONE_OF_EACH["network"].model_copy(update={"derivation": "homes"})
    found = pd.DataFrame(columns(judge(tmp_path, data, request, **EXACT)))
    degree = data.to_pandas().groupby("home").size()
    for row in found.itertuples():
        upto = np.inf if row.ties_to is None or np.isnan(row.ties_to) else row.ties_to
        assert row.members == int(((degree >= row.ties_from) & (degree <= upto)).sum()) >= 10
    assert np.isnan(found["ties_to"].iloc[-1])


def test_a_hub_is_in_a_class_with_others(tmp_path: Path) -> None:
    star = [(i, 1000 + j) for i in range(100) for j in range(1 + i % 3)] + [(100, 2000 + j) for j in range(500)]
    data = pa.table(
        {
            "home": pa.array([a for a, _ in star]),
            "owner": pa.array([a for a, _ in star]),
            "other": pa.array([b for _, b in star]),
        }
    )
    found = columns(judge(tmp_path, data, asked(NetworkRequest, period="other"), **EXACT))
    assert found["ties_from"] == [1.0, 2.0]
    assert found["members"] == [34, 67]
