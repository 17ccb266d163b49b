"""What a regression rests on: units per term and level, degrees of freedom, and how near it comes to each rule."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from output_control.models.few_units import largest_parts
from output_control.models.regression import INTERCEPT, FittedRegression, few_units_limit
from output_control.policy import Policy
from output_control.report.grounds import DOMINANCE, Basis, Cell, Check, Grounds, Word, held
from output_control.tables.table import BoolArray


def regression_grounds(fitted: FittedRegression, policy: Policy) -> Grounds:
    """Exact numbers per level (that of reference included), and the checks with what came nearest."""
    frame = fitted.frame
    sizes = {"records": frame.records, "units": frame.units}
    if fitted.events is not None:
        sizes["events"] = fitted.events
    if fitted.clusters:
        sizes["clusters"] = fitted.clusters
    sizes |= {"parameters": fitted.design.values.shape[1], "residual_df": fitted.residual_df}
    head = ["term", "level", "records", "units", *_outcome_heads(fitted), "information"]
    return Grounds(sizes, tuple(_checks(fitted, policy)), (Basis("terms", tuple(head), tuple(_terms(fitted))),))


def _checks(fitted: FittedRegression, policy: Policy) -> Iterator[Check]:
    by_outcome = policy.public.models.level_by_outcome.value and fitted.family.classes != "none"
    units = "level_units_by_outcome" if by_outcome else "level_units"
    yield held(policy, "unique")
    yield held(policy, "residual_df", "models.residual_df", fitted.residual_df)
    if fitted.clusters:
        yield held(policy, "cluster_df", "models.residual_df", fitted.clusters - 1)
    yield held(policy, units, "models.level_units", fitted.least_level_units)
    if fitted.family.outcome != "flag":
        shares = [_outcome_share(fitted, rows) for _, _, rows, _ in _levels(fitted)]
        yield held(policy, "outcome_dominance", DOMINANCE, max(shares))
    yield held(policy, "saturated", found=fitted.patterns, asked=fitted.design.values.shape[1])
    yield held(policy, "converged")
    yield held(policy, "unit_leverage", "models.unit_leverage", float(fitted.largest_share.max()))
    yield held(policy, "unit_in_direction", "distributions.unit_in_direction", fitted.largest_leverage)
    limit = few_units_limit(policy)
    yield held(policy, "few_units", "distributions.unit_in_direction", fitted.held_by_few, asked=limit)
    yield held(policy, "digits", "models.coefficient_digits")
    yield held(policy, "count_base", "models.count_base")


def _outcome_heads(fitted: FittedRegression) -> list[str]:
    counted = {"both": ["units_with", "units_without"], "events": ["units_with"], "none": []}[fitted.family.classes]
    return [*counted, *(["outcome_share"] if fitted.family.outcome != "flag" else [])]


def _terms(fitted: FittedRegression) -> Iterator[tuple[Cell, ...]]:
    frame, response = fitted.frame, fitted.frame.numbers(fitted.request.outcome)
    for term, level, rows, position in _levels(fitted):
        row: list[Cell] = [term, level, int(rows.sum()), frame.units_where(rows)]
        if fitted.family.classes != "none":
            row.append(frame.units_where(rows & (response > 0)))
        if fitted.family.classes == "both":
            row.append(frame.units_where(rows & (response == 0)))
        if fitted.family.outcome != "flag":
            row.append(_outcome_share(fitted, rows))
        yield (*row, None if position is None else float(fitted.largest_share[position]))


def _levels(fitted: FittedRegression) -> Iterator[tuple[str, Cell, BoolArray, int | None]]:
    """Term, level, its records, and the coefficient that it has; both values of a column that has two."""
    frame, design = fitted.frame, fitted.design
    every = np.ones(frame.records, dtype=np.bool_)
    references = {term.column: term.reference for term in fitted.request.terms if term.categorical}
    for position, (term, level) in enumerate(zip(design.terms, design.levels, strict=True)):
        if level:
            yield term, level, np.asarray(pc.equal(frame.categories(term), level).to_numpy(), dtype=np.bool_), position
            continue
        column = design.values[:, position]
        values = np.unique(column)
        if term == INTERCEPT or len(values) > 2:
            yield term, None, every, position
            continue
        yield term, Word("higher"), column == values[-1], position
        yield term, Word("lower"), column != values[-1], None
    for term, reference in references.items():
        rows = np.asarray(pc.equal(frame.categories(term), reference).to_numpy(), dtype=np.bool_)
        yield term, f"{reference} *", rows, None


def _outcome_share(fitted: FittedRegression, rows: BoolArray) -> float:
    """The largest part that one unit has in the outcome of a level, weighted or not."""
    frame, request = fitted.frame, fitted.request
    size = np.abs(frame.numbers(request.outcome)) * rows
    amounts = [size, *([size * frame.numbers(request.weight)] if request.weight else [])]
    return max(largest_parts(each, frame.unit, 1)[0] for each in amounts)
