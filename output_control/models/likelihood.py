"""Scores and information of the regression families: what the acceptance of an estimate and leverage are made of.

With scores s_i(β) per record and the expected information I(β), A = I⁻¹, a further Fisher step is A·Σs_i. Sources:
McCullagh & Nelder, *Generalized Linear Models* (1989), section 2.5; for Cox with Breslow's ties Kalbfleisch & Prentice
(2002), section 4.3, and Lin & Wei (1989), doi:10.1080/01621459.1989.10478874.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from output_control.tables.table import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """A likelihood at one β: scores (records × p), information (p × p), ``spread``, and ``part``.

    ``spread`` takes directions (p × m) and gives each record's part in the information along each (records × m);
    ``part`` gives the part of the information (p × p) that the marked records hold.
    """

    scores: FloatArray
    information: FloatArray
    spread: Callable[[FloatArray], FloatArray]
    part: Callable[[BoolArray], FloatArray]


def local_of(rows: FloatArray, scores: FloatArray) -> Local:
    """Where the information is rows'rows, one row per record."""
    return Local(
        scores=scores,
        information=rows.T @ rows,
        spread=lambda directions: (rows @ directions) ** 2,
        part=lambda marked: rows[marked].T @ rows[marked],
    )


class Likelihood(Protocol):
    """A family with its data."""

    def at(self, beta: FloatArray) -> Local:
        """Scores and information at ``beta``."""
        ...

    def dispersion(self, beta: FloatArray) -> float:
        """φ at the estimate; 1 where the family has none."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """Mean and its derivative from the linear predictor; variance from the mean; ``scaled``: φ is estimated.

    ``name`` says which family of statsmodels it is; ``alpha`` is the negative binomial's.
    """

    name: Literal["normal", "logit", "probit", "poisson", "gamma", "negative_binomial"]
    mean: Callable[[FloatArray], tuple[FloatArray, FloatArray]]
    variance: Callable[[FloatArray], FloatArray]
    scaled: bool = False
    alpha: float = 0.0


def _logistic(eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    probability = 1 / (1 + np.exp(-eta))
    return probability, probability * (1 - probability)


def _normal(eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    from scipy.special import ndtr

    return np.asarray(ndtr(eta)), np.exp(-(eta**2) / 2) / np.sqrt(2 * np.pi)


def _exponential(eta: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean = np.exp(eta)
    return mean, mean


def negative_binomial(alpha: float) -> Link:
    """Log link, variance μ + αμ² (Hilbe, *Negative Binomial Regression* 2011, NB2)."""
    return Link("negative_binomial", _exponential, lambda mu: mu + alpha * mu**2, alpha=alpha)


IDENTITY = Link("normal", lambda eta: (eta, np.ones_like(eta)), np.ones_like, scaled=True)
LOGIT = Link("logit", _logistic, lambda mu: mu * (1 - mu))
PROBIT = Link("probit", _normal, lambda mu: mu * (1 - mu))
POISSON = Link("poisson", _exponential, lambda mu: mu)
GAMMA = Link("gamma", _exponential, lambda mu: mu**2, scaled=True)


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """A generalised linear model: ``weight`` per record, ``offset`` added to the linear predictor."""

    link: Link
    values: FloatArray
    response: FloatArray
    weight: FloatArray
    offset: FloatArray

    def at(self, beta: FloatArray) -> Local:
        """Working weights w·(dμ/dη)²/V."""
        mu, slope = self.link.mean(self.values @ beta + self.offset)
        ratio = self.weight * slope / self.link.variance(mu)
        rows = self.values * np.sqrt(ratio * slope)[:, None]
        scores = self.values * (ratio * (self.response - mu))[:, None]
        return local_of(rows, scores)

    def pearson(self, beta: FloatArray) -> FloatArray:
        """Each record's part in the spread that is left."""
        mu, _ = self.link.mean(self.values @ beta + self.offset)
        return np.asarray(self.weight * (self.response - mu) ** 2 / self.link.variance(mu), dtype=np.float64)

    def dispersion(self, beta: FloatArray) -> float:
        """Pearson's, over the residual degrees of freedom."""
        if not self.link.scaled:
            return 1.0
        return float(self.pearson(beta).sum() / (self.values.shape[0] - self.values.shape[1]))


@dataclass(frozen=True, slots=True, eq=False)
class CoxModel:
    """Cox's partial likelihood with Breslow's ties; rows in any order."""

    values: FloatArray
    event: BoolArray
    duration: FloatArray

    def at(self, beta: FloatArray) -> Local:
        """Scores are Lin & Wei's residuals: at the own event, less what was expected while at risk."""
        risk = np.exp(self.values @ beta)
        times, place = np.unique(self.duration, return_inverse=True)
        events = np.bincount(place, weights=self.event, minlength=len(times))
        at_risk = _from_here_on(np.bincount(place, weights=risk, minlength=len(times)))
        mean = _means(self.values, risk, place, at_risk)
        hazard = np.cumsum(events / at_risk)
        expected = np.cumsum((events / at_risk)[:, None] * mean, axis=0)
        passed = self.values * hazard[place, None] - expected[place]
        scores = self.event[:, None] * (self.values - mean[place]) - risk[:, None] * passed

        def spread(directions: FloatArray) -> FloatArray:
            along = self.values @ directions
            centre = _means(along, risk, place, at_risk)
            first = np.cumsum((events / at_risk)[:, None] * centre, axis=0)[place]
            second = np.cumsum((events / at_risk)[:, None] * centre**2, axis=0)[place]
            part = risk[:, None] * (along**2 * hazard[place, None] - 2 * along * first + second)
            return np.asarray(np.maximum(part, 0.0), dtype=np.float64)

        def part(marked: BoolArray) -> FloatArray:
            inside = risk * marked
            held = _from_here_on(np.bincount(place, weights=inside, minlength=len(times)))
            crossed = (self.values * inside[:, None]).T @ expected[place]
            own = self.values.T @ (self.values * (inside * hazard[place])[:, None])
            return np.asarray(own - crossed - crossed.T + mean.T @ (mean * (events / at_risk * held)[:, None]))

        # Σ_i risk_i Σ_{t ≤ t_i} dN(t)/S0(t)·(x_i − x̄(t))(x_i − x̄(t))'
        weighted = self.values * (risk * hazard[place])[:, None]
        information = self.values.T @ weighted - mean.T @ (mean * events[:, None])
        return Local(scores, information, spread, part)

    def dispersion(self, beta: FloatArray) -> float:
        """None."""
        return 1.0


def _means(values: FloatArray, risk: FloatArray, place: IntArray, at_risk: FloatArray) -> FloatArray:
    """Mean of each column over who is at risk, at each time."""
    sums = [np.bincount(place, weights=values[:, j] * risk, minlength=len(at_risk)) for j in range(values.shape[1])]
    return np.column_stack([_from_here_on(each) for each in sums]) / at_risk[:, None]


def _from_here_on(values: npt.NDArray[np.generic]) -> FloatArray:
    return np.asarray(values[::-1].astype(np.float64).cumsum()[::-1], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class RandomIntercept:
    """A linear model with a random intercept per ``group``, at a given ratio τ²/σ² of its variances.

    Rows less a part of their group's mean have independent errors: x − θ_g·x̄_g with θ_g = 1 − (1 + n_g·ratio)^(−1/2)
    (Fuller & Battese 1973); so the fixed effects are those of a linear model on these rows.
    """

    values: FloatArray
    response: FloatArray
    group: IntArray
    ratio: float

    def transformed(self) -> LinearModel:
        """The equivalent linear model with independent errors."""
        size = np.bincount(self.group)
        part = (1 - 1 / np.sqrt(1 + size * self.ratio))[self.group]

        def less_mean(column: FloatArray) -> FloatArray:
            mean = np.bincount(self.group, weights=column) / size
            return np.asarray(column - part * mean[self.group], dtype=np.float64)

        values = np.column_stack([less_mean(self.values[:, j]) for j in range(self.values.shape[1])])
        ones = np.ones(len(self.response))
        return LinearModel(IDENTITY, values, less_mean(self.response), ones, 0 * ones)
