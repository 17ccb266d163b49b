"""From the real gate to a verified bundle: checked, requested, shown, approved, tabulated again and released."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from enclave.errors import Tampered
from output_control import review
from output_control.review_states import State
from output_control.verify import verify_bundle
from tests.output_control.desk import ROOT, Office, contents
from tests.output_control.gate_world import World, random_homes, table_request

REQUEST = table_request("region", "kind")


def a_world(folder: Path, seed: int = 3) -> World:
    """A town of 400 homes, whose table has hidden cells."""
    folder.mkdir(exist_ok=True)
    return World(folder).add("homes", random_homes(seed, 400))


def test_what_the_gate_checked_is_released_after_tabulating_it_again(office: Office, tmp_path: Path) -> None:
    world = a_world(tmp_path / "world")
    request = office.approved(world.check(REQUEST))
    bundle = office.release(request, lambda: world.check(REQUEST)).path
    report = verify_bundle(bundle, ROOT.public, now=office.now, journal=office.journal)
    assert report.analysis == "demo"
    assert "outputs/demo/homes.csv" in contents(bundle)


def test_a_checker_sees_of_every_hidden_cell_what_the_bundle_hides(office: Office, tmp_path: Path) -> None:
    world = a_world(tmp_path / "world")
    request = office.approved(world.check(REQUEST))
    (table,) = review.show(request, desk=office.desk).outputs
    assert table.cells is not None
    seen = table.cells.to_pylist()
    hidden = [cell for cell in seen if cell["status"] != "published"]
    primary = [cell for cell in hidden if cell["status"] == "primary"]
    assert primary and all(cell["reason"] and cell["lower"] is not None for cell in primary)
    assert table.suppressed_share == len(hidden) / len(seen)
    bundle = office.release(request, lambda: world.check(REQUEST)).path
    released = list(csv.DictReader(io.StringIO((bundle / "outputs/demo/homes.csv").read_text())))
    blank = {(row["region"], row["kind"]) for row in released if not row["value"]}
    assert blank == {(cell["region"], cell["kind"]) for cell in hidden}
    for word in (b"primary", b"secondary", b"lower", b"upper"):
        assert word not in contents(bundle)["outputs/demo/homes.csv"]
    assert not [name for name in contents(bundle) if "annex" in name or name.endswith(".cells.csv")]


def test_one_home_that_moved_since_voids_the_approvals(office: Office, tmp_path: Path) -> None:
    request = office.approved(a_world(tmp_path / "before").check(REQUEST))
    with pytest.raises(Tampered, match="the approvals are void"):
        office.release(request, lambda: a_world(tmp_path / "after", seed=4).check(REQUEST))
    assert review.state(request, desk=office.desk) is State.VOID
    differs = list(office.journal.entries())[-1].details["differs"]
    assert {"input homes", "outputs/demo/homes.csv", "evidence/demo/inputs.json"} <= set(
        json.loads(json.dumps(differs))
    )
