"""`zicht verify`: whether a release bundle is what the office signed, with all that is wrong at once.

Reads a bundle with nothing but the office's root public key (and the journal, for who has it). Shares with the release
service the statement types and the roster, and none of its decisions: files are listed, digested and judged again here.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from enclave.errors import BadInput, EnclaveError, NotAllowed, NotReady, Tampered
from enclave.fingerprints import canonical_json, digest_bytes, digest_json
from enclave.journal import Head, Journal
from enclave.signatures import PayloadType, PublicKey
from output_control.roster import Moment, Role, Roster, moment, read_roster
from output_control.statements import Decision, ReleaseKey, Sha256, Signed, Submission, read_signed

_CRATE = "ro-crate-metadata.json"
_FIXED = (
    _CRATE,
    "policy.json",
    "roster.json",
    "approvals.json",
    "release-key.json",
    "journal-head",
)
_UNLISTED = ("manifest.json", "manifest.sig")
_LARGEST = 1 << 30
_MODELS = ("regression", "tree")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Manifest(_Strict):
    algorithm: str
    files: dict[str, Sha256]
    format: str


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


Model = TypeVar("Model", bound=_Strict)
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


@dataclass(slots=True)
class _Findings:
    """Faults as they are found: in bytes (tampered) and in what persons did or said (not allowed)."""

    bytes_: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)

    def conclude(self, where: str) -> None:
        """Raise when anything was found; altered bytes weigh more than persons."""
        faults = [*self.bytes_, *self.people]
        if not faults:
            return
        kind: type[EnclaveError] = Tampered if self.bytes_ else NotAllowed
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise kind(
            f"this release does not hold:\n{listed}",
            where=where,
            next_step="use none of it; fetch it again from the office and report what was found",
        )


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
    found = _Findings()
    files = _read_files(bundle, found)
    key = _release_key(files, root_public, found)
    _check_manifest(files, key, found)
    roster = _roster(files, root_public, found)
    approvals = _parsed(files, "approvals.json", _Approvals, found)
    head = _parsed(files, "journal-head", _Head, found)
    _check_evidence(files, found)
    if approvals is not None:
        _check_people(files, approvals, roster, found)
        _check_crate(files, approvals, found)
    if approvals is not None and head is not None:
        _check_times(approvals, head, key, now, found)
        if journal is not None:
            _check_journal(approvals, head, journal, found)
    found.conclude(bundle.name)
    if approvals is None or head is None:  # each absence is a fault above; this is the second lock
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


def _read_files(bundle: Path, found: _Findings) -> dict[str, bytes]:
    """Every regular file by its name; links, devices and folders without files are faults. Follows nothing."""
    files: dict[str, bytes] = {}
    for parent, folders, names in os.walk(bundle):
        here = Path(parent)
        if not folders and not names:
            found.bytes_.append(f"{here.relative_to(bundle).as_posix()} is an empty folder")
        for name in sorted([*names, *folders]):
            path = here / name
            shown = path.relative_to(bundle).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and path.lstat().st_size <= _LARGEST:
                files[shown] = path.read_bytes()
            elif not stat.S_ISDIR(mode):
                found.bytes_.append(f"{_printable(shown)} is no regular file")
    return files


def _printable(name: str) -> str:
    return name if name.isprintable() and len(name) < 200 else "a file with an unprintable name"


def _check_manifest(files: Mapping[str, bytes], key: ReleaseKey | None, found: _Findings) -> None:
    missing = [name for name in (*_FIXED, *_UNLISTED) if name not in files]
    found.bytes_ += [f"{name} is missing" for name in missing]
    manifest = _parsed(files, "manifest.json", _Manifest, found)
    _check_signature(files, key, found)
    if manifest is None:
        return
    if (manifest.algorithm, manifest.format) != ("sha256", "zicht-bundle/1"):
        found.bytes_.append("manifest.json is of another format")
    for name in sorted(files.keys() - manifest.files.keys() - set(_UNLISTED)):
        found.bytes_.append(f"{_printable(name)} was added: the manifest does not list it")
    for name, digest in sorted(manifest.files.items()):
        if not _proper(name):
            found.bytes_.append(f"the manifest lists {_printable(name)}, which is no place in a bundle")
        elif name not in files:
            if name not in missing:
                found.bytes_.append(f"{name} is missing")
        elif digest_bytes(files[name]) != digest:
            found.bytes_.append(f"{name} was altered")
    found.checks.append(f"{len(manifest.files)} files have the digests of the manifest, and there are no others")


def _proper(name: str) -> bool:
    if name in _FIXED:
        return True
    parts = name.split("/")
    clean = all(part and not part.startswith(".") and part.isascii() and part.isprintable() for part in parts)
    return clean and "\\" not in name and len(parts) > 1 and parts[0] in ("outputs", "evidence")


def _check_signature(files: Mapping[str, bytes], key: ReleaseKey | None, found: _Findings) -> None:
    """Whatever is missing here is a fault: only a signature that was verified adds none."""
    try:
        if key is None or files["manifest.sig"][-1:] != b"\n":
            raise Tampered("no key, or a signature that was cut")
        signature = files["manifest.sig"][:-1].decode("ascii")
        PublicKey(key.public_key).verify(PayloadType.RELEASE, files["manifest.json"], signature)
    except (Tampered, KeyError, UnicodeDecodeError):
        found.bytes_.append("manifest.sig is not the release key's signature over manifest.json")
    else:
        found.checks.append("the manifest is signed by a release key that the office certified")


def _release_key(files: Mapping[str, bytes], root_public: PublicKey, found: _Findings) -> ReleaseKey | None:
    try:
        signed = read_signed(files.get("release-key.json", b""), ReleaseKey, "release-key.json")
        signed.check(PayloadType.RELEASE_KEY, root_public)
    except Tampered:
        found.bytes_.append("release-key.json is not certified by this office's root key")
        return None
    return signed.statement


def _roster(files: Mapping[str, bytes], root_public: PublicKey, found: _Findings) -> Roster | None:
    if "roster.json" not in files:
        return None
    try:
        return read_roster(files["roster.json"], root_public)
    except Tampered as error:
        found.bytes_.append(error.what)
    except BadInput as error:
        found.people += [fault.message for fault in error.faults]
    return None


def _parsed(files: Mapping[str, bytes], name: str, model: type[Model], found: _Findings) -> Model | None:
    """The file as ``model``, in the one spelling that the release service writes; None with a fault otherwise."""
    if name not in files:
        return None
    try:
        value = model.model_validate_json(files[name])
        if canonical_json(value.model_dump(mode="json")) + b"\n" == files[name]:
            return value
    except ValueError:
        pass  # what is wrong inside may be a value: the name of the file is enough
    found.bytes_.append(f"{name} is not readable as what it must be")
    return None


def _check_evidence(files: Mapping[str, bytes], found: _Findings) -> None:
    """Every released CSV has evidence of its name that says what passed; no evidence says that something did not."""
    needed = {f"evidence/{_stem(name)}.json" for name in files if name.startswith("outputs/") and name.endswith(".csv")}
    if not needed:
        found.bytes_.append("there are no outputs")
    for name in sorted(needed - files.keys()):
        found.bytes_.append(f"{name} is missing: an output without evidence")
    for name in sorted(name for name in files if name.startswith("evidence/")):
        try:
            said = json.loads(files[name])
        except (ValueError, RecursionError):
            found.bytes_.append(f"{name} is not readable as evidence")
            continue
        if not all(verdict is True for verdict in _verdicts(said)) or (name in needed and not _says_passed(said)):
            found.people.append(f"{name} does not say that every check and the audit passed")
    found.checks.append("the evidence says of every output that its checks and its audit passed")


def _stem(name: str) -> str:
    return name.removeprefix("outputs/").removesuffix(".csv")


def _says_passed(evidence: object) -> bool:
    """It lists checks, and an audit that passed; models alone have no cells that an audit could attack."""
    if not isinstance(evidence, Mapping) or not evidence.get("checks"):
        return False
    audit = evidence.get("audit")
    audited = isinstance(audit, Mapping) and audit.get("passed") is True
    return audited or ("audit" not in evidence and evidence.get("kind") in _MODELS)


def _verdicts(value: object) -> Iterable[object]:
    """Every value under a key that says whether something passed, however deep."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "passed" or str(key).endswith("_passed"):
                yield inner
            else:
                yield from _verdicts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _verdicts(inner)


def _check_people(files: Mapping[str, bytes], approvals: _Approvals, roster: Roster | None, found: _Findings) -> None:
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


def _check_crate(files: Mapping[str, bytes], approvals: _Approvals, found: _Findings) -> None:
    """The crate, which people and search engines read, says of files and persons what the signatures say."""
    checkers = {f"#person-{item.statement.person}" for item in approvals.approvals}
    try:
        graph = {entity["@id"]: entity for entity in json.loads(files.get(_CRATE, b""))["@graph"]}
        root, run = graph["./"], graph["#run"]
        assessed = {e["agent"]["@id"] for e in graph.values() if e["@type"] == "AssessAction"}
        same = (
            {part["@id"] for part in root["hasPart"]} == files.keys() - {_CRATE, *_UNLISTED}
            and (root["identifier"], root["datePublished"])
            == (approvals.submission.statement.request, approvals.released)
            and (run["agent"]["@id"], assessed) == (f"#person-{approvals.submission.statement.person}", checkers)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        same = False
    if not same:
        found.people.append(f"{_CRATE} does not describe these files and approvals")


def _check_two_persons(checkers: list[Decision], found: _Findings) -> None:
    persons, keys = {c.person for c in checkers}, {c.key for c in checkers}
    if len(persons) < len(checkers):
        found.people.append("one person approved twice")
    if len(keys) < len(persons):
        found.people.append("one key approved under two ids")
    if min(len(persons), len(keys)) < 2:
        found.people.append("an approval is missing: two different persons must approve")
    else:
        found.checks.append(f"{len(persons)} persons other than the author approved exactly this, in time and in role")


def _check_signed(signed: Signed[Said], kind: PayloadType, what: str, found: _Findings) -> None:
    try:
        signed.check(kind, PublicKey(signed.statement.key))
    except Tampered:
        found.bytes_.append(f"{what} is not signed as it stands in approvals.json")


def _check_subject(files: Mapping[str, bytes], author: Submission, found: _Findings) -> None:
    """The digests that were signed are those of the files that lie here."""
    for part, signed in (("outputs", author.subject.outputs), ("evidence", author.subject.evidence)):
        listed = {name: digest_bytes(content) for name, content in files.items() if name.startswith(f"{part}/")}
        if digest_json(listed) != signed:
            found.bytes_.append(f"{part}/ is not what was approved")
    if digest_bytes(files.get("policy.json", b"")) != author.subject.policy:
        found.bytes_.append("policy.json is not the policy under which was approved")


def _check_role(
    statement: Submission | Decision,
    anchor: _Anchor,
    place: tuple[str, Role],
    roster: Roster | None,
    found: _Findings,
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
    approvals: _Approvals, head: _Head, key: ReleaseKey | None, now: datetime | None, found: _Findings
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


def _check_journal(approvals: _Approvals, head: _Head, journal: Journal, found: _Findings) -> None:
    anchors = [approvals.submission.journal, *(item.journal for item in approvals.approvals)]
    try:
        journal.verify([Head(head.sequence, head.digest), *(Head(a.sequence, a.digest) for a in anchors)])
    except (Tampered, NotReady) as error:
        found.bytes_.append(f"the journal does not hold this release: {error.what}")
        return
    times = {entry.sequence: entry.time for entry in journal.entries()}
    if any(times[anchor.sequence] != anchor.time for anchor in anchors):
        found.bytes_.append("the journal has other times for the approvals")
    found.checks.append("the journal holds the submission, the approvals and the release")
