"""Rounding, perturbation and coarser tables: what each promises, held against arithmetic and published figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from enclave.errors import BadInput, CannotProtect, KeyUnavailable
from output_control.alternatives.cell_keys import SPAN, cell_keys_above, draws_of, perturb, record_keys
from output_control.alternatives.coarser import (
    adaptive_margins,
    merged_neighbours,
    suppress_within,
    without_levels,
)
from output_control.alternatives.controlled_rounding import round_controlled
from output_control.alternatives.loss import loss
from output_control.alternatives.perturbation_table import perturbation_table, row_of
from output_control.alternatives.small_counts import holds, inner_cells, round_small_counts
from output_control.audit import audit
from output_control.protection import Options
from output_control.tables.rules import MinimumFrequency, primary
from output_control.tables.table import CellTable, Dimension
from tests.output_control.tables import cell, counts, flat

TREE = Dimension("r", "T", {"T": ("a", "b"), "a": ("a1", "a2"), "b": ("b1", "b2", "b3")})
SEX = flat("sex", ("f", "m"))
AGE = flat("age", ("y", "o", "x"))


def random_table(seed: int, dims: tuple[Dimension, ...] = (TREE, SEX, AGE), most: int = 14) -> CellTable:
    rng = np.random.Generator(np.random.Philox(key=seed))
    inner = {
        tuple(dim.leaves[i] for dim, i in zip(dims, place, strict=True)): int(rng.integers(0, most))
        for place in np.ndindex(*(len(dim.leaves) for dim in dims))
    }
    return counts(dims, inner)


def draws(table: CellTable, seed: int = 7) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=seed)).random(len(table))


def sums_by_walking(table: CellTable, published: np.ndarray) -> bool:
    """Every total against its parts, cell by cell and code by code: nothing of the equations that are tested."""
    figure = {table.labels(i): int(published[i]) for i in range(len(table))}
    for labels, total in figure.items():
        for position, dim in enumerate(table.dims):
            children = dim.children.get(labels[position], ())
            parts = [figure.get((*labels[:position], child, *labels[position + 1 :]), 0) for child in children]
            if children and sum(parts) != total:
                return False
    return True


# controlled rounding -------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([3, 5, 10]), st.integers(1, 3))
def test_controlled_rounding_is_additive_near_and_leaves_multiples_alone(seed: int, base: int, size: int) -> None:
    table = random_table(seed, (TREE, SEX, AGE)[:size])
    done = round_controlled(table, base, draws(table, seed))
    value = table.value.astype(np.int64)

    assert sums_by_walking(table, done.published)
    assert not (done.published % base).any()
    if done.parameters["steps"]:
        assert size == 3 and not _some_table_next_to_the_truth(table, base)
        return
    assert np.abs(done.published - value).max() < base
    assert (done.published[value % base == 0] == value[value % base == 0]).all()


def test_rounding_goes_a_base_further_and_says_so_where_no_table_next_to_the_truth_adds_up() -> None:
    table = random_table(65535)  # three dimensions, one with a hierarchy: found by the test above
    assert not _some_table_next_to_the_truth(table, 5)
    done = round_controlled(table, 5, draws(table))

    assert done.parameters == {"base": 5, "steps": 1}
    assert sums_by_walking(table, done.published)
    assert np.abs(done.published - table.value).max() < 10


def _some_table_next_to_the_truth(table: CellTable, base: int) -> bool:
    """Another solver, over inner cells alone: does any zero-restricted rounding exist?"""
    above = holds(table, inner_cells(table)).toarray()
    floor, up = table.value // base, table.value % base > 0
    found = milp(
        np.zeros(above.shape[1]),
        integrality=np.ones(above.shape[1]),
        bounds=Bounds(0, np.inf),
        constraints=LinearConstraint(above, floor, floor + up),
    )
    return bool(found.success)


def test_equal_input_gives_equal_rounding_and_another_key_another() -> None:
    table = random_table(3)
    once, again = (round_controlled(table, 5, draws(table)).published for _ in range(2))

    assert np.array_equal(once, again)
    assert not np.array_equal(once, round_controlled(table, 5, draws(table, 8)).published)


def test_a_residue_can_go_either_way_so_that_knowing_the_programme_tells_nothing_more() -> None:
    table = counts((flat("k", ("p", "q", "s", "t")),), {("p",): 1, ("q",): 1, ("s",): 12, ("t",): 26})
    seen = {int(round_controlled(table, 5, draws(table, key)).published[cell(table, "p")]) for key in range(60)}

    assert seen == {0, 5}


def test_sums_and_tables_too_large_are_not_rounded() -> None:
    table = random_table(1)
    with pytest.raises(CannotProtect, match="only counts"):
        round_controlled(_as_sums(table), 5, draws(table))
    with pytest.raises(CannotProtect, match="only counts"):
        round_small_counts(_as_sums(table), 5, draws(table))
    with pytest.raises(CannotProtect, match="only counts"):
        perturb(_as_sums(table), np.zeros(len(table), dtype=np.int64), perturbation_table(2, 1.0))


def _as_sums(table: CellTable) -> CellTable:
    return replace(table, integral=False)


# small-count rounding ------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([3, 5, 10]))
def test_small_count_rounding_changes_small_inner_counts_only(seed: int, base: int) -> None:
    table = random_table(seed)
    done = round_small_counts(table, base, draws(table, seed))
    value, inner = table.value.astype(np.int64), inner_cells(table)
    small = inner & (value < base)

    assert sums_by_walking(table, done.published)
    assert set(np.unique(done.published[small])) <= {0, base}
    assert np.array_equal(done.published[inner & ~small], value[inner & ~small])


def test_who_knows_how_small_counts_are_rounded_does_not_learn_them_from_their_total() -> None:
    """Five counts that all became 10: were the totals as close as can be, these would be 9 each and no other."""
    dim = flat("area", tuple(f"g{i}" for i in range(6)))
    found = {}
    for count in (7, 8, 9):
        table = counts((dim,), {(code,): count if code != "g5" else 40 for code in dim.leaves})
        done = [round_small_counts(table, 10, draws(table, seed)) for seed in range(300)]
        found[count] = sum(int(each.published[0]) == 90 for each in done)
    assert min(found.values()) > 0


def test_small_counts_keep_the_totals_close_as_the_published_example_does() -> None:
    """`SmallCountRounding::SmallCountData("e6")`: its vignette rounds to base 5 with a largest deviation of 2."""
    geo = Dimension("geo", "Europe", {"Europe": ("EU", "nonEU"), "EU": ("Portugal", "Spain"), "nonEU": ("Iceland",)})
    year = flat("year", ("2018", "2019"))
    freq = {
        ("Iceland", "2018"): 2, ("Portugal", "2018"): 3, ("Spain", "2018"): 7,
        ("Iceland", "2019"): 1, ("Portugal", "2019"): 5, ("Spain", "2019"): 6,
    }  # fmt: skip
    table = counts((geo, year), freq)
    done = round_small_counts(table, 5, draws(table))
    by = {table.labels(i): int(done.published[i]) for i in range(len(table))}

    assert {code: by[code] for code in freq if freq[code] >= 5} == {
        code: freq[code] for code in freq if freq[code] >= 5
    }
    # 2 + 3 + 1 = 6 small units become one 5: the total of 24 moves by 1
    assert by[("Europe", "year-total")] == 24 - 6 + 5


# cell keys -----------------------------------------------------------------------------------------------------------


def test_the_perturbation_table_has_the_published_chances() -> None:
    """`ptable` 1.0.0, vignette, create_cnt_ptable(D = 2, V = 1): four decimals are printed there; its first row has
    settled at a variance of 0.932."""
    assert row_of(2, 2, 1.0, 0).round(4).tolist()[0] == 0.0638
    assert round(float(row_of(2, 2, 1.0, 0)[2]), 3) == 0.383
    first = row_of(1, 2, 0.932, 0, inside=0)
    assert np.abs(first - [0, 0.3665, 0.3665, 0.1676, 0.0995]).max() < 2e-4


@pytest.mark.parametrize(("largest", "variance", "withheld"), [(2, 1.0, 0), (5, 3.0, 2), (3, 1.0, 1), (8, 4.0, 2)])
def test_noise_is_unbiased_bounded_and_makes_no_small_or_negative_counts(
    largest: int, variance: float, withheld: int
) -> None:
    noise = perturbation_table(largest, variance, withheld)

    for count, chances in enumerate(noise.chances):
        results = count + noise.changes[chances > 0]
        assert abs(chances.sum() - 1) < 1e-9
        assert abs(float(chances @ noise.changes)) < 1e-9
        assert results.min() >= 0
        assert not (count and ((results > 0) & (results <= withheld)).any())
    assert noise.chances[0].tolist() == (noise.changes == 0).astype(float).tolist()
    assert noise.variances[-1] == pytest.approx(variance, abs=1e-9)
    # every result that the bounds allow can happen: the audit judges on what can happen
    allowed = {count: {r for r in range(count + largest + 1) if abs(r - count) <= largest and (r == 0 or r > withheld)}
               for count in range(1, len(noise.chances))}  # fmt: skip
    for count, results in allowed.items():
        assert set((count + noise.changes[noise.chances[count] > 0]).tolist()) == results


def test_impossible_parameters_are_refused() -> None:
    for wrong in ((0, 1.0, 0), (3, 9.0, 0), (3, 1.0, 3)):
        with pytest.raises(BadInput, match="no perturbation table"):
            perturbation_table(*wrong)


def test_perturbed_counts_are_unbiased_over_many_keys() -> None:
    """For each true count the mean change over n keys has standard error √(V/n): six of these are allowed."""
    noise = perturbation_table(5, 3.0, 2)
    keys = 40_000
    none = np.zeros(keys)
    many = CellTable(
        dims=(flat("k", tuple(f"c{i}" for i in range(keys))),),
        codes=np.arange(1, keys + 1, dtype=np.int32)[:, None],
        freq=none,
        value=none,
        n_contributors=none.astype(np.int64),
        top=np.zeros((keys, 3)),
        sole_contributor=none.astype(np.int64),
        integral=True,
    )
    for count in (1, 2, 3, 5, 8, 40):
        units = record_keys(np.arange(keys, dtype=np.int64) + count * keys, bytes(range(32)))
        table = replace(many, value=np.full(keys, float(count)))
        change = perturb(table, units, noise).published - count
        reached = noise.variances[min(count, len(noise.variances) - 1)]
        assert abs(change.mean()) < 6 * np.sqrt(reached / keys)
        assert change.var() == pytest.approx(reached, rel=0.05)


def test_the_same_records_get_the_same_figure_in_every_table() -> None:
    noise = perturbation_table(5, 3.0, 2)
    people = np.arange(60, dtype=np.int64)
    region, sex = people % 5, people // 5 % 2
    record = record_keys(people, b"k" * 32)

    by_region = _perturbed((TREE,), np.column_stack([region]), record, noise)
    by_both = _perturbed((TREE, SEX), np.column_stack([region, sex]), record, noise)
    other_key = _perturbed((TREE,), np.column_stack([region]), record_keys(people, b"x" * 32), noise)

    assert all(by_both[(*labels, "sex-total")] == figure for labels, figure in by_region.items())
    assert by_region != other_key


def _perturbed(dims: tuple[Dimension, ...], leaves: np.ndarray, record: np.ndarray, noise: object) -> dict:
    codes = [tuple(dim.leaves[i] for dim, i in zip(dims, row, strict=True)) for row in leaves.tolist()]
    inner: dict[tuple[str, ...], int] = {}
    keys: dict[tuple[str, ...], int] = {}
    for code, key in zip(codes, record.tolist(), strict=True):
        inner[code] = inner.get(code, 0) + 1
        keys[code] = (keys.get(code, 0) + key) % SPAN
    table = counts(dims, inner)
    own = np.array([keys[table.labels(int(i))] for i in np.flatnonzero(inner_cells(table))], dtype=np.int64)
    done = perturb(table, cell_keys_above(table, own), noise)  # type: ignore[arg-type]  # a PerturbationTable
    return {table.labels(i): int(done.published[i]) for i in range(len(table))}


def test_record_keys_are_spread_and_need_a_whole_key() -> None:
    u = draws_of(record_keys(np.arange(100_000, dtype=np.int64), b"s" * 32))

    # the mean of n uniform numbers has standard error 1/√(12 n)
    assert abs(u.mean() - 0.5) < 6 / np.sqrt(12 * 100_000)
    assert len(np.unique(u)) > 99_990
    assert np.bincount((u * 16).astype(int), minlength=16).min() > 100_000 / 16 * 0.94
    with pytest.raises(KeyUnavailable, match="32 bytes"):
        record_keys(np.arange(3, dtype=np.int64), b"short")


def test_draws_do_not_add_up_as_keys_do() -> None:
    """Else the figures of two parts and of their total restrict each other: a 0 beside 25, 7 and 11 was exactly 1."""
    first, second = np.random.default_rng(5).integers(0, SPAN, (2, 100_000))
    left = (draws_of(first) + draws_of(second) - draws_of((first + second) % SPAN)) % 1
    assert np.bincount((left * 16).astype(int), minlength=16).min() > 100_000 / 16 * 0.94
    assert np.array_equal(draws_of(first), draws_of(first.copy()))


# coarser -------------------------------------------------------------------------------------------------------------


def test_levels_are_dropped_with_the_figures_of_what_stays_unchanged() -> None:
    table = random_table(4)
    cut, kept = without_levels(table, (1, 1, 0))

    assert cut.dims[0].codes == ("T", "a", "b")
    assert {cut.labels(i): cut.value[i] for i in range(len(cut))} == {
        table.labels(int(i)): table.value[i] for i in kept
    }
    assert all(labels[0] in ("T", "a", "b") and labels[2] == "age-total" for labels in map(cut.labels, range(len(cut))))


def test_small_neighbours_are_merged_until_each_group_has_enough() -> None:
    age = flat("age", ("0-17", "18-24", "25-44", "45-64", "65+"))
    units = np.array([100.0, 3, 4, 50, 40, 3])

    assert merged_neighbours(age, units, 10) == {
        "0-17+18-24+25-44": ("0-17", "18-24", "25-44"),
        "45-64+65+": ("45-64", "65+"),
    }


def test_each_area_shows_the_finest_margins_that_it_can_bear() -> None:
    area = flat("area", ("large", "middle", "small"))
    inner = {}
    for sex in ("f", "m"):
        for age in ("y", "o", "x"):
            inner[("large", sex, age)] = 20
            inner[("middle", sex, age)] = 4  # 12 per sex, 8 per age
            inner[("small", sex, age)] = 1
    table = counts((area, SEX, AGE), inner)
    margins = adaptive_margins(table, 0, 10)

    assert margins.deepest == {"area-total": (1, 1), "large": (1, 1), "middle": (1, 0), "small": (0, 0)}
    assert not margins.kept[cell(table, "middle", "f", "y")]
    assert margins.kept[cell(table, "middle", "f", "age-total")]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_a_coarser_table_passes_the_audit_of_suppression(seed: int) -> None:
    table = random_table(seed, most=25)
    sensitive = primary(table, MinimumFrequency(6))
    options = Options(method="flow")
    try:
        pattern = suppress_within(table, sensitive, adaptive_margins(table, 0, 6), options)
    except CannotProtect:
        return
    margins = adaptive_margins(table, 0, 6)

    assert audit(table, sensitive, pattern, options).safe
    assert pattern.suppressed[sensitive.mask].all()
    assert pattern.suppressed[~margins.kept].all()


# loss ----------------------------------------------------------------------------------------------------------------


def test_loss_agrees_with_hand_arithmetic() -> None:
    """The example of `SmallCountRounding::HDutility`: f = 1 … 6, g = 0, 3, 3, 3, 6, 6."""
    table = counts((flat("k", tuple("abcdef")),), {(name,): i for i, name in enumerate("abcdef", start=1)})
    shown = np.array([21.0, 0, 3, 3, 3, 6, 6])  # the total, which stays, and the six
    found = loss(table, shown, np.zeros(7, dtype=np.bool_))
    squares = 1 + (np.sqrt(2) - np.sqrt(3)) ** 2 + (2 - np.sqrt(3)) ** 2 + (np.sqrt(5) - np.sqrt(6)) ** 2

    assert found.hellinger == pytest.approx(np.sqrt(squares / 2))
    assert found.hellinger_share == pytest.approx(np.sqrt(squares / 2) / np.sqrt(42))
    assert found.mean_absolute_deviation == pytest.approx((1 + 1 + 0 + 1 + 1 + 0) / 7)
    assert (found.cells_changed, found.largest_deviation, found.cells_lost) == (4, 1.0, 0)


def test_hidden_cells_count_as_lost() -> None:
    table = counts((flat("k", ("p", "q")),), {("p",): 3, ("q",): 4})
    hidden = np.array([False, True, False])
    found = loss(table, table.value, hidden)

    assert (found.cells_lost, found.value_lost, found.cells_changed, found.largest_deviation) == (1, 3.0, 0, 0.0)
    assert found.mean_absolute_deviation == pytest.approx(3 / 3)
    assert found.hellinger == pytest.approx(np.sqrt(3 / 2))
