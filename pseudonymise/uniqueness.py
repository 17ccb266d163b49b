"""Rows that come twice, found over a whole file in 16 bytes a row, batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from enclave.identifiers import as_strings, byte_view

Digests = npt.NDArray[np.uint64]


class SeenBefore:
    """Remembers 64-bit keyed digests of the values of some columns.

    Two different rows share a digest with probability below n²/2⁶⁵ (n = 10 million: 3 in a million); the key follows
    from the delivery, so nobody can prepare such rows, and the same file gives the same answer.
    """

    def __init__(self, columns: tuple[str, ...], salt: bytes) -> None:
        self.columns = columns
        self._keys = digest_keys(salt)
        self._levels: list[Digests] = []

    def again(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Places of the rows whose values came earlier, in this table or in one before it."""
        digests = row_digests(table, self.columns, self._keys)
        ordered = np.sort(digests)
        within = ordered[1:][ordered[1:] == ordered[:-1]]
        before = [ordered[contains(level, ordered)] for level in self._levels]
        self._remember(ordered)
        if not within.size and not any(map(len, before)):
            return np.zeros(0, dtype=np.int64)
        repeated = np.ones(len(digests), dtype=np.bool_)
        repeated[np.unique(digests, return_index=True)[1]] = False  # the first of each
        for known in before:
            repeated |= np.isin(digests, known)
        return np.flatnonzero(repeated)

    def _remember(self, fresh: Digests) -> None:
        """Sorted runs, merged when two are of about one size: few to search, each merged a logarithm of times."""
        while self._levels and len(self._levels[-1]) <= 2 * len(fresh):
            # two sorted runs: a stable sort merges them
            fresh = np.sort(np.concatenate([self._levels.pop(), fresh]), kind="stable")
        if len(fresh):
            self._levels.append(fresh)


def digest_keys(salt: bytes) -> Digests:
    """The keys of the digests of one delivery; odd, so that multiplying by them loses nothing."""
    return np.frombuffer(hashlib.sha256(b"zicht duplicates\0" + salt).digest(), dtype="<u8") | np.uint64(1)


def row_digests(table: pa.Table, columns: Iterable[str], keys: Digests) -> Digests:
    """64 bits of a keyed digest per row over the values of ``columns``; null and empty text are the same."""
    total = np.full(table.num_rows, keys[0], dtype=np.uint64)
    for name in columns:
        _stir(total, table.column(name), keys)
    return total


def _stir(total: Digests, values: pa.ChunkedArray, keys: Digests) -> None:
    """Stir a column into the digests, eight bytes at a time; each step is a bijection of what it adds, so that values
    of up to eight bytes never share a digest, and longer ones by chance alone."""
    texts = as_strings(values)
    starts, lengths, data = byte_view(texts)
    total ^= lengths.astype(np.uint64) * keys[1]
    padded = np.concatenate([data, np.zeros(8, dtype=np.uint8)])
    words = np.lib.stride_tricks.as_strided(padded, (len(padded) - 7, 8), (1, 1))
    for at in range(0, int(lengths.max(initial=0)), 8):
        left = np.flatnonzero(lengths > at)
        whole = left if len(left) < len(lengths) else slice(None)
        word = np.ascontiguousarray(words[starts[left] + at]).view("<u8").ravel()
        beyond = (8 - np.minimum(lengths[left] - at, 8)).astype(np.uint64) * np.uint64(8)
        word &= np.uint64(0xFFFFFFFFFFFFFFFF) >> beyond
        stirred = (total[whole] ^ word) * keys[2]
        total[whole] = stirred ^ (stirred >> np.uint64(29))
    total *= keys[3]
    total ^= total >> np.uint64(32)


def contains(sorted_run: Digests, digests: Digests) -> npt.NDArray[np.bool_]:
    """Which of ``digests`` stand in an ascending run of them."""
    if not len(sorted_run):
        return np.zeros(len(digests), dtype=np.bool_)
    places = np.minimum(np.searchsorted(sorted_run, digests), len(sorted_run) - 1)
    found: npt.NDArray[np.bool_] = sorted_run[places] == digests
    return found
