"""Whether each level of a variable holds enough units, in each class of the outcome, and none that dominates it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from output_control.models.few_units import largest_parts
from output_control.models.model_frame import ModelFrame, sums_by_unit
from output_control.policy import ModelRules, Policy
from output_control.tables.aggregate import LARGEST
from output_control.tables.rules import primary
from output_control.tables.table import NO_CONTRIBUTOR, BoolArray, CellTable, Dimension, FloatArray

Levels = Sequence[tuple[FloatArray, str]]


def faults_of_levels(
    levels: Levels,
    response: FloatArray,
    frame: ModelFrame,
    rules: ModelRules,
    *,
    classes: Literal["both", "events", "none"],
) -> tuple[int, list[str]]:
    """Fewest distinct units of a value of a 0/1 column, by class of outcome where the policy says so; and faults."""
    need = rules.level_units.value
    by_outcome: list[BoolArray] = [np.ones(frame.records, dtype=np.bool_)]
    if rules.level_by_outcome.value and classes != "none":
        by_outcome = [response > 0, response == 0] if classes == "both" else [response > 0]
    least, short = min(frame.units_where(rows) for rows in by_outcome), []
    for column, name in levels:
        for value in (column == 1, column != 1):
            units = min(frame.units_where(value & rows) for rows in by_outcome)
            least = min(least, units)
            short += [name] if units < need else []
    where = " in an outcome class" if len(by_outcome) > 1 else " with the outcome" if classes == "events" else ""
    faults = [f"a level of {name} has fewer than {need} units{where}" for name in dict.fromkeys(short)]
    if least < need and not faults:
        faults.append(f"an outcome class has fewer than {need} units")
    return least, faults


def faults_of_dominance(levels: Levels, response: FloatArray, frame: ModelFrame, policy: Policy) -> list[str]:
    """Levels whose outcome is one unit's for the larger part: their coefficient is as good as that unit's value."""
    size = np.abs(response)
    cells = [("the outcome", size)]
    for column, name in levels:
        cells += [(f"a level of {name}", size * (column == 1)), (f"a level of {name}", size * (column != 1))]
    table = _cells([np.bincount(frame.unit, weights=part).astype(np.float64) for _, part in cells])
    bad = primary(table, policy.dominance_rules()).mask
    found = [cells[int(position) - 1][0] for position in table.codes[bad, 0]]
    return [f"one unit dominates {name}" for name in dict.fromkeys(found)]


def faults_of_rows(groups: Sequence[BoolArray], frame: ModelFrame, policy: Policy) -> list[str]:
    """Groups of records that are one unit's for the larger part: what is said of the group is said of that unit."""
    if frame.units == frame.records:
        return []
    ones = np.ones(frame.records)
    found = dominated([sums_by_unit(frame, rows, ones) for rows in groups], policy)
    return ["in a group the records are one unit's for too large a part"] if any(found) else []


def largest_of_records(groups: Sequence[BoolArray], frame: ModelFrame) -> float:
    """The largest part that one unit has in the records of any of the groups."""
    return max(largest_parts(rows.astype(np.float64), frame.unit, 1)[0] for rows in groups)


def dominated(contributions: Sequence[FloatArray], policy: Policy) -> list[bool]:
    """Per set of units' contributions (0 or more): does a dominance rule of the policy find it?"""
    table = _cells(contributions)
    bad = set(table.codes[primary(table, policy.dominance_rules()).mask, 0].tolist())
    return [position + 1 in bad for position in range(len(contributions))]


def _cells(contributions: Sequence[FloatArray]) -> CellTable:
    """One cell per set of contributions, at positions from 1."""
    rows = [np.sort(each[each > 0])[::-1] for each in contributions]
    dimension = Dimension("set", "all", {"all": tuple(f"set{i}" for i in range(len(rows)))})
    top = np.zeros((len(rows), LARGEST))
    for place, row in enumerate(rows):
        top[place, : min(len(row), LARGEST)] = row[:LARGEST]
    units = np.array([len(row) for row in rows], dtype=np.int64)
    return CellTable(
        dims=(dimension,),
        codes=np.arange(1, len(rows) + 1, dtype=np.int32)[:, None],
        freq=units.astype(np.float64),
        value=np.array([row.sum() for row in rows], dtype=np.float64),
        n_contributors=units,
        top=top,
        sole_contributor=np.full(len(rows), NO_CONTRIBUTOR, dtype=np.int64),
        integral=False,
    )
