"""The leak scan: nothing that leaves the identified zone may still hold an identifier.

Free text is read word by word (:mod:`enclave.identifier_patterns`, ``leak_names``, ``leak_own``): one hit is a leak.
Columns declared as numbers, codes or dates are judged as a whole: one number in eleven passes the eleven-test by
chance, a column of BSNs passes it always. Reports columns, checks, counts and record numbers; never a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import Fault
from enclave.identifier_patterns import Ints, LeakKind, find_patterns
from enclave.identifiers import Bools, Reason, as_strings, check
from pseudonymise.leak_names import NameWords
from pseudonymise.leak_own import rows_with_own_numbers

SHOWN_ROWS = 10
FEWEST_NUMBERS = 30
"""A declared column is judged on at least this many different 8- or 9-digit numbers …"""
DEVIATIONS = 5.0
"""… and is a leak when more than 1/11 of them + this many standard deviations pass (p < 1e-6 by chance)."""


def scan_text(
    texts: Any, names: NameWords, own_names: Sequence[Any] = (), own_numbers: Sequence[Any] = ()
) -> Mapping[LeakKind, Bools]:
    """Per kind of identifier, which values of a string array hold one; only kinds that were found.

    ``names`` holds the whole delivery's names; ``own_names`` and ``own_numbers`` are the name and identifier columns
    of the same records.
    """
    texts = as_strings(texts)
    distinct = texts.dictionary_encode()
    places = pc.fill_null(distinct.indices, 0).to_numpy(zero_copy_only=False)
    filled = texts.is_valid().to_numpy(zero_copy_only=False)
    hits = {kind: hit[places] & filled for kind, hit in find_patterns(distinct.dictionary).items() if hit.any()}
    of_delivery = {
        LeakKind.NAME: names.rows_with_names(texts, own_names),
        LeakKind.OWN_NUMBER: rows_with_own_numbers(texts, own_numbers),
    }
    return hits | {kind: hit for kind, hit in of_delivery.items() if hit.any()}


def any_leak(found: Mapping[LeakKind, Bools], size: int) -> Bools:
    """Which of ``size`` values hold any identifier."""
    leaking = np.zeros(size, dtype=np.bool_)
    for hit in found.values():
        leaking |= hit
    return leaking


@dataclass(slots=True)
class _Count:
    rows: list[int] = field(default_factory=list)
    count: int = 0


class LeakTally:
    """Adds up what was found over the batches of a delivery: by column and kind, with the first record numbers."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, LeakKind], _Count] = {}

    def add(self, column: str, found: Mapping[LeakKind, Bools], records: Ints) -> None:
        """Count one batch; ``records`` are the batch's record numbers in the supplier's file."""
        for kind, hit in found.items():
            seen = self._counts.setdefault((column, kind), _Count())
            seen.count += int(hit.sum())
            seen.rows += [int(r) for r in records[hit][: SHOWN_ROWS - len(seen.rows)]]

    def faults(self, file: str) -> tuple[Fault, ...]:
        """One fault per column and kind, sorted."""
        return tuple(
            Fault(file, f"leak:{kind.value}", kind.description(), column, tuple(seen.rows), seen.count)
            for (column, kind), seen in sorted(self._counts.items(), key=lambda item: (item[0][0], item[0][1].value))
            if seen.count
        )


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
