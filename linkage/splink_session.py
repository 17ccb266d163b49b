"""Splink on the embedded engine's hardened connection: silent, with no second database and no value in an error."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from enclave.engine import Engine
from enclave.engine.embedded import EmbeddedEngine
from enclave.errors import BadInput, EnclaveError, StorageFailed


class SplinkSession:
    """A delivery and a register, tables of ``engine``, as Splink sees them."""

    def __init__(self, engine: Engine, delivery: str, register: str) -> None:
        if not isinstance(engine, EmbeddedEngine):
            raise BadInput("probabilistic linkage runs on the embedded engine", next_step="set engine: duckdb")
        from splink import DuckDBAPI

        # Splink writes statements and values to its log: nothing of it goes anywhere.
        logger = logging.getLogger("splink")
        logger.handlers, logger.propagate = [logging.NullHandler()], False
        logger.setLevel(logging.CRITICAL + 1)
        self._api: Any = DuckDBAPI(engine.connection)
        # It opens a database of its own beside ours, which is not hardened, and which this back-end does not use.
        self._api._ddb_con.close()
        # 'a' and 'b': Splink takes the alphabetical first for the left side
        self._inputs = [
            self._api.register(delivery, dataset_display_name="a_delivery"),
            self._api.register(register, dataset_display_name="b_register"),
        ]

    def linker(self, settings: dict[str, Any]) -> Any:
        """A linker whose calls must stand in :func:`reported`."""
        from splink import Linker

        return Linker(self._inputs, settings, log_level=None)

    def clear(self) -> None:
        """Drop all tables that Splink made."""
        self._api.delete_tables_created_by_splink_from_db()


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
