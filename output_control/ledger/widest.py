"""Coarse atoms: groups of rows that lie in the same of the *widest* cells of any number of tables of any size.

Where the atoms of all cells are too many, those of populations (the totals of tables), and then of single
classifications level by level, are still few. A split of a population that several tables make alike is one split,
known by the sets of rows it makes, so that releases of the same cells again cost nothing. Rows are kept per population
and split, never per table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from output_control.ledger.atoms import cut, in_cells, not_known_empty
from output_control.ledger.defined import known_empty
from output_control.ledger.dominated import LARGEST, offs, sized
from output_control.ledger.released import ReleasedTable
from output_control.tables.table import BoolArray, FloatArray, IntArray, cell_keys

MOST_ATOMS = 400
MOST_POSSIBLE = 1_200
MOST_CODES = 200
MOST_HELD = 60_000_000
Key = tuple[int, bytes]
Values = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One dimension of a table cut at a depth: ``code`` of each part, the parts in the order of their set numbers."""

    key: Key
    dimension: int
    depth: int
    code: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """The cells of one table, its population (the set number of its total) and the splits it makes of it."""

    table: ReleasedTable
    population: int
    splits: tuple[Split, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What coarse atoms do not tell apart: ``tables`` of whose population nothing is, and of the others ``columns``
    (levels of a classification). Sums of cells of several tables that need these are not seen, but for what the scan of
    each two tables finds."""

    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns)

    def __add__(self, other: LeftOut) -> LeftOut:
        both = (*self.tables, *other.tables), (*self.columns, *other.columns)
        return LeftOut(*(tuple(dict.fromkeys(names)) for names in both))


@dataclass(frozen=True, slots=True, eq=False)
class CoarseAtoms:
    """``sets`` are the cells told apart, by set number, and ``cells`` (cells × atoms) what each holds; ``units`` and
    ``amount`` per atom are 0 of those that could be there but are not; so are ``sizes`` (sums of absolute amounts) and
    ``top`` (atoms × 3: those of the units that add most), each once as they are and once less the least of all
    records (:func:`output_control.ledger.dominated.offs`). ``held``: per table, its cells and their sets' positions."""

    sets: IntArray
    cells: FloatArray
    units: IntArray
    amount: FloatArray
    sizes: FloatArray
    top: FloatArray
    held: tuple[tuple[IntArray, IntArray], ...]
    left_out: LeftOut


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    row: IntArray
    unit: IntArray
    amount: FloatArray | None


class Widest:
    """The populations and splits of tables whose figures add up and whose rows can be the same."""

    def __init__(self) -> None:
        self.tables: list[Taken] = []
        self._people: dict[int, _People] = {}
        self._values: dict[Key, Values] = {}

    def take(self, table: ReleasedTable) -> None:
        """One more table, with its rows; it has some."""
        population = int(table.sets[_cell(table, np.zeros((1, len(table.table.dims)), dtype=np.int64))[0]])
        if population not in self._people:
            rows = table.rows
            self._people[population] = _People(rows.row, rows.unit, None if (rows.amount == 1).all() else rows.amount)
        splits = [split for at in range(len(table.table.dims)) for split in self._splits(table, at, population)]
        self.tables.append(Taken(table.without_rows(), population, tuple(splits)))

    def _splits(self, table: ReleasedTable, at: int, population: int) -> list[Split]:
        dim, found = table.table.dims[at], []
        leaves = np.unique(table.table.codes[np.bincount(table.rows.leaf, minlength=len(table.table)) > 0, at])
        for depth in range(1, int(dim.depth.max()) + 1):
            coarser = cut(dim, depth)
            code = np.unique(coarser[leaves])
            if len(code) > MOST_CODES:
                break
            codes = np.zeros((len(code), len(table.table.dims)), dtype=np.int64)
            codes[:, at] = code
            sets = table.sets[_cell(table, codes)]
            order = np.argsort(sets)
            key = population, sets[order].tobytes()
            if key not in self._values and self._room(len(table.rows)):
                place = np.zeros(len(dim.codes), dtype=np.int16)
                place[code[order]] = np.arange(1, len(code) + 1)
                of_cell = place[coarser[table.table.codes[:, at]]]
                self._values[key] = of_cell[table.rows.leaf]
            if key in self._values:
                found.append(Split(key, at, depth, code[order]))
        return found

    def _room(self, more: int) -> bool:
        return sum(len(values) for values in self._values.values()) + more <= MOST_HELD

    def atoms(self, new: int) -> CoarseAtoms:
        """The atoms of the widest cells, as fine as the bounds allow; the first ``new`` tables first."""
        refined = _Refined(self._people)
        for population in self._in_order(new, refined):
            refined.add_population(population)
        splits = {split.key: split for taken in self.tables if taken.population in refined.column
                  for split in taken.splits}  # fmt: skip
        for key in sorted(splits, key=lambda key: len(splits[key].code)):
            refined.add_split(key, self._values[key], len(splits[key].code))
        return refined.atoms(self.tables)

    def _in_order(self, new: int, refined: _Refined) -> list[int]:
        """Populations, those of the new tables first, then always one that cuts the fewest of those before it."""
        first = list(dict.fromkeys(taken.population for taken in self.tables[:new]))
        left = [population for population in self._people if population not in first]
        crossed = {population: sum(refined.cross(population, other) for other in first) for population in left}
        while left:
            following = min(left, key=crossed.__getitem__)
            left.remove(following)
            first.append(following)
            for population in left:
                crossed[population] += refined.cross(population, following)
        return first


class _Refined:
    """All rows, labelled by the atom they are in so far; per atom, and per combination that could be one, its part in
    each column (0: outside)."""

    def __init__(self, people: dict[int, _People]) -> None:
        self._people = people
        every = np.zeros(0, dtype=np.int64)
        for held in sorted(people.values(), key=lambda held: -len(held.row)):
            if not (there := _inside(held.row, every)).all():
                # two sorted runs, which a stable sort only merges
                every = np.sort(np.concatenate([every, held.row[~there]]), kind="stable")
        self._at = {population: np.searchsorted(every, held.row) for population, held in people.items()}
        self._bits = {population: self._packed(at, len(every)) for population, at in self._at.items()}
        self.label: IntArray = np.zeros(len(every), dtype=np.int64)
        self.parts: IntArray = np.zeros((1, 0), dtype=np.int64)
        self.possible: IntArray = np.zeros((1, 0), dtype=np.int64)
        self.column: dict[int | Key, int] = {}

    @staticmethod
    def _packed(at: IntArray, size: int) -> npt.NDArray[np.uint8]:
        there = np.zeros(size, dtype=np.bool_)
        there[at] = True
        return np.packbits(there)

    def cross(self, first: int, second: int) -> bool:
        """Whether neither population holds the other and they meet."""
        both = int(np.bitwise_count(self._bits[first] & self._bits[second]).sum(dtype=np.int64))
        return 0 < both < min(len(self._at[first]), len(self._at[second]))

    def add_population(self, population: int) -> None:
        """Tell who is in it, if the atoms stay few."""
        values = np.zeros(len(self.label), dtype=np.int64)
        values[self._at[population]] = 1
        self._add(population, values, 2)

    def add_split(self, key: Key, parts: Values, count: int) -> None:
        """Tell the parts of a population, if the atoms stay few."""
        values = np.zeros(len(self.label), dtype=np.int64)
        values[self._at[key[0]]] = parts
        self._add(key, values, count + 1)

    def _add(self, key: int | Key, values: IntArray, size: int) -> None:
        joint = self.label * size + values
        there = np.flatnonzero(np.bincount(joint, minlength=len(self.parts) * size))
        if len(there) > MOST_ATOMS:
            return
        parts = np.column_stack([self.parts[there // size], there % size])
        fits = np.ones((len(self.possible), size), dtype=np.bool_)
        for before in range(parts.shape[1] - 1):
            seen = np.zeros((int(parts[:, before].max()) + 1, size), dtype=np.bool_)
            seen[parts[:, before], parts[:, -1]] = True
            fits &= seen[self.possible[:, before]]
        if not self.column:
            fits[0] = np.isin(np.arange(size), parts[:, -1])
        if int(fits.sum()) > MOST_POSSIBLE:
            return
        old, value = np.nonzero(fits)
        self.possible = np.column_stack([self.possible[old], value])
        number = np.zeros(len(self.parts) * size, dtype=np.int64)
        number[there] = np.arange(len(there))
        self.label, self.parts = number[joint], parts
        self.column[key] = parts.shape[1] - 1

    def atoms(self, tables: Sequence[Taken]) -> CoarseAtoms:
        """What the tables' cells hold of the atoms."""
        known = {part.tobytes() for part in self.parts}
        empty = np.array([part for part in self.possible if part.tobytes() not in known], dtype=np.int64)
        empty = empty.reshape(-1, self.parts.shape[1])
        used = [taken for taken in tables if taken.population in self.column]
        for taken in used:
            empty = empty[not_known_empty(taken.table, self._codes(taken, empty))]
        units, amount, sizes, top = self._contents()
        empty = empty[~known_empty(self.parts, units, empty)]
        every = np.concatenate([self.parts, empty])
        blocks = [in_cells(taken.table, self._codes(taken, every)) for taken in used]
        cells = [np.flatnonzero(np.diff(block.indptr)) for block in blocks]
        numbers = [taken.table.sets[cell] for taken, cell in zip(used, cells, strict=True)]
        sets, first = np.unique(np.concatenate(numbers), return_index=True)
        whole = np.concatenate([block[cell].toarray() for block, cell in zip(blocks, cells, strict=True)])
        place = {id(taken): at for at, taken in enumerate(used)}
        nothing = np.zeros(0, dtype=np.int64)
        held = tuple(
            (cells[place[id(taken)]], np.searchsorted(sets, numbers[place[id(taken)]]))
            if id(taken) in place
            else (nothing, nothing)
            for taken in tables
        )
        none = np.zeros(len(empty))
        return CoarseAtoms(
            sets=sets,
            cells=whole[first],
            units=np.append(units, none.astype(np.int64)),
            amount=np.append(amount, none),
            sizes=np.pad(sizes, ((0, 0), (0, len(empty)))),
            top=np.pad(top, ((0, 0), (0, len(empty)), (0, 0))),
            held=held,
            left_out=self._left_out(tables),
        )

    def _left_out(self, tables: Sequence[Taken]) -> LeftOut:
        tables_out, columns_out = [], []
        for taken in tables:
            if taken.population not in self.column:
                tables_out.append(taken.table.label)
                continue
            told = {(split.dimension, split.depth) for split in taken.splits if split.key in self.column}
            for at, dim in enumerate(taken.table.table.dims):
                deeper = [depth for depth in range(1, int(dim.depth.max()) + 1) if (at, depth) not in told]
                columns_out += [f"{dim.name} (level {depth}) of {taken.table.label}" for depth in deeper]
        return LeftOut(tuple(tables_out), tuple(columns_out))

    def _codes(self, taken: Taken, parts: IntArray) -> IntArray:
        """Codes (plus 1) of a table's dimensions at the depths that are told apart; 0 for what is outside the table."""
        codes = np.ones((len(parts), len(taken.table.table.dims)), dtype=np.int64)
        for split in taken.splits:
            if split.key in self.column:
                codes[:, split.dimension] = np.append(0, split.code + 1)[parts[:, self.column[split.key]]]
        codes[parts[:, self.column[taken.population]] == 0] = 0
        return codes

    def _contents(self) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """Of each atom: units, amount, absolute amounts, and its largest parts that are of one unit each."""
        unit, amount = np.zeros(len(self.label), dtype=np.int64), np.ones(len(self.label))
        for population, held in self._people.items():
            unit[self._at[population]] = held.unit
            if held.amount is not None:
                amount[self._at[population]] = held.amount
        order = np.lexsort((unit, self.label))
        label, unit = self.label[order], unit[order]
        first = np.flatnonzero(np.append(True, (label[1:] != label[:-1]) | (unit[1:] != unit[:-1])))
        size = len(self.parts)
        units = np.bincount(label[first], minlength=size).astype(np.int64)
        amounts = np.bincount(self.label, weights=amount, minlength=size).astype(np.float64)
        known = [held.amount is not None for held in self._people.values()]
        left = [sized(amount[order] - off, off) for off in offs([amount] if all(known) else [])]
        sizes = np.stack([np.bincount(label, weights=of, minlength=size) for of in left]).astype(np.float64)
        return units, amounts, sizes, np.stack([_largest(np.add.reduceat(of, first), units) for of in left])


def _largest(parts: FloatArray, number: IntArray) -> FloatArray:
    """The three largest of each run of ``parts``, which are ``number`` long."""
    owner, start = np.repeat(np.arange(len(number)), number), np.cumsum(number) - number
    order = np.lexsort((-parts, owner))
    top = np.zeros((len(number), LARGEST))
    for rank in range(LARGEST):
        there = np.flatnonzero(number > rank)
        top[there, rank] = parts[order[start[there] + rank]]
    return top


def _inside(rows: IntArray, every: IntArray) -> BoolArray:
    if not len(every):
        return np.zeros(len(rows), dtype=np.bool_)
    found: BoolArray = every[np.minimum(np.searchsorted(every, rows), len(every) - 1)] == rows
    return found


def _cell(table: ReleasedTable, codes: IntArray) -> IntArray:
    return np.searchsorted(table.table.keys(), cell_keys(codes, table.table.shape))
