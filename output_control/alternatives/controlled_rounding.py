"""Controlled rounding: every figure to a multiple of a base next to it, and every total still the sum of its parts.

Zero-restricted: multiples stay, other figures go to one of the two multiples beside them (Cox, *A constructive
procedure for unbiased controlled rounding*, JASA 1987, doi:10.2307/2289455; Fischetti and Salazar-González,
*Computational experience with the controlled rounding problem*, Journal of Official Statistics 14, 1998). In two-way
tables with one hierarchy such a table always exists; with three dimensions it need not, and figures may go further.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from enclave.errors import CannotProtect
from output_control.alternatives.altered import AlteredTable
from output_control.linear_programme import Model
from output_control.tables.relations import equations
from output_control.tables.table import CellTable, FloatArray, IntArray

NODES = 2_000
MOST_STEPS = 2
ROUNDED_UP_TO = 30_000
FAR = 10.0


def round_controlled(table: CellTable, base: int, draws: FloatArray) -> AlteredTable:
    """Round all cells to multiples of ``base`` (≥ 2), totals included.

    ``draws`` (per cell, 0 ≤ u < 1) decide towards which side a figure leans: a residue r leans up when u < r/base, so
    that each figure would be unbiased by itself; additivity then moves as few as it must. With draws from a secret key
    both neighbours are possible for every residue, and an attacker who knows this programme learns no more than the
    published table says. The same table and draws give the same result: the budget counts nodes, never seconds.

    Raises:
        CannotProtect: the table is no count table, too large, or no additive table was found within the budget.
    """
    if not table.integral:
        raise CannotProtect("only counts are rounded", next_step="protect sums by suppression or a coarser table")
    if len(table) > ROUNDED_UP_TO:
        raise CannotProtect(
            f"controlled rounding is for tables of up to {ROUNDED_UP_TO} non-empty cells; this one has {len(table)}",
            next_step="ask for coarser levels, or for cell_key",
        )
    value = np.rint(table.value).astype(np.int64)
    matrix = sparse.csr_array(equations(table))
    for steps in range(MOST_STEPS + 1):
        found = _solve(matrix, value, base, draws, steps)
        if found is not None:
            parameters = {"base": base, "steps": steps}
            return AlteredTable("rounding", found * base, parameters, additive=True)
    raise CannotProtect(
        f"no additive table of multiples of {base} was found within the budget",
        next_step="take another base, small_count_rounding, or suppression",
    )


def _solve(matrix: sparse.csr_array, value: IntArray, base: int, draws: FloatArray, steps: int) -> IntArray | None:
    """Multiples of the base per cell: floor, plus one or not, plus at most ``steps`` further either way."""
    floor, residue = value // base, value % base
    free = residue > 0
    cells = len(value)
    lean = draws - residue / base
    columns = [matrix] + ([matrix, -matrix] if steps else [])
    cost = np.concatenate([lean] + ([np.full(cells, FAR)] * 2 if steps else []))
    lower = np.zeros(len(cost))
    upper = np.concatenate(
        [free.astype(np.float64)]
        + ([np.full(cells, float(steps)), np.minimum(floor, steps).astype(np.float64)] if steps else [])
    )
    right = -(matrix @ floor.astype(np.float64))
    model = Model(
        sparse.csr_array(sparse.hstack(columns, format="csr")),
        cost,
        lower,
        upper,
        (right, right),
        integer=np.ones(len(cost), dtype=np.bool_),
        max_nodes=NODES,
    )
    model.search_plainly()
    best = model.solve()
    if best is None:
        return None
    whole = np.rint(best.x).astype(np.int64)
    rounded = floor + whole[:cells]
    if steps:
        rounded += whole[cells : 2 * cells] - whole[2 * cells :]
    return rounded if _holds(matrix, rounded, value, base, steps) else None


def _holds(matrix: sparse.csr_array, rounded: IntArray, value: IntArray, base: int, steps: int) -> bool:
    """The result in whole numbers: additive, no figure below 0 or too far away."""
    additive = not (matrix @ rounded).any()
    near = np.abs(rounded * base - value) < base * (1 + steps)
    return bool(additive and near.all() and (rounded >= 0).all())
