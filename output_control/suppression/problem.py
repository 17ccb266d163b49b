"""The suppression problem over reduced cells: groups of cells that are always equal, and what each primary demands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from output_control.protection import Options, demand, least
from output_control.suppression.boxes import Boxes
from output_control.tables.relations import equations, reduce
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import BoolArray, CellTable, FloatArray, IntArray

TOLERANCE = 1e-6
WHOLE_COST_NOISE = 0.2


@dataclass(slots=True, eq=False)
class Target:
    """One demand: group ``cell`` must move by ``up``, ``down`` and ``width`` in sum while the groups ``held`` stay.

    ``against`` are the contributors (rising) whose knowledge the held groups are, or nobody. ``raised`` and
    ``lowered`` are the reaches proven so far, by the witnesses ``up_by`` and ``down_by`` (positions in `Proof.moves`);
    ``also`` are further moves of the cell that are far enough for the demand against contributors.
    """

    cell: int
    up: float
    down: float
    width: float
    held: frozenset[int]
    against: tuple[int, ...] = ()
    raised: float = 0.0
    lowered: float = 0.0
    up_by: int = -1
    down_by: int = -1
    also: list[int] = field(default_factory=list)

    @property
    def size(self) -> float:
        """The largest move that is asked."""
        return max(self.up, self.down, self.width)

    @property
    def needs_up(self) -> float:
        """How far up is still to be shown, or 0; a width may be met on either side."""
        return self.up if self.raised < self.up * (1 - TOLERANCE) else self._rest

    @property
    def needs_down(self) -> float:
        """How far down is still to be shown, or 0."""
        return self.down if self.lowered < self.down * (1 - TOLERANCE) else self._rest

    @property
    def open_sides(self) -> tuple[float, ...]:
        """1 (up) and -1 (down), as far as something is still to be shown there."""
        return ((1.0,) if self.needs_up else ()) + ((-1.0,) if self.needs_down else ())

    @property
    def _rest(self) -> float:
        return 0.0 if self.raised + self.lowered >= self.width * (1 - TOLERANCE) else self.width

    def fresh(self) -> Target:
        """The same demand, nothing shown."""
        return Target(self.cell, self.up, self.down, self.width, self.held, self.against)

    @property
    def met(self) -> bool:
        """Whether the witnesses show all that is asked."""
        return self.needs_up == 0 and self.needs_down == 0


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Equations over groups (csr and csc), and per group: value, cost of hiding it, primary (or hidden anyhow), must
    stay, sole contributor, and the two contributors of a ``couple``. ``coalition`` and ``share``: how many contributors
    put together what they know, and how close they may come.

    ``box`` bounds how far the search moves a group of counts: small boxes keep vertices integral; it is no bound of
    the attacker. ``targets`` starts with the demand of each primary and grows by those against sole contributors.
    """

    matrix: sparse.csr_array
    columns: sparse.csc_array
    group: IntArray
    amount: FloatArray
    cost: FloatArray
    primary: BoolArray
    keep: BoolArray
    sole: IntArray
    couple: IntArray
    coalition: int
    share: float
    box: FloatArray
    integral: bool
    whole_costs: bool
    first_cell: IntArray
    members: IntArray
    boxes: Boxes | None
    targets: list[Target] = field(default_factory=list)

    def by_cell(self, per_group: FloatArray) -> FloatArray:
        """A figure of groups shared out over their cells, so that it adds up over any box."""
        return np.asarray(per_group[self.group] / self.members[self.group], dtype=np.float64)

    @property
    def size(self) -> int:
        """Number of groups."""
        return len(self.amount)

    def known_to(self, members: tuple[int, ...]) -> IntArray:
        """The groups that hold nobody but ``members``."""
        return np.flatnonzero(np.isin(self.sole, members) | np.isin(self.couple, members).all(axis=1))

    def priced(self, cost: FloatArray) -> Problem:
        """The same table and the same targets, at other costs."""
        return replace(self, cost=cost)

    def with_targets(self, targets: list[Target]) -> Problem:
        """The same table with other demands."""
        return replace(self, targets=targets)

    def part(self, groups: IntArray, targets: Sequence[Target], *, closed: bool) -> Problem:
        """Some groups (rising) as a table of their own, with ``targets`` (all among them, nothing shown).

        ``closed``: only the equations that lie wholly within; else all that they are in, other members standing still.
        What a target holds still outside the part is not asked.
        """
        matrix = sparse.csr_array(self.columns[:, groups])
        length = np.diff(matrix.indptr)
        there = length > 0
        if closed:
            there &= length == np.diff(self.matrix.indptr)
        matrix = sparse.csr_array(matrix[np.flatnonzero(there)])
        return replace(
            self,
            matrix=matrix,
            columns=sparse.csc_array(matrix),
            amount=self.amount[groups],
            cost=self.cost[groups],
            primary=self.primary[groups],
            keep=self.keep[groups],
            sole=self.sole[groups],
            couple=self.couple[groups],
            box=self.box[groups],
            boxes=None,
            targets=[_within(target, groups) for target in targets],
        )


def _within(target: Target, groups: IntArray) -> Target:
    """The same demand, nothing shown, by places in ``groups``."""
    held = np.flatnonzero(np.isin(groups, sorted(target.held))) if target.held else ()
    return replace(target.fresh(), cell=int(np.searchsorted(groups, target.cell)), held=frozenset(map(int, held)))


def build(table: CellTable, primary: PrimaryResult, options: Options) -> Problem:
    """The reduced problem of a table under the demands of ``options``."""
    matrix, group = reduce(equations(table))
    size = matrix.shape[1]
    cost = table.sizes if options.cost is None else options.cost
    # hiding fewer cells decides between patterns of equal value
    small = 1e-3 / max(len(table), 1) * min(max(float(np.mean(cost)) if len(cost) else 1.0, 1e-9), 100.0)
    group_cost = np.zeros(size)
    np.add.at(group_cost, group, np.maximum(cost, 0) + small)
    amount, spare = np.full(size, np.inf), table.value - least(table, options)
    np.minimum.at(amount, group, spare)
    is_primary, keep, sole = np.zeros(size, np.bool_), np.zeros(size, np.bool_), np.full(size, -1, np.int64)
    np.logical_or.at(is_primary, group, primary.mask)
    if options.hidden is not None:
        # a cell that always equals a published one is known, whether it is published itself or not
        shown = np.zeros(size, np.bool_)
        np.logical_or.at(shown, group, ~options.hidden)
        is_primary |= ~shown
    if options.keep is not None:
        np.logical_or.at(keep, group, options.keep)
    if options.singletons and not table.integral:
        np.maximum.at(sole, group, table.sole_contributor)
    couple = np.full((size, 2), -1, np.int64)
    if options.singletons and not table.integral and options.coalition > 1 and table.two_contributors is not None:
        two = np.flatnonzero(table.two_contributors[:, 0] >= 0)
        couple[group[two]] = table.two_contributors[two]
    targets = _targets(table, primary, options, group, amount)
    largest = max((target.size for target in targets), default=1.0)
    box = np.full(size, largest if table.integral else np.inf)
    return Problem(
        matrix=matrix,
        columns=sparse.csc_array(matrix),
        group=group,
        amount=amount,
        cost=group_cost,
        primary=is_primary,
        keep=keep,
        sole=sole,
        couple=couple,
        coalition=options.coalition,
        share=options.singleton_share,
        box=box,
        integral=table.integral,
        whole_costs=bool((cost == np.rint(cost)).all()) and small * len(table) < WHOLE_COST_NOISE,
        first_cell=np.unique(group, return_index=True)[1].astype(np.int64),
        members=np.bincount(group, minlength=size).astype(np.int64),
        boxes=Boxes.of(table, spare),
        targets=targets,
    )


def _targets(
    table: CellTable, primary: PrimaryResult, options: Options, group: IntArray, amount: FloatArray
) -> list[Target]:
    """One target per primary group (and per anchor of its lower level), in order of the groups.

    Whatever of a width a group's ``amount`` is too small to fall by, it must be able to rise by.
    """
    asked, cells = demand(table, primary, options), np.flatnonzero(primary.mask)
    here, anchor = group[cells], primary.anchor[cells]
    apart = int(group.max(initial=0)) + 2
    # an anchored fall is a demand of its own, since the anchor's group must then stand still
    falls = here * apart + np.where(anchor >= 0, group[np.maximum(anchor, 0)], -1) + 1
    keys, place = np.unique(np.concatenate([here * apart, falls]), return_inverse=True)
    own, fall = np.split(place.reshape(-1), 2)
    levels = np.zeros((3, len(keys)))
    for level, at, size in zip(levels, (own, fall, own), (asked.up, asked.down, asked.width), strict=True):
        np.maximum.at(level, at, size[cells])
    some = np.flatnonzero(levels.max(axis=0) > 0)
    cell, held = np.divmod(keys[some], apart)
    levels[0, some] = np.maximum(levels[0, some], levels[2, some] - amount[cell])
    return [
        Target(cell, up, down, width, frozenset([held - 1] if held else []))
        for cell, held, up, down, width in zip(
            cell.tolist(), held.tolist(), *(level[some].tolist() for level in levels), strict=True
        )
    ]


def against_contributors(problem: Problem, target: Target, members: tuple[int, ...]) -> Target:
    """The demand that ``members`` (rising), knowing all cells that hold nobody else, stay away from the target's."""
    held = frozenset(problem.known_to(members).tolist())
    return Target(target.cell, 0.0, 0.0, away(problem, target), held, against=members)


def away(problem: Problem, target: Target) -> float:
    """How far contributors of other cells must stay from a primary."""
    return problem.share * max(target.up + target.down, target.width)
