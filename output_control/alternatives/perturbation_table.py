"""Perturbation tables for the cell-key method: per true count the chance of each change, by maximum entropy.

The constraints are those of Fraser and Wooton, *A proposed method for confidentialising tabular output to protect
against differencing* (UNECE work session on statistical data confidentiality, 2005), and of the R package ``ptable``:
changes of at most D, mean 0, a given variance V, no negative and no small positive results (1 … j_s), zeros stay. Among
the distributions that hold them the one of largest entropy is taken (Giessing 2016, *Computational issues in the design
of transition probabilities and disclosure risk estimation for additive noise*, doi:10.1007/978-3-319-45381-1_18).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from enclave.errors import BadInput
from output_control.tables.table import FloatArray, IntArray

INSIDE = 0.05
LEAST_CHANCE = 1e-6
EXACT = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class PerturbationTable:
    """Row i holds the chances of the changes -D … D for a true count of i; the last row is for all larger counts.

    ``variances`` are those reached: where counts are small, the bounds leave no room for V.
    """

    largest: int
    variance: float
    withheld: int
    chances: FloatArray
    variances: FloatArray

    @property
    def changes(self) -> IntArray:
        """The changes that the columns stand for."""
        return np.arange(-self.largest, self.largest + 1, dtype=np.int64)


@lru_cache(maxsize=16)  # every table of a policy asks for the same one
def perturbation_table(largest: int, variance: float, withheld: int = 0) -> PerturbationTable:
    """Changes of at most ``largest`` (D), variance V where it can be had, no results of 1 … ``withheld`` (j_s).

    A row whose bounds allow no variance V has the nearest one at which every allowed change still can happen: the
    attacker's interval is judged on what can happen. As ``ptable`` asks by default, chances do not rise with distance
    from the true count (where that has a solution).

    Raises:
        BadInput: no such table exists.
    """
    if not (1 <= largest <= 50 and 0 <= withheld < largest and 0 < variance < largest**2):
        raise BadInput(
            "no perturbation table has these parameters",
            next_step="take 1 ≤ largest ≤ 50, withheld below largest, and a variance below the square of largest",
        )
    rows, reached = [], []
    # one row more than ptable has when something is withheld: the first count whose results are all allowed comes last
    for count in range(largest + withheld + (withheld > 0) + 1):
        chances = row_of(count, largest, variance, withheld)
        rows.append(chances)
        reached.append(float(chances @ np.arange(-largest, largest + 1) ** 2))
    made = PerturbationTable(largest, variance, withheld, np.array(rows), np.array(reached))
    made.chances.flags.writeable = made.variances.flags.writeable = False
    return made


def row_of(count: int, largest: int, variance: float, withheld: int, *, inside: float = INSIDE) -> FloatArray:
    """The chances of the changes of one true count.

    ``inside``: how far from the ends of the possible variances a row stays, as a share of their range.
    """
    changes = np.arange(-largest, largest + 1)
    chances = np.zeros(len(changes))
    if count == 0:
        chances[largest] = 1.0
        return chances
    result = count + changes
    allowed = (result == 0) | (result > withheld)
    for falling in (True, False):
        steps = changes[allowed]
        orders = _falling(steps) if falling else np.zeros((0, len(steps)))
        ends = _variances(steps, orders)
        if ends is None:
            continue
        low, high = ends
        room = inside * (high - low)
        found = _most_entropy(steps, min(max(variance, low + room), high - room), orders)
        if found is not None:
            chances[allowed] = found
            return chances
    raise BadInput(
        f"no unbiased change of a count of {count} keeps these bounds",
        next_step="take a larger largest change, or withhold less",
    )


def _falling(steps: IntArray) -> FloatArray:
    """Rows r with r·p ≥ 0: no step outwards is likelier than the one before it, on either side of 0."""
    if 0 not in steps:
        return np.zeros((0, len(steps)))
    centre = int(np.flatnonzero(steps == 0)[0])
    pairs = [(at - 1, at) for at in range(centre + 1, len(steps))] + [(at + 1, at) for at in range(centre)]
    rows = np.zeros((len(pairs), len(steps)))
    for row, (nearer, further) in zip(rows, pairs, strict=True):
        row[nearer], row[further] = 1.0, -1.0
    return rows


def _variances(steps: IntArray, orders: FloatArray) -> tuple[float, float] | None:
    """The least and the largest variance with mean 0; None when there is none."""
    from scipy.optimize import linprog

    equal = np.vstack([np.ones(len(steps)), steps])
    ends = []
    for sign in (1, -1):
        found = linprog(
            (sign * steps**2).astype(np.float64),
            A_ub=-orders if len(orders) else None,
            b_ub=np.zeros(len(orders)) if len(orders) else None,
            A_eq=equal,
            b_eq=np.array([1.0, 0.0]),
            bounds=(LEAST_CHANCE, 1.0),
            method="highs",
        )
        if found.status != 0:
            return None
        ends.append(sign * float(found.fun or 0))
    return ends[0], ends[1]


def _most_entropy(steps: IntArray, variance: float, orders: FloatArray) -> FloatArray | None:
    """Maximise -Σ p log p; None when the search did not end in a point that holds the constraints."""
    from scipy.optimize import LinearConstraint, minimize

    equal = np.vstack([np.ones(len(steps)), steps, steps**2]).astype(np.float64)
    target = np.array([1.0, 0.0, variance])
    rules = [LinearConstraint(equal, target, target)]
    if len(orders):
        rules.append(LinearConstraint(orders, np.zeros(len(orders)), np.full(len(orders), np.inf)))
    found = minimize(
        _negative_entropy,
        np.full(len(steps), 1 / len(steps)),
        jac=_its_slope,
        bounds=[(LEAST_CHANCE / 2, 1.0)] * len(steps),
        constraints=rules,
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-13},
    )
    point = np.asarray(found.x)
    # the last digits onto the equations, so that the noise is unbiased to the rounding of a float
    point = point - np.linalg.lstsq(equal, equal @ point - target, rcond=None)[0]
    met = np.abs(equal @ point - target).max() < EXACT and bool((point > 0).all())
    ordered = not len(orders) or float((orders @ point).min()) > -1e-6
    return point if met and ordered else None


def _negative_entropy(chances: FloatArray) -> float:
    return float(chances @ np.log(np.maximum(chances, 1e-12)))


def _its_slope(chances: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(chances, 1e-12)) + 1, dtype=np.float64)
