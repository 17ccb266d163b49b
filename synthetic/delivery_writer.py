"""All deliveries of a country: written municipality by municipality, the land registry growing along."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import pyarrow as pa

from synthetic.deliveries import LAYOUTS, NATIONAL_SUPPLIER, land_registry_table, municipal_tables
from synthetic.delivery_files import (
    csv_bytes,
    delivery_path,
    sheet_rows,
    write_manifest,
    write_sav,
    write_xlsx,
)
from synthetic.plan import Municipality
from synthetic.town import Town

_NATIONAL = "land_registry"


class DeliveryWriter:
    """Writes the files and manifests; with ``dirty`` also plants the defects and keeps their ledger."""

    def __init__(self, folder: Path, plan: tuple[Municipality, ...], *, seed: int, dirty: bool) -> None:
        self._folder = folder
        self._plan = plan
        self._seed = seed
        self._dirty = dirty
        self.rows: dict[str, int] = {}
        self._national = delivery_path(folder, NATIONAL_SUPPLIER, _NATIONAL)
        self._national.parent.mkdir(parents=True)
        self._handle = self._national.open("wb")
        self._deeds = 0

    def __enter__(self) -> DeliveryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.close()
        if kind is None:
            write_manifest(self._national, NATIONAL_SUPPLIER, _NATIONAL, self._deeds)
            self.rows[f"{NATIONAL_SUPPLIER}/{self._national.name}"] = self._deeds

    def append(self, town: Town) -> None:
        """Write one municipality's three files and append its deeds to the land registry."""
        for schema, table in municipal_tables(town).items():
            self._write(town.place.code, schema, table)
        deeds = land_registry_table(town)
        self._handle.write(csv_bytes(deeds, header=self._deeds == 0))
        self._deeds += deeds.num_rows

    def write_ledger(self, path: Path) -> None:
        """Write the ledger of planted defects."""
        raise NotImplementedError

    def _write(self, supplier: str, schema: str, table: pa.Table) -> None:
        path = delivery_path(self._folder, supplier, schema)
        path.parent.mkdir(parents=True, exist_ok=True)
        match LAYOUTS[schema].extension:
            case "csv":
                path.write_bytes(csv_bytes(table, header=True))
            case "xlsx":
                write_xlsx(path, table.column_names, sheet_rows(table), title_rows=[])
            case _:
                write_sav(path, table, {})
        write_manifest(path, supplier, schema, table.num_rows)
        self.rows[f"{supplier}/{path.name}"] = table.num_rows
