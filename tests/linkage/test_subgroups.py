"""Precision and recall by subgroup: counted by arithmetic, with nothing of small groups for researchers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from enclave.classifications import load_classification
from enclave.engine import open_engine
from enclave.project import DataSet, Key
from linkage.breakdown import Background
from linkage.evidence import share_of
from linkage.matches import LABELLED
from linkage.quality import Balance, KeyQuality, QualityReport
from linkage.quality_pages import write_quality
from linkage.sources import DELIVERY, RECORD, Source
from linkage.subgroups import SubgroupRates, subgroup_rates
from synthetic.origins import ORIGIN_LABELS
from tests.conftest import CHECKOUT


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


def test_pages_show_labels_beside_codes_and_figures_keep_the_codes(tmp_path: Path) -> None:
    labels = {"origin": {"5022": "Morocco"}}
    groups = [("origin", "5022"), ("origin", "unknown"), ("sex", "5022")]
    cells = tuple(
        Balance(by=by, category=c, delivered=9, linked=8, rate=0.9, share=0.5, linked_share=0.5, difference=0.1)
        for by, c in groups
    )
    key = KeyQuality(
        data_set="d",
        key="k",
        threshold=None,
        precision=None,
        recall=None,
        duplicate_precision=None,
        passes=(),
        weights=(),
        balance=cells,
        population=cells,
        subgroups=tuple(
            SubgroupRates(by=by, category=c, precision=share_of(8, 9), recall=share_of(8, 9)) for by, c in groups
        ),
    )
    write_quality(QualityReport(project="p", keys=(key,), labels=labels), tmp_path, mode=0o600)
    page = (tmp_path / "linkage_quality.md").read_text()
    for row, count in {"| origin | 5022 Morocco |": 3, "| origin | unknown |": 3, "| sex | 5022 |": 3}.items():
        assert page.count(row) == count, row
    for what in ("difference", "population", "subgroups"):
        assert "origin: 5022 Morocco" in (tmp_path / f"linkage_quality-d-k-{what}.svg").read_text()
    kept = QualityReport.model_validate_json((tmp_path / "linkage_quality.json").read_text())
    assert {cell.category for cell in kept.keys[0].balance} == {"5022", "unknown"}
    assert kept.labels == labels


def test_every_origin_of_the_invented_country_has_its_label() -> None:
    shipped = load_classification(CHECKOUT / "configs/classifications/origin.yaml")
    assert {code.code: code.label_nl for code in shipped.codes if code.parent} == ORIGIN_LABELS
    assert shipped.sensitive
