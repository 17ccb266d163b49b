"""What cannot be tabulated is refused by name and number, and never by a value."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from enclave.classifications import Classification
from enclave.errors import Refused
from enclave.requests import Population, TableRequest
from output_control.tables.derived import faults_of_frame
from output_control.tables.evidence import (
    faults_of_codes,
    faults_of_table,
    shown_dimensions,
)
from tests.output_control.gate_world import (
    CLASSIFICATIONS,
    FLAG,
    KIND,
    REGION,
    World,
    frame_of,
    policy_in,
    table_request,
    tree_of,
)


def frame_faults(world: World, request: TableRequest) -> str:
    with world.sources() as sources:
        return "\n".join(faults_of_frame(request, sources))


def code_faults(world: World, request: TableRequest) -> str:
    with world.sources() as sources:
        shown = shown_dimensions(request, world.classifications)
        return "\n".join(faults_of_codes(request, shown, sources))


def test_faults_of_a_frame_are_counted_and_named_without_a_value(tmp_path: Path) -> None:
    data = pa.table(
        {
            "home": pa.array([77123, 77123, None, 4], pa.int64()),
            "owner": pa.array([1, None, 2, -3], pa.int64()),
            "kind": ["k1"] * 4,
        }
    )
    found = frame_faults(World(tmp_path).add("homes", data), table_request("kind"))
    assert "fewer than 10 rows of homes have no value in key column home" in found
    assert "fewer than 10 rows of homes have no value in key column owner" in found
    assert "fewer than 10 rows of homes have a unit key below 0 in owner" in found
    assert "fewer than 10 rows of homes repeat a record; one row per home" in found
    assert "77123" not in found


def test_a_record_may_recur_over_periods(tmp_path: Path) -> None:
    data = pa.table({"home": pa.array([1, 1], pa.int64()), "owner": pa.array([1, 1], pa.int64()), "kind": ["k1", "k1"]})
    twice = data.append_column("year", pa.array([2015, 2016], pa.int64()))
    request = table_request("kind", period="year")
    assert frame_faults(World(tmp_path).add("homes", twice), request) == ""
    (tmp_path / "b").mkdir()
    again = data.append_column("year", pa.array([2016, 2016], pa.int64()))
    assert "one row per home and year" in frame_faults(World(tmp_path / "b").add("homes", again), request)


def test_a_record_outside_the_population_is_counted(tmp_path: Path) -> None:
    data = frame_of([(1, "G1a1", "k1", 1)] * 5)
    population = pa.table({"home": pa.array([0, 1, 2, 2], pa.int64())})
    found = frame_faults(World(tmp_path).add("homes", data, population), table_request("kind"))
    assert found == "fewer than 10 rows of homes lie outside the population homes: home is not among its home"


def test_without_the_population_key_the_record_itself_must_lie_in_the_population(tmp_path: Path) -> None:
    data = frame_of([(1, "G1a1", "k1", 1)] * 3)
    population = pa.table({"object": pa.array([0, 1], pa.int64())})
    request = table_request("kind", population=Population(dataset="homes", key="object"))
    found = frame_faults(World(tmp_path).add("homes", data, population), request)
    assert found == "fewer than 10 rows of homes lie outside the population homes: home is not among its object"


def test_a_population_key_of_another_type_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", frame_of([(1, "G1a1", "k1", 1)]), pa.table({"home": ["0"]}))
    assert "not of the type of home" in frame_faults(world, table_request("kind"))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"derivation": "others"}, "there is no derived frame others"),
        ({"population": Population(dataset="others", key="home")}, "there is no linked data set others"),
        ({"population": Population(dataset="homes", key="object")}, "data set homes has no column object"),
        ({"unit": "keeper"}, "no column keeper"),
        ({"unit": "kind"}, "column kind holds no unit keys"),
        ({"measure": "height", "statistic": "sum"}, "no column height"),
    ],
)
def test_a_frame_that_is_not_what_the_request_says_is_named(
    tmp_path: Path, changes: dict[str, object], fault: str
) -> None:
    world = World(tmp_path).add("homes", frame_of([(1, "G1a1", "k1", 1)]))
    assert fault in frame_faults(world, table_request("kind", **changes))


def test_a_name_that_is_no_identifier_never_reaches_a_query(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", frame_of([(1, "G1a1", "k1", 1)]))
    with world.sources() as sources, pytest.raises(Refused, match="no column or table name"):
        sources.number("SELECT COUNT(*) FROM {table}", table='homes" UNION SELECT 1 --')


def test_an_empty_frame_is_refused(tmp_path: Path) -> None:
    assert "is empty" in frame_faults(World(tmp_path).add("homes", frame_of([])), table_request("kind"))


def test_codes_outside_the_classification_and_inner_codes_are_counted_and_not_shown(tmp_path: Path) -> None:
    data = frame_of([(1, "G1a1", "k1", 1), (2, "canary-code", "k1", 1), (3, "G1", "k1", 1), (4, "G1a", "k1", 1)])
    data = data.set_column(3, "kind", pa.array(["k1", None, "k1", "all"]))
    found = code_faults(World(tmp_path).add("homes", data), table_request("region", "kind"))
    assert "fewer than 10 rows have a code in column region" in found
    assert "fewer than 10 rows have a code in column kind" in found
    assert "canary" not in found


def test_an_inner_code_is_fine_when_it_is_the_finest_level_shown(tmp_path: Path) -> None:
    data = frame_of([(1, "G1", "k1", 1), (2, "G1a", "k1", 1), (3, "G2a1", "k1", 1)])
    world = World(tmp_path).add("homes", data)
    assert code_faults(world, table_request("region", levels={"region": ("GM",)})) == ""


def test_a_dimension_of_numbers_is_refused(tmp_path: Path) -> None:
    data = frame_of([(1, "G1a1", "k1", 1)]).set_column(3, "kind", pa.array([1], pa.int64()))
    assert "column kind holds no text codes" in code_faults(World(tmp_path).add("homes", data), table_request("kind"))


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (pa.array(["12"]), "is no number column"),
        (pa.array([float("nan")]), "no finite number"),
        (pa.array([float("-inf")]), "no finite number"),
        (pa.array([2.0**53]), "too large"),
    ],
)
def test_a_measure_that_cannot_be_added_up_is_refused(tmp_path: Path, values: pa.Array, fault: str) -> None:
    data = frame_of([(1, "G1a1", "k1", 1)]).set_column(4, "worth", values)
    request = table_request("kind", statistic="sum", measure="worth")
    assert fault in code_faults(World(tmp_path).add("homes", data), request)


DEEP = tree_of(
    "region",
    {"NL": ("NL",), "GM": ("G1", "G2"), "BU": ("G1a", "G2a"), "PC6": ("G1a1", "G2a1")},
    geographic=True,
)


STREETS = tree_of("region", {"NL": ("NL",), "street": ("s1", "s2")}, geographic=True)


@pytest.mark.parametrize(
    ("request_", "classifications", "fault"),
    [
        (table_request("kind", "kind"), CLASSIFICATIONS, "a dimension twice"),
        (table_request("kind", statistic="sum"), CLASSIFICATIONS, "a sum needs a measure"),
        (table_request("kind", measure="worth"), CLASSIFICATIONS, "a count has no measure"),
        (table_request("kind"), {"flag": FLAG}, "there is no classification kind"),
        (table_request("kind", levels={"kind": ("sort",)}), CLASSIFICATIONS, "1 level(s) that kind does not have"),
        (table_request("region"), {"region": DEEP}, "an area finer than BU; ask for levels NL, GM, BU"),
        (table_request("region"), {"region": STREETS}, "no level BU"),
        (table_request("kind", levels={"kind": ("total",)}), CLASSIFICATIONS, "one cell only"),
    ],
)
def test_a_request_that_may_not_be_tabulated_is_refused_before_any_data_is_read(
    tmp_path: Path, request_: TableRequest, classifications: dict[str, Classification], fault: str
) -> None:
    rules = policy_in(tmp_path).public.tables
    assert any(fault in found for found in faults_of_table(request_, classifications, rules))


def test_a_finer_area_level_may_exist_when_it_is_not_shown(tmp_path: Path) -> None:
    rules = policy_in(tmp_path).public.tables
    request = table_request("region", levels={"region": ("GM", "BU")})
    assert faults_of_table(request, {"region": DEEP}, rules) == []


def test_a_table_beyond_the_most_cells_is_refused(tmp_path: Path) -> None:
    cells = len(REGION.codes) * len(KIND.codes)
    request = table_request("region", "kind")
    allowed, below_it = (policy_in(tmp_path, most_cells=most).public.tables for most in (cells, cells - 1))
    assert faults_of_table(request, CLASSIFICATIONS, allowed) == []
    assert f"more than {cells - 1} cells" in faults_of_table(request, CLASSIFICATIONS, below_it)[0]
