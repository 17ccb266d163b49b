"""Correlations of pairs of columns, each over the records that have both; pairs that tell of a few are hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from enclave.errors import Refused
from enclave.requests import CorrelationRequest
from output_control.distributions.written import Grounded, contents, counts, shares, texts
from output_control.dossier import Contents
from output_control.models.few_units import largest_parts
from output_control.models.model_frame import ModelFrame, read_model_frame
from output_control.policy import Policy, TableRules
from output_control.report.grounds import Basis, held, hidden_figure
from output_control.report.texts import say
from output_control.statistics.two_values import upper_of_two
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
    hidden = np.array([bool(each.why) for each in found], dtype=np.bool_)
    if hidden.all():
        whys = dict.fromkeys(_said(each.why) for each in found)
        raise Refused("no pair of columns has a correlation that may leave: " + "; ".join(whys))
    columns = [
        texts("row", "Kenmerk", "Feature", [a for a, _ in pairs]),
        texts("column", "Met kenmerk", "With feature", [b for _, b in pairs]),
        shares("correlation", "Correlatie", "Correlation", [None if each.why else each.r for each in found], policy),
        counts("units", "Eenheden", "Units", [None if each.why else each.units for each in found], policy),
    ]
    annex = {"hidden": {f"{a} {b}": _said(each.why) for (a, b), each in zip(pairs, found, strict=True) if each.why}}
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
        grounds=_grounds(pairs, found, policy),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair: units that have both and that lack one, and why it may not leave (`why_<reason>`, empty when it may);
    its correlation ``r``, and the largest parts that ``one`` unit and too ``few`` of them hold of a column's spread,
    are 0 where that was not reached."""

    units: int
    lacking: int
    why: str
    r: float = 0.0
    one: float = 0.0
    few: float = 0.0


def _grounds(pairs: Sequence[tuple[str, str]], found: Sequence[Judged], policy: Policy) -> Grounded:
    shown = [each for each in found if not each.why]
    counted = ("both_units", "lacking_units", "combination_units")
    most = max(each.one for each in shown)
    checks = [
        held(
            policy, "pair_units", "tables.minimum_frequency",
            min(min(each.units, each.lacking or each.units) for each in shown),
            unmet=sum(each.why in counted for each in found),
        ),
        held(policy, "pair_unit", "models.unit_leverage", most, unmet=sum(each.why == "unit_spread" for each in found)),
        held(
            policy, "pair_few", "distributions.unit_in_direction", max(each.few for each in shown),
            unmet=sum(each.why == "few_spread" for each in found),
        ),
        held(
            policy, "collinear", "distributions.largest_correlation", max(abs(each.r) for each in shown),
            unmet=sum(each.why == "collinear" for each in found),
        ),
        held(policy, "decimals", "distributions.share_decimals"),
    ]  # fmt: skip
    head = ("row", "column", "units", "lacking", "unit_spread", "few_spread", "correlation")
    rows = tuple(
        (*pair, each.units, each.lacking, *((each.one, each.few, each.r) if each.few else (None, None, None)))
        for pair, each in zip(pairs, found, strict=True)
    )
    changes = tuple(
        hidden_figure(" × ".join(pair), each.why) for pair, each in zip(pairs, found, strict=True) if each.why
    )
    return Grounded(checks, (Basis("pairs", head, rows),), changes)


def _said(why: str) -> str:
    return say(f"why_{why}", "en")


def judged(a: FloatArray, b: FloatArray, frame: ModelFrame, policy: Policy, *, ranks: bool) -> Judged:
    """The correlation of two columns, what it rests on, and why it may not leave."""
    both = np.isfinite(a) & np.isfinite(b)
    units, lacking = frame.units_where(both), frame.units_where(~both)
    few = _too_few(a, b, both, frame, policy)
    if few:
        return Judged(units, lacking, few)
    x, y = _ranks(a[both]) if ranks else a[both], _ranks(b[both]) if ranks else b[both]
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    if not spread > 0:
        return Judged(units, lacking, "constant")
    r = float((x * y).sum()) / spread
    n = policy.public.tables.minimum_frequency.value
    parts = [largest_parts(part, frame.unit[both], n - 1) for part in (x**2, y**2)]
    one, together = max(one for one, _ in parts), max(together for _, together in parts)
    why = ""
    if one > policy.public.models.unit_leverage.value:
        why = "unit_spread"
    elif together > policy.public.distributions.unit_in_direction.value:
        why = "few_spread"
    elif abs(r) > policy.public.distributions.largest_correlation.value:
        why = "collinear"
    return Judged(units, lacking, why, r, one, together)


def _too_few(a: FloatArray, b: FloatArray, both: BoolArray, frame: ModelFrame, policy: Policy) -> str:
    n = policy.public.tables.minimum_frequency.value
    if frame.units_where(both) < n:
        return "both_units"
    if 0 < frame.units_where(~both) < n:
        return "lacking_units"
    return "combination_units" if least_cell(a, b, both, frame, policy.public.tables) < n else ""


def least_cell(a: FloatArray, b: FloatArray, both: BoolArray, frame: ModelFrame, rules: TableRules) -> int:
    """Fewest units in a class of a column of two values or nearly, or in a cell of two such columns; all when there is
    none."""
    uppers = [upper_of_two(np.where(both, column, np.nan), frame.unit, rules) for column in (a, b)]
    sides = [[rows for rows in (upper, both & ~upper) if rows.any()] for upper in uppers if upper is not None]
    rows = sides[0] if len(sides) == 1 else [x & y for x in sides[0] for y in sides[1]] if sides else [both]
    return min(frame.units_where(each) for each in rows)


def _ranks(values: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)
