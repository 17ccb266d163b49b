"""Precision and recall by subgroup: counted by arithmetic, with nothing of small groups for researchers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from enclave.engine import open_engine
from enclave.project import DataSet, Key
from linkage.breakdown import Background
from linkage.evidence import share_of
from linkage.matches import LABELLED
from linkage.sources import DELIVERY, RECORD, Source
from linkage.subgroups import SubgroupRates, subgroup_rates


def test_rates_are_of_the_true_unit_s_group_and_of_the_supplier(tmp_path: Path) -> None:
    rows = [
        *[("GM1/a", 1, "P1", True, True)] * 8,  # a man, found
        *[("GM1/a", 2, "P2", True, False)] * 1,  # a woman, taken for another
        *[("GM2/a", 1, "P2", False, False)] * 3,  # missed
        *[("GM2/a", 2, None, True, False)] * 2,  # not in the register, linked all the same
    ]
    labelled = pa.Table.from_pylist([dict(zip(LABELLED.names, row, strict=True)) for row in rows], LABELLED)
    # the home of GM1's first record lies in GM7; the others' no register knows
    keyed = pa.table(
        {DELIVERY: ["GM1/a", "GM1/a"], RECORD: [1, 2], "dwelling__unit": ["O5", None]},
        schema=pa.schema([(DELIVERY, pa.string()), (RECORD, pa.int64()), ("dwelling__unit", pa.string())]),
    )
    homes = pa.table({"RINOBJECTNUMMER": ["5"], "gem2016": ["GM7"]})
    data = DataSet(delivery="d", keys=(Key(name="dwelling", kind="object", source=("bag_id",)),))
    people = pa.table({"RINPERSOON": ["1", "2"], "GBAGESLACHT": ["1", "2"], "GBAGEBOORTEJAAR": ["1950", "2010"]})
    people = people.append_column("GBAHERKOMSTGROEPERING", pa.array(["6030", "6043"]))
    with open_engine("duckdb", scratch=tmp_path, readable=[], threads=1, memory_gib=1) as engine:
        engine.load("background_persons", people.to_reader())
        engine.load("keyed_d", keyed.to_reader())
        engine.load("background_objects", homes.to_reader())
        background = Background(persons=True, objects=True, origins=True, reference_year=2016)
        found = subgroup_rates(
            labelled.to_reader(),
            "labelled_d_k",
            engine=engine,
            background=background,
            source=Source("d", data, (), (), {}),
        )
    rates = {(g.by, g.category): (g.precision, g.recall) for g in found}
    assert rates == {
        ("supplier", "GM1"): (share_of(8, 9), share_of(8, 9)),
        ("supplier", "GM2"): (share_of(0, 2), share_of(0, 3)),
        ("municipality", "GM7"): (share_of(8, 8), share_of(8, 8)),
        ("municipality", "unknown"): (share_of(0, 3), share_of(0, 4)),
        ("sex", "1"): (share_of(8, 8), share_of(8, 8)),
        ("sex", "2"): (share_of(0, 1), share_of(0, 4)),
        ("sex", "unknown"): (share_of(0, 2), None),
        ("origin", "6030"): (share_of(8, 8), share_of(8, 8)),
        ("origin", "6043"): (share_of(0, 1), share_of(0, 4)),
        ("origin", "unknown"): (share_of(0, 2), None),
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
