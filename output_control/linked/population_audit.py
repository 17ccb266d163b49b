"""The audit's own account of how linked tables add up from the cells of their population.

By the leaves of every table, those too that the suppressor found tied to another; cells of the population in which
some table has nobody are held at 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from output_control.linked.population import Groups, Population
from output_control.tables.table import CellTable, Dimension, IntArray


def audited_sums(tables: Sequence[CellTable], behind: Population) -> sparse.csr_array:
    """Equations over the cells of ``tables`` and then those of the population: leaves known alike minus people."""
    start = np.cumsum([0, *(len(table) for table in tables)]).tolist()
    width = start[-1] + len(behind.cells)
    parts = [_sums(table, behind, first, width) for table, first in zip(tables, start[:-1], strict=True)]
    return sparse.csr_array(sparse.vstack(parts, format="csr"))


def _sums(table: CellTable, behind: Population, first: int, width: int) -> sparse.csr_array:
    names, leaves = list(behind.groups), _leaves(table)
    of_leaf = np.zeros((len(leaves), len(table.dims)), dtype=np.int64)
    of_person = np.zeros((len(behind.cells), len(table.dims)), dtype=np.int64)
    for at, dim in enumerate(table.dims):
        if dim.name in behind.groups:
            nearest, deepest = _known(dim, behind.groups[dim.name])
            of_leaf[:, at] = nearest[table.codes[leaves, at]]
            of_person[:, at] = deepest[behind.cells[:, names.index(dim.name)]]
    row = np.unique(np.concatenate([of_leaf, of_person]), axis=0, return_inverse=True)[1].reshape(-1)
    column = np.concatenate([first + leaves, width - len(of_person) + np.arange(len(of_person))])
    sign = np.repeat([1.0, -1.0], [len(leaves), len(of_person)])
    return sparse.csr_array((sign, (row, column)), shape=(int(row.max(initial=-1)) + 1, width))


def _leaves(table: CellTable) -> IntArray:
    """Cells below which there are none in any dimension."""
    inner = np.ones(len(table), dtype=np.bool_)
    for at, dim in enumerate(table.dims):
        inner &= ~np.isin(table.codes[:, at], dim.parent[1:])
    return np.flatnonzero(inner)


def _known(dim: Dimension, groups: Groups) -> tuple[IntArray, IntArray]:
    """Per code the nearest code at or above it that some group has, and per group the deepest code it has here."""
    place = dim.index
    nearest = np.zeros(len(dim.codes), dtype=np.int64)
    told = {place[code] for group in groups for code in group if place.get(code, 0)}
    for code in range(1, len(dim.codes)):
        nearest[code] = code if code in told else nearest[dim.parent[code]]
    deepest = [max((place.get(code, 0) for code in group), key=lambda code: int(dim.depth[code]), default=0)
               for group in groups]  # fmt: skip
    return nearest, np.array(deepest, dtype=np.int64)
