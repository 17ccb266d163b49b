"""Precision and recall by subgroup: counted by arithmetic, with nothing of small groups for researchers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from enclave.engine import open_engine
from linkage.breakdown import Background
from linkage.evidence import share_of
from linkage.matches import LABELLED
from linkage.subgroups import SubgroupRates, subgroup_rates


def test_rates_are_of_the_true_unit_s_group_and_of_the_supplier(tmp_path: Path) -> None:
    rows = [
        *[("GM1/a", "P1", True, True)] * 8,  # a man, found
        *[("GM1/a", "P2", True, False)] * 1,  # a woman, taken for another
        *[("GM2/a", "P2", False, False)] * 3,  # missed
        *[("GM2/a", None, True, False)] * 2,  # not in the register, linked all the same
    ]
    labelled = pa.Table.from_pylist([dict(zip(LABELLED.names, row, strict=True)) for row in rows], LABELLED)
    people = pa.table({"RINPERSOON": ["1", "2"], "GBAGESLACHT": ["1", "2"], "GBAGEBOORTEJAAR": ["1950", "2010"]})
    with open_engine("duckdb", scratch=tmp_path, readable=[], threads=1, memory_gib=1) as engine:
        engine.load("background_persons", people.to_reader())
        background = Background(persons=True, objects=False, origins=False, reference_year=2016)
        found = subgroup_rates(labelled.to_reader(), "labelled_d_k", engine=engine, background=background)
    rates = {(g.by, g.category): (g.precision, g.recall) for g in found}
    assert rates == {
        ("supplier", "GM1"): (share_of(8, 9), share_of(8, 9)),
        ("supplier", "GM2"): (share_of(0, 2), share_of(0, 3)),
        ("sex", "1"): (share_of(8, 8), share_of(8, 8)),
        ("sex", "2"): (share_of(0, 1), share_of(0, 4)),
        ("sex", "unknown"): (share_of(0, 2), None),
        ("age", "65+"): (share_of(8, 8), share_of(8, 8)),
        ("age", "0-17"): (share_of(0, 1), share_of(0, 4)),
        ("age", "unknown"): (share_of(0, 2), None),
    }


def test_researchers_see_wide_intervals_of_large_groups_and_no_count() -> None:
    group = SubgroupRates(by="sex", category="1", precision=share_of(97, 100), recall=share_of(97, 99))
    theirs = group.for_researchers()
    assert theirs.recall is None
    assert theirs.precision is not None
    assert (theirs.precision.part, theirs.precision.whole) == (0, 0)
    assert (theirs.precision.low, theirs.precision.high) == (0.91, 0.99)  # Wilson: 0.9155 to 0.9897
