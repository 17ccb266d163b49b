"""The few SQL spellings in which the engines differ.

Joins, ``GROUP BY``, ``GROUPING SETS``, ``grouping()``, ``count(DISTINCT …)``, window functions, ``CASE``, ``coalesce``,
``CAST(… AS STRING | BIGINT | DOUBLE | DATE)``, ``hex(binary)``, ``substr`` and ``||`` are common to both.
Both put nulls first in ascending order. ``GROUPING SETS`` with the grand total ``()`` over *no* rows gives one row on
DuckDB and none on Spark: ask first whether there are rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MAXIMUM_SCALE = 9


@dataclass(frozen=True, slots=True)
class Dialect:
    """Spellings of one engine. Arguments are SQL expressions, but for names and numbers."""

    engine: Literal["duckdb", "spark"]

    def quote(self, identifier: str) -> str:
        """A column or table name as SQL."""
        mark = '"' if self.engine == "duckdb" else "`"
        return mark + identifier.replace(mark, mark * 2) + mark

    def literal(self, text: str) -> str:
        """A text as SQL. For codes and names only: never a key, an identifier or a cell value (plans show literals)."""
        if self.engine == "spark":
            text = text.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{text}'"
        return "'" + text.replace("'", "''") + "'"

    @property
    def inlined(self) -> str:
        """Before the query of a ``WITH`` name that is read twice: compute it twice rather than store it.

        DuckDB otherwise keeps the whole result in memory, and spills everything else beside it; Spark never stores it.
        """
        return "NOT MATERIALIZED " if self.engine == "duckdb" else ""

    def top_contributions(self, value: str, unit: str, count: int) -> str:
        """Aggregate: the ``count`` largest (value, unit) pairs, largest first, equal values by larger unit first.

        A list of structs ``value``, ``unit``; neither expression may be null.
        """
        if self.engine == "duckdb":
            return f"max(struct_pack(value := {value}, unit := {unit}), {count})"
        pairs = f"collect_list(named_struct('value', {value}, 'unit', {unit}))"
        return f"slice(sort_array({pairs}, false), 1, {count})"

    def exact_sum(self, value: str, scale: int = 0) -> str:
        """Aggregate: the sum of ``value`` in units of 10^-``scale``, as an integer; the same in every order.

        Each value is rounded to ``scale`` decimals (half away from zero) before it is added, so the sum is off by at
        most half a unit per row, and exact for whole numbers with ``scale`` 0. Needs |value| · 10^scale < 2^53
        (beyond 2^63 the statement fails). Nulls are left out; no rows give null.
        """
        if not 0 <= scale <= MAXIMUM_SCALE:
            raise ValueError(f"scale must lie in 0..{MAXIMUM_SCALE}")
        scaled = value if scale == 0 else f"({value}) * {10**scale}.0e0"
        whole = f"CAST(round({scaled}, 0) AS BIGINT)"
        return f"CAST(sum(CAST({whole} AS DECIMAL(19,0))) AS DECIMAL(38,0))"
