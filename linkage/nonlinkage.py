"""Weights for non-linkage: what a linked record stands for, by classes that are known whether or not it was linked.

A class that only the register tells (the sex of a person whom the delivery describes without it) says of unlinked
records nothing but that they were not linked: weights by it would correct nothing. So classes come from the delivery.
"""

# ruff: noqa: S608 (statements hold names from checked files and constants, never a value)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from enclave.engine import Engine
from linkage.report import SMALL

POOLED = "all other"
SEPARATOR = "\x1f"
"""Between the classes of a cell: in no code."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Delivered and linked records by class: ``by`` names what a cell's parts are of, in their order."""

    by: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]


class CellWeight(BaseModel):
    """Weight of a linked record of a cell, delivered over linked: the inverse of its chance to be linked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    cell: str
    weight: float


def count_cells(view: str, by: Sequence[str], engine: Engine) -> Cells:
    """Of ``view``, by its column ``cell``."""
    rows = engine.collect(
        f"SELECT cell, count(*) AS delivered, count(CASE WHEN status = 'R' THEN 1 END) AS linked "
        f"FROM {view} GROUP BY cell",
        ["cell"],
    ).to_pylist()
    return Cells(tuple(by), {row["cell"]: (row["delivered"], row["linked"]) for row in rows})


def cell_weights(cells: Mapping[str, tuple[int, int]]) -> tuple[CellWeight, ...]:
    """Weights by cell of (delivered, linked) records.

    A cell with fewer than ten linked records, or with 1–9 unlinked ones, is pooled with others of that kind, and with
    further ones (smallest first) until the pool has neither: a weight of few records is noise, and tells on them.
    """
    pooled = {cell for cell, found in cells.items() if _is_thin(*found)}
    rest = sorted(set(cells) - pooled, key=lambda cell: (cells[cell][0], cell))
    while rest and pooled and _is_thin(*summed(cells, pooled)):
        pooled.add(rest.pop(0))
    alone = [(cell, *cells[cell]) for cell in sorted(set(cells) - pooled)]
    if pooled and not _is_thin(*summed(cells, pooled)):
        alone.append((POOLED, *summed(cells, pooled)))
    return tuple(CellWeight(cell=cell, weight=round(delivered / linked, 4)) for cell, delivered, linked in alone)


def weight_of_every_cell(cells: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """The weight of each cell, pooled ones too; where all together are too thin for a pool, that of all together."""
    own = {found.cell: found.weight for found in cell_weights(cells)}
    delivered, linked = summed(cells, set(cells))
    rest = own.get(POOLED, delivered / linked if linked else 1.0)
    return {cell: own.get(cell, rest) for cell in cells}


def summed(cells: Mapping[str, tuple[int, int]], which: set[str]) -> tuple[int, int]:
    """Delivered and linked records of some cells."""
    return sum(cells[cell][0] for cell in which), sum(cells[cell][1] for cell in which)


def load_weights(table: str, cells: Cells, engine: Engine) -> None:
    """Make the table ``table`` (``cell``, ``weight``)."""
    weights = weight_of_every_cell(cells.counts)
    schema = pa.schema([("cell", pa.string()), ("weight", pa.float64())])
    made = pa.table({"cell": list(weights), "weight": list(weights.values())}, schema=schema)
    engine.load(table, made.to_reader())


def cell_label(cell: str, by: Sequence[str], suppliers: Sequence[str]) -> str:
    """A cell in words; ``by`` are the names of its classes, the supplier stands by its position."""
    if cell == POOLED:
        return POOLED
    parts = zip(by, cell.split(SEPARATOR), strict=True)
    return ", ".join(f"{name} {suppliers[int(part)] if name == 'supplier' else part}" for name, part in parts)


def _is_thin(delivered: int, linked: int) -> bool:
    return linked < SMALL or 0 < delivered - linked < SMALL
