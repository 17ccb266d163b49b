"""Regressions, fitted by the gate itself, with the checks that a coefficient needs before it may leave.

What leaves is coefficients or ratios with their 95 % intervals and standard errors, rounded; never residuals, fitted
values, leverages, random effects, a baseline hazard, or scores. Sources: DwB *Guidelines for Output Checking* (2015),
sections on regression and on degrees of freedom; for clustered errors Cameron & Miller (2015),
doi:10.3368/jhr.50.2.317, with the factor G/(G − 1) · (N − 1)/(N − K); for robust ones N/(N − K) (HC1); none for Cox.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import Refused
from enclave.requests import RegressionRequest, Term
from output_control.models.estimates import not_converged
from output_control.models.families import FAMILIES, LARGEST_EFFECT, Data, Family, Fit
from output_control.models.few_units import held_by_few, largest_parts
from output_control.models.level_checks import faults_of_dominance, faults_of_levels
from output_control.models.model_frame import ModelFrame, faults_of_categories, read_model_frame
from output_control.models.parts import Parts
from output_control.policy import ModelRules, Policy, TableRules
from output_control.statistics.two_values import upper_of_two
from output_control.tables.derived import Sources
from output_control.tables.table import FloatArray, IntArray

INTERCEPT = "(intercept)"
NORMAL_975 = 1.959963984540054


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Columns of the regression, the intercept first: names, levels (or ''), values scaled to at most 1, scales."""

    terms: tuple[str, ...]
    levels: tuple[str, ...]
    values: FloatArray
    scale: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class FittedRegression:
    """Unrounded estimates per column of the design, on the scale of the linear predictor, with what checkers see.

    ``events``: records with an outcome above 0, where the family counts them; ``clusters``: 0 without; ``coded``: who
    is in which level of each column that has some; ``held_by_few``: the largest part that fewer units than a level
    needs were found to hold together; ``patterns``: different rows of the design.
    """

    request: RegressionRequest
    frame: ModelFrame
    design: Design
    estimate: FloatArray
    standard_error: FloatArray
    largest_share: FloatArray
    largest_leverage: float
    held_by_few: float
    least_level_units: int
    patterns: int
    facts: dict[str, float]
    events: int | None
    clusters: int
    coded: tuple[Parts, ...]

    @property
    def residual_df(self) -> int:
        """Degrees of freedom that are left, counted in units."""
        return residual_df(self.frame, self.design)

    @property
    def family(self) -> Family:
        """The family's row of the table."""
        return FAMILIES[self.request.family]


def fit_regression(request: RegressionRequest, sources: Sources, policy: Policy) -> FittedRegression:
    """Fit ``request`` on the re-derived frame.

    Raises:
        Refused: everything that is wrong with request, frame and levels at once; then, too few degrees of freedom, a
            saturated or separated model, no convergence, or a unit that determines a coefficient.
    """
    rules, family = policy.public.models, FAMILIES[request.family]
    faults = faults_of_fields(request, family)
    if faults:
        raise Refused("\n".join(faults))
    frame = read_model_frame(request, sources)
    faults = [fault for term in request.terms for fault in _faults_of_term(term, frame)]
    faults += _faults_of_response(request, family, frame, policy.public.tables)
    if faults:
        raise Refused("\n".join(faults))
    design = build_design(request, frame, intercept=family.intercept)
    groups = _groups(request, frame)
    response = frame.numbers(request.outcome)
    levels = levels_of(request, frame, design, policy.public.tables)
    least, faults = faults_of_levels(levels, response, frame, rules, classes=family.classes)
    if family.outcome != "flag":
        # a heavy weight makes a small outcome weigh as much as a large one
        amounts = [response, *([response * frame.numbers(request.weight)] if request.weight else [])]
        faults += dict.fromkeys(fault for each in amounts for fault in faults_of_dominance(levels, each, frame, policy))
    patterns, short = _faults_of_freedom(frame, design, groups, rules)
    faults += short
    if faults:
        raise Refused("\n".join(faults), next_step="merge categories, leave out a term, or take a longer period")
    fit = _fitted(request, family, frame, design, groups)
    share, leverage = unit_shares(fit, frame)
    _refuse_if_determined(share, leverage, policy)
    together = _refuse_if_few_determine(fit, request, frame, policy)
    return FittedRegression(
        request=request,
        frame=frame,
        design=design,
        estimate=fit.beta / design.scale,
        standard_error=fit.standard_error / design.scale,
        largest_share=share,
        largest_leverage=leverage,
        held_by_few=together,
        least_level_units=least,
        patterns=patterns,
        facts=dict(fit.facts),
        events=None if family.classes == "none" else int((response > 0).sum()),
        clusters=0 if groups is None else int(groups.max()) + 1,
        coded=tuple(_coded(request, frame, policy.public.tables)),
    )


def residual_df(frame: ModelFrame, design: Design) -> int:
    """Records or units, whichever are fewer, less the coefficients."""
    return min(frame.records, frame.units) - len(design.terms)


def faults_of_fields(request: RegressionRequest, family: Family) -> list[str]:
    """Fields that the family lacks or does not know."""
    given = {name for name in ("weight", "exposure", "duration", "group") if getattr(request, name)}
    faults = [f"family {request.family} needs the field {name}" for name in sorted(family.needs - given)]
    unknown = given - family.needs - family.uses
    faults += [f"family {request.family} does not use the field {name}" for name in sorted(unknown)]
    if request.cluster and request.robust:
        faults.append("standard errors are robust or clustered, not both")
    if not family.sandwich and (request.cluster or request.robust):
        faults.append(f"family {request.family} has plain standard errors only: its groups are in the model")
    return faults


def build_design(request: RegressionRequest, frame: ModelFrame, *, intercept: bool = True) -> Design:
    """Intercept, number columns as they are, and one 0/1 column per code of a categorical term but its reference."""
    names, levels, columns = ([INTERCEPT], [""], [np.ones(frame.records)]) if intercept else ([], [], [])
    for term in request.terms:
        if not term.categorical:
            names.append(term.column)
            levels.append("")
            columns.append(frame.numbers(term.column))
            continue
        codes = frame.categories(term.column)
        for code in sorted(set(pc.unique(codes).to_pylist()) - {term.reference}):
            names.append(term.column)
            levels.append(code)
            columns.append(np.asarray(pc.equal(codes, code).to_numpy(), dtype=np.float64))
    if not columns:
        raise Refused("the terms have one category only: there is nothing to estimate")
    values = np.column_stack(columns)
    # Newton's method is steadier when all columns are of one size
    scale = np.abs(values).max(axis=0)
    scale[scale == 0] = 1.0
    return Design(tuple(names), tuple(levels), values / scale, scale)


def levels_of(
    request: RegressionRequest, frame: ModelFrame, design: Design, rules: TableRules
) -> list[tuple[FloatArray, str]]:
    """Columns of two values, or nearly, as 0/1, and every category of a categorical term, the reference included."""
    found: list[tuple[FloatArray, str]] = []
    for position, name in enumerate(design.terms):
        upper = None if name == INTERCEPT else upper_of_two(design.values[:, position], frame.unit, rules)
        if upper is not None:
            found.append((upper.astype(np.float64), name))
    for term in request.terms:
        if term.categorical:
            is_reference = pc.equal(frame.categories(term.column), term.reference).to_numpy()
            found.append((np.asarray(is_reference, dtype=np.float64), term.column))
    return found


def _coded(request: RegressionRequest, frame: ModelFrame, rules: TableRules) -> Iterator[Parts]:
    """The categories of each categorical term, and the two values of outcome and terms that have two, or nearly."""
    categorical = {term.column for term in request.terms if term.categorical}
    for name in dict.fromkeys([request.outcome, *(term.column for term in request.terms)]):
        if name in categorical:
            yield Parts.of(name, frame.numbered(name))
            continue
        upper = upper_of_two(frame.numbers(name), frame.unit, rules)
        if upper is not None:
            yield Parts.of(name, upper.astype(np.int64))


def unit_shares(fit: Fit, frame: ModelFrame) -> tuple[FloatArray, float]:
    """Per coefficient the largest share of its information that one unit holds, and the largest leverage of a unit.

    The partial leverage of record i for coefficient j is (e_j' A x_i √w_i)² / A_jj with A = (X'WX)⁻¹; it sums to 1 over
    the records (Belsley, Kuh & Welsch 1980, section 2.1), and over a unit's records it is the unit's share. Leverage
    sums the shares over independent directions: no combination of coefficients (two dummies' difference) rests on a
    unit by more than its leverage.
    """
    bread = np.linalg.inv(fit.local.information)
    partial = fit.local.spread(bread / np.sqrt(np.diag(bread)))
    shares = [np.bincount(frame.unit, weights=partial[:, j]).max() for j in range(partial.shape[1])]
    independent = np.linalg.inv(np.linalg.cholesky(fit.local.information)).T
    leverage = np.bincount(frame.unit, weights=fit.local.spread(independent).sum(axis=1))
    return np.asarray(shares, dtype=np.float64), float(leverage.max())


def _refuse_if_determined(share: FloatArray, leverage: float, policy: Policy) -> None:
    limit = policy.public.models.unit_leverage.value
    if float(share.max()) > limit:
        raise Refused(
            "a coefficient rests on one unit for the larger part",
            next_step="use classes instead of numbers, or leave out the term",
        )
    if leverage > policy.public.distributions.unit_in_direction.value:
        raise Refused(
            "one unit determines a combination of the coefficients",
            next_step="use fewer terms, classes instead of numbers, or a longer period",
        )


def few_units_limit(policy: Policy) -> float:
    """The most that fewer units than a level needs may hold together of what any figure of a model rests on.

    Nine of the ten units of a level that is just large enough hold 0.9 of it by right, and a little more together with
    other terms; so a group's limit lies halfway between that of one unit and everything.
    """
    return (1 + policy.public.distributions.unit_in_direction.value) / 2


def _refuse_if_few_determine(fit: Fit, request: RegressionRequest, frame: ModelFrame, policy: Policy) -> float:
    """The largest part that fewer units than a level needs hold; raises :class:`Refused` when it is nearly all."""
    few, limit = policy.public.models.level_units.value - 1, few_units_limit(policy)
    most = policy.public.models.unit_leverage.value
    faults = []
    most_together = held_by_few(fit.local, frame.unit, few, limit)
    if most_together > limit:
        faults.append("the coefficients, or a combination of them")
    spreads = {"the spread that is left": [largest_parts(fit.left, frame.unit, few)]} if fit.left is not None else {}
    if request.robust or request.cluster:
        influence = fit.local.scores @ np.linalg.inv(fit.local.information)
        spreads["a standard error"] = [_of_error(each, frame, request, few) for each in influence.T]
    for what, held in spreads.items():
        if max(one for one, _ in held) > most or max(together for _, together in held) > limit:
            faults.append(what)
    if faults:
        raise Refused(
            "\n".join(f"fewer than {few + 1} units determine {fault}" for fault in faults),
            next_step="use classes instead of numbers, fewer terms, or a longer period",
        )
    return max([most_together, *(together for held in spreads.values() for _, together in held)])


def _of_error(influence: FloatArray, frame: ModelFrame, request: RegressionRequest, few: int) -> tuple[float, float]:
    """What one unit, and few units, hold of a robust standard error (of a clustered one: their records added up)."""
    if request.robust:
        return largest_parts(influence**2, frame.unit, few)
    by_unit: FloatArray = np.bincount(frame.unit, weights=influence).astype(np.float64)
    return largest_parts(by_unit**2, np.arange(len(by_unit)), few)


def _fitted(
    request: RegressionRequest, family: Family, frame: ModelFrame, design: Design, groups: IntArray | None
) -> Fit:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    def column(name: str | None) -> FloatArray | None:
        return frame.numbers(name) if name else None

    data = Data(
        values=design.values,
        response=frame.numbers(request.outcome),
        weight=column(request.weight),
        exposure=column(request.exposure),
        duration=column(request.duration),
        group=groups if request.group else None,
        cluster=groups if request.cluster else None,
        robust=request.robust,
    )
    with threadpool_limits(limits=1):  # so that sums have one order
        fit = family.fit(data)
    effects = np.abs(fit.beta[1:] if family.intercept else fit.beta)
    unbounded = family.bounded and float(effects.max(initial=0.0)) > LARGEST_EFFECT
    if unbounded or not bool(np.isfinite(fit.standard_error).all()) or not bool((fit.standard_error > 0).all()):
        raise not_converged()
    return fit


def _groups(request: RegressionRequest, frame: ModelFrame) -> IntArray | None:
    name = request.cluster or request.group
    return frame.numbered(name) if name else None


def _faults_of_term(term: Term, frame: ModelFrame) -> list[str]:
    if not term.categorical:
        return []
    codes = pc.unique(frame.categories(term.column)).to_pylist()
    faults = [] if term.reference in codes else [f"the reference of {term.column} is no code in the data"]
    return faults + faults_of_categories(term.column, frame)


def _faults_of_response(request: RegressionRequest, family: Family, frame: ModelFrame, rules: TableRules) -> list[str]:
    """Values that the family cannot have as outcome, weight, exposure or duration."""
    faults = []
    values = frame.numbers(request.outcome)
    if family.outcome == "count" and not bool(((values >= 0) & (values == np.floor(values))).all()):
        faults.append(f"outcome {request.outcome} holds other numbers than counts")
    if family.outcome == "positive" and not bool((values > 0).all()):
        faults.append(f"outcome {request.outcome} holds numbers that are not above 0")
    if family.outcome in {"number", "positive"} and upper_of_two(values, frame.unit, rules) is not None:
        faults.append(f"outcome {request.outcome} has two values only, or nearly; ask for the family logit")
    above_0 = [column for column in (request.weight, request.exposure, request.duration) if column]
    low = [column for column in above_0 if not bool((frame.numbers(column) > 0).all())]
    return faults + [f"column {column} holds numbers that are not above 0" for column in low]


def _faults_of_freedom(
    frame: ModelFrame, design: Design, groups: IntArray | None, rules: ModelRules
) -> tuple[int, list[str]]:
    """How many different rows the design has, and what is wrong."""
    parameters, need = design.values.shape[1], rules.residual_df.value
    faults = []
    if residual_df(frame, design) < need:
        faults.append(f"fewer than {need} residual degrees of freedom, counted in units")
    if groups is not None and int(groups.max()) < need:
        faults.append(f"fewer than {need} degrees of freedom between clusters")
    names = [str(position) for position in range(parameters)]
    rows = pa.table([pa.array(design.values[:, j]) for j in range(parameters)], names=names)
    # one parameter per pattern of covariates gives every pattern's share of outcomes back
    patterns = rows.group_by(names).aggregate([]).num_rows
    if patterns <= parameters:
        faults.append("the model is saturated: it is a table of outcomes by category; ask for a table instead")
    elif np.linalg.matrix_rank(design.values) < parameters:
        faults.append("terms are linearly dependent; leave one out")
    return patterns, faults
