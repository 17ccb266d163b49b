"""What records that were not linked do to the totals of a data set's own numbers, with and without weights."""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from enclave.engine import Dialect, Engine
from linkage.report import SMALL
from linkage.sources import Source

_PREFIX = "total_"
_DECIMALS = 4


class KeyTotal(BaseModel):
    """How far a column's total is off when linked records stand for all that were delivered, relative to the total.

    ``plain``: every linked record counts alike; ``weighted``: by the weights for non-linkage. 0.02 is two per cent too
    much. ``linked`` and ``unlinked``: records that have a number. None where the total is 0 or nothing was linked, or
    hidden.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: str
    linked: int | None
    unlinked: int | None
    plain: float | None
    weighted: float | None

    def for_researchers(self) -> KeyTotal:
        """Two decimals, which is what they need to judge by; nothing where few records make the difference."""
        if self.linked is None or self.unlinked is None or _is_small(self.linked) or _is_small(self.unlinked):
            return self.model_copy(update=dict.fromkeys(("linked", "unlinked", "plain", "weighted")))
        return self.model_copy(update={name: _rounded(getattr(self, name), 2) for name in ("plain", "weighted")})


class CellTotal(BaseModel):
    """A column's total in one cell, over delivered and over linked records, and how many of both have a number."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    delivered: float
    linked: float
    records: int
    linked_records: int


def numeric_columns(source: Source, engine: Engine) -> tuple[str, ...]:
    """Declared columns that hold numbers, in the order of the data set."""
    if not source.declared:
        return ()
    names = ", ".join(map(engine.dialect.quote, source.declared))
    schema = engine.schema(f"SELECT {names} FROM keyed_{source.name}")
    return tuple(field.name for field in schema if _is_number(field.type))


def total_terms(columns: Sequence[str], dialect: Dialect) -> list[str]:
    """SQL of the columns as :func:`cell_totals` wants them in the view of categories."""
    return [f"CAST(k.{dialect.quote(name)} AS DOUBLE) AS {_PREFIX}{at}" for at, name in enumerate(columns)]


def cell_totals(view: str, by: Sequence[str], columns: Sequence[str], engine: Engine) -> list[dict[str, Any]]:
    """Rows of the cells of ``by``: their categories, and per column the place's :class:`CellTotal` under its name."""
    terms = []
    for at in range(len(columns)):
        value = f"{_PREFIX}{at}"
        linked = f"CASE WHEN status = 'R' THEN {value} END"
        terms += [
            f"coalesce(sum({value}), 0) AS d{at}",
            f"coalesce(sum({linked}), 0) AS l{at}",
            f"count({value}) AS n{at}",
            f"count({linked}) AS m{at}",
        ]
    grouped = f" GROUP BY {', '.join(by)}" if by else ""
    rows = engine.collect(f"SELECT {', '.join([*by, *terms])} FROM {view}{grouped}").to_pylist()
    return [
        {name: row[name] for name in by}
        | {
            column: CellTotal(
                delivered=row[f"d{at}"], linked=row[f"l{at}"], records=row[f"n{at}"], linked_records=row[f"m{at}"]
            )
            for at, column in enumerate(columns)
        }
        for row in rows
    ]


def key_total(column: str, cells: Mapping[str, CellTotal], weights: Mapping[str, float]) -> KeyTotal:
    """The effect on one column; ``weights`` by cell."""
    total = sum(cell.delivered for cell in cells.values())
    linked = sum(cell.linked for cell in cells.values())
    records = sum(cell.records for cell in cells.values())
    linked_records = sum(cell.linked_records for cell in cells.values())
    plain = weighted = None
    if total and linked_records:
        plain = linked * records / linked_records / total - 1
        weighted = sum(weights[name] * cell.linked for name, cell in cells.items()) / total - 1
    return KeyTotal(
        column=column,
        linked=linked_records,
        unlinked=records - linked_records,
        plain=_rounded(plain, _DECIMALS),
        weighted=_rounded(weighted, _DECIMALS),
    )


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals) + 0.0  # no minus zero


def _is_small(count: int) -> bool:
    return 0 < count < SMALL


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
