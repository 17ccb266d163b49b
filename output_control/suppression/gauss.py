"""Secondary suppression by Gaussian elimination: publish the most wanted cells as long as no primary can be computed.

The attacker knows every linear combination of the equations and of the published cells. Cells are walked from the most
to the least wanted; one that would bring a primary into that span is hidden. It guards against exact recomputation
only, so the caller must prove, and where needed extend, what comes out. Source: Langsrud, *Privacy in Statistical
Databases* (2024), doi:10.1007/978-3-031-69651-0_6, for the method; ranks are decided by whole numbers modulo a prime.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from output_control.suppression.problem import Problem
from output_control.tables.table import BoolArray, FloatArray

# products of two residues fit in 63 bits; an unlucky rank changes the choice of cells, never what must be proven
PRIME = 2**31 - 1
GAUSS_UP_TO = 5000

Residues = npt.NDArray[np.int64]


def eliminate(problem: Problem) -> BoolArray:
    """The groups to hide, primaries included. Memory grows with the square of the groups (see `GAUSS_UP_TO`)."""
    space = coordinates(problem.matrix.toarray())
    hidden = problem.primary.copy()
    waiting = np.flatnonzero(problem.primary)
    for cell in _wanted_first(problem):
        if not _publish(space, int(cell), waiting):
            if problem.keep[cell]:
                continue
            hidden[cell] = True
    return hidden


def coordinates(equations: FloatArray) -> Residues:
    """Each cell (row) by cells that the equations leave free (columns), modulo the prime."""
    rows = np.rint(equations).astype(np.int64) % PRIME
    pivots: list[int] = []
    for column in range(rows.shape[1]):
        found = np.flatnonzero(rows[len(pivots) :, column])
        if not len(found):
            continue
        at, other = len(pivots), len(pivots) + int(found[0])
        rows[[at, other]] = rows[[other, at]]
        rows[at] = rows[at] * pow(int(rows[at, column]), -1, PRIME) % PRIME
        _clear(rows, at, column)
        pivots.append(column)
    free = np.setdiff1d(np.arange(rows.shape[1]), pivots)
    space = np.zeros((rows.shape[1], len(free)), dtype=np.int64)
    space[free, np.arange(len(free))] = 1
    space[pivots] = -rows[: len(pivots), free] % PRIME
    return space


def _wanted_first(problem: Problem) -> Residues:
    """Cells that must stay first, then by falling cost of hiding them."""
    cells = np.flatnonzero(~problem.primary)
    return cells[np.lexsort((cells, -problem.cost[cells], ~problem.keep[cells]))]


def _publish(space: Residues, cell: int, primaries: Residues) -> bool:
    """Let the attacker know one more cell, unless a primary is then known too (and was not before)."""
    nonzero = np.flatnonzero(space[cell])
    if not len(nonzero):
        return True
    column = int(nonzero[0])
    vector = space[cell] * pow(int(space[cell, column]), -1, PRIME) % PRIME
    hit = primaries[space[primaries, column] != 0]
    if len(hit):
        rest = (space[hit] - space[hit, column][:, None] * vector) % PRIME
        if not rest.any(axis=1).all():
            return False
    _clear(space, cell, column)
    space[cell] = 0
    return True


def _clear(rows: Residues, at: int, column: int) -> None:
    """Make ``column`` zero in every row but ``at``, by multiples of that row."""
    row = rows[at] * pow(int(rows[at, column]), -1, PRIME) % PRIME
    other = np.flatnonzero(rows[:, column])
    other = other[other != at]
    used = np.flatnonzero(row)
    block = np.ix_(other, used)
    rows[block] = (rows[block] - rows[other, column][:, None] * row[used]) % PRIME
