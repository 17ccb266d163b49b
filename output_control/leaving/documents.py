"""What documents hide: for files that a person considers by hand, since the gate itself lets out none of these types.

A workbook carries hidden sheets and names, a picture or PDF its maker and its place, and a chart the data that it was
made from. Says what is there by kind and count, never by value.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from typing import Any

import pyarrow as pa

from enclave.identifier_density import DensityCheck
from output_control.leaving.said_in_json import read_json
from output_control.leaving.svg import faults_of_svg
from output_control.leaving.text import faults_of_texts, hides_characters, in_lines, without_halves

MOST_BYTES = 50_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DRAWING = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs"}
_PDF_PARTS = {
    "its maker or title": rb"/(?:Author|Creator|Producer|Title|Subject|Keywords)\b|/Info\b",
    "metadata": rb"/Metadata\b|<x:xmpmeta",
    "an embedded file": rb"/EmbeddedFiles?\b",
    "a script or an action": rb"/(?:JavaScript|JS|Launch|OpenAction|AA)\b",
    "comments or form fields": rb"/(?:Annots|AcroForm)\b",
}
_OFFICE_PARTS = {
    "macros": r"vbaProject|/macrosheets/",
    "links to other files": r"/externalLinks/",
    "embedded files": r"/embeddings/|/media/|/ctrlProps/",
    "comments": r"/comments|/threadedComments|/persons/",
    "a data cache of a pivot table": r"/pivotCache/",
    "data of another program": r"^customXml/|docProps/custom",
}


def faults_of_document(name: str, content: bytes) -> list[str]:
    """Everything in a file that a reader does not see at once, and identifiers in what can be read."""
    if len(content) > MOST_BYTES:
        return [f"is larger than {MOST_BYTES // 1_000_000} MB"]
    suffix = name.rpartition(".")[2].lower()
    if suffix == "xlsx":
        return list(_faults_of_workbook(content))
    if suffix == "png":
        return list(_faults_of_png(content))
    if suffix == "pdf":
        return list(_faults_of_pdf(content))
    if suffix in {"csv", "txt", "json", "svg", "md"}:
        return list(_faults_of_text(content, suffix))
    return ["is of a type that is not looked into: give a CSV or text file"]


def _faults_of_text(content: bytes, suffix: str) -> Iterator[str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield "is no UTF-8 text"
        return
    if hides_characters(re.sub(r"[\t\r\n]", " ", text)):
        yield "holds characters that are not shown"
    if suffix == "svg":
        yield from faults_of_svg(text, drawn_from=True)
        return
    if suffix == "json":
        said = read_json(text)
        yield from said.faults
        yield from faults_of_texts(pa.array(said.texts, pa.string()))
        return
    if suffix == "md":  # which shows &#49; as 1
        text = unescape(text)
        if hides_characters(in_lines(text)):
            yield "holds characters that are not shown, as references"
    yield from faults_of_texts(pa.array(text.splitlines(), pa.string()))
    check = DensityCheck()
    check.add(pa.array(re.findall(r"(?<![0-9.])[0-9]{8,9}(?![0-9.])", text), pa.string()))
    if check.leaks():
        yield "holds numbers that pass the eleven-test far more often than chance explains"


def _faults_of_png(content: bytes) -> Iterator[str]:
    if not content.startswith(_PNG):
        yield "is no PNG picture"
        return
    place, others = len(_PNG), 0
    while place + 12 <= len(content):
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        others += kind not in _PNG_DRAWING
        place += 12 + length
        if kind == b"IEND":
            break
    if others:
        yield f"holds {others} part(s) beside the picture: texts, places, times"
    if place != len(content):
        yield "holds bytes after the picture, or is cut off"
    yield "is a picture, in which no text can be searched: ask for a figure, which the gate draws"


def _faults_of_pdf(content: bytes) -> Iterator[str]:
    if not content.startswith(b"%PDF-"):
        yield "is no PDF"
        return
    for what, pattern in _PDF_PARTS.items():
        if re.search(pattern, content):
            yield f"holds {what}"
    if content.count(b"%%EOF") > 1:
        yield "holds earlier versions of itself"
    yield "is a PDF, whose text may be packed: give the tables as CSV"


def _faults_of_workbook(content: bytes) -> Iterator[str]:
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            names = parts.namelist()
            if sum(part.file_size for part in parts.infolist()) > MOST_BYTES:
                yield "unfolds to more than is looked into"
                return
        book = load_workbook(io.BytesIO(content))
    except Exception:  # openpyxl and zipfile let errors of every kind through; what cannot be read does not leave
        yield "is not readable as a workbook"
        return
    for what, pattern in _OFFICE_PARTS.items():
        if any(re.search(pattern, name) for name in names):
            yield f"holds {what}"
    said = book.properties
    given = [
        said.creator,
        said.lastModifiedBy,
        said.title,
        said.subject,
        said.description,
        said.keywords,
        said.category,
    ]
    if any(value and value != "openpyxl" for value in given):
        yield "names its maker, title or keywords in its properties"
    if len(book.defined_names):
        yield f"holds {len(book.defined_names)} defined name(s)"
    for number, sheet in enumerate(book.worksheets, start=1):
        yield from (f"sheet {number} {fault}" for fault in _faults_of_sheet(sheet))


def _faults_of_sheet(sheet: Any) -> Iterator[str]:
    if sheet.sheet_state != "visible":
        yield "is hidden"
    for what, dimensions in (("column", sheet.column_dimensions), ("row", sheet.row_dimensions)):
        hidden = sum(bool(each.hidden) for each in dimensions.values())
        if hidden:
            yield f"has {hidden} hidden {what}(s)"
    cells = [value for row in sheet.iter_rows(values_only=True) for value in row if value is not None]
    texts = [_unescaped(value) for value in [*cells, sheet.title] if isinstance(value, str)]
    if without_halves(texts) != texts or hides_characters(" ".join(map(in_lines, texts))):
        yield "holds characters that are not shown"
        texts = without_halves(texts)
    formulas = sum(value.startswith("=") for value in texts)
    if formulas:
        yield f"holds {formulas} formula(s)"
    yield from faults_of_texts(pa.array(texts, pa.string()))
    check = DensityCheck()
    check.add(pa.array([str(int(v)) for v in cells if isinstance(v, (int, float)) and v == int(v)], pa.string()))
    if check.leaks():
        yield "holds numbers that pass the eleven-test far more often than chance explains"


def _unescaped(text: str) -> str:
    """A workbook writes any character as its code between ``_x`` and ``_`` (ECMA-376, part 1, 22.4.2.4)."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), text)
