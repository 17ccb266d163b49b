"""Primary rules: expected values are arithmetic on the contributions written beside them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from output_control.alone.instance import read_instance
from output_control.tables.rules import (
    Dominance,
    MinimumFrequency,
    PPercent,
    PriorPosterior,
    Rule,
    for_signed,
    group_disclosure,
    primary,
)
from tests.output_control.tables import cell, counts, flat, magnitudes

SEX = flat("sex", ("f", "m"))
REGION = flat("region", ("A", "B"))


def one_cell(*contributions: float):
    return magnitudes((REGION,), [(("A",), value, unit) for unit, value in enumerate(contributions)])


@pytest.mark.parametrize("reference", ["b0", "b1"])
def test_the_reference_primaries_and_levels_come_out_of_our_own_tabulation(shared: Path, reference: str) -> None:
    for folder in sorted((shared / "reference").glob(reference + "*")):
        instance = read_instance(folder)
        ours = instance.sensitive(instance.rules)
        index = {instance.table.labels(i): i for i in range(len(instance.table))}
        with (folder / "cells.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                here = index.get(tuple(row[dim.name] for dim in instance.table.dims))
                if here is None:
                    assert float(row["freq"]) == 0 and row["primary"] == "0"
                    continue
                assert ours.mask[here] == (row["primary"] == "1"), (folder.name, row)
                assert ours.upl[here] == pytest.approx(float(row["upl"]), rel=1e-9, abs=1e-6)


def test_minimum_frequency_finds_counts_between_one_and_below_n() -> None:
    table = counts((REGION, SEX), {("A", "f"): 2, ("A", "m"): 3, ("B", "f"): 9, ("B", "m"): 0})
    found = primary(table, MinimumFrequency(3))
    assert [table.labels(i) for i in np.flatnonzero(found.mask)] == [("A", "f")]
    assert found.threshold[cell(table, "A", "f")] == 3


def test_twelve_records_of_one_household_are_one_unit() -> None:
    table = magnitudes((REGION,), [(("A",), 1.0, 7)] * 12 + [(("B",), 1.0, unit) for unit in range(12)])
    found = primary(table, MinimumFrequency(10))
    assert found.mask[cell(table, "A")] and not found.mask[cell(table, "B")]


def test_p_percent_level_is_the_share_of_the_largest_less_the_remainder() -> None:
    table = one_cell(100, 50, 4)
    assert primary(table, PPercent(10)).upl[cell(table, "A")] == pytest.approx(10 / 100 * 100 - 4)
    assert not primary(table, PPercent(4)).mask.any()  # exactly 4: not below


def test_prior_posterior_is_p_percent_with_prior_knowledge() -> None:
    table = one_cell(100, 50, 15)
    assert primary(table, PriorPosterior(10, 50)).upl[cell(table, "A")] == pytest.approx(10 / 50 * 100 - 15)
    assert not primary(table, PPercent(10)).mask.any()


def test_dominance_level_is_what_the_largest_would_be_k_percent_of() -> None:
    table = one_cell(80, 15, 5)
    assert primary(table, Dominance(1, 75)).upl[cell(table, "A")] == pytest.approx(100 / 75 * 80 - 100)
    assert primary(table, Dominance(2, 85)).upl[cell(table, "A")] == pytest.approx(100 / 85 * 95 - 100)
    assert not primary(table, Dominance(1, 80)).mask.any()


def test_any_takes_the_larger_level_and_names_both_rules() -> None:
    table = one_cell(90, 5, 5)
    both = primary(table, [Dominance(1, 75), PPercent(20), PPercent(20)])
    assert both.upl[cell(table, "A")] == pytest.approx(max(100 / 75 * 90 - 100, 20 / 100 * 90 - 5))
    assert both.reason[cell(table, "A")] == "nk+p"


def test_the_lower_level_never_exceeds_the_value() -> None:
    table = one_cell(90)
    found = primary(table, Dominance(1, 40))
    assert found.upl[cell(table, "A")] == pytest.approx(100 / 40 * 90 - 90)
    assert found.lpl[cell(table, "A")] == 90


def test_group_disclosure_asks_that_the_share_can_be_ninety_percent() -> None:
    suspect = flat("suspect", ("yes", "no"))
    table = counts((REGION, suspect), {("A", "yes"): 97, ("A", "no"): 3, ("B", "yes"): 40, ("B", "no"): 60})
    found = group_disclosure(table, sensitive=1, neutral=("no",), n=10).primary
    here = cell(table, "A", "yes")
    assert np.flatnonzero(found.mask).tolist() == [here]
    assert found.lpl[here] == 97 - 90
    assert found.anchor[here] == cell(table, "A", "suspect-total")


def test_group_disclosure_finds_all_but_a_few_and_leaves_neutral_categories() -> None:
    suspect = flat("suspect", ("yes", "no"))
    table = counts((REGION, suspect), {("A", "yes"): 30, ("A", "no"): 9, ("B", "no"): 99, ("B", "yes"): 1})
    found = group_disclosure(table, sensitive=1, neutral=("no",), n=10).primary
    here = cell(table, "A", "yes")
    assert np.flatnonzero(found.mask).tolist() == [here]
    assert found.lpl[here] == 30 - min(int(0.9 * 39), 39 - 10)


def test_a_group_wholly_in_one_category_is_beyond_suppression() -> None:
    suspect = flat("suspect", ("yes", "no"))
    table = counts((REGION, suspect), {("A", "yes"): 20, ("B", "no"): 50, ("B", "yes"): 50})
    found = group_disclosure(table, sensitive=1, neutral=("no",), n=10)
    assert np.flatnonzero(found.complete).tolist() == [cell(table, "A", "yes")]
    assert not found.primary.mask.any()


def test_a_coalition_of_two_is_subtracted_together() -> None:
    table = one_cell(100, 50, 40, 4)
    assert not primary(table, PPercent(10)).mask.any()  # 44 left
    found = primary(table, PPercent(10, coalition=2))
    assert found.upl[cell(table, "A")] == pytest.approx(10 / 100 * 100 - 4)


contributions = st.lists(
    st.tuples(st.sampled_from(["A", "B"]), st.integers(0, 500), st.integers(0, 9)), min_size=1, max_size=30
)


@given(
    records=contributions,
    n=st.integers(1, 12),
    k=st.floats(20, 99),
    p=st.floats(0.5, 90),
    stricter=st.floats(0.01, 1),
)
def test_primary_cells_and_levels_grow_with_the_strictness_of_every_rule(
    records: list[tuple[str, int, int]], n: int, k: float, p: float, stricter: float
) -> None:
    table = magnitudes((REGION,), [((region,), float(value), unit) for region, value, unit in records])
    pairs: list[tuple[Rule, Rule]] = [
        (MinimumFrequency(n), MinimumFrequency(n + 1)),
        (Dominance(2, k), Dominance(2, k * (1 - stricter / 10))),
        (Dominance(1, k), Dominance(2, k)),
        (PPercent(p), PPercent(p * (1 + stricter))),
        (PPercent(p), PPercent(p, coalition=2)),
        (PriorPosterior(p, 95), PriorPosterior(p, 95 / (1 + stricter))),
        (for_signed(PPercent(p), 2.0), PPercent(p)),
        (for_signed(Dominance(1, k), 2.0), Dominance(1, k)),
    ]
    for loose, strict in pairs:
        less, more = primary(table, loose), primary(table, strict)
        assert not (less.mask & ~more.mask).any(), (loose, strict)
        assert (less.upl <= more.upl + 1e-9).all()


@given(records=contributions, seed=st.integers(0, 2**31))
def test_permuting_records_and_renaming_units_change_no_primary(records: list[tuple[str, int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = rng.permutation(10)
    other = [
        (region, value, int(names[unit])) for region, value, unit in (records[i] for i in rng.permutation(len(records)))
    ]
    rules = [MinimumFrequency(3), Dominance(1, 60), PPercent(20)]
    found = [
        primary(magnitudes((REGION,), [((r,), float(v), u) for r, v, u in each]), rules) for each in (records, other)
    ]
    assert found[0].mask.tolist() == found[1].mask.tolist()
    assert found[0].upl.tolist() == pytest.approx(found[1].upl.tolist())
