"""Recognising a delivery that was answered before, by its name, its bytes, and what the journal says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from enclave.errors import BadInput, Tampered
from enclave.fingerprints import digest_file
from enclave.journal import Entry, Journal
from enclave.signatures import SigningKey
from enclave.zones import Workspace
from pseudonymise.identified_frames import Places
from pseudonymise.manifest import Manifest
from pseudonymise.receipt import (
    ACCEPTED,
    REJECTED,
    Findings,
    KeptFindings,
    Receipt,
    sign_receipt,
)
from pseudonymise.sealing import SealedFile
from pseudonymise.signed_statement import JournalHead
from pseudonymise.withdrawal import Withdrawals, token_of, withdrawn_by


@dataclass(frozen=True, slots=True)
class Told:
    """What the journal says of all deliveries, read once: the last answer to each, and what was withdrawn."""

    answers: Mapping[str, Entry]
    withdrawals: Withdrawals

    @classmethod
    def of(cls, journal: Journal) -> Told:
        """All of it."""
        answers: dict[str, Entry] = {}
        gone: dict[str, Entry] = {}
        for entry in journal.entries():
            if entry.action in (ACCEPTED, REJECTED):
                answers[entry.subject] = entry
            gone |= dict.fromkeys(withdrawn_by(entry), entry)
        return cls(answers, Withdrawals(gone))


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """The receipt that a file got, and whether it lies where it was handed out: a kill may have kept it unwritten."""

    receipt: Receipt
    was_written: bool


def refuse_anothers_name(files: Sequence[SealedFile], told: Told, workspace: Workspace) -> None:
    """A token is one sealed delivery's: who reads it in a name must not deliver under it.

    Raises:
        BadInput: a file under this token was answered that is none of these, or has other bytes or another secret.
    """
    parts = {file.manifest.delivery_id: file.manifest for file in files}
    token = token_of(files[0].manifest.delivery_id)
    for name, entry in told.answers.items():
        if token_of(name) == token and not (name in parts and _is_the_same(parts[name], entry, workspace)):
            raise BadInput(
                "another delivery has this name",
                where=files[0].name,
                next_step="seal the file anew, with a new manifest",
            )


def earlier_answers(
    files: Sequence[SealedFile], told: Told, workspace: Workspace, key: SigningKey
) -> tuple[EarlierAnswer, ...] | None:
    """The answers that this very delivery got; None when it is new, or a part of what was received is missing.

    Raises:
        Tampered: what was received before was changed since.
    """
    found = [_earlier(file.manifest, told, workspace, key) for file in files]
    answers = tuple(answer for answer in found if answer is not None)
    return answers if len(answers) == len(found) else None


def _is_the_same(manifest: Manifest, entry: Entry, workspace: Workspace) -> bool:
    """Whether what was answered under this name had the same bytes and secret, as far as findings are still there."""
    kept = _kept(Places.of(manifest, workspace))
    same_bytes = kept is None or kept.findings.sha256 == manifest.file.sha256
    return same_bytes and entry.details.get("withdrawal", "") == manifest.withdrawal


def _earlier(manifest: Manifest, told: Told, workspace: Workspace, key: SigningKey) -> EarlierAnswer | None:
    places = Places.of(manifest, workspace)
    if places.receipt.is_file():
        receipt = Receipt.load(places.receipt, key.public)
        return EarlierAnswer(receipt, was_written=True) if _frames_stand(receipt.findings, places) else None
    entry, kept = told.answers.get(manifest.delivery_id), _kept(places)
    if entry is None or kept is None or kept.journalled() != dict(entry.details):
        return None
    if not _frames_stand(kept.findings, places):
        return None
    head = JournalHead(sequence=entry.sequence, digest=entry.digest)
    return EarlierAnswer(sign_receipt(kept.findings, head, key), was_written=False)


def _kept(places: Places) -> KeptFindings | None:
    try:
        return KeptFindings.model_validate_json(places.findings.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


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
