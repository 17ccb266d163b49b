"""What lies between a population and sums of published cells, by trying every sum."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from output_control.ledger.apart import differ_by_few
from output_control.ledger.grid import Grid
from output_control.ledger.released import MODEL, ReleasedTable
from output_control.tables.table import IntArray
from tests.output_control.ledger_tables import a_dimension, a_table

LEAST = 3


def population(ids: IntArray) -> ReleasedTable:
    table = a_table("model", [a_dimension("all", 1)], np.ones((len(ids), 1), dtype=np.int64), ids, minimum=LEAST)
    return replace(table, quantity=MODEL)


def every_sum(table: ReleasedTable, leaf: IntArray, ids: IntArray) -> list[set[int]]:
    """Unions of published leaves, and all but such a union where the total is published."""
    shown = ~(table.hidden | table.primary.mask)
    cells = {int(codes[0]): {*ids[leaf == codes[0]].tolist()} for codes in table.table.codes[1:]}
    parts = [cells[int(code)] for code in table.table.codes[1:, 0][shown[1:]]]
    unions = [set().union(*some) for size in range(len(parts) + 1) for some in itertools.combinations(parts, size)]
    return unions + [set(ids.tolist()) - each for each in unions if shown[0]]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_population_is_near_a_sum_of_cells_just_when_one_of_all_sums_is(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    leaf = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    ids = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(len(leaf)) + 1
    table = a_table("table", [a_dimension("leaf", len(sizes))], leaf[:, None], ids, minimum=LEAST)
    table = replace(table, hidden=np.array(data.draw(st.lists(st.booleans(), min_size=len(table.table),
                                                              max_size=len(table.table)))))  # fmt: skip
    whole = data.draw(st.sets(st.integers(1, len(sizes))))
    chosen = set(ids[np.isin(leaf, list(whole))].tolist())
    chosen ^= data.draw(st.sets(st.integers(1, len(leaf) + 3), max_size=4))
    if len(chosen) < LEAST:
        return
    between = [len(each ^ chosen) for each in every_sum(table, leaf, ids)]
    model = population(np.array(sorted(chosen)))
    near = differ_by_few(Grid(model), Grid(table), LEAST)
    # of a sum that is the very population, others are as far as the cells between them are large
    assert near == any(0 < each < LEAST for each in between) or (0 in between and not near)
    assert near == differ_by_few(Grid(table), Grid(model), LEAST)
