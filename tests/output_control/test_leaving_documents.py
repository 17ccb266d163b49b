"""What workbooks, pictures and PDFs hide is found, and named without its value."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.workbook.defined_name import DefinedName
from typer.testing import CliRunner

from enclave.errors import BadInput, Refused
from output_control.leaving.documents import faults_of_document
from pipeline.main import app

BSN = "123456782"


def book(change: Callable[[Workbook], object] = lambda _: None) -> bytes:
    made = Workbook()
    made.active.append(["area", "homes"])
    made.active.append(["NL", 120])
    change(made)
    sink = io.BytesIO()
    made.save(sink)
    return sink.getvalue()


def hide(made: Workbook) -> None:
    made.create_sheet("more").sheet_state = "veryHidden"


def test_a_plain_workbook_holds_nothing() -> None:
    assert faults_of_document("a.xlsx", book()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (hide, "sheet 2 is hidden"),
        (lambda b: setattr(b.active.column_dimensions["B"], "hidden", True), "sheet 1 has 1 hidden column(s)"),
        (lambda b: setattr(b.active.row_dimensions[2], "hidden", True), "sheet 1 has 1 hidden row(s)"),
        (lambda b: setattr(b.active["A1"], "comment", Comment("x", "y")), "holds comments"),
        (lambda b: setattr(b.properties, "creator", "A. Jansen"), "names its maker"),
        (lambda b: b.defined_names.add(DefinedName("x", attr_text="Sheet!$A$1")), "1 defined name(s)"),
        (lambda b: b.active.append(["=1+1"]), "1 formula(s)"),
        (lambda b: b.active.append([f"bsn {BSN}"]), "eleven-test"),
        (lambda b: b.active.append(["1234 AB 12"]), "a postcode with a house number"),
        (lambda b: b.active.append(["_x0031_23456782"]), "eleven-test"),
        (lambda b: b.active.append(["1_x200B_2"]), "characters that are not shown"),
        (lambda b: b.active.append(["1\ufe0f2"]), "characters that are not shown"),
        (lambda b: setattr(b.active, "title", BSN), "eleven-test"),
    ],
)
def test_what_a_workbook_hides_is_found(change: Callable[[Workbook], object], fault: str) -> None:
    said = "\n".join(faults_of_document("a.xlsx", book(change)))
    assert fault in said
    assert BSN not in said
    assert "Jansen" not in said


def test_a_column_of_bsns_in_a_workbook_is_found() -> None:
    weights = np.array([9, 8, 7, 6, 5, 4, 3, 2, -1])
    numbers = [n for n in range(123456700, 123458000) if (np.array(list(map(int, str(n)))) @ weights) % 11 == 0][:40]

    def add(made: Workbook) -> None:
        for number in numbers:
            made.active.append(["x", number])

    assert "far more often than chance" in "\n".join(faults_of_document("a.xlsx", book(add)))


def png(*chunks: tuple[bytes, bytes], after: bytes = b"") -> bytes:
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), *chunks, (b"IDAT", zlib.compress(b"\0\0"))]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*parts, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + body + after


def test_texts_places_and_trailing_bytes_of_a_picture_are_found() -> None:
    assert not any("beside the picture" in fault for fault in faults_of_document("a.png", png()))
    assert "1 part(s) beside the picture" in "\n".join(
        faults_of_document("a.png", png((b"tEXt", b"Author\0A. Jansen")))
    )
    assert "2 part(s)" in "\n".join(faults_of_document("a.png", png((b"eXIf", b"x"), (b"tIME", b"y"))))
    assert "bytes after the picture" in "\n".join(faults_of_document("a.png", png(after=b"PK\x03\x04")))
    assert faults_of_document("a.png", b"GIF89a") == ["is no PNG picture"]
    assert any("ask for a figure" in fault for fault in faults_of_document("a.png", png()))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"/Info 1 0 R", "its maker"),
        (b"/Author (A)", "its maker"),
        (b"/Metadata 2 0 R", "metadata"),
        (b"/EmbeddedFiles", "an embedded file"),
        (b"/JavaScript", "a script"),
        (b"/Annots []", "comments"),
        (b"%%EOF\n%%EOF", "earlier versions"),
    ],
)
def test_what_a_pdf_hides_is_found(content: bytes, fault: str) -> None:
    assert fault in "\n".join(faults_of_document("a.pdf", b"%PDF-1.7\n" + content))


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.docx", b"PK", "not looked into"),
        ("a.parquet", b"PAR1", "not looked into"),
        ("a.xlsx", b"PK\x03\x04", "not readable as a workbook"),
        ("a.txt", b"\xff", "no UTF-8"),
        ("a.txt", "a\u202eb".encode(), "not shown"),
        ("a.md", f"of {BSN}".encode(), "eleven-test"),
        ("a.md", b"of &#49;23456782", "eleven-test"),
        ("a.md", b"of &zwj;", "not shown"),
        ("a.json", b'["\\u00312345\\u200b6782"]', "not shown"),
        ("a.json", b'{"a": "\\u003123456782"}', "eleven-test"),
        ("a.json", b'{"a": 123456782}', "eight figures"),
        ("a.svg", b"<svg><script/></svg>", "does not draw"),
        ("a.txt", b"x" * 50_000_001, "larger than"),
    ],
)
def test_other_files_are_read_as_text_or_not_at_all(name: str, content: bytes, fault: str) -> None:
    assert fault in "\n".join(faults_of_document(name, content))


def test_the_command_says_all_and_lets_nothing_pass(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.xlsx"
    good.write_text("area,homes\nNL,120\n")
    bad.write_bytes(book(hide))
    done = CliRunner().invoke(app, ["scan", str(good)])
    assert (done.exit_code, "nothing found of what has a form" in done.output) == (0, True)
    refused = CliRunner().invoke(app, ["scan", str(good), str(bad)])
    assert isinstance(refused.exception, Refused)
    assert "bad.xlsx: sheet 2 is hidden" in str(refused.exception)


def test_what_is_not_a_file_with_something_in_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none.csv").write_text("")
    folder = CliRunner().invoke(app, ["scan", "."])
    assert isinstance(folder.exception, BadInput) and str(folder.exception).startswith(".: this is a folder")
    empty = CliRunner().invoke(app, ["scan", "none.csv"])
    assert isinstance(empty.exception, Refused) and "none.csv: is empty" in str(empty.exception)


@pytest.mark.parametrize("parted", [",", ";"])
def test_a_line_that_holds_an_identifier_is_counted_once(parted: str) -> None:
    rows = ["area,bsn,homes", f"NL,{BSN},120", "NL,12,120", f"BE,1,{BSN}"]
    content = "\n".join(rows).replace(",", parted).encode()
    assert [fault for fault in faults_of_document("a.csv", content) if "BSN" in fault and "(2 line(s))" in fault]
