"""Contributors who know cells: who is alone in a suppressed cell knows it, and attacks the others from there.

A primary is safe from contributor s when some witness moves it while every cell of which s is the sole contributor
stands still. Cells are combined by contributor id over the whole table, not only within a row. Of a coalition of two
every cell stands still that holds nobody but the two; only pairs that meet on every witness of a primary are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from output_control.suppression.flow import prove_alone, serve, shortest_move
from output_control.suppression.inner import FEW, inner_moves
from output_control.suppression.problem import TOLERANCE, Target, against_contributors, away
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, FloatArray, IntArray

DETOURS = 3
CLASSES = 8
TWICE = 2
Pair = tuple[int, int]


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
    _lean_apart(search, asked)
    for target in asked:
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
    search.proof.demand(made)
    return [] if attempt(search, made) else [made]


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
    far = np.array([away(search.problem, target) for target in targets])
    suspects = [_suspects(search, target) for target in targets]
    for move in moves.T:
        known = set(search.problem.sole[cells[move != 0]].tolist())
        reached = np.flatnonzero(np.abs(move[at]) >= far).tolist()
        freed = [each for each in reached if not suspects[each] <= known]
        for each in freed:
            suspects[each] &= known
        if freed:
            search.proof.keep_also(cells, move, [targets[each] for each in freed])


def _lean_on_few(search: Search, target: Target) -> None:
    """Look for witnesses among the hidden cells that have no sole contributor in common: short ones, by detours."""
    sole, far = search.problem.sole, away(search.problem, target)
    avoid: BoolArray = sole >= 0
    for _ in range(DETOURS):
        suspects = _suspects(search, target)
        if not suspects:
            return
        avoid = avoid & np.isin(sole, sorted(suspects)) if target.also else avoid
        ball, move = shortest_move(search, target, far, avoid)
        if move is None or not search.proof.add_also(target, far, ball.cells, move):
            return


def _suspects(search: Search, target: Target) -> set[int]:
    """Sole contributors on whose cells all witnesses of a target lean, and that are not the target's own."""
    sole = search.problem.sole
    used = (by for by in (target.up_by, target.down_by, *target.also) if by >= 0)
    leaning = sorted((search.proof.alone_in(by) for by in used), key=len)
    answered = {
        other.against[0] for other in search.proof.targets_at(target.cell) if len(other.against) == 1 and other.met
    }
    own = {int(sole[target.cell])}
    return set(leaning[0].intersection(*leaning[1:]) - own - answered) if leaning else set()


@dataclass(frozen=True, slots=True)
class _Leaning:
    """Who knows what of one witness: cells with a sole contributor, and cells with two."""

    sole: frozenset[int]
    couples: frozenset[Pair]

    def known_to(self, pair: Pair) -> bool:
        """Whether the two know a cell that the witness moves."""
        return not self.sole.isdisjoint(pair) or pair in self.couples

    def partners(self, one: int) -> set[int]:
        """Who knows such a cell, alone or together with ``one``."""
        return set(self.sole) | {other for pair in self.couples if one in pair for other in pair}


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
    problem, far = search.problem, away(search.problem, target)
    for _ in range(DETOURS):
        among = sorted({one for pair in _suspected_pairs(search, target) for one in pair})
        if not among:
            return
        avoid: BoolArray = np.isin(problem.sole, among) | np.isin(problem.couple, among).all(axis=1)
        ball, move = shortest_move(search, target, far, avoid)
        if move is None or not search.proof.add_also(target, far, ball.cells, move):
            return


def _suspected_pairs(search: Search, target: Target) -> set[Pair]:
    """Pairs that know a cell of every witness of the target's cell, but not that cell itself."""
    leaning = _leanings(search, target)
    if not leaning:
        return set()
    first = min(leaning, key=lambda one: (len(one.sole) + len(one.couples), sorted(one.sole), sorted(one.couples)))
    found = {pair for pair in first.couples if all(one.known_to(pair) for one in leaning)}
    for one in first.sole:
        # whom a single contributor cannot be kept from is lost already
        rest = [other.partners(one) for other in leaning if one not in other.sole]
        found |= {
            (min(one, other), max(one, other)) for other in (set.intersection(*rest) if rest else ()) if other != one
        }
    own, couple = int(search.problem.sole[target.cell]), tuple(search.problem.couple[target.cell].tolist())
    return {pair for pair in found if own not in pair and pair != couple}


def _leanings(search: Search, target: Target) -> list[_Leaning]:
    """Of each witness that moves the target's cell far enough, by itself or up and down together, who knows it."""
    problem, proof = search.problem, search.proof
    far = away(problem, target) * (1 - TOLERANCE)
    enough, moves = dict[int, None](), list[np.ndarray[tuple[int], np.dtype[np.int64]]]()
    for each in proof.targets_at(target.cell):
        sides = [by for by in (each.up_by, each.down_by) if by >= 0]
        alone = [by for by in (*sides, *each.also) if proof.reach(by, target.cell) >= far]
        enough |= dict.fromkeys(alone)
        if not alone and each.raised + each.lowered >= far:
            moves.append(np.concatenate([proof.moves[by][0] for by in sides]))
    moves += [proof.moves[by][0] for by in enough]
    return [
        _Leaning(
            frozenset(problem.sole[cells].tolist()) - {-1},
            frozenset((one, other) for one, other in problem.couple[cells].tolist() if one >= 0),
        )
        for cells in moves
    ]
