"""Whether a column of numbers is in fact one of BSNs or RSINs.

One number in eleven passes the eleven-test by chance, a column of BSNs passes it always: so a column is judged whole.
"""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifiers import Reason, as_strings, check

FEWEST_NUMBERS = 30
"""A declared column is judged on at least this many different 8- or 9-digit numbers …"""
DEVIATIONS = 5.0
"""… and is a leak when more than 1/11 of them + this many standard deviations pass (p < 1e-6 by chance)."""


class DensityCheck:
    """Whether a declared column (numbers, codes, dates) is in fact one of BSNs or RSINs; fed batch by batch.

    Only different values count, as far as one batch shows them: a code that fills a column proves nothing.
    """

    def __init__(self) -> None:
        self._numbers = 0
        self._passed = 0

    def add(self, values: Any) -> None:
        """Take in one batch of the column."""
        if not _could_hold_numbers(values.type):
            return
        counts = check("bsn", _whole_numbers(values)).counts()
        self._passed += counts[Reason.OK]
        self._numbers += counts[Reason.OK] + counts[Reason.FAILED_CHECK]

    def leaks(self) -> bool:
        """Whether more numbers passed than chance explains."""
        chance = 1 / 11
        expected = self._numbers * chance + DEVIATIONS * math.sqrt(self._numbers * chance * (1 - chance))
        return self._numbers >= FEWEST_NUMBERS and self._passed > expected


def _could_hold_numbers(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)) or any(
        test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)
    )


def _whole_numbers(values: Any) -> Any:
    """Distinct values as texts; fractions are no identifiers."""
    if pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 10**9))
        values = values.filter(whole).cast(pa.int64())
    return as_strings(pc.unique(values))
