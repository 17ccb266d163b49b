"""The roster: who may do what, on which projects, with which key, from when until when; signed by the office.

A person is an opaque id. Each authorisation is one line; a person with two roles, or with a new key, has two lines.
What a person signed counts when the authorisation held at the journalled time of signing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from enclave.errors import BadInput, Fault, KeyUnavailable, NotReady, Tampered
from enclave.fingerprints import Json, canonical_json
from enclave.signatures import PayloadType, PublicKey, SigningKey


class Role(Enum):
    """What an authorisation lets a person do."""

    RESEARCHER = "researcher"
    CHECKER = "checker"
    CUSTODIAN = "custodian"
    PUBLISHER = "publisher"
    AUDITOR = "auditor"

    def description(self) -> str:
        """What this role does, in one sentence."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Role.RESEARCHER: "runs analyses on linked data and asks for release",
    Role.CHECKER: "decides on others' release requests",
    Role.CUSTODIAN: "holds keys, receives, pseudonymises and links",
    Role.PUBLISHER: "publishes verified releases",
    Role.AUDITOR: "reads the journal and every decision, changes nothing",
}


def moment(time: datetime) -> str:
    """A time as every statement writes it: UTC, whole seconds; texts compare as the times do."""
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _is_moment(text: str) -> str:
    if moment(datetime.fromisoformat(text)) != text:
        raise ValueError("not a time in UTC with whole seconds")
    return text


Moment = Annotated[str, AfterValidator(_is_moment)]
_PERSON = r"^[a-z0-9][a-z0-9-]{1,62}$"
PersonId = Annotated[str, Field(pattern=_PERSON)]
ID_RULE = "2 to 63 lower-case letters, digits and hyphens, the first one no hyphen"


def is_person_id(text: str) -> bool:
    """Whether ``text`` can stand in a roster, and in the name of a key's file."""
    return re.fullmatch(_PERSON.strip("^$"), text) is not None


def check_person_id(text: str) -> None:
    """Raise :class:`BadInput` unless ``text`` is a person's id; what was typed may be a name, and is not repeated."""
    if not is_person_id(text):
        raise BadInput(f"this is no person's id: an id has {ID_RULE}", next_step="take an id such as c-dirk")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Authorisation(_Strict):
    """One line of the roster; valid from ``valid_from`` (included) until ``valid_until`` (excluded)."""

    id: PersonId
    role: Role
    public_key: str
    valid_from: Moment
    valid_until: Moment
    projects: tuple[str, ...] = Field(min_length=1)


class _Content(_Strict):
    serial: int = Field(ge=1)
    people: tuple[Authorisation, ...]


class _File(_Strict):
    roster: _Content
    signature: str


@dataclass(frozen=True, slots=True)
class Roster:
    """A roster whose signature held; ``document`` is the file as it was signed."""

    people: tuple[Authorisation, ...]
    serial: int
    document: bytes

    def refusal(self, person: str, role: Role, *, project: str, key: str, when: str) -> str:
        """Why ``person`` with ``key`` may not act as ``role`` on ``project`` at ``when``; empty when they may."""
        lines = [line for line in self.people if line.id == person]
        if not lines:
            return f"{person} does not stand in the roster"
        lines = [line for line in lines if line.role is role]
        if not lines:
            return f"{person} does not have the role {role.value}"
        lines = [line for line in lines if project in line.projects]
        if not lines:
            return f"{person} is no {role.value} of project {project}"
        lines = [line for line in lines if line.valid_from <= when < line.valid_until]
        if not lines:
            return f"the authorisation of {person} as {role.value} did not hold at {when}"
        if all(line.public_key != key for line in lines):
            return f"{person} signed with another key than the roster's"
        return ""


def authorisation(
    person: str, role: Role, key: PublicKey, *, valid_from: datetime, valid_until: datetime, projects: Iterable[str]
) -> Authorisation:
    """One line for :func:`sign_roster`.

    Raises:
        BadInput: ``person`` is no id, or no project is named.
    """
    check_person_id(person)
    named = tuple(projects)
    if not named:
        raise BadInput("an authorisation names at least one project", where=person)
    return Authorisation(
        id=person,
        role=role,
        public_key=key.text,
        valid_from=moment(valid_from),
        valid_until=moment(valid_until),
        projects=named,
    )


def sign_roster(people: Iterable[Authorisation], root: SigningKey, *, serial: int = 1) -> bytes:
    """The bytes of ``roster.json``. Raise ``serial`` with every new roster: the release service refuses an older one.

    Raises:
        BadInput: an authorisation ends before it starts, a key is none, or one key stands under two persons.
    """
    content = _Content(serial=serial, people=tuple(people))
    faults = _faults(content.people)
    if faults:
        raise BadInput("the roster contradicts itself", where="roster.json", faults=faults)
    body = content.model_dump(mode="json")
    signature = root.sign(PayloadType.ROSTER, canonical_json(body))
    return canonical_json({"roster": body, "signature": signature}) + b"\n"


def read_roster(document: bytes, root_public: PublicKey) -> Roster:
    """A roster from its bytes.

    Raises:
        Tampered: not a roster, or not signed by this root key.
        BadInput: signed, but it contradicts itself.
    """
    try:
        file = _File.model_validate_json(document)
    except ValidationError:
        raise Tampered("this is no roster", where="roster.json") from None
    body: Json = file.roster.model_dump(mode="json")
    try:
        root_public.verify(PayloadType.ROSTER, canonical_json(body), file.signature)
    except Tampered:
        raise Tampered(
            "the roster is not signed by this office's root key",
            where="roster.json",
            next_step="take the roster and the root public key from the same office, both of today",
        ) from None
    faults = _faults(file.roster.people)
    if faults:
        raise BadInput("the roster contradicts itself", where="roster.json", faults=faults)
    return Roster(file.roster.people, file.roster.serial, document)


def open_roster(path: Path, root_public: PublicKey) -> Roster:
    """Read and verify the roster in ``path``.

    Raises:
        NotReady: there is none.
        Tampered, BadInput: as :func:`read_roster`.
    """
    try:
        document = path.read_bytes()
    except FileNotFoundError:
        raise NotReady("there is no roster", where=path.name, next_step="the office signs one: zicht roster") from None
    return read_roster(document, root_public)


def _faults(people: tuple[Authorisation, ...]) -> list[Fault]:
    faults: list[Fault] = []
    holder: dict[str, str] = {}
    for line in people:
        if line.valid_from >= line.valid_until:
            faults.append(Fault("roster.json", "validity", f"{line.id}: the authorisation ends before it starts"))
        if holder.setdefault(line.public_key, line.id) != line.id:
            both = f"{holder[line.public_key]} and {line.id}"
            faults.append(Fault("roster.json", "key", f"{both} have the same key: one person under two ids"))
        try:
            PublicKey(line.public_key).check()
        except KeyUnavailable:
            faults.append(Fault("roster.json", "key", f"{line.id}: the key is no Ed25519 public key"))
    return faults
