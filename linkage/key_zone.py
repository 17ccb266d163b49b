"""Files of one project in the key zone: written atomically, encrypted when the caller gives the means."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from enclave.errors import KeyUnavailable, Tampered
from enclave.files import replacing, storage_errors, write_bytes
from enclave.fingerprints import digest_bytes, digest_file
from enclave.frames import streamed
from linkage.inventory import Inventory

BATCH_ROWS = 64 * 1024
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class KeyZone:
    """The folder of a project's key tables, ``keys/<project>``.

    ``encryption`` and ``decryption`` make pyarrow's file properties, new ones for every file; None leaves the tables
    plain, which only tests and a demo on an encrypted disk may do. ``inventory`` lists every file by its digest; None
    only in tests.
    """

    folder: Path
    encryption: Callable[[], Any] | None = None
    decryption: Callable[[], Any] | None = None
    inventory: Inventory | None = None

    def check(self) -> frozenset[str]:
        """See :meth:`linkage.inventory.Inventory.check`; whoever writes here checks first."""
        return self.inventory.check() if self.inventory else frozenset()

    def tell_journal(self) -> None:
        """See :meth:`linkage.inventory.Inventory.tell_journal`."""
        if self.inventory:
            self.inventory.tell_journal()

    @contextlib.contextmanager
    def writing(self, name: str, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
        """Yield a sink for batches; the table ``name`` appears, fsynced, when the block ends without an error."""
        with contextlib.ExitStack() as noted, replacing(self.folder / name, mode=_PRIVATE) as temporary:
            with (
                storage_errors(name),
                pq.ParquetWriter(
                    temporary,
                    schema,
                    compression="zstd",
                    encryption_properties=self.encryption() if self.encryption else None,
                ) as writer,
            ):
                yield lambda batch: writer.write_batch(batch.cast(schema))
            if self.inventory:
                noted.enter_context(self._noting({name: digest_file(temporary)}))

    def write_texts(self, texts: Mapping[str, str]) -> None:
        """Write small files, each atomically."""
        contents = {name: text.encode() for name, text in texts.items()}
        with self._noting({name: digest_bytes(content) for name, content in contents.items()}):
            for name, content in contents.items():
                write_bytes(self.folder / name, content, mode=_PRIVATE)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, where they are there."""
        every = set(names)
        listed = every & self.inventory.names() if every and self.inventory else set()
        with self._noting(dict.fromkeys(listed, "")):
            for name in every:
                (self.folder / name).unlink(missing_ok=True)

    def with_prefix(self, prefix: str) -> set[str]:
        """Names of the files that begin so: those that are there, and those that are listed."""
        listed = self.inventory.names() if self.inventory else frozenset()
        return {name for name in {*listed, *(path.name for path in self.folder.iterdir())} if name.startswith(prefix)}

    @contextlib.contextmanager
    def _noting(self, files: Mapping[str, str]) -> Iterator[None]:
        """Note digests (none: the file goes) before the block and, when it ended without an error, after it."""
        if self.inventory and files:
            self.inventory.coming(files)
        yield
        if self.inventory and files:
            self.inventory.settled(files)

    def reader(self, names: list[str], schema: pa.Schema) -> pa.RecordBatchReader:
        """The rows of the tables ``names``, one after another; no names, no rows.

        Raises:
            Tampered: damaged, or not under a key of the office's, where its tables are: who has none put it there.
        """
        return pa.RecordBatchReader.from_batches(schema, self._batches(names, schema))

    def _batches(self, names: list[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for name in names:
            if self.encryption is not None and not is_encrypted(self.folder / name):
                raise Tampered(
                    f"{name} is not encrypted: it is none of the office's key tables",
                    where=name,
                    next_step="find out who put it there; restore the project's whole folder in keys/ from its "
                    "backup, or put it aside where there is none: zicht custody accept-tables",
                )
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
