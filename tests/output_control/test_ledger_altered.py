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
from output_control.tables.rules import Dominance, PPercent, Rule
from tests.output_control.gate_world import World, random_homes, table_request
from tests.output_control.ledger_tables import a_dimension, a_table
from tests.output_control.ledger_world import Past, cells_of, flat, homes

BASE, LEAST = 5, 4
SEX = a_dimension("s", 2)
# who is where: sex, and in which of the two populations
GROUPS = [(sex, where) for sex in (0, 1) for where in ("both", "first", "second")]


def tables_of(counts: Sequence[int], ways: Sequence[str], owner: np.ndarray | None = None) -> list[ReleasedTable]:
    """Two tables of sex over two overlapping populations; each rounded to 5 or exact, small counts hidden; ``owner``:
    the unit of each record, which is its own without."""
    sex = np.repeat([each for each, _ in GROUPS], counts)
    where = np.repeat([each for _, each in GROUPS], counts)
    tables = []
    for name, way in zip(("first", "second"), ways, strict=True):
        inside = np.flatnonzero((where == "both") | (where == name))
        unit = None if owner is None else owner[inside] + 1
        made = a_table(name, [SEX], sex[inside][:, None] + 1, inside + 1, unit=unit, minimum=LEAST)
        tables.append(rounded(made) if way == "rounded" else replace(made, hidden=made.primary.mask))
    return tables


def rounded(made: ReleasedTable) -> ReleasedTable:
    low, high = bounds_of(made.table, made.primary, made.primary.mask, BASE, LEAST)
    return replace(made, quantity=NOT_COMPARED, altered=Altered(low, high, "", made.name))


def published(count: np.ndarray, way: str) -> np.ndarray:
    """What readers see of counts: -1 for a hidden one; code of its own."""
    shown = count if way == "exact" else (2 * count + BASE) // (2 * BASE) * BASE
    return np.where(count == 0, 0, np.where(count < LEAST, -1, shown))


def populations_near(counts: Sequence[int]) -> np.ndarray:
    """Every population (rows: counts per group) within the base of the true one; groups of nobody stay so."""
    ranges = [np.arange(max(count - BASE, 0), count + BASE + 1) if count else np.arange(1) for count in counts]
    return np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(counts))


def consistent(counts: Sequence[int], ways: Sequence[str]) -> np.ndarray:
    """Populations (rows: counts per group) near the true one that give the same two published tables; groups of nobody
    stay so."""
    every = populations_near(counts)
    same = np.ones(len(every), dtype=bool)
    for name, way in zip(("first", "second"), ways, strict=True):
        for sexes in ((0,), (1,), (0, 1)):
            cell = [at for at, (sex, where) in enumerate(GROUPS) if sex in sexes and where in ("both", name)]
            same &= published(every[:, cell].sum(1), way) == published(np.array([counts])[:, cell].sum(1), way)
    return every[same]


def stay_open(tables: Sequence[ReleasedTable], width: int, dominance: Sequence[Rule] = ()) -> bool:
    options = Options(count_protection=Exact() if width == 1 else Width(width), occupied=True)
    try:
        keep_open(tables, None, options, LEAST, dominance=dominance)
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


RULES = (Dominance(1, 75.0), PPercent(10.0))


def test_units_of_two_records_are_held_by_the_units_in_each_group_that_an_attacker_enumerates() -> None:
    """What leaves keeps every group of fewer units than the minimum open, however their records lie; the attacker knows
    each figure, that what is shown is of enough units, and who is nowhere."""
    rng, left, tried = np.random.default_rng(11), 0, 0
    for _ in range(60):
        counts = (
            int(rng.integers(4, 15)),
            *rng.integers(0, 4, 2),
            int(rng.integers(4, 15)),
            int(rng.integers(0, 4)),
            0,
        )
        ways, width = (("rounded", "rounded"), ("rounded", "exact"))[rng.integers(2)], int(rng.integers(1, 3))
        owner = rng.permutation(np.arange(sum(counts)) // 2)
        tables = tables_of(counts, ways, owner)
        if not stay_open(tables, width, RULES):
            continue
        left += 1
        every = agreeing(counts, ways, tables)
        of = np.repeat(np.arange(len(counts)), counts)
        for size in range(1, len(counts) + 1):
            for group in itertools.combinations(range(len(counts)), size):
                if 0 < len(np.unique(owner[np.isin(of, group)])) < LEAST:
                    tried += 1
                    assert np.ptp(every[:, group].sum(1)) >= width, (counts, group)
    assert left > 5 and tried > 10


def agreeing(counts: Sequence[int], ways: Sequence[str], tables: Sequence[ReleasedTable]) -> np.ndarray:
    """Numbers of records per group that give the same figures, hidden where the true ones are."""
    every = populations_near(counts)
    fits = np.ones(len(every), dtype=bool)
    for name, way, made in zip(("first", "second"), ways, tables, strict=True):
        for code, sexes in enumerate(((0, 1), (0,), (1,))):
            cell = [at for at, (sex, where) in enumerate(GROUPS) if sex in sexes and where in ("both", name)]
            found, true = every[:, cell].sum(1), sum(counts[at] for at in cell)
            place = np.flatnonzero(made.table.codes[:, 0] == code)
            if not len(place):
                fits &= found == 0
            elif made.hidden[place[0]] or (way == "rounded" and made.primary.mask[place[0]]):
                fits &= found >= 1
            elif way == "exact":
                fits &= found == true
            else:
                rounded_ = (2 * found + BASE) // (2 * BASE) * BASE
                fits &= (found >= LEAST) & (rounded_ == (2 * true + BASE) // (2 * BASE) * BASE)
    return every[fits]


@pytest.mark.parametrize(("owners", "left"), [((30, 31, 30, 31), False), ((30, 31, 32, 33), True)])
def test_a_difference_of_records_is_as_small_as_its_units_are_few(owners: tuple[int, ...], *, left: bool) -> None:
    # in all 26 are published as 25 and 30 as 30: somebody is among the four records more, who are of two units or four
    counts = (13, 2, 0, 13, 2, 0)
    owner = np.array([*range(13), *owners[:2], *range(13, 26), *owners[2:]])
    assert stay_open(tables_of(counts, ("rounded", "rounded"), owner), 1, RULES) == left


def test_a_unit_of_many_records_is_refused_and_so_are_two_records_where_no_rule_is_known() -> None:
    counts = (20, 0, 0, 20, 0, 0)
    two, many = np.arange(40) // 2, np.maximum(np.arange(40) - 12, 0)
    assert stay_open(tables_of(counts, ("rounded", "rounded"), two), 1, RULES)
    assert not stay_open(tables_of(counts, ("rounded", "rounded"), two), 1)
    options = Options(count_protection=Exact(), occupied=True)
    with pytest.raises(Refused, match="so few times that none can dominate"):
        keep_open(tables_of(counts, ("rounded", "rounded"), many), None, options, LEAST, dominance=RULES)


def test_rounded_tables_of_owners_with_two_homes_leave_together_through_the_gate(tmp_path: Path) -> None:
    regions, kinds = [f"G1a{1 + at // 80}" for at in range(160)], [f"k{1 + at // 40 % 2}" for at in range(160)]
    data = pa.table({"home": np.arange(160), "owner": np.arange(160) // 2, "region": regions, "kind": kinds})
    world = World(tmp_path, policy_overrides={"count_rounding": {"kind": "nearest", "base": 5}}).add("homes", data)
    by_both = table_request("region", "kind", name="second")
    out = world.check(table_request("kind"), by_both)
    notes = [out.evidence[f"evidence/demo/{name}.json"].decode() for name in ("homes", "second")]
    assert all("each bounds its true count" in said for said in notes)


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


def test_a_drawn_0_does_not_say_that_its_cell_is_occupied_so_nobody_is_told_by_all_but_its_units(
    tmp_path: Path,
) -> None:
    past, sizes = Past(tmp_path, classifications={"area": flat("area", "a", 5)}), (2, 20, 24, 31, 38)
    area, ids = np.repeat([f"a{at}" for at in range(5)], sizes), list(range(1000, 1000 + sum(sizes)))
    data = homes(home=ids, owner=ids, area=area.tolist())
    request = table_request("area", protection=Protection(method="cell_key"))
    shown = cells_of(past.release("first", data, request), "area")
    assert shown["a0",] == 0
    with pytest.raises(Refused, match="bound a group of few units too closely"):
        past.release("all but a0", data.filter(area != "a0"), request)
    past.release("all but a1", data.filter(area != "a1"), request)


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
