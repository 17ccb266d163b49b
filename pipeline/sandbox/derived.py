"""Taking derived frames out of a sandbox: declared names and columns, codes from code lists, one row per record.

The files were written beside untrusted code. They are read batch by batch, checked, and written anew, so that nothing
but the checked columns comes along: no further file, no metadata, no bytes between pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from enclave.classifications import Classification
from enclave.errors import BadInput, Refused
from enclave.files import replacing_folder, write_bytes
from enclave.frames import FrameManifest, manifest_columns, streamed, writing_frame
from enclave.requests import OutputRequest, dump_requests
from pipeline.sandbox.job import REPORT_NAME

REQUESTS_NAME = "requests.json"
_BATCH_ROWS = 128 * 1024
_TYPES = (pa.int64(), pa.float64(), pa.string())


@dataclass(slots=True)
class FrameRules:
    """What the requests allow a derived frame to hold."""

    record: tuple[str, ...]
    keys: set[str] = field(default_factory=set)
    coded: dict[str, set[str]] = field(default_factory=dict)
    plain: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)

    def columns(self) -> set[str]:
        """Every column that the frame must have; it may have no other."""
        return {*self.record, *self.keys, *self.coded, *self.plain, *self.flags}


def rules_of(requests: Sequence[OutputRequest]) -> dict[str, FrameRules]:
    """The rules per derived frame.

    Raises:
        Refused: two requests disagree on what a record of one derived frame is.
    """
    found: dict[str, FrameRules] = {}
    for request in requests:
        record = (request.record, request.period) if request.period else (request.record,)
        rules = found.setdefault(request.derivation, FrameRules(record))
        if rules.record != record:
            raise Refused(f"requests disagree on the record of derived frame {request.derivation}")
        rules.keys |= {request.record, request.unit}
        _add_columns(rules, request)
    return found


def _add_columns(rules: FrameRules, request: OutputRequest) -> None:
    for column, classification in request.coded():
        rules.coded.setdefault(column, set()).add(classification)
    rules.plain |= {*request.numbers(), *request.categories()}
    rules.flags |= set(request.flags())


def check_contents(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder that holds anything but the report and one Parquet file per derived frame."""
    expected = {REPORT_NAME, *(f"{name}.parquet" for name in names)}
    found = {entry.name for entry in folder.iterdir() if entry.is_file() and not entry.is_symlink()}
    if expected - found:
        raise Refused("a derived frame that a request names was not written")
    others = sum(1 for _ in folder.iterdir()) - len(expected)
    if others:
        raise Refused(
            f"the analysis left {others} further files in its output folder; nothing was kept",
            next_step="return output requests and derived frames; records and files never leave",
        )


@dataclass(frozen=True, slots=True)
class Outlet:
    """The way out of a sandbox: the folder it wrote to, and what the frames' manifests will say but for columns."""

    made: Path
    manifest: FrameManifest
    lists: Mapping[str, Classification]
    roles: Mapping[str, str]

    def keep(self, out: Path, requests: tuple[OutputRequest, ...], rules: Mapping[str, FrameRules]) -> dict[str, Path]:
        """Check every derived frame, and only then let ``out`` appear; raises as :func:`take_frame`."""
        with replacing_folder(out) as folder:
            for name, rule in sorted(rules.items()):
                take_frame(self, name, rule, folder)
            write_bytes(folder / REQUESTS_NAME, dump_requests(requests))
        return {name: out / f"{name}.parquet" for name in sorted(rules)}


def take_frame(outlet: Outlet, name: str, rules: FrameRules, folder: Path) -> None:
    """Check the derived frame ``name`` and write it to ``folder``.

    Raises:
        Refused: other columns or types, text that is not from a code list, a missing or recurring record.
        BadInput: the file is not readable.
    """
    try:
        with streamed(outlet.made / f"{name}.parquet") as file:
            schema = _checked_schema(file.schema_arrow, rules, name)
            allowed = _allowed_codes(schema, rules, outlet.lists, name)
            described = outlet.manifest.model_copy(
                update={"name": name, "columns": manifest_columns(schema, outlet.roles)}
            )
            order = _Order(rules.record, name)
            with writing_frame(folder / f"{name}.parquet", described, schema) as sink:
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=schema.names):
                    _check_values(batch, rules, allowed, name)
                    order.check(batch)
                    sink.write(batch)
    except (OSError, UnicodeDecodeError, pa.ArrowException):
        raise BadInput("the derived frame is not a whole Parquet file", where=name) from None


def _checked_schema(schema: pa.Schema, rules: FrameRules, name: str) -> pa.Schema:
    """The schema without metadata, record and keys first."""
    missing = sorted(rules.columns() - set(schema.names))
    if missing:
        raise Refused(f"requests name columns that are not derived: {', '.join(missing)}", where=name)
    extra = len(schema.names) - len(rules.columns())
    if extra:
        raise Refused(
            f"the derived frame has {extra} columns that no request names; only named columns leave the sandbox",
            where=name,
            next_step=f"select exactly: {', '.join(sorted(rules.columns()))}",
        )
    wrong = [
        f"{field.name} ({wanted})"
        for field in schema
        for wanted in (_wanted_type(field.name, rules),)
        if field.type not in _TYPES or (wanted == "whole numbers" and field.type != pa.int64())
    ]
    if wrong:
        raise Refused(f"columns of the derived frame have another type: {', '.join(sorted(wrong))}", where=name)
    first = list(dict.fromkeys([*rules.record, *sorted(rules.keys)]))
    ordered = [*first, *(column for column in sorted(schema.names) if column not in first)]
    return pa.schema([pa.field(column, schema.field(column).type) for column in ordered])


def _wanted_type(column: str, rules: FrameRules) -> str:
    whole = column in rules.keys or column in rules.record or column in rules.flags
    return "whole numbers" if whole else "whole numbers, decimal numbers or codes"


def _allowed_codes(
    schema: pa.Schema, rules: FrameRules, lists: Mapping[str, Classification], name: str
) -> dict[str, list[pa.Array]]:
    """Text column -> the code lists of which one must hold all its values."""
    unknown = sorted({one for wanted in rules.coded.values() for one in wanted} - set(lists))
    if unknown:
        raise Refused(f"requests name classifications that do not exist: {', '.join(unknown)}", where=name)
    allowed: dict[str, list[pa.Array]] = {}
    for column in schema:
        if column.type != pa.string() and column.name not in rules.coded:
            continue
        if column.type != pa.string():
            raise Refused(f"column {column.name} must hold codes as text", where=name)
        wanted = rules.coded.get(column.name, set(lists))
        allowed[column.name] = [
            pa.array([code.code for code in lists[one].codes], pa.string()) for one in sorted(wanted)
        ]
        if column.name in rules.coded and len(wanted) > 1:
            raise Refused(f"column {column.name} is coded by two classifications", where=name)
    return allowed


def _check_values(batch: pa.RecordBatch, rules: FrameRules, allowed: dict[str, list[pa.Array]], name: str) -> None:
    """Codes from code lists, 0/1 outcomes, no missing keys. Narrows ``allowed`` to lists that still fit."""
    for column, lists in allowed.items():
        fitting = [codes for codes in lists if _outside(batch[column], codes) == 0]
        if not fitting:
            rows = min(_outside(batch[column], codes) for codes in lists) if lists else batch.num_rows
            raise Refused(
                f"column {column} holds text that is in no declared code list, in {rows} or more rows",
                where=name,
                next_step="derived frames hold codes of classifications, never free text",
            )
        allowed[column] = fitting
    for column in sorted({*rules.keys, *rules.record} & set(batch.schema.names)):
        if batch[column].null_count:
            raise Refused(f"column {column} is missing in {batch[column].null_count} or more rows", where=name)
    for column in sorted(rules.flags):
        rows = _outside(batch[column], pa.array([0, 1], pa.int64()))
        if rows:
            raise Refused(f"outcome {column} is neither 0 nor 1 in {rows} or more rows", where=name)


def _outside(values: pa.Array, codes: pa.Array) -> int:
    return len(values) - int(pc.sum(pc.is_in(values, value_set=codes), min_count=0).as_py())


class _Order:
    """Records must rise strictly from row to row, over batches: sorted, and none twice."""

    def __init__(self, record: tuple[str, ...], name: str) -> None:
        self._record = record
        self._name = name
        self._last: list[pa.Array] = []

    def check(self, batch: pa.RecordBatch) -> None:
        """Refuse a batch in which a record doesn't come after the one before it."""
        columns = [batch[column] for column in self._record]
        if self._last:
            columns = [pa.concat_arrays([before, now]) for before, now in zip(self._last, columns, strict=True)]
        rises = ties = pa.nulls(0, pa.bool_())
        for column in columns:
            earlier, later = column.slice(0, len(column) - 1), column.slice(1)
            greater, equal = pc.greater(later, earlier), pc.equal(later, earlier)
            rises = pc.or_(rises, pc.and_(ties, greater)) if len(ties) else greater
            ties = pc.and_(ties, equal) if len(ties) else equal
        falls = len(rises) - int(pc.sum(rises, min_count=0).as_py())
        if falls:
            raise Refused(
                f"{' and '.join(self._record)} recur in {falls} or more rows; a record stands in one row",
                where=self._name,
                next_step="derive one row per record, or name the column that tells them apart as the `period`",
            )
        self._last = [column.slice(len(column) - 1) for column in columns]
