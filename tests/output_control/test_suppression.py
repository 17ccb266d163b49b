"""Secondary suppression against known answers and against attackers written apart from the gate."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from enclave.errors import CannotProtect
from output_control.audit import audit, full_equations
from output_control.protection import Exact, Options, Pattern, Range, Width, Witnesses
from output_control.suppression import suppress
from output_control.tables.relations import equations, reduce
from output_control.tables.rules import MinimumFrequency, PPercent, PrimaryResult, primary
from output_control.tables.table import CellTable, Dimension
from tests.output_control.tables import all_tables, cell, counts, flat, magnitudes

FLOW = Options(method="flow")


def only(table: CellTable, cells: list[int], level: float = 0.0) -> PrimaryResult:
    """Just these cells are sensitive, with one level both ways."""
    result = PrimaryResult.none(len(table))
    result.mask[cells] = True
    result.upl[cells] = level
    result.lpl[cells] = np.minimum(level, table.value[cells])
    return result


def foreign(table: CellTable, hidden: list[int], sensitive: PrimaryResult) -> Pattern:
    """A pattern of someone else, without proof."""
    mask = np.zeros(len(table), dtype=np.bool_)
    mask[hidden] = True
    return Pattern(mask, mask & ~sensitive.mask, Witnesses.none(len(table)), 0.0, "foreign", False, None)


def test_geurts_hidden_cell_lies_between_three_and_six() -> None:
    # Geurts (1992), in Hundepool et al., Handbook on SDC: x11 + x12 = 7, x21 + x22 = 3, x11 + x21 = 6, x12 + x22 = 4
    table = counts(
        (flat("row", ("1", "2", "3")), flat("col", ("1", "2"))),
        {("1", "1"): 5, ("1", "2"): 2, ("2", "1"): 1, ("2", "2"): 2, ("3", "1"): 3, ("3", "2"): 3},
    )
    sensitive = only(table, [cell(table, "1", "1")])
    hidden = [cell(table, r, c) for r in ("1", "2") for c in ("1", "2")]
    found = audit(table, sensitive, foreign(table, hidden, sensitive), Options(), solve_intervals=True)
    assert (found.lower[0], found.upper[0]) == (3, 6)
    assert found.safe


def test_geurts_with_a_sole_contributor_is_exact() -> None:
    # the singleton variant: who is alone in x22 knows it, and then x12 = 4 - x22, x11 = 7 - x12
    dims = (flat("row", ("1", "2", "3")), flat("col", ("1", "2")))
    sums = {("1", "1"): 5.0, ("1", "2"): 2.0, ("2", "1"): 1.0, ("3", "1"): 3.0, ("3", "2"): 3.0}
    records = [(codes, value / 5, 10 * i + j) for i, (codes, value) in enumerate(sums.items(), 1) for j in range(5)]
    table = magnitudes(dims, [*records, (("2", "2"), 2.0, 1)])
    sensitive = only(table, [cell(table, "1", "1")], level=1.0)
    hidden = [cell(table, r, c) for r in ("1", "2") for c in ("1", "2")]
    found = audit(table, sensitive, foreign(table, hidden, sensitive), Options())
    assert (found.exact, found.below_level, found.singleton_exact) == (0, 0, 1)


def test_user_support_194_a_number_left_over_is_exact() -> None:
    # sdcTools UserSupport #194: 15 = 10 + 3 + x + x', both hidden and equal by another equation: here 1 and 1
    table = counts((flat("d", ("a", "b", "c", "e")),), {("a",): 10, ("b",): 3, ("c",): 1, ("e",): 1})
    sensitive = only(table, [cell(table, "c"), cell(table, "e")])
    hidden = [cell(table, "c"), cell(table, "e")]
    open_interval = audit(table, sensitive, foreign(table, hidden, sensitive), Options())
    assert open_interval.safe  # 0 and 2 are possible ...
    one = only(table, [cell(table, "c")])
    alone = audit(table, one, foreign(table, [cell(table, "c")], one), Options())
    assert (alone.exact, alone.below_level) == (1, 1)  # ... but alone it is 15 - 10 - 3 - 1


def test_user_support_330_two_hidden_cells_that_sum_to_less_than_the_level_fail() -> None:
    # sdcTools UserSupport #330: two hidden cells sum to 8, the level asks for 11
    table = magnitudes((flat("d", ("a", "b", "c")),), [(("a",), 5.0, 1), (("b",), 3.0, 2), (("c",), 90.0, 3)])
    sensitive = only(table, [cell(table, "a")], level=11.0)
    pair = foreign(table, [cell(table, "a"), cell(table, "b")], sensitive)
    found = audit(table, sensitive, pair, Options(singletons=False))
    assert (found.exact, found.below_level) == (0, 1)
    mended = suppress(table, sensitive, options=Options(singletons=False))
    assert mended.suppressed[cell(table, "c")]
    assert audit(table, sensitive, mended, Options(singletons=False)).safe


def test_a_sole_contributor_in_the_row_takes_its_own_part_off() -> None:
    # after the singleton example of the τ-ARGUS manual 4.1, section 2.10: the row is safe from outside, not from inside
    dims = (flat("row", ("1", "2")), flat("col", ("a", "b", "c", "d")))
    records = [(("1", "a"), 20.0, 1), (("1", "b"), 12.0, 2)]
    records += [(("1", c), 10.0, 10 + i) for c in "cd" for i in range(9)]
    records += [(("2", c), 10.0, 100 + i) for c in "abcd" for i in range(9)]
    table = magnitudes(dims, records)
    sensitive = primary(table, PPercent(10))
    assert np.flatnonzero(sensitive.mask).tolist() == [cell(table, "1", "a"), cell(table, "1", "b")]
    outside = Options(singletons=False)
    naive = suppress(table, sensitive, options=outside)
    assert audit(table, sensitive, naive, outside).safe
    assert audit(table, sensitive, naive, Options()).singleton_exact == 2
    for method in ("flow", "optimal"):
        inside = Options(method=method)
        pattern = suppress(table, sensitive, options=inside)
        assert audit(table, sensitive, pattern, inside).safe
        assert pattern.cost > naive.cost


def test_a_hair_of_dominance_takes_nothing_of_what_few_units_ask() -> None:
    """Three units hide a. The third holds 10.1 or 9.995 % of the first: the second asks a level of 0.05 besides."""

    def width(third: float) -> tuple[str, float]:
        records = [(("1", "a"), 1000.0, 1), (("1", "a"), 900.0, 2), (("1", "a"), third, 3)]
        cells = {("1", "b"): 0.01, ("2", "a"): 0.01, ("2", "b"): 0.01, ("1", "c"): 500.0, ("2", "c"): 500.0}
        cells |= {("3", "a"): 500.0, ("3", "b"): 500.0, ("3", "c"): 500.0}
        records += [(codes, of, 100 * at + i) for at, (codes, of) in enumerate(cells.items(), 1) for i in range(12)]
        table = magnitudes((flat("row", "123"), flat("col", "abc")), records)
        sensitive = primary(table, [MinimumFrequency(8), PPercent(10)])
        assert np.flatnonzero(sensitive.mask).tolist() == [cell(table, "1", "a")]
        pattern = suppress(table, sensitive, options=Options(part_share=1.0))
        found = audit(table, sensitive, pattern, Options(part_share=1.0), solve_intervals=True)
        assert found.safe
        return str(sensitive.reason[cell(table, "1", "a")]), float((found.upper - found.lower)[0])

    for third, reason in ((101.0, "freq"), (99.95, "freq+p")):
        why, open_by = width(third)
        assert why == reason and open_by >= 0.01 * (1900 + third)


def test_a_cell_that_must_stay_published_stays_or_is_refused_by_name() -> None:
    table = counts((flat("d", ("a", "b", "c")),), {("a",): 1, ("b",): 20, ("c",): 30})
    sensitive = primary(table, MinimumFrequency(3))
    keep = np.zeros(len(table), dtype=np.bool_)
    keep[cell(table, "b")] = True
    for method in ("flow", "optimal"):
        pattern = suppress(table, sensitive, options=Options(keep=keep, method=method))
        assert not pattern.suppressed[cell(table, "b")] and pattern.suppressed[cell(table, "c")]
    with pytest.raises(CannotProtect, match="a"):
        suppress(table, sensitive, options=Options(keep=np.ones(len(table), dtype=np.bool_)))
    keep[:] = ~sensitive.mask
    with pytest.raises(CannotProtect, match="stay open to an attacker") as caught:
        suppress(table, sensitive, options=Options(keep=keep))
    # the gate passes on ``what`` alone, to who may not know which cells a confidential rule finds
    assert caught.value.what == "sensitive cells stay open to an attacker even with every other cell hidden"
    assert caught.value.where == "1 cell(s): a"


def test_a_budget_that_is_too_small_stops_without_a_pattern() -> None:
    table = counts((flat("d", ("a", "b", "c")),), {("a",): 1, ("b",): 20, ("c",): 30})
    with pytest.raises(CannotProtect, match="budget"):
        suppress(table, primary(table, MinimumFrequency(3)), options=Options(budget=1))


NATION = Dimension("area", "NL", {"NL": ("N", "S"), "N": ("n1", "n2"), "S": ("s1", "s2")})


@st.composite
def small_tables(draw: st.DrawFn) -> CellTable:
    """Two or three dimensions, one with a hierarchy, cells of 0 to 4."""
    dims = draw(
        st.sampled_from([(NATION, flat("sex", ("f", "m"))), (flat("x", "ab"), flat("y", "ab"), flat("z", "ab"))])
    )
    keys = [()]
    for dim in dims:
        keys = [(*key, leaf) for key in keys for leaf in dim.leaves]
    values = draw(st.lists(st.integers(0, 4), min_size=len(keys), max_size=len(keys)).filter(any))
    return counts(dims, dict(zip(keys, values, strict=True)))


@settings(max_examples=25)
@given(table=small_tables(), method=st.sampled_from(["flow", "optimal", "gauss"]), width=st.sampled_from([1, 2]))
def test_no_enumeration_of_tables_pins_a_primary(table: CellTable, method: str, width: int) -> None:
    sensitive = primary(table, MinimumFrequency(3))
    options = Options(count_protection=Width(width), method=method)  # type: ignore[arg-type]  # a drawn literal
    pattern = suppress(table, sensitive, options=options)
    found = audit(table, sensitive, pattern, options)
    assert found.safe
    possible = all_tables(table, pattern.suppressed, highest=6 if len(table.dims) == 2 else 5)
    # how far each end is reached, in tables of any size, is for test_properties
    for k in np.flatnonzero(sensitive.mask):
        assert possible[:, k].max() > possible[:, k].min()


def random_table(seed: int, units: int) -> CellTable:
    random = np.random.default_rng(seed)
    dims = (NATION, flat("type", "abcd"), flat("flag", ("0", "1")))
    cells: dict[tuple[str, ...], int] = {}
    for area, kind, flag in zip(
        random.choice(NATION.leaves, units, p=[0.5, 0.3, 0.15, 0.05]),
        random.choice(list("abcd"), units, p=[0.6, 0.25, 0.1, 0.05]),
        random.choice(["0", "1"], units, p=[0.85, 0.15]),
        strict=True,
    ):
        cells[area, kind, flag] = cells.get((area, kind, flag), 0) + 1
    return counts(dims, cells)


@pytest.mark.parametrize("protection", [Exact(), Width(3), Range()])
@pytest.mark.parametrize("method", ["flow", "optimal", "gauss"])
def test_another_solvers_attacker_finds_every_interval_open(protection: object, method: str) -> None:
    table = random_table(5, 120)
    sensitive = primary(table, MinimumFrequency(6))
    options = Options(count_protection=protection, method=method)  # type: ignore[arg-type]  # parametrised
    pattern = suppress(table, sensitive, options=options)
    assert audit(table, sensitive, pattern, options).safe
    known = full_equations(table).toarray()
    hidden = np.flatnonzero(pattern.suppressed)
    right = -known[:, ~pattern.suppressed] @ table.value[~pattern.suppressed]
    for k in np.flatnonzero(sensitive.mask):
        aim = (hidden == k).astype(float)
        low, high = (
            sign * linprog(sign * aim, A_eq=known[:, hidden], b_eq=right, bounds=(0, 1e6)).fun for sign in (1, -1)
        )
        assert high - low >= (protection.w if isinstance(protection, Width) else 1) - 1e-6
        if isinstance(protection, Range):
            assert low <= 1e-6 and high >= 5 - 1e-6


def test_the_optimum_is_never_dearer_than_the_heuristic_and_grows_with_the_demand() -> None:
    table = random_table(9, 150)
    cost = []
    for n in (3, 5, 8):
        sensitive = primary(table, MinimumFrequency(n))
        heuristic = suppress(table, sensitive, options=FLOW)
        best = suppress(table, sensitive, options=Options(method="optimal"))
        assert best.cost <= heuristic.cost and best.optimal and best.gap == 0
        cost.append(float(table.value[best.suppressed].sum()))
    assert cost == sorted(cost)


def test_the_order_of_cells_and_the_number_of_threads_change_nothing() -> None:
    table = random_table(3, 150)
    sensitive = primary(table, MinimumFrequency(5))
    pattern = suppress(table, sensitive, options=Options())
    again = suppress(table, sensitive, options=Options(threads=2))
    assert np.array_equal(pattern.suppressed, again.suppressed)
    assert np.array_equal(pattern.witnesses.moves.toarray(), again.witnesses.moves.toarray())


def test_no_secondary_of_the_pruned_pattern_can_be_published_alone() -> None:
    # counts against an exact integer: for a pattern that pruning left, every further cell opens some primary
    table = random_table(5, 120)
    sensitive = primary(table, MinimumFrequency(6))
    pattern = suppress(table, sensitive, options=FLOW)
    assert pattern.secondary.any()
    for cells in _always_equal(table, pattern.secondary):
        fewer = np.flatnonzero(pattern.suppressed & ~np.isin(np.arange(len(table)), cells)).tolist()
        assert not audit(table, sensitive, foreign(table, fewer, sensitive), Options()).safe


def _always_equal(table: CellTable, chosen: np.ndarray) -> list[list[int]]:
    """The chosen cells, those together that the equations make equal (a parent with one non-empty child)."""
    group = reduce(equations(table))[1]
    return [np.flatnonzero((group == one) & chosen).tolist() for one in np.unique(group[chosen])]


@pytest.mark.parametrize("step", [15, pytest.param(3, marks=pytest.mark.sweep)])
def test_a_budget_that_ends_while_pruning_leaves_a_safe_pattern(step: int) -> None:
    table = random_table(9, 150)
    sensitive = primary(table, MinimumFrequency(5))
    safe = 0
    for budget in range(1, 200, step):
        try:
            pattern = suppress(table, sensitive, options=Options(method="flow", budget=budget))
        except CannotProtect:
            continue
        safe += 1
        assert not audit(table, sensitive, pattern, FLOW).failed.size
    assert safe > 30 / step


def test_elimination_hides_the_cheapest_pair_of_a_row_and_column() -> None:
    # one primary in a 2 × 3 table: its row and its column each need another cell, and the rectangle that closes them
    table = counts(
        (flat("row", ("1", "2")), flat("col", "abc")),
        {("1", "a"): 1, ("1", "b"): 20, ("1", "c"): 40, ("2", "a"): 30, ("2", "b"): 25, ("2", "c"): 60},
    )
    sensitive = primary(table, MinimumFrequency(3))
    pattern = suppress(table, sensitive, options=Options(method="gauss"))
    rectangle = {cell(table, row, column) for row in "12" for column in "ab"}
    assert set(np.flatnonzero(pattern.suppressed).tolist()) == rectangle
    assert (pattern.method, pattern.optimal, pattern.cost) == ("gauss", False, 75)


def test_elimination_alone_is_not_trusted_where_a_level_asks_for_more() -> None:
    # UserSupport #330 again: a and b make a computable sum of 8, which elimination would accept, the level of 11 not
    table = magnitudes((flat("d", ("a", "b", "c")),), [(("a",), 5.0, 1), (("b",), 3.0, 2), (("c",), 90.0, 3)])
    sensitive = only(table, [cell(table, "a")], level=11.0)
    options = Options(method="gauss", singletons=False)
    pattern = suppress(table, sensitive, options=options)
    assert pattern.suppressed[cell(table, "c")] and audit(table, sensitive, pattern, options).safe


def tampered(pattern: Pattern, change: float) -> Pattern:
    moves = pattern.witnesses.moves.copy()
    moves.data = moves.data + change
    return dataclasses.replace(pattern, witnesses=dataclasses.replace(pattern.witnesses, moves=moves))


@pytest.mark.parametrize("change", [0.5, 100.0, -3.0])
def test_the_audit_does_not_believe_a_witness_that_breaks_an_equation(change: float) -> None:
    table = counts((flat("d", ("a", "b", "c")),), {("a",): 1, ("b",): 20, ("c",): 30})
    sensitive = primary(table, MinimumFrequency(3))
    pattern = tampered(suppress(table, sensitive, options=Options()), change)
    bare = dataclasses.replace(pattern, suppressed=sensitive.mask, secondary=np.zeros(len(table), np.bool_))
    found = audit(table, sensitive, bare, Options())
    assert (found.exact, found.safe) == (1, False)
    assert audit(table, sensitive, pattern, Options()).safe  # its own LP finds what the witness failed to show


def test_the_audit_names_a_primary_that_was_published() -> None:
    table = counts((flat("d", ("a", "b", "c")),), {("a",): 1, ("b",): 20, ("c",): 30})
    sensitive = primary(table, MinimumFrequency(3))
    found = audit(table, sensitive, foreign(table, [], sensitive), Options())
    assert (found.exact, found.below_level, found.failed.tolist()) == (1, 1, [cell(table, "a")])


@pytest.mark.parametrize("method", ["flow", "optimal", "gauss", "auto"])
def test_a_primary_hides_behind_what_is_not_published_anyway(method: str) -> None:
    table = counts((flat("d", ("a", "b", "c")),), {("a",): 1, ("b",): 20, ("c",): 30})
    sensitive = primary(table, MinimumFrequency(3))
    dropped = np.zeros(len(table), dtype=np.bool_)
    dropped[cell(table, "c")] = True
    options = Options(method=method, hidden=dropped)  # type: ignore[arg-type]  # parametrised
    pattern = suppress(table, sensitive, options=options)
    assert np.flatnonzero(pattern.suppressed).tolist() == sorted([cell(table, "a"), cell(table, "c")])
    assert audit(table, sensitive, pattern, Options()).safe


def test_a_dropped_cell_that_equals_a_published_one_hides_nothing() -> None:
    # B and its only child b are equal: who publishes B tells b
    area = Dimension("area", "NL", {"NL": ("A", "B", "C"), "B": ("b",)})
    table = counts((area,), {("A",): 1, ("b",): 20, ("C",): 30})
    sensitive = primary(table, MinimumFrequency(3))
    dropped = np.zeros(len(table), dtype=np.bool_)
    dropped[cell(table, "b")] = True
    keep = np.zeros(len(table), dtype=np.bool_)
    keep[cell(table, "B")] = True
    pattern = suppress(table, sensitive, options=Options(hidden=dropped, keep=keep))
    assert pattern.suppressed[cell(table, "C")] and not pattern.suppressed[cell(table, "b")]
    assert audit(table, sensitive, pattern, Options()).safe
