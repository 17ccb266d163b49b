"""The LP-flow heuristic: hide the cheapest cells through which each primary can move.

For a primary k the cheapest move z with M z = 0 and z_k = ± its level tells which further cells to hide: the support of
z. Many primaries are served by one LP with random signs. Sources: Castro, *Eur. J. Oper. Res.* 171 (2006) 39–52
(doi:10.1016/j.ejor.2004.08.017) for the flow formulation; the batches and free certificates are our own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from output_control.linear_programme import Model
from output_control.suppression.boxed import cheapest_box
from output_control.suppression.islands import Islands
from output_control.suppression.neighbourhood import WIDE, Ball, ball, limits
from output_control.suppression.problem import TOLERANCE, Problem, Target
from output_control.suppression.search import Search
from output_control.suppression.warm_start import SYSTEM, is_open_system, is_system
from output_control.tables.table import BoolArray, FloatArray, IntArray

BALL = 1500
NEARBY = 200
FREE_ROUNDS = 12
SLOPE_ROUNDS = 3
AVOID_WEIGHT = 50.0
LENGTH = 0.02


def certify(search: Search, rounds: int = FREE_ROUNDS, targets: Sequence[Target] | None = None) -> None:
    """Prove what the hidden cells alone already prove, by random objectives over balls of hidden cells."""
    wanted = search.proof.open_targets() if targets is None else list(targets)
    idle, islands = 0, Islands(search, SYSTEM if is_system(search) else BALL)
    for _ in range(rounds):
        queue = [target for target in wanted if not target.met]
        if not queue or idle == 3:
            return
        for around, served in islands.serving(queue):
            push(search, around, served)
        idle = idle + 1 if all(not target.met for target in queue) else 0


def push(search: Search, ball: Ball, targets: Sequence[Target]) -> None:
    """One LP over hidden cells: move all targets as far as they ask, in random directions."""
    if not targets:
        return
    unit = typical_level(search.problem, targets)
    gain, lower, upper = in_random_directions(search, ball, compatible(search, targets), 1.0, unit)
    _solve_into(search, ball, gain, lower, upper, unit=unit)


def push_short(search: Search, ball: Ball, targets: Sequence[Target]) -> None:
    """As `push`, but every move has its price: short moves fall apart into pieces, and small pieces are integral."""
    if not targets:
        return
    unit = typical_level(search.problem, targets)
    gain, lower, upper = in_random_directions(search, ball, compatible(search, targets), 1.0, unit)
    model = _two_sided(ball, np.full(len(gain), LENGTH), lower, upper, gain)
    search.count()
    found = model.solve()
    if found is not None:
        search.proof.add(ball.cells, (found.x[: len(gain)] - found.x[len(gain) :]) * unit)


def in_random_directions(
    search: Search, ball: Ball, targets: Sequence[Target], reward: float, unit: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The objective that rewards a move of each target to its level on one side, and the cells' limits for it."""
    lower, upper = limits(search.problem, ball, unit)
    gain = np.zeros(len(ball.cells))
    at = np.searchsorted(ball.cells, [target.cell for target in targets])
    for position, target, sign in zip(at, targets, search.signs(len(targets)), strict=True):
        target.bound(ball.cells, lower, upper, unit)
        need = aim(target, sign) / unit
        gain[position] = -reward / need
        if need < 0:
            lower[position], upper[position] = max(lower[position], need), 0.0
        else:
            lower[position], upper[position] = 0.0, min(upper[position], need)
    return gain, lower, upper


def compatible(search: Search, targets: Sequence[Target]) -> list[Target]:
    """Targets that one LP may serve together: nothing that one must move is held for another."""
    first = next((target for target in targets if not target.plain), None)
    free = [target for target in targets if target.plain]
    if first is None or (free and search.counter.solved % 2 == 0):
        return free
    return [target for target in targets if target.held == first.held and target.against == first.against]


def aim(target: Target, sign: float) -> float:
    """The signed move to ask for: towards a side that is still open."""
    up, down = target.needs_up, target.needs_down
    if up and (sign > 0 or not down):
        return up
    return -(down or target.size)


def typical_level(problem: Problem, targets: Sequence[Target]) -> float:
    """The scale of the LP: magnitudes are counted in a typical level, so that solver tolerances mean the same."""
    return 1.0 if problem.integral else float(np.median([target.size for target in targets]))


def _solve_into(
    search: Search, ball: Ball, cost: FloatArray, lower: FloatArray, upper: FloatArray, *, unit: float
) -> None:
    search.count()
    zero = np.zeros(ball.matrix.shape[0])
    # a cell without upper bound makes the objective unbounded only if it is rewarded, and those are bounded
    found = Model(ball.matrix, cost, lower, upper, (zero, zero)).solve()
    if found is not None:
        search.proof.add(ball.cells, found.x * unit)


def accept(search: Search, ball: Ball, move: FloatArray) -> bool:
    """Hide what the new part of the proof rests on; False when the move proves nothing."""
    helped = search.proof.add(ball.cells, move)
    for target in helped:
        for cells, _ in search.proof.used(target):
            search.hidden[cells] = True
    return bool(helped)


def serve(search: Search, target: Target) -> bool:
    """Prove one target at least cost, in growing balls; False when even the whole table holds no witness."""
    system = is_open_system(search)
    if system and not target.met and _serve_in(search, search.near.everywhere, target):
        return True
    # what the one model did not find is looked for once more from nothing
    size = SYSTEM if system else BALL
    while not target.met:
        around = search.near.around(np.array([target.cell]), search.hidden, size)
        if not _serve_in(search, _with_box(search, around, target), target) and around.whole:
            return False
        size *= 4
    return True


def _with_box(search: Search, around: Ball, target: Target) -> Ball:
    """A ball in which a magnitude has a move where there is one of the simplest form: larger ones cost far more."""
    if search.problem.integral or around.whole:
        return around
    cells = np.union1d(around.cells, cheapest_box(search, target))
    return ball(search.problem, cells, whole=False)


def _serve_in(search: Search, ball: Ball, target: Target) -> bool:
    """The cheaper of the directions that the target leaves open; both when it asks for both."""
    at = int(np.searchsorted(ball.cells, target.cell))
    if at == len(ball.cells) or ball.cells[at] != target.cell:
        return False
    # a table of three dimensions or more may need a cell to move twice as far as the target; a magnitude whose level is
    # just what hidden cells can give, to the solver's tolerance, must be asked to go further beyond it
    for stretch in (1.0, WIDE):
        for _ in range(2):
            moves = []
            for side in target.open_sides:
                move = _cheapest_move(search, ball, target, at, side=side, stretch=stretch)
                moves += [] if move is None else [move]
                if move is not None and (move[0] == 0 or _goes_back(search, ball, target, move[1], stretch)):
                    break  # nothing is cheaper, or hardly anything
            if not moves or not accept(search, ball, min(moves, key=lambda move: move[0])[1]):
                break
            if target.met:
                return True
    return False


def _goes_back(search: Search, ball: Ball, target: Target, move: FloatArray, stretch: float) -> bool:
    """Whether a move of counts may be made the other way round, so that it serves both sides at one price."""
    if not search.problem.integral:
        return False
    lower, upper = limits(search.problem, ball, 1.0, stretch)
    target.bound(ball.cells, lower, upper, 1.0)
    return bool(((-move >= lower - TOLERANCE) & (-move <= upper + TOLERANCE)).all())


def _cheapest_move(
    search: Search,
    ball: Ball,
    target: Target,
    at: int,
    *,
    side: float,
    stretch: float,
    barred: IntArray | None = None,
) -> tuple[float, FloatArray] | None:
    """A move of the target to its level on one side, with the price of what it hides."""
    problem = search.problem
    need = (target.needs_up if side > 0 else target.needs_down) * side
    unit = 1.0 if problem.integral else target.size
    lower, upper = limits(problem, ball, unit, stretch)
    target.bound(ball.cells, lower, upper, unit)
    if barred is not None:
        lower[barred] = upper[barred] = 0.0
    # a hair beyond the level, so that the solver's tolerance does not leave the witness short of it
    need = need / unit if problem.integral else need / unit * (1 + (1e-7 if stretch <= 1 else 1e-5))
    if not lower[at] - 1e-6 <= need <= upper[at]:
        return None
    lower[at] = upper[at] = max(need, lower[at])
    fixed = np.where(search.hidden[ball.cells], 0.0, problem.cost[ball.cells])
    found = _slope_scaling(search, ball, fixed, lower, upper)
    if found is None or not problem.integral or is_whole_move(found[1]):
        return None if found is None else (found[0], found[1] * unit)
    if barred is not None:
        # an exchange is not worth an integer programme: one takes as long as a thousand LPs
        return None
    near = _whole_near(search, ball, found[1], (lower, upper))
    return near or integer_move(search, ball, fixed, lower, upper)


def _slope_scaling(
    search: Search, ball: Ball, fixed: FloatArray, lower: FloatArray, upper: FloatArray
) -> tuple[float, FloatArray] | None:
    """The cheapest support found for a move within bounds; unit costs make the last move cost its price.

    Counts move by ones, where the first LP is as good as any.
    """
    model = _model_of(search, ball, fixed, lower, upper)
    slope = fixed
    best: tuple[float, FloatArray] | None = None
    for again in range(1 if search.problem.integral else SLOPE_ROUNDS):
        if again:
            model.set_cost(np.concatenate([slope, slope]) + 1e-9 * fixed.max(initial=1.0))
        search.count()
        found = model.solve()
        if found is None:
            break
        move = found.x[: len(lower)] - found.x[len(lower) :]
        used = np.abs(move) > 1e-7
        price = float(fixed[used].sum())
        if best is None or price < best[0]:
            best = price, move
        if not price:
            break
        slope = np.where(used, fixed / np.maximum(np.abs(move), 1e-3), slope)
    return best


def _model_of(search: Search, ball: Ball, fixed: FloatArray, lower: FloatArray, upper: FloatArray) -> Model:
    """As `_two_sided`; of everything at once one model, which starts from the vertex of the last target."""
    near = search.near
    if not near.is_everywhere(ball):
        return _two_sided(ball, fixed, lower, upper)
    if near.model is None:
        near.model = _two_sided(ball, fixed, lower, upper)
    else:
        near.model.revise(_two_sided_cost(fixed, 0.0), *_two_sided_bounds(lower, upper))
    return near.model


def _two_sided_cost(fixed: FloatArray, gain: FloatArray | float) -> FloatArray:
    return np.concatenate([fixed + gain, fixed - gain]) + 1e-6 * float(fixed.max(initial=1.0))


def _two_sided_bounds(lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
    low = np.concatenate([np.maximum(lower, 0), np.maximum(-upper, 0)])
    return low, np.concatenate([np.maximum(upper, 0), np.maximum(-lower, 0)])


def _two_sided(
    ball: Ball, fixed: FloatArray, lower: FloatArray, upper: FloatArray, gain: FloatArray | float = 0.0
) -> Model:
    """The model of min fixed·(rise + fall) + gain·(rise - fall)."""
    matrix = sparse.csr_array(sparse.hstack([ball.matrix, -ball.matrix]))
    zero = np.zeros(matrix.shape[0])
    return Model(matrix, _two_sided_cost(fixed, gain), *_two_sided_bounds(lower, upper), (zero, zero))


def is_whole_move(move: FloatArray) -> bool:
    """Whether all steps are integers, within the solver's tolerance."""
    return bool(np.allclose(move, np.rint(move), rtol=0, atol=1e-6))


FRACTION = 1e-7
NODES = 200
GOOD_ENOUGH = 0.1


def integer_move(
    search: Search, ball: Ball, fixed: FloatArray, lower: FloatArray, upper: FloatArray
) -> tuple[float, FloatArray] | None:
    """The cheapest integral move, for counts where the LP's vertex is fractional and so proves nothing."""
    matrix = sparse.csr_array(sparse.hstack([ball.matrix, -ball.matrix]))
    # among hidden cells every move is free, and the first one found will do
    cost = np.concatenate([fixed, fixed])
    if fixed.any():
        cost += 1e-6 * float(fixed.max())
    low = np.concatenate([np.maximum(lower, 0), np.maximum(-upper, 0)])
    high = np.concatenate([np.maximum(upper, 0), np.maximum(-lower, 0)])
    zero = np.zeros(matrix.shape[0])
    search.count()
    whole = np.ones(matrix.shape[1], dtype=np.bool_)
    found = Model(
        matrix, cost, low, high, (zero, zero), integer=whole, max_nodes=NODES, relative_gap=GOOD_ENOUGH
    ).solve()
    if found is None:
        return None
    move = np.rint(found.x[: len(lower)] - found.x[len(lower) :])
    return float(fixed[move != 0].sum()), move


def shortest_move(
    search: Search, target: Target, far: float, sides: Sequence[float], unwanted: tuple[BoolArray, BoolArray]
) -> tuple[Ball, FloatArray | None]:
    """A move of the target by ``far`` to one of the ``sides`` over hidden cells that touches little, and least those
    that are ``unwanted``: of the first ones any move, of the second ones a fall."""
    for size in (NEARBY, BALL):
        ball = search.near.around(np.array([target.cell]), search.hidden, size, hidden_only=True)
        move = next((each for side in sides if (each := _shortest_in(search, ball, target, far * side, unwanted))
                     is not None), None)  # fmt: skip
        if move is not None or ball.whole:
            break
    return ball, move


def _shortest_in(
    search: Search, ball: Ball, target: Target, far: float, unwanted: tuple[BoolArray, BoolArray]
) -> FloatArray | None:
    at = int(np.searchsorted(ball.cells, target.cell))
    if at == len(ball.cells) or ball.cells[at] != target.cell:
        return None
    unit, step = abs(far), float(np.sign(far)) * (1 + 1e-7)
    lower, upper = limits(search.problem, ball, unit)
    if not lower[at] <= step <= upper[at]:
        return None
    lower[at] = upper[at] = step
    moving, falling = unwanted
    rise = np.where(moving[ball.cells], AVOID_WEIGHT, 1.0)
    fall = np.where((moving | falling)[ball.cells], AVOID_WEIGHT, 1.0)
    search.count()
    found = _two_sided(ball, (rise + fall) / 2, lower, upper, (rise - fall) / 2).solve()
    return None if found is None else (found.x[: len(lower)] - found.x[len(lower) :]) * unit


def _whole_near(
    search: Search, ball: Ball, move: FloatArray, bounds: tuple[FloatArray, FloatArray]
) -> tuple[float, FloatArray] | None:
    """The cheapest integral move near a fractional one, where the ball is everything: far less to look through."""
    for size in (BALL, 4 * BALL) if search.near.is_everywhere(ball) else ():
        near = search.near.around(ball.cells[np.abs(move) > FRACTION], search.hidden, size)
        at = np.searchsorted(ball.cells, near.cells)
        fixed = np.where(search.hidden[near.cells], 0.0, search.problem.cost[near.cells])
        found = integer_move(search, near, fixed, bounds[0][at], bounds[1][at])
        if found is not None:
            whole = np.zeros(len(ball.cells))
            whole[at] = found[1]
            return found[0], whole
    return None


def cheapest_move(search: Search, target: Target, size: int, *, avoid: int, below: float) -> float | None:
    """Serve one open side of a target in one ball without the group ``avoid``; returns what that newly hides.

    None, and nothing hidden, when it would cost ``below`` or more, or is not possible.
    """
    ball = search.near.around(np.array([target.cell]), search.hidden, size)
    at = int(np.searchsorted(ball.cells, target.cell))
    if at == len(ball.cells) or ball.cells[at] != target.cell:
        return None
    barred = np.flatnonzero(ball.cells == avoid)
    found = [
        _cheapest_move(search, ball, target, at, side=side, stretch=1.0, barred=barred) for side in target.open_sides
    ]
    moves = [move for move in found if move is not None]
    best = min(moves, key=lambda move: move[0], default=None)
    if best is None or best[0] >= below:
        return None
    before = float(search.problem.cost[search.hidden].sum())
    return float(search.problem.cost[search.hidden].sum()) - before if accept(search, ball, best[1]) else None


def prove_alone(search: Search, target: Target, most: int | None = None) -> bool:
    """One LP per side over hidden cells; for counts an integer programme where the LP's vertex is fractional.

    In growing balls, none of more than ``most`` cells.
    """
    size = NEARBY
    while most is None or size <= most:
        ball = search.near.around(np.array([target.cell]), search.hidden, size, hidden_only=True)
        if _serve_in(search, ball, target):
            return True
        if ball.whole:
            return False
        size *= 3
    return False
