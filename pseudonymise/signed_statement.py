"""What the office states in writing: JSON under the signature of its receipt key, that anyone can check."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from enclave.errors import BadInput, Tampered
from enclave.files import read_small, write_bytes
from enclave.fingerprints import canonical_json, digest_bytes
from enclave.signatures import PayloadType, PublicKey, SigningKey

_LARGEST = 16 << 20  # a certificate names every file that was destroyed


class JournalHead(BaseModel):
    """Where the journal stood."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sequence: int
    digest: str


def key_id(key: PublicKey) -> str:
    """A short name of a verifying key: the first 16 hexadecimal digits of the SHA-256 of its text."""
    return f"ed25519/{digest_bytes(key.text.encode())[:16]}"


class SignedStatement(BaseModel):
    """The journal's head, the key's name and its signature; a kind of statement adds what it states.

    ``WORD`` is what people call it, ``SIGNED_AS`` keeps a signature from passing for one of another kind, and
    ``WHEN_BROKEN`` tells a reader what to do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    WORD: ClassVar[str]
    SIGNED_AS: ClassVar[PayloadType]
    WHEN_BROKEN: ClassVar[str]
    journal_head: JournalHead
    key_id: str
    signature: str = ""

    @property
    @abstractmethod
    def subject(self) -> str:
        """What it is about."""

    def payload(self) -> bytes:
        """The bytes that are signed."""
        return canonical_json(self.model_dump(mode="json", exclude={"signature"}))

    def signed(self, key: SigningKey) -> Self:
        """The same under the signature of ``key``; the same facts and key give the same bytes (RFC 8032)."""
        bare = self.model_copy(update={"key_id": key_id(key.public)})
        return bare.model_copy(update={"signature": key.sign(self.SIGNED_AS, bare.payload())})

    def verify(self, key: PublicKey) -> None:
        """Raise :class:`Tampered` unless the signature is ``key``'s."""
        if self.key_id != key_id(key):
            raise Tampered(
                f"the {self.WORD} is signed by another key",
                where=self.subject,
                next_step="take the receipt key from the office itself (receipt.pub)",
            )
        key.verify(self.SIGNED_AS, self.payload(), self.signature)

    def save(self, path: Path, *, mode: int) -> None:
        """Write it as JSON, atomically."""
        write_bytes(path, self.content(), mode=mode)

    def content(self) -> bytes:
        """The bytes of its file."""
        content = json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
        return content.encode() + b"\n"

    @classmethod
    def load(cls, path: Path, key: PublicKey) -> Self:
        """Read one and check its signature.

        Raises:
            BadInput: there is none, this user may not read it, or it is above 16 MiB.
            Tampered: not whole, or the signature does not hold.
        """
        try:
            found = cls.model_validate_json(read_small(path, _LARGEST))
        except OSError:
            raise BadInput(f"there is no such {cls.WORD}, or this user may not read it", where=path.name) from None
        except ValidationError:
            raise Tampered(f"the {cls.WORD} is not whole", where=path.name, next_step=cls.WHEN_BROKEN) from None
        try:
            found.verify(key)
        except Tampered as broken:
            raise Tampered(broken.what, where=path.name, next_step=cls.WHEN_BROKEN) from None
        return found
