"""Setting up an installation: key store, root key, release key and its certificate, policy, roster, personal keys."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from enclave.entropy import Entropy
from enclave.errors import BadInput, Fault
from enclave.files import storage_errors, sweep_temporaries, write_bytes
from enclave.signatures import SigningKey, load_public
from enclave.yaml_files import NotYaml, read_yaml
from enclave.zones import Zone
from output_control.gate_files import ACCEPTED, GateFiles
from output_control.ledger.keys import LedgerKeys
from output_control.ledger.store import Ledger
from output_control.policy import provision_confidential
from output_control.release.bundle import RELEASE_KEY
from output_control.review.approvals import certify_release_key
from output_control.review.roster import ID_RULE, Role, authorisation, check_person_id, is_person_id, sign_roster
from pipeline.ledger_units import publish_recipient
from pipeline.office import ROSTER, Office
from pseudonymise.custody import Custody
from pseudonymise.unlocking import Lock

ROOT_KEY = "release.pem"
RELEASE_SIGNING_KEY = "signing.pem"
BEGUN = "set-up-begun"
SET_UP = "office set up"


class Person(BaseModel):
    """One line of the file from which the office signs its roster."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    role: Literal["researcher", "checker", "custodian", "publisher", "auditor"]
    public_key: Path
    valid_from: datetime
    valid_until: datetime
    projects: tuple[str, ...]


def set_up(
    office: Office,
    *,
    custodian: bytes | Lock,
    root: bytes,
    service: bytes,
    entropy: Entropy,
    confidential: Path,
    now: datetime,
) -> None:
    """Make what an empty workspace needs; ``custodian``, ``root`` and ``service`` are three passphrases.

    Killed at any moment, it can be called again: what was begun is taken away and made anew as long as there is no root
    key, without which nobody could have sealed anything for this office; with one, only the end was missing.

    Raises:
        BadInput: keys are there already; nothing is replaced.
    """
    keys, gate, ledger = (office.workspace.path(zone) for zone in (Zone.KEY, Zone.GATE, Zone.LEDGER))
    sweep_temporaries(keys)  # of a mark that a kill kept from being whole
    if _begun(office):
        if (keys / ROOT_KEY).with_suffix(".pub").exists():  # written last
            _finish(office)
            return
        _clear(keys, gate, ledger)
    elif (keys / ROOT_KEY).exists() or any(any(zone.iterdir()) for zone in (keys, gate, ledger)):
        raise BadInput("this workspace has its keys already; nothing was replaced", where=ROOT_KEY)
    write_bytes(keys / BEGUN, b"", mode=0o600)
    custody = Custody.create(keys, custodian, entropy)
    custody.fix_hash_algorithm(office.project.name, custody.hash_version, office.project.identifier_hash)
    custody.seal_recipient(office.project.name)
    custody.close()
    root_key = SigningKey.from_seed(entropy.draw(32, "root key"))
    release_key = SigningKey.from_seed(entropy.draw(32, "release key"))
    release_key.save(gate / RELEASE_SIGNING_KEY, service)
    write_bytes(gate / RELEASE_KEY, certify_release_key(release_key.public, root_key, valid_from=now), mode=0o644)
    provision_confidential(confidential, gate, entropy)
    ledger_keys = LedgerKeys.create(gate, entropy)
    book = Ledger(ledger, ledger_keys)
    book.create()
    publish_recipient(ledger_keys, keys)
    GateFiles(gate, book, office.journal).accept_made(now)
    office.journal.append(
        actor="office",
        action=SET_UP,
        subject=office.project.name,
        details={"root_key": root_key.public.text, "release_key": release_key.public.text},
        now=now,
    )
    root_key.save(keys / ROOT_KEY, root)
    _finish(office)


def is_set_up(office: Office) -> bool:
    """Whether `set_up` came to its end."""
    keys = office.workspace.path(Zone.KEY)
    return (keys / ROOT_KEY).exists() and not (keys / BEGUN).exists()


def _begun(office: Office) -> bool:
    """Whether a set-up was broken off; work that the journal knows of proves that it was not."""
    begun = (office.workspace.path(Zone.KEY) / BEGUN).exists()
    return begun and all(entry.action in (SET_UP, ACCEPTED) for entry in office.journal.entries())


def _clear(keys: Path, *zones: Path) -> None:
    """Take away what a broken-off set-up made; the mark that it was begun goes last, with the next one's end."""
    with storage_errors("the zones of the workspace"):
        for place in (place for zone in (keys, *zones) for place in zone.iterdir() if place.name != BEGUN):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()


def _finish(office: Office) -> None:
    office.workspace.publish_public_keys()
    with storage_errors("the key zone"):
        (office.workspace.path(Zone.KEY) / BEGUN).unlink()


def new_personal_key(folder: Path, passphrase: bytes, entropy: Entropy, *, person: str) -> Path:
    """A person's own signing key in a folder of their own; returns the public half, which goes into the roster.

    Raises:
        BadInput: ``person`` is no id, or a key is there already.
    """
    check_person_id(person)
    key = folder / f"{person}.pem"
    if key.exists():
        raise BadInput("there is a key already; it was not replaced", where=key.name)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    SigningKey.from_seed(entropy.draw(32, f"personal key {person}")).save(key, passphrase)
    return key.with_suffix(".pub")


def publish_roster(office: Office, people: Sequence[Person], *, root: bytes, serial: int, now: datetime) -> Path:
    """Sign the roster of ``people`` with the root key and put it where everyone can read it."""
    root_key = SigningKey.load(office.workspace.path(Zone.KEY) / ROOT_KEY, root)
    lines = [
        authorisation(
            person.id,
            Role(person.role),
            load_public(person.public_key),
            valid_from=person.valid_from,
            valid_until=person.valid_until,
            projects=person.projects,
        )
        for person in people
    ]
    target = office.workspace.root / ROSTER
    write_bytes(target, sign_roster(lines, root_key, serial=serial), mode=0o644)
    office.journal.append(
        actor="office", action="roster signed", subject=ROSTER, details={"serial": serial, "lines": len(lines)}, now=now
    )
    return target


def read_people(path: Path) -> tuple[Person, ...]:
    """The people file: a YAML list; key paths are relative to it.

    Raises:
        BadInput: no such list, or ids that are none; says at which of its entries.
    """
    try:
        listed = read_yaml(path.read_bytes())
        people = tuple(Person(**item) for item in listed)
    except (OSError, NotYaml, ValidationError, TypeError):
        raise BadInput("the people file is missing or does not hold", where=path.name) from None
    faults = [
        Fault(path.name, "id", f"entry {number}: an id has {ID_RULE}", column="id")
        for number, person in enumerate(people, start=1)
        if not is_person_id(person.id)
    ]
    if faults:
        raise BadInput("the people file holds ids that are none", where=path.name, faults=faults)
    return tuple(person.model_copy(update={"public_key": path.parent / person.public_key}) for person in people)
