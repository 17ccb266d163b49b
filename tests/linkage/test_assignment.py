"""The assignment against brute force, and what rivals do to a probability."""

from __future__ import annotations

import itertools
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.assignment import Pairs, assignment, choose

EDGES = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 4)), st.integers(-40, 400).map(lambda w: w / 10), max_size=12
)


def pairs_of(edges: dict[tuple[int, int], float]) -> Pairs:
    listed = sorted(edges)
    record, unit = (np.array([edge[side] for edge in listed], dtype=np.int64) for side in (0, 1))
    weight = np.array([edges[edge] for edge in listed], dtype=np.float64)
    return Pairs(record, unit, weight, np.zeros(len(listed), dtype=np.int64))


def best_total(edges: dict[tuple[int, int], float]) -> float:
    """The highest total weight of any one-to-one choice, by trying all."""
    best = 0.0
    for size in range(1, 6):
        for chosen in itertools.combinations(edges, size):
            if len({r for r, _ in chosen}) == len({u for _, u in chosen}) == size:
                best = max(best, sum(edges[edge] for edge in chosen))
    return best


@given(EDGES)
def test_the_assignment_is_one_to_one_and_the_best_there_is(edges: dict[tuple[int, int], float]) -> None:
    pairs = pairs_of(edges)
    chosen = pairs.take(assignment(pairs))
    assert len(set(chosen.record.tolist())) == len(chosen) == len(set(chosen.unit.tolist()))
    assert chosen.weight.sum() == pytest.approx(best_total(edges))


@given(EDGES)
def test_no_unit_takes_two_records_one_to_one_and_no_record_two_units_ever(edges: dict[tuple[int, int], float]) -> None:
    for one_to_one in (False, True):
        chosen = choose(pairs_of(edges), one_to_one=one_to_one)
        assert len(set(chosen.pairs.record.tolist())) == len(chosen.pairs)
        assert ((chosen.probability >= 0) & (chosen.probability <= 1)).all()
    assert len(set(chosen.pairs.unit.tolist())) == len(chosen.pairs)


@given(EDGES, st.randoms(use_true_random=False))
def test_the_order_of_pairs_changes_nothing(edges: dict[tuple[int, int], float], random: Random) -> None:
    pairs = pairs_of(edges)
    order = np.argsort(np.array([random.random() for _ in range(len(pairs))]))
    for one_to_one in (False, True):
        one, other = (choose(p, one_to_one=one_to_one) for p in (pairs, pairs.take(order)))
        assert one.pairs.unit.tolist() == other.pairs.unit.tolist()
        assert one.probability.tolist() == other.probability.tolist()


def test_equal_candidates_share_the_probability_so_that_neither_is_linked() -> None:
    chosen = choose(pairs_of({(0, 0): 20.0, (0, 1): 20.0}), one_to_one=False)
    assert chosen.probability[0] == pytest.approx(2**20 / (1 + 2 * 2**20))
    assert chosen.probability[0] < 0.5


def test_a_weaker_rival_takes_its_share() -> None:
    chosen = choose(pairs_of({(0, 0): 10.0, (0, 1): 4.0}), one_to_one=False)
    assert chosen.pairs.unit.tolist() == [0]
    assert chosen.probability[0] == pytest.approx(2**10 / (1 + 2**10 + 2**4))


def test_a_rival_that_is_assigned_elsewhere_by_more_is_none_one_to_one() -> None:
    edges = {(0, 0): 10.0, (0, 1): 9.0, (1, 1): 15.0}
    alone = choose(pairs_of(edges), one_to_one=True)
    assert alone.pairs.unit.tolist() == [0, 1]
    assert alone.probability[0] == pytest.approx(2**10 / (1 + 2**10))
    assert choose(pairs_of(edges), one_to_one=False).probability[0] == pytest.approx(2**10 / (1 + 2**10 + 2**9))


def test_the_total_counts_and_not_the_single_best_pair() -> None:
    chosen = choose(pairs_of({(0, 0): 10.0, (0, 1): 9.0, (1, 0): 9.5}), one_to_one=True)
    assert chosen.pairs.unit.tolist() == [1, 0]


def test_a_huge_weight_overflows_nothing() -> None:
    chosen = choose(pairs_of({(0, 0): 5000.0, (1, 1): 4.0}), one_to_one=True)
    assert math.isfinite(chosen.probability.sum())
    assert chosen.probability[0] <= 1
