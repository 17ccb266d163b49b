"""Expiry: what has reached its date is destroyed, keys first, with a signed certificate and a journal entry each.

A plan of all that goes is written down before the first key is destroyed, so that a run that is killed is finished by
the next one, whatever is left of the data by then, and certifies the same. Keys go first: from then on neither the
files here nor copies of them can be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from enclave.data_keys import DataKeys
from enclave.encrypted_files import key_name, last_day
from enclave.engine.scratch import held, sweep
from enclave.errors import BadInput, NotReady, Tampered
from enclave.files import TEMPORARY_MARK, storage_errors, sweep_temporaries, write_bytes
from enclave.fingerprints import Json, canonical_json, digest_file, digest_json
from enclave.frames import open_frame
from enclave.locks import flush
from enclave.zones import Linked, Zone
from pipeline.hand_in import in_inbox
from pipeline.lineage import DESTROYED, destroyed_keys
from pipeline.linking import key_zone, remove_tables
from pipeline.matched_keys import made_of, sweep_half_written
from pipeline.office import Office
from pipeline.rotation import ends, refuse_unfinished
from pseudonymise.custody import Custody, is_key_of_project
from pseudonymise.destruction import (
    BY_REMOVAL,
    BY_REMOVAL_SEALED,
    BY_STORE,
    BY_WORKING_COPIES,
    IN_HARDWARE,
    REFUSED_DELIVERY,
    Certificate,
    Destroyed,
    Kind,
    certify,
)
from pseudonymise.handing_in import digest_itself, is_plain
from pseudonymise.key_store import STORE_FILE
from pseudonymise.receipt import REFUSED, Receipt
from pseudonymise.receive import receipts, receipts_kept
from pseudonymise.sealing import SUFFIX
from pseudonymise.signed_statement import JournalHead
from pseudonymise.unaccepted import destroyed_file, not_accepted

if TYPE_CHECKING:
    from pipeline.custodian import CustodianDesk

BEGUN = "expiry begun"
_PLAN = "expiry-plan.json"
_CERTIFICATES = "certificates"


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
    subjects = tuple(_subjects(desk, on))
    project = desk.office.project
    present = desk.custody.seal_name(project.name)
    opened = any(present in gone.keys for gone in subjects) and project.retention_date > on
    if opened and (waiting := _waiting(desk)):
        raise NotReady(
            f"{waiting} sealed deliveries wait in the inbox; the key that opens them goes with those that expire",
            next_step="zicht receive, then zicht expire",
        )
    own = tuple(gone.model_copy(update={"files": _own(desk.office, gone.files)}) for gone in subjects)
    own = tuple(g for g in own if g.files or g.keys or not _certificate(desk.office, g.kind, g.name).is_file())
    removed = {name for gone in own for name in gone.files}
    theirs = tuple(sorted({name for gone in subjects for name in gone.files} - removed))
    if not opened:
        return Plan(on=on, subjects=own, left=theirs)
    named = {name for gone in subjects for name in gone.files}
    others = tuple(name for name in _digests(desk.office, in_inbox(desk.office)) if name not in named)
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


def resurrected(office: Office, custody: Custody) -> tuple[str, ...]:
    """Names of keys that the journal says were destroyed and that the key store has."""
    return tuple(sorted(destroyed_keys(office.journal).intersection(custody.store.names())))


def _subjects(desk: CustodianDesk, on: date) -> Iterator[Destroyed]:
    office, custody, project = desk.office, desk.custody, desk.office.project
    alive, back = set(custody.store.names()), set(resurrected(office, custody))
    seal, covered = custody.seal_name(project.name), set[str]()
    for receipt in receipts(office.workspace, custody):
        found = receipt.findings
        if found.retention_date <= on:
            first = not _certificate(office, "delivery", found.delivery).is_file()
            files = _digests(office, [*_files_of(desk, receipt, sealed=first)])
            keys = {f"retention/{project.name}/{found.retention_date}"} & alive
            if files or keys or first:
                covered |= keys
                keys |= {seal} & alive if first or seal in back else set()
                yield _gone(office, "delivery", found.delivery, until=found.retention_date, files=files, keys=keys)
    yield from _not_accepted(desk, on)
    if project.retention_date <= on:
        yield from _end_of_project(office, alive)
        return
    for path, last in _expired_sets(office, on):
        keys = {f"retention/{project.name}/{last}", f"data/{key_name(path)}"} & alive if key_name(path) else set()
        covered |= keys
        yield _gone(office, "data set", path.stem, until=last, files=_of_set(office, path), keys=keys)
    for version, until in ends(custody).items():
        keys = {f"hash-master/v{version}"} & alive
        if keys and until <= on:
            covered |= keys
            yield _gone(office, "keys", f"hash-master/v{version}", until=until, keys=keys)
    for name in sorted((_due(alive, project.name, on) | back) - covered):
        yield _gone(office, "keys", name, until=on, keys={name})


def _not_accepted(desk: CustodianDesk, on: date) -> Iterator[Destroyed]:
    """Sealed deliveries of which nothing was taken up, so many days after the answer as the project file says."""
    office, project = desk.office, desk.office.project
    every = receipts_kept(office.workspace, desk.custody).values()
    kept = [r for r in every if not r.accepted or not desk.custody.expired(project.name, r.findings.retention_date)]
    told = not_accepted(kept, office.workspace, desk.custody.receipt_key().public)
    until = {each: min(each.answered + timedelta(days=project.refused_days), project.retention_date) for each in told}
    due = [each for each in told if until[each] <= on]
    lie: dict[str, list[Path]] = {}
    for path in in_inbox(office) if due else ():
        if is_plain(path):
            lie.setdefault(digest_itself(path), []).append(path)
    for each in due:
        if files := _digests(office, lie.get(each.sealed_sha256, [])):
            yield _gone(office, REFUSED_DELIVERY, each.name, until=until[each], files=files)


def _due(alive: Iterable[str], project: str, on: date) -> set[str]:
    """Retention keys, and keys of linked data, whose date has come."""
    dates = {name: name.removeprefix(f"retention/{project}/") for name in alive}
    dates |= {name: name.split("/")[3] for name in alive if name.startswith(f"data/{project}/")}
    return {name for name, until in dates.items() if until != name and date.fromisoformat(until) <= on}


def _end_of_project(office: Office, alive: set[str]) -> Iterator[Destroyed]:
    project, workspace = office.project, office.workspace
    folders = (
        office.key_folder,
        workspace.path(Zone.LINKED) / project.name,
        workspace.path(Zone.RESULTS) / project.name,
        workspace.path(Zone.IDENTIFIED) / "review",
    )
    listed = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    files = _digests(office, [path for path in listed if _CERTIFICATES not in path.parts])
    keys = {name for name in alive if is_key_of_project(name, project.name)}
    if files or keys:
        yield _gone(office, "project", project.name, until=project.retention_date, files=files, keys=keys)


def _expired_sets(office: Office, on: date) -> Iterator[tuple[Path, date]]:
    folder = office.workspace.path(Zone.LINKED) / office.project.name
    for path in sorted(folder.glob("*.parquet")):
        name = key_name(path)
        # a version before this one left linked data plain
        last = last_day(name) if name else date.fromisoformat(open_frame(path, Linked).manifest.retention_date)
        if last <= on:
            yield path, last


def _of_set(office: Office, path: Path) -> dict[str, str]:
    """A linked data set's file, and those of the analyses that read it."""
    uses = [use for use in office.project.analyses if _reads(office, use.question, path.stem)]
    results = office.workspace.path(Zone.RESULTS) / office.project.name
    derived = [f for use in uses for f in sorted((results / f"{use.name}-v{use.version}").rglob("*"))]
    return _digests(office, [path, *derived])


def _reads(office: Office, question: str, data_set: str) -> bool:
    return data_set in office.project.questions[question].uses


def _files_of(desk: CustodianDesk, receipt: Receipt, *, sealed: bool) -> Iterator[Path]:
    """Every file that holds rows of a delivery: sealed, accepted, in quarantine, and what was made of it.

    Where the key that opens it has gone, a copy that is handed in again is refused, and goes as such: not ``sealed``.
    """
    found, workspace = receipt.findings, desk.office.workspace
    inbox = workspace.path(Zone.INBOX)
    if sealed:
        yield from (path for path in inbox.glob(f"*{SUFFIX}") if digest_file(path) == found.sealed_sha256)
        yield from inbox.glob(f"{found.delivery}*{SUFFIX}")
    if receipt.accepted:
        name = f"{found.schema_name}_{found.period}.parquet"
        identified = workspace.path(Zone.IDENTIFIED)
        yield identified / found.supplier / name
        yield identified / "quarantine" / found.supplier / name
        for _, files in made_of(desk.office, desk.runner.records(), found.delivery):
            yield from files


def _waiting(desk: CustodianDesk) -> int:
    """Sealed deliveries that were neither answered nor refused."""
    journal = desk.office.journal
    refused = {str(e.details.get("sealed_sha256", "")) for e in journal.entries() if e.action == REFUSED}
    answered = refused | {receipt.findings.sealed_sha256 for receipt in receipts(desk.office.workspace, desk.custody)}
    names = {receipt.findings.delivery for receipt in receipts(desk.office.workspace, desk.custody)}
    return sum(path.stem not in names and digest_file(path) not in answered for path in in_inbox(desk.office))


def _gone(
    office: Office,
    kind: Kind,
    name: str,
    *,
    until: date,
    files: Mapping[str, str] | None = None,
    keys: Iterable[str] = (),
) -> Destroyed:
    return Destroyed(
        kind=kind,
        name=name,
        project=office.project.name,
        retention_date=until,
        files=dict(files or {}),
        keys=tuple(sorted(keys)),
    )


def _digests(office: Office, paths: Sequence[Path]) -> dict[str, str]:
    root = office.workspace.root
    return {p.relative_to(root).as_posix(): digest_file(p) for p in sorted(set(paths)) if p.is_file()}


def _own(office: Office, files: Mapping[str, str]) -> dict[str, str]:
    """Those that this user may remove: under separate users, results are the researchers'."""
    root = office.workspace.root
    return {name: digest for name, digest in files.items() if os.access((root / name).parent, os.W_OK)}


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
    sweep_temporaries(keys / _CERTIFICATES)
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
        made.save(_certificate(office, gone.kind, gone.name), mode=0o600)
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


def _certificate(office: Office, kind: str, name: str) -> Path:
    file = f"{kind} {name}".replace(" ", "-").replace("/", "-")
    return office.workspace.path(Zone.KEY) / _CERTIFICATES / f"{file}.json"
