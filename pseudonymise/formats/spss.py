"""SPSS files (``.sav``, ``.zsav``): values as stored, user-missing values as empty and counted, a batch at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import Batch, Note, Remark, Source
from pseudonymise.formats.cell_text import CellText
from pseudonymise.formats.header import match_header
from pseudonymise.schemas import DeliverySchema

BATCH_ROWS = 128 * 1024


def read_spss(source: Source, schema: DeliverySchema) -> Iterator[Batch]:
    """The cases of an SPSS file; codes as stored, not their labels.

    Raises:
        BadInput: no SPSS file, cut off, columns other than the schema's, or value labels that contradict it.
    """
    with source.whole() as path:
        meta = _metadata(path, source.name)
        names, faults = match_header([str(name or "") for name in meta.column_names], schema, source.name)
        if faults:
            raise BadInput("the file does not hold what the schema asks for", where=source.name, faults=faults)
        text = CellText(schema)
        first = 0
        while True:
            frame, chunk_meta = _cases(path, source.name, first)
            if len(frame) or not first:
                yield _batch(frame, chunk_meta.missing_ranges, first=first, names=names, text=text, schema=schema)
            first += len(frame)
            if len(frame) < BATCH_ROWS:
                return


def _metadata(path: Path, file: str) -> Any:
    return _read(path, file, metadataonly=True)[1]


def _cases(path: Path, file: str, offset: int) -> tuple[Any, Any]:
    return _read(path, file, row_offset=offset, row_limit=BATCH_ROWS, user_missing=True, apply_value_formats=False)


def _read(path: Path, file: str, **how: Any) -> tuple[Any, Any]:
    import pyreadstat

    found: tuple[Any, Any] | None = None
    # pyreadstat raises errors of its own, of pandas and of Python's codecs; they may hold cells
    with contextlib.suppress(Exception):
        found = pyreadstat.read_sav(str(path), **how)
    if found is None:
        raise _unreadable(file)
    return found


def _unreadable(file: str) -> BadInput:
    message = "it is no whole SPSS file (cut off, damaged, or another format)"
    return BadInput("the file cannot be read", where=file, faults=[Fault(file, "format", message)])


def _batch(
    frame: Any,
    missing: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    first: int,
    names: list[str],
    text: CellText,
    schema: DeliverySchema,
) -> Batch:
    frame.columns = names
    rows = np.arange(first + 1, first + 1 + len(frame))
    remarks, columns = [], {}
    for name in schema.names:
        if name not in names:
            columns[name] = pa.nulls(len(frame), pa.string())
            continue
        declared = _declared_missing(frame[name], missing.get(name, ()))
        columns[name] = _text_column(frame[name].mask(declared), text)
        if declared.any():
            remarks.append(Remark(Note.USER_MISSING, name, tuple(rows[declared].tolist())))
    return Batch(pa.array(rows, pa.int64()), pa.table(columns), (), tuple(remarks))


def _declared_missing(values: Any, ranges: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    found = np.zeros(len(values), dtype=np.bool_)
    for bounds in ranges:
        low, high = bounds["lo"], bounds["hi"]
        if isinstance(low, str):
            found |= values.str.rstrip().isin([low.rstrip(), str(high).rstrip()]).to_numpy(dtype=np.bool_)
        else:
            found |= values.between(low, high).to_numpy(dtype=np.bool_)
    return found


def _text_column(values: Any, text: CellText) -> pa.Array:
    if values.dtype.kind in "fiu":
        return text.numbers(values.to_numpy(dtype=np.float64))
    return text.column(values.astype(object).where(values.notna(), None).tolist())
