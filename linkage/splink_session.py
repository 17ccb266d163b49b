"""Splink on an engine's own session: silent, with no second database, no file of its own and no value in an error.

On Spark nothing is written but what Spark spills to the engine's scratch: no checkpoint folder, no jar, no event log.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from math import log2
from typing import Any

from enclave.engine import Engine
from enclave.engine.distributed import SparkEngine
from enclave.engine.embedded import EmbeddedEngine
from enclave.errors import BadInput, EnclaveError, StorageFailed
from linkage.similarities import register_similarities, with_similarities

_PARTITIONS = 12
_SETTINGS = {
    # Splink joins by texts that it puts together: to sort by them is to put them together at every comparison.
    "spark.sql.adaptive.maxShuffledHashJoinLocalMapThreshold": "64m",
}


class SplinkSession:
    """A delivery and a register, tables of ``engine``, as Splink sees them."""

    def __init__(self, engine: Engine, delivery: str, register: str) -> None:
        # Splink writes statements and values to its log: nothing of it goes anywhere.
        logger = logging.getLogger("splink")
        logger.handlers, logger.propagate = [logging.NullHandler()], False
        logger.setLevel(logging.CRITICAL + 1)
        self._spark = isinstance(engine, SparkEngine)
        self._api = _api(engine)
        # 'a' and 'b': Splink takes the alphabetical first for the left side
        self._inputs = [
            self._api.register(delivery, dataset_display_name="a_delivery"),
            self._api.register(register, dataset_display_name="b_register"),
        ]

    def linker(self, settings: dict[str, Any]) -> Any:
        """A linker whose calls must stand in :func:`reported`."""
        from splink import Linker

        if self._spark:
            settings = json.loads(with_similarities(json.dumps(settings)))
        return Linker(self._inputs, settings, log_level=None)

    def scored(self, settings: dict[str, Any], floor: float) -> str:
        """SQL of the columns that Splink gives of candidate pairs whose probability is ``floor`` (0–1) at least."""
        # Spark would move the condition below the comparisons, and compare every pair twice.
        early = None if self._spark else floor
        predicted = self.linker(settings).inference.predict(threshold_match_probability=early, warning_mode="never")
        return f"SELECT * FROM {predicted.physical_name} WHERE match_weight >= {log2(floor / (1 - floor))!r}"  # noqa: S608 - Splink's name of a table, a number

    def clear(self) -> None:
        """Drop all tables that Splink made."""
        self._api.delete_tables_created_by_splink_from_db()


def _api(engine: Engine) -> Any:
    if isinstance(engine, EmbeddedEngine):
        from splink import DuckDBAPI

        api = DuckDBAPI(engine.connection)
        # It opens a database of its own beside ours, which is not hardened, and which this back-end does not use.
        api._ddb_con.close()
        return api
    if not isinstance(engine, SparkEngine):
        raise BadInput(f"probabilistic linkage does not run on engine {engine.name}")
    from splink import SparkAPI

    untyped: Any = SparkAPI
    register_similarities(engine.session)
    for setting, value in _SETTINGS.items():
        engine.session.conf.set(setting, value)
    return untyped(
        spark_session=engine.session,
        break_lineage_method="persist",
        register_udfs_automatically=False,
        # of which it gives the candidate pairs a sixth
        num_partitions_on_repartition=_PARTITIONS * engine.threads,
    )


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Turn Splink's errors, which quote statements and values, into ours, which don't."""
    try:
        yield
    except (EnclaveError, KeyboardInterrupt):
        raise
    except Exception as error:
        text = str(error)
        if "No space left" in text or "max_temp_directory_size" in text or "Out of Memory" in text:
            raise StorageFailed(
                "probabilistic linkage ran out of disk or memory; nothing was changed",
                next_step="free space at the workspace, or raise memory_gib in office.yaml, and run it again",
            ) from None
        raise BadInput(f"probabilistic linkage failed ({type(error).__name__})") from None
