"""What other systems let pass, asked of this gate: each leak is refused or hidden, and its harmless twin leaves.

Sources: the shared notes on output control, section 1: ACRO 1.0.2 (its two suppressed outputs that subtract, its check
of linked tables that always passes, and what it does not look at), the other systems, and what OpenSAFELY
says it sends back most. Every request goes through `output_control.gate.check` on planted homes, and what is
released is read back from its files by an attacker that knows nothing of the gate.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from enclave.classifications import Classification, Code
from enclave.errors import Refused
from enclave.requests import Figure, parse_requests
from output_control.leaving import faults_of_leaving
from tests.output_control.brute_force import BruteForce, Codes, Published, Tree
from tests.output_control.distribution_requests import mixed
from tests.output_control.gate_files import CELLS, homes_of, refusal, rows_of
from tests.output_control.gate_world import CLASSIFICATIONS, World, table_request
from tests.output_control.ledger_world import Past, cells_of, flat, homes
from tests.output_control.test_regression import regression

EXACT = {"count_protection": {"kind": "exact"}}


def tree_named(name: str) -> Tree:
    """A classification of the tests' world as the attacker knows it."""
    return tree_from(CLASSIFICATIONS[name], name)


def tree_from(classification: Any, name: str) -> Tree:
    children: dict[str, tuple[str, ...]] = {}
    for code in classification.codes[1:]:
        children[code.parent] = (*children.get(code.parent, ()), code.code)
    return Tree(name, classification.codes[0].code, children)


# two suppressed outputs that subtract --------------------------------------------------------------------------------


def kinds(*counts: int) -> pa.Table:
    """Homes of each kind, in two sexes of the occupant turn by turn."""
    kind = [f"k{position}" for position, count in enumerate(counts) for _ in range(count)]
    return homes(kind=kind, sex=[f"s{i % 2}" for i in range(len(kind))])


def past(folder: Path) -> Past:
    return Past(folder, {}, {"kind": flat("kind", "k", 3), "sex": flat("sex", "s", 2)})


@pytest.mark.parametrize(("dropped", "safe"), [(6, False), (12, True)])
def test_totals_with_and_without_the_records_of_a_hidden_cell(tmp_path: Path, dropped: int, safe: bool) -> None:
    """ACRO drops the records of a suppressed cell from the other tables: the totals differ by what is hidden.

    The twin drops twelve homes, a group that the first table shows by itself.
    """
    world = past(tmp_path)
    data = kinds(dropped, 60, 50)
    first = cells_of(world.release("first", data, table_request("kind")), "kind")
    assert (first["k0",] is not None) == safe
    rest = data.filter(pa.array([kind != "k0" for kind in data["kind"].to_pylist()]))
    second = cells_of(world.check(rest, table_request("sex")), "sex")
    assert (second["all",] is not None) == safe
    if not safe:
        alone = cells_of(world.check(rest, table_request("sex"), alone=True), "sex")
        assert first["all",] - alone["all",] == dropped  # the leak: this is what ACRO publishes


@pytest.mark.parametrize(("dropped", "safe"), [(6, False), (12, True)])
def test_both_totals_asked_for_at_once(tmp_path: Path, dropped: int, safe: bool) -> None:
    """The same two tables as two requests of one analysis."""
    data = kinds(dropped, 60, 50)
    rest = data.filter(pa.array([kind != "k0" for kind in data["kind"].to_pylist()]))
    without = table_request(
        "sex", name="without", derivation="without", population={"dataset": "without", "key": "home"}
    )
    out = past(tmp_path).check(data, table_request("kind"), without, without=rest)
    whole, part = cells_of(out, "kind")["all",], cells_of(out, "sex", name="without")["all",]
    assert (whole is not None and part is not None) == safe


# linked tables that "pass" -------------------------------------------------------------------------------------------

UNITS = {"A": 2, "B": 2, "I": 8, "J": 8, "K": 3, "L": 3, "M": 3, "N": 7}
BY_COUNTY = {"c1": "ABIJ", "c2": "KLMN"}
BY_SIZE = {"big": "LM", "small": "ABIJKN"}


def grouped(name: str, groups: dict[str, str]) -> Any:
    """The regions under a total, by one way to group them."""
    codes = [Code(code="all", parent="", level="total", label_nl="alle", label_en="all")]
    for group, regions in groups.items():
        codes.append(Code(code=group, parent="all", level="group", label_nl=group, label_en=group))
        codes += [Code(code=each, parent=group, level="region", label_nl=each, label_en=each) for each in regions]
    return Classification(name=name, title_nl="Regio", title_en="Region", codes=tuple(codes))


@pytest.mark.parametrize(("times", "safe"), [(1, False), (10, True)])
def test_two_groupings_of_the_same_regions_do_not_give_a_region_away(tmp_path: Path, times: int, safe: bool) -> None:
    """UserSupport #136: by county and by size, each safe alone, K = 3 together. The twin has ten times as many."""
    region = [code for code, count in UNITS.items() for _ in range(count * times)]
    data = homes(by_county=region, by_size=region)
    listed = {"by_county": grouped("by_county", BY_COUNTY), "by_size": grouped("by_size", BY_SIZE)}
    world = World(tmp_path, classifications=listed, policy_overrides={**EXACT, "minimum_frequency": 4})
    out = world.add("homes", data).check(
        table_request("by_county", name="county"), table_request("by_size", name="size")
    )
    shown = {
        column: cells_of(out, column, name=name) for column, name in (("by_county", "county"), ("by_size", "size"))
    }
    hidden = {codes for found in shown.values() for codes, figure in found.items() if figure is None}
    assert bool(hidden) != safe
    # one attacker of both: the regions are the same, whatever they are called by
    tables = [
        Published(
            (Tree("region", "all", {"all": tuple(groups), **{g: tuple(r) for g, r in groups.items()}}),), shown[column]
        )
        for column, groups in (("by_county", BY_COUNTY), ("by_size", BY_SIZE))
    ]
    attack = BruteForce(tables)
    for code in "ABKLM" if not safe else "":
        truth = UNITS[code]
        assert attack.can_be(tables[0], (code,), 0, truth - 1) or attack.can_be(tables[0], (code,), truth + 1, 99)


def test_a_margin_of_one_table_is_not_open_in_another(tmp_path: Path) -> None:
    """Kind by flag hides three homes; kind alone would show them as a rest, were it judged alone."""
    data = homes_of((3, "k1", "no", 0), (40, "k2", "no", 100), (50, "k3", "no", 200), (60, "k2", "yes", 300),
                    (50, "k3", "yes", 400), (30, "k1", "yes", 500))  # fmt: skip
    crossed, alone = table_request("kind", "flag", name="crossed"), table_request("flag", name="alone")
    out = World(tmp_path, policy_overrides=EXACT).add("homes", data).check(crossed, alone)
    shown: dict[str, dict[Codes, float | None]] = {
        "crossed": cells_of(out, "kind", "flag", name="crossed"),
        "alone": cells_of(out, "flag", name="alone"),
    }
    flag, kind = tree_named("flag"), tree_named("kind")
    tables = [Published((kind, flag), shown["crossed"]), Published((flag,), shown["alone"])]
    assert shown["crossed"]["k1", "no"] is None
    attack = BruteForce(tables)
    assert attack.can_be(tables[0], ("k1", "no"), 0, 2) or attack.can_be(tables[0], ("k1", "no"), 4, 40)
    assert any(figure is not None for figure in shown["alone"].values())


# 97 % in one category ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flagged", "safe"), [(388, False), (340, True)])
def test_a_group_of_which_97_percent_are_flagged(tmp_path: Path, flagged: int, safe: bool) -> None:
    """Every cell has enough units, and one says nearly everything of a group of 400. The twin has 85 %."""
    data = homes_of(
        (flagged, "k1", "yes", 0), (400 - flagged, "k1", "no", 500),
        (60, "k2", "no", 1000), (60, "k2", "yes", 1100), (70, "k3", "no", 1200), (60, "k3", "yes", 1300),
    )  # fmt: skip
    out = World(tmp_path).add("homes", data).check(table_request("kind", "flag"))
    shown = numbers({(row["kind"], row["flag"]): row["value"] for row in rows_of(out.outputs[CELLS])})
    assert (shown["k1", "yes"] == flagged) == safe
    if not safe:
        attack = BruteForce([Published((tree_named("kind"), tree_named("flag")), shown)])
        low, _ = attack.ends(attack.tables[0], ("k1", "yes"), {("k1", "all"): 400.0})
        assert low <= 0.9 * 400


def numbers(shown: dict[tuple[str, ...], str]) -> dict[Codes, float | None]:
    return {codes: float(text) if text else None for codes, text in shown.items()}


@pytest.mark.parametrize(("others", "safe"), [(0, False), (30, True)])
def test_a_group_that_is_flagged_as_a_whole(tmp_path: Path, others: int, safe: bool) -> None:
    """All of a kind are flagged: the zero beside them says it whatever is hidden."""
    data = homes_of((90, "k1", "yes", 0), (others, "k1", "no", 300), (60, "k2", "no", 600), (60, "k2", "yes", 800))
    world = World(tmp_path).add("homes", data)
    if safe:
        assert {r["value"] for r in rows_of(world.check(table_request("kind", "flag")).outputs[CELLS])} >= {"90", "30"}
    else:
        assert "a group lies as a whole in one sensitive category" in refusal(world, table_request("kind", "flag"))


# one household twelve times ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("households", "safe"), [(1, False), (9, False), (12, True)])
@pytest.mark.parametrize("statistic", ["count", "mean"])
def test_twelve_records_of_few_households(tmp_path: Path, households: int, safe: bool, statistic: str) -> None:
    """Twelve records pass a count of records; the unit is the household."""
    data = homes_of((12, "k1", "no", 0), (100, "k2", "no", 100), (100, "k3", "no", 300))
    owner = data.column("owner").to_numpy().copy()
    owner[:12] = np.arange(12) % households
    worth = pa.array([60.0 + i * 37 % 81 for i in range(212)])
    data = data.set_column(1, "owner", pa.array(owner)).set_column(4, "worth", worth)
    measure = {"measure": "worth"} if statistic == "mean" else {}
    out = World(tmp_path).add("homes", data).check(table_request("kind", statistic=statistic, **measure))
    assert ({row["kind"]: row["value"] for row in rows_of(out.outputs[CELLS])}["k1"] != "") == safe


# a one-person dummy --------------------------------------------------------------------------------------------------


def with_dummy(ones: int) -> pa.Table:
    """A regression's records; the first ``ones`` of either outcome have the dummy."""
    data = mixed()
    outcome = data.column("y").to_numpy()
    dummy = np.zeros(data.num_rows, dtype=np.int64)
    for value in (0, 1):
        dummy[np.flatnonzero(outcome == value)[:ones]] = 1
    return data.append_column("me", pa.array(dummy))


@pytest.mark.parametrize(("ones", "safe"), [(1, False), (9, False), (10, True)])
def test_a_dummy_for_few_persons_in_a_regression(tmp_path: Path, ones: int, safe: bool) -> None:
    """The coefficient of a dummy for one person is that person's outcome. The twin has ten of each outcome."""
    world = World(tmp_path).add("homes", with_dummy(ones))
    asked = regression("u", "flag", "me")
    if safe:
        assert b"me" in world.check(asked).outputs["outputs/demo/odds.csv"]
    else:
        assert "a level of me has fewer than 10 units" in refusal(world, asked)


def test_two_regressions_that_differ_by_one_person(tmp_path: Path) -> None:
    """The same model with and without one person: the twin leaves ten out."""
    data = mixed()
    for out_of, safe in ((1, False), (10, True)):
        folder = tmp_path / str(out_of)
        folder.mkdir()
        world = World(folder).add("homes", data)
        world.add("fewer", data.slice(out_of), population=data.select(["home", "owner"]))
        fewer = regression("u", "flag", name="fewer", derivation="fewer")
        if safe:
            assert len(world.check(regression("u", "flag"), fewer).outputs) == 4
        else:
            assert "differ by fewer than 10 units" in refusal(world, regression("u", "flag"), fewer)


# the mode of three, and other figures that are a record's own --------------------------------------------------------


@pytest.mark.parametrize("statistic", ["mode", "minimum", "maximum"])
def test_the_mode_of_three_is_refused_and_so_is_its_median(tmp_path: Path, statistic: str) -> None:
    for few, safe in ((3, False), (30, True)):
        folder = tmp_path / str(few)
        folder.mkdir()
        data = homes_of((few, "k1", "no", 0), (100, "k2", "no", 100), (100, "k3", "no", 300))
        world = World(folder).add("homes", data)
        found = refusal(world, table_request("kind", statistic=statistic, measure="worth"))
        assert f"a {statistic} is the value of one record and is refused" in found
        out = world.check(table_request("kind", statistic="median", measure="worth"))
        shown = {row["kind"]: row["value"] for row in rows_of(out.outputs[CELLS])}
        assert (shown["k1"] != "") == safe and shown["all"] != ""
        # k2 and k3 are as large: either may be hidden with k1
        assert [shown["k2"], shown["k3"]].count("") == (0 if safe else 1)


@pytest.mark.parametrize("kind", ["residuals", "fitted_values", "predictions", "scores", "scatter", "records", "map"])
def test_a_kind_that_no_check_is_written_for_needs_a_person(kind: str) -> None:
    one = {"kind": kind, "name": "all", "title": "All of it", "derivation": "homes"}
    with pytest.raises(Refused, match="is of no known kind"):
        parse_requests(json.dumps([one]))
    known = table_request("kind").model_dump(mode="json")
    assert parse_requests(json.dumps([known]))[0].kind == "table"


# what checkers send back most (OpenSAFELY) ---------------------------------------------------------------------------


def test_counts_beside_a_model_leave_rounded(tmp_path: Path) -> None:
    """Unrounded counts, 30 % of what is sent back."""
    data = mixed(rows=1993)
    out = World(tmp_path).add("homes", data).check(regression("u", "flag"))
    said = json.loads(out.evidence["evidence/demo/odds.json"])
    assert "1990" in json.dumps(said) and "1993" not in json.dumps(said) + out.outputs["outputs/demo/odds.csv"].decode()


@pytest.mark.parametrize("field", ["title", "population", "unit", "record"])
def test_a_request_without_its_context_is_none(field: str) -> None:
    """Too little context, 25 %: what is counted, of whom, in which unit, and what a figure shows in words."""
    whole = table_request("kind").model_dump(mode="json")
    assert parse_requests(json.dumps([whole]))
    del whole[field]
    with pytest.raises(Refused, match=f"malformed at: .*{field}"):
        parse_requests(json.dumps([whole]))
    with pytest.raises(ValidationError, match="alternative"):
        Figure.model_validate({"chart": "bar", "x": "kind", "y": "value", "x_label": "Kind", "y_label": "Homes"})


def test_a_picture_without_its_table_and_a_file_of_another_type_do_not_leave(tmp_path: Path) -> None:
    """No underlying data, 10 %; file type, 10 %."""
    figure = Figure(
        chart="bar", x="kind", y="value", x_label="Kind", y_label="Homes", alternative="Most homes are of one kind."
    )
    data = homes_of((30, "k1", "no", 0), (100, "k2", "no", 100), (100, "k3", "no", 300))
    out = World(tmp_path).add("homes", data).check(table_request("kind", figure=figure))
    drawn = {name for name in out.outputs if name.endswith(".svg")}
    assert drawn == {"outputs/demo/homes.svg"}
    every = {**out.outputs, **out.evidence}
    assert faults_of_leaving(every) == []
    alone = {name: content for name, content in every.items() if name in drawn}
    assert any("without its table" in fault for fault in faults_of_leaving(alone))
    for suffix in ("png", "pdf", "xlsx", "rds", "pkl", "dta"):
        renamed = {**every, f"outputs/demo/homes.{suffix}": b"PK"}
        assert any("files of this type may not leave" in fault for fault in faults_of_leaving(renamed))
