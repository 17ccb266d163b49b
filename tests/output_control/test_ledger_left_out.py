"""Where the search for sums of three and more tables stops short, the checker is told so, and nothing claims more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from output_control.beside import ALL_TOGETHER, EACH_TWO, NOT_ALL_TOGETHER
from output_control.ledger import atoms
from output_control.ledger.released import pack
from output_control.sealed import CheckedOutput
from tests.output_control.ledger_tables import a_dimension, a_table
from tests.output_control.ledger_world import Past, about, flat, homes, table_request

EVERYONE = 3_000


def past(folder: Path, releases: int) -> tuple[Past, pa.Table]:
    """All homes by kind, and ``releases`` of random halves of them."""
    world = Past(folder, {}, {"kind": flat("kind", "k", 3)})
    data, rng = homes(kind=[f"k{i % 3}" for i in range(EVERYONE)]), np.random.default_rng(5)
    world.release("all", data, table_request("kind"))
    kinds = world.ledger.tables(world.ledger.entries()[0])[0].kinds
    for number in range(releases):
        half = np.flatnonzero(rng.random(EVERYONE) < 0.5)
        table = a_table("homes", [a_dimension("kind", 3)], 1 + half[:, None] % 3, half, minimum=10)
        world.ledger.append(about(f"half {number}"), pack([replace(table, kinds=kinds)]))
    return world, data


def said(out: CheckedOutput) -> tuple[dict[str, object], list[str], list[str]]:
    """The annex on earlier releases; the checks and the notes of the evidence."""
    annex = next(
        json.loads(content) for name, content in out.checker_annex.items() if name.endswith("homes.releases.json")
    )
    evidence = json.loads(out.evidence["evidence/demo/homes.json"])
    return annex, evidence["checks"], evidence["notes"]


def test_what_was_skipped_is_named_in_dutch_and_english_and_the_verdict_claims_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten populations that all cut each other make 2^10 groups of homes, more than are told apart."""
    monkeypatch.setattr(atoms, "MOST_ATOMS", 1_500)  # else they are looked at whole
    world, data = past(tmp_path, 10)
    out = world.check(data, table_request("kind"))
    annex, checks, notes = said(out)
    left_out = annex["left_out"]
    assert isinstance(left_out, dict)
    named = left_out["tables"]
    assert 0 < len(named) < 10 and set(named) <= {f"homes of half {number}" for number in range(10)}
    assert left_out["nl"].startswith("Niet alle uitgaven zijn samen met deze tabel doorgerekend")
    assert left_out["en"].startswith("Not all releases were checked together with this table")
    assert f"{len(named)} tabellen" in left_out["nl"] and f"{len(named)} tables" in left_out["en"]
    assert annex["attacker"] == "relations between each two tables"
    assert EACH_TWO in checks and ALL_TOGETHER not in checks and NOT_ALL_TOGETHER in notes
    pages = [content.decode() for name, content in out.checker_annex.items() if name.endswith(".html")]
    for words in ("Niet alle uitgaven zijn samen", "Not all releases were checked together"):
        assert any(words in page for page in pages)
    assert not any("half 0" in line for line in (*checks, *notes) if "shares units" not in line)


@pytest.mark.parametrize("releases", [0, 2])
def test_where_all_was_looked_at_nothing_is_said_to_be_skipped(tmp_path: Path, releases: int) -> None:
    world, data = past(tmp_path, releases)
    annex, checks, notes = said(world.check(data, table_request("kind")))
    assert annex["left_out"] is None and annex["attacker"] == "atoms of all tables"
    assert ALL_TOGETHER in checks and NOT_ALL_TOGETHER not in notes
