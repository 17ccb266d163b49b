"""Several tables of one measure that share cells: what one hides the others must not show.

Cells of two tables are the same when they stand for the same codes, a dimension that a table does not have counting as
its total. One attacker sees all tables, so they are protected and audited as one system of equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from enclave.errors import BadInput
from output_control.rules import PrimaryResult
from output_control.table import CellTable, FloatArray, IntArray, cell_keys

AGREEMENT = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class LinkedTables:
    """The cells of all ``tables`` one after the other; ``same`` (pairs × 2) are positions of equal cells."""

    tables: tuple[CellTable, ...]
    same: IntArray
    value: FloatArray
    sole_contributor: IntArray
    integral: bool

    @staticmethod
    def of(tables: Sequence[CellTable]) -> LinkedTables:
        """Link ``tables`` by the names and codes of their dimensions.

        Contributors must carry the same ids in all tables. Raises `BadInput` when tables of counts are mixed with
        magnitudes, or when a shared cell is not the same in both.
        """
        if len({table.integral for table in tables}) != 1:
            raise BadInput("counts and magnitudes cannot be linked", next_step="protect each kind by itself")
        start = np.cumsum([0, *(len(table) for table in tables)])
        pairs = [np.zeros((0, 2), dtype=np.int64)]
        for one, other in combinations(range(len(tables)), 2):
            pairs.append(_shared(tables[one], tables[other]) + start[[one, other]])
        return LinkedTables(
            tables=tuple(tables),
            same=np.concatenate(pairs),
            value=np.concatenate([table.value for table in tables]),
            sole_contributor=np.concatenate([table.sole_contributor for table in tables]),
            integral=tables[0].integral,
        )

    def __len__(self) -> int:
        return len(self.value)

    def labels(self, cell: int) -> tuple[str, ...]:
        """The codes of one cell in its own table."""
        for table in self.tables:
            if cell < len(table):
                return table.labels(cell)
            cell -= len(table)
        raise IndexError("there is no such cell")

    def split(self, cells: np.ndarray) -> list[np.ndarray]:
        """An array over all cells as one array per table."""
        return np.split(cells, np.cumsum([len(table) for table in self.tables])[:-1])

    def primary(self, results: Sequence[PrimaryResult]) -> PrimaryResult:
        """The primaries of all tables, each judged by itself, as those of the whole."""
        start = np.cumsum([0, *(len(table) for table in self.tables)])
        anchors = [np.where(r.anchor >= 0, r.anchor + at, -1) for r, at in zip(results, start[:-1], strict=True)]
        return PrimaryResult(
            mask=np.concatenate([result.mask for result in results]),
            upl=np.concatenate([result.upl for result in results]),
            lpl=np.concatenate([result.lpl for result in results]),
            threshold=np.concatenate([result.threshold for result in results]),
            anchor=np.concatenate(anchors),
            reason=np.concatenate([result.reason for result in results]),
        )


def _shared(one: CellTable, other: CellTable) -> IntArray:
    """Positions of the cells that both tables have. Raises `BadInput` where they disagree."""
    codes = np.zeros((len(one), len(other.dims)), dtype=np.int64)
    expressible = np.ones(len(one), dtype=np.bool_)
    names = {dim.name: position for position, dim in enumerate(other.dims)}
    for position, dim in enumerate(one.dims):
        column = one.codes[:, position]
        if dim.name not in names:
            expressible &= column == 0
            continue
        index = other.dims[names[dim.name]].index
        # the root is the total under whatever name
        place = np.array([0, *(index.get(code, -1) for code in dim.codes[1:])], dtype=np.int64)[column]
        expressible &= place >= 0
        codes[:, names[dim.name]] = np.maximum(place, 0)
    mine = np.flatnonzero(expressible)
    keys = other.keys()
    order = np.argsort(keys, kind="stable")
    wanted = cell_keys(codes[mine], other.shape)
    found = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    there = keys[found] == wanted
    close = np.abs(one.value[mine] - other.value[found]) <= AGREEMENT * np.maximum(one.value[mine], 1)
    wrong = mine[~there | ~close]
    if len(wrong):
        shown = "; ".join(" × ".join(one.labels(int(cell))) for cell in wrong[:5])
        raise BadInput(
            f"{len(wrong)} cell(s) differ between two linked tables: {shown}",
            next_step="tabulate both from the same data, or give unlike dimensions unlike names",
        )
    return np.column_stack([mine, found]).astype(np.int64)


Protected = CellTable | LinkedTables
