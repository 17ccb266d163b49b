"""Short moves of magnitudes: there is one where a programme of its own finds one, and whom they are against is told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmarks.suppression import random_magnitudes
from output_control.audit import audit
from output_control.protection import Options
from output_control.suppression import singletons, suppress
from output_control.suppression.problem import Target, build
from output_control.suppression.rising import Rises, Short
from output_control.suppression.search import Search
from output_control.tables.rules import PPercent, primary
from output_control.tables.table import BoolArray, FloatArray

SHAPE = (6, 5, 4)
CLOSE = 1e-5


def searched() -> tuple[Search, Short]:
    """A made-up table of which half of the cells is hidden, and the programme of all of them."""
    table = random_magnitudes(SHAPE)
    problem = build(table, primary(table, PPercent(10)), Options(part_share=1.0))
    search = Search.start(problem, None)
    search.hidden |= np.random.Generator(np.random.Philox(key=5)).random(problem.size) < 1 / 2
    everywhere = search.near.around(np.array([0]), search.hidden, problem.size, hidden_only=True)
    return search, Short(search, everywhere)


def furthest(search: Search, target: Target, fall: FloatArray, still: BoolArray) -> float:
    """How far up a target goes at most, by a programme over all equations as they are."""
    problem = search.problem
    bounds = [
        (-low if moves else 0, None if moves else 0) for low, moves in zip(fall, search.hidden & ~still, strict=True)
    ]
    bounds[target.cell] = (0, 1.5 * target.up)
    found = linprog(
        -np.eye(problem.size)[target.cell], A_eq=problem.matrix, b_eq=np.zeros(problem.matrix.shape[0]), bounds=bounds
    )
    return -float(found.fun)


@pytest.mark.parametrize("publish", [0, 15])
def test_a_rise_that_nobody_rules_out_is_found_just_where_there_is_one(publish: int) -> None:
    search, short = searched()
    problem = search.problem
    search.hidden[np.flatnonzero(search.hidden & ~problem.primary)[:publish]] = False
    rest = np.where(problem.parts[:, 0] > 0, problem.whole - problem.parts[:, 0], problem.whole)
    found = 0
    for target in problem.targets:
        if target.up:
            able = furthest(search, target, rest, problem.sole >= 0) >= target.up * (1 - CLOSE)
            assert short.rise(target, target.up) == able
            found += able
    assert 0 < found < len(problem.targets)


def test_what_is_kept_is_a_witness_that_none_of_those_named_rules_out() -> None:
    search, short = searched()
    problem, found = search.problem, 0
    people = sorted(set(problem.holders[search.hidden].ravel().tolist()) - {-1})
    for target in problem.targets[::3]:
        for members in (people[::2], people[1::2]):
            count = len(search.proof.moves)
            if not short.move_unknown_to(target, target.up, (1.0,), members):
                continue
            found += 1
            ((cells, change),) = search.proof.moves[count:]
            assert search.hidden[cells].all()
            assert np.abs(problem.matrix[:, cells] @ change).max() <= CLOSE * target.up
            assert change[cells == target.cell].sum() == pytest.approx(target.up)
            assert not np.isin(problem.sole[cells[cells != target.cell]], members).any()
            theirs = np.isin(problem.holders[cells], members)
            left = problem.whole[cells] + change
            assert (problem.parts[cells] <= left[:, None])[theirs].all()
            assert (left >= 0).all()
    assert found


def test_what_was_published_meanwhile_stands_still() -> None:
    search, short = searched()
    target = next(target for target in search.problem.targets if short.rise(target, target.up))
    cells, _ = search.proof.moves[-1]
    beside = cells[~search.problem.primary[cells]]
    search.hidden[beside] = False
    count = len(search.proof.moves)
    short.rise(target, target.up)
    assert not any(np.isin(moved, beside).any() for moved, _ in search.proof.moves[count:])


def test_a_cell_does_not_fall_below_the_part_of_those_named() -> None:
    search, short = searched()
    problem, tried = search.problem, 0
    for target in problem.targets:
        part, who = float(problem.parts[target.cell, 0]), int(problem.holders[target.cell, 0])
        far = float(problem.whole[target.cell]) - part / 2
        if who >= 0 and short.move_unknown_to(target, far, (-1.0,), ()):
            tried += 1
            assert not short.move_unknown_to(target, far, (-1.0,), (who,))
    assert tried


def test_rises_of_many_targets_are_found_just_where_there_are_some_and_nobody_rules_them_out() -> None:
    search, short = searched()
    problem = search.problem
    asked = [target for target in problem.targets if target.up and short.place(target) >= 0]
    far = np.array([target.up for target in asked])
    done = Rises(search, short.ball, asked, far).keep()
    rest = np.where(problem.parts[:, 0] > 0, problem.whole - problem.parts[:, 0], problem.whole)
    for target, found in zip(asked, done, strict=True):
        assert found == (furthest(search, target, rest, problem.sole >= 0) >= target.up * (1 - CLOSE))
        assert bool(target.also) == found
        for by in target.also:
            cells, change = search.proof.moves[by]
            assert search.hidden[cells].all()
            assert np.abs(problem.matrix[:, cells] @ change).max() <= CLOSE * target.up
            assert float(change[cells == target.cell].sum()) >= target.up
            assert (problem.sole[cells[cells != target.cell]] < 0).all()
            falls = change < 0
            assert (problem.parts[cells[falls], 0] <= (problem.whole[cells] + change)[falls] * (1 + 1e-9)).all()
    assert 0 < done.sum() < len(asked)


def test_where_somebody_rules_every_rise_out_one_is_kept_that_few_do() -> None:
    search, short = searched()
    problem = search.problem
    asked = [target for target in problem.targets if target.up and short.place(target) >= 0]
    rises = Rises(search, short.ball, asked, np.array([target.up for target in asked]))
    missed = np.flatnonzero(~rises.keep())
    done, told = rises.keep_known_to_few(missed), 0
    for position, found in zip(missed.tolist(), done, strict=True):
        target = asked[position]
        able = furthest(search, target, problem.amount, np.zeros(problem.size, np.bool_)) >= target.up * (1 - CLOSE)
        assert found == able
        told += found
        if found:
            cells, change = list(search.proof.used(target))[-1]
            assert search.hidden[cells].all()
            assert (problem.whole[cells] + change >= 0).all()
    assert told


def test_a_table_of_which_many_primaries_are_kept_from_contributors_at_once_passes_the_audit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(singletons, "MANY", 0)
    table = random_magnitudes((4, 4, 3))
    sensitive, options = primary(table, PPercent(10)), Options(part_share=1.0, method="flow")
    found = suppress(table, sensitive, options=options)
    assert audit(table, sensitive, found, options).safe
    again = suppress(table, sensitive, options=options)
    assert np.array_equal(found.suppressed, again.suppressed)
    assert np.array_equal(found.witnesses.moves.data, again.witnesses.moves.data)
