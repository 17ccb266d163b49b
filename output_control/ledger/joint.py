"""New tables protected together, and together with everything that was released before.

Earlier tables stay as they are: what is hidden in them stays hidden, what they published is known. The new tables get
as many more suppressed cells as that takes, at least cost, and the audit tries every hidden cell, old and new, anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from enclave.errors import CannotProtect, Refused
from output_control.attacker import Attacker
from output_control.audit import SLACK, AuditReport, audit, full_equations
from output_control.ledger.altered import Says, keep_open
from output_control.ledger.before import shut
from output_control.ledger.combined import Combination
from output_control.ledger.grid import Grid
from output_control.ledger.history import History
from output_control.ledger.moves import Moves, Shown
from output_control.ledger.neighbours import Beside, Compared
from output_control.ledger.released import COUNT, ReleasedTable
from output_control.ledger.sight import Sight
from output_control.ledger.system import System, build, moves_in
from output_control.ledger.widest import LeftOut
from output_control.protection import Options, Pattern, Witnesses, demand, least
from output_control.suppression import suppress
from output_control.table_check import audited, hide, reasons
from output_control.tables.rules import PrimaryResult, Rule
from output_control.tables.table import BoolArray, FloatArray, IntArray
from output_control.unions.protected import protect_sums
from output_control.unions.sums import Find, Sums, finder, over_columns

ROUNDS = 3
MOST_ATTACKED, MOST_COLUMNS = 300, 1_000  # where attacking one by one takes moments
COMBINED_ROUNDS = 8
MOST_NAMED = 5  # earlier releases in a refusal
LEAST_WIDTH = 1e-6  # of the interval of an amount near 0


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Pattern and audit of each new table, in the order asked; what the ledger is to remember of them; which earlier
    releases share units with them.

    ``sights``: of each table what an attacker sees of it beside the others, where these were in its system. ``exact``:
    the attacker's view was worked out over atoms; otherwise over relations between each two tables. ``left_out``: what
    was not looked at in three and more together.
    ``given_before``: hidden cells and small differences that earlier releases give away whatever the new tables hide.
    ``bounded``: altered figures share units with others, and all were held together as bounds. ``repeated``: names of
    altered tables that left before as they are.
    """

    patterns: tuple[Pattern, ...]
    reports: tuple[AuditReport, ...]
    released: tuple[ReleasedTable, ...]
    touched: tuple[str, ...]
    compared: tuple[Compared, ...]
    sights: tuple[Sight | None, ...]
    exact: bool
    left_out: LeftOut
    given_before: tuple[str, ...]
    bounded: bool = False
    repeated: frozenset[str] = frozenset()


def protect_together(
    asked: Sequence[ReleasedTable],
    history: History | None,
    options: Options,
    minimum: int,
    *,
    attached: Mapping[int, int] | None = None,
    apart: Sequence[ReleasedTable] = (),
    dominance: Sequence[Rule] = (),
    propose: Callable[[], Sequence[str]] = list,
    says: Says | None = None,
) -> Together:
    """Hide in the tables of one analysis what the policy asks, together and beside what was released before.

    ``minimum`` is the minimum frequency: no difference of cells may be of fewer units. ``attached`` says which of
    ``asked`` are the counts of which sum: the two show and hide the same cells. ``apart`` are tables whose figures are
    not exact, protected already: what shares units with them is held against the bounds that they give. ``dominance``:
    the rules on the largest contributions, which a difference of cells may not break either. ``propose`` says what else
    could be asked for; it is called when no suppression helps. ``says``: as in `keep_open`.

    Raises:
        Refused: no suppression in the new tables protects them and what was released before; it names the releases and
            says what is proposed. Or one of two tables that share units cannot be compared.
    """
    beside = Beside([Grid(table) for table in asked], apart, minimum, dominance)
    if history is not None:
        beside.look_back(history)
    altered = beside.must_be_held_together()
    try:
        found = _all_found(asked, attached or {}, options, beside, minimum)
    except Refused as error:
        raise reasons([error.what, *propose()], error.next_step) from None
    patterns, reports = zip(*found.of.values(), strict=True) if asked else ((), ())
    released = tuple(
        replace(table, hidden=pattern.suppressed, moves=found.moves[at])
        for at, (table, pattern) in enumerate(zip(asked, patterns, strict=True))
    )
    if altered:
        new = [*released, *(each for each in apart if each.name not in beside.repeated)]
        keep_open(new, history, options, minimum, dominance=dominance, says=says)
    return Together(
        patterns=patterns,
        reports=reports,
        released=(*released, *apart),
        touched=tuple(beside.touched),
        compared=beside.compared(),
        sights=tuple(found.sight(at) for at in range(len(asked))),
        exact=found.exact,
        left_out=found.left_out,
        given_before=tuple(sorted(found.before)),
        bounded=altered,
        repeated=frozenset(beside.repeated),
    )


def _all_found(
    asked: Sequence[ReleasedTable], attached: Mapping[int, int], options: Options, beside: Beside, minimum: int
) -> _Found:
    """Every group solved; again, with what is hidden then, when what the counts add to a sum's hidden cells (or the
    other way round) makes one more sensitive sum of them known.

    Raises:
        Refused: a group cannot be protected.
    """
    forced: dict[int, BoolArray] = {}
    # a round hides more than the one before, or is the last
    while True:
        found = _Found(asked, attached, options, forced)
        # sums first: their counts then lose least where a cell is hidden anyhow
        for inside in sorted(beside.groups(), key=lambda group: asked[group[0]].quantity == COUNT):
            found.solve(inside, beside, minimum)
        found.hide_alike()
        if not found.gives_sums_away():
            return found
        forced = {at: pattern.suppressed for at, (pattern, _) in found.of.items()}


class _Found:
    """Pattern and audit of each new table so far; in the end in the order asked. ``forced``: what must be hidden."""

    def __init__(
        self,
        asked: Sequence[ReleasedTable],
        attached: Mapping[int, int],
        options: Options,
        forced: Mapping[int, BoolArray],
    ) -> None:
        self._asked, self._attached, self._options, self._forced = asked, attached, options, forced
        self.of: dict[int, tuple[Pattern, AuditReport]] = {}
        self.moves = dict.fromkeys(range(len(asked)), Moves.none())
        self.sights: dict[int, Sight] = {}
        self.before: set[str] = set()
        self.exact = True
        self.left_out = LeftOut()

    def solve(self, inside: Sequence[int], beside: Beside, minimum: int) -> None:
        """One group of tables, by positions in ``beside``."""
        new = [at for at in inside if at < len(self._asked)]
        hidden = {place: self._hidden_in_figure(at) for place, at in enumerate(new) if at in self._attached}
        if len(inside) == 1:
            here = self._asked[new[0]]
            cost = np.where(hidden[0], 0.0, here.costs) if hidden else here.cost
            options = replace(self._options, cost=cost, keep=here.keep, hidden=self._forced.get(new[0]))
            pattern, report = hide(here.table, here.primary, options, finder(here.table, here.judge))
            self.of[new[0]] = pattern, report
            self.moves[new[0]] = Moves.of(pattern.witnesses.moves, _keys([here]), [np.arange(len(here.table))])
            return
        tables, links = [beside.tables[at] for at in inside], beside.links_among(inside)
        combined, given = beside.combined(new), list[Combination]()
        for _ in range(COMBINED_ROUNDS):
            system = build(tables, len(new), links, minimum, given)
            for place, cells in hidden.items():
                system.cost[system.columns[place][cells]] = 0.0
            for place, at in enumerate(new):
                system.fixed[system.columns[place]] |= self._forced.get(at, np.zeros(1, dtype=np.bool_))
            also = sorted({label for each in given for label in each.releases} - {table.label for table in tables})
            done = _protect(system, tables, len(new), self._options, also)
            gone = {at: pattern.suppressed for at, (pattern, _) in zip(new, done.parts, strict=True)}
            more = [each for family in combined for each in family.given_away(gone)]
            if not more:
                break
            given += [each.among(new) for each in more]
        else:
            raise _refusal("groups of few units stay computable from several tables", tables, len(new), also)
        self.exact &= system.exact
        self.left_out = sum((each.left_out(tables, exact=system.exact) for each in combined), self.left_out)
        self.sights |= dict(zip(new, done.sights, strict=True))
        self.before |= set(done.before)
        self.moves[new[0]] = done.moves
        self.of |= dict(zip(new, done.parts, strict=True))

    def hide_alike(self) -> None:
        """Hide in a sum what is hidden in its counts, and the other way round."""
        for counts, figure in self._attached.items():
            both: BoolArray = self.of[counts][0].suppressed | self.of[figure][0].suppressed
            for at in (counts, figure):
                self.of[at] = _hiding(self.of[at], self._asked[at], both, self._options, alone=at not in self.sights)
        self.of = dict(sorted(self.of.items()))

    def gives_sums_away(self) -> bool:
        """Whether a sensitive sum of hidden cells of some table is known."""
        finds = ((finder(table.table, table.judge), at) for at, table in enumerate(self._asked))
        return any(find is not None and find(self.of[at][0].suppressed) is not None for find, at in finds)

    def sight(self, at: int) -> Sight | None:
        """What an attacker sees of one table; less than all there is where something was not looked at."""
        seen = self.sights.get(at)
        return replace(seen, whole=False) if seen is not None and self.left_out else seen

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


@dataclass(frozen=True, slots=True, eq=False)
class _Done:
    """Pattern, audit and the attacker's sight per new table, the moves that were found, and what earlier releases had
    given away."""

    parts: list[tuple[Pattern, AuditReport]]
    sights: list[Sight]
    moves: Moves = field(default_factory=Moves.none)
    before: tuple[str, ...] = ()


def _protect(system: System, tables: Sequence[ReleasedTable], new: int, options: Options, also: Sequence[str]) -> _Done:
    """A pattern of the new tables that keeps every hidden cell of the system open."""
    low = system.least if options.occupied else np.zeros(len(system.joint))
    options = replace(options, cost=system.cost, keep=system.keep, hidden=system.fixed & ~system.known, least=low)
    kept, primary, joint = moves_in(system, tables), system.primary, system.joint
    done = _alone(system, tables, new, options)
    if done is not None:
        return done
    cannot = shut(system, tables, new, options)
    if cannot.hopeless:
        fault = "sensitive cells stay open to an attacker even with every other cell hidden"
        raise _refusal(fault, _in_the_way(system, tables, new, cannot.open_), new, also)
    primary = replace(primary, mask=primary.mask & ~cannot.before)
    always: BoolArray = system.fixed | cannot.before
    options = replace(options, hidden=always & ~system.known)
    for _ in range(ROUNDS):
        shown = Shown.of(
            kept, joint.relations, joint.value - least(joint, options), (always | primary.mask) & ~system.known
        )
        open_ = _open(system, primary, shown, options)
        try:
            pattern = suppress(joint, replace(primary, mask=primary.mask & ~open_), options=options)
        except CannotProtect as error:
            raise _refusal(error.what, tables, new, also) from None
        hidden: BoolArray = pattern.suppressed | always | primary.mask
        whole = replace(pattern, suppressed=hidden, witnesses=shown.beside(pattern.witnesses, open_))
        try:
            whole, report = protect_sums(joint, primary, whole, options, _finder(system, tables[:new]))
        except CannotProtect as error:
            raise _refusal(error.what, tables, new, also) from None
        if not report.safe or bool((primary.mask & system.known).any()):
            raise _refusal("the audit did not find the tables safe together", tables, new, also)
        exposed = _exposed(system, whole, options)
        if not len(exposed):
            moves = Moves.of(pattern.witnesses.moves, _keys(tables), system.columns)
            parts = [_part(system, at, table, whole, (primary, report)) for at, table in enumerate(tables[:new])]
            before = tuple(sorted({joint.name(cell) for cell in np.flatnonzero(cannot.before).tolist()}))
            return _Done(parts, _sights(system, whole, options, new), moves, before)
        mask = primary.mask.copy()
        mask[exposed] = True
        primary = replace(primary, mask=mask)
    raise _refusal("groups of few units stay computable from cells of several tables", tables, new, also)


def _alone(system: System, tables: Sequence[ReleasedTable], new: int, options: Options) -> _Done | None:
    """What each of the ``new`` tables would hide by itself, if that is enough: the others then cost it nothing.

    Only where the attacker's view is exact and the sensitive cells are few enough to attack one by one.
    """
    joint, primary = system.joint, system.primary
    few = int(primary.mask.sum()) <= MOST_ATTACKED and len(joint) <= MOST_COLUMNS
    if not (system.exact and few) or bool((primary.mask & system.known).any()):
        return None
    hidden: BoolArray = system.fixed | primary.mask
    for table, columns in zip(tables[:new], system.columns, strict=False):
        own = replace(options, cost=system.cost[columns], keep=system.keep[columns], hidden=None, least=None)
        try:
            hidden[columns] |= suppress(table.table, table.primary, options=own).suppressed
        except CannotProtect:
            return None
    nothing = Witnesses.none(len(joint))
    whole = Pattern(hidden, hidden & ~primary.mask, nothing, 0.0, options.method, optimal=False, gap=None)
    report = audit(joint, primary, whole, options)
    if not report.safe or len(_exposed(system, whole, options)) or _finder(system, tables[:new])(hidden) is not None:
        return None
    moves = Moves.none() if report.moves is None else Moves.of(report.moves, _keys(tables), system.columns)
    parts = [_part(system, at, table, whole, (primary, report)) for at, table in enumerate(tables[:new])]
    return _Done(parts, _sights(system, whole, options, new), moves)


def _finder(system: System, new: Sequence[ReleasedTable]) -> Find:
    """What a pattern of the system gives away of sums of hidden cells of each of its ``new`` tables."""
    finds = [(finder(table.table, table.judge), columns) for table, columns in zip(new, system.columns, strict=False)]

    def find(hidden: BoolArray) -> Sums | None:
        found = [
            replace(sums, members=over_columns(sums.members, columns, len(system.joint)))
            for own, columns in finds
            if own is not None and (sums := own(hidden[columns])) is not None
        ]
        return Sums.together(found) if found else None

    return find


def _sights(system: System, pattern: Pattern, options: Options, new: int) -> list[Sight]:
    hidden: BoolArray = pattern.suppressed & ~system.known
    low, whole = least(system.joint, options), system.exact
    return [Sight(system.joint, hidden, low, columns, whole) for columns in system.columns[:new]]


def _open(system: System, primary: PrimaryResult, shown: Shown, options: Options) -> BoolArray:
    """Sensitive counts that moves which are known already leave open, whatever else is hidden."""
    asked = demand(system.joint, primary, options)
    far = (shown.up >= asked.up) & (shown.down >= asked.down) & (shown.up + shown.down >= asked.width)
    found: BoolArray = far & primary.mask & (primary.anchor < 0) & system.joint.integral
    return found


def _keys(tables: Sequence[ReleasedTable]) -> list[tuple[str, str, str]]:
    return [(table.release, table.name, table.quantity) for table in tables]


def _refusal(fault: str, tables: Sequence[ReleasedTable], new: int, also: Sequence[str]) -> Refused:
    names = ", ".join(table.name for table in tables[:new])
    labels = [*also, *(table.label for table in tables[new:])]
    others = "; ".join([*labels[:MOST_NAMED], *([f"{len(labels) - MOST_NAMED} others"] * (len(labels) > MOST_NAMED))])
    together = f"{names} cannot be released beside {others}" if others else f"{names} cannot be released together"
    return reasons(
        [together, fault],
        "show the classifications and levels of what was released, or a population or period that differs from it by "
        "at least the minimum frequency; or leave out what is named",
    )


def _in_the_way(system: System, tables: Sequence[ReleasedTable], new: int, cells: IntArray) -> list[ReleasedTable]:
    """The new tables, and the earlier ones that open ``cells`` are of or lie between, those of the most cells first."""
    names = [system.joint.name(cell) for cell in cells.tolist()]
    count = [sum(name.endswith(table.label) for name in names) for table in tables]
    for link in system.links:
        columns = system.columns[link.first][link.relation.first]
        count[link.second] += int(np.isin(columns, cells).sum()) if len(columns) == 1 else 0
    met = sorted((at for at in range(new, len(tables)) if count[at]), key=lambda at: -count[at])
    return [*tables[:new], *(tables[at] for at in met or range(new, len(tables)))]


def _exposed(system: System, pattern: Pattern, options: Options) -> IntArray:
    """Atoms of few units whose content the published cells of several tables give away."""
    if not len(system.atoms):
        return system.atoms
    joint = system.joint
    hidden: BoolArray = pattern.suppressed & ~system.known
    low, relations = least(joint, options), full_equations(joint)
    shown = Shown.of(pattern.witnesses.moves, relations, joint.value - low, hidden)
    enough = np.ones(len(joint)) if joint.integral else np.maximum(options.width_share * joint.sizes, LEAST_WIDTH)
    left = system.atoms[(shown.up + shown.down < enough)[system.atoms]]
    attacker = Attacker(relations, joint.value, hidden, integral=joint.integral, least=low)
    return left[~_moved(attacker, left, enough)]


def _moved(attacker: Attacker, atoms: IntArray, enough: FloatArray) -> BoolArray:
    """Of which ``atoms`` nothing published rules out an interval of ``enough``; what one is moved by moves others too,
    which then need no programme of their own."""
    asked = enough * (1 - SLACK)
    free: BoolArray = np.zeros(len(enough), dtype=np.bool_)
    for atom in atoms.tolist():
        far = 0.0
        for side in (1, -1):
            if free[atom] or far >= asked[atom]:
                break
            found = attacker.reach(atom, side, float(enough[atom]), [])
            far += found.far
            free |= found.moves(enough, asked)
        free[atom] |= far >= asked[atom]
    return free[atoms]


def _part(
    system: System,
    at: int,
    table: ReleasedTable,
    pattern: Pattern,
    audited: tuple[PrimaryResult, AuditReport],
) -> tuple[Pattern, AuditReport]:
    """One new table's share of the pattern and of the report on what was ``audited``; what was known before is a
    point."""
    primary, report = audited
    columns = system.columns[at]
    suppressed: BoolArray = pattern.suppressed[columns]
    secondary = suppressed & ~table.primary.mask
    lower, upper = system.joint.value.copy(), system.joint.value.copy()
    lower[primary.mask], upper[primary.mask] = report.lower, report.upper
    mine = columns[table.primary.mask]
    own = Pattern(
        suppressed=suppressed,
        secondary=secondary,
        witnesses=Witnesses.none(len(suppressed)),
        cost=float(table.costs[secondary].sum()),
        method=f"{pattern.method}, together with other tables",
        optimal=False,
        gap=None,
    )
    told = replace(
        report,
        primaries=len(mine),
        checked=len(mine),
        lower=lower[mine],
        upper=upper[mine],
        failed=np.zeros(0, dtype=np.int64),
    )
    return own, told
