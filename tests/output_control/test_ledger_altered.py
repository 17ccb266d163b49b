"""Rounded and coarser tables beside each other: against enumerating every population, and through the real gate."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enclave.errors import Refused
from enclave.requests import Protection
from output_control.alternatives.cell_keys import SPAN, draws_of
from output_control.alternatives.perturbation_table import PerturbationTable, perturbation_table
from output_control.ledger.altered import keep_open
from output_control.ledger.published import bounds_of
from output_control.ledger.released import NOT_COMPARED, Altered, ReleasedTable
from output_control.policy import NOISE_FILE
from output_control.protection import Exact, Options, Width
from tests.output_control.gate_world import random_homes, table_request
from tests.output_control.ledger_tables import a_dimension, a_table
from tests.output_control.ledger_world import Past, cells_of

BASE, LEAST = 5, 4
SEX = a_dimension("s", 2)
# who is where: sex, and in which of the two populations
GROUPS = [(sex, where) for sex in (0, 1) for where in ("both", "first", "second")]


def tables_of(counts: Sequence[int], ways: Sequence[str]) -> list[ReleasedTable]:
    """Two tables of sex over two overlapping populations; each rounded to 5 or exact, small counts hidden."""
    sex = np.repeat([each for each, _ in GROUPS], counts)
    where = np.repeat([each for _, each in GROUPS], counts)
    tables = []
    for name, way in zip(("first", "second"), ways, strict=True):
        inside = np.flatnonzero((where == "both") | (where == name))
        made = a_table(name, [SEX], sex[inside][:, None] + 1, inside + 1, minimum=LEAST)
        tables.append(rounded(made) if way == "rounded" else replace(made, hidden=made.primary.mask))
    return tables


def rounded(made: ReleasedTable) -> ReleasedTable:
    low, high = bounds_of(made.table, made.primary, made.primary.mask, BASE, LEAST)
    return replace(made, quantity=NOT_COMPARED, altered=Altered(low, high, "", made.name))


def published(count: np.ndarray, way: str) -> np.ndarray:
    """What readers see of counts: -1 for a hidden one; code of its own."""
    shown = count if way == "exact" else (2 * count + BASE) // (2 * BASE) * BASE
    return np.where(count == 0, 0, np.where(count < LEAST, -1, shown))


def consistent(counts: Sequence[int], ways: Sequence[str]) -> np.ndarray:
    """Populations (rows: counts per group) near the true one that give the same two published tables; groups of nobody
    stay so."""
    ranges = [range(max(count - BASE, 0), count + BASE + 1) if count else range(1) for count in counts]
    every = np.array(list(itertools.product(*ranges)))
    same = np.ones(len(every), dtype=bool)
    for name, way in zip(("first", "second"), ways, strict=True):
        for sexes in ((0,), (1,), (0, 1)):
            cell = [at for at, (sex, where) in enumerate(GROUPS) if sex in sexes and where in ("both", name)]
            same &= published(every[:, cell].sum(1), way) == published(np.array([counts])[:, cell].sum(1), way)
    return every[same]


def stay_open(tables: Sequence[ReleasedTable], width: int) -> bool:
    options = Options(count_protection=Exact() if width == 1 else Width(width), occupied=True)
    try:
        keep_open(tables, None, options, LEAST)
    except Refused:
        return False
    return True


@given(
    counts=st.tuples(st.integers(2, 14), *[st.integers(0, 3)] * 2, st.integers(2, 14), st.integers(0, 3), st.just(0)),
    ways=st.sampled_from([("rounded", "rounded"), ("rounded", "exact")]),
    width=st.sampled_from([1, 2]),
)
@settings(max_examples=60, derandomize=True)
def test_every_small_group_of_tables_that_leave_is_open_to_an_attacker_who_enumerates_all_populations(
    counts: tuple[int, ...], ways: tuple[str, str], width: int
) -> None:
    if not stay_open(tables_of(counts, ways), width):
        return
    every = consistent(counts, ways)
    for size in range(1, len(counts) + 1):
        for group in itertools.combinations(range(len(counts)), size):
            units = sum(counts[at] for at in group)
            if 0 < units < LEAST:
                found = every[:, group].sum(1)
                assert found.max() - found.min() >= width, (counts, group)


@pytest.mark.parametrize(
    ("both", "left"),
    [(13, True), (12, False)],
    ids=["13 and 14 are both published as 15", "12 as 10, and 13 as 15: somebody is in the difference"],
)
def test_two_rounded_populations_that_differ_by_one_leave_unless_a_boundary_lies_between(
    both: int, *, left: bool
) -> None:
    counts = (both, 0, 1, 30, 0, 0)
    assert stay_open(tables_of(counts, ("rounded", "rounded")), 1) == left


# who is where: in both populations, in the first only, in the second only; each fewer than the minimum frequency
NEARLY_THE_SAME = [(13, 1, 0), (13, 1, 1), (12, 3, 0)]


@pytest.mark.parametrize("drawn", ["cell_key largest 5", "rounding base 5", "small_count_rounding base 5"])
@pytest.mark.parametrize(("both", "first", "second"), NEARLY_THE_SAME)
def test_what_is_drawn_by_keys_of_records_does_not_leave_of_two_populations_that_differ_by_few(
    both: int, first: int, second: int, drawn: str
) -> None:
    def wide(left: int, right: int) -> list[ReleasedTable]:
        made = tables_of((both, left, right, 30, 0, 0), ("exact", "exact"))
        bounds = [(np.maximum(each.table.value - 4, 0), each.table.value + 4) for each in made]
        return [
            replace(
                each, quantity=NOT_COMPARED, altered=Altered(low, high, drawn, each.name), hidden=each.hidden & False
            )
            for each, (low, high) in zip(made, bounds, strict=True)
        ]

    assert not stay_open(wide(first, second), 1)
    assert stay_open(wide(8, 9), 1)


class Shifted:
    """Another project: the same units by other integers."""

    def __init__(self, by: int) -> None:
        self.by = by

    def ids(self, integers: np.ndarray) -> np.ndarray:
        return integers - self.by


@pytest.mark.parametrize(("method", "base"), [("cell_key", None), ("rounding", 5)])
def test_another_project_draws_the_same_figures_and_says_nothing_new(
    tmp_path: Path, method: str, base: int | None
) -> None:
    past, data = Past(tmp_path), random_homes(3, 200)
    data = data.set_column(1, "owner", data.column("home"))
    request = table_request("region", protection=Protection(method=method, base=base))
    first = past.release("first", data, request)
    other = pa.array(np.asarray(data.column("home")) + 10_000_019)
    there = data.set_column(0, "home", other).set_column(1, "owner", other)
    past.known_as = Shifted(10_000_019)
    assert cells_of(past.release("second", there, request), "region") == cells_of(first, "region")


@pytest.mark.parametrize(("method", "base"), [("cell_key", None), ("rounding", 5)])
def test_figures_drawn_by_another_key_are_refused(tmp_path: Path, method: str, base: int | None) -> None:
    past, data = Past(tmp_path), random_homes(3, 200)
    data = data.set_column(1, "owner", data.column("home"))
    request = table_request("region", protection=Protection(method=method, base=base))
    past.release("first", data, request)
    (tmp_path / "gate" / NOISE_FILE).write_bytes(bytes(range(1, 33)))
    with pytest.raises(Refused, match="the same key"):
        past.release("second", data, request)


def can_give(count: np.ndarray, shown: int, table: PerturbationTable) -> np.ndarray:
    """Whether a chance above nothing turns each count into ``shown``."""
    row, change = np.minimum(count, len(table.chances) - 1), shown - count
    near = np.clip(change + table.largest, 0, 2 * table.largest)
    return np.asarray((np.abs(change) <= table.largest) & (table.chances[row, near] > 0))


def test_cell_key_tables_that_leave_stay_open_to_an_attacker_who_knows_the_chances() -> None:
    rng, table, width, least = np.random.default_rng(1), perturbation_table(5, 3.0, 2), 3, 10
    cells, tried = ([0, 1], [2, 3], [0, 2], [1, 3], [0, 1, 2, 3]), 0
    for _ in range(25):
        counts, keys = rng.choice([1, 2, 4, 7, 12, 25], 4), rng.integers(0, SPAN, 4)
        reached = np.cumsum(table.chances, axis=1)
        shown = []
        for cell in cells:
            count = int(counts[cell].sum())
            draw = draws_of(keys[cell].sum(keepdims=True) % SPAN)
            shown.append(count - 5 + int((draw >= reached[min(count, len(reached) - 1)]).sum()))
        row, column = np.repeat([0, 0, 1, 1], counts), np.repeat([0, 1, 0, 1], counts)
        tables = []
        for name, codes, figures in (("rows", row, shown[:2]), ("columns", column, shown[2:4])):
            made = a_table(name, [SEX], codes[:, None] + 1, np.arange(len(codes)) + 1, minimum=least)
            figure = np.array([shown[4], *figures], dtype=float)
            low = np.where(figure > 0, np.maximum(figure - 5, 1), 0)
            tables.append(replace(made, quantity=NOT_COMPARED, altered=Altered(low, figure + 5, "cell_key", name)))
        try:
            keep_open(tables, None, Options(count_protection=Width(width), occupied=True), least)
        except Refused:
            continue
        near = [np.arange(max(0, count - 7), count + 8) for count in counts]
        every = np.array(np.meshgrid(*near)).reshape(4, -1).T
        given_so = [can_give(every[:, cell].sum(1), figure, table) for cell, figure in zip(cells, shown, strict=True)]
        every = every[np.all(given_so, axis=0)]
        assert (every == counts).all(1).any()
        for size in (1, 2, 3):
            for group in itertools.combinations(range(4), size):
                if counts[list(group)].sum() < least:
                    tried += 1
                    assert np.ptp(every[:, group].sum(1)) >= width, (counts, group)
    assert tried > 20
