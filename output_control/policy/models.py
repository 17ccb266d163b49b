"""Rules for models, distributions and figures; the minimum frequency and group share of tables hold for them too."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from output_control.policy.values import PolicyFile, Sourced

OutputKind = Literal[
    "table",
    "transition",
    "regression",
    "tree",
    "clusters",
    "survival",
    "roc",
    "lorenz",
    "histogram",
    "density",
    "box_plot",
    "correlation",
    "network",
    "figure",
]

UNAUDITED = tuple(kind for kind in get_args(OutputKind) if kind not in {"table", "transition", "figure"})
"""Kinds without cells that an audit could attack."""


class DistributionRules(PolicyFile):
    """What holds for every model and distribution beside the rules of regressions and trees.

    ``unit_in_direction``: the most that the records of one unit may hold of the information on all combinations of
    coefficients together (leverage). ``largest_correlation``: beyond it one column as good as is the other.
    ``share_decimals``: decimals of shares, curves, correlations and Gini. ``value_digits``: significant digits of
    percentiles and centres.
    """

    unit_in_direction: Sourced[Annotated[float, Field(gt=0, le=1)]]
    cluster_units: Sourced[Annotated[int, Field(ge=2)]]
    largest_correlation: Sourced[Annotated[float, Field(gt=0, lt=1)]]
    share_decimals: Sourced[Annotated[int, Field(ge=1, le=4)]]
    value_digits: Sourced[Annotated[int, Field(ge=1, le=4)]]
