"""Histograms with merged classes, and densities computed from such a histogram: never from records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enclave.errors import Refused
from enclave.requests import HistogramRequest
from output_control.distributions.binning import Counted, first_of, last_of, merge_classes, merged_from
from output_control.distributions.written import Grounded, contents, counts, figures, given, shares
from output_control.dossier import Contents
from output_control.models.level_checks import faults_of_rows, largest_of_records
from output_control.models.model_frame import ModelFrame, read_model_frame
from output_control.models.parts import Parts
from output_control.policy import Policy
from output_control.report.grounds import DOMINANCE, Basis, held, merged_classes
from output_control.statistics.rounding import significant, to_base
from output_control.tables.derived import Sources
from output_control.tables.table import FloatArray, IntArray

POINTS_PER_CLASS = 2
DIGITS = 12  # of an edge


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """Merged classes: inner edges, distinct records and units in each; the outer classes are open.
    ``inside``: the class of each record; ``merged_from``: how many of those asked for are in each; ``records_share``:
    the largest part that one unit has in the records of a class."""

    low: FloatArray
    high: FloatArray
    records: IntArray
    units: IntArray
    inside: IntArray
    merged_from: IntArray
    records_share: float


def histogram(request: HistogramRequest, sources: Sources, policy: Policy) -> Contents:
    """The histogram, or with ``kind`` density the density that its published classes give.

    Raises:
        Refused: classes that are no round numbers, too few units, a class that one unit dominates, or one class that
            holds nearly everyone.
    """
    digits = policy.public.distributions.value_digits.value
    if any(significant(value, digits) != value for value in (request.start, request.width)):
        raise Refused(f"start and width of the classes have more than {digits} significant digits")
    if (request.kind == "density") != (request.bandwidth is not None):
        raise Refused("a density needs a bandwidth, and a histogram has none")
    frame = read_model_frame(request, sources)
    found = classes_of(request, frame, policy)
    parts = Parts.of("class", found.inside)
    annex = {"records_of_classes": found.records.tolist(), "units_of_classes": found.units.tolist()}
    checks = ["units per class", "no unit dominates a class", "no class holds nearly everyone", "outer classes open"]
    base = policy.public.models.count_base.value
    rounded = np.array([to_base(int(each), base) for each in found.records], dtype=np.float64)
    if request.bandwidth is not None:
        last = request.start + request.width * request.bins
        points = np.linspace(request.start, last, POINTS_PER_CLASS * request.bins + 1)
        columns = [
            given("x", request.measure, request.measure, points.tolist()),
            figures("density", "Dichtheid", "Density", density(found, rounded, points, request.bandwidth), policy),
        ]
        checks.append("the density is computed from published classes, not from records")
        facts = {"bandwidth": request.bandwidth}
        key = ["x"]
        return contents(
            request, frame, policy, columns, key=key, checks=checks, facts=facts, annex=annex, parts=parts,
            grounds=_grounds(found, frame, policy, smoothed=True),
        )  # fmt: skip
    open_low, open_high = [None, *found.low[1:].tolist()], [*found.high[:-1].tolist(), None]
    columns = [
        given("class", "Klasse", "Class", [float(i + 1) for i in range(len(rounded))]),
        given("low", "Vanaf", "From", open_low),
        given("high", "Tot", "To", open_high),
        counts("records", "Records", "Records", found.records.tolist(), policy),
        counts("units", "Eenheden", "Units", found.units.tolist(), policy),
        shares("share", "Aandeel", "Share", rounded / rounded.sum(), policy),
    ]
    grounds = _grounds(found, frame, policy, smoothed=False)
    return contents(
        request, frame, policy, columns, key=["class"], checks=checks, annex=annex, parts=parts, grounds=grounds
    )


def _grounds(found: Classes, frame: ModelFrame, policy: Policy, *, smoothed: bool) -> Grounded:
    together, rule = int((found.merged_from > 1).sum()), "tables.minimum_frequency"
    least = int(found.units[found.units > 0].min())
    checks = [
        held(policy, "class_units", rule, least, unmet=together, done="merged"),
        held(policy, "class_share", "tables.group_share", int(found.units.max()) / frame.units),
        held(policy, "record_dominance", DOMINANCE, found.records_share),
        held(policy, "density" if smoothed else "open"),
    ]
    low, high = [None, *found.low[1:].tolist()], [*found.high[:-1].tolist(), None]
    counted = zip(low, high, *(each.tolist() for each in (found.merged_from, found.records, found.units)), strict=True)
    rows = tuple((at, *row) for at, row in enumerate(counted, start=1))
    changes = merged_classes(range(1, len(low) + 1), found.merged_from, "class_units", noun="class", open=not smoothed)
    head = ("class", "low", "high", "merged", "records", "units")
    return Grounded(checks, (Basis("classes", head, rows),), changes)


def classes_of(request: HistogramRequest, frame: ModelFrame, policy: Policy) -> Classes:
    """The classes, merged until each that is not empty holds enough units."""
    n, group_share = policy.public.tables.minimum_frequency.value, policy.public.tables.group_share.value
    # 3 · 0.1 is more than 0.3 by its last bits, and a record of 0.3 belongs to the class from 0.3
    edges = np.array([significant(request.start + request.width * i, DIGITS) for i in range(request.bins + 1)])
    place = np.searchsorted(edges[1:-1], frame.numbers(request.measure), side="right").astype(np.int64)
    everyone = Counted(np.ones(frame.records, dtype=np.bool_), none_is_fine=True)
    merged = merge_classes(place, request.bins, frame.unit, [everyone], n)
    if len(merged) == 0 or merged[-1] == 0:
        raise Refused("fewer than two classes hold enough units", next_step="ask for other classes")
    inside = merged[place]
    number = int(merged[-1]) + 1
    rows = [inside == each for each in range(number)]
    units = np.array([frame.units_where(each) for each in rows], dtype=np.int64)
    if int(units.max()) > group_share * frame.units:
        raise Refused(
            "one class holds nearly all units, so it says of each what they have", next_step="narrower classes"
        )
    faults = faults_of_rows(rows, frame, policy)
    if faults:
        raise Refused(faults[0], next_step="ask for wider classes")
    return Classes(
        low=edges[first_of(merged)],
        high=edges[last_of(merged) + 1],
        records=np.array([int(each.sum()) for each in rows], dtype=np.int64),
        units=units,
        inside=inside,
        merged_from=merged_from(merged),
        records_share=largest_of_records(rows, frame),
    )


def density(found: Classes, rounded: FloatArray, points: FloatArray, bandwidth: float) -> list[float]:
    """Records spread evenly within each published class, smoothed by a normal kernel; integrates to 1."""
    from scipy.special import ndtr

    weight = rounded / rounded.sum() / (found.high - found.low)
    upto_low = ndtr((points[:, None] - found.low) / bandwidth)
    upto_high = ndtr((points[:, None] - found.high) / bandwidth)
    return [float(value) for value in ((upto_low - upto_high) * weight).sum(axis=1)]
