"""All kinds through the gate as a whole: together, repeatable, and none with a few units less beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import LorenzRequest, Request, TransitionRequest
from output_control.leaving import faults_of_leaving
from output_control.ledger.released import unpack
from output_control.sealed import CheckedOutput
from tests.output_control.distribution_requests import ONE_OF_EACH, asked, homes, mixed, ties
from tests.output_control.gate_world import KIND, World


def world(folder: Path, data: pa.Table, edges: pa.Table) -> World:
    folder.mkdir(exist_ok=True)
    made = World(folder).add("homes", data)
    every = pa.table({"home": edges.column("home"), "owner": edges.column("owner")})
    return made.add("ties", edges, population=every)


def requests() -> list[Request]:
    made = dict(ONE_OF_EACH)
    population = made["network"].population.model_copy(update={"dataset": "ties"})
    made["network"] = made["network"].model_copy(update={"population": population})
    return list(made.values())


def checked(folder: Path, data: pa.Table, edges: pa.Table) -> CheckedOutput:
    return world(folder, data, edges).check(*requests())  # type: ignore[arg-type]  # all are kinds of the union


def test_all_kinds_leave_together_the_same_bytes_in_any_order_of_rows(tmp_path: Path) -> None:
    data, edges = mixed(), ties()
    order = np.random.default_rng(9)
    first = checked(tmp_path / "a", data, edges)
    shuffled = data.take(pa.array(order.permutation(data.num_rows)))
    second = checked(tmp_path / "b", shuffled, edges.take(pa.array(order.permutation(edges.num_rows))))
    assert first.outputs == second.outputs  # and the evidence, but for the digests of the inputs
    assert [first.evidence[name] == second.evidence[name] for name in sorted(first.evidence)].count(
        False
    ) == 1  # inputs
    assert len(first.outputs) == 2 * len(ONE_OF_EACH)
    assert faults_of_leaving({**first.outputs, **first.evidence}) == []


def test_two_frames_that_differ_by_nine_units_are_refused_and_by_ten_are_not(tmp_path: Path) -> None:
    data = mixed()
    for without, fault in ((9, True), (10, False)):
        folder = tmp_path / str(without)
        folder.mkdir()
        both = (
            World(folder)
            .add("homes", data)
            .add("fewer", data.slice(without), population=data.select(["home", "owner"]))
        )
        all_of_them = asked(LorenzRequest, name="all", measure="worth")
        fewer = asked(LorenzRequest, name="fewer", measure="worth", derivation="fewer")
        if fault:
            with pytest.raises(Refused, match="differ by fewer than 10 units"):
                both.check(all_of_them, fewer)
        else:
            assert len(both.check(all_of_them, fewer).outputs) == 4


def moves(*flows: tuple[str, str, int]) -> pa.Table:
    before = [a for a, _, count in flows for _ in range(count)]
    after = [b for _, b, count in flows for _ in range(count)]
    return homes(len(before), before=before, after=after)


TRANSITION = asked(TransitionRequest, name="moves", before="before", after="after", classification="kind")


def test_a_row_that_nearly_all_go_one_way_from_is_hidden(tmp_path: Path) -> None:
    # of k1 95 % stay; of k2 and k3 a half and two thirds
    flows = [
        ("k1", "k1", 380),
        ("k1", "k2", 20),
        ("k2", "k2", 100),
        ("k2", "k3", 100),
        ("k3", "k3", 200),
        ("k3", "k1", 100),
    ]
    out = World(tmp_path).add("homes", moves(*flows)).check(TRANSITION)
    rows = [line.replace('"', "").split(",") for line in out.outputs["outputs/demo/moves.csv"].decode().splitlines()]
    header = rows[0]
    value = {(r[header.index("before")], r[header.index("after")]): r[header.index("value")] for r in rows[1:]}
    assert len(value) == (len(KIND.leaves()) + 1) ** 2
    assert value["k1", "k1"] == ""
    assert value["all", "all"] == "900"
    assert b'"kind": "transition"' in out.evidence["evidence/demo/moves.json"]


def test_a_row_that_all_go_one_way_from_is_refused(tmp_path: Path) -> None:
    flows = [("k1", "k1", 100), ("k2", "k1", 50), ("k2", "k2", 50), ("k3", "k2", 50), ("k3", "k3", 50)]
    with pytest.raises(Refused, match="a group lies as a whole in one sensitive category"):
        World(tmp_path).add("homes", moves(*flows)).check(TRANSITION)


def test_a_transition_is_protected_together_with_a_table_of_the_same_units(tmp_path: Path) -> None:
    other = TRANSITION.model_copy(update={"name": "again"})
    data = moves(
        ("k1", "k2", 60), ("k2", "k1", 60), ("k1", "k1", 60), ("k2", "k2", 60), ("k3", "k3", 40), ("k3", "k1", 40)
    )
    out = World(tmp_path).add("homes", data).check(TRANSITION, other)
    moved, again = (out.outputs[f"outputs/demo/{name}.csv"] for name in ("moves", "again"))
    assert moved == again
    assert b'"kind": "transition"' in out.evidence["evidence/demo/again.json"]
    assert len(unpack(out.released_cells, "release")) == 2
