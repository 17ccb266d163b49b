"""The gate as a whole: what it lets out, what it refuses, and what an attacker makes of it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from enclave.classifications import Classification
from enclave.errors import CannotProtect, Refused
from enclave.fingerprints import digest_json
from enclave.frames import Frame
from enclave.requests import OutputRequest, Population
from enclave.zones import Derived
from output_control import table_check
from output_control.gate import check
from output_control.protection import Pattern, Witnesses
from output_control.rules import PrimaryResult
from output_control.sealed import CheckedOutput
from output_control.table import CellTable
from tests.output_control.gate_world import (
    CLASSIFICATIONS,
    KIND,
    REGION,
    World,
    random_homes,
    table_request,
)
from tests.output_control.test_regression import FULL
from tests.output_control.test_regression import simulated as simulated_regression
from tests.output_control.test_tree import simulated as simulated_tree
from tests.output_control.test_tree import tree

CELLS = "outputs/demo/homes.csv"


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def homes_of(*groups: tuple[int, str, str, int]) -> pa.Table:
    """Homes as (how many, kind, flag, first owner): each with an owner of its own."""
    kinds = [kind for count, kind, _, _ in groups for _ in range(count)]
    flags = [flag for count, _, flag, _ in groups for _ in range(count)]
    owners = [first + i for count, _, _, first in groups for i in range(count)]
    return pa.table(
        {
            "home": pa.array(range(len(kinds)), pa.int64()),
            "owner": pa.array(owners, pa.int64()),
            "kind": kinds,
            "flag": flags,
            "worth": pa.array([float(i % 7) for i in range(len(kinds))]),
        }
    )


def refusal(world: World, *requests: OutputRequest) -> str:
    with pytest.raises(Refused) as caught:
        world.check(*requests)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


# what comes out ------------------------------------------------------------------------------------------------------


def test_every_cell_of_the_cross_product_is_there_with_its_value_or_hidden(tmp_path: Path) -> None:
    data = random_homes(1, 1500, 700)
    out = World(tmp_path).add("homes", data).check(table_request("region", "kind"))
    rows = rows_of(out.outputs[CELLS])
    every = set(product([c.code for c in REGION.codes], [c.code for c in KIND.codes]))
    assert {(row["region"], row["kind"]) for row in rows} == every
    assert len(rows) == len(every)
    frame, hidden = data.to_pandas(), 0
    for row in rows:
        inside = len(members(frame, ["region", "kind"], (row["region"], row["kind"])))
        if row["OBS_STATUS"] == "A":
            assert (row["value"], row["CONF_STATUS"]) == (str(inside), "F")
        else:
            assert (row["value"], row["OBS_STATUS"], row["CONF_STATUS"]) == ("", "Q", "C")
            hidden += 1
    assert 0 < hidden < len(rows)


def test_labels_stand_beside_the_codes_in_both_languages(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", random_homes(1, 300)).check(table_request("kind"))
    first = rows_of(out.outputs[CELLS])[1]
    assert (first["kind"], first["kind_label_nl"], first["kind_label_en"]) == ("k1", "k1 nl", "k1 en")


def test_the_metadata_describes_the_columns_of_the_file(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", random_homes(1, 300)).check(table_request("kind", "flag"))
    described = json.loads(out.outputs[f"{CELLS}-metadata.json"])
    header = next(csv.reader(io.StringIO(out.outputs[CELLS].decode())))
    assert described["url"] == "homes.csv"
    assert [column["name"] for column in described["tableSchema"]["columns"]] == header
    assert described["tableSchema"]["primaryKey"] == ["kind", "flag"]
    keys = [(row["kind"], row["flag"]) for row in rows_of(out.outputs[CELLS])]
    assert len(set(keys)) == len(keys)


def test_the_evidence_counts_cells_and_holds_nothing_of_a_hidden_one(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", random_homes(1, 1500, 700)).check(table_request("region", "kind", "flag"))
    rows = rows_of(out.outputs[CELLS])
    evidence = json.loads(out.evidence["evidence/demo/homes.json"])
    hidden = sum(row["OBS_STATUS"] == "Q" for row in rows)
    assert evidence["cells"] == {
        "all": len(rows),
        "published": len(rows) - hidden,
        "published_zero": sum(row["value"] == "0" for row in rows),
        "suppressed": hidden,
    }
    assert evidence["audit"]["passed"] is True
    published = b"".join([*out.outputs.values(), *out.evidence.values()]).decode()
    for word in ("primary", "secondary", "nk", '"cost"', "top1"):
        assert word not in published.replace("primaryKey", "").replace("secondary suppression", "")


def test_the_annex_is_apart_and_holds_what_checkers_need(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", random_homes(1, 1500, 700)).check(table_request("region", "kind"))
    assert set(out.checker_annex) == {"annex/demo/homes.cells.csv", "annex/demo/homes.json"}
    annex = rows_of(out.checker_annex["annex/demo/homes.cells.csv"])
    hidden = {(r["region"], r["kind"]) for r in rows_of(out.outputs[CELLS]) if r["OBS_STATUS"] == "Q"}
    assert {(r["region"], r["kind"]) for r in annex if r["status"] != "published"} == hidden
    for row in annex:
        if row["status"] == "primary":
            assert row["reason"]
            assert float(row["lower"]) <= float(row["value"]) <= float(row["upper"] or "inf")


def test_inputs_policy_and_fingerprint_are_carried_along(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 300))
    out = world.check(table_request("kind"))
    assert out.inputs == {"homes": world.linked["homes"].digest()}
    assert out.policy_document == world.policy.public_document()
    inputs = json.loads(out.evidence["evidence/demo/inputs.json"])
    assert (inputs["analysis"], inputs["version"], inputs["inputs"]) == ("demo", 1, dict(out.inputs))
    assert inputs["made_with"] == world.made_with
    assert inputs["fingerprint"] == out.fingerprint == digest_json(world.made_with)


def test_a_checked_output_cannot_be_changed_or_derived_from(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", random_homes(1, 300)).check(table_request("kind"))
    with pytest.raises(FrozenInstanceError):
        out.analysis = "other"  # type: ignore[misc]  # the point of the test
    with pytest.raises(TypeError):
        out.outputs["x"] = b""  # type: ignore[index]  # the point of the test


def test_a_sum_is_published_with_its_decimals(tmp_path: Path) -> None:
    data = random_homes(2, 2000)
    out = World(tmp_path).add("homes", data).check(table_request("kind", statistic="sum", measure="worth"))
    total = rows_of(out.outputs[CELLS])[0]
    assert float(total["value"]) == pytest.approx(data.to_pandas()["worth"].sum(), abs=1e-6)
    described = json.loads(out.outputs[f"{CELLS}-metadata.json"])["tableSchema"]["columns"]
    assert {c["name"]: c["datatype"] for c in described}["value"] == "number"


def test_regression_and_tree_leave_as_rounded_tables(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", simulated_regression())
    world.add("dwellings", simulated_tree())
    leaves = tree("x1", "x2", "worth", derivation="dwellings", population=Population(dataset="dwellings", key="home"))
    out = world.check(FULL, leaves)
    odds = rows_of(out.outputs["outputs/demo/odds.csv"])
    assert [(row["term"], row["level"]) for row in odds] == [
        ("(intercept)", ""), ("x1", ""), ("x2", ""), ("kind", "b"), ("kind", "c"),
    ]  # fmt: skip
    for row in odds:
        ratio, low, high = (float(row[name]) for name in ("odds_ratio", "ci95_low", "ci95_high"))
        assert low < ratio < high
        assert np.log(ratio) + 1.96 * float(row["std_error"]) == pytest.approx(np.log(high), abs=2e-3)
        assert len(row["odds_ratio"].replace(".", "").lstrip("0")) <= 4
    model = json.loads(out.evidence["evidence/demo/odds.json"])["model"]
    assert (model["records"], model["clusters"], model["references"]) == (1500, 40, {"kind": "a"})
    table = rows_of(out.outputs["outputs/demo/leaves.csv"])
    assert len(table) >= 4
    assert all(int(row[name]) % 10 == 0 for row in table for name in ("records", "units", "events"))
    assert all(
        float(row["share"]) == pytest.approx(int(row["events"]) / int(row["records"]), rel=5e-3) for row in table
    )
    assert "compare them with other tables" in out.evidence["evidence/demo/leaves.json"].decode()
    assert not [name for name in out.outputs if "annex" in name]


# determinism ---------------------------------------------------------------------------------------------------------


def files_of(out: CheckedOutput) -> dict[str, bytes]:
    return {**out.outputs, **out.evidence, **out.checker_annex, "policy.json": out.policy_document}


def test_two_runs_at_two_places_with_one_and_two_threads_give_the_same_bytes(tmp_path: Path) -> None:
    results = []
    for place, threads in (("a", 1), ("b", 2)):
        (tmp_path / place).mkdir()
        world = World(tmp_path / place).add("homes", random_homes(1, 1500, 700))
        results.append(files_of(world.check(table_request("region", "kind", "flag"), threads=threads)))
    assert results[0] == results[1]


MODELS = """
import hashlib, sys
from pathlib import Path
from tests.output_control.gate_world import World
from tests.output_control.test_regression import FULL, simulated
world = World(Path(sys.argv[1])).add("homes", simulated(rows=4000))
out = world.check(FULL)
print(hashlib.sha256(b"".join(out.outputs[name] for name in sorted(out.outputs))).hexdigest())
"""


def test_a_regression_has_the_same_bytes_with_one_and_two_threads_of_linear_algebra(tmp_path: Path) -> None:
    found = set()
    for threads in ("1", "2"):
        (tmp_path / threads).mkdir()
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        ran = subprocess.run(
            [sys.executable, "-c", MODELS, str(tmp_path / threads)],
            capture_output=True, text=True, check=True, env=environment, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        found.add(ran.stdout.strip())
    assert len(found) == 1


@pytest.mark.spark
def test_spark_and_duckdb_give_the_same_files(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 800, 300))
    request = table_request("kind", "flag")
    assert files_of(world.check(request)) == files_of(world.check(request, engine="spark"))


# refusals ------------------------------------------------------------------------------------------------------------


def test_all_reasons_of_all_requests_come_at_once_and_nothing_leaves(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 300))
    world.add("others", simulated_tree(), pa.table({"home": pa.array([1], pa.int64())}))
    others = Population(dataset="others", key="home")
    second = tree("x1", "x2", derivation="others", population=others)
    found = refusal(world, table_request("kind", statistic="sum"), second)
    assert "homes: a sum needs a measure" in found
    assert "leaves: " in found
    assert "outside the population others" in found


def test_two_tables_of_one_population_are_refused_with_what_to_do(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 300))
    found = refusal(world, table_request("kind"), table_request("flag", name="second"))
    assert "linked tables are not protected jointly yet; ask for one table with all dimensions" in found


def test_two_derivations_of_one_population_are_refused_too(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(1, 300)).add("more", random_homes(1, 300))
    found = refusal(world, table_request("kind"), table_request("kind", name="second", derivation="more"))
    assert "second and homes: two tables of one population" in found


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
    assert "1 group(s) lie as a whole in one sensitive category of flag" in found
    assert "coarser levels" in found


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
    worth = np.full(180, 10.0)
    worth[0], worth[1:31] = 900.0, -10.0
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
    worth[0], worth[31:56] = 100.0, -10.0
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
    assert len(out.advice) == 1
    assert "have fewer than 10 units" in out.advice[0]
    assert "depth" in out.advice[0]
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


# fail closed ---------------------------------------------------------------------------------------------------------


def only_primaries(table: CellTable, primary: PrimaryResult, *, options: object) -> Pattern:
    """A suppressor that hides no secondary cell."""
    return Pattern(primary.mask, np.zeros(len(table), np.bool_), Witnesses.none(len(table)), 0.0, "none", True, None)


def test_a_suppressor_that_hides_too_little_is_caught_by_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = homes_of((5, "k1", "no", 0), (100, "k2", "no", 100), (100, "k3", "no", 300))
    monkeypatch.setattr(table_check, "suppress", only_primaries)
    found = refusal(World(tmp_path).add("homes", data), table_request("kind"))
    assert "the audit did not find the pattern safe; nothing is released" in found


def test_a_suppressor_that_publishes_a_primary_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(table: CellTable, primary: PrimaryResult, *, options: object) -> Pattern:
        pattern = only_primaries(table, primary, options=options)
        return replace(pattern, suppressed=np.zeros(len(table), np.bool_))

    monkeypatch.setattr(table_check, "suppress", nothing)
    data = homes_of((5, "k1", "no", 0), (100, "k2", "no", 100), (100, "k3", "no", 300))
    assert "nothing is released" in refusal(World(tmp_path).add("homes", data), table_request("kind"))


def test_a_table_that_cannot_be_protected_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hopeless(table: CellTable, primary: PrimaryResult, *, options: object) -> Pattern:
        raise CannotProtect("1 sensitive cell(s) stay open", next_step="recode")

    monkeypatch.setattr(table_check, "suppress", hopeless)
    found = refusal(World(tmp_path).add("homes", random_homes(1, 300)), table_request("kind"))
    assert "homes: 1 sensitive cell(s) stay open" in found
    assert "homes: next, recode" in found


# the attacker: knows the published file and the classifications, nothing of the gate ---------------------------------


def lines_of(classification: Classification) -> Iterator[tuple[str, list[str]]]:
    for code in classification.codes:
        children = [each.code for each in classification.codes if each.parent == code.code]
        if children:
            yield code.code, children


class CsvAttacker:
    """Whole-number programmes over a released file: the least and the most that a hidden figure can be."""

    def __init__(self, content: bytes, columns: list[str]) -> None:
        self.rows = rows_of(content)
        self.place = {tuple(row[c] for c in columns): i for i, row in enumerate(self.rows)}
        shown = [None if row["value"] == "" else float(row["value"]) for row in self.rows]
        self.bounds = Bounds(
            np.array([0 if value is None else value for value in shown]),
            np.array([np.inf if value is None else value for value in shown]),
        )
        equations = []
        for position, column in enumerate(columns):
            others = [sorted({row[c] for row in self.rows}) for c in columns if c != column]
            for parent, children in lines_of(CLASSIFICATIONS[column]):
                for other in product(*others):
                    equation = np.zeros(len(self.rows))
                    for sign, code in [(-1, parent), *((1, child) for child in children)]:
                        equation[self.place[*other[:position], code, *other[position:]]] = sign
                    equations.append(equation)
        self.equations = LinearConstraint(np.array(equations), 0, 0)

    def interval(self, cell: tuple[str, ...]) -> tuple[float, float]:
        """The ends; an upper end without bound is infinite."""
        ends = []
        for sign in (1, -1):
            cost = np.zeros(len(self.rows))
            cost[self.place[cell]] = sign
            found = milp(cost, constraints=self.equations, bounds=self.bounds, integrality=np.ones(len(self.rows)))
            ends.append(np.inf if found.status == 3 or found.x is None else float(found.x[self.place[cell]]))
        return ends[0], ends[1]


def members(frame: pd.DataFrame, columns: list[str], cell: tuple[str, ...]) -> pd.DataFrame:
    for column, code in zip(columns, cell, strict=True):
        parent = {each.code: each.parent for each in CLASSIFICATIONS[column].codes}

        def within(leaf: str, code: str = code, parent: dict[str, str] = parent) -> bool:
            return leaf == code or (bool(parent[leaf]) and within(parent[leaf]))

        frame = frame[frame[column].map(within)]
    return frame


def attack(data: pa.Table, content: bytes, columns: list[str]) -> int:
    """Check every sensitive cell of a released count, judged anew from the records; returns how many there were."""
    frame, attacker, sensitive = data.to_pandas(), CsvAttacker(content, columns), 0
    recurring = bool(frame["owner"].duplicated().any())
    for cell in attacker.place:
        inside = members(frame, columns, cell)
        if inside.empty:
            continue
        held = inside.groupby("owner").size().sort_values(ascending=False)
        count, largest = len(inside), int(held.iloc[0])
        width = 3 if len(held) < 10 else 0
        dominance = max(2 * largest - count, 0.1 * largest - (count - held.iloc[:2].sum()), 0) if recurring else 0
        reduced = 0
        if "flag" in columns and cell[columns.index("flag")] == "yes":
            total = tuple("all" if c == "flag" else code for c, code in zip(columns, cell, strict=True))
            group = members(frame, columns, total)
            for whole, part in ((len(group), count), (group["owner"].nunique(), len(held))):
                if whole >= 10 and (part > 0.9 * whole or whole - part < 10):
                    reduced = max(reduced, part - max(min(int(0.9 * whole), whole - 10), 0))
        if not (width or dominance or reduced):
            continue
        sensitive += 1
        low, high = attacker.interval(cell)
        assert attacker.rows[attacker.place[cell]]["value"] == ""
        assert high - low >= width
        assert high >= count + dominance
        assert low <= count - min(max(reduced, dominance), count)
    return sensitive


@given(seed=st.integers(0, 10**6), rows=st.integers(60, 400), owners=st.integers(30, 400))
@settings(max_examples=12)
def test_an_attacker_with_the_file_alone_narrows_no_sensitive_cell_below_the_policy(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int, owners: int
) -> None:
    data = random_homes(seed, rows, owners)
    try:
        out = World(tmp_path_factory.mktemp("w")).add("homes", data).check(table_request("region", "kind"))
    except Refused as error:
        assert "in one sensitive category" in str(error)
        return
    assert attack(data, out.outputs[CELLS], ["region", "kind"]) > 0


@given(seed=st.integers(0, 10**6), rows=st.integers(100, 400))
@settings(max_examples=8)
def test_an_attacker_learns_no_group_s_sensitive_category_either(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int
) -> None:
    data = random_homes(seed, rows, rows)
    chance = np.random.default_rng(seed).random(rows) < np.where(
        np.array(data.column("kind").to_pylist()) == "k2", 0.95, 0.3
    )
    data = data.set_column(4, "flag", pa.array(np.where(chance, "yes", "no").tolist()))
    try:
        out = World(tmp_path_factory.mktemp("w")).add("homes", data).check(table_request("kind", "flag"))
    except Refused as error:
        assert "in one sensitive category" in str(error)
        return
    assert attack(data, out.outputs[CELLS], ["kind", "flag"]) > 0


def test_two_ones_do_not_protect_each_other(tmp_path: Path) -> None:
    # hidden alone, they would be known to lie in 0..2: the policy asks an interval of 3, so a third figure is hidden
    data = homes_of((1, "k1", "no", 0), (1, "k2", "no", 10), (100, "k3", "no", 100))
    out = World(tmp_path).add("homes", data).check(table_request("kind"))
    low, high = CsvAttacker(out.outputs[CELLS], ["kind"]).interval(("k1",))
    assert high - low >= 3
    (tmp_path / "exact").mkdir()
    lax = World(tmp_path / "exact", policy_overrides={"count_protection": {"kind": "exact"}}).add("homes", data)
    assert CsvAttacker(lax.check(table_request("kind")).outputs[CELLS], ["kind"]).interval(("k1",)) == (0, 2)


def test_the_attacker_itself_finds_what_a_careless_file_gives_away(tmp_path: Path) -> None:
    """The positive control: with one cell hidden by itself, the attacker computes it."""
    header = "kind,value\n"
    careless = header + "all,30\nk1,\nk2,12\nk3,13\n"
    assert CsvAttacker(careless.encode(), ["kind"]).interval(("k1",)) == (5, 5)
    careful = header + "all,30\nk1,\nk2,\nk3,13\n"
    assert CsvAttacker(careful.encode(), ["kind"]).interval(("k1",)) == (0, 17)
