"""The witnesses found so far: integral or scaled moves of the table, and which target each one satisfies."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from output_control.protection import Witnesses
from output_control.suppression.leaning import Leaning
from output_control.suppression.problem import TOLERANCE, Problem, Target
from output_control.tables.table import BoolArray, FloatArray, IntArray

Move = tuple[IntArray, FloatArray]


class Proof:
    """All witnesses of a problem. Moves are kept by groups; unused ones cost memory only."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.moves: list[Move] = []
        self._targets_of: dict[int, list[Target]] = {}
        # per secondary the moves of it that were ever leaned on, and per such move the targets that did, by their
        # place; who does so no more is weeded out when asked
        self._movers: dict[int, list[int]] = {}
        self._users: dict[int, dict[int, Target]] = {}
        self._alone: dict[int, frozenset[int]] = {}
        # what `singletons` found of who rules out a move that takes a group so far to a side
        self.leanings: dict[tuple[int, int, float, float], Leaning | None] = {}
        self._reach: dict[tuple[int, int], float] = {}
        self._place: dict[int, int] = {}
        self._registered = 0
        for target in problem.targets:
            self._register(target)

    def _register(self, target: Target) -> None:
        self._targets_of.setdefault(target.cell, []).append(target)
        self._place[id(target)] = self._registered
        self._registered += 1

    def demand(self, target: Target) -> None:
        """Add a target to the problem."""
        self.problem.targets.append(target)
        self._register(target)

    def withdraw(self, count: int) -> None:
        """Take back every target but the first ``count`` of the problem."""
        for target in self.problem.targets[count:]:
            self._targets_of[target.cell].remove(target)
            self._forget_place(target)
        del self.problem.targets[count:]

    def _forget_place(self, target: Target) -> None:
        # objects may be given the same id later
        place = self._place.pop(id(target))
        for by in (target.up_by, target.down_by, *target.also):
            if by >= 0:
                self._users.get(by, {}).pop(place, None)

    def _lean(self, target: Target, by: int) -> None:
        if by not in self._users:
            self._users[by] = {}
            cells = self.moves[by][0]
            for cell in cells[~self.problem.primary[cells]].tolist():
                self._movers.setdefault(cell, []).append(by)
        self._users[by][self._place[id(target)]] = target

    def leaning_on(self, cell: int) -> list[tuple[Target, set[int]]]:
        """The targets whose proof moves ``cell``, no primary, in a fixed order, each with the moves that do."""
        found = dict[int, tuple[Target, set[int]]]()
        for by in self._movers.get(cell, ()):
            users = self._users[by]
            for place, target in list(users.items()):
                if by in (target.up_by, target.down_by, *target.also):
                    found.setdefault(place, (target, set()))[1].add(by)
                else:
                    del users[place]
        return [found[place] for place in sorted(found)]

    def is_leaned_on_beside(self, cell: int, inside: set[int]) -> bool:
        """Whether a proof moves ``cell``, no primary, of a target whose own cell is not ``inside``."""
        return any(
            target.cell not in inside and by in (target.up_by, target.down_by, *target.also)
            for by in self._movers.get(cell, ())
            for target in self._users[by].values()
        )

    def alone_in(self, by: int) -> frozenset[int]:
        """Who is the sole contributor of a group that a move changes."""
        if by not in self._alone:
            sole = self.problem.sole[self.moves[by][0]]
            self._alone[by] = frozenset(sole[sole >= 0].tolist())
        return self._alone[by]

    def targets_at(self, cell: int) -> list[Target]:
        """All targets of one group."""
        return self._targets_of.get(cell, [])

    def open_targets(self) -> list[Target]:
        """Targets that are not yet proven."""
        return [target for target in self.problem.targets if not target.met]

    def add(self, cells: IntArray, change: FloatArray) -> list[Target]:
        """Take what can be proven from a solution z (``change`` on ``cells``); returns the targets that it helps.

        The solution falls apart into pieces that share no equation; each piece alone, and its mirror image, is
        scaled as far as the cells allow.
        """
        cells, change = _moving(cells, change)
        helped: list[Target] = []
        for part in self._pieces(cells):
            piece = self._clean(cells[part], change[part])
            if piece is not None:
                helped += self._take(cells[part], piece) + self._take(cells[part], -piece)
        return helped

    def add_inner(self, cells: IntArray, change: FloatArray) -> None:
        """Take what one move of `inner_moves` proves, up and down."""
        cells, change = cells[change != 0], change[change != 0]
        if len(cells):
            self._take(cells, change)
            self._take(cells, -change)

    def keep_also(self, cells: IntArray, change: FloatArray, targets: Iterable[Target]) -> int:
        """Keep one move of `inner_moves` as a further one of the cells of ``targets``, which it moves far enough."""
        self.moves.append((cells[change != 0], change[change != 0]))
        by = len(self.moves) - 1
        for target in targets:
            target.also.append(by)
            self._lean(target, by)
        return by

    def add_short(self, target: Target, far: float, cells: IntArray, change: FloatArray) -> bool:
        """Keep a move of one target's cell by ``far`` (signed) as it is, as its proof or a further one."""
        cells, change = _moving(cells, change)
        piece = self._clean(cells, change)
        step = 0.0 if piece is None else float(piece[cells == target.cell].sum())
        if piece is None or step * np.sign(far) < abs(far) * (1 - TOLERANCE):
            return False
        self.moves.append((cells, piece))
        if not self._credit(target, step):
            target.also.append(len(self.moves) - 1)
            self._lean(target, len(self.moves) - 1)
        return True

    def take_box(self, target: Target, cells: IntArray, signs: FloatArray) -> None:
        """Credit ``target`` with a move of ± 1 that keeps the equations, scaled as far as it asks and cells allow."""
        amount = self.problem.amount[cells]
        own = float(signs[np.searchsorted(cells, target.cell)])
        for side in (1.0, -1.0):
            need = target.needs_up if side > 0 else target.needs_down
            move = signs * own * side
            far = min(need, float(amount[move < 0].min(initial=np.inf)))
            if far > 0:
                self.moves.append((cells, move * far))
                self._credit(target, side * far)

    def take_over(self, target: Target, found: Target, other: Proof, groups: IntArray) -> None:
        """What ``other``, the proof of a table of some ``groups`` alone, shows of the same target."""
        for by, reach in ((found.up_by, found.raised), (found.down_by, -found.lowered)):
            if by >= 0:
                cells, change = other.moves[by]
                self.moves.append((groups[cells], change))
                self._credit(target, reach)

    def add_also(self, target: Target, far: float, cells: IntArray, change: FloatArray) -> bool:
        """Keep a further move of one target's cell, by at least ``far`` to either side."""
        cells, change = _moving(cells, change)
        for part in self._pieces(cells):
            here = np.flatnonzero(cells[part] == target.cell)
            piece = self._clean(cells[part], change[part]) if len(here) else None
            if piece is None:
                continue
            for move in (piece, -piece):
                scale = min(self._room(cells[part], move), far * (1 + TOLERANCE) / abs(float(move[here[0]])))
                if abs(float(move[here[0]])) * scale >= far:
                    target.also.append(len(self.moves))
                    self.moves.append((cells[part], move * scale))
                    self._lean(target, len(self.moves) - 1)
                    return True
        return False

    def _pieces(self, cells: IntArray) -> Iterable[IntArray]:
        """Positions in ``cells``, grouped by which are connected through an equation."""
        if not len(cells):
            return []
        rows, _, ends = self._entries(cells)
        # by entries, since every sparse matrix that is cut or multiplied costs a fraction of a millisecond
        known, row = np.unique(rows, return_inverse=True)
        size, cell = len(cells) + len(known), np.repeat(np.arange(len(cells)), np.diff(ends))
        touching = sparse.coo_array((np.ones(len(rows)), (cell, len(cells) + row)), shape=(size, size))
        label = csgraph.connected_components(touching, directed=False)[1][: len(cells)]
        count = int(label.max()) + 1
        order = np.argsort(label, kind="stable")
        return np.split(order, np.cumsum(np.bincount(label, minlength=count))[:-1])

    def _entries(self, cells: IntArray) -> tuple[IntArray, FloatArray, IntArray]:
        """The equations of ``cells`` one after the other, the signs there, and where each cell's begin and end."""
        columns = self.problem.columns
        start, length = columns.indptr[cells], columns.indptr[cells + 1] - columns.indptr[cells]
        ends = np.append(0, np.cumsum(length))
        entry = np.repeat(start - ends[:-1], length) + np.arange(ends[-1])
        return columns.indices[entry], columns.data[entry], ends

    def _clean(self, cells: IntArray, change: FloatArray) -> FloatArray | None:
        """The move with integers for counts, or None when it does not keep the equations."""
        largest = float(np.abs(change).max())
        if self.problem.integral:
            smallest = float(np.abs(change).min())
            whole = np.rint(change)
            if not np.allclose(change, whole, rtol=0, atol=1e-6):
                whole = np.rint(change / smallest)
                if not np.allclose(change / smallest, whole, rtol=0, atol=1e-6):
                    return None
            change = whole / np.gcd.reduce(np.abs(whole).astype(np.int64))
            largest = 0.0
        rows, sign, ends = self._entries(cells)
        residual = np.bincount(rows, weights=sign * np.repeat(change, np.diff(ends)))
        return change if np.abs(residual).max(initial=0) <= 1e-9 * largest else None

    def _room(self, cells: IntArray, move: FloatArray, target: Target | None = None) -> float:
        """How often a move fits before some cell falls below zero, or below what ``target`` takes it to hold."""
        falling = move < 0
        amount = self.problem.amount[cells][falling]
        if target is not None and target.rests is not None:
            amount = np.minimum(amount, target.rests.of(cells[falling]))
        return float((amount / -move[falling]).min(initial=np.inf))

    def _take(self, cells: IntArray, move: FloatArray) -> list[Target]:
        """Credit one move, scaled, to every open target that it helps."""
        moving = cells.tolist()
        helped, told = [], list[Target]()
        for cell, step in zip(moving, move.tolist(), strict=True):
            for target in self._targets_of.get(cell, ()):
                need = target.needs_up if step > 0 else target.needs_down
                if not need or not target.held.isdisjoint(moving):
                    continue
                if target.rests is None:
                    helped.append((target, step, need))
                elif self.offer(target, cells, move):
                    told.append(target)
        return told + self._take_outside(cells, move, helped)

    def offer(self, target: Target, cells: IntArray, move: FloatArray) -> bool:
        """Credit a move of magnitudes, scaled as far as those whom ``target`` is against cannot rule it out."""
        if not target.held.isdisjoint(cells.tolist()):
            return False
        step = float(move[cells == target.cell].sum())
        need = target.needs_up if step > 0 else target.needs_down
        if not step or not need:
            return False
        scale = min(self._room(cells, move, target), need / abs(step))
        if abs(step) * scale <= (target.raised if step > 0 else target.lowered):
            return False
        self.moves.append((cells, move * scale))
        return self._credit(target, step * scale)

    def _take_outside(
        self, cells: IntArray, move: FloatArray, helped: list[tuple[Target, float, float]]
    ) -> list[Target]:
        """Credit one move to targets that ask nothing of contributors."""
        if not helped:
            return []
        room = self._room(cells, move)
        scale = min(room, max(need / abs(step) for _, step, need in helped))
        if self.problem.integral:
            scale = min(np.floor(room + 1e-9), np.ceil(scale - 1e-9))
        if scale <= 0:
            return []
        self.moves.append((cells, move * scale))
        return [target for target, step, _ in helped if self._credit(target, step * scale)]

    def _credit(self, target: Target, reach: float) -> bool:
        latest = len(self.moves) - 1
        if reach > target.raised:
            target.raised, target.up_by = reach, latest
            self._lean(target, latest)
            return True
        if -reach > target.lowered:
            target.lowered, target.down_by = -reach, latest
            self._lean(target, latest)
            return True
        return False

    def adopt(self, other: Proof, hidden: BoolArray) -> None:
        """Take over what ``other`` proves of the same primaries with moves of ``hidden`` groups only."""
        valid = [bool(hidden[cells].all()) for cells, _ in other.moves]
        copied: dict[int, int] = {}
        for target in self.problem.targets:
            for source in other.targets_at(target.cell):
                if source.held == target.held and source.against == target.against:
                    self._adopt_one(target, source, other, valid, copied)

    def _adopt_one(
        self, target: Target, source: Target, other: Proof, valid: list[bool], copied: dict[int, int]
    ) -> None:
        def place(by: int) -> int:
            if by not in copied:
                copied[by] = len(self.moves)
                self.moves.append(other.moves[by])
            return copied[by]

        if source.up_by >= 0 and valid[source.up_by] and source.raised > target.raised:
            target.raised, target.up_by = source.raised, place(source.up_by)
        if source.down_by >= 0 and valid[source.down_by] and source.lowered > target.lowered:
            target.lowered, target.down_by = source.lowered, place(source.down_by)
        target.also += [place(by) for by in source.also if valid[by] and place(by) not in target.also]
        for by in (target.up_by, target.down_by, *target.also):
            if by >= 0:
                self._lean(target, by)

    def reach(self, by: int, cell: int) -> float:
        """By how much a move changes a group, up or down."""
        if (by, cell) not in self._reach:
            cells, change = self.moves[by]
            self._reach[by, cell] = float(np.abs(change[cells == cell]).sum())
        return self._reach[by, cell]

    def used(self, target: Target) -> list[Move]:
        """The moves on which a target's proof rests."""
        return [self.moves[by] for by in (target.up_by, target.down_by, *target.also) if by >= 0]

    def witnesses(self, cells: int, primary: BoolArray) -> Witnesses:
        """The proof in terms of cells: group moves spread over their members."""
        problem = self.problem
        in_use = sorted({by for t in problem.targets for by in (t.up_by, t.down_by, *t.also) if by >= 0})
        row_of = {by: row for row, by in enumerate(in_use)}
        by_group = self._stack(in_use)
        spread = sparse.csr_array((np.ones(cells), (problem.group, np.arange(cells))), shape=(problem.size, cells))
        up, down = np.full(cells, -1, dtype=np.int64), np.full(cells, -1, dtype=np.int64)
        members: dict[int, list[int]] = {}
        for cell in np.flatnonzero(primary).tolist():
            members.setdefault(int(problem.group[cell]), []).append(int(cell))
        also: list[tuple[int, int]] = []
        for target in problem.targets:
            rows = row_of.get(target.up_by, -1), row_of.get(target.down_by, -1)
            for cell in members[target.cell]:
                also += [(cell, row_of[by]) for by in target.also]
                if target.against:
                    also += [(cell, row) for row in rows if row >= 0]
                    continue
                up[cell] = rows[0] if rows[0] >= 0 else up[cell]
                down[cell] = rows[1] if rows[1] >= 0 else down[cell]
        pairs = np.array(sorted(also), dtype=np.int64).reshape(-1, 2)
        return Witnesses(sparse.csr_array(by_group @ spread), up, down, pairs)

    def _stack(self, in_use: list[int]) -> sparse.csr_array:
        moves = [self.moves[by] for by in in_use]
        start = np.cumsum([0, *(len(cells) for cells, _ in moves)])
        return sparse.csr_array(
            (
                np.concatenate([change for _, change in moves]) if moves else np.zeros(0),
                np.concatenate([cells for cells, _ in moves]) if moves else np.zeros(0, dtype=np.int64),
                start,
            ),
            shape=(len(moves), self.problem.size),
        )


def _moving(cells: IntArray, change: FloatArray) -> Move:
    moved = np.abs(change) > 1e-7 * max(float(np.abs(change).max(initial=0)), 1e-300)
    return cells[moved], change[moved]
