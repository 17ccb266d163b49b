"""All deliveries of a country: written municipality by municipality, the land registry growing along."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthetic.defects import SEMANTIC, Ledger, plant
from synthetic.deliveries import municipal_tables
from synthetic.delivery_files import csv_bytes, delivery_path, sheet_rows, write_manifest, write_sav, write_xlsx
from synthetic.delivery_layouts import (
    CORE_NATIONAL_SCHEMAS,
    IDENTIFIER_COLUMNS,
    LAYOUTS,
    NATIONAL_SUPPLIERS,
    SUPPLYING_MUNICIPALITIES,
)
from synthetic.file_defects import UNACCEPTABLE, Spoiled, assign, assign_full, spoil
from synthetic.more_deliveries import NATIONAL_TABLES, all_municipal_tables
from synthetic.plan import Municipality
from synthetic.town import Town
from synthetic.value_defects import ALL_KINDS, FIRST_KINDS, costs

_TITLES = [["Levering (SYNTHETIC)"], []]
TOLERANCE = 0.1
"""Of every shipped schema: files with a larger share of bad records are rejected whole."""


@dataclass(slots=True)
class _National:
    """A national supplier's one file, which grows municipality by municipality; sheets are written at the end."""

    path: Path
    kinds: tuple[str, ...]
    records: int = 0
    sheet: list[list[object]] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    spoiled: Spoiled = field(default_factory=lambda: Spoiled(pd.DataFrame()))


class DeliveryWriter:
    """Writes the files and manifests; with ``dirty`` also plants the defects and keeps their ledger."""

    def __init__(
        self, folder: Path, plan: tuple[Municipality, ...], *, seed: int, dirty: bool, full: bool = False
    ) -> None:
        self._folder = folder
        self._seed = seed
        self._dirty = dirty
        self._full = full
        self._suppliers = {place.code for place in (plan[:SUPPLYING_MUNICIPALITIES] if full else plan)}
        self._of_files = (assign_full(plan) if full else assign(plan)) if dirty else {}
        self._kinds = ALL_KINDS if full else FIRST_KINDS
        self._ledger = Ledger()
        self.rows: dict[str, int] = {}
        self._national: dict[str, _National] = {}
        for schema in NATIONAL_TABLES if full else CORE_NATIONAL_SCHEMAS:
            path = delivery_path(folder, NATIONAL_SUPPLIERS[schema], schema)
            path.parent.mkdir(parents=True)
            self._national[schema] = _National(path, self._of_files.get((NATIONAL_SUPPLIERS[schema], schema), ()))

    def __enter__(self) -> DeliveryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        for schema, national in self._national.items():
            if national.path.suffix == ".xlsx":
                titles = _TITLES[: national.spoiled.title_rows]
                write_xlsx(national.path, national.header, national.sheet, title_rows=titles)
            write_manifest(national.path, NATIONAL_SUPPLIERS[schema], schema, national.records)
            self.rows[self._named(national.path)] = national.records

    def append(self, town: Town) -> list[tuple[str, pa.Array]]:
        """Write one municipality's files and append what national suppliers know of it.

        Returns kinds and values of the identifiers in them that no register holds, before any defect."""
        held: list[tuple[str, pa.Array]] = []
        if town.place.code in self._suppliers:
            for schema, table in (all_municipal_tables(town) if self._full else municipal_tables(town)).items():
                self._write(town, schema, table)
                held += _own_identifiers(table)
        for schema, national in self._national.items():
            table = NATIONAL_TABLES[schema](town)
            self._append(town, schema, national, table)
            held += _own_identifiers(table)
        return held

    def _append(self, town: Town, schema: str, national: _National, table: pa.Table) -> None:
        first = national.records == 0
        if self._dirty:
            frame = self._planted(town, schema, national.path, table, before=national.records)
            once = self._ledger if first else Ledger()  # a defect of the whole file stands in the ledger once
            national.spoiled = self._spoiled(
                town, national.path, frame, schema=schema, kinds=national.kinds, ledger=once
            )
            national.records += len(frame)
        else:
            national.records += table.num_rows
        if national.path.suffix == ".xlsx":
            national.header = list(national.spoiled.frame.columns) if self._dirty else table.column_names
            national.sheet += _frame_rows(national.spoiled.frame) if self._dirty else sheet_rows(table)
            return
        written = _arrow(national.spoiled.frame) if self._dirty else table
        with national.path.open("ab") as handle:
            handle.write(csv_bytes(written, header=first, encoding=LAYOUTS[schema].encoding))

    def _spoiled(
        self, town: Town, path: Path, frame: pd.DataFrame, *, schema: str, kinds: tuple[str, ...], ledger: Ledger
    ) -> Spoiled:
        return spoil(
            frame,
            kinds,
            schema=schema,
            seed=self._seed,
            first_id=town.place.first_id,
            file=self._named(path),
            ledger=ledger,
        )

    def write_verdicts(self, path: Path) -> None:
        """Write which deliveries can be accepted: file, whether, and the kinds of defects that forbid it."""
        found = self._ledger
        costly = Counter(
            file
            for file, row, column, kind in zip(found.file, found.row, found.column, found.kind, strict=True)
            if row is not None and costs(kind, column)
        )
        fatal: dict[str, set[str]] = {name: set() for name in self.rows}
        for file, row, kind in zip(found.file, found.row, found.kind, strict=True):
            if row is None and kind in UNACCEPTABLE:
                fatal[file].add(kind)
        for file, count in costly.items():
            if count > TOLERANCE * self.rows[file]:
                fatal[file].add("too_many_bad")
        columns = {
            "file": pa.array(sorted(fatal), pa.string()),
            "acceptable": pa.array([not fatal[file] for file in sorted(fatal)]),
            "because": pa.array([" ".join(sorted(fatal[file])) for file in sorted(fatal)], pa.string()),
            "rows": pa.array([self.rows[file] for file in sorted(fatal)], pa.int64()),
        }
        pq.write_table(pa.table(columns), path, compression="zstd")

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
            kinds=self._kinds,
        )

    def _write(self, town: Town, schema: str, table: pa.Table) -> None:
        supplier = town.place.code
        path = delivery_path(self._folder, supplier, schema)
        path.parent.mkdir(parents=True, exist_ok=True)
        spoiled = Spoiled(pd.DataFrame())
        if self._dirty:
            frame = self._planted(town, schema, path, table, before=0)
            kinds = self._of_files.get((supplier, schema), ())
            spoiled = self._spoiled(town, path, frame, schema=schema, kinds=kinds, ledger=self._ledger)
        self._write_data(path, schema, table, spoiled)
        rows = len(spoiled.frame) if self._dirty else table.num_rows
        write_manifest(path, supplier, schema, rows, period=spoiled.period)
        self.rows[self._named(path)] = rows

    def _write_data(self, path: Path, schema: str, table: pa.Table, spoiled: Spoiled) -> None:
        titles = _TITLES[: spoiled.title_rows]
        match path.suffix:
            case ".csv":
                written = _arrow(spoiled.frame) if self._dirty else table
                encoding = spoiled.encoding or LAYOUTS[schema].encoding
                path.write_bytes(spoiled.rewrite(csv_bytes(written, header=True, encoding=encoding)))
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


def _own_identifiers(table: pa.Table) -> Iterator[tuple[str, pa.Array]]:
    for name, kind in IDENTIFIER_COLUMNS.items():
        if name in table.column_names:
            values = table.column(name).cast(pa.string()).combine_chunks()
            yield kind, values.filter(pc.not_equal(values, ""))
