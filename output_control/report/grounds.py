"""What a model or a distribution rests on and the rules that it was held to: what its report shows.

The figures here are exact and for checkers alone, but for what the policy asks; the page of who asked has no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from enclave.request_parts import Request
from output_control.policy import Policy
from output_control.policy.values import Sourced

DOMINANCE = "dominance"  # the confidential part: named, its parameters never
_EVERY_REQUEST = frozenset((*Request.model_fields, "kind"))


@dataclass(frozen=True, slots=True)
class Word:
    """A cell that is a word of the report, in the reader's language."""

    name: str


Cell = str | float | Word | None


@dataclass(frozen=True, slots=True)
class Check:
    """A rule that the output was held to.

    ``name`` says it in words (`check_<name>`); ``rule`` is the policy's name of it, empty where it is no parameter;
    ``asked`` its value, None where there is none or it is confidential. ``found``: what came nearest to it among the
    figures that leave. ``unmet``: how many figures were hidden on its account, or classes merged.
    """

    name: str
    rule: str = ""
    asked: float | None = None
    found: float | None = None
    unmet: int = 0
    done: Literal["met", "merged", "hidden", "taken_back"] = "met"


@dataclass(frozen=True, slots=True)
class Basis:
    """The groups of records behind the figures: a row per group, under headings that are words of the report."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What was merged, hidden or taken back, in the requester's own names, and why (`why_<reason>`).

    ``noun``: the heading (`col_<noun>`) under which ``what`` is a number. ``open``: it can be read off what leaves, so
    that its author may see it too.
    """

    done: Literal["merged", "hidden", "taken_back", "cut_off"]
    what: str | float
    reason: str
    rule: str
    open: bool = False
    noun: str = ""


@dataclass(frozen=True, slots=True)
class Grounds:
    """Everything that the page of one output needs beside the output itself; ``sizes`` are exact, by word."""

    sizes: Mapping[str, int]
    checks: tuple[Check, ...]
    basis: tuple[Basis, ...] = ()
    changes: tuple[Change, ...] = field(default=())


def held(
    policy: Policy,
    name: str,
    rule: str = "",
    found: float | None = None,
    *,
    asked: float | None = None,
    unmet: int = 0,
    done: Literal["merged", "hidden", "taken_back"] = "hidden",
) -> Check:
    """A check against the value that ``policy`` has under ``rule`` (``tables.minimum_frequency``), or ``asked``.

    Raises:
        AttributeError: the policy has no such rule; so a report cannot name one that was not applied.
    """
    if asked is None and rule not in ("", DOMINANCE):
        part, parameter = rule.split(".")
        value: Sourced[float] = getattr(getattr(policy.public, part), parameter)
        asked = float(value.value)
    return Check(name, rule, asked, found, unmet, done if unmet else "met")


_RULES = {
    "flag_units": "tables.minimum_frequency",
    "few_apart": "tables.minimum_frequency",
    "dominance": DOMINANCE,
    "alike": "tables.group_share",
    "unit_spread": "models.unit_leverage",
    "few_spread": "distributions.unit_in_direction",
    "percentile_units": "tables.percentile_units",
    "both_units": "tables.minimum_frequency",
    "lacking_units": "tables.minimum_frequency",
    "combination_units": "tables.minimum_frequency",
    "constant": "tables.group_share",
    "collinear": "distributions.largest_correlation",
}


def hidden_figure(what: str, reason: str) -> Change:
    """A figure that is hidden, by the reason's name; which rule that is follows from it."""
    return Change("hidden", what, reason, _RULES[reason], open=True)


def merged_classes(
    names: Iterable[str | float], merged_from: npt.NDArray[np.int64], reason: str, *, noun: str = "", open: bool = True
) -> tuple[Change, ...]:
    """The classes or steps, by their names, that hold more than one of those that were asked for."""
    return tuple(
        Change("merged", name, reason, "tables.minimum_frequency", open, noun)
        for name, classes in zip(names, merged_from.tolist(), strict=True)
        if classes > 1
    )


def asked_for(request: Request) -> list[tuple[str, str | Word]]:
    """The fields of a request's own kind that are set, as the researcher wrote them."""
    return [
        (name, Word("yes") if value is True else _written(value))
        for name, value in request
        if name not in _EVERY_REQUEST and value is not None and value is not False
    ]


def _written(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_written(each) for each in value)
    column, reference = getattr(value, "column", None), getattr(value, "reference", "")
    if column is not None:
        return f"{column} ({reference})" if reference else str(column)
    return f"{value:g}" if isinstance(value, float) else str(value)
