"""Which sums of hidden cells everyone can compute: a published total less what is published of its parts."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from output_control.tables.table import BoolArray, IntArray


def known_unions(relations: sparse.csr_array, hidden: BoolArray) -> sparse.csr_array:
    """The sums of two or more hidden cells that are known, one row each (unions × cells, 0 and 1), no row twice.

    ``relations`` (equations × cells) hold +1 for the parts and -1 for the whole. Where the whole is published, what
    its hidden parts add up to is known; and so is what is hidden of the parts of these, level by level.
    """
    part, whole = (_entries(relations, sign, hidden) for sign in (1.0, -1.0))
    lines = np.flatnonzero((np.diff(part.indptr) > 1) & (np.diff(whole.indptr) == 0))
    found = [sparse.csr_array(part[lines])]
    wholes = _by_whole(whole)
    for number in range(int(np.bincount(wholes[1], minlength=1).max())):
        steps, apart = _expansion(part, wholes, number)
        above = found[0]
        while len(moved := np.flatnonzero(above @ apart)):
            above = sparse.csr_array(above[moved] @ steps)
            found.append(above)
    every = distinct(sparse.csr_array(sparse.vstack(found)))
    return sparse.csr_array(every[np.flatnonzero(np.diff(every.indptr) > 1)])


def in_finest(unions: sparse.csr_array, relations: sparse.csr_array) -> sparse.csr_array:
    """The same unions over the cells that have no parts."""
    every = np.ones(relations.shape[1], dtype=np.bool_)
    steps, apart = _expansion(_entries(relations, 1.0, every), _by_whole(_entries(relations, -1.0, every)), 0)
    while (unions @ apart).any():
        unions = sparse.csr_array(unions @ steps)
    return unions


def distinct(unions: sparse.csr_array) -> sparse.csr_array:
    """No row twice: equal rows have equal sums of random numbers, others but for a chance of one in 10^36."""
    marks = np.random.Generator(np.random.Philox(key=41)).integers(0, 2**62, (unions.shape[1], 2))
    total = np.zeros((unions.shape[0], 2), dtype=np.int64)
    np.add.at(total, np.repeat(np.arange(unions.shape[0]), np.diff(unions.indptr)), marks[unions.indices])
    return sparse.csr_array(unions[np.sort(np.unique(total, axis=0, return_index=True)[1])])


def _expansion(
    part: sparse.csr_array, wholes: tuple[IntArray, IntArray], number: int
) -> tuple[sparse.csr_array, IntArray]:
    """From each whole to the parts of its equation of that ``number``, from any other cell to itself (cells × cells);
    and 1 for each such whole. A whole of which no part is left goes to nothing."""
    row, cell = wholes
    mine = np.arange(len(cell)) - np.searchsorted(cell, cell) == number
    apart = np.zeros(part.shape[1], dtype=np.int64)
    apart[cell[mine]] = 1
    parts, still = sparse.coo_array(part[row[mine]]), np.flatnonzero(apart == 0)
    where = np.r_[cell[mine][parts.coords[0]], still], np.r_[parts.coords[1], still]
    return sparse.csr_array((np.ones(len(where[0])), where), shape=(len(apart), len(apart))), apart


def _entries(relations: sparse.csr_array, sign: float, cells: BoolArray) -> sparse.csr_array:
    """1 where some of the cells have that sign."""
    held = sparse.coo_array(relations)
    there = (held.data == sign) & cells[held.coords[1]]
    where = held.coords[0][there], held.coords[1][there]
    return sparse.csr_array((np.ones(len(where[0])), where), shape=relations.shape)


def _by_whole(whole: sparse.csr_array) -> tuple[IntArray, IntArray]:
    """The equations that have a whole, and which, in the order of the wholes."""
    row, cell = (each.astype(np.int64) for each in sparse.coo_array(whole).coords)
    order = np.lexsort((row, cell))
    return row[order], cell[order]
