"""All deliveries of a country: written municipality by municipality, the land registry growing along."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from synthetic.defects import SEMANTIC, Ledger, plant
from synthetic.deliveries import NATIONAL_SUPPLIER, land_registry_table, municipal_tables
from synthetic.delivery_files import csv_bytes, delivery_path, sheet_rows, write_manifest, write_sav, write_xlsx
from synthetic.file_defects import Spoiled, assign, spoil
from synthetic.plan import Municipality
from synthetic.town import Town

_NATIONAL = "land_registry"


class DeliveryWriter:
    """Writes the files and manifests; with ``dirty`` also plants the defects and keeps their ledger."""

    def __init__(self, folder: Path, plan: tuple[Municipality, ...], *, seed: int, dirty: bool) -> None:
        self._folder = folder
        self._seed = seed
        self._dirty = dirty
        self._of_files = assign(plan) if dirty else {}
        self._ledger = Ledger()
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
            self.rows[self._named(self._national)] = self._deeds

    def append(self, town: Town) -> None:
        """Write one municipality's three files and append its deeds to the land registry."""
        for schema, table in municipal_tables(town).items():
            self._write(town, schema, table)
        deeds = land_registry_table(town)
        if self._dirty:
            deeds = _arrow(self._planted(town, _NATIONAL, self._national, deeds, before=self._deeds))
        self._handle.write(csv_bytes(deeds, header=self._deeds == 0))
        self._deeds += deeds.num_rows

    def write_ledger(self, path: Path) -> None:
        """Write the ledger of planted defects: file, row (1-based record number or null), column, kind, class."""
        found = self._ledger
        kinds = ["semantic" if kind in SEMANTIC else "syntactic" for kind in found.kind]
        columns = {
            "file": pa.array(found.file, pa.string()),
            "row": pa.array(found.row, pa.int64()),
            "column": pa.array(found.column, pa.string()),
            "kind": pa.array(found.kind, pa.string()),
            "class": pa.array(kinds, pa.string()),
        }
        pq.write_table(pa.table(columns), path, compression="zstd")

    def _named(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _planted(self, town: Town, schema: str, path: Path, table: pa.Table, *, before: int) -> pd.DataFrame:
        return plant(
            _objects(table),
            seed=self._seed,
            stream=schema,
            first_id=town.place.first_id,
            file=self._named(path),
            before=before,
            ledger=self._ledger,
        )

    def _write(self, town: Town, schema: str, table: pa.Table) -> None:
        supplier = town.place.code
        path = delivery_path(self._folder, supplier, schema)
        path.parent.mkdir(parents=True, exist_ok=True)
        spoiled = Spoiled(pd.DataFrame())
        if self._dirty:
            spoiled = spoil(
                self._planted(town, schema, path, table, before=0),
                self._of_files.get((supplier, schema), ()),
                schema=schema,
                seed=self._seed,
                first_id=town.place.first_id,
                file=self._named(path),
                ledger=self._ledger,
            )
        self._write_data(path, table, spoiled)
        rows = len(spoiled.frame) if self._dirty else table.num_rows
        write_manifest(path, supplier, schema, rows, period=spoiled.period)
        self.rows[self._named(path)] = rows

    def _write_data(self, path: Path, table: pa.Table, spoiled: Spoiled) -> None:
        titles = [["Levering schuldhulpverlening (SYNTHETIC)"], []][: spoiled.title_rows]
        match path.suffix:
            case ".csv":
                written = _arrow(spoiled.frame) if self._dirty else table
                path.write_bytes(csv_bytes(written, header=True, encoding=spoiled.encoding))
            case ".xlsx":
                rows = _frame_rows(spoiled.frame) if self._dirty else sheet_rows(table)
                header = list(spoiled.frame.columns) if self._dirty else table.column_names
                write_xlsx(path, header, rows, title_rows=titles)
            case _:
                frame = spoiled.frame if self._dirty else table.to_pandas()
                write_sav(path, frame, spoiled.user_missing)


def _objects(table: pa.Table) -> pd.DataFrame:
    """A frame of Python values for text and dates, so that a cell can become anything."""
    frame = table.to_pandas(date_as_object=True)
    texts = [field.name for field in table.schema if not pa.types.is_integer(field.type)]
    loose: pd.DataFrame = frame.astype(dict.fromkeys(texts, object))
    return loose


def _arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.table({name: pa.array(frame[name].tolist(), pa.string()) for name in frame.columns})


def _frame_rows(frame: pd.DataFrame) -> list[list[object]]:
    columns = [[_cell(value) for value in frame[name].tolist()] for name in frame.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _cell(value: object) -> object:
    if value == "" or value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value
