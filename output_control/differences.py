"""Requests of one analysis over frames that differ by a few units: their outputs subtract to those few.

Two means, two regressions or two counts, one of them without a handful of units, give the handful's figure. What left
with earlier releases is not looked at here. Tables that are protected together need no such refusal among themselves:
what would be left between their cells is hidden.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import permutations

from enclave.requests import Request
from output_control.tables.derived import Sources


def faults_of_differences(
    requests: Sequence[Request], sources: Sources, n: int, *, together: Collection[str] = ()
) -> list[str]:
    """Pairs of derived frames of the same records and units, of which one lacks 1 … n−1 units' records of the other.

    ``together`` names the requests that are protected together; frames of only such are compared cell by cell.
    """
    frames = {
        (request.derivation, request.record, request.period, request.unit): request
        for request in requests
        if sources.derivation(request.derivation)
    }
    other = {request.derivation for request in requests if request.name not in together}
    faults = []
    for here, there in permutations(frames, 2):
        if here[1:] != there[1:] or here[0] == there[0] or not other & {here[0], there[0]}:
            continue
        request = frames[here]
        keys = {request.record, request.unit, *([request.period] if request.period else [])}
        if not all(keys <= set(sources.schema(name).names) for name in (here[0], there[0])):
            continue  # what is missing is said where the frame itself is judged
        units = _units_only_in(request, there[0], sources)
        if 0 < units < n:
            faults.append(
                f"{here[0]} and {there[0]}: two derived frames differ by fewer than {n} units, so their outputs can be "
                "subtracted; use the same records for all requests"
            )
    return list(dict.fromkeys(faults))


def _units_only_in(request: Request, other: str, sources: Sources) -> int:
    """Distinct units that have a record in the frame of ``request`` and not in ``other``."""
    keys = [request.record, *([request.period] if request.period else [])]
    same = " AND ".join(sources.sql("a.{key} = b.{key}", key=key) for key in keys)
    return sources.number(
        f"SELECT COUNT(DISTINCT a.{{unit}}) FROM {{here}} AS a LEFT JOIN {{there}} AS b ON {same} "  # noqa: S608 - quoted names
        "WHERE b.{record} IS NULL",
        unit=request.unit,
        record=request.record,
        here=sources.derived_table(request.derivation),
        there=sources.derived_table(other),
    )
