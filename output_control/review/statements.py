"""What persons and the office sign: a statement with the digests of what it is about, and the signature beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from enclave.errors import Tampered
from enclave.fingerprints import Json, canonical_json, digest_bytes, digest_json
from enclave.signatures import PayloadType, PublicKey, SigningKey
from output_control.review.roster import Moment, PersonId
from output_control.review.states import Action

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Subject(_Strict):
    """The digests that a decision is about: of the request's text, of all outputs, all evidence, and the policy."""

    request: Sha256
    outputs: Sha256
    evidence: Sha256
    policy: Sha256

    @property
    def content(self) -> str:
        """Digest of what a release publishes, whoever asked for it."""
        return digest_json({"outputs": self.outputs, "evidence": self.evidence, "policy": self.policy})


class Statement(_Strict):
    """A statement by one person; ``key`` is the public key under which its signature holds."""

    request: str
    subject: Subject
    person: PersonId
    key: str
    time: Moment


class Submission(Statement):
    """The author asks for release."""

    project: str
    analysis: str
    version: int


class Decision(Statement):
    """A checker's approval or objection, or the author's withdrawal; ``remark`` is empty for approvals."""

    action: Action
    remark: str = ""


class ReleaseKey(_Strict):
    """The office says that ``public_key`` signs releases from ``valid_from`` until ``valid_until`` (excluded)."""

    public_key: str
    valid_from: Moment
    valid_until: Moment


Content = TypeVar("Content", bound=_Strict)


@dataclass(frozen=True, slots=True)
class Signed(Generic[Content]):
    """A statement and its signature."""

    statement: Content
    signature: str

    def as_json(self) -> Mapping[str, Json]:
        """Both, for writing."""
        return {"statement": self.statement.model_dump(mode="json"), "signature": self.signature}

    def document(self) -> bytes:
        """The file that holds both."""
        return canonical_json(self.as_json()) + b"\n"

    def digest(self) -> str:
        """SHA-256 of :meth:`document`."""
        return digest_bytes(self.document())

    def check(self, kind: PayloadType, key: PublicKey) -> None:
        """Raise :class:`Tampered` unless the signature is that of ``key`` for this kind of statement."""
        key.verify(kind, canonical_json(self.statement.model_dump(mode="json")), self.signature)


def sign(statement: Content, kind: PayloadType, key: SigningKey) -> Signed[Content]:
    """Sign ``statement``."""
    return Signed(statement, key.sign(kind, canonical_json(statement.model_dump(mode="json"))))


def kind_of(action: Action) -> PayloadType:
    """Approvals have a type of their own, so that no other decision can pass for one."""
    return PayloadType.APPROVAL if action is Action.APPROVE else PayloadType.DECISION


def read_signed(document: bytes, content: type[Content], where: str) -> Signed[Content]:
    """Parse what :meth:`Signed.document` wrote; the signature is not checked here.

    Raises:
        Tampered: it is not such a document, byte for byte.
    """
    try:
        envelope = json.loads(document)
        statement = content.model_validate_json(canonical_json(envelope["statement"]))
        signed = Signed(statement, str(envelope["signature"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Tampered("this is no signed statement of the expected kind", where=where) from None
    if signed.document() != document:
        raise Tampered("the statement is not written as it was signed", where=where)
    return signed
