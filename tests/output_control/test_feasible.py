"""The attacker on altered figures against brute force, and against tables that break their method's promise."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from output_control.alternatives import feasible
from output_control.alternatives.altered import AlteredTable
from output_control.alternatives.cell_keys import SPAN, perturb
from output_control.alternatives.controlled_rounding import round_controlled
from output_control.alternatives.feasible import Attacker, audit_altered, faults_of_altered, known_range
from output_control.alternatives.perturbation_table import perturbation_table
from output_control.alternatives.small_counts import round_small_counts
from output_control.protection import Exact, Options, Range, Width
from output_control.tables.rules import MinimumFrequency, primary
from output_control.tables.table import CellTable
from tests.output_control.tables import cell, counts, flat

ROWS, COLUMNS = flat("r", ("r1", "r2")), flat("c", ("c1", "c2"))
NOISE = perturbation_table(2, 1.0, 1)


def small_table(seed: int) -> CellTable:
    rng = np.random.Generator(np.random.Philox(key=seed))
    return counts(
        (ROWS, COLUMNS), {place: int(rng.integers(1, 9)) for place in itertools.product(("r1", "r2"), ("c1", "c2"))}
    )


def altered_tables(table: CellTable, seed: int) -> list[AlteredTable]:
    u = np.random.Generator(np.random.Philox(key=seed)).random(len(table))
    return [
        round_controlled(table, 3, u),
        round_controlled(table, 5, u),
        round_small_counts(table, 5, u),
        perturb(table, np.floor(u * SPAN).astype(np.int64), NOISE),
    ]


def possible_tables(table: CellTable, altered: AlteredTable) -> np.ndarray:
    """Every true table of whole figures that could have been published so: the methods' own words, no equations."""
    inner = [("r1", "c1"), ("r1", "c2"), ("r2", "c1"), ("r2", "c2")]
    shown = {table.labels(i): int(altered.published[i]) for i in range(len(table))}
    found = []
    alone = [[figure for figure in range(16) if _could_be(altered, shown[each], figure, True)] for each in inner]
    for figures in itertools.product(*alone):
        true = dict(zip(inner, figures, strict=True))
        for row in ("r1", "r2"):
            true[row, "c-total"] = true[row, "c1"] + true[row, "c2"]
        for column in ("c1", "c2", "c-total"):
            true["r-total", column] = true["r1", column] + true["r2", column]
        could = all(_could_be(altered, shown[labels], true[labels], labels in inner) for labels in shown)
        if could and (altered.method != "cell_key" or _same_records_same_figure(shown, true)):
            found.append([true[table.labels(i)] for i in range(len(table))])
    return np.array(found)


def _same_records_same_figure(shown: dict[tuple[str, ...], int], true: dict[tuple[str, ...], int]) -> bool:
    """Two cells that hold the same of the inner cells where anybody is hold the same records, and draw the same."""
    there = [(r, c) for r in ("r1", "r2") for c in ("c1", "c2") if true[r, c]]
    drawn: dict[tuple[tuple[str, str], ...], int] = {}
    for (row, column), figure in shown.items():
        held = tuple((r, c) for r, c in there if row in (r, "r-total") and column in (c, "c-total"))
        if held and drawn.setdefault(held, figure) != figure:
            return False
    return True


def _could_be(altered: AlteredTable, shown: int, true: int, inner: bool) -> bool:
    if altered.method == "rounding":
        return abs(shown - true) < altered.parameters["base"]
    if altered.method == "small_count_rounding":
        base = altered.parameters["base"]
        return not inner or (shown == true if true >= base or true == 0 else shown in (0, base))
    return 0 <= shown - true + 2 < 5 and NOISE.chances[min(true, len(NOISE.chances) - 1)][shown - true + 2] > 0


@pytest.mark.parametrize("seed", range(8))
def test_the_intervals_are_those_of_brute_force(seed: int) -> None:
    table = small_table(seed)
    for altered in altered_tables(table, seed):
        everything = possible_tables(table, altered)
        attacker = Attacker(table, altered)
        for i in range(len(table)):
            found = attacker.interval(i)
            assert found.exact
            assert (found.least, found.most) == (everything[:, i].min(), everything[:, i].max()), altered.method


@pytest.mark.parametrize("seed", range(8))
def test_the_audit_passes_exactly_what_brute_force_finds_open_enough(seed: int) -> None:
    table = small_table(seed)
    sensitive = primary(table, MinimumFrequency(5))
    for altered in altered_tables(table, seed):
        everything = possible_tables(table, altered)
        low, high = everything.min(axis=0), everything.max(axis=0)
        for protection, least in ((Exact(), 1), (Width(4), 4), (Width(6), 6)):
            short = sensitive.mask & (high - low < least)
            report = audit_altered(table, sensitive, altered, Options(protection), solve_intervals=True)
            assert np.array_equal(report.failed, np.flatnonzero(short)), altered.method
            assert report.exact == int((sensitive.mask & (high == low)).sum())


def test_a_range_of_all_below_the_threshold_is_asked_of_both_ends() -> None:
    table = counts((flat("k", ("p", "q")),), {("p",): 4, ("q",): 30})
    sensitive = primary(table, MinimumFrequency(10))
    altered = round_controlled(table, 10, np.full(3, 0.99))  # 4 becomes 0: 0 … 9 remains, which is what is asked

    assert audit_altered(table, sensitive, altered, Options(Range())).safe
    assert not audit_altered(table, sensitive, round_controlled(table, 5, np.full(3, 0.99)), Options(Range())).safe


def test_small_count_rounding_leaves_a_total_below_the_threshold_exact_and_the_audit_says_so() -> None:
    table = counts((ROWS, COLUMNS), {("r1", "c1"): 7, ("r1", "c2"): 20, ("r2", "c1"): 30, ("r2", "c2"): 40})
    sensitive = primary(table, MinimumFrequency(10))
    report = audit_altered(table, sensitive, round_small_counts(table, 5, np.zeros(len(table))), Options(Exact()))

    assert report.exact == report.below_level == 1
    assert report.failed.tolist() == [cell(table, "r1", "c1")]


def test_the_search_near_a_cell_and_the_whole_programme_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    dims = (flat("a", tuple("abcd")), flat("b", tuple("efg")), flat("c", tuple("hij")))
    rng = np.random.Generator(np.random.Philox(key=5))
    table = counts(dims, {place: int(rng.integers(1, 12)) for place in itertools.product("abcd", "efg", "hij")})
    sensitive = primary(table, MinimumFrequency(6))
    altered = round_controlled(table, 5, rng.random(len(table)))
    whole = audit_altered(table, sensitive, altered, Options(Width(4)))
    monkeypatch.setattr(feasible, "WHOLE_UP_TO", 0)
    near = audit_altered(table, sensitive, altered, Options(Width(4)))

    assert whole.primaries == near.primaries > 10
    assert near.failed.tolist() == whole.failed.tolist()
    assert not near.intervals_exact


def test_a_figure_that_breaks_its_methods_promise_fails_everything() -> None:
    table = small_table(3)
    sensitive = primary(table, MinimumFrequency(9))
    good = round_controlled(table, 5, np.zeros(len(table)))
    assert faults_of_altered(table, good) == []
    total = cell(table, "r-total", "c-total")
    for place, change, words in (
        (total, 5, "sum of its parts"),
        (total, 20, "further from the truth"),
        (0, 1, "no multiple"),
    ):
        shown = good.published.copy()
        shown[place] += change
        wrong = replace(good, published=shown)
        assert any(words in fault for fault in faults_of_altered(table, wrong))
        report = audit_altered(table, sensitive, wrong, Options(Exact()))
        assert report.below_level == report.primaries > 0
    below = replace(good, published=-good.published)
    assert "a figure is below 0" in faults_of_altered(table, below)


def test_a_total_with_another_figure_than_its_one_printed_part_says_that_somebody_else_is_there() -> None:
    table = counts((ROWS, COLUMNS), {("r1", "c1"): 20, ("r1", "c2"): 2, ("r2", "c1"): 30, ("r2", "c2"): 40})
    parameters = {"largest": 5, "variance": 3.0, "withheld": 2}
    hidden = cell(table, "r1", "c2")

    def least(total: int) -> float:
        shown = np.rint(table.value).astype(np.int64)
        shown[hidden], shown[cell(table, "r-total", "c2")] = 0, 40
        shown[cell(table, "r1", "c-total")] = total
        altered = AlteredTable("cell_key", shown, parameters, additive=False)
        assert faults_of_altered(table, altered) == []
        return Attacker(table, altered).interval(hidden).least

    assert least(20) == 0
    assert least(22) == 1
    shown = np.rint(table.value).astype(np.int64)
    shown[hidden] = 0
    altered = AlteredTable("cell_key", shown, {**parameters, "largest": 3}, additive=False)
    asked = primary(table, MinimumFrequency(10))
    assert audit_altered(table, asked, altered, Options(count_protection=Width(2))).safe
    assert not audit_altered(table, asked, altered, Options(count_protection=Width(3))).safe


def test_figures_of_the_same_records_that_differ_fail_everything() -> None:
    table = counts((ROWS, COLUMNS), {("r1", "c1"): 4, ("r2", "c1"): 30, ("r2", "c2"): 40})
    shown = np.rint(table.value).astype(np.int64)
    shown[cell(table, "r1", "c-total")] = 5
    altered = AlteredTable("cell_key", shown, {"largest": 5, "variance": 3.0, "withheld": 2}, additive=False)
    assert faults_of_altered(table, altered) == ["two figures of the same records differ"]


def test_a_rounded_figure_above_0_has_somebody_behind_it_however_far_it_may_be_from_the_truth() -> None:
    table = counts((ROWS, COLUMNS), dict.fromkeys(itertools.product(("r1", "r2"), ("c1", "c2")), 5))
    shown = np.rint(table.value).astype(np.int64)
    least, _ = known_range(table, AlteredTable("rounding", shown, {"base": 5, "steps": 1}, additive=True))
    assert least.min() == 1


def test_the_audit_gives_the_same_answer_twice() -> None:
    table = small_table(6)
    sensitive = primary(table, MinimumFrequency(9))
    altered = round_controlled(table, 5, np.full(len(table), 0.3))
    once, again = (audit_altered(table, sensitive, altered, Options(Width(3))) for _ in range(2))

    assert np.array_equal(once.lower, again.lower) and np.array_equal(once.upper, again.upper)


def test_where_the_linear_programme_ends_between_whole_tables_branching_finds_them() -> None:
    dims = (flat("a", tuple("abcd")), flat("b", tuple("efgh")), flat("c", tuple("ijk")))
    rng = np.random.Generator(np.random.Philox(key=1))
    table = counts(dims, {place: int(rng.integers(1, 12)) for place in itertools.product("abcd", "efgh", "ijk")})
    attacker = Attacker(table, perturb(table, rng.integers(0, SPAN, len(table)), perturbation_table(5, 3.0, 2)))
    one = np.eye(len(table))
    between = [i for i in range(len(table)) if attacker.extreme(one[i]) is None or attacker.extreme(-one[i]) is None]

    assert between
    assert all(attacker.interval(i).exact for i in between)
