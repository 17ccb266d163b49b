"""The attacker's view of a pattern, by code that shares nothing with the suppressor but demand and witnesses.

The attacker knows every published cell, that y ≥ 0 (whole numbers for counts; of tables with figures below 0 see
`output_control.protection.least`), that empty cells are empty, and every equation of every hierarchy: nothing is
reduced, merged or cut to a neighbourhood here. A primary passes when a stored witness proves its interval (integer
arithmetic for counts: a fractional move proves nothing), or when the attacker's own LP, or integer programme, does.
What can be proven neither way counts as a failure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from output_control.attacker import Attacker
from output_control.insiders import Insiders, Members, Way
from output_control.protection import Options, Pattern, as_parts, demand, least
from output_control.tables.joint_table import JointTable
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, FloatArray, IntArray

SLACK = 1e-6
AT_ONCE = 50_000
PRIMARIES_AT_ONCE = 2_000
Sides = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AuditReport:
    """How the primaries stand against the attacker.

    ``exact`` counts primaries that can be computed exactly, ``below_level`` those whose interval misses what is asked
    (the exact ones included), ``singleton_exact`` those that a contributor of other cells, or a coalition of as many as
    the options say, comes too close to by what is its own. ``lower`` and ``upper`` bound the attacker's interval of
    each primary, in the order of the cells: proven to be at least so wide, and exactly so wide when
    ``intervals_exact``. ``failed`` are the cells behind the counts. ``moves`` (moves × cells) are what the attacker's
    own programmes found where no witness was given.
    """

    primaries: int
    checked: int
    exact: int
    below_level: int
    singleton_exact: int
    lower: FloatArray
    upper: FloatArray
    intervals_exact: bool
    failed: IntArray
    moves: sparse.csr_array | None = None

    @property
    def safe(self) -> bool:
        """Every primary was checked and none failed."""
        return self.checked == self.primaries and not (self.exact or self.below_level or self.singleton_exact)


def audit(
    table: CellTable,
    primary: PrimaryResult,
    pattern: Pattern,
    options: Options,
    *,
    solve_intervals: bool = False,
) -> AuditReport:
    """Check ``pattern`` for every primary; works as well for a pattern of someone else (`Witnesses.none`).

    ``solve_intervals`` solves the attacker's two LPs for every primary instead of trusting verified witnesses for the
    interval that is reported (2 LPs each).
    """
    report = _Audit(table, primary, pattern, options).run(solve_intervals=solve_intervals)
    known = as_parts(table, options)
    if known is None:
        return report
    proof = pattern.witnesses if pattern.beside_parts is None else pattern.witnesses.with_further(pattern.beside_parts)
    near = _Audit(known[0], primary, replace(pattern, witnesses=proof), known[1]).exposed()
    return replace(report, singleton_exact=len(near), failed=np.union1d(report.failed, near).astype(np.int64))


def full_equations(table: CellTable) -> sparse.csr_array:
    """Parent minus children for every parent of every dimension and every combination of the other dimensions.

    Of a joint table: its own.
    """
    if isinstance(table, JointTable):
        return table.audited
    return sparse.csr_array(
        sparse.vstack([_one_dimension(table, position) for position in range(len(table.dims))], format="csr")
    )


def _one_dimension(table: CellTable, position: int) -> sparse.csr_array:
    """All equations along one dimension; equations without any non-empty cell take no row."""
    above = np.asarray(table.dims[position].parent, dtype=np.int64)
    has_children = np.bincount(above[1:], minlength=len(above)) > 0
    code = table.codes[:, position].astype(np.int64)
    line = np.zeros(len(code), dtype=np.int64)
    for other, dim in enumerate(table.dims):
        if other != position:
            line = line * len(dim.codes) + table.codes[:, other]
    head, below = np.flatnonzero(has_children[code]), np.flatnonzero(above[code] >= 0)
    cells = np.concatenate([head, below])
    parent = np.concatenate([code[head], above[code[below]]])
    row = np.unique(parent * (int(line.max(initial=0)) + 1) + line[cells], return_inverse=True)[1].reshape(-1)
    sign = np.concatenate([np.ones(len(head)), -np.ones(len(below))])
    return sparse.csr_array((sign, (row, cells)), shape=(int(row.max(initial=-1)) + 1, len(code)))


class _Audit:
    def __init__(self, table: CellTable, primary: PrimaryResult, pattern: Pattern, options: Options) -> None:
        self.table, self.options, self.hidden = table, options, pattern.suppressed
        self.cells = np.flatnonzero(primary.mask)
        asked = demand(table, primary, options)
        self.up, self.down, self.width = asked.up[self.cells], asked.down[self.cells], asked.width[self.cells]
        self.anchor = np.where(self.down > 0, primary.anchor[self.cells], -1)
        self.equations, self.least = full_equations(table), least(table, options)
        self.moves = pattern.witnesses.moves.copy()
        self.moves.sum_duplicates()
        self.error = self._errors(self.equations)
        self.by_up, self.by_down = pattern.witnesses.up[self.cells], pattern.witnesses.down[self.cells]
        self.also = pattern.witnesses.also
        # moves that the attacker's own programmes found, as further witnesses for the sole contributors
        self.found: dict[int, list[FloatArray]] = {}

    @cached_property
    def attacker(self) -> Attacker:
        """Only built when a witness is missing or intervals are asked: it holds every hidden cell in one model."""
        return Attacker(self.equations, self.table.value, self.hidden, integral=self.table.integral, least=self.least)

    def run(self, *, solve_intervals: bool) -> AuditReport:
        """All checks."""
        up, down = self._reach(self.by_up, 1), self._reach(self.by_down, -1)
        enough = self._enough(up, down)
        for position in np.flatnonzero(~enough):
            up[position], down[position] = self._attack(int(position))
        enough = self._enough(up, down) & self.hidden[self.cells]
        exact = ~enough & (up + down < self._not_a_point())
        exposed = self._exposed() if self.options.singletons and not self.table.integral else []
        if solve_intervals:
            for position in np.flatnonzero(self.hidden[self.cells]):
                ends = self._interval(int(position))
                solve_intervals &= None not in ends
                up[position], down[position] = (
                    far if end is None else end for end, far in zip(ends, (up[position], down[position]), strict=True)
                )
        value = self.table.value[self.cells]
        return AuditReport(
            primaries=len(self.cells),
            checked=len(self.cells),
            exact=int(exact.sum()),
            below_level=int((~enough).sum()),
            singleton_exact=len(exposed),
            lower=value - down,
            upper=value + up,
            intervals_exact=solve_intervals,
            failed=np.union1d(self.cells[~enough], self.cells[exposed]).astype(np.int64),
            moves=self._moves_found(),
        )

    def exposed(self) -> IntArray:
        """The hidden primaries that contributors come too close to."""
        return np.asarray(self.cells[self._exposed()], dtype=np.int64)

    def _moves_found(self) -> sparse.csr_array:
        found = [sparse.csr_array(change[None, :]) for changes in self.found.values() for change in changes]
        return sparse.csr_array(sparse.vstack([sparse.csr_array((0, len(self.table))), *found]))

    def _errors(self, equations: sparse.csr_array) -> FloatArray:
        """Per witness, by how much it breaks an equation, a published cell or y ≥ 0 (counts: any fraction too)."""
        moves = self.moves
        wrong, broken = np.zeros(moves.shape[0]), np.zeros(moves.shape[0])
        for start in range(0, moves.shape[0], AT_ONCE):
            some = sparse.csr_array(moves[start : start + AT_ONCE])
            broken[start : start + AT_ONCE] = abs(equations @ some.T).max(axis=0).toarray().reshape(-1)
        owner = np.repeat(np.arange(moves.shape[0]), np.diff(moves.indptr))
        below = -((self.table.value - self.least)[moves.indices] + moves.data)
        np.maximum.at(wrong, owner, np.maximum(below, 0))
        np.maximum.at(wrong, owner, np.where(self.hidden[moves.indices], 0.0, np.abs(moves.data)))
        if self.table.integral:
            np.maximum.at(wrong, owner, np.abs(moves.data - np.rint(moves.data)))
        return np.asarray(np.maximum(wrong, broken), dtype=np.float64)

    def _reach(self, witness: IntArray, side: int) -> FloatArray:
        """How far each primary is proven to move to one side; 0 where the witness does not hold."""
        reach = np.zeros(len(self.cells))
        there = np.flatnonzero(witness >= 0)
        if len(there):
            step = np.asarray(self.moves[witness[there], self.cells[there]]).reshape(-1) * side
            holds = (step > 0) & (self.error[witness[there]] <= self._tolerance()[there])
            anchor = self.anchor[there]
            if side < 0 and (anchor >= 0).any():
                still = np.asarray(self.moves[witness[there], np.maximum(anchor, 0)]).reshape(-1) == 0
                holds &= (anchor < 0) | still
            reach[there[holds]] = step[holds]
        return reach

    def _tolerance(self) -> FloatArray:
        """What may be missing: nothing for counts, a millionth of the level for magnitudes."""
        level = np.maximum(np.maximum(self.up, self.down), self.width)
        return np.zeros(len(level)) if self.table.integral else SLACK * level

    def _enough(self, up: FloatArray, down: FloatArray) -> BoolArray:
        give = self._tolerance()
        met: BoolArray = (up >= self.up - give) & (down >= self.down - give) & (up + down >= self.width - give)
        return met

    def _not_a_point(self) -> FloatArray:
        """The least width that is not "known exactly": one for counts, a thousandth of a level for magnitudes."""
        level = np.maximum(np.maximum(self.up, self.down), self.width)
        return np.ones(len(level)) if self.table.integral else 1e-3 * level

    def _attack(self, position: int) -> tuple[float, float]:
        """The attacker's own reach up and down, as far as it is asked."""
        cell = int(self.cells[position])
        if not self.hidden[cell]:
            return 0.0, 0.0
        level = float(max(self.up[position], self.down[position], self.width[position]))
        held = [] if self.anchor[position] < 0 else [int(self.anchor[position])]
        up = self.attacker.reach(cell, 1, level, [])
        down = self.attacker.reach(cell, -1, level, held)
        self.found[position] = [move.change for move in (up, down) if move.far > 0]
        return up.far, down.far

    def _interval(self, position: int) -> tuple[float | None, float | None]:
        """The whole interval of the attacker; None for an end that could not be found."""
        cell = int(self.cells[position])
        return self.attacker.furthest(cell, 1), self.attacker.furthest(cell, -1)

    def _exposed(self) -> list[int]:
        """Positions of primaries that contributors, by what they know of other cells, come too close to."""
        spare, options = self.table.value - self.least, self.options
        insiders = Insiders(self.table, self.hidden, spare, options.coalition, options.part_share)
        further: dict[int, list[int]] = {}
        for cell, row in self.also.tolist():
            further.setdefault(cell, []).append(row)
        asked = self.hidden[self.cells] & ~self._out_of_sight(insiders)
        return [
            int(position)
            for position in np.flatnonzero(asked)
            if self._is_exposed(int(position), insiders, further.get(int(self.cells[position]), []))
        ]

    def _out_of_sight(self, insiders: Insiders) -> BoolArray:
        """The primaries that witnesses show to be kept from every contributor and coalition, all at once.

        From above and in all: by a move that nobody rules out, or by several of which nobody rules out each.
        """
        clear = np.ones(len(self.cells), dtype=np.bool_)
        for sides, level in self._asked_of_insiders():
            position, row, step = self._witnesses_of_each(level)
            sure = np.zeros(len(self.cells), dtype=np.bool_)
            sure[position[self._is_sure(row, step, level[position], sides, insiders)]] = True
            if self.options.coalition == 1:
                left = ~sure[position] & ((step > 0) | (len(sides) > 1))
                sure |= self._nobody_knows_all(position[left], row[left], insiders)
            clear &= sure | (level <= 0)
        return clear

    def _asked_of_insiders(self) -> tuple[tuple[Sides, FloatArray], ...]:
        """The sides to which each primary must be open to insiders, and how far."""
        width = np.maximum(self.up + self.down, self.width)
        width = np.maximum(width * self.options.singleton_share, self.options.apart)
        return ((1,), self.up * self.options.part_share), ((1, -1), width)

    def _is_sure(
        self, row: IntArray, step: FloatArray, level: FloatArray, sides: Sides, insiders: Insiders
    ) -> BoolArray:
        """Whether nobody rules out a witness, or its mirror image, that is scaled to take a primary to its level."""
        rows, at = np.unique(row, return_inverse=True)
        moves = sparse.csr_array(self.moves[rows])
        owner = np.repeat(np.arange(len(rows)), np.diff(moves.indptr))
        most = np.zeros((2, len(rows)))
        for here, sign in zip(most, (1.0, -1.0), strict=True):
            here[:] = 1.0
            fall, may = np.maximum(-sign * moves.data, 0.0), insiders.falls_for_all[moves.indices]
            # who is alone in a cell knows it whichever way it goes
            fall[insiders.is_inside[moves.indices] & (moves.data != 0)] = np.inf
            room = np.divide(may, fall, out=np.full(len(fall), np.inf), where=fall > 0)
            np.minimum.at(here, owner, room)
        scale = np.minimum(level / np.abs(step), 1.0)
        as_is, mirrored = scale <= most[0, at], scale <= most[1, at]
        sure: BoolArray = as_is | mirrored if len(sides) > 1 else np.where(step > 0, as_is, mirrored)
        return sure

    def _nobody_knows_all(self, position: IntArray, row: IntArray, insiders: Insiders) -> BoolArray:
        """The primaries of which each contributor leaves one of these pairs of a position and a row alone."""
        clear = np.zeros(len(self.cells), dtype=np.bool_)
        rows, at = np.unique(row, return_inverse=True)
        knows = insiders.who_rules_out(sparse.csr_array(self.moves[rows]))
        shape = PRIMARIES_AT_ONCE, len(rows)
        for start in range(0, len(self.cells), PRIMARIES_AT_ONCE):
            here = slice(*np.searchsorted(position, [start, start + PRIMARIES_AT_ONCE]))
            place = position[here] - start
            pairs = sparse.csr_array((np.ones(len(place)), (place, at[here])), shape=shape)
            # a row that is named twice counts once
            pairs.data[:] = 1.0
            known, number = sparse.coo_array(pairs @ knows), np.diff(pairs.indptr)
            own = insiders.own[self.cells[np.minimum(start + known.row, len(self.cells) - 1)]]
            all_known = (known.data >= number[known.row]) & (insiders.people[known.col] != own)
            seen = number > 0
            seen[known.row[all_known]] = False
            clear[start : start + PRIMARIES_AT_ONCE] = seen[: len(clear) - start]
        return clear

    def _witnesses_of_each(self, level: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Pairs of a position (rising) and a row that holds and moves its primary as far as ``level``; and the step."""
        place = np.full(len(self.table), -1, dtype=np.int64)
        place[self.cells] = np.arange(len(self.cells))
        every = np.arange(len(self.cells))
        position = np.concatenate([every, every, place[self.also[:, 0]]])
        row = np.concatenate([self.by_up, self.by_down, self.also[:, 1]])
        there = np.flatnonzero((position >= 0) & (row >= 0))
        position, row = position[there], row[there]
        step, level = np.asarray(self.moves[row, self.cells[position]]).reshape(-1), level[position]
        far = (level > 0) & (np.abs(step) >= level * (1 - SLACK))
        holds = np.flatnonzero(far & (self.error[row] <= SLACK * level))
        order = holds[np.argsort(position[holds], kind="stable")]
        return position[order], row[order], step[order]

    def _is_exposed(self, position: int, insiders: Insiders, further: list[int]) -> bool:
        """Whether contributors come too close from above, or from both sides together."""
        asked = ((sides, float(level[position])) for sides, level in self._asked_of_insiders())
        return any(level and self._is_near(position, sides, level, insiders, further) for sides, level in asked)

    def _is_near(self, position: int, sides: Sides, level: float, insiders: Insiders, further: list[int]) -> bool:
        """Try every coalition that rules out all ways found so far, small ones first; each new way clears more of them.

        A coalition that is to be tried still must rule out each way, so it is reached by joining those who rule out
        one, way after way; what is asked against a coalition is never more than against a part of it.
        """
        cell = int(self.cells[position])
        # the further ones first: fewer rule them out, and each who does is tried
        rows = [*further, int(self.by_up[position]), int(self.by_down[position])]
        moves = [move for row in rows if (move := self._move(row, level)) is not None]
        moves += [(np.flatnonzero(move), move[np.flatnonzero(move)]) for move in self.found.get(position, [])]
        ways = [(way, level) for move in moves for way in self._ways(*move, cell, sides, level)]
        waiting, seen = deque([Members()]), set[Members]()
        while waiting:
            members = waiting.popleft()
            if members in seen or (cell in insiders.inside and insiders.inside[cell] <= members):
                continue
            seen.add(members)
            held, rests = insiders.know(members)
            asked = level if len(sides) > 1 else insiders.asked_above(cell, members, level)
            slack = SLACK * level
            free = next((w for w, far in ways if far >= asked and insiders.leave_open(w, held, rests, slack)), None)
            if free is None:
                free = self._moved_beside(cell, sides, asked, held, rests)
                if free is None and members:
                    return True
                ways += [] if free is None else [(free, asked)]
            joining = insiders.all_who_know() if free is None else insiders.who_rule_out(free, slack)
            larger = {members | others for others in joining if len(members | others) <= self.options.coalition}
            waiting.extend(sorted(larger - seen, key=lambda each: (len(each), sorted(each))))
        return False

    def _moved_beside(
        self, cell: int, sides: Sides, level: float, held: list[int], rests: dict[int, float]
    ) -> Way | None:
        """A move by ``level`` to one of the ``sides`` (or to both together), if there is one.

        It leaves ``held`` cells still and lowers none by more than it ``rests``.
        """
        moves, far = [], 0.0
        for side in sides:
            if far < level:
                moves.append(self.attacker.reach(cell, side, level, held, rests))
                far += moves[-1].far
        if far < level * (1 - SLACK):
            return None
        return Way.of(np.zeros(len(self.table)), *(move.change for move in moves if move.far > 0))

    def _move(self, row: int, level: float) -> tuple[IntArray, FloatArray] | None:
        """What a witness moves and how far, when it holds."""
        if row < 0 or self.error[row] > SLACK * level:
            return None
        span = slice(self.moves.indptr[row], self.moves.indptr[row + 1])
        cells, change = self.moves.indices[span].astype(np.int64), self.moves.data[span]
        return cells[change != 0], change[change != 0]

    def _ways(self, cells: IntArray, change: FloatArray, cell: int, sides: Sides, level: float) -> list[Way]:
        """A move that takes ``cell`` as far as ``level`` to one of the ``sides``, just so far; or its mirror image."""
        step = float(change[cells == cell].sum())
        if abs(step) < level * (1 - SLACK):
            return []
        spare = (self.table.value - self.least)[cells] + SLACK * level
        just = [change * (side / step * min(level, abs(step))) for side in sides]
        return [Way(cells, np.maximum(-one, 0.0)) for one in just if bool((-one <= spare).all())]
