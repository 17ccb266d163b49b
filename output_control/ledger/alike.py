"""What earlier releases tell by definition, whoever is in their cells.

Two tables of the same population, cut by the same categories, have the same cells: of a region that is two
municipalities less one of them, the other follows. That cells of *different* populations or categories hold the same
units is chance, and so is that a cell of a new table is empty: of these nothing is taken here. A population is the same
when it was defined alike and the same units are in it; where that is not known, or few are in it, it is no other's. A
category is the same when the same part of the population is in it and it is called the same: a derived column can be
made to hold the same part just where a secret is so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import product

import numpy as np
from scipy import sparse

from output_control.audit import full_equations
from output_control.ledger.overlap import MARGIN
from output_control.ledger.released import ReleasedTable
from output_control.ledger.rows import mixed
from output_control.ledger.system import System
from output_control.tables.relations import equations
from output_control.tables.table import Dimension, IntArray, cell_keys

MOST_CELLS = 1_000
PUBLISHED, UNKNOWN = -1, -2
FEW = 30  # units that two populations may have in common by chance


@dataclass(frozen=True, slots=True, eq=False)
class Defined:
    """Equations over the columns of a system; per table and cell a number, equal for what is the same by definition."""

    equations: sparse.csr_array
    numbers: tuple[IntArray, ...]


def by_definition(system: System, tables: Sequence[ReleasedTable], new: int) -> Defined:
    """Equations over the columns of ``system``: how earlier tables add up, which cells and unions of cells of all
    tables are the same, how the first ``new`` tables add up where no part is empty, and small differences."""
    cuts = [_Cut(table, _places(table, columns, old=at >= new)) for at, (table, columns) in
            enumerate(zip(tables, system.columns, strict=True))]  # fmt: skip
    chance = _by_chance(system, cuts[new:], new)
    for cut in cuts[new:]:
        cut.forget(chance)
    alike = _Alike(cuts)
    for link in system.links:
        if link.relation.kind == MARGIN:
            alike.unite(link.first, link.relation.first)
            alike.unite(link.second, link.relation.second)
    size = len(system.joint)
    parts = [_earlier_and_rests(system, cuts[:new], chance), alike.equations(size)]
    for table, columns in zip(tables[:new], system.columns, strict=False):
        whole = sparse.coo_array(_whole_sums(table))
        row, cell = whole.coords
        parts.append(sparse.csr_array((whole.data, (row, columns[cell])), shape=(whole.shape[0], size)))
    return Defined(sparse.csr_array(sparse.vstack(parts)), tuple(cut.numbers for cut in cuts))


def _by_chance(system: System, earlier: Sequence[_Cut], new: int) -> IntArray:
    """Columns that stand for hidden cells which hold the same units, but not by definition: nobody knows that one of
    them tells the other."""
    low, high = np.full(len(system.joint), np.iinfo(np.int64).max), np.full(len(system.joint), np.iinfo(np.int64).min)
    for cut, columns in zip(earlier, system.columns[new:], strict=True):
        there = columns >= 0
        np.minimum.at(low, columns[there], cut.numbers[there])
        np.maximum.at(high, columns[there], cut.numbers[there])
    found: IntArray = np.flatnonzero(low < high)
    return found


def _places(table: ReleasedTable, columns: IntArray, *, old: bool) -> IntArray:
    """Per cell its column in the system; hidden cells of an earlier table may have none there."""
    return np.where(columns >= 0, columns, np.where(table.hidden, UNKNOWN, PUBLISHED)) if old else columns


def _earlier_and_rests(system: System, cuts: Sequence[_Cut], chance: IntArray) -> sparse.csr_array:
    """Equations of no cell of the new tables (which ``cuts`` are of); and those of a small difference and one cell, or
    cells that are a product of categories, in whose place stand the widest that are the same. None of columns that are
    the same by ``chance``."""
    full = sparse.csr_array(full_equations(system.joint))
    told = np.ones(len(system.joint))
    told[chance] = 0
    full = sparse.csr_array(full[np.flatnonzero(_there(full) @ (1 - told) == 0)])
    own, rest = (np.zeros(len(system.joint)) for _ in range(2))
    own[np.concatenate(system.columns[: len(cuts)])], rest[system.rests] = 1, 1
    number, rests = (np.asarray(_there(full) @ each) for each in (own, rest))
    parts = [full[np.flatnonzero((number == 0) | ((number == 1) & (rests > 0)))]]
    for row in np.flatnonzero((number > 1) & (rests > 0)).tolist():
        part = slice(full.indptr[row], full.indptr[row + 1])
        columns, signs = full.indices[part].astype(np.int64), full.data[part]
        mine = own[columns] > 0
        found = [_united(cut, at, columns[mine]) for cut, at in zip(cuts, system.columns, strict=False)]
        wider = next((each for each in found if each is not None), None)
        # what is weighted is no union
        if wider is not None and (signs[mine] == signs[mine][0]).all():
            both = np.append(columns[~mine], wider)
            entries = np.append(signs[~mine], np.full(len(wider), signs[mine][0]))
            parts.append(sparse.csr_array((entries, (np.zeros(len(both), dtype=np.int64), both)), (1, full.shape[1])))
    return sparse.csr_array(sparse.vstack(parts))


def _there(equations: sparse.csr_array) -> sparse.csr_array:
    """1 for each column of each equation."""
    return sparse.csr_array((np.ones(equations.nnz), equations.indices, equations.indptr), equations.shape)


def _united(cut: _Cut, at: IntArray, columns: IntArray) -> IntArray | None:
    """The columns of the widest cells of a new table that are what ``columns`` are; None where they are not."""
    cells = np.flatnonzero(np.isin(at, columns))
    found = cut.union(cells) if len(cells) == len(columns) else None
    return None if found is None else found[1]


def _whole_sums(table: ReleasedTable) -> sparse.csr_array:
    """Sums of a table of which every part is there, so that none says that another part is empty."""
    own, dims, codes = equations(table.table), table.table.dims, table.table.codes
    whole = []
    for row in range(own.shape[0]):
        part = slice(own.indptr[row], own.indptr[row + 1])
        cells, sign = own.indices[part], own.data[part]
        above, below = codes[cells[sign < 0][0]], codes[cells[sign > 0]]
        along = int(np.flatnonzero(below[0] != above)[0])
        whole.append(len(below) == len(dims[along].children[dims[along].codes[above[along]]]))
    return sparse.csr_array(own[np.flatnonzero(whole)])


@dataclass(slots=True)
class _Alike:
    """Cells and unions of cells of tables, by what they are the intersection of."""

    cuts: Sequence[_Cut]
    sums: dict[int, list[IntArray]] = field(default_factory=dict)
    seen: set[tuple[int, bytes]] = field(default_factory=set)

    def unite(self, at: int, cells: IntArray) -> None:
        """Take in what some cells of a table make up."""
        if len(cells) < 2 or (at, cells.tobytes()) in self.seen:
            return
        self.seen.add((at, cells.tobytes()))
        found = self.cuts[at].union(cells)
        if found is not None:
            self.sums.setdefault(found[0], []).append(found[1])

    def equations(self, size: int) -> sparse.csr_array:
        """One for each two that are the same."""
        numbers = np.concatenate([cut.numbers for cut in self.cuts])
        places = np.concatenate([cut.places for cut in self.cuts])
        known = np.flatnonzero(places != UNKNOWN)
        # what was published first: all that is the same is then known
        order = known[np.lexsort((places[known], numbers[known]))]
        numbers, places = numbers[order], places[order]
        first = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
        leader = np.repeat(places[first], np.diff(first, append=len(numbers)))
        one_of = dict(zip(numbers[first].tolist(), places[first].tolist(), strict=True))
        triples = _Triples()
        for place, one in zip(places, leader, strict=True):
            if place != one:
                triples.add(np.array([place]), np.array([one]))
        for number, sums in self.sums.items():
            against = np.array([one_of[number]]) if number in one_of else sums[0]
            for each in sums[0 if number in one_of else 1 :]:
                triples.add(each, against)
        return triples.matrix(size)


@dataclass(slots=True)
class _Triples:
    """Equations: some columns less others are constant."""

    columns: list[IntArray] = field(default_factory=list)
    signs: list[IntArray] = field(default_factory=list)

    def add(self, some: IntArray, others: IntArray) -> None:
        """One equation."""
        both = np.concatenate([some, others])
        there = both != PUBLISHED
        self.columns.append(both[there])
        self.signs.append(np.repeat([1, -1], [len(some), len(others)])[there])

    def matrix(self, size: int) -> sparse.csr_array:
        """All of them, over ``size`` columns."""
        row = np.repeat(np.arange(len(self.columns)), [len(each) for each in self.columns])
        column, sign = (np.concatenate([np.zeros(0, np.int64), *part]) for part in (self.columns, self.signs))
        return sparse.csr_array((sign.astype(np.float64), (row, column)), shape=(len(self.columns), size))


class _Cut:
    """Cells of a table as products of categories of its population. ``numbers``: per cell, the same for the same
    population and categories; ``places``: its column, or whether it was published."""

    def __init__(self, table: ReleasedTable, places: IntArray) -> None:
        self.places, self._dims, self._shape = places, table.table.dims, table.table.shape
        self._keys, self._codes, self._sets = table.table.keys(), table.table.codes, table.sets
        self._parts = [self._of_codes(at, self._sets) for at in range(len(self._dims))]
        everyone = int(self._of_codes(0, table.table.n_contributors)[0])
        # that others are the same may be chance
        of = table.defined if everyone >= FEW else ""
        of = of or f"{table.release} {table.name} {table.quantity}"
        self._all = int(mixed(self._parts[0][:1] ^ _hashed(of))[0])
        parts = [
            np.array([self._category(at, [code]) for code in range(len(dim.codes))], dtype=np.int64)[self._codes[:, at]]
            for at, dim in enumerate(self._dims)
        ]
        self.numbers: IntArray = np.asarray(np.sum(parts, axis=0, dtype=np.int64) + self._all, dtype=np.int64)
        self._widest: dict[tuple[int, tuple[int, ...]], list[int]] = {}

    def forget(self, columns: IntArray) -> None:
        """Nothing is known of ``columns``."""
        self.places = np.where(np.isin(self.places, columns), UNKNOWN, self.places)

    def _category(self, at: int, codes: list[int]) -> int:
        """Of codes of a dimension together; 0 where they are everything. Another under another name, however many are
        in it: who derives a column can make it the same or not as a secret has it."""
        if codes == [0]:
            return 0
        name = " ".join([self._dims[at].name, *(self._dims[at].codes[code] for code in codes)])
        number = self._parts[at][codes].sum(keepdims=True)
        return int(mixed(number ^ _hashed(name))[0])

    def _of_codes(self, at: int, of_cells: IntArray) -> IntArray:
        """Per code of a dimension, the number of the cell of all that are in it."""
        others = np.delete(self._codes, at, axis=1)
        margin = np.flatnonzero(~others.any(axis=1))
        found = np.zeros(len(self._dims[at].codes), dtype=np.int64)
        found[self._codes[margin, at]] = of_cells[margin]
        return found

    def union(self, cells: IntArray) -> tuple[int, IntArray] | None:
        """The number of what ``cells`` are together and the columns of the widest cells that are it; None where they
        are no product of categories, one of these cells is empty, or a column is not in the system."""
        codes = [self._widest_codes(at, np.unique(self._codes[cells, at])) for at in range(len(self._dims))]
        found = self._cells(codes)
        if found is None or int(self._sets[found].sum()) != int(self._sets[cells].sum()):
            return None
        if (self.places[found] == UNKNOWN).any():
            return None
        parts = [self._category(at, some) for at, some in enumerate(codes)]
        return int(np.sum([*parts, self._all], dtype=np.int64)), self.places[found]

    def _cells(self, codes: list[list[int]]) -> IntArray | None:
        """The cells of a product of codes; None where one is empty."""
        if int(np.prod([len(some) for some in codes])) > MOST_CELLS:
            return None
        keys = cell_keys(np.array(list(product(*codes)), dtype=np.int64), self._shape)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return at if (self._keys[at] == keys).all() else None

    def _widest_codes(self, at: int, codes: IntArray) -> list[int]:
        asked = at, tuple(codes.tolist())
        if asked not in self._widest:
            self._widest[asked] = _widest(self._dims[at], codes, np.unique(self._codes[:, at]))
        return self._widest[asked]


def _widest(dim: Dimension, codes: IntArray, used: IntArray) -> list[int]:
    """The same categories, with those in the place of their parts of which all are there (that are ``used``)."""
    left = set(codes.tolist())
    parent = dim.parent[used]
    for above in np.unique(parent[parent >= 0])[::-1].tolist():
        below = set(used[parent == above].tolist())
        if below <= left:
            left = (left - below) | {above}
    return sorted(left)


def _hashed(text: str) -> int:
    """A number per text; 0 of none."""
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest()) if text else 0
