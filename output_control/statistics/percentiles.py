"""Medians and percentiles per cell, with the distinct units on either side."""

# ruff: noqa: S608 (statements hold quoted names and whole numbers, never a value)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enclave.requests import BoxPlotRequest, OutputRequest, TableRequest
from output_control.tables.derived import Sources
from output_control.tables.shown import ShownDimension
from output_control.tables.table import FloatArray, IntArray
from output_control.tables.tabulation import DECIMALS, leaves_above, measured_rows

BOX_PLOT = (5, 25, 50, 75, 95)


@dataclass(frozen=True, slots=True, eq=False)
class Percentiles:
    """One value per cell, and how many units stand at or below it, and at or above, besides the one that holds it."""

    cell: IntArray
    value: FloatArray
    below: IntArray
    above: IntArray

    @staticmethod
    def fewest_of(kinds: Sequence[Percentiles]) -> Percentiles:
        """The same values with, per side, the fewest units of any kind."""
        below = np.min([kind.below for kind in kinds], axis=0)
        return Percentiles(kinds[0].cell, kinds[0].value, below, np.min([kind.above for kind in kinds], axis=0))

    def fewest(self) -> IntArray:
        """Units on the side that has fewer."""
        return np.minimum(self.below, self.above)


def gaps(requests: Sequence[OutputRequest]) -> dict[str, int]:
    """Per percentile asked for, by name of its request: percent of records up to the nearest other one of its measure.

    A box plot's percentiles count as asked for. 100 where there is no other.
    """
    asked = [
        (each.derivation, each.measure, each.percentile or 50, each.name)
        for each in requests
        if isinstance(each, TableRequest) and each.statistic in {"median", "percentile"}
    ]
    every = {(derivation, measure, percent) for derivation, measure, percent, _ in asked}
    for each in requests:
        if isinstance(each, BoxPlotRequest):
            every |= {(each.derivation, each.measure, percent) for percent in BOX_PLOT}
    return {
        name: min(
            (abs(percent - other) for *column, other in every if column == [derivation, measure] and other != percent),
            default=100,
        )
        for derivation, measure, percent, name in asked
    }


def percentiles(request: TableRequest, shown: tuple[ShownDimension, ...], sources: Sources, unit: str) -> Percentiles:
    """The value of rank ⌈n·p/100⌉ among the n records of each non-empty cell (inverse of the empirical distribution).

    Source: Hyndman and Fan 1996, definition 1, doi:10.2307/2684934. Values are compared in whole ten-thousandths.
    """
    share = request.percentile or 50
    above, joins = leaves_above(request, shown, sources)
    spread = f"SELECT {above} AS cell, u, v FROM ({measured_rows(request, shown, sources, unit)}) AS r {joins}"
    found = sources.engine.collect(
        f"WITH spread AS ({spread}), "
        "ranked AS (SELECT cell, v, ROW_NUMBER() OVER (PARTITION BY cell ORDER BY v) AS i, "
        "COUNT(*) OVER (PARTITION BY cell) AS n FROM spread), "
        f"held AS (SELECT cell, v AS q FROM ranked WHERE (i - 1) * 100 < n * {share} AND i * 100 >= n * {share}) "
        "SELECT held.cell AS cell, q, COUNT(DISTINCT CASE WHEN v <= q THEN u END) - 1 AS below, "
        "COUNT(DISTINCT CASE WHEN v >= q THEN u END) - 1 AS above "
        "FROM held JOIN spread ON held.cell = spread.cell GROUP BY held.cell, q",
        ["cell"],
    )
    columns = {name: np.asarray(found.column(name).to_numpy(), dtype=np.int64) for name in found.column_names}
    return Percentiles(columns["cell"], columns["q"] / 10**DECIMALS, columns["below"], columns["above"])
