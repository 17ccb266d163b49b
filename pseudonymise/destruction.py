"""The signed certificate that data or keys were destroyed: what, when, and on what its being gone rests. No value."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from enclave.errors import BadInput, Tampered
from enclave.files import write_bytes
from enclave.fingerprints import canonical_json, digest_bytes
from enclave.signatures import PayloadType, PublicKey, SigningKey
from pseudonymise.receipt import JournalHead, key_id

Kind = Literal["delivery", "data set", "keys", "project"]
IN_HARDWARE = (
    "The keys were destroyed in the token that held them. What they protected cannot be read again, from any copy of "
    "any file."
)
BY_STORE = (
    "The keys were removed from the key store. What they protected cannot be read again, wherever a copy of it is, "
    "once copies of the key store itself that are older than this certificate are destroyed too."
)
BY_WORKING_COPIES = (
    "The keys were removed from the key store, and the working copies of the keys of linked data sets from the "
    "workspace. What they protected cannot be read again, wherever a copy of it is, once copies of the key store and "
    "of the folder data-keys that are older than this certificate are destroyed too."
)
BY_REMOVAL = "The files were removed. They were not encrypted: copies of them must be destroyed where they are."


class Destroyed(BaseModel):
    """One thing that was destroyed: a delivery, a linked data set, keys alone, or a whole project.

    ``files``: the files that were removed, by their place in the workspace, with their SHA-256 digests. ``keys``: names
    of the keys that were destroyed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Kind
    name: str
    project: str
    retention_date: date
    files: dict[str, str] = {}
    keys: tuple[str, ...] = ()


class Certificate(BaseModel):
    """:class:`Destroyed`, the time and means of it, the journal's head before, and the receipt key's signature."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    destroyed: Destroyed
    time: str
    means: str
    journal_head: JournalHead
    key_id: str
    signature: str = ""

    def payload(self) -> bytes:
        """The bytes that are signed."""
        return canonical_json(self.model_dump(mode="json", exclude={"signature"}))

    def digest(self) -> str:
        """SHA-256 of what is signed; the journal holds it."""
        return digest_bytes(self.payload())

    def verify(self, key: PublicKey) -> None:
        """Raise :class:`Tampered` unless the signature is ``key``'s."""
        if self.key_id != key_id(key):
            raise Tampered(
                "the certificate is signed by another key",
                where=self.destroyed.name,
                next_step="take the receipt key from the office itself (receipt.pub)",
            )
        key.verify(PayloadType.DESTRUCTION, self.payload(), self.signature)

    def save(self, path: Path, *, mode: int) -> None:
        """Write the certificate as JSON, atomically."""
        content = json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
        write_bytes(path, content.encode() + b"\n", mode=mode)

    def __str__(self) -> str:
        gone = self.destroyed
        return (
            f"{gone.kind} {gone.name} of project {gone.project}, to be kept until {gone.retention_date}: destroyed "
            f"{self.time}; {len(gone.files)} files, {len(gone.keys)} keys\n{self.means}"
        )


def certify(destroyed: Destroyed, *, time: str, means: str, head: JournalHead, key: SigningKey) -> Certificate:
    """A signed certificate; the same facts and key give the same bytes (RFC 8032)."""
    bare = Certificate(destroyed=destroyed, time=time, means=means, journal_head=head, key_id=key_id(key.public))
    return bare.model_copy(update={"signature": key.sign(PayloadType.DESTRUCTION, bare.payload())})


def load_certificate(path: Path, key: PublicKey) -> Certificate:
    """Read a certificate and check its signature.

    Raises:
        BadInput: there is none, or this user may not read it.
        Tampered: not whole, or the signature does not hold.
    """
    try:
        found = Certificate.model_validate_json(path.read_bytes())
    except OSError:
        raise BadInput("there is no such certificate, or this user may not read it", where=path.name) from None
    except ValidationError:
        raise Tampered("the certificate is not whole", where=path.name, next_step="ask the office for it") from None
    found.verify(key)
    return found
