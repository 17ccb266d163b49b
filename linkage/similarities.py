"""The embedded engine's functions of likeness as functions of Spark: the same code runs, so the values are the same.

Spark has a ``jaro_winkler_similarity`` of its own since 4.3, and Splink's jar for Spark another. Both count half
transpositions that the embedded engine, as Winkler's program (strcmp95), drops; so they put other pairs above a
threshold. Spark takes its own for a registered function of that name, hence the names here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TYPES = {"jaro_winkler_similarity": "double", "damerau_levenshtein": "bigint"}


def register_similarities(session: SparkSession) -> None:
    """Let ``session`` compute what :func:`with_similarities` names; its Python workers run this module."""
    from pyspark.sql.pandas.functions import arrow_udf

    make: Any = arrow_udf  # typed for functions that say nothing of themselves, of which it warns
    for name, kind in _TYPES.items():
        session.udf.register(_renamed(name), make(_embedded(name), kind))


def with_similarities(text: str) -> str:
    """SQL, or JSON that holds SQL, with the functions of likeness by the names that they have on Spark."""
    for name in _TYPES:
        text = text.replace(f"{name}(", f"{_renamed(name)}(")
    return text


def _renamed(name: str) -> str:
    return f"embedded_{name}"


def _embedded(name: str) -> Callable[[pa.Array, pa.Array], pa.Array]:
    def compared(left: pa.Array, right: pa.Array) -> pa.Array:
        pairs = _connection().from_arrow(pa.table({"l": left, "r": right}))
        found: pa.ChunkedArray = pairs.project(f"{name}(l, r) AS likeness").to_arrow_table()["likeness"]
        return pa.concat_arrays(found.chunks) if found.num_chunks else pa.nulls(0, found.type)

    # which kind of function it is, Spark tells by these, and not when they are texts
    compared.__annotations__ = {"left": pa.Array, "right": pa.Array, "return": pa.Array}
    return compared


@cache
def _connection() -> Any:
    """One per worker; batches are small, so that it writes nothing."""
    import duckdb

    return duckdb.connect(
        ":memory:", config={"enable_external_access": False, "autoload_known_extensions": False, "threads": 1}
    )
