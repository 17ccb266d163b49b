"""Receiving a delivery: sound rows go on, bad ones are set aside, and the answer is the same again."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from enclave.errors import BadInput, StorageFailed, Tampered
from enclave.fingerprints import digest_json
from enclave.frames import open_frame
from enclave.zones import Identified, Zone
from pseudonymise.manifest import parse_manifest
from pseudonymise.receipt import Findings, Receipt
from pseudonymise.receive import accepted_frame, receipts
from pseudonymise.sealing import seal_delivery
from tests.pseudonymise.receiving import changed, refused
from tests.pseudonymise.small_town import (
    NOW,
    Enclave,
    csv_bytes,
    debt_rows,
    debt_xlsx,
    hemp_rows,
    manifest_fields,
)


def test_sound_rows_go_on_typed_canonical_and_encrypted(enclave: Enclave) -> None:
    rows = changed(
        hemp_rows(30), 2, postcode="1234 ab", damage_eur="1.234.567,50", occupant_bsn="", remark="een\r\ntwee"
    )
    receipt = enclave.hemp(rows)
    assert (receipt.findings.received, receipt.findings.accepted, receipt.findings.quarantined) == (30, 30, 0)
    table = enclave.accepted(receipt)
    assert table.column("record").to_pylist() == list(range(1, 31))
    third = table.slice(2, 1).to_pylist()[0]
    assert third["postcode"] == "1234AB"
    assert third["damage_eur"] == 1234567.5
    assert third["occupant_bsn"] == ""
    assert third["clearance_date"] == "20160404"
    assert third["remark"] == "een\r\ntwee"
    assert third["occupant_name"] == "Noël van Verzonnen"
    file = enclave.workspace.path(Zone.IDENTIFIED) / "GM9001" / "hemp_clearances_2016.parquet"
    assert b"Verzonnen" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    with pytest.raises(Tampered, match="not under this key"):
        open_frame(file, Identified)


def test_the_frame_says_what_each_column_is(enclave: Enclave) -> None:
    frame = accepted_frame(enclave.hemp(hemp_rows(3)), enclave.workspace, custody=enclave.custody)
    assert frame.manifest.column_names("record") == ("record",)
    assert {"occupant_bsn", "occupant_name", "bag_id"} <= set(frame.manifest.column_names("identifier"))
    assert frame.manifest.column_names("text") == ("remark",)
    assert (frame.manifest.retention_date, frame.manifest.period) == ("2030-12-31", "2016")


def test_bad_rows_are_set_aside_with_reasons_and_counted(enclave: Enclave) -> None:
    rows = hemp_rows(60)
    rows = changed(rows, 0, occupant_bsn="123456789")
    rows = changed(rows, 9, plants="veel", damage_eur="12.34,5")
    rows = changed(rows, 19, dossier=rows[18]["dossier"])
    rows = changed(rows, 29, clearance_date="31-02-2016")
    receipt = enclave.hemp(rows)
    found = receipt.findings
    assert (found.received, found.accepted, found.quarantined) == (60, 56, 4)
    assert found.by_reason == {
        "clearance_date:not_a_date": 1,
        "damage_eur:not_a_number": 1,
        "dossier:duplicate": 1,
        "occupant_bsn:failed_check": 1,
        "plants:not_a_number": 1,
    }
    aside = enclave.quarantined(receipt)
    assert aside.column("record").to_pylist() == [1, 10, 20, 30]
    assert aside.column("reasons").to_pylist()[1] == "damage_eur:not_a_number; plants:not_a_number"
    assert aside.column("plants").to_pylist()[1] == "veel"
    assert set(enclave.accepted(receipt).column("record").to_pylist()) == set(range(1, 61)) - {1, 10, 20, 30}


def test_a_receipt_is_signed_and_holds_the_journal_head(enclave: Enclave) -> None:
    receipt = enclave.hemp(hemp_rows(3))
    key = enclave.custody.receipt_key().public
    for zone in (Zone.IDENTIFIED, Zone.INBOX):
        path = enclave.workspace.path(zone) / "receipts" / f"{receipt.findings.delivery}.json"
        assert Receipt.load(path, key) == receipt
    assert enclave.journal.head().digest == receipt.journal_head.digest
    path = enclave.workspace.path(Zone.INBOX) / "receipts" / f"{receipt.findings.delivery}.json"
    fields = json.loads(path.read_text())
    fields["findings"]["accepted"], fields["findings"]["quarantined"] = 2, 1
    path.write_text(json.dumps(fields))
    with pytest.raises(Tampered, match="does not hold"):
        Receipt.load(path, key)
    path.write_text("{}")
    with pytest.raises(Tampered, match="not whole"):
        Receipt.load(path, key)
    with pytest.raises(BadInput, match="no such receipt"):
        Receipt.load(path.with_name("none.json"), key)
    with pytest.raises(Tampered, match="another key"):
        receipt.verify(type(enclave.custody.receipt_key()).generate().public)


def test_a_delivery_handed_in_twice_is_recognised_and_gets_the_same_receipt(enclave: Enclave) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(4)))
    sealed = enclave.seal(file, "hemp_clearances", 4)
    first = enclave.receive(sealed)
    before = enclave.bytes_of_zones()
    assert enclave.receive(sealed, now=NOW + timedelta(days=1)) == first
    assert enclave.bytes_of_zones() == before
    assert enclave.actions() == ["delivery-accepted", "delivery-seen-before"]


def test_another_delivery_for_the_same_place_does_not_replace_the_first(standing: Enclave) -> None:
    file = standing.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(9)))
    error = refused(standing, standing.seal(file, "hemp_clearances", 9), BadInput)
    assert "withdraw it first" in str(error)


def test_a_rejected_delivery_may_be_corrected(enclave: Enclave) -> None:
    bad = enclave.hemp([{**row, "plants": "x"} for row in hemp_rows(4)])
    good = enclave.hemp(hemp_rows(4))
    assert (bad.accepted, good.accepted) == (False, True)
    assert [receipt.accepted for receipt in receipts(enclave.workspace, enclave.custody)].count(True) == 1


def test_a_changed_frame_is_noticed_and_a_lost_one_made_again(enclave: Enclave) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(4)))
    sealed = enclave.seal(file, "hemp_clearances", 4)
    first = enclave.receive(sealed)
    table = enclave.accepted(first)
    frame = enclave.workspace.path(Zone.IDENTIFIED) / "GM9001" / "hemp_clearances_2016.parquet"
    content = frame.read_bytes()
    frame.chmod(0o600)
    frame.write_bytes(content[:-20] + bytes(20))
    with pytest.raises(Tampered, match="other bytes"):
        enclave.receive(sealed)
    with pytest.raises(Tampered, match="differ"):
        accepted_frame(first, enclave.workspace, custody=enclave.custody)
    frame.unlink()
    again = enclave.receive(sealed)
    assert enclave.accepted(again).equals(table)
    assert accepted_frame(again, enclave.workspace, custody=enclave.custody).rows == 4


def test_a_receipt_that_was_never_written_is_made_from_the_journal(enclave: Enclave) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(4)))
    sealed = enclave.seal(file, "hemp_clearances", 4)
    first = enclave.receive(sealed)
    before = enclave.bytes_of_zones()
    for zone in (Zone.IDENTIFIED, Zone.INBOX):
        (enclave.workspace.path(zone) / "receipts" / f"{first.findings.delivery}.json").unlink()
    assert enclave.receive(sealed, now=NOW + timedelta(days=1)) == first
    assert enclave.bytes_of_zones() == before
    assert enclave.actions() == ["delivery-accepted"]


def test_kept_findings_of_another_moment_give_no_receipt(enclave: Enclave) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(4)))
    sealed = enclave.seal(file, "hemp_clearances", 4)
    found = enclave.receive(sealed).findings
    (enclave.workspace.path(Zone.IDENTIFIED) / "receipts" / f"{found.delivery}.json").unlink()
    kept = enclave.workspace.path(Zone.IDENTIFIED) / "findings" / f"{found.delivery}.json"
    kept.write_text(kept.read_text().replace(found.purpose, "another purpose"))
    assert enclave.receive(sealed).findings.purpose == found.purpose
    assert enclave.actions() == ["delivery-accepted", "delivery-accepted"]


def test_a_count_that_was_changed_within_its_class_is_signed_in_no_receipt(enclave: Enclave) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(4)))
    sealed = enclave.seal(file, "hemp_clearances", 4)
    found = enclave.receive(sealed).findings
    for zone in (Zone.IDENTIFIED, Zone.INBOX):
        (enclave.workspace.path(zone) / "receipts" / f"{found.delivery}.json").unlink()
    path = enclave.workspace.path(Zone.IDENTIFIED) / "findings" / f"{found.delivery}.json"
    kept = json.loads(path.read_bytes())
    kept["findings"]["received"] = kept["findings"]["accepted"] = 9
    path.write_text(json.dumps(kept))
    assert enclave.receive(sealed).findings.received == 4


def test_the_journal_confirms_no_guess_of_a_delivered_file(enclave: Enclave) -> None:
    found = enclave.hemp(hemp_rows(4)).findings
    said = (enclave.workspace.journal / "journal.jsonl").read_text()
    assert found.sealed_sha256 in said
    assert found.sha256 not in said
    assert digest_json(found.as_json()) not in said


@pytest.mark.parametrize(("rows", "bad", "said"), [(4, 0, "<10"), (57, 3, "10-99"), (10, 0, "10-99")])
def test_the_journal_holds_classes_of_rows_and_no_small_count(enclave: Enclave, rows: int, bad: int, said: str) -> None:
    delivered = hemp_rows(rows)
    for row in delivered[:bad]:
        row["clearance_date"] = "onbekend"
    found = enclave.hemp(delivered).findings
    (entry,) = enclave.journal.entries()
    assert found.received == rows
    assert entry.details["received"] == said
    assert entry.details["quarantined"] == ("<10" if bad else "0")
    text = json.dumps(dict(entry.details)["faults"])
    assert "rows" not in text
    assert "message" not in text


def test_a_refused_delivery_leaves_no_number_of_rows_in_the_journal(enclave: Enclave) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(4)))
    with pytest.raises(BadInput, match="the manifest says 7 rows, the file holds 4"):
        enclave.receive(enclave.seal(file, "hemp_clearances", 7))
    (entry,) = enclave.journal.entries()
    assert entry.details["faults"] == ["row_count"]


def test_findings_that_lose_a_row_cannot_be_made(enclave: Enclave) -> None:
    fields = enclave.hemp(hemp_rows(3)).findings.as_json()
    with pytest.raises(ValueError, match="received rows must be accepted or quarantined"):
        Findings.model_validate({**fields, "accepted": 2})


def test_the_accepted_frame_is_found_from_the_manifest_too(enclave: Enclave) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(3)))
    manifest = parse_manifest(manifest_fields(file, "hemp_clearances", 3))
    assert enclave.receive(enclave.seal_as(file, manifest)).accepted
    assert accepted_frame(manifest, enclave.workspace, custody=enclave.custody).rows == 3


def test_a_rejection_says_why_in_its_text(enclave: Enclave) -> None:
    text = str(enclave.hemp([{**row, "plants": "x"} for row in hemp_rows(3)]))
    assert "rejected; received 3, accepted 0, quarantined 3" in text
    assert "column plants, row 1, 2, 3: not a whole number" in text


def test_a_sealed_file_that_is_not_there_is_told(enclave: Enclave) -> None:
    with pytest.raises(BadInput, match="no such sealed delivery"):
        enclave.receive(enclave.home / "none.zicht")


def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path) -> None:
    import os
    import subprocess

    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=640k", "tmpfs", disk], check=False).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    try:
        enclave = Enclave.at(disk)
        first = enclave.hemp(hemp_rows(4))
        table = enclave.accepted(first)
        rows = debt_rows(12_000)
        home = tmp_path / "debt_assistance_2016.xlsx"
        debt_xlsx(home, rows)
        manifest = parse_manifest(manifest_fields(home, "debt_assistance", len(rows)))
        sealed = tmp_path / "sealed.zicht"
        seal_delivery(home, manifest, enclave.custody.seal_recipient("demo"), sealed)
        filler = disk / "filler"
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        filler.write_bytes(bytes(max(free - 60_000, 0)))
        before = enclave.bytes_of_zones()
        with pytest.raises(StorageFailed, match="the disk is full"):
            enclave.receive(sealed)
        assert enclave.bytes_of_zones() == before
        with pytest.raises(StorageFailed, match="the disk is full"):
            seal_delivery(home, manifest, enclave.custody.seal_recipient("demo"), disk / "sealed.zicht")
        assert enclave.bytes_of_zones() == before
        filler.unlink()
        assert enclave.accepted(first).equals(table)
        enclave.journal.verify()
    finally:
        subprocess.run(["/bin/umount", disk], check=False)
