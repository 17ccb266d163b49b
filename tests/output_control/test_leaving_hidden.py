"""Where someone may hide an identifier or a listing in a workbook, a drawing or a JSON file: all are refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest
from openpyxl import Workbook
from openpyxl.formatting.rule import FormulaRule
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.table import Table

from output_control.leaving import faults_of_leaving
from output_control.leaving.documents import faults_of_document
from tests.output_control.test_leaving_documents import book

BSN = "123456782"
SHEET, STRINGS, TYPES = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "[Content_Types].xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
Change = Callable[[Workbook], object]


PLAIN = book()


def altered(parts: dict[str, Callable[[bytes], bytes]], content: bytes = PLAIN) -> bytes:
    """The workbook with parts changed or added, as a program would write it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = dict.fromkeys([*old.namelist(), *parts])
        for name in names:
            before = old.read(name) if name in old.namelist() else b""
            after = parts.get(name, lambda same: same)(before)
            assert name not in parts or after != before
            new.writestr(name, after)
    return out.getvalue()


def before(end: str, text: str) -> Callable[[bytes], bytes]:
    return lambda part: part.replace(end.encode(), text.encode() + end.encode(), 1)


def instead(old: str, new: str) -> Callable[[bytes], bytes]:
    return lambda part: part.replace(old.encode(), new.encode(), 1)


def shared(*texts: str) -> bytes:
    """A workbook whose first cell shows the first of its shared texts."""
    strings = f'<sst xmlns="{MAIN}">{"".join(f"<si>{text}</si>" for text in texts)}</sst>'
    kind = f'<Override PartName="/{STRINGS}" ContentType="{KIND}"/>'
    first = '<c r="A1" t="inlineStr"><is><t>area</t></is></c>'
    return altered(
        {
            STRINGS: lambda _: strings.encode(),
            TYPES: before("</Types>", kind),
            SHEET: instead(first, '<c r="A1" t="s"><v>0</v></c>'),
        }
    )


def with_list(made: Workbook, *, prompt: str = "") -> None:
    rule = DataValidation(type="list", formula1=f'"{BSN},x"')
    rule.prompt = prompt or None
    made.active.add_data_validation(rule)
    rule.add("C1")


def with_filter(made: Workbook) -> None:
    made.active.auto_filter.ref = "A1:B2"
    made.active.auto_filter.add_filter_column(0, [BSN])


def listing(made: Workbook, rows: int = 2000) -> None:
    rng = np.random.default_rng(1)
    for age, income in zip(rng.integers(0, 99, rows).tolist(), rng.integers(9000, 99999, rows).tolist(), strict=True):
        made.active.append([age, "mf"[age % 2], income])


def births(made: Workbook) -> None:
    for day in range(40):
        made.active.append([date(1950, 1, 1) + timedelta(400 * day)])


FEATURES: list[tuple[Change, str]] = [
    (lambda b: setattr(b.active.oddHeader.center, "text", f"bsn {BSN}"), "headers or footers"),
    (lambda b: setattr(b.active["B2"], "number_format", f'"{BSN}"'), "number format that is not plain"),
    (lambda b: setattr(b.active["B2"], "number_format", ";;;"), "number format that is not plain"),
    (with_list, "data validation"),
    (lambda b: with_list(b, prompt=f"bsn {BSN}"), "data validation"),
    (
        lambda b: b.active.conditional_formatting.add("A1", FormulaRule(formula=[f'A1="{BSN}"'])),
        "conditional formats",
    ),
    (lambda b: setattr(b.active["A1"], "hyperlink", f"http://x/{BSN}"), "hyperlinks"),
    (with_filter, "a filter"),
    (lambda b: b.active.add_table(Table(displayName=f"t{BSN}", ref="A1:B2")), "tables of its own"),
    (lambda b: setattr(b.active["A1"], "font", Font(color="FFFFFFFF")), "coloured text"),
    (lambda b: setattr(b.active["A1"], "font", Font(name="jan jansen")), "a font of its own"),
    (lambda b: setattr(b.active["A1"], "fill", PatternFill("solid", fgColor="FF000000")), "filled cells"),
    (lambda b: setattr(b.active.column_dimensions["A"], "width", 0.1), "1 column(s) too small to be seen"),
    (lambda b: setattr(b.active.row_dimensions[2], "height", 0.1), "1 row(s) too small to be seen"),
    (lambda b: setattr(b.active.column_dimensions["A"], "width", 12.3456782), "of a size that no program gives"),
    (lambda b: b.create_chartsheet(BSN), "charts or drawings"),
    (lambda b: b.active.append([int(BSN)]), "eleven-test"),
    (lambda b: b.active.append([12345678.2]), "eleven-test"),
    (lambda b: b.active.append([12345, 6782]), "eleven-test"),
    (lambda b: b.active.append(["1234 56", "782"]), "eleven-test"),
    (lambda b: b.active.append([1, 2, 3, 4, 5, 6, 7, 8, 2]), "eleven-test"),
    (listing, "more than 500"),
    (births, "30 different dates or more"),
    (lambda b: [b.active.append([734_501 + 7 * i]) for i in range(40)], "different long numbers or more"),
    (lambda b: setattr(b.active["AAA1"], "value", 1), "more than 100 columns"),
]


@pytest.mark.parametrize(("change", "fault"), FEATURES, ids=lambda each: each if isinstance(each, str) else "")
def test_what_a_plain_sheet_does_not_have_is_refused_by_its_name(change: Change, fault: str) -> None:
    said = "\n".join(faults_of_document("a.xlsx", book(change)))
    assert fault in said
    assert BSN not in said
    assert "jansen" not in said


PACKAGES: list[tuple[bytes, str]] = [
    (altered({SHEET: before("</worksheet>", f"<!-- {BSN} -->")}), "may hold comments"),
    (altered({SHEET: before("</worksheet>", f"<?x {BSN}?>")}), "may hold comments"),
    (altered({SHEET: instead("<worksheet ", f'<worksheet xmlns:b="http://x/{BSN}" ')}), "XML that no program writes"),
    (altered({SHEET: before("</worksheet>", f'<extLst><ext uri="x"><a>{BSN}</a></ext></extLst>')}), "extensions"),
    (
        altered({SHEET: before("<pageMargins", f'<scenarios><scenario name="{BSN}" comment="x"/></scenarios>')}),
        "scenarios",
    ),
    (altered({SHEET: before("<sheetData>", BSN)}), "a plain workbook does not have"),
    (altered({SHEET: instead('<row r="2">', f'<row r="2" b="{BSN}">')}), "a plain workbook does not have"),
    (altered({SHEET: instead("<v>120</v>", f"<v>120</v><v>{BSN}</v>")}), "a plain workbook does not have"),
    (altered({SHEET: instead('<row r="2">', '<row r="2" ht="0.0" customHeight="1">')}), "too small to be seen"),
    (altered({SHEET: instead('defaultRowHeight="15"', 'defaultRowHeight="0"')}), "rows too small to be seen"),
    (altered({SHEET: instead('<row r="2"', '<row r="1"')}), "rows out of order"),
    (altered({SHEET: instead("<v>120</v>", "<v>120</v><is><t>jan</t></is>")}), "cells of two values"),
    (altered({SHEET: instead('r="B2"', 'r="A2"')}), "cells out of order"),
    (altered({"docProps/app.xml": before("</Properties>", f"<Company>{BSN}</Company>")}), "does not have"),
    (altered({"docProps/core.xml": instead("openpyxl", "A. Jansen")}), "names its maker"),
    (altered({"xl/theme/theme1.xml": instead("Office Theme", BSN)}), "a theme of its own"),
    (altered({"xl/notes.bin": lambda _: BSN.encode()}), "1 part(s)"),
    (altered({"xl/worksheets/sheet2.xml": lambda _: zipfile.ZipFile(io.BytesIO(PLAIN)).read(SHEET)}), "does not show"),
    (altered({"xl/printerSettings/p1.bin": lambda _: "\n".join([BSN] * 500).encode()}), "settings of a printer"),
    (shared("<t>area</t>", f"<t>bsn {BSN}</t>"), "1 text(s) that no cell shows"),
    (shared(f'<t>area</t><rPh sb="0" eb="1"><t>bsn {BSN}</t></rPh>'), "phonetic text"),
    (shared(f"<r><t>area</t></r><r><t>{BSN}</t></r>"), "text of several styles"),
    (shared(f"<t>bsn {BSN}</t>"), "eleven-test"),
    (BSN.encode() + PLAIN, "bytes or comments beside"),
    (PLAIN + BSN.encode(), "bytes or comments beside"),
    (PLAIN[:-2] + bytes([9, 0]) + BSN.encode(), "bytes or comments beside"),
]


@pytest.mark.parametrize(("content", "fault"), PACKAGES, ids=[fault for _, fault in PACKAGES])
def test_what_a_package_holds_beside_plain_sheets_is_refused(content: bytes, fault: str) -> None:
    said = "\n".join(faults_of_document("a.xlsx", content))
    assert fault in said
    assert BSN not in said
    assert "Jansen" not in said


@pytest.mark.parametrize("field", ["comment", "extra"])
def test_what_an_archive_says_of_a_part_is_refused(field: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(PLAIN)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name)
            setattr(entry, field, b"\x99\x99\x09\x00" + BSN.encode())
            new.writestr(entry, old.read(name))
    assert "bytes or comments beside" in "\n".join(faults_of_document("a.xlsx", out.getvalue()))


def test_bytes_between_the_parts_and_behind_a_packed_part_are_refused() -> None:
    with zipfile.ZipFile(io.BytesIO(PLAIN)) as read:
        second = sorted(entry.header_offset for entry in read.infolist())[1]
    assert "bytes or comments" in "\n".join(
        faults_of_document("a.xlsx", PLAIN[:second] + BSN.encode() + PLAIN[second:])
    )


def test_plain_sheets_with_widths_bold_headings_dates_and_shared_texts_leave() -> None:
    def plainly(made: Workbook) -> None:
        made.active.append(["GM0363", 0.25])
        made.active.append(["a", date(2024, 1, 1)])
        made.active["A1"].font = Font(bold=True)
        made.active["B2"].number_format = "#,##0"
        made.active.column_dimensions["A"].width = 20.7109375
        made.active.freeze_panes = "A2"
        made.create_sheet("more").append([1.5, True])

    assert faults_of_document("a.xlsx", book(plainly)) == []
    assert faults_of_document("a.xlsx", shared("<t>area</t>")) == []


def drawing(body: str) -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 99 99"><title>t</title>{body}</svg>'.encode()


DRAWINGS = [
    "".join(f'<text x="{10 + 6 * i}" y="10">{figure}</text>' for i, figure in enumerate(BSN)),
    "".join(f'<text x="{64 - 6 * i}" y="10">{figure}</text>' for i, figure in enumerate(BSN[::-1])),
    '<text x="1" y="1">12345</text><text x="20" y="1">6782</text>',
    '<rect x="1234567.82" y="1" width="1" height="1"/>',
    '<path d="M1234567.82 0"/>',
    '<line x1="12345" x2="6782" y1="0" y2="0"/>',
    "".join(f'<circle cx="{i % 90}" cy="{i % 70}" r="1"/>' for i in range(600)),
    "".join(f'<text x="1" y="{i}">{i % 90} m</text>' for i in range(600)),
    f'<path d="M1 1{" L2 2" * 600}"/>',
    f'<circle cx="0" cy="0" r="{BSN}"/>',
    '<line x1="0" x2="1" y1="0" y2="0" stroke-dasharray="1 2 3 4 5 6 7 8 2"/>',
    '<text font-weight="12 34 56 782">a</text>',
    '<rect fill="bsn-1-2-3-4-5-6-7-8-2" x="0" y="0"/>',
    '<rect fill="jan jansen dorpsstraat 12" x="0" y="0"/>',
    '<g transform="translate(12345 6782)"/>',
    '<rect fill="#75BCD0E" x="0" y="0"/>',
    '<rect fill="#75BCD0" x="0" y="0"/>',
    '<text font-family="jan jansen" x="0" y="0">a</text>',
    '<g role="jan jansen"/>',
]


@pytest.mark.parametrize("body", DRAWINGS, ids=lambda body: body[:30])
def test_what_a_drawing_hides_is_refused(body: str) -> None:
    said = "\n".join(faults_of_document("a.svg", drawing(body)))
    assert said
    assert BSN not in said
    assert "jansen" not in said


def test_the_words_of_an_axis_are_not_read_as_one_number() -> None:
    axis = "".join(f'<text x="{80 + 60 * i}" y="378" font-size="12">{10 * i + 11}</text>' for i in range(40))
    assert faults_of_document("a.svg", drawing(axis).replace(b"99 99", b"2500 400")) == []


RNG = np.random.default_rng(1)
RECORDS = [
    {"age": age, "income": income, "area": f"BU{area}"}
    for age, income, area in zip(
        RNG.integers(0, 99, 2000).tolist(),
        RNG.integers(9000, 99999, 2000).tolist(),
        RNG.integers(10**7, 10**8 - 1, 2000).tolist(),
        strict=True,
    )
]
LISTINGS: dict[str, object] = {
    "objects": {"cells": RECORDS},
    "rows": {"rows": [[each["age"], each["income"]] for each in RECORDS]},
    "persons": {f"p{at}": each["income"] for at, each in enumerate(RECORDS)},
    "columns": {f"c{at}": [each["income"] for each in RECORDS[100 * at :][:100]] for at in range(20)},
    "texts": {"v": [str(each["income"]) for each in RECORDS]},
    "objects of texts": {"v": [{"age": f"{each['age']} y"} for each in RECORDS]},
}
PARTED: list[object] = [{"v": [12345, 6782]}, {"v": [1, 2, 3, 4, 5, 6, 7, 8, 2]}, {"12345": {"6782": 1}}]
PARTED += [{"v": 12345, "w": 6782}, {"v": ["12345", "6782"]}, {"v": 12345678.2}, {"v": 0.123456782}]


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_is_refused_in_json_from_the_gate_and_by_hand(name: str) -> None:
    content = json.dumps(LISTINGS[name]).encode()
    assert "records are not listed" in "\n".join(faults_of_document("a.json", content))
    assert "records are not listed" in "\n".join(faults_of_leaving({"evidence/x/y.json": content}))


@pytest.mark.parametrize("said", PARTED, ids=json.dumps)
def test_figures_of_an_identifier_beside_each_other_are_read_on_in_json(said: object) -> None:
    found = "\n".join(faults_of_document("a.json", json.dumps(said).encode()))
    assert "eleven-test" in found
    assert BSN not in found


def test_a_crate_may_say_as_much_more_as_it_has_files() -> None:
    said = {"@graph": [{"@id": f"outputs/x/{at}", "contentSize": "1234"} for at in range(600)]}
    crate = {"ro-crate-metadata.json": json.dumps(said).encode()}
    assert "records are not listed" in "\n".join(faults_of_leaving(crate))
    bundle = crate | {f"evidence/x/{at}.json": b"{}" for at in range(600)}
    assert faults_of_leaving(bundle) == []


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.md"])
def test_more_rows_than_a_person_reads_and_dates_of_birth_are_refused_in_text(name: str) -> None:
    rows = "\n".join(f"x{at % 50};{at % 90}" for at in range(600))
    assert "more than 500 rows" in "\n".join(faults_of_document(name, rows.encode()))
    days = "\n".join(["born", *(str(date(1950, 1, 1) + timedelta(400 * at)) for at in range(40))])
    assert "30 different dates or more" in "\n".join(faults_of_document(name, days.encode()))
