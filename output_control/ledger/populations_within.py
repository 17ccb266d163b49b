"""All populations that agree with bounds on sums of atoms: how far cells, and every small group, can move in them.

Only whole populations that are found count, and each is tried against all bounds in whole numbers; what the programmes
cannot find within their budget of nodes counts as shut.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from highspy import Highs, HighsLp, HighsModelStatus, HighsVarType, MatrixFormat
from scipy import sparse

from output_control.tables.table import BoolArray, FloatArray, IntArray

NODE_LIMIT = 500
MOST_SUMS = 3_000
MOST_TRIED = 400  # atoms, or cells of a table, that need a programme of their own
GAIN, AGAINST, MOVED = 1_000.0, 1.0, 0.001


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """How far ``cells`` of a table must move: up, down (while ``anchor``, unless -1, stands still), and in all."""

    cells: IntArray
    up: FloatArray
    down: FloatArray
    width: FloatArray
    anchor: IntArray


class PopulationsWithin:
    """Changes of the true population that keep every sum of atoms within its bounds.

    ``cells`` (per table, cells × atoms) with ``low`` and ``high`` per cell; ``amount`` and ``least`` of each atom;
    ``units`` of those that are there, which come first: what they add up to over any atoms is no more than the distinct
    units in these (whole numbers where different atoms hold different units).
    """

    def __init__(
        self,
        cells: Sequence[sparse.csr_array],
        low: Sequence[FloatArray],
        high: Sequence[FloatArray],
        *,
        amount: FloatArray,
        least: FloatArray,
        units: FloatArray,
    ) -> None:
        every = sparse.csr_array(sparse.vstack(list(cells)))
        # sums of the same atoms are one: told by well-spread numbers, modulo 2^64
        mark = np.random.Generator(np.random.Philox(key=17)).integers(1, 2**62, every.shape[1])
        _, first, same = np.unique(every.astype(np.int64) @ mark, return_index=True, return_inverse=True)
        self._sums = sparse.csr_array(every[first])
        self._amount, self._least, self._units = amount, least, units
        value = self._sums @ amount
        self._up, self._down = np.full(len(first), np.inf), np.full(len(first), np.inf)
        np.minimum.at(self._up, same, np.concatenate(high) - value[same])
        np.minimum.at(self._down, same, value[same] - np.concatenate(low))
        start = np.cumsum([0, *(block.shape[0] for block in cells)])
        self._row = [same[a:b] for a, b in itertools.pairwise(start.tolist())]
        self.holds_truth = bool((self._up >= 0).all() and (self._down >= 0).all() and (amount >= least).all())
        by_atom = sparse.csc_array(self._sums)
        self._rise = _least_of(by_atom, self._up)
        self._fall = np.minimum(_least_of(by_atom, self._down), amount - least)
        self._programme: _Programme | None = None

    def groups_are_open(self, minimum: int, width: float) -> bool:
        """Whether every group of 1 … ``minimum`` − 1 units, of whatever atoms, is open by ``width``.

        A move that raises one atom of a group and lowers no other raises the group. If there is one for an atom that
        lowers no atom of few units, all small groups with it are open; if it lowers some, those that hold none of them
        are; so moves that lower always others are looked for until a group that holds some of each is no small one.
        """
        small = np.zeros(len(self._amount), dtype=np.bool_)
        small[: len(self._units)] = self._units < minimum
        alone = np.minimum(self._rise, width) + np.minimum(self._fall, width) >= width
        left = np.flatnonzero(small & ~alone)
        return len(left) <= MOST_TRIED and all(self._opens(atom, small, minimum, width) for atom in left.tolist())

    def differences_may_be_empty(self, minimum: int) -> bool:
        """Whether of two sums, of which one holds the other but for 1 … ``minimum`` − 1 units, these may be nobody.

        Else two figures that differ tell that somebody is in the difference, who may be known to be the only one. Not
        so where the difference holds a cell of which a figure says itself that it is not empty, or where one table has
        both sums and a cell between them: that is left to it. Where figures tell of everybody (``least``), also two
        sums that differ by so few on both sides are held.
        """
        there = sparse.csr_array(self._sums[:, : len(self._units)])
        held = self._amount[: len(self._units)]
        size = there @ held
        if len(size) > MOST_SUMS:
            return False
        tried = 0
        told = bool(self._least.any())
        for first, second in _near(there, held, self._units, minimum, both_sides=told):
            rest = np.setxor1d(_row(there, first), _row(there, second))
            of_rest = np.zeros(len(held))
            of_rest[rest] = held[rest]
            between = (there @ of_rest == size) & (size > 0)
            if bool((between & (size > self._down)).any()) or self._in_one_table(first, second, between):
                continue
            tried += 1
            if tried > MOST_TRIED or not self._may_be_empty(rest):
                return False
        return True

    def _in_one_table(self, first: int, second: int, between: BoolArray) -> bool:
        return any(bool({first, second} <= set(row.tolist()) and between[row].any()) for row in self._row)

    def _may_be_empty(self, atoms: IntArray) -> bool:
        if bool((self._least[atoms] > 0).any()):
            return False
        gone = np.zeros(len(self._amount))
        gone[atoms] = -self._amount[atoms]
        if bool((self._sums @ gone >= -self._down).all()):
            return True
        cost = np.full((2, len(gone)), MOVED)
        cost[1, atoms] = -GAIN
        most = np.stack([np.full(len(gone), np.inf), self._amount - self._least])
        most[0, atoms] = 0.0
        change = self._solve(cost, most)
        return change is not None and bool((change[atoms] == gone[atoms]).all())

    def cells_reach(self, table: int, asked: Reach) -> bool:
        """Whether the cells of one of the tables can move as far as is asked."""
        row = self._row[table]
        most = [_most_in(self._sums, each) for each in (self._rise, self._fall)]
        tried = 0
        for at, cell in enumerate(asked.cells.tolist()):
            need_up, need_down, width = float(asked.up[at]), float(asked.down[at]), float(asked.width[at])
            anchor = int(row[asked.anchor[at]]) if asked.anchor[at] >= 0 else -1
            up, down = most[0][row[cell]], 0.0 if anchor >= 0 else most[1][row[cell]]
            if up >= need_up and down >= need_down and up + down >= width:
                continue
            tried += 1
            if tried > MOST_TRIED:
                return False
            far = max(need_up, need_down, width)
            up, down = (max(own, self._reach(int(row[cell]), side, far, held))
                        for own, side, held in ((up, 1, -1), (down, -1, anchor)))  # fmt: skip
            if up < need_up or down < need_down or up + down < width:
                return False
        return True

    def _opens(self, atom: int, small: BoolArray, minimum: int, width: float) -> bool:
        locked = np.zeros(len(small), dtype=np.bool_)
        held = float(self._units[atom])
        while held < minimum:
            against = self._moves(atom, small, locked, width)
            if against is None:
                return False
            if not against.any():
                return True
            held += float(self._units[np.flatnonzero(against)].min())
            locked |= against
        return True

    def _moves(self, atom: int, small: BoolArray, locked: BoolArray, width: float) -> BoolArray | None:
        """Atoms of few units that move against ``atom`` when it moves by ``width`` in all, none of them ``locked``;
        None when it does not."""
        far, against = 0.0, np.zeros(len(small), dtype=np.bool_)
        empty = np.arange(len(small)) >= len(self._units)
        for side in (1, -1):
            cost = np.full((2, len(small)), MOVED)
            most = np.full((2, len(small)), np.inf)
            most[1] = self._amount - self._least
            ahead, back = (0, 1) if side > 0 else (1, 0)
            cost[back, small] = AGAINST
            # an empty atom that fills up would make good in a group what the atom loses
            most[back, locked | (empty & (side < 0))] = 0.0
            most[back, atom] = 0.0
            cost[ahead, atom], most[ahead, atom] = -GAIN, min(width - far, most[ahead, atom])
            change = self._solve(cost, most)
            if change is not None:
                far += max(float(change[atom] * side), 0.0)
                against |= small & (change * side < 0)
            if far >= width:
                return against
        return None

    def _reach(self, row: int, side: int, far: float, anchor: int) -> float:
        """How far a sum moves up (1) or down (-1), up to ``far``."""
        down, up = float(self._down[row]), float(self._up[row])
        held = {row: (down, min(up, far)) if side > 0 else (min(down, far), up)}
        held |= {anchor: (0.0, 0.0)} if anchor >= 0 else {}
        inside = np.zeros(len(self._amount))
        inside[self._sums.indices[self._sums.indptr[row] : self._sums.indptr[row + 1]]] = side * GAIN
        cost = np.stack([MOVED - inside, MOVED + inside])
        most = np.stack([np.full(len(inside), np.inf), self._amount - self._least])
        change = self._solve(cost, most, held)
        return 0.0 if change is None else max(float((self._sums[[row]] @ change)[0]) * side, 0.0)

    def _solve(
        self, cost: FloatArray, most: FloatArray, held: Mapping[int, tuple[float, float]] | None = None
    ) -> FloatArray | None:
        """The cheapest change; ``held``: sums that may fall and rise by so much only."""
        if self._programme is None:
            self._programme = _Programme(self._sums, self._down, self._up)
        change = self._programme.solve(cost, most, held or {})
        if change is None:
            return None
        moved, there = self._sums @ change, self._amount + change >= self._least
        inside = bool((moved <= self._up).all() and (moved >= -self._down).all() and there.all())
        still = all(-down <= moved[row] <= up for row, (down, up) in (held or {}).items())
        return change if inside and still else None


def _row(sums: sparse.csr_array, row: int) -> IntArray:
    """The atoms of a sum."""
    found: IntArray = sums.indices[sums.indptr[row] : sums.indptr[row + 1]].astype(np.int64)
    return found


def _near(
    there: sparse.csr_array, amount: FloatArray, units: FloatArray, minimum: int, *, both_sides: bool
) -> list[tuple[int, int]]:
    """Pairs of sums that share records and differ, by fewer than ``minimum`` units: in one of the two, or on
    ``both_sides``; ``amount`` (whole numbers above 0) and ``units`` (above 0) of each atom."""
    common, shared = (sparse.csr_array((there * each[None, :]) @ there.T) for each in (amount, units))
    for each in (common, shared):
        each.sort_indices()
    first, second = sparse.coo_array(common).coords
    size, few = there @ amount, there @ units
    apart = size[first] + size[second] - 2 * common.data
    close = (first < second) & (apart > 0) & (few[first] + few[second] - 2 * shared.data < minimum)
    if not both_sides:
        close &= apart == np.abs(size[first] - size[second])
    return list(zip(first[close].tolist(), second[close].tolist(), strict=True))


def _least_of(by_atom: sparse.csc_array, room: FloatArray) -> FloatArray:
    """Per atom the least room of the sums that hold it, in whole numbers."""
    found = np.full(by_atom.shape[1], np.inf)
    atom = np.repeat(np.arange(by_atom.shape[1]), np.diff(by_atom.indptr))
    np.minimum.at(found, atom, room[by_atom.indices])
    return np.asarray(np.floor(found), dtype=np.float64)


def _most_in(sums: sparse.csr_array, of_atom: FloatArray) -> FloatArray:
    """Per sum the most of its atoms; 0 without."""
    found = np.zeros(sums.shape[0])
    np.maximum.at(found, np.repeat(np.arange(sums.shape[0]), np.diff(sums.indptr)), of_atom[sums.indices])
    return found


class _Programme:
    """One integer programme over rises and falls of all atoms; from question to question costs and bounds change."""

    def __init__(self, sums: sparse.csr_array, down: FloatArray, up: FloatArray) -> None:
        matrix = sparse.csr_array(sparse.hstack([sums, -sums]))
        rows, self._columns = matrix.shape
        model, self._highs = HighsLp(), Highs()  # type: ignore[no-untyped-call]  # highspy has no annotations
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("random_seed", 5),
            ("mip_max_nodes", NODE_LIMIT),
        ):
            self._highs.setOptionValue(option, value)
        model.num_row_, model.num_col_ = rows, self._columns
        model.col_cost_, model.col_lower_ = np.zeros(self._columns), np.zeros(self._columns)
        model.col_upper_ = np.full(self._columns, np.inf)
        model.row_lower_, model.row_upper_ = -down, up
        self._down, self._up = down, up
        model.a_matrix_.format_ = MatrixFormat.kRowwise
        model.a_matrix_.start_ = matrix.indptr.astype(np.int32)
        model.a_matrix_.index_ = matrix.indices.astype(np.int32)
        model.a_matrix_.value_ = matrix.data.astype(np.float64)
        model.integrality_ = [HighsVarType.kInteger] * self._columns
        self._highs.passModel(model)

    def solve(self, cost: FloatArray, most: FloatArray, held: Mapping[int, tuple[float, float]]) -> FloatArray | None:
        """The cheapest change in whole numbers; None when none was found."""
        highs, columns = self._highs, np.arange(self._columns, dtype=np.int32)
        highs.changeColsCost(self._columns, columns, cost.reshape(-1))
        highs.changeColsBounds(self._columns, columns, np.zeros(self._columns), most.reshape(-1))
        for row, (down, up) in held.items():
            highs.changeRowBounds(row, -down, up)
        highs.run()
        done = highs.getModelStatus() in {HighsModelStatus.kOptimal, HighsModelStatus.kSolutionLimit}
        found = np.rint(np.array(highs.getSolution().col_value)) if done else np.zeros(0)
        for row in held:
            highs.changeRowBounds(row, -float(self._down[row]), float(self._up[row]))
        half = self._columns // 2
        return np.asarray(found[:half] - found[half:], dtype=np.float64) if len(found) else None
