"""The audit's attacker on equations small enough to be solved by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from output_control.attacker import Attacker
from output_control.audit import audit, full_equations
from output_control.protection import Options, Pattern, Witnesses
from output_control.tables.rules import MinimumFrequency, primary
from tests.output_control.tables import cell, counts, flat


def attacker(rows: list[list[float]], value: list[float], *, integral: bool) -> Attacker:
    """Everything is hidden but for the equations."""
    return Attacker(
        sparse.csr_array(np.array(rows)), np.array(value), np.ones(len(value), dtype=np.bool_), integral=integral
    )


def test_a_move_that_only_fractions_allow_proves_nothing_of_counts() -> None:
    # y1 = 2 y2: one more of y1 needs half of y2
    assert attacker([[1, -2]], [2, 1], integral=True).reach(0, 1, 1.0, []).far == 0
    assert attacker([[1, -2]], [2, 1], integral=True).reach(0, 1, 2.0, []).far == 2
    assert attacker([[1, -2]], [2, 1], integral=False).reach(0, 1, 1.0, []).far == pytest.approx(1)


def test_a_cell_falls_no_further_than_to_zero_and_a_held_cell_stands_still() -> None:
    # y1 + y2 = 5, now 3 + 2
    pair = attacker([[1, 1]], [3, 2], integral=True)
    assert pair.reach(0, 1, 10.0, []).far == 2 and pair.reach(0, -1, 10.0, []).far == 3
    assert (pair.furthest(0, 1), pair.furthest(0, -1)) == (2, 3)
    move = pair.reach(0, 1, 1.0, [])
    assert move.far == 1 and move.change.tolist() == [1, -1]
    assert pair.reach(0, 1, 1.0, [1]).far == 0


def test_a_cell_whose_total_is_hidden_too_is_open_without_end() -> None:
    # total = y1 + y2, all three hidden
    free = attacker([[-1, 1, 1]], [5, 3, 2], integral=True)
    assert free.furthest(1, 1) == np.inf and free.furthest(1, -1) == 3


def test_published_cells_stand_still() -> None:
    hidden = np.array([True, False, True])
    some = Attacker(sparse.csr_array([[1.0, 1.0, 1.0]]), np.array([3.0, 4.0, 2.0]), hidden, integral=True)
    assert (some.furthest(0, 1), some.furthest(0, -1)) == (2, 3)
    assert some.reach(0, 1, 2.0, []).change.tolist() == [2, 0, -2]


def test_the_audits_equations_are_every_parent_minus_its_children() -> None:
    dims = (flat("row", "ab"), flat("col", "xyz"))
    table = counts(dims, {(r, c): 1 + i for i, (r, c) in enumerate((r, c) for r in "ab" for c in "xyz")})
    found = full_equations(table)
    # three columns and their total over rows, two rows and their total over columns
    assert found.shape == (4 + 3, 12) and not (found @ table.value).any()
    assert sorted(np.diff(found.indptr).tolist()) == [3, 3, 3, 3, 4, 4, 4]
    total = cell(table, "row-total", "col-total")
    assert sorted(found[:, [total]].toarray().reshape(-1).tolist()) == [0, 0, 0, 0, 0, 1, 1]


def test_the_audit_asks_for_the_whole_interval_when_told_to() -> None:
    # a row of 1, 20, 30 with the first two hidden: 0 to 21 for the primary
    table = counts((flat("d", "abc"),), {("a",): 1, ("b",): 20, ("c",): 30})
    sensitive = primary(table, MinimumFrequency(3))
    hidden = np.zeros(len(table), dtype=np.bool_)
    hidden[[cell(table, "a"), cell(table, "b")]] = True
    pattern = Pattern(hidden, hidden & ~sensitive.mask, Witnesses.none(len(table)), 0.0, "foreign", False, None)
    found = audit(table, sensitive, pattern, Options(), solve_intervals=True)
    assert (found.lower[0], found.upper[0], found.intervals_exact, found.safe) == (0, 21, True, True)
