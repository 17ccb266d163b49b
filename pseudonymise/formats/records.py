"""Where the records of a CSV stream begin and end, quoted line breaks included, without a loop over records.

A record ends at a line feed outside quotes (RFC 4180). What stands where is held as one bit per byte, 64 to a word:
whether a byte is within quotes is then the parity of the quotes before it, a handful of shifts per word. Only whole,
well-formed records go to the CSV parser, so its row numbers cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import BLOCK, blocks

MAX_RECORD = 8 << 20
MAX_BLANK_LINES = 100_000
_SLICE = 128 << 10
_QUOTE, _LINE_FEED, _RETURN = 34, 10, 13
_WORD = 64
_ONE, _TOP, _ALL = np.uint64(1), np.uint64(_WORD - 1), np.uint64(0xFFFFFFFFFFFFFFFF)
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Records:
    """Whole records of a stream, the last byte a line feed, and marks on their bytes.

    ``first`` is the position of the first one in the file (0 is the header). Marked are the line feeds that end a
    record (``feeds``), the ``separators`` outside quotes, and what is ``stray``: a quote or a carriage return within
    an unquoted value, or a quote that text follows. ``unfinished``: the file ends without the last line feed.
    """

    first: int
    data: bytes
    feeds: Words
    separators: Words
    stray: Words
    unfinished: bool = False

    def __len__(self) -> int:
        return _count(self.feeds)

    @property
    def ends(self) -> Ints:
        """The place of each record's line feed."""
        return _places(self.feeds)

    @property
    def starts(self) -> Ints:
        """The place of each record's first byte."""
        return np.append(0, self.ends + 1)[:-1]

    @property
    def cells(self) -> Ints:
        """How many cells each record has."""
        return _per_record(self.separators, self.ends) + 1

    @property
    def misquoted(self) -> Bools:
        """Which records hold a stray mark."""
        return _per_record(self.stray, self.ends) > 0

    def pieces(self, records: int, separator: str) -> Iterator[Records]:
        """The same, so many records at a time."""
        start = 0
        for number, stop in enumerate([*(self.ends[records - 1 : -1 : records] + 1).tolist(), len(self.data)]):
            piece = _marked(self.data[start:stop], separator, self.first + number * records)
            yield replace(piece, unfinished=self.unfinished and stop == len(self.data))
            start = stop

    def may_all_have(self, cells: int) -> bool:
        """Whether nothing is stray, and there are as many separators as records of so many cells have together."""
        return not self.stray.any() and _count(self.separators) == len(self) * (cells - 1)


def scan_records(handle: BinaryIO, separator: str, file: str, *, block_size: int = BLOCK) -> Iterator[Records]:
    """Cut a stream into whole records: the header alone, what is left of its block (perhaps nothing), and then chunks
    of about ``block_size`` bytes; blank lines at the end don't count, however many. Nothing at all of an empty file.

    Raises:
        BadInput: a quote that is opened and never closed, quotes that no longer pair, a record above ``MAX_RECORD``
            bytes, or more than ``MAX_BLANK_LINES`` blank lines before another row; names the record.
    """
    carried, first, blank = b"", 0, False
    for block in blocks(handle, block_size):
        held = carried + block
        if blank and held.strip(b"\r\n"):
            raise _blank_lines(first, file)
        records = _whole_records(held, separator, first)
        _refuse_lost_quotes(records, file)
        _refuse_blank_lines(records, file)
        if len(records):
            yield from _header_apart(records, separator)
            first += len(records)
        carried = held[len(records.data) :]
        blank, carried = _blank_forgotten(carried, blank=blank)
        if len(carried) > MAX_RECORD + 2 * MAX_BLANK_LINES:
            raise _never_closed(first, file)
    if carried.strip(b"\r\n"):
        if blank:
            raise _blank_lines(first, file)
        last = _last_record(carried.rstrip(b"\r\n") + b"\n", separator, first, file, closed=carried.endswith(b"\n"))
        yield from _header_apart(last, separator)


def _header_apart(records: Records, separator: str) -> Iterator[Records]:
    if records.first:
        yield records
        return
    cut = int(records.ends[0]) + 1
    yield _marked(records.data[:cut], separator, 0)
    yield replace(_marked(records.data[cut:], separator, 1), unfinished=records.unfinished)


def _whole_records(held: bytes, separator: str, first: int) -> Records:
    marked = _marked(held, separator, first)
    taken = _without_blank_tail(held, marked.feeds)
    return Records(
        first,
        held[:taken],
        _until(marked.feeds, taken),
        _until(marked.separators, taken),
        _until(marked.stray, taken),
    )


def _marked(data: bytes, separator: str, first: int) -> Records:
    quotes, feeds, returns, separators = _marks(data, _QUOTE, _LINE_FEED, _RETURN, ord(separator))
    inside = _inside(quotes)
    stray = _stray(quotes, inside, feeds, returns, feeds | separators)
    return Records(first, data, feeds & ~inside, separators & ~inside, stray)


def _marks(data: bytes, *codes: int) -> list[Words]:
    """Where each of ``codes`` stands. Slice by slice, so that what is compared stays in the cache."""
    held = np.frombuffer(data, dtype=np.uint8)
    found = [np.zeros(-(-len(data) // _WORD) * 8, dtype=np.uint8) for _ in codes]
    for start in range(0, len(data), _SLICE):
        part = held[start : start + _SLICE]
        for code, packed in zip(codes, found, strict=True):
            bits = np.packbits(part == code, bitorder="little")
            packed[start // 8 : start // 8 + len(bits)] = bits
    return [packed.view("<u8") for packed in found]


def _inside(quotes: Words) -> Words:
    """Bytes within quotes, the opening quote included: those up to which the number of quotes is odd."""
    parity = quotes.copy()
    for step in (1, 2, 4, 8, 16, 32):
        parity ^= parity << np.uint64(step)
    odd = parity >> _TOP
    parity ^= (np.bitwise_xor.accumulate(odd) ^ odd) * _ALL  # those of all words before
    return parity


def _stray(quotes: Words, inside: Words, feeds: Words, returns: Words, borders: Words) -> Words:
    """Quotes that open where no value starts, or close where none ends (a doubled quote is neither), and carriage
    returns outside quotes that end no line."""
    borders = borders | quotes
    opening = quotes & inside & ~_of_byte_before(borders)
    closing = quotes & ~inside & ~_of_byte_after(borders | returns)
    found: Words = opening | closing | (returns & ~inside & ~_of_byte_after(feeds))
    return found


def _of_byte_before(borders: Words) -> Words:
    """The mark of the byte before each; there is a border before the first."""
    moved = borders << _ONE
    moved[1:] |= borders[:-1] >> _TOP
    moved[:1] |= _ONE
    return moved


def _of_byte_after(marks: Words) -> Words:
    moved = marks >> _ONE
    moved[:-1] |= marks[1:] << _TOP
    return moved


def _without_blank_tail(held: bytes, feeds: Words) -> int:
    """Where the last record ends when blank lines at the end are left for later (they count if more follows)."""
    words = np.flatnonzero(feeds)
    start = int(words[-1]) * _WORD + int(feeds[words[-1]]).bit_length() if len(words) else 0
    filled = b""
    while start and not filled:
        start, stop = max(start - _SLICE, 0), start
        filled = held[start:stop].rstrip(b"\r\n")
    return held.index(b"\n", start + len(filled)) + 1 if filled else 0


def _blank_forgotten(carried: bytes, *, blank: bool) -> tuple[bool, bytes]:
    """Whether more blank lines are behind us than may stand between rows, and what to hold of them and what follows."""
    lead = len(carried) - len(carried.lstrip(b"\r\n"))
    if not blank and carried.count(b"\n", 0, lead) <= MAX_BLANK_LINES:
        return False, carried
    return True, carried[carried.rfind(b"\n", 0, lead) + 1 :]


def _until(marks: Words, stop: int) -> Words:
    """The marks of the first ``stop`` bytes."""
    kept = marks[: -(-stop // _WORD)].copy()
    if stop % _WORD:
        kept[-1] &= (_ONE << np.uint64(stop % _WORD)) - _ONE
    return kept


def _count(marks: Words) -> int:
    return int(np.bitwise_count(marks).sum())


def _places(marks: Words) -> Ints:
    return np.flatnonzero(np.unpackbits(marks.astype("<u8").view(np.uint8), bitorder="little"))


def _per_record(marks: Words, ends: Ints) -> Ints:
    found: Ints = np.diff(np.searchsorted(_places(marks), ends), prepend=0)
    return found


def _refuse_lost_quotes(records: Records, file: str) -> None:
    """A misquoted record that spans lines has swallowed others: from there on nobody knows what is a value."""
    if not records.stray.any():
        return
    starts, ends = records.starts, records.ends
    for place in np.flatnonzero(records.misquoted).tolist():
        if b"\n" in records.data[starts[place] : ends[place]]:
            message = "from this row on the quotes do not pair; a quote within a value must be doubled"
            raise BadInput(
                "the quotes do not pair", faults=[Fault(file, "quotes", message, rows=(_row(records.first + place),))]
            )


def _refuse_blank_lines(records: Records, file: str) -> None:
    if len(records) <= MAX_BLANK_LINES:
        return
    starts, lengths = records.starts, records.ends - records.starts
    returns = np.frombuffer(records.data, dtype=np.uint8)[starts] == _RETURN
    filled = np.flatnonzero((lengths > 1) | ((lengths == 1) & ~returns))
    gaps = np.diff(filled, prepend=-1) - 1
    if gaps.max(initial=0) > MAX_BLANK_LINES:
        place = int(np.argmax(gaps > MAX_BLANK_LINES))
        raise _blank_lines(records.first + int(filled[place] - gaps[place]), file)


def _blank_lines(position: int, file: str) -> BadInput:
    message = f"from this row on more than {MAX_BLANK_LINES} lines are blank, and then rows follow"
    return BadInput(
        "rows follow very many blank lines",
        where=file,
        faults=[Fault(file, "blank_lines", message, rows=(_row(position),))],
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
    records = _whole_records(rest, separator, first)
    if len(records.data) < len(rest):
        message = "the file is cut off: a quote in the last row is never closed"
        raise BadInput(
            "the file is cut off", where=file, faults=[Fault(file, "truncated", message, rows=(_row(first),))]
        )
    _refuse_lost_quotes(records, file)
    return replace(records, unfinished=not closed)
