"""Whether a number column has no more than two values, or as good as: its sums and means are then counts in disguise.

As good as: all but a few of the units lie within a hundredth of the way from one of two values to the other. The two
are sought at the ends, and at the ends without the outermost few, so that neither noise, nor other values for a few,
nor a few far away, hide them. One or two units far from 0 and from all others are no second value: they are outliers,
which the rules on the largest contributions hide.
"""

# ruff: noqa: S608 (statements hold quoted names and whole numbers, never a value)
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from enclave.requests import Request
from output_control.policy import TableRules
from output_control.tables.derived import Sources
from output_control.tables.table import BoolArray, FloatArray, IntArray

NEAR = 0.01
STEEP = 0.05
OUTLIERS = 2
COUNT_INSTEAD = "make it a dimension of a count or a rate: those are protected as the numbers of units that they are"
MOST_OUTSIDE = 20  # the outermost few are at most one in so many units, on either side


@dataclass(frozen=True, slots=True)
class Ends:
    """Distinct units of a column by where it has values: between two ends, and near the one that is farther from 0.

    ``apart``: whether the ends differ. ``inside``: units from end to end, those near the ends included.
    """

    apart: bool
    inside: int
    between: int
    far: int

    def are_all(self, rules: TableRules) -> bool:
        """Whether the two ends are as good as all values."""
        few = min(rules.minimum_frequency.value - 1, (1 - rules.group_share.value) * self.inside)
        return self.between <= few and (not self.apart or self.far > OUTLIERS)


FROM_0 = "take a constant off it in the derivation, so that it begins near 0: a year as years since the first, say"


def far_from_0(column: str) -> str:
    """The refusal of sums of such a column."""
    return f"{column} differs between units by less than a twentieth of its least value: its sums protect what all have"


def counts_in_disguise(column: str) -> str:
    """The refusal of what adds up or ranks such a column."""
    return f"{column} has two values only, or nearly: what is said of it counts the units that have the one"


def upper_of_two(values: FloatArray, unit: IntArray, rules: TableRules) -> BoolArray | None:
    """Which records have the upper one of two values (of one value: all); None where a column has more.

    ``values`` may be NaN, which is neither; ``unit`` numbers the units from 0.
    """
    known = np.isfinite(values)
    inside, who = values[known], np.unique(unit[known], return_inverse=True)[1]
    different = np.unique(inside)
    if len(different) <= 2:
        return known & (values == different[-1]) if len(different) else known
    for low, high in _ends(inside, who, rules):
        if _counted(inside, who, low, high).are_all(rules):
            return known & (values > (low + high) / 2) if low < high else known & (values == low)
    return None


def _ends(values: FloatArray, unit: IntArray, rules: TableRules) -> Iterator[tuple[float, float]]:
    units = int(unit.max()) + 1
    least, most = np.full(units, np.inf), np.full(units, -np.inf)
    np.minimum.at(least, unit, values)
    np.maximum.at(most, unit, values)
    for off in (0, _outside(units, rules)):
        yield float(np.sort(least)[off]), float(np.sort(most)[-1 - off])


def _outside(units: int, rules: TableRules) -> int:
    return min(rules.minimum_frequency.value - 1, units // MOST_OUTSIDE)


def _counted(values: FloatArray, unit: IntArray, low: float, high: float) -> Ends:
    near = NEAR * (high - low)
    far = values >= high - near if abs(high) >= abs(low) else values <= low + near
    marks = ((values >= low) & (values <= high), (values > low + near) & (values < high - near), far)
    inside, between, far_units = (len(np.unique(unit[rows])) for rows in marks)
    return Ends(low < high, inside, between, far_units)


def has_two_values(request: Request, measure: str, sources: Sources, rules: TableRules) -> bool:
    """The same of a column of a derived frame, in the engine; one value for all is no harm, and False."""
    known, off = _known_in(request, measure, sources, rules)
    different = _column(sources, f"SELECT COUNT(*) AS n FROM (SELECT DISTINCT v FROM ({known}) AS k LIMIT 3) AS d")
    if different <= 2:
        return different == 2
    return any(_ends_in(sources, known, each).are_all(rules) for each in dict.fromkeys((0, off)))


def begins_far_from_0(request: Request, measure: str, sources: Sources, rules: TableRules) -> bool:
    """Whether the values of nearly all units differ by less than `STEEP` of the least of them, and do differ."""
    known, off = _known_in(request, measure, sources, rules)
    ends = _with_ends(known, off)
    return bool(_column(sources, f"{ends} SELECT COUNT(*) AS n FROM ends WHERE b > a AND b - a < {STEEP} * a"))


def _known_in(request: Request, measure: str, sources: Sources, rules: TableRules) -> tuple[str, int]:
    """The query of all units ``u`` and values ``v``, and how many units are the outermost few."""
    table = sources.derived_table(request.derivation)
    known = sources.sql(
        "SELECT {u} AS u, CAST({m} AS DOUBLE) AS v FROM {t} WHERE {m} IS NOT NULL", u=request.unit, m=measure, t=table
    )
    return known, _outside(_column(sources, f"SELECT COUNT(DISTINCT u) AS n FROM ({known}) AS k"), rules)


def _with_ends(known: str, off: int) -> str:
    """Units and values as ``k``, and as ``ends`` the row of both ends without the ``off`` outermost units."""
    return (
        f"WITH k AS ({known}), "
        f"low AS (SELECT MAX(e) AS a FROM (SELECT MIN(v) AS e FROM k GROUP BY u ORDER BY e LIMIT {off + 1}) AS l), "
        f"high AS (SELECT MIN(e) AS b FROM (SELECT MAX(v) AS e FROM k GROUP BY u ORDER BY e DESC LIMIT {off + 1}) AS h)"
        f", ends AS (SELECT a, b, {NEAR} * (b - a) AS s FROM low CROSS JOIN high)"
    )


def _ends_in(sources: Sources, known: str, off: int) -> Ends:
    """As `_ends` and `_counted`, without the ``off`` outermost units; no value leaves the engine."""
    near_far = "(ABS(b) >= ABS(a) AND v >= b - s) OR (ABS(b) < ABS(a) AND v <= a + s)"
    marks = {"apart": "a < b", "inside": "v >= a AND v <= b", "amid": "v > a + s AND v < b - s", "far": near_far}
    of_unit = ", ".join(f"MAX(CASE WHEN {mark} THEN 1 ELSE 0 END) AS {name}" for name, mark in marks.items())
    counts = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in marks)
    found = sources.engine.collect(
        f"{_with_ends(known, off)} SELECT {counts} FROM (SELECT {of_unit} FROM k CROSS JOIN ends GROUP BY u) AS per",
        ["apart"],
    )
    apart, *units = (int(found.column(name)[0].as_py()) for name in marks)
    return Ends(apart > 0, *units)


def _column(sources: Sources, query: str) -> int:
    return int(sources.engine.collect(query, ["n"]).column(0)[0].as_py())
