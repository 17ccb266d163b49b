"""Seals and manifests that are refused, and leave what stands as it is."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from enclave.errors import BadInput, KeyUnavailable, StorageFailed, Tampered
from enclave.journal import Journal
from pseudonymise.manifest import parse_manifest
from pseudonymise.refusal import refusals
from pseudonymise.sealing import open_seal, seal_delivery
from tests.municipality.scenes import KILLED, played
from tests.pseudonymise.receiving import refused
from tests.pseudonymise.small_town import (
    Enclave,
    Row,
    csv_bytes,
    debt_rows,
    debt_xlsx,
    hemp_rows,
    manifest_fields,
)


def test_a_manifest_that_lies_about_the_rows_is_refused(standing: Enclave) -> None:
    file = standing.file("debt_assistance_2016.xlsx", lambda path: debt_xlsx(path, debt_rows(5)))
    error = refused(standing, standing.seal(file, "debt_assistance", 6), BadInput)
    assert "the manifest says 6 rows, the file holds 5" in str(error)


def test_a_manifest_that_lies_about_the_digest_is_refused(standing: Enclave, monkeypatch: pytest.MonkeyPatch) -> None:
    file = standing.file("debt_assistance_2016.xlsx", lambda path: debt_xlsx(path, debt_rows(5)))
    lie = manifest_fields(file, "debt_assistance", 5)
    lie["files"][0]["sha256"] = "0" * 64
    manifest = parse_manifest(lie)
    with pytest.raises(BadInput, match="not the one"):
        standing.seal_as(file, manifest)
    # a supplier with a tool of their own: the same seal, without the check that ours makes
    from pseudonymise import sealing

    class Trusting(sealing._Reader):
        def __init__(self, head: bytes, files: Any) -> None:
            super().__init__(head, files)
            self.digests = [_Zeros()]  # type: ignore[list-item]  # stands in for the digest

    class _Zeros:
        def update(self, _: bytes) -> None: ...
        def hexdigest(self) -> str:
            return "0" * 64

    monkeypatch.setattr(sealing, "_Reader", Trusting)
    sealed = standing.home / "lie.zicht"
    seal_delivery(file, manifest, standing.custody.seal_recipient("demo"), sealed)
    assert "digest the manifest gives" in str(refused(standing, sealed, BadInput))


def test_a_delivery_sealed_to_another_key_is_refused(standing: Enclave) -> None:
    file = standing.file("debt_assistance_2016.xlsx", lambda path: debt_xlsx(path, debt_rows(5)))
    manifest = parse_manifest(manifest_fields(file, "debt_assistance", 5))
    sealed = standing.home / "other.zicht"
    seal_delivery(file, manifest, standing.custody.seal_recipient("another-project"), sealed)
    refused(standing, sealed, KeyUnavailable)


@pytest.mark.parametrize("spoil", ["cut", "flip", "empty", "garbage", "head"])
def test_a_cut_off_or_altered_seal_is_refused(standing: Enclave, spoil: str) -> None:
    file = standing.file("debt_assistance_2016.xlsx", lambda path: debt_xlsx(path, debt_rows(5)))
    sealed = standing.seal(file, "debt_assistance", 5)
    content = bytearray(sealed.read_bytes())
    if spoil == "cut":
        content = content[:-100]
    elif spoil == "flip":
        content[len(content) // 2] ^= 1
    elif spoil == "empty":
        content = bytearray()
    elif spoil == "garbage":
        content = bytearray(b"PK" + bytes(200))
    else:
        content[5] ^= 1
    sealed.write_bytes(content)
    refused(standing, sealed, Tampered)


def test_every_flipped_byte_of_a_seal_is_noticed(enclave: Enclave) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(1)))
    sealed = enclave.seal(file, "hemp_clearances", 1)
    content = sealed.read_bytes()
    secret = enclave.custody.seal_identity("demo")
    for place in range(0, len(content), 7):
        sealed.write_bytes(content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :])
        with pytest.raises((Tampered, KeyUnavailable)):
            open_seal(sealed, secret)


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"legal_basis": " "}, "legal_basis"),
        ({"purpose": ""}, "purpose"),
        ({"contact": ""}, "contact"),
        ({"retention_date": "2016-12-31"}, "retention_date"),
        ({"retention_date": "2032-01-01"}, "retention_date"),
        ({"retention_date": "2026-03-01"}, "retention_date"),
        ({"period": "2014"}, "supplier"),
        ({"period": "2016-2014"}, "period"),
        ({"supplier": "kadaster"}, "supplier"),
        ({"schema": "unknown"}, "schema"),
        ({"schema_version": 2}, "schema_version"),
    ],
)
def test_a_manifest_without_basis_purpose_term_or_place_in_the_project_is_refused(
    enclave: Enclave, changes: Row, column: str
) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(2)))
    error = refused(enclave, enclave.seal(file, "hemp_clearances", 2, **changes), BadInput)
    assert isinstance(error, BadInput)
    assert column in {fault.column for fault in error.faults}


def test_all_faults_of_a_manifest_are_told_at_once(enclave: Enclave) -> None:
    file = enclave.file("h20161231.txt", csv_bytes(hemp_rows(2)))
    changes = {"legal_basis": "", "purpose": "", "contact": "", "supplier": "kadaster"}
    error = refused(enclave, enclave.seal(file, "hemp_clearances", 2, **changes), BadInput)
    assert isinstance(error, BadInput)
    assert {fault.check for fault in error.faults} == {"legal_basis", "purpose", "contact", "expected", "file_name"}


def test_a_full_disk_is_no_refusal(enclave: Enclave, monkeypatch: pytest.MonkeyPatch) -> None:
    """The office's own trouble is not the supplier's: no answer says so, and the delivery still waits."""

    def full(*_: object) -> None:
        raise StorageFailed("the disk is full")

    file = enclave.file("hemp.csv", csv_bytes(hemp_rows(3)))
    sealed = enclave.seal(file, "hemp_clearances", 3)
    monkeypatch.setattr("pseudonymise.receive._read_all", full)
    with pytest.raises(StorageFailed):
        enclave.receive(sealed)
    monkeypatch.undo()
    assert not refusals(enclave.journal.entries()) and enclave.actions() == ["delivery-refused"]
    assert not list(enclave.workspace.root.rglob("*.refused.json"))
    assert enclave.receive(sealed).accepted


def test_a_killed_refusal_is_finished_by_the_next_and_journalled_once(enclave: Enclave) -> None:
    file = enclave.file("hemp.csv", csv_bytes(hemp_rows(2)))
    sealed = enclave.seal(file, "hemp_clearances", 2, purpose="")
    kill_at, killed = 1, True
    while killed:
        root = enclave.home / f"part-{kill_at}"
        shutil.copytree(enclave.workspace.root, root)
        killed = played("receive", kill_at, root, sealed) == KILLED
        played("receive", 0, root, sealed)
        journal = Journal(root / "journal")
        journal.verify()
        assert [entry.action for entry in journal.entries()] == ["delivery-refused"]
        (answer,) = (root / "inbox/receipts").iterdir()
        head = json.loads(answer.read_text())["journal_head"]
        assert head["digest"] == journal.head().digest
        kill_at += 3
    assert kill_at > 4
