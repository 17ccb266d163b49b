"""Kaplan-Meier curves read at merged times, and the log-rank test.

S(t) = Π(1 − d/r) over event times; intervals by Greenwood on the log(−log) scale. Sources: Kaplan & Meier (1958),
doi:10.1080/01621459.1958.10501452; Kalbfleisch & Prentice (2002), section 1.4; for the test Peto & Peto (1972).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enclave.errors import Refused
from enclave.requests import SurvivalRequest
from output_control.distributions.binning import Counted, last_of, merge_classes, merged_from
from output_control.distributions.written import Grounded, contents, counts, given, shares, texts
from output_control.dossier import Contents
from output_control.models.level_checks import faults_of_rows, largest_of_records
from output_control.models.model_frame import ModelFrame, faults_of_categories, read_model_frame, rows_by_code
from output_control.models.regression import NORMAL_975
from output_control.policy import Policy
from output_control.report.grounds import DOMINANCE, Basis, Change, held, merged_classes
from output_control.statistics.rounding import significant
from output_control.tables.derived import Sources
from output_control.tables.table import BoolArray, FloatArray, IntArray

MOST_TIMES = 1000
DIGITS = 12  # of a time


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One curve at the ends of its merged steps: survival with interval, and what happened within each step.

    ``event_units``: units with the event in each; ``merged_from``: how many intervals are in it; ``beyond``: units that
    were observed longer than the last time.
    """

    code: str
    time: FloatArray
    survival: FloatArray
    low: FloatArray
    high: FloatArray
    at_risk: IntArray
    events: IntArray
    event_units: tuple[int, ...]
    merged_from: IntArray
    beyond: int


def survival(request: SurvivalRequest, sources: Sources, policy: Policy) -> Contents:
    """The curve of each code of ``by``, as long as enough units are observed.

    Raises:
        Refused: durations that are not above 0, too many times, or a curve without a step of enough units.
    """
    frame = read_model_frame(request, sources)
    faults = faults_of_categories(request.by, frame) if request.by else []
    event, time = frame.numbers(request.outcome) == 1, frame.numbers(request.duration)
    if not bool((time > 0).all()):
        faults.append(f"column {request.duration} holds numbers that are not above 0")
    if not faults and float(time.max()) > MOST_TIMES * request.interval:
        faults.append(f"more than {MOST_TIMES} intervals: ask for a longer interval")
    if significant(request.interval, 2) != request.interval:
        faults.append("the interval has more than 2 significant digits")
    if faults:
        raise Refused("\n".join(faults))
    groups = rows_by_code(request.by, frame)
    faults = faults_of_rows([each & rows for _, each in groups for rows in (event, np.ones_like(event))], frame, policy)
    if faults:
        raise Refused(faults[0], next_step="derive one record per unit, or merge categories")
    n = policy.public.tables.minimum_frequency.value
    curves = [_curve(code, rows, event, time, frame=frame, interval=request.interval, n=n) for code, rows in groups]
    name = request.by or "group"
    joined = [(curve, step) for curve in curves for step in range(len(curve.time))]
    columns = [
        texts(name, request.by or "Groep", request.by or "Group", [curve.code or "all" for curve, _ in joined]),
        given("time", request.duration, request.duration, [float(curve.time[step]) for curve, step in joined]),
        *(
            shares(column, dutch, english, [float(getattr(curve, column)[step]) for curve, step in joined], policy)
            for column, dutch, english in (
                ("survival", "Overleving", "Survival"),
                ("low", "95%-interval, onder", "95% low"),
                ("high", "95%-interval, boven", "95% high"),
            )
        ),
        counts("at_risk", "Onder risico", "At risk", [int(curve.at_risk[step]) for curve, step in joined], policy),
        counts("events", "Met de uitkomst", "Events", [int(curve.events[step]) for curve, step in joined], policy),
    ]
    facts: dict[str, object] = {}
    if len(groups) > 1:
        statistic, freedom, p = log_rank(event, time, np.column_stack([rows for _, rows in groups]))
        facts["log_rank"] = {"chi2": significant(statistic, 3), "df": freedom, "p": significant(p, 2)}
    checks = ["units with the event per step, numbers at risk rounded", "times at multiples of the interval"]
    annex = {"events_of_steps": {curve.code or "all": curve.events.tolist() for curve in curves}}
    grounds = _grounds(curves, [each & rows for _, each in groups for rows in (event, ~event)], frame, policy)
    return contents(
        request, frame, policy, columns, key=[name, "time"], checks=checks, facts=facts, annex=annex, by=request.by,
        grounds=grounds,
    )  # fmt: skip


def _grounds(curves: Sequence[Curve], rows: Sequence[BoolArray], frame: ModelFrame, policy: Policy) -> Grounded:
    rule, several = "tables.minimum_frequency", sum(int((curve.merged_from > 1).sum()) for curve in curves)
    least = min(min(curve.event_units) for curve in curves)
    checks = [
        held(policy, "step_events", rule, least, unmet=several, done="merged"),
        held(policy, "beyond", rule, min(curve.beyond for curve in curves)),
        held(policy, "record_dominance", DOMINANCE, largest_of_records(rows, frame)),
        held(policy, "times"),
        held(policy, "decimals", "distributions.share_decimals"),
    ]
    steps = tuple(
        (curve.code, *step)
        for curve in curves
        for step in zip(
            *(each.tolist() for each in (curve.time, curve.merged_from, curve.at_risk, curve.events)),
            curve.event_units,
            strict=True,
        )
    )
    merged = [
        each
        for curve in curves
        for each in merged_classes(
            [_at(curve, "≤", time) for time in curve.time.tolist()], curve.merged_from, "step_events"
        )
    ]
    cut = [Change("cut_off", _at(curve, ">", curve.time[-1]), "beyond", rule, open=True) for curve in curves]
    head = ("code", "time", "merged", "at_risk", "events", "units_with")
    return Grounded(checks, (Basis("steps", head, steps),), (*merged, *cut))


def _at(curve: Curve, side: str, time: float) -> str:
    return f"{curve.code} {side} {time:g}".strip()


def _curve(
    code: str, rows: BoolArray, event: BoolArray, time: FloatArray, *, frame: ModelFrame, interval: float, n: int
) -> Curve:
    own, happened = time[rows], event[rows]
    # a duration at a multiple of the interval belongs to the step that ends there, whatever its last bits
    place = np.maximum(np.ceil(own / interval - 1e-9).astype(np.int64) - 1, 0)
    number = _last_place(place, frame.unit[rows], n)
    shown = place < number
    merged = merge_classes(place[shown], number, frame.unit[rows][shown], [Counted(happened[shown])], n)
    if len(merged) == 0:
        raise Refused(
            f"a curve has no step with {n} units with the event", next_step="leave out categories, or merge them"
        )
    ends = last_of(merged)
    survived, spread = kaplan_meier(happened, place, number, own)
    step = merged[place[shown]]
    seen = frame.unit[rows][shown]
    events = np.bincount(step[happened[shown]], minlength=len(ends))
    leaving = np.bincount(step, minlength=len(ends))
    at = survived[ends]
    low, high = _interval(at, spread[ends])
    at_risk = len(own) - np.r_[0, leaving.cumsum()[:-1]]
    return Curve(
        code,
        np.asarray([significant(float(end + 1) * interval, DIGITS) for end in ends], dtype=np.float64),
        at,
        low,
        high,
        at_risk,
        events,
        tuple(len(np.unique(seen[happened[shown] & (step == each)])) for each in range(len(ends))),
        merged_from(merged),
        len(np.unique(frame.unit[rows][place >= number])),
    )


def _last_place(place: IntArray, unit: IntArray, n: int) -> int:
    """How many intervals are shown: as long as ``n`` units are observed beyond, so that no longest time is seen."""
    last = np.zeros(int(unit.max(initial=0)) + 1, dtype=np.int64)
    np.maximum.at(last, unit, place + 1)
    longest = np.sort(last[last > 0])[::-1]
    return int(longest[n - 1]) - 1 if len(longest) >= n else 0


def kaplan_meier(event: BoolArray, place: IntArray, number: int, time: FloatArray) -> tuple[FloatArray, FloatArray]:
    """S and Greenwood's sum Σd/(r(r−d)) after each of ``number`` places, from exact times."""
    times, at = np.unique(time, return_inverse=True)
    deaths = np.bincount(at, weights=event, minlength=len(times))
    risk = np.bincount(at, minlength=len(times))[::-1].cumsum()[::-1]
    with np.errstate(divide="ignore"):
        greenwood = np.where(deaths < risk, deaths / (risk * np.maximum(risk - deaths, 1)), np.inf)
    place_of = np.zeros(len(times), dtype=np.int64)
    place_of[at] = place
    last = np.searchsorted(place_of, np.arange(number), side="right")
    survived = np.r_[1.0, np.cumprod(1 - deaths / risk)]
    return survived[last], np.r_[0.0, np.cumsum(greenwood)][last]


def _interval(survived: FloatArray, spread: FloatArray) -> tuple[FloatArray, FloatArray]:
    """log(−log) interval; 0 and 1 have none but themselves."""
    inner = (survived > 0) & (survived < 1)
    safe = np.where(inner, survived, 0.5)
    reach = np.exp(NORMAL_975 * np.sqrt(np.where(inner, spread, 0.0)) / np.abs(np.log(safe)))
    return np.where(inner, safe**reach, survived), np.where(inner, safe ** (1 / reach), survived)


def log_rank(event: BoolArray, time: FloatArray, groups: BoolArray) -> tuple[float, int, float]:
    """χ², degrees of freedom and p of equal hazards in the groups (rows × groups, each row in one)."""
    from scipy.stats import chi2

    times, at = np.unique(time, return_inverse=True)
    inside = np.column_stack([np.bincount(at, weights=g, minlength=len(times)) for g in groups.T])
    risk = inside[::-1].cumsum(axis=0)[::-1]
    deaths = np.column_stack([np.bincount(at, weights=g & event, minlength=len(times)) for g in groups.T])
    d, r = deaths.sum(axis=1), risk.sum(axis=1)
    excess = (deaths - risk * (d / r)[:, None]).sum(axis=0)
    factor = d * (r - d) / np.maximum(r - 1, 1)
    share = risk / r[:, None]
    covariance = np.diag((factor[:, None] * share).sum(axis=0)) - share.T @ (factor[:, None] * share)
    freedom = groups.shape[1] - 1
    statistic = float(excess[:-1] @ np.linalg.pinv(covariance[:-1, :-1]) @ excess[:-1])
    return statistic, freedom, float(chi2.sf(statistic, freedom))
