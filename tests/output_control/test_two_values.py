"""A measure of two values counts units, and who has nothing does not fill up a cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import (
    BoxPlotRequest,
    CorrelationRequest,
    LorenzRequest,
    OutputRequest,
    RegressionRequest,
    Term,
    TreeRequest,
)
from output_control.statistics.two_values import has_two_values, upper_of_two
from output_control.tables.table import FloatArray
from tests.output_control.gate_world import HOMES, World, policy_in, table_request
from tests.output_control.statistic_rows import released

UNITS = 320
_RNG = np.random.default_rng(1)
FLAG = np.zeros(UNITS)
FLAG[np.r_[0:3, 80:110, 160:200, 240:265]] = 1.0
NOISE = _RNG.normal(size=UNITS) * 1e-6
INCOME = np.round(_RNG.lognormal(10.3, 0.5, UNITS), 2)


def but(column: FloatArray, *changes: tuple[int, float]) -> FloatArray:
    changed = column.copy()
    for at, value in changes:
        changed[at] = value
    return changed


TWO = {
    "flag": FLAG,
    "five_and_six": 5 + FLAG,
    "reversed": 1 - FLAG,
    "noisy": FLAG + NOISE,
    "a_third_value": but(FLAG, (319, 0.5), (318, 0.4)),
    "a_few_far_away": but(FLAG, (319, 1e6), (318, 2e4), (317, -5e5)),
    "one_without": but(np.ones(UNITS) + NOISE, (0, 0.0)),
    "three_with": but(NOISE, (0, 1.0), (1, 1.0), (2, 1.0)),
    "a_constant_beside_one_0": but(1e5 + INCOME / INCOME.max(), (0, 0.0)),
    "all_but_a_few_alike": but(np.full(UNITS, 5.0), (0, 6.5), (1, 7.25), (2, 9.0)),
}
MORE = {
    "income": INCOME,
    "one_outlier": but(INCOME, (0, 1e9)),
    "two_outliers": but(INCOME, (0, 1e9), (1, 1e9)),
    "one_loss": but(INCOME, (0, -1e9)),
    "heavy_tail": np.round((1 - _RNG.random(UNITS)) ** -1.2 * 1e4, 2),
    "children": np.asarray(_RNG.poisson(1.3, UNITS), dtype=np.float64),
    "mostly_nothing": np.where(_RNG.random(UNITS) < 0.85, 0.0, INCOME),
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    columns = {name: pa.array(column) for name, column in {**TWO, **MORE}.items()}
    kind = np.repeat(["k1", "k2", "k3", "k3"], UNITS // 4).tolist()
    ids = {"home": pa.array(range(UNITS), pa.int64()), "owner": pa.array(range(1000, 1000 + UNITS), pa.int64())}
    return World(tmp_path).add("homes", pa.table({**ids, "kind": kind, "area": kind, **columns}))


def test_both_readings_of_a_column_find_two_values_behind_every_disguise_and_no_others(world: World) -> None:
    rules = world.policy.public.tables
    request = table_request("kind")
    with world.sources() as sources:
        found = {name for name in {**TWO, **MORE} if has_two_values(request, name, sources, rules)}
    assert found == set(TWO)
    unit = np.arange(UNITS)
    assert {name for name, column in {**TWO, **MORE}.items() if upper_of_two(column, unit, rules) is not None} == set(
        TWO
    )


@pytest.mark.parametrize("name", ["flag", "noisy", "five_and_six", "a_few_far_away"])
def test_the_upper_of_two_values_is_who_has_the_flag(name: str, tmp_path: Path) -> None:
    upper = upper_of_two(TWO[name], np.arange(UNITS), policy_in(tmp_path).public.tables)
    assert upper is not None
    assert np.array_equal(upper[:300], FLAG[:300] == 1)


def test_few_records_of_many_units_are_judged_by_units_not_records(tmp_path: Path) -> None:
    """One unit's twenty records in between are one unit's; twenty units' are not."""
    rules = policy_in(tmp_path).public.tables
    between = np.r_[FLAG, np.full(20, 0.5)]
    assert upper_of_two(between, np.r_[np.arange(UNITS), np.full(20, UNITS)], rules) is not None
    assert upper_of_two(between, np.arange(UNITS + 20), rules) is None


BASE = {
    "name": "homes", "title": "Homes by what is asked", "derivation": "homes", "population": HOMES, "record": "home",
    "unit": "owner",
}  # fmt: skip


@pytest.mark.parametrize(
    "request_",
    [
        table_request("kind", statistic="sum", measure="flag"),
        table_request("kind", statistic="mean", measure="noisy"),
        table_request("kind", statistic="percentile", percentile=90, measure="reversed"),
        LorenzRequest.model_validate({**BASE, "measure": "flag", "classes": 4}),
        BoxPlotRequest.model_validate({**BASE, "measure": "a_third_value", "by": "area"}),
    ],
    ids=lambda each: f"{each.kind}-{each.measure}",
)
def test_what_adds_up_or_ranks_two_values_is_refused_with_what_to_ask_instead(
    world: World, request_: OutputRequest
) -> None:
    with pytest.raises(Refused, match="has two values only, or nearly") as refused:
        world.check(request_)
    assert "make it a dimension of a count or a rate" in refused.value.what


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (
            RegressionRequest(
                **BASE, family="ols", outcome="noisy", terms=(Term(column="area", categorical=True, reference="k2"),)
            ),
            "ask for the family logit",
        ),
        (TreeRequest(**BASE, outcome="noisy", features=("income",), target="number", max_depth=2), "two values only"),
        (CorrelationRequest(**BASE, features=("three_with", "noisy")), "units"),
    ],
    ids=["ols", "tree", "correlation"],
)
def test_noise_on_a_flag_does_not_make_it_a_number(world: World, request_: OutputRequest, why: str) -> None:
    with pytest.raises(Refused, match=why):
        world.check(request_)


def padded(*cells: tuple[str, list[float]]) -> pa.Table:
    kinds = [kind for kind, worths in cells for _ in worths]
    return pa.table(
        {
            "home": pa.array(range(len(kinds)), pa.int64()),
            "owner": pa.array(range(1000, 1000 + len(kinds)), pa.int64()),
            "kind": kinds,
            "worth": [worth for _, worths in cells for worth in worths],
        }
    )


FORTY = [float(100 + i % 17) for i in range(40)]


@pytest.mark.parametrize("statistic", ["sum", "mean"])
def test_three_firms_among_zeros_are_hidden_as_three_firms(tmp_path: Path, statistic: str) -> None:
    data = padded(("k1", [1000.0, 950.0, 900.0] + [0.0] * 37), ("k2", FORTY), ("k3", [2 * each for each in FORTY]))
    shown = released(World(tmp_path).add("homes", data), table_request("kind", statistic=statistic, measure="worth"))
    assert not shown["k1",]["value"]
    assert not shown["k1",]["records"]
    assert shown["all",]["records"] == "120"


def test_a_total_of_nothing_is_not_told_of_forty_units(tmp_path: Path) -> None:
    data = padded(("k1", [0.0] * 40), ("k2", FORTY), ("k3", [2 * each for each in FORTY]))
    shown = released(World(tmp_path).add("homes", data), table_request("kind", statistic="sum", measure="worth"))
    assert not shown["k1",]["value"]


def test_ten_firms_among_zeros_may_leave(tmp_path: Path) -> None:
    """The minimum frequency of ten is met by those who have something."""
    data = padded(("k1", FORTY[:10] + [0.0] * 30), ("k2", FORTY), ("k3", [2 * each for each in FORTY]))
    shown = released(World(tmp_path).add("homes", data), table_request("kind", statistic="sum", measure="worth"))
    assert float(shown["k1",]["value"]) == sum(FORTY[:10])


def constant_added(constant: float, *, nothing: int = 0) -> pa.Table:
    """One firm with nearly all of k1, a constant on top of everyone's worth, and some of k3 with nothing."""
    k1 = [1000.0] + [2.0 + i % 3 for i in range(11)]
    k3 = [150.0 + i % 17 for i in range(60)] + [-constant] * nothing
    return padded(
        *((kind, [each + constant for each in worths]) for kind, worths in (("k1", k1), ("k2", FORTY), ("k3", k3)))
    )


@pytest.mark.parametrize(("constant", "nothing"), [(0.0, 0), (1000.0, 0), (1000.0, 1), (1000.0, 4)])
def test_a_constant_added_to_all_does_not_hide_who_dominates_though_a_few_lack_it(
    tmp_path: Path, constant: float, nothing: int
) -> None:
    world = World(tmp_path).add("homes", constant_added(constant, nothing=nothing))
    shown = released(world, table_request("kind", statistic="sum", measure="worth"))
    assert not shown["k1",]["value"]


@pytest.mark.parametrize("nothing", [0, 1, 4])
def test_a_constant_far_above_all_differences_is_refused_with_what_to_take_off(tmp_path: Path, nothing: int) -> None:
    """Before, dominance was judged without it, but the interval was proven with it: the firm's was nearly known."""
    world = World(tmp_path).add("homes", constant_added(1e5, nothing=nothing))
    with pytest.raises(Refused, match=r"less than a twentieth of its least value|two values only, or nearly"):
        world.check(table_request("kind", statistic="sum", measure="worth"))
