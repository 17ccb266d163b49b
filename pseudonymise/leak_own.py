"""A record's own identifiers in its own free text, in any spelling: a dossier, KvK or BAG number, a foreign number, a
postcode or a street, which no check of its own gives away.

Spelling is what stands between letters and figures: spaces, dots, dashes. Texts and identifiers are compared without
it, from where a run of letters and figures begins to where one ends, so that no part of a longer number counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifiers import Bools, Bytes, as_strings, byte_view
from enclave.text_runs import Ints, Runs, byte_class, plain_rows

SHORTEST_NUMBER = 5
"""Characters; a shorter own number (``12``) may stand in any text by chance."""
SHORTEST_RESPELT = 6
"""Letters and figures; a shorter one, such as ``12-34``, counts in its own spelling only: else times would."""
WIDEST_GAP = 3
"""Characters between two runs of one number."""

_MEMBERS = byte_class(bytes([*b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", *range(128, 256)]))


def rows_with_own_numbers(texts: Any, own: Sequence[Any], *, without_figures: bool = False) -> Bools:
    """Which texts hold, in any case and spelling, a value of the same row of one of the ``own`` columns.

    Texts without a figure are looked at for values that need none (``without_figures``: streets).
    """
    hits = np.zeros(len(texts), dtype=np.bool_)
    filled = pc.fill_null(as_strings(texts), "")
    rows = np.flatnonzero(without_figures | pc.match_substring_regex(filled, "[0-9]").to_numpy(zero_copy_only=False))
    if rows.size and own:
        text = _Text.of(_upper(filled.take(pa.array(rows))))
        for column in own:
            hits[rows] |= text.holds(_upper(pc.fill_null(as_strings(column).take(pa.array(rows)), "")))
    return hits


@dataclass(frozen=True, slots=True)
class _Text:
    """Runs of letters and figures; run *i* lies at ``place[i]`` to ``stop[i]`` in ``held``, which is all of them."""

    texts: int
    runs: Runs
    held: Bytes
    place: Ints
    stop: Ints

    @classmethod
    def of(cls, texts: Any) -> _Text:
        runs = Runs.of(texts, _MEMBERS)
        stop = np.cumsum(runs.width)
        return cls(len(texts), runs, runs.data[runs.member], stop - runs.width, stop)

    def holds(self, own: Any) -> Bools:
        """Which texts hold the value of their row."""
        hits = np.zeros(self.texts, dtype=np.bool_)
        values = _Text.of(own)
        width = np.bincount(values.runs.row, values.runs.width, self.texts).astype(np.int64)
        start = np.cumsum(width) - width
        written = byte_view(own)[1]
        width[written < SHORTEST_NUMBER] = 0
        first, last = self._ends(values.held, start, width)
        row = self.runs.row[first]
        same = _same_bytes(self.held, self.place[first], values.held, start[row], width[row])
        first, last, row = first[same], last[same], row[same]
        hits[row[self._spelt(first, last, width[row], own)]] = True
        return hits

    def _ends(self, held: Bytes, start: Ints, width: Ints) -> tuple[Ints, Ints]:
        """First and last run of what begins as the row's value does and is as long."""
        row = self.runs.row
        if not len(held) or not len(row):
            return row[:0], row[:0]
        begins_so = self.held[self.place] == held[np.minimum(start, len(held) - 1)][row]
        first = np.flatnonzero(begins_so & (width[row] > 0))
        stop = self.place[first] + width[row[first]]
        last = np.minimum(np.searchsorted(self.stop, stop), len(row) - 1)
        fits = (self.stop[last] == stop) & (row[last] == row[first])
        return first[fits], last[fits]

    def _spelt(self, first: Ints, last: Ints, width: Ints, own: Any) -> Bools:
        """Whether runs that make a row's value stand close enough together to be it."""
        begin = self.runs.begin[first]
        span = self.runs.begin[last] + self.runs.width[last] - begin
        row, single = self.runs.row[first], first == last
        close = (width >= SHORTEST_RESPELT) & (span - width <= WIDEST_GAP * (last - first))
        starts, lengths, data = byte_view(own)
        exact = ~single & ~close & (span == lengths[row])
        exact[exact] = _same_bytes(self.runs.data, begin[exact], data, starts[row[exact]], span[exact])
        spelt: Bools = single | close | exact
        return spelt


def _same_bytes(one: Bytes, places: Ints, other: Bytes, others: Ints, widths: Ints) -> Bools:
    """Whether each stretch of ``one`` (at least one byte) is that of ``other``."""
    if not len(widths):
        return np.zeros(0, dtype=np.bool_)
    offsets = np.cumsum(widths) - widths
    within = np.arange(int(widths.sum())) - np.repeat(offsets, widths)
    equal = one[np.repeat(places, widths) + within] == other[np.repeat(others, widths) + within]
    same: Bools = np.logical_and.reduceat(equal, offsets)
    return same


def _upper(texts: Any) -> Any:
    """Capitals; in texts that are not plain, what is neither letter nor figure made a space."""
    plain = plain_rows(texts)
    if plain.all():
        return pc.ascii_upper(texts)
    marked = texts.filter(pa.array(~plain))
    marked = pc.replace_substring_regex(pc.utf8_upper(pc.utf8_normalize(marked, form="NFKC")), r"[^\pL\pM\pN/._-]", " ")
    return pc.replace_with_mask(pc.ascii_upper(texts), pa.array(~plain), marked)
