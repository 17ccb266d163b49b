"""Rows that come twice, found over a whole file in 16 bytes a row, batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from enclave.identifiers import as_strings, byte_view, fixed_width

Digests = npt.NDArray[np.uint64]
_BLOCK = 16


def digest_key(salt: bytes) -> bytes:
    """The key (32 bytes) of the digests of one delivery."""
    return hashlib.sha256(b"zicht duplicates\0" + salt).digest()


def row_digests(table: pa.Table, columns: Sequence[str], key: bytes) -> Digests:
    """64 bits of a keyed digest per row over the values of ``columns``; null and empty text are the same.

    CBC-MAC with AES-256 over the fields, each with its length before it: no row's text is the beginning of another's,
    which is what makes CBC-MAC a pseudorandom function (Bellare, Kilian, Rogaway 2000, doi:10.1006/jcss.1999.1694).
    """
    cipher = Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block per row; CBC is the loop below
    state = np.zeros((table.num_rows, _BLOCK), dtype=np.uint8)
    for name in columns:
        values = as_strings(table.column(name))
        lengths = byte_view(values)[1]
        state.view(np.uint64)[:, 0] ^= lengths.astype(np.uint64)
        state = _enciphered(cipher, state)
        for width in np.flatnonzero(np.bincount(lengths)).tolist():
            rows, found = fixed_width(values, width)
            for start in range(0, width, _BLOCK):
                part = found[:, start : start + _BLOCK]
                mixed = state[rows]
                mixed[:, : part.shape[1]] ^= part
                state[rows] = _enciphered(cipher, mixed)
    return state.view(np.uint64)[:, 0].copy()


def _enciphered(cipher: Any, blocks: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    done = np.frombuffer(cipher.update(blocks.tobytes()), dtype=np.uint8)
    return done.reshape(-1, _BLOCK).copy()


class SeenBefore:
    """Remembers 64-bit keyed digests of the values of some columns.

    Two different rows share a digest with probability below n²/2⁶⁵ (n = 10 million: 3 in a million); the key follows
    from the delivery, so nobody can prepare such rows, and the same file gives the same answer.
    """

    def __init__(self, columns: tuple[str, ...], salt: bytes) -> None:
        self.columns = columns
        self._key = digest_key(salt)
        self._levels: list[Digests] = []

    def again(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Places of the rows whose values came earlier, in this table or in one before it."""
        digests = row_digests(table, self.columns, self._key)
        fresh, first = np.unique(digests, return_index=True)
        repeated = np.ones(len(digests), dtype=np.bool_)
        repeated[first] = False
        for level in self._levels:
            repeated |= contains(level, digests)
        self._remember(fresh)
        return np.flatnonzero(repeated)

    def _remember(self, fresh: Digests) -> None:
        """Sorted runs, merged when two are of about one size: few to search, each merged a logarithm of times."""
        while self._levels and len(self._levels[-1]) <= 2 * len(fresh):
            fresh = np.union1d(self._levels.pop(), fresh)
        if len(fresh):
            self._levels.append(fresh)


def contains(sorted_run: Digests, digests: Digests) -> npt.NDArray[np.bool_]:
    """Which of ``digests`` stand in an ascending run of them."""
    if not len(sorted_run):
        return np.zeros(len(digests), dtype=np.bool_)
    places = np.minimum(np.searchsorted(sorted_run, digests), len(sorted_run) - 1)
    found: npt.NDArray[np.bool_] = sorted_run[places] == digests
    return found
