"""The signed receipt of a delivery: what came in, what of it goes on, and why the rest does not. Holds no value."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from enclave.errors import BadInput, Fault, Tampered
from enclave.fingerprints import canonical_json, digest_bytes, digest_file
from enclave.journal import size_class
from enclave.signatures import PayloadType, SigningKey
from pseudonymise.signed_statement import JournalHead, SignedStatement


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReceiptFault(_File):
    """A :class:`~enclave.errors.Fault` as it stands in a receipt."""

    file: str
    check: str
    message: str
    column: str = ""
    rows: tuple[int, ...] = ()
    count: int = 1

    @classmethod
    def of(cls, fault: Fault) -> ReceiptFault:
        """The same fault."""
        return cls(
            file=fault.file,
            check=fault.check,
            message=fault.message,
            column=fault.column,
            rows=fault.rows,
            count=fault.count,
        )

    def __str__(self) -> str:
        return str(Fault(self.file, self.check, self.message, self.column, self.rows, self.count))


ACCEPTED, REJECTED, REFUSED = "delivery-accepted", "delivery-rejected", "delivery-refused"
"""What the journal calls the two answers."""
_LATER = frozenset({"parts", "replaces", "withdrawal", "sender_key"})


class Findings(_File):
    """What receiving a delivery found; kept in the identified zone, and journalled with classes of counts.

    ``received`` = ``accepted`` + ``quarantined``, always. ``by_reason`` counts rows per ``column:defect``; a row with
    two defects stands under both. In a rejected delivery nothing is accepted; rows that no parser could count are taken
    from the manifest. ``accepted_frame`` and ``quarantine_frame`` are SHA-256 digests of the encrypted files. ``parts``
    names all files of a delivery that has several, by the names of their receipts; ``replaces`` the delivery whose
    place it took; ``withdrawal`` is the digest of the secret with which the supplier may withdraw it. ``sender_key`` is
    the name of the supplier's key, known to the office, that signed the manifest: without one, anybody may have sealed.
    """

    delivery: str
    project: str
    supplier: str
    schema_name: str
    schema_version: int
    period: str
    outcome: Literal["accepted", "rejected"]
    sha256: str
    sealed_sha256: str
    received: int = Field(ge=0)
    accepted: int = Field(ge=0)
    quarantined: int = Field(ge=0)
    by_reason: dict[str, int] = {}
    notes: dict[str, int] = {}
    faults: tuple[ReceiptFault, ...] = ()
    checks: tuple[str, ...] = ()
    tolerance: float
    legal_basis: str
    purpose: str
    retention_date: date
    accepted_frame: str = ""
    quarantine_frame: str = ""
    parts: tuple[str, ...] = ()
    replaces: str = ""
    withdrawal: str = ""
    sender_key: str = ""
    time: str

    @model_serializer(mode="wrap")
    def _without_what_most_have_not(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Receipts that were signed before these fields came keep their bytes."""
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if value or name not in _LATER}

    @model_validator(mode="after")
    def _nothing_is_lost(self) -> Findings:
        if self.received != self.accepted + self.quarantined:
            raise ValueError("received rows must be accepted or quarantined")
        return self

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return self.model_dump(mode="json")

    def journalled(self) -> dict[str, Any]:
        """The fields as everyone may read them: sizes by class, and of faults neither rows nor words."""
        fields = self.as_json()
        del fields["sha256"]  # a digest of the plain file confirms a guess of a small one; the sealed one binds as well
        fields |= {name: size_class(fields[name]) for name in ("received", "accepted", "quarantined")}
        for name in ("by_reason", "notes"):
            fields[name] = {reason: size_class(count) for reason, count in fields[name].items()}
        fields["faults"] = [
            {"check": fault.check, "column": fault.column, "count": size_class(fault.count)} for fault in self.faults
        ]
        return fields


class KeptFindings(_File):
    """Findings as they lie in the identified zone, with a random salt (64 hexadecimal digits).

    The journal holds the commitment beside the classes of counts: it binds every figure, and tells none.
    """

    findings: Findings
    salt: str = Field(pattern=r"^[0-9a-f]{64}$")

    def journalled(self) -> dict[str, Any]:
        """What the journal holds: the findings as everyone may read them, and the commitment to all of them."""
        content = canonical_json(self.model_dump(mode="json"))
        return {**self.findings.journalled(), "commitment": digest_bytes(b"zicht findings\0" + content)}


class Receipt(SignedStatement):
    """Findings, the journal's head at the entry of this delivery, and the signature of the custodian's receipt key."""

    WORD = "receipt"
    SIGNED_AS = PayloadType.RECEIPT
    WHEN_BROKEN = "supplier: ask for it again; custodian: delete it and receive the delivery again"
    findings: Findings

    @property
    def subject(self) -> str:
        """The delivery."""
        return self.findings.delivery

    @property
    def accepted(self) -> bool:
        """Whether the delivery's good rows go on."""
        return self.findings.outcome == "accepted"

    @property
    def place(self) -> tuple[str, str, str]:
        """Supplier, schema and period: at most one delivery stands for them."""
        return self.findings.supplier, self.findings.schema_name, self.findings.period

    def __str__(self) -> str:
        found = self.findings
        lines = [
            f"{found.delivery}: {found.outcome}; received {found.received}, accepted {found.accepted}, "
            f"quarantined {found.quarantined}"
        ]
        lines.append(f"  sender verified, by {found.sender_key}" if found.sender_key else "  sender not verified")
        return "\n".join([*lines, *(f"  - {fault}" for fault in found.faults)])


def sign_receipt(findings: Findings, head: JournalHead, key: SigningKey) -> Receipt:
    """A signed receipt; the same findings, head and key give the same bytes."""
    return Receipt(findings=findings, journal_head=head, key_id="").signed(key)


def check_delivered(receipt: Receipt, file: Path) -> None:
    """Raise unless the receipt is about the bytes of ``file``.

    Raises:
        BadInput: the file cannot be read.
        Tampered: another file was delivered, or this one was changed since.
    """
    try:
        digest = digest_file(file)
    except OSError:
        raise BadInput("there is no such file, or this user may not read it", where=file.name) from None
    if digest != receipt.findings.sha256:
        raise Tampered(
            "the receipt is about other bytes than those of this file",
            where=file.name,
            next_step="compare it with the file that was sealed; call the custodian when that is this one",
        )
