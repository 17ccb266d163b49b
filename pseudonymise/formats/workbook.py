"""XLSX files: the first sheet, read a few thousand rows at a time, with bounds on what the archive may unfold to."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import BLOCK, Batch, BrokenRow, Note, Remark, Source
from pseudonymise.formats.cell_text import CellText
from pseudonymise.formats.header import MAX_COLUMNS, holds_schema_names, match_header
from pseudonymise.schemas import MAX_CELL, DeliverySchema

BATCH_ROWS = 8192
MAX_ENTRIES = 1000
MAX_SHEET = 2 << 30
MAX_SHARED_STRINGS = 256 << 20
MAX_RATIO = 200
_SMALL = 1 << 20
_SHARED = re.compile(r"sharedStrings", re.IGNORECASE)
# A formula whose result was never stored: programs that don't calculate leave it so. A stored empty text is a result.
_UNCALCULATED = re.compile(
    rb"<(?:\w+:)?c\b(?![^>]*\bt=[\"']str[\"'])[^>]*>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>|</(?:\w+:)?c>)"
)


def read_workbook(source: Source, schema: DeliverySchema) -> Iterator[Batch]:
    """The rows of the first sheet under its header.

    Raises:
        BadInput: no XLSX, unfolds beyond the bounds, more than one filled sheet, formulas without results, a header
            that spans two rows, or columns other than the schema's.
    """
    with source.whole() as path, path.open("rb") as handle:
        refuse_bombs(handle, source.name)
        handle.seek(0)
        rows = _sheet_rows(handle, source.name)
        names = _header(rows, schema, source.name)
        yield from _batches(rows, names, schema)


def refuse_bombs(handle: Any, file: str) -> None:
    """Unfold the archive once, keeping nothing, and stop at the first bound that it breaks.

    Raises:
        BadInput: no ZIP archive, too many or too large entries, too high a ratio, or a cell above 1 MiB.
    """
    try:
        with zipfile.ZipFile(handle) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise _bomb(file, "it holds too many parts")
            for entry in entries:
                bound = MAX_SHARED_STRINGS if _SHARED.search(entry.filename) else MAX_SHEET
                if entry.file_size > bound:
                    raise _bomb(file, "a part of it is too large when unfolded")
                if entry.file_size > _SMALL and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
                    raise _bomb(file, f"a part of it unfolds to more than {MAX_RATIO} times its size")
                _refuse_long_cells(archive, entry, file)
                if "worksheets/" in entry.filename:
                    _refuse_uncalculated(archive, entry, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        raise _unreadable(file) from None


def _refuse_long_cells(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: str) -> None:
    """Text between two tags is at most a cell: look at the gaps between ``<`` signs."""
    gap = 0
    with archive.open(entry) as part:
        while block := part.read(BLOCK):
            tags = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("<"))
            if not len(tags):
                gap += len(block)
            else:
                longest = max(gap + int(tags[0]), int(np.diff(tags).max(initial=0)))
                gap = len(block) - int(tags[-1])
                if longest > MAX_CELL and entry.filename.endswith(".xml"):
                    raise _bomb(file, "a cell holds more than 1 MiB")
            if gap > MAX_CELL and entry.filename.endswith(".xml"):
                raise _bomb(file, "a cell holds more than 1 MiB")


def _refuse_uncalculated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: str) -> None:
    """A cell with a formula and no result would be read as empty, and be a wrong value."""
    held = b""
    with archive.open(entry) as part:
        while block := part.read(BLOCK):
            held += block
            if _UNCALCULATED.search(held):
                raise _bomb(file, "it holds formulas without their results, which would be read as empty")
            held = held[max(held.rfind(b"<c "), held.rfind(b":c "), 0) :][-MAX_CELL:]


def _bomb(file: str, message: str) -> BadInput:
    return BadInput(
        "the workbook is refused",
        where=file,
        faults=[Fault(file, "bounds", message)],
        next_step="save only the data, in a new workbook with one sheet, and deliver that",
    )


def _unreadable(file: str) -> BadInput:
    message = "it is no whole XLSX workbook (cut off, protected by a password, or another format)"
    return BadInput("the workbook cannot be read", where=file, faults=[Fault(file, "format", message)])


def _sheet_rows(handle: Any, file: str) -> Iterator[tuple[Any, ...]]:
    from openpyxl import load_workbook

    refused = ""
    try:
        book = load_workbook(handle, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its own size is often wrong
        if any(_is_filled(other) for other in book.worksheets[1:]):
            refused = "more than one of its sheets is filled: one is read, and what the others hold would be lost"
        for row in () if refused else sheet.iter_rows(values_only=True):
            if len(row) > MAX_COLUMNS:
                refused = f"a row has more than {MAX_COLUMNS} columns"
                break
            yield row
        if not refused:
            return
    except Exception:  # noqa: S110 - openpyxl lets errors of every kind through, and they may hold cells
        pass
    raise _bomb(file, refused) if refused else _unreadable(file)


def _is_filled(sheet: Any) -> bool:
    sheet.reset_dimensions()
    return any(cell is not None and cell != "" for row in sheet.iter_rows(values_only=True) for cell in row)


def _header(rows: Iterator[tuple[Any, ...]], schema: DeliverySchema, file: str) -> list[str]:
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
    names, faults = match_header(first, schema, file)
    if faults:
        raise BadInput("the file does not hold what the schema asks for", where=file, faults=faults)
    return names


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
    remarks = tuple(
        Remark(note, name, rows_of)
        for name, (note, kinds) in odd.items()
        if (rows_of := _rows_of_kind(cells[name], kinds, places + first))
    )
    table = pa.table({name: text.column(values) for name, values in cells.items()})
    return Batch(rows, table, tuple(sorted(broken, key=lambda row: row.row)), remarks)


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


def _raw(row: tuple[Any, ...]) -> str:
    return "\t".join("" if cell is None else str(cell) for cell in row)[:MAX_CELL]
