"""Roll records at the leaves up to every cell of a table, with the largest contributions by unit."""

from __future__ import annotations

import numpy as np

from output_control.tables.table import (
    NO_CONTRIBUTOR,
    CellTable,
    CodeArray,
    Dimension,
    FloatArray,
    IntArray,
    cell_keys,
)

LARGEST = 3
DECIMALS = 4


def aggregate(
    dims: tuple[Dimension, ...],
    leaves: CodeArray,
    freq: FloatArray,
    value: FloatArray,
    contributor: IntArray | None,
    *,
    integral: bool,
) -> CellTable:
    """The table of all cells above ``leaves`` (records × dims, positions in `Dimension.codes`).

    ``contributor`` numbers the protected units from 0; without it each unit counted in ``freq`` stands for itself, no
    contribution is known and nobody is a sole contributor.
    """
    shape = tuple(len(dim.codes) for dim in dims)
    unit = np.zeros(len(leaves), dtype=np.int64) if contributor is None else contributor
    decimals = _decimals(value)
    cells, unit, freq, value = _sum_by(cell_keys(leaves, shape), unit, freq, value)
    stride = int(np.prod(shape, dtype=np.int64))
    for dim in dims:
        stride //= len(dim.codes)
        cells, unit, freq, value = _roll_up(dim, stride, cells=cells, unit=unit, freq=freq, value=value)
    value = value if decimals is None else np.round(value, decimals)
    return _table(
        dims,
        cells,
        unit,
        freq,
        value,
        decimals=decimals,
        known_units=contributor is not None,
        integral=integral,
    )


def _decimals(value: FloatArray) -> int | None:
    """The decimals that all records are given in (at most `DECIMALS`), so that sums can be had without noise."""
    for decimals in range(DECIMALS + 1):
        if np.array_equal(np.round(value, decimals), value):
            return decimals
    return None


def _sum_by(
    cells: IntArray, unit: IntArray, freq: FloatArray, value: FloatArray
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Sums per cell and unit, ordered by both."""
    # the value breaks ties, so that sums do not depend on the order of the records
    order = np.lexsort((value, unit, cells))
    cells, unit = cells[order], unit[order]
    fresh = np.ones(len(cells), dtype=np.bool_)
    fresh[1:] = (cells[1:] != cells[:-1]) | (unit[1:] != unit[:-1])
    start = np.flatnonzero(fresh)
    if not len(start):
        return cells, unit, freq, value
    return (
        cells[start],
        unit[start],
        np.add.reduceat(freq[order], start),
        np.add.reduceat(value[order], start),
    )


def _roll_up(
    dim: Dimension, stride: int, *, cells: IntArray, unit: IntArray, freq: FloatArray, value: FloatArray
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Add the ancestors of every cell along one dimension."""
    layers = [(cells, unit, freq, value)]
    above, origin = cells, np.arange(len(cells))
    while True:
        code = above // stride % len(dim.codes)
        parent = dim.parent[code].astype(np.int64)
        up = parent >= 0
        if not up.any():
            break
        above = above[up] + (parent[up] - code[up]) * stride
        origin = origin[up]
        layers.append((above, unit[origin], freq[origin], value[origin]))
    joined = [np.concatenate([layer[part] for layer in layers]) for part in range(4)]
    return _sum_by(joined[0], joined[1], joined[2], joined[3])


def _table(
    dims: tuple[Dimension, ...],
    cells: IntArray,
    unit: IntArray,
    freq: FloatArray,
    value: FloatArray,
    *,
    decimals: int | None,
    known_units: bool,
    integral: bool,
) -> CellTable:
    """One row per cell from one row per cell and unit (ordered by cell)."""
    order = np.lexsort((unit, -value, cells))
    cells, unit, freq, value = cells[order], unit[order], freq[order], value[order]
    keys, start, count = np.unique(cells, return_index=True, return_counts=True)
    total_freq = np.add.reduceat(freq, start) if len(start) else np.zeros(0)
    total_value = np.add.reduceat(value, start) if len(start) else np.zeros(0)
    total_value = total_value if decimals is None else np.round(total_value, decimals)
    top = np.zeros((len(keys), LARGEST))
    whose = np.full((len(keys), LARGEST), NO_CONTRIBUTOR, dtype=np.int64)
    if known_units:
        for rank in range(LARGEST):
            there = count > rank
            top[there, rank] = value[start[there] + rank]
            whose[there, rank] = unit[start[there] + rank]
    sole = np.where(count == 1, unit[start], NO_CONTRIBUTOR) if known_units else np.full(len(keys), -1)
    two = np.full((len(keys), 2), NO_CONTRIBUTOR, dtype=np.int64)
    if known_units:
        both = np.flatnonzero(count == 2)
        two[both] = np.sort(unit[start[both, None] + np.arange(2)], axis=1)
    codes = np.column_stack(np.unravel_index(keys, tuple(len(dim.codes) for dim in dims)))
    keep = (total_freq > 0) | (total_value > 0)
    return CellTable(
        dims=dims,
        codes=codes.astype(np.int32)[keep],
        freq=total_freq[keep],
        value=total_value[keep],
        n_contributors=(count if known_units else np.rint(total_freq)).astype(np.int64)[keep],
        top=top[keep],
        sole_contributor=sole.astype(np.int64)[keep],
        integral=integral,
        two_contributors=two[keep],
        contributors=whose[keep] if known_units and not integral and not bool((value < 0).any()) else None,
    )
