"""Tables with their rows, made from codes in memory: what the ledger's comparison works on, without an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from output_control.ledger.history import History
from output_control.ledger.joint import Together, protect_together
from output_control.ledger.released import COUNT, ReleasedTable, Rows, pack
from output_control.ledger.remember import ProjectIds, set_numbers
from output_control.protection import Options
from output_control.tables.rules import MinimumFrequency, PrimaryResult, primary
from output_control.tables.table import CellTable, Dimension, IntArray, cell_keys
from tests.output_control.ledger_world import a_ledger, about

OPTIONS = Options(method="flow", occupied=True)


def a_dimension(name: str, size: int) -> Dimension:
    """A total above ``size`` codes; leaf i has position i + 1."""
    return Dimension(name, "all", {"all": tuple(f"{name}{i}" for i in range(size))})


def a_table(
    name: str,
    dims: Sequence[Dimension],
    codes: IntArray,
    row: IntArray,
    *,
    unit: IntArray | None = None,
    minimum: int = 3,
) -> ReleasedTable:
    """Counts of rows by leaf codes (rows × dims, positions in the dimensions); sensitive below ``minimum`` units."""
    shape, unit = tuple(len(dim.codes) for dim in dims), row if unit is None else unit
    position, key = np.arange(len(row)), np.zeros(len(row), dtype=np.int64)
    for at, dim in enumerate(dims):
        found = []
        here, now, so_far = position, codes[position, at].astype(np.int64), key
        while len(here):
            found.append((here, so_far * shape[at] + now))
            up = dim.parent[now].astype(np.int64)
            here, so_far, now = here[up >= 0], so_far[up >= 0], up[up >= 0]
        position, key = (np.concatenate(part) for part in zip(*found, strict=True))
    keys, cell = np.unique(key, return_inverse=True)
    pairs = np.unique(np.column_stack([cell, unit[position]]), axis=0)
    units = np.bincount(pairs[:, 0], minlength=len(keys)).astype(np.int64)
    table = CellTable(
        dims=tuple(dims),
        codes=np.column_stack(np.unravel_index(keys, shape)).astype(np.int32),
        freq=units.astype(np.float64),
        value=np.bincount(cell, minlength=len(keys)).astype(np.float64),
        n_contributors=units,
        top=np.zeros((len(keys), 3)),
        sole_contributor=np.full(len(keys), -1, dtype=np.int64),
        integral=True,
    )
    order = np.argsort(row)
    leaf = np.searchsorted(keys, cell_keys(codes, shape))
    rows = Rows(row[order], unit[order], leaf[order].astype(np.int64), np.ones(len(row)))
    sensitive: PrimaryResult = primary(table, MinimumFrequency(minimum))
    nothing = np.zeros(len(keys), dtype=np.bool_)
    return ReleasedTable(
        name, "", COUNT, ("unit", "unit"), table, rows, sensitive, nothing, set_numbers(table, rows), defined="alike"
    )  # fmt: skip


class Shelf:
    """Releases of such tables, remembered by a real ledger in a folder."""

    def __init__(self, folder: Path, minimum: int = 3, options: Options = OPTIONS) -> None:
        self.ledger, self.minimum, self.options = a_ledger(folder), minimum, options
        self.released: list[ReleasedTable] = []

    def check(self, *tables: ReleasedTable, alone: bool = False) -> Together:
        """What may leave of ``tables`` beside what left before."""
        history = None if alone else History(self.ledger, self.ledger.entries(), ProjectIds())
        return protect_together(tables, history, self.options, self.minimum)

    def release(self, *tables: ReleasedTable) -> Together:
        """Check and remember."""
        together = self.check(*tables)
        name = f"r{len(self.ledger.entries()) + 1}"
        self.ledger.append(about(name), pack(together.released))
        self.released += [replace(table, release=name) for table in together.released]
        return together
