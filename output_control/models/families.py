"""The table of regression families: what each asks of its outcome, how it is fitted, what its effects are called.

statsmodels estimates, and one criterion of our own accepts: at the maximum a further step would move no coefficient by
a hundred-thousandth of its standard error. An optimiser's own word is not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from enclave.errors import Refused
from output_control.models.estimates import estimate_cox, estimate_linear, not_converged
from output_control.models.likelihood import (
    GAMMA,
    IDENTITY,
    LOGIT,
    POISSON,
    PROBIT,
    CoxModel,
    Likelihood,
    LinearModel,
    Link,
    Local,
    RandomIntercept,
    negative_binomial,
)
from output_control.tables.table import FloatArray, IntArray

STEPS = 100
SMALLEST_STEP = 1e-5  # of a standard error
LARGEST_EFFECT = 15.0  # per standardised unit on a log scale; beyond it an outcome is as good as determined


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Columns of a regression: ``values`` with the intercept first (Cox: none), scaled to at most 1 each.

    Standard errors are clustered on ``cluster`` (from 0), or ``robust`` (HC1), or plain.
    """

    values: FloatArray
    response: FloatArray
    weight: FloatArray | None = None
    exposure: FloatArray | None = None
    duration: FloatArray | None = None
    group: IntArray | None = None
    cluster: IntArray | None = None
    robust: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The estimate with the likelihood around it; ``facts`` are further figures of the model, unrounded.

    ``left``: each record's part in the dispersion, where one is published.
    """

    beta: FloatArray
    standard_error: FloatArray
    local: Local
    dispersion: float
    facts: Mapping[str, float]
    left: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """``outcome`` says what the response must be; ``effect`` names a coefficient's column, on what scale.

    ``classes``: outcomes that each level must occur with: both 0 and 1, or those above 0. ``bounded``: an effect
    beyond :data:`LARGEST_EFFECT` means that a term separates the outcomes.
    """

    outcome: Literal["flag", "number", "count", "positive"]
    effect: Literal["coefficient", "odds_ratio", "rate_ratio", "mean_ratio", "hazard_ratio"]
    fit: Callable[[Data], Fit]
    uses: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    intercept: bool = True
    classes: Literal["both", "events", "none"] = "none"
    bounded: bool = True
    sandwich: bool = True

    @property
    def ratio(self) -> bool:
        """Whether exp(coefficient) is published, with its interval."""
        return self.effect != "coefficient"


def accepted(likelihood: Likelihood, beta: FloatArray) -> Local:
    """The likelihood at ``beta``; raises :class:`Refused` unless its score vanishes there."""
    with np.errstate(all="ignore"):
        local = likelihood.at(beta)
        try:
            inverse = np.linalg.inv(local.information)
        except np.linalg.LinAlgError:
            raise not_converged() from None
        step = inverse @ local.scores.sum(axis=0)
        reach = np.abs(step) / np.sqrt(np.diag(inverse) * likelihood.dispersion(beta))
    if not np.isfinite(reach).all() or float(reach.max()) > SMALLEST_STEP:
        raise not_converged()
    return local


def _linear_model(link: Link) -> Callable[[Data], Fit]:
    def fit(data: Data) -> Fit:
        model = _glm(link, data)
        beta, errors = estimate_linear(model, data.cluster, robust=data.robust)
        local = accepted(model, beta)
        left = model.pearson(beta) if link.scaled else None
        return Fit(beta, errors, local, model.dispersion(beta), _facts(model, beta), left)

    return fit


def _glm(link: Link, data: Data) -> LinearModel:
    ones = np.ones(len(data.response))
    offset = 0 * ones if data.exposure is None else np.log(data.exposure)
    return LinearModel(link, data.values, data.response, ones if data.weight is None else data.weight, offset)


def _facts(model: LinearModel, beta: FloatArray) -> dict[str, float]:
    """Spread that is left, and of a linear model the share explained."""
    if not model.link.scaled:
        return {}
    facts = {"dispersion": model.dispersion(beta)}
    if model.link is IDENTITY:
        mean = np.average(model.response, weights=model.weight)
        total = float((model.weight * (model.response - mean) ** 2).sum())
        left = float((model.weight * (model.response - model.values @ beta) ** 2).sum())
        facts["r_squared"] = 1 - left / total
    return facts


def _fit_negative_binomial(data: Data) -> Fit:
    """Coefficients and α in turn, each at its maximum given the other, until neither moves."""
    from scipy.optimize import brentq
    from scipy.special import digamma

    model = _glm(POISSON, data)
    beta, errors = estimate_linear(model, data.cluster, robust=data.robust)
    alpha, y = 0.0, data.response

    def slope(log_alpha: float) -> float:
        """Derivative of the log likelihood by α, at the present means."""
        a = np.exp(log_alpha)
        mu = np.exp(model.values @ beta + model.offset)
        inner = digamma(y + 1 / a) - digamma(1 / a) - np.log1p(a * mu)
        return float((-inner / a**2 + (y - mu) / (a * (1 + a * mu))).sum())

    for _ in range(STEPS):
        if not (slope(-12.0) > 0 > slope(6.0)):
            raise Refused(
                "the counts vary no more than Poisson counts do, so there is no negative binomial model",
                next_step="ask for the family poisson, with robust standard errors",
            )
        before, alpha = alpha, float(np.exp(brentq(slope, -12.0, 6.0, xtol=1e-12)))
        model = replace(model, link=negative_binomial(alpha))
        beta, errors = estimate_linear(model, data.cluster, robust=data.robust)
        if abs(alpha - before) < 1e-9 * alpha:
            return Fit(beta, errors, accepted(model, beta), 1.0, {"alpha": alpha})
    raise not_converged()


def _fit_mixed(data: Data) -> Fit:
    """REML over the ratio of variances; the fixed effects follow from it (Laird & Ware 1982, doi:10.2307/2529876)."""
    from scipy.optimize import minimize_scalar

    if (group := data.group) is None:
        raise not_converged()
    size = np.bincount(group)
    records, parameters = data.values.shape

    def at_ratio(log_ratio: float) -> tuple[float, LinearModel, FloatArray, FloatArray]:
        ratio = float(np.exp(log_ratio))
        model = RandomIntercept(data.values, data.response, group, ratio).transformed()
        beta, errors = estimate_linear(model, None)
        deviance = (records - parameters) * np.log(model.dispersion(beta)) + np.log1p(size * ratio).sum()
        return float(deviance + np.linalg.slogdet(model.at(beta).information)[1]), model, beta, errors

    found = minimize_scalar(
        lambda x: at_ratio(x)[0], bounds=(-14.0, 14.0), method="bounded", options={"xatol": 1e-9, "maxiter": 500}
    )
    place = float(found.x)
    middle, model, beta, errors = at_ratio(place)
    # at a minimum inside the bounds, and lower than a step away on either side
    if abs(place) > 13.5 or min(at_ratio(place - 1e-3)[0], at_ratio(place + 1e-3)[0]) < middle:
        raise Refused(
            "the groups do not differ, or nothing but the groups does: there is no random intercept to estimate",
            next_step="ask for the family ols with standard errors clustered on the group",
        )
    within = model.dispersion(beta)
    facts = {"variance_within": within, "variance_between": within * float(np.exp(place))}
    return Fit(beta, errors, accepted(model, beta), within, facts, model.pearson(beta))


def _fit_cox(data: Data) -> Fit:
    if data.duration is None:
        raise not_converged()
    model = CoxModel(data.values, data.response > 0, data.duration)
    beta, errors = estimate_cox(model, data.cluster, robust=data.robust)
    return Fit(beta, errors, accepted(model, beta), 1.0, {})


_EXPOSED = frozenset({"exposure"})
FAMILIES: Mapping[str, Family] = {
    "ols": Family("number", "coefficient", _linear_model(IDENTITY), bounded=False),
    "wls": Family("number", "coefficient", _linear_model(IDENTITY), needs=frozenset({"weight"}), bounded=False),
    "logit": Family("flag", "odds_ratio", _linear_model(LOGIT), classes="both"),
    "probit": Family("flag", "coefficient", _linear_model(PROBIT), classes="both"),
    "poisson": Family("count", "rate_ratio", _linear_model(POISSON), uses=_EXPOSED, classes="events"),
    "negative_binomial": Family("count", "rate_ratio", _fit_negative_binomial, uses=_EXPOSED, classes="events"),
    "gamma": Family("positive", "mean_ratio", _linear_model(GAMMA)),
    "mixed": Family("number", "coefficient", _fit_mixed, needs=frozenset({"group"}), bounded=False, sandwich=False),
    "cox": Family("flag", "hazard_ratio", _fit_cox, needs=frozenset({"duration"}), intercept=False, classes="both"),
}
