"""The signed answer to what is not received: which checks it failed, in words without a value, and what to do.

The journal comes first and the answer is made from the entry; what a kill cuts off is made by the next try, of the same
entry. A file that could not be opened is known by its digest alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from enclave.errors import BadInput, EnclaveError, Tampered
from enclave.files import sweep_temporaries
from enclave.fingerprints import Json, digest_file
from enclave.journal import Entry, Journal
from enclave.signatures import PayloadType, SigningKey
from enclave.zones import Workspace, Zone
from pseudonymise.handing_in import digest_itself, is_plain
from pseudonymise.receipt import ACCEPTED, REFUSED, REJECTED, ReceiptFault
from pseudonymise.signed_statement import JournalHead, SignedStatement

REFUSED_SUFFIX = ".refused.json"
NOTICE_REFUSED = "withdrawal-refused"
UNOPENED = "unopened"


class Refusal(SignedStatement):
    """That a sealed file was not received: the journal's name of it, the digest of its bytes, and why.

    ``delivery`` is ``unopened`` when nobody could read its name, and begins with ``unexpected-`` when nobody owes it.
    """

    WORD = "refusal"
    SIGNED_AS = PayloadType.REFUSAL
    WHEN_BROKEN = "ask for it again"
    delivery: str
    project: str
    sealed_sha256: str
    reason: str
    next_step: str
    faults: tuple[ReceiptFault, ...] = ()
    time: str

    @property
    def subject(self) -> str:
        """The delivery, as far as it is known."""
        return self.delivery


def refusals(entries: Iterable[Entry]) -> dict[str, Entry]:
    """By the digest of the sealed file: the journal's last answer to it, where that is a refusal."""
    last = {
        str(entry.details["sealed_sha256"]): entry
        for entry in entries
        if entry.action in (ACCEPTED, REJECTED, REFUSED, NOTICE_REFUSED) and "sealed_sha256" in entry.details
    }
    return {sha256: entry for sha256, entry in last.items() if entry.action in (REFUSED, NOTICE_REFUSED)}


def refusal_file(entry: Entry, workspace: Workspace) -> Path:
    """Where the answer of a journalled refusal lies; it is there once it was given."""
    name = f"{entry.subject}.{str(entry.details['sealed_sha256'])[:12]}{REFUSED_SUFFIX}"
    return workspace.path(Zone.INBOX) / "receipts" / name


def refuse(
    sealed: Path,
    subject: str,
    error: EnclaveError,
    *,
    project: str,
    key: SigningKey,
    workspace: Workspace,
    journal: Journal,
    actor: str,
    now: datetime,
    action: str = REFUSED,
) -> None:
    """Journal that ``sealed`` is not received and lay the signed answer where the supplier's copy is fetched.

    The same refusal of the same file is journalled once. What is no file has no digest, and gets no answer. The caller
    holds the lock of the identified zone.
    """
    details = reasons(error)
    try:
        details["sealed_sha256"] = digest_itself(sealed)
    except BadInput:
        journal.append(actor=actor, action=action, subject=subject, details=details, now=now)
        return
    told = refusals(journal.entries()).get(str(details["sealed_sha256"]))
    if told is None or (told.action, told.subject, dict(told.details)) != (action, subject, details):
        journal.append(actor=actor, action=action, subject=subject, details=details, now=now)
        told = refusals(journal.entries())[str(details["sealed_sha256"])]
    answer = Refusal(
        delivery=subject,
        project=project,
        sealed_sha256=str(details["sealed_sha256"]),
        reason=error.what,
        next_step=error.next_step,
        faults=tuple(ReceiptFault.of(fault) for fault in (error.faults if isinstance(error, BadInput) else ())),
        time=datetime.fromisoformat(told.time).astimezone(UTC).isoformat(timespec="seconds"),
        journal_head=JournalHead(sequence=told.sequence, digest=told.digest),
        key_id="",
    )
    file = refusal_file(told, workspace)
    sweep_temporaries(file.parent)
    answer.signed(key).save(file, mode=0o640)


def reasons(error: EnclaveError) -> dict[str, Json]:
    """An error as everyone may read it: of faults the names of checks and columns, neither rows nor words."""
    listed = error.faults if isinstance(error, BadInput) else ()
    faults: list[Json] = [f"{fault.check} {fault.column}".rstrip() for fault in listed]
    return {"error": type(error).__name__, "reason": error.what, "faults": faults}


def answered_for_good(sealed: Path, told: Mapping[str, Entry], workspace: Workspace) -> bool:
    """Whether a file was refused, with the answer given, for what no other delivery can change.

    What was not ready (a delivery that it names had not been accepted) is looked at again.
    """
    entry = told.get(digest_itself(sealed)) if told and is_plain(sealed) else None
    return entry is not None and entry.details.get("error") != "NotReady" and refusal_file(entry, workspace).is_file()


def check_sealed(refusal: Refusal, sealed: Path) -> None:
    """Raise unless the refusal is about the bytes of ``sealed``.

    Raises:
        BadInput: the file cannot be read.
        Tampered: another file was refused.
    """
    try:
        digest = digest_file(sealed)
    except OSError:
        raise BadInput("there is no such file, or this user may not read it", where=sealed.name) from None
    if digest != refusal.sealed_sha256:
        raise Tampered(
            "the refusal is about another sealed file than this one",
            where=sealed.name,
            next_step="name what was handed in (….zicht or ….withdrawal), not the file that was sealed in it",
        )
