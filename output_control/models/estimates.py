"""Estimates and standard errors by statsmodels: plain, robust (HC1), or clustered.

Clustered errors carry the factor G/(G − 1) · (N − 1)/(N − K) (Cameron & Miller 2015, doi:10.3368/jhr.50.2.317), robust
ones N/(N − K); Cox has none. Whether an estimate is a maximum is judged elsewhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from enclave.errors import Refused
from output_control.models.likelihood import CoxModel, LinearModel, Link
from output_control.tables.table import FloatArray, IntArray

STEPS = 200
TOLERANCE = 1e-13  # of the deviance


def not_converged() -> Refused:
    """No maximum was found, or not one that holds."""
    return Refused(
        "the regression does not converge: terms separate the outcomes, or hang together",
        next_step="merge categories or leave out a term",
    )


def estimate_linear(
    model: LinearModel, cluster: IntArray | None, *, robust: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Coefficients and standard errors of a generalised linear model, by iteratively reweighted least squares."""
    from statsmodels.genmod.generalized_linear_model import GLM

    with _quiet():
        fitted = GLM(
            model.response,
            model.values,
            family=_family(model.link),
            offset=model.offset,
            var_weights=model.weight,
        ).fit(maxiter=STEPS, tol=TOLERANCE, **_covariance(model, cluster, robust=robust))
        return np.asarray(fitted.params, dtype=np.float64), np.asarray(fitted.bse, dtype=np.float64)


def estimate_cox(model: CoxModel, cluster: IntArray | None, *, robust: bool = False) -> tuple[FloatArray, FloatArray]:
    """Log hazard ratios and standard errors, with Breslow's ties."""
    from statsmodels.duration.hazard_regression import PHReg

    groups = np.arange(len(model.duration)) if robust else cluster
    with _quiet():
        fitted = PHReg(model.duration, model.values, status=model.event.astype(np.float64), ties="breslow").fit(
            groups=groups, disp=0
        )
        return np.asarray(fitted.params, dtype=np.float64), np.asarray(fitted.bse, dtype=np.float64)


def _family(link: Link) -> Any:
    from statsmodels.genmod import families

    links = families.links
    match link.name:
        case "normal":
            return families.Gaussian()
        case "logit":
            return families.Binomial(links.Logit())
        case "probit":
            return families.Binomial(links.Probit())
        case "poisson":
            return families.Poisson()
        case "gamma":
            return families.Gamma(links.Log())
        case "negative_binomial":
            return families.NegativeBinomial(links.Log(), alpha=link.alpha)


def _covariance(model: LinearModel, cluster: IntArray | None, *, robust: bool) -> dict[str, Any]:
    """HC1 is the clustered covariance of records that are clusters of one; both by the observed information."""
    groups = np.arange(len(model.response)) if robust else cluster
    return {} if groups is None else {"cov_type": "cluster", "cov_kwds": {"groups": groups}}


@contextmanager
def _quiet() -> Iterator[None]:
    """What statsmodels says may hold values; what it raises means that there is no estimate."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            yield
        except (np.linalg.LinAlgError, ValueError, FloatingPointError, ZeroDivisionError):
            raise not_converged() from None
