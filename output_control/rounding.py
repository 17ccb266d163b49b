"""How figures beside and in models are rounded before they leave."""

from __future__ import annotations

import numpy as np

from output_control.table import FloatArray


def significant(value: float, digits: int) -> float:
    """``value`` to ``digits`` significant digits (ties as the decimal formatting does, half to even)."""
    return float(f"{value:.{digits - 1}e}")


def to_base(count: int, base: int) -> int:
    """``count`` to the nearest multiple of ``base``, halves up."""
    return (2 * count + base) // (2 * base) * base


def to_bases(values: FloatArray, base: int) -> FloatArray:
    """Each whole count to the nearest multiple of ``base``, halves up; 1 leaves them as they are."""
    if base == 1:
        return values
    return np.asarray(np.floor((2 * values + base) / (2 * base)) * base, dtype=np.float64)
