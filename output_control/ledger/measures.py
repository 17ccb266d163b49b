"""Whether two sums are of one measure: tables of one measure must agree on it, whatever it is called.

Sums are compared by the name of their measure. A derivation chooses both the name and the values: under another name
the same measure would be compared with nothing, and under the same name one unit's value set to nothing would subtract
to that value. Both are refused.
"""

from __future__ import annotations

import numpy as np

from output_control.ledger.released import COUNT, NOT_COMPARED, ReleasedTable
from output_control.tables.table import BoolArray, FloatArray, IntArray

CLOSE = 1e-9


def fault_of_measures(first: ReleasedTable, second: ReleasedTable, least: int) -> str:
    """Why figures of the two cannot be told apart (empty: they can, or are of one measure indeed).

    ``least``: the minimum frequency; from so many rows with as many different values on, a line is no chance.
    """
    if {first.quantity, second.quantity} & {COUNT, NOT_COMPARED}:
        return ""
    _, here, there = np.intersect1d(first.rows.row, second.rows.row, assume_unique=True, return_indices=True)
    mine, theirs = first.rows.amount[here], second.rows.amount[there]
    if first.quantity == second.quantity:
        return "have different values of one measure for the same records" if bool((mine != theirs).any()) else ""
    filled = (mine != 0) & (theirs != 0)
    cells = [np.zeros(len(here), dtype=np.int64), first.rows.leaf[here], second.rows.leaf[there]]
    if any(_on_a_line(mine[filled], theirs[filled], cell[filled], least) for cell in cells):
        return "are sums of one measure under two names"
    return ""


def _on_a_line(mine: FloatArray, theirs: FloatArray, group: IntArray, least: int) -> bool:
    """Whether in one of the groups at least half of the rows lie on one line that is not level: y = a·x + b."""
    order = np.lexsort((mine, group))
    x, y, group = mine[order], theirs[order], group[order]
    parts = np.split(np.arange(len(x)), np.flatnonzero(np.diff(group)) + 1)
    # counts of few values lie on a line by chance, but not all but a few of a whole table
    few = 3 if len(parts) == 1 else least
    return any(_line_through(x[part], y[part], least, few) for part in parts if len(part) >= least)


def _line_through(x: FloatArray, y: FloatArray, least: int, few: int) -> bool:
    """``x`` is sorted. The slope is the median of those between rows half the group apart."""
    half = len(x) // 2
    run = x[half:] - x[: len(x) - half]
    rise = (y[half:] - y[: len(x) - half])[run > 0]
    if not len(rise):
        return False
    slope = float(np.median(rise / run[run > 0]))
    offset = y - slope * x
    on_it: BoolArray = np.abs(offset - np.median(offset)) <= CLOSE * (np.abs(y) + np.abs(slope * x))
    different, off = len(np.unique(x[on_it])), int((~on_it).sum())
    telling = different >= least or (different >= few and off < least)
    return slope != 0 and off * 2 <= len(x) and telling
