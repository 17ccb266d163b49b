"""Populations of models and distributions: two outputs over nearly the same units tell of those that differ.

The figures of models are no sums of units, so no equations hold between them and others. But the same regression on a
population, and on that population without one person, subtracts to that person, and so does a model beside a table. So
the ledger remembers a model's population as a table, of one cell or of the groups that it gives figures of (leaves and
nodes of a tree, clusters), and each is held against every other, and against the published cells of tables and what
these add up to: they are the same, or differ by as many units as the minimum frequency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from output_control.dossier import Contents
from output_control.ledger.apart import differ_by_few
from output_control.ledger.grid import Grid
from output_control.ledger.history import History
from output_control.ledger.released import LEVELS, MODEL, ReleasedTable, Rows
from output_control.ledger.remember import set_numbers
from output_control.ledger.rows import LedgerIds, population_rows
from output_control.ledger.same_data import differ_for_few, said_by
from output_control.models.parts import Parts
from output_control.table_check import reasons
from output_control.tables.aggregate import aggregate
from output_control.tables.derived import Sources, member_column
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import NO_CONTRIBUTOR, CellTable, IntArray, cell_keys
from output_control.tables.unit_keys import kind_of_key


def populations_of(made: Contents, sources: Sources, ids: LedgerIds) -> list[ReleasedTable]:
    """The population of a request that is no table, as the ledger remembers it: one cell of all its rows, and one of
    each group that it gives figures of; and beside it the levels of each column that it gives figures of.

    Raises:
        Refused: see :func:`output_control.ledger.rows.population_rows`.
    """
    request = made.request
    rows, period, place = population_rows(request, sources, ids)
    member = member_column(request, sources.schema(request.derivation))
    kinds = kind_of_key(request.unit, sources), kind_of_key(member, sources)

    def remembered(parts: Parts, quantity: str) -> ReleasedTable:
        table, held = _grouped(parts, rows, place)
        return ReleasedTable(
            name=request.name,
            release="",
            quantity=quantity,
            kinds=kinds,
            table=table,
            rows=held,
            primary=PrimaryResult.none(len(table)),
            hidden=np.zeros(len(table), dtype=np.bool_),
            sets=set_numbers(table, held),
            period=period,
        )

    whole = remembered(made.parts or Parts.none(len(rows)), MODEL)
    said = said_by(request, rows, sources, place)
    return [replace(whole, said=said), *(remembered(each, LEVELS) for each in made.levels)]


def _grouped(parts: Parts, rows: Rows, place: IntArray) -> tuple[CellTable, Rows]:
    """The groups as cells, and the rows with the cell that each is in; ``place`` of each row in the frame."""
    codes, one = parts.codes[place], np.ones(len(rows))
    unit = np.unique(rows.unit, return_inverse=True)[1].reshape(-1)
    table = aggregate(parts.dims, codes, one, one, unit, integral=True)
    nobody = np.full(len(table), NO_CONTRIBUTOR)
    table = replace(table, freq=table.n_contributors.astype(np.float64), sole_contributor=nobody, two_contributors=None)
    return table, replace(rows, leaf=np.searchsorted(table.keys(), cell_keys(codes, table.shape)))


def hold_apart(
    populations: Sequence[ReleasedTable], new: Sequence[ReleasedTable], history: History, minimum: int
) -> tuple[str, ...]:
    """Hold the new ``populations`` against each other, the ``new`` tables and everything that was released before;
    names the releases that share units with them.

    Raises:
        Refused: one differs from another, or from what published cells of a table add up to, by fewer units than
            ``minimum``; it names which. Or the units of an earlier release were erased.
    """
    if not populations:
        return ()
    for at, population in enumerate(populations):
        others = [each for each in populations[:at] if each.name != population.name]
        keep_populations_apart(others, population, minimum)
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
    if not ours:
        return
    grid = Grid(other)
    near = dict.fromkeys(each.name for each in ours if differ_by_few(Grid(each), grid, minimum))
    if near:
        raise reasons(
            [
                f"{', '.join(near)} and {other.label} are about the same units but for fewer than {minimum}, so that "
                "what they tell can be subtracted"
            ],
            "use the very records of what was released, or a population or period that differs from it by at least the "
            "minimum frequency; of leaves, clusters and classes, ask for fewer",
        )
    changed = [each.name for each in ours if other.release and differ_for_few(each, other, minimum)]
    if changed:
        raise reasons(
            [
                f"{', '.join(changed)} and {other.label} are of the same units and columns, but for what fewer than "
                f"{minimum} units have there, so that what they tell can be subtracted"
            ],
            "use the columns of what was released as they were, or ask the output checkers",
        )


def _share(model: ReleasedTable, other: ReleasedTable) -> bool:
    """Whether the two have a record or a unit in common."""
    if bool(np.isin(model.rows.row, other.rows.row).any()):
        return True
    return model.kinds[0] == other.kinds[0] and bool(np.isin(model.rows.unit, other.rows.unit).any())
