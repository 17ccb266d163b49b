"""Systems of several tables: one model of all hidden cells, of which the objective alone changes from solve to solve.

Each programme starts from the last one's vertex (a warm start of the simplex method), which on a wide and thin system
costs less than many balls of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from output_control.linear_programme import Model
from output_control.suppression.neighbourhood import WIDE, Ball, limits
from output_control.suppression.problem import Target
from output_control.suppression.search import Search
from output_control.tables.table import FloatArray, IntArray

SYSTEM = 30_000
ROUNDS = 12


def is_system(search: Search) -> bool:
    """Whether this is a system of counts of several tables: it has no boxes, and what hangs together in it is wide and
    thin, so that programmes over all hidden cells at once cost less than many balls of it."""
    return search.problem.boxes is None and search.problem.integral and int(search.hidden.sum()) <= SYSTEM


def is_open_system(search: Search) -> bool:
    """Whether what is hidden or may be hidden is such a system, so that one model serves target after target."""
    return is_system(search) and len(search.near.everywhere.cells) <= SYSTEM


def stuck(search: Search, targets: Sequence[Target]) -> list[Target]:
    """Prove open ``targets`` from all hidden cells by one model whose objective alone changes.

    Returns those that nothing hidden can move at all, so that there is no use in looking closer.
    """
    ball = search.near.around(np.zeros(0, dtype=np.int64), search.hidden, SYSTEM, hidden_only=True)
    if not targets or not len(ball.cells):
        return list(targets)
    lower, upper = limits(search.problem, ball, 1.0, WIDE)
    zero = np.zeros(ball.matrix.shape[0])
    model, lost = Model(ball.matrix, np.zeros(len(lower)), lower, upper, (zero, zero)), []
    model.keep_vertex()
    place = np.searchsorted(ball.cells, [target.cell for target in targets])
    here = ball.cells[np.minimum(place, len(ball.cells) - 1)] == [target.cell for target in targets]
    for _ in range(ROUNDS):
        left = place[here & [not target.met for target in targets]]
        if len(left):
            _pushed(search, ball, model, left, search.signs(len(left)))
    for target, at, inside in zip(targets, place.tolist(), here.tolist(), strict=True):
        if not target.met:
            one = np.array([at])
            reached = [inside and _pushed(search, ball, model, one, np.array([-side])) for side in target.open_sides]
            if not target.met and not any(reached):
                lost.append(target)
    return lost


def _pushed(search: Search, ball: Ball, model: Model, at: IntArray, cost: FloatArray) -> bool:
    """Whether one of some cells can move at this cost; what moves with one alone, or anything with many, is kept."""
    whole = np.zeros(len(ball.cells))
    whole[at] = cost
    model.set_cost(whole)
    search.count()
    found = model.solve()
    if found is None:
        return True
    moving = np.flatnonzero(np.abs(found.x) > 1e-7)
    if len(at) == 1 and len(moving):
        touching = abs(sparse.csc_array(search.problem.columns[:, ball.cells[moving]]))
        label = csgraph.connected_components(sparse.csr_array(touching.T @ touching), directed=False)[1]
        moving = moving[label == label[np.searchsorted(moving, at[0])]] if at[0] in moving else moving[:0]
    search.proof.add(ball.cells[moving], found.x[moving])
    return bool((np.abs(found.x[at]) > 1e-6).any())
