"""What cells of three or more tables give away together, whatever their size: by linear algebra over coarse atoms.

A group of few units is computable when it is a weighted sum of published cells. Such a sum exists when the group's
indicator over the atoms lies in the row space of the published cells. Combinations that could hold units but hold none
may be part of the group or not. What follows from earlier releases alone cannot be mended any more; what follows
from one new table alone is for that table's own rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg
from scipy.optimize import linprog

from output_control.ledger.dominated import LARGEST, breaks_a_rule, reach_of
from output_control.ledger.released import ReleasedTable
from output_control.ledger.widest import CoarseAtoms, LeftOut, Widest
from output_control.tables.rules import Rule
from output_control.tables.table import BoolArray, FloatArray, IntArray

EXACT = 1e-7
MOST_GROUPS = 50
HALVED = 8


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """Σ ``sign`` × cell (by table and position) of the new tables + what earlier releases published = a group of few
    units; ``releases`` are tables whose cells it takes."""

    table: IntArray
    cell: IntArray
    sign: FloatArray
    amount: float
    releases: tuple[str, ...]

    def among(self, places: Sequence[int]) -> Combination:
        """The same, with tables by their position in ``places``."""
        return replace(self, table=np.searchsorted(places, self.table))


class Combined:
    """New tables of one quantity (at ``places`` of the request) beside all earlier ones."""

    def __init__(self, widest: Widest, places: Sequence[int], minimum: int, dominance: Sequence[Rule] = ()) -> None:
        self._places, self._minimum, self._dominance, new = places, minimum, dominance, len(places)
        self._labels = [taken.table.label for taken in widest.tables]
        self._atoms: CoarseAtoms = widest.atoms(new)
        self._new = dict(zip(places, self._atoms.held[:new], strict=True))
        self._old = [
            (taken.table.label, sets[~taken.table.hidden[cells]])
            for taken, (cells, sets) in zip(widest.tables[new:], self._atoms.held[new:], strict=True)
        ]
        self._before = np.zeros(len(self._atoms.sets), dtype=np.bool_)
        for _, published in self._old:
            self._before[published] = True

    def left_out(self, tables: Sequence[ReleasedTable], *, exact: bool) -> LeftOut:
        """Where sums of cells of several tables were not looked for; ``exact``: full atoms told ``tables`` apart."""
        known = {table.label for table in tables} if exact else set()
        if len(self._labels) < 2 or known.issuperset(self._labels):
            return LeftOut()
        return self._atoms.left_out

    def given_away(self, hidden: Mapping[int, BoolArray]) -> list[Combination]:
        """Groups of 1 … minimum − 1 units that new tables, each with its cells ``hidden``, would make computable.

        Tables of another quantity or of other units may be among ``hidden``; they are left out.
        """
        hidden = {place: hide for place, hide in hidden.items() if place in self._new}
        shown = {place: self._new[place][1][~hide[self._new[place][0]]] for place, hide in hidden.items()}
        new = np.unique(np.concatenate(list(shown.values())))
        new = new[~self._before[new]]
        if not len(new):
            return []
        cells = self._atoms.cells
        groups = self._groups(cells[np.concatenate([np.flatnonzero(self._before), new])])
        if not groups:
            return []
        earlier, alone = _Space(cells[self._before]), [_Space(cells[sets]) for sets in shown.values()]
        found = []
        for group in groups:
            if not earlier.holds(group) and not any(space.holds(group) for space in alone):
                found += self._combinations(group, new, earlier, hidden)
        return found

    def _groups(self, published: FloatArray) -> list[FloatArray]:
        """0/1 vectors over atoms, of few units or dominated by one, that lie in the row space."""
        space, found = _Space(published).basis, dict[bytes, FloatArray]()
        for few in self._small_atoms():
            found |= {group.tobytes(): group for group in self._groups_of(few, space)}
        return list(found.values())[:MOST_GROUPS]

    def _groups_of(self, few: IntArray, space: FloatArray) -> FloatArray:
        """Those of atoms ``few``."""
        units = self._atoms.units
        many = np.setdiff1d(np.arange(len(units)), few)
        # only what leaves nothing of the large atoms
        within = linalg.null_space(space[:, many].T, rcond=EXACT).T @ space[:, few] if len(many) else space[:, few]
        reduced = _echelon(within)
        both = [reduced[at] + reduced[at + 1 :] for at in range(min(len(reduced) - 1, MOST_GROUPS))]
        vectors = np.concatenate([reduced, *both]) if len(reduced) else reduced
        plain = (np.minimum(np.abs(vectors), np.abs(vectors - 1)) < EXACT).all(axis=1)
        kept = np.unique(np.rint(vectors[plain]), axis=0)
        total = kept @ units[few]
        sensitive = (total > 0) & ((total < self._minimum) | self._dominated_by_one(kept, few))
        groups = np.zeros((min(int(sensitive.sum()), MOST_GROUPS), len(units)))
        groups[:, few] = kept[sensitive][:MOST_GROUPS]
        return groups

    def _small_atoms(self) -> list[IntArray]:
        """Atoms of few units or dominated by one; and with them those so small that the largest contribution of all
        could dominate a group with them in it, fewer and fewer: what cancels out beside some does not beside others."""
        atoms = self._atoms
        few = (atoms.units < self._minimum) | self._dominated(atoms.sizes, atoms.top)
        reach = max((reach_of(rule) for rule in self._dominance), default=0.0)
        most = reach * atoms.top.max(axis=(1, 2), initial=0.0)[:, None]
        sets = [few, *(few | (atoms.sizes <= most / 2**halved).any(axis=0) for halved in range(HALVED))]
        return [np.flatnonzero(each) for each in np.unique(sets, axis=0)]

    def _dominated_by_one(self, groups: FloatArray, few: IntArray) -> BoolArray:
        """Which groups (of atoms ``few``) break a rule on the largest contributions; a unit is in one atom of it."""
        top = np.zeros((len(self._atoms.top), len(groups), LARGEST))
        for at, group in enumerate(groups > 0):
            parts = self._atoms.top[:, few[group]].reshape(len(top), -1)
            top[:, at] = np.sort(np.pad(parts, ((0, 0), (0, LARGEST))), axis=1)[:, ::-1][:, :LARGEST]
        return self._dominated(self._atoms.sizes[:, few] @ groups.T, top)

    def _dominated(self, sizes: FloatArray, top: FloatArray) -> BoolArray:
        """Which of some groups break a rule, by their amounts as they are or less the least of all records."""
        found = np.zeros(sizes.shape[1], dtype=np.bool_)
        for size, largest in zip(sizes, top, strict=True):
            there = np.flatnonzero(size > 0) if self._dominance else np.zeros(0, dtype=np.int64)
            if len(there):
                found[there] |= breaks_a_rule(size[there], largest[there], self._dominance)
        return found

    def _combinations(
        self, group: FloatArray, new: IntArray, earlier: _Space, hidden: Mapping[int, BoolArray]
    ) -> list[Combination]:
        """Each new cell that gives the group with earlier cells alone; and one of the shortest sums of all cells."""
        before = np.flatnonzero(self._before)
        rest, own = earlier.beyond(group[None, :])[0], earlier.beyond(self._atoms.cells[new])
        amount = float(group @ self._atoms.amount)
        weights = _shortest(self._atoms.cells[np.concatenate([before, new])], len(before), group)
        releases = self._named(before[np.abs(weights[: len(before)]) > EXACT])
        found = [
            self._combination(new[alike], np.full(1, float(sign)), amount, hidden, releases)
            for sign in (1, -1)
            for alike in np.flatnonzero(np.abs(own - sign * rest).max(axis=1) < EXACT)[:, None]
        ]
        used = np.flatnonzero(np.abs(weights[len(before) :]) > EXACT)
        if len(used) > 1 or not found:
            found.append(self._combination(new[used], weights[len(before) + used], amount, hidden, releases))
        return found

    def _combination(
        self,
        sets: IntArray,
        sign: FloatArray,
        amount: float,
        hidden: Mapping[int, BoolArray],
        releases: tuple[str, ...],
    ) -> Combination:
        """By one of the cells that show each set."""
        table, cell = np.zeros(len(sets), dtype=np.int64), np.zeros(len(sets), dtype=np.int64)
        for place, hide in hidden.items():
            cells, held = self._new[place]
            for at in np.flatnonzero(np.isin(held, sets) & ~hide[cells]).tolist():
                mine = sets == held[at]
                table[mine], cell[mine] = place, cells[at]
        return Combination(table, cell, sign, amount, releases)

    def _named(self, sets: IntArray) -> tuple[str, ...]:
        """For each of some sets, an earlier release that published it."""
        named: dict[int, str] = {}
        for label, published in self._old:
            for number in published[np.isin(published, sets)].tolist():
                named.setdefault(number, label)
        return tuple(sorted(set(named.values())))


class _Space:
    """The row space of a matrix."""

    def __init__(self, rows: FloatArray) -> None:
        self.basis: FloatArray = np.zeros((0, rows.shape[1]))
        if len(rows):
            q, r, _ = linalg.qr(rows.T, mode="economic", pivoting=True)
            size = np.abs(np.diag(r))
            rank = int((size > EXACT * max(size.max(initial=0), 1)).sum())
            self.basis = np.asarray(q[:, :rank].T, dtype=np.float64)

    def beyond(self, vectors: FloatArray) -> FloatArray:
        """The parts of ``vectors`` at right angles to the space."""
        left: FloatArray = vectors - (vectors @ self.basis.T) @ self.basis
        return left

    def holds(self, vector: FloatArray) -> bool:
        """Whether the vector lies in the space."""
        return bool(np.abs(self.beyond(vector[None, :])).max() < EXACT)


def _echelon(rows: FloatArray) -> FloatArray:
    """The reduced row echelon form, without rows of zeros."""
    left, done = rows.copy(), 0
    for column in range(left.shape[1]):
        if done == len(left):
            break
        pivot = done + int(np.argmax(np.abs(left[done:, column])))
        if abs(left[pivot, column]) < EXACT:
            left[done:, column] = 0
            continue
        left[[done, pivot]] = left[[pivot, done]]
        left[done] /= left[done, column]
        others = np.arange(len(left)) != done
        left[others] -= np.outer(left[others, column], left[done])
        done += 1
    return left[:done]


def _shortest(cells: FloatArray, earlier: int, group: FloatArray) -> FloatArray:
    """Weights of the cells that give the group, of least total size; earlier cells weigh little."""
    cost = np.where(np.arange(len(cells)) < earlier, 0.01, 1.0)
    both = np.concatenate([cells, -cells]).T
    found = linprog(np.append(cost, cost), A_eq=both, b_eq=group, method="highs-ds")
    if found.x is None:
        return np.zeros(len(cells))
    weights: FloatArray = found.x[: len(cells)] - found.x[len(cells) :]
    return weights
