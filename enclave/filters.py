"""Bloom filters of persons (cryptographic linkage keys, CLK) as text: base64 of the bits, most significant bit first.

This is the form of clkhash and anonlink. A filter holds no name, and is yet about one person: see
``docs/explanation/linkage-at-the-source.md``.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pyarrow as pa

from enclave.identifiers import Bools, Bytes, fixed_width, strings_from

FULL_SHARE = 0.9
"""A filter with more of its bits set than this can't be told from others: it is one for errors, or for attacks."""
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NONE = 255


def _sextets() -> Bytes:
    table = np.full(256, _NONE, dtype=np.uint8)
    table[np.frombuffer(_ALPHABET, dtype=np.uint8)] = np.arange(64, dtype=np.uint8)
    return table


_SEXTETS = _sextets()


def text_length(bits: int) -> int:
    """Characters of a filter of so many bits."""
    return len(base64.b64encode(bytes(bits // 8)))


def read_filters(texts: Any, bits: int) -> tuple[Bytes, Bools]:
    """Filters of a string array, ``(rows, bits / 8)``, and which texts are one (RFC 4648 section 4); others are zeros.

    Exactly so many bits, padding where it belongs, no character outside the alphabet, and no bit set behind the end.
    """
    width, size = text_length(bits), bits // 8
    made = np.zeros((len(texts), size), dtype=np.uint8)
    good = np.zeros(len(texts), dtype=np.bool_)
    rows, symbols = fixed_width(texts, width)
    valid = texts.is_valid().to_numpy(zero_copy_only=False)[rows]
    rows, symbols = rows[valid], symbols[valid]
    padding = -size % 3
    padded = (symbols[:, width - padding :] == ord("=")).all(axis=1)
    values = _SEXTETS[symbols]
    values[:, width - padding :] = 0
    known = padded & (values != _NONE).all(axis=1)
    groups = values.reshape(len(rows), width // 4, 4).astype(np.uint32)
    joined = (groups[..., 0] << 18) | (groups[..., 1] << 12) | (groups[..., 2] << 6) | groups[..., 3]
    parts = [(joined >> shift).astype(np.uint8) for shift in (16, 8, 0)]
    whole = np.stack(parts, axis=-1).reshape(len(rows), width // 4 * 3)
    known &= ~whole[:, size:].any(axis=1)
    made[rows[known]] = whole[known, :size]
    good[rows[known]] = True
    return made, good


def write_filters(filters: Bytes) -> Any:
    """Filters ``(rows, bytes)`` as a string array."""
    rows, size = filters.shape
    if not rows:
        return pa.array([], pa.string())
    padding = -size % 3
    wide = np.zeros((rows, size + padding), dtype=np.uint32)
    wide[:, :size] = filters
    groups = wide.reshape(rows, -1, 3)
    joined = (groups[..., 0] << 16) | (groups[..., 1] << 8) | groups[..., 2]
    sextets = np.stack([(joined >> shift) & 63 for shift in (18, 12, 6, 0)], axis=-1).reshape(rows, -1)
    symbols = np.frombuffer(_ALPHABET, dtype=np.uint8)[sextets]
    symbols[:, symbols.shape[1] - padding :] = ord("=")
    return strings_from(symbols, np.ones(rows, dtype=np.bool_))


def bits_set(filters: Bytes) -> Any:
    """How many bits each filter has set."""
    return np.bitwise_count(filters).sum(axis=1, dtype=np.int64)
