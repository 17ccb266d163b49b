"""Percentiles for box plots: 5, 25, 50, 75 and 95; never the minimum, the maximum or an outlier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from enclave.errors import Refused
from enclave.requests import BoxPlotRequest
from output_control.distributions.written import Grounded, contents, counts, figures, given, texts
from output_control.dossier import Contents
from output_control.models.level_checks import faults_of_rows, largest_of_records
from output_control.models.model_frame import ModelFrame, faults_of_categories, read_model_frame, rows_by_code
from output_control.policy import Policy
from output_control.report.grounds import DOMINANCE, Basis, held, hidden_figure
from output_control.statistics.percentiles import BOX_PLOT
from output_control.statistics.two_values import COUNT_INSTEAD, counts_in_disguise, upper_of_two
from output_control.tables.derived import Sources
from output_control.tables.table import BoolArray, FloatArray, IntArray


def box_plot(request: BoxPlotRequest, sources: Sources, policy: Policy) -> Contents:
    """A row per code and percentile; one with too few units on a side is hidden.

    Raises:
        Refused: something is wrong with the frame, or no percentile is left.
    """
    frame = read_model_frame(request, sources)
    faults = faults_of_categories(request.by, frame) if request.by else []
    if faults:
        raise Refused("\n".join(faults))
    values, n = frame.numbers(request.measure), policy.public.tables.minimum_frequency.value
    if upper_of_two(values, frame.unit, policy.public.tables) is not None:
        raise Refused(counts_in_disguise(request.measure), next_step=COUNT_INSTEAD)
    groups = rows_by_code(request.by, frame)
    if any(frame.units_where(rows) < n for _, rows in groups):
        # hiding their figures would still list their codes, and a code may be a value that one record has
        raise Refused(f"a category has fewer than {n} units", next_step="merge categories or leave them out")
    if any(_alike(values[rows], frame.unit[rows]) > policy.public.tables.group_share.value for _, rows in groups):
        raise Refused("nearly all of a category have one value, so its percentiles say of each what they have")
    wrong = faults_of_rows([rows for _, rows in groups], frame, policy)
    if wrong:
        raise Refused(wrong[0], next_step="derive one record per unit, or merge categories")
    side = policy.public.tables.percentile_units.value
    found = [
        (code, each, percentile(values, each, rows, frame, side), int(rows.sum()), frame.units_where(rows))
        for code, rows in groups
        for each in BOX_PLOT
    ]
    hidden = np.array([value is None for _, _, value, _, _ in found], dtype=np.bool_)
    if hidden.all():
        raise Refused("no percentile has enough units on both sides", next_step="ask for fewer categories")
    name = request.by or "group"
    columns = [
        texts(name, request.by or "Groep", request.by or "Group", [code or "all" for code, *_ in found]),
        given("percentile", "Percentiel", "Percentile", [float(each) for _, each, *_ in found]),
        figures("value", request.measure, request.measure, [value for _, _, value, _, _ in found], policy),
        counts("units", "Eenheden", "Units", [units for *_, units in found], policy),
    ]
    annex = {"units": {code or "all": units for code, *_, units in found}}
    checks = ["enough units on both sides of each percentile", "rounded; no minimum, maximum or outlier"]
    key = [name, "percentile"]
    grounds = _grounds(groups, values, hidden, frame, policy)
    return contents(
        request, frame, policy, columns, key=key, checks=checks, annex=annex, hidden=hidden, by=request.by,
        grounds=grounds,
    )  # fmt: skip


def _grounds(
    groups: Sequence[tuple[str, BoolArray]], values: FloatArray, hidden: BoolArray, frame: ModelFrame, policy: Policy
) -> Grounded:
    """``hidden``: per category and percentile, in their order."""
    listed = [(code, each, rows) for code, rows in groups for each in BOX_PLOT]
    sides = [_sides(values, each, rows, frame) for _, each, rows in listed]
    units = [frame.units_where(rows) for _, rows in groups]
    alike = [_alike(values[rows], frame.unit[rows]) for _, rows in groups]
    shown = [min(side) - 1 for side, hide in zip(sides, hidden.tolist(), strict=True) if not hide]
    checks = [
        held(policy, "group_units", "tables.minimum_frequency", min(units)),
        held(policy, "percentile_units", "tables.percentile_units", min(shown), unmet=int(hidden.sum())),
        held(policy, "alike", "tables.group_share", max(alike)),
        held(policy, "record_dominance", DOMINANCE, largest_of_records([rows for _, rows in groups], frame)),
        held(policy, "digits", "distributions.value_digits"),
    ]
    sizes = tuple(
        (code, int(rows.sum()), number, share) for (code, rows), number, share in zip(groups, units, alike, strict=True)
    )
    beside = tuple((code, each, *side) for (code, each, _), side in zip(listed, sides, strict=True))
    basis = (
        Basis("groups", ("code", "records", "units", "alike"), sizes),
        Basis("percentiles", ("code", "percentile", "below", "above"), beside),
    )
    changes = tuple(
        hidden_figure(f"{code} P{each}".strip(), "percentile_units")
        for (code, each, _), hide in zip(listed, hidden.tolist(), strict=True)
        if hide
    )
    return Grounded(checks, basis, changes)


def _alike(values: FloatArray, unit: IntArray) -> float:
    """The largest share of the units that have one and the same value."""
    held = np.unique(np.column_stack([np.unique(values, return_inverse=True)[1], unit]), axis=0)[:, 0]
    return float(np.bincount(held).max()) / len(np.unique(unit))


def percentile(values: FloatArray, percent: int, rows: BoolArray, frame: ModelFrame, n: int) -> float | None:
    """The smallest value that at least ``percent`` % of the marked records don't exceed (nearest rank).

    None unless, besides the unit that holds it, at least ``n`` distinct units lie at or below it, and at or above it.
    """
    if not rows.any():
        return None
    return _nearest_rank(values[rows], percent) if min(_sides(values, percent, rows, frame)) > n else None


def _nearest_rank(inside: FloatArray, percent: int) -> float:
    return float(np.sort(inside)[-(-percent * len(inside) // 100) - 1])


def _sides(values: FloatArray, percent: int, rows: BoolArray, frame: ModelFrame) -> tuple[int, int]:
    """Distinct units at or below the percentile, and at or above it."""
    found = _nearest_rank(values[rows], percent)
    return frame.units_where(rows & (values <= found)), frame.units_where(rows & (values >= found))
