"""New tables and what is hidden in earlier ones as one system of cells, for the suppressor and the audit.

Columns are every cell of the new tables, the hidden cells of earlier tables that hang together with them, rests (sets
of few units that no table shows, but differences of cells would), and atoms where they are few. What is published is a
constant and no column. A cell of a new table that earlier releases determine already is known: it cannot be hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from output_control.audit import full_equations
from output_control.ledger.atoms import Atoms, atoms_of
from output_control.ledger.combined import Combination
from output_control.ledger.moves import gathered
from output_control.ledger.overlap import REVISED, Relation
from output_control.ledger.released import COUNT, ReleasedTable
from output_control.protection import Options, least
from output_control.tables.joint_table import JointTable, joint_table
from output_control.tables.relations import equations
from output_control.tables.rollup import LARGEST
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import NO_CONTRIBUTOR, BoolArray, CellTable, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A relation between two tables, by their positions; ``first`` is a new one."""

    first: int
    second: int
    relation: Relation


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """The joint table; what must be protected in it; which new cells are known already, and
    which must stay published (the known ones among them); where each table's cells are.

    ``fixed`` columns are hidden whatever the new tables do; ``rests`` are the columns of small differences, ``atoms``
    those of atoms of few units. ``least``: what each column is known to be at least where empty cells leave as 0;
    nothing of rests and atoms, which may well be empty. ``links``: the relations it was built from.
    """

    joint: JointTable
    primary: PrimaryResult
    known: BoolArray
    keep: BoolArray
    fixed: BoolArray
    cost: FloatArray
    least: FloatArray
    columns: tuple[IntArray, ...]
    rests: IntArray
    atoms: IntArray
    exact: bool
    links: Sequence[Link]


def build(
    tables: Sequence[ReleasedTable],
    new: int,
    links: Sequence[Link],
    threshold: int,
    combinations: Sequence[Combination] = (),
) -> System:
    """The system of ``tables``, the first ``new`` of which are being checked; all of one quantity.

    ``threshold`` is the minimum frequency: rests, revised cells and what ``combinations`` give are protected by it.
    """
    atoms = atoms_of(tables, threshold)
    work = _Work(tables, new, every=atoms.known, links=links)
    for link in links:
        work.relate(link, threshold)
    for combination in combinations:
        work.combine(combination)
    work.equate_sets()
    small = work.add_atoms(atoms)
    return work.system(small, threshold, exact=atoms.known)


def moves_in(system: System, tables: Sequence[ReleasedTable]) -> sparse.csr_array:
    """What the ledger keeps of moves, over the columns of ``system``; each rest moves as its relation says."""
    keys = [(table.release, table.name, table.quantity) for table in tables]
    moves = gathered([table.moves for table in tables], keys, system.columns, len(system.joint))
    relations, rests = system.joint.relations, system.rests[~system.known[system.rests]]
    if not moves.shape[0] or not len(rests):
        return moves
    only = sparse.csc_array(relations[:, rests])
    row, sign = only.indices, only.data
    change = sparse.csr_array(moves @ relations[row].T) * (-1 / sign)[None, :]
    place = sparse.csr_array((np.ones(len(rests)), (np.arange(len(rests)), rests)), (len(rests), len(system.joint)))
    return sparse.csr_array(moves + change @ place)


@dataclass(slots=True, eq=False)
class _Entries:
    """Equations as triples."""

    rows: list[IntArray] = field(default_factory=list)
    columns: list[IntArray] = field(default_factory=list)
    signs: list[FloatArray] = field(default_factory=list)
    count: int = 0

    def add(self, columns: IntArray, signs: FloatArray) -> None:
        """One equation."""
        self.rows.append(np.full(len(columns), self.count, dtype=np.int64))
        self.columns.append(columns)
        self.signs.append(signs)
        self.count += 1

    def add_block(self, block: sparse.csr_array, column_of: IntArray) -> None:
        """Many equations, whose columns lie at ``column_of`` (-1: a constant)."""
        entries = sparse.coo_array(block)
        at = column_of[entries.coords[1]]
        kept = at >= 0
        self.rows.append(entries.coords[0][kept].astype(np.int64) + self.count)
        self.columns.append(at[kept])
        self.signs.append(entries.data[kept].astype(np.float64))
        self.count += block.shape[0]

    def matrix(self, columns: int) -> sparse.csr_array:
        """The equations that have a column left."""
        if not self.rows:
            return sparse.csr_array((0, columns))
        where = np.concatenate(self.rows), np.concatenate(self.columns)
        made = sparse.csr_array((np.concatenate(self.signs), where), shape=(self.count, columns))
        made.eliminate_zeros()
        return sparse.csr_array(made[np.flatnonzero(np.diff(made.indptr))])


class _Work:
    """The columns and shared equations so far."""

    def __init__(self, tables: Sequence[ReleasedTable], new: int, *, every: bool, links: Sequence[Link]) -> None:
        self.tables, self.new, self.links = tables, new, links
        self.shared = _Entries()
        self.columns: list[IntArray] = []
        self.amounts: list[float] = []
        self.rests: list[str] = []
        self.revised: list[int] = []
        self.related: set[tuple[bytes, bytes, int, float | None]] = set()
        self.count = 0
        held: dict[int, int] = {}
        for at, table in enumerate(tables):
            cells = np.arange(len(table.table)) if at < new else _hanging(table, at, links, every=every)
            column = np.full(len(table.table), -1, dtype=np.int64)
            column[cells] = self._places(table, cells, held) if at >= new else self.count + np.arange(len(cells))
            self.columns.append(column)
            self.count = max(self.count, int(column.max(initial=-1)) + 1)
        self.of_tables = self.count
        self.of_new = sum(len(table.table) for table in tables[:new])

    def _places(self, table: ReleasedTable, cells: IntArray, held: dict[int, int]) -> IntArray:
        """Columns of hidden cells of an earlier table: one for all that hold the same rows, in whatever table.

        What is asked of a cell with an anchor is its own, so it has a column of its own.
        """
        places, following = [], self.count
        for rows, anchor in zip(table.sets[cells].tolist(), table.primary.anchor[cells].tolist(), strict=True):
            place = following if anchor >= 0 else held.setdefault(rows, following)
            places.append(place)
            following = max(following, place + 1)
        return np.array(places, dtype=np.int64)

    def relate(self, link: Link, threshold: int) -> None:
        """Take in one relation; its rest becomes a column that must be protected."""
        relation = link.relation
        if relation.kind == REVISED:
            self.revised += self.columns[link.first][relation.first].tolist()
            return
        first = self.columns[link.first][relation.first]
        second = self.columns[link.second][relation.second]
        first, second = first[first >= 0], second[second >= 0]
        amount = None if relation.rest is None else relation.rest.amount
        said = first.tobytes(), second.tobytes(), relation.sign, amount
        if said in self.related:
            return
        self.related.add(said)
        rest = []
        if relation.rest is not None:
            there, here = self.tables[link.second].label, self.tables[link.first].label
            rest = [self._rest(relation.rest.amount, f"a difference between {here} and {there}")]
        columns = np.concatenate([first, second, np.array(rest, dtype=np.int64)])
        signs = np.concatenate([np.ones(len(first)), -np.ones(len(second)), np.full(len(rest), -float(relation.sign))])
        self.shared.add(columns, signs)

    def combine(self, found: Combination) -> None:
        """Take in what several tables give together: earlier cells in it are published, and so constants."""
        rest = self._rest(found.amount, f"a combination with {'; '.join(found.releases)}")
        columns = [self.columns[table][cell] for table, cell in zip(found.table, found.cell, strict=True)]
        self.shared.add(np.array([*columns, rest], dtype=np.int64), np.append(found.sign, -1.0))

    def _rest(self, amount: float, name: str) -> int:
        """The column of a set of few units that must be protected."""
        # where amounts can be negative nothing bounds a rest; to hold it within its size is the narrower view
        self.amounts.append(abs(amount))
        self.rests.append(name)
        self.count += 1
        return self.count - 1

    def equate_sets(self) -> None:
        """Hidden cells of earlier tables that hold the same rows and have columns of their own are equal."""
        old = [
            (t.sets[c >= 0], c[c >= 0]) for t, c in zip(self.tables[self.new :], self.columns[self.new :], strict=True)
        ]
        if not old:
            return
        sets, columns = (np.concatenate(part) for part in zip(*old, strict=True))
        order = np.lexsort((columns, sets))
        sets, columns = sets[order], columns[order]
        for at in np.flatnonzero((sets[1:] == sets[:-1]) & (columns[1:] != columns[:-1])).tolist():
            self.shared.add(columns[at : at + 2], np.array([1.0, -1.0]))

    def add_atoms(self, atoms: Atoms) -> IntArray:
        """Every cell is the sum of its atoms; returns the columns of those of few units."""
        first = self.count
        self.count += len(atoms.amount)
        own = np.arange(first, self.count)
        for block, column in zip(atoms.cells, self.columns, strict=False):
            both = sparse.csr_array(sparse.hstack([block, -sparse.eye_array(len(column))]))
            self.shared.add_block(both, np.concatenate([own, column]))
        self._atoms, self._first_atom = atoms, first
        return first + atoms.small

    def system(self, small: IntArray, minimum: int, *, exact: bool) -> System:
        """Everything together."""
        shared = self.shared.matrix(self.count)
        lone = np.diff(shared.indptr) == 1
        known = np.zeros(self.count, dtype=np.bool_)
        known[shared.indices[shared.indptr[:-1][lone]]] = True
        own, audited = (self._own(of) for of in (equations, full_equations))
        linked = sparse.csr_array(shared[np.flatnonzero(~lone)])
        atom_amounts = np.abs(self._atoms.amount)
        value = np.concatenate([self._gather(lambda t: t.table.value), self.amounts, atom_amounts])
        size = None
        if any(table.table.size is not None for table in self.tables):
            size = np.concatenate([self._gather(lambda t: t.table.sizes), self.amounts, atom_amounts])
        sole = np.full(self.count, NO_CONTRIBUTOR, dtype=np.int64)
        sole[: self.of_tables] = self._gather(lambda t: t.table.sole_contributor)
        two = np.full((self.count, 2), NO_CONTRIBUTOR, dtype=np.int64)
        two[: self.of_tables, 0] = self._gather(lambda t: t.table.couples[:, 0])
        two[: self.of_tables, 1] = self._gather(lambda t: t.table.couples[:, 1])
        largest = np.zeros((self.count, LARGEST)), np.full((self.count, LARGEST), NO_CONTRIBUTOR, dtype=np.int64)
        for table, column in zip(self.tables, self.columns, strict=True):
            told = (column >= 0) & (table.table.holders[:, 0] >= 0)
            largest[0][column[told]], largest[1][column[told]] = table.table.top[told], table.table.holders[told]
        # who takes the own records off every table attacks what is left of each atom
        largest[0][self._first_atom :], largest[1][self._first_atom :] = self._atoms.top, self._atoms.holders
        joint = joint_table(
            value,
            sole,
            two_contributors=two,
            largest=largest,
            integral=self.tables[0].quantity == COUNT,
            relations=sparse.csr_array(sparse.vstack([own, linked])),
            audited=sparse.csr_array(sparse.vstack([audited, shared])),
            name=self._name,
            size=size,
        )
        fixed: BoolArray = np.arange(self.count) >= self.of_new
        cost = np.where(fixed, 0.0, joint.sizes)
        cost[: self.of_new] = np.concatenate([table.costs for table in self.tables[: self.new]])
        keep = known.copy()
        for table, column in zip(self.tables[: self.new], self.columns, strict=False):
            keep[column] |= False if table.keep is None else table.keep
        rests = self.of_tables + np.arange(len(self.rests))
        low = np.zeros(self.count)
        low[: self.of_tables] = self._gather(lambda t: least(t.table, Options(occupied=True)))
        columns = tuple(self.columns)
        # a revised cell that was published under another name tells nothing new
        revised = [cell for cell in self.revised if not known[cell]]
        primary = self._primary(minimum, revised)
        return System(joint, primary, known, keep, fixed, cost, low, columns, rests, small, exact, self.links)

    def _own(self, of: Callable[[CellTable], sparse.csr_array]) -> sparse.csr_array:
        entries = _Entries()
        for table, column in zip(self.tables, self.columns, strict=True):
            if (column >= 0).any():
                entries.add_block(of(table.table), column)
        return entries.matrix(self.count)

    def _gather(self, of: Callable[[ReleasedTable], FloatArray | IntArray | BoolArray]) -> FloatArray:
        """Per column of a cell; what several tables say of one column is the largest of it."""
        found = np.full(self.of_tables, -np.inf)
        for table, column in zip(self.tables, self.columns, strict=True):
            there = column >= 0
            np.maximum.at(found, column[there], np.asarray(of(table)[there], dtype=np.float64))
        return found

    def _primary(self, minimum: int, revised: Sequence[int]) -> PrimaryResult:
        found = PrimaryResult.none(self.count)
        inside = slice(0, self.of_tables)
        found.mask[inside] = self._gather(lambda t: t.primary.mask) > 0
        found.upl[inside] = self._gather(lambda t: t.primary.upl)
        found.lpl[inside] = self._gather(lambda t: t.primary.lpl)
        found.threshold[inside] = self._gather(lambda t: t.primary.threshold)
        for table, column in zip(self.tables, self.columns, strict=True):
            held = np.flatnonzero((column >= 0) & (table.primary.anchor >= 0))
            found.anchor[column[held]] = column[table.primary.anchor[held]]
        for few in (np.array(revised, dtype=np.int64), self.of_tables + np.arange(len(self.rests))):
            found.mask[few] = True
            found.threshold[few] = minimum
        found.reason[revised] = "revised"
        found.reason[inside] = np.where(found.mask[inside] & (found.reason[inside] == ""), "rule", found.reason[inside])
        return found

    def _name(self, column: int) -> str:
        if column >= self.of_tables:
            at = column - self.of_tables
            return self.rests[at] if at < len(self.rests) else "a group of units that no table shows"
        for table, columns in zip(self.tables, self.columns, strict=True):
            cell = np.flatnonzero(columns == column)
            if len(cell):
                return f"{' × '.join(table.table.labels(int(cell[0])))} in {table.label}"
        return ""


def _hanging(table: ReleasedTable, at: int, links: Sequence[Link], *, every: bool) -> IntArray:
    """Hidden cells of an earlier table that hang together, in its own equations, with cells that links name."""
    hidden = np.flatnonzero(table.hidden)
    if every or not len(hidden):
        return hidden
    named = [link.relation.second for link in links if link.second == at and link.relation.kind != REVISED]
    touched = np.isin(hidden, np.concatenate(named)) if named else np.zeros(len(hidden), dtype=np.bool_)
    if not touched.any():
        return hidden[:0]
    part = sparse.csr_array(equations(table.table)[:, hidden])
    label = csgraph.connected_components(sparse.csr_array(abs(part).T @ abs(part)), directed=False)[1]
    return hidden[np.isin(label, label[touched])]
