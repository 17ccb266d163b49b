"""`zicht verify`: whether a release bundle is what the office signed, with all that is wrong at once.

Reads a bundle with nothing but the office's root public key (and the journal, for who has it). Shares with the release
service the statement types and the roster, and none of its decisions: files are listed, digested and judged again here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from enclave.errors import BadInput, NotReady, Tampered
from enclave.fingerprints import digest_bytes, digest_json
from enclave.journal import Head, Journal
from enclave.signatures import PayloadType, PublicKey
from output_control.release.bundle_bytes import (
    CRATE,
    UNLISTED,
    Findings,
    check_evidence,
    check_leaving,
    check_manifest,
    parsed,
    read_files,
    release_key,
)
from output_control.review.roster import Moment, Role, Roster, moment, read_roster
from output_control.review.statements import Decision, ReleaseKey, Sha256, Signed, Submission


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Anchor(_Strict):
    sequence: int
    digest: Sha256
    time: Moment


class _Head(_Strict):
    sequence: int
    digest: Sha256


class _Approval(_Strict):
    journal: _Anchor
    signature: str
    statement: Decision


class _Submission(_Strict):
    journal: _Anchor
    signature: str
    statement: Submission


class _Approvals(_Strict):
    approvals: tuple[_Approval, ...]
    released: Moment
    submission: _Submission


Said = TypeVar("Said", Submission, Decision)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a bundle that holds says of itself.

    ``content`` is the digest of what it publishes; ``checks`` are the things that were found in order.
    """

    project: str
    analysis: str
    version: int
    request: str
    content: str
    author: str
    checkers: tuple[str, ...]
    released: str
    files: int
    journal_head: Head
    checks: tuple[str, ...]


def verify_bundle(
    bundle: Path, root_public: PublicKey, *, now: datetime | None = None, journal: Journal | None = None
) -> VerifyReport:
    """Check everything that can be checked in ``bundle``; with ``journal`` also that it stands in the office's journal.

    ``now``, when given, refuses what was signed later than that.

    Raises:
        NotReady: there is no such folder.
        Tampered: bytes, names or signatures are not what was signed; lists every fault, those of persons too.
        NotAllowed: all bytes are as signed, and approvals or roles do not hold.
    """
    if bundle.is_symlink() or not bundle.is_dir():
        raise NotReady("there is no release bundle here", where=bundle.name, next_step="name the bundle's folder")
    found = Findings()
    files = read_files(bundle, found)
    key = release_key(files, root_public, found)
    check_manifest(files, key, found)
    roster = _roster(files, root_public, found)
    approvals = parsed(files, "approvals.json", _Approvals, found)
    head = parsed(files, "journal-head", _Head, found)
    check_evidence(files, found)
    check_leaving(files, found)
    if approvals is not None:
        _check_people(files, approvals, roster, found)
        _check_crate(files, approvals, found)
    if approvals is not None and head is not None:
        _check_times(approvals, head, key, now, found)
        if journal is not None:
            _check_journal(approvals, head, journal, found)
    found.conclude(bundle.name)
    if (
        approvals is None or head is None or roster is None or key is None
    ):  # each absence is a fault above; this is the second lock
        raise Tampered("this release is incomplete", where=bundle.name)
    submission = approvals.submission.statement
    return VerifyReport(
        project=submission.project,
        analysis=submission.analysis,
        version=submission.version,
        request=submission.request,
        content=submission.subject.content,
        author=submission.person,
        checkers=tuple(item.statement.person for item in approvals.approvals),
        released=approvals.released,
        files=len(files),
        journal_head=Head(head.sequence, head.digest),
        checks=tuple(found.checks),
    )


def _roster(files: Mapping[str, bytes], root_public: PublicKey, found: Findings) -> Roster | None:
    if "roster.json" not in files:
        return None
    try:
        return read_roster(files["roster.json"], root_public)
    except Tampered as error:
        found.tampered.append(error.what)
    except BadInput as error:
        found.people += [fault.message for fault in error.faults]
    return None


def _check_people(files: Mapping[str, bytes], approvals: _Approvals, roster: Roster | None, found: Findings) -> None:
    """Who asked and who approved: signatures, digests, roles when signing, and two persons beside the author."""
    asked = approvals.submission
    author = asked.statement
    _check_signed(Signed(author, asked.signature), PayloadType.REQUEST, "the submission", found)
    _check_subject(files, author, found)
    _check_role(author, asked.journal, (author.project, Role.RESEARCHER), roster, found)
    for item in approvals.approvals:
        decision = item.statement
        _check_signed(Signed(decision, item.signature), PayloadType.APPROVAL, "an approval", found)
        if decision.action.value != "approve":
            found.people.append(f"{decision.person} did not approve")
        if (decision.request, decision.subject) != (author.request, author.subject):
            found.people.append(f"the approval of {decision.person} is for another digest")
        if decision.person == author.person or decision.key == author.key:
            found.people.append(f"{decision.person} is the author and checked their own request")
        _check_role(decision, item.journal, (author.project, Role.CHECKER), roster, found)
    _check_two_persons([item.statement for item in approvals.approvals], found)


def _check_crate(files: Mapping[str, bytes], approvals: _Approvals, found: Findings) -> None:
    """The crate, which people and search engines read, says of files and persons what the signatures say."""
    checkers = {f"#person-{item.statement.person}" for item in approvals.approvals}
    try:
        graph = {entity["@id"]: entity for entity in json.loads(files.get(CRATE, b""))["@graph"]}
        root, run = graph["./"], graph["#run"]
        assessed = {e["agent"]["@id"] for e in graph.values() if e["@type"] == "AssessAction"}
        same = (
            {part["@id"] for part in root["hasPart"]} == files.keys() - {CRATE, *UNLISTED}
            and (root["identifier"], root["datePublished"])
            == (approvals.submission.statement.request, approvals.released)
            and (run["agent"]["@id"], assessed) == (f"#person-{approvals.submission.statement.person}", checkers)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        same = False
    if not same:
        found.people.append(f"{CRATE} does not describe these files and approvals")


def _check_two_persons(checkers: list[Decision], found: Findings) -> None:
    persons, keys = {c.person for c in checkers}, {c.key for c in checkers}
    if len(persons) < len(checkers):
        found.people.append("one person approved twice")
    if len(keys) < len(persons):
        found.people.append("one key approved under two ids")
    if min(len(persons), len(keys)) < 2:
        found.people.append("an approval is missing: two different persons must approve")
    else:
        found.checks.append(f"{len(persons)} persons other than the author approved exactly this, in time and in role")


def _check_signed(signed: Signed[Said], kind: PayloadType, what: str, found: Findings) -> None:
    try:
        signed.check(kind, PublicKey(signed.statement.key))
    except Tampered:
        found.tampered.append(f"{what} is not signed as it stands in approvals.json")


def _check_subject(files: Mapping[str, bytes], author: Submission, found: Findings) -> None:
    """The digests that were signed are those of the files that lie here."""
    for part, signed in (("outputs", author.subject.outputs), ("evidence", author.subject.evidence)):
        listed = {name: digest_bytes(content) for name, content in files.items() if name.startswith(f"{part}/")}
        if digest_json(listed) != signed:
            found.tampered.append(f"{part}/ is not what was approved")
    if digest_bytes(files.get("policy.json", b"")) != author.subject.policy:
        found.tampered.append("policy.json is not the policy under which was approved")


def _check_role(
    statement: Submission | Decision,
    anchor: _Anchor,
    place: tuple[str, Role],
    roster: Roster | None,
    found: Findings,
) -> None:
    """``statement``'s person had the role on the project (``place``), when signing and when it was journalled."""
    project, role = place
    if statement.time > anchor.time:
        found.people.append(f"{statement.person} signed later than the journal says")
    if roster is None:
        return
    for when in sorted({statement.time, anchor.time}):
        why = roster.refusal(statement.person, role, project=project, key=statement.key, when=when)
        if why:
            found.people.append(why)


def _check_times(
    approvals: _Approvals, head: _Head, key: ReleaseKey | None, now: datetime | None, found: Findings
) -> None:
    anchors = [approvals.submission.journal, *(item.journal for item in approvals.approvals)]
    order = [anchor.sequence for anchor in anchors]
    if order != sorted(set(order)) or order[0] < 1 or order[-1] >= head.sequence:
        found.people.append("submission, approvals and release do not follow one another in the journal")
    if any(anchor.time > approvals.released for anchor in anchors):
        found.people.append("something was approved after the release")
    if key is not None and not key.valid_from <= approvals.released < key.valid_until:
        found.people.append("the release key was not valid at the time of release")
    if now is not None and approvals.released > moment(now):
        found.people.append("the release bears a time that has not come yet")


def _check_journal(approvals: _Approvals, head: _Head, journal: Journal, found: Findings) -> None:
    anchors = [approvals.submission.journal, *(item.journal for item in approvals.approvals)]
    try:
        journal.verify([Head(head.sequence, head.digest), *(Head(a.sequence, a.digest) for a in anchors)])
    except (Tampered, NotReady) as error:
        found.tampered.append(f"the journal does not hold this release: {error.what}")
        return
    times = {entry.sequence: entry.time for entry in journal.entries()}
    if any(times[anchor.sequence] != anchor.time for anchor in anchors):
        found.tampered.append("the journal has other times for the approvals")
    found.checks.append("the journal holds the submission, the approvals and the release")
