"""Where the counts of a rate request stand in its table: numerators, wholes and strata of every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from enclave.requests import Rate
from output_control.policy import TableRules
from output_control.statistics.rounding import to_bases
from output_control.tables.evidence import Evidence
from output_control.tables.table import BoolArray, CodeArray, FloatArray, IntArray, cell_keys

NOWHERE = -1
Stratum = Mapping[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """One count per row: its cell of the table (-1: empty), its value as published, and whether it is hidden."""

    cells: IntArray
    value: FloatArray
    hidden: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class RateCells:
    """The table of a rate request under a pattern; ``rows`` are the positions of the dimensions that make its rows.

    ``codes`` are those of the rows in ``rows``, and ``full`` in all dimensions, the others at their root.
    """

    evidence: Evidence
    suppressed: BoolArray
    base: int
    rate: Rate
    rows: tuple[int, ...]
    codes: CodeArray
    full: CodeArray
    column: int
    category: int

    @staticmethod
    def of(evidence: Evidence, suppressed: BoolArray, rules: TableRules) -> RateCells:
        """For a request that asks for a rate."""
        rate, table = _asked(evidence), evidence.table
        left = {rate.column, *rate.standardise}
        rows = tuple(i for i, shown in enumerate(evidence.shown) if shown.column not in left)
        shape = tuple(table.shape[i] for i in rows)
        every = np.arange(int(np.prod(shape, dtype=np.int64)))
        codes = np.column_stack(np.unravel_index(every, shape)).astype(np.int32)
        full = np.zeros((len(codes), len(table.dims)), dtype=np.int32)
        full[:, list(rows)] = codes
        base = rules.count_rounding.value.base or 1
        return RateCells(evidence, suppressed, base, rate, rows, codes, full, *place_of_category(evidence))

    def count(self, code: int, stratum: Stratum | None = None) -> Counts:
        """Per row, in one category of the rate's column (0: all) and one stratum (none: all)."""
        return self._found(self.full, code, stratum or {})

    def of_whole(self, code: int, stratum: Stratum | None = None) -> Counts:
        """The same of all rows together, as an array of one."""
        return self._found(np.zeros_like(self.full[:1]), code, stratum or {})

    def strata(self) -> list[dict[int, int]]:
        """Each combination of the finest codes of the standardising dimensions, by position."""
        combined: list[dict[int, int]] = [{}]
        for name in self.rate.standardise:
            position = position_of(self.evidence, name)
            dim = self.evidence.shown[position].dimension
            combined = [{**each, position: dim.index[leaf]} for each in combined for leaf in dim.leaves]
        return combined

    def code_of(self, category: str) -> int:
        """The code of a category of the rate's column."""
        return self.evidence.shown[self.column].dimension.index[category]

    def few_units(self, counts: Counts, least: int) -> BoolArray:
        """Rows of which a count that is not 0 has fewer than ``least`` units of some kind."""
        few = np.zeros(len(counts.cells), dtype=np.bool_)
        for kind in self.evidence.kinds:
            units = np.where(counts.cells >= 0, kind.table.freq[np.maximum(counts.cells, 0)], 0.0)
            few |= (units > 0) & (units < least)
        return few

    def _found(self, codes: CodeArray, code: int, stratum: Stratum) -> Counts:
        table, wanted = self.evidence.table, codes.copy()
        for position, each in {**stratum, self.column: code}.items():
            wanted[:, position] = each
        keys, sought = table.keys(), cell_keys(wanted, table.shape)
        at = np.minimum(np.searchsorted(keys, sought), len(keys) - 1)
        there = keys[at] == sought
        value = to_bases(np.where(there, table.value[at], 0.0), self.base)
        return Counts(np.where(there, at, NOWHERE).astype(np.int64), value, there & self.suppressed[at])


def place_of_category(evidence: Evidence) -> tuple[int, int]:
    """The position of the rate's column, and the code of its category."""
    rate = _asked(evidence)
    column = position_of(evidence, rate.column)
    return column, evidence.shown[column].dimension.index[rate.category]


def position_of(evidence: Evidence, column: str) -> int:
    """Of a dimension of the table."""
    return [shown.column for shown in evidence.shown].index(column)


def _asked(evidence: Evidence) -> Rate:
    rate = evidence.request.rate
    assert rate is not None  # noqa: S101 - called for rate requests only
    return rate
