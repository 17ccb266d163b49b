"""Requests for models and distributions: each names columns; the gate estimates, checks, merges and rounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from enclave.request_parts import ColumnName, Request, Strict

FamilyName = Literal["ols", "wls", "logit", "probit", "poisson", "negative_binomial", "gamma", "mixed", "cox"]
ZERO_ONE_OUTCOME = ("logit", "probit", "cox")
Columns = Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=60)]


class Term(Strict):
    """An explanatory variable: a 0/1 or number column, or a categorical one with its reference code."""

    column: ColumnName
    categorical: bool = False
    reference: str = ""


class RegressionRequest(Request):
    """A regression of ``outcome`` on ``terms`` with an intercept (Cox: none), of one of these families.

    ``ols``, ``wls`` (with ``weight`` > 0), ``logit``, ``probit``, ``poisson``, ``negative_binomial`` (log link, with
    ``exposure`` > 0 where observation times differ), ``gamma`` (log link, outcome > 0), ``mixed`` (a random intercept
    per ``group``, REML), ``cox`` (``outcome`` 1 at an event, ``duration`` until event or end of observation). Standard
    errors: plain, ``robust``, or clustered on ``cluster``.
    """

    kind: Literal["regression"] = "regression"
    family: FamilyName = "logit"
    outcome: ColumnName
    terms: tuple[Term, ...] = Field(min_length=1, max_length=60)
    cluster: ColumnName | None = None
    robust: bool = False
    weight: ColumnName | None = None
    exposure: ColumnName | None = None
    duration: ColumnName | None = None
    group: ColumnName | None = None

    def flags(self) -> tuple[str, ...]:
        return (self.outcome,) if self.family in ZERO_ONE_OUTCOME else ()

    def numbers(self) -> tuple[str, ...]:
        given = [column for column in (self.weight, self.exposure, self.duration) if column]
        outcome = () if self.flags() else (self.outcome,)
        return (*outcome, *given, *(term.column for term in self.terms if not term.categorical))

    def categories(self) -> tuple[str, ...]:
        given = [column for column in (self.cluster, self.group) if column]
        return (*given, *(term.column for term in self.terms if term.categorical))


class TreeRequest(Request):
    """A tree (CART) of ``outcome``; released as a leaf table, never as scores.

    ``target``: the outcome is a 0/1 ``flag``, a ``category`` (a text column of up to 20 codes; a classification tree of
    several classes), or a ``number`` (a regression tree: the mean per leaf).
    """

    kind: Literal["tree"] = "tree"
    outcome: ColumnName
    features: Columns
    target: Literal["flag", "category", "number"] = "flag"
    max_depth: int = Field(default=4, ge=1, le=6)
    min_leaf: int = Field(default=50, ge=10)

    def flags(self) -> tuple[str, ...]:
        return (self.outcome,) if self.target == "flag" else ()

    def numbers(self) -> tuple[str, ...]:
        return (*([self.outcome] if self.target == "number" else []), *self.features)

    def categories(self) -> tuple[str, ...]:
        return (self.outcome,) if self.target == "category" else ()


class ClustersRequest(Request):
    """Clusters of standardised ``features``; released as sizes and centres, never as who belongs where.

    ``method``: ``k_means``; ``agglomerative`` (Ward, cut at ``clusters``, of up to 5,000 records; no tree of merges
    leaves); ``gaussian_mixture`` (diagonal covariances, number features only; each record in its likeliest component,
    and the spread of each feature beside its centre).
    """

    kind: Literal["clusters"] = "clusters"
    features: Columns
    clusters: int = Field(ge=2, le=20)
    method: Literal["k_means", "agglomerative", "gaussian_mixture"] = "k_means"

    def numbers(self) -> tuple[str, ...]:
        return self.features


class SurvivalRequest(Request):
    """Kaplan-Meier curves of the time ``duration`` to ``outcome`` 1, per code of ``by``, with the log-rank test.

    The curve is read at multiples of ``interval`` (in the unit of ``duration``), which are merged until each step
    holds enough units.
    """

    kind: Literal["survival"] = "survival"
    outcome: ColumnName
    duration: ColumnName
    interval: float = Field(gt=0)
    by: ColumnName | None = None

    def flags(self) -> tuple[str, ...]:
        return (self.outcome,)

    def numbers(self) -> tuple[str, ...]:
        return (self.duration,)

    def categories(self) -> tuple[str, ...]:
        return (self.by,) if self.by else ()


class RocRequest(Request):
    """How well ``score`` tells ``outcome`` 1 from 0: sensitivity and specificity at merged thresholds, and the AUC."""

    kind: Literal["roc"] = "roc"
    outcome: ColumnName
    score: ColumnName

    def flags(self) -> tuple[str, ...]:
        return (self.outcome,)

    def numbers(self) -> tuple[str, ...]:
        return (self.score,)


class LorenzRequest(Request):
    """The Lorenz curve of ``measure`` (0 or more) over units in ``classes`` equal classes, and the Gini coefficient."""

    kind: Literal["lorenz"] = "lorenz"
    measure: ColumnName
    classes: int = Field(default=10, ge=2, le=20)

    def numbers(self) -> tuple[str, ...]:
        return (self.measure,)


class HistogramRequest(Request):
    """Records by class of ``measure``: ``bins`` classes of ``width`` from ``start``, below and above open.

    Neighbouring classes are merged until each holds enough units. With ``bandwidth``, also a density, computed from
    the merged classes only.
    """

    kind: Literal["histogram", "density"] = "histogram"
    measure: ColumnName
    start: float
    width: float = Field(gt=0)
    bins: int = Field(ge=2, le=100)
    bandwidth: float | None = Field(default=None, gt=0)

    def numbers(self) -> tuple[str, ...]:
        return (self.measure,)


class BoxPlotRequest(Request):
    """The 5th, 25th, 50th, 75th and 95th percentile of ``measure``, per code of ``by``; no minimum or maximum."""

    kind: Literal["box_plot"] = "box_plot"
    measure: ColumnName
    by: ColumnName | None = None

    def numbers(self) -> tuple[str, ...]:
        return (self.measure,)

    def categories(self) -> tuple[str, ...]:
        return (self.by,) if self.by else ()


class CorrelationRequest(Request):
    """Correlations of each pair of ``features``, over records that have both; Pearson's, or Spearman's of ranks."""

    kind: Literal["correlation"] = "correlation"
    features: Annotated[tuple[ColumnName, ...], Field(min_length=2, max_length=60)]
    method: Literal["pearson", "spearman"] = "pearson"

    def numbers(self) -> tuple[str, ...]:
        return self.features


class TransitionRequest(Request):
    """How many records go from ``before`` to ``after``, both codes of one classification; a table, row by row."""

    kind: Literal["transition"] = "transition"
    before: ColumnName
    after: ColumnName
    classification: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

    def coded(self) -> tuple[tuple[str, str], ...]:
        return ((self.before, self.classification), (self.after, self.classification))


class NetworkRequest(Request):
    """A network as classes of degree: a row of the frame is an edge from ``record`` to ``period``; no edge leaves.

    The degree of a ``record`` is the number of its rows; classes are 1, 2-3, 4-7, 8-15 …, merged until each holds
    enough units.
    """

    kind: Literal["network"] = "network"
    period: ColumnName
