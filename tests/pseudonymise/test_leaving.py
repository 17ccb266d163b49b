"""What would be left of a delivery is scanned at home and at receipt by the rule that pseudonymisation refuses by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from enclave.zones import Identified, Zone
from pseudonymise.clerk_report import Language, receipt_text, report_text
from pseudonymise.delivery import CheckReport, check_file, check_files
from pseudonymise.formats.batch import Note
from pseudonymise.pseudonymise import pseudonymise
from pseudonymise.receive import accepted_frame
from pseudonymise.row_list import row_list
from pseudonymise.schemas import DeliverySchema
from tests.pseudonymise.small_town import SCHEMAS, Enclave, csv_bytes, hemp_rows

HEMP = SCHEMAS["hemp_clearances"]
BSN = "123456782"  # 9+16+21+24+25+24+21+16−2 = 154 = 14 × 11


def remarked(remark: str, **other: str) -> list[dict[str, Any]]:
    """Thirty rows of which the fourth has the remark."""
    rows = hemp_rows(30)
    rows[3] |= {"remark": remark, **other}
    return rows


def checked(folder: Path, rows: list[dict[str, Any]], schema: DeliverySchema = HEMP) -> CheckReport:
    path = folder / "hemp_clearances_2016.csv"
    path.write_bytes(csv_bytes(rows))
    return check_file(path, schema, "2016")


def test_a_clerk_reads_which_remark_holds_what_and_no_value(tmp_path: Path) -> None:
    report = checked(tmp_path, remarked(f"zie {BSN}"))
    assert not report.acceptable
    assert [(fault.check, fault.column, fault.rows) for fault in report.fatal] == [
        ("leak:bsn-or-rsin", "remark", (4,)),
    ]
    english, dutch = (report_text(report, language) for language in (Language.EN, Language.NL))
    assert "column remark, row 4: holds a number of 8 or 9 digits that passes the eleven-test" in english
    assert "cannot be delivered like this" in english
    assert "kolom remark, rij 4: bevat een nummer van 8 of 9 cijfers dat voldoet aan de elfproef" in dutch
    assert BSN not in english + dutch + repr(report)


def test_every_leaking_row_stands_in_the_list_of_faulty_rows(tmp_path: Path) -> None:
    path, listed = tmp_path / "hemp_clearances_2016.csv", tmp_path / "faults.csv"
    rows = [{**row, "remark": f"zie {BSN}"} for row in hemp_rows(30)]
    rows[29]["remark"] += ", jan@example.nl"
    path.write_bytes(csv_bytes(rows))
    with row_list(listed, Language.NL, {path: HEMP}, "2016") as tell:
        (report,) = check_files([(path, HEMP)], "2016", tell)
    assert "Alle foute rijen in een lijst" in report_text(report, Language.NL)
    lines = listed.read_text(encoding="utf-8-sig").splitlines()[1:]
    assert [line.split(";")[1:4] for line in lines if "elfproef" in line] == [
        [str(n), str(n + 1), "remark"] for n in range(1, 31)
    ]
    assert [line.split(";")[1:] for line in lines if "elfproef" not in line] == [
        ["30", "31", "remark", "bevat een e-mailadres"]
    ]


@pytest.mark.parametrize(("number", "written"), [("V-nr 1234567890", "1234 567 890"), ("MA AB123456", "AB 123456")])
def test_a_foreign_persons_own_number_is_found_without_its_country_or_v(
    tmp_path: Path, number: str, written: str
) -> None:
    """Neither has a check by which it would be found in another record's text."""
    foreign = [c.model_copy(update={"kind": "foreign"}) if c.name == "bag_id" else c for c in HEMP.columns]
    schema = HEMP.model_copy(
        update={"columns": tuple(foreign), "rules": HEMP.rules.model_copy(update={"against_register": ()})}
    )
    rows = [{**row, "bag_id": "", "remark": "kelder"} for row in hemp_rows(8)]
    rows[3] |= {"bag_id": number, "remark": f"zie {written} in het dossier"}
    rows[5] |= {"remark": f"zie {written} in het dossier"}
    report = checked(tmp_path, rows, schema)
    assert [(fault.column, fault.rows) for fault in report.fatal] == [("remark", (4,))]


@pytest.mark.parametrize(
    ("remark", "goes_on"),
    [
        ("kelder; stroom afgetapt", True),
        ("op 17-05-2016 om 12.30 uur, 120 planten", True),
        (f"zie {BSN}", False),
        ("BE 85.07.30-033.28", False),
        ("post voor 1234 ab", False),
        ("zie h 000004", False),
        ("buurvrouw Özgürsma gezien", False),
        ("Amsteldijk 12", False),
    ],
)
def test_home_receipt_and_pseudonymisation_say_the_same(
    tmp_path: Path, enclave: Enclave, remark: str, goes_on: bool
) -> None:
    rows = remarked(remark)
    rows[20]["occupant_name"] = "J. Özgürsma"  # a name of another record, in a later row
    assert checked(tmp_path, rows).acceptable == goes_on
    receipt = enclave.hemp(rows)
    assert receipt.accepted == goes_on
    if goes_on:
        pseudonymised(enclave, receipt, tmp_path)
    else:
        assert [(fault.column, fault.rows) for fault in receipt.findings.faults] == [("remark", (4,))]
        assert "column remark, row 4: holds a" in receipt_text(receipt, Language.EN)
        assert not list(enclave.workspace.path(Zone.IDENTIFIED).rglob("*.parquet"))


def pseudonymised(enclave: Enclave, receipt: Any, folder: Path) -> None:
    frame = accepted_frame(receipt, enclave.workspace, custody=enclave.custody)
    assert frame.tag is Identified
    out = folder / "pseudonymised.parquet"
    pseudonymise(frame, schema=HEMP, project=frame.manifest.project, custody=enclave.custody, out=out)
    assert out.is_file()


def test_a_remark_of_a_row_that_is_set_aside_does_not_count(tmp_path: Path, enclave: Enclave) -> None:
    rows = remarked(f"zie {BSN}", plants="x")
    assert checked(tmp_path, rows).acceptable
    receipt = enclave.hemp(rows)
    assert receipt.accepted
    pseudonymised(enclave, receipt, tmp_path)


def test_what_will_be_blanked_is_noted_with_its_rows(tmp_path: Path) -> None:
    columns = tuple(
        column.model_copy(update={"treatment": "text-drop-on-leak"}) if column.name == "remark" else column
        for column in HEMP.columns
    )
    report = checked(tmp_path, remarked(f"zie {BSN}"), HEMP.model_copy(update={"columns": columns}))
    assert report.acceptable
    assert ("remark", Note.BLANKED, 1, (4,)) in report.notes


def test_a_kept_column_of_bsns_is_refused_at_home(tmp_path: Path) -> None:
    rows = [{**row, "plants": row["occupant_bsn"]} for row in hemp_rows(60)]
    columns = tuple(
        column.model_copy(update={"maximum": 1e9}) if column.name == "plants" else column for column in HEMP.columns
    )
    report = checked(tmp_path, rows, HEMP.model_copy(update={"columns": columns}))
    assert {(fault.check, fault.column) for fault in report.fatal} == {
        ("leak:density", "plants"),
        ("leak:copy", "plants"),
    }


def test_a_file_without_names_is_scanned_as_it_is_read(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "occupant_name"} for row in remarked(f"zie {BSN}")]
    nameless = tuple(column for column in HEMP.columns if column.kind != "name")
    rules = HEMP.rules.model_copy(update={"against_register": ()})
    report = checked(tmp_path, rows, HEMP.model_copy(update={"columns": nameless, "rules": rules}))
    assert [(fault.column, fault.rows) for fault in report.fatal] == [("remark", (4,))]
