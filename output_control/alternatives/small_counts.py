"""Small-count rounding: only small inner counts change, to 0 or to the base; totals are added up anew.

After Langsrud and Heldal, *An Algorithm for Small Count Rounding of Tabular Data* (Privacy in Statistical Databases,
2018), as in Statistics Norway's SmallCountRounding; the search differs: theirs raises one count after another, this one
starts from draws and flips counts as long as that brings the totals closer.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from enclave.errors import CannotProtect
from output_control.alternatives.altered import AlteredTable
from output_control.table import BoolArray, CellTable, FloatArray, IntArray, cell_keys


def round_small_counts(table: CellTable, base: int, draws: FloatArray) -> AlteredTable:
    """Inner counts of 1 … ``base`` - 1 become 0 or ``base``; all others stay, and totals follow.

    ``draws`` (per cell, 0 ≤ u < 1): a count y starts at ``base`` when u < y/base, which is unbiased; counts are then
    flipped, the best first, while the squared deviations of all totals fall. The same input gives the same result.

    Raises:
        CannotProtect: the table is no count table.
    """
    if not table.integral:
        raise CannotProtect("only counts are rounded", next_step="protect sums by suppression or a coarser table")
    inner = inner_cells(table)
    within = holds(table, inner)
    value = np.rint(table.value[inner]).astype(np.int64)
    small = np.flatnonzero((value > 0) & (value < base))
    rounded = value.copy()
    if len(small):
        up = draws[inner][small] * base < value[small]
        totals = sparse.csr_array(within[np.flatnonzero(~inner)][:, small])
        rounded[small] = np.where(_improved(totals, value[small], up, base), base, 0)
    published = np.rint(within @ rounded).astype(np.int64)
    return AlteredTable("small_count_rounding", published, {"base": base}, additive=True)


def _improved(totals: sparse.csr_array, value: IntArray, up: BoolArray, base: int) -> BoolArray:
    """Flip counts until no flip brings the totals (rows) closer in the least-squares sense."""
    up = up.copy()
    by_count = sparse.csr_array(totals.T)
    length = np.diff(by_count.indptr)
    off = totals @ (value - np.where(up, base, 0)).astype(np.float64)
    pull = by_count @ off
    for _ in range(4 * len(value)):
        step = np.where(up, -base, base).astype(np.float64)
        gain = 2 * step * pull - base * base * length
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        rows = by_count.indices[by_count.indptr[best] : by_count.indptr[best + 1]]
        pull -= step[best] * np.asarray(totals[rows].sum(axis=0)).reshape(-1)
        up[best] = not up[best]
    return up


def inner_cells(table: CellTable) -> BoolArray:
    """Cells that are no total: their code is a leaf in every dimension."""
    inner = np.ones(len(table), dtype=np.bool_)
    for position, dim in enumerate(table.dims):
        leaf = np.isin(np.array(dim.codes), dim.leaves)
        inner &= leaf[table.codes[:, position]]
    return inner


def holds(table: CellTable, inner: BoolArray) -> sparse.csr_array:
    """Sparse (cells × inner cells): 1 where the inner cell counts in the cell."""
    codes, origin = table.codes[inner], np.arange(int(inner.sum()))
    for position, dim in enumerate(table.dims):
        layers, sources, here, at = [codes], [origin], codes, origin
        while True:
            above = dim.parent[here[:, position]]
            up = above >= 0
            if not up.any():
                break
            here, at = here[up].copy(), at[up]
            here[:, position] = above[up]
            layers.append(here)
            sources.append(at)
        codes, origin = np.concatenate(layers), np.concatenate(sources)
    keys = table.keys()
    order = np.argsort(keys)
    cell = order[np.searchsorted(keys, cell_keys(codes, table.shape), sorter=order)]
    return sparse.csr_array((np.ones(len(cell)), (cell, origin)), shape=(len(table), int(inner.sum())))
