"""Contributors who know cells: who is alone in a suppressed cell knows it, and attacks the others from there.

A primary is safe from contributor s when some witness moves it while every cell of which s is the sole contributor
stands still, and every other cell of which s is among the largest stays above the part of s. Cells are combined by
contributor id over the whole table, not only within a row. Of a coalition of two every cell stands still that holds
nobody but the two, and stays above what is theirs together; only pairs that meet on every witness of a primary are
looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from output_control.suppression.flow import prove_alone, serve, shortest_move
from output_control.suppression.inner import FEW, inner_moves
from output_control.suppression.islands import inside
from output_control.suppression.leaning import Leaning, Pair, leaning_on
from output_control.suppression.neighbourhood import Ball
from output_control.suppression.problem import (
    TOLERANCE,
    Problem,
    Target,
    against_contributors,
    asked_of_contributors,
)
from output_control.suppression.rising import Rises, Short
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, FloatArray, IntArray

DETOURS = 3
CLASSES = 8
TWICE = 2
BALLS = (300, 1500)
# of fewer magnitudes short moves cost less in the end: other patterns can lean on them too
MANY = 1000
Sides = tuple[float, ...]


def cover_singletons(search: Search) -> list[Target]:
    """Prove every primary against every sole contributor and coalition, hiding more where needed; returns what cannot
    be."""
    return _against_all(search, serve)


def open_against_contributors(search: Search, targets: Sequence[Target] | None = None) -> list[Target]:
    """The demands against contributors (of all primaries, or those given) that the hidden cells do not prove."""
    return _against_all(search, prove_alone, targets)


def to_be_proven_again(search: Search, changed: Sequence[Target]) -> list[Target]:
    """The primaries whose proof against contributors rests on witnesses of the ``changed`` targets."""
    if search.problem.coalition == 1:
        return [target for target in changed if not target.against]
    # what proves one member of a coalition harmless is what the other member must meet
    cells = dict.fromkeys(target.cell for target in changed)
    return [target for cell in cells for target in search.proof.targets_at(cell) if not target.against]


def _against_all(
    search: Search, attempt: Callable[[Search, Target], bool], targets: Sequence[Target] | None = None
) -> list[Target]:
    lost: list[Target] = []
    asked = [target for target in (search.problem.targets if targets is None else targets) if not target.against]
    if search.problem.knows_parts:
        left = asked
        if len(asked) > MANY:
            fresh, others = [[target for target in asked if bool(target.also) == told] for told in (False, True)]
            left = others + _lean_on_nobody(search, fresh)
        _lean_shortly(search, [target for target in left if _suspects(search, target)])
    else:
        _lean_apart(search, asked)
    for target in asked:
        if not search.problem.knows_parts:
            _lean_on_few(search, target)
        for contributor in sorted(_suspects(search, target)):
            lost += _demand(search, attempt, target, (contributor,))
        if search.problem.coalition > 1:
            lost += _against_pairs(search, attempt, target)
    return lost


def _demand(
    search: Search, attempt: Callable[[Search, Target], bool], target: Target, members: tuple[int, ...]
) -> list[Target]:
    made = against_contributors(search.problem, target, members)
    if not made.size:
        return []
    search.proof.demand(made)
    for cells, change in search.proof.used(target):
        # what the others do not know may be enough of a rise and a fall together
        search.proof.offer(made, cells, change)
        search.proof.offer(made, cells, -change)
    return [] if made.met or attempt(search, made) else [made]


def _lean_apart(search: Search, asked: Sequence[Target]) -> None:
    """Moves through the inside that leave sole contributors alone: all of them, then all but one class after another.

    Who differ in a digit of their numbers are in different classes once, so that a cell of the one moves while those of
    the other stand still.
    """
    problem, cells = search.problem, np.flatnonzero(search.hidden)
    if problem.integral or problem.coalition > 1:
        return
    left = [target for target in asked if _suspects(search, target)]
    if len(left) < FEW:
        return
    people, number = np.unique(problem.sole[cells], return_inverse=True)
    number = np.where(problem.sole[cells] < 0, -1, number)
    lasts, place = [-1, *range(CLASSES)], 1
    while left and place < CLASSES * len(people):
        still = np.stack([(number >= 0) & (number // place % CLASSES != last) for last in lasts], axis=1)
        reach = np.repeat(np.where(still, 0.0, problem.amount[cells][:, None]), TWICE, axis=1)
        search.count()
        wish = search.signs(reach.size).reshape(reach.shape)
        _keep_apart(search, cells, inner_moves(problem, cells, reach, wish), left)
        left = [target for target in left if _suspects(search, target)]
        lasts, place = lasts[-CLASSES:], place * CLASSES


def _keep_apart(search: Search, cells: IntArray, moves: FloatArray, targets: Sequence[Target]) -> None:
    """Keep each move for those of ``targets`` that it moves far enough and whom it rids of suspects."""
    at = np.searchsorted(cells, [target.cell for target in targets])
    far = np.array([max(asked_of_contributors(search.problem, target)) for target in targets])
    suspects = [_suspects(search, target) for target in targets]
    for move in moves.T:
        known = set(search.problem.sole[cells[move != 0]].tolist())
        reached = np.flatnonzero(np.abs(move[at]) >= far).tolist()
        freed = [each for each in reached if not suspects[each] <= known]
        for each in freed:
            suspects[each] &= known
        if freed:
            search.proof.keep_also(cells, move, [targets[each] for each in freed])


def _lean_on_nobody(search: Search, asked: Sequence[Target]) -> list[Target]:
    """Keep rises that nobody rules out, or as few as may be, of near hidden cells; returns the others."""
    left: list[Target] = []
    for ball, served in _balls(search, asked, BALLS[-1]):
        if served:
            far = np.array([max(asked_of_contributors(search.problem, target)) for target in served])
            rises = Rises(search, ball, served, far)
            missed = np.flatnonzero(~rises.keep())
            missed = missed[~rises.keep_known_to_few(missed)]
            left += [served[position] for position in missed.tolist()]
    return left


def _lean_shortly(search: Search, left: Sequence[Target]) -> None:
    """Short moves that nobody rules out, or of which nobody rules out each, where hidden cells have them."""
    for size in BALLS:
        missed = []
        for ball, served in _balls(search, left, size):
            short = Short(search, ball)
            for target in served:
                if not short.rise(target, max(asked_of_contributors(search.problem, target))):
                    _lean_on_halves(search, short, target)
                if not ball.whole and _suspects(search, target):
                    missed.append(target)
        left = missed


def _balls(search: Search, left: Sequence[Target], size: int) -> Iterator[tuple[Ball, list[Target]]]:
    """Balls of hidden cells, each around a target that was in none before, and which of the targets are in it."""
    while left:
        ball = search.near.around(np.array([left[0].cell]), search.hidden, size, hidden_only=True)
        served = inside(left, ball)
        yield ball, served
        done = {id(target) for target in (left[0], *served)}
        left = [target for target in left if id(target) not in done]


def _lean_on_halves(search: Search, short: Short, target: Target) -> None:
    """Moves that none of the suspects rules out; where there is none, none of one half of them, and of the other."""
    for sides, far in _asked(search.problem, target):
        # what a short move does not touch is known to few
        if not _suspects_of(search, target, sides, far) or not short.move_unknown_to(target, far, sides, ()):
            continue
        waiting = [sorted(_suspects_of(search, target, sides, far))]
        while waiting:
            some = sorted(_suspects_of(search, target, sides, far).intersection(waiting.pop()))
            if some and not short.move_unknown_to(target, far, sides, some) and len(some) > 1:
                waiting += [some[: len(some) // 2], some[len(some) // 2 :]]


def _lean_on_few(search: Search, target: Target) -> None:
    """Look for witnesses among the hidden cells that no contributor rules out as the others: short ones, by detours."""
    for sides, far in _asked(search.problem, target):
        for detour in range(DETOURS):
            suspects = _suspects_of(search, target, sides, far)
            if not suspects:
                break
            unwanted = _unwanted(search.problem, far, sorted(suspects) if detour else None)
            if not _another(search, target, sides, far, unwanted):
                break


def _another(search: Search, target: Target, sides: Sides, far: float, unwanted: tuple[BoolArray, BoolArray]) -> bool:
    """Keep a further witness of a target, if there is one."""
    ball, move = shortest_move(search, target, far, sides, unwanted)
    return move is not None and search.proof.add_also(target, far, ball.cells, move)


def _asked(problem: Problem, target: Target) -> list[tuple[Sides, float]]:
    """The sides to which a target must be able to move for contributors, and how far; a width goes to any side."""
    up, width = asked_of_contributors(problem, target)
    return [(sides, far) for sides, far in (((1.0,), up), ((1.0, -1.0), width)) if far]


def _suspects(search: Search, target: Target) -> set[int]:
    """Contributors who rule out all witnesses of a target on some side, and are not alone in its cell."""
    return set().union(*(_suspects_of(search, target, *asked) for asked in _asked(search.problem, target)))


def _suspects_of(search: Search, target: Target, sides: Sides, far: float) -> set[int]:
    answered = {
        other.against[0] for other in search.proof.targets_at(target.cell) if len(other.against) == 1 and other.met
    }
    freed, left = answered | {int(search.problem.sole[target.cell])}, None
    for one in _leanings(search, target, [target], sides, far):
        left = one.single - freed if left is None else left & one.single
        if not left:
            break
    return set(left or ())


def _unwanted(problem: Problem, far: float, among: list[int] | None) -> tuple[BoolArray, BoolArray]:
    """Groups that some contributor (of ``among``, if that is said) knows, and those that none must see falling."""
    theirs = problem.holders >= 0 if among is None else np.isin(problem.holders, among)
    falling: BoolArray = np.any(theirs & (problem.whole[:, None] - problem.parts < far), axis=1)
    if among is None:
        return problem.sole >= 0, falling
    return np.isin(problem.sole, among) | np.isin(problem.couple, among).all(axis=1), falling


def _against_pairs(search: Search, attempt: Callable[[Search, Target], bool], target: Target) -> list[Target]:
    """Demands against two contributors; each witness that is found clears further pairs."""
    lost: list[Target] = []
    tried: set[Pair] = set()
    _lean_on_no_pair(search, target)
    while left := sorted(_suspected_pairs(search, target) - tried):
        tried.add(left[0])
        lost += _demand(search, attempt, target, left[0])
    return lost


def _lean_on_no_pair(search: Search, target: Target) -> None:
    """Look for witnesses, among the hidden cells, that lean on nobody of the suspected pairs."""
    for sides, far in _asked(search.problem, target):
        for _ in range(DETOURS):
            among = sorted({one for pair in _pairs_of(search, target, sides, far) for one in pair})
            if not among or not _another(search, target, sides, far, _unwanted(search.problem, far, among)):
                break


def _suspected_pairs(search: Search, target: Target) -> set[Pair]:
    """Pairs that rule out every witness of the target's cell on some side, but do not know that cell itself."""
    return set().union(*(_pairs_of(search, target, *asked) for asked in _asked(search.problem, target)))


def _pairs_of(search: Search, target: Target, sides: Sides, far: float) -> set[Pair]:
    leaning = list(_leanings(search, target, search.proof.targets_at(target.cell), sides, far))
    if not leaning:
        return set()
    first = min(leaning, key=lambda one: (len(one.single) + len(one.couples), sorted(one.single), sorted(one.couples)))
    found = {pair for pair in first.couples if all(one.known_to(pair) for one in leaning)}
    for one in first.single:
        # whom a single contributor cannot be kept from is lost already
        rest = [other.partners(one) for other in leaning if one not in other.single]
        found |= {
            (min(one, other), max(one, other)) for other in (set.intersection(*rest) if rest else ()) if other != one
        }
    own, couple = int(search.problem.sole[target.cell]), tuple(search.problem.couple[target.cell].tolist())
    return {pair for pair in found if own not in pair and pair != couple}


def _leanings(search: Search, target: Target, by: Sequence[Target], sides: Sides, far: float) -> Iterator[Leaning]:
    """Of each witness of the targets ``by``, of one group, that moves it ``far`` to one of the ``sides``, who rules it
    out; a width may be had up and down together."""
    problem, proof = search.problem, search.proof
    by_cells = len(sides) > 1 and problem.coalition == 1 and not problem.knows_parts
    enough = dict[int, None]()
    for each in by:
        moves = [move for move in (each.up_by, each.down_by) if move >= 0]
        alone = [move for move in (*moves, *each.also) if proof.reach(move, target.cell) >= far * (1 - TOLERANCE)]
        enough |= dict.fromkeys(alone)
        if len(sides) > 1 and not alone and each.raised + each.lowered >= far * (1 - TOLERANCE):
            if by_cells:
                yield Leaning(frozenset().union(*map(proof.alone_in, moves)), frozenset())
                continue
            both = [proof.moves[move] for move in moves]
            cells, change = (np.concatenate(part) for part in zip(*both, strict=True))
            yield leaning_on(problem, cells, change, TOLERANCE * far)
    # the latest were looked for because of the others
    for move in reversed(enough):
        for side in sides if not by_cells else ():
            one = _leaning_of(search, move, target.cell, side, far)
            if one is not None:
                yield one
        if by_cells:
            yield Leaning(proof.alone_in(move), frozenset())


def _leaning_of(search: Search, move: int, cell: int, side: float, far: float) -> Leaning | None:
    """Who rules out a kept move when it takes ``cell`` just so far to a side; None where it does not fit that way."""
    proof, key = search.proof, (move, cell, side, far)
    if key not in proof.leanings:
        cells, change = proof.moves[move]
        step = float(change[cells == cell].sum())
        just = change * (side * min(far / abs(step), 1.0) * np.sign(step))
        fits = bool((-just <= search.problem.amount[cells] + TOLERANCE * far).all())
        proof.leanings[key] = leaning_on(search.problem, cells, just, TOLERANCE * far) if fits else None
    return proof.leanings[key]
