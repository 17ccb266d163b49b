"""Atoms: groups of rows that lie in the same cells of every table; what is published are sums of them.

Over atoms the attacker's view is exact, for any number of tables: beside the atoms that are there, every combination
of codes is held possible of which each two codes occur together somewhere, unless the meaning of a column rules it out
(:mod:`output_control.ledger.defined`). A combination that is wrongly held impossible only narrows the attacker's
intervals. There are as many atoms as there are ways to be in the tables, so this
is for small systems; larger ones rest on the relations between each two tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from output_control.ledger.defined import known_empty
from output_control.ledger.released import ReleasedTable, Rows
from output_control.tables.rollup import LARGEST
from output_control.tables.table import NO_CONTRIBUTOR, BoolArray, CodeArray, Dimension, FloatArray, IntArray, cell_keys

MOST_ROWS = 100_000
MOST_ATOMS = 4_000
MOST_EMPTY = 6_000
MOST_TABLES = 24
ABSENT = 0


@dataclass(frozen=True, slots=True, eq=False)
class Atoms:
    """``cells`` per table: cells × atoms, 1 where the cell holds the atom. ``small``: atoms of few units, of those
    that are there; ``units`` of each of these, and ``apart`` of each: so many distinct units, or more, are in any atoms
    together as this adds up to (a unit of k atoms counts as 1/k in each). ``top`` and ``holders`` (atoms × `LARGEST`):
    the largest contributions to each and whose they are, -1 where nobody is taken to know an own part, as in
    `CellTable`: whoever is in the tables knows which cells of all of them the own records are in.
    """

    amount: FloatArray
    cells: tuple[sparse.csr_array, ...]
    small: IntArray
    units: IntArray
    apart: FloatArray
    top: FloatArray
    holders: IntArray

    @property
    def known(self) -> bool:
        """Whether the atoms were worked out."""
        return bool(len(self.amount))

    @staticmethod
    def none() -> Atoms:
        """Too many to work out."""
        nothing, nobody = np.zeros(0, dtype=np.int64), np.zeros((0, LARGEST), dtype=np.int64)
        return Atoms(np.zeros(0), (), nothing, nothing, np.zeros(0), np.zeros((0, LARGEST)), nobody)


def atoms_of(
    tables: Sequence[ReleasedTable], threshold: int, *, most_rows: int | None = None, most_atoms: int | None = None
) -> Atoms:
    """The atoms of ``tables``, those that are there first; none when there are too many."""
    if len(tables) > MOST_TABLES or sum(len(table.rows) for table in tables) > (most_rows or MOST_ROWS):
        return Atoms.none()
    row = np.unique(np.concatenate([table.rows.row for table in tables]))
    columns: list[IntArray] = []
    blocks: list[slice] = []
    for table in tables:
        at = np.searchsorted(row, table.rows.row)
        codes = np.full((len(row), len(table.table.dims)), ABSENT, dtype=np.int64)
        codes[at] = table.table.codes[table.rows.leaf] + 1
        blocks.append(slice(len(columns), len(columns) + codes.shape[1]))
        columns += list(codes.T)
    combined = np.column_stack(columns)
    atoms, of_row = np.unique(combined, axis=0, return_inverse=True)
    if len(atoms) > (most_atoms or MOST_ATOMS):
        return Atoms.none()
    inside = _contents(tables, row, of_row.reshape(-1), len(atoms))
    empty = _possible(atoms)
    for table, block in zip(tables, blocks, strict=True):
        empty = empty[not_known_empty(table, empty[:, block])]
    empty = empty[~known_empty(_levels(tables, atoms), inside.units, _levels(tables, empty))]
    every = np.concatenate([atoms, empty])
    return Atoms(
        amount=np.concatenate([inside.amount, np.zeros(len(empty))]),
        cells=tuple(in_cells(table, every[:, block]) for table, block in zip(tables, blocks, strict=True)),
        small=np.flatnonzero(inside.units < threshold),
        units=inside.units,
        apart=inside.apart,
        top=np.concatenate([inside.top, np.zeros((len(empty), LARGEST))]),
        holders=np.concatenate([inside.holders, np.full((len(empty), LARGEST), NO_CONTRIBUTOR)]),
    )


def _levels(tables: Sequence[ReleasedTable], codes: IntArray) -> IntArray:
    """Each column of ``codes`` (those of all tables) at each of its levels; the first says who is in the table."""
    columns: list[IntArray] = []
    dims = [dim for table in tables for dim in table.table.dims]
    for column, dim in zip(codes.T, dims, strict=True):
        columns += [np.append(ABSENT, cut(dim, depth) + 1)[column] for depth in range(dim.levels)]
    return np.column_stack(columns)


def cut(dim: Dimension, depth: int) -> IntArray:
    """Per code, the code at or above it that is no deeper than ``depth``."""
    found = np.arange(len(dim.codes))
    while (deep := dim.depth[found] > depth).any():
        found[deep] = dim.parent[found[deep]]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Contents:
    """Of the atoms that are there, as in `Atoms`."""

    amount: FloatArray
    units: IntArray
    apart: FloatArray
    top: FloatArray
    holders: IntArray


def _contents(tables: Sequence[ReleasedTable], row: IntArray, of_row: IntArray, count: int) -> _Contents:
    """Amount, distinct units and largest contributions per atom, each row counted once; and what of its units is its
    own."""
    amount, unit, told = np.zeros(len(row)), np.zeros(len(row), dtype=np.int64), np.zeros(len(row), dtype=np.bool_)
    for table in reversed(tables):
        held: Rows = table.rows
        at = np.searchsorted(row, held.row)
        amount[at], unit[at], told[at] = held.amount, held.unit, table.table.contributors is not None
    pairs, pair = np.unique(np.column_stack([of_row, unit]), axis=0, return_inverse=True)
    each = np.bincount(pair.reshape(-1), weights=amount, minlength=len(pairs)).astype(np.float64)
    units = np.bincount(pairs[:, 0], minlength=count).astype(np.int64)
    _, at, times = np.unique(pairs[:, 1], return_inverse=True, return_counts=True)
    apart = np.bincount(pairs[:, 0], weights=1 / times[at.reshape(-1)], minlength=count).astype(np.float64)
    # a contribution below 0 says nothing of what the others have
    open_: BoolArray = np.zeros(count, dtype=np.bool_)
    open_[of_row[~told]] = open_[pairs[each < 0, 0]] = True
    top, holders = _largest(pairs[:, 0], pairs[:, 1], each, count)
    holders[open_] = NO_CONTRIBUTOR
    total = np.bincount(of_row, weights=amount, minlength=count).astype(np.float64)
    return _Contents(total, units, apart, top, holders)


def _largest(atom: IntArray, unit: IntArray, amount: FloatArray, count: int) -> tuple[FloatArray, IntArray]:
    """Per atom (rising) the largest amounts, equal ones by the larger unit first, and whose they are."""
    order = np.lexsort((-unit, -amount, atom))
    rank = np.arange(len(atom)) - np.searchsorted(atom, atom)
    top, holders = np.zeros((count, LARGEST)), np.full((count, LARGEST), NO_CONTRIBUTOR, dtype=np.int64)
    kept = rank < LARGEST
    place = atom[kept], rank[kept]
    top[place], holders[place] = np.maximum(amount[order][kept], 0), unit[order][kept]
    return top, holders


def _possible(atoms: IntArray) -> IntArray:
    """Combinations that hold no row though each two of their codes occur together; none when they are too many."""
    distinct = np.unique(atoms, axis=1) if atoms.shape[1] == 1 else atoms
    values = [np.unique(column) for column in distinct.T]
    found = values[0][:, None]
    for at in range(1, len(values)):
        if len(found) * len(values[at]) > 40 * MOST_EMPTY:
            return atoms[:0]
        wider = np.column_stack([np.repeat(found, len(values[at]), axis=0), np.tile(values[at], len(found))])
        for before in range(at):
            seen = np.unique(atoms[:, before] * (atoms.max() + 1) + atoms[:, at])
            wider = wider[np.isin(wider[:, before] * (atoms.max() + 1) + wider[:, at], seen)]
        found = wider
    size = int(atoms.max()) + 1
    new = ~np.isin(_joined(found, size), _joined(atoms, size))
    return found[new] if int(new.sum()) <= MOST_EMPTY else atoms[:0]


def not_known_empty(table: ReleasedTable, codes: IntArray) -> BoolArray:
    """An empty cell is published as 0: nothing can be in it."""
    keys = table.table.keys()
    key = cell_keys(codes - 1, table.table.shape)
    found = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    possible: BoolArray = (codes[:, 0] == ABSENT) | (keys[found] == key)
    return possible


def _joined(rows: IntArray, size: int) -> IntArray:
    """One number per row; with many columns a well-spread one."""
    mixed: IntArray = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        mixed = mixed * np.int64(6364136223846793005) + column * np.int64(size | 1) + 1442695040888963407
        mixed ^= mixed >> 29
    return mixed


def in_cells(table: ReleasedTable, codes: IntArray) -> sparse.csr_array:
    """Cells × atoms; an atom outside this table is in none of its cells."""
    shape, keys = table.table.shape, table.table.keys()
    positions, cells = [], []
    there: BoolArray = codes[:, 0] != ABSENT
    stack: list[tuple[int, IntArray, CodeArray]] = [(0, np.flatnonzero(there), (codes[there] - 1).astype(np.int32))]
    while stack:
        at, rows, now = stack.pop()
        if at == len(shape):
            key = cell_keys(now, shape)
            found = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            known = keys[found] == key
            positions.append(rows[known])
            cells.append(found[known])
            continue
        while len(rows):
            stack.append((at + 1, rows, now.copy()))
            up = table.table.dims[at].parent[now[:, at]]
            rows, now = rows[up >= 0], now[up >= 0].copy()
            now[:, at] = up[up >= 0]
    cell, position = np.concatenate(cells), np.concatenate(positions)
    return sparse.csr_array((np.ones(len(cell)), (cell, position)), shape=(len(keys), len(codes)))
