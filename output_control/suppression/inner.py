"""Moves through the inside: magnitudes that can move are mostly shown to by linear algebra, without a programme.

A random direction, projected onto the moves that keep every equation, each cell weighted by how far it may go, moves
nearly every cell that can move at all, by a good part of what it holds. A few such directions prove most demands of a
table at once. The projection is that of Dikin's affine scaling (I. I. Dikin, *Soviet Math. Dokl.* 8 (1967) 674–675);
its equations are solved by conjugate gradients (M. R. Hestenes & E. Stiefel, *J. Res. NBS* 49 (1952) 409–436,
doi:10.6028/jres.049.044), many directions at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from output_control.suppression.problem import Problem, Target
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, FloatArray, IntArray

# the later passes take away what rounding left of the first
PASSES = (1e-8, 1e-6, 1e-3)
ITERATIONS = 2000
NOISE = 1e-9
# programmes for so few, and for so small a share of the hidden cells, cost less
FEW = 8
FEW_OF = 0.005
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
        if len(left) < max(FEW, FEW_OF * len(cells)):
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
    moves[:, ~_is_sound(matrix @ moves, moves)] = 0.0
    filled = np.divide(np.abs(moves), reach, out=np.zeros_like(moves), where=reach > 0).max(axis=0, initial=0.0)
    fitting: FloatArray = np.divide(moves, filled, out=np.zeros_like(moves), where=filled > 0)
    return fitting


def _projected(matrix: sparse.csr_array, reach: FloatArray, move: FloatArray) -> FloatArray:
    """The part of each move that keeps the equations: move - D² M' (M D² M')⁺ M move, D the reach."""
    system = _System.of(matrix, reach)
    right = matrix @ move
    for close in PASSES:
        # what is sound already is left at that: of rounding alone the equations have no solution
        right[:, _is_sound(right, move)] = 0.0
        nearer = move - system.square * (system.across @ system.prices(right, close))
        left = matrix @ nearer
        better = np.abs(left).max(axis=0, initial=0.0) < np.abs(right).max(axis=0, initial=0.0)
        move, right = np.where(better, nearer, move), np.where(better, left, right)
    return move


def _is_sound(broken: FloatArray, moves: FloatArray) -> BoolArray:
    """Per column whether the equations are kept to `SOUND` of the largest step."""
    sound: BoolArray = np.abs(broken).max(axis=0, initial=0.0) <= SOUND * np.abs(moves).max(axis=0, initial=0.0)
    return sound


@dataclass(frozen=True, slots=True, eq=False)
class _System:
    """M D² M' per column of D: M, M', D² and the roots that its rows and columns are divided by."""

    matrix: sparse.csr_array
    across: sparse.csr_array
    square: FloatArray
    scale: FloatArray

    @staticmethod
    def of(matrix: sparse.csr_array, reach: FloatArray) -> _System:
        """Divided by the roots of its diagonal; a row without a cell that may move is left at 0."""
        own = np.sqrt(sparse.csr_array(matrix.power(2)) @ reach**2)
        scale = np.divide(1.0, own, out=np.zeros_like(own), where=own > 0)
        return _System(matrix, sparse.csr_array(matrix.T), reach**2, scale)

    def prices(self, right: FloatArray, close: float) -> FloatArray:
        """λ of M D² M' λ = right by conjugate gradients, per column, until ``close`` of the error is left."""
        found, rest = np.zeros_like(right), self.scale * right
        step, size = rest.copy(), (rest * rest).sum(axis=0)
        enough = close**2 * size
        for _ in range(ITERATIONS):
            if (size <= enough).all():
                break
            applied = self.scale * (self.matrix @ (self.square * (self.across @ (self.scale * step))))
            bend = (step * applied).sum(axis=0)
            # a column that is done, or that stands still, goes no further
            far = np.divide(size, bend, out=np.zeros_like(size), where=(bend > 0) & (size > enough))
            found += far * step
            rest -= far * applied
            before, size = size, (rest * rest).sum(axis=0)
            step = rest + step * np.divide(size, before, out=np.zeros_like(size), where=before > 0)
        scaled: FloatArray = self.scale * found
        return scaled
