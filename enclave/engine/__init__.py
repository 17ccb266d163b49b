"""One tabular interface over two engines that give the same results: embedded DuckDB, and Spark beyond it."""

from __future__ import annotations

from enclave.engine.dialect import Dialect
from enclave.engine.interface import BatchSink, Engine, EngineName, open_engine

__all__ = ["BatchSink", "Dialect", "Engine", "EngineName", "open_engine"]
