"""Typed frames: one Parquet file whose zone is a type parameter and a fact written inside the file.

``Frame[Identified]`` cannot be passed where ``Frame[Linked]`` is wanted: ``mypy --strict`` rejects the call (the type
parameter is invariant), and :func:`open_frame` rejects the file at run time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from enclave.encrypted_files import DataKey, EncryptedWriter
from enclave.errors import BadInput, NotReady, Tampered, WrongZone
from enclave.files import Replacing, replacing, storage_errors
from enclave.fingerprints import digest_file
from enclave.zones import Tag, Zone

MANIFEST_KEY = b"zicht.frame"
ROW_GROUP_ROWS = 128 * 1024


class Column(BaseModel):
    """One column of a frame: its name, Arrow type, and what it is for.

    ``role``: ``key:<kind>`` (unit key of a person, object, entity, household, family or holding), ``status:<kind>``,
    ``record`` (row number in the delivery), ``identifier`` (identified zone only), ``attribute``, ``text``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    type: str
    role: str = "attribute"


class FrameManifest(BaseModel):
    """What a frame says of itself; stored in the Parquet file's metadata. Holds no cell value."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    zone: Zone
    name: str
    project: str
    columns: tuple[Column, ...]
    made_by: str
    parents: Mapping[str, str] = {}
    key_ids: Mapping[str, str] = {}
    period: str = ""
    retention_date: str = ""

    def column_names(self, role: str) -> tuple[str, ...]:
        """Names of the columns whose role is ``role`` or starts with ``role:``."""
        return tuple(c.name for c in self.columns if c.role == role or c.role.startswith(f"{role}:"))


@final
@dataclass(frozen=True, slots=True)
class Frame(Generic[Tag]):
    """A finished Parquet file in a zone; made by :func:`writing_frame`, opened by :func:`open_frame`."""

    path: Path
    tag: type[Tag]
    manifest: FrameManifest
    rows: int

    def digest(self) -> str:
        """SHA-256 of the file."""
        return digest_file(self.path)


def streamed(path: Path, *, decryption: Any = None) -> pq.ParquetFile:
    """The Parquet file, to be read batch by batch in bounded memory.

    pyarrow's own default reads ahead into a buffer that keeps every row group until the file is closed.
    """
    return pq.ParquetFile(path, decryption_properties=decryption, pre_buffer=False)


def open_frame(path: Path, tag: type[Tag], *, sha256: str | None = None, decryption: Any = None) -> Frame[Tag]:
    """Open a frame of zone ``tag``; with ``sha256`` also check that its bytes are the journalled ones.

    Raises:
        NotReady: no such file.
        Tampered: the digest differs, or the file is no readable Parquet.
        WrongZone: the file says it belongs to another zone.
    """
    if not path.is_file():
        raise NotReady(f"there is no frame {path.stem}", next_step="run the step that makes it: zicht status")
    if sha256 is not None and digest_file(path) != sha256:
        raise Tampered(
            f"the bytes of {path.name} differ from what was journalled",
            where=tag.zone.value,
            next_step="restore the file, or run the step that made it again",
        )
    try:
        with pq.ParquetFile(path, decryption_properties=decryption) as file:
            meta = file.schema_arrow.metadata or {}
            rows = file.metadata.num_rows
    except (OSError, UnicodeDecodeError, pa.ArrowException):
        raise Tampered(
            f"{path.name} is not a whole Parquet file, or not under this key", where=tag.zone.value
        ) from None
    if MANIFEST_KEY not in meta:
        raise WrongZone(f"{path.name} is not a frame of Zicht", where=tag.zone.value)
    try:
        manifest = FrameManifest.model_validate_json(meta[MANIFEST_KEY])
    except ValidationError:
        raise Tampered(f"what {path.name} says of itself is not readable", where=tag.zone.value) from None
    if manifest.zone is not tag.zone:
        raise WrongZone(f"{path.name} belongs to zone {manifest.zone.value}, not {tag.zone.value}")
    return Frame(path, tag, manifest, rows)


class FrameSink:
    """Where a step puts its batches; cuts row groups of a fixed size, so that the bytes don't depend on the batches."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._pending: list[pa.Table] = []
        self._held = 0
        self.rows = 0

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Append rows; the columns must be those of the schema, in any order."""
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        table = table.select(self._schema.names).cast(self._schema)
        self._pending.append(table)
        self._held += table.num_rows
        self.rows += table.num_rows
        while self._held >= ROW_GROUP_ROWS:
            self._flush(ROW_GROUP_ROWS)

    def _flush(self, rows: int) -> None:
        held = pa.concat_tables(self._pending)
        self._writer.write_table(held.slice(0, rows).combine_chunks(), row_group_size=ROW_GROUP_ROWS)
        rest = held.slice(rows)
        self._pending = [rest] if rest.num_rows else []
        self._held = rest.num_rows

    def finish(self) -> None:
        """Write what is left."""
        if self._held:
            self._flush(self._held)


@contextlib.contextmanager
def writing_frame(
    path: Path,
    manifest: FrameManifest,
    schema: pa.Schema,
    *,
    encryption: Any = None,
    key: DataKey | None = None,
    mode: int = 0o440,
    replace: Replacing = replacing,
) -> Iterator[FrameSink]:
    """Write a frame atomically: the file appears under ``path`` only when the block ends without an error.

    The manifest's columns must be the schema's, in order. ``encryption`` is pyarrow's file encryption properties; with
    ``key`` the whole file lies encrypted (:mod:`enclave.encrypted_files`), and no plain byte reaches the disk.
    ``replace``: for frames that are written together (:func:`enclave.files.together`).
    """
    if [c.name for c in manifest.columns] != schema.names:
        raise BadInput(f"the manifest of frame {manifest.name} names other columns than its schema")
    described = schema.with_metadata({MANIFEST_KEY: manifest.model_dump_json().encode()})
    plain_hashes = [field.name for field in schema if not pa.types.is_fixed_size_binary(field.type)]
    with (
        replace(path, mode=mode) as temporary,
        storage_errors(path.name),
        _target(temporary, key, f"{manifest.zone.value}/{manifest.name}") as target,
        pq.ParquetWriter(
            target,
            described,
            compression="zstd",
            use_dictionary=plain_hashes or False,
            encryption_properties=encryption,
            write_page_index=False,
        ) as writer,
    ):
        sink = FrameSink(writer, described)
        yield sink
        sink.finish()


@contextlib.contextmanager
def _target(path: Path, key: DataKey | None, label: str) -> Iterator[Path | EncryptedWriter]:
    """What Parquet is written to: the file itself, or what encrypts into it."""
    if key is None:
        yield path
        return
    with path.open("wb") as file:
        writer = EncryptedWriter(file, key, label)
        yield writer
        writer.finish()


def manifest_columns(schema: pa.Schema, roles: Mapping[str, str]) -> tuple[Column, ...]:
    """Describe ``schema``; columns without a role in ``roles`` are attributes."""
    return tuple(Column(name=f.name, type=str(f.type), role=roles.get(f.name, "attribute")) for f in schema)
