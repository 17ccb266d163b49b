"""Writing deliveries as suppliers do: cp1252 CSV, XLSX, `.sav`, and the manifest beside each; always the same bytes."""

from __future__ import annotations

import datetime
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import yaml

from synthetic.delivery_layouts import LAYOUTS, NATIONAL_SUPPLIERS
from synthetic.sav_stream import CREATED

_FIXED = datetime.datetime(2016, 1, 1)
_ZIP_TIME = (2016, 1, 1, 0, 0, 0)
_SAV_DATE_AT = 92  # after 60 bytes of product name, 24 of numbers and the 8 of the compression bias
VALUE_LABELS: dict[str, dict[int | float, str]] = {
    "owner_kind": {1: "natuurlijk persoon", 2: "rechtspersoon"},
    "use_code": {10: "woning", 11: "woning met praktijkruimte", 12: "recreatiewoning en overige woning"},
}
_PURPOSE = {
    "hemp_clearances": "risk factors of hemp farms (D2)",
    "debt_assistance": "risk factors of hemp farms (D2)",
    "property_tax": "pass-through homes (V3)",
    "land_registry": "pass-through homes (V3)",
    "social_assistance": "risk factors of hemp farms (D2)",
    "permits": "branches that need a permit (B1)",
    "vehicle_register": "branches that need a permit (B1)",
    "trade_register": "firms in suspicious transactions (F1)",
    "suspicious_transactions": "firms in suspicious transactions (F1)",
    "anbi_list": "foundations that trade in homes (V1)",
}


def delivery_path(folder: Path, supplier: str, schema: str) -> Path:
    """Where a delivery's data file stands."""
    layout = LAYOUTS[schema]
    return folder / supplier / f"{schema}_{layout.period}.{layout.extension}"


def csv_bytes(table: pa.Table, *, header: bool, encoding: str = "cp1252") -> bytes:
    """A CSV in ``encoding`` with ``;``, every value quoted, an empty value an empty field."""
    columns = [pa.compute.if_else(pa.compute.equal(c, ""), pa.scalar(None, pa.string()), c) for c in table.columns]
    sink = io.BytesIO()
    options = arrow_csv.WriteOptions(include_header=header, delimiter=";", eol="\r\n")
    arrow_csv.write_csv(pa.table(columns, names=table.column_names), sink, options)
    return sink.getvalue().decode().encode(encoding)


def write_xlsx(path: Path, header: list[str], rows: list[list[Any]], *, title_rows: list[list[str]]) -> None:
    """One sheet; ``title_rows`` stand above the header, the first of them merged over the whole width."""
    from openpyxl import Workbook

    book = Workbook()
    book.properties.created = book.properties.modified = _FIXED
    book.properties.creator = "SYNTHETIC"
    sheet = book.active
    if sheet is None:
        raise RuntimeError("a new workbook has a sheet")
    sheet.title = "levering"
    for row in [*title_rows, header]:
        sheet.append(row)
    for values in rows:
        sheet.append(values)
    if title_rows:
        sheet.merge_cells(start_row=1, end_row=1, start_column=1, end_column=len(header))
    packed = io.BytesIO()
    book.save(packed)
    path.write_bytes(_pinned(packed.getvalue()))


def _pinned(packed: bytes) -> bytes:
    """The same zip with fixed times; openpyxl stamps the moment of saving into the entries and the core properties."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _fixed_times(content)
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
    return out.getvalue()


def _fixed_times(core: bytes) -> bytes:
    import re

    return re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2016-01-01T00:00:00Z", core)


def write_sav(path: Path, frame: pd.DataFrame, user_missing: Mapping[str, int]) -> None:
    """A `.sav` by pyreadstat with value labels and declared user-missings, its time stamp fixed."""
    import pyreadstat

    labels: dict[str, dict[int | float, str]] = {
        name: dict(found) for name, found in VALUE_LABELS.items() if name in frame.columns
    }
    pyreadstat.write_sav(
        frame,
        str(path),
        file_label="SYNTHETIC",
        variable_value_labels=labels,
        missing_ranges={name: [code] for name, code in user_missing.items()},
        row_compress=True,
    )
    with path.open("r+b") as handle:
        handle.seek(_SAV_DATE_AT)
        handle.write(CREATED[0] + CREATED[1])


def sheet_rows(table: pa.Table) -> list[list[Any]]:
    """Rows for a sheet; empty text becomes an empty cell."""
    columns = [[None if value == "" else value for value in column.to_pylist()] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def write_manifest(path: Path, supplier: str, schema: str, rows: int, *, period: str | None = None) -> None:
    """The manifest beside a finished data file."""
    national = supplier in NATIONAL_SUPPLIERS.values()
    content = {
        "supplier": supplier,
        "schema": schema,
        "schema_version": 1,
        "period": period or LAYOUTS[schema].period,
        "legal_basis": "CBS-wet, artikel 33 (SYNTHETIC)",
        "purpose": _PURPOSE[schema],
        "retention_date": "2031-12-31",
        "contact": f"SYNTHETIC gegevensbeheer {supplier}" + (" (landelijk)" if national else ""),
        "files": [{"name": path.name, "sha256": sha256_of(path), "rows": rows}],
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.with_name(path.stem + ".manifest.yaml").write_text(text, encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
