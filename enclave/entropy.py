"""Where random bytes come from: the operating system, or, in the demo and in tests alone, a seed."""

from __future__ import annotations

import secrets
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Entropy(Protocol):
    """A source of random bytes; ``label`` says what they are for."""

    def draw(self, count: int, label: str) -> bytes:
        """``count`` random bytes."""
        ...


class SecureEntropy:
    """The operating system's generator; ``label`` changes nothing."""

    def draw(self, count: int, label: str) -> bytes:
        """``count`` bytes that nobody can predict."""
        return secrets.token_bytes(count)


class SeededEntropy:
    """Bytes that follow from a seed and a label: reproducible, and so not secret. Never for real data."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def draw(self, count: int, label: str) -> bytes:
        """The first ``count`` bytes of the ChaCha20 stream whose key is derived from seed and label."""
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"zicht demo entropy\0" + label.encode())
        key = derive.derive(str(self._seed).encode())
        return Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(count))
