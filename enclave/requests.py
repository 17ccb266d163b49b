"""What an analysis may ask for: typed output requests, never numbers.

An analysis returns requests as JSON out of its sandbox; :func:`parse_requests` is the only way in. A request names a
derived frame, the population, the protected unit and the columns; the gate re-derives, tabulates or estimates, and
checks. An unknown kind is refused, not passed on.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from enclave.errors import Refused

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ColumnName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Population(_Strict):
    """The linked data set, and its key column, within which every counted record must lie."""

    dataset: Slug
    key: ColumnName


class DimensionRequest(_Strict):
    """A column of the derived frame and the classification (code list with hierarchy) its codes come from.

    ``levels``: names of the levels to show; empty shows all. Codes in the column are codes of any one level's leaves.
    """

    column: ColumnName
    classification: Slug
    levels: tuple[str, ...] = ()


class _Request(_Strict):
    """``record`` identifies a row of the derived frame; where it recurs (dwelling-years), with ``period``."""

    name: Slug
    title: str = Field(min_length=3, max_length=200)
    derivation: Slug
    population: Population
    record: ColumnName
    period: ColumnName | None = None
    unit: ColumnName


class Protection(_Strict):
    """How a table is protected: by hiding cells, or in another way that the policy allows.

    ``base``: of the two methods that round. The policy says which methods and bases there are.
    """

    method: Literal["suppression", "coarser", "rounding", "small_count_rounding", "cell_key"] = "suppression"
    base: int | None = None


class TableRequest(_Request):
    """A hierarchical table over the derived frame: one row per ``record``; thresholds count distinct ``unit``.

    ``statistic`` ``count`` counts records; ``sum`` adds up ``measure`` (a number column, may be missing).
    ``protection``: how it is protected; `zicht check` compares what the policy allows.
    """

    kind: Literal["table"] = "table"
    dimensions: tuple[DimensionRequest, ...] = Field(min_length=1, max_length=6)
    statistic: Literal["count", "sum"] = "count"
    measure: ColumnName | None = None
    protection: Protection = Protection()


class Term(_Strict):
    """An explanatory variable: a 0/1 or number column, or a categorical one with its reference code."""

    column: ColumnName
    categorical: bool = False
    reference: str = ""


class RegressionRequest(_Request):
    """A logistic regression of a 0/1 ``outcome`` on ``terms``, with standard errors clustered on ``cluster``."""

    kind: Literal["regression"] = "regression"
    family: Literal["logit"] = "logit"
    outcome: ColumnName
    terms: tuple[Term, ...] = Field(min_length=1, max_length=60)
    cluster: ColumnName | None = None


class TreeRequest(_Request):
    """A classification tree (CART) of a 0/1 ``outcome``; released as a leaf table, never as scores."""

    kind: Literal["tree"] = "tree"
    outcome: ColumnName
    features: tuple[ColumnName, ...] = Field(min_length=1, max_length=60)
    max_depth: int = Field(default=4, ge=1, le=6)
    min_leaf: int = Field(default=50, ge=10)


OutputRequest = TableRequest | RegressionRequest | TreeRequest
_ADAPTER: TypeAdapter[OutputRequest] = TypeAdapter(Annotated[OutputRequest, Field(discriminator="kind")])
KINDS = ("table", "regression", "tree")
_MODELS = (TableRequest, RegressionRequest, TreeRequest, Population, DimensionRequest, Protection, Term)
_FIELDS = frozenset(name for model in _MODELS for name in model.model_fields)


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
            next_step="return TableRequest, RegressionRequest or TreeRequest objects; records never leave",
        )
    requests = tuple(_parse_one(position, item) for position, item in enumerate(listed, start=1))
    if len({request.name for request in requests}) < len(requests):
        raise Refused("two output requests have the same name")
    return requests


def _parse_one(position: int, item: object) -> OutputRequest:
    kind = item.get("kind") if isinstance(item, dict) else None
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
