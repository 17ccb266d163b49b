"""The ledger knows of a population how it was defined, by a digest that says nothing without the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import Population
from output_control.ledger.definition import PURPOSE, defined
from output_control.ledger.released import ReleasedTable, unpack
from output_control.tables.derived import faults_of_frame
from tests.output_control.gate_world import World
from tests.output_control.ledger_world import Past, flat, homes, table_request

EVERYONE = homes(area=[f"g{i % 3}" for i in range(120)], worth=[float(i) for i in range(120)])
WHOLE = Population(dataset="homes", key="home", whole=True)
KEY = b"k" * 32


def test_populations_are_one_by_definition_as_they_were_made() -> None:
    def digest(
        made: str = "a", homes: str = "1", debts: str = "1", key: bytes = KEY, *, whole: bool = False, **asked: Any
    ) -> str:
        request = table_request(
            "area", population=WHOLE if whole else WHOLE.model_copy(update={"whole": False}), **asked
        )
        return defined(request, made=made, inputs={"debts": debts, "homes": homes}, key=key)

    worth: dict[str, Any] = {"statistic": "sum", "measure": "worth"}
    # all of a data set are the same, whatever code says so, and whatever else it reads
    assert digest(whole=True) == digest("b", debts="2", derivation="others", whole=True)
    # but not of the data set as it was linked another time, even if the same units are in it
    assert digest(whole=True) != digest(homes="2", whole=True)
    # a selection is what one code makes of one version of all that it reads
    assert digest() == digest() and len({digest(), digest("b"), digest(homes="2"), digest(debts="2")}) == 4
    others = [digest(derivation="others"), digest(**worth), digest(period="year"), digest(key=b"l" * 32)]
    assert len({digest(), digest(whole=True), digest(whole=True, **worth), *others}) == 7


def kept(past: Past, name: str, data: pa.Table, **asked: Any) -> ReleasedTable:
    (table,) = unpack(past.release(name, data, table_request("area", **asked)).released_cells, name)
    return table


def test_a_filter_that_leaves_nobody_out_today_is_not_everyone(tmp_path: Path) -> None:
    """The members' digests agree; that they do is chance, unless the request says that nobody is left out."""
    past = Past(tmp_path, {}, {"area": flat("area", "g", 3)})
    everyone, again = (kept(past, name, EVERYONE, population=WHOLE) for name in ("everyone", "again"))
    selected = kept(past, "selected", EVERYONE)
    assert everyone.defined == again.defined != selected.defined
    assert everyone.sets.tolist() == again.sets.tolist() == selected.sets.tolist()


OF_TWO_HOMES = EVERYONE.set_column(1, "owner", pa.array([*range(119), 0], pa.int64()))
ONE_UNKNOWN = EVERYONE.set_column(3, "worth", pa.array([None, *range(119)], pa.float64()))


@pytest.mark.parametrize(
    ("frame", "linked", "asked"),
    [
        (EVERYONE.slice(0, 119), EVERYONE, {}),
        (ONE_UNKNOWN, EVERYONE, {"statistic": "sum", "measure": "worth"}),
        (OF_TWO_HOMES, OF_TWO_HOMES, {"population": Population(dataset="homes", key="owner", whole=True)}),
        (EVERYONE, EVERYONE, {"period": "area"}),
    ],
)
def test_what_is_said_to_be_whole_and_is_not_is_refused_without_a_count(
    tmp_path: Path, frame: pa.Table, linked: pa.Table, asked: dict[str, Any]
) -> None:
    """One home is missing; one has no value; an owner has two homes; the linked data have no such period."""
    world = World(tmp_path, classifications={"area": flat("area", "g", 3)})
    world.add("homes", frame, linked.select(["home", "owner"]))
    request = table_request("area", **{"population": WHOLE, **asked})
    with world.sources() as sources:
        (fault,) = faults_of_frame(request, sources)
        assert "this is said to be all of homes" in fault and not any(each.isdigit() for each in fault)
        plain = request.population.model_copy(update={"whole": False})
        assert faults_of_frame(request.model_copy(update={"population": plain}), sources) == []
    with pytest.raises(Refused, match="said to be all of homes"):
        world.check(request)


def test_whole_is_every_member_in_every_period_that_it_has(tmp_path: Path) -> None:
    years = homes(home=[*range(60), *range(50)], owner=[*range(60), *range(50)], year=[*["a"] * 60, *["b"] * 50])
    years = years.append_column("area", pa.array(["g0"] * 110))
    world = World(tmp_path, classifications={"area": flat("area", "g", 3)})
    # home 7 is left out of year b, and home 59, which only other linked data have in it, put in
    another = pa.array([*range(60), *(at for at in range(50) if at != 7), 59], pa.int64())
    other = years.set_column(0, "home", another).set_column(1, "owner", another)
    for name, frame in (("homes", years), ("fewer", years.slice(0, 109)), ("other", other)):
        world.add(name, frame, (other if name == "other" else years).select(["home", "owner", "year"]))
    with world.sources() as sources:
        asked = {"population": WHOLE, "period": "year"}
        assert faults_of_frame(table_request("area", **asked), sources) == []
        for name in ("fewer", "other"):
            (fault,) = faults_of_frame(table_request("area", derivation=name, **asked), sources)
            assert f"of some {name} has no record" in fault


def test_the_ledger_keeps_it_under_a_key_of_its_own(tmp_path: Path) -> None:
    world = Past(tmp_path, {}, {"area": flat("area", "g", 3)})
    table = kept(world, "first", EVERYONE)
    (read,) = world.ledger.tables(world.ledger.entries()[0])
    assert read.defined == table.defined and len(bytes.fromhex(table.defined)) == 32
    assert world.ledger.keys.derived(PURPOSE) not in {world.ledger.keys.derived(each) for each in ("chain", "headers")}
