"""The supplier's side: check a file at home, describe it, seal it. Needs no key, no network and no enclave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from enclave.entropy import SecureEntropy
from enclave.errors import BadInput, Fault
from enclave.files import TEMPORARY_MARK
from enclave.fingerprints import digest_file
from enclave.identifier_patterns import LeakKind
from enclave.signatures import SigningKey
from enclave.text_runs import Ints
from pseudonymise.formats import read_batches
from pseudonymise.formats.batch import Note, PlainFile
from pseudonymise.formats.header import Schemas
from pseudonymise.leaving import LeavingCheck
from pseudonymise.manifest import MANIFEST, Manifest, home_faults, parse_manifest
from pseudonymise.quarantine import REASONS, RECORD
from pseudonymise.references import KnownKeys, missing_files, reading_order
from pseudonymise.schemas import DeliverySchema
from pseudonymise.sealing import SUFFIX, seal_delivery
from pseudonymise.validation import Tally, Validator, row_faults, tolerance_faults


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the enclave would say of a file. Rows are numbered from 1, the header not counted; no value is shown.

    ``fatal`` faults reject the whole file, identifiers left in what would stay of it among them; ``row_faults`` cost
    rows their place.
    """

    file: str
    schema: str
    schema_version: int
    period: str
    received: int
    accepted: int
    quarantined: int
    tolerance: float
    fatal: tuple[Fault, ...]
    row_faults: tuple[Fault, ...]
    notes: tuple[tuple[str, Note, int, tuple[int, ...]], ...]

    @property
    def acceptable(self) -> bool:
        """Whether the enclave would accept the file (its manifest apart)."""
        return not self.fatal

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All faults, those of the file first."""
        return (*self.fatal, *self.row_faults)

    def __str__(self) -> str:
        """The report in English; see :func:`~pseudonymise.clerk_report.report_text`."""
        from pseudonymise.clerk_report import Language, report_text

        return report_text(self, Language.EN)


def check_file(path: Path, schema: DeliverySchema, period: str) -> CheckReport:
    """Read and validate a file as the enclave will.

    Raises:
        BadInput: there is no such file, or the period is none.
    """
    return check_files([(path, schema)], period)[0]


def check_files(
    files: Sequence[tuple[Path, DeliverySchema]],
    period: str,
    tell: Callable[[Path, pa.Table], None] | None = None,
    others: Schemas = tuple,
) -> tuple[CheckReport, ...]:
    """Read and validate the files of one delivery, and the keys between them, as the enclave will.

    ``period`` is '' while it is not known: nothing is compared with it. ``tell`` is handed the record numbers and
    reasons of all faulty rows, batch by batch; ``others`` are schemas that a file may be of instead.

    Raises:
        BadInput: a file is missing, two have one schema, or the period is none.
    """
    for path, _ in files:
        if not path.is_file():
            raise BadInput("there is no such file", where=path.name)
    schemas = [schema for _, schema in files]
    by_name = {schema.name: schema for schema in schemas}
    if len(by_name) < len(schemas):
        raise BadInput("two files of one delivery have the same schema", next_step="deliver them one by one")
    alone = missing_files(by_name, {schema.name: path.name for path, schema in files})
    keys = KnownKeys(schemas, b"check at home")
    reports = {}
    for place in reading_order(schemas):
        path, schema = files[place]
        reports[place] = _check(files[place], period, keys, tell, others)
        own = tuple(fault for fault in alone if fault.file == path.name)
        reports[place] = replace(reports[place], fatal=own + ending_faults(path.name, schema) + reports[place].fatal)
    return tuple(reports[place] for place in range(len(files)))


def ending_faults(file: str, schema: DeliverySchema) -> tuple[Fault, ...]:
    """The fault of a file whose name ends otherwise than a form of its schema: the enclave refuses it."""
    endings = tuple(f".{form}" for form in schema.formats)
    if file.lower().endswith(endings):
        return ()
    return (Fault(file, "file_name", f"the schema asks for a {' or '.join(endings)} file"),)


def _check(
    file: tuple[Path, DeliverySchema],
    period: str,
    keys: KnownKeys,
    tell: Callable[[Path, pa.Table], None] | None,
    others: Schemas,
) -> CheckReport:
    path, schema = file
    validator = Validator(schema, period, salt=b"check at home", keys=keys)
    leaving = LeavingCheck(schema, None if tell is None else _leaks_told(path, tell))
    fatal: tuple[Fault, ...] = ()
    try:
        for batch in read_batches(PlainFile(path), schema, others):
            divided = validator.sort(batch)
            leaving.beside(divided)
            if tell is not None:
                tell(path, divided.quarantined.select([RECORD, REASONS]))
        fatal = validator.faults_of_file(path.name) + tolerance_faults(validator.tally, schema, path.name)
        if not fatal:
            fatal = leaving.afterwards(read_batches(PlainFile(path), schema), validator.tally, path.name)
    except BadInput as unreadable:
        fatal = unreadable.faults or (Fault(path.name, "format", unreadable.what),)
    return _report(path.name, schema, period, validator.tally, fatal)


def _leaks_told(path: Path, tell: Callable[[Path, pa.Table], None]) -> Callable[[str, LeakKind, Ints], None]:
    def told(column: str, kind: LeakKind, records: Ints) -> None:
        tell(path, pa.table({RECORD: records, REASONS: [f"{column}:{kind.value}"] * len(records)}))

    return told


def _report(file: str, schema: DeliverySchema, period: str, tally: Tally, fatal: tuple[Fault, ...]) -> CheckReport:
    return CheckReport(
        file=file,
        schema=schema.name,
        schema_version=schema.version,
        period=period,
        received=tally.received,
        accepted=tally.accepted,
        quarantined=tally.quarantined,
        tolerance=schema.tolerance,
        fatal=fatal,
        row_faults=row_faults(tally, file),
        notes=tuple(
            (column, note, count, tuple(tally.shown_notes[column, note]))
            for (column, note), count in tally.sorted_notes()
        ),
    )


def describe(path: Path, schema: DeliverySchema, rows: int, **declared: Any) -> Manifest:
    """The manifest of a file that was checked; ``declared`` are supplier, period, legal_basis, purpose,
    retention_date and contact. A token is drawn for it.

    Raises:
        BadInput: a field is missing or wrong.
    """
    return describe_files([(path, schema, rows)], **declared)


def describe_files(files: Sequence[tuple[Path, DeliverySchema, int]], **declared: Any) -> Manifest:
    """As :func:`describe`, for the files of one delivery: path, schema and number of rows of each."""
    listed = [(path.name, schema, rows, digest_file(path)) for path, schema, rows in files]
    return _described(listed, declared).with_token(SecureEntropy())


_HOLDS = {
    "supplier": "GM0000",
    "period": "1000",
    "legal_basis": "stands in",
    "purpose": "stands in",
    "retention_date": date.max.isoformat(),
    "contact": "stands in",
}
"""What stands in for a field that does not hold, so that the others are looked at too."""


def declared_faults(files: Sequence[tuple[Path, DeliverySchema]], today: date, **declared: Any) -> tuple[Fault, ...]:
    """All that keeps ``declared`` and the files' names from being received anywhere; no file is read."""
    listed = [(path.name, schema, 0, "0" * 64) for path, schema in files]
    try:
        return home_faults(_described(listed, declared), today)
    except BadInput as wrong:
        faults = wrong.faults
    holds = {fault.column: _HOLDS[fault.column] for fault in faults if fault.column in _HOLDS}
    named = [("stands-in", schema, 0, "0" * 64) for _, schema in files]
    return faults + home_faults(_described(named, declared | holds), today)


def _described(files: Sequence[tuple[str, DeliverySchema, int, str]], declared: Mapping[str, Any]) -> Manifest:
    """The manifest of files of which name, schema, number of rows and SHA-256 are given."""
    listed = [
        {"name": name, "sha256": sha256, "rows": rows, "schema": schema.name, "schema_version": schema.version}
        for name, schema, rows, sha256 in files
    ]
    if len(listed) == 1:
        listed = [{name: listed[0][name] for name in ("name", "sha256", "rows")}]
    first = files[0][1]
    return parse_manifest({**declared, "schema": first.name, "schema_version": first.version, "files": listed})


def seal(
    files: Path | Sequence[Path], manifest: Manifest, recipient: str, out: Path, key: SigningKey | None = None
) -> Path:
    """Seal ``files`` with their manifest to ``recipient`` (``age1…``); returns the sealed file's path in ``out``.

    ``key`` signs the manifest, and with it the files: without one nobody can see who sealed it.

    Its name is made of supplier, schema, period and the manifest's token, which is drawn now where it has none. Nothing
    is written in the clear, nor half; what an earlier call that was killed left of this delivery is removed.

    Raises:
        BadInput: no such file, they are not those in the manifest, or the recipient is none.
        StorageFailed: the disk is full; nothing was written.
    """
    listed = [files] if isinstance(files, Path) else list(files)
    for file in listed:
        if not file.is_file():
            raise BadInput("there is no such file", where=file.name)
    described = [(file.name, file.sha256) for file in manifest.files]
    if [(file.name, digest_file(file)) for file in listed] != described:
        raise BadInput(
            "the file is not the one that the manifest describes",
            where=MANIFEST,
            next_step="check the file again and make a new manifest: zicht delivery check",
        )
    manifest = manifest.with_token(SecureEntropy())
    sealed = out / f"{manifest.delivery_id}{SUFFIX}"
    for left in out.glob(f".{sealed.name}{TEMPORARY_MARK}*"):
        left.unlink(missing_ok=True)
    seal_delivery(listed, manifest, recipient, sealed, key)
    return sealed
