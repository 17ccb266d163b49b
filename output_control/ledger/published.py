"""What leaves of a table whose figures are not exact, as the ledger remembers it: per cell what its readers know."""

from __future__ import annotations

import numpy as np

from enclave.fingerprints import digest_bytes, digest_json
from enclave.requests import TableRequest
from output_control.alternatives.feasible import known_range
from output_control.alternatives.files import protection_document
from output_control.ledger.released import Altered
from output_control.outputs import csv_bytes
from output_control.policy import Policy
from output_control.rounded import Bounds
from output_control.statistics.statistic_columns import statistic_columns
from output_control.table_check import ProtectedTable
from output_control.tables.evidence import Evidence
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, FloatArray


def published(protected: ProtectedTable, policy: Policy) -> Altered:
    """The bounds of a plain count of one kind of unit; of other tables only which figures they gave."""
    evidence, altered, rules = protected.evidence, protected.altered, policy.public.tables
    request = evidence.request
    low = high = np.zeros(0)
    if request.statistic == "count" and not request.weight and len(evidence.kinds) == 1 and evidence.table.integral:
        least = rules.minimum_frequency.value
        low, high = (
            known_range(evidence.table, altered)
            if altered
            else bounds_of(evidence.table, protected.primary, protected.pattern.suppressed, protected.base, least)
        )
    noise = ""
    if altered is not None:
        drawn = {name: value for name, value in sorted(altered.parameters.items()) if name != "steps"}
        noise = " ".join([altered.method, *(f"{name} {value:g}" for name, value in drawn.items())])
    said = digest_bytes(csv_bytes(statistic_columns(protected, rules)))
    document = {name: str(value) for name, value in protection_document(request, altered).items()}
    because = "" if len(low) else _because(request, evidence)
    figures = digest_json({"figures": said, "base": protected.base, "protection": document})
    return Altered(low, high, noise, figures, because)


def _because(request: TableRequest, evidence: Evidence) -> str:
    """What stands in the way of bounds, in the names of the request."""
    ways = [f"it is weighted by {request.weight}"] if request.weight else []
    ways += [f"it is of units {', '.join(kind.unit for kind in evidence.kinds)}"] if len(evidence.kinds) > 1 else []
    of = f" of {request.measure}" if request.measure else ""
    ways += [f"its figures are {request.statistic}{of}"] if request.statistic != "count" else []
    return " and ".join(ways)


def bounds_of(
    table: CellTable, primary: PrimaryResult, hidden: BoolArray, base: int, least: int
) -> tuple[FloatArray, FloatArray]:
    """Of rounded or coarser counts: a hidden one is at least 1, and what is shown is of ``least`` units or more."""
    bounds = Bounds.of(table, primary, hidden, base)
    shown = np.maximum(bounds.low, np.minimum(float(least), table.value))
    return np.where(hidden, bounds.low, shown), bounds.high
