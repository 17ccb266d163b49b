"""Columns and populations that others define ("A or B", "how many"): who knows what they mean reads off nothing.

The attacker here knows which combinations nobody can be in, and tries every whole-number population.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from enclave.errors import Refused
from output_control.ledger.defined import known_empty
from output_control.ledger.released import ReleasedTable
from output_control.tables.table import IntArray
from tests.output_control.ledger_tables import Shelf, a_dimension, a_table

MINIMUM = 10
Defined = Callable[[IntArray], IntArray]
DEFINITIONS: dict[str, Defined] = {
    "or": lambda of: np.asarray(of.any(axis=1), dtype=np.int64),
    "and": lambda of: np.asarray(of.all(axis=1), dtype=np.int64),
    "exactly one": lambda of: (of.sum(axis=1) == 1).astype(np.int64),
    "how many": lambda of: of.sum(axis=1),
}


class Knowing:
    """Who knows all ways to be in the tables: ``inside`` per way (ways × tables), the position of its cell, 0: out."""

    def __init__(self, tables: Sequence[ReleasedTable], inside: IntArray) -> None:
        rows, low, high = [], [], []
        for at, table in enumerate(tables):
            for code, value, hidden in zip(table.table.codes[:, 0], table.table.value, table.hidden, strict=True):
                mine = inside[:, at]
                rows.append(((mine == code) if code else (mine > 0)).astype(np.float64))
                low.append(1.0 if hidden else value)  # empty cells are published
                high.append(np.inf if hidden else value)
        self.published = LinearConstraint(np.array(rows), low, high)

    def is_told(self, way: IntArray) -> bool:
        """Whether a group of ways (1: in it) can hold one number only."""
        ends = []
        for side in (1, -1):
            found = milp(
                side * way,
                constraints=self.published,
                integrality=np.ones(len(way), dtype=np.int64),
                bounds=Bounds(0, np.inf),
            )
            ends.append(np.inf if found.x is None else float(np.rint(way @ found.x)))
        return ends[0] == ends[1]


def released(shelf: Shelf, tables: Sequence[ReleasedTable], *, together: bool) -> list[ReleasedTable]:
    """What leaves, one after the other or as one analysis; a table that is refused does not."""
    for some in [tables] if together else [[table] for table in tables]:
        try:
            shelf.release(*some)
        except Refused:
            continue
    return shelf.released


def told(ways: IntArray, counts: Sequence[int], tables: list[ReleasedTable], column: dict[str, int]) -> list[int]:
    """Small ways to be in the tables whose number is told."""
    knowing = Knowing(tables, ways[:, [column[table.name] for table in tables]])
    small = [at for at, count in enumerate(counts) if 0 < count < MINIMUM]
    return [at for at in small if knowing.is_told((np.arange(len(ways)) == at).astype(np.int64))]


@pytest.mark.parametrize("kind", DEFINITIONS)
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(("number", "times"), [(2, 1), (3, 1), (2, 70)])
def test_a_column_that_others_define_tells_no_small_group(
    tmp_path: Path, kind: str, together: bool, number: int, times: int
) -> None:
    """Counts by A, by B (and by C) and by "A or B": A + B − "A or B" was how many are in both. 70: 49,000 people."""
    asked = np.array(list(itertools.product((0, 1), repeat=number)))
    counts = [400 * times, *((100 + 30 * at) * times for at in range(len(asked) - 2)), 3]
    ways = np.column_stack([asked, DEFINITIONS[kind](asked)]) + 1
    people = np.repeat(ways, counts, axis=0)
    names = [*"abc"[:number], "defined"]
    tables = [
        a_table(name, [a_dimension(name, int(ways[:, at].max()))], people[:, [at]], np.arange(len(people)),
                minimum=MINIMUM)
        for at, name in enumerate(names)
    ]  # fmt: skip
    shelf = Shelf(tmp_path, MINIMUM)
    left = released(shelf, tables, together=together)
    assert len(left) >= number
    assert told(ways, counts, left, {name: at for at, name in enumerate(names)}) == []


@pytest.mark.parametrize("both", [1, 5])
@pytest.mark.parametrize("everyone", [False, True])
def test_a_population_that_others_define_tells_no_small_group(tmp_path: Path, both: int, everyone: bool) -> None:
    """A, B and "A or B", each by region, and perhaps everyone."""
    names = [*(["everyone"] if everyone else []), "A", "B", "A or B"]
    inside = {"everyone": (1, 1, 1, 1), "A": (1, 1, 0, 0), "B": (1, 0, 1, 0), "A or B": (1, 1, 1, 0)}
    ways, counts = [], []
    for region, size in ((1, both), (2, 50), (3, 50)):
        for at, count in enumerate((size, 100, 200, 400)):
            ways.append([region * inside[name][at] for name in names])
            counts.append(count)
    of = np.array(ways)
    people, number = np.repeat(of, counts, axis=0), np.arange(sum(counts))
    tables = []
    for at, name in enumerate(names):
        there = people[:, at] > 0
        tables.append(a_table(name, [a_dimension("region", 3)], people[there][:, [at]], number[there], minimum=MINIMUM))
    left = released(Shelf(tmp_path, MINIMUM), tables, together=False)
    assert len(left) >= len(names) - 1
    assert told(of, counts, left, {name: at for at, name in enumerate(names)}) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 3), st.integers(0, 2))
def test_what_contradicts_a_definition_is_known_to_be_empty_and_nothing_else(seed: int, by: int, others: int) -> None:
    """A random function of some columns, all of whose combinations hold many, beside columns that it does not need."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 4, by + others)
    every = np.array(list(itertools.product(*(range(size) for size in sizes))))
    function = rng.permutation(np.resize(np.arange(3), int(sizes[:by].prod())))
    value = function[np.ravel_multi_index(every[:, :by].T, sizes[:by])]
    atoms = np.column_stack([every, value])
    codes = np.repeat(every, 3, axis=0)
    empty = np.column_stack([codes, np.tile(np.arange(3), len(every))])
    empty = empty[empty[:, -1] != np.repeat(value, 3)]
    order = rng.permutation(atoms.shape[1])
    assert known_empty(atoms[:, order], np.full(len(atoms), 50), empty[:, order]).all()
    free = np.column_stack([codes, np.tile(np.arange(3), len(every))])
    held = free[rng.permutation(len(free))[: len(free) - 2]]
    missing = np.array([row for row in free.tolist() if row not in held.tolist()])
    # few in each: that two combinations are empty may be chance
    assert not known_empty(held, np.ones(len(held), dtype=np.int64), missing).all()
