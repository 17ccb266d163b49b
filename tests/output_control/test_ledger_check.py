"""What tables disclose together: planted pairs, published known answers, and an attacker who enumerates."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import NotReady, Tampered
from enclave.journal import Journal
from output_control.ledger.book import anchored, open_history
from output_control.ledger.remember import ProjectIds
from tests.output_control.ledger_world import Past, cells_of, flat, homes, table_request

EXACT = {"count_protection": {"kind": "exact"}}


def crossed(counts: dict[tuple[str, str], int], first: str = "age", second: str = "sex") -> pa.Table:
    """Homes by two codes."""
    pairs = [pair for pair, count in counts.items() for _ in range(count)]
    return homes(**{first: [a for a, _ in pairs], second: [b for _, b in pairs]})


def past(folder: Path, *sizes: tuple[str, str, int], **overrides: object) -> Past:
    """Classifications as (name, prefix, codes)."""
    return Past(folder, overrides, {name: flat(name, prefix, count) for name, prefix, count in sizes})


def named(column: str, **fields: object) -> object:
    return table_request(column, **{"name": f"by_{column}", **fields})


# planted pairs -------------------------------------------------------------------------------------------------------


def test_a_cell_that_differs_by_one_unit_from_one_released_before_is_hidden(tmp_path: Path) -> None:
    """One home is missing from the second extract: 40 − 39 = 1."""
    world = past(tmp_path, ("age", "a", 4), ("sex", "s", 2))
    data = homes(age=[f"a{i % 4}" for i in range(160)], sex=[f"s{i // 4 % 2}" for i in range(160)])
    world.release("first", data, table_request("age"))
    without = data.filter(pa.array([i != 0 for i in range(160)]))
    alone = cells_of(world.check(without, table_request("age"), alone=True), "age")
    assert alone[("a0",)] == 39
    out = world.check(without, table_request("age"))
    found = cells_of(out, "age")
    assert found[("a0",)] is None and found[("all",)] is None
    evidence = json.loads(out.evidence["evidence/demo/homes.json"])
    assert evidence["earlier_releases"] == {"share_units": ["first"]}
    assert "39" not in json.dumps(evidence) and '"rest"' not in json.dumps(evidence)


def test_a_difference_of_as_many_units_as_the_minimum_frequency_is_none(tmp_path: Path) -> None:
    world = past(tmp_path, ("age", "a", 4))
    data = homes(age=[f"a{i % 4}" for i in range(160)])
    world.release("first", data, table_request("age"))
    without = data.filter(pa.array([not (i % 4 == 0 and i < 40) for i in range(160)]))
    assert cells_of(world.check(without, table_request("age")), "age") == {
        ("all",): 150, ("a0",): 30, ("a1",): 40, ("a2",): 40, ("a3",): 40,
    }  # fmt: skip


def test_the_complement_within_a_parent_is_found(tmp_path: Path) -> None:
    """All 60 of an area were released; a new table of those without a farm gives the three who have one."""
    world = past(tmp_path, ("area", "g", 2), ("kind", "k", 2))
    data = homes(area=["g0"] * 60 + ["g1"] * 60, kind=["k0", "k1"] * 60)
    world.release("all", data, table_request("area"))
    without = data.filter(pa.array([i >= 3 for i in range(120)]))
    found = cells_of(world.check(without, table_request("area")), "area")
    assert found == {("all",): None, ("g0",): None, ("g1",): 60}


def test_cells_that_together_leave_a_small_rest_are_found(tmp_path: Path) -> None:
    """Ages 0–9, 10–19 … were released; a new group 0–21 is the first two and two homes more."""
    world = past(tmp_path, ("age", "a", 4), ("band", "b", 2))
    age = ["a0"] * 30 + ["a1"] * 30 + ["a2"] * 30 + ["a3"] * 30
    band = ["b0"] * 62 + ["b1"] * 58
    data = homes(age=age, band=band)
    world.release("ages", data, table_request("age"))
    found = cells_of(world.check(data, table_request("band")), "band")
    assert found == {("all",): 120, ("b0",): None, ("b1",): None}


def test_one_home_that_moved_is_not_shown_by_two_versions_of_a_table(tmp_path: Path) -> None:
    world = past(tmp_path, ("area", "g", 4))
    area = [f"g{i % 4}" for i in range(200)]
    world.release("january", homes(area=list(area)), table_request("area"))
    area[0] = "g1"  # from g0
    alone = cells_of(world.check(homes(area=list(area)), table_request("area"), alone=True), "area")
    assert (alone[("g0",)], alone[("g1",)]) == (49, 51)
    found = cells_of(world.check(homes(area=list(area)), table_request("area")), "area")
    assert found[("g0",)] is None and found[("g1",)] is None
    assert found[("all",)] == 200


def test_two_homes_that_changed_places_are_not_shown_either(tmp_path: Path) -> None:
    """The counts are the same, and nothing is hidden by figures that do not change: but a revision of a sum is."""
    world = past(tmp_path, ("area", "g", 3))
    worth = [float(100 + i % 7) for i in range(150)]
    area = [f"g{i % 3}" for i in range(150)]
    request = table_request("area", statistic="sum", measure="worth")
    world.release("before", homes(area=list(area), worth=worth), request)
    area[0], area[1] = area[1], area[0]
    found = cells_of(world.check(homes(area=list(area), worth=worth), request), "area")
    assert found[("g0",)] is None and found[("g1",)] is None


def test_twelve_homes_of_one_owner_are_one_unit_of_difference(tmp_path: Path) -> None:
    world = past(tmp_path, ("area", "g", 3))
    owner = [1000] * 12 + list(range(148))
    data = homes(home=list(range(160)), owner=owner, area=["g0"] * 60 + ["g1"] * 50 + ["g2"] * 50)
    world.release("all", data, table_request("area"))
    without = data.filter(pa.array([i >= 12 for i in range(160)]))
    found = cells_of(world.check(without, table_request("area")), "area")
    assert found[("g0",)] is None and found[("all",)] is None


def test_the_same_table_again_gives_the_same_pattern(tmp_path: Path) -> None:
    world = past(tmp_path, ("age", "a", 5), ("sex", "s", 3))
    rng = np.random.default_rng(3)
    data = homes(
        age=[f"a{i}" for i in rng.choice(5, 300, p=[0.5, 0.3, 0.1, 0.06, 0.04])],
        sex=[f"s{i}" for i in rng.choice(3, 300, p=[0.6, 0.3, 0.1])],
    )
    first = cells_of(world.release("first", data, table_request("age", "sex")), "age", "sex")
    again = cells_of(world.check(data, table_request("sex", "age")), "age", "sex")
    assert None in first.values()
    for cell, value in first.items():
        assert again[cell] == value or again[cell] is None


def test_a_cell_that_was_hidden_before_is_not_given_by_another_table(tmp_path: Path) -> None:
    """Three homes of a0 × s0 were hidden; in the new table they are a group of their own."""
    world = past(tmp_path, ("age", "a", 3), ("sex", "s", 3), ("farm", "f", 2), **EXACT)
    data = crossed({("a0", "s0"): 3, ("a0", "s1"): 30, ("a0", "s2"): 25, ("a1", "s0"): 28, ("a1", "s1"): 31,
                    ("a1", "s2"): 24, ("a2", "s0"): 22, ("a2", "s1"): 26, ("a2", "s2"): 23})  # fmt: skip
    hidden = cells_of(world.release("first", data, table_request("age", "sex")), "age", "sex")
    assert hidden[("a0", "s0")] is None
    inside = data.filter(
        pa.compute.or_(pa.compute.not_equal(data["age"], "a0"), pa.compute.not_equal(data["sex"], "s0"))
    )
    # the total without them would give 3
    found = cells_of(world.check(inside, table_request("age")), "age")
    assert found[("all",)] is None and found[("a0",)] is None


# what ACRO 1.0.2 lets pass -------------------------------------------------------------------------------------------


def test_two_suppressed_outputs_do_not_subtract_to_the_hidden_cell(tmp_path: Path) -> None:
    """ACRO drops the records of a suppressed cell from the margins: the two totals differ by what is hidden, 6."""
    world = past(tmp_path, ("kind", "k", 3), ("sex", "s", 2))
    data = homes(kind=["k0"] * 6 + ["k1"] * 60 + ["k2"] * 50, sex=["s0", "s1"] * 58)
    first = cells_of(world.release("first", data, table_request("kind")), "kind")
    assert first[("k0",)] is None and first[("all",)] == 116
    dropped = data.filter(pa.array([kind != "k0" for kind in data["kind"].to_pylist()]))
    second = cells_of(world.check(dropped, table_request("sex")), "sex")
    assert second[("all",)] is None


def test_linked_tables_of_one_analysis_do_not_pass_unseen(tmp_path: Path) -> None:
    """ACRO's check of linked tables always passes. Here 41 of an area less 40 with a known kind would be one home."""
    world = past(tmp_path, ("area", "g", 3), ("kind", "k", 2))
    area = ["g0"] * 41 + ["g1"] * 50 + ["g2"] * 50
    data = homes(area=area, kind=["k0", "k1"] * 70 + ["k0"])
    known = data.filter(pa.array([i != 0 for i in range(141)]))
    both = world.check(data, table_request("area"), table_request("area", name="known", derivation="known",
                       population={"dataset": "known", "key": "home"}), known=known)  # fmt: skip
    whole, part = cells_of(both, "area"), cells_of(both, "area", name="known")
    assert None in (whole[("g0",)], part[("g0",)])
    assert None in (whole[("all",)], part[("all",)])


def test_a_journal_that_knows_releases_and_no_ledger_lets_nothing_be_checked(tmp_path: Path) -> None:
    world = past(tmp_path / "world", ("area", "g", 3))
    world.release("first", homes(area=[f"g{i % 3}" for i in range(150)]), table_request("area"))
    journal = Journal(tmp_path / "journal")
    noted = anchored(world.ledger.entries()[0].anchor)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    journal.append(actor="s", action="request.release", subject="r", details={"bundle": "x", **noted}, now=now)
    assert len(open_history(world.ledger, journal, ProjectIds()).entries) == 1
    shutil.rmtree(world.ledger.folder)
    with pytest.raises(NotReady, match=r"1 release.s. are known, and there is no release ledger"):
        open_history(world.ledger, journal, ProjectIds())
    world.ledger.create()
    with pytest.raises(Tampered, match="entry 1 is known"):
        open_history(world.ledger, journal, ProjectIds())
    journal.append(actor="s", action="request.release", subject="old", details={"bundle": "y"}, now=now)
    with pytest.raises(Tampered, match="a release that the ledger does not know"):
        open_history(world.ledger, journal, ProjectIds())
