"""The numbers of a column as a whole, beside those of the period before: zeros, signs, sizes, range, repeated values.

Sizes are counted in sixteenths of a doubling, so that a profile holds no value and every comparison is a ratio.
Quantiles are compared with room for chance (four standard errors) and for drift, so that columns of few different
numbers (1, 2, 3 creditors) do not warn when a quantile steps from one number to the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

SURE = 4.0
"""Standard errors that chance alone hardly passes."""
DRIFT = 0.05
SCALE_CHANGED = 1.5
BEYOND = 2.0
"""A number lies outside the range of the period before when it is so many times its largest, or less than its
smallest divided by this."""
FEWEST_NUMBERS, SMALLEST_GROUP = 50, 10
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
ALIKE = 1.25
_STEPS = 16


class Numbers(BaseModel):
    """Counts: all numbers, zeros, negative ones, and how many others lie in each sixteenth of a doubling (the key is
    the floor of 16 log₂ of the size)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    zero: int
    negative: int
    sizes: Mapping[int, int]

    @property
    def sized(self) -> int:
        """How many are not zero."""
        return sum(self.sizes.values())

    def step(self, quantile: float) -> int:
        """The step in which the quantile of the sizes lies."""
        steps = sorted(self.sizes)
        passed = np.cumsum([self.sizes[step] for step in steps])
        place = int(np.searchsorted(passed, quantile * passed[-1]))
        return steps[min(place, len(steps) - 1)]


def numbers_of(values: Any) -> Numbers:
    """Count the numbers of an Arrow column; empty cells do not count."""
    found = pc.cast(values, pa.float64(), safe=False).drop_null().to_numpy()
    sizes = np.abs(found[found != 0])
    steps, counts = np.unique(np.floor(np.log2(sizes) * _STEPS).astype(np.int64), return_counts=True)
    return Numbers(
        count=len(found),
        zero=len(found) - len(sizes),
        negative=int((found < 0).sum()),
        sizes=dict(zip(steps.tolist(), counts.tolist(), strict=True)),
    )


def share_moved(counts: tuple[int, int], sizes: tuple[int, int], least: float = DRIFT) -> bool:
    """Whether a share moved by ``least`` and beyond chance."""
    gap = _gap(counts, sizes)
    return gap >= least and gap >= SURE * _error(sum(counts) / max(sum(sizes), 1), sizes)


def share_appeared(counts: tuple[int, int], sizes: tuple[int, int]) -> bool:
    """Whether what was in one period nowhere is in the other in a hundredth of the rows, beyond chance."""
    return 0 in counts and max(counts) >= SMALLEST_GROUP and share_moved(counts, sizes, DRIFT / 5)


def _gap(counts: tuple[int, int], sizes: tuple[int, int]) -> float:
    return abs(counts[0] / max(sizes[0], 1) - counts[1] / max(sizes[1], 1))


def _error(share: float, sizes: tuple[int, int]) -> float:
    return math.sqrt(share * (1 - share) * sum(1 / max(size, 1) for size in sizes))


def ratios_moved(now: Numbers, before: Numbers) -> dict[float, float]:
    """The quantiles that moved, with how many times the size of the period before they are."""
    sizes = now.sized, before.sized
    if min(sizes) < FEWEST_NUMBERS:
        return {}
    return {quantile: _ratio(now, before, quantile) for quantile in _moved(now, before, sizes)}


def _ratio(now: Numbers, before: Numbers, quantile: float) -> float:
    return float(2 ** ((now.step(quantile) - before.step(quantile)) / _STEPS))


def _moved(now: Numbers, before: Numbers, sizes: tuple[int, int]) -> Iterator[float]:
    bound = _STEPS * math.log2(SCALE_CHANGED)
    for quantile in QUANTILES:
        if round(min(quantile, 1 - quantile) * min(sizes)) < SMALLEST_GROUP:
            continue  # it would be a single record's, or nearly so
        room = max(SURE * _error(quantile, sizes), min(DRIFT, quantile / 2, (1 - quantile) / 2))
        held = before.step(quantile)
        up = quantile > room and now.step(quantile - room) - held > bound
        down = quantile + room < 1 and held - now.step(quantile + room) > bound
        if up or down:
            yield quantile


def ratio_of_all(now: Numbers, before: Numbers) -> float | None:
    """The one ratio by which the numbers changed (cents for euros); None when only a part of them did."""
    if 0.5 not in ratios_moved(now, before):
        return None
    ratios = [_ratio(now, before, quantile) for quantile in (0.1, 0.5, 0.9)]
    return ratios[1] if max(ratios) <= ALIKE * ratios[1] and min(ratios) >= ratios[1] / ALIKE else None


def share_outside(now: Numbers, before: Numbers) -> float:
    """The share of the numbers that lie beyond the range of the period before; 0 when chance may do it."""
    if min(now.sized, before.sized) < FEWEST_NUMBERS:
        return 0.0
    room = _STEPS * math.log2(BEYOND)
    low, high = min(before.sizes) - room, max(before.sizes) + room
    count = sum(found for step, found in now.sizes.items() if not low <= step <= high)
    return count / now.count if count >= SMALLEST_GROUP * max(1.0, now.sized / before.sized) else 0.0
