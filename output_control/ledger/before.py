"""What earlier releases give away by themselves: no new table can mend it, so none is refused for it.

Three and more earlier tables of a large population may together give a small difference, or a hidden cell, that the
checks of their time did not see. Whoever asks next has no part in that. The test hides everything that the new tables
do not share by definition with what was published and takes nothing from them, not even that a cell is occupied; what
cannot move then was known before. That a new cell holds the same units as an earlier one by chance is what the new
table would be the first to show. Of the new tables' own sensitive cells it excuses only those that are, by definition,
a hidden cell of an earlier table: the others' refusal may be the first that anyone hears of them.
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
from output_control.linear_programme import Model
from output_control.protection import Options, demand, least
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
    defined = by_definition(system, tables, new)
    view = _View(defined.equations, np.zeros_like(system.known), system.joint.value - taken)
    before[_still(view, stuck, enough)] = True
    excused = before.copy()
    excused[own] = False
    same = _numbers_at(excused, defined.numbers[new:], system.columns[new:])
    for numbers, columns in zip(defined.numbers[:new], system.columns, strict=False):
        before[columns] &= np.isin(numbers, same)
    return Shut(before, stuck[~before[stuck]])


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


def _numbers_at(mask: BoolArray, numbers: Sequence[IntArray], columns: Sequence[IntArray]) -> IntArray:
    """The numbers of cells of tables whose columns are marked."""
    found = [each[(at >= 0) & mask[at]] for each, at in zip(numbers, columns, strict=True)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])
