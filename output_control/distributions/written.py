"""How distributions are written down: rounded columns with statuses, evidence, and an annex for checkers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from enclave.requests import DistributionRequest
from output_control.dossier import Contents
from output_control.models.model_frame import ModelFrame
from output_control.models.parts import Parts
from output_control.outputs import OutputColumn, json_bytes, status_columns
from output_control.policy import Policy
from output_control.report.grounds import Basis, Change, Check, Grounds, held
from output_control.statistics.rounding import significant, to_base
from output_control.tables.table import BoolArray, FloatArray

Optional = Sequence[float | None]
ROUNDED_NOTE = "counts are rounded; compare them with other outputs of this population before approving"
COMMON_CHECK = "records unique, with unit, within the population"


@dataclass(frozen=True, slots=True)
class Grounded:
    """What the report of one kind shows beside what all kinds have in common."""

    checks: Sequence[Check]
    basis: tuple[Basis, ...]
    changes: tuple[Change, ...] = ()


def texts(name: str, dutch: str, english: str, values: Sequence[str]) -> OutputColumn:
    """A column of names or codes."""
    return OutputColumn(name, "string", {"nl": dutch, "en": english}, pa.array(list(values), pa.string()))


def counts(name: str, dutch: str, english: str, values: Sequence[int | None], policy: Policy) -> OutputColumn:
    """A column of counts, rounded to the policy's base; None where hidden."""
    base = policy.public.models.count_base.value
    rounded = pa.array([None if value is None else to_base(int(value), base) for value in values], pa.int64())
    return OutputColumn(name, "integer", {"nl": dutch, "en": english}, rounded, f"rounded to multiples of {base}")


def shares(name: str, dutch: str, english: str, values: Optional | FloatArray, policy: Policy) -> OutputColumn:
    """A column of shares, curves or correlations, rounded to the policy's decimals; None where hidden."""
    decimals = policy.public.distributions.share_decimals.value
    rounded = [None if value is None else round(float(value), decimals) + 0.0 for value in values]
    return OutputColumn(name, "number", {"nl": dutch, "en": english}, pa.array(rounded, pa.float64()))


def figures(name: str, dutch: str, english: str, values: Optional, policy: Policy) -> OutputColumn:
    """A column of values on the measure's own scale, rounded to the policy's significant digits; None where hidden."""
    digits = policy.public.distributions.value_digits.value
    rounded = [None if value is None else significant(float(value), digits) for value in values]
    return OutputColumn(name, "number", {"nl": dutch, "en": english}, pa.array(rounded, pa.float64()))


def given(name: str, dutch: str, english: str, values: Optional) -> OutputColumn:
    """A column of numbers that the request names itself (edges of classes); None where a class is open."""
    return OutputColumn(name, "number", {"nl": dutch, "en": english}, pa.array(list(values), pa.float64()))


def contents(
    request: DistributionRequest,
    frame: ModelFrame,
    policy: Policy,
    columns: Sequence[OutputColumn],
    *,
    key: Sequence[str],
    checks: Sequence[str],
    facts: Mapping[str, object] | None = None,
    annex: Mapping[str, object] | None = None,
    hidden: BoolArray | None = None,
    parts: Parts | None = None,
    by: str | None = None,
    grounds: Grounded,
) -> Contents:
    """The columns with statuses; ``facts`` leave with the evidence, ``annex`` is for checkers only, and of the groups
    that are ``parts``, and the categories of column ``by``, the ledger remembers who is in them; ``grounds`` are for
    the report."""
    base = policy.public.models.count_base.value
    status = status_columns(np.zeros(len(columns[0].values), dtype=np.bool_) if hidden is None else hidden)
    document = {
        "model": {
            "rounded_to": base,
            "records": to_base(frame.records, base),
            "units": to_base(frame.units, base),
            **(facts or {}),
        },
        "checks": [COMMON_CHECK, *checks],
        "notes": [ROUNDED_NOTE],
    }
    exact = {"records": frame.records, "units": frame.units, **(annex or {})}
    files = {f"{request.name}.json": json_bytes(exact)}
    levels = (Parts.of(by, frame.numbered(by)),) if by else ()
    sizes = {"records": frame.records, "units": frame.units}
    held_to = (held(policy, "unique"), *grounds.checks, held(policy, "count_base", "models.count_base"))
    told = Grounds(sizes, held_to, grounds.basis, grounds.changes)
    return Contents(request, [*columns, *status], list(key), document, files, parts=parts, levels=levels, grounds=told)
