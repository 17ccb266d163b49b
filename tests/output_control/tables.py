"""Small tables that the tests of rules, suppression and audit share, and an attacker written apart from the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from output_control.tables.aggregate import aggregate
from output_control.tables.table import CellTable, Dimension


def flat(name: str, leaves: Sequence[str]) -> Dimension:
    """A dimension of one level below its total."""
    return Dimension(name, f"{name}-total", {f"{name}-total": tuple(leaves)})


def counts(dims: tuple[Dimension, ...], cells: Mapping[tuple[str, ...], int]) -> CellTable:
    """A frequency table from its inner cells."""
    leaves = np.array([[dim.index[code] for dim, code in zip(dims, key, strict=True)] for key in cells], dtype=np.int32)
    freq = np.array(list(cells.values()), dtype=np.float64)
    return aggregate(dims, leaves, freq, freq, None, integral=True)


def magnitudes(dims: tuple[Dimension, ...], records: Sequence[tuple[tuple[str, ...], float, int]]) -> CellTable:
    """A magnitude table from (codes, value, contributor)."""
    leaves = np.array(
        [[dim.index[code] for dim, code in zip(dims, key, strict=True)] for key, _, _ in records],
        dtype=np.int32,
    )
    value = np.array([value for _, value, _ in records])
    unit = np.array([unit for _, _, unit in records], dtype=np.int64)
    return aggregate(dims, leaves, np.ones(len(records)), value, unit, integral=False)


def cell(table: CellTable, *codes: str) -> int:
    """Position of a cell by its codes."""
    wanted = [dim.index[code] for dim, code in zip(table.dims, codes, strict=True)]
    return int(np.flatnonzero((table.codes == wanted).all(axis=1))[0])


def all_tables(table: CellTable, suppressed: np.ndarray, highest: int) -> np.ndarray:
    """Every table of whole numbers ≥ 0 that agrees with what is published (rows: tables; columns: cells).

    Brute force over the inner cells, each up to ``highest``, and nothing of the gate: totals are summed by walking
    the hierarchy, code by code. A cell is added at a time, and what no further cell can make agree is dropped at once.
    """
    inner = [i for i in range(len(table)) if all(table.labels(i)[d] in dim.leaves for d, dim in enumerate(table.dims))]
    above = np.array([[_holds(table, i, j) for j in inner] for i in range(len(table))], dtype=np.float64)
    shown, told = above[~suppressed], table.value[~suppressed]
    found = np.zeros((1, 0))
    for at, j in enumerate(inner, 1):
        choices = np.arange(highest + 1.0) if suppressed[j] else table.value[[j]]
        found = np.hstack([np.repeat(found, len(choices), axis=0), np.tile(choices, len(found))[:, None]])
        sums, whole = found @ shown[:, :at].T, ~shown[:, at:].any(axis=1)
        found = found[((sums == told) | (~whole & (sums < told))).all(axis=1)]
    return found @ above.T


def _holds(table: CellTable, total: int, inner: int) -> bool:
    return all(
        _is_below(dim, lower, upper)
        for dim, lower, upper in zip(table.dims, table.labels(inner), table.labels(total), strict=True)
    )


def _is_below(dim: Dimension, lower: str, upper: str) -> bool:
    return lower == upper or any(_is_below(dim, lower, child) for child in dim.children.get(upper, ()))
