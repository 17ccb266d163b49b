"""SPSS system files written a block of rows at a time, in bounded memory.

pyreadstat writes a file from one data frame in memory and can't append, so a register of millions of rows would not
fit. This writes the uncompressed form of the format (PSPP's developers' guide, "System File Format"); readers are
pyreadstat and SPSS. The header's creation date is fixed, so the same rows give the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

CREATED = (b"01 Jan 16", b"00:00:00")
_CELL = 8
_COUNT_AT = 80
_WIDEST = 255


@dataclass(frozen=True, slots=True)
class Column:
    """One variable: text of ``width`` bytes, or a number (``width`` 0) shown with ``shown`` digits."""

    name: str
    width: int
    labels: Mapping[str, str] = field(default_factory=dict)
    shown: int = 11

    @property
    def cells(self) -> int:
        """How many 8-byte cells a value takes."""
        return max(1, -(-self.width // _CELL))


class SavStream:
    """A context manager; ``append`` as often as wanted. Text is bytes ('S' arrays) in UTF-8, numbers are floats."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        self._rows = 0
        self._file = path.open("wb")
        self._file.write(_dictionary(self._columns))

    def __enter__(self) -> SavStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.seek(_COUNT_AT)
        self._file.write(struct.pack("<i", self._rows))
        self._file.close()

    def append(self, block: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Write rows; every column must be there and of one length."""
        count = len(next(iter(block.values())))
        cells = np.full((count, sum(column.cells for column in self._columns) * _CELL), 32, dtype=np.uint8)
        at = 0
        for column in self._columns:
            values = block[column.name]
            wide = column.cells * _CELL
            if column.width:
                # numpy pads text with NUL, SPSS with blanks
                octets = np.ascontiguousarray(values.astype(f"S{wide}")).view(np.uint8).reshape(count, wide)
                cells[:, at : at + wide] = np.where(octets == 0, 32, octets)
            else:
                cells[:, at : at + wide] = values.astype("<f8").view(np.uint8).reshape(count, wide)
            at += wide
        self._file.write(cells.tobytes())
        self._rows += count


def _dictionary(columns: Sequence[Column]) -> bytes:
    parts = [_header(sum(column.cells for column in columns))]
    short = [f"V{number:05d}" for number in range(1, len(columns) + 1)]
    parts += [_variable(column, name) for column, name in zip(columns, short, strict=True)]
    index = 1
    for column in columns:
        if column.labels:
            parts.append(_value_labels(column, index))
        index += column.cells
    parts.append(_extension(3, 4, struct.pack("<8i", 1, 0, 0, -1, 1, 1, 2, 65001)))
    largest = np.finfo(np.float64).max
    parts.append(_extension(4, 8, struct.pack("<3d", -largest, largest, np.nextafter(-largest, 0))))
    names = "\t".join(f"{name}={column.name}" for column, name in zip(columns, short, strict=True))
    parts.append(_extension(13, 1, names.encode()))
    parts.append(_extension(20, 1, b"UTF-8"))
    parts.append(struct.pack("<2i", 999, 0))
    return b"".join(parts)


def _header(cells: int) -> bytes:
    product = b"@(#) SPSS DATA FILE zicht synthetic country".ljust(60)
    label = b"SYNTHETIC: no real person, dwelling or firm".ljust(64)
    numbers = struct.pack("<5id", 2, cells, 0, 0, -1, 100.0)
    return b"$FL2" + product + numbers + CREATED[0] + CREATED[1] + label + b"\0\0\0"


def _variable(column: Column, short: str) -> bytes:
    if column.width > _WIDEST:
        raise ValueError(f"a text column is at most {_WIDEST} bytes wide")
    shown = (1 << 16) | (column.width << 8) if column.width else (5 << 16) | (column.shown << 8)
    record = struct.pack("<6i", 2, column.width, 0, 0, shown, shown) + short.encode().ljust(8)
    rest = struct.pack("<6i", 2, -1, 0, 0, 0, 0) + b"        "
    return record + rest * (column.cells - 1)


def _value_labels(column: Column, index: int) -> bytes:
    parts = [struct.pack("<2i", 3, len(column.labels))]
    for value, text in column.labels.items():
        label = text.encode()
        parts.append(value.encode().ljust(_CELL) if column.width else struct.pack("<d", float(value)))
        parts.append(bytes([len(label)]) + label.ljust(-(-(len(label) + 1) // _CELL) * _CELL - 1))
    return b"".join(parts) + struct.pack("<3i", 4, 1, index)


def _extension(subtype: int, size: int, content: bytes) -> bytes:
    return struct.pack("<4i", 7, subtype, size, len(content) // size) + content
