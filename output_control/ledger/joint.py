"""New tables protected together, and together with everything that was released before.

Earlier tables stay as they are: what is hidden in them stays hidden, what they published is known. The new tables get
as many more suppressed cells as that takes, at least cost, and the audit tries every hidden cell, old and new, anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from enclave.errors import CannotProtect, Refused
from output_control.attacker import Attacker
from output_control.audit import AuditReport, audit, full_equations
from output_control.ledger.atoms import MOST_ROWS
from output_control.ledger.combined import Combination, Combined
from output_control.ledger.dominated import dominated_rests
from output_control.ledger.grid import Grid
from output_control.ledger.history import History
from output_control.ledger.measures import fault_of_measures
from output_control.ledger.moves import Moves, Shown
from output_control.ledger.overlap import REVISED, Overlap, Relation
from output_control.ledger.released import COUNT, NOT_COMPARED, ReleasedTable
from output_control.ledger.system import Link, System, build, moves_in
from output_control.ledger.widest import Widest
from output_control.protection import Options, Pattern, Witnesses, demand
from output_control.rules import PrimaryResult, Rule
from output_control.suppression import suppress
from output_control.table import BoolArray, FloatArray, IntArray
from output_control.table_check import audited, hide, reasons

ROUNDS = 3
COMBINED_ROUNDS = 8
Family = tuple[str, tuple[str, str], str]
NOT_YET = (
    "tables that are rounded, altered, coarser, weighted or of several kinds of unit are not compared with earlier "
    "releases by the ledger yet; a person must decide"
)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One table beside one other (of ``release``; empty for one of the same request): how many relations of each kind
    were found."""

    table: str
    quantity: str
    other: str
    release: str
    relations: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Pattern and audit of each new table, in the order asked; what the ledger is to remember of them; which earlier
    releases share units with them.

    ``joined``: whether others were in the system of a table. ``exact``: the attacker's view was worked out over atoms;
    otherwise over relations between each two tables.
    """

    patterns: tuple[Pattern, ...]
    reports: tuple[AuditReport, ...]
    released: tuple[ReleasedTable, ...]
    touched: tuple[str, ...]
    compared: tuple[Compared, ...]
    joined: tuple[bool, ...]
    exact: bool


def protect_together(
    asked: Sequence[ReleasedTable],
    history: History | None,
    options: Options,
    minimum: int,
    *,
    attached: Mapping[int, int] | None = None,
    apart: Sequence[ReleasedTable] = (),
    dominance: Sequence[Rule] = (),
) -> Together:
    """Hide in the tables of one analysis what the policy asks, together and beside what was released before.

    ``minimum`` is the minimum frequency: no difference of cells may be of fewer units. ``attached`` says which of
    ``asked`` are the counts of which sum: the two show and hide the same cells. ``apart`` are tables that cannot be
    compared, protected already: nothing else may share units with them. ``dominance``: the rules on the largest
    contributions, which a difference of cells may not break either.

    Raises:
        Refused: no suppression in the new tables protects them and what was released before; it names the releases. Or
            one of two tables that share units cannot be compared.
    """
    beside = _Beside([Grid(table) for table in asked], apart, minimum, dominance)
    if history is not None:
        beside.look_back(history)
    found = _Found(asked, attached or {}, options)
    # sums first: their counts then lose least where a cell is hidden anyhow
    for inside in sorted(beside.groups(), key=lambda group: asked[group[0]].quantity == COUNT):
        found.solve(inside, beside, minimum)
    found.hide_alike()
    patterns, reports = zip(*found.of.values(), strict=True) if asked else ((), ())
    released = tuple(
        replace(table, hidden=pattern.suppressed, moves=found.moves[at])
        for at, (table, pattern) in enumerate(zip(asked, patterns, strict=True))
    )
    return Together(
        patterns=patterns,
        reports=reports,
        released=(*released, *apart),
        touched=tuple(beside.touched),
        compared=beside.compared(),
        joined=tuple(at in found.joined for at in range(len(asked))),
        exact=found.exact,
    )


class _Found:
    """Pattern and audit of each new table so far; in the end in the order asked."""

    def __init__(self, asked: Sequence[ReleasedTable], attached: Mapping[int, int], options: Options) -> None:
        self._asked, self._attached, self._options = asked, attached, options
        self.of: dict[int, tuple[Pattern, AuditReport]] = {}
        self.moves = dict.fromkeys(range(len(asked)), Moves.none())
        self.joined: set[int] = set()
        self.exact = True

    def solve(self, inside: Sequence[int], beside: _Beside, minimum: int) -> None:
        """One group of tables, by positions in ``beside``."""
        new = [at for at in inside if at < len(self._asked)]
        hidden = {place: self._hidden_in_figure(at) for place, at in enumerate(new) if at in self._attached}
        if len(inside) == 1:
            here = self._asked[new[0]]
            cost = np.where(hidden[0], 0.0, here.table.value) if hidden else None
            pattern, report = hide(here.table, here.primary, replace(self._options, cost=cost))
            self.of[new[0]] = pattern, report
            self.moves[new[0]] = Moves.of(pattern.witnesses.moves, _keys([here]), [np.arange(len(here.table))])
            return
        tables, links = [beside.tables[at] for at in inside], beside.links_among(inside)
        combined, given = beside.combined(new), list[Combination]()
        for _ in range(COMBINED_ROUNDS):
            system = build(tables, len(new), links, minimum, given)
            for place, cells in hidden.items():
                system.cost[system.columns[place][cells]] = 0.0
            also = sorted({label for each in given for label in each.releases} - {table.label for table in tables})
            done, moves = _protect(system, tables, len(new), self._options, also)
            shut = {at: pattern.suppressed for at, (pattern, _) in zip(new, done, strict=True)}
            more = [] if combined is None else combined.given_away(shut)
            if not more:
                break
            given += [each.among(new) for each in more]
        else:
            raise _refusal("groups of few units stay computable from several tables", tables, len(new), also)
        self.exact &= system.exact
        self.joined |= set(new)
        self.moves[new[0]] = moves
        self.of |= dict(zip(new, done, strict=True))

    def hide_alike(self) -> None:
        """Hide in a sum what is hidden in its counts, and the other way round."""
        for counts, figure in self._attached.items():
            both: BoolArray = self.of[counts][0].suppressed | self.of[figure][0].suppressed
            for at in (counts, figure):
                self.of[at] = _hiding(self.of[at], self._asked[at], both, self._options, alone=at not in self.joined)
        self.of = dict(sorted(self.of.items()))

    def _hidden_in_figure(self, counts: int) -> BoolArray:
        return self.of[self._attached[counts]][0].suppressed


def _hiding(
    found: tuple[Pattern, AuditReport], asked: ReleasedTable, hidden: BoolArray, options: Options, *, alone: bool
) -> tuple[Pattern, AuditReport]:
    """The pattern that hides more: that narrows no interval, for a witness moves only what was hidden before."""
    pattern, report = found
    if np.array_equal(pattern.suppressed, hidden):
        return found
    wider = replace(pattern, suppressed=hidden, secondary=hidden & ~asked.primary.mask)
    if alone:
        return wider, audited(asked.table, asked.primary, wider, options)
    return wider, replace(report, intervals_exact=False)


class _Beside:
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
        for at, table in enumerate(apart):
            _keep_apart([*self.tables, *apart[:at]], table)

    def look_back(self, history: History) -> None:
        """Compare with every earlier release."""
        new = [*self.tables, *self._apart]
        kinds = frozenset(kind for table in new for kind in table.kinds)
        for entry in history.entries:
            for table in history.tables(entry, kinds):
                _keep_apart(new if table.quantity == NOT_COMPARED else self._apart, table)
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

    def combined(self, new: Sequence[int]) -> Combined | None:
        """Some new tables, of one family, beside all tables whose figures add up to theirs."""
        family = _family(self.tables[new[0]])
        if family not in self._widest:
            return None
        if family not in self._combined:
            places = [at for at in range(len(self._grids))
                      if len(self.tables[at].rows) and _family(self.tables[at]) == family]  # fmt: skip
            self._combined[family] = Combined(self._widest.pop(family), places, self._minimum)
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
            found += overlap.relations(self._minimum)
            found += dominated_rests(overlap, self._dominance, self._minimum, sign=1)
            found += dominated_rests(overlap.turned(), self._dominance, self._minimum, sign=-1)
            found += [Relation(np.array([cell]), none, 1, None, REVISED) for cell in revised.tolist()]
        self._pairs.append((at, other))
        self.links += [Link(at, other, relation) for relation in found]
        return True

    def _share_units(self, table: ReleasedTable) -> bool:
        return any(
            new.kinds[0] == table.kinds[0] and bool(np.isin(new.rows.unit, table.rows.unit).any())
            for new in self.tables[: len(self._grids)]
        )


def _family(table: ReleasedTable) -> Family:
    """What tables have in common whose rows can be the same and whose figures add up."""
    return table.quantity, table.kinds, table.period


def _keep_apart(new: Sequence[ReleasedTable], table: ReleasedTable) -> None:
    """Refuse tables that share units of which one cannot be compared."""
    met = [each.name for each in new if each.may_overlap(table)]
    if met:
        raise reasons(
            [f"{', '.join(met)} and {table.label} share units: {NOT_YET}"],
            "ask for exact counts, sums or means of one kind of unit, protected by suppression, or ask the output "
            "checkers, with both beside each other",
        )


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
            [f"{first.name} and {second.label} share units and not their periods or records: a person must decide"],
            "ask for both with the same period column of the linked data, or for both without; and where a member has "
            "several records, name the population whose key is the record's",
        )


def _keep_measures_apart(first: ReleasedTable, second: ReleasedTable, minimum: int) -> None:
    """Refuse sums that subtract to some units' values though each name or each record is the same."""
    fault = fault_of_measures(first, second, minimum)
    if fault:
        raise reasons(
            [f"{first.name} and {second.label} {fault}: a person must decide"],
            "give a measure one name and one value per record in all tables, and another measure another name",
        )


def _add_up(first: ReleasedTable, second: ReleasedTable) -> bool:
    """Whether figures of the two can be subtracted: both counts, or sums of one measure."""
    return first.quantity == second.quantity


def _protect(
    system: System, tables: Sequence[ReleasedTable], new: int, options: Options, also: Sequence[str]
) -> tuple[list[tuple[Pattern, AuditReport]], Moves]:
    """A pattern of the new tables that keeps every hidden cell of the system open, and the moves that were found."""
    options = replace(options, cost=system.cost, keep=system.known, hidden=system.fixed & ~system.known)
    kept, primary, joint = moves_in(system, tables), system.primary, system.joint
    for _ in range(ROUNDS):
        shown = Shown.of(kept, joint.relations, joint.value, (system.fixed | primary.mask) & ~system.known)
        open_ = _open(system, primary, shown, options)
        try:
            pattern = suppress(joint, replace(primary, mask=primary.mask & ~open_), options=options)
        except CannotProtect as error:
            raise _refusal(error.what, tables, new, also) from None
        hidden: BoolArray = pattern.suppressed | system.fixed | primary.mask
        whole = replace(pattern, suppressed=hidden, witnesses=shown.beside(pattern.witnesses, open_))
        report = audit(joint, primary, whole, options)
        if not report.safe or bool((primary.mask & system.known).any()):
            raise _refusal("the audit did not find the tables safe together", tables, new, also)
        exposed = _exposed(system, whole)
        if not len(exposed):
            moves = Moves.of(pattern.witnesses.moves, _keys(tables), system.columns)
            return [_part(system, at, table, whole, report) for at, table in enumerate(tables[:new])], moves
        mask = primary.mask.copy()
        mask[exposed] = True
        primary = replace(primary, mask=mask)
    raise _refusal("groups of few units stay computable from cells of several tables", tables, new, also)


def _open(system: System, primary: PrimaryResult, shown: Shown, options: Options) -> BoolArray:
    """Sensitive counts that moves which are known already leave open, whatever else is hidden."""
    asked = demand(system.joint, primary, options.count_protection)
    far = (shown.up >= asked.up) & (shown.down >= asked.down) & (shown.up + shown.down >= asked.width)
    found: BoolArray = far & primary.mask & (primary.anchor < 0) & system.joint.integral
    return found


def _keys(tables: Sequence[ReleasedTable]) -> list[tuple[str, str, str]]:
    return [(table.release, table.name, table.quantity) for table in tables]


def _refusal(fault: str, tables: Sequence[ReleasedTable], new: int, also: Sequence[str]) -> Refused:
    names = ", ".join(table.name for table in tables[:new])
    others = "; ".join([*(table.label for table in tables[new:]), *also])
    together = f"{names} cannot be released beside {others}" if others else f"{names} cannot be released together"
    return reasons(
        [together, fault],
        "show the classifications and levels of what was released, or a population or period that differs from it by "
        "at least the minimum frequency; or leave out what is named",
    )


def _exposed(system: System, pattern: Pattern) -> IntArray:
    """Atoms of few units whose content the published cells of several tables give away."""
    if not len(system.atoms):
        return system.atoms
    joint = system.joint
    attacker = Attacker(full_equations(joint), joint.value, pattern.suppressed & ~system.known, integral=joint.integral)
    unknown = [
        int(atom) for atom in system.atoms if not _moves(attacker, joint.value, int(atom), integral=joint.integral)
    ]
    return np.array(unknown, dtype=np.int64)


def _moves(attacker: Attacker, value: FloatArray, atom: int, *, integral: bool) -> bool:
    far = 1.0 if integral else max(0.01 * float(value[atom]), 1e-6)
    return attacker.reach(atom, 1, far, []).far > 0 or attacker.reach(atom, -1, far, []).far > 0


def _part(
    system: System, at: int, table: ReleasedTable, pattern: Pattern, report: AuditReport
) -> tuple[Pattern, AuditReport]:
    """One new table's share of the pattern and the report."""
    columns = system.columns[at]
    suppressed: BoolArray = pattern.suppressed[columns]
    secondary = suppressed & ~table.primary.mask
    position = np.full(len(system.joint), -1, dtype=np.int64)
    audited = np.flatnonzero(system.primary.mask)
    position[audited] = np.arange(len(audited))
    mine = position[columns[np.flatnonzero(table.primary.mask)]]
    own = Pattern(
        suppressed=suppressed,
        secondary=secondary,
        witnesses=Witnesses.none(len(suppressed)),
        cost=float(table.table.value[secondary].sum()),
        method=f"{pattern.method}, together with other tables",
        optimal=False,
        gap=None,
    )
    told = replace(
        report,
        primaries=len(mine),
        checked=len(mine),
        lower=report.lower[mine],
        upper=report.upper[mine],
        failed=np.zeros(0, dtype=np.int64),
    )
    return own, told
