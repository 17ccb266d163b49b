"""Control limits of funnel plots: between which a row's figure lies when it is no different from the target.

Exact limits, interpolated between whole numbers. Source: Spiegelhalter 2005, doi:10.1002/sim.1970, appendix A.1.1. No
allowance is made for overdispersion.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from output_control.tables.table import FloatArray

LIMITS = {"limit95_low": 0.025, "limit95_high": 0.975, "limit998_low": 0.001, "limit998_high": 0.999}
Distribution = Callable[[FloatArray], FloatArray]


def of_rates(target: float, denominator: FloatArray) -> dict[str, FloatArray]:
    """Binomial limits of rates over ``denominator`` around ``target``; none around 0 and 1."""
    from scipy.stats import binom

    n = np.where((denominator > 0) & (0 < target < 1), denominator, np.nan)
    whole = np.nan_to_num(n, nan=1.0)
    law = binom(whole, target if 0 < target < 1 else 0.5)
    return {name: _limit(np.asarray(law.ppf(p)), law.cdf, p) / n for name, p in LIMITS.items()}


def of_ratios(expected: FloatArray) -> dict[str, FloatArray]:
    """Poisson limits of observed by ``expected`` around 1."""
    from scipy.stats import poisson

    mean = np.where(expected > 0, expected, np.nan)
    law = poisson(np.nan_to_num(mean, nan=1.0))
    return {name: _limit(np.asarray(law.ppf(p)), law.cdf, p) / mean for name, p in LIMITS.items()}


def _limit(least: FloatArray, cdf: Distribution, p: float) -> FloatArray:
    """The number at which the distribution, straight between whole numbers, reaches ``p``; not below 0."""
    reached, before = cdf(least), cdf(least - 1)
    return np.maximum(least - (reached - p) / (reached - before), 0.0)
