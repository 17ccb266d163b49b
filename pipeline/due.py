"""What has reached its date: the deliveries, data sets, results and keys that an expiry destroys."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from enclave.encrypted_files import key_name, last_day
from enclave.fingerprints import digest_file
from enclave.frames import open_frame
from enclave.zones import Linked, Zone
from pipeline.hand_in import in_inbox
from pipeline.lineage import destroyed_keys
from pipeline.matched_keys import made_of
from pipeline.office import Office
from pipeline.rotation import ends
from pseudonymise.custody import Custody, is_key_of_project
from pseudonymise.destruction import (
    REFUSED_DELIVERY,
    Destroyed,
    Kind,
)
from pseudonymise.handing_in import digest_itself, is_plain
from pseudonymise.receipt import REFUSED, Receipt
from pseudonymise.receive import receipts, receipts_kept
from pseudonymise.sealing import SUFFIX
from pseudonymise.unaccepted import not_accepted

if TYPE_CHECKING:
    from pipeline.custodian import CustodianDesk

CERTIFICATES = "certificates"


def resurrected(office: Office, custody: Custody) -> tuple[str, ...]:
    """Names of keys that the journal says were destroyed and that the key store has."""
    return tuple(sorted(destroyed_keys(office.journal).intersection(custody.store.names())))


def subjects_due(desk: CustodianDesk, on: date) -> Iterator[Destroyed]:
    """All that has reached its date by ``on``, each with its files and keys."""
    office, custody, project = desk.office, desk.custody, desk.office.project
    alive, back = set(custody.store.names()), set(resurrected(office, custody))
    seal, covered = custody.seal_name(project.name), set[str]()
    for receipt in receipts(office.workspace, custody):
        found = receipt.findings
        if found.retention_date <= on:
            first = not certificate_path(office, "delivery", found.delivery).is_file()
            files = digests_of(office, [*_files_of(desk, receipt, sealed=first)])
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
        if files := digests_of(office, lie.get(each.sealed_sha256, [])):
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
    files = digests_of(office, [path for path in listed if CERTIFICATES not in path.parts])
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
    return digests_of(office, [path, *derived])


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


def sealed_waiting(desk: CustodianDesk) -> int:
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


def digests_of(office: Office, paths: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of each file that is there, by its path in the workspace."""
    root = office.workspace.root
    return {p.relative_to(root).as_posix(): digest_file(p) for p in sorted(set(paths)) if p.is_file()}


def own_files(office: Office, files: Mapping[str, str]) -> dict[str, str]:
    """Those that this user may remove: under separate users, results are the researchers'."""
    root = office.workspace.root
    return {name: digest for name, digest in files.items() if os.access((root / name).parent, os.W_OK)}


def certificate_path(office: Office, kind: str, name: str) -> Path:
    """Where the certificate of something destroyed lies."""
    file = f"{kind} {name}".replace(" ", "-").replace("/", "-")
    return office.workspace.path(Zone.KEY) / CERTIFICATES / f"{file}.json"
