"""Moves through the inside: they keep every equation and every bound, and the audit's look at them misses nobody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.suppression import random_magnitudes
from output_control.audit import audit
from output_control.protection import Options, Witnesses
from output_control.suppression import suppress
from output_control.suppression.inner import can_move_inside, certify_inside, inner_moves
from output_control.suppression.problem import build
from output_control.suppression.search import Search
from output_control.tables.rules import MinimumFrequency, PPercent, primary
from tests.output_control.random_tables import random_magnitudes as small_magnitudes

SHAPE = (6, 5, 4)


def searched(shape: tuple[int, ...] = SHAPE) -> Search:
    """A made-up table of which a third of the cells is hidden."""
    table = random_magnitudes(shape)
    problem = build(table, primary(table, PPercent(10)), Options())
    search = Search.start(problem, None)
    search.hidden |= np.random.Generator(np.random.Philox(key=3)).random(problem.size) < 1 / 3
    return search


def test_a_move_keeps_the_equations_the_reach_and_what_stands_still() -> None:
    problem = searched().problem
    cells = np.arange(problem.size)
    reach = np.repeat(problem.amount[:, None], 6, axis=1)
    reach[1::40, 3:] = 0.0
    wish = np.random.Generator(np.random.Philox(key=1)).choice([-1.0, 1.0], reach.shape)
    moves = inner_moves(problem, cells, reach, wish)
    largest = np.abs(moves).max(axis=0)
    assert (largest > 0).all()
    assert (np.abs(problem.matrix @ moves).max(axis=0) <= 1e-10 * largest).all()
    assert (np.abs(moves) <= reach * (1 + 1e-12)).all()
    assert (moves[1::40, 3:] == 0).all()


def test_nothing_that_some_solution_of_the_equations_changes_is_taken_to_stand_still() -> None:
    search = searched()
    hidden = np.flatnonzero(search.hidden)
    _, sizes, right = np.linalg.svd(search.problem.matrix[:, hidden].toarray())
    null = right[int((sizes > 1e-9).sum()) :]
    movable = np.zeros(search.problem.size, dtype=np.bool_)
    movable[hidden] = np.abs(null).max(axis=0) > 1e-9
    found = can_move_inside(search)
    assert 0 < movable.sum() < len(hidden)
    # rounding may make a small cell beside large ones seem to move, which costs a programme; none may be missed
    assert found[movable].all()
    assert found.sum() < len(hidden)


def test_what_is_proven_inside_is_a_witness_of_hidden_cells_within_what_they_hold() -> None:
    search = searched()
    certify_inside(search, search.problem.targets)
    proven = [target for target in search.problem.targets if target.met]
    assert proven
    for target in proven:
        for cells, change in search.proof.used(target):
            assert search.hidden[cells].all()
            assert (search.problem.amount[cells] + change >= -1e-9 * np.abs(change).max()).all()


def test_counts_are_left_to_whole_moves() -> None:
    search = searched()
    search.problem = replace(search.problem, integral=True)
    certify_inside(search, search.problem.targets)
    assert not any(target.met for target in search.problem.targets)


def test_the_audit_finds_with_witnesses_whom_its_programmes_find_without() -> None:
    compared = 0
    for seed in range(4):
        table = small_magnitudes(seed)
        sensitive = primary(table, (PPercent(20), MinimumFrequency(2)))
        if not sensitive.mask.any():
            continue
        # safe from outsiders alone, so that some are open to sole contributors
        pattern = suppress(table, sensitive, options=Options(singletons=False, method="flow"))
        bare = replace(pattern, witnesses=Witnesses.none(len(table)))
        seen, looked_up = audit(table, sensitive, bare, Options()), audit(table, sensitive, pattern, Options())
        assert seen.failed.tolist() == looked_up.failed.tolist()
        assert seen.singleton_exact == looked_up.singleton_exact
        compared += seen.singleton_exact > 0
    assert compared
