"""What every reader yields: rows as text columns with their record numbers, and the rows that have no columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

BLOCK = 4 << 20


class Source(Protocol):
    """One delivered file: on the supplier's disk, or inside an opened seal. ``name`` is shown in faults."""

    @property
    def name(self) -> str:
        """The name that faults show."""
        ...

    def stream(self) -> AbstractContextManager[BinaryIO]:
        """The bytes from the start, to be read once, in order."""
        ...

    def whole(self) -> AbstractContextManager[Path]:
        """A path under which the bytes can be read at any place."""
        ...


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A file on the supplier's own disk."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name

    def stream(self) -> AbstractContextManager[BinaryIO]:
        """Opened for reading."""
        return self.path.open("rb")

    def whole(self) -> AbstractContextManager[Path]:
        """The path itself."""
        return _Borrowed(self.path)


@dataclass(frozen=True, slots=True)
class _Borrowed:
    path: Path

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        return None


class Note(Enum):
    """Something that was repaired or is odd, and does not cost the row its place."""

    BYTE_ORDER_MARK = "byte_order_mark"
    NUMBER_AS_TEXT = "number_as_text"
    TEXT_AS_NUMBER = "text_as_number"
    ROUNDED = "rounded"
    LINE_BREAK = "line_break"
    VARIANT = "variant"
    USER_MISSING = "user_missing"
    REPAIRED = "repaired"
    BROKEN_CHARACTERS = "broken_characters"
    BLANKED = "blanked"

    def description(self) -> str:
        """One clause for the supplier."""
        return _NOTES[self]


_NOTES = {
    Note.BYTE_ORDER_MARK: "the file starts with a byte order mark and was read as UTF-8",
    Note.NUMBER_AS_TEXT: "numbers are stored as text; they were read as numbers",
    Note.TEXT_AS_NUMBER: "identifiers or codes are stored as numbers; leading zeros may have been lost",
    Note.ROUNDED: "numbers of more than 15 digits: a sheet makes the others 0; give the column the format Text and "
    "fill it in anew",
    Note.LINE_BREAK: "there is a line break within the value; it was kept",
    Note.VARIANT: "numbers with thousands separators, or dates without leading zeros, were read as such",
    Note.USER_MISSING: "values declared missing in SPSS were read as empty",
    Note.REPAIRED: "identifiers were brought into their standard form (leading zero, spaces, capitals)",
    Note.BLANKED: "texts hold an identifier, a name or an address; they will be left empty",
    Note.BROKEN_CHARACTERS: "letters with accents are damaged (an encoding mix-up before delivery)",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """A note at rows of a column (record numbers; empty for the file as a whole)."""

    note: Note
    column: str = ""
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A record that cannot be divided into the schema's columns; ``defect`` is a defect's code, ``raw`` its text."""

    row: int
    defect: str
    raw: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records: ``rows`` (int64 record numbers), ``cells`` (text; null = empty), and broken ones apart."""

    rows: pa.Array
    cells: pa.Table
    broken: tuple[BrokenRow, ...] = ()
    remarks: tuple[Remark, ...] = ()


def blocks(handle: BinaryIO, size: int = BLOCK) -> Iterator[bytes]:
    """The content of ``handle`` in blocks of at most ``size`` bytes."""
    while block := handle.read(size):
        yield block
