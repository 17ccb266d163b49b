"""Which tables share rows with which: the new ones beside each other and beside everything that was released before.

What cannot be compared though it shares units is refused, but for a table that left already as it is; what follows from
one table for another becomes a link.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from output_control.ledger.altered import WHAT_CAN_LEAVE, fault_of_bounds
from output_control.ledger.atoms import MOST_ROWS
from output_control.ledger.combined import Combined
from output_control.ledger.covers import covers
from output_control.ledger.dominated import dominated_rests
from output_control.ledger.grid import Grid
from output_control.ledger.history import History
from output_control.ledger.measures import fault_of_measures
from output_control.ledger.overlap import REVISED, Overlap, Relation
from output_control.ledger.populations import keep_populations_apart
from output_control.ledger.released import NOT_COMPARED, OF_MODELS, ReleasedTable
from output_control.ledger.system import Link
from output_control.ledger.unions import near_unions
from output_control.ledger.widest import Widest
from output_control.table_check import reasons
from output_control.tables.rules import Rule
from output_control.tables.table import IntArray

Family = tuple[str, tuple[str, str], str]
AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One table beside one other (of ``release``; empty for one of the same request): how many relations of each kind
    were found."""

    table: str
    quantity: str
    other: str
    release: str
    relations: dict[str, int]


@dataclass(frozen=True, slots=True)
class Meeting:
    """A new table that shares units with another one (``other``: its name where it is new too); ``fault``: why their
    figures cannot be compared, if they cannot."""

    new: str
    other: str
    label: str
    fault: str


class Beside:
    """The new tables beside each other and beside earlier ones; earlier tables are read one after the other."""

    def __init__(
        self, grids: Sequence[Grid], apart: Sequence[ReleasedTable], minimum: int, dominance: Sequence[Rule]
    ) -> None:
        self._grids, self._apart, self._minimum, self._dominance = grids, apart, minimum, dominance
        self.tables = [grid.source for grid in grids]
        self.links: list[Link] = []
        self.touched: list[str] = []
        self._pairs: list[tuple[int, int]] = []
        self._widest: dict[Family, Widest] = {}
        self._combined: dict[Family, Combined] = {}
        for table in self.tables:
            if len(table.rows):
                self._widest.setdefault(_family(table), Widest()).take(table)
        for at in range(len(grids)):
            for other in range(at):
                self._look(at, other, grids[other])
        self._met: list[Meeting] = []
        self.repeated: set[str] = set()
        for at, table in enumerate(apart):
            self._meet([*self.tables, *apart[:at]], table)

    def look_back(self, history: History) -> None:
        """Compare with every earlier release."""
        new = [*self.tables, *self._apart]
        kinds = frozenset(kind for table in new for kind in table.kinds)
        for entry in history.entries:
            for table in history.tables(entry, kinds):
                if table.quantity in OF_MODELS:
                    keep_populations_apart(new, table, self._minimum)
                    continue
                met = self._meet(new if table.quantity == NOT_COMPARED else self._apart, table)
                if met and entry.release not in self.touched:
                    self.touched.append(entry.release)
                if table.quantity == NOT_COMPARED:
                    continue
                if _family(table) in self._widest and len(table.rows):
                    self._widest[_family(table)].take(table)
                before, here = Grid(table), len(self.tables)
                found = [self._look(at, here, before) for at in range(len(self._grids))]
                if any(found):
                    self.tables.append(table if len(table.rows) <= MOST_ROWS else table.without_rows())
                if entry.release not in self.touched and (any(found) or self._share_units(table)):
                    self.touched.append(entry.release)

    def must_be_held_together(self) -> bool:
        """Whether tables share units of which one was altered, and the bounds of their figures must be compared.

        Call it when everything has been looked at: a table that says again what was said meets nobody.

        Raises:
            Refused: they cannot be.
        """
        left = [each for each in self._met if not {each.new, each.other} & self.repeated]
        faults = [each for each in left if each.fault]
        if faults:
            at = faults[0]
            names = ", ".join(dict.fromkeys(each.new for each in faults if each.label == at.label))
            raise reasons([f"{names} and {at.label} share units: {at.fault}"], WHAT_CAN_LEAVE)
        return bool(left)

    def _meet(self, new: Sequence[ReleasedTable], table: ReleasedTable) -> bool:
        """Note which of ``new`` share units with a table of which, or of them, figures were altered; whether any."""
        met = [each for each in new if each.may_overlap(table)]
        for each in met:
            if each.repeats(table):
                self.repeated.add(each.name)
                continue
            other = "" if table.release else table.name
            self._met.append(Meeting(each.name, other, table.label, fault_of_bounds(each, table)))
        return bool(met)

    def groups(self) -> list[list[int]]:
        """Positions of tables that hang together, the new ones of a group first; only groups with a new one."""
        size = len(self.tables)
        if not size:
            return []
        first, second = ([pair[side] for pair in self._pairs] for side in (0, 1))
        graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(size, size))
        label = csgraph.connected_components(graph, directed=False)[1]
        return [np.flatnonzero(label == each).tolist() for each in np.unique(label[: len(self._grids)])]

    def links_among(self, inside: Sequence[int]) -> list[Link]:
        """The links of a group, by positions in it."""
        place = {at: position for position, at in enumerate(inside)}
        return [replace(link, first=place[link.first], second=place[link.second]) for link in self.links
                if link.first in place]  # fmt: skip

    def combined(self, new: Sequence[int]) -> list[Combined]:
        """Some new tables, family by family, beside all tables whose figures add up to theirs."""
        families = dict.fromkeys(_family(self.tables[at]) for at in new)
        return [self._combine(family) for family in families if family in self._widest or family in self._combined]

    def _combine(self, family: Family) -> Combined:
        if family not in self._combined:
            places = [at for at in range(len(self._grids))
                      if len(self.tables[at].rows) and _family(self.tables[at]) == family]  # fmt: skip
            self._combined[family] = Combined(self._widest.pop(family), places, self._minimum, self._dominance)
        return self._combined[family]

    def compared(self) -> tuple[Compared, ...]:
        """What was found, for checkers."""
        return tuple(
            Compared(
                self.tables[at].name,
                self.tables[at].quantity,
                self.tables[other].label,
                self.tables[other].release,
                dict(sorted(Counter(
                    link.relation.kind for link in self.links if (link.first, link.second) == (at, other)
                ).items())),
            )
            for at, other in self._pairs
        )  # fmt: skip

    def _look(self, at: int, other: int, second: Grid) -> bool:
        first = self._grids[at]
        _keep_measures_apart(first.source, second.source, self._minimum)
        if not _add_up(first.source, second.source):
            return False
        _keep_periods_apart(first.source, second.source)
        views = [overlap for overlap in _views(first, second) if overlap.shared]
        if not views:
            return False
        none = np.zeros(0, dtype=np.int64)
        found = []
        for overlap in views:
            revised = overlap.revised(self._minimum)
            found += overlap.relations(self._minimum) + near_unions(overlap, self._minimum)
            for laid, sign in ((overlap, 1), (overlap.turned(), -1)):
                found += covers(laid, self._minimum, sign=sign)
                found += dominated_rests(laid, self._dominance, self._minimum, sign=sign)
            found += [Relation(np.array([cell]), none, 1, None, REVISED) for cell in revised.tolist()]
        self._pairs.append((at, other))
        self.links += [Link(at, other, relation) for relation in found]
        return True

    def _share_units(self, table: ReleasedTable) -> bool:
        return any(_any_in(table.rows.unit, units) for kind, units in self._units if kind == table.kinds[0])

    @cached_property
    def _units(self) -> list[tuple[str, IntArray]]:
        """The units of the new tables, sorted, with their kind."""
        return [(table.kinds[0], np.unique(table.rows.unit)) for table in self.tables[: len(self._grids)]]


def _any_in(values: IntArray, known: IntArray) -> bool:
    """Whether one of ``values`` is ``known`` (sorted); part by part, since mostly one of the first is."""
    parts = (values[start : start + AT_ONCE] for start in range(0, len(values) if len(known) else 0, AT_ONCE))
    return any(bool((known[np.searchsorted(known, part) % len(known)] == part).any()) for part in parts)


def _family(table: ReleasedTable) -> Family:
    """What tables have in common whose rows can be the same and whose figures add up."""
    return table.quantity, table.kinds, table.period


def _views(first: Grid, second: Grid) -> list[Overlap]:
    """The two laid over each other by rows; where these are of different kinds (homes, owners), by units too."""
    by_rows = Overlap(first, second)
    (unit, member), (other_unit, other_member) = first.source.kinds, second.source.kinds
    if unit != other_unit or member == other_member:
        return [by_rows]
    return [by_rows, Overlap(first.by_unit(), second.by_unit())]


def _keep_periods_apart(first: ReleasedTable, second: ReleasedTable) -> None:
    """Refuse tables that share units, but whose rows have no like in each other: of a period in one column, and of
    none or of a period in another; or of several records per member, from two frames."""
    if first.period != second.period and second.may_overlap(first):
        raise reasons(
            [
                f"{first.name} and {second.label} share units and not their periods or records, so neither can be held "
                "against the other"
            ],
            "ask for both with the same period column of the linked data, or for both without; and where a member has "
            "several records, name the population whose key is the record's",
        )


def _keep_measures_apart(first: ReleasedTable, second: ReleasedTable, minimum: int) -> None:
    """Refuse sums that subtract to some units' values though each name or each record is the same."""
    fault = fault_of_measures(first, second, minimum)
    if fault:
        raise reasons(
            [f"{first.name} and {second.label} {fault}, so they may subtract to single values"],
            "give a measure one name and one value per record in all tables, and another measure another name",
        )


def _add_up(first: ReleasedTable, second: ReleasedTable) -> bool:
    """Whether figures of the two can be subtracted: both counts, or sums of one measure."""
    return first.quantity == second.quantity
