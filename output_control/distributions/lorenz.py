"""The Lorenz curve over units in equal classes, and the Gini coefficient.

Gini: G = Σ(2i − m − 1)x_i / (m·Σx) over m units in rising order (Gini 1912; Cowell, *Measuring Inequality*, 2011).
"""

from __future__ import annotations

import numpy as np

from enclave.errors import Refused
from enclave.requests import LorenzRequest
from output_control.banded import banded
from output_control.distributions.written import Grounded, contents, shares
from output_control.dossier import Contents
from output_control.models.level_checks import dominated
from output_control.models.model_frame import read_model_frame, sums_by_unit
from output_control.policy import Policy
from output_control.report.grounds import DOMINANCE, Basis, held
from output_control.statistics.two_values import COUNT_INSTEAD, counts_in_disguise, upper_of_two
from output_control.tables.derived import Sources
from output_control.tables.table import FloatArray


def lorenz(request: LorenzRequest, sources: Sources, policy: Policy) -> Contents:
    """The cumulative share of the measure at each class of units, from the smallest.

    Raises:
        Refused: a value below 0, too few units in a class, or a class or total that one unit dominates.
    """
    frame = read_model_frame(request, sources)
    values, n = frame.numbers(request.measure), policy.public.tables.minimum_frequency.value
    if bool((values < 0).any()):
        raise Refused(
            f"{banded(int((values < 0).sum()))} rows have a {request.measure} below 0: there is no Lorenz curve"
        )
    amount = np.sort(sums_by_unit(frame, np.ones(frame.records, dtype=np.bool_), values))
    upper = upper_of_two(amount, np.arange(len(amount)), policy.public.tables)
    if upper is not None and amount[0] < amount[-1]:
        raise Refused(counts_in_disguise(request.measure), next_step=COUNT_INSTEAD)
    parts = np.array_split(amount, request.classes)
    if min(len(part) for part in parts) < n:
        raise Refused(f"a class has fewer than {n} units", next_step="ask for fewer classes")
    if not amount.sum() > 0:
        raise Refused(f"{request.measure} is 0 for everyone")
    if any(dominated([*parts, amount], policy)):
        raise Refused(
            "the measure of a class is one unit's for too large a part", next_step="ask for fewer, larger classes"
        )
    upto = np.cumsum([len(part) for part in parts]) / len(amount)
    curve = np.cumsum([part.sum() for part in parts]) / amount.sum()
    columns = [
        shares("units_share", "Aandeel eenheden", "Share of units", upto, policy),
        shares("measure_share", f"Aandeel {request.measure}", f"Share of {request.measure}", curve, policy),
    ]
    facts = {"gini": round(gini(amount), policy.public.distributions.share_decimals.value)}
    annex = {"units_of_classes": [len(part) for part in parts]}
    checks = ["units per class", "no unit dominates a class or the total", "contributions summed by unit"]
    held_by_one = [float(part[-1] / part.sum()) if part.sum() > 0 else 0.0 for part in (*parts, amount)]
    rows = tuple((at, len(part), share) for at, (part, share) in enumerate(zip(parts, held_by_one, strict=False), 1))
    grounds = Grounded(
        [
            held(policy, "class_units", "tables.minimum_frequency", min(len(part) for part in parts)),
            held(policy, "measure_dominance", DOMINANCE, max(held_by_one)),
            held(policy, "decimals", "distributions.share_decimals"),
        ],
        (Basis("classes", ("class", "units", "measure_share"), rows),),
    )
    return contents(
        request, frame, policy, columns, key=["units_share"], checks=checks, facts=facts, annex=annex, grounds=grounds
    )


def gini(amount: FloatArray) -> float:
    """Of contributions in rising order, 0 or more; 0 when all are equal."""
    m = len(amount)
    rank = np.arange(1, m + 1)
    return float(((2 * rank - m - 1) * amount).sum() / (m * amount.sum()))
