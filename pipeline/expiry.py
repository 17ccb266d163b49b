"""Expiry: what has reached its date is destroyed, keys first, with a signed certificate and a journal entry each.

A plan of all that goes is written down before the first key is destroyed, so that a run that is killed is finished by
the next one, whatever is left of the data by then, and certifies the same. Keys go first: from then on neither the
files here nor copies of them can be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from enclave.data_keys import DataKeys
from enclave.engine.scratch import held, sweep
from enclave.errors import BadInput, NotReady, Tampered
from enclave.files import TEMPORARY_MARK, storage_errors, sweep_temporaries, write_bytes
from enclave.fingerprints import Json, canonical_json, digest_json
from enclave.locks import flush
from enclave.zones import Zone
from pipeline.due import (
    CERTIFICATES,
    certificate_path,
    digests_of,
    own_files,
    resurrected,
    sealed_waiting,
    subjects_due,
)
from pipeline.hand_in import in_inbox
from pipeline.lineage import DESTROYED
from pipeline.linking import key_zone, remove_tables
from pipeline.matched_keys import sweep_half_written
from pipeline.office import Office
from pipeline.rotation import refuse_unfinished
from pseudonymise.custody import Custody
from pseudonymise.destruction import (
    BY_REMOVAL,
    BY_REMOVAL_SEALED,
    BY_STORE,
    BY_WORKING_COPIES,
    IN_HARDWARE,
    REFUSED_DELIVERY,
    Certificate,
    Destroyed,
    certify,
)
from pseudonymise.key_store import STORE_FILE
from pseudonymise.signed_statement import JournalHead
from pseudonymise.unaccepted import destroyed_file

if TYPE_CHECKING:
    from pipeline.custodian import CustodianDesk

BEGUN = "expiry begun"
_PLAN = "expiry-plan.json"


class Plan(BaseModel):
    """All that one run destroys.

    When deliveries go, the key that opens sealed deliveries goes too: ``seal`` is the sealing identity that comes
    after, ``unreadable`` the sealed files of other deliveries, received long since, that nobody can open then.
    ``left``: files of the results zone that this user may not remove. ``runs``: folders in scratch, and whose they are,
    that were there when the keys had gone: plain rows may lie in them, and in no later one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    on: date
    time: str = ""
    head: JournalHead = JournalHead(sequence=0, digest="")
    subjects: tuple[Destroyed, ...]
    seal: str = ""
    unreadable: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    runs: dict[str, str] = {}

    def summary(self) -> list[str]:
        """What goes, a line each, and which files another user has to remove."""
        return [
            f"{gone.kind} {gone.name} (kept until {gone.retention_date}): {len(gone.files)} files, "
            f"{len(gone.keys)} keys"
            for gone in self.subjects
        ] + [f"to be removed by who owns it: {name}" for name in self.left]


def plan_expiry(desk: CustodianDesk, on: date, today: date) -> Plan:
    """What has reached its date by ``on``; a plan that a killed run left is that plan.

    Raises:
        BadInput: ``on`` lies in the future. NotReady: a rotation is half done, or deliveries wait to be received.
    """
    left = _left(desk.office)
    if left is not None:
        return left
    if on > today:
        raise BadInput("data are destroyed on their date, not before", next_step="give a date up to today")
    refuse_unfinished(desk.custody)
    subjects = tuple(subjects_due(desk, on))
    project = desk.office.project
    present = desk.custody.seal_name(project.name)
    opened = any(present in gone.keys for gone in subjects) and project.retention_date > on
    if opened and (waiting := sealed_waiting(desk)):
        raise NotReady(
            f"{waiting} sealed deliveries wait in the inbox; the key that opens them goes with those that expire",
            next_step="zicht receive, then zicht expire",
        )
    own = tuple(gone.model_copy(update={"files": own_files(desk.office, gone.files)}) for gone in subjects)
    own = tuple(g for g in own if g.files or g.keys or not certificate_path(desk.office, g.kind, g.name).is_file())
    removed = {name for gone in own for name in gone.files}
    theirs = tuple(sorted({name for gone in subjects for name in gone.files} - removed))
    if not opened:
        return Plan(on=on, subjects=own, left=theirs)
    named = {name for gone in subjects for name in gone.files}
    others = tuple(name for name in digests_of(desk.office, in_inbox(desk.office)) if name not in named)
    seal = desk.custody.next_seal_name(project.name)
    return Plan(on=on, subjects=own, seal=seal, unreadable=others, left=theirs)


def expire(desk: CustodianDesk, plan: Plan, now: datetime) -> tuple[Certificate, ...]:
    """Destroy what ``plan`` says; returns the certificates. Called again after a kill, it ends the same.

    Raises:
        NotReady: all was destroyed, and nothing is certified: runs of others may have left plain rows.
        Tampered: key tables, of which some stay, are not as they were left; nothing is changed.
    """
    if not plan.subjects:
        return ()
    with desk.alone():
        with desk.journalling_keys("expire"):
            if _left(desk.office) is None and not _ends_project(plan):
                key_zone(desk.office, desk.custody).check()
            certificates = _carried_out(desk, plan, now)
        _plan_file(desk.office).unlink(missing_ok=True)
        flush(_plan_file(desk.office).parent)
    return certificates


def _carried_out(desk: CustodianDesk, plan: Plan, now: datetime) -> tuple[Certificate, ...]:
    office, custody = desk.office, desk.custody
    plan = _left(office) or _begin(office, plan, now)
    _destroy_keys(office, custody, plan)
    _sweep(office)
    plan = _with_runs(office, plan)
    names = [*plan.unreadable, *(name for gone in plan.subjects for name in gone.files)]
    if not _ends_project(plan):
        remove_tables(office, custody, [office.workspace.root / name for name in names])
    _remove(office, names)
    _refuse_plain_rows(office, plan)
    return tuple(_certificates(office, custody, plan))


def broken_off(office: Office) -> bool:
    """Whether an expiry was begun and not ended."""
    return _left(office) is not None


def refuse_broken_off(office: Office) -> None:
    """Raise NotReady when an expiry was killed between keys and files, which nothing reads any more."""
    plan, root = _left(office), office.workspace.root
    if plan and any((root / name).is_file() for gone in plan.subjects for name in gone.files):
        raise NotReady("an expiry was broken off", next_step="zicht expire, which goes on with it")


def refuse_resurrected(office: Office, custody: Custody) -> None:
    """Raise Tampered when keys that the journal says were destroyed are in the key store again.

    A key store that was put back from a copy would undo every destruction since.
    """
    if _left(office) is None and (back := resurrected(office, custody)):
        raise Tampered(
            f"the key store was set back: {len(back)} keys that were destroyed are in it again",
            where=back[0],
            next_step="zicht expire destroys them again; then find out where that copy came from",
        )


def _ends_project(plan: Plan) -> bool:
    return any(gone.kind == "project" for gone in plan.subjects)


def _begin(office: Office, plan: Plan, now: datetime) -> Plan:
    """Journal the intention, then write it down where a re-run finds it."""
    listed: list[Json] = [f"{gone.kind} {gone.name}" for gone in plan.subjects]
    details: dict[str, Json] = {"on": plan.on.isoformat(), "what": listed}
    head = office.journal.append(actor="custodian", action=BEGUN, subject=office.project.name, details=details, now=now)
    time = now.astimezone(UTC).isoformat(timespec="seconds")
    made = plan.model_copy(update={"time": time, "head": JournalHead(sequence=head.sequence, digest=head.digest)})
    write_bytes(_plan_file(office), canonical_json(made.model_dump(mode="json")), mode=0o600)
    return made


def _with_runs(office: Office, plan: Plan) -> Plan:
    """Remove what killed runs left; write down which folders of runs stay, once."""
    sweep(office.workspace.scratch)
    unread = all(gone.kind == REFUSED_DELIVERY for gone in plan.subjects)  # no run ever held rows of these
    runs = {} if plan.runs or unread else held(office.workspace.scratch)
    if not runs:
        return plan
    seen = plan.model_copy(update={"runs": runs})
    write_bytes(_plan_file(office), canonical_json(seen.model_dump(mode="json")), mode=0o600)
    return seen


def _refuse_plain_rows(office: Office, plan: Plan) -> None:
    """Raise NotReady as long as a run's folder stands that was there when the keys had gone."""
    there = held(office.workspace.scratch)
    stand = [
        f"{office.workspace.scratch.name}/{name} of user {owner}" for name, owner in there.items() if name in plan.runs
    ]
    if stand:
        raise NotReady(
            "keys and files are destroyed, and that is not certified yet: these folders of runs may hold plain rows\n"
            + "\n".join(f"  - {each}" for each in stand),
            next_step="each of these users ends the run, or removes the folder after a kill (zicht run does that), or "
            "root does; then zicht expire again",
        )


def _plan_file(office: Office) -> Path:
    return office.workspace.path(Zone.KEY) / _PLAN


def _left(office: Office) -> Plan | None:
    try:
        return Plan.model_validate_json(_plan_file(office).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise Tampered("the plan of an expiry that was broken off does not read", where=_PLAN) from None


def _destroy_keys(office: Office, custody: Custody, plan: Plan) -> None:
    project = office.project
    named = {name for gone in plan.subjects for name in gone.keys}
    if _ends_project(plan):
        custody.end_project(project.name)
    elif plan.seal:
        custody.use_seal(project.name, plan.seal)
        office.workspace.publish_public_keys()
    custody.store.destroy(lambda name: name in named)
    working = DataKeys(office.workspace.data_keys)
    alive = set(custody.store.names())
    working.withdraw([name for name in working.names(project.name) if f"data/{name}" not in alive])


def _sweep(office: Office) -> None:
    """Remove what killed commands left half-written; the key store, which others write too, sweeps for itself."""
    sweep_half_written(office)
    keys = office.workspace.path(Zone.KEY)
    sweep_temporaries(keys / CERTIFICATES)
    for left in keys.glob(f".*{TEMPORARY_MARK}*"):
        if not left.name.startswith(f".{STORE_FILE}"):
            left.unlink()


def _remove(office: Office, names: Iterable[str]) -> None:
    with storage_errors("what has expired"):
        for path in (office.workspace.root / name for name in names):
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                flush(path.parent)


def _certificates(office: Office, custody: Custody, plan: Plan) -> Iterator[Certificate]:
    key = custody.receipt_key()
    known = {str(entry.details.get("certificate")) for entry in office.journal.entries() if entry.action == DESTROYED}
    for gone in plan.subjects:
        made = certify(gone, time=plan.time, means=_means(custody, gone), head=plan.head, key=key)
        made.save(certificate_path(office, gone.kind, gone.name), mode=0o600)
        if gone.kind in ("delivery", REFUSED_DELIVERY):
            made.save(destroyed_file(gone.name, office.workspace), mode=0o640)
        if made.digest() not in known:
            details: dict[str, Json] = {"certificate": made.digest(), "keys": list(gone.keys)}
            details["files"] = digest_json(dict(gone.files))
            if gone.kind == REFUSED_DELIVERY:
                details["sealed_sha256"] = next(iter(gone.files.values()))
            subject = f"{gone.kind} {gone.name}"
            office.journal.append(
                actor="custodian",
                action=DESTROYED,
                subject=subject,
                details=details,
                now=datetime.fromisoformat(plan.time),
            )
        yield made


def _means(custody: Custody, gone: Destroyed) -> str:
    if not gone.keys:
        return BY_REMOVAL_SEALED if gone.kind == REFUSED_DELIVERY else BY_REMOVAL
    if gone.kind in ("data set", "project"):
        return BY_WORKING_COPIES
    return IN_HARDWARE if all(custody.store.on_token(name) for name in gone.keys) else BY_STORE
