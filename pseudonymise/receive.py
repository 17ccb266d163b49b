"""Receiving a delivery: open the seal, check what it claims, validate every row, keep the good ones, answer for all.

The order makes a kill harmless: frames (each atomic) → findings → journal entry → receipts made from both.
Whatever is missing after a kill is made again, and is the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from enclave.errors import BadInput, EnclaveError, Fault, Tampered
from enclave.files import storage_errors, sweep_temporaries, write_bytes
from enclave.fingerprints import Json, canonical_json, digest_file
from enclave.frames import Frame, FrameSink, open_frame
from enclave.journal import Journal
from enclave.project import Project
from enclave.zones import Identified, Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.formats import read_batches
from pseudonymise.identified_frames import Places, writing_both
from pseudonymise.manifest import MANIFEST, Manifest, manifest_faults, public_name
from pseudonymise.quarantine import Defect
from pseudonymise.receipt import (
    Findings,
    JournalHead,
    KeptFindings,
    Receipt,
    ReceiptFault,
    load_receipt,
    sign_receipt,
)
from pseudonymise.schemas import DeliverySchema
from pseudonymise.sealing import SealedFile, open_seal
from pseudonymise.validation import Tally, Validator, row_faults, tolerance_faults

ACCEPTED, REJECTED = "delivery-accepted", "delivery-rejected"
REFUSED, SEEN = "delivery-refused", "delivery-seen-before"
CHECKS = ("seal", "digest", "manifest", "project", "encoding", "header", "row count", "rows", "duplicates")


@dataclass(frozen=True, slots=True)
class _Intake:
    """What one call of :func:`receive` works with."""

    custody: Custody
    project: Project
    workspace: Workspace
    journal: Journal
    actor: str
    now: datetime


def receive(
    sealed: Path,
    *,
    custody: Custody,
    project: Project,
    schemas: Mapping[str, DeliverySchema],
    workspace: Workspace,
    journal: Journal,
    actor: str,
    now: datetime,
) -> Receipt:
    """Receive one sealed delivery; every outcome is journalled.

    A delivery that was answered before is recognised, and its receipt given again. Good rows of an accepted delivery
    lie in ``identified/<supplier>/<schema>_<period>.parquet``, its bad rows in ``identified/quarantine/…``, both
    encrypted until the retention date. A rejected delivery leaves a receipt with its faults and nothing else.

    Raises:
        KeyUnavailable: sealed to another key.
        Tampered: the seal does not hold, or what was received before was changed since.
        BadInput: the manifest does not hold or contradicts the file or the project, or another delivery of the same
            supplier, schema and period was accepted before.
        StorageFailed: the disk is full; what was there before is intact.
    """
    intake = _Intake(custody, project, workspace, journal, actor, now)
    subject = "unopened"
    try:
        delivery = open_seal(sealed, custody.seal_identity(project.name))
        subject = public_name(delivery.manifest, project)
        _check_claims(delivery, intake, schemas)
        with _one_at_a_time(workspace.path(Zone.IDENTIFIED)):
            answered = _answered_before(delivery.manifest, intake)
            if answered is not None:
                return answered
            _refuse_second(delivery.manifest, intake)
            return _receive_new(delivery, schemas[delivery.manifest.schema_name], intake, digest_file(sealed))
    except EnclaveError as error:
        listed = error.faults if isinstance(error, BadInput) else ()
        faults: list[Json] = [f"{fault.check} {fault.column}".rstrip() for fault in listed]
        details: dict[str, Json] = {"error": type(error).__name__, "reason": error.what, "faults": faults}
        journal.append(actor=actor, action=REFUSED, subject=subject, details=details, now=now)
        raise


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two processes that receive would sweep each other's unfinished files, and could both accept one delivery."""
    with storage_errors(folder.name):
        handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def accepted_frame(
    manifest_or_receipt: Manifest | Receipt, workspace: Workspace, *, custody: Custody
) -> Frame[Identified]:
    """The identified frame of a delivery that was accepted.

    Raises:
        NotReady: there is none.
        Tampered: its bytes are not those that the receipt answers for.
    """
    if isinstance(manifest_or_receipt, Receipt):
        found = manifest_or_receipt.findings
        supplier, name = found.supplier, f"{found.schema_name}_{found.period}.parquet"
        sha256: str | None = found.accepted_frame
    else:
        supplier = manifest_or_receipt.supplier
        name = f"{manifest_or_receipt.schema_name}_{manifest_or_receipt.period}.parquet"
        sha256 = None
    path = workspace.path(Zone.IDENTIFIED) / supplier / name
    return open_frame(path, Identified, sha256=sha256, decryption=custody.decryption())


def receipts(workspace: Workspace, custody: Custody) -> tuple[Receipt, ...]:
    """All receipts of the workspace, by delivery name, with their signatures checked."""
    key = custody.receipt_key().public
    folder = workspace.path(Zone.IDENTIFIED) / "receipts"
    return tuple(load_receipt(path, key) for path in sorted(folder.glob("*.json")))


def _check_claims(delivery: SealedFile, intake: _Intake, schemas: Mapping[str, DeliverySchema]) -> None:
    manifest = delivery.manifest
    faults = list(manifest_faults(manifest, intake.project, schemas, intake.now.date()))
    if delivery.sha256 != manifest.file.sha256:
        faults.append(Fault(MANIFEST, "digest", "the file is not the one whose digest the manifest gives"))
    if faults:
        raise BadInput(
            "the delivery is not what its manifest says, or not what the project expects",
            where=delivery.name,
            faults=faults,
            next_step="correct the manifest or the file, seal them again and hand them in",
        )


def _answered_before(manifest: Manifest, intake: _Intake) -> Receipt | None:
    """The receipt that this very delivery got, made again from the journal when a kill kept it from being written."""
    places = Places.of(manifest, intake.workspace)
    if places.receipt.is_file():
        receipt = load_receipt(places.receipt, intake.custody.receipt_key().public)
        if not _frames_stand(receipt.findings, places):
            return None
        details = {"outcome": receipt.findings.outcome}
        intake.journal.append(
            actor=intake.actor, action=SEEN, subject=manifest.delivery_id, details=details, now=intake.now
        )
    else:
        found = _journalled(manifest, places, intake.journal)
        if found is None or not _frames_stand(found[0], places):
            return None
        receipt = sign_receipt(*found, intake.custody.receipt_key())
    _hand_out(receipt, places)
    return receipt


def _journalled(manifest: Manifest, places: Places, journal: Journal) -> tuple[Findings, JournalHead] | None:
    """What the last entry on this delivery is about, when the findings that were kept are those of that entry."""
    last = None
    for entry in journal.entries():
        if entry.subject == manifest.delivery_id and entry.action in (ACCEPTED, REJECTED):
            last = entry
    if last is None:
        return None
    try:
        kept = KeptFindings.model_validate_json(places.findings.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    if kept.journalled() != dict(last.details):
        return None
    return kept.findings, JournalHead(sequence=last.sequence, digest=last.digest)


def _frames_stand(found: Findings, places: Places) -> bool:
    """Whether the frames that were journalled are there; altered ones are refused, missing ones made again."""
    if found.outcome == "rejected":
        return True
    expected = {places.accepted: found.accepted_frame, places.quarantine: found.quarantine_frame}
    if not all(path.is_file() for path in expected):
        return False
    for path, sha256 in expected.items():
        if digest_file(path) != sha256:
            raise Tampered(
                "what was received before has other bytes than were journalled",
                where=f"identified/{path.parent.name}/{path.name}",
                next_step="find out who changed it; then remove that file and receive the delivery again",
            )
    return True


def _refuse_second(manifest: Manifest, intake: _Intake) -> None:
    same = (manifest.supplier, manifest.schema_name, manifest.period)
    for receipt in receipts(intake.workspace, intake.custody):
        found = receipt.findings
        if (
            receipt.accepted
            and (found.supplier, found.schema_name, found.period) == same
            and found.delivery != manifest.delivery_id
        ):
            raise BadInput(
                "another delivery of this supplier, schema and period was accepted before",
                where=found.delivery,
                next_step="a delivery that stands is not replaced silently: withdraw it first",
            )


def _receive_new(delivery: SealedFile, schema: DeliverySchema, intake: _Intake, sealed_sha256: str) -> Receipt:
    places = Places.of(delivery.manifest, intake.workspace)
    for folder in (places.accepted.parent, places.quarantine.parent):
        sweep_temporaries(folder)
    validator = Validator(schema, delivery.manifest.period, salt=delivery.sha256.encode())
    faults: tuple[Fault, ...] = ()
    try:
        with writing_both(places, schema, delivery.manifest, project=intake.project.name, custody=intake.custody) as (
            accepted,
            quarantine,
        ):
            _sort_rows(delivery, schema, validator, accepted, quarantine)
            _reject_if_unacceptable(validator, schema, delivery)
    except _Rejected as rejected:
        faults = rejected.faults
    findings = _findings(
        delivery,
        schema,
        tally=validator.tally,
        faults=faults,
        intake=intake,
        sealed_sha256=sealed_sha256,
        places=places,
    )
    action = REJECTED if faults else ACCEPTED
    sweep_temporaries(places.findings.parent)
    kept = KeptFindings(findings=findings, salt=secrets.token_hex(32))
    write_bytes(places.findings, canonical_json(kept.model_dump(mode="json")) + b"\n", mode=0o600)
    head = intake.journal.append(
        actor=intake.actor, action=action, subject=findings.delivery, details=kept.journalled(), now=intake.now
    )
    signed = sign_receipt(
        findings, JournalHead(sequence=head.sequence, digest=head.digest), intake.custody.receipt_key()
    )
    _hand_out(signed, places)
    return signed


class _Rejected(Exception):
    """Leaves the frames unwritten; carries the faults to the receipt."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__(f"{len(faults)} faults")


def _sort_rows(
    delivery: SealedFile, schema: DeliverySchema, validator: Validator, accepted: FrameSink, quarantine: FrameSink
) -> None:
    try:
        for batch in read_batches(delivery, schema):
            divided = validator.sort(batch)
            accepted.write(divided.accepted)
            quarantine.write(divided.quarantined)
    except BadInput as unreadable:
        raise _Rejected(unreadable.faults or (Fault(delivery.name, "format", unreadable.what),)) from None
    if validator.tally.received != accepted.rows + quarantine.rows:
        raise EnclaveError(
            "rows were lost between validation and the frames; nothing was received", where=delivery.name
        )


def _reject_if_unacceptable(validator: Validator, schema: DeliverySchema, delivery: SealedFile) -> None:
    tally, declared = validator.tally, delivery.manifest.file.rows
    if tally.received != declared:
        message = f"the manifest says {declared} rows, the file holds {tally.received}"
        raise BadInput(
            "the manifest contradicts the file",
            where=delivery.name,
            faults=[Fault(delivery.name, "row_count", message)],
            next_step="find out which of the two is right, seal again and hand in",
        )
    faults = validator.faults_of_file(delivery.name) + tolerance_faults(tally, schema, delivery.name)
    if faults:
        raise _Rejected(faults + row_faults(tally, delivery.name))


def _findings(
    delivery: SealedFile,
    schema: DeliverySchema,
    *,
    tally: Tally,
    faults: tuple[Fault, ...],
    intake: _Intake,
    sealed_sha256: str,
    places: Places,
) -> Findings:
    manifest = delivery.manifest
    counts = _rejected_counts(tally, manifest) if faults else (tally.received, tally.accepted, tally.quarantined)
    reasons = dict(tally.reasons)
    if faults:
        reasons[f":{Defect.DELIVERY.value}"] = counts[0] - tally.quarantined
    shown = faults or row_faults(tally, delivery.name)
    return Findings(
        delivery=manifest.delivery_id,
        project=intake.project.name,
        supplier=manifest.supplier,
        schema_name=schema.name,
        schema_version=schema.version,
        period=manifest.period,
        outcome="rejected" if faults else "accepted",
        sha256=delivery.sha256,
        sealed_sha256=sealed_sha256,
        received=counts[0],
        accepted=counts[1],
        quarantined=counts[2],
        by_reason=dict(sorted(reasons.items())),
        notes={f"{column}:{note.value}": count for (column, note), count in tally.sorted_notes()},
        faults=tuple(ReceiptFault.of(fault) for fault in shown),
        checks=CHECKS,
        tolerance=schema.tolerance,
        legal_basis=manifest.legal_basis,
        purpose=manifest.purpose,
        retention_date=manifest.retention_date,
        accepted_frame="" if faults else digest_file(places.accepted),
        quarantine_frame="" if faults else digest_file(places.quarantine),
        time=intake.now.astimezone(UTC).isoformat(timespec="seconds"),
    )


def _rejected_counts(tally: Tally, manifest: Manifest) -> tuple[int, int, int]:
    """Nothing is accepted; what no parser reached is taken from the manifest."""
    received = max(tally.received, manifest.file.rows)
    return received, 0, received


def _hand_out(receipt: Receipt, places: Places) -> None:
    for folder in (places.returned.parent, places.receipt.parent):
        sweep_temporaries(folder)
    receipt.save(places.returned, mode=0o640)  # it counts rows: the custodian hands it out, nobody else reads it here
    receipt.save(places.receipt, mode=0o600)
