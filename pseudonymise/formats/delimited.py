"""CSV files: cp1252 or UTF-8, quoted line breaks, right record numbers, a batch at a time."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from enclave.errors import BadInput, Fault
from pseudonymise.formats.batch import Batch, BrokenRow, Remark, Source, blocks
from pseudonymise.formats.encoding import NO_TEXT, EncodingSurvey, confirm
from pseudonymise.formats.header import OTHER_SCHEMA, Schemas, match_header
from pseudonymise.formats.records import Records, scan_records
from pseudonymise.schemas import DeliverySchema

_MOST_BROKEN = 100_000
_SEPARATORS = {";": "a semicolon", ",": "a comma", "\t": "a tab", "|": "a vertical bar"}


def read_delimited(source: Source, schema: DeliverySchema, others: Schemas = tuple) -> Iterator[Batch]:
    """The records of a CSV file; ``others`` are schemas whose header it may have instead.

    Reads the file twice: once to find its encoding, once for the records.

    Raises:
        BadInput: wrong encoding, wrong header, cut off, or quotes that do not pair; all faults known by then.
    """
    survey = EncodingSurvey()
    with source.stream() as handle:
        for block in blocks(handle):
            survey.feed(block)
    encoding, remarks, faults = confirm(survey.detected(), schema.encodings, source.name, forms=schema.formats)
    if survey.detected() in NO_TEXT:
        raise BadInput("the file cannot be read", where=source.name, faults=faults)
    with source.stream() as handle:
        yield from _read(
            handle, schema, file=source.name, encoding=encoding, remarks=remarks, faults=faults, others=others
        )


def _read(
    handle: BinaryIO,
    schema: DeliverySchema,
    *,
    file: str,
    encoding: str,
    remarks: tuple[Remark, ...],
    faults: tuple[Fault, ...],
    others: Schemas,
) -> Iterator[Batch]:
    if encoding.endswith("-sig"):
        handle.read(3)
    chunks = scan_records(handle, schema.separator, file)
    head = next(chunks, None)
    if head is None:
        raise BadInput(
            "the file is empty", where=file, faults=[*faults, Fault(file, "empty", "the file holds no rows")]
        )
    header = _header_cells(head, schema.separator, encoding)
    names, wrong = match_header(header, schema, file, others)
    another = any(fault.check == OTHER_SCHEMA for fault in wrong)  # whose encoding is another matter
    faults = wrong if another else (*faults, *(_wrong_separator(header, schema, file) or wrong))
    if faults:
        raise BadInput("the file does not hold what the schema asks for", where=file, faults=faults)
    reader = _RecordReader(schema, names, file, encoding)
    for records in chunks:
        for batch in reader.batches(records, remarks):
            yield batch
            remarks = ()


def _decoded(data: bytes, encoding: str) -> str:
    """Text of whole records; the survey has found every byte to be defined, or has made a fault of it."""
    return data.decode("utf-8" if encoding.startswith("utf-8") else "cp1252", errors="replace")


_UTF8_BYTES = np.array([len(bytes([code]).decode("cp1252", errors="replace").encode()) for code in range(256)])


def text_of(cells: pa.BinaryArray) -> pa.StringArray:
    """Cells that came in cp1252. ASCII is the same text in UTF-8: most columns are taken as they stand."""
    validity, places, bytes_ = cells.buffers()
    offsets = np.frombuffer(places, dtype=np.int32, count=len(cells) + 1)
    data = np.frombuffer(bytes_ or b"", dtype=np.uint8)
    if data.max(initial=0) >= 128:
        odd = np.flatnonzero(data >= 128)
        longer = np.append(0, np.cumsum(_UTF8_BYTES[data[odd]] - 1))
        places = pa.py_buffer((offsets + longer[np.searchsorted(odd, offsets)]).astype(np.int32))
        bytes_ = pa.py_buffer(_decoded(data.tobytes(), "cp1252").encode())
    return pa.StringArray.from_buffers(len(cells), places, bytes_, validity, cells.null_count)


def _header_cells(records: Records, separator: str, encoding: str) -> list[str]:
    line = _decoded(records.data[:-1], encoding)[:1_000_000]
    try:
        return next(csv.reader(io.StringIO(line, newline=""), delimiter=separator), [])
    except csv.Error:
        return []


def _wrong_separator(header: list[str], schema: DeliverySchema, file: str) -> tuple[Fault, ...]:
    if len(header) > 1 or len(schema.columns) == 1:
        return ()
    for other, shown in _SEPARATORS.items():
        if len("".join(header).split(other)) == len(schema.columns):
            message = f"values are separated by {shown}, not by {_SEPARATORS[schema.separator]}"
            return (Fault(file, "separator", message),)
    return ()


class _RecordReader:
    """Turns records into text columns in the schema's order."""

    def __init__(self, schema: DeliverySchema, names: list[str], file: str, encoding: str) -> None:
        self._names = names
        self._file = file
        self._encoding = encoding
        self._schema = pa.schema([(name, pa.string()) for name in schema.names])
        self._parse = pacsv.ParseOptions(
            delimiter=schema.separator, newlines_in_values=True, ignore_empty_lines=len(names) > 1
        )
        self._is_text = encoding.startswith("utf-8")
        self._convert = pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string() if self._is_text else pa.binary()),
            null_values=[""],
            strings_can_be_null=True,
        )

    def batches(self, records: Records, remarks: tuple[Remark, ...]) -> Iterator[Batch]:
        """The well-formed records as columns, the others as broken rows, of which a batch may hold so many only.

        The CSV parser counts cells as well: if it finds a row of so many cells in each record, none need be counted
        here.
        """
        if records.may_all_have(len(self._names)):
            table = self._parsed(records.data, len(records))
            if table is not None:
                rows = np.arange(records.first, records.first + len(records))
                yield Batch(pa.array(rows, pa.int64()), table, (), remarks)
                return
        for piece in records.pieces(_MOST_BROKEN, self._parse.delimiter):
            yield self._batch_with_broken(piece, remarks)
            remarks = ()

    def _batch_with_broken(self, records: Records, remarks: tuple[Remark, ...]) -> Batch:
        cells = records.cells
        whole = (cells == len(self._names)) & ~records.misquoted
        if records.unfinished and cells[-1] < len(self._names):
            message = "the file is cut off: its last row has too few cells and no end"
            row = records.first + len(records) - 1
            raise BadInput(
                "the file is cut off", where=self._file, faults=[Fault(self._file, "truncated", message, rows=(row,))]
            )
        kept = np.frombuffer(records.data, dtype=np.uint8)[np.repeat(whole, records.ends + 1 - records.starts)]
        table = self._parsed(kept.tobytes(), int(whole.sum()))
        if table is None:
            raise BadInput("the file is not readable as CSV: rows and lines do not agree", where=self._file)
        rows = pa.array(np.flatnonzero(whole) + records.first, pa.int64())
        return Batch(rows, table, self._broken(records, ~whole), remarks)

    def _parsed(self, data: bytes, rows: int) -> pa.Table | None:
        """The columns of whole records; None when the parser finds other rows than those."""
        if not rows:
            return self._schema.empty_table()
        if data.startswith(codecs.BOM_UTF8):
            data = codecs.BOM_UTF8 + data  # the parser takes the first away: it is one at the start of a file alone
        options = pacsv.ReadOptions(use_threads=False, column_names=self._names, block_size=len(data) + 1)
        table = None
        with contextlib.suppress(pa.ArrowException):  # its message may hold a row
            table = pacsv.read_csv(
                pa.BufferReader(data), read_options=options, parse_options=self._parse, convert_options=self._convert
            )
        if table is None or table.num_rows != rows:
            return None
        return pa.table([self._column(table, name) for name in self._schema.names], schema=self._schema)

    def _column(self, table: pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
        if name not in self._names:
            return pa.nulls(table.num_rows, pa.string())
        column = table.column(name)
        return column if self._is_text else pa.chunked_array(map(text_of, column.chunks), pa.string())

    def _broken(self, records: Records, broken: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[BrokenRow, ...]:
        starts, ends, misquoted = records.starts, records.ends, records.misquoted
        return tuple(
            BrokenRow(
                records.first + place,
                "quotes" if misquoted[place] else "cells",
                _decoded(records.data[starts[place] : ends[place]], self._encoding),
            )
            for place in np.flatnonzero(broken).tolist()
        )
