"""What the gate refuses or hides, and how it says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.frames import Frame
from enclave.requests import Population
from enclave.zones import Derived
from output_control.gate import check
from output_control.sealed import CheckedOutput
from tests.output_control.gate_files import CELLS, homes_of, refusal, rows_of
from tests.output_control.gate_world import (
    CLASSIFICATIONS,
    World,
    random_homes,
    table_request,
)
from tests.output_control.test_tree import simulated as simulated_tree
from tests.output_control.test_tree import tree


def test_all_reasons_of_all_requests_come_at_once_and_nothing_leaves(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 300))
    world.add("others", simulated_tree(), pa.table({"home": pa.array([1], pa.int64())}))
    others = Population(dataset="others", key="home")
    second = tree("x1", "x2", derivation="others", population=others)
    found = refusal(world, table_request("kind", statistic="sum"), second)
    assert "homes: a sum needs a measure" in found
    assert "leaves: " in found
    assert "outside the population others" in found


def hidden_in(out: CheckedOutput, name: str, column: str) -> set[str]:
    return {row[column] for row in rows_of(out.outputs[f"outputs/demo/{name}.csv"]) if not row["value"]}


def test_two_tables_of_one_population_are_protected_together(tmp_path: Path) -> None:
    """Two tables that show the same cells hide the same ones: what one hides the other does not show."""
    data = homes_of((5, "k1", "yes", 0), (60, "k2", "no", 100), (60, "k3", "no", 300))
    world = World(tmp_path).add("homes", data)
    alone = hidden_in(world.check(table_request("kind")), "homes", "kind")
    assert alone in ({"k1", "k2"}, {"k1", "k3"})
    out = world.check(table_request("kind"), table_request("kind", name="second"))
    assert hidden_in(out, "homes", "kind") == hidden_in(out, "second", "kind")
    assert len(hidden_in(out, "homes", "kind")) == len(alone)


def test_two_derivations_of_one_population_are_compared_home_by_home(tmp_path: Path) -> None:
    """The second derivation leaves one home out: what it is missing from is hidden in one of the tables."""
    data = random_homes(1, 300)
    world = World(tmp_path).add("homes", data).add("more", data.slice(1), population=data.select(["home", "owner"]))
    more = table_request("kind", name="second", derivation="more", population=Population(dataset="more", key="home"))
    out = world.check(table_request("kind"), more)
    hidden = hidden_in(out, "homes", "kind") | hidden_in(out, "second", "kind")
    assert {"all", data["kind"][0].as_py()} <= hidden


def test_two_requests_of_one_name_and_no_request_at_all_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 300))
    assert "the same name" in refusal(world, table_request("kind"), table_request("flag"))
    assert "asks for no output" in refusal(world)


def test_a_request_may_not_take_the_name_of_the_inputs_file(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 300))
    assert "may not be called inputs" in refusal(world, table_request("kind", name="inputs"))


def test_a_kind_that_the_policy_does_not_list_needs_a_person(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", simulated_tree())
    base = world.policy
    kinds = base.public.output_kinds.model_copy(update={"value": ("table",)})
    policy = base.model_copy(update={"public": base.public.model_copy(update={"output_kinds": kinds})})
    with world.engine() as engine, pytest.raises(Refused, match="outputs of kind tree need a person"):
        check(
            "demo", 1, [tree("x1")], rederive=lambda: world.derived, linked=world.linked, policy=policy,
            classifications=CLASSIFICATIONS, engine=engine, made_with={},
        )  # fmt: skip


def test_the_derivation_runs_again_and_only_what_it_gives_is_counted(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 300))
    calls = []

    def rederive() -> dict[str, Frame[Derived]]:
        calls.append(1)
        return world.derived

    with world.engine() as engine:
        out = check(
            "demo", 1, [table_request("kind")], rederive=rederive, linked=world.linked, policy=world.policy,
            classifications=CLASSIFICATIONS, engine=engine, made_with={},
        )  # fmt: skip
    assert calls == [1]
    assert rows_of(out.outputs[CELLS])[0]["value"] == "300"


def test_a_group_that_lies_in_one_sensitive_category_as_a_whole_is_refused(tmp_path: Path) -> None:
    data = homes_of((40, "k1", "yes", 0), (60, "k2", "no", 100), (30, "k2", "yes", 200))
    found = refusal(World(tmp_path).add("homes", data), table_request("kind", "flag"))
    assert "a group lies as a whole in one sensitive category of flag" in found
    assert "no such group is left in the table without kind or without flag" in found
    assert "coarser levels" in found
    # whom it is that all are suspected is what may not be told
    assert "k1" not in found and "yes" not in found


def test_a_group_that_lies_in_the_neutral_category_as_a_whole_is_published(tmp_path: Path) -> None:
    data = homes_of((40, "k1", "no", 0), (60, "k2", "no", 100), (30, "k2", "yes", 200))
    out = World(tmp_path).add("homes", data).check(table_request("kind", "flag"))
    value = {(r["kind"], r["flag"]): r["value"] for r in rows_of(out.outputs[CELLS])}
    assert value["k1", "no"] == "40"
    assert value["k1", "yes"] == "0"


def test_a_category_of_over_ninety_percent_is_hidden(tmp_path: Path) -> None:
    data = homes_of((185, "k1", "yes", 0), (15, "k1", "no", 300), (60, "k2", "no", 500), (60, "k2", "yes", 700))
    out = World(tmp_path).add("homes", data).check(table_request("kind", "flag"))
    value = {(r["kind"], r["flag"]): r["value"] for r in rows_of(out.outputs[CELLS])}
    assert value["k1", "yes"] == ""
    annex = {(r["kind"], r["flag"]): r["reason"] for r in rows_of(out.checker_annex["annex/demo/homes.cells.csv"])}
    assert annex["k1", "yes"] == "group"


def of_groups(yes: int, no: int) -> pa.Table:
    """Homes of which ``yes`` of ``yes + no`` in G1a2 are flagged, and half of all others."""
    pairs = (yes, "G1a2", "yes", 0), (no, "G1a2", "no", 500), (95, "G1a1", "yes", 1000), (95, "G1a1", "no", 1500)
    rest = (60, "G2a1", "no", 2000), (60, "G2a1", "yes", 2500)
    return homes_of(*pairs, *rest).rename_columns(["home", "owner", "region", "flag", "worth"])


def test_checkers_are_told_which_group_lies_nearly_whole_in_which_category(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", of_groups(185, 15)).check(table_request("region", "flag"))
    rows = rows_of(out.checker_annex["annex/demo/homes.cells.csv"])
    told = {(r["region"], r["flag"]): r["group"] for r in rows if r["group"]}
    # 185 of 200 are 92.5 %; in G1a it is 280 of 390, 72 %
    assert told == {("G1a2", "yes"): "185 of 200 (owner) of region G1a2 are in flag yes"}
    page = out.checker_annex["annex/demo/homes.report.en.html"].decode()
    assert "185 of the 200 (owner) of region en: G1a2 en are in flag en: yes en" in page
    dutch = out.checker_annex["annex/demo/homes.report.nl.html"].decode()
    assert "185 van de 200 (owner) van region nl: G1a2 nl vallen in flag nl: yes nl" in dutch


def test_of_homes_and_owners_the_one_that_is_nearly_whole_is_told(tmp_path: Path) -> None:
    # 190 of 200 homes are flagged, but only 40 of the 50 owners have a flagged one
    data = homes_of((190, "k1", "yes", 0), (10, "k1", "no", 40), (60, "k2", "no", 500), (60, "k2", "yes", 700))
    owner = data.column("owner").to_numpy().copy()
    owner[:190] %= 40
    out = (
        World(tmp_path).add("homes", data.set_column(1, "owner", pa.array(owner))).check(table_request("kind", "flag"))
    )
    rows = rows_of(out.checker_annex["annex/demo/homes.cells.csv"])
    assert {r["group"] for r in rows if r["kind"] == "k1" and r["flag"] == "yes"} == {
        "190 of 200 (records) of kind k1 are in flag yes"
    }


def test_who_asked_is_told_how_to_mend_group_disclosure_and_not_whom_it_tells_of(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", of_groups(185, 15)).check(table_request("region", "flag"))
    (line,) = [each for each in out.advice if "group disclosure" in each]
    assert line.startswith("group disclosure over flag hides cells")
    # down to WK the finest group is G1a: 280 of 390
    assert line.endswith("no such group is left in the table region down to WK or without flag")
    assert "G1a2" not in line and "yes" not in line
    told = {name: content for name, content in out.researcher_files.items() if b"nearly" in content or b"92" in content}
    author = out.researcher_files["demo/homes.report.en.html"].decode()
    assert not told and "tells something about a group" not in author and "185" not in author
    assert not any(b"tells something" in content or b"(owner)" in content for content in out.outputs.values())
    # and what is said holds: one level up, nothing is hidden for a group's sake
    (tmp_path / "b").mkdir()
    mended = World(tmp_path / "b").add("homes", of_groups(185, 15))
    coarse = mended.check(table_request("region", "flag", levels={"region": ("NL", "GM", "WK")}))
    assert not any("group disclosure" in each for each in coarse.advice)
    assert "group" not in {r["reason"] for r in rows_of(coarse.checker_annex["annex/demo/homes.cells.csv"])}


def test_twelve_homes_of_one_owner_are_hidden(tmp_path: Path) -> None:
    data = homes_of((12, "k1", "no", 0), (100, "k2", "no", 100), (100, "k3", "no", 300))
    owner = data.column("owner").to_numpy().copy()
    owner[:12] = 0
    out = World(tmp_path).add("homes", data.set_column(1, "owner", pa.array(owner))).check(table_request("kind"))
    assert {r["kind"]: r["value"] for r in rows_of(out.outputs[CELLS])}["k1"] == ""


def test_a_count_where_one_owner_holds_most_is_hidden(tmp_path: Path) -> None:
    data = homes_of((60, "k1", "no", 0), (100, "k2", "no", 100), (100, "k3", "no", 300))
    owner = data.column("owner").to_numpy().copy()
    owner[:31] = 0
    out = World(tmp_path).add("homes", data.set_column(1, "owner", pa.array(owner))).check(table_request("kind"))
    assert {r["kind"]: r["value"] for r in rows_of(out.outputs[CELLS])}["k1"] == ""
    assert "nk" in out.checker_annex["annex/demo/homes.cells.csv"].decode()


def test_negative_contributions_are_judged_by_their_size(tmp_path: Path) -> None:
    data = homes_of((60, "k1", "no", 0), (60, "k2", "no", 100), (60, "k3", "no", 300))
    worth = np.resize(np.arange(6.0, 15.0), 180)
    worth[0], worth[1:31] = 900.0, -worth[1:31]
    out = (
        World(tmp_path)
        .add("homes", data.set_column(4, "worth", pa.array(worth)))
        .check(table_request("kind", statistic="sum", measure="worth"))
    )
    annex = {r["kind"]: r for r in rows_of(out.checker_annex["annex/demo/homes.cells.csv"])}
    assert annex["k1"]["status"] == "primary"
    assert "nk" in annex["k1"]["reason"]


def test_gains_and_losses_of_many_do_not_make_one_dominant(tmp_path: Path) -> None:
    # the largest holds 100 of a total of 150, and 100 of 650 that was moved: by size nobody dominates
    data = homes_of((56, "k1", "no", 0), (60, "k2", "no", 100), (60, "k3", "no", 300))
    worth = np.full(176, 10.0)
    worth[0], worth[31:56], worth[56:] = 100.0, -10.0, np.resize(np.arange(8.0, 13.0), 120)
    out = (
        World(tmp_path)
        .add("homes", data.set_column(4, "worth", pa.array(worth)))
        .check(table_request("kind", statistic="sum", measure="worth"))
    )
    assert {r["kind"]: r["value"] for r in rows_of(out.outputs[CELLS])}["k1"] == "150"


def test_a_count_of_records_is_a_group_of_its_own(tmp_path: Path) -> None:
    # of 40 owners in k1 12 hold no flagged home, so units are no group; of the records 95 % are flagged
    data = homes_of((40, "k1", "yes", 0), (12, "k1", "no", 28), (60, "k2", "no", 500), (60, "k2", "yes", 700))
    again = homes_of((190, "k1", "yes", 0))
    again = again.set_column(1, "owner", pa.array(np.arange(190) % 40)).set_column(
        0, "home", pa.array(np.arange(1000, 1190))
    )
    joined = pa.concat_tables([data, again])
    out = World(tmp_path).add("homes", joined).check(table_request("kind", "flag"))
    assert {(r["kind"], r["flag"]): r["value"] for r in rows_of(out.outputs[CELLS])}["k1", "yes"] == ""


def test_a_sum_by_a_sensitive_classification_needs_a_person(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 300))
    assert "needs a person" in refusal(world, table_request("flag", statistic="sum", measure="worth"))


def test_a_table_of_many_small_cells_comes_with_advice_and_no_confidential_parameter(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 150))
    out = world.check(table_request("region", "kind"))
    assert "have fewer than 10 units" in out.advice[0]
    assert any(line.startswith("coarser, region down to GM: ") for line in out.advice)
    (tmp_path / "b").mkdir()
    assert World(tmp_path / "b").add("homes", random_homes(1, 5000)).check(table_request("kind")).advice == ()


def test_messages_hold_no_value_of_the_data(tmp_path: Path) -> None:
    canary, code = 987_654_321, "canary-in-a-code"
    data = pa.table(
        {
            "home": pa.array([canary, canary, canary + 1], pa.int64()),
            "owner": pa.array([canary, None, -canary], pa.int64()),
            "kind": [code, code, "k1"],
            "worth": pa.array([float(canary)] * 3),
        }
    )
    world = World(tmp_path).add("homes", data)
    for request in (table_request("kind"), table_request("kind", statistic="sum", measure="worth")):
        found = refusal(world, request)
        assert "987654" not in found
        assert "canary" not in found


@pytest.mark.parametrize("statistic", ["sum", "mean"])
@pytest.mark.parametrize("added", [0.0, 5.0, 100.0])
def test_a_constant_added_to_everyone_does_not_hide_who_dominates(tmp_path: Path, statistic: str, added: float) -> None:
    # (sum - n · added) is the plain sum, of which one owner holds 900 of 1,077
    data = homes_of((60, "k1", "no", 0), (60, "k2", "no", 100), (60, "k3", "no", 300))
    worth = np.arange(180) % 7 + added
    worth[0] = 900.0 + added
    out = (
        World(tmp_path)
        .add("homes", data.set_column(4, "worth", pa.array(worth)))
        .check(table_request("kind", statistic=statistic, measure="worth"))
    )
    annex = {r["kind"]: r for r in rows_of(out.checker_annex["annex/demo/homes.cells.csv"])}
    assert annex["k1"]["status"] == "primary" and annex["k2"]["status"] != "primary"
