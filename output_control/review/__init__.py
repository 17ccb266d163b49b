"""Asking for release and deciding on it: every command checks the state, checks the person, signs, writes, journals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from enclave.errors import BadInput, NotAllowed, Tampered
from enclave.files import storage_errors, sweep_temporaries, write_bytes
from enclave.fingerprints import Json, digest_bytes
from enclave.journal import Journal
from enclave.signatures import PayloadType, SigningKey
from enclave.zones import Workspace, Zone
from output_control.review.cases import PREFIX, Case, open_case, read_decision, read_submission
from output_control.review.permissions import CHECKS, Actor
from output_control.review.request_file import (
    ANNEX,
    DECISIONS,
    SUBMISSION,
    RequestDocument,
    annexed,
    check_names,
    check_texts,
    digests,
    list_requests,
    locked,
    write_request,
)
from output_control.review.roster import Roster, check_person_id, moment
from output_control.review.statements import Decision, Signed, Statement, Submission, kind_of, sign
from output_control.review.states import Action, State, check_can
from output_control.review.view import View, view
from output_control.sealed import CheckedOutput

LEAST_REMARK = 10


@dataclass(frozen=True, slots=True)
class Desk:
    """Where requests lie, who may do what, and where it is written down."""

    workspace: Workspace
    roster: Roster
    journal: Journal


def draft(
    checked: CheckedOutput, *, project: str, author: str, title: str, context: str, controls: str, desk: Desk
) -> str:
    """Write a request for ``checked`` and return its id; the same request twice is one request.

    Raises:
        BadInput: context or controls say nothing, ``author`` is no id, or a file name is not allowed.
    """
    check_person_id(author)
    check_texts(title, context, controls)
    check_names(checked.outputs, below=f"outputs/{checked.analysis}")
    check_names(checked.evidence, below="evidence")
    annex = annexed(checked.checker_annex)
    check_names(annex, below=ANNEX)
    document = RequestDocument(
        project=project,
        analysis=checked.analysis,
        version=checked.version,
        author=author,
        title=title,
        context=context,
        controls=controls,
        outputs=digests(checked.outputs),
        evidence=digests(checked.evidence),
        annex=digests(annex),
        policy=digest_bytes(checked.policy_document),
        inputs=dict(checked.inputs),
        fingerprint=checked.fingerprint,
    )
    files = {**checked.outputs, **checked.evidence}
    review = desk.workspace.path(Zone.REVIEW)
    return write_request(review, document, files=files, annex=annex, policy=checked.policy_document).id


def submit(request_id: str, *, author: str, key: SigningKey, desk: Desk, now: datetime) -> State:
    """Sign and hand in a draft.

    Raises:
        NotAllowed: not the author, no valid researcher of the project, or no draft any more.
    """
    check_person_id(author)
    with locked(_folder(desk, request_id)):
        case = _mended(request_id, desk, now)
        document = case.request.document
        statement = Submission(
            request=request_id,
            subject=document.subject,
            person=author,
            key=key.public.text,
            time=moment(now),
            project=document.project,
            analysis=document.analysis,
            version=document.version,
        )
        _check(Action.SUBMIT, statement, case, desk, now)
        signed = sign(statement, PayloadType.REQUEST, key)
        return _commit(case, Action.SUBMIT, signed, case.request.folder / SUBMISSION, desk=desk, now=now)


def approve(request_id: str, *, person: str, key: SigningKey, desk: Desk, now: datetime) -> State:
    """Sign the digest of request, outputs, evidence and policy; the second person's approval makes it approved."""
    return _decide(request_id, Action.APPROVE, "", person=person, key=key, desk=desk, now=now)


def request_changes(request_id: str, remark: str, *, person: str, key: SigningKey, desk: Desk, now: datetime) -> State:
    """Block the request and say what to change; the author files a new one."""
    return _decide(request_id, Action.REQUEST_CHANGES, remark, person=person, key=key, desk=desk, now=now)


def reject(request_id: str, remark: str, *, person: str, key: SigningKey, desk: Desk, now: datetime) -> State:
    """Block the request for good and say why."""
    return _decide(request_id, Action.REJECT, remark, person=person, key=key, desk=desk, now=now)


def withdraw(request_id: str, remark: str, *, person: str, key: SigningKey, desk: Desk, now: datetime) -> State:
    """Take one's own request back and say why."""
    return _decide(request_id, Action.WITHDRAW, remark, person=person, key=key, desk=desk, now=now)


def _decide(
    request_id: str, action: Action, remark: str, *, person: str, key: SigningKey, desk: Desk, now: datetime
) -> State:
    from output_control.leaving.words import fault_of_text

    check_person_id(person)
    if action is not Action.APPROVE and len(remark.strip()) < LEAST_REMARK:
        raise BadInput(f"say why, in at least {LEAST_REMARK} characters", next_step="--remark TEXT")
    if wrong := fault_of_text(remark, lines=True):
        raise BadInput(f"the remark {wrong}", next_step="--remark TEXT")
    with locked(_folder(desk, request_id)):
        case = _mended(request_id, desk, now)
        statement = Decision(
            request=request_id,
            subject=case.request.document.subject,
            person=person,
            key=key.public.text,
            time=moment(now),
            action=action,
            remark=remark.strip(),
        )
        _check(action, statement, case, desk, now)
        case.request.check_untouched()
        number = len(case.decisions) + 1
        path = case.request.folder / DECISIONS / f"{number:04}.json"
        return _commit(case, action, sign(statement, kind_of(action), key), path, desk=desk, now=now)


def _check(action: Action, statement: Statement, case: Case, desk: Desk, now: datetime) -> None:
    check_can(action, case.state)
    CHECKS[action](Actor(statement.person, statement.key, moment(now)), case.facts, desk.roster)
    if statement.time > moment(now):
        raise NotAllowed(f"{statement.person} signed at a time that has not come yet")


def _commit(
    case: Case, action: Action, signed: Signed[Submission] | Signed[Decision], path: Path, *, desk: Desk, now: datetime
) -> State:
    write_bytes(path, signed.document(), mode=0o444)
    return _journal(case, action, signed, desk=desk, now=now)


def _journal(
    case: Case, action: Action, signed: Signed[Submission] | Signed[Decision], *, desk: Desk, now: datetime
) -> State:
    statement = signed.statement
    details: Mapping[str, Json] = {"statement": signed.digest(), "request": statement.subject.request}
    desk.journal.append(
        actor=statement.person, action=PREFIX + action.value, subject=case.request.id, details=details, now=now
    )
    return check_can(action, case.state)


def _mended(request_id: str, desk: Desk, now: datetime) -> Case:
    """The case, after finishing what a killed command left: a statement that is written and not yet journalled.

    It is journalled when it is still allowed; otherwise it never counted, and goes.
    """
    case = open_case(desk.workspace, request_id, desk.journal)
    if not case.pending:
        return case
    for path in case.pending:
        try:
            _finish(case, path, desk, now)
        except (NotAllowed, Tampered):
            with storage_errors("the request"):
                path.unlink()
        case = open_case(desk.workspace, request_id, desk.journal)
    return case


def mend(request_id: str, *, desk: Desk, now: datetime) -> Case:
    """Finish what a killed command left, and return the case; for the release service."""
    with locked(_folder(desk, request_id)):
        return _mended(request_id, desk, now)


def _finish(case: Case, path: Path, desk: Desk, now: datetime) -> None:
    if path.name == SUBMISSION:
        submission = read_submission(path, case.request)
        _check(Action.SUBMIT, submission.statement, case, desk, now)
        _journal(case, Action.SUBMIT, submission, desk=desk, now=now)
    else:
        decision = read_decision(path, case.request)
        _check(decision.statement.action, decision.statement, case, desk, now)
        _journal(case, decision.statement.action, decision, desk=desk, now=now)


def _folder(desk: Desk, request_id: str) -> Path:
    """The request's folder, without leftovers of killed writers of drafts."""
    return open_case(desk.workspace, request_id, desk.journal).request.folder


def state(request_id: str, *, desk: Desk) -> State:
    """Where the request stands by the journal."""
    return open_case(desk.workspace, request_id, desk.journal).state


def show(request_id: str, *, desk: Desk) -> View:
    """What a checker sees of a request, with the decisions on earlier requests for the same analysis; confidential.

    Raises:
        Tampered: a file is not the one that the author signed.
    """
    case = open_case(desk.workspace, request_id, desk.journal)
    document = case.request.document
    earlier = {}
    for other in list_requests(desk.workspace.path(Zone.REVIEW)):
        if other != request_id and other.startswith(f"{document.analysis}-v"):
            known = open_case(desk.workspace, other, desk.journal)
            if known.request.document.project == document.project:
                earlier[other] = known
    return view(case, earlier)


def tidy(workspace: Workspace) -> int:
    """Remove drafts that a killed process left half-written; returns how many. No other command may be running."""
    return sweep_temporaries(workspace.path(Zone.REVIEW))
