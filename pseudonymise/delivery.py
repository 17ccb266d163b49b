"""The supplier's side: check a file at home, describe it, seal it. Needs no key, no network and no enclave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enclave.errors import BadInput, Fault
from enclave.fingerprints import digest_file
from pseudonymise.formats import read_batches
from pseudonymise.formats.batch import Note, PlainFile
from pseudonymise.manifest import MANIFEST, Manifest, parse_manifest
from pseudonymise.schemas import DeliverySchema
from pseudonymise.sealing import SUFFIX, seal_delivery
from pseudonymise.validation import Tally, Validator, row_faults, tolerance_faults


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the enclave would say of a file. Rows are numbered from 1, the header not counted; no value is shown.

    ``faults`` with ``fatal`` set reject the whole file; ``row_faults`` cost rows their place.
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
        verdict = "can be delivered" if self.acceptable else "cannot be delivered like this"
        lines = [
            f"{self.file}: {verdict} (schema {self.schema} version {self.schema_version}, period {self.period})",
            f"  {self.received} rows read: {self.accepted} good, {self.quarantined} with faults"
            f" (at most {self.tolerance:.1%} may have)",
        ]
        lines += [f"  - {fault}" for fault in self.faults]
        for column, note, count, rows in self.notes:
            shown = f", row {', '.join(map(str, rows))}{' …' if count > len(rows) else ''}" if rows else ""
            lines.append(f"  · {column or 'file'}{shown}: {note.description()} ({count})")
        if self.row_faults:
            lines.append(
                "  Row 1 is the first row under the header. Values are never shown: look them up in your file."
            )
        return "\n".join(lines)


def check_file(path: Path, schema: DeliverySchema, period: str) -> CheckReport:
    """Read and validate a file as the enclave will.

    Raises:
        BadInput: there is no such file, or the period is none.
    """
    if not path.is_file():
        raise BadInput("there is no such file", where=path.name)
    validator = Validator(schema, period, salt=b"check at home")
    fatal: tuple[Fault, ...] = ()
    try:
        for batch in read_batches(PlainFile(path), schema):
            validator.sort(batch)
    except BadInput as unreadable:
        fatal = unreadable.faults or (Fault(path.name, "format", unreadable.what),)
    else:
        fatal = validator.faults_of_file(path.name) + tolerance_faults(validator.tally, schema, path.name)
    return _report(path.name, schema, period, validator.tally, fatal)


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
    retention_date and contact.

    Raises:
        BadInput: a field is missing or wrong.
    """
    listed = {"name": path.name, "sha256": digest_file(path), "rows": rows}
    return parse_manifest(
        {**declared, "schema": schema.name, "schema_version": schema.version, "files": [listed]},
    )


def seal(file: Path, manifest: Manifest, recipient: str, out: Path) -> Path:
    """Seal ``file`` with its manifest to ``recipient`` (``age1…``); returns the sealed file's path in folder ``out``.

    Its name is made of supplier, schema, period and a digest. Nothing is written in the clear, nor half.

    Raises:
        BadInput: no such file, it is not the one in the manifest, or the recipient is none.
        StorageFailed: the disk is full; nothing was written.
    """
    if not file.is_file():
        raise BadInput("there is no such file", where=file.name)
    if file.name != manifest.file.name or digest_file(file) != manifest.file.sha256:
        raise BadInput(
            "the file is not the one that the manifest describes",
            where=MANIFEST,
            next_step="check the file again and make a new manifest: zicht delivery check",
        )
    sealed = out / f"{manifest.delivery_id}{SUFFIX}"
    seal_delivery(file, manifest, recipient, sealed)
    return sealed
