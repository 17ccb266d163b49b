"""What earlier releases give away by themselves: no new table can mend it, so none is refused for it.

Three and more earlier tables of a large population may together give a small difference, or a hidden cell, that the
checks of their time did not see. Whoever asks next has no part in that. The test hides everything that the new tables
do not share with what was published and takes nothing from them, not even that a cell is occupied or how their cells
add up; what cannot move then was known before. Of the new tables' own sensitive cells it excuses only those that are,
unit for unit, a hidden cell of an earlier table: the others' refusal may be the first that anyone hears of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from output_control.audit import full_equations
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
    came, and whether there are others, which the new tables cannot but give away."""

    before: BoolArray
    hopeless: bool


def shut(system: System, tables: Sequence[ReleasedTable], new: int, options: Options) -> Shut:
    """What cannot be kept open, of a system over relations (over atoms nothing is excused, for there the earlier
    checks saw all)."""
    before = np.zeros(len(system.joint), dtype=np.bool_)
    if system.exact:
        return Shut(before, hopeless=False)
    asked = demand(system.joint, system.primary, options)
    enough = np.maximum(np.maximum(asked.up, asked.down), asked.width)
    cells = np.flatnonzero(system.primary.mask & ~system.known & (enough > 0))
    low, own = least(system.joint, options), np.concatenate(system.columns[:new])
    stuck = _still(system, cells, low, enough, _every_equation(system))
    if not len(stuck):
        return Shut(before, hopeless=False)
    taken = low.copy()
    taken[own] = 0.0
    seen = system.known | _published_before(system, tables, new)
    told = replace(system, known=seen)
    before[_still(told, stuck[~seen[stuck]], taken, enough, _told_before(system, own))] = True
    excused = before.copy()
    excused[own] = False
    same = _sets_at(excused, tables[new:], system.columns[new:])
    for table, columns in zip(tables[:new], system.columns, strict=False):
        before[columns] &= np.isin(table.sets, same)
    return Shut(before, hopeless=not before[stuck].all())


def _every_equation(system: System) -> BoolArray:
    """All equations of the system."""
    return np.ones(full_equations(system.joint).shape[0], dtype=np.bool_)


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


def _still(system: System, cells: IntArray, low: FloatArray, enough: FloatArray, equations: BoolArray) -> IntArray:
    """Those of ``cells`` that can be but what they are, while only what earlier releases tell is known.

    What seems to stand still beside the median of what is asked is judged again in its own size (``enough``), where
    all that it may move does not look like nothing.
    """
    if not len(cells):
        return cells
    seem = _still_beside(system, cells, low, float(np.median(enough[cells])), equations)
    size = np.floor(np.log10(enough[seem]))
    parts = [_still_beside(system, seem[size == each], low, 10.0**each, equations) for each in np.unique(size)]
    found: IntArray = np.sort(np.concatenate([cells[:0], *parts]))
    return found


def _still_beside(system: System, cells: IntArray, low: FloatArray, unit: float, equations: BoolArray) -> IntArray:
    """As `_still`, where ``unit`` is the scale.

    One model of everything that hangs together; objectives of many cells at once rule most out, and the rest are tried
    one by one. Fractions of a unit count as moves, so that nothing is found that can move.
    """
    joint, hidden = system.joint, np.flatnonzero(~system.known)
    matrix = sparse.csr_array(full_equations(joint)[np.flatnonzero(equations)][:, hidden])
    matrix = sparse.csr_array(matrix[np.flatnonzero(np.diff(matrix.indptr))])
    place = np.searchsorted(hidden, cells)
    room, zero = np.minimum((joint.value - low)[hidden] / unit, 1.0), np.zeros(matrix.shape[0])
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
