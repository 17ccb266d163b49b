"""The gate: what comes out, the same bytes always, and nothing when the suppressor fails."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from enclave.errors import CannotProtect
from enclave.fingerprints import digest_json
from enclave.requests import Population
from output_control import table_check
from output_control.protection import Pattern, Witnesses
from output_control.sealed import CheckedOutput
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable
from tests.output_control.gate_files import CELLS, homes_of, members, refusal, rows_of
from tests.output_control.gate_world import (
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
    pages = {f"annex/demo/homes.{name}" for name in ("report.nl.html", "report.en.html", "comparison.json")}
    assert set(out.checker_annex) == {"annex/demo/homes.cells.csv", "annex/demo/homes.json", *pages}
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
        raise CannotProtect("sensitive cells stay open", where="7 cell(s): k1", next_step="recode")

    monkeypatch.setattr(table_check, "suppress", hopeless)
    found = refusal(World(tmp_path).add("homes", random_homes(1, 300)), table_request("kind"))
    assert "homes: sensitive cells stay open" in found
    assert "homes: next, recode" in found
    # which cells a confidential rule finds, and how many, is not for who asked
    assert "k1" not in found and "7" not in found
