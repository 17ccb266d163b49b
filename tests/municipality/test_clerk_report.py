"""What a clerk reads: in Dutch and in English, with row numbers, never a value."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from enclave.errors import BadInput, Fault, NotReady
from enclave.identifier_patterns import LeakKind
from pipeline.main import app, main
from pseudonymise.age_keys import recipient_text, secret_text
from pseudonymise.clerk_report import Language, error_text, fault_text, receipt_text, report_text
from pseudonymise.delivery import check_file, ending_faults
from pseudonymise.dutch import dutch
from pseudonymise.formats.batch import Note
from pseudonymise.formats.encoding import confirm
from pseudonymise.formats.header import match_header
from pseudonymise.manifest import Manifest
from pseudonymise.manifest_forms import form_of
from pseudonymise.quarantine import Defect
from pseudonymise.written import MOST_CODES, what_is_wrong
from tests.conftest import CHECKOUT
from tests.pseudonymise.small_town import SCHEMAS, Enclave, csv_bytes, hemp_rows, write_xlsx

HEMP = SCHEMAS["hemp_clearances"]
SENTENCES = {"message", "refused", "share", "hint", "_ROWS", "_STRINGS", "_TYPED", "_WITHOUT_RESULTS"}
ROOM = CHECKOUT / "pseudonymise"
SOURCES = [
    *sorted((ROOM / "formats").glob("*.py")),
    *(ROOM / f"{name}.py" for name in ("validation", "references", "manifest", "receive", "delivery", "written")),
]
TELLING = {"_extra_message", "_plain", "_other_format"}
"""Functions that return a sentence; those of ``written.py`` do all."""


def sentences() -> Iterator[tuple[str, str]]:
    """Every text in the code that becomes a fault's message, with its file; ``{}`` for what is filled in."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            for text in texts_of(node, returned=source.stem == "written"):
                yield source.name, text


def texts_of(node: ast.AST, *, returned: bool) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        place = {"Fault": 2, "refused_workbook": 1, "refused_spss": 1}.get(node.func.id)
        if place is not None and len(node.args) > place:
            yield from literals(node.args[place])
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in SENTENCES:
        yield from literals(node.value)
    if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 3:
        yield from literals(node.value.elts[2])
    if isinstance(node, ast.FunctionDef) and (returned or node.name in TELLING):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return):
                yield from literals(inner.value)
            if isinstance(inner, ast.Dict):
                for value in inner.values:
                    yield from literals(value)


def literals(node: ast.expr | None) -> Iterator[str]:
    """A text literal, or an f-string with ``{}``; of a choice both sides, of a call what it falls back on."""
    if isinstance(node, ast.Call):
        for argument in node.args:
            yield from literals(argument)
    if isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, ast.Tuple):
        for part in node.elts:
            yield from literals(part)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
        yield node.value
    elif isinstance(node, ast.JoinedStr) and len(node.values) > 1:
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


FOUND = sorted(set(sentences()))


def test_the_sentences_are_found_in_the_code() -> None:
    texts = {text for _, text in FOUND}
    assert len(texts) > 40
    assert "the column is missing" in texts
    assert "column number {} is not in the schema{}" in texts
    assert "a delivery without a legal basis is not received" in texts
    assert "; did you mean {}?" in texts
    assert "outside the range, {} to {}" in texts
    assert "the field must hold {}" in texts
    assert "this is {}, not a text file: save it as .{}, without a password" in texts


@pytest.mark.parametrize(("file", "text"), FOUND)
def test_every_message_has_its_dutch(file: str, text: str) -> None:
    filled = text.replace("{}", "7")
    assert dutch(filled) != filled, file
    assert dutch(filled).count("7") == text.count("{}")


ENGLISH = re.compile(r"\b(?:the|or|not|save|remove|written|digits|with|ask|this|to|and|a|from|figures)\b")
"""Words that no Dutch sentence holds; *of*, *in* and *letters* are Dutch too."""


def composed() -> Iterator[str]:
    """Sentences as they are put together for every shipped schema and column, with their clauses filled in."""
    for schema in SCHEMAS.values():
        for column in schema.columns:
            for defect in Defect:
                yield what_is_wrong(defect, column.name, schema, (2016, 2016))
        _, missing = match_header([name[:-1] for name in schema.names], schema, "f")
        _, extra = match_header([*schema.names, "zzzz"], schema, "f")
        _, other = match_header(list(schema.names), HEMP, "f", SCHEMAS.values) if schema is not HEMP else ((), ())
        yield from (fault.message for fault in (*missing, *extra, *other))
        for detected in ("utf-8", "utf-8-sig", "utf-16", "cp1252", "binary", "unknown", "xlsx", "xls", "sav"):
            faults = confirm(detected, schema.encodings, "f", forms=schema.formats)[2]
            yield from (fault.message for fault in faults)
            yield from (fault.message for fault in confirm(detected, ("utf-8",), "f")[2])
        for name in ("f.doc", "f.csv"):
            yield from (fault.message for fault in ending_faults(name, schema))
    for field in Manifest.model_fields:
        yield f"the field must hold {form_of(field)}"


COMPOSED = sorted(set(composed()))


def test_sentences_are_dutch_to_their_last_clause() -> None:
    assert len(COMPOSED) > 80
    for text in COMPOSED:
        told = dutch(text)
        assert told != text
        assert not ENGLISH.search(told), (text, told)


def test_a_supplier_is_told_how_values_are_written() -> None:
    said = {(defect, name): what_is_wrong(defect, name, HEMP, (2016, 2016)) for defect in Defect for name in HEMP.names}
    assert said[Defect.NOT_A_DATE, "clearance_date"] == "not a date of the calendar, written dd-mm-yyyy"
    assert said[Defect.OUT_OF_RANGE, "plants"] == "outside the range, 0 to 100,000"
    assert dutch(said[Defect.OUT_OF_RANGE, "plants"]) == "ligt buiten 0 t/m 100.000"
    assert "16 digits" in said[Defect.MALFORMED, "bag_id"]
    assert said[Defect.NOT_A_NUMBER, "damage_eur"].endswith("with a decimal comma")
    assert said[Defect.OTHER_PERIOD, "clearance_date"].startswith("lies outside 2012-2016,")
    occupants = SCHEMAS["hemp_occupants"]
    listed = what_is_wrong(Defect.NOT_IN_LIST, "role", occupants, (2016, 2016))
    assert listed == f"not one of the codes {', '.join(occupants.column('role').codes)}"
    many = {f"{number:03d}": "x" for number in range(MOST_CODES + 1)}
    wide = occupants.model_copy(
        update={"columns": tuple(c.model_copy(update={"codes": many}) for c in occupants.columns)}
    )
    assert "zicht delivery schemas hemp_occupants" in what_is_wrong(Defect.NOT_IN_LIST, "role", wide, (2016, 2016))
    assert what_is_wrong(Defect.DUPLICATE, "dossier", HEMP, (2016, 2016)) == Defect.DUPLICATE.description()
    assert what_is_wrong(Defect.WRONG_ORDER, "a+b", HEMP, (2016, 2016)) == Defect.WRONG_ORDER.description()


STOPPING = [
    *(
        ROOM / f"{name}.py"
        for name in ("handing_in", "outbox", "sealing", "manifest", "withdrawal", "delivery", "schemas")
    ),
    *(ROOM / f"{name}.py" for name in ("receive", "answered", "refusal", "sender", "supplier_keys")),
    *(CHECKOUT / f"pipeline/commands/{name}.py" for name in ("delivery", "encoding")),
    *sorted((CHECKOUT / "linkage/encodings").glob("*.py")),
]
# where each says what is wrong
RAISED = {"Fault": 2} | dict.fromkeys(
    ("BadInput", "Tampered", "KeyUnavailable", "NotReady", "Refused", "UnusableValue"), 0
)


def stopping() -> Iterator[tuple[str, str]]:
    """What suppliers' commands raise, and what they are told to do next."""
    for source in STOPPING:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED:
                following = [keyword.value for keyword in node.keywords if keyword.arg == "next_step"]
                for argument in (node.args[RAISED[node.func.id]], *following):  # type: ignore[attr-defined]  # a Name
                    yield from ((source.name, text) for text in literals(argument))


@pytest.mark.parametrize(("file", "text"), sorted(set(stopping())))
def test_every_error_that_stops_a_supplier_has_its_dutch(file: str, text: str) -> None:
    filled = text.replace("{}", "7")
    assert dutch(filled) != filled, file
    assert dutch(filled).count("7") == text.count("{}")


def test_an_error_is_told_in_dutch_with_its_faults_and_in_english_when_nobody_translated_it() -> None:
    fault = Fault("h.csv", "column", "the column is missing", "plants", rows=(3,))
    error = BadInput(
        "the file does not pass the check", where="h.csv", next_step="deliver them one by one", faults=[fault]
    )
    assert error_text(error, Language.NL).splitlines() == [
        "h.csv: het bestand komt niet door de controle",
        "Verder: lever ze een voor een",
        f"  - h.csv, kolom plants, rij 3: {dutch('the column is missing')}",
    ]
    assert error_text(error, Language.EN) != error_text(error, Language.NL)
    assert error_text(NotReady("of the enclave"), Language.NL) == "of the enclave"


@pytest.mark.parametrize("described", [*Defect, *Note, *LeakKind])
def test_every_defect_note_and_leak_has_its_dutch(described: Defect | Note | LeakKind) -> None:
    assert dutch(described.description()) != described.description()


@pytest.mark.parametrize(
    ("english", "in_dutch"),
    [
        (
            "column number 10 is not in the schema; did you mean plants?",
            "kolom 10 hoort niet bij dit soort bestand; bedoelde u plants?",
        ),
        (
            "values are separated by a comma, not by a semicolon",
            "de waarden zijn gescheiden door een komma, niet door een puntkomma",
        ),
        (
            "the file is in the wrong encoding: found UTF-8, the schema asks for cp1252 (Western European) or UTF-8",
            "het bestand heeft de verkeerde tekencodering: gevonden UTF-8, gevraagd cp1252 (West-Europees) of UTF-8",
        ),
        (
            "column number 13 is not in the schema; remove it, or ask for a new version of the schema",
            "kolom 13 hoort niet bij dit soort bestand; haal haar weg, of vraag om een nieuwe versie van het schema",
        ),
        ("something that nobody translated", "something that nobody translated"),
    ],
)
def test_what_is_filled_in_is_translated_too(english: str, in_dutch: str) -> None:
    assert dutch(english) == in_dutch


def test_a_dutch_report_says_which_rows_to_look_at(tmp_path: Path) -> None:
    rows = hemp_rows(20)
    rows[3]["occupant_bsn"] = "123456789"
    for place in range(6, 13):
        rows[place]["clearance_date"] = "31-02-2016"
    path = tmp_path / "hemp_clearances_2016.csv"
    path.write_bytes(csv_bytes(rows))
    text = report_text(check_file(path, HEMP, "2016"), Language.NL)
    assert text.splitlines() == [
        "hemp_clearances_2016.csv: kan zo niet geleverd worden (schema hemp_clearances versie 1, periode 2016)",
        "  20 rijen gelezen: 12 goed, 8 met fouten (hoogstens 10,0% mag fout zijn)",
        "  - hemp_clearances_2016.csv: 8 van 20 rijen zijn fout; hoogstens 10,0% mag dat zijn",
        "  - hemp_clearances_2016.csv, kolom clearance_date, rij 7, 8, 9, 10, 11 en nog 2: geen bestaande datum,"
        " geschreven als dd-mm-jjjj",
        "  - hemp_clearances_2016.csv, kolom occupant_bsn, rij 4: dit nummer kan niet bestaan (een tikfout?)",
        "  Rij 1 is de eerste rij onder de kop. Waarden worden nooit getoond: zoek ze op in uw bestand."
        " In Excel is dat rij 2.",
        "  Alle foute rijen in een lijst: voeg --rows fouten.csv toe.",
    ]
    assert not re.search(r"123456789|31-02", text)


def test_a_workbook_is_looked_up_by_the_rows_of_the_sheet(tmp_path: Path) -> None:
    rows = [{**row, "plants": "veel"} for row in hemp_rows(3)]
    path = tmp_path / "hemp_2016.xlsx"
    write_xlsx(path, [list(rows[0]), *(list(row.values()) for row in rows)])
    assert "In Excel is dat rij 2." in report_text(check_file(path, HEMP, "2016"), Language.NL)


def test_faults_without_a_row_and_notes_are_told_in_both_languages(tmp_path: Path) -> None:
    path = tmp_path / "hemp_2016.csv"
    path.write_bytes(csv_bytes([{**row, "postcode": "1234 ab"} for row in hemp_rows(9)], encoding="utf-8-sig"))
    report = check_file(path, HEMP, "2016")
    assert "  · bestand: het bestand begint met een byte order mark" in report_text(report, Language.NL)
    assert "  · postcode, rij 1, 2, 3, 4, 5 …: nummers zijn in hun gewone vorm gebracht" in report_text(
        report, Language.NL
    )
    assert "  · file: the file starts with a byte order mark" in report_text(report, Language.EN)
    fault = Fault("a.csv", "missing_column", "the column is missing", column="plants")
    assert fault_text(fault, Language.NL) == "a.csv, kolom plants: de kolom ontbreekt"
    assert fault_text(fault, Language.EN) == str(fault)


def test_a_receipt_is_told_in_dutch(enclave: Enclave) -> None:
    receipt = enclave.hemp([{**row, "plants": "x"} for row in hemp_rows(3)])
    assert receipt_text(receipt, Language.NL).splitlines() == [
        f"{receipt.findings.delivery}: geweigerd; ontvangen 3, aangenomen 0, apart gezet 3",
        "  afzender niet vastgesteld",
        "  - hemp_clearances_2016.csv: 3 van 3 rijen zijn fout; hoogstens 10,0% mag dat zijn",
        "  - hemp_clearances_2016.csv, kolom plants, rij 1, 2, 3: geen geheel getal, in cijfers",
    ]
    assert receipt_text(receipt, Language.EN) == str(receipt)


def test_what_the_commands_answer_and_what_stops_them_is_dutch_for_who_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZICHT_LANGUAGE", "nl")
    monkeypatch.chdir(tmp_path)
    file, key = "hemp_clearances_2016.csv", recipient_text(secret_text(bytes(range(32))))
    Path(file).write_bytes(csv_bytes(hemp_rows(20)))

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["delivery", *arguments])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    declared = ("--supplier", "GM9001", "--legal-basis", "CBS-wet, artikel 33", "--purpose", "risk factors of farms")
    declared += ("--retention-date", "2031-12-31", "--contact", "gegevens@example.org", "--out", "m.yaml")
    told = said("manifest", file, "--schema", "hemp_clearances", "--period", "2016", *declared)
    assert told.startswith("geschreven: m.yaml\nVerder: zicht delivery seal")
    told = said("seal", file, "--to", key, "--manifest", "m.yaml")
    assert told.startswith("verzegeld: outbox")
    assert "alleen de enclave kan het openen" in told
    (sealed,) = Path("outbox").glob("*.zicht")
    told = said("hand-in", str(sealed), "--to", str(tmp_path / "share"))
    assert told.startswith(f"ingeleverd: {sealed.name}\nVerder: wacht op het ontvangstbewijs")
    assert said("withdraw", sealed.stem, "--reason", "errors", "--to", key).startswith("geschreven: outbox")
    monkeypatch.setattr(sys, "argv", ["zicht", "delivery", "hand-in", "x.zicht", "--to", "share"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == "zicht: x.zicht: dit bestand is er niet\n"
