"""Where no suppression helps beside earlier releases, the refusal says what can leave instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from output_control.ledger.coarser import cut, least_loss
from output_control.ledger.released import ReleasedTable
from tests.output_control.gate_world import tree_of
from tests.output_control.ledger_tables import a_dimension, a_table
from tests.output_control.ledger_world import Past, cells_of, flat, homes, table_request

ID = np.arange(1, 121)
G, S = a_dimension("g", 4), a_dimension("s", 2)
CODES = {"g": 1 + ID % 4, "s": 1 + (ID < 5)}
ONES = tuple(f"y{each}" for each in "abcdefghijkl")
HALVES = tree_of("quarter", {"total": ("all",), "half": ("x", "y"), "quarter": ("x0", "x1", "x2", *ONES)})
AREAS = [f"g{i % 3}" for i in range(188)] + ["g3"] * 12
QUARTERS = [f"x{i % 3}" for i in range(188)] + list(ONES)


def by(*variables: str) -> ReleasedTable:
    dims = [{"g": G, "s": S}[each] for each in variables]
    return a_table("new", dims, np.column_stack([CODES[each] for each in variables]), ID)


@pytest.mark.parametrize(("without", "left"), [(0, "s"), (1, "g")])
def test_a_table_without_a_column_is_the_table_that_would_have_been_asked_for(without: int, left: str) -> None:
    found, expected = cut(by("g", "s"), without, 0), by(left)
    assert found.table.dims == expected.table.dims and found.table.keys().tolist() == expected.table.keys().tolist()
    assert found.table.value.tolist() == expected.table.value.tolist()
    assert found.sets.tolist() == expected.sets.tolist() and found.rows.leaf.tolist() == expected.rows.leaf.tolist()
    assert found.primary.mask.tolist() == expected.primary.mask.tolist()


def test_what_loses_least_is_proposed_first_and_what_does_not_help_not_at_all() -> None:
    """Of 4 × 2 codes all but s can leave: without s (5 cells), or without the table; never without g."""

    def hidden(tables: list[ReleasedTable], attached: dict[int, int]) -> list[ReleasedTable] | None:
        return None if any("s" in [dim.name for dim in each.table.dims] for each in tables) else tables

    found = least_loss([by("g", "s"), by("g")], {}, hidden, releases=1)  # type: ignore[arg-type]  # lists for any sequences
    assert [(each.table, each.column) for each in found] == [(0, 1), (0, None)]


def test_how_many_changes_are_tried_says_nothing_of_records() -> None:
    """Of 4 × 2 codes beside 2 releases, and 100: as many tries of a hundred times the records, and never none."""

    def tried(times: int, releases: int, size: int = 4) -> int:
        rows = np.arange(1, times * len(ID) + 1)
        dims = [a_dimension("g", size), S]
        table = a_table("new", dims, np.column_stack([np.tile(CODES[each], times) for each in "gs"]), rows)
        return len(least_loss([table] * 20, {}, lambda tables, _: tables, releases=releases))

    assert [tried(1, releases) for releases in (0, 2, 10, 40, 100, 1000)] == [12, 12, 12, 3, 1, 1]
    assert [tried(100, releases) for releases in (2, 40, 1000)] == [12, 3, 1]
    assert tried(1, 2, size=1000) == 3  # 20 tables of 1,001 × 3 cells


def past(folder: Path) -> tuple[Past, pa.Table]:
    """Homes by area left. By quarter each of the twelve of g3 is alone, and as twelve cells that are not empty hold
    twelve, hiding them is of no use: what they add up to was published."""
    world = Past(folder, {}, {"area": flat("area", "g", 4), "quarter": HALVES})
    data = homes(area=list(AREAS), quarter=list(QUARTERS))
    world.release("first", data, table_request("area"))
    return world, data


def test_a_refusal_names_the_earlier_release_and_what_can_leave_instead(tmp_path: Path) -> None:
    world, data = past(tmp_path)
    with pytest.raises(Refused, match=r"(?s)beside homes of first.*quarter down to half: can leave\b(?!, with)"):
        world.check(data, table_request("quarter"))
    # and it does
    found = cells_of(world.check(data, table_request("quarter", levels={"quarter": ("half",)})), "quarter")
    assert found == {("all",): 200, ("x",): 188, ("y",): 12}


def test_of_two_tables_the_one_that_cannot_leave_is_named(tmp_path: Path) -> None:
    world, data = past(tmp_path)
    with pytest.raises(Refused, match=r"without the table quarters: can leave\b(?!, with)"):
        world.check(data, table_request("quarter", name="quarters"), table_request("area", name="areas"))
