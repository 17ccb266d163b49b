"""`cells.csv` of a folder of `zicht protect`: cells that its owner tabulated, alone or beside the records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from enclave.errors import BadInput, Fault
from output_control.alone.columns import Columns
from output_control.tables.aggregate import LARGEST
from output_control.tables.relations import equations, reduce
from output_control.tables.table import (
    NO_CONTRIBUTOR,
    BoolArray,
    CellTable,
    Dimension,
    FloatArray,
    IntArray,
    cell_keys,
)

AGREEMENT = 1e-9
NEXT = "tabulate cells.csv again from this micro.csv, or leave one of the two out"


@dataclass(frozen=True, slots=True, eq=False)
class GivenCells:
    """The cells, and what the file says of the primaries where it says anything (`primary` and `upl`, or None).

    ``largest_known``: how many of the largest contributions of each cell are known. ``units_known``: how many
    contributors each cell has is.
    """

    table: CellTable
    flagged: BoolArray | None
    levels: FloatArray | None
    largest_known: int
    units_known: bool


def read_cells(path: Path, dims: tuple[Dimension, ...], *, integral: bool) -> GivenCells:
    """The cells of the file; raises `BadInput` with every fault, by column and row number, never with a value.

    Who the contributors of a cell are is unknown: each cell has its own, but for cells that the equations make equal
    (a total with one part), which have the same.
    """
    columns = Columns(path, (*(dim.name for dim in dims), "freq", "value"))
    codes = columns.codes(dims, leaves_only=False)
    freq, value = columns.numbers("freq"), columns.numbers("value")
    columns.fail(freq != np.rint(freq), "freq", "integer", "not a whole number")
    columns.fail((freq == 0) & (value > 0), "freq", "units", "no unit, though the value is above zero")
    if integral:
        columns.fail(value != freq, "value", "count", "a frequency table's value is its freq")
    units = columns.numbers("ncontr") if "ncontr" in columns else freq
    columns.fail(units != np.rint(units), "ncontr", "integer", "not a whole number")
    columns.fail((units == 0) & (freq > 0), "ncontr", "units", "no contributor, though freq is above zero")
    top, known = _largest(columns, value, units)
    flagged = columns.numbers("primary") if "primary" in columns else None
    levels = columns.numbers("upl") if "upl" in columns else None
    if flagged is not None:
        columns.fail(~np.isin(flagged, (0, 1)), "primary", "flag", "neither 0 nor 1")
    columns.stop_on_faults()
    if integral and not known and np.array_equal(units, freq):
        top, known = ones(freq), LARGEST
    keep = (freq > 0) | (value > 0)
    table = CellTable(
        dims,
        codes[keep],
        freq[keep],
        value[keep],
        units.astype(np.int64)[keep],
        top[keep],
        np.full(int(keep.sum()), NO_CONTRIBUTOR, dtype=np.int64),
        integral=integral,
    )
    return GivenCells(
        table=table if integral else with_contributors(table, known, counted="ncontr" in columns),
        flagged=None if flagged is None else flagged[keep] == 1,
        levels=None if levels is None else levels[keep],
        largest_known=known,
        units_known="ncontr" in columns,
    )


def ones(freq: FloatArray) -> FloatArray:
    """The largest contributions (cells × 3) to counts of units that count once each."""
    return np.asarray(freq[:, None] > np.arange(LARGEST), dtype=np.float64)


def _largest(columns: Columns, value: FloatArray, units: FloatArray) -> tuple[FloatArray, int]:
    """`top1` to `top3` (cells × 3, 0 where the column is missing), and how many of them are there from the first on."""
    there = [f"top{rank + 1}" in columns for rank in range(LARGEST)]
    known = there.index(False) if False in there else LARGEST
    top = np.zeros((len(value), LARGEST))
    for rank in range(known):
        top[:, rank] = columns.numbers(f"top{rank + 1}")
    if known:
        near = AGREEMENT * value
        # what is left is of the other contributors, none of whom has more than the last of the largest
        rest = value - top.sum(axis=1)
        most = np.maximum(units - known, 0) * top[:, known - 1]
        falling = (np.diff(top[:, :known], axis=1) <= near[:, None]).all(axis=1)
        agree = falling & (rest >= -near) & (rest <= most + near)
        columns.fail(~agree, "top1", "largest", "the largest contributions disagree with each other or the value")
    return top, known


def with_contributors(table: CellTable, known: int, *, counted: bool) -> CellTable:
    """The table with ids of those who are alone or two in a cell, and of its ``known`` largest contributors.

    ``counted``: the numbers of contributors are known, not of units alone.
    """
    if not len(table):
        return table
    alone, both = _one_or_two(table, known, counted=counted)
    group = reduce(equations(table))[1]
    cells, ranks = len(table), np.arange(LARGEST)
    sole = np.where(alone, group, NO_CONTRIBUTOR)
    two = np.where(both[:, None], cells + 2 * group[:, None] + np.arange(2), NO_CONTRIBUTOR)
    largest = np.where(table.top > 0, 3 * cells + LARGEST * group[:, None] + ranks, NO_CONTRIBUTOR)
    largest[alone] = np.where(ranks == 0, sole[alone, None], NO_CONTRIBUTOR)
    largest[both] = np.column_stack([two[both], np.full(int(both.sum()), NO_CONTRIBUTOR)])
    return replace(table, sole_contributor=sole, two_contributors=two, contributors=largest)


def _one_or_two(table: CellTable, known: int, *, counted: bool) -> tuple[BoolArray, BoolArray]:
    """The cells that have one contributor, and two; what `ncontr` does not say shows in part in the others."""
    if counted:
        return table.n_contributors == 1, table.n_contributors == 2
    rest = table.value[:, None] - np.cumsum(table.top, axis=1)
    none_left = (rest <= AGREEMENT * table.value[:, None]) & (table.value > 0)[:, None] & (np.arange(LARGEST) < known)
    alone = (table.freq == 1) | none_left[:, 0]
    return alone, none_left[:, 1] & ~alone


def must_agree(own: CellTable, other: GivenCells, file: str, *, units_known: bool) -> IntArray:
    """Stop unless ``other`` holds the same cells and figures; returns its positions in the order of ``own``."""
    given = other.table
    order_own, order_given = np.argsort(own.keys()), np.argsort(given.keys())
    if not np.array_equal(own.keys()[order_own], given.keys()[order_given]):
        own_only = len(np.setdiff1d(own.keys(), given.keys()))
        extra = len(np.setdiff1d(given.keys(), own.keys()))
        raise BadInput(
            f"disagrees with micro.csv: {own_only} non-empty cell(s) are missing and {extra} should not be there",
            where=file,
            next_step=NEXT,
        )
    scale = max(float(own.value.max(initial=0)), 1)
    pairs: dict[str, tuple[FloatArray, FloatArray]] = {
        "freq": (own.freq, given.freq),
        "value": (own.value, given.value),
    }
    if units_known and other.units_known:
        pairs["ncontr"] = own.n_contributors.astype(np.float64), given.n_contributors.astype(np.float64)
    for rank in range(other.largest_known if units_known else 0):
        pairs[f"top{rank + 1}"] = own.top[:, rank], given.top[:, rank]
    faults = []
    for name, (left, right) in pairs.items():
        gap = np.abs(left[order_own] - right[order_given])
        differs = gap > AGREEMENT * np.maximum(np.abs(left[order_own]), scale * 1e-3)
        if differs.any():
            message = f"{int(differs.sum())} cell(s) disagree with the tabulation of micro.csv"
            faults.append(Fault(file, "agreement", message, name))
    if faults:
        raise BadInput("disagrees with micro.csv", where=file, next_step=NEXT, faults=faults)
    back = np.empty_like(order_own)
    back[order_own] = order_given
    return back


def must_be_additive(table: CellTable, file: str) -> None:
    """Stop unless every total is there, and the sum of its parts."""
    matrix = equations(table)
    size = abs(matrix) @ table.value
    open_totals = int((np.abs(matrix @ table.value) > 1e-6 * np.maximum(size, 1)).sum())
    if open_totals:
        raise BadInput(
            f"{open_totals} total(s) are not the sum of their parts",
            where=file,
            next_step="add the missing cells, or correct the totals",
        )
    missing = _missing_totals(table)
    if missing:
        raise BadInput(f"{missing} total(s) are missing", where=file, next_step="add the totals along every dimension")


def _missing_totals(table: CellTable) -> int:
    """How many cells one level above others, along one dimension, are not there."""
    above = []
    for position, dim in enumerate(table.dims):
        parent = dim.parent[table.codes[:, position]]
        codes = table.codes[parent >= 0].copy()
        codes[:, position] = parent[parent >= 0]
        above.append(cell_keys(codes, table.shape))
    return len(np.setdiff1d(np.concatenate(above), table.keys()))
