"""Bounds that see the width of an interval, beside the cheapest of all patterns, found by trying tables one by one."""

from __future__ import annotations

from itertools import chain, combinations, product

import numpy as np
import pytest

from output_control.audit import audit
from output_control.protection import Options, Width
from output_control.suppression import cutting, exact, suppress
from output_control.suppression.cutting import Cutting
from output_control.suppression.master import Master
from output_control.suppression.problem import Target, build
from output_control.tables.aggregate import aggregate
from output_control.tables.rules import MinimumFrequency, PPercent, PrimaryResult, primary
from output_control.tables.table import CellTable, Dimension
from tests.output_control.random_tables import random_magnitudes

SHAPE = (2, 3)
FAR = 4


def counts(inner: np.ndarray) -> CellTable:
    """The table of inner counts (none of them 0), with its totals."""
    dims = tuple(Dimension(f"d{n}", "*", {"*": tuple("abcd"[:size])}) for n, size in enumerate(inner.shape))
    leaves = np.array(list(np.ndindex(*inner.shape)), dtype=np.int32) + 1
    value = inner.reshape(-1).astype(np.float64)
    return aggregate(dims, leaves, value, value, None, integral=True)


def cheapest(table: CellTable, sensitive: PrimaryResult, width: int) -> float:
    """What the cheapest safe pattern costs when the attacker knows that no count is 0, or infinity."""
    inner = np.flatnonzero((table.codes > 0).all(axis=1))
    value = table.value.astype(np.int64)
    ranges = [range(max(1, one - FAR), one + FAR + 1) for one in value[inner].tolist()]
    tried = np.array(list(product(*ranges)), dtype=np.int16)
    below = np.array([[np.all((code == 0) | (code == leaf)) for leaf in table.codes[inner]] for code in table.codes])
    every = tried @ below.T.astype(np.int16)
    same = every == value
    free = np.flatnonzero(~sensitive.mask).tolist()
    subsets = chain.from_iterable(combinations(free, size) for size in range(len(free) + 1))
    for hidden in sorted(subsets, key=lambda some: value[list(some)].sum()):
        shown = [cell for cell in free if cell not in hidden]
        possible = every[same[:, shown].all(axis=1)][:, sensitive.mask]
        if ((possible.max(axis=0) - possible.min(axis=0)) >= width).all():
            return float(value[list(hidden)].sum())
    return np.inf


@pytest.mark.parametrize("seed", range(6))
def test_no_bound_is_above_the_cheapest_pattern(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "CUT_FROM", 0)
    monkeypatch.setattr(cutting, "PART_CELLS", (8, 100))
    width = 1 + seed % 4
    table = counts(np.random.Generator(np.random.Philox(key=seed)).integers(1, 7, SHAPE))
    sensitive = primary(table, MinimumFrequency(4))
    options = Options(count_protection=Width(width), method="flow", occupied=True)
    best = cheapest(table, sensitive, width)
    problem = build(table, sensitive, options)
    cuts = Cutting.of(problem)
    assert (cuts is None) == (width == 1 or not np.isfinite(best))
    found = Master.build(problem).model(whole=False).solve()
    bounds = [cuts.guidance().bound] if cuts is not None else []
    bounds += [found.objective * Master.build(problem).scale] if found is not None else []
    # a group costs a hair more than its value, so that fewer cells decide between equals
    assert all(bound is not None and bound <= best + 0.1 for bound in bounds)
    if np.isfinite(best):
        pattern = suppress(table, sensitive, options=options)
        assert audit(table, sensitive, pattern, options).safe
        assert pattern.cost >= best
        assert pattern.cost * (1 - (pattern.gap or 0.0)) <= best + 0.1


def test_a_count_that_cannot_fall_far_enough_asks_its_neighbours_for_the_rest() -> None:
    table = counts(np.array([[1, 1, 6, 20]] * 2))
    sensitive = primary(table, MinimumFrequency(2))
    # the 1s cannot fall, so that one rises by 3 only if the 6 beside it falls and the total 2 of its column rises: two
    # of each, where the equations alone ask nothing of a row or column with two sensitive cells
    options = Options(count_protection=Width(3), method="flow", occupied=True)
    master = Master.build(build(table, sensitive, options))
    found = master.model(whole=False).solve()
    assert found is not None
    assert round(found.objective * master.scale) == 2 * 6 + 2 * 2
    exact = Options(count_protection=Width(1), method="flow")
    free = Master.build(build(table, sensitive, exact)).model(whole=False).solve()
    assert free is not None
    assert round(free.objective * master.scale) == 0


def test_a_part_asks_nothing_of_what_a_target_holds_outside_it() -> None:
    table = counts(np.array([[1, 2, 3], [4, 5, 6]]))
    problem = build(table, primary(table, MinimumFrequency(2)), Options(count_protection=Width(3)))
    part = problem.part(np.array([2, 3, 5]), [Target(3, 1.0, 0.0, 0.0, frozenset([0, 5]))], closed=True)
    assert [(target.cell, target.held) for target in part.targets] == [(1, frozenset([2]))]


def test_where_no_cut_rules_a_proposal_out_the_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where only what contributors know stands against it: the bound no longer rises, and each round forbids one
    pattern of very many."""
    table = random_magnitudes(1)
    sensitive, asked = primary(table, PPercent(10)), Options(method="optimal")
    best, proposals, propose = suppress(table, sensitive, options=asked), [0], Master.propose

    def counted(*given: object, **named: object) -> object:
        proposals[0] += 1
        return propose(*given, **named)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(Master, "propose", counted)
    monkeypatch.setattr(exact, "separate", lambda *_: ([], []))
    found = suppress(table, sensitive, options=asked)
    assert exact.FRUITLESS <= proposals[0] <= 4 * exact.FRUITLESS
    assert audit(table, sensitive, found, asked).safe
    assert found.cost >= best.cost - 1e-6
    assert found.gap
