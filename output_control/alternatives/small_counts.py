"""Small-count rounding: only small inner counts change, to 0 or to the base; totals are added up anew.

After Langsrud and Heldal, *An Algorithm for Small Count Rounding of Tabular Data* (Privacy in Statistical Databases,
2018), as in Statistics Norway's SmallCountRounding; the search differs. Theirs brings the totals as close as it can,
from which who knows the programme learns that no other choice was closer: five counts of 9 that all became 10 could
have been nothing else. This one takes the closer of two keyed draws, each of which could have been any.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from enclave.errors import CannotProtect
from output_control.alternatives.altered import AlteredTable
from output_control.tables.table import BoolArray, CellTable, FloatArray, IntArray, cell_keys

DRAWS = 2
_GOLDEN = 0x9E3779B97F4A7C15


def round_small_counts(table: CellTable, base: int, draws: FloatArray) -> AlteredTable:
    """Inner counts of 1 … ``base`` - 1 become 0 or ``base``; all others stay, and totals follow.

    ``draws`` (per cell, 0 ≤ u < 1): a count y becomes ``base`` when u < y/base, which is unbiased; of this and further
    draws that follow from them the one is taken with the least squared deviations of all totals. The same input gives
    the same result.

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
        totals = sparse.csr_array(within[np.flatnonzero(~inner)][:, small])
        rounded[small] = _closest(totals, value[small], draws[inner][small], base)
    published = np.rint(within @ rounded).astype(np.int64)
    return AlteredTable("small_count_rounding", published, {"base": base}, additive=True)


def _closest(totals: sparse.csr_array, value: IntArray, draws: FloatArray, base: int) -> IntArray:
    """Of `DRAWS` roundings the one that leaves the totals (rows) closest in the least-squares sense."""
    tried = [np.where(_drawn_again(draws, number) * base < value, base, 0) for number in range(DRAWS)]
    off = [float(np.sum((totals @ (value - each).astype(np.float64)) ** 2)) for each in tried]
    return tried[int(np.argmin(off))]


def _drawn_again(draws: FloatArray, number: int) -> FloatArray:
    """The draws (number 0), or others that follow from them: splitmix64 (Steele, Lea & Flood 2014)."""
    if not number:
        return draws
    z = (draws * 2.0**53).astype(np.uint64) + np.uint64(number * _GOLDEN % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2.0**53, dtype=np.float64)


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
