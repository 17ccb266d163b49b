"""Matches by name in the linked data: only where no identifier is usable, with pass and weight, and never another's."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from enclave.errors import BadInput, NotReady, Refused
from enclave.frames import FrameManifest, manifest_columns, open_frame, writing_frame
from enclave.project import DataSet, Key, Probabilistic, Project, Question
from enclave.zones import Pseudonymised, Zone
from linkage.clerical_review import Verdict, verdicts_file, write_verdicts
from linkage.evidence import MatchEvidence, evidence_of
from linkage.link import LinkResult
from linkage.matches import MATCHES, delivery_name, evidence_file, matches_file, write_matches
from linkage.person_model import PERSONS
from linkage.probabilistic import _nothing
from tests.linkage.conftest import Site

HOW = Probabilistic(columns={"full_name": "occupant_name", "birth_date": "occupant_birth_date"})
NAMES = ("clearances", "occupant")


def project_with(project: Project, how: Probabilistic | None) -> Project:
    keys = (
        Key(name="dwelling", kind="object", source=("bag_id",)),
        Key(name="occupant", kind="person", source=("occupant_bsn",), probabilistic=how),
    )
    data = {"clearances": DataSet(delivery="hemp_clearances", keys=keys)}
    question = Question(text="?", uses={"clearances": ("clearance_date", "plants")})
    return project.model_copy(update={"data": data, "questions": {"Q1": question}, "analyses": ()})


def numbered(site: Site, folder: Path) -> Site:
    """The deliveries with record numbers, as pseudonymisation makes them when records are matched."""
    frames = []
    for frame in site.frames["hemp_clearances"]:
        table = pq.read_table(frame.path)
        table = table.add_column(0, "record", pa.array(range(1, table.num_rows + 1), pa.int64()))
        roles = {column.name: column.role for column in frame.manifest.columns} | {"record": "record"}
        manifest = FrameManifest(
            **{
                **frame.manifest.model_dump(),
                "zone": Zone.PSEUDONYMISED,
                "columns": manifest_columns(table.schema, roles),
            }
        )
        path = folder / frame.path.parent.name / frame.path.name
        with writing_frame(path, manifest, table.schema.remove_metadata()) as sink:
            sink.write(table.replace_schema_metadata(None))
        frames.append(open_frame(path, Pseudonymised))
    return site.at(folder, frames={"hemp_clearances": frames})


@pytest.fixture
def matched(site: Site, project: Project, tmp_path: Path) -> Site:
    made = numbered(site, tmp_path)
    return made.at(tmp_path, project=project_with(project, HOW))


def with_matches(site: Site, rows: list[dict[str, object]]) -> None:
    site.zone.folder.mkdir(parents=True, exist_ok=True)
    write_matches(site.zone, matches_file(*NAMES), pa.Table.from_pylist(rows, MATCHES))
    evidence: MatchEvidence = evidence_of(_nothing(PERSONS), threshold=0.99, review=0.5, one_to_one=False)
    (site.zone.folder / evidence_file(*NAMES)).write_text(evidence.model_dump_json())


def records(site: Site, *, with_identifier: bool) -> list[tuple[str, int]]:
    found = []
    for frame in site.frames["hemp_clearances"]:
        table = pq.read_table(frame.path)
        wanted = pc.is_valid(table["occupant_bsn_hash"]) if with_identifier else pc.is_null(table["occupant_bsn_hash"])
        found += [(delivery_name(frame.path), number) for number in table.filter(wanted)["record"].to_pylist()]
    return found


def linked(result: LinkResult) -> pa.Table:
    return pq.read_table(result.frames["clearances"].path)


def a_unit(site: Site) -> str:
    return "P" + pq.read_table(site.country / "key_register" / "persons.parquet")["RINPERSOON"][0].as_py()


def test_a_match_gives_its_record_the_unit_the_pass_and_the_weight(matched: Site) -> None:
    (delivery, record), *rest = records(matched, with_identifier=False)
    with_matches(
        matched, [{"delivery": delivery, "record": record, "unit": a_unit(matched), "pass": 3, "weight": 17.25}]
    )
    table = linked(matched.run())
    assert table.column_names[:6] == [
        "dwelling",
        "dwelling_status",
        "occupant",
        "occupant_status",
        "occupant_pass",
        "occupant_weight",
    ]
    by_name = table.filter(pc.is_valid(table["occupant_weight"]))
    assert by_name.select(["occupant_status", "occupant_pass", "occupant_weight"]).to_pylist() == [
        {"occupant_status": "R", "occupant_pass": 4, "occupant_weight": 17.25}  # one identifier column, then pass 3
    ]
    statuses = table["occupant_status"].to_pylist()
    assert statuses.count("") == len(rest)
    exact = table.filter(pc.equal(table["occupant_pass"], 1))
    assert exact.num_rows == len(records(matched, with_identifier=True))


def test_a_match_never_overrules_an_identifier(matched: Site) -> None:
    (delivery, record), *_ = records(matched, with_identifier=True)
    with_matches(matched, [])
    before = linked(matched.run())
    with_matches(
        matched, [{"delivery": delivery, "record": record, "unit": a_unit(matched), "pass": 1, "weight": 30.0}]
    )
    assert linked(matched.run()).equals(before)


def test_the_quality_report_counts_passes_and_keeps_small_ones_from_researchers(matched: Site) -> None:
    (delivery, record), *_ = records(matched, with_identifier=False)
    with_matches(
        matched, [{"delivery": delivery, "record": record, "unit": a_unit(matched), "pass": 3, "weight": 17.25}]
    )
    judged = pa.table({"sample": [""], "stratum": ["linked"], "weight": [17.25]})  # no name: of no records
    write_verdicts(matched.zone, verdicts_file(*NAMES), judged, {1: Verdict.YES})
    matched.run()
    full, theirs = ((folder / "linkage_quality.md").read_text() for folder in (matched.zone.folder, matched.out))
    assert "| address | 1 |" in full
    assert "| address | · |" in theirs
    assert re.search(r"\| plants \| [0-9,]+ \| [0-9,]+ \| [+-][0-9.]+ % \| [+-][0-9.]+ % \|", full)
    assert "| linked | 15 |  | 1 | 1 | 0 |" in full
    assert "For the custodian" in full
    assert "Judged by clerks" not in theirs
    assert "For the custodian" not in theirs
    assert not (matched.out / "linkage_quality-clearances-occupant-weights.svg").exists()


def test_linking_waits_for_the_matches(matched: Site) -> None:
    with pytest.raises(NotReady, match="matches-clearances-occupant"):
        matched.run()


def test_frames_without_record_numbers_are_refused(site: Site, project: Project, tmp_path: Path) -> None:
    here = site.at(tmp_path, project=project_with(project, HOW))
    with pytest.raises(BadInput) as caught:
        here.run()
    assert "record" in str(caught.value)


def test_no_question_may_use_the_record_number(matched: Site) -> None:
    asked = {"Q1": Question(text="?", uses={"clearances": ("record",)})}
    with_matches(matched, [])
    with pytest.raises(Refused, match="column record says which unit"):
        matched.at(matched.root, project=matched.project.model_copy(update={"questions": asked})).run()


def test_without_the_option_nothing_is_added(site: Site, project: Project, tmp_path: Path) -> None:
    here = site.at(tmp_path, project=project_with(project, None))
    assert linked(here.run()).column_names == [
        "dwelling",
        "dwelling_status",
        "occupant",
        "occupant_status",
        "clearance_date",
        "plants",
    ]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("person", {"columns": {"birth_date": "b"}}),
        ("person", {"columns": {"surname": "s"}}),
        ("person", {"columns": {"surname": "s", "full_name": "f", "birth_date": "b"}}),
        ("owner", {"columns": {"full_name": "f", "first_names": "g", "birth_date": "b"}}),
        ("person", {"columns": {"surname": "s", "birth_date": "b", "name": "n"}}),
        ("person", {"columns": {"surname": "s", "birth_date": "b"}, "threshold": 0.4}),
        ("person", {"columns": {"surname": "s", "birth_date": "b"}, "threshold": 0.9, "review": 0.95}),
        ("entity", {"columns": {"postcode": "p", "house_number": "h"}}),
        ("entity", {"columns": {"name": "n", "birth_date": "b"}}),
        ("object", {"columns": {"postcode": "p"}}),
        ("object", {"columns": {"house_number": "h"}}),
        ("household", {"columns": {"surname": "s", "birth_date": "b"}}),
        ("person", {"columns": {"name": "n"}, "unit": "entity"}),
        ("owner", {"columns": {"surname": "s", "birth_date": "b"}, "unit": "entity"}),
        ("owner", {"columns": {"name": "n"}}),
    ],
)
def test_settings_that_cannot_work_are_refused(kind: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Key.model_validate({"name": "k", "kind": kind, "source": ("c",), "probabilistic": fields})


@pytest.mark.parametrize(
    ("kind", "how", "found"),
    [
        ("owner", {"columns": {"surname": "s", "birth_date": "b"}}, "person"),
        ("owner", {"columns": {"name": "n"}, "unit": "entity"}, "entity"),
        ("entity", {"columns": {"name": "n", "trade_name": "t"}, "unit": "entity"}, "entity"),
        ("object", {"columns": {"street": "s", "house_number": "h"}}, "object"),
    ],
)
def test_a_key_looks_for_units_of_its_own_kind_and_of_owners_for_those_it_names(
    kind: str, how: dict[str, object], found: str
) -> None:
    key = Key.model_validate({"name": "k", "kind": kind, "source": ("c",), "probabilistic": how})
    assert key.matched_kind == found


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("owner", {"surname": "s", "birth_date": "b"}),
        ("entity", {"name": "n"}),
        ("object", {"street": "s", "house_number": "h"}),
    ],
)
def test_keys_of_deliveries_can_be_matched_and_of_registers_cannot(kind: str, columns: dict[str, str]) -> None:
    key = {"name": "k", "kind": kind, "source": ("c",), "probabilistic": {"columns": columns}}
    assert DataSet.model_validate({"delivery": "d", "keys": (key,)}).keys[0].is_matched
    with pytest.raises(ValueError, match="keys of deliveries"):
        DataSet.model_validate({"register": "r", "keys": (key,)})
