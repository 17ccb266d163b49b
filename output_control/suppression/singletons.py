"""Contributors who know cells: who is alone in a suppressed cell knows it, and attacks the others from there.

A primary is safe from contributor s when some witness moves it while every cell of which s is the sole contributor
stands still, and every other cell of which s is among the largest stays above the part of s. Cells are combined by
contributor id over the whole table, not only within a row. Of a coalition of two every cell stands still that holds
nobody but the two, and stays above what is theirs together; only pairs that meet on every witness of a primary are
looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from output_control.suppression.flow import prove_alone, serve, shortest_move
from output_control.suppression.problem import (
    TOLERANCE,
    Problem,
    Target,
    against_contributors,
    asked_of_contributors,
)
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray, FloatArray, IntArray

DETOURS = 3
Pair = tuple[int, int]
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
    asked = search.problem.targets if targets is None else targets
    for target in [target for target in asked if not target.against]:
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
    leaning = [one.single for one in _leanings(search, target, [target], sides, far)]
    answered = {
        other.against[0] for other in search.proof.targets_at(target.cell) if len(other.against) == 1 and other.met
    }
    own = {int(search.problem.sole[target.cell])}
    return set(frozenset.intersection(*leaning)) - own - answered if leaning else set()


def _unwanted(problem: Problem, far: float, among: list[int] | None) -> tuple[BoolArray, BoolArray]:
    """Groups that some contributor (of ``among``, if that is said) knows, and those that none must see falling."""
    theirs = problem.holders >= 0 if among is None else np.isin(problem.holders, among)
    falling: BoolArray = np.any(theirs & (problem.whole[:, None] - problem.parts < far), axis=1)
    if among is None:
        return problem.sole >= 0, falling
    return np.isin(problem.sole, among) | np.isin(problem.couple, among).all(axis=1), falling


@dataclass(frozen=True, slots=True)
class _Leaning:
    """Who rules out one witness: a ``single`` contributor, or only two together."""

    single: frozenset[int]
    couples: frozenset[Pair]

    def known_to(self, pair: Pair) -> bool:
        """Whether the two rule it out."""
        return not self.single.isdisjoint(pair) or pair in self.couples

    def partners(self, one: int) -> set[int]:
        """Who rules it out, alone or together with ``one``."""
        return set(self.single) | {other for pair in self.couples if one in pair for other in pair}


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
    leaning = _leanings(search, target, search.proof.targets_at(target.cell), sides, far)
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


def _leanings(search: Search, target: Target, by: Sequence[Target], sides: Sides, far: float) -> list[_Leaning]:
    """Of each witness of the targets ``by``, of one group, that moves it ``far`` to one of the ``sides``, who rules it
    out; a width may be had up and down together."""
    problem, proof = search.problem, search.proof
    enough, ways = dict[int, None](), list[tuple[IntArray, FloatArray]]()
    for each in by:
        moves = [move for move in (each.up_by, each.down_by) if move >= 0]
        alone = [move for move in (*moves, *each.also) if proof.reach(move, target.cell) >= far * (1 - TOLERANCE)]
        enough |= dict.fromkeys(alone)
        if len(sides) > 1 and not alone and each.raised + each.lowered >= far * (1 - TOLERANCE):
            both = [proof.moves[move] for move in moves]
            ways.append((np.concatenate([cells for cells, _ in both]), np.concatenate([change for _, change in both])))
    for move in enough:
        cells, change = proof.moves[move]
        step = float(change[cells == target.cell].sum())
        for side in sides:
            just = change * (side * min(far / abs(step), 1.0) * np.sign(step))
            if bool((-just <= problem.amount[cells] + TOLERANCE * far).all()):
                ways.append((cells, just))
    return [_leaning(problem, cells, change, TOLERANCE * far) for cells, change in ways]


def _leaning(problem: Problem, cells: IntArray, change: FloatArray, slack: float) -> _Leaning:
    """Who knows a cell that moves, or holds more of one that falls than is left of it."""
    sole, couple = problem.sole[cells], problem.couple[cells]
    holders, parts = problem.holders[cells], problem.parts[cells]
    falls = change < 0
    left = (problem.whole[cells] + change + slack)[:, None]
    over = (holders >= 0) & falls[:, None] & (parts > left)
    couples = {(one, other) for one, other in couple.tolist() if one >= 0}
    for one, other in combinations(range(holders.shape[1]), 2) if problem.coalition > 1 else ():
        both = (holders[:, other] >= 0) & falls & (parts[:, one] + parts[:, other] > left[:, 0])
        couples |= {(min(pair), max(pair)) for pair in holders[both][:, [one, other]].tolist()}
    return _Leaning(frozenset([*sole[sole >= 0].tolist(), *holders[over].tolist()]), frozenset(couples))
