"""Moves through the inside: magnitudes that can move are mostly shown to by linear algebra, without a programme.

A random direction, projected onto the moves that keep every equation, each cell weighted by how far it may go, moves
nearly every cell that can move at all, by a good part of what it holds. A few such directions prove most demands of a
table at once. The projection is that of Dikin's affine scaling (I. I. Dikin, *Soviet Math. Dokl.* 8 (1967) 674–675);
its equations are solved by conjugate gradients (M. R. Hestenes & E. Stiefel, *J. Res. NBS* 49 (1952) 409–436,
doi:10.6028/jres.049.044), many directions at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from output_control.suppression.problem import Problem, Target
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, FloatArray, IntArray

# the second pass takes away what rounding left of the first
PASSES = (1e-8, 1e-6)
ITERATIONS = 2000
NOISE = 1e-9
FEW = 8
DIRECTIONS = 8
TRIALS = 2
PUSHES = (1.0, 10.0)
SOUND = 1e-11


def certify_inside(search: Search, targets: Sequence[Target]) -> None:
    """Prove what moves through the inside of the hidden cells prove; not of counts, which need whole moves.

    First all cells are sent in random directions, then above all those whose targets are still open.
    """
    problem, cells = search.problem, np.flatnonzero(search.hidden)
    for push in PUSHES if not problem.integral else ():
        left = [target for target in targets if not target.met and not target.held]
        if len(left) < FEW:
            return
        wish = search.signs(len(cells) * DIRECTIONS).reshape(len(cells), DIRECTIONS)
        wish[np.isin(cells, [target.cell for target in left])] *= push
        search.count()
        reach = np.repeat(problem.amount[cells][:, None], DIRECTIONS, axis=1)
        for move in inner_moves(problem, cells, reach, wish).T:
            search.proof.add_inner(cells, move)


def can_move_inside(search: Search) -> BoolArray:
    """Per group whether a move of hidden groups that keeps every equation changes it, if nothing had to stay above 0.

    By random directions, which miss none but by chance.
    """
    problem, cells = search.problem, np.flatnonzero(search.hidden)
    amount = problem.amount[cells]
    reach = np.repeat(np.where(amount > 0, amount, amount.max(initial=1.0))[:, None], TRIALS, axis=1)
    search.count()
    moves = inner_moves(problem, cells, reach, search.signs(reach.size).reshape(reach.shape))
    mask = np.zeros_like(search.hidden)
    # a column that came out unsound says nothing
    mask[cells] = (moves != 0).any(axis=1) | (moves == 0).all(axis=0).any()
    return mask


def inner_moves(problem: Problem, cells: IntArray, reach: FloatArray, wish: FloatArray) -> FloatArray:
    """Moves of ``cells`` (one per column) near the directions ``wish``, as far as no cell passes its ``reach``.

    ``reach`` (cells × columns, 0: the cell stands still) is in units of the value, ``wish`` in units of the reach. Each
    move fits both ways. A column that does not keep the equations to `SOUND` of its largest step comes back as 0.
    """
    part = sparse.csr_array(problem.columns[:, cells])
    matrix = sparse.csr_array(part[np.flatnonzero(np.diff(part.indptr))])
    moves = _projected(matrix, reach, reach * wish)
    moves[np.abs(moves) <= NOISE * reach] = 0.0
    broken = np.abs(matrix @ moves).max(axis=0, initial=0.0)
    moves[:, broken > SOUND * np.abs(moves).max(axis=0, initial=0.0)] = 0.0
    filled = np.divide(np.abs(moves), reach, out=np.zeros_like(moves), where=reach > 0).max(axis=0, initial=0.0)
    return np.divide(moves, filled, out=np.zeros_like(moves), where=filled > 0)


def _projected(matrix: sparse.csr_array, reach: FloatArray, move: FloatArray) -> FloatArray:
    """The part of each move that keeps the equations: move - D² M' (M D² M')⁺ M move, D the reach."""
    across, square = sparse.csr_array(matrix.T), reach**2
    own = sparse.csr_array(matrix.power(2)) @ square
    with np.errstate(divide="ignore"):
        scale = np.where(own > 0, 1 / np.sqrt(own), 0.0)
    for close in PASSES:
        price = _solved(matrix, across, square, scale, matrix @ move, close)
        move = move - square * (across @ price)
    return move


def _solved(
    matrix: sparse.csr_array,
    across: sparse.csr_array,
    square: FloatArray,
    scale: FloatArray,
    right: FloatArray,
    close: float,
) -> FloatArray:
    """λ of M D² M' λ = right by conjugate gradients, per column, each row and column divided by its diagonal's root."""
    found, rest = np.zeros_like(right), scale * right
    step, size = rest.copy(), (rest * rest).sum(axis=0)
    enough = close**2 * size
    for _ in range(ITERATIONS):
        if (size <= enough).all():
            break
        applied = scale * (matrix @ (square * (across @ (scale * step))))
        bend = (step * applied).sum(axis=0)
        # a column that is done, or that stands still, goes no further
        far = np.divide(size, bend, out=np.zeros_like(size), where=(bend > 0) & (size > enough))
        found += far * step
        rest -= far * applied
        before, size = size, (rest * rest).sum(axis=0)
        step = rest + step * np.divide(size, before, out=np.zeros_like(size), where=before > 0)
    return scale * found
