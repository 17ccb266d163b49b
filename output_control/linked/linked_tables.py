"""Several tables of one measure that share cells: what one hides the others must not show.

For tables without their records: cells of two tables are the same when they stand for the same codes, a dimension that
a table does not have counting as its total. (The gate has the records, and goes by who is in a cell:
`output_control.ledger`.) One attacker sees all tables, so they are protected and audited as one system of equations,
with the cells of the one population behind them where three or more tables bound each other (`population`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

import numpy as np
from scipy import sparse

from enclave.errors import BadInput, CannotProtect
from output_control.attacker import Attacker
from output_control.audit import AuditReport, audit, full_equations
from output_control.linked.population import Population, no_population, population
from output_control.linked.population_audit import audited_sums
from output_control.protection import Options, Pattern, Range, least
from output_control.suppression import suppress
from output_control.tables.joint_table import JointTable, joint_table
from output_control.tables.relations import equations
from output_control.tables.rollup import LARGEST
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import NO_CONTRIBUTOR, BoolArray, CellTable, FloatArray, IntArray, cell_keys

AGREEMENT = 1e-9
ADDED_UP = 1e-6

Cells = TypeVar("Cells", bound=np.ndarray)


@dataclass(frozen=True, slots=True, eq=False)
class LinkedTables:
    """``joint`` holds the cells of all ``tables`` one after the other, under the equations of each and those that say
    which cells of two tables are the same; then the cells of their population, which nobody is shown."""

    tables: tuple[CellTable, ...]
    joint: JointTable

    def split(self, cells: Cells) -> list[Cells]:
        """An array over all cells as one array per table."""
        return np.split(cells, np.cumsum([len(table) for table in self.tables]))[:-1]  # type: ignore[return-value]  # numpy's stub forgets the kind of array

    @property
    def unseen(self) -> BoolArray:
        """The cells of the population."""
        return np.arange(len(self.joint)) >= sum(len(table) for table in self.tables)

    def primary(self, results: Sequence[PrimaryResult]) -> PrimaryResult:
        """The primaries of all tables, each judged by itself, as those of the whole."""
        results = [*results, PrimaryResult.none(int(self.unseen.sum()))]
        start = np.cumsum([0, *(len(table) for table in self.tables)])
        anchors = [np.where(r.anchor >= 0, r.anchor + at, -1) for r, at in zip(results, start, strict=True)]
        return PrimaryResult(
            mask=np.concatenate([result.mask for result in results]),
            upl=np.concatenate([result.upl for result in results]),
            lpl=np.concatenate([result.lpl for result in results]),
            threshold=np.concatenate([result.threshold for result in results]),
            anchor=np.concatenate(anchors),
            reason=np.concatenate([result.reason for result in results]),
        )


def link(tables: Sequence[CellTable]) -> LinkedTables:
    """Link ``tables`` by the names and codes of their dimensions; contributors carry the same ids in all of them.

    Raises:
        BadInput: tables of counts are mixed with magnitudes, a shared cell is not the same in both, or no population
            has all tables as its margins. CannotProtect: that population has too many cells.
    """
    if len({table.integral for table in tables}) != 1:
        raise BadInput("counts and magnitudes cannot be linked", next_step="protect each kind by itself")
    if any(table.size is not None for table in tables):
        raise BadInput(
            "measures of either sign are not linked: the people behind the tables are taken to add 0 or more",
            next_step="ask for them in one analysis, or protect each by itself",
        )
    start = np.cumsum([0, *(len(table) for table in tables)])
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    for one, other in combinations(range(len(tables)), 2):
        pairs.append(_shared(tables[one], tables[other]) + start[[one, other]])
        _shared(tables[other], tables[one])  # what the other table has and this one not, they disagree on as well
    same = _alike(np.concatenate(pairs), int(start[-1]))
    behind = population(tables)

    def name(cell: int) -> str:
        at = int(np.searchsorted(start, cell, side="right")) - 1
        if at == len(tables):
            return "people whom no table shows apart"
        return f"{' × '.join(tables[at].labels(cell - int(start[at])))} in table {at + 1}"

    more = [] if behind is None else [behind]
    value = np.concatenate([*(table.value for table in tables), *(people.value for people in more)])
    sole = [*(table.sole_contributor for table in tables), *(people.sole_contributor for people in more)]
    unknown = len(value) - int(start[-1])
    largest = (
        np.concatenate([*(table.top for table in tables), np.zeros((unknown, LARGEST))]),
        np.concatenate([*(table.holders for table in tables), np.full((unknown, LARGEST), NO_CONTRIBUTOR)]),
    )
    added, audited = ([sums(tables, people) for people in more] for sums in (_sums, audited_sums))
    joint = joint_table(
        value,
        np.concatenate(sole),
        integral=tables[0].integral,
        relations=_stacked([equations(table) for table in tables], [same, *added], len(value)),
        audited=_stacked([full_equations(table) for table in tables], [same, *audited], len(value)),
        name=name,
        two_contributors=np.concatenate(
            [*(table.couples for table in tables), *(people.two_contributors for people in more)]
        ),
        largest=largest,
    )
    if behind is not None:
        _hold(joint)
    return LinkedTables(tuple(tables), joint)


def protect_linked(
    tables: Sequence[CellTable], sensitive: Sequence[PrimaryResult], options: Options
) -> tuple[LinkedTables, Pattern, AuditReport]:
    """One pattern for all ``tables``, ``sensitive`` per table, that an attacker of all of them does not break.

    `LinkedTables.split` gives each table its part of the pattern.

    Raises:
        BadInput: see `link`. CannotProtect: no suppression protects them together, or the audit did not find it safe;
            or contributors are to be heeded who know their parts of a population that is not known cell by cell.
    """
    linked = link(tables)
    if linked.unseen.any() and not linked.joint.integral and options.singletons and options.part_share:
        raise CannotProtect(
            "what contributors take off three or more tables at once is not known without the records",
            next_step="ask the gate, which has them, link two tables at a time, or ask with part_share=0",
        )
    primary = linked.primary(sensitive)
    options = _beside(options, linked, primary)
    found = suppress(linked.joint, primary, options=options)
    hidden: BoolArray = found.suppressed | linked.unseen
    pattern = replace(found, suppressed=hidden, secondary=found.secondary & ~linked.unseen)
    report = audit(linked.joint, primary, pattern, options)
    if not report.safe:
        raise CannotProtect("the audit did not find the linked tables safe together", next_step="recode one of them")
    return linked, pattern, report


def _beside(options: Options, linked: LinkedTables, primary: PrimaryResult) -> Options:
    """What is asked of the tables' cells; those of the population are hidden anyhow, at no cost, and may be empty."""
    unseen = linked.unseen
    nothing = np.zeros(int(unseen.sum()))
    shown = len(unseen) - len(nothing)
    cost = linked.joint.value[:shown] if options.cost is None else options.cost
    hidden = np.zeros(shown, dtype=np.bool_) if options.hidden is None else options.hidden
    keep = np.zeros(shown, dtype=np.bool_) if options.keep is None else options.keep
    return replace(
        options,
        cost=np.append(cost, nothing),
        least=_least(options, linked, np.flatnonzero(primary.mask)),
        hidden=np.append(hidden, unseen[shown:]),
        keep=np.append(keep, ~unseen[shown:]),
    )


def _least(options: Options, linked: LinkedTables, cells: IntArray) -> FloatArray:
    """What each cell is known to be at least; by all tables together where ``cells`` must be open down to that."""
    if options.least is not None:
        return np.append(options.least, np.zeros(int(linked.unseen.sum())))
    joint, low = linked.joint, [least(table, options) for table in linked.tables]
    known = np.concatenate([*low, np.zeros(int(linked.unseen.sum()))])
    if known.any() and isinstance(options.count_protection, Range):
        hidden = np.ones(len(joint), dtype=np.bool_)
        attacker = Attacker(joint.audited, joint.value, hidden, integral=joint.integral, least=known)
        falls = [attacker.furthest(cell, -1) for cell in cells.tolist()]
        # a programme without an end leaves what one table says, which may be more than can be reached, never less
        known[cells] = [known[cell] if fall is None else joint.value[cell] - fall
                        for cell, fall in zip(cells.tolist(), falls, strict=True)]  # fmt: skip
    return known


def _sums(tables: Sequence[CellTable], people: Population) -> sparse.csr_array:
    """Each cell of a table is the sum of those of the population in it."""
    start = np.cumsum([0, *(len(table) for table in tables)])
    parts = []
    for at, (cells, held) in people.sums.items():
        entries = np.ones(len(cells)), (np.arange(len(cells)), start[at] + cells)
        cell = sparse.csr_array(entries, shape=(len(cells), int(start[-1])))
        parts.append(sparse.hstack([-cell, held]))
    return sparse.csr_array(sparse.vstack(parts, format="csr"))


def _hold(joint: JointTable) -> None:
    """Refuse figures that do not add up by the equations."""
    for equations_ in (joint.relations, joint.audited):
        size = abs(equations_) @ joint.value
        if (np.abs(equations_ @ joint.value) > (0 if joint.integral else ADDED_UP * size)).any():
            raise no_population()


def _stacked(own: Sequence[sparse.csr_array], shared: Sequence[sparse.csr_array], cells: int) -> sparse.csr_array:
    """The equations of each table and those over all of them, whose columns may be fewer than all ``cells``."""
    parts = [sparse.block_diag(own, format="csr"), *shared]
    wide = [sparse.csr_array((one.data, one.indices, one.indptr), shape=(one.shape[0], cells)) for one in parts]
    return sparse.csr_array(sparse.vstack(wide, format="csr"))


def _alike(pairs: IntArray, cells: int) -> sparse.csr_array:
    """One equation per pair of equal cells."""
    count = len(pairs)
    entries = np.tile([1.0, -1.0], count), (np.repeat(np.arange(count), 2), pairs.reshape(-1))
    return sparse.csr_array(entries, shape=(count, cells))


def _shared(one: CellTable, other: CellTable) -> IntArray:
    """Positions of the cells that both tables have. Raises `BadInput` where they disagree."""
    codes = np.zeros((len(one), len(other.dims)), dtype=np.int64)
    expressible = np.ones(len(one), dtype=np.bool_)
    names = {dim.name: position for position, dim in enumerate(other.dims)}
    for position, dim in enumerate(one.dims):
        column = one.codes[:, position]
        if dim.name not in names:
            expressible &= column == 0
            continue
        index = other.dims[names[dim.name]].index
        # the root is the total under whatever name
        place = np.array([0, *(index.get(code, -1) for code in dim.codes[1:])], dtype=np.int64)[column]
        expressible &= place >= 0
        codes[:, names[dim.name]] = np.maximum(place, 0)
    mine = np.flatnonzero(expressible)
    keys = other.keys()
    order = np.argsort(keys, kind="stable")
    wanted = cell_keys(codes[mine], other.shape)
    found = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    there = keys[found] == wanted
    close = np.abs(one.value[mine] - other.value[found]) <= AGREEMENT * np.maximum(one.value[mine], 1)
    wrong = mine[~there | ~close]
    if len(wrong):
        shown = "; ".join(" × ".join(one.labels(int(cell))) for cell in wrong[:5])
        raise BadInput(
            f"{len(wrong)} cell(s) differ between two linked tables: {shown}",
            next_step="tabulate both from the same data, or give unlike dimensions unlike names",
        )
    return np.column_stack([mine, found]).astype(np.int64)
