"""Pairs of filters that are alike: Dice's coefficient of their bits, by counting bits in 64-bit words.

All pairs where they are few enough to look at; beyond, those that share a sample of bits in one of many tables
(locality-sensitive hashing for Hamming distance: Indyk and Motwani 1998, doi:10.1145/276698.276876; in record linkage:
Karapiperis and Verykios 2015, doi:10.1109/TKDE.2014.2349916).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from enclave.filters import bits_set
from enclave.identifiers import Bools, Bytes
from linkage.assignment import Floats, Ints, Pairs

Words = npt.NDArray[np.uint64]

MOST_COMPARISONS = 2e10
"""Up to so many pairs are all compared: about five minutes of one core."""
_LEFT, _RIGHT = 32, 1024  # a tile of counts stays in the second-level cache
_GATHERED = 1 << 18
_HELD = 1 << 22
_PARTS = 1 << 15
CANDIDATES = 16
"""Of each record only the most similar so many are kept: what bounds memory, and what nobody would link anyway."""
_SAMPLE = 20_000
_SEED = 20_260_101
_BALANCED = (0.2, 0.8)


@dataclass(frozen=True, slots=True)
class Blocking:
    """``tables`` samples of ``bits`` bits; a pair whose bits agree in a share s meets with 1 - (1 - s^bits)^tables."""

    bits: int
    tables: int

    def chance(self, share: float) -> float:
        """Chance that a pair meets."""
        return float(1 - (1 - share**self.bits) ** self.tables)


def blocking_for(
    threshold: float, left: int, right: int, *, met: float = 0.95, most: float = MOST_COMPARISONS
) -> Blocking | None:
    """The blocking with which pairs *at* the threshold meet with chance ``met`` (more alike ones: nearly always).

    None where all pairs are compared. Filters that are half full and of Dice t agree in a share t of their bits.
    """
    if left * right <= most:
        return None
    bits = min(max(round(math.log2(max(left, right))), 8), 32)
    tables = math.ceil(math.log(1 - met) / math.log1p(-(threshold**bits)))
    return Blocking(bits, tables)


def words_of(filters: Bytes) -> Words:
    """Filters as words, padded with zeros; ``(rows, words)``."""
    rows, size = filters.shape
    wide = np.zeros((rows, -(-size // 8) * 8), dtype=np.uint8)
    wide[:, :size] = filters
    return wide.view(np.uint64)


def similar_pairs(left: Bytes, right: Bytes, threshold: float, blocking: Blocking | None = None) -> Pairs:
    """Pairs whose Dice coefficient 2|a ∧ b| / (|a| + |b|) is at least ``threshold``, by record and unit.

    ``record`` and ``unit`` are rows of ``left`` and ``right``, ``weight`` is the coefficient (0–1), ``rule`` 0. Empty
    filters are like nothing. Without ``blocking`` no pair is missed; of a record at most :data:`CANDIDATES` are kept.
    """
    found = _all(left, right, threshold) if blocking is None else _blocked(left, right, threshold, blocking)
    held: list[Pairs] = []
    size, most = 0, _HELD
    for part in found:
        held.append(part)
        size += len(part)
        if size > most or len(held) > _PARTS:
            held = [most_similar(held)]
            size = len(held[0])
            most = _HELD + 2 * size  # what many records keep is not sorted again for each part
    return most_similar(held)


def most_similar(parts: Sequence[Pairs]) -> Pairs:
    """All different pairs of ``parts``, by record and unit; of a record the :data:`CANDIDATES` of most weight."""
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Pairs(none, none, np.empty(0), none)
    fields = ("record", "unit", "weight", "rule")
    pairs = Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))
    order = np.lexsort((pairs.unit, -pairs.weight, pairs.record))
    record, unit = pairs.record[order], pairs.unit[order]
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = (record[1:] != record[:-1]) | (unit[1:] != unit[:-1])  # what met twice has one weight: it stands beside
    order, record = order[fresh], record[fresh]
    begin = np.flatnonzero(np.concatenate(([True], record[1:] != record[:-1])))
    rank = np.arange(len(order)) - np.repeat(begin, np.diff(np.append(begin, len(order))))
    kept = order[rank < CANDIDATES]
    return pairs.take(kept[np.lexsort((pairs.unit[kept], pairs.record[kept]))])


def _all(left: Bytes, right: Bytes, threshold: float) -> Iterator[Pairs]:
    a, b, counts = words_of(left), words_of(right), (bits_set(left), bits_set(right))
    columns = np.ascontiguousarray(b.T)
    for at in range(0, len(a), _LEFT):
        for beside in range(0, len(b), _RIGHT):
            rows, others = slice(at, at + _LEFT), slice(beside, beside + _RIGHT)
            shared = _shared(a[rows], columns[:, others])
            total = (counts[0][rows, None] + counts[1][None, others]).astype(np.float32)
            likely = np.flatnonzero((2 * shared.astype(np.float32) >= np.float32(threshold - 1e-4) * total).ravel())
            if likely.size:
                row, column = np.divmod(likely, shared.shape[1])
                yield _exact(row + at, column + beside, shared.ravel()[likely], counts, threshold)


def _shared(a: Words, columns: Words) -> npt.NDArray[np.uint16]:
    """Bits that are set in both, of every pair of a tile."""
    shape = (len(a), columns.shape[1])
    shared = np.zeros(shape, dtype=np.uint16)
    both, bits = np.empty(shape, dtype=np.uint64), np.empty(shape, dtype=np.uint8)
    for word in range(len(columns)):
        np.bitwise_and(a[:, word, None], columns[word], out=both)
        np.bitwise_count(both, out=bits)
        shared += bits
    return shared


def _exact(row: Ints, column: Ints, shared: Any, counts: tuple[Ints, Ints], threshold: float) -> Pairs:
    total = counts[0][row] + counts[1][column]
    dice: Floats = 2 * shared.astype(np.float64) / np.maximum(total, 1)
    kept = (dice >= threshold) & (total > 0)
    return Pairs(row[kept], column[kept], dice[kept], np.zeros(int(kept.sum()), dtype=np.int64))


def _blocked(left: Bytes, right: Bytes, threshold: float, how: Blocking) -> Iterator[Pairs]:
    a, b, counts = words_of(left), words_of(right), (bits_set(left), bits_set(right))
    for row, column in _meeting(left, right, how):
        shared = np.bitwise_count(a[row] & b[column]).sum(axis=1, dtype=np.int64)
        yield _exact(row, column, shared, counts, threshold)


def _meeting(left: Bytes, right: Bytes, how: Blocking) -> Iterator[tuple[Ints, Ints]]:
    """Pairs that share a sample of bits, table by table, in bounded pieces; a pair may meet in more than one."""
    rng = np.random.Generator(np.random.Philox(_SEED))
    usable = _balanced(left, right)
    for _ in range(how.tables):
        places = rng.choice(usable, size=min(how.bits, len(usable)), replace=False)
        yield from _joined(_keys(left, places), _keys(right, places))


def _balanced(left: Bytes, right: Bytes) -> Ints:
    """Bits that are neither nearly always set nor nearly never: the others tell nobody apart."""
    sample = np.concatenate([left[:_SAMPLE], right[:_SAMPLE]])
    share = np.unpackbits(sample, axis=1).mean(axis=0)
    usable = np.flatnonzero((share > _BALANCED[0]) & (share < _BALANCED[1]))
    return usable if len(usable) else np.arange(8 * left.shape[1])


def _keys(filters: Bytes, places: Ints) -> Words:
    keys = np.zeros(len(filters), dtype=np.uint64)
    for place in places:
        bit = (filters[:, place // 8] >> np.uint8(7 - place % 8)) & np.uint8(1)
        keys = (keys << np.uint64(1)) | bit
    return keys


def _joined(left: Words, right: Words) -> Iterator[tuple[Ints, Ints]]:
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    low, high = np.searchsorted(ordered, left, side="left"), np.searchsorted(ordered, left, side="right")
    partners = high - low
    upto = np.cumsum(partners)
    start = 0
    while start < len(left):
        before = int(upto[start - 1]) if start else 0
        stop = max(int(np.searchsorted(upto, before + _GATHERED, side="right")), start + 1)
        counted = partners[start:stop]
        if counted.any():
            row = np.repeat(np.arange(start, stop), counted)
            offset = np.arange(len(row)) - np.repeat(np.cumsum(counted) - counted, counted)
            yield row, order[low[row] + offset]
        start = stop


def is_usable(filters: Bytes, full: float) -> Bools:
    """Which filters have a bit set, and no more than a share ``full`` of them."""
    counts = bits_set(filters)
    usable: Bools = (counts > 0) & (counts <= full * 8 * filters.shape[1])
    return usable
