"""Receiver operating characteristic: a few merged thresholds, and the area under the whole curve.

The area is the Mann-Whitney statistic: the probability that a record with the outcome scores higher than one without,
ties by half (Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747).
"""

from __future__ import annotations

import numpy as np

from enclave.errors import Refused
from enclave.requests import RocRequest
from output_control.distributions.binning import Counted, last_of, merge_classes, merged_from
from output_control.distributions.written import Grounded, contents, given, shares
from output_control.dossier import Contents
from output_control.models.level_checks import faults_of_rows, largest_of_records
from output_control.models.model_frame import ModelFrame, read_model_frame
from output_control.policy import Policy
from output_control.report.grounds import DOMINANCE, Basis, held, merged_classes
from output_control.statistics.rounding import significant
from output_control.tables.derived import Sources
from output_control.tables.table import BoolArray, FloatArray, IntArray


def roc(request: RocRequest, sources: Sources, policy: Policy) -> Contents:
    """Sensitivity and 1 − specificity of "score at or above the threshold", at thresholds with enough units between.

    Raises:
        Refused: something is wrong with the frame, or fewer than two steps hold enough units with and without.
    """
    frame = read_model_frame(request, sources)
    outcome, score = frame.numbers(request.outcome) == 1, frame.numbers(request.score)
    n, digits = policy.public.tables.minimum_frequency.value, policy.public.models.threshold_digits.value
    wrong = faults_of_rows([outcome, ~outcome], frame, policy)
    if wrong:
        raise Refused(wrong[0], next_step="derive one record per unit")
    # a threshold at an exact score would be that unit's; records fall by their own score between rounded thresholds
    thresholds = np.unique([significant(float(value), digits) for value in np.unique(score)])
    place = np.maximum(np.searchsorted(thresholds, score, side="right") - 1, 0)
    from_top = len(thresholds) - 1 - place
    merged = merge_classes(
        from_top.astype(np.int64), len(thresholds), frame.unit, [Counted(outcome), Counted(~outcome)], n
    )
    if len(merged) == 0 or merged[-1] == 0:
        raise Refused(
            f"fewer than two steps hold {n} units with and {n} without the outcome",
            next_step="use a score with more values, or a longer period",
        )
    step = merged[from_top]
    hits, alarms = (np.bincount(step[rows]).cumsum() / rows.sum() for rows in (outcome, ~outcome))
    lowest = thresholds[::-1][last_of(merged)]
    columns = [
        given("step", "Stap", "Step", [float(i + 1) for i in range(len(lowest))]),
        given("threshold", "Score vanaf", "Score from", [*lowest[:-1].tolist(), None]),
        shares("sensitivity", "Sensitiviteit", "Sensitivity", hits, policy),
        shares("false_alarms", "1 - specificiteit", "1 - specificity", alarms, policy),
    ]
    area = round(area_under(outcome, score), policy.public.distributions.share_decimals.value)
    checks = ["units with and without the outcome per step", "rounded thresholds; no scores"]
    annex = {"events_of_steps": np.bincount(step[outcome]).tolist(), "others": np.bincount(step[~outcome]).tolist()}
    grounds = _grounds(outcome, step, lowest, merged_from(merged), frame=frame, policy=policy)
    return contents(
        request, frame, policy, columns, key=["step"], checks=checks, facts={"area": area}, annex=annex,
        grounds=grounds,
    )  # fmt: skip


def _grounds(
    outcome: BoolArray, step: IntArray, lowest: FloatArray, together: IntArray, *, frame: ModelFrame, policy: Policy
) -> Grounded:
    sides = [[frame.units_where((step == each) & rows) for each in range(len(lowest))] for rows in (outcome, ~outcome)]
    least, several = min(min(side) for side in sides), int((together > 1).sum())
    checks = [
        held(policy, "step_both", "tables.minimum_frequency", least, unmet=several, done="merged"),
        held(policy, "record_dominance", DOMINANCE, largest_of_records([outcome, ~outcome], frame)),
        held(policy, "thresholds", "models.threshold_digits"),
        held(policy, "decimals", "distributions.share_decimals"),
    ]
    records = [np.bincount(step[rows]).tolist() for rows in (outcome, ~outcome)]
    counted = zip([*lowest[:-1].tolist(), None], together.tolist(), *records, *sides, strict=True)
    head = ("step", "threshold", "merged", "events", "others", "units_with", "units_without")
    rows = tuple((at, *row) for at, row in enumerate(counted, start=1))
    changes = merged_classes(range(1, len(lowest) + 1), together, "step_both", noun="step")
    return Grounded(checks, (Basis("steps", head, rows),), changes)


def area_under(outcome: BoolArray, score: FloatArray) -> float:
    """Mann-Whitney from mean ranks."""
    from scipy.stats import rankdata

    events, others = int(outcome.sum()), int((~outcome).sum())
    ranks = rankdata(score)[outcome].sum()
    return float((ranks - events * (events + 1) / 2) / (events * others))
