"""The folders of `zicht protect`: a table to protect as its owner delivers it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from enclave.errors import BadInput, Fault
from output_control.alone.columns import ROWS_SHOWN, Columns
from output_control.alone.description import Description, read_description
from output_control.tables.aggregate import LARGEST, aggregate
from output_control.tables.rules import MinimumFrequency, PrimaryResult, Rule, primary
from output_control.tables.table import (
    NO_CONTRIBUTOR,
    BoolArray,
    CellTable,
    Dimension,
    FloatArray,
    IntArray,
    cell_keys,
)
from output_control.wishes import cost_by, kept_cells

AGREEMENT = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A table with the rules of its owner, and what `cells.csv` says of the primaries, where it says anything.

    ``flagged`` and ``levels`` are the file's `primary` and `upl` per cell of the table (or None);
    ``contributions_known`` is false when only `cells.csv` is there and it holds no largest contributions.
    ``coalition``, ``keep`` and ``cost`` (None: the value) are what `desc.json` asks of the pattern.
    """

    name: str
    table: CellTable
    rules: tuple[Rule, ...]
    flagged: BoolArray | None = None
    levels: FloatArray | None = None
    contributions_known: bool = True
    coalition: int = 1
    keep: BoolArray | None = None
    cost: FloatArray | None = None

    def sensitive(self, rules: tuple[Rule, ...]) -> PrimaryResult:
        """The primaries by ``rules``, or by `cells.csv` where it alone can tell.

        Raises `BadInput` when `cells.csv` marks other cells than the instance's own rules do, or when nothing tells.
        """
        if not self.contributions_known and any(not isinstance(rule, MinimumFrequency) for rule in rules):
            return self._as_flagged()
        if self.flagged is not None:
            self._must_agree_with(primary(self.table, self.rules))
        return primary(self.table, rules)

    def _as_flagged(self) -> PrimaryResult:
        if self.flagged is None or self.levels is None:
            raise BadInput(
                "a concentration rule needs top1, top2 and top3, or else primary and upl",
                where="cells.csv",
                next_step="add the columns, or give micro.csv",
            )
        result = PrimaryResult.none(len(self.table))
        result.mask[:] = self.flagged
        result.upl[:] = np.where(self.flagged, self.levels, 0.0)
        result.lpl[:] = np.minimum(result.upl, self.table.value)
        result.reason[self.flagged] = "given"
        return result

    def _must_agree_with(self, own: PrimaryResult) -> None:
        other = np.flatnonzero(self.flagged != own.mask)
        if len(other):
            shown = "; ".join(" × ".join(self.table.labels(int(cell))) for cell in other[:ROWS_SHOWN])
            raise BadInput(
                f"column primary disagrees with the rule of desc.json in {len(other)} cell(s): {shown}",
                where="cells.csv",
                next_step="correct the column or the rule, or leave the column out",
            )
        if self.levels is not None and not self.table.integral:
            scale = max(float(self.table.value.max(initial=0)), 1.0)
            if not np.allclose(self.levels, own.upl, rtol=1e-6, atol=1e-9 * scale):
                raise BadInput("column upl disagrees with the rule of desc.json", where="cells.csv")


@dataclass(frozen=True, slots=True, eq=False)
class _GivenCells:
    table: CellTable
    flagged: BoolArray | None
    levels: FloatArray | None
    contributions_known: bool


def read_instance(folder: Path) -> Instance:
    """The table of an instance folder.

    With `micro.csv` the cells are tabulated from it, and `cells.csv`, when there, must agree; without it `cells.csv`
    is the input. Raises `BadInput` with every fault found, by file, column and row number, never with a value.
    """
    description = read_description(folder / "desc.json")
    found = _read_table(folder, description)
    if description.cost == "weights":
        cost: FloatArray | None = _read_weights(folder / "weights.csv", found.table)
    else:
        cost = cost_by(description.cost, found.table)
    return replace(found, coalition=description.coalition, keep=kept_cells(found.table, description.kept()), cost=cost)


def _read_table(folder: Path, description: Description) -> Instance:
    dims = tuple(Dimension(d.name, d.root, d.hierarchy) for d in description.dims)
    cells = folder / "cells.csv"
    rules = description.rules()
    given = _read_cells(cells, description, dims) if cells.is_file() else None
    if (folder / "micro.csv").is_file():
        table = _tabulate(folder / "micro.csv", description, dims)
        if given is None:
            return Instance(description.name, table, rules)
        order = _must_agree(table, given, cells.name, units_known=description.contributor is not None)
        flagged = None if given.flagged is None else given.flagged[order]
        levels = None if given.levels is None else given.levels[order]
        return Instance(description.name, table, rules, flagged, levels)
    if given is None:
        raise BadInput("neither micro.csv nor cells.csv is there", where=folder.name)
    _must_be_additive(given.table, cells.name)
    return Instance(description.name, given.table, rules, given.flagged, given.levels, given.contributions_known)


def _read_weights(path: Path, table: CellTable) -> FloatArray:
    """What hiding each cell costs, by `weights.csv`: the dims' codes and ``weight``; every cell that is not empty."""
    columns = Columns(path, (*(dim.name for dim in table.dims), "weight"))
    codes, weight = columns.codes(table.dims, leaves_only=False), columns.numbers("weight")
    columns.stop_on_faults()
    keys, first = np.unique(cell_keys(codes, table.shape), return_index=True)
    if len(keys) < len(codes):
        raise BadInput(f"{len(codes) - len(keys)} cell(s) stand twice", where=path.name)
    place = np.minimum(np.searchsorted(keys, table.keys()), max(len(keys) - 1, 0))
    missing = ~np.isin(table.keys(), keys)
    if missing.any():
        raise BadInput(
            f"{int(missing.sum())} cell(s) that are not empty have no weight",
            where=path.name,
            next_step="give a weight of 0 or more for every cell, totals included",
        )
    return np.asarray(weight[first[place]], dtype=np.float64)


def _tabulate(path: Path, description: Description, dims: tuple[Dimension, ...]) -> CellTable:
    wanted = [*(dim.name for dim in dims), description.freq]
    magnitude = description.kind == "magnitude"
    contributor = description.contributor if magnitude else None
    wanted += [description.measure] if magnitude else []
    wanted += [contributor] if contributor else []
    columns = Columns(path, tuple(wanted))
    leaves = columns.codes(dims, leaves_only=True)
    freq = columns.numbers(description.freq)
    columns.fail(freq != np.rint(freq), description.freq, "integer", "not a whole number")
    value = columns.numbers(description.measure) if magnitude else freq
    units = columns.contributors(contributor) if contributor else None
    columns.stop_on_faults()
    return aggregate(dims, leaves, freq, value, units, integral=not magnitude)


def _read_cells(path: Path, description: Description, dims: tuple[Dimension, ...]) -> _GivenCells:
    columns = Columns(path, (*(dim.name for dim in dims), "freq", "value"))
    codes = columns.codes(dims, leaves_only=False)
    freq, value = columns.numbers("freq"), columns.numbers("value")
    columns.fail(freq != np.rint(freq), "freq", "integer", "not a whole number")
    integral = description.kind == "frequency"
    if integral:
        columns.fail(value != freq, "value", "count", "a frequency table's value is its freq")
    units = columns.numbers("ncontr") if "ncontr" in columns else freq
    top = np.zeros((len(freq), 3))
    for rank in range(3):
        if f"top{rank + 1}" in columns:
            top[:, rank] = columns.numbers(f"top{rank + 1}")
    flagged = columns.numbers("primary") if "primary" in columns else None
    levels = columns.numbers("upl") if "upl" in columns else None
    if flagged is not None:
        columns.fail(~np.isin(flagged, (0, 1)), "primary", "flag", "neither 0 nor 1")
    columns.stop_on_faults()
    keep = (freq > 0) | (value > 0)
    # without the microdata it is unknown which cells share contributors: each such cell gets its own
    alone = (units == 1) & ("ncontr" in columns) & (not integral)
    sole = np.where(alone, np.cumsum(alone) - 1, NO_CONTRIBUTOR).astype(np.int64)
    both = np.flatnonzero((units == 2) & ("ncontr" in columns) & (not integral))
    two = np.full((len(units), 2), NO_CONTRIBUTOR, dtype=np.int64)
    two[both] = len(units) + np.arange(2 * len(both)).reshape(-1, 2)
    largest = np.where(top > 0, LARGEST * len(units) + np.arange(top.size).reshape(top.shape), NO_CONTRIBUTOR)
    largest[alone] = NO_CONTRIBUTOR
    largest[alone, 0] = sole[alone]
    largest[both] = np.column_stack([two[both], np.full(len(both), NO_CONTRIBUTOR)])
    table = CellTable(
        dims,
        codes[keep],
        freq[keep],
        value[keep],
        units.astype(np.int64)[keep],
        top[keep],
        sole[keep],
        integral=integral,
        two_contributors=two[keep],
        contributors=None if integral else largest[keep],
    )
    return _GivenCells(
        table=table,
        flagged=None if flagged is None else flagged[keep] == 1,
        levels=None if levels is None else levels[keep],
        contributions_known="top1" in columns and "top2" in columns,
    )


def _must_agree(own: CellTable, other: _GivenCells, file: str, *, units_known: bool) -> IntArray:
    """Stop unless ``other`` holds the same cells and figures; returns its positions in the order of ``own``."""
    given = other.table
    order_own, order_given = np.argsort(own.keys()), np.argsort(given.keys())
    if not np.array_equal(own.keys()[order_own], given.keys()[order_given]):
        own_only = len(np.setdiff1d(own.keys(), given.keys()))
        extra = len(np.setdiff1d(given.keys(), own.keys()))
        raise BadInput(
            f"disagrees with micro.csv: {own_only} non-empty cell(s) are missing and {extra} should not be there",
            where=file,
            next_step="tabulate cells.csv again from this micro.csv, or leave one of the two out",
        )
    scale = max(float(own.value.max(initial=0)), 1)
    pairs: dict[str, tuple[FloatArray, FloatArray]] = {
        "freq": (own.freq, given.freq),
        "value": (own.value, given.value),
    }
    if units_known and not own.integral and other.contributions_known:
        pairs["ncontr"] = own.n_contributors.astype(np.float64), given.n_contributors.astype(np.float64)
        for rank in range(LARGEST):
            pairs[f"top{rank + 1}"] = own.top[:, rank], given.top[:, rank]
    faults = []
    for name, (left, right) in pairs.items():
        gap = np.abs(left[order_own] - right[order_given])
        differs = gap > AGREEMENT * np.maximum(np.abs(left[order_own]), scale * 1e-3)
        if differs.any():
            message = f"{int(differs.sum())} cell(s) disagree with the tabulation of micro.csv"
            faults.append(Fault(file, "agreement", message, name))
    if faults:
        raise BadInput(
            "disagrees with micro.csv",
            where=file,
            next_step="tabulate cells.csv again from this micro.csv, or leave one of the two out",
            faults=faults,
        )
    back = np.empty_like(order_own)
    back[order_own] = order_given
    return back


def _must_be_additive(table: CellTable, file: str) -> None:
    """Stop unless every total is the sum of its parts."""
    from output_control.tables.relations import equations

    matrix = equations(table)
    size = abs(matrix) @ table.value
    open_totals = int((np.abs(matrix @ table.value) > 1e-6 * np.maximum(size, 1)).sum())
    if open_totals:
        raise BadInput(
            f"{open_totals} total(s) are not the sum of their parts",
            where=file,
            next_step="add the missing cells, or correct the totals",
        )
