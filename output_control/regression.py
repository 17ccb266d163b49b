"""Logistic regression, fitted by the gate itself, with the checks that a coefficient needs before it may leave.

What leaves is odds ratios with their 95 % intervals and standard errors, rounded; never residuals, fitted values,
leverages or scores. Sources: DwB *Guidelines for Output Checking* (2015), sections on regression and on degrees of
freedom; for clustered errors Cameron & Miller (2015), doi:10.3368/jhr.50.2.317, with the factor
G/(G − 1) · (N − 1)/(N − K).
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import Refused
from enclave.requests import RegressionRequest, Term
from output_control.derived import Sources, faults_of_frame
from output_control.model_frame import ModelFrame, read_model_frame
from output_control.policy import ModelRules, Policy
from output_control.table import BoolArray, FloatArray

INTERCEPT = "(intercept)"
NORMAL_975 = 1.959963984540054
LARGEST_EFFECT = 15.0  # log odds per standardised unit; beyond it an outcome is as good as determined
LARGEST_SCORE = 1e-7
_CATEGORY = re.compile(r"[A-Za-z0-9<>=.,+_/% -]{1,40}")
_LONG_NUMBER = re.compile(r"[0-9]{8}")


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Columns of the regression, the intercept first: names, levels (or ''), values scaled to at most 1, scales."""

    terms: tuple[str, ...]
    levels: tuple[str, ...]
    values: FloatArray
    scale: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class FittedRegression:
    """Unrounded estimates per column of the design (log odds) with what checkers want to know."""

    request: RegressionRequest
    frame: ModelFrame
    design: Design
    estimate: FloatArray
    standard_error: FloatArray
    largest_share: FloatArray
    least_level_units: int


def fit_regression(request: RegressionRequest, sources: Sources, policy: Policy) -> FittedRegression:
    """Fit ``request`` on the re-derived frame.

    Raises:
        Refused: everything that is wrong with frame and levels at once; then, too few degrees of freedom, a
            saturated or separated model, no convergence, or a unit that determines a coefficient.
    """
    rules = policy.public.models
    faults = faults_of_frame(request, sources)
    if faults:
        raise Refused("\n".join(faults))
    frame, faults = read_model_frame(request, sources)
    if frame is None:
        raise Refused("\n".join(faults))
    faults = [fault for term in request.terms for fault in _faults_of_term(term, frame)]
    if faults:
        raise Refused("\n".join(faults))
    design = build_design(request, frame)
    least, faults = _faults_of_levels(request, frame, design, rules)
    faults += _faults_of_freedom(frame, design, rules)
    if faults:
        raise Refused("\n".join(faults), next_step="merge categories, leave out a term, or take a longer period")
    estimate, error = _estimate(request, frame, design)
    share = unit_shares(frame, design, estimate)
    if float(share.max()) > rules.unit_leverage.value:
        raise Refused(
            f"{int((share > rules.unit_leverage.value).sum())} coefficient(s) rest on one unit for the larger part",
            next_step="use classes instead of numbers, or leave out the term",
        )
    return FittedRegression(request, frame, design, estimate, error, share, least)


def build_design(request: RegressionRequest, frame: ModelFrame) -> Design:
    """Intercept, number columns as they are, and one 0/1 column per code of a categorical term but its reference."""
    names, levels, columns = [INTERCEPT], [""], [np.ones(frame.records)]
    for term in request.terms:
        if not term.categorical:
            names.append(term.column)
            levels.append("")
            columns.append(frame.numbers(term.column))
            continue
        codes = _categories(term, frame)
        for code in sorted(set(pc.unique(codes).to_pylist()) - {term.reference}):
            names.append(term.column)
            levels.append(code)
            columns.append(np.asarray(pc.equal(codes, code).to_numpy(), dtype=np.float64))
    values = np.column_stack(columns)
    # Newton's method is steadier when all columns are of one size
    scale = np.abs(values).max(axis=0)
    scale[scale == 0] = 1.0
    return Design(tuple(names), tuple(levels), values / scale, scale)


def unit_shares(frame: ModelFrame, design: Design, estimate: FloatArray) -> FloatArray:
    """Per coefficient the largest share of its information that one unit holds.

    The partial leverage of record i for coefficient j is (e_j' A x_i √w_i)² / A_jj with A = (X'WX)⁻¹; it sums to 1 over
    the records (Belsley, Kuh & Welsch 1980, section 2.1), and over a unit's records it is the unit's share.
    """
    values, weight = design.values, _weights(design, estimate)
    inverse = np.linalg.inv(values.T @ (values * weight[:, None]))
    leverage = (values * np.sqrt(weight)[:, None]) @ inverse
    leverage = leverage**2 / np.diag(inverse)
    shares = [np.bincount(frame.unit, weights=leverage[:, j]).max() for j in range(leverage.shape[1])]
    return np.asarray(shares, dtype=np.float64)


def _weights(design: Design, estimate: FloatArray) -> FloatArray:
    probability = 1 / (1 + np.exp(-(design.values @ (estimate * design.scale))))
    return np.asarray(probability * (1 - probability), dtype=np.float64)


def _categories(term: Term, frame: ModelFrame) -> pa.ChunkedArray:
    return pc.cast(frame.columns[term.column], pa.string())


def _faults_of_term(term: Term, frame: ModelFrame) -> list[str]:
    if not term.categorical:
        return []
    codes = pc.unique(_categories(term, frame)).to_pylist()
    faults = [] if term.reference in codes else [f"the reference of {term.column} is no code in the data"]
    odd = sum(1 for code in codes if not _CATEGORY.fullmatch(code) or _LONG_NUMBER.search(code))
    if odd:
        faults.append(f"{odd} code(s) of {term.column} are no category names: short, without long numbers")
    return faults


def _faults_of_levels(
    request: RegressionRequest, frame: ModelFrame, design: Design, rules: ModelRules
) -> tuple[int, list[str]]:
    """Distinct units of each value of each 0/1 or categorical term, by outcome where the policy says so."""
    need = rules.level_units.value
    classes: list[BoolArray] = [np.ones(frame.records, dtype=np.bool_)]
    if rules.level_by_outcome.value:
        classes = [frame.outcome, ~frame.outcome]
    least, short = min(frame.units_where(rows) for rows in classes), []
    for column, name in _binary_columns(request, frame, design):
        for value in (column, ~column):
            units = min(frame.units_where(value & rows) for rows in classes)
            least = min(least, units)
            short += [name] if units < need else []
    where = " in an outcome class" if rules.level_by_outcome.value else ""
    faults = [f"a level of {name} has fewer than {need} units{where}" for name in dict.fromkeys(short)]
    if least < need and not faults:
        faults.append(f"an outcome class has fewer than {need} units")
    return least, faults


def _binary_columns(request: RegressionRequest, frame: ModelFrame, design: Design) -> list[tuple[BoolArray, str]]:
    """Columns of two values as truth values, and every category of a categorical term, the reference included."""
    found: list[tuple[BoolArray, str]] = []
    for position in range(1, len(design.terms)):
        column = design.values[:, position]
        values = np.unique(column)
        if len(values) <= 2:
            found.append((column == values[-1], design.terms[position]))
    for term in request.terms:
        if term.categorical:
            is_reference = pc.equal(_categories(term, frame), term.reference).to_numpy()
            found.append((np.asarray(is_reference, dtype=np.bool_), term.column))
    return found


def _faults_of_freedom(frame: ModelFrame, design: Design, rules: ModelRules) -> list[str]:
    parameters, need = design.values.shape[1], rules.residual_df.value
    faults = []
    if min(frame.records, frame.units) - parameters < need:
        faults.append(f"fewer than {need} residual degrees of freedom, counted in units")
    if frame.cluster is not None and frame.clusters - 1 < need:
        faults.append(f"fewer than {need} degrees of freedom between clusters")
    names = [str(position) for position in range(parameters)]
    patterns = pa.table([pa.array(design.values[:, j]) for j in range(parameters)], names=names)
    # one parameter per pattern of covariates gives every pattern's share of outcomes back
    if patterns.group_by(names).aggregate([]).num_rows <= parameters:
        faults.append("the model is saturated: it is a table of outcomes by category; ask for a table instead")
    elif np.linalg.matrix_rank(design.values) < parameters:
        faults.append("terms are linearly dependent; leave one out")
    return faults


def _estimate(request: RegressionRequest, frame: ModelFrame, design: Design) -> tuple[FloatArray, FloatArray]:
    """Estimates and standard errors in the columns' own units; one thread, so that sums have one order."""
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import ModelWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    errors: dict[str, object] = {"cov_type": "nonrobust"}
    if frame.cluster is not None:
        errors = {"cov_type": "cluster", "cov_kwds": {"groups": frame.cluster}}
    failed = Refused(
        "the regression does not converge: terms separate the outcomes, or hang together",
        next_step="merge categories or leave out a term",
    )
    outcome = frame.outcome.astype(np.float64)
    with threadpool_limits(limits=1), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", ModelWarning)
        try:
            result = Logit(outcome, design.values).fit(method="newton", maxiter=100, tol=1e-12, disp=0, **errors)
            scaled, error = np.asarray(result.params), np.asarray(result.bse)
            residual = outcome - 1 / (1 + np.exp(-(design.values @ scaled)))
            score = float(np.abs(design.values.T @ residual).max()) / frame.records
        except (ModelWarning, np.linalg.LinAlgError, ValueError, FloatingPointError):
            raise failed from None
    # the optimiser's own word is not enough: at the maximum the score is zero, and no effect is without bound
    usable = np.isfinite(scaled).all() and np.isfinite(error).all() and bool((error > 0).all())
    if not usable or score > LARGEST_SCORE or float(np.abs(scaled[1:]).max()) > LARGEST_EFFECT:
        raise failed
    return scaled / design.scale, error / design.scale
