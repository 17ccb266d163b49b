"""Parquet files that grow by one row group per municipality, and the office's identified key register made of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from synthetic.register_blocks import (
    KEY_ADDRESSES,
    KEY_ENTITIES,
    KEY_PERSONS,
    key_addresses,
    key_entities,
    key_persons,
)
from synthetic.registers import arrow_table
from synthetic.town import Town


class ParquetFiles:
    """Several Parquet files open at once."""

    def __init__(self, folder: Path, schemas: dict[str, pa.Schema]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self.rows = dict.fromkeys(schemas, 0)
        self.schemas = schemas
        self._writers: dict[str, pq.ParquetWriter] = {}
        for name, schema in schemas.items():
            writer = pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd")
            self._stack.callback(writer.close)
            self._writers[name] = writer

    def write(self, name: str, table: pa.Table) -> None:
        """Append one row group."""
        self._writers[name].write_table(table)
        self.rows[name] += table.num_rows

    def close(self) -> None:
        """Write all footers."""
        self._stack.close()


class KeyRegisterFiles:
    """persons, addresses and entities: identifier → RIN."""

    def __init__(self, folder: Path) -> None:
        names = {"persons": KEY_PERSONS, "addresses": KEY_ADDRESSES, "entities": KEY_ENTITIES}
        self._files = ParquetFiles(
            folder, {name: pa.schema([(c, pa.string()) for c in columns]) for name, columns in names.items()}
        )

    def __enter__(self) -> KeyRegisterFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    @property
    def rows(self) -> dict[str, int]:
        """Rows per file."""
        return self._files.rows

    def append(self, town: Town) -> None:
        """Append one municipality."""
        for name, block in (
            ("persons", key_persons(town)),
            ("addresses", key_addresses(town)),
            ("entities", key_entities(town)),
        ):
            self._files.write(name, arrow_table(block, self._files.schemas[name]))
