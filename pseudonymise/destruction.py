"""The signed certificate that data or keys were destroyed: what, when, and on what its being gone rests. No value."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from enclave.fingerprints import digest_bytes
from enclave.signatures import PayloadType, SigningKey
from pseudonymise.signed_statement import JournalHead, SignedStatement

Kind = Literal["delivery", "refused delivery", "data set", "keys", "project"]
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
REFUSED_DELIVERY: Literal["refused delivery"] = "refused delivery"
BY_REMOVAL_SEALED = (
    "The sealed file was removed, and no row of it was kept. Only the office can open a copy, and nobody once its "
    "sealing key goes with the next delivery that expires: copies must be destroyed where they are until then."
)


class Destroyed(BaseModel):
    """One thing that was destroyed: a delivery, the sealed file of one that was not accepted, a linked data set, keys
    alone, or a whole project.

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


class Certificate(SignedStatement):
    """:class:`Destroyed`, the time and means of it, the journal's head before, and the receipt key's signature."""

    WORD = "certificate"
    SIGNED_AS = PayloadType.DESTRUCTION
    WHEN_BROKEN = "ask the office for it"
    destroyed: Destroyed
    time: str
    means: str

    @property
    def subject(self) -> str:
        """What was destroyed."""
        return self.destroyed.name

    def digest(self) -> str:
        """SHA-256 of what is signed; the journal holds it."""
        return digest_bytes(self.payload())

    def __str__(self) -> str:
        gone = self.destroyed
        return (
            f"{gone.kind} {gone.name} of project {gone.project}, to be kept until {gone.retention_date}: destroyed "
            f"{self.time}; {len(gone.files)} files, {len(gone.keys)} keys\n{self.means}"
        )


def certify(destroyed: Destroyed, *, time: str, means: str, head: JournalHead, key: SigningKey) -> Certificate:
    """A signed certificate; the same facts and key give the same bytes."""
    return Certificate(destroyed=destroyed, time=time, means=means, journal_head=head, key_id="").signed(key)
