"""Tables whose figures were altered (rounded, or coarser), beside each other and beside exact ones.

Each published figure bounds its true count: a rounded one from both sides, a hidden one from below, an exact one to a
point. Over the atoms of all tables the attacker knows these bounds and no more, and whole numbers within them are a
population that he cannot rule out. So what is asked is shown by such populations: every sensitive cell moves as far as
the policy asks, and *every* group of fewer units than the minimum frequency, whatever cells would have to be added and
subtracted to single it out, stays open by as much as a small count must. Two cells that differ by few units may also
differ by nobody: else two figures on either side of a rounding boundary tell that somebody is in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from enclave.errors import Refused
from output_control.ledger.atoms import MOST_TABLES, Atoms, atoms_of
from output_control.ledger.coarser import MOST_TRIED, Change, changes, cut
from output_control.ledger.dominated import breaks_a_rule
from output_control.ledger.history import History
from output_control.ledger.populations_within import PopulationsWithin, Reach
from output_control.ledger.released import COUNT, NOT_COMPARED, ReleasedTable
from output_control.protection import Exact, Options, Width, demand, least
from output_control.table_check import reasons
from output_control.tables.aggregate import LARGEST
from output_control.tables.rules import Rule
from output_control.tables.table import FloatArray, IntArray

MOST_ROWS, MOST_ATOMS = 1_000_000, 1_500  # whole populations are sought here, which costs more than one programme
NO_BOUNDS = (
    "weighted figures, figures of several kinds of unit, and other figures than counts that were rounded or made "
    "coarser are not held against other tables of the same units"
)
OTHER_UNITS = "their periods or kinds of unit differ, so that an altered figure cannot be held against the other"
OTHER_NOISE = (
    "figures that were drawn by the noise key are held only against figures drawn in the same way, with the same "
    "parameters and the same key"
)
TOO_LARGE = "altered figures are held against others only where all tables are small enough to be taken together"
WHOLE_RANGE = "the policy asks of each small count that it may be any, which is not shown for altered figures"
MANY_RECORDS = (
    "altered figures are held against others only where each protected unit is counted once, or so few times that none "
    "can dominate a group that is large enough"
)
NARROWED = "their figures together bound a group of few units too closely"
REMEDIES = "what leaves nothing too narrow, each tried on these figures, the one that asks for most first:"
NO_REMEDY = "no coarser level, no column less and no table less was found that leaves nothing too narrow"
PROPOSED = 3
WHAT_CAN_LEAVE = (
    "nobody can allow it at the gate. What can leave: the same table again, unchanged; one table that shows all of "
    "it, with a column or a level more, instead of two; a population that shares no unit with the other; plain counts "
    "of one kind of unit, or, where the policy does not round, all tables by suppression"
)


def fault_of_bounds(first: ReleasedTable, second: ReleasedTable) -> str:
    """Why figures of two tables that share units, one of them altered, cannot be held against each other; or nothing.

    Of a sum the counts that stand beside it are held.
    """
    unbounded = [each for each in (first, second) if each.quantity == NOT_COMPARED and not _bounded(each)]
    if unbounded:
        told = [f"; {each.name}: {each.altered.because}" for each in unbounded if each.altered and each.altered.because]
        return "".join([NO_BOUNDS, *dict.fromkeys(told)])
    if (first.kinds, first.period) != (second.kinds, second.period):
        return OTHER_UNITS
    return OTHER_NOISE if _noise(first) != _noise(second) else ""


Says = Callable[[str, Change], str]


def keep_open(
    new: Sequence[ReleasedTable],
    history: History | None,
    options: Options,
    minimum: int,
    *,
    dominance: Sequence[Rule] = (),
    says: Says | None = None,
) -> None:
    """See that ``new`` tables, with their final patterns, leave nothing too narrow where figures were altered.

    All tables that hang together by shared records are taken together, earlier ones of ``history`` included.
    ``dominance``: the rules on the largest contributions; without any, each unit must be counted once. ``says``
    puts into words what could be asked for instead (of a table's name, and a change of it); without it nothing is
    looked for.

    Raises:
        Refused: something is too narrow, or that cannot be told; it names the tables, and the columns without which, or
            with fewer levels of which, the figures as they are would leave nothing too narrow.
    """
    left = [table for table in new if table.quantity == COUNT or _bounded(table)]
    while left:
        group = _hanging_together(left[0], left[1:], history)
        left = [table for table in left if not any(table is each for each in group)]
        if len(group) > 1 and any(_bounded(table) for table in group):
            fault = _fault(group, options, minimum, dominance)
            if fault:
                found = _remedies(group, options, minimum, dominance) if says and fault == NARROWED else []
                raise _refused(group, fault, [says(group[each.table].name, each) for each in found] if says else None)


def _bounded(table: ReleasedTable) -> bool:
    return table.altered is not None and table.altered.bounded


def _noise(table: ReleasedTable) -> str:
    return table.altered.noise if table.altered is not None else ""


def _hanging_together(
    first: ReleasedTable, others: Sequence[ReleasedTable], history: History | None
) -> list[ReleasedTable]:
    """``first`` and all that share records with it, or with one that does; of one kind of unit and one period."""
    group, rows = [first], first.rows.row
    while True:
        found: list[ReleasedTable] = []
        for table in _all(others, history, frozenset(first.kinds)):
            alike = (table.kinds, table.period) == (first.kinds, first.period)
            there = {(each.release, each.name, each.quantity) for each in (*group, *found)}
            if not alike or (table.release, table.name, table.quantity) in there:
                continue
            if bool(np.isin(table.rows.row, rows).any()):
                found.append(table)
        group += found
        if len(group) > MOST_TABLES or sum(len(table.rows) for table in group) > MOST_ROWS:
            raise _refused(group, TOO_LARGE)
        if not found:
            return group
        rows = np.unique(np.concatenate([table.rows.row for table in group]))


def _all(others: Sequence[ReleasedTable], history: History | None, kinds: frozenset[str]) -> list[ReleasedTable]:
    earlier = (table for entry in history.entries for table in history.tables(entry, kinds)) if history else ()
    return [*others, *(table for table in earlier if table.quantity == COUNT or _bounded(table))]


def _remedies(
    group: Sequence[ReleasedTable], options: Options, minimum: int, dominance: Sequence[Rule]
) -> list[Change]:
    """Changes of new tables that leave nothing too narrow, those that ask for most first; each is tried.

    What has less to show shows the same figures, unless they are drawn together or hidden anew; so the next check has
    the last word. How many are tried follows from the codes that were asked for, never from records.
    """
    new = [at for at, table in enumerate(group) if not table.release]
    found = list[Change]()
    for change in changes(group, new)[:MOST_TRIED]:
        others = [*group[: change.table], *group[change.table + 1 :]]
        less = [] if change.column is None else [cut(group[change.table], change.column, change.deepest)]
        if len(found) < PROPOSED and not _fault([*less, *others], options, minimum, dominance):
            found.append(change)
    return found


def _refused(group: Sequence[ReleasedTable], fault: str, remedies: Sequence[str] | None = None) -> Refused:
    new = ", ".join(table.name for table in group if not table.release)
    old = "; ".join(table.label for table in group if table.release)
    beside = f"beside {old}" if old else "together"
    told = [] if remedies is None or fault != NARROWED else [REMEDIES, *remedies] if remedies else [NO_REMEDY]
    return reasons([f"{new} cannot be released {beside}: {fault}", *told], WHAT_CAN_LEAVE)


def _fault(group: Sequence[ReleasedTable], options: Options, minimum: int, dominance: Sequence[Rule]) -> str:
    """What is wrong with the tables together; nothing, when all stays open."""
    protection = options.count_protection
    if not isinstance(protection, Exact | Width):
        return WHOLE_RANGE
    if not _nobody_can_dominate(group, minimum, dominance):
        return MANY_RECORDS
    atoms = atoms_of(group, minimum, most_rows=MOST_ROWS, most_atoms=MOST_ATOMS)
    if not atoms.known:
        return TOO_LARGE
    within = _within(group, atoms, options)
    if within is None:
        return NARROWED
    width = protection.w if isinstance(protection, Width) else 1
    apart = within.groups_are_open(minimum, width) and within.differences_may_be_empty(minimum)
    open_ = apart and all(within.cells_reach(at, _asked(table, options)) for at, table in enumerate(group))
    return "" if open_ else NARROWED


def _nobody_can_dominate(group: Sequence[ReleasedTable], minimum: int, dominance: Sequence[Rule]) -> bool:
    """Whether no unit has so many records that it could be nearly all of a group of ``minimum`` units or more.

    Each record is one unit's and counts as 1. A group of more units, or of units with fewer records, is farther from
    every rule than the worst there could be: some units with as many records as any has, and all others with one.
    """
    pairs = np.unique(np.concatenate([np.column_stack([t.rows.row, t.rows.unit]) for t in group]), axis=0)
    once = len(np.unique(pairs[:, 0])) == len(pairs) and all(bool((t.rows.amount == 1).all()) for t in group)
    most = int(np.unique(pairs[:, 1], return_counts=True)[1].max(initial=0))
    if not once or most <= 1 or not dominance:
        return once and most <= 1
    worst = np.ones((min(LARGEST, minimum), minimum))
    for units, group_ in enumerate(worst, start=1):
        group_[:units] = most
    return not breaks_a_rule(worst.sum(axis=1), np.pad(worst, ((0, 0), (0, LARGEST)))[:, :LARGEST], dominance).any()


def _within(group: Sequence[ReleasedTable], atoms: Atoms, options: Options) -> PopulationsWithin | None:
    """All populations within what the tables say; None where the true one is not, so that nothing can be told."""
    bounds = [_known(table, options) for table in group]
    # what is drawn by keys of records follows from these: who sees two figures differ knows that somebody is between
    least_there = 1.0 if any(_noise(table) for table in group) else 0.0
    within = PopulationsWithin(
        atoms.cells,
        tuple(low for low, _ in bounds),
        tuple(high for _, high in bounds),
        amount=atoms.amount,
        least=np.minimum(atoms.amount, least_there),
        units=atoms.apart,
    )
    adds_up = all(
        np.array_equal(cells @ atoms.amount, table.table.value) for cells, table in zip(atoms.cells, group, strict=True)
    )
    return within if adds_up and within.holds_truth else None


def _known(table: ReleasedTable, options: Options) -> tuple[FloatArray, FloatArray]:
    """The least and the most that each cell can be by its own figure."""
    if table.altered is not None:
        return table.altered.low, table.altered.high
    value = table.table.value
    low = np.where(table.hidden, least(table.table, options), value)
    return low, np.where(table.hidden, np.inf, value)


def _asked(table: ReleasedTable, options: Options) -> Reach:
    asked, cells = demand(table.table, table.primary, options), np.flatnonzero(table.primary.mask)
    anchor: IntArray = np.where(asked.down > 0, table.primary.anchor, -1)
    return Reach(cells, asked.up[cells], asked.down[cells], asked.width[cells], anchor[cells])
