"""Files that belong together: one delivery, keys between them checked, all received or none."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from enclave.errors import BadInput, EnclaveError
from enclave.journal import Journal
from enclave.zones import Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.delivery import check_files, describe_files, seal
from pseudonymise.manifest import Manifest, parse_manifest
from pseudonymise.receive import receipts
from pseudonymise.references import reading_order
from pseudonymise.schemas import DeliverySchema, load_schemas
from pseudonymise.sealing import open_delivery
from tests.municipality.scenes import KILLED, played
from tests.pseudonymise.small_town import CONFIGS, SCHEMAS, Enclave, Row, bsns, csv_bytes, hemp_rows

CLEARANCES, OCCUPANTS = SCHEMAS["hemp_clearances"], SCHEMAS["hemp_occupants"]
DECLARED: dict[str, Any] = {
    "supplier": "GM9001",
    "period": "2016",
    "legal_basis": "CBS-wet, artikel 33",
    "purpose": "risk factors of hemp farms",
    "retention_date": "2030-12-31",
    "contact": "gegevensbeheer",
}


def occupants(count: int, cases: int) -> list[Row]:
    """Sound rows of ``hemp_occupants`` that refer to the first ``cases`` rows of ``hemp_clearances``."""
    numbers = bsns(99_950_000)
    return [{"dossier": f"H-{n % cases + 1:06d}", "bsn": next(numbers), "role": str(n % 3 + 1)} for n in range(count)]


def written(enclave: Enclave, cases: list[Row], people: list[Row]) -> list[tuple[Path, DeliverySchema]]:
    """Both files, the referring one first."""
    return [
        (enclave.file("hemp_occupants_2016.csv", csv_bytes(people)), OCCUPANTS),
        (enclave.file("hemp_clearances_2016.csv", csv_bytes(cases)), CLEARANCES),
    ]


def sealed(enclave: Enclave, files: list[tuple[Path, DeliverySchema]]) -> tuple[Path, Manifest]:
    counted = [(path, schema, len(path.read_bytes().splitlines()) - 1) for path, schema in files]
    manifest = describe_files(counted, **DECLARED)
    inbox = enclave.workspace.path(Zone.INBOX)
    return seal([path for path, _ in files], manifest, enclave.custody.seal_recipient("demo"), inbox), manifest


def test_both_files_are_accepted_each_with_a_receipt_that_names_the_other(enclave: Enclave) -> None:
    whole, manifest = sealed(enclave, written(enclave, hemp_rows(30), occupants(45, 30)))
    people, cases = enclave.receive_all(whole)
    assert (people.findings.accepted, cases.findings.accepted) == (45, 30)
    assert people.findings.parts == cases.findings.parts == tuple(part.delivery_id for part in manifest.parts())
    assert people.findings.delivery.replace("occupants", "clearances") == cases.findings.delivery
    assert enclave.accepted(people).column("role").to_pylist()[:3] == ["1", "2", "3"]
    assert enclave.accepted(cases).num_rows == 30
    for receipt in (people, cases):
        receipt.verify(enclave.custody.receipt_key().public)
    assert enclave.receive_all(whole) == (people, cases)


def test_rows_that_refer_to_nothing_are_told_at_home_and_set_aside_in_the_enclave(enclave: Enclave) -> None:
    cases, people = hemp_rows(30), occupants(45, 30)
    people[4]["dossier"] = "H-999999"
    cases[9]["plants"] = "veel"  # set aside: what refers to it refers to nothing
    files = written(enclave, cases, people)
    at_home, of_cases = check_files(files, "2016")
    assert [(fault.check, fault.rows) for fault in at_home.row_faults] == [("unknown_key", (5, 10, 40))]
    assert "refers to a record that the other file does not hold" in str(at_home)
    assert of_cases.quarantined == 1
    answered, _ = enclave.receive_all(sealed(enclave, files)[0])
    assert answered.findings.by_reason == {"dossier:unknown_key": 3}
    assert enclave.quarantined(answered).column("record").to_pylist() == [5, 10, 40]


def test_a_reference_that_does_not_hold_its_form_has_one_fault(enclave: Enclave) -> None:
    people = occupants(45, 30)
    people[0]["dossier"] = ""
    at_home, _ = check_files(written(enclave, hemp_rows(30), people), "2016")
    assert [(fault.column, fault.check) for fault in at_home.row_faults] == [("dossier", "missing")]


def test_one_bad_file_rejects_the_whole_delivery(enclave: Enclave) -> None:
    cases = [{**row, "plants": "x"} for row in hemp_rows(30)]
    people, of_cases = enclave.receive_all(sealed(enclave, written(enclave, cases, occupants(45, 30)))[0])
    assert (people.accepted, of_cases.accepted) == (False, False)
    assert not list(enclave.workspace.path(Zone.IDENTIFIED).rglob("*.parquet"))
    assert "plants:not_a_number" in of_cases.findings.by_reason


def test_a_file_that_comes_without_the_one_it_refers_to_is_refused(enclave: Enclave) -> None:
    alone = written(enclave, hemp_rows(30), occupants(45, 30))[:1]
    (report,) = check_files(alone, "2016")
    assert not report.acceptable
    assert "refers to a file hemp_clearances: deliver them together" in str(report)
    with pytest.raises(BadInput, match="deliver them together"):
        enclave.receive_all(sealed(enclave, alone)[0])


def test_every_byte_of_every_file_in_a_seal_is_verified(enclave: Enclave) -> None:
    files = written(enclave, hemp_rows(30), occupants(45, 30))
    whole, manifest = sealed(enclave, files)
    parts = open_delivery(whole, enclave.custody.seal_identity("demo")).files
    for part, (path, _) in zip(parts, files, strict=True):
        with part.stream() as handle:
            assert handle.read() == path.read_bytes()
        with part.whole() as place:
            assert place.read_bytes() == path.read_bytes()
    swapped = [files[1][0], files[0][0]]
    with pytest.raises(BadInput, match="not the one"):
        seal(swapped, manifest, enclave.custody.seal_recipient("demo"), enclave.home)


def test_files_of_one_delivery_have_schemas_of_their_own(enclave: Enclave) -> None:
    (_, _), (path, schema) = written(enclave, hemp_rows(30), occupants(45, 30))
    with pytest.raises(BadInput, match="same schema"):
        check_files([(path, schema), (path, schema)], "2016")
    listed = {"name": path.name, "sha256": "0" * 64, "rows": 30}
    fields = {**DECLARED, "schema": schema.name, "schema_version": 1}
    with pytest.raises(BadInput) as caught:
        parse_manifest({**fields, "files": [listed, listed]})
    assert "each needs a schema of its own" in str(caught.value)


def test_files_are_read_after_those_they_refer_to() -> None:
    assert reading_order([OCCUPANTS, CLEARANCES]) == (1, 0)
    back = {"columns": ("dossier",), "schema": "hemp_occupants", "to": ("dossier",)}
    circle = DeliverySchema.model_validate(
        {**CLEARANCES.model_dump(by_alias=True), "rules": {**CLEARANCES.rules.model_dump(), "refers": [back]}}
    )
    with pytest.raises(BadInput, match="in a circle"):
        reading_order([OCCUPANTS, circle])


def test_a_schema_that_refers_to_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in ("hemp_clearances", "hemp_occupants"):
        text = (CONFIGS / "schemas" / f"{name}.yaml").read_text(encoding="utf-8")
        (tmp_path / f"{name}.yaml").write_text(text.replace("to: [dossier]", "to: [case]"), encoding="utf-8")
    with pytest.raises(BadInput, match="refers to columns that schema hemp_clearances does not have"):
        load_schemas(tmp_path)


def test_several_files_have_several_receipts(enclave: Enclave) -> None:
    whole, _ = sealed(enclave, written(enclave, hemp_rows(3), occupants(3, 3)))
    with pytest.raises(EnclaveError, match="several files"):
        enclave.receive(whole)


def check_killed(enclave: Enclave, root: Path, kill_at: int) -> bool:
    """Whether the kill came before the end."""
    whole, _ = sealed(enclave, written(enclave, hemp_rows(20), occupants(25, 20)))
    undisturbed, part = copied(enclave, root / f"whole-{kill_at}"), copied(enclave, root / f"killed-{kill_at}")
    expected = undisturbed.receive_all(whole)
    killed = played("receive", kill_at, part.workspace.root, whole) == KILLED
    assert len(receipts(part.workspace, part.custody)) in (0, 2)
    again = part.receive_all(whole)
    for one, other in zip(again, expected, strict=True):
        assert part.accepted(one).equals(undisturbed.accepted(other), check_metadata=True)
    assert set(part.bytes_of_zones()) == set(undisturbed.bytes_of_zones())
    part.journal.verify()
    return killed


@pytest.mark.parametrize("kill_at", [6, 16, 22, 28])
def test_a_kill_leaves_both_files_to_be_received_or_neither(enclave: Enclave, tmp_path: Path, kill_at: int) -> None:
    assert check_killed(enclave, tmp_path, kill_at)


@pytest.mark.sweep
def test_a_kill_at_every_operation_leaves_both_files_or_neither(enclave: Enclave, tmp_path: Path) -> None:
    kill_at = 1
    while check_killed(enclave, tmp_path, kill_at):
        kill_at += 1
    assert kill_at > 20


def copied(enclave: Enclave, root: Path) -> Enclave:
    shutil.copytree(enclave.workspace.root, root)
    workspace = Workspace(root)
    custody = Custody.open(workspace.path(Zone.KEY), b"een zin")
    return replace(enclave, workspace=workspace, custody=custody, journal=Journal(workspace.journal))
