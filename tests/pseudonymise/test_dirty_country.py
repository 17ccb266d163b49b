"""The dirty country: every planted syntactic defect is found, no clean row is set aside, and no row is lost."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from enclave.errors import BadInput
from pseudonymise.formats import read_batches
from pseudonymise.formats.batch import PlainFile
from pseudonymise.manifest import Manifest, manifest_faults, read_manifest
from pseudonymise.validation import Validator
from synthetic.country import make_country
from tests.pseudonymise.small_town import NOW, SCHEMAS, a_project

PERSONS = 8000


@dataclass
class Found:
    """What receiving finds in one file: records set aside, (record, column) noted, faults and notes of the file."""

    rejected: bool = False
    set_aside: dict[int, str] = field(default_factory=dict)
    noted: set[tuple[int, str]] = field(default_factory=set)
    of_file: set[str] = field(default_factory=set)
    columns_noted: set[str] = field(default_factory=set)
    received: int = 0
    accepted: int = 0

    def holds(self, row: float | None, column: str) -> bool:
        """Whether a planted defect (no row: of the whole file) was found."""
        if row is None or math.isnan(row):
            return bool(self.of_file) or column in self.columns_noted
        return int(row) in self.set_aside or (int(row), column) in self.noted


def examine(file: Path, manifest: Manifest) -> Found:
    """Everything found in one delivered file, the manifest's faults included."""
    schema = SCHEMAS[manifest.schema_name]
    found = Found(of_file={fault.check for fault in manifest_faults(manifest, a_project(), SCHEMAS, NOW.date())})
    found.rejected = bool(found.of_file)
    validator = Validator(schema, manifest.period, salt=b"")
    try:
        for batch in read_batches(PlainFile(file), schema):
            divided = validator.sort(batch)
            aside = divided.quarantined
            found.set_aside |= dict(zip(aside["record"].to_pylist(), aside["reasons"].to_pylist(), strict=True))
            for remark in divided.remarks:
                found.noted |= {(row, remark.column) for row in remark.rows}
                found.columns_noted.add(remark.column)
                found.of_file |= set() if remark.rows else {remark.note.value}
    except BadInput as broken:
        found.of_file |= {fault.check for fault in broken.faults}
        found.rejected = True
    found.received, found.accepted = validator.tally.received, validator.tally.accepted
    return found


def measure_recall(country: Path) -> tuple[dict[str, Found], Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Findings per file, and planted and found defects by (class, kind), from ``truth/defects.parquet``.

    Rows of files that are rejected as a whole are left out.
    """
    files = {}
    for path in sorted(country.glob("deliveries/*/*.manifest.yaml")):
        manifest = read_manifest(path)
        files[f"{path.parent.name}/{manifest.file.name}"] = examine(path.parent / manifest.file.name, manifest)
    planted: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    for defect in ledger(country):
        in_file = defect["row"] is None or math.isnan(defect["row"])
        if files[defect["file"]].rejected and not in_file:
            continue  # of a rejected file nothing goes on, and its rows are not looked at one by one
        key = (defect["class"], defect["kind"])
        planted[key] += 1
        found[key] += files[defect["file"]].holds(defect["row"], defect["column"])
    return files, planted, found


def ledger(country: Path) -> list[dict[str, Any]]:
    """The planted defects."""
    rows: list[dict[str, Any]] = pq.read_table(country / "truth" / "defects.parquet").to_pylist()
    return rows


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dirty") / "country"
    make_country(out, persons=PERSONS, seed=4, dirty=True)
    return out


def test_every_syntactic_defect_is_found_and_no_row_is_lost_or_set_aside_wrongly(dirty: Path) -> None:
    files, planted, found = measure_recall(dirty)
    syntactic = {key for key in planted if key[0] == "syntactic"}
    total = sum(planted[key] for key in syntactic)
    assert total > 400
    recall = sum(found[key] for key in syntactic) / total
    assert recall >= 0.99, {key: (found[key], planted[key]) for key in syntactic if found[key] < planted[key]}
    for kind in ("bsn_eleven_test", "bsn_missing", "duplicate"):
        assert found["syntactic", kind] == planted["syntactic", kind] > 0
    marked = {(defect["file"], defect["row"]) for defect in ledger(dirty)}
    false_alarms = [(file, row) for file, seen in files.items() for row in seen.set_aside if (file, row) not in marked]
    assert false_alarms == []
    for file, seen in files.items():
        assert seen.received == seen.accepted + len(seen.set_aside), file


def test_every_delivery_of_the_clean_country_is_accepted_whole(tmp_path: Path) -> None:
    make_country(tmp_path / "country", persons=3000, seed=4)
    for path in sorted((tmp_path / "country").glob("deliveries/*/*.manifest.yaml")):
        manifest = read_manifest(path)
        found = examine(path.parent / manifest.file.name, manifest)
        assert not found.rejected and not found.set_aside and not found.of_file
        assert found.received == found.accepted == manifest.file.rows


@pytest.mark.sweep
def test_recall_holds_at_fifty_thousand_persons(tmp_path: Path) -> None:
    make_country(tmp_path / "country", persons=50_000, seed=2, dirty=True)
    _, planted, found = measure_recall(tmp_path / "country")
    syntactic = {key for key in planted if key[0] == "syntactic"}
    assert sum(found[key] for key in syntactic) >= 0.99 * sum(planted[key] for key in syntactic)
