"""From the real gate to a verified bundle: checked, requested, shown, approved, tabulated again and released."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from enclave.errors import Refused, Tampered
from enclave.requests import Protection, TableRequest
from enclave.zones import Zone
from output_control import review
from output_control.alternatives import at_the_gate
from output_control.alternatives.comparison import Compared
from output_control.outputs import json_bytes
from output_control.release.verify import verify_bundle
from output_control.review import shelf
from output_control.review.states import State
from output_control.sealed import CheckedOutput
from tests.output_control.desk import ROOT, Office, contents
from tests.output_control.gate_world import World, random_homes, table_request
from tests.output_control.release_desk import bundles

COMPARED = "annex/demo/homes.comparison.json"
REQUEST = table_request("region", "kind")


def a_world(folder: Path, seed: int = 3, homes: int = 400) -> World:
    """A town of 400 homes, whose table has hidden cells."""
    folder.mkdir(exist_ok=True)
    return World(folder).add("homes", random_homes(seed, homes))


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


def altered_on_the_shelf(checked: CheckedOutput, place: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """Change what lies between check and request: the checkers' annex, in the gate's own zone."""
    annex = dict(checked.checker_annex)
    change(annex)
    assert annex != checked.checker_annex
    shelf.put(replace(checked, checker_annex=annex), place)


def every_way_is_safe(annex: dict[str, bytes]) -> None:
    said = json.loads(annex[COMPARED])
    for row in said["methods"]:
        row |= {"safe": True, "unprotected": 0, "median_width": 99.0}
    annex[COMPARED] = json_bytes(said)


def other_report(annex: dict[str, bytes]) -> None:
    annex["annex/demo/homes.report.nl.html"] += b"<!-- all safe -->"


@pytest.mark.parametrize("change", [every_way_is_safe, other_report, lambda annex: annex.pop(COMPARED)])
def test_a_stored_comparison_that_was_touched_before_the_request_lets_nothing_out(
    office: Office, tmp_path: Path, change: Callable[[dict[str, bytes]], object]
) -> None:
    """The author and two checkers sign it, all digests agree: the release service compares with its own comparison."""
    world = a_world(tmp_path / "world")
    altered_on_the_shelf(world.check(REQUEST), tmp_path / "checked.json", change)
    request = office.approved(shelf.take(tmp_path / "checked.json"))

    with pytest.raises(Tampered, match="the approvals are void"):
        office.release(request, lambda: world.check(REQUEST))
    assert bundles(office) == []
    (named,) = list(office.journal.entries())[-1].details["differs"]
    assert named.startswith("annex/demo/homes.")


def test_a_stored_comparison_that_was_touched_after_the_approvals_lets_nothing_out(
    office: Office, tmp_path: Path
) -> None:
    world = a_world(tmp_path / "world")
    request = office.approved(world.check(REQUEST))
    file = office.workspace.path(Zone.REVIEW) / request / COMPARED
    files = {COMPARED: file.read_bytes()}
    every_way_is_safe(files)
    file.chmod(0o600)
    file.write_bytes(files[COMPARED])

    with pytest.raises(Tampered, match=r"homes\.comparison\.json was altered"):
        office.release(request, lambda: world.check(REQUEST))
    assert bundles(office) == []


@pytest.mark.parametrize(
    ("protection", "town", "leaves"),
    [
        (Protection(), (3, 400), True),
        (Protection(method="rounding", base=5), (3, 400), True),
        (Protection(method="cell_key"), (4, 400), True),
        (Protection(method="cell_key"), (4, 10), False),
    ],
    ids=lambda value: value.method if isinstance(value, Protection) else "",
)
def test_what_leaves_does_not_depend_on_the_comparison(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protection: Protection, town: tuple[int, int], *, leaves: bool
) -> None:
    """Even who wrote the comparison could not get another figure out, nor another word of evidence."""
    world, request = a_world(tmp_path, *town), REQUEST.model_copy(update={"protection": protection})
    honest = outcome(world, request)
    assert (honest is not None) == leaves
    truly = at_the_gate.compare

    def lie(*given: Any) -> tuple[Compared, ...]:
        return tuple(replace(row, unprotected=0, reason="", width=99.0) for row in truly(*given))

    monkeypatch.setattr(at_the_gate, "compare", lie)
    assert outcome(world, request) == honest


def outcome(world: World, request: TableRequest) -> dict[str, bytes] | None:
    """All that could leave; None: the gate refuses."""
    try:
        checked = world.check(request)
    except Refused:
        return None
    return {**checked.outputs, **checked.evidence}
