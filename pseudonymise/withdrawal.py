"""Withdrawing a delivery (the right to correct): what is journalled, removed, and confirmed to the supplier.

A supplier withdraws with a secret that was drawn when the delivery was sealed, of which the enclave knows the digest
only: nobody else can, though everyone may seal. Who lost it asks the custodian, who withdraws by hand.

The journal comes first, and from then on the delivery is not used; what remains to be removed after a kill is removed
by the next command of the custodian.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enclave.errors import BadInput, NotReady
from enclave.files import replacing, sweep_temporaries, write_bytes
from enclave.fingerprints import Json, canonical_json, digest_file
from enclave.journal import Entry, Journal
from enclave.signatures import PayloadType, SigningKey
from enclave.zones import Workspace, Zone
from pseudonymise.handing_in import opened_itself
from pseudonymise.manifest import DELIVERY_ID, Manifest
from pseudonymise.receipt import ACCEPTED, Receipt
from pseudonymise.sealing import SUFFIX, parse_recipient
from pseudonymise.sender import Signature, sign
from pseudonymise.signed_statement import JournalHead, SignedStatement

WITHDRAWN = "delivery-withdrawn"
NOTICE_SUFFIX = ".withdrawal"
_NOTICE_LINE = b"zicht-withdrawal/1\n"
_MAX_NOTICE = 1 << 16


class Reason(Enum):
    """Why a delivery is withdrawn: a choice, since everyone reads the journal."""

    WRONG_FILE = "wrong-file"
    WRONG_PERIOD = "wrong-period"
    ERRORS = "errors"
    NOT_ALLOWED = "not-allowed"
    REPLACED = "replaced"

    def description(self) -> str:
        """One clause."""
        return _REASONS[self]


_REASONS = {
    Reason.WRONG_FILE: "another file was meant",
    Reason.WRONG_PERIOD: "it is about another period",
    Reason.ERRORS: "it holds errors that will be corrected",
    Reason.NOT_ALLOWED: "it should not have been delivered",
    Reason.REPLACED: "a newer version takes its place",
}


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Notice(_File):
    """What a supplier sends to withdraw a delivery; ``proof`` is the secret drawn when it was sealed.

    ``signature``: the supplier's, over the rest.
    """

    delivery: str = Field(pattern=rf"^{DELIVERY_ID.pattern}$")
    reason: Reason
    proof: str = Field(pattern=r"^[0-9a-f]{64}$")
    signature: Signature | None = None

    def signed_fields(self) -> dict[str, Json]:
        """What is signed."""
        return self.model_dump(mode="json", exclude={"signature"})

    @property
    def supplier(self) -> str:
        """Whose delivery it is about."""
        named = DELIVERY_ID.fullmatch(self.delivery)
        return named["supplier"] if named else ""


class Confirmation(SignedStatement):
    """The signed answer to a withdrawal: the delivery is not used from this journal entry on."""

    WORD = "confirmation"
    SIGNED_AS = PayloadType.WITHDRAWAL
    WHEN_BROKEN = "ask for it again"
    delivery: str
    reason: Reason
    by: str
    replaced_by: str
    time: str

    @property
    def subject(self) -> str:
        """The delivery."""
        return self.delivery

    def __str__(self) -> str:
        told = f"{self.delivery}: withdrawn by the {self.by}, since {self.reason.description()}"
        return told + (f"; replaced by {self.replaced_by}" if self.replaced_by else "")


def digest_of_proof(proof: str) -> str:
    """What the manifest says of the secret."""
    return hashlib.sha256(b"zicht withdrawal\0" + bytes.fromhex(proof)).hexdigest()


def seal_notice(notice: Notice, recipient: str, out: Path, key: SigningKey | None = None) -> None:
    """Write a notice that only the enclave can open, atomically, signed with ``key``.

    Raises:
        BadInput: the recipient is none.
    """
    import pyrage

    sealed_to = parse_recipient(recipient)
    if key is not None:
        signature = sign(PayloadType.NOTICE, notice.signed_fields(), str(sealed_to), key)
        notice = notice.model_copy(update={"signature": signature})
    content = _NOTICE_LINE + canonical_json(notice.model_dump(mode="json", exclude_none=True))
    write_bytes(out, pyrage.encrypt(content, [sealed_to]))


def open_notice(file: Path, secret: str) -> Notice:
    """The notice in a sealed file.

    Raises:
        BadInput: there is none, it holds no notice, or is sealed to another key.
    """
    import pyrage

    try:
        with opened_itself(file) as handle:
            sealed = handle.read(_MAX_NOTICE)
        opened = pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(secret)])
        if opened.startswith(_NOTICE_LINE):
            return Notice.model_validate_json(opened.removeprefix(_NOTICE_LINE))
    except (BadInput, OSError, ValueError, ValidationError, pyrage.DecryptError):
        pass
    raise BadInput(
        "this is no notice of withdrawal for this office",
        where=file.name,
        next_step="the supplier makes one with: zicht delivery withdraw",
    )


def token_of(delivery: str) -> str:
    """What the files of one delivery share: supplier and token."""
    found = DELIVERY_ID.fullmatch(delivery)
    return f"{found['supplier']} {delivery[-12:]}" if found else ""


def withdrawn_by(entry: Entry) -> tuple[str, ...]:
    """Names of what a journal entry withdraws: all files of a delivery in one; none when it is about something else."""
    if entry.action != WITHDRAWN:
        return ()
    parts = entry.details.get("parts")
    return tuple(map(str, parts)) if isinstance(parts, list) else (entry.subject,)


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """What the journal says of withdrawn deliveries: the last entry of each."""

    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, journal: Journal) -> Withdrawals:
        """All that were withdrawn."""
        return cls({name: entry for entry in journal.entries() for name in withdrawn_by(entry)})

    def __contains__(self, delivery: object) -> bool:
        return delivery in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)


def refuse_withdrawn(manifest: Manifest, gone: Withdrawals) -> None:
    """Raise when this very delivery was withdrawn: it is not taken up again."""
    if any(part.delivery_id in gone for part in manifest.parts()):
        raise BadInput(
            "this delivery was withdrawn",
            where=manifest.delivery_id,
            next_step="seal the corrected file anew, with a new manifest",
        )


def check_proof(delivery: str, proof: str, answer: Entry | None) -> None:
    """Raise unless ``proof`` is the secret of a delivery that was accepted; ``answer`` is the journal's last one to it.

    Raises:
        NotReady: no such delivery was accepted.
        BadInput: another secret, or the delivery was sealed without one.
    """
    if answer is None or answer.action != ACCEPTED:
        raise NotReady("no such delivery was accepted", where=delivery, next_step="take its name from the receipt")
    if not proof or not hmac.compare_digest(digest_of_proof(proof), str(answer.details.get("withdrawal", ""))):
        raise BadInput(
            "this does not come from who sealed the delivery: the secret is another one",
            where=delivery,
            next_step="send the notice from the folder in which the delivery was sealed, or call the custodian",
        )


def journal_withdrawal(
    receipts: Sequence[Receipt],
    journal: Journal,
    *,
    actor: str,
    reason: Reason,
    by: str,
    now: datetime,
    replaced_by: str = "",
) -> None:
    """Write down that a delivery, all ``receipts`` of it, is withdrawn; once is enough.

    It is one entry: a kill leaves all of its files withdrawn, or none.
    """
    gone = Withdrawals.of(journal)
    parts = [receipt.findings.delivery for receipt in receipts if receipt.findings.delivery not in gone]
    if parts:
        details: dict[str, Json] = {"reason": reason.value, "by": by, "replaced_by": replaced_by}
        details |= {"parts": list(parts)} if len(parts) > 1 else {}
        journal.append(actor=actor, action=WITHDRAWN, subject=parts[0], details=details, now=now)


def remove_withdrawn(receipt: Receipt, workspace: Workspace, journal: Journal, key: SigningKey) -> Confirmation:
    """Remove what is left of a withdrawn delivery, and confirm it; can be called again after a kill.

    The caller holds the lock of the identified zone. The receipt is moved last: as long as it stands where receipts
    stand, something may be left.
    """
    found = receipt.findings
    identified, inbox = workspace.path(Zone.IDENTIFIED), workspace.path(Zone.INBOX)
    for folder in (identified / "withdrawn", inbox / "receipts"):
        sweep_temporaries(folder)
    name = f"{found.schema_name}_{found.period}.parquet"
    for hashed in workspace.path(Zone.PSEUDONYMISED).rglob(f"{found.supplier}/{name}"):  # under every key version
        hashed.unlink()
    for path, sha256 in (
        (identified / found.supplier / name, found.accepted_frame),
        (identified / "quarantine" / found.supplier / name, found.quarantine_frame),
    ):
        if path.is_file() and digest_file(path) == sha256:  # another digest: a newer version took its place
            path.unlink()
    for sealed in inbox.glob(f"*{SUFFIX}"):  # it may lie there under another name
        if sealed.stem in (found.parts or (found.delivery,)) or digest_file(sealed) == found.sealed_sha256:
            sealed.unlink()
    (identified / "findings" / f"{found.delivery}.json").unlink(missing_ok=True)
    confirmation = _confirmed(found.delivery, Withdrawals.of(journal).entries[found.delivery], key)
    confirmation.save(inbox / "receipts" / f"{found.delivery}.withdrawn.json", mode=0o640)
    _move(identified / "receipts" / f"{found.delivery}.json", identified / "withdrawn" / f"{found.delivery}.json")
    return confirmation


def _move(source: Path, target: Path) -> None:
    with replacing(target, mode=0o600) as temporary:
        temporary.write_bytes(source.read_bytes())
    source.unlink()


def _confirmed(delivery: str, entry: Entry, key: SigningKey) -> Confirmation:
    bare = Confirmation(
        delivery=delivery,
        reason=Reason(entry.details["reason"]),
        by=str(entry.details["by"]),
        replaced_by=str(entry.details["replaced_by"]),
        time=datetime.fromisoformat(entry.time).astimezone(UTC).isoformat(timespec="seconds"),
        journal_head=JournalHead(sequence=entry.sequence, digest=entry.digest),
        key_id="",
    )
    return bare.signed(key)
