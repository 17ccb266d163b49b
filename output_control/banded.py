"""Numbers of rows in what a researcher reads, by their order of magnitude: an exact one is a count that no rule saw."""

from __future__ import annotations


def banded(count: int) -> str:
    """``fewer than 10``, ``10 to 99``, ``100 to 999`` …"""
    if count < 10:
        return "fewer than 10"
    low = 10 ** (len(str(count)) - 1)
    return f"{low} to {10 * low - 1}"
