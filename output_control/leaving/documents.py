"""What documents hide: for files that a person considers by hand, since the gate itself lets out none of these types.

A workbook carries hidden sheets and names, a picture or PDF its maker and its place, and a chart the data that it was
made from. Says what is there by kind and count, never by value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pyarrow as pa

from output_control.leaving.by_hand import MOST_CHARACTERS, faults_of_extent, faults_of_fields, faults_of_markup
from output_control.leaving.said_in_json import read_json
from output_control.leaving.svg import faults_of_svg
from output_control.leaving.table import faults_of_columns, rows_of, texts_of_rows
from output_control.leaving.text import faults_of_lines, faults_of_texts, hides_characters, in_lines, long_numbers
from output_control.leaving.workbook import faults_of_workbook

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


def faults_of_document(name: str, content: bytes) -> list[str]:
    """Everything in a file that a reader does not see at once, and identifiers in what can be read."""
    if len(content) > MOST_BYTES:
        return [f"is larger than {MOST_BYTES // 1_000_000} MB"]
    suffix = name.rpartition(".")[2].lower()
    if suffix == "xlsx":
        return list(faults_of_workbook(content))
    if suffix == "png":
        return list(_faults_of_png(content))
    if suffix == "pdf":
        return list(_faults_of_pdf(content))
    if suffix in {"csv", "txt", "json", "svg", "md"}:
        return list(_faults_of_text(content, suffix))
    return ["is of a type that is not looked into: give a CSV or text file"]


def faults_of_name(name: str) -> list[str]:
    """Identifiers in the name of a file, which leaves with it."""
    hidden = ["holds characters that are not shown"] if hides_characters(name) else []
    long = ["holds a number of eight figures or more"] if long_numbers(pa.array([name])) else []
    return [*hidden, *(list(faults_of_texts(pa.array([name]))) or long)]


def _faults_of_text(content: bytes, suffix: str) -> Iterator[str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield "is no UTF-8 text"
        return
    if not text:
        yield "is empty"
    if suffix in {"csv", "txt"}:
        text = text.removeprefix("\ufeff")  # spreadsheets begin "CSV UTF-8" with it
    if hides_characters(re.sub(r"[\t\r\n]", " ", text)):
        yield "holds characters that are not shown"
    if suffix == "svg":
        yield from faults_of_svg(text, drawn_from=True, by_hand=True)
        return
    if suffix == "json":
        said = read_json(text, by_hand=True)
        yield from said.faults
        yield from faults_of_extent(said.texts)
        yield from faults_of_texts(pa.array(said.texts, pa.string()))
        return
    if suffix == "md":  # which shows &#49; as 1
        yield from faults_of_markup(text)
        text = unescape(text)
        if hides_characters(in_lines(text)):
            yield "holds characters that are not shown, as references"
    lines = text.splitlines()
    yield from faults_of_extent(lines)
    if sum(map(len, lines)) > MOST_CHARACTERS:
        return
    rows = rows_of(text)
    read = [[line, *texts_of_rows([row])] for line, row in zip(lines, rows, strict=False)]
    yield from faults_of_lines([*read, *([line] for line in lines[len(rows) :])])
    yield from faults_of_columns(rows)
    if suffix == "csv":
        yield from faults_of_fields([field for row in rows for field in row])


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
