"""A very small municipality for tests: valid identifiers, files in three formats, an enclave to receive them."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from enclave.entropy import SeededEntropy
from enclave.journal import Journal
from enclave.project import Project
from enclave.zones import Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.delivery import seal
from pseudonymise.manifest import Manifest, parse_manifest
from pseudonymise.receipt import Receipt
from pseudonymise.receive import receive, receive_files
from pseudonymise.schemas import DeliverySchema, load_schemas

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"
SCHEMAS = load_schemas(CONFIGS / "schemas")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2)
Row = dict[str, Any]


def bsns(start: int = 99_900_000) -> Iterator[str]:
    """Numbers that pass the eleven-test, from prefix ``start`` upwards."""
    for prefix in range(start, 10**8):
        check = sum(w * int(d) for w, d in zip(WEIGHTS, f"{prefix:08d}", strict=True)) % 11
        if check < 10:
            yield f"{prefix:08d}{check}"


def hemp_rows(count: int) -> list[Row]:
    """Sound rows of ``hemp_clearances``."""
    numbers = bsns()
    return [
        {
            "dossier": f"H-{place:06d}",
            "clearance_date": f"{place % 28 + 1:02d}-{place % 12 + 1:02d}-2016",
            "bag_id": f"900101{place:010d}",
            "postcode": "1234AB",
            "house_number": str(place % 90 + 1),
            "addition": "",
            "occupant_bsn": next(numbers),
            "occupant_name": "Noël van Verzonnen",
            "occupant_birth_date": "01-02-1970",
            "plants": str(place % 400),
            "damage_eur": "1234,50",
            "remark": "kelder",
        }
        for place in range(1, count + 1)
    ]


def debt_rows(count: int) -> list[Row]:
    """Sound rows of ``debt_assistance``, dates as dates and amounts as numbers."""
    numbers = bsns()
    return [
        {
            "bsn": next(numbers),
            "surname": "Verzonnen",
            "prefix": "van",
            "first_names": "Zoë",
            "birth_date": date(1970, 2, 1),
            "sex": "2",
            "postcode": "1234AB",
            "house_number": "7",
            "addition": None,
            "start_date": date(2014, 3, place % 28 + 1),
            "end_date": None,
            "debt_eur": 15250.75,
            "creditors": 7,
        }
        for place in range(1, count + 1)
    ]


def tax_rows(count: int) -> list[Row]:
    """Sound rows of ``property_tax``."""
    numbers = bsns()
    return [
        {
            "bag_id": f"900101{place:010d}",
            "postcode": "1234AB",
            "house_number": "7",
            "addition": "",
            "owner_bsn": next(numbers),
            "owner_rsin": "",
            "owner_kvk": "",
            "owner_name": "Verzonnen",
            "owner_postcode": "",
            "owner_house_number": "",
            "owner_kind": 1.0,
            "use_code": 10.0,
            "woz_value": 215000.0,
            "valuation_year": 2016.0,
        }
        for place in range(1, count + 1)
    ]


def csv_bytes(
    rows: Iterable[Mapping[str, Any]], *, names: Sequence[str] | None = None, encoding: str = "cp1252"
) -> bytes:
    """A CSV file as the schema asks for it."""
    listed = list(rows)
    names = names or list(listed[0])
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in listed)
    return text.getvalue().encode(encoding)


def write_xlsx(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """A workbook with one sheet of these rows."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("data")
    for row in rows:
        sheet.append(list(row))
    book.save(path)


def debt_xlsx(path: Path, rows: Sequence[Row]) -> None:
    """A ``debt_assistance`` workbook."""
    write_xlsx(path, [list(rows[0]), *([*row.values()] for row in rows)])


def tax_sav(path: Path, rows: Sequence[Row], **options: Any) -> None:
    """A ``property_tax`` SPSS file."""
    import pandas as pd
    import pyreadstat

    labels = {"owner_kind": {1.0: "persoon", 2.0: "rechtspersoon"}}
    pyreadstat.write_sav(pd.DataFrame(list(rows)), str(path), variable_value_labels=labels, **options)


def manifest_fields(file: Path, schema_name: str, rows: int, **changes: Any) -> Row:
    """A manifest that holds, with ``changes``."""
    return {
        "supplier": "GM9001",
        "schema": schema_name,
        "schema_version": 1,
        "period": "2016",
        "legal_basis": "CBS-wet, artikel 33",
        "purpose": "risk factors of hemp farms",
        "retention_date": "2030-12-31",
        "contact": "gegevensbeheer",
        "files": [{"name": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "rows": rows}],
        "token": hashlib.sha256(repr((file.read_bytes(), schema_name, rows, changes)).encode()).hexdigest()[:12],
        **changes,
    }


def a_project() -> Project:
    """A project that expects every delivery."""
    municipal = ("hemp_clearances", "debt_assistance", "property_tax", "hemp_occupants")
    expected = [{"schema": name, "period": "2016", "suppliers": "municipalities"} for name in municipal]
    expected.append({"schema": "land_registry", "period": "1996-2015", "suppliers": ["kadaster"]})
    return Project.model_validate(
        {
            "name": "demo",
            "title": "a project",
            "legal_basis": "CBS-wet",
            "purpose": "to test that deliveries are received as they must be",
            "start": "2016-01-01",
            "retention_date": "2031-12-31",
            "controller": "the office",
            "researchers": ["r"],
            "policy": "cbs_ra",
            "deliveries": expected,
            "data": {},
            "questions": {},
            "analyses": [],
        }
    )


@dataclass(frozen=True)
class Enclave:
    """A workspace with a custodian, and a supplier's folder beside it."""

    workspace: Workspace
    custody: Custody
    journal: Journal
    project: Project
    home: Path

    @classmethod
    def at(cls, root: Path) -> Enclave:
        """A new one below ``root``."""
        workspace = Workspace(root / "workspace")
        workspace.create()
        custody = Custody.create(workspace.path(Zone.KEY), b"een zin", SeededEntropy(3))
        home = root / "home"
        home.mkdir()
        return cls(workspace, custody, Journal(workspace.journal), a_project(), home)

    def file(self, name: str, content: bytes | Callable[[Path], None]) -> Path:
        """A file in the supplier's folder."""
        path = self.home / name
        if callable(content):
            content(path)
        else:
            path.write_bytes(content)
        return path

    def seal(self, file: Path, schema_name: str, rows: int, **changes: Any) -> Path:
        """Seal a file with a manifest that holds but for ``changes``."""
        return self.seal_as(file, parse_manifest(manifest_fields(file, schema_name, rows, **changes)))

    def seal_as(self, file: Path, manifest: Manifest) -> Path:
        """Seal a file with this manifest."""
        recipient = self.custody.seal_recipient(self.project.name)
        return seal(file, manifest, recipient, self.workspace.path(Zone.INBOX))

    def receive(self, sealed: Path, *, schemas: Mapping[str, DeliverySchema] = SCHEMAS, now: datetime = NOW) -> Receipt:
        """Receive a sealed delivery."""
        return receive(
            sealed,
            custody=self.custody,
            project=self.project,
            schemas=schemas,
            workspace=self.workspace,
            journal=self.journal,
            actor="custodian",
            now=now,
        )

    def receive_all(self, sealed: Path) -> tuple[Receipt, ...]:
        """Receive a sealed delivery of one or several files."""
        return receive_files(
            sealed,
            custody=self.custody,
            project=self.project,
            schemas=SCHEMAS,
            workspace=self.workspace,
            journal=self.journal,
            actor="custodian",
            now=NOW,
        )

    def hemp(self, rows: Sequence[Row], **changes: Any) -> Receipt:
        """Deliver and receive these rows as ``hemp_clearances``."""
        file = self.file("hemp_clearances_2016.csv", csv_bytes(rows))
        return self.receive(self.seal(file, "hemp_clearances", len(rows), **changes))

    def accepted(self, receipt: Receipt) -> pa.Table:
        """The accepted rows of a delivery."""
        return self._read(self.workspace.path(Zone.IDENTIFIED) / receipt.findings.supplier, receipt)

    def quarantined(self, receipt: Receipt) -> pa.Table:
        """The rows set aside."""
        return self._read(self.workspace.path(Zone.IDENTIFIED) / "quarantine" / receipt.findings.supplier, receipt)

    def _read(self, folder: Path, receipt: Receipt) -> pa.Table:
        file = folder / f"{receipt.findings.schema_name}_{receipt.findings.period}.parquet"
        # the file itself, not a data set of files: pyarrow's data sets take other decryption properties
        with pq.ParquetFile(file, decryption_properties=self.custody.decryption()) as parquet:
            return parquet.read()

    def actions(self) -> list[str]:
        """What the journal tells, in order."""
        return [entry.action for entry in self.journal.entries()]

    def bytes_of_zones(self) -> dict[str, bytes]:
        """Every file of the workspace but the journal and the keys."""
        files = sorted(path for path in self.workspace.root.rglob("*") if path.is_file())
        kept = [path for path in files if path.relative_to(self.workspace.root).parts[0] not in ("journal", "keys")]
        return {path.relative_to(self.workspace.root).as_posix(): path.read_bytes() for path in kept}
