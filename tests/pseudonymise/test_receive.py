"""Receiving: what goes on, what is set aside, what is refused, and what is left as it was."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from enclave.errors import BadInput, KeyUnavailable, NotReady, StorageFailed, Tampered
from enclave.frames import open_frame
from enclave.zones import Identified, Zone
from pseudonymise.manifest import parse_manifest
from pseudonymise.receipt import Findings, load_receipt
from pseudonymise.receive import accepted_frame, receipts
from pseudonymise.sealing import open_seal, seal_delivery
from tests.pseudonymise.small_town import (
    NOW,
    SCHEMAS,
    Enclave,
    Row,
    bsns,
    csv_bytes,
    debt_rows,
    debt_xlsx,
    hemp_rows,
    manifest_fields,
    tax_rows,
    tax_sav,
    write_xlsx,
)


@pytest.fixture(scope="module")
def shared_enclave(tmp_path_factory: pytest.TempPathFactory) -> Enclave:
    return Enclave.at(tmp_path_factory.mktemp("enclave"))


@pytest.fixture
def enclave(tmp_path: Path) -> Enclave:
    return Enclave.at(tmp_path)


def changed(rows: list[Row], place: int, **values: Any) -> list[Row]:
    return [{**row, **values} if number == place else row for number, row in enumerate(rows)]


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
        assert load_receipt(path, key) == receipt
    assert enclave.journal.head().digest == receipt.journal_head.digest
    path = enclave.workspace.path(Zone.INBOX) / "receipts" / f"{receipt.findings.delivery}.json"
    fields = json.loads(path.read_text())
    fields["findings"]["accepted"], fields["findings"]["quarantined"] = 2, 1
    path.write_text(json.dumps(fields))
    with pytest.raises(Tampered, match="does not hold"):
        load_receipt(path, key)
    path.write_text("{}")
    with pytest.raises(Tampered, match="not whole"):
        load_receipt(path, key)
    with pytest.raises(BadInput, match="no such receipt"):
        load_receipt(path.with_name("none.json"), key)
    with pytest.raises(Tampered, match="another key"):
        receipt.verify(type(enclave.custody.receipt_key()).generate().public)


def test_more_bad_rows_than_tolerated_reject_the_delivery_and_nothing_goes_on(enclave: Enclave) -> None:
    rows = [{**row, "plants": "x"} if place < 4 else row for place, row in enumerate(hemp_rows(30))]
    receipt = enclave.hemp(rows)
    assert not receipt.accepted
    found = receipt.findings
    assert (found.received, found.accepted, found.quarantined) == (30, 0, 30)
    assert found.by_reason == {":delivery_rejected": 26, "plants:not_a_number": 4}
    assert any(fault.check == "tolerance" for fault in found.faults)
    assert any(fault.check == "not_a_number" and fault.rows == (1, 2, 3, 4) for fault in found.faults)
    assert not list(enclave.workspace.path(Zone.IDENTIFIED).rglob("*.parquet"))
    with pytest.raises(NotReady):
        accepted_frame(receipt, enclave.workspace, custody=enclave.custody)
    assert enclave.actions() == ["delivery-rejected"]


def test_exactly_the_tolerated_share_is_accepted(enclave: Enclave) -> None:
    rows = [{**row, "plants": "x"} if place < 3 else row for place, row in enumerate(hemp_rows(30))]
    assert SCHEMAS["hemp_clearances"].tolerance == 0.1
    assert enclave.hemp(rows).accepted


@pytest.mark.parametrize(
    ("content", "check"),
    [
        (csv_bytes(hemp_rows(5))[:-30], "truncated"),
        (csv_bytes(hemp_rows(5))[:-45].rstrip(b'"'), "truncated"),
        (csv_bytes(hemp_rows(5), encoding="utf-8"), "encoding"),
        (csv_bytes(hemp_rows(5), encoding="utf-16"), "encoding"),
        (csv_bytes(hemp_rows(5)).replace(b";", b","), "separator"),
        (csv_bytes(hemp_rows(5)).replace(b"van Verzonnen", b"van \x81\xeb", 1), "encoding"),
        (csv_bytes(hemp_rows(5)).split(b"\r\n", 1)[1], "header"),
        (csv_bytes(hemp_rows(5)).replace(b'"plants"', b'"dossier"', 1), "double_column"),
        (b"", "empty"),
    ],
)
def test_a_csv_file_that_is_broken_as_a_whole_is_rejected(enclave: Enclave, content: bytes, check: str) -> None:
    file = enclave.file("hemp_clearances_2016.csv", content)
    receipt = enclave.receive(enclave.seal(file, "hemp_clearances", 5))
    assert not receipt.accepted
    assert check in {fault.check for fault in receipt.findings.faults}
    assert (receipt.findings.received, receipt.findings.quarantined) == (5, 5)
    assert not list(enclave.workspace.path(Zone.IDENTIFIED).rglob("*.parquet"))


def test_missing_extra_and_renamed_columns_are_all_named_at_once(enclave: Enclave) -> None:
    rows = [
        {("Post code" if name == "postcode" else name): value for name, value in row.items() if name != "plants"}
        | {"telefoonnummer": "0612345678"}
        for row in hemp_rows(3)
    ]
    receipt = enclave.hemp(rows)
    faults = {(fault.check, fault.column): fault.message for fault in receipt.findings.faults}
    assert ("missing_column", "plants") in faults
    assert ("missing_column", "postcode") in faults
    messages = " ".join(faults.values()) + " ".join(fault.message for fault in receipt.findings.faults)
    assert "did you mean postcode?" in messages
    assert "telefoonnummer" not in messages
    assert len(receipt.findings.faults) == 4


def test_a_file_of_another_period_is_rejected(enclave: Enclave) -> None:
    rows = [{**row, "clearance_date": "05-06-2009"} for row in hemp_rows(20)]
    receipt = enclave.hemp(rows)
    assert not receipt.accepted
    assert "period" in {fault.check for fault in receipt.findings.faults}
    assert receipt.findings.by_reason["clearance_date:other_period"] == 20


def test_a_file_with_a_byte_order_mark_is_accepted_and_said_so(enclave: Enclave) -> None:
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(3), encoding="utf-8-sig"))
    receipt = enclave.receive(enclave.seal(file, "hemp_clearances", 3))
    assert receipt.accepted
    assert receipt.findings.notes == {":byte_order_mark": 1}
    assert enclave.accepted(receipt).column("occupant_name").to_pylist() == ["Noël van Verzonnen"] * 3


def test_invalid_missing_and_doubled_bsns_are_set_aside(enclave: Enclave) -> None:
    rows = debt_rows(60)
    rows = changed(rows, 0, bsn="123456789")
    rows = changed(rows, 1, bsn=None)
    rows = changed(rows, 2, bsn="000000000")
    rows = changed(rows, 3, bsn="99x")
    rows = changed(rows, 5, bsn=rows[4]["bsn"], start_date=rows[4]["start_date"])
    file = enclave.file("debt_assistance_2016.xlsx", lambda path: debt_xlsx(path, rows))
    receipt = enclave.receive(enclave.seal(file, "debt_assistance", 60))
    assert receipt.findings.by_reason == {
        "bsn+start_date:duplicate": 1,
        "bsn:all_zero": 1,
        "bsn:failed_check": 1,
        "bsn:malformed": 1,
        "bsn:missing": 1,
    }
    assert (receipt.findings.accepted, receipt.findings.quarantined) == (55, 5)


def test_a_lost_leading_zero_comes_back_where_the_eleven_test_confirms_it(enclave: Enclave) -> None:
    with_zero = next(bsns(9_990_000))
    assert with_zero.startswith("0")
    rows = changed(debt_rows(30), 0, bsn=int(with_zero))
    file = enclave.file("debt_assistance_2016.xlsx", lambda path: debt_xlsx(path, rows))
    receipt = enclave.receive(enclave.seal(file, "debt_assistance", 30))
    assert enclave.accepted(receipt).column("bsn")[0].as_py() == with_zero
    assert receipt.findings.notes == {"bsn:repaired": 1, "bsn:text_as_number": 1}


def test_numbers_stored_as_text_are_read_and_said_so(enclave: Enclave) -> None:
    rows = changed(changed(debt_rows(30), 0, debt_eur="1.250,25"), 1, creditors="12")
    file = enclave.file("debt_assistance_2016.xlsx", lambda path: debt_xlsx(path, rows))
    receipt = enclave.receive(enclave.seal(file, "debt_assistance", 30))
    table = enclave.accepted(receipt)
    assert table.column("debt_eur").to_pylist()[:3] == [1250.25, 15250.75, 15250.75]
    assert table.column("creditors").to_pylist()[1] == 12
    assert receipt.findings.notes == {
        "creditors:number_as_text": 1,
        "debt_eur:number_as_text": 1,
        "debt_eur:variant": 1,
    }
    assert table.column("start_date").to_pylist()[0] == "20140302"


def test_a_merged_header_is_rejected_with_the_row_of_the_real_one(enclave: Enclave) -> None:
    rows = debt_rows(3)
    sheet = [["persoon", *[None] * 12], list(rows[0]), *([*row.values()] for row in rows)]
    file = enclave.file("debt_assistance_2016.xlsx", lambda path: write_xlsx(path, sheet))
    receipt = enclave.receive(enclave.seal(file, "debt_assistance", 3))
    (fault,) = receipt.findings.faults
    assert (fault.check, receipt.accepted) == ("merged_header", False)
    assert "row 2 of the sheet" in fault.message


def test_user_missing_values_of_spss_are_empty_and_counted(enclave: Enclave) -> None:
    rows = changed(changed(tax_rows(40), 3, woz_value=9999999998.0), 4, owner_name="ONBEKEND")
    missing = {"woz_value": [{"lo": 9999999990, "hi": 9999999999}], "owner_name": ["ONBEKEND"]}
    file = enclave.file("property_tax_2016.sav", lambda path: tax_sav(path, rows, missing_ranges=missing))
    receipt = enclave.receive(enclave.seal(file, "property_tax", 40))
    table = enclave.accepted(receipt)
    assert table.column("woz_value").to_pylist()[3:5] == [None, 215000]
    assert table.column("owner_name").to_pylist()[3:5] == ["Verzonnen", ""]
    assert receipt.findings.notes == {"owner_name:user_missing": 1, "woz_value:user_missing": 1}
    assert table.column("owner_kind").to_pylist()[:2] == ["1", "1"]


def test_rules_between_columns_hold(enclave: Enclave) -> None:
    rows = changed(tax_rows(60), 0, owner_bsn="")
    rows = changed(rows, 1, owner_bsn="", owner_rsin=next(bsns(88_000_000)))
    rows = changed(rows, 2, owner_bsn="", owner_rsin=next(bsns(88_000_000)), owner_kind=2.0)
    rows = changed(rows, 3, owner_bsn="123456789")
    rows = changed(rows, 4, owner_kind=3.0)
    file = enclave.file("property_tax_2016.sav", lambda path: tax_sav(path, rows))
    receipt = enclave.receive(enclave.seal(file, "property_tax", 60))
    assert receipt.findings.by_reason == {
        "owner_bsn+owner_rsin+owner_kvk:none_filled": 1,
        "owner_bsn:failed_check": 1,
        "owner_bsn:missing": 2,
        "owner_kind:not_in_list": 1,
    }
    debts = changed(debt_rows(30), 0, end_date=debt_rows(1)[0]["start_date"] - timedelta(days=1))
    file = enclave.file("debt_assistance_2016.xlsx", lambda path: debt_xlsx(path, debts))
    receipt = enclave.receive(enclave.seal(file, "debt_assistance", 30))
    assert receipt.findings.by_reason == {"start_date+end_date:wrong_order": 1}


def refused(enclave: Enclave, sealed: Path, error: type[Exception]) -> Exception:
    before = enclave.bytes_of_zones()
    with pytest.raises(error) as caught:
        enclave.receive(sealed)
    assert enclave.bytes_of_zones() == before
    assert enclave.actions()[-1] == "delivery-refused"
    return caught.value


@pytest.fixture
def standing(enclave: Enclave) -> Iterator[Enclave]:
    """An enclave with one accepted delivery, which is as it was afterwards."""
    first = enclave.hemp(hemp_rows(4))
    table = enclave.accepted(first)
    yield enclave
    assert enclave.accepted(first).equals(table)
    enclave.journal.verify()


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
        def __init__(self, head: bytes, file: Any) -> None:
            super().__init__(head, file)
            self.digest = _Zeros()

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
    assert "column plants, row 1, 2, 3: not a number" in text


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
