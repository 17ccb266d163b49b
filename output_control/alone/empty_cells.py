"""What an attacker sees who knows that a published 0 is an empty cell, and a blank therefore none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from output_control.audit import audit
from output_control.protection import Exact, Options, Pattern
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable

AT_FIRST = 8
GROWTH = 8
NOTE = (
    "at least one sensitive count can be computed by whoever takes the zeros of table.csv for empty cells; "
    "run again with --empty shown to protect against that"
)


def told_by_zeros(table: CellTable, sensitive: PrimaryResult, pattern: Pattern, options: Options) -> bool:
    """Whether some primary count is one point to who knows that no hidden count is 0, which ``options`` do not grant.

    The audit looks at a few primaries at a time, ever more, and at no more once there is one.
    """
    if not table.integral or options.occupied:
        return False
    asked = replace(options, occupied=True, count_protection=Exact(), singletons=False)
    nothing = np.zeros(len(table))
    cells, many = np.flatnonzero(sensitive.mask), AT_FIRST
    while len(cells):
        some = np.zeros(len(table), dtype=np.bool_)
        some[cells[:many]] = True
        if audit(table, replace(sensitive, mask=some, upl=nothing, lpl=nothing), pattern, asked).exact:
            return True
        cells, many = cells[many:], many * GROWTH
    return False
