"""Rows that come twice, found over a whole file in 16 bytes a row, batch by batch."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

_Digests = npt.NDArray[np.uint64]


class SeenBefore:
    """Remembers 64-bit keyed digests of the values of some columns.

    Two different rows share a digest with probability below n²/2⁶⁵ (n = 10 million: 3 in a million); the key follows
    from the delivery, so nobody can prepare such rows, and the same file gives the same answer.
    """

    def __init__(self, columns: tuple[str, ...], salt: bytes) -> None:
        self.columns = columns
        self._key = hashlib.sha256(b"zicht duplicates\0" + salt).hexdigest()[:16]
        self._levels: list[_Digests] = []

    def again(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Places of the rows whose values came earlier, in this table or in one before it."""
        digests = self._digests(table)
        fresh, first = np.unique(digests, return_index=True)
        repeated = np.ones(len(digests), dtype=np.bool_)
        repeated[first] = False
        for level in self._levels:
            repeated |= _contains(level, digests)
        self._remember(fresh)
        return np.flatnonzero(repeated)

    def _digests(self, table: pa.Table) -> _Digests:
        frame = table.select(list(self.columns)).to_pandas()
        total: Any = np.zeros(len(frame), dtype=np.uint64)
        for name in self.columns:
            text = frame[name].astype("string").fillna("").astype(object).to_numpy()
            hashed = pd.util.hash_array(text, hash_key=self._key, categorize=False)
            total = (total * np.uint64(0x9E3779B97F4A7C15)) ^ hashed ^ (total >> np.uint64(29))
        return np.asarray(total, dtype=np.uint64)

    def _remember(self, fresh: _Digests) -> None:
        """Sorted runs, merged when two are of about one size: few to search, each merged a logarithm of times."""
        while self._levels and len(self._levels[-1]) <= 2 * len(fresh):
            fresh = np.union1d(self._levels.pop(), fresh)
        if len(fresh):
            self._levels.append(fresh)


def _contains(sorted_run: _Digests, digests: _Digests) -> npt.NDArray[np.bool_]:
    places = np.minimum(np.searchsorted(sorted_run, digests), len(sorted_run) - 1)
    found: npt.NDArray[np.bool_] = sorted_run[places] == digests
    return found
