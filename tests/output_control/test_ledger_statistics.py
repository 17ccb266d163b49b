"""Statistics, and altered tables, beside what was released before."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import Protection, Rate, TableRequest
from output_control.ledger.altered import NO_REMEDY, REMEDIES
from output_control.ledger.released import unpack
from output_control.sealed import CheckedOutput
from tests.output_control.ledger_world import Past, flat, homes, table_request

ROUNDED = {"count_rounding": {"kind": "nearest", "base": 5}}
NOT_HELD = "figures of several kinds of unit.* are not held against other tables of the same units"


def past(folder: Path, **overrides: object) -> Past:
    return Past(folder, overrides, {"area": flat("area", "g", 4), "kind": flat("kind", "k", 2)})


def some(first: int = 0, last: int = 160) -> pa.Table:
    """Homes ``first`` … ``last``-1 of 160: 40 per area, of two kinds in each, with a worth."""
    data = homes(
        area=[f"g{i % 4}" for i in range(160)],
        kind=[f"k{i // 4 % 2}" for i in range(160)],
        worth=[float(100 + i % 7) for i in range(160)],
    )
    return data.slice(first, last - first)


def hidden(content: bytes, column: str = "area") -> set[str]:
    return {row[column] for row in csv.DictReader(io.StringIO(content.decode())) if row["CONF_STATUS"] == "C"}


def table(out: CheckedOutput, name: str = "homes") -> bytes:
    return out.outputs[f"outputs/demo/{name}.csv"]


STATISTICS = {
    "sum": {"statistic": "sum", "measure": "worth"},
    "mean": {"statistic": "mean", "measure": "worth"},
    "median": {"statistic": "median", "measure": "worth"},
}


@pytest.mark.parametrize("name", STATISTICS)
def test_the_counts_beside_a_figure_are_held_against_released_counts(tmp_path: Path, name: str) -> None:
    """A table of counts was released; the statistic is asked of one home less: its counts would differ by one."""
    world = past(tmp_path)
    world.release("counts", some(), table_request("area"))
    alone = table(world.check(some(1), table_request("area", **STATISTICS[name]), alone=True))
    assert hidden(alone) == set()
    assert {"g0", "all"} <= hidden(table(world.check(some(1), table_request("area", **STATISTICS[name]))))


@pytest.mark.parametrize("name", STATISTICS)
def test_a_statistic_is_remembered_by_its_counts(tmp_path: Path, name: str) -> None:
    world = past(tmp_path)
    world.release("statistic", some(), table_request("area", **STATISTICS[name]))
    assert {"g0", "all"} <= hidden(table(world.check(some(1), table_request("area"))))


def test_a_rate_follows_from_the_pattern_that_is_safe_beside_earlier_counts(tmp_path: Path) -> None:
    world = past(tmp_path)
    rate = table_request("area", "kind", statistic="rate", rate=Rate(column="kind", category="k0"))
    world.release("counts", some(), table_request("area"))
    found = world.check(some(1), rate)
    assert {"g0", "all"} <= hidden(table(found))
    rows = {row["area"]: row for row in csv.DictReader(io.StringIO(table(found).decode()))}
    assert rows["g0"]["rate"] == "" and rows["g1"]["rate"] == "0.5"


def test_a_sum_and_its_counts_hide_the_same_cells_and_both_are_remembered(tmp_path: Path) -> None:
    world = past(tmp_path)
    request = table_request("area", statistic="sum", measure="worth")
    world.release("counts", some(), table_request("area"))
    figure, counts = unpack(world.check(some(1), request).released_cells, "release")
    assert (figure.quantity, counts.quantity) == ("sum of worth", "count")
    assert figure.hidden.tolist() == counts.hidden.tolist() and figure.hidden.any()


def coarser() -> TableRequest:
    return table_request("area", protection=Protection(method="coarser"))


OF_TWO_KINDS = table_request("area", also_units=("home",))


def test_figures_of_several_kinds_of_unit_leave_only_where_no_unit_is_shared(tmp_path: Path) -> None:
    world = past(tmp_path / "before")
    world.release("counts", some(), table_request("area"))
    with pytest.raises(Refused, match=NOT_HELD):
        world.check(some(80), OF_TWO_KINDS)
    other = past(tmp_path / "after")
    other.release("apart", some(0, 80), OF_TWO_KINDS)
    with pytest.raises(Refused, match="homes and homes of apart share units"):
        other.check(some(40), table_request("area"))
    # no home of the first eighty: nothing stands in the way
    free = other.check(some(80), table_request("area"))
    assert json.loads(free.evidence["evidence/demo/homes.json"])["earlier_releases"] == {"share_units": []}


def test_figures_that_left_already_leave_again_and_those_of_one_home_less_do_not(tmp_path: Path) -> None:
    world = past(tmp_path)
    first = world.release("january", some(), OF_TWO_KINDS)
    # another version of the analysis, or another analysis, that asks for the very same
    again = world.check(some(), OF_TWO_KINDS.model_copy(update={"title": "Homes once more"}))
    assert table(again) == table(first)
    assert "says nothing new" in again.evidence["evidence/demo/homes.json"].decode()
    with pytest.raises(Refused, match=NOT_HELD):
        world.check(some(1), OF_TWO_KINDS)
    with pytest.raises(Refused, match=f"{NOT_HELD}.*homes: it is weighted by worth and it is of units"):
        world.check(some(), OF_TWO_KINDS.model_copy(update={"weight": "worth"}))


@pytest.mark.parametrize(
    ("request_", "overrides"),
    [(coarser(), {}), (table_request("area"), ROUNDED)],
    ids=["coarser", "rounded"],
)
def test_a_rounded_or_coarser_table_leaves_beside_exact_counts_of_others_and_not_of_one_home_more(
    tmp_path: Path, request_: TableRequest, overrides: dict[str, object]
) -> None:
    world = past(tmp_path)
    world.release("counts", some(), table_request("area"))
    world.overrides = overrides
    out = world.check(some(80), request_)
    notes = json.loads(out.evidence["evidence/demo/homes.json"])["notes"]
    assert "shares units with earlier releases: counts" in notes and any("bounds its true count" in n for n in notes)
    with pytest.raises(Refused, match="homes cannot be released beside homes of counts: their figures together"):
        world.check(some(1), request_)


def test_two_rounded_tables_of_one_analysis_leave_and_so_does_one_beside_an_earlier_one(tmp_path: Path) -> None:
    world = past(tmp_path, **ROUNDED)
    by_kind = table_request("kind", "area").model_copy(update={"name": "second"})
    world.release("both", some(), table_request("area"), by_kind)
    third = table(world.check(some(), table_request("kind")))
    assert {row["value"] for row in csv.DictReader(io.StringIO(third.decode()))} == {"80", "160"}
    # three homes less: 39 is published as 40 as ever, but 157 as 155, so that somebody is missing
    with pytest.raises(Refused, match="bound a group of few units too closely") as caught:
        world.check(some(3), table_request("area"))
    # three persons less by whatever column: no coarser table of them can leave, and nothing is counted
    assert NO_REMEDY in str(caught.value)


def test_a_refusal_of_rounded_tables_names_the_column_without_which_they_leave(tmp_path: Path) -> None:
    world = past(tmp_path, **ROUNDED)
    by_kind = table_request("kind", "area").model_copy(update={"name": "second"})
    world.release("before", some(), by_kind)
    kinds = [f"k{0 if i in (7, 23, 39) else i // 4 % 2}" for i in range(160)]  # three of one area, k1 before
    moved = some().set_column(some().schema.get_field_index("kind"), "kind", pa.array(kinds))
    with pytest.raises(Refused, match="bound a group of few units too closely") as caught:
        world.check(moved, by_kind)
    assert REMEDIES in str(caught.value) and "without kind: can leave" in str(caught.value)
    assert world.check(moved, table_request("area")).outputs


def test_cell_key_tables_of_one_population_agree_and_leave_together_and_not_beside_exact_ones(tmp_path: Path) -> None:
    world, noisy = past(tmp_path), Protection(method="cell_key")
    by_area = table_request("area", protection=noisy)
    by_kind = table_request("kind", protection=noisy).model_copy(update={"name": "second"})
    out = world.release("both", some(), by_area, by_kind)
    totals = {
        row["value"]
        for name in ("homes", "second")
        for row in csv.DictReader(io.StringIO(table(out, name).decode()))
        if "all" in (row.get("area"), row.get("kind"))
    }
    assert len(totals) == 1
    with pytest.raises(Refused, match="bound a group of few units too closely"):
        world.check(some(1), by_area)
    with pytest.raises(Refused, match="only against figures drawn in the same way"):
        world.check(some(), table_request("kind"))


def test_the_report_names_the_earlier_release_and_only_checkers_see_what_was_found(tmp_path: Path) -> None:
    world = past(tmp_path)
    world.release("january", some(), table_request("area"))
    out = world.check(some(1), table_request("area"))
    checkers = out.checker_annex["annex/demo/homes.report.en.html"].decode()
    author = out.researcher_files["demo/homes.report.en.html"].decode()
    assert "january" in checkers and "small differences" in checkers
    assert "january" in author and "small differences" not in author


def test_what_was_found_is_told_in_the_language_of_the_report(tmp_path: Path) -> None:
    world = past(tmp_path)
    request = table_request("area", statistic="sum", measure="worth")
    world.release("january", some(), request)
    shared, none = world.check(some(1), request), past(tmp_path / "new").check(some(), request)
    with_findings, without = (
        {language: out.checker_annex[f"annex/demo/homes.report.{language}.html"].decode() for language in ("nl", "en")}
        for out in (shared, none)
    )
    assert "som van worth" in with_findings["nl"] and "kleine verschillen tussen twee cellen" in with_findings["nl"]
    assert "sum of worth" in with_findings["en"] and "small differences of two cells" in with_findings["en"]
    assert "small differences" not in with_findings["nl"] and "kleine" not in with_findings["en"]
    assert "geen eerdere uitgave deelt eenheden met deze" in without["nl"]
    assert "no earlier release shares units with this one" in without["en"]
