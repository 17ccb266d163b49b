"""Primary rules: expected values are arithmetic on the contributions written beside them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from output_control.instance import read_instance
from output_control.rules import (
    Dominance,
    MinimumFrequency,
    PPercent,
    PriorPosterior,
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
