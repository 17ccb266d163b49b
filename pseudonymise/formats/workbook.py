"""XLSX files: the first sheet, read a few thousand rows at a time, with bounds on what the archive may unfold to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import Batch, BrokenRow, Note, Remark, Source
from pseudonymise.formats.cell_text import CellText
from pseudonymise.formats.header import MAX_COLUMNS, Schemas, holds_schema_names, match_header
from pseudonymise.formats.workbook_bounds import (
    MAX_ROWS,
    Uncalculated,
    refuse_bombs,
    refused_workbook,
    unreadable_workbook,
)
from pseudonymise.schemas import MAX_CELL, DeliverySchema

BATCH_ROWS = 8192


def read_workbook(source: Source, schema: DeliverySchema, others: Schemas = tuple) -> Iterator[Batch]:
    """The rows of the first sheet under its header; ``others`` are schemas whose header it may be instead.

    Formulas without results are told behind the last row, so that all other faults are found too.

    Raises:
        BadInput: no XLSX, unfolds beyond the bounds, more than one filled sheet, formulas without results, a header
            that spans two rows, or columns other than the schema's.
    """
    with source.whole() as path, path.open("rb") as handle:
        uncalculated = refuse_bombs(handle, source.name)
        handle.seek(0)
        rows = _sheet_rows(handle, source.name)
        names, faults = _header(rows, schema, source.name, others)
        formulas = _formula_faults(uncalculated, names, source.name)
        if faults:
            raise BadInput(
                "the file does not hold what the schema asks for", where=source.name, faults=(*faults, *formulas)
            )
        yield from _batches(rows, names, schema)
        if formulas:
            raise BadInput("formulas have no results", where=source.name, faults=formulas)


def _formula_faults(found: Uncalculated, names: Sequence[str], file: str) -> tuple[Fault, ...]:
    """A fault for each column, by the schema's name where it has one, else by the sheet's letter for it."""
    message = "holds formulas without their results, which would be read as empty: save the workbook in Excel first"
    return tuple(
        Fault(
            file,
            "formula",
            message,
            names[place - 1] if 0 < place <= len(names) else letters,
            tuple(row - 1 for row in rows if row > 1),
            count,
        )
        for (place, letters), (rows, count) in sorted(found.items())
    )


def _sheet_rows(handle: Any, file: str) -> Iterator[tuple[Any, ...]]:
    from openpyxl import load_workbook

    refused = ""
    try:
        book = load_workbook(handle, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its own size is often wrong
        if any(_is_filled(other) for other in book.worksheets[1:]):
            refused = "more than one of its sheets is filled: one is read, and what the others hold would be lost"
        for number, row in enumerate(() if refused else sheet.iter_rows(values_only=True), start=1):
            if number > MAX_ROWS:
                refused = f"it has rows beyond number {MAX_ROWS}, the last that a sheet can have"
                break
            if len(row) > MAX_COLUMNS:
                refused = f"a row has more than {MAX_COLUMNS} columns"
                break
            yield row
        if not refused:
            return
    except Exception:  # noqa: S110 - openpyxl lets errors of every kind through, and they may hold cells
        pass
    raise refused_workbook(file, refused) if refused else unreadable_workbook(file)


def _is_filled(sheet: Any) -> bool:
    sheet.reset_dimensions()
    return any(cell is not None and cell != "" for row in sheet.iter_rows(values_only=True) for cell in row)


def _header(
    rows: Iterator[tuple[Any, ...]], schema: DeliverySchema, file: str, others: Schemas
) -> tuple[list[str], tuple[Fault, ...]]:
    first = [str(cell) if cell is not None else "" for cell in next(rows, ())]
    while first and not first[-1]:
        first.pop()
    if not holds_schema_names(first, schema):
        for number, row in enumerate(islice(rows, 5), start=2):
            if holds_schema_names([str(cell) for cell in row if cell is not None], schema):
                message = f"the column names stand in row {number} of the sheet, under a merged or double header"
                raise BadInput(
                    "the header is not in row 1",
                    where=file,
                    faults=[Fault(file, "merged_header", message)],
                    next_step="remove what stands above the column names and undo merged cells",
                )
    return match_header(first, schema, file, others)


def _batches(rows: Iterator[tuple[Any, ...]], names: list[str], schema: DeliverySchema) -> Iterator[Batch]:
    text = CellText(schema)
    odd = _odd_kinds(schema)
    first, blanks, started = 1, 0, False
    while chunk := list(islice(rows, BATCH_ROWS)):
        filled = np.fromiter((any(cell is not None and cell != "" for cell in row) for row in chunk), np.bool_)
        if not filled.any():
            blanks += len(chunk)
            continue
        last = int(np.flatnonzero(filled)[-1]) + 1
        empty = [*range(first, first + blanks), *(np.flatnonzero(~filled[:last]) + first + blanks).tolist()]
        first += blanks
        yield _batch(
            chunk[:last],
            filled[:last],
            first=first,
            empty=empty,
            names=names,
            odd=odd,
            text=text,
            schema=schema,
        )
        first, blanks, started = first + last, len(chunk) - last, True
    if not started:
        yield Batch(pa.array([], pa.int64()), pa.schema([(n, pa.string()) for n in schema.names]).empty_table())


def _batch(
    chunk: list[tuple[Any, ...]],
    filled: np.ndarray[tuple[int], np.dtype[np.bool_]],
    *,
    first: int,
    empty: list[int],
    names: list[str],
    odd: dict[str, tuple[Note, tuple[type, ...]]],
    text: CellText,
    schema: DeliverySchema,
) -> Batch:
    width = len(names)
    places = np.flatnonzero(filled)
    kept = [chunk[place] for place in places.tolist()]
    long = [any(cell is not None for cell in row[width:]) for row in kept]
    broken = [BrokenRow(row, "empty_row", "") for row in empty]
    if any(long):
        broken += [
            BrokenRow(int(places[i]) + first, "cells", _raw(kept[i])) for i, is_long in enumerate(long) if is_long
        ]
        places = places[~np.array(long)]
        kept = [row for row, is_long in zip(kept, long, strict=True) if not is_long]
    columns = dict(zip(names, _transposed(kept, width), strict=True))
    cells = {name: columns.get(name, [None] * len(kept)) for name in schema.names}
    rows = pa.array(places + first, pa.int64())
    remarks = [
        Remark(note, name, rows_of)
        for name, (note, kinds) in odd.items()
        if (rows_of := _rows_of_kind(cells[name], kinds, places + first))
    ]
    for name in [remark.column for remark in remarks if remark.note is Note.TEXT_AS_NUMBER]:
        if rounded := [place for place, value in enumerate(cells[name]) if _is_rounded(value)]:
            remarks.append(Remark(Note.ROUNDED, name, tuple((places[rounded] + first).tolist())))
            cells[name] = [f"{value:.5E}" if _is_rounded(value) else value for value in cells[name]]
    table = pa.table({name: text.column(values) for name, values in cells.items()})
    return Batch(rows, table, tuple(sorted(broken, key=lambda row: row.row)), tuple(remarks))


def _transposed(rows: Sequence[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    padded = [row[:width] if len(row) >= width else row + (None,) * (width - len(row)) for row in rows]
    return list(zip(*padded, strict=True)) if padded else [()] * width


def _odd_kinds(schema: DeliverySchema) -> dict[str, tuple[Note, tuple[type, ...]]]:
    """Per column the kinds of cell that the supplier should know of."""
    odd: dict[str, tuple[Note, tuple[type, ...]]] = {}
    for column in schema.columns:
        if column.type in ("integer", "decimal"):
            odd[column.name] = (Note.NUMBER_AS_TEXT, (str,))
        elif column.type in ("identifier", "code"):
            odd[column.name] = (Note.TEXT_AS_NUMBER, (int, float))
    return odd


def _rows_of_kind(values: Sequence[Any], kinds: tuple[type, ...], rows: np.ndarray[Any, Any]) -> tuple[int, ...]:
    if set(map(type, values)).isdisjoint(kinds):
        return ()
    found = np.fromiter((type(value) in kinds for value in values), np.bool_, len(values))
    return tuple(rows[found].tolist())


def _is_rounded(value: Any) -> bool:
    """A sheet keeps 15 digits of a number and makes the others 0: an identifier that ends so is another one, and is
    handed on as the sheet shows it, which no identifier looks like."""
    return type(value) in (int, float) and abs(value) >= 10**15 and value % 10 == 0


def _raw(row: tuple[Any, ...]) -> str:
    return "\t".join("" if cell is None else str(cell) for cell in row)[:MAX_CELL]
