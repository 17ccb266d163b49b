"""The secret that suppliers share: drawn by the linkage authority, kept from everyone who holds filters to compare.

With it, anyone can make the filter of anyone. So it never enters the enclave's custody: the key register is encoded by
the authority too, and the custodian compares filters without it.
"""

from __future__ import annotations

import stat
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from enclave.entropy import Entropy
from enclave.errors import BadInput
from enclave.files import read_small, write_text

FEWEST_CHARACTERS = 32
_DRAWN_BYTES = 32


class SharedSecret:
    """The secret; never shown, compared or written but by :func:`draw_secret`."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "SharedSecret(…)"

    def reveal(self) -> bytes:
        """The bytes, for key derivation only."""
        return self._value

    def check(self) -> str:
        """Sixteen hexadecimal figures that follow from the secret and do not lead back to it (RFC 5869)."""
        return HKDF(SHA256(), 8, salt=None, info=b"zicht linkage secret check 1").derive(self._value).hex()


def draw_secret(path: Path, entropy: Entropy) -> SharedSecret:
    """Draw a secret and write it to a new file that only its owner reads.

    Raises:
        BadInput: the file is there already: a secret is not replaced by accident.
    """
    if path.exists():
        raise BadInput("there is a file of this name", where=path.name, next_step="name another, or remove it yourself")
    text = entropy.draw(_DRAWN_BYTES, "linkage secret").hex()
    write_text(path, text + "\n", mode=0o600)
    return SharedSecret(text.encode())


def read_secret(path: Path) -> SharedSecret:
    """The secret in a file of one line.

    Raises:
        BadInput: no such file, open to others, more than one line, or shorter than 32 characters.
    """
    if not path.is_file():
        raise BadInput("there is no such file", where=path.name, next_step="ask the linkage authority for the secret")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise BadInput("others can read the secret", where=path.name, next_step=f"chmod 600 {path.name}")
    lines = read_small(path).splitlines()
    if len(lines) != 1 or len(lines[0].strip()) < FEWEST_CHARACTERS:
        raise BadInput(
            f"a secret is one line of at least {FEWEST_CHARACTERS} characters: a shorter one can be guessed",
            where=path.name,
        )
    return SharedSecret(lines[0].strip())
