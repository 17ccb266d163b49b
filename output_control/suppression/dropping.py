"""Publishing secondaries of a large table again, many at a time, where boxes of what stays hidden prove the rest."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from output_control.suppression.large_state import Large
from output_control.tables.table import BoolArray, IntArray

LATER = np.iinfo(np.int64).max
AT_ONCE = 100_000


def drop_by_boxes(state: Large, used: BoolArray) -> None:
    """Publish hidden secondaries of ``state`` again and renew the boxes that leaned on them.

    ``used`` marks the groups that other proofs than boxes need. One secondary per area at a time, the dearest first.
    All that are tried together are taken away together, so a box that is found then needs none of them; where none is
    found, what the old box needs of them is hidden again.
    """
    _Dropping(state, used).run()


class _Dropping:
    def __init__(self, state: Large, used: BoolArray) -> None:
        self.state, problem = state, state.problem
        queue = np.flatnonzero(state.hidden & ~problem.primary & ~used)
        self.queue = queue[np.lexsort((queue, -problem.cost[queue]))]
        self.round = np.full(problem.size, LATER, dtype=np.int64)
        self.round[self.queue] = _rank_within(state.boxes.part_of(problem.first_cell[self.queue]))
        # by round, the targets whose boxes came to hold a group that is tried then: a box may reach up to the root of
        # every dimension, and a group down to the leaves, so nothing but the boxes themselves tells who leans on it
        self.due: defaultdict[int, list[IntArray]] = defaultdict(list)
        proven = np.flatnonzero(state.found.price == 0)
        for start in range(0, len(proven), AT_ONCE):
            self._note(proven[start : start + AT_ONCE], -1)

    def run(self) -> None:
        """All rounds."""
        order = np.argsort(self.round[self.queue], kind="stable")
        rounds = self.round[self.queue[order]]
        cut = np.flatnonzero(np.diff(rounds)) + 1
        for number, groups in enumerate(np.split(self.queue[order], cut) if len(rounds) else []):
            self._drop(number, groups)

    def _note(self, targets: IntArray, now: int) -> None:
        """Remember in which later rounds the boxes of ``targets`` are at stake."""
        owner, group = self._leaning(targets)
        due = self.round[group]
        later = (due > now) & (due < LATER)
        owner, due = owner[later], due[later]
        order = np.argsort(due, kind="stable")
        owner, due = owner[order], due[order]
        first = np.flatnonzero(np.diff(due, prepend=-1))
        if not len(first):
            return
        for number, some in zip(due[first].tolist(), np.split(owner, first[1:]), strict=True):
            self.due[number].append(targets[np.unique(some)])

    def _leaning(self, targets: IntArray) -> tuple[IntArray, IntArray]:
        """Pairs of (position in ``targets``, group that its box moves)."""
        state = self.state
        owner, cell, _ = state.boxes.corners(state.cells[targets], state.found.at(targets))
        return owner, state.problem.group[cell]

    def _drop(self, number: int, groups: IntArray) -> None:
        """Take ``groups`` away together; hide again those that some target cannot do without."""
        state = self.state
        state.hidden[groups] = False
        noted = self.due.pop(number, [])
        if not noted:
            return
        targets = np.unique(np.concatenate(noted))
        owner, group = self._leaning(targets)
        gone = ~state.hidden[group]
        broken, position = np.unique(owner[gone], return_inverse=True)
        targets, needed = targets[broken], group[gone]
        found = state.boxes_for(targets, np.where(state.hidden, 0.0, np.inf))
        kept = found.price == 0
        state.found.put(targets[kept], found.at(np.flatnonzero(kept)))
        state.hidden[needed[~kept[position.reshape(-1)]]] = True
        self._note(targets[kept], number)


def _rank_within(label: IntArray) -> IntArray:
    """The how-many-eth of its label each entry is, from 0."""
    order = np.argsort(label, kind="stable")
    start = np.flatnonzero(np.diff(label[order], prepend=-2))
    rank = np.empty(len(label), dtype=np.int64)
    rank[order] = np.arange(len(label)) - np.repeat(start, np.diff(np.append(start, len(label))))
    return rank
