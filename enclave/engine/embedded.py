"""The default engine: DuckDB in this process, out-of-core, shut off from everything but its inputs and its scratch.

Only calls that DuckDB 1.5 and 2.0 share are used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import narwhals as nw
import pyarrow as pa

from enclave.engine.canonical import BATCH_ROWS, canonical_batches, canonical_schema, total_order
from enclave.engine.dialect import Dialect
from enclave.engine.failures import native_of, run_fails, statement_fails
from enclave.engine.paths import parquet_pattern, require_readable
from enclave.errors import EnclaveError, StorageFailed

if TYPE_CHECKING:
    from enclave.engine.interface import BatchSink, EngineName

# Errors of these classes are about the statement, which code wrote; others may quote a cell value.
_ABOUT_THE_STATEMENT = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


class EmbeddedEngine:
    """An in-memory database over Parquet files; see :class:`enclave.engine.interface.Engine`."""

    def __init__(self, *, scratch: Path, readable: Sequence[Path], threads: int, memory_gib: float) -> None:
        self._readable = readable
        self._connection = duckdb.connect(":memory:")
        folders = [str(path) for path in readable if path.is_dir()] + [str(scratch)]
        files = [str(path) for path in readable if not path.is_dir()]
        literal = self.dialect.literal
        for setting, value in (
            ("autoinstall_known_extensions", "false"),
            ("autoload_known_extensions", "false"),
            ("temp_directory", literal(str(scratch))),
            ("threads", str(threads)),
            ("memory_limit", literal(f"{memory_gib * 1024:.0f}MiB")),
            # Every result is put in a total order, so keeping the files' order would only cost memory.
            ("preserve_insertion_order", "false"),
            ("enable_progress_bar", "false"),
            # DuckDB 2.0.0 takes two branches of a UNION for one though their joins differ, and gives wrong rows without
            # a word (akin to duckdb/duckdb#25819). tests/pipeline/test_rotation.py found it: a second number for units.
            ("disabled_optimizers", "'common_subplan'"),
            # As Spark orders nulls, so that a window or a first row means the same.
            ("default_null_order", "'nulls_first_on_asc_last_on_desc'"),
            ("allowed_directories", f"[{', '.join(map(literal, folders))}]"),
            ("allowed_paths", f"[{', '.join(map(literal, files))}]"),
            ("enable_external_access", "false"),
            ("lock_configuration", "true"),
        ):
            self._connection.execute(f"SET {setting} = {value}")

    @property
    def name(self) -> EngineName:
        """``duckdb``."""
        return "duckdb"

    @property
    def dialect(self) -> Dialect:
        """DuckDB's spellings."""
        return Dialect("duckdb")

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The hardened connection, for a library that writes its own statements (Splink); not for our own SQL."""
        return self._connection

    def close(self) -> None:
        """Forget all tables and remove what was spilled."""
        self._connection.close()

    def attach(self, name: str, path: Path) -> None:
        """See :meth:`Engine.attach`."""
        require_readable(path, self._readable)
        source = self.dialect.literal(str(parquet_pattern(path)))
        self.define(name, f"SELECT * FROM read_parquet({source})")  # noqa: S608 (a quoted path)

    def load(self, name: str, batches: pa.RecordBatchReader) -> None:
        """See :meth:`Engine.load`."""
        incoming = f"{name}__incoming"
        quoted = self.dialect.quote
        failed: list[Exception] = []
        guarded = pa.RecordBatchReader.from_batches(batches.schema, _noting(batches, failed))
        with _reported():
            self._connection.register(incoming, guarded)
            try:
                source = f"SELECT * FROM {quoted(incoming)}"  # noqa: S608 (a quoted name)
                self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS {source}")
            except duckdb.Error:
                if failed:
                    raise failed[0] from None
                raise
            finally:
                self._connection.unregister(incoming)

    def define(self, name: str, sql: str) -> None:
        """See :meth:`Engine.define`."""
        with _reported():
            self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {self.dialect.quote(name)} AS {sql}")

    def schema(self, sql: str) -> pa.Schema:
        """See :meth:`Engine.schema`."""
        with _reported():
            return _schema_of(self._connection.sql(sql))

    def collect(self, sql: str, order_by: Sequence[str] = ()) -> pa.Table:
        """See :meth:`Engine.collect`."""
        with _reported():
            schema, batches = self._result(self._connection.sql(sql), order_by)
            return pa.Table.from_batches(batches, schema)

    def write(self, sql: str, order_by: Sequence[str], sink: BatchSink) -> None:
        """See :meth:`Engine.write`."""
        with _reported():
            relation = self._connection.sql(sql)
        self._stream(relation, order_by, sink)

    def lazy(self, name: str) -> nw.LazyFrame[Any]:
        """See :meth:`Engine.lazy`."""
        with _reported():
            return nw.from_native(self._connection.table(name))

    def schema_lazy(self, frame: nw.LazyFrame[Any]) -> pa.Schema:
        """See :meth:`Engine.schema_lazy`."""
        with _reported():
            return _schema_of(native_of(frame, duckdb.DuckDBPyRelation))

    def write_lazy(self, frame: nw.LazyFrame[Any], order_by: Sequence[str], sink: BatchSink) -> None:
        """See :meth:`Engine.write_lazy`."""
        self._stream(native_of(frame, duckdb.DuckDBPyRelation), order_by, sink)

    def _stream(self, relation: duckdb.DuckDBPyRelation, order_by: Sequence[str], sink: BatchSink) -> None:
        with _reported():
            for batch in self._result(relation, order_by)[1]:
                sink(batch)

    def _result(
        self, relation: duckdb.DuckDBPyRelation, order_by: Sequence[str]
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        names = total_order(relation.columns, order_by)
        terms = ", ".join(f"{self.dialect.quote(name)} ASC NULLS FIRST" for name in names)
        found = relation.order(terms).to_arrow_reader(BATCH_ROWS)
        schema = canonical_schema(found.schema)
        return schema, canonical_batches(found, schema)


def _noting(batches: Iterator[pa.RecordBatch], failed: list[Exception]) -> Iterator[pa.RecordBatch]:
    """Note what went wrong in the source of ``batches``: DuckDB tells only that something did."""
    try:
        yield from batches
    except Exception as error:
        failed.append(error)
        raise


def _schema_of(relation: duckdb.DuckDBPyRelation) -> pa.Schema:
    return canonical_schema(relation.limit(0).to_arrow_table().schema)


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """Turn DuckDB's errors into ours; those that may quote a value are reduced to their class."""
    try:
        yield
    except EnclaveError:
        raise
    except _ABOUT_THE_STATEMENT as error:
        raise statement_fails(str(error).splitlines()[0]) from None
    except (duckdb.Error, pa.ArrowException) as error:
        failure = run_fails("embedded", error, ("No space left", "max_temp_directory_size"))
        if isinstance(error, duckdb.OutOfMemoryException) and not isinstance(failure, StorageFailed):
            raise StorageFailed(
                "the engine's memory limit does not suffice", next_step="raise memory_gib in office.yaml"
            ) from None
        raise failure from None
