"""Key rotation: a new version of the hash keys, existing data carried over, every number of a project where it was.

The order makes a kill harmless: the intention is noted in the key store; a new master is drawn; every pseudonymised
frame is carried over to a file of its own; what unmatched units are called, and the key table, are written; the new
version is put in use; what lay under the old version goes; the journal gets its entry; the note is taken back. Each
part finds what an earlier, killed run has done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from enclave.engine import open_engine
from enclave.errors import BadInput, NotReady, Refused
from enclave.files import sweep_temporaries
from enclave.fingerprints import Json
from enclave.frames import open_frame
from enclave.zones import Pseudonymised, Zone
from linkage.key_register import versions
from linkage.key_zone import is_encrypted
from linkage.matches import delivery_name
from linkage.rekeying import carry_unmatched, forget_versions_before, unmatched_file, write_bridge
from pipeline.linking import key_table, key_zone
from pipeline.office import Office, utc_now
from pipeline.runner import Outcome, Step
from pseudonymise.custody import Custody
from pseudonymise.receipt import Receipt
from pseudonymise.receive import accepted_frame
from pseudonymise.rekey import bridging_pairs, rekey
from pseudonymise.schemas import DeliverySchema

if TYPE_CHECKING:
    from pipeline.custodian import CustodianDesk

ROTATED = "keys rotated"
CODE = ("enclave", "pseudonymise")
_ROTATION = "rotation"


@dataclass(frozen=True, slots=True)
class Rotation:
    """From the version before to ``version``; the version before is destroyed on ``until``."""

    version: int
    until: date


def rotate(desk: CustodianDesk, until: date) -> Rotation:
    """Rotate the hash keys; a rotation that was broken off goes on, with the date that it was begun with.

    Raises:
        BadInput: ``until`` lies in the past. NotReady: the version before the present one still exists.
    """
    with desk.alone(), desk.journalling_keys("rotate"):
        key_zone(desk.office, desk.custody).check()
        return _rotated(desk, until)


def _rotated(desk: CustodianDesk, until: date) -> Rotation:
    rotation = _begun(desk.custody) or _begin(desk.custody, until)
    version = rotation.version
    desk.custody.add_hash_version(version)
    desk.custody.fix_hash_algorithm(desk.office.project.name, version, desk.office.project.identifier_hash)
    kept = [receipt for receipt in desk.standing() if _lies(desk, receipt, version)]
    with desk.teller.bar("carry over") as tick:
        for position, receipt in enumerate(kept):
            tick(receipt.findings.delivery, position, len(kept))
            if desk.pseudonymised_path(receipt, version - 1).is_file():
                desk.runner.run(_carrying(desk, receipt, version))
    _carry_key_tables(desk, version)
    _forget(desk, version)
    _journal(desk, rotation)
    desk.custody.store.note(_ROTATION, "")
    return rotation


def refuse_unfinished(custody: Custody) -> None:
    """Raise NotReady while a rotation is half done."""
    if _begun(custody):
        raise NotReady("a rotation of the keys was broken off", next_step="zicht custody rotate, which goes on with it")


def refuse_other_algorithm(office: Office, custody: Custody) -> None:
    """Raise Refused where the project file asks for another algorithm than the keys in use were made for."""
    project, version = office.project, custody.hash_version
    if (present := custody.hash_algorithm(project.name, version)) != project.identifier_hash:
        raise Refused(
            f"key version {version} hashes identifiers with {present}, and the project file asks for "
            f"{project.identifier_hash}: hashes of both would not meet",
            where="identifier_hash",
            next_step=f"zicht custody rotate (new keys hash with {project.identifier_hash}), or put {present} back",
        )


def ends(custody: Custody) -> Mapping[int, date]:
    """Key versions that are out of use, and the date on which each is to be destroyed."""
    listed = json.loads(custody.store.fact("hash-ends") or "{}")
    return {int(version): date.fromisoformat(until) for version, until in listed.items()}


def carried_over(desk: CustodianDesk, receipt: Receipt) -> Outcome | None:
    """What carried a delivery over to the version in use; None where it was, or has to be, hashed anew."""
    version = desk.custody.hash_version
    record = desk.runner.records().get(_step_name(receipt, version))
    target = desk.pseudonymised_path(receipt)
    if record is None or not target.is_file():
        return None
    desk.runner.require_intact(record)
    return Outcome(record, ran=False, seconds=0.0)


def write_bridge_of(desk: CustodianDesk, receipt: Receipt, schema: DeliverySchema) -> Path:
    """While both versions exist: under which new hashes this delivery holds units that only old hashes name."""
    custody, project, version = desk.custody, desk.office.project.name, desk.custody.hash_version
    zone = key_zone(desk.office, custody, receipt.findings.retention_date)
    frame = accepted_frame(receipt, desk.office.workspace, custody=custody)
    pairs = bridging_pairs(frame, schema=schema, custody=custody, project=project, version=version)
    return write_bridge(zone, version, delivery_name(frame.path), pairs)[0]


def _begun(custody: Custody) -> Rotation | None:
    noted = custody.store.fact(_ROTATION)
    if not noted:
        return None
    fields = json.loads(noted)
    return Rotation(int(fields["version"]), date.fromisoformat(fields["until"]))


def _begin(custody: Custody, until: date) -> Rotation:
    present = custody.hash_version
    if until < utc_now().date():
        raise BadInput("the end date of the old keys lies in the past", next_step="give a date from today on")
    if present - 1 in custody.hash_versions():
        raise NotReady(
            f"key version {present - 1} still exists: three versions side by side would need three of every hash",
            next_step=f"destroy it first: zicht expire, from {ends(custody).get(present - 1, 'its end date')} on",
        )
    noted = json.dumps({"version": present + 1, "until": until.isoformat()}, sort_keys=True)
    custody.store.note(_ROTATION, noted)
    return Rotation(present + 1, until)


def _lies(desk: CustodianDesk, receipt: Receipt, version: int) -> bool:
    return any(desk.pseudonymised_path(receipt, at).is_file() for at in (version - 1, version))


def _carrying(desk: CustodianDesk, receipt: Receipt, version: int) -> Step:
    source, target = (desk.pseudonymised_path(receipt, at) for at in (version - 1, version))
    project, custody = desk.office.project.name, desk.custody

    def action() -> Mapping[str, Path]:
        if target.parent.is_dir():
            sweep_temporaries(target.parent)
        decryption = custody.decryption() if is_encrypted(source) else None
        rekey(
            open_frame(source, Pseudonymised, decryption=decryption),
            custody=custody,
            project=project,
            version=version,
            out=target,
            encryption=custody.encryption(project, receipt.findings.retention_date),
            decryption=decryption,
        )
        return {"frame": target}

    counts: dict[str, Json] = {}
    parameters: dict[str, Json] = {"project": project, "key version": version}
    return Step(_step_name(receipt, version), {"frame": source}, CODE, parameters, action, partial(dict, counts))


def _step_name(receipt: Receipt, version: int) -> str:
    """It names the delivery: another may take its place, and is hashed anew."""
    return f"carry-over {receipt.findings.delivery} v{version}"


def _carry_key_tables(desk: CustodianDesk, version: int) -> None:
    """Names of unmatched units, then the key table; then the version is in use."""
    office, custody = desk.office, desk.custody
    zone = key_zone(office, custody)
    known = versions(zone)
    if known and known[-1].key_version < version and not (zone.folder / unmatched_file(version)).is_file():
        carry_unmatched(zone, version, custody.hash_again_with(office.project.name, version).hash_again)
    custody.use_hash_version(version)
    if not known:
        return
    with open_engine(
        office.settings.engine,
        scratch=office.workspace.scratch,
        readable=[office.workspace.path(Zone.PSEUDONYMISED)],
        threads=office.settings.threads,
        memory_gib=office.settings.memory_gib,
    ) as engine:
        key_table(office, custody, zone, engine)


def _forget(desk: CustodianDesk, version: int) -> None:
    """Remove what lay under the version before, now that all of it lies under this one."""
    for receipt in desk.standing():
        desk.pseudonymised_path(receipt, version - 1).unlink(missing_ok=True)
    zone = key_zone(desk.office, desk.custody)
    old = [name for table in versions(zone) if table.key_version < version for name in (table.file, table.carried_file)]
    forget_versions_before(zone, version, old)


def _journal(desk: CustodianDesk, rotation: Rotation) -> None:
    custody = desk.custody
    listed = {str(version): until.isoformat() for version, until in ends(custody).items()}
    listed[str(rotation.version - 1)] = rotation.until.isoformat()
    custody.store.note("hash-ends", json.dumps(listed, sort_keys=True))
    subject = f"v{rotation.version}"
    journal = desk.office.journal
    if any(entry.action == ROTATED and entry.subject == subject for entry in journal.entries()):
        return
    details: dict[str, Json] = {"old version": rotation.version - 1, "destroyed on": rotation.until.isoformat()}
    journal.append(actor="custodian", action=ROTATED, subject=subject, details=details, now=utc_now())
