"""Differencing in disguise: the same records under other periods, other keys, other measures, or a large total."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import OutputRequest, Population
from output_control.ledger.book import identity
from output_control.sealed import CheckedOutput
from tests.output_control.gate_world import World
from tests.output_control.ledger_world import Past, about, cells_of, flat, homes, table_request

OWNERS = Population(dataset="homes", key="owner")
WORTH = {"statistic": "sum", "measure": "worth"}


def past(folder: Path, **overrides: object) -> Past:
    return Past(folder, overrides, {"area": flat("area", "g", 4), "kind": flat("kind", "k", 3)})


def some(count: int = 160, **columns: list[object]) -> pa.Table:
    """Homes in four areas, 40 in each of 160; each of an owner of its own, who has another number."""
    owner: list[object] = [number + 1000 for number in range(count)]
    return homes(owner=owner, area=[f"g{i % 4}" for i in range(count)], **columns)


def with_years(data: pa.Table, year: str) -> pa.Table:
    return data.append_column("year", pa.array([year] * data.num_rows))


def check(world: Past, data: pa.Table, linked: pa.Table, *requests: OutputRequest) -> CheckedOutput:
    """The gate on ``data`` with a population of its own."""
    gate = World(world.folder, classifications=world.classifications, policy_overrides=world.overrides)
    gate.add("homes", data, linked)
    gate.history = world.history()
    return gate.check(*requests)


def test_a_table_of_which_no_cell_lies_in_the_other_is_compared(tmp_path: Path) -> None:
    world = past(tmp_path)
    data = some(160, kind=[f"k{i // 4 % 3}" for i in range(160)])
    world.release("whole", data, table_request("area"))
    part = data.filter(pa.array([0 < i < 120 for i in range(160)]))
    assert cells_of(world.check(part, table_request("kind")), "kind")[("all",)] == 119


def test_the_same_check_that_finds_other_units_is_not_the_same(tmp_path: Path) -> None:
    """Code that reads a clock: what it was released with does not excuse it from what came out since."""
    world = past(tmp_path)
    made = World(tmp_path / "gate", classifications=world.classifications)
    made.folder.mkdir()
    made.add("homes", some())
    made.history = world.history()
    out = made.check(table_request("area"))
    same = identity(out.analysis, out.version, out.fingerprint, out.inputs, out.policy_document)
    world.ledger.append(about("first", identity=same), out.released_cells)
    made.history = world.history()
    assert made.check(table_request("area")).released_cells == out.released_cells
    made.derived["homes"] = World(tmp_path / "gate").add("later", some().slice(1)).derived["later"]
    with pytest.raises(Refused, match="counted other units when it was released"):
        made.check(table_request("area"))


# periods ------------------------------------------------------------------------------------------------------------


def test_an_invented_period_does_not_hide_records_from_the_ledger(tmp_path: Path) -> None:
    """160 homes were released; 159 "of 2016" are the same homes but one."""
    world = past(tmp_path)
    world.release("all", some(), table_request("area"))
    with pytest.raises(Refused, match="no linked data set of this question has year beside home"):
        world.check(with_years(some().slice(1), "2016"), table_request("area", period="year"))


def test_a_period_is_called_as_the_linked_data_call_it(tmp_path: Path) -> None:
    world = past(tmp_path)
    linked = with_years(some().select(["home", "owner"]), "2016")
    yearly = table_request("area", period="year")
    first = check(world, with_years(some(), "2016"), linked, yearly)
    world.ledger.append(about("yearly"), first.released_cells)
    with pytest.raises(Refused, match=r"100 to 999 rows of homes are of a year that the linked data do not give them"):
        check(world, with_years(some().slice(1), "year 2016"), linked, yearly)
    found = cells_of(check(world, with_years(some().slice(1), "2016"), linked, yearly), "area")
    assert found[("g0",)] is None and found[("all",)] is None


def test_a_table_of_a_period_is_not_released_beside_one_without(tmp_path: Path) -> None:
    world = past(tmp_path)
    world.release("all", some(), table_request("area"))
    linked = with_years(some().select(["home", "owner"]), "2016")
    with pytest.raises(Refused, match="share units and not their periods or records, so neither can be held"):
        check(world, with_years(some().slice(1), "2016"), linked, table_request("area", period="year"))


# other members ------------------------------------------------------------------------------------------------------


def test_owners_are_held_against_their_homes(tmp_path: Path) -> None:
    """Each home has an owner of its own: 40 homes less 39 owners is one owner."""
    world = past(tmp_path)
    world.release("homes", some(), table_request("area"))
    owners = some().slice(1).select(["owner", "area"])
    found = cells_of(world.check(owners, table_request("area", population=OWNERS, record="owner")), "area")
    assert found == {("all",): None, ("g0",): None, ("g1",): 40, ("g2",): 40, ("g3",): 40}


def test_several_records_of_a_member_are_compared_within_one_frame_only(tmp_path: Path) -> None:
    """80 records of 80 persons in an area, 79 of the same in the other table: which of a person's two is which?"""
    world = past(tmp_path)
    person = pa.array([i // 2 for i in range(160)], pa.int64())
    frame = pa.table(
        {
            "home": person,
            "owner": person,
            "record": pa.array(range(160), pa.int64()),
            "area": ["g0" if i % 2 == 0 else f"g{1 + i // 2 % 3}" for i in range(160)],
            "kind": ["k1" if i % 2 == 0 else "k0" for i in range(160)],
        }
    )
    linked = frame.select(["home", "owner"])
    by_area, by_kind = (table_request(name, record="record", name=name) for name in ("area", "kind"))
    first = check(world, frame, linked, by_area, by_kind)
    assert cells_of(first, "kind", name="kind")[("k1",)] == 80
    world.ledger.append(about("first"), first.released_cells)
    fewer = frame.filter(pa.array([i > 0 and not (i % 2 and i < 30) for i in range(160)]))
    with pytest.raises(Refused, match="share units and not their periods or records"):
        check(world, fewer, linked, by_kind)


# measures -----------------------------------------------------------------------------------------------------------

DISGUISES: dict[str, Callable[[float], float]] = {
    "equal": lambda worth: worth,
    "in cents": lambda worth: worth * 100,
    "shifted": lambda worth: 3 * worth + 17,
}


def worth(count: int = 160) -> list[object]:
    return [float(100 + number % 7) for number in range(count)]


def test_one_value_left_out_of_a_measure_does_not_subtract(tmp_path: Path) -> None:
    """The same homes in every cell, and the worth of one of them set to 0: the sums differ by what it is worth."""
    world = past(tmp_path)
    world.release("all", some(worth=worth()), table_request("area", **WORTH))
    with pytest.raises(Refused, match="have different values of one measure for the same records"):
        world.check(some(worth=[0.0, *worth()[1:]]), table_request("area", **WORTH))


@pytest.mark.parametrize("disguise", DISGUISES)
def test_another_name_does_not_make_another_measure(tmp_path: Path, disguise: str) -> None:
    world = past(tmp_path)
    world.release("all", some(worth=worth()), table_request("area", **WORTH))
    other = [DISGUISES[disguise](float(str(value))) for value in worth()]
    data = some(value=[0.0, *other[1:]])
    with pytest.raises(Refused, match="are sums of one measure under two names"):
        world.check(data, table_request("area", statistic="sum", measure="value"))


def test_two_measures_of_the_same_homes_are_released_beside_each_other(tmp_path: Path) -> None:
    """Both of few values, and equal for most homes: yet two measures."""
    world = past(tmp_path)
    world.release("all", some(worth=[float(1 + i % 3) for i in range(160)]), table_request("area", **WORTH))
    data = some(rooms=[float(1 + i % 3 + (i % 5 == 0)) for i in range(160)])
    out = world.check(data, table_request("area", statistic="sum", measure="rooms"))
    assert None not in cells_of(out, "area").values()


# dominance ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("added", [0.0, 50.0, 800.0])
def test_a_difference_of_many_homes_that_is_the_worth_of_one_is_hidden(tmp_path: Path, added: float) -> None:
    """13 homes leave an area, enough by their number: 12 of about 100, and one of 5,000, most of what they sum to.

    A constant that is added to all is no disguise: 13 times it can be taken off.
    """
    world = past(tmp_path)
    spread = [40.0 + 37 * number % 121 for number in range(800)]
    data = some(800, worth=[each + added for each in (5000.0, *spread[1:-1], 0.0)])
    assert None not in cells_of(world.release("all", data, table_request("area", **WORTH)), "area").values()
    fewer = data.filter(pa.array([not (i % 4 == 0 and i < 52) for i in range(800)]))
    even = data.filter(pa.array([i == 0 or not (i % 4 == 0 and i < 56) for i in range(800)]))
    found = cells_of(world.check(fewer, table_request("area", **WORTH)), "area")
    assert found[("g0",)] is None and found[("all",)] is None and None not in (found[("g1",)], found[("g2",)])
    assert None not in cells_of(world.check(even, table_request("area", **WORTH)), "area").values()
    assert None not in cells_of(world.check(data, table_request("area", **WORTH)), "area").values()
    more = past(tmp_path / "backwards")
    more.release("fewer", fewer, table_request("area", **WORTH))
    assert cells_of(more.check(data, table_request("area", **WORTH)), "area")[("g0",)] is None
