"""Dates as whole days since 1 January 1970, and their texts yyyymmdd and dd-mm-yyyy, without a loop over records."""

from __future__ import annotations

import datetime

import numpy as np
import numpy.typing as npt

from synthetic.randomness import Ints

Texts = npt.NDArray[np.bytes_]


def day(year: int, month: int = 1, of_month: int = 1) -> int:
    """Days from 1 January 1970 to a date."""
    return (datetime.date(year, month, of_month) - datetime.date(1970, 1, 1)).days


REFERENCE = day(2016)
WINDOW_START = day(1996)
MOVES_START_YEAR = 2009
MOVES_END_YEAR = 2016
OUTCOME_YEARS = (2012, 2013, 2014, 2015, 2016)
OPEN = 10**9  # a spell that has no end; written as 88888888


def civil(days: Ints) -> tuple[Ints, Ints, Ints]:
    """Year, month and day of month of each date (proleptic Gregorian calendar)."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype(np.int64)
    of_month = days - dates.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + 1
    return months // 12 + 1970, months % 12 + 1, of_month


def digits(values: Ints, width: int) -> Texts:
    """Whole numbers ≥ 0 as decimal text with leading zeros, exactly ``width`` characters."""
    out = np.empty((len(values), width), dtype=np.uint8)
    rest = values.astype(np.int64)
    for place in range(width - 1, -1, -1):
        rest, out[:, place] = np.divmod(rest, 10)
    return (out + 48).view(f"S{width}").ravel()


def yyyymmdd(days: Ints) -> Texts:
    """Dates as 8 digits; ``OPEN`` as 88888888."""
    still_open = days >= OPEN
    year, month, of_month = civil(np.where(still_open, 0, days))
    return np.where(still_open, np.bytes_(b"88888888"), digits(year * 10000 + month * 100 + of_month, 8))


def dd_mm_yyyy(days: Ints) -> Texts:
    """Dates as dd-mm-yyyy."""
    year, month, of_month = civil(days)
    return glue(digits(of_month, 2), b"-", digits(month, 2), b"-", digits(year, 4))


def glue(*parts: Texts | bytes) -> Texts:
    """Texts put one after another; parts that are single ``bytes`` are repeated."""
    count = next(len(part) for part in parts if not isinstance(part, bytes))
    joined = np.zeros(count, dtype="S1")
    for number, part in enumerate(parts):
        right = np.full(count, part) if isinstance(part, bytes) else part
        joined = right if number == 0 else np.strings.add(joined, right)
    return joined
