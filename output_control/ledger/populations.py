"""Populations of models and distributions: two outputs over nearly the same units tell of those that differ.

The figures of models are no sums of units, so no equations hold between them and others. But the same regression on a
population, and on that population without one person, subtracts to that person, and so does a model beside a table. So
the ledger remembers a model's population as a table of one cell, and every population is held against every other, and
against every published cell of a table: they are the same, or differ by as many units as the minimum frequency.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from enclave.requests import Request
from output_control.ledger.grid import Grid
from output_control.ledger.history import History
from output_control.ledger.released import MODEL, ReleasedTable, Rows
from output_control.ledger.rows import RECORDS_OF, LedgerIds, mixed, population_rows
from output_control.table_check import reasons
from output_control.tables.derived import Sources, member_column
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import NO_CONTRIBUTOR, BoolArray, CellTable, Dimension, IntArray
from output_control.tables.unit_keys import kind_of_key


def population_of(request: Request, sources: Sources, ids: LedgerIds) -> ReleasedTable:
    """The population of a request that is no table, as the ledger remembers it: one cell of all its rows.

    Raises:
        Refused: see :func:`output_control.ledger.rows.population_rows`.
    """
    rows, period = population_rows(request, sources, ids)
    member = member_column(request, sources.schema(request.derivation))
    units = np.array([len(np.unique(rows.unit))])
    table = CellTable(
        dims=(Dimension("population", "all", {}),),
        codes=np.zeros((1, 1), dtype=np.int32),
        freq=units.astype(np.float64),
        value=np.array([float(len(rows))]),
        n_contributors=units,
        top=np.zeros((1, 3)),
        sole_contributor=np.array([NO_CONTRIBUTOR]),
        integral=True,
    )
    return ReleasedTable(
        name=request.name,
        release="",
        quantity=MODEL,
        kinds=(kind_of_key(request.unit, sources), kind_of_key(member, sources)),
        table=table,
        rows=rows,
        primary=PrimaryResult.none(1),
        hidden=np.zeros(1, dtype=np.bool_),
        sets=np.array([mixed(rows.row).sum()]),
        period=period,
    )


def hold_apart(
    populations: Sequence[ReleasedTable], new: Sequence[ReleasedTable], history: History, minimum: int
) -> tuple[str, ...]:
    """Hold the new ``populations`` against the ``new`` tables and everything that was released before; names the
    releases that share units with them.

    Raises:
        Refused: one differs from another, or from a published cell, by fewer units than ``minimum``; it names which. Or
            the units of an earlier release were erased.
    """
    if not populations:
        return ()
    for table in new:
        keep_populations_apart(populations, table, minimum)
    kinds = frozenset(kind for each in populations for kind in each.kinds)
    touched: list[str] = []
    for entry in history.entries:
        earlier = history.tables(entry, kinds)
        for table in earlier:
            keep_populations_apart(populations, table, minimum)
        if any(_share(each, table) for table in earlier for each in populations):
            touched.append(entry.release)
    return tuple(touched)


def keep_populations_apart(ours: Sequence[ReleasedTable], other: ReleasedTable, minimum: int) -> None:
    """Refuse populations, or tables with a published cell, that differ from ``other`` by 1 … ``minimum`` − 1 units.

    One of the two sides is of models.
    """
    near = [each.name for each in ours if _differ_by_few(each, other, minimum)]
    if near:
        raise reasons(
            [
                f"{', '.join(near)} and {other.label} are about the same units but for fewer than {minimum}, so that "
                "what they tell can be subtracted"
            ],
            "use the very records of what was released, or a population or period that differs from it by at least the "
            "minimum frequency",
        )


def _differ_by_few(first: ReleasedTable, second: ReleasedTable, minimum: int) -> bool:
    model, other = (first, second) if first.quantity == MODEL else (second, first)
    by_rows = model.kinds[1] == other.kinds[1] and model.period == other.period.split(RECORDS_OF)[0]
    if not by_rows and model.kinds[0] != other.kinds[0]:
        # records of one kind under other periods and units cannot be matched: as many of them may be the same
        return model.kinds[1] == other.kinds[1] and abs(len(model.rows) - len(other.rows)) < minimum
    grid: Grid | None = None
    for cell in _near_in_size(model, other, minimum).tolist():
        if not other.table.codes[cell].any():
            rows = np.arange(len(other.rows))
        else:
            grid = grid or Grid(other)
            rows = np.sort(grid.rows_of(cell))
        if 0 < _units_between(model.rows, other.rows, rows, by_rows=by_rows) < minimum:
            return True
    return False


def _near_in_size(model: ReleasedTable, other: ReleasedTable, minimum: int) -> IntArray:
    """Published cells that could hold nearly the units of the model; of units of another kind, the total alone."""
    published = ~(other.hidden | other.primary.mask)
    if model.kinds[0] == other.kinds[0]:
        published = published & (np.abs(other.table.freq - model.table.freq[0]) < minimum)
    else:
        published = published & ~other.table.codes.any(axis=1)
    return np.flatnonzero(published)


def _units_between(model: Rows, other: Rows, cell: IntArray, *, by_rows: bool) -> int:
    """Distinct units of the rows that are in one of the two only; not ``by_rows``: units in one of the two only."""
    unit = other.unit[cell]
    if not by_rows:
        return len(np.setxor1d(model.unit, unit))
    row = other.row[cell]
    return len(np.union1d(model.unit[~_found(model.row, row)], unit[~_found(row, model.row)]))


def _share(model: ReleasedTable, other: ReleasedTable) -> bool:
    """Whether the two have a record or a unit in common."""
    if bool(_found(model.rows.row, other.rows.row).any()):
        return True
    return model.kinds[0] == other.kinds[0] and bool(np.isin(model.rows.unit, other.rows.unit).any())


def _found(rows: IntArray, among: IntArray) -> BoolArray:
    """Which of the sorted ``rows`` are among others, sorted too: a merge, where `numpy.isin` would sort them again."""
    if not len(among):
        return np.zeros(len(rows), dtype=np.bool_)
    found: BoolArray = among[np.minimum(np.searchsorted(among, rows), len(among) - 1)] == rows
    return found
