"""What contributors know of hidden cells, for the audit: written apart from what the suppressor takes them to know.

Who is alone in a cell knows it; of a coalition, every cell that holds nobody else. Of every other cell a contributor
knows that it is no less than the own part, so a move that lowers a cell below that is ruled out. Parts are known to the
gate of the three largest contributors of a cell; a smaller one is at most a quarter of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy import sparse

from output_control.tables.table import BoolArray, CellTable, FloatArray, IntArray

Members = frozenset[int]
NOISE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """A move of the table, or one up and one down, that an attacker from outside cannot rule out.

    ``cells`` move; of those that fall ``fall`` says how far, 0 for the others.
    """

    cells: IntArray
    fall: FloatArray

    @staticmethod
    def of(change: FloatArray, *more: FloatArray) -> Way:
        """Of one ``change`` of all cells, or several that each must be possible."""
        moves = np.stack([change, *more])
        cells = np.flatnonzero(moves.any(axis=0))
        return Way(cells, np.maximum(-moves[:, cells].min(axis=0), 0.0))


class Insiders:
    """Who knows what of the hidden cells of one table; coalitions of at most ``most`` put together what they know."""

    def __init__(self, table: CellTable, hidden: BoolArray, spare: FloatArray, most: int, share: float) -> None:
        """``spare``: how far each cell can fall for all that everyone knows; ``share`` of the levels is asked above.
        With a share of 0 nobody is taken to know a part.
        """
        self._value, self._spare, self._most, self._share = table.value, spare, most, share
        self._whose, self._part = table.holders if share else np.full_like(table.holders, -1), table.top
        self.own, self.people = table.sole_contributor, np.union1d(table.sole_contributor, self._whose)
        self.inside = _inside(table, most)
        self._known: dict[Members, list[int]] = {}
        for cell, members in self.inside.items():
            if hidden[cell]:
                self._known.setdefault(members, []).append(cell)
        self._theirs = _by_contributor(self._whose, hidden)

    @cached_property
    def is_inside(self) -> BoolArray:
        """The cells of which some coalition is everyone who is in it."""
        known = np.zeros(len(self._value), dtype=np.bool_)
        known[list(self.inside)] = True
        return known

    @cached_property
    def falls_for_all(self) -> FloatArray:
        """How far each cell can fall so that no coalition rules it out by its parts."""
        known = np.sort(np.where(self._whose >= 0, self._part, 0.0), axis=1)[:, ::-1]
        rest = self._value - known[:, : self._most].sum(axis=1)
        rest = np.where(rest > NOISE * self._value, rest, 0.0)
        # a cell in which nobody is known may be below 0, and fall by more than its value
        return np.minimum(np.where(known[:, 0] > 0, rest, np.inf), self._spare)

    def who_rules_out(self, moves: sparse.csr_array) -> sparse.csr_array:
        """Moves × contributors (by place among all): 1 where one knows that a move did not happen; no coalitions.

        Who is alone in a cell that moves, and who has more of one that falls than would be left of it.
        """
        row = np.repeat(np.arange(moves.shape[0]), np.diff(moves.indptr))
        cell, left = moves.indices, self._value[moves.indices] + moves.data
        over = (self._whose[cell] >= 0) & ((moves.data < 0)[:, None]) & (self._part[cell] > left[:, None])
        alone = (self.own[cell] >= 0) & (moves.data != 0)
        at, rank = np.nonzero(over)
        rows = np.concatenate([row[alone], row[at]])
        who = np.concatenate([self.own[cell[alone]], self._whose[cell[at], rank]])
        who = np.searchsorted(self.people, who)
        known = sparse.csr_array((np.ones(len(rows)), (rows, who)), shape=(moves.shape[0], len(self.people)))
        known.data[:] = 1.0
        return known

    def all_who_know(self) -> set[Members]:
        """Everyone who knows something that others do not."""
        return {*self._known, *(Members([one]) for one in self._theirs)}

    def know(self, members: Members) -> tuple[list[int], dict[int, float]]:
        """The cells that hold nobody but ``members``, and what other cells hold at most besides their parts."""
        held = sorted({at for some in _parts(members) for at in self._known.get(some, ())})
        rests: dict[int, float] = {}
        for one in members:
            for at, rank in self._theirs.get(one, ()):
                rests[at] = rests.get(at, float(self._value[at])) - float(self._part[at, rank])
        return held, {
            at: min(rest if rest > NOISE * self._value[at] else 0.0, float(self._spare[at]))
            for at, rest in rests.items()
        }

    def asked_above(self, cell: int, members: Members, level: float) -> float:
        """How far ``cell`` must be able to rise for ``members`` where others must see it rise as far as ``level``.

        To whom the largest contribution belongs, the largest of others is to be kept from: less, in proportion.
        """
        if int(self._whose[cell, 0]) not in members:
            return level
        part, theirs = self._part[cell], np.isin(self._whose[cell], sorted(members))
        smaller = max(float(self._value[cell] - part[: self._most + 1].sum()), 0.0) * self._share
        return min(level, (level + smaller) * float(part[~theirs].max(initial=0.0) / part[0]))

    def leave_open(self, way: Way, held: Collection[int], rests: Mapping[int, float], slack: float) -> bool:
        """Whether who knows ``held`` cells and ``rests`` of others cannot rule out ``way``."""
        if np.isin(way.cells, list(held)).any():
            return False
        known, rest = np.fromiter(rests, np.int64, len(rests)), np.fromiter(rests.values(), np.float64, len(rests))
        _, at, of = np.intersect1d(way.cells, known, return_indices=True)
        return bool((rest[of] >= way.fall[at] - slack).all())

    def who_rule_out(self, way: Way, slack: float) -> set[Members]:
        """The smallest coalitions that know ``way`` did not happen."""
        found = {self.inside[at] for at in way.cells[self.is_inside[way.cells]].tolist()}
        whose, part = self._whose[way.cells], self._part[way.cells]
        left = self._value[way.cells] - way.fall + slack
        over = (whose >= 0) & (way.fall > 0)[:, None] & (part > left[:, None])
        found |= {Members([one]) for one in whose[over].tolist()}
        if self._most > 1:
            for one, other in combinations(range(whose.shape[1]), 2):
                both = (whose[:, other] >= 0) & (way.fall > 0) & (part[:, one] + part[:, other] > left)
                found |= {Members(pair) for pair in whose[both][:, [one, other]].tolist()}
        return found


def _by_contributor(whose: IntArray, hidden: BoolArray) -> dict[int, list[tuple[int, int]]]:
    """Per contributor the hidden cells with a known part, and its place among the largest."""
    cell, rank = np.nonzero((whose >= 0) & hidden[:, None])
    found: dict[int, list[tuple[int, int]]] = {}
    for one, *at in zip(whose[cell, rank].tolist(), cell.tolist(), rank.tolist(), strict=True):
        found.setdefault(one, []).append((at[0], at[1]))
    return found


def _inside(table: CellTable, most: int) -> dict[int, Members]:
    """Everyone who is in a cell, where they are known and at most ``most``."""
    sole = table.sole_contributor
    found = {int(cell): Members([int(sole[cell])]) for cell in np.flatnonzero(sole >= 0)}
    if most > 1 and table.two_contributors is not None:
        both = table.two_contributors
        found |= {int(cell): Members(both[cell].tolist()) for cell in np.flatnonzero(both.min(axis=1) >= 0)}
    return found


def _parts(members: Members) -> list[Members]:
    """All coalitions within one."""
    return [Members(some) for size in range(1, len(members) + 1) for some in combinations(sorted(members), size)]
