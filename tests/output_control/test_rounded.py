"""Rounded counts: the attacker's interval, against enumerating every table that rounds to what is published."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from output_control.protection import Exact, Options, Pattern, Width, Witnesses
from output_control.rounded import audit_rounded, protect_by_rounding
from output_control.statistics.rounding import to_base, to_bases
from output_control.tables.rules import MinimumFrequency, primary
from output_control.tables.table import CellTable
from tests.output_control.tables import cell, counts, flat

REGION, SEX = flat("region", ("A", "B")), flat("sex", ("f", "m"))


def alone(table: CellTable, hidden: np.ndarray) -> Pattern:
    none = np.zeros(len(table), dtype=np.bool_)
    return Pattern(hidden, none, Witnesses.none(len(table)), 0.0, "rounding", True, 0.0)


def enumerated(table: CellTable, hidden: np.ndarray, base: int, n: int) -> dict[int, tuple[int, int]]:
    """Per hidden cell its range over all inner counts that give the published table: brute force."""
    inner = [cell(table, a, b) for a in ("A", "B") for b in ("f", "m")]
    ranges = []
    for i in inner:
        value = int(table.value[i])
        around = range(max(value - base, 1), value + base + 1)
        ranges.append(
            range(1, n) if hidden[i] else [v for v in around if to_base(v, base) == to_base(value, base) and v >= n]
        )
    found: dict[int, list[int]] = {i: [] for i in inner if hidden[i]}
    shown = {table.labels(i): to_base(int(table.value[i]), base) for i in range(len(table))}
    for tried in itertools.product(*ranges):
        a, b, c, d = tried
        sums = {("A", "sex-total"): a + b, ("B", "sex-total"): c + d, ("region-total", "f"): a + c}
        sums |= {("region-total", "m"): b + d, ("region-total", "sex-total"): a + b + c + d}
        if all(v >= n and to_base(v, base) == shown[k] for k, v in sums.items()):
            for i, v in zip(inner, tried, strict=True):
                if hidden[i]:
                    found[i].append(v)
    return {i: (min(v), max(v)) for i, v in found.items()}


@given(values=st.tuples(*[st.integers(1, 40)] * 4), base=st.sampled_from([3, 5, 10]))
@settings(max_examples=60)
def test_the_interval_is_that_of_all_tables_that_round_to_what_is_published(values: tuple[int, ...], base: int) -> None:
    keys = list(itertools.product(("A", "B"), ("f", "m")))
    table = counts((REGION, SEX), dict(zip(keys, values, strict=True)))
    n = 8
    small = primary(table, MinimumFrequency(n))
    inner_only = all(
        table.value[i] >= n
        for i in range(len(table))
        if table.labels(i)[0] == "region-total" or table.labels(i)[1] == "sex-total"
    )
    if not small.mask.any() or not inner_only:
        return
    report = audit_rounded(table, small, alone(table, small.mask), Options(count_protection=Width(50)), base)
    expected = enumerated(table, small.mask, base, n)
    for place, position in enumerate(np.flatnonzero(small.mask)):
        assert (report.lower[place], report.upper[place]) == expected[int(position)]


def test_one_small_cell_among_exact_margins_is_exact_and_among_margins_of_five_is_not() -> None:
    table = counts((REGION, SEX), {("A", "f"): 4, ("A", "m"): 31, ("B", "f"): 25, ("B", "m"): 40})
    small = primary(table, MinimumFrequency(8))
    assert not audit_rounded(table, small, alone(table, small.mask), Options(), 1).safe
    report = audit_rounded(table, small, alone(table, small.mask), Options(count_protection=Exact()), 5)
    # A: total 35 (33 to 37), m 30 (28 to 32), so f is at most 9 and below 8, at least 1
    assert report.safe
    assert protect_by_rounding(table, small, Options(), 5) is not None


def test_rounding_that_leaves_one_value_is_no_protection() -> None:
    # a single hidden cell of at most 1: the threshold of 2 itself says that it is 1
    table = counts((REGION, SEX), {("A", "f"): 1, ("A", "m"): 30, ("B", "f"): 25, ("B", "m"): 40})
    small = primary(table, MinimumFrequency(2))
    assert protect_by_rounding(table, small, Options(), 5) is None


@pytest.mark.parametrize("base", [1, 3, 5, 10, 100])
def test_arrays_are_rounded_as_single_numbers(base: int) -> None:
    values = np.arange(0.0, 400.0)
    assert to_bases(values, base).tolist() == [float(to_base(int(v), base)) for v in values]
