"""A request with what was decided on it: the signed documents in its folder, in the journal's order.

A statement counts from its journal entry on. Writing goes: statement file (atomic), then journal entry. A kill in
between leaves a statement without entry; the next command that changes the request completes or removes it. An entry
without its statement, or a statement whose signature does not hold, is tampering.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from enclave.errors import Tampered
from enclave.fingerprints import digest_bytes
from enclave.journal import Entry, Journal
from enclave.signatures import PayloadType, PublicKey
from enclave.zones import Workspace, Zone
from output_control.review.permissions import RequestFacts
from output_control.review.request_file import DECISIONS, SUBMISSION, StoredRequest, read_request
from output_control.review.statements import Decision, Signed, Submission, kind_of, read_signed
from output_control.review.states import Action, State, check_can

PREFIX = "request."


@dataclass(frozen=True, slots=True)
class Journalled:
    """A decision with the journal entry that makes it count."""

    signed: Signed[Decision]
    entry: Entry


@dataclass(frozen=True, slots=True)
class Case:
    """A request, its state, and everything that led there; ``pending`` are statements that no entry names yet."""

    request: StoredRequest
    state: State
    submission: Signed[Submission] | None = None
    submitted: Entry | None = None
    decisions: tuple[Journalled, ...] = ()
    last: Entry | None = None
    pending: tuple[Path, ...] = ()

    @property
    def facts(self) -> RequestFacts:
        """What the rules about persons need."""
        document = self.request.document
        key = self.submission.statement.key if self.submission else ""
        decisions = tuple(decision.signed.statement for decision in self.decisions)
        return RequestFacts(document.project, document.author, key, decisions)

    @property
    def approvals(self) -> tuple[Journalled, ...]:
        """The approvals, in journal order."""
        return tuple(d for d in self.decisions if d.signed.statement.action is Action.APPROVE)


def open_case(workspace: Workspace, request_id: str, journal: Journal) -> Case:
    """Read a request and replay its journal entries.

    Raises:
        BadInput, NotReady: no such request.
        Tampered: request, statement or order of entries is not what was signed and journalled.
    """
    request = read_request(workspace.path(Zone.REVIEW), request_id)
    return _replayed(request, [entry for entry in journal.entries() if entry.subject == request_id])


def _replayed(request: StoredRequest, entries: list[Entry]) -> Case:
    written = {digest_bytes(path.read_bytes()): path for path in _statement_files(request)}
    case = Case(request, State.DRAFT)
    for entry in entries:
        action = _action(entry)
        if action is not None:
            case = _after(case, action, entry, written)
    return replace(case, pending=tuple(written.values()))


def _statement_files(request: StoredRequest) -> Iterator[Path]:
    files = [request.folder / SUBMISSION, *sorted((request.folder / DECISIONS).glob("[0-9]*.json"))]
    return (path for path in files if path.is_file() and not path.is_symlink())


def _action(entry: Entry) -> Action | None:
    """What the entry did to the request; other entries (a release that began) do nothing to it."""
    name = entry.action.removeprefix(PREFIX)
    return Action(name) if entry.action.startswith(PREFIX) and name in {a.value for a in Action} else None


def _after(case: Case, action: Action, entry: Entry, written: dict[str, Path]) -> Case:
    case = replace(case, state=check_can(action, case.state), last=entry)
    if action in (Action.RELEASE, Action.VOID):
        return case
    path = written.pop(str(entry.details.get("statement")), None)
    if path is None:
        raise Tampered(
            f"the statement behind journal entry {entry.sequence} is missing or was altered", where=case.request.id
        )
    if action is Action.SUBMIT:
        return replace(case, submission=read_submission(path, case.request), submitted=entry)
    decision = read_decision(path, case.request)
    if decision.statement.action is not action:
        raise Tampered(f"journal entry {entry.sequence} names another decision", where=case.request.id)
    return replace(case, decisions=(*case.decisions, Journalled(decision, entry)))


def read_submission(path: Path, request: StoredRequest) -> Signed[Submission]:
    """The author's signed statement, checked against the request."""
    signed = read_signed(path.read_bytes(), Submission, path.name)
    document, statement = request.document, signed.statement
    same = (statement.project, statement.analysis, statement.version, statement.person) == (
        document.project,
        document.analysis,
        document.version,
        document.author,
    )
    if not same or (statement.request, statement.subject) != (request.id, document.subject):
        raise Tampered("the submission is about another request", where=request.id)
    signed.check(PayloadType.REQUEST, PublicKey(statement.key))
    return signed


def read_decision(path: Path, request: StoredRequest) -> Signed[Decision]:
    """A signed decision, checked against the request."""
    signed = read_signed(path.read_bytes(), Decision, path.name)
    if (signed.statement.request, signed.statement.subject) != (request.id, request.document.subject):
        raise Tampered("a decision is about another request", where=request.id)
    signed.check(kind_of(signed.statement.action), PublicKey(signed.statement.key))
    return signed
