"""SPSS files (``.sav``, ``.zsav``): values as stored, user-missing values as empty and counted, a batch at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import Batch, Note, Remark, Source
from pseudonymise.formats.cell_text import CellText
from pseudonymise.formats.header import Schemas, match_header
from pseudonymise.formats.spss_bounds import measure_dictionary
from pseudonymise.schemas import DeliverySchema

BATCH_ROWS = 128 * 1024
BATCH_BYTES = 64 << 20


def read_spss(source: Source, schema: DeliverySchema, others: Schemas = tuple) -> Iterator[Batch]:
    """The cases of an SPSS file; codes as stored, not their labels. ``others`` are schemas whose columns it may have.

    SPSS takes a variable's name in capitals for the same, and so does this.

    Raises:
        BadInput: no SPSS file, cut off, beyond a bound, columns other than the schema's, or value labels that
            contradict it.
    """
    with source.whole() as path:
        size = measure_dictionary(path, source.name)
        rows = max(1, min(BATCH_ROWS, BATCH_BYTES // max(size.case_bytes, 1)))
        meta = _metadata(path, source.name)
        spelled = {name.lower(): name for name in schema.names}
        given = [_spelled(name, spelled) for name in meta.column_names]
        names, faults = match_header(given, schema, source.name, others)
        if faults:
            raise BadInput("the file does not hold what the schema asks for", where=source.name, faults=faults)
        text = CellText(schema)
        first = 0
        while True:
            columns, chunk_meta = _cases(path, source.name, first, rows)
            cases = len(columns[0]) if columns else 0
            if cases or not first:
                missing = {_spelled(name, spelled): ranges for name, ranges in chunk_meta.missing_ranges.items()}
                yield _batch(columns, missing, first=first, names=names, text=text, schema=schema)
            first += cases
            if cases < rows:
                return


def _spelled(name: str | None, spelled: Mapping[str, str]) -> str:
    plain = str(name or "").lower()
    return spelled.get(plain, plain)


def _metadata(path: Path, file: str) -> Any:
    return _read(path, file, metadataonly=True)[1]


def _cases(path: Path, file: str, offset: int, rows: int) -> tuple[list[list[Any]], Any]:
    """The columns of one batch, in the order of the file, and what the file declares of them."""
    found, meta = _read(path, file, row_offset=offset, row_limit=rows, user_missing=True, apply_value_formats=False)
    return [list(values) for values in found.values()], meta


def _read(path: Path, file: str, **how: Any) -> tuple[Any, Any]:
    import pyreadstat

    found: tuple[Any, Any] | None = None
    # pyreadstat raises errors of its own and of Python's codecs; they may hold cells
    with contextlib.suppress(Exception):
        found = pyreadstat.read_sav(str(path), output_format="dict", **how)
    if found is None:
        raise _unreadable(file)
    return found


def _unreadable(file: str) -> BadInput:
    message = "it is no whole SPSS file (cut off, damaged, or another format)"
    return BadInput("the file cannot be read", where=file, faults=[Fault(file, "format", message)])


def _batch(
    cells: Sequence[Sequence[Any]],
    missing: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    first: int,
    names: list[str],
    text: CellText,
    schema: DeliverySchema,
) -> Batch:
    by_name = dict(zip(names, cells, strict=True))
    size = len(cells[0])
    rows = np.arange(first + 1, first + 1 + size)
    remarks, columns = [], {}
    for name in schema.names:
        if name not in by_name:
            columns[name] = pa.nulls(size, pa.string())
            continue
        values = _array(by_name[name])
        declared = _declared_missing(values, missing.get(name, ()))
        columns[name] = _text_column(values, declared, text)
        if declared.any():
            remarks.append(Remark(Note.USER_MISSING, name, tuple(rows[declared].tolist())))
    return Batch(pa.array(rows, pa.int64()), pa.table(columns), (), tuple(remarks))


def _array(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Numbers as floats, system-missing as NaN; texts and dates as they are."""
    if set(map(type, values)) <= {float, int, type(None)}:
        return np.array(values, dtype=np.float64)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _declared_missing(
    values: np.ndarray[Any, Any], ranges: Sequence[Mapping[str, Any]]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    found = np.zeros(len(values), dtype=np.bool_)
    for bounds in ranges:
        low, high = bounds["lo"], bounds["hi"]
        if isinstance(low, str):
            stripped = pc.utf8_rtrim_whitespace(pa.array(values.tolist(), pa.string()))
            among = pc.is_in(stripped, pa.array([low.rstrip(), str(high).rstrip()]))
            found |= among.to_numpy(zero_copy_only=False).astype(np.bool_)
        elif values.dtype.kind == "f":
            found |= (values >= low) & (values <= high)
    return found


def _text_column(
    values: np.ndarray[Any, Any], declared: np.ndarray[Any, np.dtype[np.bool_]], text: CellText
) -> pa.Array:
    if values.dtype.kind == "f":
        return text.numbers(np.where(declared, np.nan, values))
    return text.column([None if gone else value for value, gone in zip(values, declared, strict=True)])
