"""Sampling weights and several kinds of protected unit through the gate, against arithmetic on the records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from tests.output_control.gate_world import World, table_request
from tests.output_control.statistic_rows import (
    ANNEX,
    CELLS,
    flagged,
    released,
    rows_of,
    weighted,
)


def test_thresholds_count_units_without_weights_and_values_with_them(tmp_path: Path) -> None:
    data = weighted([("k1", 1.0, 2.5)] * 9 + [("k2", 1.0, 2.5)] * 40 + [("k3", 1.0, 0.5)] * 40)
    out = World(tmp_path).add("homes", data).check(table_request("kind", weight="w"))
    rows = {r["kind"]: r["value"] for r in rows_of(out.outputs[CELLS])}
    assert rows["all"] == str(9 * 2.5 + 40 * 2.5 + 40 * 0.5)
    annex = {r["kind"]: r for r in rows_of(out.checker_annex[ANNEX])}
    assert (annex["k1"]["units"], annex["k1"]["status"], annex["k1"]["reason"]) == ("9", "primary", "freq")


@pytest.mark.parametrize(("use", "top", "dominated"), [("secret", 100.0, False), ("public", 300.0, True)])
def test_dominance_takes_weighted_contributions_where_weights_are_public(
    tmp_path: Path, use: str, top: float, dominated: bool
) -> None:
    # k1: 100 with weight 3, and 20 times 10 with weight 1: X = 500, largest 100 (20 %) unweighted, 300 (60 %) weighted
    data = weighted(
        [("k1", 100.0, 3.0)]
        + [("k1", 10.0, 1.0)] * 20
        + [(k, float(i % 10), 1.0) for k in ("k2", "k3") for i in range(40)]
    )
    world = World(tmp_path, policy_overrides={"weights": use}).add("homes", data)
    out = world.check(table_request("kind", statistic="sum", measure="worth", weight="w"))
    annex = {r["kind"]: r for r in rows_of(out.checker_annex[ANNEX])}
    assert (float(annex["k1"]["value"]), float(annex["k1"]["top1"])) == (500.0, top)
    assert (annex["k1"]["status"] == "primary") == dominated


def test_a_weighted_mean_is_the_weighted_sum_by_the_weights(tmp_path: Path) -> None:
    data = weighted([("k1", float(i), 1.0 + i % 3) for i in range(60)] + [("k2", 5.0, 1.0)] * 60)
    world = World(tmp_path).add("homes", data)
    rows = released(world, table_request("kind", statistic="mean", measure="worth", weight="w"))
    values, weights = np.arange(60.0), 1.0 + np.arange(60) % 3
    assert float(rows["k1",]["value"]) == float(f"{np.average(values, weights=weights):.2e}")


@pytest.mark.parametrize("bad", [0.0, -1.0, None])
def test_a_weight_that_is_not_above_0_is_refused(tmp_path: Path, bad: float | None) -> None:
    data = weighted([("k1", 1.0, 2.0)] * 20)
    data = data.set_column(5, "w", pa.array([bad] + [2.0] * 19))
    with pytest.raises(Refused, match="have no weight above 0"):
        World(tmp_path).add("homes", data).check(table_request("kind", weight="w"))


def test_a_cell_must_pass_for_each_kind_of_unit(tmp_path: Path) -> None:
    # k1: 30 owners in 4 households; k2 and k3: 40 owners in 40 households
    data = flagged((30, "G1a1", "k1"), (40, "G1a1", "k2"), (40, "G1a1", "k3"))
    household = pa.array([i % 4 for i in range(30)] + list(range(100, 180)), pa.int64())
    data = data.append_column("household", household)
    world = World(tmp_path)
    world.add("homes", data, population=data.select(["home", "owner"]))
    # both keys of the unit stand in linked data under their own names
    from enclave.frames import FrameManifest, manifest_columns, open_frame, writing_frame
    from enclave.zones import Linked

    table = data.select(["home", "owner", "household"])
    columns = manifest_columns(table.schema, {"home": "key:object", "owner": "key:owner", "household": "key:household"})
    path = tmp_path / "frames" / "known.parquet"
    manifest = FrameManifest(zone=Linked.zone, name="known", project="demo", columns=columns, made_by="test")
    with writing_frame(path, manifest, table.schema) as sink:
        sink.write(table)
    world.linked["known"] = open_frame(path, Linked)
    alone = {r["kind"]: r["value"] for r in rows_of(world.check(table_request("kind")).outputs[CELLS])}
    assert alone["k1"] == "30"
    out = world.check(table_request("kind", also_units=("household",)))
    assert {r["kind"]: r["value"] for r in rows_of(out.outputs[CELLS])}["k1"] == ""
    annex = {r["kind"]: r for r in rows_of(out.checker_annex[ANNEX])}
    assert (annex["k1"]["units"], annex["k1"]["units_household"]) == ("30", "4")


def test_a_further_unit_that_the_linked_data_do_not_know_is_refused(tmp_path: Path) -> None:
    data = flagged((30, "G1a1", "k1"), (40, "G1a1", "k2"))
    data = data.append_column("mine", pa.array(range(70), pa.int64()))
    with pytest.raises(Refused, match="no linked data set of this question has mine beside home"):
        World(tmp_path).add("homes", data).check(table_request("kind", also_units=("mine",)))


@pytest.mark.parametrize("statistic", ["count", "sum", "mean"])
@pytest.mark.parametrize("heavy", [1, 9])
def test_weights_that_make_a_few_records_of_many_hide_the_cell(tmp_path: Path, statistic: str, heavy: int) -> None:
    """Before, a weighted mean of 60 homes was the value of the one that weighs ten thousand times as much."""
    data = weighted([("k1", 50.0 + i, 9_999.0 if i < heavy else 1.0) for i in range(60)] + [("k2", 60.0, 1.0)] * 60)
    request = table_request("kind", statistic=statistic, measure=None if statistic == "count" else "worth", weight="w")
    out = World(tmp_path).add("homes", data).check(request)
    annex = {r["kind"]: r for r in rows_of(out.checker_annex[ANNEX])}
    assert (annex["k1"]["status"], annex["k1"]["units"]) == ("primary", "60")
    assert {r["kind"]: r["value"] for r in rows_of(out.outputs[CELLS])}["k1"] == ""


def test_weights_that_choose_instead_of_weigh_are_refused(tmp_path: Path) -> None:
    data = weighted([("k1", 1.0, 1e-6 if i else 1.0) for i in range(40)])
    with pytest.raises(Refused, match="differ by more than 10000 times"):
        World(tmp_path).add("homes", data).check(table_request("kind", weight="w"))


@pytest.mark.parametrize("statistic", [{"statistic": "sum", "measure": "worth"}, {"statistic": "count"}])
def test_a_further_kind_of_unit_that_is_alone_in_a_hidden_cell_is_kept_from_the_one_beside_it(
    tmp_path: Path, statistic: dict[str, str]
) -> None:
    """k1: one has 60 of 110. k2: 20 firms of one. To k1 + k2 that one has k1: k3 must be hidden too."""
    homes = flagged((110, "G1a1", "k1"), (20, "G1a1", "k2"), (300, "G1a1", "k3"))
    dominated = [10] * 60 + [20 + i for i in range(50)]
    owner, holding = ([*dominated, *of, *range(2000, 2300)] for of in (range(100, 120), [77] * 20))
    homes = homes.set_column(homes.column_names.index("owner"), "owner", pa.array(owner, pa.int64()))
    homes = homes.append_column("object", pa.array(holding, pa.int64()))
    homes = homes.set_column(homes.column_names.index("worth"), "worth", pa.array([1.0] * homes.num_rows))
    world = World(tmp_path).add("homes", homes, homes.select(["home", "owner", "object"]))
    for units in ({"also_units": ("object",)}, {"unit": "object", "also_units": ("owner",)}):
        out = world.check(table_request("kind", **{**statistic, **units}))
        assert [row["kind"] for row in rows_of(out.outputs[CELLS]) if row["value"] == ""] == ["k1", "k2", "k3"]
