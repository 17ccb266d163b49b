"""The office's key register, one kind of unit at a time, as matching by likeness reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import BadInput
from enclave.identifiers import check
from linkage.key_zone import column_names, read_batches
from linkage.unit_model import UnitModel

Decryption = Callable[[], Any] | None
_IDENTIFIER_COLUMNS = ("identifier", "second")


def read_units(units: UnitModel, path: Path, decryption: Decryption) -> pa.RecordBatchReader:
    """Prepared fields of every unit, with ``unit`` (marked key), ``identifier`` and where there are two ``second``.

    Raises:
        BadInput: the register lacks the units' key, an identifier, or all columns to compare by.
    """
    columns = _present(units, path, decryption)
    names = [*units.fields, "unit", *_IDENTIFIER_COLUMNS[: len(units.identifiers)]]
    schema = pa.schema([(name, pa.string()) for name in names])
    return pa.RecordBatchReader.from_batches(schema, _batches(units, path, columns, decryption))


def find_units(units: UnitModel, path: Path, wanted: Any, decryption: Decryption) -> pa.Table:
    """The prepared fields of the units ``wanted`` (marked keys), in their order; an unknown one is null."""
    keys = pc.utf8_slice_codeunits(wanted, 1)
    columns = _present(units, path, decryption)
    parts = [units.prepare(pa.table({name: [""] for name in columns.values()}), columns).slice(1)]
    found = [pa.array([], pa.string())]
    for batch in read_batches(path, [*dict.fromkeys(columns.values()), units.unit], decryption):
        own = batch.column(units.unit).cast(pa.string())
        here = pc.is_in(own, keys)
        if pc.any(here).as_py():
            parts.append(units.prepare(batch.filter(here), columns))
            found.append(own.filter(here))
    return pa.concat_tables(parts).take(pc.index_in(keys, pa.concat_arrays(found)))


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
    for batch in read_batches(path, read, decryption):
        key = pc.binary_join_element_wise(units.mark, batch.column(units.unit).cast(pa.string()), "")
        made = units.prepare(batch, columns).append_column("unit", key)
        for name, (kind, column) in zip(_IDENTIFIER_COLUMNS, units.identifiers.items(), strict=False):
            canonical = check(kind, batch.column(column)).canonical
            made = made.append_column(name, pc.binary_join_element_wise(kind, canonical, ":"))
        yield from made.filter(pc.not_equal(key, units.mark)).to_batches()
