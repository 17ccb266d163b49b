"""The keys of the release ledger: one that opens headers and unit maps, and one per retention date for what expires.

They lie in the gate's zone (``ledger-keys.json``, mode 0600), apart from the ledger that they open; a copy or a backup
of the ledger zone alone discloses nothing. Destroying a date's key makes every entry of that date unreadable, wherever
a copy is.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from enclave.entropy import Entropy
from enclave.errors import BadInput, KeyUnavailable, Tampered
from enclave.files import write_bytes
from enclave.fingerprints import Json, canonical_json

KEYS_FILE = "ledger-keys.json"
KEY_BYTES = 32
_FORMAT = "zicht-ledger-keys/2"
_UNCHECKED = "zicht-ledger-keys/1"
"""Of an earlier version, without a check value; the next change writes it with one."""
_NONCE = 12


def encrypt(key: bytes, name: str, content: bytes) -> bytes:
    """Nonce and AES-256-GCM ciphertext, bound to ``name``."""
    nonce = secrets.token_bytes(_NONCE)  # never from a seed: a nonce that comes twice breaks GCM
    return nonce + AESGCM(key).encrypt(nonce, content, name.encode())


def decrypt(key: bytes, name: str, content: bytes) -> bytes:
    """What :func:`encrypt` encrypted.

    Raises:
        Tampered: altered bytes, another key, or another name.
    """
    try:
        return AESGCM(key).decrypt(content[:_NONCE], content[_NONCE:], name.encode())
    except (InvalidTag, ValueError):
        raise Tampered(
            f"{name} of the release ledger was altered, swapped, or is under another key",
            next_step="restore the ledger zone, or its keys, from their own backups",
        ) from None


@dataclass(slots=True)
class LedgerKeys:
    """The opened keys; neither printed nor compared."""

    folder: Path
    _main: bytes = field(repr=False, compare=False)
    _dates: dict[str, bytes] = field(repr=False, compare=False)
    _destroyed: set[str]

    @classmethod
    def create(cls, folder: Path, entropy: Entropy) -> LedgerKeys:
        """Draw the main key.

        Raises:
            BadInput: there are keys already; nothing was replaced.
        """
        if (folder / KEYS_FILE).exists():
            raise BadInput("the ledger has its keys already; nothing was replaced", where=KEYS_FILE)
        made = cls(folder, entropy.draw(KEY_BYTES, "release ledger"), {}, set())
        made._save()
        return made

    @classmethod
    def open(cls, folder: Path) -> LedgerKeys:
        """Read the keys in the gate's zone.

        Raises:
            KeyUnavailable: missing, not this user's to read, or readable by others.
            Tampered: the file is not whole.
        """
        file = folder / KEYS_FILE
        try:
            if file.stat().st_mode & 0o077:
                raise KeyUnavailable("others may read the ledger's keys", where=KEYS_FILE, next_step="chmod 600 it")
            content = file.read_bytes()
            found: dict[str, Any] = json.loads(content)
            dates = {day: base64.b64decode(key, validate=True) for day, key in found["dates"].items()}
            keys = cls(folder, base64.b64decode(found["main"], validate=True), dates, set(found["destroyed"]))
            if content not in (keys._content(_FORMAT), keys._content(_UNCHECKED)):
                raise ValueError
            return keys
        except OSError:
            raise KeyUnavailable(
                "the keys of the release ledger cannot be read",
                where=KEYS_FILE,
                next_step="run as the release service's user; restore the keys from their own backup",
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Tampered("the keys of the release ledger are not whole", where=KEYS_FILE) from None

    def derived(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose: HKDF-SHA-256 (RFC 5869) of the main key."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"zicht ledger {purpose}".encode()).derive(self._main)

    def of_date(self, day: date) -> bytes:
        """The key of what is kept until ``day``, made when it is new.

        Raises:
            KeyUnavailable: that date's key was destroyed.
        """
        name = day.isoformat()
        if name in self._destroyed:
            raise KeyUnavailable(f"what the ledger kept until {name} was erased", where=KEYS_FILE)
        if name not in self._dates:
            self._dates[name] = secrets.token_bytes(KEY_BYTES)
            self._save()
        return self._dates[name]

    def destroyed(self, day: date) -> bool:
        """Whether the key of ``day`` was destroyed."""
        return day.isoformat() in self._destroyed

    def destroy(self, until: date) -> tuple[date, ...]:
        """Destroy the keys of all dates up to ``until``; returns the dates."""
        gone = [day for day in self._dates if date.fromisoformat(day) <= until]
        self._dates = {day: key for day, key in self._dates.items() if day not in gone}
        self._destroyed |= set(gone)
        self._save()
        return tuple(sorted(date.fromisoformat(day) for day in gone))

    def _save(self) -> None:
        write_bytes(self.folder / KEYS_FILE, self._content(_FORMAT), mode=0o600)

    def _content(self, form: str) -> bytes:
        """The one file that holds these keys: any other byte in it is no such file."""

        def text(key: bytes) -> str:
            return base64.b64encode(key).decode()

        fields: dict[str, Json] = {
            "format": form,
            "main": text(self._main),
            "dates": {day: text(key) for day, key in sorted(self._dates.items())},
            "destroyed": tuple(sorted(self._destroyed)),
        }
        if form != _UNCHECKED:
            fields["check"] = hmac.digest(self.derived("keys file"), canonical_json(fields), "sha256").hex()
        return canonical_json(fields) + b"\n"
