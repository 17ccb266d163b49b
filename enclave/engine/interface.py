"""What an engine can do; the rest of the house sees this and no engine's own objects.

Results are the same on both engines and for any number of threads, which rests on three rules:

* every result is put in a *total* order: by ``order_by``, then by every other column (nulls first, text by its UTF-8
  bytes), so that equal rows are the only ties and no ties can show;
* every result has canonical types (:mod:`enclave.engine.canonical`): integers are ``int64`` whatever an engine made
  of a count or a sum;
* floating-point numbers are never added up in the engines' order: :meth:`Dialect.exact_sum` adds integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import pyarrow as pa

from enclave.engine.dialect import Dialect
from enclave.engine.scratch import own_scratch

if TYPE_CHECKING:
    import narwhals as nw

EngineName: TypeAlias = Literal["duckdb", "spark"]
BatchSink: TypeAlias = Callable[[pa.RecordBatch], None]


class Engine(Protocol):
    """A session with named tables, opened by :func:`open_engine`.

    Every method raises :class:`enclave.errors.BadInput` when the statement fails on the data or does not hold, and
    :class:`enclave.errors.StorageFailed` when the disk is full; messages hold no cell value.
    """

    @property
    def name(self) -> EngineName:
        """Which engine this is."""
        ...

    @property
    def dialect(self) -> Dialect:
        """The SQL spellings in which the engines differ."""
        ...

    def attach(self, name: str, path: Path) -> None:
        """Make the Parquet file (or folder of Parquet files) at ``path`` the table ``name``; nothing is read yet.

        Raises:
            Refused: ``path`` is not below the engine's ``readable`` paths.
        """
        ...

    def load(self, name: str, batches: pa.RecordBatchReader) -> None:
        """Copy ``batches`` into a temporary table ``name``, spilling to ``scratch``: for decrypted or computed rows."""
        ...

    def define(self, name: str, sql: str) -> None:
        """Make the query ``sql`` the view ``name``."""
        ...

    def schema(self, sql: str) -> pa.Schema:
        """The canonical schema of the result of ``sql``, without running it."""
        ...

    def collect(self, sql: str, order_by: Sequence[str] = ()) -> pa.Table:
        """The whole result in memory, in total order; for results known to be small."""
        ...

    def write(self, sql: str, order_by: Sequence[str], sink: BatchSink) -> None:
        """Stream the result to ``sink`` in total order, in bounded memory; pass :meth:`FrameSink.write`."""
        ...

    def lazy(self, name: str) -> nw.LazyFrame[Any]:
        """Table ``name`` for derivations in narwhals."""
        ...

    def schema_lazy(self, frame: nw.LazyFrame[Any]) -> pa.Schema:
        """As :meth:`schema`, for a derivation that began with :meth:`lazy`."""
        ...

    def write_lazy(self, frame: nw.LazyFrame[Any], order_by: Sequence[str], sink: BatchSink) -> None:
        """As :meth:`write`, for a derivation that began with :meth:`lazy`."""
        ...


@contextmanager
def open_engine(
    name: EngineName, *, scratch: Path, readable: Sequence[Path], threads: int = 1, memory_gib: float = 2.0
) -> Iterator[Engine]:
    """Open an engine that reads ``readable`` (files or folders) and spills to ``scratch``, and nothing else.

    Spilled rows are plain: ``scratch`` must lie on the protected storage of the zone whose rows are processed. The
    embedded engine itself refuses other paths; Spark is a separate Java process that only our own checks hold back.
    One Spark session can be open in a process; its memory is fixed by the first one.

    Raises:
        NotReady: Spark is asked for, and pyspark or Java is missing, or a session is already open.
    """
    allowed = [path.resolve() for path in readable]
    with own_scratch(scratch) as folder:
        if name == "duckdb":
            from enclave.engine.embedded import EmbeddedEngine

            embedded = EmbeddedEngine(scratch=folder, readable=allowed, threads=threads, memory_gib=memory_gib)
            try:
                yield embedded
            finally:
                embedded.close()
        else:
            from enclave.engine.distributed import SparkEngine

            spark = SparkEngine(scratch=folder, readable=allowed, threads=threads, memory_gib=memory_gib)
            try:
                yield spark
            finally:
                spark.close()
