"""A supplier whose delivery would lose data without a word, or put a name or a number where others read it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from enclave.project import load_project
from pseudonymise.delivery import CheckReport, check_file
from pseudonymise.manifest import Manifest, manifest_faults, public_name
from pseudonymise.schemas import load_schemas

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SCHEMAS = load_schemas(CONFIGS / "schemas")
PROJECT = load_project(CONFIGS / "projects" / "ondermijning.yaml")
ROW = {
    "bsn": "999990019",
    "surname": "Voorbeeld",
    "prefix": None,
    "first_names": "Anna",
    "birth_date": datetime(1970, 2, 1),
    "sex": "2",
    "postcode": "1234AB",
    "house_number": "12",
    "addition": None,
    "start_date": datetime(2014, 3, 1),
    "end_date": datetime(2015, 3, 1),
    "debt_eur": 12.5,
    "creditors": 3,
}


def checked(tmp_path: Path, spoil: Callable[[Workbook, Any], None]) -> CheckReport:
    """A workbook with one sound row, spoiled, and checked as the enclave checks it."""
    book = Workbook()
    sheet: Any = book.active
    sheet.append(list(ROW))
    sheet.append(list(ROW.values()))
    spoil(book, sheet)
    path = tmp_path / "debts.xlsx"
    book.save(path)
    return check_file(path, SCHEMAS["debt_assistance"], "2016")


def test_the_workbook_of_these_tests_is_sound_as_long_as_nobody_spoils_it(tmp_path: Path) -> None:
    report = checked(tmp_path, lambda book, sheet: book.create_sheet("leeg"))
    assert (report.acceptable, report.received, report.accepted) == (True, 1, 1), str(report)


def test_records_in_a_second_sheet_are_not_lost_without_a_word(tmp_path: Path) -> None:
    def second(book: Workbook, sheet: Any) -> None:
        more = book.create_sheet("Blad2")
        more.append(list(ROW.values()))

    report = checked(tmp_path, second)
    assert not report.acceptable
    assert "more than one of its sheets is filled" in str(report)


def test_a_formula_without_its_result_is_not_read_as_empty(tmp_path: Path) -> None:
    def formula(book: Workbook, sheet: Any) -> None:
        sheet["K2"] = "=DATE(2015,3,1)"

    report = checked(tmp_path, formula)
    assert not report.acceptable
    assert [(fault.check, fault.column, fault.rows) for fault in report.fatal] == [
        ("formula", list(ROW)[10], (1,)),
    ]
    assert "formulas without their results" in str(report)


def test_formulas_without_results_are_told_with_all_other_faults_by_column_and_row(tmp_path: Path) -> None:
    def formulas(book: Workbook, sheet: Any) -> None:
        for row in range(3, 9):
            sheet.append(list(ROW.values()))
            sheet[f"K{row}"] = "=A1"
        sheet["A4"] = "0"
        sheet["ZZ5"] = "=1+1"

    report = checked(tmp_path, formulas)
    name = list(ROW)[10]
    told = [(fault.column, fault.rows, fault.count) for fault in report.fatal]
    assert told == [(name, (2, 3, 4, 5, 6), 6), ("ZZ", (4,), 1)]
    assert report.received == 7
    assert (next(iter(ROW)), (3,)) in [(fault.column, fault.rows) for fault in report.row_faults]


def test_formulas_and_a_wrong_header_are_told_together(tmp_path: Path) -> None:
    def both(book: Workbook, sheet: Any) -> None:
        sheet["A1"] = "x"
        sheet["K2"] = "=A1"

    assert {fault.check for fault in checked(tmp_path, both).fatal} == {"missing_column", "extra_column", "formula"}


def test_a_formula_with_its_result_is_read_as_that_result(tmp_path: Path) -> None:
    assert checked(tmp_path, lambda book, sheet: sheet.__setitem__("M2", "=1+2")).fatal
    plain, calculated = tmp_path / "debts.xlsx", tmp_path / "calculated.xlsx"
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(calculated, "w") as new:
        for entry in old.infolist():
            content = re.sub(rb"<f>1\+2</f><v ?(/>|></v>)", b"<f>1+2</f><v>3</v>", old.read(entry))
            new.writestr(entry.filename, content)
    report = check_file(calculated, SCHEMAS["debt_assistance"], "2016")
    assert (report.acceptable, report.accepted) == (True, 1), str(report)


@pytest.mark.parametrize("prefix", [b"", b"x:"])
def test_a_formula_without_result_is_found_where_two_blocks_meet(prefix: bytes) -> None:
    from pseudonymise.formats import workbook_bounds
    from pseudonymise.formats.batch import BLOCK

    start, end = b'<worksheet xmlns:x="x"><sheetData>', b"</row></sheetData></worksheet>"
    filler = b"<row>" + b" " * 1000 + b"</row>"
    cell = b'<%sc r="K2" t="n"><%sf>A1+1</%sf><%sv /></%sc>' % ((prefix,) * 5)
    for before in range(BLOCK - len(cell) - 1, BLOCK + 1, 5):
        stored = io.BytesIO()
        with zipfile.ZipFile(stored, "w") as archive:
            rows, rest = divmod(before - len(start) - len(b"<row>"), len(filler))
            sheet = start + filler * rows + b" " * rest + b"<row>" + cell + end
            assert sheet.index(cell) == before
            archive.writestr("xl/worksheets/sheet1.xml", sheet)
        found: workbook_bounds.Uncalculated = {}
        with zipfile.ZipFile(stored) as archive:
            workbook_bounds._look_into(archive, archive.infolist()[0], "a.xlsx", found)
        assert found == {(11, "K"): ((2,), 1)}, before


def manifest(**changes: object) -> Manifest:
    fields = {
        "supplier": "GM9001",
        "schema": "debt_assistance",
        "schema_version": 1,
        "period": "2016",
        "legal_basis": "CBS-wet, artikel 33",
        "purpose": "risk factors of hemp farms (D2), 2012-2016",
        "retention_date": date(2031, 12, 31),
        "contact": "gegevens@example.org",
        "files": [{"name": "debts.xlsx", "sha256": "0" * 64, "rows": 1}],
    }
    return Manifest.model_validate(fields | changes)


def faults(found: Manifest) -> list[str]:
    today = datetime(2026, 1, 1, tzinfo=UTC).date()
    return [str(fault) for fault in manifest_faults(found, PROJECT, SCHEMAS, today)]


def test_the_manifest_of_these_tests_holds_as_it_is() -> None:
    assert faults(manifest()) == []
    said = "Verordening (EU) 2016/679, art. 6; 2012 - 2016, from 01-01-2012 to 31/12/2016; as of 2016-12-31; 1996/2015"
    named = {"name": "GM9001_2016-2017.xlsx", "sha256": "0" * 64, "rows": 1}
    assert faults(manifest(purpose=said, legal_basis=said, files=[named])) == []


@pytest.mark.parametrize("field", ["purpose", "legal_basis"])
@pytest.mark.parametrize(
    "number",
    [
        *("999990019", "9999.90.019", "9999 90 019", "999-990-019", "999/990/019", "999 - 990 - 019", "9-9.9/9_9 0019"),
        *("９９９９９００１９", "٩٩٩٩٩٠٠١٩", "999–990–019", "9999:90:019"),
    ],
)
def test_a_number_like_a_bsn_in_a_text_that_is_journalled_is_refused(field: str, number: str) -> None:
    found = faults(manifest(**{field: f"the case of {number}"}))
    assert len(found) == 1
    assert f"column {field}: holds a long number" in found[0]
    assert number not in found[0]


def test_a_delivery_that_nobody_expects_is_journalled_without_its_suppliers_words() -> None:
    expected = manifest(token="0123456789ab")
    assert public_name(expected, PROJECT) == expected.delivery_id == "GM9001-debt_assistance-2016-0123456789ab"
    for stranger in (manifest(supplier="Jan-Jansen"), manifest(supplier="bsn-999990019")):
        name = public_name(stranger, PROJECT)
        assert name.startswith("unexpected-")
        assert stranger.supplier not in name
