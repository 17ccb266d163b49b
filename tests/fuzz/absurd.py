"""Files that unfold to far more than they are, of any size; ``python -m tests.fuzz.absurd FILE ...`` reads them.

Each line of what it prints is a file, whether it was read, and by how many MiB the memory grew and how many CPU seconds
it took, in a process that was forked for it.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

from enclave.errors import EnclaveError
from pseudonymise.formats import read_batches
from pseudonymise.formats.batch import PlainFile
from tests.fuzz.office_targets import filter_schema, filter_seeds
from tests.fuzz.targets import csv_seeds, sav_seeds, two_columns, xlsx_seeds

MEBIBYTE = 1 << 20
_SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
_STRINGS = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_STYLES = '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs>'
_HEAD_ROW = '<row r="1"><c t="inlineStr"><is><t>first</t></is></c><c t="inlineStr"><is><t>second</t></is></c></row>'
_WORKBOOK = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/>'
    f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_TYPES}.sharedStrings+xml"/></Types>',
    "xl/workbook.xml": f'<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    f'xmlns:r="{_RELATIONS}">'
    '<sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="r1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/styles.xml": '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"></styleSheet>',
    "xl/sharedStrings.xml": f"{_STRINGS}</sst>",
    "xl/worksheets/sheet1.xml": f"{_SHEET}<sheetData>{_HEAD_ROW}</sheetData></worksheet>",
}
Pieces = Iterator[bytes]


def repeated(before: str, piece: str, times: int, after: str) -> Pieces:
    """``piece`` so many times between two texts, a mebibyte at a time."""
    yield before.encode()
    at_once = max(1, min(times, MEBIBYTE // len(piece)))
    block = piece.encode() * at_once
    for _ in range(times // at_once):
        yield block
    yield piece.encode() * (times % at_once) + after.encode()


def numbered(before: str, piece: str, times: int, after: str) -> Pieces:
    """As :func:`repeated`, with a number of seven digits for ``#``, so that it does not fold to nothing."""
    yield before.encode()
    at_once = 4096
    for first in range(0, times, at_once):
        yield "".join(
            piece.replace("#", f"{i * 7919 % 10_000_019:07d}") for i in range(first, min(first + at_once, times))
        ).encode()
    yield after.encode()


@cache
def digits() -> str:
    """A mebibyte that does not fold to nothing."""
    return "".join(map(str, np.random.default_rng(1).integers(0, 10, MEBIBYTE).tolist()))


def workbook(path: Path, **parts: Pieces) -> None:
    """A workbook of a header, with other parts than usual: ``sheet``, ``strings``, ``styles``, ``book``."""
    names = {
        "sheet": "xl/worksheets/sheet1.xml",
        "strings": "xl/sharedStrings.xml",
        "styles": "xl/styles.xml",
        "book": "xl/workbook.xml",
    }
    others = {names[name]: pieces for name, pieces in parts.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, usual in _WORKBOOK.items():
            with archive.open(name, "w", force_zip64=True) as part:
                for piece in others.get(name, (usual.encode(),)):
                    part.write(piece)


def in_sheet(before: str, piece: str, times: int, after: str) -> Pieces:
    """A sheet whose second row, or what follows it, is so."""
    text = f"{_SHEET}<sheetData>{_HEAD_ROW}{before}", f"{after}</worksheet>"
    return numbered(text[0], piece, times, text[1]) if "#" in piece else repeated(text[0], piece, times, text[1])


def sav(path: Path, records: Pieces, cases: Iterable[bytes] = (), *, compression: int = 0, count: int = -1) -> None:
    """An SPSS file of these records."""
    with path.open("wb") as file:
        file.write(b"$FL2" + b"@(#) SPSS DATA FILE".ljust(60) + struct.pack("<5id", 2, 2, compression, 0, count, 100.0))
        file.write(b"01 Jan 16" + b"00:00:00" + b" " * 64 + b"\0" * 3)
        file.writelines(records)
        file.write(struct.pack("<2i", 999, 0))
        file.writelines(cases)


def variable(name: str, width: int = 0) -> bytes:
    """A variable's record, with those of its further slots."""
    shown = (1 << 16) | (max(width, 1) << 8) if width else 0x050800
    record = struct.pack("<6i", 2, width, 0, 0, shown, shown) + name.encode()[:8].ljust(8)
    return record + struct.pack("<6i", 2, -1, 0, 0, 0, 0).ljust(32) * (max(1, -(-width // 8)) - 1)


def variables(number: int) -> Pieces:
    """Records of so many numeric variables."""
    for at in range(number):
        yield variable(f"V{at:07d}")


def named(*widths: int) -> Pieces:
    """``first`` and ``second`` as texts of so many bytes: stored in segments, with the names of all."""
    very_long, names = b"", []
    for place, (name, width) in enumerate(zip(("first", "second"), widths, strict=True)):
        segments = max(1, -(-width // 252)) if width > 255 else 1
        for segment in range(segments):
            size = width if segments == 1 else 255 if segment + 1 < segments else width - 252 * (segments - 1)
            yield variable(f"{'AB'[place]}{segment:05d}", size)
        names.append(f"{'AB'[place]}00000={name}")
        if segments > 1:
            very_long += f"{'AB'[place]}00000={width:05d}".encode() + b"\0\t"
    yield extension(3, 4, struct.pack("<8i", 1, 0, 0, -1, 1, 1, 2, 65001))
    yield extension(13, 1, "\t".join(names).encode())
    if very_long:
        yield extension(14, 1, very_long)


def one_long(width: int) -> Pieces:
    """A text of so many bytes, by what is said of it alone."""
    yield variable("A", 255) + variable("B", 8)
    yield extension(14, 1, f"A={width}".encode() + b"\0\t")


def extension(kind: int, size: int, content: bytes) -> bytes:
    """A record of type 7."""
    return struct.pack("<4i", 7, kind, size, len(content) // size) + content


def labels(number: int) -> Pieces:
    """A set of value labels for the first variable."""
    yield struct.pack("<2i", 3, number)
    for first in range(0, number, 65536):
        many = np.zeros((min(65536, number - first), 2), dtype="<f8")
        many[:, 0] = np.arange(first, first + len(many))
        many.view(np.uint8).reshape(-1, 16)[:, 8] = 7
        yield many.tobytes()
    yield struct.pack("<3i", 4, 1, 1)


def blocks(number: int, at: int) -> Pieces:
    """A ``.zsav`` of so many blocks of 4 MiB, all of which lie at one place."""
    folded = zlib.compress(b"\xfe" * (4 << 20), 9)
    yield struct.pack("<3q", at, at + 24 + len(folded), 24 + 24 * number) + folded
    yield struct.pack("<2q2i", -100, 0, 4 << 20, number)
    entry = struct.pack("<2q2i", 0, at + 24, 4 << 20, len(folded))
    for first in range(0, number, 43690):
        yield entry * min(43690, number - first)


def documents(number: int) -> Pieces:
    """So many records of 1 KiB of documents."""
    for _ in range(number):
        yield struct.pack("<2i", 6, 13) + b"x" * 13 * 80


def long_texts(number: int) -> Pieces:
    """Cases of a text of 32,760 bytes each: a batch of many would hold gigabytes."""
    case = b"x" * 130 * 256 + b"12345678"
    for _ in range(number):
        yield case


def parts(path: Path, number: int) -> None:
    """An archive of so many empty parts."""
    with zipfile.ZipFile(path, "w") as archive:
        for at in range(number):
            archive.writestr(f"p{at}", b"")


def _write(path: Path, pieces: Pieces) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)


ENTITIES = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
ROW = '<row r="2"><c t="inlineStr"><is><t>'


@dataclass(frozen=True, slots=True)
class Absurd:
    """``write`` takes a path and a size, in about mebibytes of what the file is or unfolds to; ``everyday`` is a size
    for every run of the tests (0: none), ``whole`` the size for which nothing may be held. ``most``: MiB of growth."""

    write: Callable[[Path, int], None]
    everyday: int
    whole: int
    most: int = 256


FILES: Mapping[str, Absurd] = {
    "columns.csv": Absurd(lambda path, n: _write(path, repeated("", "a;", n << 19, "")), 25, 1024),
    "cell.csv": Absurd(lambda path, n: _write(path, repeated("first;second\na;", "x", n << 20, "")), 25, 1024),
    "quoted.csv": Absurd(lambda path, n: _write(path, repeated('first;second\n"', "a;\n;", n << 18, "")), 25, 1024),
    "cells.csv": Absurd(lambda path, n: _write(path, repeated("first;second\n", "a;", n << 19, "")), 25, 1024),
    "cell.json": Absurd(lambda path, n: _write(path, repeated('{"clks": ["', "x", n << 20, "")), 25, 1024),
    "key.json": Absurd(lambda path, n: _write(path, repeated('{"', "x", n << 20, "")), 4, 1024),
    "nested.json": Absurd(lambda path, n: _write(path, repeated('{"clks": ', "[", n << 20, "")), 4, 1024),
    "columns.json": Absurd(lambda path, n: _write(path, numbered("{", '"#": 1, ', n << 16, "}")), 1, 160),
    "columns.sav": Absurd(lambda path, n: sav(path, variables(n << 15)), 2, 320),
    "cell.sav": Absurd(lambda path, n: sav(path, one_long(n << 20), repeated("", "x", n << 20, "")), 2, 1024),
    "segments.sav": Absurd(lambda path, n: sav(path, named(n << 20, 8)), 2, 64),
    "labels.sav": Absurd(lambda path, n: sav(path, chain(named(0, 8), labels(n << 16))), 2, 1024),
    "documents.sav": Absurd(lambda path, n: sav(path, documents(n << 10)), 17, 1024),
    "blocks.zsav": Absurd(
        lambda path, n: sav(path, named(8, 8), blocks(n * 250, sum(map(len, named(8, 8))) + 184), compression=2),
        2,
        1024,
    ),
    "texts.sav": Absurd(lambda path, n: sav(path, named(32_760, 8), long_texts(n << 5), count=n << 5), 0, 1000, 512),
    "columns.xlsx": Absurd(
        lambda path, n: workbook(path, sheet=in_sheet('<row r="2">', "<c><v>#</v></c>", n << 16, "</row></sheetData>")),
        4,
        160,
    ),
    "cell.xlsx": Absurd(
        lambda path, n: workbook(path, sheet=in_sheet(ROW, digits(), n, "</t></is></c></row></sheetData>")), 2, 1024
    ),
    "rows.xlsx": Absurd(
        lambda path, n: workbook(path, sheet=in_sheet("", "<row ht='#'/>", n << 16, "</sheetData>")), 0, 17, 640
    ),
    "far_row.xlsx": Absurd(
        lambda path, n: workbook(path, sheet=in_sheet("", f'<row r="{n << 20}"><c/></row>', 1, "</sheetData>")), 2, 1024
    ),
    "beside.xlsx": Absurd(
        lambda path, n: workbook(path, sheet=in_sheet("", "<x><y>#</y></x>", n << 16, "</sheetData>")), 4, 100
    ),
    "merged.xlsx": Absurd(
        lambda path, n: workbook(
            path, sheet=in_sheet("</sheetData><mergeCells>", '<mergeCell ref="A#:B#"/>', n << 15, "</mergeCells>")
        ),
        0,
        200,
    ),
    "tags.xlsx": Absurd(
        lambda path, n: workbook(path, sheet=repeated(f"{_SHEET}<sheetData>", "<c<c", n << 18, "")), 1, 5
    ),
    "strings.xlsx": Absurd(
        lambda path, n: workbook(path, strings=numbered(_STRINGS, "<si><t>#</t></si>", n << 16, "</sst>")), 0, 38, 640
    ),
    "more_strings.xlsx": Absurd(
        lambda path, n: workbook(path, strings=numbered(_STRINGS, "<si><t>#</t></si>", n << 16, "</sst>")), 0, 150
    ),
    "elements.xlsx": Absurd(
        lambda path, n: workbook(path, strings=numbered(_STRINGS, "<a b='#'/>", n << 16, "</sst>")), 4, 200
    ),
    "styles.xlsx": Absurd(
        lambda path, n: workbook(
            path, styles=numbered(_STYLES, '<xf numFmtId="#"/>', n << 16, "</cellXfs></styleSheet>")
        ),
        4,
        50,
    ),
    "entities.xlsx": Absurd(
        lambda path, n: workbook(
            path,
            strings=repeated(
                f'<!DOCTYPE sst [<!ENTITY a "{"x" * (n << 10)}">{ENTITIES}]>{_STRINGS}<si><t>',
                "&i;",
                1,
                "</t></si></sst>",
            ),
        ),
        2,
        900,
    ),
    "parts.xlsx": Absurd(lambda path, n: parts(path, n << 10), 2, 1024),
}


def read(path: Path) -> str:
    """What reading it says: ``refused``, or how many rows it has."""
    form = path.suffix[1:].replace("zsav", "sav")
    try:
        schema = filter_schema() if form == "json" else two_columns(form)
        return str(sum(len(batch.rows) for batch in read_batches(PlainFile(path), schema)))
    except EnclaveError as error:
        return f"refused ({error.faults[0].message})"


SOUND = {"csv": csv_seeds(), "xlsx": xlsx_seeds(), "sav": sav_seeds(), "json": filter_seeds()}


def main(paths: list[str]) -> None:
    """Read each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:  # so that loading what reads is not counted
        for form, (sound, *_) in SOUND.items():
            path = Path(folder) / f"sound.{form}"
            path.write_bytes(sound)
            read(path)
    for path in map(Path, paths):
        sys.stdout.flush()
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
            before, began = _peak(), time.process_time()
            said = read(path)
            sys.stdout.write(f"{path.name}\t{said}\t{_peak() - before:.0f}\t{time.process_time() - began:.2f}\n")
            sys.stdout.flush()
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.stdout.write(f"{path.name}\tcrashed\t0\t0\n")


def _peak() -> float:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
