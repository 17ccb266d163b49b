"""The mean and the spread of a number over a group of records: what of them may leave."""

from __future__ import annotations

import numpy as np

from output_control.models.few_units import largest_parts
from output_control.models.level_checks import dominated
from output_control.models.model_frame import ModelFrame, sums_by_unit
from output_control.policy import Policy
from output_control.statistics.rounding import at_scale, to_base
from output_control.statistics.two_values import upper_of_two
from output_control.tables.table import BoolArray, FloatArray


def group_mean(values: FloatArray, rows: BoolArray, frame: ModelFrame, policy: Policy) -> float | None:
    """The mean over the marked rows; of a 0/1 column the share by rounded counts; None where it may not leave.

    No unit may dominate it, and neither few units alone may have a value, nor all but a few one and the same.
    """
    if why_no_mean(values, rows, frame, policy):
        return None
    base, inside = policy.public.models.count_base.value, values[rows]
    if _is_flag(values):
        return min(to_base(int(inside.sum()), base) / to_base(len(inside), base), 1.0)
    # a mean near nothing has no more decimals than the spread of what it is of: it could be one record's
    return at_scale(float(inside.mean()), float(values.std()), policy.public.distributions.value_digits.value)


def why_no_mean(values: FloatArray, rows: BoolArray, frame: ModelFrame, policy: Policy) -> str:
    """Why the mean may not leave, as the report calls it (`why_<reason>`); empty where it may."""
    n = policy.public.tables.minimum_frequency.value
    if _is_flag(values):
        sides = [frame.units_where(rows & (values == side)) for side in (0.0, 1.0)]
        return "flag_units" if any(0 < units < n for units in sides) else ""
    upper = upper_of_two(values, frame.unit, policy.public.tables)
    if upper is not None and any(0 < frame.units_where(rows & side) < n for side in (upper, ~upper)):
        return "flag_units"
    if min(frame.units_where(rows & (values != 0)), _units_apart(values, rows, frame)) < n:
        return "few_apart"
    # around the median too: a number added to everyone's value would hide that one unit holds nearly all of the rest
    parts = [sums_by_unit(frame, rows, np.abs(values - middle)) for middle in (0.0, float(np.median(values[rows])))]
    return "dominance" if any(dominated(parts, policy)) else ""


def _is_flag(values: FloatArray) -> bool:
    return set(np.unique(values).tolist()) <= {0.0, 1.0}


def group_spread(values: FloatArray, rows: BoolArray, frame: ModelFrame, policy: Policy) -> float | None:
    """The standard deviation over the marked rows (2 different values or more); None where it may not leave.

    One unit, or fewer than the minimum frequency, must not hold most of the sum of squares; and a spread of nearly
    nothing would say that the mean is everyone's value.
    """
    return None if why_no_spread(values, rows, frame, policy) else float(values[rows].std())


def why_no_spread(values: FloatArray, rows: BoolArray, frame: ModelFrame, policy: Policy) -> str:
    """Why the spread may not leave, as the report calls it; empty where it may."""
    if alike(values, rows, frame, policy):
        return "alike"
    inside = values[rows]
    few = policy.public.tables.minimum_frequency.value - 1
    one, together = largest_parts((inside - inside.mean()) ** 2, frame.unit[rows], few)
    if one > policy.public.models.unit_leverage.value:
        return "unit_spread"
    return "few_spread" if together > policy.public.distributions.unit_in_direction.value else ""


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
