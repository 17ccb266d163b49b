"""Files that are rejected or repaired as they are received: each defect of real deliveries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from enclave.errors import NotReady
from enclave.zones import Zone
from pseudonymise.receive import accepted_frame
from tests.pseudonymise.receiving import changed
from tests.pseudonymise.small_town import (
    SCHEMAS,
    Enclave,
    bsns,
    csv_bytes,
    debt_rows,
    debt_xlsx,
    hemp_rows,
    tax_rows,
    tax_sav,
    write_xlsx,
)


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
    rows = changed(tax_rows(60), 0, owner_bsn="", owner_name="")
    rows = changed(rows, 1, owner_bsn="", owner_rsin=next(bsns(88_000_000)))
    rows = changed(rows, 2, owner_bsn="", owner_rsin=next(bsns(88_000_000)), owner_kind=2.0)
    rows = changed(rows, 3, owner_bsn="123456789")
    rows = changed(rows, 4, owner_kind=3.0)
    file = enclave.file("property_tax_2016.sav", lambda path: tax_sav(path, rows))
    receipt = enclave.receive(enclave.seal(file, "property_tax", 60))
    assert receipt.findings.by_reason == {
        "owner_bsn+owner_rsin+owner_kvk+owner_name:none_filled": 1,
        "owner_bsn:failed_check": 1,
        "owner_bsn:missing": 2,
        "owner_kind:not_in_list": 1,
    }
    debts = changed(debt_rows(30), 0, end_date=debt_rows(1)[0]["start_date"] - timedelta(days=1))
    file = enclave.file("debt_assistance_2016.xlsx", lambda path: debt_xlsx(path, debts))
    receipt = enclave.receive(enclave.seal(file, "debt_assistance", 30))
    assert receipt.findings.by_reason == {"start_date+end_date:wrong_order": 1}
