"""The folders of `zicht protect`: a table to protect as its owner delivers it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import BadInput
from output_control.alone.columns import ROWS_SHOWN, Columns
from output_control.alone.description import Description, read_description
from output_control.alone.given_cells import must_agree, must_be_additive, ones, read_cells, with_contributors
from output_control.leaving import FORMULA
from output_control.tables.aggregate import LARGEST, aggregate
from output_control.tables.rules import PrimaryResult, Rule, primary
from output_control.tables.table import BoolArray, CellTable, Dimension, FloatArray, IntArray, cell_keys
from output_control.wishes import cost_by, kept_cells

ONE_CELL_EACH = (
    "cells.csv does not tell who is in several cells: whoever is alone in a cell was taken to know that cell, and "
    "those that are always equal to it, and no other"
)
NOT_NAMED = (
    "desc.json names no contributor: who is in several cells, or alone in a cell of more than one unit, was not "
    "looked at"
)
NOT_COUNTED = (
    "cells.csv has no column ncontr: who is alone in a cell of more than one unit was taken from top1 to top3 where "
    "they tell it, and else was not looked at"
)


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A table with the rules of its owner, and what `cells.csv` says of the primaries, where it says anything.

    ``flagged`` and ``levels`` are the file's `primary` and `upl` per cell of the table (or None); ``largest_known`` is
    how many of the largest contributions to each cell are known; ``from_records`` is false when `cells.csv` alone is
    there. ``coalition``, ``keep`` and ``cost`` (None: the value) are what `desc.json` asks of the pattern. ``notes``
    are what the owner should know of the input, ``about_contributors`` what was not known of those who are alone.
    """

    name: str
    table: CellTable
    rules: tuple[Rule, ...]
    flagged: BoolArray | None = None
    levels: FloatArray | None = None
    largest_known: int = LARGEST
    from_records: bool = True
    coalition: int = 1
    keep: BoolArray | None = None
    cost: FloatArray | None = None
    notes: tuple[str, ...] = ()
    about_contributors: tuple[str, ...] = ()

    def sensitive(self, rules: tuple[Rule, ...]) -> PrimaryResult:
        """The primaries by ``rules``, or by `cells.csv` where it alone can tell.

        Raises `BadInput` when `cells.csv` marks other cells than the instance's own rules do, or when nothing tells.
        """
        if self.flagged is not None and all(self._can_judge(rule) for rule in self.rules):
            self._must_agree_with(primary(self.table, self.rules))
        judged = tuple(rule for rule in rules if self._can_judge(rule))
        found = primary(self.table, judged)
        return found if len(judged) == len(rules) else found.also(self._as_flagged(rules))

    def _can_judge(self, rule: Rule) -> bool:
        return rule.reads <= self.largest_known

    def _as_flagged(self, rules: tuple[Rule, ...]) -> PrimaryResult:
        """What the file marks by the instance's own rules; says nothing of others."""
        own = all(rule in self.rules for rule in rules if not self._can_judge(rule))
        if not own or self.flagged is None or self.levels is None:
            raise self._unknown_contributions(max(rule.reads for rule in rules), given=own)
        result = PrimaryResult.none(len(self.table))
        result.mask[:] = self.flagged
        result.upl[:] = np.where(self.flagged, self.levels, 0.0)
        result.lpl[:] = np.minimum(result.upl, self.table.value)
        result.reason[self.flagged] = "given"
        return result

    def _unknown_contributions(self, reads: int, *, given: bool) -> BadInput:
        if self.from_records:
            return BadInput(
                "a dominance rule needs to know whose contribution each record is",
                where="desc.json, contributor",
                next_step="name the contributors' column; where each record is a contributor of its own, number them",
            )
        columns = ", ".join(f"top{rank + 1}" for rank in range(reads))
        return BadInput(
            f"a dominance rule needs {columns}" + (", or else primary and upl" if given else ""),
            where="cells.csv",
            next_step="add the columns, or give micro.csv with a contributor",
        )

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
    cells, records = folder / "cells.csv", folder / "micro.csv"
    integral = description.kind == "frequency"
    given = read_cells(cells, dims, integral=integral) if cells.is_file() else None
    notes = _formulas(dims)
    if not records.is_file():
        if given is None:
            raise BadInput("neither micro.csv nor cells.csv is there", where=folder.name)
        _must_hold_something(given.table, cells.name)
        must_be_additive(given.table, cells.name)
        return Instance(
            description.name,
            given.table,
            description.rules(),
            given.flagged,
            given.levels,
            given.largest_known,
            from_records=False,
            notes=notes,
            about_contributors=(ONE_CELL_EACH,) if given.units_known else (ONE_CELL_EACH, NOT_COUNTED),
        )
    found = _tabulate(records, description, dims)
    _must_hold_something(found.table, records.name)
    found = replace(found, notes=notes + found.notes)
    if given is None:
        return found
    order = must_agree(found.table, given, cells.name, units_known=description.contributor is not None)
    flagged = None if given.flagged is None else given.flagged[order]
    return replace(found, flagged=flagged, levels=None if given.levels is None else given.levels[order])


def _formulas(dims: tuple[Dimension, ...]) -> tuple[str, ...]:
    """A note on codes that a spreadsheet would run."""
    texts = {dim.name: pa.array([dim.name, *dim.codes]) for dim in dims}
    names = [name for name, text in texts.items() if pc.any(pc.match_substring_regex(text, FORMULA)).as_py()]
    if not names:
        return ()
    return (f"table.csv holds codes that a spreadsheet may take for a formula: {', '.join(names)}",)


def _must_hold_something(table: CellTable, file: str) -> None:
    if not len(table):
        raise BadInput("there is nothing to protect: no record with a count above zero", where=file)


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


def _tabulate(path: Path, description: Description, dims: tuple[Dimension, ...]) -> Instance:
    magnitude, contributor = description.kind == "magnitude", description.contributor
    wanted = [*(dim.name for dim in dims), description.freq]
    wanted += [description.measure] if magnitude else []
    wanted += [contributor] if contributor else []
    columns = Columns(path, tuple(wanted))
    leaves = columns.codes(dims, leaves_only=True)
    freq = columns.numbers(description.freq)
    columns.fail(freq != np.rint(freq), description.freq, "integer", "not a whole number")
    columns.added_up(description.freq, freq)
    value = columns.numbers(description.measure) if magnitude else freq
    if magnitude:
        columns.added_up(description.measure, value)
        columns.fail((freq == 0) & (value > 0), description.freq, "units", "no unit, though the value is above zero")
    units = columns.contributors(contributor) if contributor else None
    columns.stop_on_faults()
    table = aggregate(dims, leaves, freq, value, units, integral=not magnitude)
    if units is None:  # in counts each unit counts once; of a sum it is known who is alone where there is one unit
        table = with_contributors(table, 0, counted=False) if magnitude else replace(table, top=ones(table.freq))
    unnamed = magnitude and units is None
    return Instance(
        description.name,
        table,
        description.rules(),
        largest_known=0 if unnamed else LARGEST,
        notes=_repeated(cell_keys(leaves, table.shape), freq, value, units),
        about_contributors=(NOT_NAMED,) if unnamed else (),
    )


def _repeated(cells: IntArray, freq: FloatArray, value: FloatArray, units: IntArray | None) -> tuple[str, ...]:
    """A note on records that are there more than once; single units that nothing tells apart are none."""
    each = (cells, freq, value) if units is None else (cells, freq, value, units)
    order = np.lexsort(each)
    again = np.logical_and.reduce([column[order][1:] == column[order][:-1] for column in each])
    more = int((again & ((freq[order][1:] > 1) | (units is not None))).sum())
    return (f"{more} record(s) of micro.csv are the same as another one: all were added up",) if more else ()
