"""Files of filters: a supplier's CSV, and the key register's, each with what they were made under."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pydantic import ValidationError

from enclave.encoding_label import EncodingLabel
from enclave.errors import BadInput, Fault, NotReady, Refused, Tampered
from enclave.files import MAX_SMALL, read_small, replacing, storage_errors, write_text
from enclave.filters import write_filters
from enclave.identifiers import Bytes
from enclave.project import PersonField
from linkage.encodings.encoder import Encoder
from linkage.key_zone import read_batches
from linkage.person_fields import REGISTER_COLUMNS, prepare

FILTER = "clk"
_LABEL, _UNITS = b"zicht encoding", b"zicht units"
_UNIT, _PERSON, _RIN = "unit", "P", "RINPERSOON"
_BATCH = 4 << 20
_MOST_COLUMNS = 1000


@dataclass(frozen=True, slots=True)
class PlainTable:
    """How a supplier's CSV is written: its separator and text encoding."""

    separator: str = ";"
    encoding: Literal["utf-8", "cp1252"] = "utf-8"


def label_path(file: Path) -> Path:
    """Where the label of a file of filters lies: beside it."""
    return file.with_name(f"{file.name}.encoding.json")


def read_label(file: Path) -> EncodingLabel:
    """The label beside a file of filters.

    Raises:
        BadInput: there is none, or it is none.
    """
    path = label_path(file)
    try:
        return EncodingLabel.model_validate_json(read_small(path))
    except FileNotFoundError:
        raise BadInput("it is not said what the filters were made under", where=path.name, next_step=_MAKE) from None
    except ValidationError:
        raise BadInput("this is no label of filters", where=path.name, next_step=_MAKE) from None


_MAKE = "zicht encoding file makes it; for filters of other software, zicht encoding label"


def write_label(file: Path, label: EncodingLabel) -> Path:
    """Write the label of ``file`` beside it."""
    write_text(label_path(file), label.model_dump_json() + "\n")
    return label_path(file)


def encode_table(
    source: Path,
    encoder: Encoder,
    out: Path,
    *,
    columns: Mapping[PersonField, str],
    keep: Sequence[str] = (),
    written: PlainTable | None = None,
) -> int:
    """A CSV of persons → a CSV of their filters (column ``clk``) and the columns to ``keep``; returns the rows.

    With ``columns``, names, dates and addresses are brought into one spelling first (:mod:`linkage.person_fields`),
    and the features are named after the prepared fields; without, features are columns of the file as they stand. The
    label is written beside ``out``.

    Raises:
        BadInput: no CSV, columns missing, a kept column that was encoded, values that break the linkage schema.
    """
    how = written or PlainTable()
    encoded = set(columns.values()) or set(encoder.schema.used)
    refused = sorted(encoded & set(keep))
    if refused:
        faults = [
            Fault(source.name, "keep", "it is encoded, and must not travel beside its filter", n) for n in refused
        ]
        raise BadInput("columns would be handed over in plain beside the filters", where=source.name, faults=faults)
    rows = 0
    with replacing(out, mode=0o600) as temporary, storage_errors(out.name), temporary.open("wb") as handle:
        writer = csv.writer(codecs.getwriter(how.encoding)(handle), delimiter=how.separator, lineterminator="\n")
        writer.writerow([FILTER, *keep])
        for batch in _plain_batches(source, how, [*encoded, *keep]):
            fields = prepare(batch, columns) if columns else batch
            held = {name: fields.column(name) for name in fields.schema.names}
            filters = write_filters(encoder.encode(held, where=source.name, first=rows + 1))
            writer.writerows(zip(filters.to_pylist(), *(batch.column(n).to_pylist() for n in keep), strict=True))
            rows += batch.num_rows
    write_label(out, encoder.label)
    return rows


def _plain_batches(source: Path, how: PlainTable, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    if not source.is_file():
        raise BadInput("there is no such file", where=source.name)
    header = _header(source, how)
    missing = sorted(set(columns) - set(header))
    if missing:
        faults = [Fault(source.name, "column", "it is not in the file", name) for name in missing]
        raise BadInput("the file lacks columns", where=source.name, faults=faults)
    try:
        with pa_csv.open_csv(
            source,
            read_options=pa_csv.ReadOptions(encoding=how.encoding, block_size=_BATCH, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=how.separator, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                include_columns=list(dict.fromkeys(columns)),
                strings_can_be_null=False,
            ),
        ) as reader:
            yield from reader
            return
    except (pa.ArrowException, UnicodeDecodeError):
        pass  # its message may quote the row
    raise BadInput("the file cannot be read as CSV", where=source.name, next_step="--separator, --encoding")


def _header(source: Path, how: PlainTable) -> list[str]:
    """The names in the first row; looked for at the beginning of the file, not to its end."""
    with source.open(encoding=how.encoding, errors="replace", newline="") as text:
        start = io.StringIO(text.read(MAX_SMALL).removeprefix("\ufeff"), newline="")
    with contextlib.suppress(csv.Error):  # its message may quote the row
        header = next(csv.reader(start, delimiter=how.separator), [])
        if len(header) <= _MOST_COLUMNS:
            return header
    raise BadInput(
        f"the first row is no header: it has more than {_MOST_COLUMNS} cells, or one that never ends",
        where=source.name,
        next_step="--separator, --encoding",
    )


def register_file(label: EncodingLabel) -> str:
    """Name of the key register's filters under this label."""
    return f"filters-{label.linkage_schema[:12]}-{label.secret_check[:8]}.parquet"


def encode_register(persons: Path, encoder: Encoder, folder: Path) -> Path:
    """Filters of all persons of the key register, with their units; for the linkage authority, who has the secret.

    Raises:
        NotReady: there is no register. BadInput: its values break the linkage schema.
    """
    if not persons.is_file():
        raise NotReady(f"there is no key register {persons.name}", next_step="see key_register in office.yaml")
    with pq.ParquetFile(persons) as file:
        units = file.metadata.num_rows
    metadata = {_LABEL: encoder.label.model_dump_json().encode(), _UNITS: str(units).encode()}
    size = encoder.label.bits // 8
    schema = pa.schema([(_UNIT, pa.string()), (FILTER, pa.binary(size))], metadata=metadata)
    out, first = folder / register_file(encoder.label), 1
    with replacing(out, mode=0o600) as temporary, storage_errors(out.name):
        with pq.ParquetWriter(temporary, schema, compression="none", use_dictionary=False) as writer:
            for batch in read_batches(persons, [*dict.fromkeys(REGISTER_COLUMNS.values()), _RIN]):
                fields = prepare(batch, REGISTER_COLUMNS)
                held = {name: fields.column(name) for name in fields.schema.names}
                filters = encoder.encode(held, where=persons.name, first=first)
                marked = pc.binary_join_element_wise(_PERSON, batch.column(_RIN).cast(pa.string()), "")
                writer.write_batch(pa.record_batch([marked, fixed(filters)], schema=schema))
                first += batch.num_rows
        temporary.chmod(0o600)
    return out


def fixed(filters: Bytes) -> Any:
    """Filters as a column of fixed-size binaries."""
    rows, size = filters.shape
    held = pa.py_buffer(np.ascontiguousarray(filters))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), rows, [None, held])


def read_register(
    path: Path, label: EncodingLabel, decryption: Callable[[], Any] | None = None
) -> tuple[int, Iterator[tuple[Any, Bytes]]]:
    """How many units, and batches of (units, filters); persons without a unit are left out.

    Raises:
        NotReady: the register was not encoded under this label. Refused: it was encoded under another.
        Tampered: it does not read.
    """
    if not path.is_file():
        raise NotReady(
            "the key register has no filters under this linkage schema and secret",
            where=path.name,
            next_step="the linkage authority runs: zicht encoding register",
        )
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.metadata or {}
            rows = file.metadata.num_rows
            own = EncodingLabel.model_validate_json(found.get(_LABEL, b""))
            declared = int(found.get(_UNITS, b"-1"))
    except (OSError, pa.ArrowException, ValidationError, ValueError):
        raise Tampered(f"{path.name} is no file of the register's filters", next_step="encode it again") from None
    if own != label:
        raise Refused(
            "the key register was encoded by another linkage schema, secret or length than the project says",
            where=path.name,
            next_step="compare zicht encoding label with the project file; then zicht encoding register",
        )
    if rows != declared:
        raise Tampered(f"{path.name} holds other persons than were encoded", next_step="encode it again")
    return rows, _register_batches(path, label, decryption)


def _register_batches(
    path: Path, label: EncodingLabel, decryption: Callable[[], Any] | None
) -> Iterator[tuple[Any, Bytes]]:
    size = label.bits // 8
    for batch in read_batches(path, [_UNIT, FILTER], decryption):
        known = pc.not_equal(batch.column(_UNIT), _PERSON)
        units, filters = batch.column(_UNIT).filter(known), batch.column(FILTER).filter(known)
        held = np.frombuffer(
            filters.buffers()[1], dtype=np.uint8, count=size * len(filters), offset=size * filters.offset
        )
        yield units, held.reshape(len(filters), size)
