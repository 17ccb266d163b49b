"""``zicht delivery check`` and what follows, given what clerks give it by mistake: it tells, and overwrites nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.main import app, main
from pseudonymise.age_keys import recipient_text, secret_text
from pseudonymise.clerk_report import Language, report_text
from pseudonymise.delivery import check_file
from pseudonymise.formats.batch import Note
from tests.pseudonymise.small_town import SCHEMAS, csv_bytes, hemp_rows, tax_rows, tax_sav, write_xlsx

HEMP = ("--schema", "hemp_clearances", "--period", "2016")
FILE = "hemp_2016.csv"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one sound file."""
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_bytes(csv_bytes(hemp_rows(20)))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    """Exit code and all that the whole command says, as a shell sees it."""
    monkeypatch.setattr("sys.argv", ["zicht", "delivery", *arguments])
    try:
        main()
        code: object = 0
    except SystemExit as ended:
        code = ended.code or 0
    captured = capsys.readouterr()
    assert isinstance(code, int)
    return code, captured.out + captured.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("check", ".", *HEMP), "there is no such file"),
        (("check", ".", "--schema", "hemp_clearances"), "there is no such file"),
        (("check", FILE, *HEMP, "--rows", "."), "the list cannot be written there"),
        (("check", FILE, *HEMP, "--rows", "none/x.csv"), "the list cannot be written there"),
        (("check", FILE, *HEMP, "--rows", FILE), "the list cannot be written there"),
        (("check", FILE, "--schema", "hempp"), "Next: zicht delivery schemas; there are anbi_list, care_clients"),
        (("template", "hemp_clearances", "--out", "none/x.csv"), "the empty file cannot be written there"),
    ],
)
def test_what_cannot_be_is_said(
    arguments: tuple[str, ...],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
) -> None:
    before = {path: path.read_bytes() for path in home.iterdir()}
    code, told = said(capsys, monkeypatch, *arguments)
    assert (code, expected in told) == (2, True), told
    assert {path: path.read_bytes() for path in home.iterdir()} == before


def test_a_list_of_faulty_rows_is_announced_and_a_refusal_says_what_is_next() -> None:
    rows = [{**row, "plants": "veel"} for row in hemp_rows(20)]
    Path(FILE).write_bytes(csv_bytes(rows))
    done = CliRunner().invoke(app, ["delivery", "check", FILE, *HEMP, "--rows", "faults.csv"])
    assert done.exit_code == 2
    assert done.output.splitlines()[-2:] == [
        "wrote faults.csv",
        f"Next: mend it and check it again: zicht delivery check {FILE} …",
    ]
    assert "geheel getal" not in Path("faults.csv").read_text(encoding="utf-8-sig")
    assert f"{FILE};1;2;plants;not a whole number" in Path("faults.csv").read_text(encoding="utf-8-sig")


def test_a_program_is_told_every_fault() -> None:
    rows = hemp_rows(20)
    rows[3]["plants"] = "veel"
    Path(FILE).write_bytes(csv_bytes(rows))
    done = CliRunner().invoke(app, ["delivery", "check", FILE, *HEMP, "--json", "--language", "nl"])
    found = json.loads(done.output)
    assert (found["acceptable"], found["quarantined"]) == (True, 1)
    (file,) = found["files"]
    assert (file["file"], file["schema"], file["acceptable"]) == (FILE, "hemp_clearances", True)
    assert file["faults"] == [
        {
            "file": FILE,
            "check": "not_a_number",
            "message": "geen geheel getal, in cijfers",
            "column": "plants",
            "rows": [4],
            "count": 1,
        }
    ]
    assert "veel" not in done.output


def test_a_header_alone_is_warned_of() -> None:
    Path(FILE).write_bytes(csv_bytes([], names=list(hemp_rows(1)[0])))
    done = CliRunner().invoke(app, ["delivery", "check", FILE, *HEMP, "--language", "nl"])
    assert done.exit_code == 0
    assert "lever het zo alleen als er niets te melden is" in done.output
    sound = CliRunner().invoke(app, ["delivery", "check", FILE, *HEMP])
    assert "only when there is nothing to report" in sound.output


def test_a_file_of_another_schema_is_recognised_in_one_line() -> None:
    done = CliRunner().invoke(app, ["delivery", "check", FILE, "--schema", "permits", "--period", "2016"])
    assert done.exit_code == 2
    assert [line for line in done.output.splitlines() if line.startswith("  - ")] == [
        f"  - {FILE}: these are the columns of hemp_clearances, not of permits: check it with --schema hemp_clearances"
    ]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("hemp.csv", "this is an Excel file, not a text file: let its name end in .xlsx"),
        ("hemp.xls", "the schema asks for a .csv or .xlsx or .sav file"),
    ],
)
def test_an_excel_file_under_another_name_is_known(name: str, fault: str) -> None:
    rows = hemp_rows(3)
    write_xlsx(Path(name), [list(rows[0]), *(list(row.values()) for row in rows)])
    assert fault in [each.message for each in check_file(Path(name), SCHEMAS["hemp_clearances"], "2016").fatal]


@pytest.mark.parametrize(
    ("start", "fault"),
    [
        (b"\xd0\xcf\x11\xe0", "this is an old Excel file, or one with a password"),
        (b"$FL2", "this is an SPSS file, not a text file: let its name end in .sav"),
        (b"a;b\n", "found no text: it holds zero bytes"),
    ],
)
def test_a_file_of_another_program_is_known(start: bytes, fault: str) -> None:
    Path("x.csv").write_bytes(start + b"\0" * 600)
    (found,) = check_file(Path("x.csv"), SCHEMAS["hemp_clearances"], "2016").fatal
    assert fault in found.message


def test_a_text_under_the_ending_of_an_old_workbook_is_refused_as_the_office_refuses_it() -> None:
    Path(FILE).rename("hemp_2016.xls")
    report = check_file(Path("hemp_2016.xls"), SCHEMAS["hemp_clearances"], "2016")
    assert [fault.check for fault in report.fatal] == ["file_name"]
    assert report.received == 20


def test_utf_8_without_its_mark_is_told_how_to_save() -> None:
    Path(FILE).write_bytes(csv_bytes([{**row, "remark": "ën"} for row in hemp_rows(3)], encoding="utf-8"))
    (fault,) = check_file(Path(FILE), SCHEMAS["hemp_clearances"], "2016").fatal
    assert fault.message.endswith("in Excel save it as CSV UTF-8, in an editor as UTF-8 with BOM")


def test_spss_names_in_capitals_are_the_same_names_and_their_missing_values_too(home: Path) -> None:
    rows = [{name.upper(): value for name, value in row.items()} for row in tax_rows(12)]
    plain, capitals = home / "plain.sav", home / "capitals.sav"
    missing = [{"lo": 90, "hi": 99}]
    rows[2]["WOZ_VALUE"] = 95
    tax_sav(capitals, rows, missing_ranges={"WOZ_VALUE": missing})
    tax_sav(
        plain,
        [{name.lower(): value for name, value in row.items()} for row in rows],
        missing_ranges={"woz_value": missing},
    )
    reports = [check_file(path, SCHEMAS["property_tax"], "2016") for path in (plain, capitals)]
    assert reports[0].acceptable
    assert reports[0].received == 12
    facts = [(r.fatal, r.accepted, [(f.check, f.column, f.rows) for f in r.row_faults], r.notes) for r in reports]
    assert facts[0] == facts[1]
    assert any(column == "woz_value" for column, *_ in reports[1].notes)


def test_all_that_is_wrong_with_a_manifest_is_told_at_once_and_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = ("--supplier", "9 x", "--legal-basis", "CBS-wet, artikel 33", "--purpose", "risk factors")
    declared += ("--retention-date", "31-12-2031", "--contact", "gegevens@example.org", "--out", "m.yaml")
    kind = ("--schema", "hemp_clearances", "--period", "16")
    monkeypatch.setenv("ZICHT_LANGUAGE", "nl")
    code, told = said(capsys, monkeypatch, "manifest", FILE, *kind, *declared)
    assert code == 2
    assert "kolom supplier: in dit veld hoort GM en vier cijfers" in told
    assert "kolom period: in dit veld hoort een jaar (2016), of twee met een streepje" in told
    assert "kolom retention_date: in dit veld hoort een bestaande datum, geschreven als jjjj-mm-dd" in told
    assert not Path("m.yaml").exists()
    rows = hemp_rows(20)
    rows[0]["plants"] = rows[1]["plants"] = rows[2]["plants"] = "veel"
    Path(FILE).write_bytes(csv_bytes(rows))
    code, told = said(capsys, monkeypatch, "manifest", FILE, *HEMP, *declared)
    assert code == 2
    assert "kolom supplier" in told
    assert "kolom plants, rij 1, 2, 3: geen geheel getal" in told


def test_a_recipient_that_is_a_file_that_is_not_there_is_told_as_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = ("--supplier", "GM9001", "--legal-basis", "CBS-wet, artikel 33", "--purpose", "risk factors")
    declared += ("--retention-date", "2031-12-31", "--contact", "gegevens@example.org", "--out", "m.yaml")
    assert said(capsys, monkeypatch, "manifest", FILE, *HEMP, *declared)[0] == 0
    sealing = ("seal", FILE, "--manifest", "m.yaml", "--to")
    code, told = said(capsys, monkeypatch, *sealing, "seal-ondermijning.pub")
    assert (code, told.splitlines()[0]) == (2, "zicht: seal-ondermijning.pub: there is no such file")
    assert said(capsys, monkeypatch, *sealing, "age1nonsense")[0] == 2
    Path("key.pub").write_text(recipient_text(secret_text(bytes(range(32)))) + "\n")
    assert said(capsys, monkeypatch, *sealing, "key.pub")[0] == 0


def test_a_period_that_is_none_does_not_hide_what_is_wrong_with_the_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = hemp_rows(20)
    rows[0]["plants"] = "veel"
    Path("hennep.csv").write_bytes(csv_bytes(rows))
    listed = ("hennep.csv", "--schema", "hemp_clearances", "--rows", "fouten.csv")
    for period, fault in (
        ("16", "period: a period is a year (2016) or two years with a hyphen (1996-2015)"),
        ("2016-2012", "period: a period is a year (2016) or two years with a hyphen (1996-2015)"),
        ("", "hennep.csv: the period is not known: --period 2016, or --period 1996-2015"),
    ):
        code, told = said(capsys, monkeypatch, "check", *listed, "--period", period)
        assert code == 2
        assert f"  - {fault}\n  - hennep.csv, column plants, row 1: not a whole number" in told
        assert "cannot be delivered like this (schema hemp_clearances version 1, period not known)" in told
        assert "hennep.csv;1;2;plants;" in Path("fouten.csv").read_text()
    monkeypatch.setenv("ZICHT_LANGUAGE", "nl")
    assert "de periode is niet bekend: --period 2016" in said(capsys, monkeypatch, "check", *listed)[1]
    Path("hennep.manifest.yaml").write_text("period: '2016'\nsupplier: 9 x\n")
    told = said(capsys, monkeypatch, "check", *listed)[1]
    assert "kolom supplier" in told
    assert "kolom plants, rij 1" in told


def test_what_no_project_would_receive_is_told_with_what_is_wrong_with_the_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = hemp_rows(20)
    for row in rows[:3]:
        row["plants"] = "veel"
    Path("hemp.csv").write_bytes(csv_bytes(rows))
    kind = ("--schema", "hemp_clearances", "--period", "2016-2012", "--supplier", "9 x")
    declared = ("--legal-basis", "wet", "--purpose", "dossier 999400131", "--contact", "gegevens@example.org")
    declared += ("--retention-date", "2016-12-31", "--out", "m.yaml")
    code, told = said(capsys, monkeypatch, "manifest", "hemp.csv", *kind, *declared)
    assert code == 2
    for column in ("supplier", "period", "legal_basis", "purpose", "retention_date"):
        assert f"  - manifest, column {column}: " in told, column
    assert "  - hemp.csv, column plants, row 1, 2, 3: not a whole number" in told
    assert not Path("m.yaml").exists()
    Path("hemp.csv").write_bytes(csv_bytes(hemp_rows(20)))
    kind = ("--schema", "hemp_clearances", "--period", "2016", "--supplier", "GM9001")
    code, told = said(capsys, monkeypatch, "manifest", "hemp.csv", *kind, *declared)
    assert code == 2
    assert "the enclave would not receive a delivery with this manifest" in told
    assert "lies within the period of the data" in told
    assert "has passed" in told


def test_a_number_of_which_a_sheet_keeps_15_digits_is_not_taken_for_another_home(home: Path) -> None:
    """In a cell that is no text, BAG number 1987…4389 becomes 1987…4380: another home's, in the right form."""
    rows = hemp_rows(20)
    wanted = 1987010001744389
    for number, kept in enumerate((wanted // 10 * 10, float(wanted // 10 * 10), wanted, str(wanted // 10 * 10))):
        rows[number]["bag_id"] = kept  # type: ignore[assignment]  # as cells of a sheet, not of a text file
    write_xlsx(home / "typed.xlsx", [list(rows[0]), *([*row.values()] for row in rows)])
    report = check_file(home / "typed.xlsx", SCHEMAS["hemp_clearances"], "2016")
    assert [(f.check, f.column, f.rows) for f in report.row_faults] == [("malformed", "bag_id", (1, 2))]
    assert ("bag_id", Note.ROUNDED, 2, (1, 2)) in report.notes
    assert "Excel maakt van de andere een 0" in report_text(report, Language.NL)
