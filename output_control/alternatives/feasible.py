"""The attacker on a table of altered figures, by code that shares nothing with what altered them.

The attacker knows the published figures, the method with its parameters, that true counts are whole and at least 0,
that empty cells are empty, and that the true table adds up in every hierarchy; not the key. From each figure follows
the least and the most that its true count can be; the equations then narrow that further. So does what the same records
must have in common: a total whose cell-key figure is not that of its part holds somebody else. An interval is believed
only as far as whole tables prove it that agree with everything published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from highspy import Highs, HighsLp, HighsModelStatus, HighsVarType, MatrixFormat
from scipy import sparse

from output_control.alternatives.altered import AlteredTable
from output_control.audit import AuditReport, full_equations
from output_control.protection import Demand, Options, demand
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, FloatArray, IntArray, cell_keys

NODE_LIMIT = 500
ROUNDS = 12
NEAR = (48, 400, 2_000)
WHOLE_UP_TO = 3_000
SLACK = 1e-6
BOTH = (1, -1)
WHOLE = 0


def known_range(table: CellTable, altered: AlteredTable) -> tuple[FloatArray, FloatArray]:
    """The least and the most true count behind each published figure by itself."""
    shown, said = altered.published.astype(np.float64), altered.parameters
    if altered.method == "rounding":
        reach = said["base"] * (1 + said["steps"]) - 1
    if altered.method == "cell_key":
        reach = said["largest"]
    if altered.method != "small_count_rounding":
        # empty cells are shown as 0, so a figure above 0 has somebody behind it
        return np.where(shown > 0, np.maximum(shown - reach, 1), 0), shown + reach
    base = said["base"]
    inner = _without_children(table)
    least = np.where(inner & (shown != base), shown, np.where(inner, 1, 0))
    most = np.where(inner & (shown != 0), shown, np.where(inner, base - 1, np.inf))
    return least, most


def _others_inside(table: CellTable, altered: AlteredTable) -> sparse.csr_array:
    """Sparse (rows × cells): totals less a part with another figure, which must be above 0. Of the same records the
    cell-key figures are the same; where totals add up, or another part's figure is above 0, the bounds say so."""
    keys, codes, found = table.keys(), table.codes, []
    there = altered.published > 0
    order = np.argsort(keys)
    for position, dim in enumerate(table.dims) if altered.method == "cell_key" else ():
        part = np.flatnonzero(dim.parent[codes[:, position]] >= 0)
        above = codes[part].copy()
        above[:, position] = dim.parent[above[:, position]]
        total = order[np.searchsorted(keys, cell_keys(above, table.shape), sorter=order)]
        others = np.bincount(total, weights=there[part], minlength=len(table))[total] - there[part]
        told = (altered.published[total] != altered.published[part]) & (others == 0)
        found.append(np.column_stack([total, part])[told])
    pairs = np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int64)
    row, sign = np.repeat(np.arange(len(pairs)), 2), np.tile([1.0, -1.0], len(pairs))
    return sparse.csr_array((sign, (row, pairs.reshape(-1))), shape=(len(pairs), len(table)))


def _without_children(table: CellTable) -> BoolArray:
    inner = np.ones(len(table), dtype=np.bool_)
    for position, dim in enumerate(table.dims):
        total = np.array([bool(dim.children.get(code)) for code in dim.codes])
        inner &= ~total[table.codes[:, position]]
    return inner


def faults_of_altered(table: CellTable, altered: AlteredTable) -> list[str]:
    """What the published figures are not that their method promises; empty when they are."""
    shown, faults = altered.published, []
    least, most = known_range(table, altered)
    if bool(((table.value < least) | (table.value > most)).any()):
        faults.append("a figure is further from the truth than the method says")
    if bool((shown < 0).any()):
        faults.append("a figure is below 0")
    if altered.additive and bool((full_equations(table) @ shown).any()):
        faults.append("a total is not the sum of its parts")
    if bool((_others_inside(table, altered) @ table.value <= 0).any()):
        faults.append("two figures of the same records differ")
    base = int(altered.parameters.get("base", 1))
    where = _without_children(table) & (shown < base) if altered.method == "small_count_rounding" else shown >= 0
    if bool((shown[where] % base).any()):
        faults.append("a figure is no multiple of the base")
    return faults


def audit_altered(
    table: CellTable, primary: PrimaryResult, altered: AlteredTable, options: Options, *, solve_intervals: bool = False
) -> AuditReport:
    """Whether every sensitive count stays as open as the policy asks, given everything that is published.

    With ``solve_intervals`` the ends of every primary's interval are solved for, instead of only as far as is asked.
    A figure that is not what its method promises fails every primary.
    """
    cells = np.flatnonzero(primary.mask)
    asked = demand(table, primary, replace(options, occupied=False))
    attacker = Attacker(table, altered)
    seen = _Seen(table.value, attacker)
    anchor = np.where(asked.down > 0, primary.anchor, -1)
    if not faults_of_altered(table, altered):
        _prove(seen, cells, asked, anchor)
        if solve_intervals:
            for cell in cells.tolist():
                seen.take_all(attacker.furthest(cell))
    up, down = seen.up[cells], seen.down[cells]
    fall = np.where(anchor[cells] >= 0, seen.anchored[cells], down)
    searched = attacker.can_reach(asked)
    enough = (up >= asked.up[cells]) & (fall >= asked.down[cells]) & (up + down >= asked.width[cells])
    value = table.value[cells]
    return AuditReport(
        primaries=len(cells),
        checked=len(cells),
        # a figure that by itself leaves too little open is not searched: it may still be more than one point
        exact=int(((up + down < 1) & (searched | attacker.known)[cells]).sum()),
        below_level=int((~enough).sum()),
        singleton_exact=0,
        lower=value - down,
        upper=value + up,
        intervals_exact=solve_intervals and attacker.always_whole,
        failed=cells[~enough],
    )


class _Seen:
    """How far each cell moves in the whole tables found so far; ``anchored``: down, while its anchor stands still."""

    def __init__(self, value: FloatArray, attacker: Attacker) -> None:
        self.value, self.attacker = value, attacker
        self.up, self.down, self.anchored = np.zeros(len(value)), np.zeros(len(value)), np.zeros(len(value))

    def take_all(self, tables: Sequence[FloatArray | None]) -> None:
        """Further tables that the attacker cannot rule out; None is none."""
        for found in tables:
            if found is not None:
                self.up = np.maximum(self.up, found - self.value)
                self.down = np.maximum(self.down, self.value - found)

    def met(self, asked: Demand) -> BoolArray:
        """Cells that are open as far as is asked, their anchors aside."""
        enough: BoolArray = (self.up >= asked.up) & (self.down >= asked.down)
        return enough & (self.up + self.down >= asked.width)

    def may_meet(self, asked: Demand, cell: int) -> bool:
        """Whether a further search can matter: the cell seems to be a point, or no linear programme rules it out that
        the cell is open as far as is asked."""
        if self.up[cell] + self.down[cell] < 1:
            return True
        up, down = self.attacker.bounds(cell)
        enough: bool = up >= asked.up[cell] and down >= asked.down[cell] and up + down >= asked.width[cell]
        return enough

    def take_anchored(self, cell: int, found: FloatArray | None) -> None:
        """Another table in which the anchor of ``cell`` has its true count."""
        if found is not None:
            self.anchored[cell] = max(self.anchored[cell], self.value[cell] - found[cell])


def _prove(seen: _Seen, cells: IntArray, asked: Demand, anchor: IntArray) -> None:
    """Look for whole tables until every primary has its interval, or has been attacked by itself."""
    attacker = seen.attacker
    signs = np.random.Generator(np.random.Philox(key=41))

    def left() -> IntArray:
        return np.asarray(cells[~seen.met(asked)[cells] & attacker.can_reach(asked)[cells]], dtype=np.int64)

    for _ in range(ROUNDS):
        rest = left()
        push = np.zeros(len(seen.value))
        push[rest] = signs.choice([-1.0, 1.0], len(rest))
        found = attacker.extreme(push) if len(rest) > ROUNDS else None
        if found is None:
            break
        seen.take_all([found, attacker.extreme(-push)])
    for size in attacker.sizes:
        for cell in left().tolist():
            # the tables found for one cell mostly open its neighbours too
            if not seen.met(asked)[cell] and (size != attacker.sizes[-1] or seen.may_meet(asked, cell)):
                seen.take_all(attacker.near(cell, size))
    for cell in cells[anchor[cells] >= 0].tolist():
        held = int(anchor[cell])
        for size in attacker.sizes:
            if seen.anchored[cell] < asked.down[cell]:
                seen.take_anchored(cell, attacker.near(cell, size, (-1,), held)[0])


@dataclass(frozen=True, slots=True)
class Interval:
    """What an attacker is left with for one cell; ``exact`` when both ends are proven by whole tables."""

    least: float
    most: float
    exact: bool


class Attacker:
    """Integer programmes over all cells, or over some while the others keep their truth: always a possible table."""

    def __init__(self, table: CellTable, altered: AlteredTable) -> None:
        self._table, self._value = table, table.value
        self._least, self._most = known_range(table, altered)
        equations, others = full_equations(table), _others_inside(table, altered)
        self._matrix = sparse.csr_array(sparse.vstack([equations, others]))
        self._low = np.repeat([0.0, 1.0], [equations.shape[0], others.shape[0]])
        self._high = np.repeat([0.0, np.inf], [equations.shape[0], others.shape[0]])
        self._inner = np.flatnonzero(_without_children(table))
        self._order = np.argsort(table.keys())
        self._all = _Programme(self._matrix, (self._least, self._most), (self._low, self._high))
        self.solves_whole = len(self._value) <= WHOLE_UP_TO
        # what reaches every inner cell is the whole programme: asked last, and once
        parts = tuple(size for size in NEAR if size < len(self._inner))
        self.sizes = (*parts, WHOLE) if self.solves_whole else NEAR
        self.always_whole = True

    def can_reach(self, asked: Demand) -> BoolArray:
        """Cells whose own figure leaves as much open as is asked; the others need no search."""
        room_up, room_down = self._most - self._value, self._value - self._least
        enough: BoolArray = (room_up >= asked.up) & (room_down >= asked.down)
        return enough & (room_up + room_down >= asked.width)

    @property
    def known(self) -> BoolArray:
        """Cells whose own figure gives the true count."""
        point: BoolArray = self._least == self._most
        return point

    def furthest(self, cell: int, sides: Sequence[int] = BOTH, held: int = -1) -> list[FloatArray | None]:
        """Whole tables in which ``cell`` is as large (side 1) or small (-1) as can be; ``held`` keeps its truth.

        None where none was found within the budget. In tables of more than `WHOLE_UP_TO` cells only the cells near by
        move, so that the true end may lie further out.
        """
        if not self.solves_whole:
            self.always_whole = False
            return self.near(cell, NEAR[1], sides, held)
        push = np.zeros(len(self._value))
        push[cell] = 1
        found = [self._believed(self._all.whole(side * push, held, self._value), held) for side in sides]
        self.always_whole &= all(each is not None for each in found)
        return found

    def bounds(self, cell: int) -> tuple[float, float]:
        """How far ``cell`` can rise and fall at most: no whole table goes beyond the linear programme."""
        push = np.zeros(len(self._value))
        push[cell] = 1
        ends = [self._all.linear(side * push, -1, self._value) for side in BOTH]
        up, down = (np.inf if end is None else abs(end[cell] - self._value[cell]) + SLACK for end in ends)
        return up, down

    def extreme(self, push: FloatArray) -> FloatArray | None:
        """The table that goes furthest along ``push``, when the linear programme over all cells ends in a whole one."""
        return self._believed(self._all.linear(push, -1, self._value), -1)

    def near(self, cell: int, size: int, sides: Sequence[int] = BOTH, held: int = -1) -> list[FloatArray | None]:
        """As `furthest`, while only the ``size`` inner cells nearest to ``cell`` and their totals move."""
        if size == WHOLE:
            return self.furthest(cell, sides, held)
        columns = self._with_totals(self._nearest(cell, size))
        part = sparse.csr_array(self._matrix[:, columns])
        rows, value = np.flatnonzero(np.diff(part.indptr)), self._value[columns]
        still = (self._matrix @ self._value - part @ value)[rows]
        sums = (self._low[rows] - still, self._high[rows] - still)
        part = sparse.csr_array(part[rows])
        programme = _Programme(part, (self._least[columns], self._most[columns]), sums)
        push = (columns == cell).astype(np.float64)
        place = int(np.searchsorted(columns, held)) if held in columns else -1
        tables = []
        for side in sides:
            found, table = programme.whole(side * push, place, value), self._value.copy()
            table[columns] = value if found is None else found
            tables.append(None if found is None else self._believed(table, held))
        return tables

    def _nearest(self, cell: int, size: int) -> IntArray:
        """Inner cells by how deep down the trees they part from ``cell``; the cell's own parts come first."""
        closeness = np.zeros(len(self._inner))
        for position, dim in enumerate(self._table.dims):
            common, own = np.zeros(len(dim.codes)), np.zeros(len(dim.codes), dtype=np.bool_)
            code = int(self._table.codes[cell, position])
            while code >= 0:
                own[code], code = True, int(dim.parent[code])
            for depth in range(dim.levels):
                at = np.flatnonzero(dim.depth == depth)
                common[at] = np.where(own[at], depth, common[dim.parent[at]])
            closeness += common[self._table.codes[self._inner, position]] / max(int(dim.depth.max()), 1)
        return np.sort(self._inner[np.argsort(-closeness, kind="stable")[:size]])

    def _with_totals(self, inner: IntArray) -> IntArray:
        codes = self._table.codes[inner]
        for position, dim in enumerate(self._table.dims):
            layers = [codes]
            while len(layers[-1]):
                above = layers[-1][dim.parent[layers[-1][:, position]] >= 0].copy()
                above[:, position] = dim.parent[above[:, position]]
                layers.append(above)
            codes = np.unique(np.concatenate(layers), axis=0)
        keys = self._table.keys()[self._order]
        return np.sort(self._order[np.searchsorted(keys, cell_keys(codes, self._table.shape))])

    def _believed(self, found: FloatArray | None, held: int) -> FloatArray | None:
        """The table, if in whole numbers it is within what the figures say, adds up, and keeps ``held``'s truth."""
        if found is None:
            return None
        whole = np.rint(found)
        near = bool(np.allclose(found, whole, rtol=0, atol=SLACK))
        inside = bool(((whole >= self._least) & (whole <= self._most)).all())
        still = held < 0 or whole[held] == self._value[held]
        sums = self._matrix @ whole
        adds_up = bool(((sums >= self._low) & (sums <= self._high)).all())
        return whole if near and inside and still and adds_up else None

    def interval(self, cell: int) -> Interval:
        """The interval of any cell, sensitive or not."""
        ends = self.furthest(cell, (-1, 1))
        truth = float(self._value[cell])
        low, high = (truth if end is None else float(end[cell]) for end in ends)
        return Interval(low, high, all(end is not None for end in ends))


class _Programme:
    """Cells and sums of cells (rows of ``matrix``) within bounds; from question to question only the objective and one
    held cell change."""

    def __init__(
        self, matrix: sparse.csr_array, cells: tuple[FloatArray, FloatArray], sums: tuple[FloatArray, FloatArray]
    ) -> None:
        self._least, self._most = least, most = cells
        self._columns = np.arange(len(least), dtype=np.int32)
        self._model = HighsLp()
        model = self._model
        model.num_row_, model.num_col_ = matrix.shape
        model.col_cost_, model.col_lower_, model.col_upper_ = np.zeros(len(least)), least, most
        model.row_lower_, model.row_upper_ = sums
        model.a_matrix_.format_ = MatrixFormat.kRowwise
        model.a_matrix_.start_ = matrix.indptr.astype(np.int32)
        model.a_matrix_.index_ = matrix.indices.astype(np.int32)
        model.a_matrix_.value_ = matrix.data
        self._linear = self._opened()
        self._whole: Highs | None = None

    def _opened(self) -> Highs:
        highs = Highs()  # type: ignore[no-untyped-call]  # highspy has no annotations
        for option, value in (("output_flag", False), ("threads", 1), ("random_seed", 5)):
            highs.setOptionValue(option, value)
        highs.passModel(self._model)
        return highs

    def linear(self, push: FloatArray, held: int, value: FloatArray) -> FloatArray | None:
        """The point furthest along ``push``, with ``held`` (a column, or -1) at its value; None when there is none."""
        return self._solved(self._linear, push, held, value)

    def whole(self, push: FloatArray, held: int, value: FloatArray) -> FloatArray | None:
        """As `linear` where that is a whole table, as it mostly is; or else by branching, within `NODE_LIMIT`."""
        found = self.linear(push, held, value)
        if found is None or bool(np.allclose(found, np.rint(found), rtol=0, atol=SLACK)):
            return found
        if self._whole is None:
            self._model.integrality_ = [HighsVarType.kInteger] * len(self._columns)
            self._whole = self._opened()
            self._whole.setOptionValue("mip_max_nodes", NODE_LIMIT)
        return self._solved(self._whole, push, held, value)

    def _solved(self, highs: Highs, push: FloatArray, held: int, value: FloatArray) -> FloatArray | None:
        highs.changeColsCost(len(push), self._columns, -push)
        if held >= 0:
            highs.changeColBounds(held, float(value[held]), float(value[held]))
        highs.run()
        done = highs.getModelStatus() in (HighsModelStatus.kOptimal, HighsModelStatus.kSolutionLimit)
        found = np.array(highs.getSolution().col_value) if done else np.zeros(0)
        if held >= 0:
            highs.changeColBounds(held, float(self._least[held]), float(self._most[held]))
        return found if len(found) else None
