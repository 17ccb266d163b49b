"""Receiving a delivery: open the seal, check what it claims, validate every row, keep the good ones, answer for all.

The order makes a kill harmless: frames (each atomic) → findings → journal entry → receipts made from both.
Whatever is missing after a kill is made again, and is the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from enclave.errors import BadInput, EnclaveError, Fault, KeyUnavailable, NotReady, Tampered
from enclave.files import storage_errors, sweep_temporaries, together
from enclave.fingerprints import digest_file
from enclave.frames import Frame, FrameSink, open_frame
from enclave.journal import Journal
from enclave.project import Project
from enclave.signatures import PayloadType
from enclave.zones import Identified, Workspace, Zone
from pseudonymise.answered import EarlierAnswer, Told, earlier_answers, refuse_anothers_name
from pseudonymise.answering import Intake, Origin, Reading, answer_for, hand_out
from pseudonymise.custody import Custody
from pseudonymise.formats import read_batches
from pseudonymise.identified_frames import Places, writing_both
from pseudonymise.leaving import LeavingCheck
from pseudonymise.manifest import MANIFEST, Manifest, manifest_faults, public_name
from pseudonymise.receipt import REFUSED, Receipt
from pseudonymise.references import KnownKeys, missing_files, reading_order
from pseudonymise.refusal import UNOPENED, reasons, refuse
from pseudonymise.schemas import DeliverySchema
from pseudonymise.sealing import Opened, SealedFile, open_delivery
from pseudonymise.supplier_keys import checked_sender, supplier_keys
from pseudonymise.validation import Validator, row_faults, tolerance_faults
from pseudonymise.withdrawal import (
    Reason,
    check_proof,
    journal_withdrawal,
    refuse_withdrawn,
    remove_withdrawn,
    token_of,
)

SEEN = "delivery-seen-before"


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
    """Receive a sealed delivery of one file; see :func:`receive_files`."""
    (receipt, *others) = receive_files(
        sealed,
        custody=custody,
        project=project,
        schemas=schemas,
        workspace=workspace,
        journal=journal,
        actor=actor,
        now=now,
    )
    if others:
        raise EnclaveError("the delivery holds several files, and each has a receipt of its own")
    return receipt


def receive_files(
    sealed: Path,
    *,
    custody: Custody,
    project: Project,
    schemas: Mapping[str, DeliverySchema],
    workspace: Workspace,
    journal: Journal,
    actor: str,
    now: datetime,
) -> tuple[Receipt, ...]:
    """Receive one sealed delivery, all of its files or none; every outcome is journalled. A receipt for each file.

    A delivery that was answered before is recognised, and its receipt given again. Good rows of an accepted delivery
    lie in ``identified/<supplier>/<schema>_<period>.parquet``, its bad rows in ``identified/quarantine/…``, both
    encrypted until the retention date. A rejected delivery leaves a receipt with its faults and nothing else. What is
    wrong with the delivery itself, and raised, is answered with a signed :class:`~pseudonymise.refusal.Refusal`.

    Raises:
        KeyUnavailable: sealed to another key.
        Tampered: the seal does not hold, or what was received before was changed since.
        BadInput: the manifest does not hold or contradicts the file or the project, or another delivery of the same
            supplier, schema and period was accepted before, or the supplier's key, known to the office, did not sign.
        NotReady: it replaces a delivery that was not accepted.
        StorageFailed: the disk is full; what was there before is intact.
    """
    intake = Intake(custody, project, workspace, journal, actor, now)
    secret, subject = custody.seal_identity(project.name), UNOPENED
    try:
        opened = open_delivery(sealed, secret)
        manifest, files = opened.manifest, opened.files
        subject = public_name(manifest, project)
        _check_claims(manifest, files, intake, schemas)
        with one_at_a_time(workspace.path(Zone.IDENTIFIED)):
            told = Told.of(journal)
            refuse_anothers_name(files, told, workspace)
            earlier = earlier_answers(files, told, workspace, custody.receipt_key())
            if earlier is not None:
                return _given_again(files, earlier, intake)
            refuse_withdrawn(manifest, told.withdrawals)
            sender_key = _checked_sender(opened, intake)
            replaced = _replaced(manifest, told, intake)
            return _receive_new(files, schemas, intake, Origin(digest_file(sealed), sender_key), replaced)
    except EnclaveError as error:
        _answer_refused(sealed, subject, error, intake)
        raise


def _answer_refused(sealed: Path, subject: str, error: EnclaveError, intake: Intake) -> None:
    """What the supplier can mend is answered; the office's own trouble (a full disk, changed frames) is told only."""
    of_seal = subject == UNOPENED and isinstance(error, (KeyUnavailable, Tampered))
    if not (of_seal or isinstance(error, (BadInput, NotReady))):
        intake.tell(REFUSED, subject, reasons(error))
        return
    with one_at_a_time(intake.workspace.path(Zone.IDENTIFIED)):
        refuse(
            sealed,
            subject,
            error,
            project=intake.project.name,
            key=intake.custody.receipt_key(),
            workspace=intake.workspace,
            journal=intake.journal,
            actor=intake.actor,
            now=intake.now,
        )


@contextlib.contextmanager
def one_at_a_time(folder: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Two processes that receive would sweep each other's unfinished files, and could both accept one delivery.

    ``waiting`` is called once when another has the folder.
    """
    with storage_errors(folder.name):
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
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
    """All receipts that stand, by delivery name, with their signatures checked.

    A receipt of a withdrawn delivery does not stand; nor does one whose delivery has files that are not answered yet.
    """
    kept = receipts_kept(workspace, custody)
    return tuple(receipt for receipt in kept.values() if set(receipt.findings.parts) <= set(kept))


def receipts_kept(workspace: Workspace, custody: Custody) -> dict[str, Receipt]:
    """All receipts that lie there, by delivery name, whether or not they stand."""
    key = custody.receipt_key().public
    folder = workspace.path(Zone.IDENTIFIED) / "receipts"
    return {path.stem: Receipt.load(path, key) for path in sorted(folder.glob("*.json"))}


def _check_claims(
    manifest: Manifest, files: Sequence[SealedFile], intake: Intake, schemas: Mapping[str, DeliverySchema]
) -> None:
    faults = list(manifest_faults(manifest, intake.project, schemas, intake.now.date()))
    if not manifest.token:
        message = "the delivery has no token: it was sealed by an earlier version of Zicht"
        faults.append(Fault(MANIFEST, "token", message, column="token"))
    faults += [
        Fault(MANIFEST, "digest", "the file is not the one whose digest the manifest gives")
        for file in files
        if file.sha256 != file.manifest.file.sha256
    ]
    if not faults:
        named = {file.manifest.schema_name: file.name for file in files}
        faults += missing_files({name: schemas[name] for name in named}, named)
    if faults:
        raise BadInput(
            "the delivery is not what its manifest says, or not what the project expects",
            where=files[0].name,
            faults=faults,
            next_step="correct the manifest or the file, seal them again and hand them in",
        )


def _checked_sender(opened: Opened, intake: Intake) -> str:
    """The name of the key that signed it, when the office knows the supplier's; see :func:`checked_sender`."""
    return checked_sender(
        opened.manifest.supplier,
        PayloadType.MANIFEST,
        opened.manifest.as_json(),
        opened.signature,
        sealed_to=opened.sealed_to,
        project=intake.project,
        known=supplier_keys(intake.workspace, intake.journal, intake.custody.receipt_key().public),
    )


def _given_again(files: Sequence[SealedFile], earlier: Sequence[EarlierAnswer], intake: Intake) -> tuple[Receipt, ...]:
    for answer in earlier:
        if answer.was_written:
            findings = answer.receipt.findings
            intake.tell(SEEN, findings.delivery, {"outcome": findings.outcome})
    for file, answer in zip(files, earlier, strict=True):
        hand_out(answer.receipt, Places.of(file.manifest, intake.workspace))
    return tuple(answer.receipt for answer in earlier)


def _replaced(manifest: Manifest, told: Told, intake: Intake) -> tuple[Receipt, ...]:
    """The files of the accepted delivery that this one replaces; no other may have its place.

    Raises:
        BadInput: it says nothing of them, or does not show that it comes from who delivered them.
    """
    taken = {(part.supplier, part.schema_name, part.period) for part in manifest.parts()}
    ours = {part.delivery_id for part in manifest.parts()}
    standing = [receipt for receipt in receipts(intake.workspace, intake.custody) if receipt.accepted]
    others = [receipt for receipt in standing if receipt.findings.delivery not in ours]
    named = tuple(
        receipt
        for receipt in others
        if manifest.replaces and token_of(receipt.findings.delivery) == token_of(manifest.replaces)
    )
    for receipt in others:
        if receipt.place in taken and receipt not in named:
            raise BadInput(
                "another delivery of this supplier, schema and period was accepted before",
                where=receipt.findings.delivery,
                next_step="a delivery that stands is not replaced silently: withdraw it first, or seal with --replaces",
            )
    if manifest.replaces:
        check_proof(manifest.replaces, manifest.replaces_proof, told.answers.get(manifest.replaces))
    return named


def _receive_new(
    files: Sequence[SealedFile],
    schemas: Mapping[str, DeliverySchema],
    intake: Intake,
    origin: Origin,
    replaced: Sequence[Receipt],
) -> tuple[Receipt, ...]:
    own = [schemas[file.manifest.schema_name] for file in files]
    readings = [
        Reading(files[place], own[place], Places.of(files[place].manifest, intake.workspace))
        for place in reading_order(own)
    ]
    keys = KnownKeys(own, files[0].sha256.encode())
    try:
        _read_all(readings, keys, intake, replaced)
    except _Rejected as rejected:
        for reading in readings:
            reading.faults = rejected.faults.get(reading.file.manifest.schema_name) or (_OTHER_FILE,)
    readings.sort(key=lambda reading: reading.file.number)
    return answer_for(readings, intake, origin)


_OTHER_FILE = Fault(MANIFEST, "companion", "another file of this delivery is rejected, and so all of it")


def _read_all(readings: Sequence[Reading], keys: KnownKeys, intake: Intake, replaced: Sequence[Receipt]) -> None:
    """Write the frames of all files, or of none; then withdraw what this delivery replaces."""
    rejected: dict[str, tuple[Fault, ...]] = {}
    for folder in {
        place.parent for reading in readings for place in (reading.places.accepted, reading.places.quarantine)
    }:
        sweep_temporaries(folder)
    with together() as replace, contextlib.ExitStack() as frames:
        for reading in readings:
            manifest = reading.file.manifest
            accepted, quarantine = frames.enter_context(
                writing_both(
                    reading.places,
                    reading.schema,
                    manifest,
                    project=intake.project.name,
                    custody=intake.custody,
                    replace=replace,
                )
            )
            validator = Validator(reading.schema, manifest.period, salt=reading.file.sha256.encode(), keys=keys)
            reading.tally, leaving = validator.tally, LeavingCheck(reading.schema)
            try:
                _sort_rows(reading, validator, leaving, accepted, quarantine)
                _reject_if_unacceptable(validator, reading.schema, reading.file)
                _reject_if_leaking(leaving, reading)
            except _Rejected as one:
                rejected |= one.faults
        if rejected:
            raise _Rejected(rejected)
    # the newer version lies in its place: a kill before this line leaves it to be received again
    journal_withdrawal(
        replaced,
        intake.journal,
        actor=intake.actor,
        reason=Reason.REPLACED,
        by="supplier",
        replaced_by=readings[0].file.manifest.delivery_id,
        now=intake.now,
    )
    for receipt in replaced:
        remove_withdrawn(receipt, intake.workspace, intake.journal, intake.custody.receipt_key())


class _Rejected(Exception):
    """Leaves the frames unwritten; carries the faults, by schema, to the receipts."""

    def __init__(self, faults: dict[str, tuple[Fault, ...]]) -> None:
        self.faults = faults
        super().__init__(f"{sum(map(len, faults.values()))} faults")


def _sort_rows(
    reading: Reading, validator: Validator, leaving: LeavingCheck, accepted: FrameSink, quarantine: FrameSink
) -> None:
    delivery, schema = reading.file, reading.schema
    try:
        for batch in read_batches(delivery, schema):
            divided = validator.sort(batch)
            leaving.beside(divided)
            accepted.write(divided.accepted)
            quarantine.write(divided.quarantined)
    except BadInput as unreadable:
        faults = unreadable.faults or (Fault(delivery.name, "format", unreadable.what),)
        raise _Rejected({schema.name: faults}) from None
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
        raise _Rejected({schema.name: faults + row_faults(tally, delivery.name)})


def _reject_if_leaking(leaving: LeavingCheck, reading: Reading) -> None:
    """What pseudonymisation would refuse is not received: no supplier holds a receipt for what does not go on."""
    again = read_batches(reading.file, reading.schema)
    faults = leaving.afterwards(again, reading.tally, reading.file.name)
    if faults:
        raise _Rejected({reading.schema.name: faults + row_faults(reading.tally, reading.file.name)})
