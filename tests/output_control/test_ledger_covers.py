"""Cells that finest cells of another table cover but for a few, of which one small one has them all."""

from __future__ import annotations

import numpy as np
import pytest

from output_control.ledger.covers import covers
from output_control.ledger.grid import Grid
from output_control.ledger.overlap import Overlap
from tests.output_control.ledger_tables import a_dimension, a_table

SIZE, LEAVES = 19, 20


@pytest.mark.parametrize("dimensions", [1, 3, 4])
@pytest.mark.parametrize("few", [1, 4, 9, 10])
def test_of_a_cell_of_nineteen_records_nine_lie_elsewhere(few: int, dimensions: int) -> None:
    """Ten leaves of 19 are the first half of the other table but for a few of one leaf; each goes through all codes of
    the other dimensions."""
    ids = np.arange(SIZE * LEAVES)
    leaf = ids // SIZE
    half = np.where(leaf < LEAVES // 2, 1, 2)
    half[:few] = 2
    others = [1 + np.random.default_rng(at).integers(0, 3, len(ids)) for at in range(dimensions - 1)]
    dims = [a_dimension("half", 2), *(a_dimension(f"other{at}", 3) for at in range(dimensions - 1))]
    first = Grid(a_table("first", dims, np.column_stack([half, *others]), 1 + ids, minimum=10))
    second = Grid(a_table("second", [a_dimension("leaf", LEAVES)], 1 + leaf[:, None], 1 + ids, minimum=10))
    found = covers(Overlap(first, second), 10, sign=1)
    whole = [1, *[0] * (dimensions - 1)]
    seen = [
        (len(each.second), each.rest.units)
        for each in found
        if each.rest is not None and first.codes[each.first[0]].tolist() == whole
    ]
    assert seen == ([(LEAVES // 2, few)] if few < 10 else [])
