"""What an SPSS file says of its own size, read record by record before a library builds anything of it.

Layout: PSPP developers, "System File Format", https://www.gnu.org/software/pspp/pspp-dev/html_node/System-File-Format.html.
What cannot be followed is refused as damaged, so that no record is seen here otherwise than there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from enclave.errors import BadInput, Fault
from pseudonymise.formats.header import MAX_COLUMNS
from pseudonymise.schemas import MAX_CELL

MAX_SEGMENTS = 10_000
"""Variables as stored: a text of more than 255 bytes is stored as several. A library's time grows with their square."""
MAX_LABELS = 100_000
MAX_DICTIONARY = 16 << 20
MAX_RATIO = 200
MAX_ZLIB_BLOCK = 16 << 20
_SMALL = 64 << 20
_HEADER, _SLOT, _LONGEST_SEGMENT, _HELD_PER_SEGMENT, _DOCUMENT_LINE = 176, 8, 255, 252, 80
_LABELLED, _END = 4, 999
_VERY_LONG = 14
_ZLIB = 2


class _Damaged(Exception):
    """It is not what the layout says."""


@dataclass(slots=True)
class Dictionary:
    """Counts of a dictionary: columns, how many of them are stored in how many ``segments``, value ``labels``, and the
    bytes that a case takes when it is unfolded.
    """

    segments: int = 0
    slots: int = 0
    more_segments: int = 0
    labels: int = 0

    @property
    def columns(self) -> int:
        """Variables as a user of SPSS sees them."""
        return self.segments - self.more_segments

    @property
    def case_bytes(self) -> int:
        """Bytes of a case."""
        return self.slots * _SLOT


def measure_dictionary(path: Path, file: str) -> Dictionary:
    """Walk through the dictionary and, of a ``.zsav``, the list of its compressed blocks; holds none of it.

    Raises:
        BadInput: no SPSS file, cut off, or beyond a bound.
    """
    try:
        with path.open("rb") as handle:
            return _Walk(handle, path.stat().st_size, file).all()
    except (_Damaged, struct.error):
        message = "it is no whole SPSS file (cut off, damaged, or another format)"
    raise BadInput("the file cannot be read", where=file, faults=[Fault(file, "format", message)])


def refused_spss(file: str, message: str) -> BadInput:
    """A file that is beyond a bound."""
    return BadInput(
        "the SPSS file is refused",
        where=file,
        faults=[Fault(file, "bounds", message)],
        next_step="save only the columns that the schema asks for, and deliver that, or a CSV",
    )


class _Walk:
    """One pass over the records."""

    def __init__(self, handle: BinaryIO, size: int, file: str) -> None:
        self._handle, self._size, self._file = handle, size, file
        self._at = 0
        self._order = "<"
        self._found = Dictionary()

    def all(self) -> Dictionary:
        """Header, dictionary, blocks."""
        compression = self._header()
        while (kind := self._number()) != _END:
            match kind:
                case 2:
                    self._variable()
                case 3:
                    self._labels()
                case 6:  # documents
                    self._skip(_DOCUMENT_LINE, self._number())
                case 7:
                    self._extension()
                case _:
                    raise _Damaged
            if self._at > MAX_DICTIONARY:
                raise refused_spss(self._file, f"what it says of its columns is more than {MAX_DICTIONARY >> 20} MiB")
        self._number()
        if self._found.columns > MAX_COLUMNS:
            raise refused_spss(self._file, f"the file has more than {MAX_COLUMNS} columns")
        if compression == _ZLIB:
            self._blocks()
        return self._found

    def _header(self) -> int:
        head = self._bytes(_HEADER)
        if head[:4] not in (b"$FL2", b"$FL3"):
            raise _Damaged
        if head[64:68] not in (b"\2\0\0\0", b"\3\0\0\0"):
            self._order = ">"
        (compression,) = struct.unpack_from(f"{self._order}i", head, 72)
        return int(compression)

    def _variable(self) -> None:
        width, labelled, missing, _, _ = self._numbers(5)
        self._skip(_SLOT, 1)
        self._found.slots += 1
        if width < 0:
            if labelled or missing or not self._found.segments or self._found.slots > 32 * self._found.segments:
                raise _Damaged
            return
        self._found.segments += 1
        if width > _LONGEST_SEGMENT or abs(missing) > 3:
            raise _Damaged
        if self._found.segments > MAX_SEGMENTS:
            raise refused_spss(self._file, f"the file has more than {MAX_COLUMNS} columns")
        if labelled:
            self._skip(4, -(-self._number() // 4))
        self._skip(_SLOT, abs(missing))

    def _labels(self) -> None:
        count = self._number()
        self._found.labels += count
        if count < 0:
            raise _Damaged
        if self._found.labels > MAX_LABELS:
            raise refused_spss(self._file, f"it has more than {MAX_LABELS} value labels")
        for _ in range(count):
            length = self._bytes(_SLOT + 1)[_SLOT]
            self._skip(1, (length + 8) // 8 * 8 - 1)
        if self._number() != _LABELLED:
            raise _Damaged
        self._skip(4, self._number())

    def _extension(self) -> None:
        kind, size, count = self._numbers(3)
        if kind != _VERY_LONG or size != 1 or not 0 <= count <= MAX_DICTIONARY:
            self._skip(size, count)
            return
        for said in self._bytes(count).split(b"\0"):
            digits = said.strip(b"\t\0").rpartition(b"=")[2]
            width = int(digits) if digits.isdigit() and len(digits) < 9 else 0
            if width > MAX_CELL or len(digits) > 8:
                raise refused_spss(self._file, "a cell holds more than 1 MiB")
            self._found.more_segments += max(-(-width // _HELD_PER_SEGMENT) - 1, 0)

    def _blocks(self) -> None:
        """Each block is unfolded whole, and into as much memory as this list says."""
        _, trailer, length = struct.unpack(f"{self._order}3q", self._bytes(24))
        if not self._at <= trailer <= self._size - 24 or not 24 <= length <= self._size - trailer:
            raise _Damaged
        self._handle.seek(trailer)
        self._at = trailer
        self._skip(1, 24)
        folded = unfolded = 0
        for _ in range((length - 24) // 24):
            place, larger, smaller = struct.unpack(f"{self._order}8xqii", self._bytes(24))
            if not 0 <= place <= self._size or not 0 <= smaller <= self._size or larger < 0:
                raise _Damaged
            if larger > MAX_ZLIB_BLOCK:
                raise refused_spss(self._file, "a part of it is too large when unfolded")
            folded, unfolded = folded + smaller, unfolded + larger
        if folded > self._size or unfolded > max(_SMALL, MAX_RATIO * folded):
            raise refused_spss(self._file, f"a part of it unfolds to more than {MAX_RATIO} times its size")

    def _number(self) -> int:
        return self._numbers(1)[0]

    def _numbers(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f"{self._order}{count}i", self._bytes(4 * count))

    def _bytes(self, size: int) -> bytes:
        self._at += size
        found = self._handle.read(size)
        if len(found) < size:
            raise _Damaged
        return found

    def _skip(self, size: int, count: int) -> None:
        if size < 0 or count < 0 or self._at + size * count > self._size:
            raise _Damaged
        self._at += size * count
        self._handle.seek(size * count, 1)
