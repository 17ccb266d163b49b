"""Weights for non-linkage: planted chances to be linked, by arithmetic, beside the records they belong to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from enclave.frames import open_frame, writing_frame
from enclave.project import DataSet, Key, Project, Question
from enclave.zones import Pseudonymised
from tests.linkage.conftest import Site, write_frame

PLACES = ("GM9001", "GM9002")
ODD = "|'; <b>"


def asked(project: Project, *, weights: bool) -> Project:
    key = Key(name="person", kind="person", source=("bsn",), nonlinkage_weights=weights)
    data = {
        "debts": DataSet(delivery="debt_assistance", keys=(key,)),
        "persons": project.data["persons"],
    }
    questions = {"Q1": Question(text="?", uses={"debts": ("start_date",), "persons": ("GBAGESLACHT",)})}
    return project.model_copy(update={"data": data, "questions": questions, "analyses": ()})


@pytest.fixture
def planted(site: Site, project: Project, tmp_path: Path) -> tuple[Site, Path, list[dict[str, Any]]]:
    """Everyone is delivered, half by each supplier; of women in the second place, the register knows each other one."""
    people = pq.read_table(site.country / "key_register/persons.parquet")
    count = people.num_rows
    rows = [
        {"supplier": PLACES[at % 2], "sex": sex, "bsn": bsn, "known": sex == "1" or at % 4 != 1}
        for at, (sex, bsn) in enumerate(zip(people["sex"].to_pylist(), people["bsn"].to_pylist(), strict=True))
    ]
    rows[0]["sex"] = ODD  # a code that no schema would pass
    frames = []
    for place in PLACES:
        mine = [row for row in rows if row["supplier"] == place]
        table = pa.table({name: [row[name] for row in mine] for name in ("bsn", "sex")})
        table = table.append_column("start_date", pa.array(["01-01-2016"] * len(mine)))
        frames.append(write_frame(tmp_path / place / "d.parquet", "debt_assistance", table, site.keys))
    register = tmp_path / "key_register"
    register.mkdir()
    for name in ("addresses", "entities"):
        (register / f"{name}.parquet").symlink_to(site.country / "key_register" / f"{name}.parquet")
    pq.write_table(people.filter(pa.array([row["known"] for row in rows])), register / "persons.parquet")
    assert count > 900
    return site.at(tmp_path, project=asked(project, weights=True), frames={"debt_assistance": frames}), register, rows


def test_a_weight_is_the_inverse_of_its_classes_chance_to_be_linked(
    planted: tuple[Site, Path, list[dict[str, Any]]],
) -> None:
    here, register, rows = planted
    linked = pq.read_table(here.run(key_register=register).frames["debts"].path)
    assert linked.column_names == ["person", "person_status", "person_nonlinkage", "start_date"]
    women = [row for row in rows if row["supplier"] == PLACES[1] and row["sex"] == "2"]
    expected = round(len(women) / sum(row["known"] for row in women), 4)
    assert 1.9 < expected < 2.1
    found = linked["person_nonlinkage"].value_counts().to_pylist()
    assert {row["values"]: row["counts"] for row in found} == {
        expected: sum(row["known"] for row in women),
        1.0: sum(row["known"] for row in rows if row not in women),
        None: sum(not row["known"] for row in rows),
    }
    assert pc.sum(linked["person_nonlinkage"]).as_py() == pytest.approx(len(rows), abs=0.05)


def test_the_report_shows_the_bias_that_was_planted_with_pictures_in_one_file(
    planted: tuple[Site, Path, list[dict[str, Any]]],
) -> None:
    here, register, rows = planted
    here.run(key_register=register)
    (quality,) = json.loads((here.zone.folder / "linkage_quality.json").read_text())["keys"]
    women = {b["category"]: b for b in quality["balance"] if b["by"] == "sex"}["2"]
    known = [row for row in rows if row["known"]]
    assert women["share"] == pytest.approx(sum(row["sex"] == "2" for row in rows) / len(rows), abs=1e-4)
    assert women["linked_share"] == pytest.approx(sum(row["sex"] == "2" for row in known) / len(known), abs=1e-4)
    assert women["difference"] < -0.1
    assert (quality["precision"], quality["threshold"]) == (None, None)
    page = (here.zone.folder / "linkage_quality.html").read_text()
    assert page.count("<svg") == 3
    assert "<b>" not in page.replace("&lt;b&gt;", "")
    assert page.count("<tr") == (here.zone.folder / "linkage_quality.md").read_text().count("\n|") - 3


def test_weights_are_by_what_was_delivered_though_the_register_tells_more(
    planted: tuple[Site, Path, list[dict[str, Any]]],
) -> None:
    """Of unlinked records the register tells nothing: a class *unknown* would hold all of them."""
    here, register, rows = planted
    frames = []
    for frame in here.frames["debt_assistance"]:
        bare = pq.read_table(frame.path).select(["bsn_hash", "start_date"])
        manifest = frame.manifest.model_copy(
            update={"columns": tuple(column for column in frame.manifest.columns if column.name in bare.column_names)}
        )
        path = here.root / "bare" / frame.path.parent.name / "d.parquet"
        with writing_frame(path, manifest, bare.schema.remove_metadata()) as sink:
            sink.write(bare.replace_schema_metadata(None))
        frames.append(open_frame(path, Pseudonymised))
    here.at(here.root, frames={"debt_assistance": frames}).run(key_register=register)
    (quality,) = json.loads((here.zone.folder / "linkage_quality.json").read_text())["keys"]
    rated = {found["by"] for found in quality["balance"] if found["rate"] is not None}
    assert {found["by"] for found in quality["balance"]} == {"sex", "supplier", "origin", "age"}
    assert rated == {"supplier"}, "of the unlinked nothing else is known"
    assert "By sex, origin, age: the register tells it" in (here.zone.folder / "linkage_quality.md").read_text()
    assert {found["cell"] for found in quality["weights"]} == {f"supplier {place}" for place in PLACES}
    sexes = {found["category"]: found for found in quality["population"] if found["by"] == "sex"}
    rows[0]["sex"] = "1" if sum(row["sex"] == "1" for row in rows) < sexes["1"]["delivered"] else "2"  # not odd there
    for sex, found in sexes.items():
        mine = [row["known"] for row in rows if row["sex"] == sex]
        assert (found["delivered"], found["linked"]) == (len(mine), sum(mine)), "of all persons, not of records"
    p, q = sum(r["known"] and r["sex"] == "2" for r in rows) / sum(r["known"] for r in rows), sexes["2"]["share"]
    assert sexes["2"]["difference"] == pytest.approx((p - q) / ((p * (1 - p) + q * (1 - q)) / 2) ** 0.5, abs=1e-3)
