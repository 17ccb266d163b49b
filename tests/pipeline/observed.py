"""The command with its engines made to talk: ``python -m tests.pipeline.observed FOLDER zicht-arguments …``.

DuckDB writes into the folder every statement it is given, what its operators do and the plans of what is written out;
Spark its event log. Both are shut off in the product: here they show what an administrator who turns them on would see.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from enclave.engine import distributed, embedded
from pipeline.main import main

# without reads of files, whose places are numbers as long as a firm's, and some of a million firms' by chance
SAID = "['QueryLog', 'PhysicalOperator', 'AdaptiveFilter']"
REPLACED = ((duckdb, "connect"), (embedded.EmbeddedEngine, "_result"), (distributed, "_settings"))
"""What `observe` puts others in the place of."""


def observe(folder: Path) -> None:
    """Turn on all that the engines can say."""
    folder.mkdir(parents=True, exist_ok=True)
    connect, result, settings = duckdb.connect, embedded.EmbeddedEngine._result, distributed._settings
    opened = iter(range(1_000_000))

    def connected(*arguments: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        connection = connect(*arguments, **options)
        place = folder / f"duckdb-{next(opened)}"
        connection.execute(
            f"CALL enable_logging({SAID}, level='trace', storage='file', storage_config={{'path': '{place}'}})"
        )
        return connection

    def planned(
        engine: embedded.EmbeddedEngine, relation: Any, order_by: Sequence[str]
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        with (folder / "plans.txt").open("a") as file:
            file.write(relation.explain())
        return result(engine, relation, order_by)

    def told(scratch: Path, threads: int, memory_gib: float) -> dict[str, str]:
        events = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": folder.as_uri()}
        return {**settings(scratch, threads, memory_gib), **events, "spark.eventLog.compress": "false"}

    duckdb.connect = connected  # type: ignore[assignment]  # the same call, one argument list for all of its forms
    embedded.EmbeddedEngine._result = planned  # type: ignore[method-assign]  # every plan is seen there
    distributed._settings = told


@contextmanager
def process_list() -> Iterator[set[bytes]]:
    """Arguments and environments of all processes, as ``ps`` shows them, while it is open."""
    seen: set[bytes] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            for place in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        seen.add((place / name).read_bytes())
                    except OSError:
                        continue  # it ended meanwhile, or is another user's

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    observe(Path(sys.argv.pop(1)))
    main()
