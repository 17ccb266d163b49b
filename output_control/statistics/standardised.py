"""Directly standardised rates with their interval, strata by rows; NaN where a figure is not to be had."""

from __future__ import annotations

import numpy as np

from output_control.tables.table import FloatArray

TAIL = 0.025


def direct(numerator: FloatArray, denominator: FloatArray, weights: FloatArray) -> tuple[FloatArray, ...]:
    """Σ w·c/n over strata, and its 95 % interval.

    ``weights`` are the strata's shares in the standard population, above 0, one per row of the two arrays. A row with
    an empty stratum has no rate. The interval takes the counts for Poisson, so for a large share it is wider than
    need be, and it may end above 1. Source: Fay and Feuer 1997,
    doi:10.1002/(SICI)1097-0258(19970415)16:7<791::AID-SIM500>3.0.CO;2-#, equations 1 to 3.
    """
    from scipy.special import gammaincinv

    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(denominator > 0, weights[:, np.newaxis] / denominator, np.nan)
        value, variance = (share * numerator).sum(axis=0), (share**2 * numerator).sum(axis=0)
        widest = share.max(axis=0)
        low = np.where(value > 0, variance / value * gammaincinv(value**2 / variance, TAIL), value)
        more, spread = value + widest, variance + widest**2
        high = spread / more * gammaincinv(more**2 / spread, 1 - TAIL)
    return value, low, np.asarray(high, dtype=np.float64)
