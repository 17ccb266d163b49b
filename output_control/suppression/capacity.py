"""Capacity cuts of one equation each, all at once: what a target's neighbours in an equation must be able to give.

Where primary k must rise by u, the others of an equation must fall (on its side of it) or rise (on the other) by u in
sum. A count of 2 that is known to be no 0 falls by 1 at most, so few of the small counts that are hidden anyhow do:
Σ min(capacity, u) x ≥ u. Source: Fischetti & Salazar, *Management Science* 47 (2001) 1008–1027,
doi:10.1287/mnsc.47.7.1008.9805, of whose cuts these are those with a single dual.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import sparse

from output_control.suppression.problem import Problem
from output_control.tables.table import FloatArray


def equation_cuts(problem: Problem) -> sparse.csr_array:
    """The rows of weights over groups (Σ weight·x ≥ 1) that the primaries alone do not meet, each once."""
    sides = [
        _one_sided(problem, np.array([getattr(target, side) for target in problem.targets]), sign)
        for side, sign in (("up", 1.0), ("down", -1.0))
    ]
    return _distinct(sparse.csr_array(sparse.vstack([sparse.csr_array((0, problem.size)), *sides])))


def _one_sided(problem: Problem, level: FloatArray, sign: float) -> sparse.csr_array:
    """Of each target with a ``level``, and each equation that its group is in."""
    asking = np.flatnonzero(level > 0)
    cell = np.array([problem.targets[at].cell for at in asking.tolist()], dtype=np.int64)
    pair = sparse.coo_array(problem.columns[:, cell])
    need, own = level[asking][pair.col], cell[pair.col]
    entry = sparse.coo_array(problem.matrix[pair.row])
    falls = entry.data * pair.data[entry.row] * sign > 0
    capacity = np.minimum(np.where(falls, problem.amount[entry.col], np.inf), need[entry.row])
    capacity[entry.col == own[entry.row]] = 0.0
    primary = problem.primary[entry.col]
    rest = need - np.bincount(entry.row[primary], capacity[primary], minlength=len(need))
    used = ~primary & (capacity > 0) & (rest[entry.row] > 0)
    weight = np.minimum(capacity[used] / rest[entry.row[used]], 1.0)
    rows = sparse.csr_array((weight, (entry.row[used], entry.col[used])), shape=(len(need), problem.size))
    return sparse.csr_array(rows[np.flatnonzero(rest > 0)])


def _distinct(rows: sparse.csr_array) -> sparse.csr_array:
    first: dict[bytes, int] = {}
    for row, (start, end) in enumerate(pairwise(rows.indptr.tolist())):
        first.setdefault(rows.indices[start:end].tobytes() + rows.data[start:end].tobytes(), row)
    return sparse.csr_array(rows[list(first.values())])
