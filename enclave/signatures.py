"""Ed25519 signatures over typed payloads (RFC 8032; pre-authentication encoding of DSSE v1).

Every signature names the type of what it signs, so that an approval can never pass for a receipt. Private keys are
PKCS #8 files, mode 0600, encrypted under a passphrase; a supplier's, at home, without one.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from enclave.errors import BadInput, KeyUnavailable, Tampered
from enclave.files import write_bytes
from enclave.locks import WINDOWS


class PayloadType(Enum):
    """What a signature can be for."""

    RECEIPT = "application/vnd.zicht.receipt+json"
    REFUSAL = "application/vnd.zicht.refusal+json"
    MANIFEST = "application/vnd.zicht.manifest+json"
    NOTICE = "application/vnd.zicht.withdrawal-notice+json"
    SUPPLIER_KEY = "application/vnd.zicht.supplier-key+json"
    SUPPLIERS = "application/vnd.zicht.supplier-keys+json"
    WITHDRAWAL = "application/vnd.zicht.withdrawal+json"
    ROSTER = "application/vnd.zicht.roster+json"
    REQUEST = "application/vnd.zicht.request+json"
    APPROVAL = "application/vnd.zicht.approval+json"
    DECISION = "application/vnd.zicht.decision+json"
    RELEASE = "application/vnd.zicht.release-manifest+json"
    DESTRUCTION = "application/vnd.zicht.destruction+json"
    RELEASE_KEY = "application/vnd.zicht.release-key+json"
    KEY_TABLES = "application/vnd.zicht.key-tables+json"


def _decoded(text: str) -> bytes:
    """Bytes of a base64 text; ValueError unless it is the one canonical text of these bytes.

    Python's decoder ignores the unused bits of the last character: without this check one key, or one signature,
    would have several spellings, and one person could pass for two.
    """
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError
    return raw


def _encoded(kind: PayloadType, payload: bytes) -> bytes:
    name = kind.value.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verifying key; its text form is base64 of the 32 raw bytes."""

    text: str

    def check(self) -> None:
        """Raise :class:`KeyUnavailable` unless the text is an Ed25519 public key in its one canonical spelling."""
        try:
            Ed25519PublicKey.from_public_bytes(_decoded(self.text))
        except ValueError:
            raise KeyUnavailable("this is no Ed25519 public key") from None

    def verify(self, kind: PayloadType, payload: bytes, signature: str) -> None:
        """Raise :class:`Tampered` unless ``signature`` (base64) is this key's over ``payload`` of type ``kind``."""
        try:
            key = Ed25519PublicKey.from_public_bytes(_decoded(self.text))
            key.verify(_decoded(signature), _encoded(kind, payload))
        except (InvalidSignature, ValueError):
            raise Tampered(
                f"the signature over {kind.name.lower()} does not hold",
                next_step="do not use it: put back the copy that was signed, or have it signed anew",
            ) from None


class SigningKey:
    """A private key in memory; shows nothing of itself when printed."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "SigningKey(…)"

    @classmethod
    def generate(cls) -> SigningKey:
        """A new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed: for demos and tests, where the same seed must give the same key."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public(self) -> PublicKey:
        """The verifying key."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return PublicKey(base64.b64encode(raw).decode())

    def sign(self, kind: PayloadType, payload: bytes) -> str:
        """Signature over ``payload`` of type ``kind``, base64."""
        return base64.b64encode(self._key.sign(_encoded(kind, payload))).decode()

    def save(self, path: Path, passphrase: bytes) -> None:
        """Write the key to ``path`` (mode 0600) under ``passphrase`` (not empty), and its public half beside it."""
        if not passphrase:
            raise BadInput("a signing key needs a passphrase", where=path.name)
        protected = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase),
        )
        write_bytes(path, protected, mode=0o600)
        write_bytes(path.with_suffix(".pub"), self.public.text.encode() + b"\n", mode=0o644)

    def save_unprotected(self, path: Path) -> None:
        """Write the key to ``path`` (mode 0600), under no passphrase: who reads the file can sign."""
        plain = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_bytes(path, plain, mode=0o600)

    @classmethod
    def load(cls, path: Path, passphrase: bytes | None) -> SigningKey:
        """Read a key that :meth:`save` wrote, or with None :meth:`save_unprotected`.

        Raises:
            KeyUnavailable: missing, readable by others, wrong passphrase, or no Ed25519 key.
            Tampered: the public half beside it is another key's. PKCS #8 has no check of its own: with another byte a
                file can open, as another key.
        """
        try:
            if not WINDOWS and path.stat().st_mode & 0o077:  # Windows has no such modes
                raise KeyUnavailable("others than its owner may read this key", where=path.name, next_step="chmod 600")
            key = serialization.load_pem_private_key(path.read_bytes(), passphrase)
        except FileNotFoundError:
            raise KeyUnavailable("there is no such key", where=path.name) from None
        except PermissionError:
            raise KeyUnavailable("this user may not read the key", where=path.name) from None
        except (ValueError, TypeError):
            raise KeyUnavailable("the key does not open under this passphrase", where=path.name) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnavailable("this is no Ed25519 key", where=path.name)
        loaded, beside = cls(key), path.with_suffix(".pub")
        if beside.is_file() and beside.read_bytes() != loaded.public.text.encode() + b"\n":
            raise Tampered(
                f"the key and {beside.name} beside it do not belong together: one of them was changed",
                where=path.name,
                next_step="put back the copy of both that you kept, or have a new key made and certified",
            )
        return loaded


def load_public(path: Path) -> PublicKey:
    """Read a ``.pub`` file."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        Ed25519PublicKey.from_public_bytes(_decoded(text))
    except FileNotFoundError:
        raise KeyUnavailable("there is no such public key", where=path.name) from None
    except OSError:
        raise KeyUnavailable("this user may not read the public key", where=path.name) from None
    except ValueError:
        raise BadInput("this is no Ed25519 public key", where=path.name) from None
    return PublicKey(text)
