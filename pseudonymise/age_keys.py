"""X25519 identities of the age format, written as text: Bech32 (BIP-173) of 32 random bytes.

pyrage makes identities from the system's randomness only; the demo needs them from a seed.
"""

from __future__ import annotations

from collections.abc import Iterable

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_PREFIX = "age-secret-key-"


def secret_text(raw: bytes) -> str:
    """``AGE-SECRET-KEY-1…`` of 32 bytes; the curve clamps them itself (RFC 7748)."""
    return bech32(_PREFIX, raw).upper()


def recipient_text(secret: str) -> str:
    """The public ``age1…`` of a secret text."""
    import pyrage

    return str(pyrage.x25519.Identity.from_str(secret).to_public())


def bech32(prefix: str, raw: bytes) -> str:
    """Bech32 text of bytes, without BIP-173's limit of 90 characters (which age lifts too)."""
    data = _five_bit(raw)
    spread = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = _polymod([*spread, *data, 0, 0, 0, 0, 0, 0]) ^ 1
    return f"{prefix}1" + "".join(_ALPHABET[v] for v in [*data, *(check >> 5 * (5 - i) & 31 for i in range(6))])


def _five_bit(raw: bytes) -> list[int]:
    bits = len(raw) * 8
    padded = int.from_bytes(raw, "big") << (-bits % 5)
    groups = -(-bits // 5)
    return [padded >> 5 * (groups - 1 - i) & 31 for i in range(groups)]


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            check ^= generator if top >> place & 1 else 0
    return check
