"""The engine for what has outgrown one process: Spark, here in local mode.

Nothing secret may stand in a statement: Spark keeps plans with their literals. The interface has no place for one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq

from enclave.engine.canonical import BATCH_ROWS, canonical_batches, canonical_schema, total_order
from enclave.engine.dialect import Dialect
from enclave.engine.failures import native_of, run_fails, statement_fails
from enclave.engine.paths import require_readable
from enclave.errors import EnclaveError, NotReady
from enclave.frames import streamed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from enclave.engine.interface import BatchSink, EngineName

# Spark logs plans and failing values, in Java and in Python. What goes wrong reaches us as an exception, so both logs
# stay shut. Without an appender Spark would put its own configuration in place of this one.
_QUIET = """\
appender.nowhere.type = Null
appender.nowhere.name = nowhere
rootLogger.level = off
rootLogger.appenderRef.nowhere.ref = nowhere
"""
_PYTHON_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")


class SparkEngine:
    """A Spark session over Parquet files; see :class:`enclave.engine.interface.Engine`."""

    _open: ClassVar[bool] = False

    def __init__(self, *, scratch: Path, readable: Sequence[Path], threads: int, memory_gib: float) -> None:
        if SparkEngine._open:
            raise NotReady("a Spark session is already open in this process", next_step="close it first")
        self._readable = readable
        self._scratch = scratch
        self._threads = threads
        self._session = _start(scratch, threads, memory_gib)
        SparkEngine._open = True

    @property
    def name(self) -> EngineName:
        """``spark``."""
        return "spark"

    @property
    def dialect(self) -> Dialect:
        """Spark's spellings."""
        return Dialect("spark")

    @property
    def session(self) -> SparkSession:
        """The session, for a library that writes its own statements (Splink); not for our own SQL."""
        return self._session

    @property
    def threads(self) -> int:
        """How many tasks run side by side."""
        return self._threads

    def close(self) -> None:
        """Stop the session; the Java process stays for the next one."""
        try:
            self._session.stop()
        finally:
            SparkEngine._open = False

    def attach(self, name: str, path: Path) -> None:
        """See :meth:`Engine.attach`."""
        require_readable(path, self._readable)
        self._view(name, path)

    def load(self, name: str, batches: pa.RecordBatchReader) -> None:
        """See :meth:`Engine.load`."""
        path = self._scratch / f"load-{secrets.token_hex(8)}.parquet"
        with _reported(), pq.ParquetWriter(path, batches.schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
        self._view(name, path)

    def _view(self, name: str, path: Path) -> None:
        with _reported():
            self._session.read.parquet(str(path)).createOrReplaceTempView(name)

    def define(self, name: str, sql: str) -> None:
        """See :meth:`Engine.define`."""
        with _reported():
            self._session.sql(sql).createOrReplaceTempView(name)

    def schema(self, sql: str) -> pa.Schema:
        """See :meth:`Engine.schema`."""
        with _reported():
            return _schema_of(self._session.sql(sql))

    def collect(self, sql: str, order_by: Sequence[str] = ()) -> pa.Table:
        """See :meth:`Engine.collect`."""
        with _reported():
            frame = self._session.sql(sql)
            table = self._ordered(frame, order_by).toArrow()
            schema = canonical_schema(table.schema)
            return pa.Table.from_batches(canonical_batches(table.to_batches(), schema), schema)

    def write(self, sql: str, order_by: Sequence[str], sink: BatchSink) -> None:
        """See :meth:`Engine.write`."""
        with _reported():
            frame = self._session.sql(sql)
        self._stream(frame, order_by, sink)

    def lazy(self, name: str) -> nw.LazyFrame[Any]:
        """See :meth:`Engine.lazy`."""
        with _reported():
            return nw.from_native(self._session.table(name))

    def schema_lazy(self, frame: nw.LazyFrame[Any]) -> pa.Schema:
        """See :meth:`Engine.schema_lazy`."""
        with _reported():
            return _schema_of(_data_frame(frame))

    def write_lazy(self, frame: nw.LazyFrame[Any], order_by: Sequence[str], sink: BatchSink) -> None:
        """See :meth:`Engine.write_lazy`."""
        self._stream(_data_frame(frame), order_by, sink)

    def _stream(self, frame: DataFrame, order_by: Sequence[str], sink: BatchSink) -> None:
        """Sort into range-partitioned files, then read these in order: rows never gather in one process."""
        spilled = self._scratch / f"sorted-{secrets.token_hex(8)}"
        with _reported():
            schema = _schema_of(frame)
            try:
                self._ordered(frame, order_by).write.parquet(str(spilled))
                for part in sorted(spilled.glob("part-*.parquet")):
                    with streamed(part) as file:
                        for batch in canonical_batches(file.iter_batches(BATCH_ROWS), schema):
                            sink(batch)
            finally:
                shutil.rmtree(spilled, ignore_errors=True)

    def _ordered(self, frame: DataFrame, order_by: Sequence[str]) -> DataFrame:
        from pyspark.sql import functions

        names = [self.dialect.quote(name) for name in total_order(frame.columns, order_by)]
        return frame.orderBy(*(functions.expr(name).asc_nulls_first() for name in names))


def _data_frame(frame: nw.LazyFrame[Any]) -> DataFrame:
    from pyspark.sql import DataFrame

    return native_of(frame, DataFrame)


def _schema_of(frame: DataFrame) -> pa.Schema:
    from pyspark.sql.pandas.types import to_arrow_schema

    return canonical_schema(to_arrow_schema(frame.schema))


def _start(scratch: Path, threads: int, memory_gib: float) -> SparkSession:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise NotReady(
            "the Spark engine needs pyspark, which is not installed",
            next_step="pip install 'zicht[spark]', or use --engine duckdb",
        ) from None
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if os.environ.get("JAVA_HOME") else shutil.which("java")
    if java is None or not Path(java).exists():
        raise NotReady(
            "the Spark engine needs a Java runtime, which is not installed",
            next_step="apt-get install default-jre-headless, or use --engine duckdb",
        )
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    # Functions in Python run where our packages are, not in the first "python3" of the path.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    for logger in _PYTHON_LOGGERS:
        logging.getLogger(logger).disabled = True
    (scratch / "log4j2.properties").write_text(_QUIET)
    builder = SparkSession.builder.appName("zicht").master(f"local[{threads}]")
    for setting, value in _settings(scratch, threads, memory_gib).items():
        builder = builder.config(setting, value)
    with _reported():
        return builder.getOrCreate()


def _settings(scratch: Path, threads: int, memory_gib: float) -> dict[str, str]:
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": f"{memory_gib * 1024:.0f}m",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={scratch / 'log4j2.properties'}",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.eventLog.enabled": "false",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": str(2 * threads),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # A statement may name tables only: no path, whose file nobody declared, can be read through one.
        "spark.sql.runSQLOnFiles": "false",
    }


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """Turn Spark's errors into ours; those that may quote a value are reduced to their class."""
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # py4j ships no types
    from pyspark.errors import AnalysisException, ParseException, PySparkException

    try:
        yield
    except EnclaveError:
        raise
    except (AnalysisException, ParseException) as error:
        raise statement_fails(error.getCondition() or type(error).__name__) from None
    except (PySparkException, Py4JError, pa.ArrowException) as error:
        raise run_fails("Spark", error) from None
