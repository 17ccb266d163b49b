"""How figures beside and in models are rounded before they leave."""

from __future__ import annotations

import numpy as np

from output_control.tables.table import FloatArray


def significant(value: float, digits: int) -> float:
    """``value`` to ``digits`` significant digits (ties as the decimal formatting does, half to even)."""
    return float(f"{value:.{digits - 1}e}")


def at_scale(value: float, scale: float, digits: int) -> float:
    """``value`` to the decimals that ``digits`` significant digits of it or of ``scale`` have, whichever is larger.

    Significant digits of an estimate near 0 would be finer than any error of it, and tell one record's part in it.
    """
    largest = max(abs(value), abs(scale))
    if not (np.isfinite(largest) and largest > 0):
        return value
    return round(value, digits - 1 - int(np.floor(np.log10(largest)))) + 0.0


def to_base(count: int, base: int) -> int:
    """``count`` to the nearest multiple of ``base``, halves up."""
    return (2 * count + base) // (2 * base) * base


def to_bases(values: FloatArray, base: int) -> FloatArray:
    """Each whole count to the nearest multiple of ``base``, halves up; 1 leaves them as they are."""
    if base == 1:
        return values
    return np.asarray(np.floor((2 * values + base) / (2 * base)) * base, dtype=np.float64)
