"""The link step: key tables from the office's key register, then every data set of the project by its integers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from functools import cache, partial
from pathlib import Path

from enclave.data_keys import DataKeys
from enclave.encrypted_files import content_digest, key_name
from enclave.engine import Engine, open_engine
from enclave.errors import NotReady, Tampered
from enclave.fingerprints import Json, canonical_json
from enclave.frames import Frame, open_frame
from enclave.journal import size_class
from enclave.project import Project
from enclave.signatures import PayloadType, SigningKey
from enclave.zones import Pseudonymised, Zone
from linkage.inventory import Inventory
from linkage.key_register import SOURCES, KeyTableVersion, build_key_table
from linkage.key_zone import KeyZone
from linkage.link import LinkResult, link
from linkage.minimisation import names_in_code
from linkage.rekeying import Carry
from pipeline.ledger_units import MAP_FILE, RECIPIENT, write_map
from pipeline.lineage import journal_destroyed, withdrawn_since_linked
from pipeline.matched_keys import matched_keys
from pipeline.office import Office, utc_now
from pipeline.runner import CODE_ROOT, Step
from pipeline.withdrawn_rows import remove_withdrawn_rows
from pseudonymise.custody import Custody
from pseudonymise.identifier_hashing import IdentifierHasher
from pseudonymise.receipt import Receipt
from pseudonymise.rekey import carried_spec
from pseudonymise.schemas import DeliverySchema

STEP = "link"
LISTED = "key tables listed"
_LABELLED = ("origin", "sex")


def link_step(
    office: Office, custody: Custody, frames: Mapping[Path, Receipt], schemas: Mapping[str, DeliverySchema]
) -> Step:
    """The step that links ``frames`` (pseudonymised files with the receipts they come from) and the registers."""
    out = office.workspace.path(Zone.LINKED) / office.project.name
    counts: dict[str, Json] = {}

    def action() -> Mapping[str, Path]:
        result = _link(office, custody, frames, schemas, out)
        overall = result.report.overall
        shown = {
            "records": sum(frame.rows for frame in result.frames.values()),
            "identifiers_matched": overall.matched or 0,
            "unmatched": overall.unmatched or 0,
            "without": overall.without or 0,
        }
        counts["data_sets"] = len(result.frames)
        # everyone reads the journal, and two runs could be subtracted: classes, whatever the counts
        counts.update({name: size_class(count) for name, count in shown.items()})
        made = {name: frame.path for name, frame in result.frames.items()}
        recipient = office.workspace.path(Zone.KEY) / RECIPIENT
        made[MAP_FILE] = write_map(key_zone(office, custody), custody.ledger_key(), recipient, out / MAP_FILE)
        return {**made, **{path.name: path for path in sorted(out.glob("linkage*")) if path.is_file()}}

    inputs = {path.parent.name + "/" + path.name: path for path in sorted(frames)}
    inputs |= _matches(office, {receipt.findings.schema_name for receipt in frames.values()})
    inputs |= {f"names {path.name}": path for path in sorted(office.key_folder.glob("bridge-*.parquet"))}
    inputs |= {f"register {name}": path for name, path in _registers(office).items()}
    inputs |= {f"key register {file}": office.key_register / f"{file}.parquet" for file in {s.file for s in SOURCES}}
    parameters: dict[str, Json] = {"project": office.project.model_dump(mode="json"), "engine": office.settings.engine}
    parameters["key version"] = custody.hash_version
    parameters["labels"] = {by: dict(labels) for by, labels in _labels(office).items()}
    deliveries = tuple(sorted(receipt.findings.delivery for receipt in frames.values()))
    code = ("enclave", "linkage", "pipeline/ledger_units.py")
    return Step(STEP, inputs, code, parameters, action, lambda: counts, deliveries)


def _matches(office: Office, delivered: Collection[str]) -> dict[str, Path]:
    """The tables and evidence of keys that were matched in what was delivered, and the verdicts on them."""
    concerned = [matched for matched in matched_keys(office) if matched.schema_name in delivered]
    files = [path for each in concerned for label, path in each.files(office).items() if label != "review"]
    missing = sorted(path.name for path in files if not path.is_file())
    if missing:
        raise NotReady(f"the key zone lacks {', '.join(missing)}", next_step="zicht pseudonymise")
    judged = [each.all_files(office)["verdicts"] for each in concerned]
    return {path.name: path for path in (*files, *(path for path in judged if path.is_file()))}


def _labels(office: Office) -> dict[str, dict[str, str]]:
    """Labels of what the linkage-quality report breaks down by, of the classifications that the office has of it."""
    listed = {by: found for by in _LABELLED if (found := office.classification(by))}
    return {by: {code.code: code.label_en for code in found.codes if code.parent} for by, found in listed.items()}


def _registers(office: Office) -> dict[str, Path]:
    found = {data.register_file for data in office.project.data.values() if data.register_file}
    found |= {key.derived.register_file for data in office.project.data.values() for key in data.keys if key.derived}
    files = sorted(found)
    return {name: office.registers / f"{name}.parquet" for name in files}


def _link(
    office: Office,
    custody: Custody,
    files: Mapping[Path, Receipt],
    schemas: Mapping[str, DeliverySchema],
    out: Path,
) -> LinkResult:
    project, settings = office.project, office.settings
    zone = key_zone(office, custody)
    frames: dict[str, list[Frame[Pseudonymised]]] = {}
    for path, receipt in sorted(files.items()):
        found = receipt.findings
        frames.setdefault(found.schema_name, []).append(
            open_frame(path, Pseudonymised, decryption=custody.decryption())
        )
    with open_engine(
        settings.engine,
        scratch=office.workspace.scratch,
        readable=[office.registers, office.workspace.path(Zone.PSEUDONYMISED)],
        threads=settings.threads,
        memory_gib=settings.memory_gib,
    ) as engine:
        key_table(office, custody, zone, engine)
        return link(
            project,
            pseudonymised=frames,
            registers=office.registers,
            zone=zone,
            engine=engine,
            out=out,
            entropy=office.entropy,
            dropped=_dropped(schemas),
            named=names_of_analyses(project),
            key_of=lambda name, until: custody.data_key(project.name, name, date.fromisoformat(until)),
            labels=_labels(office),
        )


def hand_out_keys(office: Office, custody: Custody) -> None:
    """Put the keys of the linked data sets where researchers and the gate read them, and remove all others.

    Also after a restart when that folder lies in memory, and over a copy that is torn or another key; one that opens
    its data set already is not used again. None is handed out when a delivery was withdrawn while it was linked.

    Raises:
        Tampered: a data set opens under no key: it was changed.
        KeyUnavailable: it lies under a key that was drawn in another key store.
    """
    project, keys = office.project.name, DataKeys(office.workspace.data_keys)
    office.workspace.create_unsaved()
    if withhold_withdrawn(office, custody):
        return
    current = set()
    for path in sorted((office.workspace.path(Zone.LINKED) / project).glob("*.parquet")):
        name = key_name(path)
        if name is None or name.count("/") == 2 or custody.destroyed_data_key(name):
            continue  # of a set that the project has no more, at times in the form of an earlier version
        current.add(name)
        if not keys.opens(path):
            key = custody.data_key_called(name)
            content_digest(path, key)
            keys.hand_out(key)
    keys.withdraw(set(keys.names(project)) - current)


def withhold_withdrawn(office: Office, custody: Custody) -> bool:
    """As long as linked data hold a delivery that was withdrawn: destroy the keys of all of them, since rows derived
    from several lie under the key of one, and remove such rows where this user may. Linking without the delivery draws
    other keys, which open no copy of before; it may be that nothing is left to link. Returns whether that is so."""
    if not withdrawn_since_linked(office.journal):
        return False
    project, keys = office.project.name, DataKeys(office.workspace.data_keys)
    gone = custody.destroy_data_keys(project)
    keys.withdraw(list(keys.names(project)))
    journal_destroyed(office.journal, project, gone, actor="custodian", now=utc_now())
    remove_withdrawn_rows(office)
    return True


def key_table(office: Office, custody: Custody, zone: KeyZone, engine: Engine) -> KeyTableVersion:
    """The key table of the register of today under the key version in use."""
    project, version = office.project.name, custody.hash_version
    hasher = IdentifierHasher(project, custody, version=version)
    carry = None
    if version > 1:
        lives = version - 1 in custody.hash_versions()
        carry = Carry(
            custody.hash_again_with(project, version).hash_again,
            carried_spec(custody, project, version).text(),
            IdentifierHasher(project, custody, version=version - 1) if lives else None,
        )
    return build_key_table(
        office.key_register,
        hasher=hasher,
        key_ids=hasher.key_ids({source.kind for source in SOURCES}),
        zone=zone,
        engine=engine,
        key_version=version,
        carry=carry,
    )


def key_zone(office: Office, custody: Custody, until: date = date.max) -> KeyZone:
    """The project's key tables: encrypted until the project's retention date, or until that of what they hold."""
    project = office.project
    folder = office.key_folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    last = min(project.retention_date, until)
    inventory = key_inventory(office, custody)
    return KeyZone(folder, lambda: custody.encryption(project.name, last), custody.decryption, inventory)


def key_inventory(office: Office, custody: Custody) -> Inventory:
    """The listing of the project's key tables, with what the journal knows of it."""
    key = cache(custody.receipt_key)
    told, tell = cache(partial(_told, office, key)), partial(_tell, office, key)
    return Inventory(office.key_folder, office.project.name, key=key, told=told, tell=tell)


def _told(office: Office, key: Callable[[], SigningKey]) -> int:
    """The highest revision of the inventory of key tables that the journal knows under the office's signature: others
    append to the journal too, and what they write of it is passed over."""
    project = office.project.name
    entries = (e for e in office.journal.entries() if e.action == LISTED and e.subject == project)
    return max((found for e in entries if (found := _signed_revision(e.details, project, key)) is not None), default=0)


def _signed_revision(details: Mapping[str, Json], project: str, key: Callable[[], SigningKey]) -> int | None:
    revision, signature = details.get("revision"), details.get("signature")
    if type(revision) is not int:
        return None
    try:
        key().public.verify(PayloadType.KEY_TABLES, _revision(project, revision), str(signature))
    except Tampered:
        return None
    return revision


def _tell(office: Office, key: Callable[[], SigningKey], revision: int) -> None:
    project = office.project.name
    signature = key().sign(PayloadType.KEY_TABLES, _revision(project, revision))
    details: dict[str, Json] = {"revision": revision, "signature": signature}
    office.journal.append(actor="custodian", action=LISTED, subject=project, details=details, now=utc_now())


def _revision(project: str, revision: int) -> bytes:
    return canonical_json({"project": project, "revision": revision})


def remove_tables(office: Office, custody: Custody, files: Iterable[Path]) -> None:
    """Remove those of ``files`` that lie among the project's key tables; other files stay."""
    tables = [path.name for path in files if path.parent == office.key_folder]
    if tables and office.key_folder.is_dir():
        key_zone(office, custody).remove(tables)


def _dropped(schemas: Mapping[str, DeliverySchema]) -> dict[str, list[str]]:
    kept = ("keep", "text-scan", "text-drop-on-leak")
    return {
        name: [column.name for column in schema.columns if column.treatment not in kept]
        for name, schema in schemas.items()
    }


def names_of_analyses(project: Project) -> dict[str, frozenset[str]]:
    """Texts that stand in each analysis' code: a declared column that no analysis names is reported as unused."""
    found: dict[str, frozenset[str]] = {}
    for use in project.analyses:
        source = CODE_ROOT / "analyses" / use.name / f"v{use.version}.py"
        found[use.name] = names_in_code(source.read_bytes() if source.is_file() else b"")
    return found
