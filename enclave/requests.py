"""What an analysis may ask for: typed output requests, never numbers.

An analysis returns requests as JSON out of its sandbox; :func:`parse_requests` is the only way in. A request names a
derived frame, the population, the protected unit and the columns; the gate re-derives, tabulates or estimates, and
checks. An unknown kind is refused, not passed on.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from enclave.errors import Refused
from enclave.model_requests import (
    BoxPlotRequest,
    ClustersRequest,
    CorrelationRequest,
    HistogramRequest,
    LorenzRequest,
    NetworkRequest,
    RegressionRequest,
    RocRequest,
    SurvivalRequest,
    Term,
    TransitionRequest,
    TreeRequest,
)
from enclave.request_parts import ColumnName, Figure, Population, Request, Slug, Strict

__all__ = [
    "KINDS",
    "REQUEST_TYPES",
    "BoxPlotRequest",
    "ClustersRequest",
    "ColumnName",
    "CorrelationRequest",
    "DimensionRequest",
    "DistributionRequest",
    "Figure",
    "HistogramRequest",
    "LorenzRequest",
    "NetworkRequest",
    "OutputRequest",
    "Population",
    "Protection",
    "Rate",
    "RegressionRequest",
    "Request",
    "RocRequest",
    "Slug",
    "SurvivalRequest",
    "TableRequest",
    "Term",
    "TransitionRequest",
    "TreeRequest",
    "Wish",
    "dump_requests",
    "parse_requests",
]


class DimensionRequest(Strict):
    """A column of the derived frame and the classification (code list with hierarchy) its codes come from.

    ``levels``: names of the levels to show; empty shows all. Codes in the column are codes of any one level's leaves.
    """

    column: ColumnName
    classification: Slug
    levels: tuple[str, ...] = ()


RateFigure = Literal["wilson", "shrunken", "ratio", "quotient", "category_ratio", "direct", "funnel", "ratio_funnel"]


class Rate(Strict):
    """The share of one category of a dimension in all of its categories, per cell of the other dimensions.

    ``figures`` beside the rate: ``wilson`` (95 % interval), ``shrunken`` (empirical-Bayes value), ``quotient``
    (location quotient: the rate by that of the whole table), ``category_ratio`` (the category's number by that of the
    category ``against``), ``funnel`` (the rate of the whole and control limits around it, 95 % and 99.8 %). By the
    categories of ``standardise``, dimensions of the table: ``ratio`` (observed by expected, the rates of the whole
    applied to each), ``ratio_funnel`` (that, the expected number and control limits) and ``direct`` (directly
    standardised rate with its 95 % interval). ``standard``: the population of the latter, that of the whole ``table``
    or the one that the office lists in the ``classification``.
    """

    column: ColumnName
    category: str = Field(min_length=1, max_length=64)
    figures: tuple[RateFigure, ...] = ()
    standardise: tuple[ColumnName, ...] = ()
    against: str | None = Field(default=None, min_length=1, max_length=64)
    standard: Literal["table", "classification"] = "table"


Statistic = Literal["count", "sum", "mean", "rate", "median", "percentile", "minimum", "maximum", "mode"]


class Protection(Strict):
    """How a table is protected: by hiding cells, or in another way that the policy allows.

    ``base``: of the two methods that round. The policy says which methods and bases there are.
    """

    method: Literal["suppression", "coarser", "rounding", "small_count_rounding", "cell_key"] = "suppression"
    base: int | None = None


Code = Annotated[str, Field(min_length=1, max_length=64)]
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class Wish(Strict):
    """What a table should rather not lose where cells are hidden to protect others.

    ``keep``: cells that must stay published, each by its code per dimension (a column that is not named: its total);
    the request is refused when one of them cannot be. ``cost``: what hiding a cell costs, its ``value``, 1 (``count``)
    or log(1 + value) (``information``). ``weights`` multiplies that: per column, by code; what lies below a code has
    its weight too, unless it has one of its own. Checkers see all of it: it may not be drawn from what is secret.
    """

    keep: tuple[dict[ColumnName, Code], ...] = Field(default=(), max_length=100)
    cost: Literal["value", "count", "information"] = "value"
    weights: dict[ColumnName, dict[Code, Weight]] = Field(default_factory=dict, max_length=6)


class TableRequest(Request):
    """A hierarchical table over the derived frame: one row per ``record``; thresholds count distinct ``unit``.

    ``statistic``: ``count`` counts records; ``sum`` and ``mean`` are of ``measure`` (a number column, may be missing);
    ``median`` and ``percentile`` (1…99) too; ``rate`` is of records. Minimum, maximum and mode are one record's
    own value and refused. ``also_units``: further kinds of unit that each cell must protect (a household, a holding).
    ``weight``: the column of sampling weights; thresholds count units without it. ``wish``: which cells to lose last.
    """

    kind: Literal["table"] = "table"
    dimensions: tuple[DimensionRequest, ...] = Field(min_length=1, max_length=6)
    statistic: Statistic = "count"
    measure: ColumnName | None = None
    percentile: int | None = Field(default=None, ge=1, le=99)
    rate: Rate | None = None
    weight: ColumnName | None = None
    also_units: tuple[ColumnName, ...] = Field(default=(), max_length=4)
    protection: Protection = Protection()
    wish: Wish = Wish()

    def coded(self) -> tuple[tuple[str, str], ...]:
        return tuple((dimension.column, dimension.classification) for dimension in self.dimensions)

    def numbers(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.measure, self.weight)))

    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*super().columns(), *self.also_units)))


DistributionRequest = (
    ClustersRequest
    | SurvivalRequest
    | RocRequest
    | LorenzRequest
    | HistogramRequest
    | BoxPlotRequest
    | CorrelationRequest
    | NetworkRequest
)
OutputRequest = TableRequest | TransitionRequest | RegressionRequest | TreeRequest | DistributionRequest
REQUEST_TYPES: tuple[type[OutputRequest], ...] = get_args(OutputRequest)
_ADAPTER: TypeAdapter[OutputRequest] = TypeAdapter(Annotated[OutputRequest, Field(discriminator="kind")])
KINDS = tuple(kind for each in REQUEST_TYPES for kind in get_args(each.model_fields["kind"].annotation))
_MODELS = (*REQUEST_TYPES, Population, DimensionRequest, Protection, Rate, Wish, Term, Figure)
_FIELDS = frozenset(name for model in _MODELS for name in model.model_fields)


_FORESTS = ("forest", "random_forest", "gradient_boosting", "boosted_trees")
_WHY_NO_FOREST = (
    "the trees of a forest are grown on overlapping draws of the records, so that their leaves subtract to groups of "
    "few units, and no check of single leaves sees that"
)


def parse_requests(text: bytes | str) -> tuple[OutputRequest, ...]:
    """Read the JSON list of requests that came out of a sandbox.

    Raises:
        Refused: not a JSON list, an unknown kind, a malformed request, or two requests of one name. The message
            names positions and field names, never content.
    """
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("the analysis did not return a list of output requests") from None
    if not isinstance(listed, list) or not listed:
        raise Refused(
            "the analysis did not return a list of output requests",
            next_step="return the request objects of enclave.requests; records never leave",
        )
    requests = tuple(_parse_one(position, item) for position, item in enumerate(listed, start=1))
    if len({request.name for request in requests}) < len(requests):
        raise Refused("two output requests have the same name")
    return requests


def _parse_one(position: int, item: object) -> OutputRequest:
    kind = item.get("kind") if isinstance(item, dict) else None
    if kind in _FORESTS:
        raise Refused(
            f"output request {position} is a forest: {_WHY_NO_FOREST}",
            next_step="ask for a tree, or for the ROC curve of the forest's score; for more, ask the output checkers",
        )
    if kind not in KINDS:
        raise Refused(
            f"output request {position} is of no known kind; known are {', '.join(KINDS)}",
            next_step="an output of another kind needs a person: ask the output checkers",
        )
    try:
        return _ADAPTER.validate_json(json.dumps(item))
    except ValidationError as error:
        places = sorted({".".join(_shown(part) for part in e["loc"][1:]) for e in error.errors()})
        raise Refused(f"output request {position} is malformed at: {', '.join(places)}") from None


def _shown(part: int | str) -> str:
    """A position, or a field that requests have; the name of any other field is content, and stays inside."""
    return str(part) if isinstance(part, int) or part in _FIELDS else "(a field that requests do not have)"


def dump_requests(requests: tuple[OutputRequest, ...]) -> bytes:
    """The JSON list that :func:`parse_requests` reads."""
    return json.dumps([request.model_dump(mode="json") for request in requests], sort_keys=True).encode()
