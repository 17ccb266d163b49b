"""What earlier releases give away by themselves: no new table can mend it, so none is refused for it.

Three and more earlier tables of a large population may together give a small difference, or a hidden cell, that the
checks of their time did not see. Whoever asks next has no part in that. The test hides everything that the new tables
do not share with what was published and takes nothing from them, not even that a cell is occupied; what cannot move
then was known before. Of the new tables' own sensitive cells it excuses only those that are, unit for unit, a hidden
cell of an earlier table: the others' refusal may be the first that anyone hears of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from output_control.attacker import Attacker
from output_control.audit import full_equations
from output_control.ledger.released import ReleasedTable
from output_control.ledger.system import System
from output_control.protection import Options, demand, least
from output_control.tables.table import BoolArray, FloatArray, IntArray

POINT = 1e-3  # of what is asked: a cell that moves less is known


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
    low = least(system.joint, options)
    attacker = _attacker(system, low)
    stuck = _stuck(attacker, np.flatnonzero(system.primary.mask & ~system.known & (enough > 0)), enough)
    if not len(stuck):
        return Shut(before, hopeless=False)
    own = np.concatenate(system.columns[:new])
    low = low.copy()
    low[own] = 0.0
    alone = _attacker(system, low)
    before[[cell for cell in stuck.tolist() if alone.is_known(cell, float(enough[cell]))]] = True
    excused = before.copy()
    excused[own] = False
    for table, columns in zip(tables[:new], system.columns, strict=False):
        same = np.isin(table.sets, _sets_at(excused, tables[new:], system.columns[new:]))
        before[columns] &= same
    left = stuck[~before[stuck]]
    return Shut(before, hopeless=any(attacker.is_known(cell, float(enough[cell])) for cell in left.tolist()))


def _attacker(system: System, low: FloatArray) -> Attacker:
    """Who sees nothing of the new tables but what was published before."""
    joint = system.joint
    return Attacker(full_equations(joint), joint.value, ~system.known, integral=joint.integral, least=low)


def _stuck(attacker: Attacker, cells: IntArray, enough: FloatArray) -> IntArray:
    """Those of ``cells`` for which no move is found; a move that is found for one shows others open too."""
    open_ = np.zeros(len(enough), dtype=np.bool_)
    for cell in cells.tolist():
        for side in (1, -1):
            if open_[cell]:
                break
            found = attacker.reach(cell, side, float(enough[cell]), [])
            if found.far >= POINT * enough[cell]:
                open_ |= np.abs(found.change) >= np.maximum(POINT * enough, POINT)
                open_[cell] = True
    stuck: IntArray = cells[~open_[cells]]
    return stuck


def _sets_at(mask: BoolArray, tables: Sequence[ReleasedTable], columns: Sequence[IntArray]) -> IntArray:
    """The set numbers of cells of ``tables`` whose columns are marked."""
    found = [table.sets[(at >= 0) & mask[at]] for table, at in zip(tables, columns, strict=True)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])
