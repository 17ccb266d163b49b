"""The office's key register, one kind of unit at a time, as matching by likeness reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import BadInput
from enclave.identifiers import check
from linkage.key_zone import column_names, read_batches
from linkage.unit_model import UnitModel

Decryption = Callable[[], Any] | None
ROW = "register_row"
BESIDE, NOTHING = " | ", "–"
_IDENTIFIER_COLUMNS = ("identifier", "second")


def read_units(units: UnitModel, path: Path, decryption: Decryption) -> pa.RecordBatchReader:
    """Prepared fields of every unit, with ``unit`` (marked key), ``identifier`` and where there are two ``second``;
    where a unit may have several rows, ``register_row`` its place in the file.

    Raises:
        BadInput: the register lacks the units' key, an identifier, or all columns to compare by.
    """
    columns = _present(units, path, decryption)
    names = [
        *units.fields,
        "unit",
        *_IDENTIFIER_COLUMNS[: len(units.identifiers)],
        *([ROW] if units.several_rows else []),
    ]
    schema = pa.schema([(name, pa.string()) for name in names])
    return pa.RecordBatchReader.from_batches(schema, _batches(units, path, columns, decryption))


def find_units(units: UnitModel, path: Path, wanted: Any, rows: Any, decryption: Decryption) -> pa.Table:
    """The prepared fields of the units ``wanted`` (marked keys), in their order; an unknown one is null.

    Where a unit has several rows, values that differ stand beside each other, those of the row in ``rows`` first.
    """
    columns = _present(units, path, decryption)
    keys = pc.utf8_slice_codeunits(wanted, 1)
    read = [*dict.fromkeys(columns.values()), units.unit]
    parts = [units.prepare(pa.table({name: [""] for name in columns.values()}), columns).slice(1)]
    own, places, before = [pa.array([], pa.string())], [pa.array([], pa.string())], 0
    for batch in read_batches(path, read, decryption):
        unit = batch.column(units.unit).cast(pa.string())
        here = pc.is_in(unit, keys)
        if pc.any(here).as_py():
            parts.append(units.prepare(batch.filter(here), columns))
            own.append(unit.filter(here))
            places.append(_places(before, batch.num_rows).filter(here))
        before += batch.num_rows
    found = pa.concat_tables(parts).append_column("unit", pa.concat_arrays(own))
    return _beside(units, found.append_column(ROW, pa.concat_arrays(places)), keys, rows)


def _beside(units: UnitModel, found: pa.Table, keys: Any, rows: Any) -> pa.Table:
    """Per wanted unit its rows as one; a sample's few hundred."""
    of_unit: dict[str, list[dict[str, str | None]]] = {}
    for row in found.to_pylist():
        of_unit.setdefault(row["unit"], []).append(row)
    made: dict[str, list[str | None]] = {name: [] for name in units.fields}
    for key, first in zip(keys.to_pylist(), rows.to_pylist(), strict=True):
        ordered = sorted(of_unit.get(key, []), key=lambda row: row[ROW] != first)
        for name, values in made.items():
            said = [row[name] for row in ordered]
            values.append(BESIDE.join(v or NOTHING for v in said) if len(set(said)) > 1 else next(iter(said), None))
    return pa.table({name: pa.array(values, pa.string()) for name, values in made.items()})


def _present(units: UnitModel, path: Path, decryption: Decryption) -> dict[Any, str]:
    names = set(column_names(path, decryption))
    missing = sorted({units.unit, *units.identifiers.values()} - names)
    columns = {field: column for field, column in units.register_columns.items() if column in names}
    if missing or not columns:
        raise BadInput(
            f"the key register lacks {', '.join(missing) or 'every column to compare by'}",
            where=path.name,
            next_step="see docs/how-to/link-by-name.md",
        )
    return columns


def _batches(units: UnitModel, path: Path, columns: dict[Any, str], decryption: Decryption) -> Iterator[pa.RecordBatch]:
    read = [*dict.fromkeys([*columns.values(), *units.identifiers.values(), units.unit])]
    before = 0
    for batch in read_batches(path, read, decryption):
        key = pc.binary_join_element_wise(units.mark, batch.column(units.unit).cast(pa.string()), "")
        made = units.prepare(batch, columns).append_column("unit", key)
        for name, (kind, column) in zip(_IDENTIFIER_COLUMNS, units.identifiers.items(), strict=False):
            canonical = check(kind, batch.column(column)).canonical
            made = made.append_column(name, pc.binary_join_element_wise(kind, canonical, ":"))
        if units.several_rows:
            made = made.append_column(ROW, _places(before, batch.num_rows))
        before += batch.num_rows
        yield from made.filter(pc.not_equal(key, units.mark)).to_batches()


def _places(before: int, rows: int) -> Any:
    return pa.array(np.arange(before, before + rows)).cast(pa.string())
