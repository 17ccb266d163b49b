"""The mean and the spread of a number over a group of records: what of them may leave."""

from __future__ import annotations

import numpy as np

from output_control.models.few_units import largest_parts
from output_control.models.level_checks import dominated
from output_control.models.model_frame import ModelFrame, sums_by_unit
from output_control.policy import Policy
from output_control.statistics.rounding import at_scale, to_base
from output_control.tables.table import BoolArray, FloatArray


def group_mean(values: FloatArray, rows: BoolArray, frame: ModelFrame, policy: Policy) -> float | None:
    """The mean over the marked rows; of a 0/1 column the share by rounded counts; None where it may not leave.

    No unit may dominate it, and neither few units alone may have a value, nor all but a few one and the same.
    """
    n, base = policy.public.tables.minimum_frequency.value, policy.public.models.count_base.value
    inside = values[rows]
    if set(np.unique(values).tolist()) <= {0.0, 1.0}:
        sides = [frame.units_where(rows & (values == side)) for side in (0.0, 1.0)]
        if any(0 < units < n for units in sides):
            return None
        return min(to_base(int(inside.sum()), base) / to_base(len(inside), base), 1.0)
    # around the median too: a number added to everyone's value would hide that one unit holds nearly all of the rest
    parts = [sums_by_unit(frame, rows, np.abs(values - middle)) for middle in (0.0, float(np.median(inside)))]
    few = min(frame.units_where(rows & (values != 0)), _units_apart(values, rows, frame)) < n
    if few or any(dominated(parts, policy)):
        return None
    # a mean near nothing has no more decimals than the spread of what it is of: it could be one record's
    return at_scale(float(inside.mean()), float(values.std()), policy.public.distributions.value_digits.value)


def group_spread(values: FloatArray, rows: BoolArray, frame: ModelFrame, policy: Policy) -> float | None:
    """The standard deviation over the marked rows (2 different values or more); None where it may not leave.

    One unit, or fewer than the minimum frequency, must not hold most of the sum of squares; and a spread of nearly
    nothing would say that the mean is everyone's value.
    """
    n = policy.public.tables.minimum_frequency.value
    if alike(values, rows, frame, policy):
        return None
    inside = values[rows]
    one, together = largest_parts((inside - inside.mean()) ** 2, frame.unit[rows], n - 1)
    most, nearly = policy.public.models.unit_leverage.value, policy.public.distributions.unit_in_direction.value
    return None if one > most or together > nearly else float(inside.std())


def alike(values: FloatArray, rows: BoolArray, frame: ModelFrame, policy: Policy) -> bool:
    """Whether nearly all of the marked rows, or all but those of a few units, have one value: the mean tells it."""
    tables, inside = policy.public.tables, values[rows]
    if (inside == _commonest(inside)).sum() > tables.group_share.value * len(inside):
        return True
    return _units_apart(values, rows, frame) < tables.minimum_frequency.value


def _units_apart(values: FloatArray, rows: BoolArray, frame: ModelFrame) -> int:
    """Units of the marked rows with another value than the commonest."""
    return frame.units_where(rows & (values != _commonest(values[rows])))


def _commonest(values: FloatArray) -> float:
    different, times = np.unique(values, return_counts=True)
    return float(different[int(np.argmax(times))])
