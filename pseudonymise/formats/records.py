"""Where the records of a CSV stream begin and end, quoted line breaks included, without a loop over records.

A record ends at a line feed outside quotes (RFC 4180). Quote parity is a running exclusive-or over the bytes; counting
separators outside quotes gives each record's number of cells. Only whole, well-formed records go to the CSV parser,
so its row numbers cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import BLOCK, blocks

MAX_RECORD = 8 << 20
_SLICE = 128 << 10
_QUOTE, _LINE_FEED, _RETURN = 34, 10, 13
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Records:
    """Whole records of a stream: their bytes, where each starts and ends, and how it is built.

    ``first`` is the position of the first one in the file (0 is the header). ``misquoted``: a quote or a carriage
    return stands within an unquoted value, or text follows a closing quote. ``unfinished``: the file ends right after
    the last one, without a line feed.
    """

    first: int
    data: Bytes
    starts: Ints
    ends: Ints
    cells: Ints
    misquoted: Bools
    unfinished: bool = False

    def __len__(self) -> int:
        return len(self.starts)


def scan_records(handle: BinaryIO, separator: str, file: str, *, block_size: int = BLOCK) -> Iterator[Records]:
    """Cut a stream into whole records, in chunks of about ``block_size`` bytes; blank lines at the end don't count.

    Raises:
        BadInput: a quote that is opened and never closed, quotes that no longer pair, or a record above
            ``MAX_RECORD`` bytes; names the record.
    """
    carried, first = b"", 0
    for block in blocks(handle, block_size):
        held = carried + block
        records, taken = _whole_records(held, separator, first)
        _refuse_lost_quotes(records, file)
        if len(records):
            yield records
            first += len(records)
        carried = held[taken:]
        if len(carried.rstrip(b"\r\n")) > MAX_RECORD:
            raise _never_closed(first, file)
    if carried.strip(b"\r\n"):
        yield _last_record(carried.rstrip(b"\r\n") + b"\n", separator, first, file, closed=carried.endswith(b"\n"))


def _whole_records(held: bytes, separator: str, first: int) -> tuple[Records, int]:
    data = np.frombuffer(held, dtype=np.uint8)
    quotes = data == _QUOTE
    outside = np.bitwise_xor.accumulate(quotes.view(np.uint8)) == 0
    ends = np.flatnonzero((data == _LINE_FEED) & outside).astype(np.int64)
    ends = ends[: _without_blank_tail(data, ends)]
    taken = int(ends[-1]) + 1 if len(ends) else 0
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1]) if len(ends) else ends
    separators = np.flatnonzero((data[:taken] == ord(separator)) & outside[:taken])
    cells = np.diff(np.searchsorted(separators, ends), prepend=0) + 1
    stray = _stray_marks(data[:taken], quotes[:taken], outside[:taken], ord(separator))
    misquoted = np.diff(np.searchsorted(stray, ends), prepend=0) > 0
    return Records(first, data[:taken], starts, ends, cells.astype(np.int64), misquoted), taken


def _without_blank_tail(data: Bytes, ends: Ints) -> int:
    """How many records there are when blank lines at the end are left for later (they count if more follows)."""
    count = len(ends)
    while count:
        start = ends[count - 2] + 1 if count > 1 else 0
        if (data[start : ends[count - 1]] != _RETURN).any():
            return count
        count -= 1
    return 0


def _stray_marks(data: Bytes, quotes: Bools, outside: Bools, separator: int) -> Ints:
    """Places of quotes that open where no value starts, or close where none ends (a doubled quote is neither), and of
    carriage returns outside quotes that end no line. Slice by slice, so that what is compared stays in the cache."""
    found = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(data), _SLICE):
        first, last = max(start - 1, 0), min(start + _SLICE + 1, len(data))
        stray = _stray(data[first:last], quotes[first:last], outside[first:last], separator)
        if stray.any():
            places = np.flatnonzero(stray) + first
            found.append(places[(places >= start) & (places < start + _SLICE)])
    return np.concatenate(found)


def _stray(data: Bytes, quotes: Bools, outside: Bools, separator: int) -> Bools:
    """The same as a mask; the first byte has nothing before it, and the last nothing after."""
    feeds, returns = data == _LINE_FEED, data == _RETURN
    borders = quotes | feeds | (data == separator)
    stray = np.zeros(len(data), dtype=np.bool_)
    stray[:-1] = quotes[:-1] & outside[:-1] & ~(borders[1:] | returns[1:])
    stray[:-1] |= returns[:-1] & outside[:-1] & ~feeds[1:]
    stray[1:] |= quotes[1:] & ~outside[1:] & ~borders[:-1]
    return stray


def _refuse_lost_quotes(records: Records, file: str) -> None:
    """A misquoted record that spans lines has swallowed others: from there on nobody knows what is a value."""
    for place in np.flatnonzero(records.misquoted).tolist():
        within = records.data[records.starts[place] : records.ends[place]]
        if (within == _LINE_FEED).any():
            message = "from this row on the quotes do not pair; a quote within a value must be doubled"
            raise BadInput(
                "the quotes do not pair", faults=[Fault(file, "quotes", message, rows=(_row(records.first + place),))]
            )


def _row(position: int) -> int:
    """Record number of a position in the file; a header that never ends is shown as record 1."""
    return max(position, 1)


def _never_closed(position: int, file: str) -> BadInput:
    message = f"a quote is opened and not closed within {MAX_RECORD >> 20} MiB"
    return BadInput(
        "a record does not end", where=file, faults=[Fault(file, "truncated", message, rows=(_row(position),))]
    )


def _last_record(rest: bytes, separator: str, first: int, file: str, *, closed: bool) -> Records:
    records, taken = _whole_records(rest, separator, first)
    if taken < len(rest):
        message = "the file is cut off: a quote in the last row is never closed"
        raise BadInput(
            "the file is cut off", where=file, faults=[Fault(file, "truncated", message, rows=(_row(first),))]
        )
    _refuse_lost_quotes(records, file)
    return Records(
        first, records.data, records.starts, records.ends, records.cells, records.misquoted, unfinished=not closed
    )
