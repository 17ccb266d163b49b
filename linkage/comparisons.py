"""How two records are compared, whatever kind of unit they are about: levels of agreement with their m and u.

A model of Fellegi and Sunter (1969, doi:10.1080/01621459.1969.10501049): per level, m is the probability that the two
records of one unit agree so, u that those of two units do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Level:
    """One way to agree: SQL that holds when no earlier level did, and its m (0–1).

    ``exact``: the columns whose equality is this level, so that u can be counted over all pairs instead of a sample
    (``less`` are the columns of the level before, which is subtracted). ``frequency``: the column whose rare values
    count for more. ``own``: what a unit hardly shares with another, such as a whole address: of the units that agree,
    the first is taken for the record's own. ``u`` is None until trained. ``fixed_u``: m and this u stand, where pairs
    at large would mislead.
    """

    label: str
    condition: str
    m: float
    exact: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    frequency: str = ""
    own: bool = False
    u: float | None = None
    fixed_u: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Levels from most to least agreement; the last is everything else. ``missing``: SQL of what says nothing."""

    name: str
    missing: str
    levels: tuple[Level, ...]

    def trained(self, parameters: Mapping[str, tuple[float, float]]) -> Comparison:
        """With m and u by level's label."""
        return replace(
            self,
            levels=tuple(
                replace(level, m=parameters[level.label][0], u=parameters[level.label][1]) for level in self.levels
            ),
        )


def missing(column: str) -> str:
    """SQL: one of the two records does not say it."""
    return f"{column}_l IS NULL OR {column}_r IS NULL"


def same_or_other(name: str, m: float) -> Comparison:
    """A column that is equal, with probability ``m`` of one unit, or not."""
    same = Level("same", f"{name}_l = {name}_r", m, exact=(name,))
    return Comparison(name, missing(name), (same, Level("other", "ELSE", round(1 - m, 3))))


def living_at(same: float, street: float, place: float, *, own: bool = False) -> Comparison:
    """Postcode and house number, from the whole address to the four digits of the postcode, with the m of each."""
    whole = "postcode_l = postcode_r AND number_l = number_r"
    levels = (
        Level("same", whole, same, exact=("postcode", "number"), own=own),
        Level("same street", "postcode_l = postcode_r", street, exact=("postcode",), less=("postcode", "number")),
        Level("same place", "place_l = place_r", place, exact=("place",), less=("postcode",)),
        Level("other", "ELSE", round(1 - same - street - place, 3)),
    )
    return Comparison("address", missing("place"), levels)


def splink_settings(
    comparisons: tuple[Comparison, ...], rules: tuple[str, ...], *, prior: float, keep_levels: bool
) -> dict[str, Any]:
    """The settings of a linker: delivery against register, on column ``id``; ``prior`` for any pair, 0–1.

    ``keep_levels`` has the level of every comparison stand in the result (``gamma_<name>``).
    """
    return {
        "link_type": "link_only",
        "unique_id_column_name": "id",
        "probability_two_random_records_match": prior,
        "comparisons": [_splink_comparison(found) for found in comparisons],
        "blocking_rules_to_generate_predictions": [{"blocking_rule": rule} for rule in rules],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": keep_levels,
        "em_convergence": 0.001,
        "max_iterations": 25,
    }


def _splink_comparison(comparison: Comparison) -> dict[str, Any]:
    levels: list[dict[str, Any]] = [
        {"sql_condition": comparison.missing, "label_for_charts": "missing", "is_null_level": True}
    ]
    for level in comparison.levels:
        made: dict[str, Any] = {"sql_condition": level.condition, "label_for_charts": level.label}
        made["m_probability"] = level.m
        if level.u is not None:
            made["u_probability"] = level.u
            if level.frequency:
                made["tf_adjustment_column"] = level.frequency
        levels.append(made)
    return {"output_column_name": comparison.name, "comparison_levels": levels}
