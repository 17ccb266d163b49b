"""Models beside what was released before: nearly the same population, one person less, gives that person away."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from enclave.errors import Refused
from enclave.requests import (
    ClustersRequest,
    CorrelationRequest,
    HistogramRequest,
    OutputRequest,
    RegressionRequest,
    Term,
    TreeRequest,
)
from output_control.ledger.released import COUNT, MODEL, pack, unpack
from output_control.sealed import CheckedOutput
from tests.output_control.distribution_requests import asked
from tests.output_control.gate_world import CLASSIFICATIONS, World
from tests.output_control.ledger_world import Past, about, flat, homes, table_request

HOMES = 600
REGRESSION = asked(RegressionRequest, name="risk", family="ols", outcome="worth", terms=(Term(column="size"),))
TABLE = table_request("kind")


def people(count: int = HOMES, owner: list[int] | None = None, first: int = 0) -> pa.Table:
    """Homes numbered from ``first``, each of an owner of its own; a third of each kind."""
    rng = np.random.default_rng(2)
    size, noise = rng.normal(100, 10, HOMES + 50), rng.normal(0, 5, HOMES + 50)
    here = range(first, first + count)
    return homes(
        home=list(here),
        owner=list(owner or here),
        kind=[f"k{i % 3 + 1}" for i in here],
        size=[float(size[i]) for i in here],
        worth=[float(2 * size[i] + noise[i]) for i in here],
    )


def without(data: pa.Table, *places: int) -> pa.Table:
    return data.take(pa.array([i for i in range(data.num_rows) if i not in places]))


def refused(past: Past, data: pa.Table, *requests: OutputRequest) -> str:
    with pytest.raises(Refused) as caught:
        past.check(data, *requests)
    return str(caught.value)


def passes(past: Past, data: pa.Table, *requests: OutputRequest) -> CheckedOutput:
    return past.check(data, *requests)


@pytest.mark.parametrize(("less", "told"), [(0, False), (1, True), (9, True), (10, False)])
def test_a_regression_on_fewer_units_less_than_the_minimum_frequency_is_refused(
    tmp_path: Path, less: int, told: bool
) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), REGRESSION)
    for one, other in ((REGRESSION, people(HOMES - less)), (REGRESSION, people(HOMES + less))):
        if told:
            found = refused(past, other, one)
            assert "risk: risk and risk of first-v1 are about the same units but for fewer than 10" in found
            assert "the very records of what was released" in found
        else:
            passes(past, other, one)


def test_one_unit_in_the_place_of_another_is_two_units_of_difference(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), REGRESSION)
    assert "risk of first-v1" in refused(past, people(first=1), REGRESSION)
    passes(past, people(first=5), REGRESSION)


def test_a_model_of_another_kind_and_of_another_specification_is_held_apart_too(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), REGRESSION)
    fewer = without(people(), 7)
    for kind, fields in (
        (CorrelationRequest, {"features": ("size", "worth")}),
        (HistogramRequest, {"measure": "size", "start": 80.0, "width": 10.0, "bins": 4}),
    ):
        assert "output and risk of first-v1" in refused(past, fewer, asked(kind, **fields))  # type: ignore[type-var]  # mypy joins the two to their base


@pytest.mark.parametrize("order", ["model after table", "table after model"])
def test_a_model_beside_a_table_of_nearly_its_population(tmp_path: Path, order: str) -> None:
    first, second = (TABLE, REGRESSION) if order == "model after table" else (REGRESSION, TABLE)
    past = Past(tmp_path)
    past.release("first-v1", people(), first)
    assert "homes" in refused(past, without(people(), 3), second)
    assert "first-v1" in refused(past, without(people(), 3), second)
    passes(past, people(), second)
    passes(past, people(HOMES - 10), second)


def test_a_model_of_one_cell_of_a_table_but_for_a_few(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), TABLE)
    k1 = people().filter(pc.equal(people()["kind"], "k1"))
    passes(past, k1, REGRESSION)
    assert "risk and homes of first-v1 are about the same units" in refused(past, without(k1, 0, 5), REGRESSION)


@pytest.mark.parametrize(("third", "hidden"), [(5, True), (50, False)])
def test_a_hidden_cell_is_nothing_to_subtract_from(tmp_path: Path, third: int, hidden: bool) -> None:
    # k3 of five homes is hidden, and k1 to protect it: the least of the others
    kinds = ["k1"] * 100 + ["k2"] * (500 - third) + ["k3"] * third
    data = people().set_column(2, "kind", pa.array(kinds))
    past = Past(tmp_path)
    out = past.release("first-v1", data, TABLE)
    (table,) = unpack(out.released_cells, "first-v1")
    assert dict(zip((table.table.labels(i)[0] for i in range(4)), table.hidden.tolist(), strict=True))["k1"] == hidden
    nearly_k1 = people(94)
    if hidden:
        # all less k2 less these leaves six of k1 and the five of k3: enough
        passes(past, nearly_k1, REGRESSION)
        assert "homes of first-v1" in refused(past, people(98), REGRESSION)
    else:
        assert "homes of first-v1" in refused(past, nearly_k1, REGRESSION)


def test_twelve_homes_of_one_owner_are_one_unit(tmp_path: Path) -> None:
    owner = [0 if i < 12 else i for i in range(HOMES)]
    data = people(owner=owner)
    past = Past(tmp_path)
    past.release("first-v1", data, REGRESSION)
    assert "risk of first-v1" in refused(past, without(data, *range(12)), REGRESSION)
    # and of the twelve homes one, though its owner stays in both
    assert "risk of first-v1" in refused(past, without(data, 4), REGRESSION)
    passes(past, without(data, *range(100, 110)), REGRESSION)


def test_a_model_beside_a_new_table_of_the_same_request(tmp_path: Path) -> None:
    past = Past(tmp_path)
    k1 = people().filter(pc.equal(people()["kind"], "k1"))
    fewer = REGRESSION.model_copy(update={"derivation": "part", "population": asked(CorrelationRequest, features=(
        "size", "worth")).population})  # fmt: skip
    with pytest.raises(Refused, match="risk and homes of this request are about the same units"):
        past.check(people(), TABLE, fewer, part=without(k1, 0))


def test_what_the_ledger_remembers_of_a_model_and_what_the_evidence_says(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), TABLE)
    out = past.release("second-v1", people(), REGRESSION)
    (held,) = unpack(out.released_cells, "second-v1")
    assert held.quantity == MODEL and held.kinds == ("owner", "object")
    assert (held.table.freq.tolist(), len(held.rows), held.label) == ([HOMES], HOMES, "risk of second-v1")
    assert pack([held]) == out.released_cells
    said = json.loads(out.evidence["evidence/demo/risk.json"])
    assert "no earlier release is about the same units but for fewer than the minimum frequency" in said["notes"][0]
    assert said["notes"][1] == "shares units with earlier releases: first-v1"
    # a later table is compared with the table, and names both
    third = past.check(people(), TABLE)
    assert [table.quantity for table in unpack(third.released_cells, "x")] == [COUNT]


PERIODS: list[tuple[dict[str, str], dict[str, str]]] = [
    ({}, {"unit": "home", "period": "year"}),
    ({"unit": "home", "period": "year"}, {}),
    ({"unit": "home"}, {"period": "year"}),
]


@pytest.mark.parametrize(("first", "second"), PERIODS)
def test_another_unit_and_a_period_do_not_hide_that_one_record_is_missing(
    tmp_path: Path, first: dict[str, str], second: dict[str, str]
) -> None:
    """Rows of a period match no others, and homes are no owners: nothing was compared, and one home could be had."""
    past = Past(tmp_path)

    def check(data: pa.Table, fields: dict[str, str]) -> CheckedOutput:
        world = World(tmp_path).add("homes", data, data.select(["home", "owner", "year"]))
        world.history = past.history()
        return world.check(REGRESSION.model_copy(update=fields))

    data = people().append_column("year", pa.array([2020] * HOMES))
    past.ledger.append(about("first-v1"), check(data, first).released_cells)
    for fewer in (1, 9):
        with pytest.raises(Refused, match="risk and risk of first-v1"):
            check(data.slice(fewer), second)
    check(data.slice(10), second)


# leaves and clusters --------------------------------------------------------------------------------------------------

FLAG = asked(TreeRequest, name="leaves", outcome="y", features=("small",))
CLUSTERS = asked(ClustersRequest, features=("worth",), clusters=2)


def with_leaves(small: range, count: int = 800, **columns: list[object]) -> pa.Table:
    """Homes of which those in ``small`` are so, and are worth little; one in two of the first 400 has the outcome, and
    one in ten of the others."""
    here = range(count)
    return homes(
        small=[int(i in small) for i in here],
        y=[int(i % 2 == 0 if i < 400 else i % 10 == 0) for i in here],
        worth=[float(1 + i % 7 / 100 if i in small else 5 + i % 7 / 100) for i in here],
        **columns,
    )


@pytest.mark.parametrize("request_", [FLAG, CLUSTERS], ids=["leaves", "clusters"])
@pytest.mark.parametrize(("other", "told"), [
    (range(300), False), (range(299), True), (range(291), True), (range(280), False), (range(1, 301), True),
    (range(20, 320), False),
])  # fmt: skip
def test_a_group_of_a_model_that_differs_by_a_few_from_one_released_before_is_refused(
    tmp_path: Path, request_: OutputRequest, other: range, told: bool
) -> None:
    """The same 800 homes both times: only who is in which leaf or cluster is another."""
    past = Past(tmp_path)
    past.release("first-v1", with_leaves(range(300)), request_)
    if told:
        found = refused(past, with_leaves(other), request_)
        assert f"{request_.name} and {request_.name} of first-v1 are about the same units but for fewer" in found
        assert "of leaves and clusters, ask for fewer" in found
    else:
        passes(past, with_leaves(other), request_)


@pytest.mark.parametrize("request_", [FLAG, CLUSTERS], ids=["leaves", "clusters"])
@pytest.mark.parametrize("order", ["model after table", "table after model"])
@pytest.mark.parametrize(("few", "told"), [(0, False), (3, True), (20, False)])
def test_a_group_of_a_model_beside_a_cell_of_a_table(
    tmp_path: Path, request_: OutputRequest, order: str, few: int, told: bool
) -> None:
    """300 homes are of kind k1, and the leaf or cluster is of these but a few."""
    kinds: list[object] = ["k1" if i < 300 else f"k{2 + i % 2}" for i in range(800)]
    data = with_leaves(range(300 - few), kind=kinds)
    first, second = (TABLE, request_) if order == "model after table" else (request_, TABLE)
    past = Past(tmp_path)
    past.release("first-v1", data, first)
    if told:
        assert "are about the same units but for fewer than 10" in refused(past, data, second)
    else:
        passes(past, data, second)


def test_groups_of_one_request_are_held_apart(tmp_path: Path) -> None:
    """Two measures that differ for all homes, and whose leaves are the same but for three."""
    data, rng = with_leaves(range(300)), np.random.default_rng(1)
    for name, first in (("height", 300), ("width", 297)):
        column = np.where(np.arange(800) < first, 0.0, 1.1) + rng.random(800)
        data = data.append_column(name, pa.array(column))
    data = data.set_column(3, "y", pa.array([int(i % 5 > 0 if i < 300 else i % 10 == 0) for i in range(800)]))
    height, width = (asked(TreeRequest, name=name, outcome="y", features=(name,), max_depth=1)
                     for name in ("height", "width"))  # fmt: skip
    assert "height and width of this request are about" in refused(Past(tmp_path), data, height, width)
    kinds = data.append_column("kind", pa.array(["k1" if i < 297 else f"k{2 + i % 2}" for i in range(800)]))
    assert "height and homes of this request are about" in refused(Past(tmp_path / "table"), kinds, height, TABLE)


def test_the_categories_that_leaves_count_are_held_apart(tmp_path: Path) -> None:
    """The same leaves, and the outcome of three more homes in one of them."""
    data = with_leaves(range(300))
    changed = [int(value or i in (1, 3, 5)) for i, value in enumerate(data["y"].to_pylist())]
    past = Past(tmp_path)
    past.release("first-v1", data, FLAG)
    passes(past, data, FLAG)
    assert "leaves of first-v1" in refused(past, data.set_column(3, "y", pa.array(changed)), FLAG)


def test_the_ledger_remembers_leaves_with_the_nodes_above_them(tmp_path: Path) -> None:
    out = Past(tmp_path).release("first-v1", with_leaves(range(300)), FLAG)
    (held,) = unpack(out.released_cells, "first-v1")
    cells = dict(zip((held.table.labels(i) for i in range(len(held.table))), held.table.freq.tolist(), strict=True))
    assert {leaf: count for (leaf, outcome), count in cells.items() if outcome == "all of it"} == {
        "0": 800, "1": 500, "2": 300,
    }  # fmt: skip
    assert cells["2", "event"] == 150 and cells["0", "none"] == 560
    assert pack([held]) == out.released_cells


# years ----------------------------------------------------------------------------------------------------------------


def yearly(past: Past, data: pa.Table, *requests: OutputRequest) -> CheckedOutput:
    """The gate on ``data`` whose years the linked data know too."""
    linked = data.select(["home", "owner", "year"])
    world = World(past.folder).add("homes", data, linked)
    world.history = past.history()
    return world.check(*requests)


def in_years(data: pa.Table, *years: int) -> pa.Table:
    return pa.concat_tables([data.append_column("year", pa.array([each] * data.num_rows)) for each in years])


YEARLY = REGRESSION.model_copy(update={"period": "year"})
Years = tuple[int, ...]
Fields = dict[str, str]
SEVERAL: list[tuple[Years, Fields, Years, Fields]] = [
    # a second year of other units: its records are no longer as many
    ((2020,), {}, (2020, 2021), {"unit": "home", "period": "year"}),
    ((2020, 2021), {"unit": "home", "period": "year"}, (2020,), {}),
    # a second year beside the first of the same column: no record of it has its like
    ((2020,), {"period": "year"}, (2020, 2021), {"period": "year"}),
    ((2020, 2021), {"period": "year"}, (2021,), {"period": "year"}),
    # another year
    ((2020,), {"period": "year"}, (2021,), {"period": "year"}),
]


@pytest.mark.parametrize("case", SEVERAL)
@pytest.mark.parametrize(("less", "told"), [(0, False), (1, True), (9, True), (10, False)])
def test_a_second_year_does_not_hide_that_one_home_is_missing(
    tmp_path: Path, case: tuple[Years, Fields, Years, Fields], less: int, told: bool
) -> None:
    """What is true of a home in all years, two models on all homes and on all but one of them tell of that one."""
    before, first, after, second = case
    past, one = Past(tmp_path), REGRESSION.model_copy(update=first)
    past.ledger.append(about("first-v1"), yearly(past, in_years(people(), *before), one).released_cells)
    fewer, two = in_years(people().slice(less), *after), REGRESSION.model_copy(update=second)
    if told:
        with pytest.raises(Refused, match="risk and risk of first-v1"):
            yearly(past, fewer, two)
    else:
        yearly(past, fewer, two)


@pytest.mark.parametrize("order", ["model after table", "table after model"])
@pytest.mark.parametrize(("less", "told"), [(0, False), (1, True), (10, False)])
def test_a_second_year_does_not_hide_it_beside_a_table_either(
    tmp_path: Path, order: str, less: int, told: bool
) -> None:
    past = Past(tmp_path)
    table = table_request("kind", period="year", unit="home")
    k1 = people().filter(pc.equal(people()["kind"], "k1")).slice(less)
    asked_for = (in_years(people(), 2020), table), (in_years(k1, 2020, 2021), YEARLY)
    (data, first), (later, second) = asked_for if order == "model after table" else asked_for[::-1]
    past.ledger.append(about("first-v1"), yearly(past, data, first).released_cells)
    if told:
        with pytest.raises(Refused, match="of first-v1 are about the same units"):
            yearly(past, later, second)
    else:
        yearly(past, later, second)


def before_members(content: bytes) -> bytes:
    """An entry as the ledger wrote it before it kept members."""
    (table,) = unpack(content, "first-v1")
    return pack([replace(table, rows=replace(table.rows, member=None))])


def test_an_entry_from_before_members_were_kept_is_read_or_refused(tmp_path: Path) -> None:
    past, data = Past(tmp_path), in_years(people(), 2020)
    plain = before_members(yearly(past, data, REGRESSION).released_cells)
    (held,) = unpack(plain, "first-v1")
    assert held.rows.member is None
    past.ledger.append(about("first-v1"), plain)
    # without periods a record is the member itself: compared as ever
    with pytest.raises(Refused, match="risk and risk of first-v1 are about the same units"):
        yearly(past, in_years(people().slice(1), 2020, 2021), YEARLY.model_copy(update={"unit": "home"}))
    # of a period, the records are known and the members are not
    past = Past(tmp_path / "periods")
    past.ledger.append(about("first-v1"), before_members(yearly(past, data, YEARLY).released_cells))
    with pytest.raises(Refused, match="risk and risk of first-v1 are about the same units"):
        yearly(past, in_years(people().slice(1), 2020), YEARLY)
    with pytest.raises(Refused, match="left before the ledger kept which members its records are of"):
        yearly(past, data, REGRESSION.model_copy(update={"unit": "home"}))


# sums of cells --------------------------------------------------------------------------------------------------------


def in_areas() -> pa.Table:
    """60 homes in each of ten areas, of two kinds, which go alike through all areas."""
    return people().append_column("area", pa.array([f"a{i % 10}" for i in range(HOMES)]))


AREAS = {"area": flat("area", "a", 10), **CLASSIFICATIONS}
SUMS: dict[str, Callable[[int], bool]] = {
    "some areas": lambda home: home % 10 in {0, 1, 2},
    "all but some areas": lambda home: home % 10 > 2,
    "an area and a kind in the others": lambda home: home % 10 == 0 or home % 3 == 0,
    "a kind and not in an area": lambda home: home % 3 == 0 and home % 10 > 1,
}


@pytest.mark.parametrize("order", ["model after table", "table after model"])
@pytest.mark.parametrize("which", SUMS)
@pytest.mark.parametrize(("less", "told"), [(0, False), (2, True), (9, True), (10, False)])
def test_a_model_of_several_cells_of_a_table_but_for_a_few(
    tmp_path: Path, order: str, which: str, less: int, told: bool
) -> None:
    """No cell of the table is nearly the model's population, but cells that it publishes add up to nearly it."""
    past = Past(tmp_path, classifications=AREAS)
    chosen = [i for i in range(HOMES) if SUMS[which](i)]
    part = in_areas().take(pa.array(chosen[less:]))
    pair = (in_areas(), table_request("area", "kind")), (part, REGRESSION)
    (data, first), (later, second) = pair if order == "model after table" else pair[::-1]
    past.release("first-v1", data, first)
    if told:
        assert "are about the same units but for fewer than 10" in refused(past, later, second)
    else:
        passes(past, later, second)


@pytest.mark.parametrize(("less", "told"), [(0, False), (3, True), (20, False)])
def test_a_cell_of_a_table_that_several_leaves_add_up_to_but_for_a_few(tmp_path: Path, less: int, told: bool) -> None:
    """Two leaves on either side of a third, and the table's first kind is both of them."""
    here = range(HOMES)
    data = homes(
        x=[float(i // 200) for i in here],
        y=[int(i % 10 < 3 * (i // 200) + 2) for i in here],
        kind=["k1" if i // 200 != 1 and i >= less else "k2" for i in here],
    )
    tree = asked(TreeRequest, name="leaves", outcome="y", features=("x",), max_depth=2)
    past = Past(tmp_path)
    out = past.release("first-v1", data, tree)
    (held,) = unpack(out.released_cells, "first-v1")
    assert sorted(held.table.freq[held.table.codes[:, 1] == 0]) == [200, 200, 200, 400, 600]
    if told:
        assert "homes and leaves of first-v1 are about the same units" in refused(past, data, TABLE)
    else:
        passes(past, data, TABLE)
