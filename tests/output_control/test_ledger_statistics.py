"""Statistics, and tables that the ledger cannot compare, beside what was released before."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import Protection, Rate, TableRequest
from output_control.ledger.released import unpack
from output_control.sealed import CheckedOutput
from tests.output_control.ledger_world import Past, flat, homes, table_request

ROUNDED = {"count_rounding": {"kind": "nearest", "base": 5}}
NOT_YET = "not compared with earlier releases by the ledger yet; a person must decide"


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


@pytest.mark.parametrize(
    ("request_", "overrides"),
    [(coarser(), {}), (table_request("area", also_units=("home",)), {}), (table_request("area"), ROUNDED)],
    ids=["coarser", "two kinds of unit", "rounded"],
)
def test_what_cannot_be_compared_goes_to_a_person_where_units_are_shared(
    tmp_path: Path, request_: TableRequest, overrides: dict[str, object]
) -> None:
    world = past(tmp_path / "before")
    world.release("counts", some(), table_request("area"))
    world.overrides = overrides
    with pytest.raises(Refused, match=NOT_YET):
        world.check(some(80), request_)
    other = past(tmp_path / "after", **overrides)
    other.release("apart", some(0, 80), request_)
    other.overrides = {}
    with pytest.raises(Refused, match="homes and homes of apart share units"):
        other.check(some(40), table_request("area"))
    # no home of the first eighty: nothing stands in the way
    free = other.check(some(80), table_request("area"))
    assert json.loads(free.evidence["evidence/demo/homes.json"])["earlier_releases"] == {"share_units": []}


def test_two_tables_of_one_request_of_which_one_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="share units"):
        past(tmp_path).check(some(), table_request("area"), coarser().model_copy(update={"name": "second"}))


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
