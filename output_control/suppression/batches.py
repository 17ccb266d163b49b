"""Batches of LP-flow: many targets moved at once in random directions, and what moves with them is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from output_control.linear_programme import Model
from output_control.suppression.flow import accept, compatible, in_random_directions, typical_level
from output_control.suppression.islands import inside
from output_control.suppression.neighbourhood import Ball
from output_control.suppression.problem import Target
from output_control.suppression.search import Search
from output_control.tables.table import FloatArray

BALL = 1500


def batch_round(search: Search, reward: float) -> None:
    """Hide cells for all open targets, ball by ball, where that costs less than ``reward`` typical cells each."""
    queue = search.proof.open_targets()
    # what was hidden before, in a system, costs nothing
    dear = search.problem.cost[~search.problem.primary & ~search.problem.keep & (search.problem.cost > 0)]
    typical = float(np.quantile(dear, 0.25, method="lower")) if len(dear) else 1.0
    while queue:
        ball = _reaching(search, queue[0])
        served = [target for target in inside(queue, ball) if not target.met]
        if served:
            _batch(search, ball, compatible(search, served), reward * max(typical, 1e-9))
        queue = _left(queue, ball, served)


def _reaching(search: Search, target: Target) -> Ball:
    """The ball around a target, so large that it can move in it, if anywhere."""
    size = BALL
    while True:
        ball = search.near.around(np.array([target.cell]), search.hidden, size)
        if ball.whole or target.cell in ball.cells:
            return ball
        size *= 4


def _batch(search: Search, ball: Ball, targets: Sequence[Target], reward: float) -> None:
    unit = typical_level(search.problem, targets)
    gain, lower, upper = in_random_directions(search, ball, targets, reward, unit)
    _hide_cheapest(search, ball, gain, lower, upper, unit=unit)


def _hide_cheapest(
    search: Search, ball: Ball, gain: FloatArray, lower: FloatArray, upper: FloatArray, *, unit: float
) -> bool:
    """Solve min cost·|z| + gain·z; hide what moves. Published cells move in two parts, up and down."""
    problem = search.problem
    published = np.flatnonzero(~search.hidden[ball.cells])
    slope = problem.cost[ball.cells]
    matrix = sparse.csr_array(sparse.hstack([ball.matrix, -ball.matrix[:, published]]))
    low = np.concatenate([lower, np.zeros(len(published))])
    high = np.concatenate([upper, -lower[published]])
    low[published] = 0.0
    cost = np.concatenate([gain, np.zeros(len(published))])
    cost[published] += slope[published]
    cost[len(gain) :] = slope[published]
    zero = np.zeros(matrix.shape[0])
    search.count()
    found = Model(matrix, cost, low, high, (zero, zero)).solve()
    if found is None:
        return False
    move = found.x[: len(gain)].copy()
    move[published] -= found.x[len(gain) :]
    return accept(search, ball, move * unit)


def _left(queue: Sequence[Target], ball: Ball, served: Sequence[Target]) -> list[Target]:
    """What a round has still to look at; who is not in a whole ball cannot move at all."""
    done = {id(target) for target in (*served, queue[0])}
    return [] if ball.whole else [target for target in queue if id(target) not in done and not target.met]
