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
NOISE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Rests:
    """What ``groups`` (rising) hold besides the contributions of those whom a demand is against: no fall is longer."""

    groups: IntArray
    amount: FloatArray

    def of(self, cells: IntArray) -> FloatArray:
        """How far each of ``cells`` can fall at most; infinite where the contributors have no part."""
        if not len(self.groups):
            return np.full(len(cells), np.inf)
        at = np.minimum(np.searchsorted(self.groups, cells), len(self.groups) - 1)
        return np.where(self.groups[at] == cells, self.amount[at], np.inf)

    def among(self, groups: IntArray) -> Rests:
        """The same by places in ``groups`` (rising)."""
        here = np.isin(self.groups, groups)
        return Rests(np.searchsorted(groups, self.groups[here]), self.amount[here])


@dataclass(slots=True, eq=False)
class Target:
    """One demand: group ``cell`` must move by ``up``, ``down`` and ``width`` in sum while the groups ``held`` stay.

    ``against`` are the contributors (rising) whose knowledge the held groups and the ``rests`` of others are, or
    nobody. ``raised`` and ``lowered`` are the reaches proven so far, by the witnesses ``up_by`` and ``down_by``
    (positions in `Proof.moves`); ``also`` are further moves of the cell that are far enough for the demand against
    contributors. ``failed_at``: how many LPs had been solved when it was last not provable without some cell.
    """

    cell: int
    up: float
    down: float
    width: float
    held: frozenset[int]
    against: tuple[int, ...] = ()
    rests: Rests | None = None
    raised: float = 0.0
    lowered: float = 0.0
    up_by: int = -1
    down_by: int = -1
    also: list[int] = field(default_factory=list)
    failed_at: int = 0

    @property
    def size(self) -> float:
        """The largest move that is asked."""
        return max(self.up, self.down, self.width)

    @property
    def needs_up(self) -> float:
        """How far up is still to be shown, or 0; a width may be met on either side."""
        return self.up if self.raised < self.up * (1 - TOLERANCE) else self._beyond(self.lowered)

    @property
    def needs_down(self) -> float:
        """How far down is still to be shown, or 0."""
        return self.down if self.lowered < self.down * (1 - TOLERANCE) else self._beyond(self.raised)

    @property
    def open_sides(self) -> tuple[float, ...]:
        """1 (up) and -1 (down), as far as something is still to be shown there."""
        return ((1.0,) if self.needs_up else ()) + ((-1.0,) if self.needs_down else ())

    def _beyond(self, reach: float) -> float:
        """What of the width one side still has to give beside the ``reach`` of the other; 0 when the width is met."""
        return 0.0 if self.raised + self.lowered >= self.width * (1 - TOLERANCE) else self.width - reach

    def fresh(self) -> Target:
        """The same demand, nothing shown."""
        return Target(self.cell, self.up, self.down, self.width, self.held, self.against, self.rests)

    @property
    def plain(self) -> bool:
        """Whether every other group may move as far as it can: the demand of an attacker from outside."""
        return not self.held and self.rests is None

    def bound(self, cells: IntArray, lower: FloatArray, upper: FloatArray, unit: float) -> None:
        """Narrow the limits of ``cells``, in units, to what those whom the demand is against do not know."""
        if self.rests is not None:
            np.maximum(lower, -self.rests.of(cells) / unit, out=lower)
        if self.held:
            still = np.isin(cells, sorted(self.held))
            lower[still] = upper[still] = 0.0

    @property
    def met(self) -> bool:
        """Whether the witnesses show all that is asked."""
        return self.needs_up == 0 and self.needs_down == 0


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Equations over groups (csr and csc), and per group: value, cost of hiding it, primary (or hidden anyhow), must
    stay, sole contributor, the two contributors of a ``couple``, and the ``holders`` of its largest ``parts`` (groups ×
    3) of what the ``whole`` is. ``coalition``, ``share`` and ``part_share``: how many contributors put together what
    they know, and how close they may come, in all (never closer than ``apart``) and from above.

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
    holders: IntArray
    parts: FloatArray
    whole: FloatArray
    coalition: int
    share: float
    part_share: float
    apart: float
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

    @property
    def knows_parts(self) -> bool:
        """Whether contributors know their part of any group."""
        return bool(self.holders.max(initial=-1) >= 0)

    def is_known_to_few(self) -> BoolArray:
        """The groups that hold nobody but one contributor, or a couple."""
        known: BoolArray = (self.sole >= 0) | (self.couple >= 0).all(axis=1)
        return known

    def fall_for_everyone(self) -> FloatArray:
        """How far each group falls without that any coalition could rule it out by its parts."""
        rest = self.whole - self.parts[:, : self.coalition].sum(axis=1)
        rest[rest < NOISE * self.whole] = 0.0
        rest[self.holders[:, 0] < 0] = np.inf
        fall: FloatArray = np.minimum(rest, self.amount)
        return fall

    def known_to(self, members: tuple[int, ...]) -> IntArray:
        """The groups that hold nobody but ``members``."""
        return np.flatnonzero(np.isin(self.sole, members) | np.isin(self.couple, members).all(axis=1))

    def rests_beside(self, members: tuple[int, ...]) -> Rests:
        """What the groups that ``members`` have a known part of hold besides."""
        theirs = np.isin(self.holders, members) & (self.holders >= 0)
        groups = np.flatnonzero(theirs.any(axis=1))
        rest = self.whole[groups] - np.where(theirs[groups], self.parts[groups], 0.0).sum(axis=1)
        rest[rest < NOISE * self.whole[groups]] = 0.0
        return Rests(groups, np.minimum(rest, self.amount[groups]))

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
            holders=self.holders[groups],
            parts=self.parts[groups],
            whole=self.whole[groups],
            box=self.box[groups],
            boxes=None,
            targets=[_within(target, groups) for target in targets],
        )


def _within(target: Target, groups: IntArray) -> Target:
    """The same demand, nothing shown, by places in ``groups``."""
    held = np.flatnonzero(np.isin(groups, sorted(target.held))) if target.held else ()
    rests = None if target.rests is None else target.rests.among(groups)
    cell = int(np.searchsorted(groups, target.cell))
    return replace(target.fresh(), cell=cell, held=frozenset(map(int, held)), rests=rests)


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
    first = np.unique(group, return_index=True)[1].astype(np.int64)
    known = options.singletons and not table.integral and options.part_share > 0
    holders, parts = _parts(table, group, first, known=known)
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
        holders=holders,
        parts=parts,
        whole=table.value[first],
        coalition=options.coalition,
        share=options.singleton_share,
        part_share=options.part_share,
        apart=options.apart,
        box=box,
        integral=table.integral,
        whole_costs=bool((cost == np.rint(cost)).all()) and small * len(table) < WHOLE_COST_NOISE,
        first_cell=first,
        members=np.bincount(group, minlength=size).astype(np.int64),
        boxes=Boxes.of(table, spare),
        targets=targets,
    )


def _parts(table: CellTable, group: IntArray, first: IntArray, *, known: bool) -> tuple[IntArray, FloatArray]:
    """Per group the largest contributions and whose they are, by a cell of which that is known."""
    told = np.flatnonzero(table.holders[:, 0] >= 0) if known else np.zeros(0, np.int64)
    by = first.copy()
    by[group[told[::-1]]] = told[::-1]
    holders = table.holders[by] if known else np.full((len(first), table.top.shape[1]), -1, np.int64)
    return holders, np.where(holders >= 0, table.top[by], 0.0)


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
    """The demand that ``members`` (rising) stay away from the target's cell: they know all cells that hold nobody else,
    and of others what is theirs.

    The rise keeps them from its largest contribution; where that is their own, from the largest of others, which asks
    for less in proportion.
    """
    held, rests, cell = frozenset(problem.known_to(members).tolist()), problem.rests_beside(members), target.cell
    up, width = asked_of_contributors(problem, target)
    holders, parts = problem.holders[cell], problem.parts[cell]
    if holders[0] in members:
        others = parts[~np.isin(holders, members)].max(initial=0.0)
        smaller = max(float(problem.whole[cell]) - float(parts[: problem.coalition + 1].sum()), 0.0)
        up = min(up, (up + problem.part_share * smaller) * float(others / parts[0]))
    return Target(cell, up, 0.0, width, held, against=members, rests=rests)


def asked_of_contributors(problem: Problem, target: Target) -> tuple[float, float]:
    """How far above a primary, and how wide in all, the intervals of contributors must be."""
    width = problem.share * max(target.up + target.down, target.width)
    return problem.part_share * target.up, max(width, problem.apart)
