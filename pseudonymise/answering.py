"""The answer to a delivery: findings of each file, then the journal, then signed receipts made from both.

What a kill cuts off can be made again, all of it, and is the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from enclave.errors import Fault
from enclave.files import sweep_temporaries, write_bytes
from enclave.fingerprints import Json, canonical_json, digest_file
from enclave.journal import Head, Journal
from enclave.project import Project
from enclave.zones import Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.identified_frames import Places
from pseudonymise.manifest import Manifest
from pseudonymise.quarantine import Defect
from pseudonymise.receipt import ACCEPTED, REJECTED, Findings, KeptFindings, Receipt, ReceiptFault, sign_receipt
from pseudonymise.schemas import DeliverySchema
from pseudonymise.sealing import SealedFile
from pseudonymise.signed_statement import JournalHead
from pseudonymise.validation import Tally, row_faults

CHECKS = (
    "seal",
    "digest",
    "manifest",
    "project",
    "encoding",
    "header",
    "row count",
    "rows",
    "duplicates",
    "identifiers",
)


@dataclass(frozen=True, slots=True)
class Intake:
    """What one call of :func:`receive` works with."""

    custody: Custody
    project: Project
    workspace: Workspace
    journal: Journal
    actor: str
    now: datetime

    def tell(self, action: str, subject: str, details: Mapping[str, Json]) -> Head:
        """Journal something about a delivery."""
        return self.journal.append(actor=self.actor, action=action, subject=subject, details=details, now=self.now)


@dataclass(frozen=True, slots=True)
class Origin:
    """The digest of the sealed file, and the name of the supplier's key that signed its manifest (empty: not known)."""

    sealed_sha256: str
    sender_key: str


@dataclass(slots=True)
class Reading:
    """A file that is being received, and what was found in it."""

    file: SealedFile
    schema: DeliverySchema
    places: Places
    tally: Tally = field(default_factory=Tally)
    faults: tuple[Fault, ...] = ()


def answer_for(readings: Sequence[Reading], intake: Intake, origin: Origin) -> tuple[Receipt, ...]:
    """Findings of all files, then the journal, then receipts: what a kill cuts off can be made again, all of it."""
    ids = tuple(reading.file.manifest.delivery_id for reading in readings)
    kept = []
    for reading in readings:
        findings = _findings(reading, parts=ids if len(ids) > 1 else (), intake=intake, origin=origin)
        kept.append(KeptFindings(findings=findings, salt=secrets.token_hex(32)))
        sweep_temporaries(reading.places.findings.parent)
        write_bytes(reading.places.findings, canonical_json(kept[-1].model_dump(mode="json")) + b"\n", mode=0o600)
    heads = [
        intake.tell(REJECTED if reading.faults else ACCEPTED, one.findings.delivery, one.journalled())
        for reading, one in zip(readings, kept, strict=True)
    ]
    signed = tuple(
        sign_receipt(
            one.findings, JournalHead(sequence=head.sequence, digest=head.digest), intake.custody.receipt_key()
        )
        for one, head in zip(kept, heads, strict=True)
    )
    for reading, receipt in zip(readings, signed, strict=True):
        hand_out(receipt, reading.places)
    return signed


def _findings(reading: Reading, *, parts: tuple[str, ...], intake: Intake, origin: Origin) -> Findings:
    manifest, tally, faults = reading.file.manifest, reading.tally, reading.faults
    counts = _rejected_counts(tally, manifest) if faults else (tally.received, tally.accepted, tally.quarantined)
    reasons = dict(tally.reasons)
    if faults:
        reasons[f":{Defect.DELIVERY.value}"] = counts[0] - tally.quarantined
    shown = faults or row_faults(tally, reading.file.name)
    return Findings(
        delivery=manifest.delivery_id,
        project=intake.project.name,
        supplier=manifest.supplier,
        schema_name=reading.schema.name,
        schema_version=reading.schema.version,
        period=manifest.period,
        outcome="rejected" if faults else "accepted",
        sha256=reading.file.sha256,
        sealed_sha256=origin.sealed_sha256,
        received=counts[0],
        accepted=counts[1],
        quarantined=counts[2],
        by_reason=dict(sorted(reasons.items())),
        notes={f"{column}:{note.value}": count for (column, note), count in tally.sorted_notes()},
        faults=tuple(ReceiptFault.of(fault) for fault in shown),
        checks=CHECKS,
        tolerance=reading.schema.tolerance,
        legal_basis=manifest.legal_basis,
        purpose=manifest.purpose,
        retention_date=manifest.retention_date,
        accepted_frame="" if faults else digest_file(reading.places.accepted),
        quarantine_frame="" if faults else digest_file(reading.places.quarantine),
        parts=parts,
        replaces=manifest.replaces,
        withdrawal=manifest.withdrawal,
        sender_key=origin.sender_key,
        time=intake.now.astimezone(UTC).isoformat(timespec="seconds"),
    )


def _rejected_counts(tally: Tally, manifest: Manifest) -> tuple[int, int, int]:
    """Nothing is accepted; what no parser reached is taken from the manifest."""
    received = max(tally.received, manifest.file.rows)
    return received, 0, received


def hand_out_again(receipts: Iterable[Receipt], workspace: Workspace) -> None:
    """Write copies for suppliers again that are not as the receipt that stands; one that was taken away stays away."""
    for receipt in receipts:
        copy = workspace.path(Zone.INBOX) / "receipts" / f"{receipt.findings.delivery}.json"
        if copy.is_file() and copy.read_bytes() != receipt.content():
            receipt.save(copy, mode=0o640)


def hand_out(receipt: Receipt, places: Places) -> None:
    """Lay the receipt where the supplier's copy is fetched and, last, where it stands."""
    for folder in (places.returned.parent, places.receipt.parent):
        sweep_temporaries(folder)
    receipt.save(places.returned, mode=0o640)  # it counts rows: the custodian hands it out, nobody else reads it here
    receipt.save(places.receipt, mode=0o600)
