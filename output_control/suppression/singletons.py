"""Sole contributors: who is alone in a suppressed cell knows it, and attacks the others from there.

A primary is safe from contributor s when some witness moves it while every cell of which s is the sole contributor
stands still. Cells are combined by contributor id over the whole table, not only within a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from output_control.suppression.flow import prove_alone, serve, shortest_move
from output_control.suppression.problem import Target, against_contributor, away
from output_control.suppression.search import Search
from output_control.tables.table import BoolArray

DETOURS = 3


def cover_singletons(search: Search) -> list[Target]:
    """Prove every primary against every sole contributor, hiding more where needed; returns what cannot be."""
    return _against_all(search, serve)


def open_against_contributors(search: Search, targets: Sequence[Target] | None = None) -> list[Target]:
    """The demands against sole contributors (of all primaries, or those given) that the hidden cells do not prove."""
    return _against_all(search, prove_alone, targets)


def _against_all(
    search: Search, attempt: Callable[[Search, Target], bool], targets: Sequence[Target] | None = None
) -> list[Target]:
    lost: list[Target] = []
    asked = search.problem.targets if targets is None else targets
    for target in [target for target in asked if target.against < 0]:
        _lean_on_few(search, target)
        for contributor in sorted(_suspects(search, target)):
            made = against_contributor(search.problem, target, contributor)
            search.proof.demand(made)
            if not attempt(search, made):
                lost.append(made)
    return lost


def _lean_on_few(search: Search, target: Target) -> None:
    """Look for witnesses among the hidden cells that have no sole contributor in common: short ones, by detours."""
    sole = search.problem.sole
    avoid: BoolArray = sole >= 0
    for _ in range(DETOURS):
        suspects = _suspects(search, target)
        if not suspects:
            return
        avoid = avoid & np.isin(sole, sorted(suspects)) if target.also else avoid
        ball, move = shortest_move(search, target, away(target), avoid)
        if move is None or not search.proof.add_also(target, away(target), ball.cells, move):
            return


def _suspects(search: Search, target: Target) -> set[int]:
    """Sole contributors on whose cells all witnesses of a target lean, and that are not the target's own."""
    sole = search.problem.sole
    leaning = [set(sole[cells].tolist()) for cells, _ in search.proof.used(target)]
    answered = {other.against for other in search.proof.targets_at(target.cell) if other.against >= 0 and other.met}
    own = {int(sole[target.cell])}
    return set.intersection(*leaning) - {-1} - own - answered if leaning else set()
