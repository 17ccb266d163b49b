"""The leak scan: nothing that leaves the identified zone may still hold an identifier.

Free text is read word by word (:mod:`enclave.identifier_patterns`, ``leak_names``, ``leak_own``): one hit is a leak.
Columns declared as numbers, codes or dates are judged as a whole: one number in eleven passes the eleven-test by
chance, a column of BSNs passes it always. Reports columns, checks, counts and record numbers; never a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from enclave.errors import Fault
from enclave.identifier_patterns import LeakKind, find_patterns
from enclave.identifiers import Bools, as_strings
from enclave.text_runs import Ints
from pseudonymise.leak_names import NameWords
from pseudonymise.leak_own import rows_with_own_numbers

SHOWN_ROWS = 10


def scan_text(
    texts: Any,
    names: NameWords,
    own_names: Sequence[Any] = (),
    own_numbers: Sequence[Any] = (),
    own_streets: Sequence[Any] = (),
) -> Mapping[LeakKind, Bools]:
    """Per kind of identifier, which values of a string array hold one; only kinds that were found.

    ``names`` holds the whole delivery's names; ``own_names``, ``own_numbers`` and ``own_streets`` are the name,
    identifier and street columns of the same records.
    """
    texts = as_strings(texts)
    distinct = texts.dictionary_encode()
    places = pc.fill_null(distinct.indices, 0).to_numpy(zero_copy_only=False)
    filled = texts.is_valid().to_numpy(zero_copy_only=False)
    hits = {kind: hit[places] & filled for kind, hit in find_patterns(distinct.dictionary).items() if hit.any()}
    of_delivery = {
        LeakKind.NAME: names.rows_with_names(texts, own_names),
        LeakKind.OWN_NUMBER: rows_with_own_numbers(texts, own_numbers)
        | rows_with_own_numbers(texts, own_streets, without_figures=True),
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
