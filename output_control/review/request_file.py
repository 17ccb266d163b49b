"""A release request on disk: ``review/<request id>/``, content-addressed, never changed once it is there.

``request.json`` names the digest of every file, ``outputs/`` and ``evidence/`` hold what is to leave, ``policy.json``
the public policy, ``annex/`` what only checkers see; ``submission.json`` is the author's signed statement and
``decisions/`` hold the others'.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enclave.errors import BadInput, Fault, NotAllowed, NotReady, Tampered
from enclave.files import replacing_folder
from enclave.fingerprints import canonical_json, digest_bytes, digest_json
from enclave.requests import Slug
from output_control.review.roster import PersonId
from output_control.review.statements import Sha256, Subject

REQUEST, SUBMISSION, POLICY = "request.json", "submission.json", "policy.json"
DECISIONS, ANNEX = "decisions", "annex"
LEAST_WORDS = 5
LEAST_CHARACTERS = 30
MOST_CHARACTERS = {"title": 200, "context": 10_000, "controls": 10_000}
_NAME = re.compile(r"^(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}/)+[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}$")
_ID = re.compile(r"^[a-z][a-z0-9_]{0,62}-v[1-9][0-9]{0,5}-[0-9a-f]{12}$")


class RequestDocument(BaseModel):
    """``request.json``: what is asked, why, and the digest of every file. Holds no time, so that equal requests agree.

    ``context`` says what the output is and of which population; ``controls`` which controls the researcher applied.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    format: Annotated[str, Field(pattern=r"^zicht-request/1$")] = "zicht-request/1"
    project: Slug
    analysis: Slug
    version: int = Field(ge=1)
    author: PersonId
    title: str
    context: str
    controls: str
    outputs: dict[str, Sha256] = Field(min_length=1)
    evidence: dict[str, Sha256] = Field(min_length=1)
    annex: dict[str, Sha256]
    policy: Sha256
    inputs: dict[str, str]
    fingerprint: str

    def as_bytes(self) -> bytes:
        """The file's bytes."""
        return canonical_json(self.model_dump(mode="json")) + b"\n"

    @property
    def id(self) -> str:
        """``<analysis>-v<version>-<first twelve digits of the document's digest>``."""
        return f"{self.analysis}-v{self.version}-{digest_bytes(self.as_bytes())[:12]}"

    @property
    def subject(self) -> Subject:
        """The digests that the author and the checkers sign."""
        return Subject(
            request=digest_bytes(self.as_bytes()),
            outputs=digest_json(self.outputs),
            evidence=digest_json(self.evidence),
            policy=self.policy,
        )


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request folder whose document is what its name says."""

    folder: Path
    document: RequestDocument

    @property
    def id(self) -> str:
        """The request id, which is the folder's name."""
        return self.document.id

    def files(self, part: str) -> dict[str, bytes]:
        """Bytes of the files of ``part`` (``outputs``, ``evidence`` or ``annex``), each with the digest it was given.

        Raises:
            Tampered: a file differs, is missing, is a link, or was added; names all of them.
            NotAllowed: this user may not read them.
        """
        if not self.may_read(part):
            raise NotAllowed(f"this user may not read {part}/", where=self.id, next_step="ask an output checker")
        listed: Mapping[str, str] = getattr(self.document, part)
        found = {path.relative_to(self.folder).as_posix(): path for path in _entries(self.folder / part)}
        faults = [f"{name} was added" for name in sorted(found.keys() - listed.keys())]
        content: dict[str, bytes] = {}
        for name in sorted(listed):
            path = found.get(name)
            if path is None or path.is_symlink() or not path.is_file():
                faults.append(f"{name} is missing")
            elif digest_bytes(content.setdefault(name, path.read_bytes())) != listed[name]:
                faults.append(f"{name} was altered")
        if faults:
            raise Tampered("; ".join(faults), where=self.id)
        return content

    def may_read(self, part: str) -> bool:
        """Whether this user may read the files of ``part``."""
        return os.access(self.folder / part, os.R_OK | os.X_OK) or not (self.folder / part).is_dir()

    def check_untouched(self) -> None:
        """Raise as :meth:`files` and :meth:`policy` unless every file is as requested.

        A user who may not read the annex checks the rest: what they decide on elsewhere, or tabulate again, is bound by
        its digests in the document.
        """
        for part in ("outputs", "evidence", *([ANNEX] if self.may_read(ANNEX) else [])):
            self.files(part)
        self.policy()

    def policy(self) -> bytes:
        """The public policy; :class:`Tampered` when it is not the one requested under."""
        try:
            document = (self.folder / POLICY).read_bytes()
        except FileNotFoundError:
            document = b""
        if digest_bytes(document) != self.document.policy:
            raise Tampered(f"{POLICY} was altered", where=self.id)
        return document


def _entries(folder: Path) -> list[Path]:
    """Everything below ``folder`` that is not itself a real folder; links are not followed."""
    found = []
    for parent, folders, files in os.walk(folder):
        found += [Path(parent) / name for name in files]
        found += [Path(parent) / name for name in folders if (Path(parent) / name).is_symlink()]
    return found


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file."""
    return {name: digest_bytes(files[name]) for name in sorted(files)}


def annexed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A checked output's annex by its path in the request's folder."""
    return {name if name.startswith(f"{ANNEX}/") else f"{ANNEX}/{name}": files[name] for name in files}


def check_names(files: Mapping[str, bytes], *, below: str) -> None:
    """Refuse names that leave ``below``, hide, or hold other than letters, digits, ``_``, ``-`` and ``.``."""
    for name in files:
        if not _NAME.fullmatch(name) or not name.startswith(f"{below}/") or ".." in name:
            raise BadInput(f"a file name below {below}/ is not allowed", next_step="letters, digits, _, - and . only")


def check_texts(title: str, context: str, controls: str) -> None:
    """Context and controls are compulsory and say something; all faults at once."""
    import pyarrow as pa

    from output_control.leaving.text import faults_of_texts
    from output_control.leaving.words import fault_of_text

    faults = [] if len(title.split()) else [Fault(REQUEST, "title", "is empty", column="title")]
    for name, text in (("context", context), ("controls", controls)):
        words = set(re.findall(r"\w+", text.lower()))
        if len(" ".join(text.split())) < LEAST_CHARACTERS or len(words) < LEAST_WORDS:
            message = f"has fewer than {LEAST_CHARACTERS} characters or {LEAST_WORDS} different words"
            faults.append(Fault(REQUEST, name, message, column=name))
    for name, text in (("title", title), ("context", context), ("controls", controls)):
        wrong = fault_of_text(text, lines=name != "title")
        faults += [Fault(REQUEST, name, wrong, column=name)] if wrong else []
        # the title leaves with the release, and would be found out there, after two persons approved
        found = () if wrong or name != "title" else faults_of_texts(pa.array([text]))
        faults += [Fault(REQUEST, name, fault, column=name) for fault in found]
        if len(text) > MOST_CHARACTERS[name]:
            message = f"has more than {MOST_CHARACTERS[name]} characters"
            faults.append(Fault(REQUEST, name, message, column=name))
    if faults:
        raise BadInput(
            "a request needs its context and its controls in words",
            faults=faults,
            next_step="say what the output is, of which population, and which controls you applied",
        )


def write_request(
    review: Path,
    document: RequestDocument,
    *,
    files: Mapping[str, bytes],
    annex: Mapping[str, bytes],
    policy: bytes,
) -> StoredRequest:
    """Write a draft below ``review``; one that is already there is left as it is.

    Outputs and evidence are readable by checkers and author; the annex by its owner alone.
    """
    folder = review / document.id
    with locked(review):  # or a second, slower writer of the same draft would replace what was decided on the first
        if folder.exists():
            return read_request(review, document.id)
        with replacing_folder(folder, mode=0o755) as fresh:
            (fresh / DECISIONS).mkdir(mode=0o775)
            (fresh / ANNEX).mkdir(mode=0o700)
            for name, content in {**files, POLICY: policy, REQUEST: document.as_bytes()}.items():
                _put(fresh / name, content, 0o444)
            for name, content in annex.items():
                _put(fresh / name, content, 0o400)
    return StoredRequest(folder, document)


def _put(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def read_request(review: Path, request_id: str) -> StoredRequest:
    """Open a request.

    Raises:
        BadInput: this is no request id.
        NotReady: there is none of this id.
        Tampered: its document is not the one that the id names.
    """
    if not _ID.fullmatch(request_id):
        raise BadInput("this is no request id", next_step="zicht review list")
    try:
        written = (review / request_id / REQUEST).read_bytes()
    except FileNotFoundError:
        raise NotReady("there is no such request", where=request_id, next_step="zicht review list") from None
    try:
        document = RequestDocument.model_validate_json(written)
    except ValidationError:
        raise Tampered(f"{REQUEST} was altered", where=request_id) from None
    if document.as_bytes() != written or document.id != request_id:
        raise Tampered(f"{REQUEST} was altered", where=request_id)
    return StoredRequest(review / request_id, document)


def list_requests(review: Path) -> tuple[str, ...]:
    """Ids of all requests, sorted."""
    if not review.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in review.iterdir() if _ID.fullmatch(entry.name)))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for one process; others wait."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
