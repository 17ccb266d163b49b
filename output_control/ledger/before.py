"""What earlier releases give away by themselves: no new table can mend it, so none is refused for it.

Three and more earlier tables of a large population may together give a small difference, or a hidden cell, that the
checks of their time did not see. Whoever asks next has no part in that. The test hides everything that the new tables
do not share with what was published and takes nothing from them, not even that a cell is occupied or how their cells
add up; what cannot move then was known before. Of the new tables' own sensitive cells it excuses only those that are,
unit for unit, a hidden cell of an earlier table: the others' refusal may be the first that anyone hears of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from output_control.audit import full_equations
from output_control.ledger.alike import by_definition
from output_control.ledger.released import ReleasedTable
from output_control.ledger.system import System
from output_control.protection import Options, demand, least
from output_control.suppression.lp import Model
from output_control.tables.table import BoolArray, FloatArray, IntArray

STILL = 1e-6
TOGETHER = 16
SEED = 4096
SIDES = np.array([1.0, -1.0])


@dataclass(frozen=True, slots=True, eq=False)
class Shut:
    """Sensitive columns that cannot move even with every cell of the new tables hidden: those ``before`` the new tables
    came, and others (``open_``), which the new tables cannot but give away."""

    before: BoolArray
    open_: IntArray

    @property
    def hopeless(self) -> bool:
        """Whether there are such others."""
        return len(self.open_) > 0


def shut(system: System, tables: Sequence[ReleasedTable], new: int, options: Options) -> Shut:
    """What cannot be kept open, of a system over relations (over atoms nothing is excused, for there the earlier
    checks saw all)."""
    before = np.zeros(len(system.joint), dtype=np.bool_)
    if system.exact:
        return Shut(before, np.zeros(0, dtype=np.int64))
    asked = demand(system.joint, system.primary, options)
    enough = np.maximum(np.maximum(asked.up, asked.down), asked.width)
    cells = np.flatnonzero(system.primary.mask & ~system.known & (enough > 0))
    low, own = least(system.joint, options), np.concatenate(system.columns[:new])
    full = sparse.csr_array(full_equations(system.joint))
    stuck = _still(_View(full, system.known, system.joint.value - low), cells, enough)
    if not len(stuck):
        return Shut(before, cells[:0])
    taken = low.copy()
    taken[own] = 0.0
    spare = system.joint.value - taken
    seen = system.known | _published_before(system, tables, new)
    told = [full[np.flatnonzero(_told_before(system, own))], _same_as_before(system, tables, new)]
    before[_still(_View(sparse.csr_array(sparse.vstack(told)), seen, spare), stuck[~seen[stuck]], enough)] = True
    left = stuck[~before[stuck]]
    if len(left):
        defined = _View(by_definition(system, tables, new), np.zeros_like(seen), spare)
        before[_still(defined, left, enough)] = True
    excused = before.copy()
    excused[own] = False
    same = _sets_at(excused, tables[new:], system.columns[new:])
    for table, columns in zip(tables[:new], system.columns, strict=False):
        before[columns] &= np.isin(table.sets, same)
    return Shut(before, stuck[~before[stuck]])


def _published_before(system: System, tables: Sequence[ReleasedTable], new: int) -> BoolArray:
    """Cells of the new tables that hold the units of a cell which an earlier table published."""
    published = np.concatenate([np.zeros(0, np.int64), *(table.sets[~table.hidden] for table in tables[new:])])
    found = np.zeros(len(system.joint), dtype=np.bool_)
    for table, columns in zip(tables[:new], system.columns, strict=False):
        found[columns] |= np.isin(table.sets, published)
    return found


def _told_before(system: System, own: IntArray) -> BoolArray:
    """Equations that say nothing of how cells of the new tables add up, or hold what is left over of two tables.

    That some are empty, so that a new cell holds just the units of a published one, is what the new tables' own sums
    would be the first to show.
    """
    full = sparse.csr_array(full_equations(system.joint))
    mine, rest = (np.zeros(len(system.joint), dtype=np.bool_) for _ in range(2))
    mine[own], rest[system.rests] = True, True
    there = sparse.csr_array((np.ones(full.nnz), full.indices, full.indptr), full.shape)
    number, rests = (there @ each.astype(np.float64) for each in (mine, rest))
    same = (number == 2) & (np.diff(full.indptr) == 2) & (np.abs(full.sum(axis=1)) < STILL)
    told: BoolArray = (number < 2) | (rests > 0) | same
    return told


def _same_as_before(system: System, tables: Sequence[ReleasedTable], new: int) -> sparse.csr_array:
    """That cells of the new tables are hidden cells of earlier ones, unit for unit."""
    old = [(table.sets[at >= 0], at[at >= 0]) for table, at in zip(tables[new:], system.columns[new:], strict=True)]
    sets, first = np.unique(np.concatenate([each for each, _ in old]), return_index=True)
    column = np.concatenate([each for _, each in old])[first]
    mine = np.concatenate([table.sets for table in tables[:new]])
    own = np.concatenate(system.columns[:new])[(there := np.isin(mine, sets))]
    same = column[np.searchsorted(sets, mine[there])]
    row, ones = np.arange(len(own)), np.ones(len(own))
    size = len(own), len(system.joint)
    return sparse.csr_array((np.append(ones, -ones), (np.append(row, row), np.append(own, same))), shape=size)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """Of an attacker: equations, the columns he knows, and by how much he knows that each may be less."""

    equations: sparse.csr_array
    known: BoolArray
    spare: FloatArray


def _still(view: _View, cells: IntArray, enough: FloatArray) -> IntArray:
    """Those of ``cells`` that can be but what they are.

    What seems to stand still beside the median of what is asked is judged again in its own size (``enough``), where
    all that it may move does not look like nothing.
    """
    if not len(cells):
        return cells
    seem = _still_beside(view, cells, float(np.median(enough[cells])))
    size = np.floor(np.log10(enough[seem]))
    parts = [_still_beside(view, seem[size == each], 10.0**each) for each in np.unique(size)]
    found: IntArray = np.sort(np.concatenate([cells[:0], *parts]))
    return found


def _still_beside(view: _View, cells: IntArray, unit: float) -> IntArray:
    """As `_still`, where ``unit`` is the scale.

    One model of everything that hangs together; objectives of many cells at once rule most out, and the rest are tried
    one by one. Fractions of a unit count as moves, so that nothing is found that can move.
    """
    hidden = np.flatnonzero(~view.known)
    matrix = sparse.csr_array(view.equations[:, hidden])
    matrix = sparse.csr_array(matrix[np.flatnonzero(np.diff(matrix.indptr))])
    place = np.searchsorted(hidden, cells)
    room, zero = np.minimum(view.spare[hidden] / unit, 1.0), np.zeros(matrix.shape[0])
    model = Model(matrix, np.zeros(len(hidden)), -room, np.ones(len(hidden)), (zero, zero))
    model.keep_vertex()
    random = np.random.Generator(np.random.Philox(key=SEED))

    def moved(at: IntArray, signs: FloatArray) -> BoolArray:
        cost = np.zeros(len(hidden))
        cost[at] = signs
        model.set_cost(cost)
        found = model.solve()
        # what cannot be solved is no proof that anything stands still
        return np.ones(len(at), dtype=np.bool_) if found is None else np.abs(found.x[at]) > STILL

    for _ in range(TOGETHER):
        if len(place):
            place = place[~moved(place, random.choice(SIDES, len(place)))]
    alone = [at for at in place.tolist() if not any(moved(np.array([at]), side[None]).any() for side in SIDES)]
    found: IntArray = hidden[np.array(alone, dtype=np.int64)]
    return found


def _sets_at(mask: BoolArray, tables: Sequence[ReleasedTable], columns: Sequence[IntArray]) -> IntArray:
    """The set numbers of cells of ``tables`` whose columns are marked."""
    found = [table.sets[(at >= 0) & mask[at]] for table, at in zip(tables, columns, strict=True)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])
