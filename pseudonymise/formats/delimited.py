"""CSV files: cp1252 or UTF-8, quoted line breaks, right record numbers, a batch at a time."""

from __future__ import annotations

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
from pseudonymise.formats.encoding import EncodingSurvey, confirm
from pseudonymise.formats.header import match_header
from pseudonymise.formats.records import Records, scan_records
from pseudonymise.schemas import DeliverySchema

_SEPARATORS = {";": "a semicolon", ",": "a comma", "\t": "a tab", "|": "a vertical bar"}


def read_delimited(source: Source, schema: DeliverySchema) -> Iterator[Batch]:
    """The records of a CSV file.

    Reads the file twice: once to find its encoding, once for the records.

    Raises:
        BadInput: wrong encoding, wrong header, cut off, or quotes that do not pair; all faults known by then.
    """
    survey = EncodingSurvey()
    with source.stream() as handle:
        for block in blocks(handle):
            survey.feed(block)
    encoding, remarks, faults = confirm(survey.detected(), schema.encodings, source.name)
    with source.stream() as handle:
        if survey.detected() in ("utf-16", "binary"):
            raise BadInput("the file cannot be read", where=source.name, faults=faults)
        yield from _read(handle, schema, file=source.name, encoding=encoding, remarks=remarks, faults=faults)


def _read(
    handle: BinaryIO,
    schema: DeliverySchema,
    *,
    file: str,
    encoding: str,
    remarks: tuple[Remark, ...],
    faults: tuple[Fault, ...],
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
    names, wrong = match_header(header, schema, file)
    faults += _wrong_separator(header, schema, file) or wrong
    if faults:
        raise BadInput("the file does not hold what the schema asks for", where=file, faults=faults)
    reader = _RecordReader(schema, names, file, encoding)
    yield reader.batch(_without_header(head), remarks)
    for records in chunks:
        yield reader.batch(records, ())


def _decoded(data: bytes, encoding: str) -> str:
    """Text of whole records; the survey has found every byte to be defined, or has made a fault of it."""
    return data.decode("utf-8" if encoding.startswith("utf-8") else "cp1252", errors="replace")


def _in_utf8(data: bytes, encoding: str) -> bytes:
    """The same text in UTF-8. Most blocks hold few different letters with accents: each is replaced in one quick pass,
    unless a replacement holds the byte of another."""
    if encoding.startswith("utf-8") or data.isascii():
        return data
    codes = np.frombuffer(data, dtype=np.uint8)
    odd = np.flatnonzero(np.bincount(codes[codes >= 128], minlength=256)).tolist()
    letters = {bytes([code]): bytes([code]).decode("cp1252", errors="replace").encode() for code in odd}
    if any(code in utf8 for code in letters for utf8 in letters.values()):
        return _decoded(data, encoding).encode()
    for code, utf8 in letters.items():
        data = data.replace(code, utf8)
    return data


def _header_cells(records: Records, separator: str, encoding: str) -> list[str]:
    line = _decoded(records.data[: records.ends[0]].tobytes(), encoding)[:1_000_000]
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


def _without_header(records: Records) -> Records:
    if len(records) == 1:
        none = np.zeros(0, dtype=np.int64)
        return Records(1, records.data[:0], none, none, none, none.astype(np.bool_))
    cut = int(records.starts[1])
    return Records(
        1,
        records.data[cut:],
        records.starts[1:] - cut,
        records.ends[1:] - cut,
        records.cells[1:],
        records.misquoted[1:],
        records.unfinished,
    )


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
        self._convert = pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
        )

    def batch(self, records: Records, remarks: tuple[Remark, ...]) -> Batch:
        """The well-formed records as columns, the others as broken rows."""
        whole = (records.cells == len(self._names)) & ~records.misquoted
        if records.unfinished and records.cells[-1] < len(self._names):
            message = "the file is cut off: its last row has too few cells and no end"
            row = records.first + len(records) - 1
            raise BadInput(
                "the file is cut off", where=self._file, faults=[Fault(self._file, "truncated", message, rows=(row,))]
            )
        rows = pa.array(np.flatnonzero(whole) + records.first, pa.int64())
        return Batch(rows, self._columns(records, whole), self._broken(records, ~whole), remarks)

    def _columns(self, records: Records, whole: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pa.Table:
        if not whole.any():
            return self._schema.empty_table()
        lengths = records.ends + 1 - records.starts
        data = records.data if whole.all() else records.data[np.repeat(whole, lengths)]
        text = _in_utf8(data.tobytes(), self._encoding)
        options = pacsv.ReadOptions(use_threads=False, column_names=self._names, block_size=len(text) + 1)
        table = None
        with contextlib.suppress(pa.ArrowException):  # its message may hold a row
            table = pacsv.read_csv(
                io.BytesIO(text), read_options=options, parse_options=self._parse, convert_options=self._convert
            )
        if table is None or table.num_rows != int(whole.sum()):
            raise BadInput("the file is not readable as CSV: rows and lines do not agree", where=self._file)
        absent = [name for name in self._schema.names if name not in self._names]
        for name in absent:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
        return table.select(self._schema.names)

    def _broken(self, records: Records, broken: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[BrokenRow, ...]:
        return tuple(
            BrokenRow(
                records.first + place,
                "quotes" if records.misquoted[place] else "cells",
                _decoded(records.data[records.starts[place] : records.ends[place]].tobytes(), self._encoding),
            )
            for place in np.flatnonzero(broken).tolist()
        )
