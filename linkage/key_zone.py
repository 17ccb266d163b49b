"""Files of one project in the key zone: written atomically, encrypted when the caller gives the means."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from enclave.errors import KeyUnavailable, Tampered
from enclave.files import replacing, storage_errors
from enclave.frames import streamed

BATCH_ROWS = 64 * 1024
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class KeyZone:
    """The folder of a project's key tables, ``keys/<project>``.

    ``encryption`` and ``decryption`` make pyarrow's file properties, new ones for every file; None leaves the tables
    plain, which only tests and a demo on an encrypted disk may do.
    """

    folder: Path
    encryption: Callable[[], Any] | None = None
    decryption: Callable[[], Any] | None = None

    @contextlib.contextmanager
    def writing(self, name: str, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
        """Yield a sink for batches; the table ``name`` appears, fsynced, when the block ends without an error."""
        with (
            replacing(self.folder / name, mode=_PRIVATE) as temporary,
            storage_errors(name),
            pq.ParquetWriter(
                temporary,
                schema,
                compression="zstd",
                encryption_properties=self.encryption() if self.encryption else None,
            ) as writer,
        ):
            yield lambda batch: writer.write_batch(batch.cast(schema))

    def reader(self, names: list[str], schema: pa.Schema) -> pa.RecordBatchReader:
        """The rows of the tables ``names``, one after another; no names, no rows."""
        return pa.RecordBatchReader.from_batches(schema, self._batches(names, schema))

    def _batches(self, names: list[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for name in names:
            for batch in read_batches(self.folder / name, schema.names, self.decryption):
                yield batch.cast(schema)


def read_batches(
    path: Path, columns: list[str], decryption: Callable[[], Any] | None = None
) -> Iterator[pa.RecordBatch]:
    """The columns of a Parquet file, decrypted where it is encrypted.

    Raises:
        KeyUnavailable: the file is encrypted and there is no key for it.
        Tampered: the file is damaged, or under another key.
    """
    with _opened(path, decryption) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False)


def column_names(path: Path, decryption: Callable[[], Any] | None = None) -> list[str]:
    """The columns that a Parquet file has; raises as :func:`read_batches`."""
    with _opened(path, decryption) as file:
        return list(file.schema_arrow.names)


@contextlib.contextmanager
def _opened(path: Path, decryption: Callable[[], Any] | None) -> Iterator[pq.ParquetFile]:
    properties = None
    if is_encrypted(path):
        if decryption is None:
            raise KeyUnavailable(f"{path.name} is encrypted and no key was given", next_step="unlock the key store")
        properties = decryption()
    try:
        with streamed(path, decryption=properties) as file:
            yield file
    except (OSError, UnicodeDecodeError, pa.ArrowException):
        raise Tampered(
            f"{path.name} is not a whole table, or not under this key", next_step="restore the key zone from its backup"
        ) from None


def is_encrypted(path: Path) -> bool:
    """Whether the file's footer is encrypted: such files begin with ``PARE`` (Parquet modular encryption)."""
    with path.open("rb") as handle:
        return handle.read(4) == b"PARE"
