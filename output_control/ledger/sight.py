"""What an attacker sees of one new table beside all others that it hangs together with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from output_control.attacker import Attacker
from output_control.audit import full_equations
from output_control.tables.joint_table import JointTable
from output_control.tables.table import BoolArray, FloatArray, IntArray

MOST_COLUMNS = 300  # hidden at once, where an end of an interval takes milliseconds


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A joint system under its pattern, and where the cells of the new table lie in it.

    ``hidden`` (per column of ``joint``): nothing published says what it is; ``least``: what it is known to be at least.
    ``whole``: all that was published is in it; otherwise relations between each two tables, which several together may
    narrow.
    """

    joint: JointTable
    hidden: BoolArray
    least: FloatArray
    columns: IntArray
    whole: bool

    def place(self, suppressed: BoolArray) -> IntArray:
        """Columns of the ``suppressed`` cells of the table, -1 where the system itself does not hide one."""
        cells = self.columns[suppressed]
        return np.where(self.hidden[cells], cells, -1)

    def attacker(self) -> Attacker | None:
        """Who knows everything that was published with the system; None where it is too large to try every cell."""
        if int(self.hidden.sum()) > MOST_COLUMNS:
            return None
        joint = self.joint
        return Attacker(full_equations(joint), joint.value, self.hidden, integral=joint.integral, least=self.least)
