"""Correlations of pairs of columns, each over the records that have both; pairs that tell of a few are hidden."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from enclave.errors import Refused
from enclave.requests import CorrelationRequest
from output_control.distributions.written import contents, counts, shares, texts
from output_control.dossier import Contents
from output_control.models.few_units import largest_parts
from output_control.models.model_frame import ModelFrame, read_model_frame
from output_control.policy import Policy
from output_control.tables.derived import Sources
from output_control.tables.table import BoolArray, FloatArray


def correlation(request: CorrelationRequest, sources: Sources, policy: Policy) -> Contents:
    """A row per pair, in the order of the request.

    Raises:
        Refused: something is wrong with the frame, or no pair is left.
    """
    if len(set(request.features)) < len(request.features):
        raise Refused("a feature is named twice")
    frame = read_model_frame(request, sources, missing=True)
    values = {name: frame.numbers(name) for name in request.features}
    pairs = list(combinations(request.features, 2))
    found = [judged(values[a], values[b], frame, policy, ranks=request.method == "spearman") for a, b in pairs]
    hidden = np.array([bool(why) for _, _, why in found], dtype=np.bool_)
    if hidden.all():
        raise Refused("no pair of columns has a correlation that may leave: " + "; ".join({why for *_, why in found}))
    columns = [
        texts("row", "Kenmerk", "Feature", [a for a, _ in pairs]),
        texts("column", "Met kenmerk", "With feature", [b for _, b in pairs]),
        shares("correlation", "Correlatie", "Correlation", [None if why else r for r, _, why in found], policy),
        counts("units", "Eenheden", "Units", [None if why else units for _, units, why in found], policy),
    ]
    annex = {"hidden": {f"{a} {b}": why for (a, b), (_, _, why) in zip(pairs, found, strict=True) if why}}
    checks = ["units per pair", "units in each cell of 0/1 columns", "no unit holds most of a spread", "not collinear"]
    return contents(
        request,
        frame,
        policy,
        columns,
        key=["row", "column"],
        checks=checks,
        facts={"method": request.method},
        annex=annex,
        hidden=hidden,
    )


def judged(a: FloatArray, b: FloatArray, frame: ModelFrame, policy: Policy, *, ranks: bool) -> tuple[float, int, str]:
    """The correlation, how many units it rests on, and why it may not leave (empty when it may)."""
    n = policy.public.tables.minimum_frequency.value
    both = np.isfinite(a) & np.isfinite(b)
    units = frame.units_where(both)
    few = _too_few(a, b, both, frame, n)
    if few:
        return 0.0, units, few
    x, y = _ranks(a[both]) if ranks else a[both], _ranks(b[both]) if ranks else b[both]
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    if not spread > 0:
        return 0.0, units, "a column is the same for all"
    r = float((x * y).sum()) / spread
    held = [largest_parts(part, frame.unit[both], n - 1) for part in (x**2, y**2)]
    if max(one for one, _ in held) > policy.public.models.unit_leverage.value:
        return r, units, "one unit holds most of a column's spread"
    if max(together for _, together in held) > policy.public.distributions.unit_in_direction.value:
        return r, units, f"fewer than {n} units hold nearly all of a column's spread"
    if abs(r) > policy.public.distributions.largest_correlation.value:
        return r, units, "one column as good as is the other"
    return r, units, ""


def _too_few(a: FloatArray, b: FloatArray, both: BoolArray, frame: ModelFrame, n: int) -> str:
    if frame.units_where(both) < n:
        return "too few units have both"
    if 0 < frame.units_where(~both) < n:
        return "too few units lack one of both"
    return "a combination of 0/1 columns has too few units" if least_cell(a, b, both, frame) < n else ""


def least_cell(a: FloatArray, b: FloatArray, both: BoolArray, frame: ModelFrame) -> int:
    """Fewest units in a class of a column of two values, or in a cell of two such columns; all when there is none."""
    sides = [
        [both & (column == value) for value in np.unique(column[both])]
        for column in (a, b)
        if len(np.unique(column[both])) <= 2
    ]
    rows = sides[0] if len(sides) == 1 else [x & y for x in sides[0] for y in sides[1]] if sides else [both]
    return min(frame.units_where(each) for each in rows)


def _ranks(values: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)
