"""128-bit keyed hashes of canonical identifiers, a whole Arrow array at a time.

AES-256-CMAC (RFC 4493, NIST SP 800-38B) for fixed-format identifiers of at most 16 bytes, which are one AES block each:
pack, XOR the subkey, one AES call per chunk. It is injective on values of at most 15 bytes. HMAC-SHA-256 (RFC 2104, RFC
4231), cut to 128 bits, for longer and free-form values, or by configuration for all.

What separates one identifier type from another is the key (see :meth:`pseudonymise.custody.Custody.hash_with`), which
may lie in this process or in a token: the tags are the same.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from enclave.errors import BadInput
from enclave.identifiers import Bytes, as_strings, byte_view, fixed_width

CMAC = "aes-cmac"
HMAC = "hmac-sha256"
ALGORITHMS = (CMAC, HMAC)
"""AES-256-CMAC, and HMAC-SHA-256 cut to 128 bits."""
HASH_BYTES = 16
CHUNK_ROWS = 64 * 1024
"""Rows per AES call: one MiB of blocks, which stays in a core's second-level cache."""

_BLOCK = 16
_MSB, _R128 = 1 << 127, 0x87
FREE_FORM_KINDS = frozenset({"address", "own_number"})
"""Kinds whose values may be longer than a block: always hashed with HMAC."""


@dataclass(frozen=True, slots=True)
class HashSpec:
    """What metadata record of a column of hashes; holds no key."""

    algorithm: str
    key_id: str
    version: int

    def text(self) -> str:
        """One line for a manifest: ``algorithm;version;key id``."""
        return f"{self.algorithm};v{self.version};{self.key_id}"


def algorithm_for(kind: str, wanted: str = CMAC) -> str:
    """The algorithm for identifiers of ``kind``: HMAC where values may be longer than one block, else ``wanted``."""
    return HMAC if kind in FREE_FORM_KINDS else wanted


class BlockCipher(Protocol):
    """AES over whole blocks, each by itself: an encryptor of ``cryptography`` in ECB mode, or a key in a token."""

    def update_into(self, data: Any, buf: Any) -> int:
        """Encipher ``data`` into ``buf``, which has a block to spare."""
        ...


class HashKey:
    """A key at work: makes hashes, shows nothing."""

    def __init__(self, algorithm: str, cipher: BlockCipher | None, sign: Callable[[bytes], bytes] | None) -> None:
        self.algorithm = algorithm
        self._cipher = cipher
        self._sign = sign

    def __repr__(self) -> str:
        return f"HashKey({self.algorithm})"

    @classmethod
    def of(cls, key: bytes, algorithm: str) -> HashKey:
        """The key of 32 bytes in this process.

        Raises:
            BadInput: unknown algorithm, or a key that is not 32 bytes.
        """
        if len(key) != 32:
            raise BadInput("a hash key has 32 bytes")
        if algorithm not in ALGORITHMS:
            raise BadInput(f"there is no hash algorithm {algorithm}", next_step=f"use {CMAC} or {HMAC}")
        if algorithm == HMAC:
            return cls(algorithm, None, lambda message: hmac.digest(key, message, "sha256"))
        return cls(algorithm, _aes(key), None)

    def hash(self, values: Any) -> Any:
        """As :func:`hash_values`."""
        texts = as_strings(values)
        if self._cipher is not None:
            return cmac(texts, self._cipher)
        return _signed(texts, self._sign or _no_key)

    def hash_again(self, hashes: Any) -> Any:
        """Hashes of hashes (``fixed_size_binary[16]``, each one whole block): for data under an earlier key version.

        Raises:
            BadInput: not a CMAC key.
        """
        if self._cipher is None:
            raise BadInput(f"hashes are hashed again with {CMAC} only")
        return _cmac_of_blocks(hashes, self._cipher)


def hash_values(values: Any, key: bytes, algorithm: str) -> Any:
    """Hashes of a string array as ``fixed_size_binary[16]``; null stays null.

    Raises:
        BadInput: unknown algorithm, a key that is not 32 bytes, or CMAC asked for values longer than 16 bytes.
    """
    return HashKey.of(key, algorithm).hash(values)


def subkeys(key: bytes | BlockCipher) -> tuple[bytes, bytes]:
    """K1 (whole last block) and K2 (padded last block): RFC 4493, section 2.3."""
    out = bytearray(2 * _BLOCK)
    _cipher_of(key).update_into(bytes(_BLOCK), out)
    first = _doubled(int.from_bytes(out[:_BLOCK], "big"))
    return first.to_bytes(_BLOCK, "big"), _doubled(first).to_bytes(_BLOCK, "big")


def _doubled(value: int) -> int:
    return (value << 1) & (2 * _MSB - 1) ^ (_R128 if value & _MSB else 0)


def _aes(key: bytes) -> Any:
    # One independent block per value is what CMAC of a one-block message is; nothing is enciphered for secrecy.
    return Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305 - see above


def _cipher_of(key: bytes | BlockCipher) -> BlockCipher:
    cipher: BlockCipher = _aes(key) if isinstance(key, bytes) else key
    return cipher


def cmac(values: Any, key: bytes | BlockCipher) -> Any:
    """AES-CMAC (by key length AES-128 or AES-256) of texts of at most 16 bytes, as ``fixed_size_binary[16]``.

    Raises:
        BadInput: a longer value.
    """
    cipher = _cipher_of(key)
    whole, padded = (np.frombuffer(k, dtype=np.uint64) for k in subkeys(cipher))
    tags = np.empty(len(values) * HASH_BYTES + _BLOCK, dtype=np.uint8)  # update_into wants spare bytes
    for start in range(0, len(values), CHUNK_ROWS):
        blocks = _blocks(values.slice(start, CHUNK_ROWS), whole, padded)
        cipher.update_into(blocks.data.cast("B"), tags[start * HASH_BYTES :].data)
    return _tags_array(tags, values)


def _cmac_of_blocks(hashes: Any, cipher: BlockCipher) -> Any:
    """AES-CMAC of values that are one whole block each."""
    whole = np.frombuffer(subkeys(cipher)[0], dtype=np.uint64)
    size, offset = len(hashes), hashes.offset * HASH_BYTES
    words = np.frombuffer(hashes.buffers()[1], dtype=np.uint64, count=2 * size, offset=offset) if size else whole[:0]
    blocks = words.reshape(-1, 2) ^ whole
    tags = np.empty(size * HASH_BYTES + _BLOCK, dtype=np.uint8)
    for start in range(0, size, CHUNK_ROWS):
        part = blocks[start : start + CHUNK_ROWS]
        cipher.update_into(part.data.cast("B"), tags[start * HASH_BYTES :].data)
    return _tags_array(tags, hashes)


def _blocks(values: Any, whole: Any, padded: Any) -> Bytes:
    """The last (and only) block of each value, subkey and padding applied."""
    lengths = byte_view(values)[1]
    blocks = np.zeros((len(values), _BLOCK), dtype=np.uint8)
    too_long = int((lengths > _BLOCK).sum())
    if too_long:
        raise BadInput(
            f"{too_long} values are longer than {_BLOCK} bytes, too long for {CMAC}",
            next_step=f"hash this identifier type with {HMAC}",
        )
    for width in np.flatnonzero(np.bincount(lengths)).tolist():
        rows, found = fixed_width(values, width)
        same = len(rows) == len(values)
        packed = blocks if same else np.zeros((len(rows), _BLOCK), dtype=np.uint8)
        packed[:, :width] = found
        if width < _BLOCK:
            packed[:, width] = 0x80
        packed.view(np.uint64)[:] ^= whole if width == _BLOCK else padded
        if not same:
            blocks[rows] = packed
    return blocks


def _tags_array(tags: Bytes, values: Any) -> Any:
    size = len(values)
    bitmap = None
    if values.null_count:
        valid = values.is_valid().to_numpy(zero_copy_only=False)
        tags[: size * HASH_BYTES].reshape(-1, HASH_BYTES)[~valid] = 0
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.binary(HASH_BYTES), size, [bitmap, pa.py_buffer(tags).slice(0, size * HASH_BYTES)])


def hmac_128(values: Any, key: bytes) -> Any:
    """HMAC-SHA-256 of texts, its first 128 bits as ``fixed_size_binary[16]``."""
    return _signed(values, lambda message: hmac.digest(key, message, "sha256"))


def _signed(values: Any, sign: Callable[[bytes], bytes]) -> Any:
    """One call per distinct value: SHA-256 has no vectorised form in our libraries, and we write none ourselves."""
    encoded = values.dictionary_encode()
    tags = [sign(value.encode())[:HASH_BYTES] for value in encoded.dictionary.to_pylist()]
    return pa.array(tags, pa.binary(HASH_BYTES)).take(encoded.indices)


def _no_key(_message: bytes) -> bytes:
    raise BadInput("this hash key holds neither a cipher nor a signer")
