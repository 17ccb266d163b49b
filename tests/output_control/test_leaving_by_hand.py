"""What no person would read, or would read as something else, in a file that leaves by hand; and what passes."""

from __future__ import annotations

import base64
import json
import zlib

import pytest
from openpyxl import Workbook

from output_control.leaving.documents import faults_of_document, faults_of_name
from tests.output_control.test_leaving_documents import book
from tests.output_control.test_leaving_hidden import BSN, SHEET, altered, before, drawing, instead

STYLES = "xl/styles.xml"
MANY = [f"{18 + at % 70} {'MV'[at % 2]} wijk{at % 97} geen" for at in range(20_000)]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (
            "a.csv",
            "\n" * 501 + "\n".join(each.replace(" ", ";") for each in MANY),
            "a person reads no more",
        ),
        ("a.csv", "\n" * 501 + "\n".join(f"{7 * at};v" for at in range(3000)), "more than 500 rows"),
        ("a.csv", "\n".join([";".join(each.split()[0] for each in MANY[:300])] * 3), "more than 100 columns"),
        ("a.txt", " / ".join(MANY[:2000]), "records are not listed"),
        ("a.txt", base64.b64encode(zlib.compress("".join(MANY).encode())).decode()[:1900], "packed data"),
        ("a.csv", "area,n\nGM0363," + BSN * 6, "more than 20 figures in a row"),
        ("a.json", json.dumps({"note": "; ".join(MANY[:2000])}), "records are not listed"),
        ("a.json", json.dumps({"; ".join(MANY[:2000]): 1}), "records are not listed"),
        ("a.svg", drawing(f"<desc>{'; '.join(MANY[:2000])}</desc>"), "records are not listed"),
        ("a.svg", drawing('<text x="9" y="9" font-size="0">a</text>'), "nobody sees"),
        ("a.svg", drawing('<text x="9" y="9" fill="none">a</text>'), "nobody sees"),
        ("a.svg", drawing('<g fill="none"><text x="9" y="9">a</text></g>'), "nobody sees"),
        ("a.svg", drawing('<text x="9999" y="9">a</text>'), "nobody sees"),
        ("a.csv", f"area;n\nGM0363;{BSN}0E-1", "eleven-test"),
        ("a.csv", f"area;n\nGM0363;{BSN}00%", "eleven-test"),
        ("a.csv", f"area;n\nGM0363;={BSN[:4]}*100000+{BSN[4:]}", "as a formula"),
        ("a.csv", f"area;n\nGM0363;={BSN[:4]}*100000+{BSN[4:]}+1e0", "as a formula"),
        ("a.csv", f"area;n\nGM0363;{int(BSN):#x}", "another base than ten"),
        ("a.md", "# figures\n<!-- jan jansen -->\n", "HTML, a picture or a link"),
        ("a.md", "![](http://x.example/a.png)", "HTML, a picture or a link"),
    ],
)
def test_what_no_person_would_read_is_refused(name: str, content: str | bytes, fault: str) -> None:
    said = "\n".join(faults_of_document(name, content.encode() if isinstance(content, str) else content))
    assert fault in said
    assert BSN not in said


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "\ufeffgebied;aantal\r\nGM0363;12,5\r\nGM0014;-3\r\n"),
        ("a.csv", "gebied,aantal,deel\nGM0363,1e3,12%\nGM0014,-,-0.5\n"),
        ("a.md", "# Aantallen\n\n| gebied | aantal |\n|" + "-" * 80 + "|---|\n| a < b | 3 |\n"),
        ("a.txt", "Toelichting: " + "een woord en nog een; " * 80),
    ],
)
def test_what_a_person_reads_passes(name: str, content: str) -> None:
    assert faults_of_document(name, content.encode()) == []


def merged(made: Workbook, area: str = "A1:B1") -> None:
    made.active.merge_cells(area)


def test_merged_headings_pass_and_what_is_beneath_them_does_not() -> None:
    assert faults_of_document("a.xlsx", book(merged)) == []
    covering = before("</worksheet>", '<mergeCells count="1"><mergeCell ref="A1:B1"/></mergeCells>')
    for area in ("A1:B1", "A900:B999"):
        made = altered({SHEET: lambda part, area=area: covering(part).replace(b"A1:B1", area.encode())})
        assert "merged cells that cover others, or none" in "\n".join(faults_of_document("a.xlsx", made))


HIDDEN_IN_PARTS = {
    "a style that no cell can have": (STYLES, "</cellXfs>", f'<xf numFmtId="{BSN[:3]}" fontId="{BSN[3:6]}"/>'),
    "the same style twice": (STYLES, "</cellXfs>", '<xf numFmtId="2" fontId="0"/>' * 2),
    "a base style that is not used": (STYLES, "</cellStyleXfs>", f'<xf fontId="{BSN[3:6]}"/>'),
    "a row without cells": (SHEET, "</sheetData>", f'<row r="90" spans="{BSN[:3]}:{BSN[3:6]}" s="{BSN[6:]}"/>'),
    "columns that are not there": (SHEET, "<sheetData>", None),
}


@pytest.mark.parametrize("what", HIDDEN_IN_PARTS)
def test_numbers_in_parts_that_nobody_sees_are_refused(what: str) -> None:
    part, place, said = HIDDEN_IN_PARTS[what]
    if said is None:
        said = f'<cols><col min="{BSN[:3]}" max="{BSN[3:6]}" style="{BSN[6:]}" width="10"/></cols>'
        change = instead(place, said + place)
    else:
        change = before(place, said)
    assert faults_of_document("a.xlsx", altered({part: change}))


def day_and_time(made: Workbook, part: float, form: str) -> None:
    made.active.append(["dag", 44927 + part])
    made.active.cell(made.active.max_row, 2).number_format = form


def test_a_day_tells_its_whole_number() -> None:
    hidden = int(BSN) / 1e9
    assert faults_of_document("a.xlsx", book(lambda b: day_and_time(b, 0.5, "yyyy-mm-dd hh:mm:ss"))) == []
    for form in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"):
        assert "eleven-test" in "\n".join(
            faults_of_document("a.xlsx", book(lambda b, form=form: day_and_time(b, hidden, form)))
        )


def test_the_name_of_a_file_is_looked_at_and_not_told() -> None:
    for name in (f"{BSN}.csv", "tabel 1234-5678.csv"):
        assert faults_of_name(name)
        assert not any(BSN in fault for fault in faults_of_name(name))
    assert faults_of_name("aantallen 2015-2024 v2.csv") == []
