"""The release service: re-tabulates, compares with what was approved, signs, and writes the bundle.

It runs as its own operating-system user in its own process, holds the release key, and is the only writer of the
released zone. It takes a :class:`CheckedOutput` and nothing else, and believes no stored state: signatures, roster,
journal and bytes are checked again. The moment of release is that of a journal entry made before the bundle is written,
so that a killed release, run again, writes the same bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from enclave.errors import NotReady, Refused, Tampered
from enclave.files import storage_errors, sweep_temporaries
from enclave.fingerprints import digest_bytes, digest_file
from enclave.journal import Entry, Head, Journal
from enclave.signatures import PublicKey, SigningKey
from enclave.zones import Workspace, Zone
from output_control import review
from output_control.leaving import faults_of_leaving
from output_control.ledger.book import Book, anchored, identity
from output_control.ledger.store import Anchor
from output_control.release import bundle, provenance
from output_control.release.crate import CRATE_FILE, Approver, CrateFacts, build_crate
from output_control.release.verify import verify_bundle
from output_control.review.approvals import approvals_document, check_approved, check_release_key
from output_control.review.cases import PREFIX, Case, open_case
from output_control.review.request_file import annexed, digests, locked
from output_control.review.roster import Roster, moment
from output_control.review.states import Action, State, check_can
from output_control.sealed import CheckedOutput, Release

SERVICE = "release-service"
BEGIN = "release.begin"


@dataclass(frozen=True, slots=True)
class _Service:
    """What the release service holds while it works."""

    workspace: Workspace
    signing_key: SigningKey
    certificate: bytes
    roster: Roster
    root_public: PublicKey
    journal: Journal
    book: Book


def release(
    request_id: str,
    *,
    workspace: Workspace,
    signing_key: SigningKey,
    roster: Roster,
    root_public: PublicKey,
    recheck: Callable[[], CheckedOutput],
    book: Book,
    journal: Journal,
    now: datetime,
) -> Release:
    """Release an approved request; a released one gives its release again.

    ``recheck`` tabulates and checks anew from the linked zone. The release key's certificate lies in the gate's zone.
    ``book`` is the release ledger: who is in which cell is written there before the bundle appears.

    Raises:
        NotAllowed: not approved, or an approval does not hold any more.
        Tampered: re-tabulation differs from what was approved (the approvals are void now), or something was altered.
        NotReady: the release key has no certificate; or another release came while this one was tabulated.
        StorageFailed: the disk is full or this user is not the release service's; no bundle was written.
    """
    journal.verify()
    certificate = _certificate(workspace, signing_key, root_public, now)
    service = _Service(workspace, signing_key, certificate, roster, root_public, journal, book)
    case = _case(service, request_id, now)
    case.request.check_untouched()
    if case.state is State.RELEASED:
        return _released(service, case)
    _check_releasable(case, service)
    service = replace(service, book=service.book.pinned())
    checked = recheck()
    if type(checked) is not CheckedOutput:
        raise Refused("the release service takes checked output and nothing else", where=request_id)
    with _exclusive(service, case):
        # An objection may have come while the numbers were tabulated again: it counts.
        case = open_case(workspace, request_id, journal)
        case.request.check_untouched()
        _check_releasable(case, service)
        _void_if_different(case, checked, service, now)
        return _publish(case, checked, service, now)


def _certificate(workspace: Workspace, key: SigningKey, root_public: PublicKey, now: datetime) -> bytes:
    try:
        document = (workspace.path(Zone.GATE) / bundle.RELEASE_KEY).read_bytes()
    except (FileNotFoundError, PermissionError):
        raise NotReady(
            "the gate holds no certificate of the release key that this user may read",
            next_step="run as the release service's user; the office certifies the key with its root key",
        ) from None
    check_release_key(document, root_public=root_public, public=key.public, when=moment(now))
    return document


def _case(service: _Service, request_id: str, now: datetime) -> Case:
    """The case, after the review has finished what a killed command left."""
    desk = review.Desk(service.workspace, service.roster, service.journal)
    return review.mend(request_id, desk=desk, now=now)


def _check_releasable(case: Case, service: _Service) -> None:
    check_can(Action.RELEASE, case.state)
    check_approved(case, service.roster)
    newest = max((_serial(entry) for entry in service.journal.entries() if entry.action == BEGIN), default=0)
    if service.roster.serial < newest:
        raise Tampered(
            f"roster {service.roster.serial} is older than roster {newest}, under which was released already",
            next_step="take the office's present roster",
        )


def _serial(entry: Entry) -> int:
    serial = entry.details.get("roster")
    return serial if isinstance(serial, int) else 0


@contextlib.contextmanager
def _exclusive(service: _Service, case: Case) -> Iterator[None]:
    """Nobody decides on this request, and nobody else writes this project's bundles, until the block ends."""
    folder = _shelf(service, case)
    with storage_errors("the released zone"):
        folder.mkdir(exist_ok=True)
    with locked(case.request.folder), locked(folder):
        sweep_temporaries(folder)
        yield


def _shelf(service: _Service, case: Case) -> Path:
    return service.workspace.path(Zone.RELEASED) / case.request.document.project


def differences(case: Case, checked: CheckedOutput) -> tuple[str, ...]:
    """Names of what differs between the request and a new tabulation; no content.

    The annex counts although it never leaves: checkers approved because of what it shows of hidden cells.
    """
    document = case.request.document
    asked = {**document.outputs, **document.evidence, **document.annex}
    asked["policy.json"] = document.policy
    asked |= {f"input {name}": digest for name, digest in document.inputs.items()}
    asked["analysis"] = f"{document.analysis} version {document.version}"
    found = {**digests(checked.outputs), **digests(checked.evidence), **digests(annexed(checked.checker_annex))}
    found |= {f"input {name}": digest for name, digest in checked.inputs.items()}
    found["policy.json"] = digest_bytes(checked.policy_document)
    found["analysis"] = f"{checked.analysis} version {checked.version}"
    differing = [name for name in sorted(asked.keys() | found.keys()) if asked.get(name) != found.get(name)]
    return (*_changed_code(case, checked), *differing)


def _changed_code(case: Case, checked: CheckedOutput) -> tuple[str, ...]:
    """The files of code that changed, and whether parameters, requests or packages did."""
    document = case.request.document
    if checked.fingerprint == document.fingerprint:
        return ()
    name = f"evidence/{document.analysis}/inputs.json"
    before = case.request.files("evidence").get(name, b"")
    return provenance.changed(before, checked.evidence.get(name, b"")) or (provenance.CODE,)


def _void_if_different(case: Case, checked: CheckedOutput, service: _Service, now: datetime) -> None:
    differing = differences(case, checked)
    if not differing:
        return
    service.journal.append(
        actor=SERVICE,
        action=PREFIX + Action.VOID.value,
        subject=case.request.id,
        details={"differs": list(differing)},
        now=now,
    )
    named = provenance.listed(differing)
    raise Tampered(
        f"tabulated again, this differs from what was approved: {named}; the approvals are void",
        where=case.request.id,
        next_step="find out what changed, run the analysis again and file a new request",
    )


def _publish(case: Case, checked: CheckedOutput, service: _Service, now: datetime) -> Release:
    content = case.request.document.subject.content
    name = bundle.bundle_name(checked.analysis, checked.version, content)
    folder = _shelf(service, case) / name
    anchor = _remember(case, checked, name, service, now)
    if not folder.exists():
        begun = _begun(case, service, now)
        files = _files(case, checked, service, begun)
        bundle.write_bundle(folder, files, lambda fresh: verify_bundle(fresh, service.root_public))
    else:
        _check_same(folder, case, service)
    digest = digest_file(folder / bundle.MANIFEST)
    service.journal.append(
        actor=SERVICE,
        action=PREFIX + Action.RELEASE.value,
        subject=case.request.id,
        details={"bundle": f"{folder.parent.name}/{name}", "manifest": digest, **anchored(anchor)},
        now=now,
    )
    return _release_of(case, folder, digest)


def _remember(case: Case, checked: CheckedOutput, name: str, service: _Service, now: datetime) -> Anchor:
    """Who is in which cell, in the ledger before anybody can see the cells."""
    return service.book.write(
        checked.released_cells,
        identity=identity(
            checked.analysis, checked.version, checked.fingerprint, checked.inputs, checked.policy_document
        ),
        project=case.request.document.project,
        request=case.request.id,
        release=name,
        now=now,
    )


def _check_same(folder: Path, case: Case, service: _Service) -> None:
    """The bundle that stands under this name is whole and publishes the same."""
    document = case.request.document
    asked = (document.project, document.analysis, document.version, document.subject.content)
    stands = verify_bundle(folder, service.root_public, journal=service.journal)
    if (stands.project, stands.analysis, stands.version, stands.content) != asked:
        raise Tampered("another release stands under this name", where=folder.name)


def _begun(case: Case, service: _Service, now: datetime) -> Entry:
    """The journal entry that fixes the moment of release; that of a killed run when it came after the last decision."""
    last, decided = (case.last.sequence, case.last.time) if case.last else (0, "")
    for entry in service.journal.entries(after=last):
        known = (entry.subject, entry.action, entry.actor) == (case.request.id, BEGIN, SERVICE)
        in_time = decided <= entry.time <= moment(now)
        if known and in_time and _serial(entry) == service.roster.serial:
            return entry
    head = service.journal.append(
        actor=SERVICE, action=BEGIN, subject=case.request.id, details={"roster": service.roster.serial}, now=now
    )
    return next(service.journal.entries(after=head.sequence - 1))


def _files(case: Case, checked: CheckedOutput, service: _Service, begun: Entry) -> dict[str, bytes]:
    files = {
        **checked.outputs,
        **checked.evidence,
        bundle.POLICY: checked.policy_document,
        bundle.ROSTER: service.roster.document,
        bundle.RELEASE_KEY: service.certificate,
        bundle.APPROVALS: approvals_document(case, service.roster, released=begun.time),
        bundle.JOURNAL_HEAD: bundle.journal_head(Head(begun.sequence, begun.digest)),
    }
    files[CRATE_FILE] = build_crate(_crate_facts(case, service.roster, begun.time), files)
    faults = faults_of_leaving(files)
    if faults:
        raise Refused("files hold what may not leave:\n" + "\n".join(f"  - {f}" for f in faults), where=case.request.id)
    return bundle.signed_files(files, service.signing_key)


def _crate_facts(case: Case, roster: Roster, released: str) -> CrateFacts:
    document = case.request.document
    submission, approvals = check_approved(case, roster)
    return CrateFacts(
        project=document.project,
        analysis=document.analysis,
        version=document.version,
        request=case.request.id,
        title=document.title,
        author=document.author,
        submitted=submission.statement.time,
        released=released,
        approvers=[Approver(a.signed.statement.person, a.entry.time) for a in approvals],
    )


def _released(service: _Service, case: Case) -> Release:
    """The release that stands already, verified again."""
    details = case.last.details if case.last else {}
    folder = _shelf(service, case) / Path(str(details.get("bundle"))).name
    _check_same(folder, case, service)
    digest = digest_file(folder / bundle.MANIFEST)
    if digest != details.get("manifest"):
        raise Tampered("the bundle is not the one that the journal says was released", where=folder.name)
    return _release_of(case, folder, digest)


def _release_of(case: Case, folder: Path, digest: str) -> Release:
    document = case.request.document
    return Release(folder, document.project, document.analysis, document.version, case.request.id, digest)
