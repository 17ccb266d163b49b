"""One move that shows several atoms free: each to the precision of its own demand."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from output_control.attacker import Attacker, Reach
from output_control.ledger.joint import _moved
from output_control.tables.table import FloatArray


def test_what_is_near_for_a_large_cell_is_not_near_for_a_small_one() -> None:
    enough = np.array([1e6, 0.01, 1e6])

    moved = Reach(1e6, np.array([1e6, 1.0, 10.0]), off=0.5).moves(enough, 0.9 * enough)

    assert moved.tolist() == [True, False, False]


def test_a_move_that_was_not_found_moves_nothing() -> None:
    assert not Reach(0.0, np.zeros(0)).moves(np.ones(3), np.ones(3)).any()


def test_no_atom_of_sizes_far_apart_is_called_free_that_another_solver_holds_close() -> None:
    """At each atom's own scale, by scipy's own programme."""
    rng, free, held = np.random.default_rng(100), 0, 0
    for _ in range(250):
        matrix, value = _system(rng)
        enough = np.maximum(0.01 * value, 1e-6)
        attacker = Attacker(
            sparse.csr_array(matrix),
            value,
            np.ones(len(value), dtype=np.bool_),
            integral=False,
            least=np.zeros(len(value)),
        )
        called = _moved(attacker, np.arange(len(value)), enough)
        for atom in np.flatnonzero(called).tolist():
            assert _width(matrix, value, atom, float(enough[atom])) >= 0.99
        free, held = free + int(called.sum()), held + int((~called).sum())

    assert min(free, held) > 100


def _system(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Equations of a few atoms each, and atoms of a hundredth to ten thousand million."""
    size = int(rng.integers(4, 14))
    matrix = np.zeros((int(rng.integers(1, size)), size))
    for row in matrix:
        members = rng.choice(size, int(rng.integers(2, min(size, 6) + 1)), replace=False)
        row[members] = rng.choice([-1.0, 1.0], len(members))
    value = 10.0 ** rng.uniform(-2, rng.choice([8, 10]), size)
    value[rng.random(size) < 0.1] = 0
    return matrix, value


def _width(matrix: FloatArray, value: FloatArray, atom: int, enough: float) -> float:
    """The attacker's interval in units of ``enough``, at most 2."""
    width = 0.0
    for side in (1.0, -1.0):
        aim = np.zeros(len(value))
        aim[atom] = -side
        low = -value / enough
        bounds = [(max(low[at], -1.0), 1.0) if at == atom else (low[at], None) for at in range(len(value))]
        found = linprog(aim, A_eq=matrix, b_eq=np.zeros(len(matrix)), bounds=bounds)
        width += 1.0 if found.fun is None else -float(found.fun)  # a programme that failed says nothing
    return width
