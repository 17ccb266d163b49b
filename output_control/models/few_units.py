"""Whether fewer units than the minimum hold nearly all of what an estimate, or a combination of estimates, rests on.

Three persons with 1.00, 1.01 and 1.02 where all others have 0 make no level and none of them holds half, yet the
coefficient is their mean. So leverage is asked of groups: along which direction do ``few`` units together hold the
largest part of the information? By the trace, never more than their leverages add up to; where that does not settle it,
directions are tried from every unit that could be of such a group, each improved until it holds no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from output_control.models.likelihood import Local
from output_control.tables.table import BoolArray, FloatArray, IntArray

ROUNDS = 20
AT_ONCE = 16
NEGLIGIBLE = 0.005  # of a direction, held by units that are not looked at


def largest_parts(parts: FloatArray, unit: IntArray, few: int) -> tuple[float, float]:
    """The share of non-negative ``parts`` (per record) that one unit holds, and that ``few`` units hold together."""
    by_unit = np.bincount(unit, weights=parts)
    whole = float(by_unit.sum())
    if not whole > 0:
        return 0.0, 0.0
    top = np.sort(by_unit)[::-1][:few]
    return float(top[0]) / whole, float(top.sum()) / whole


def held_by_few(local: Local, unit: IntArray, few: int, limit: float) -> float:
    """The largest share of the information along any direction that ``few`` units are found to hold together.

    Leverages are summed over a unit's records. When the ``few`` largest leverages are within ``limit``, so is every
    direction, and their sum is given.
    """
    white = np.linalg.inv(np.linalg.cholesky(local.information)).T
    leverage = np.bincount(unit, weights=local.spread(white).sum(axis=1))
    order = np.argsort(-leverage, kind="stable")
    bound = float(leverage[order[:few]].sum())
    if bound <= limit:
        return bound
    # of a group that holds the limit along a direction, one unit holds its part there, and no less in all
    search = _Search(local, white, unit, few, near=leverage >= NEGLIGIBLE / few)
    able = order[leverage[order] >= limit / few]
    starts = [np.linalg.solve(white, np.linalg.inv(local.information))]  # the coefficients themselves
    starts += [np.linalg.eigh(search.part(able))[1], *(search.principal(np.array([each]))[1] for each in able.tolist())]
    best = 0.0
    for directions in _chunks(np.column_stack(starts)):
        best = max(best, search.climb(directions))
        if best > limit:
            break
    return best


def _chunks(directions: FloatArray) -> list[FloatArray]:
    kept = directions / np.linalg.norm(directions, axis=0)
    return [kept[:, at : at + AT_ONCE] for at in range(0, kept.shape[1], AT_ONCE)]


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """Directions in which the information is the identity; ``near`` marks units that could matter."""

    local: Local
    white: FloatArray
    unit: IntArray
    few: int
    near: BoolArray

    def part(self, units: IntArray) -> FloatArray:
        """What ``units`` hold of the information."""
        among = np.zeros(len(self.near), dtype=np.bool_)
        among[units] = True
        return np.asarray(self.white.T @ self.local.part(among[self.unit]) @ self.white, dtype=np.float64)

    def principal(self, units: IntArray) -> tuple[float, FloatArray]:
        """The direction of which ``units`` hold most, and their share of it."""
        values, vectors = np.linalg.eigh(self.part(units))
        return float(values[-1]), vectors[:, -1]

    def climb(self, directions: FloatArray) -> float:
        """The best share from these directions: alternately the units that hold most, and what these hold most of."""
        best, rows = 0.0, self.near[self.unit]
        for _ in range(ROUNDS):
            shares = self.local.spread(self.white @ directions)[rows]
            found = [self._improved(shares[:, j], rows) for j in range(shares.shape[1])]
            highest = max(share for share, _ in found)
            if highest <= best + 1e-6:
                break
            best, directions = highest, np.column_stack([direction for _, direction in found])
        return best

    def _improved(self, shares: FloatArray, rows: BoolArray) -> tuple[float, FloatArray]:
        by_unit = np.bincount(self.unit[rows], weights=shares, minlength=len(self.near))
        return self.principal(np.argsort(-by_unit, kind="stable")[: self.few])
