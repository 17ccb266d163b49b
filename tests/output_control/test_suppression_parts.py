"""The corners of suppression: small neighbourhoods, budgets, sole contributors on many tables, endless models."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import numpy as np
import pytest
from scipy import sparse

from enclave.errors import BadInput, CannotProtect
from output_control import attacker as attacker_module
from output_control import suppression
from output_control.attacker import Attacker
from output_control.audit import audit
from output_control.linear_programme import Model
from output_control.protection import Method, Options
from output_control.suppression import flow, neighbourhood, suppress
from output_control.tables.rules import Dominance, MinimumFrequency, PPercent, primary
from output_control.tables.table import CellTable, Dimension
from tests.output_control.random_tables import random_counts, random_magnitudes
from tests.output_control.tables import counts, flat, magnitudes


def small() -> CellTable:
    return counts((flat("row", "ab"), flat("col", "xy")), {(r, c): 2 + ord(r) - ord(c) % 7 for r in "ab" for c in "xy"})


def test_a_classification_must_be_one_tree() -> None:
    with pytest.raises(BadInput, match="reached twice"):
        Dimension("d", "T", {"T": ("a", "b"), "a": ("c",), "b": ("c",)})
    with pytest.raises(BadInput, match="cannot be reached"):
        Dimension("d", "T", {"T": ("a",), "z": ("y",)})


def test_a_table_holds_each_cell_once_and_no_negative_value_without_its_size() -> None:
    dims = (flat("d", "ab"),)
    codes, one = np.array([[1], [1]], dtype=np.int32), np.ones(2)
    numbers, top = np.ones(2, dtype=np.int64), np.zeros((2, 3))
    with pytest.raises(BadInput, match="more than once"):
        CellTable(dims, codes, one, one, numbers, top, numbers, integral=True)
    with pytest.raises(BadInput, match="negative"):
        CellTable(dims, np.array([[1], [2]], dtype=np.int32), one, -one, numbers, top, numbers, integral=False)
    apart = np.array([[1], [2]], dtype=np.int32)
    with pytest.raises(BadInput, match="negative"):
        CellTable(dims, apart, one, -one, numbers, top, numbers, integral=False, size=0.5 * one)
    assert CellTable(dims, apart, one, -one, numbers, top, numbers, integral=False, size=2 * one).sizes.tolist() == [
        2,
        2,
    ]


def test_a_programme_that_is_revised_has_the_optimum_of_a_new_one() -> None:
    rng = np.random.default_rng(5)
    rows = sparse.csr_array(rng.integers(-1, 2, (12, 40)).astype(np.float64))
    zero, cost, low, high = np.zeros(12), rng.random(40), np.full(40, -5.0), np.full(40, 5.0)
    model = Model(rows, cost, low, high, (zero, zero))
    for cell in range(40):
        if cell % 3 == 0:
            cost = np.where(np.arange(40) == (cell * 7) % 40, 0.0, cost)
        low, high = (np.where(np.arange(40) == cell, end, side * 5.0) for end, side in ((1.0, -1), (2.0, 1)))
        model.revise(cost, low, high)
        revised, fresh = model.solve(), Model(rows, cost, low, high, (zero, zero)).solve()
        assert (revised is None) == (fresh is None)
        if revised is not None and fresh is not None:
            assert revised.objective == pytest.approx(fresh.objective, abs=1e-9)


def test_a_programme_without_optimum_gives_no_solution() -> None:
    def solve(cost: float, row: float, upper: float) -> object:
        rows = sparse.csr_array(np.array([[1.0, -1.0]]))
        bounds = np.zeros(2), np.full(2, upper)
        return Model(rows, np.full(2, cost), *bounds, (np.array([row]), np.array([row]))).solve()

    assert solve(1.0, 0.0, np.inf) is not None
    assert solve(-1.0, 0.0, np.inf) is None  # unbounded
    assert solve(1.0, 3.0, 2.0) is None  # x - y = 3 with both at most 2


def test_the_attacker_makes_nothing_of_what_its_solver_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # 3 (y1 + y2) = 2 y3 + ... : fractional vertices; without a node to spend no integer move may be claimed wrongly
    random = np.random.Generator(np.random.Philox(key=4))
    rows = random.integers(-4, 5, (6, 14)).astype(float)
    monkeypatch.setattr(attacker_module, "NODE_LIMIT", 0)
    one = Attacker(sparse.csr_array(rows), np.full(14, 3.0), np.ones(14, dtype=np.bool_), integral=True)
    for cell in range(14):
        for side in (1, -1):
            found = one.reach(cell, side, 2.0, [])
            assert found.far == 0 or not (rows @ found.change).any()


def test_the_attacker_claims_no_move_that_breaks_an_equation_or_falls_below_zero() -> None:
    value = np.array([3.0, 2.0])
    pair = Attacker(sparse.csr_array([[1.0, 1.0]]), value, np.ones(2, dtype=np.bool_), integral=False)
    assert pair._checked(0, 1, np.array([1.0, -1.0]), 1.0, value).far == 1
    assert pair._checked(0, 1, np.array([1.0, -0.9]), 1.0, value).far == 0
    assert pair._checked(0, 1, np.array([2.5, -2.5]), 1.0, value).far == 0
    # who has a part of the second cell knows that it cannot fall so far
    assert pair._checked(0, 1, np.array([1.0, -1.0]), 1.0, np.array([3.0, 0.5])).far == 0


@pytest.fixture
def small_neighbourhoods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Balls of a few cells, as those of a large table are beside the whole."""
    for module, name, value in (
        (neighbourhood, "WHOLE", 6),
        (neighbourhood, "SMALL", 4),
        (flow, "BALL", 12),
        (flow, "NEARBY", 5),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("small_neighbourhoods")
@pytest.mark.parametrize("method", ["flow", "auto"])
@pytest.mark.parametrize("tables", [12, pytest.param(40, marks=pytest.mark.sweep)])
def test_a_search_in_small_neighbourhoods_ends_safe(method: Method, tables: int) -> None:
    safe = 0
    for seed in range(tables):
        table = random_counts(seed)
        sensitive = primary(table, MinimumFrequency(4))
        try:
            pattern = suppress(table, sensitive, options=Options(method=method))
        except CannotProtect:
            continue
        assert audit(table, sensitive, pattern, Options()).safe, seed
        safe += 1
    assert safe > 5 / 8 * tables


def magnitude_outcome(seed: int, method: Method) -> str:
    """One random table of magnitudes with many sole contributors."""
    table = random_magnitudes(seed)
    sensitive = primary(table, (PPercent(10), Dominance(1, 75), MinimumFrequency(3))[seed % 3])
    if not sensitive.mask.any():
        return "nothing to hide"
    options = Options(method=method)
    try:
        pattern = suppress(table, sensitive, options=options)
    except CannotProtect:
        return "refused"
    return "safe" if audit(table, sensitive, pattern, options).safe else f"unsafe at seed {seed}"


@pytest.mark.parametrize(
    ("method", "tables"), [("flow", 6), ("auto", 2), pytest.param("flow", 20, marks=pytest.mark.sweep)]
)
def test_sole_contributors_learn_nothing_of_random_magnitudes(method: Method, tables: int) -> None:
    found = Counter(magnitude_outcome(seed, method) for seed in range(tables))
    assert set(found) <= {"safe", "refused", "nothing to hide"} and found["safe"] > 0.4 * tables


@pytest.mark.sweep
@pytest.mark.parametrize("start", range(100, 900, 100))
def test_sole_contributors_learn_nothing_of_hundreds_of_random_magnitudes(start: int) -> None:
    found = Counter(magnitude_outcome(seed, "auto") for seed in range(start, start + 100))
    assert set(found) <= {"safe", "refused", "nothing to hide"} and found["safe"] > 40


@pytest.mark.parametrize("tables", [10, pytest.param(30, marks=pytest.mark.sweep)])
def test_tables_of_middle_size_are_covered_by_parts(tables: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression, "BY_PARTS_FROM", 0)
    for seed in range(tables):
        table = random_counts(seed)
        sensitive = primary(table, MinimumFrequency(4))
        for method in ("flow", "auto"):
            options = Options(method=method)  # type: ignore[arg-type]  # a literal
            pattern = suppress(table, sensitive, options=options)
            assert audit(table, sensitive, pattern, options).safe, seed


@pytest.mark.parametrize("tables", [10, pytest.param(30, marks=pytest.mark.sweep)])
def test_a_budget_too_small_for_a_large_table_stops_without_a_pattern(
    tables: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression, "EXACT_UP_TO", 0)
    outcomes = set()
    for seed in range(tables):
        table = random_counts(seed)
        sensitive = primary(table, MinimumFrequency(4))
        try:
            pattern = suppress(table, sensitive, options=Options(budget=1))
        except CannotProtect as error:
            outcomes.add("budget" if "budget" in str(error) else "refused")
        else:
            assert audit(table, sensitive, pattern, Options()).safe
            outcomes.add("safe")
    assert outcomes >= {"budget", "safe"}


def test_elimination_refuses_a_table_that_is_too_large_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression, "GAUSS_UP_TO", 3)
    table = small()
    with pytest.raises(CannotProtect, match="Gaussian elimination is for tables of up to 3"):
        suppress(table, primary(table, MinimumFrequency(3)), options=Options(method="gauss"))


def test_a_level_that_hidden_cells_give_to_the_last_digit_is_met_by_hiding_more() -> None:
    """46 must rise by 14 where the others of its total can fall by 10 and by 4: nothing to spare for a tolerance."""
    records = [(("a", "p"), 4.0, 0), (("a", "p"), 42.0, 2), (("b", "p"), 10.0, 1), (("b", "q"), 5.0, 0)]
    table = magnitudes((flat("w", "abc"), flat("y", "pq")), [*records, (("c", "p"), 4.0, 0)])
    sensitive = primary(table, Dominance(1, 70))
    for method in get_args(Method):
        options = Options(method=method, singletons=False)
        pattern = suppress(table, sensitive, options=options)
        assert audit(table, sensitive, pattern, options).safe
