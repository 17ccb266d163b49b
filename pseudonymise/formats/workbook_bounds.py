"""What an XLSX archive may unfold to: looked at part by part, keeping nothing, before a library reads it.

The library (openpyxl) holds a row until its end, every element outside rows for ever, and the other parts (styles,
shared strings, the workbook's own) whole. So elements and bytes are counted just there.
"""

from __future__ import annotations

import functools
import re
import zipfile
import zlib
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import BLOCK
from pseudonymise.formats.header import MAX_COLUMNS
from pseudonymise.schemas import MAX_CELL

MAX_ENTRIES = 1000
MAX_ROWS = 1 << 20
MAX_RATIO = 200
MAX_SHEET = 2 << 30
MAX_SHARED_STRINGS = 256 << 20
MAX_OTHER = 64 << 20
MAX_ROW = 8 << 20
MAX_IN_ROW = 16 * MAX_COLUMNS
MAX_STRINGS = 2_500_000
MAX_OTHER_TAGS = 200_000
MAX_ROW_FIELDS = 8 << 20
_MAX_ROW_FIELD = 20
_DEEPEST = 100
_SMALL = 1 << 20
_PIECE = 1 << 18
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SHEETS = "worksheets/"
_SHARED = re.compile(r"sharedStrings", re.IGNORECASE)
# A formula whose result was never stored: programs that don't calculate leave it so. A stored empty text is a result.
_UNCALCULATED = re.compile(
    rb"<(?:\w+:)?c\b(?![^<>]*\bt=[\"']str[\"'])[^<>]*>\s*<(?:\w+:)?f\b(?:[^<>]*/>|[^<>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>|</(?:\w+:)?c>)"
)


_FIRST_SHEET = "sheet1.xml"
_PLACE = re.compile(rb"\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_SHOWN = 5
Uncalculated = dict[tuple[int, str], tuple[tuple[int, ...], int]]
"""Number and letters of a column → the first rows of the sheet in which a formula has no result, and how many there
are; under ``(0, "")`` those of which the place is not known."""


def refuse_bombs(handle: Any, file: str) -> Uncalculated:
    """Unfold the archive once, keeping nothing, and stop at the first bound that it breaks; tells which formulas have
    no result.

    Raises:
        BadInput: no ZIP archive; too many or too large parts, too high a ratio; a cell above 1 MiB; a row, or what
            stands beside rows, of too many elements or bytes; a document type.
    """
    try:
        with zipfile.ZipFile(_Bounded(handle, file)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise refused_workbook(file, _TOO_MANY)
            for entry in entries:
                _refuse_large(entry, file)
            found: Uncalculated = {}
            for entry in entries:
                _look_into(archive, entry, file, found)
            _refuse_other_uses(archive, entries, file)
            return found
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        pass  # their messages may hold what stands in the file
    except (expat.ExpatError, ElementTree.ParseError):
        pass
    raise unreadable_workbook(file)


class _Bounded:
    """``handle``, refusing to be read in larger pieces than a block: an archive's list of its parts is read in one."""

    def __init__(self, handle: Any, file: str) -> None:
        self._handle, self._file = handle, file

    def read(self, size: int = -1) -> bytes:
        if size > BLOCK:
            raise refused_workbook(self._file, _TOO_MANY)
        content: bytes = self._handle.read(size)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)


def refused_workbook(file: str, message: str) -> BadInput:
    """A workbook that is beyond a bound."""
    return BadInput(
        "the workbook is refused",
        where=file,
        faults=[Fault(file, "bounds", message)],
        next_step="save only the data, in a new workbook with one sheet, and deliver that",
    )


def unreadable_workbook(file: str) -> BadInput:
    """No workbook at all."""
    message = "it is no whole XLSX workbook (cut off, protected by a password, or another format)"
    return BadInput("the workbook cannot be read", where=file, faults=[Fault(file, "format", message)])


def _is_sheet(entry: zipfile.ZipInfo) -> bool:
    return _SHEETS in entry.filename and not entry.filename.endswith(".rels")


def _refuse_large(entry: zipfile.ZipInfo, file: str) -> None:
    shared = _SHARED.search(entry.filename)
    bound = MAX_SHEET if _is_sheet(entry) else MAX_SHARED_STRINGS if shared else MAX_OTHER
    if entry.file_size > bound:
        raise refused_workbook(file, "a part of it is too large when unfolded")
    if entry.file_size > _SMALL and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        raise refused_workbook(file, f"a part of it unfolds to more than {MAX_RATIO} times its size")


def _look_into(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: str, uncalculated: Uncalculated) -> None:
    """Unfold one part, through what its kind is asked. A part that is no XML (a picture) is not read by the library."""
    sheet, gaps, tags, held = _is_sheet(entry), _Gaps(), 0, b""
    formulas = _Formulas(uncalculated, placed=entry.filename.endswith(_FIRST_SHEET))
    shape = _Shape(file, *_ROWS) if sheet else _Shape(file, *_STRINGS) if _SHARED.search(entry.filename) else None
    with archive.open(entry) as part:
        for number, block in enumerate(iter(lambda: part.read(BLOCK), b"")):
            if not number and not _begins_as_xml(block):
                return
            found = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("<"))
            tags += len(found)
            if gaps.longest(found, len(block)) > MAX_CELL:
                raise refused_workbook(file, "a cell holds more than 1 MiB")
            if shape is not None:
                shape.feed(block)
            elif tags > MAX_OTHER_TAGS:
                raise refused_workbook(file, "a part of it holds too many elements")
            if sheet:
                formulas.feed(block)
                continue
            held += block
            if shape is None and b"<!DOCTYPE" in held:
                raise refused_workbook(file, _TYPED)
            held = held[-8:]
    if shape is not None:
        shape.end()


_ROW, _TEXT = f"{_MAIN} row", f"{_MAIN} si"
_ROWS = (_ROW, 3, MAX_ROWS, f"it has rows beyond number {MAX_ROWS}, the last that a sheet can have")
_STRINGS = (_TEXT, 2, MAX_STRINGS, f"it has more than {MAX_STRINGS} different texts")
_TOO_MANY = "it holds too many parts"
_TYPED = "a part of it declares a document type, which no spreadsheet program writes"


class _Formulas:
    """Takes a sheet's bytes in order and notes the cells whose formula has no result."""

    def __init__(self, found: Uncalculated, *, placed: bool) -> None:
        self._found, self._placed = found, placed
        self._held, self._looked = b"", 0

    def feed(self, block: bytes) -> None:
        """The next bytes; from the last cell on they are held, for it may go on."""
        held = self._held + block
        for cell in _UNCALCULATED.finditer(held, self._looked):
            self._looked = cell.end()
            self._note(cell[0].partition(b">")[0])
        begins = max(held.rfind(b"<c"), held.rfind(b"<", 0, max(held.rfind(b":c "), 0)), len(held) - MAX_CELL, 0)
        self._held, self._looked = held[begins:], max(self._looked - begins, 0)

    def _note(self, tag: bytes) -> None:
        place = _PLACE.search(tag) if self._placed else None
        letters = place[1].decode() if place else ""
        number = functools.reduce(lambda found, letter: 26 * found + ord(letter) - ord("A") + 1, letters, 0)
        if number > MAX_COLUMNS:
            letters, number = "", 0
        rows, count = self._found.get((number, letters), ((), 0))
        shown = (*rows, int(place[2])) if place and number and len(rows) < _SHOWN else rows
        self._found[number, letters] = shown, count + 1


def _begins_as_xml(block: bytes) -> bool:
    text = block.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:2] in (b"\xff\xfe", b"\xfe\xff", b"\0<", b"<\0"):
        raise ValueError  # UTF-16, in which what is looked for is written otherwise; no program writes it
    return text[:1] in (b"", b"<")


class _Gaps:
    """Text between two tags is at most a cell, and a tag is none: look at the gaps between ``<`` signs."""

    def __init__(self) -> None:
        self._open = 0

    def longest(self, tags: np.ndarray[Any, Any], size: int) -> int:
        if not len(tags):
            self._open += size
            return self._open
        longest = max(self._open + int(tags[0]), int(np.diff(tags).max(initial=0)))
        self._open = size - int(tags[-1])
        return max(longest, self._open)


class _Shape:
    """Counts, in a part that the library reads piece by piece, what it holds at a time: the elements and bytes of one
    piece (a row, a shared text), and of all that stands beside them.

    ``piece`` is an element's namespace and name, at this ``depth``; of them ``most``, or what is ``refused`` is told.
    """

    def __init__(self, file: str, piece: str, depth: int, most: int, refused: str) -> None:
        self._file, self._piece, self._piece_depth, self._most, self._refused = file, piece, depth, most, refused
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._typed
        self._depth = self._found = self._inside = self._beside = self._fields = 0
        self._fed = self._in_pieces = 0
        self._began = -1

    def feed(self, block: bytes) -> None:
        """The next bytes."""
        for at in range(0, len(block), _PIECE):
            part = block[at : at + _PIECE]
            self._parser.Parse(part, False)
            self._fed += len(part)
            current = self._fed - self._began if self._began >= 0 else 0
            if current > MAX_ROW:
                raise refused_workbook(self._file, f"a row holds more than {MAX_ROW >> 20} MiB")
            if self._fed - self._in_pieces - current > MAX_OTHER:
                raise self._too_much_beside()

    def end(self) -> None:
        """The part ends here."""
        self._parser.Parse(b"", True)

    def _start(self, name: str, fields: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == self._piece_depth and name == self._piece:
            self._began = self._parser.CurrentByteIndex
            self._fields += len(fields)
            if self._fields > MAX_ROW_FIELDS or any(len(value) > _MAX_ROW_FIELD for value in fields.values()):
                raise self._too_much_beside()
        elif self._depth > _DEEPEST:
            raise self._too_much_beside()

    def _end(self, _: str) -> None:
        self._depth -= 1
        if self._depth >= self._piece_depth:
            self._inside += 1
            if self._began >= 0 and self._inside > MAX_IN_ROW:
                raise refused_workbook(self._file, f"a row has more than {MAX_COLUMNS} columns")
            if self._inside > MAX_OTHER_TAGS:
                raise self._too_much_beside()
            return
        if self._began >= 0:
            self._found += 1
            self._in_pieces += self._parser.CurrentByteIndex - self._began
            self._began = -1
            if self._found > self._most:
                raise refused_workbook(self._file, self._refused)
        else:
            self._beside += self._inside + 1
            if self._beside > MAX_OTHER_TAGS:
                raise self._too_much_beside()
        self._inside = 0

    def _typed(self, *_: object) -> None:
        raise refused_workbook(self._file, _TYPED)

    def _too_much_beside(self) -> BadInput:
        return refused_workbook(self._file, "a part of it holds too much beside its rows or texts")


def _refuse_other_uses(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], file: str) -> None:
    """Sheets and shared texts may be large since they are read piece by piece: nothing else goes under their names."""
    for entry in entries:
        if entry.filename == "[Content_Types].xml" or entry.filename.endswith(".rels"):
            for said in ElementTree.fromstring(archive.read(entry)):  # noqa: S314 - bounded, and without a document type
                name = said.get("PartName") or said.get("Target") or ""
                kind = said.get("ContentType") or said.get("Type") or ""
                wanted = "worksheet" if _SHEETS in name else "sharedStrings" if _SHARED.search(name) else ""
                if wanted and not kind.removesuffix("+xml").endswith(wanted):
                    raise refused_workbook(file, "a sheet of it is said to be something else")
