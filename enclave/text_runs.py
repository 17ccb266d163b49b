"""Runs of bytes of one class (figures, letters) in an array of texts, found in the byte buffer itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from enclave.identifiers import Bools, Bytes, byte_view

Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Every maximal run of members in an array of texts: its row, where it begins in ``data``, and its width in bytes.

    ``data`` are the bytes of all texts, one after another, and ``member`` says which of them belong to a run.
    """

    row: Ints
    begin: Ints
    width: Ints
    data: Bytes
    member: Bools

    @classmethod
    def of(cls, texts: Any, members: Bools) -> Runs:
        """The runs of a string array without nulls; ``members`` says of each of the 256 bytes whether it belongs."""
        starts, lengths, data = byte_view(texts)
        first, last = (int(starts[0]), int(starts[-1] + lengths[-1])) if len(texts) else (0, 0)
        data = data[first:last]
        member: Bools = members[data]
        border = np.zeros(len(data) + 1, dtype=np.bool_)
        border[starts - first] = True
        border[-1] = True
        after_none, before_none = border.copy(), border.copy()
        after_none[1:] |= ~member
        before_none[:-1] |= ~member
        begin = np.flatnonzero(member & after_none[:-1])
        end = np.flatnonzero(member & before_none[1:]) + 1
        row = np.searchsorted(starts - first, begin, side="right") - 1
        return cls(row, begin, end - begin, data, member)

    def texts(self) -> Any:
        """The runs as a string array."""
        offsets = np.zeros(len(self.width) + 1, dtype=np.int32)
        np.cumsum(self.width, out=offsets[1:])
        held = np.ascontiguousarray(self.data[self.member])
        return pa.StringArray.from_buffers(len(self.width), pa.py_buffer(offsets), pa.py_buffer(held))


def byte_class(members: bytes) -> Bools:
    """Which of the 256 bytes stand in ``members``."""
    found = np.zeros(256, dtype=np.bool_)
    found[np.frombuffer(members, dtype=np.uint8)] = True
    return found


def plain_rows(texts: Any) -> Bools:
    """Which texts of a string array without nulls hold nothing but ASCII."""
    starts, lengths, data = byte_view(texts)
    marked = np.flatnonzero(data >= 128)
    plain = np.ones(len(texts), dtype=np.bool_)
    rows = np.searchsorted(starts, marked, side="right") - 1
    rows = rows[(rows >= 0) & (marked < starts[-1] + lengths[-1])] if len(texts) else rows
    plain[rows] = False
    return plain
