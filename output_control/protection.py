"""What is asked of a suppression, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from output_control.tables.aggregate import aggregate
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import NO_CONTRIBUTOR, BoolArray, CellTable, FloatArray, IntArray

Method = Literal["auto", "flow", "optimal", "gauss"]


@dataclass(frozen=True, slots=True)
class Exact:
    """A count is protected when its integer interval is not one point."""


@dataclass(frozen=True, slots=True)
class Width:
    """A count is protected when its interval [low, high] has high - low ≥ ``w``; ``Width(1)`` is `Exact`."""

    w: int


@dataclass(frozen=True, slots=True)
class Range:
    """A count below n is protected when its interval covers 0 … n - 1."""


CountProtection = Exact | Width | Range


@dataclass(frozen=True, slots=True)
class Options:
    """``budget`` bounds the number of LPs (None: no bound) and ``threads`` never changes the result.

    ``singletons``: no contributor of suppressed magnitudes, knowing those that it is alone in and of others that they
    are no less than its own part (as far as it is among their three largest), may come closer to a primary than
    ``singleton_share`` of its levels; with a ``coalition`` of 2, nor any two who put together what they know.
    From above they must stay away as far as ``part_share`` of the level (1: what the rule asks of everybody; 0: as the
    peers, who do not ask it, and then no part is known); to whom the largest contribution belongs, the level is that of
    the largest of others. Of counts nobody knows to be alone, because the count is what is hidden; where units have
    several records the own part is known there too, and must leave at least ``apart``. ``width_share``: of a magnitude
    that has no level, by how much of its value it must stay open. ``cost`` per cell: what hiding it loses (default its
    value); ``keep``: cells that must stay published; ``hidden``: cells that are hidden anyhow, though nothing is asked
    of them. ``occupied``: everyone knows that a hidden count is not 0, because
    empty cells are published as 0 (as the gate does); without it an attacker is taken to think that it may be, as the
    peers take it. ``least``: what each cell is known to be at least, where that does not follow from ``occupied``.
    """

    count_protection: CountProtection = Exact()
    singletons: bool = True
    coalition: int = 1
    singleton_share: float = 0.1
    part_share: float = 0.0
    width_share: float = 0.01
    apart: float = 0.0
    method: Method = "auto"
    budget: int | None = None
    threads: int = 1
    cost: FloatArray | None = field(default=None, compare=False)
    keep: BoolArray | None = field(default=None, compare=False)
    hidden: BoolArray | None = field(default=None, compare=False)
    occupied: bool = False
    least: FloatArray | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Witnesses:
    """Changes of the table that an attacker cannot rule out: the proof that a pattern protects.

    Row w of ``moves`` (sparse, witnesses × cells) keeps every equation, leaves published cells alone and nothing below
    zero; ``up[k]`` and ``down[k]`` are the rows that raise and lower cell k, or -1. ``also`` (pairs of cell and row)
    names further moves of a cell, which avoid the cells of one sole contributor or another.
    """

    moves: sparse.csr_array
    up: IntArray
    down: IntArray
    also: IntArray

    @staticmethod
    def none(cells: int) -> Witnesses:
        """No proof of anything, for a pattern of someone else."""
        nowhere: npt.NDArray[np.int64] = np.full(cells, -1, dtype=np.int64)
        return Witnesses(sparse.csr_array((0, cells)), nowhere, nowhere.copy(), np.zeros((0, 2), dtype=np.int64))

    def with_further(self, other: Witnesses) -> Witnesses:
        """These, and those of ``other`` as further moves of their cells."""
        named = [np.column_stack([np.arange(len(rows)), rows])[rows >= 0] for rows in (other.up, other.down)]
        further = np.vstack([*named, other.also]) + np.array([0, self.moves.shape[0]])
        moves = sparse.csr_array(sparse.vstack([self.moves, other.moves], format="csr"))
        return Witnesses(moves, self.up, self.down, np.vstack([self.also, further]))


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The suppressed cells with their proof. ``cost`` and ``gap`` (share of the cost) are of the secondaries.

    ``beside_parts``: of `as_parts`, the proof against those who know their own.
    """

    suppressed: BoolArray
    secondary: BoolArray
    witnesses: Witnesses
    cost: float
    method: str
    optimal: bool
    gap: float | None
    beside_parts: Witnesses | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What the interval of each primary must be: up ≥, down ≥, and up + down ≥, in units of the value."""

    up: FloatArray
    down: FloatArray
    width: FloatArray


def least(table: CellTable, options: Options) -> FloatArray:
    """What each cell is known to be at least when nothing is published: 0, or the number of inner cells not empty.

    A measure of either sign has no such bound by nature. An attacker is granted one all the same, that no cell falls by
    more than its size: with contributions of 0 or more that is y ≥ 0. Source: Hundepool et al., *Handbook on
    Statistical Disclosure Control*, section 4.2: intervals of tables with negative values under "some other (possibly
    tight) lower bound".
    """
    if options.least is not None:
        return options.least
    if table.size is not None:
        return table.value - table.size
    if not (options.occupied and table.integral and len(table)):
        return np.zeros(len(table))
    leaf = [np.bincount(dim.parent[1:], minlength=len(dim.codes)) == 0 for dim in table.dims]
    inner = np.all([is_leaf[table.codes[:, at]] for at, is_leaf in enumerate(leaf)], axis=0)
    one = np.minimum(table.value[inner], 1.0)
    below = aggregate(table.dims, table.codes[inner], one, one, None, integral=True)
    keys, order = table.keys(), np.argsort(below.keys())
    place = order[np.minimum(np.searchsorted(below.keys()[order], keys), len(order) - 1)]
    return np.where(below.keys()[place] == keys, below.value[place], np.minimum(table.value, 1.0))


def as_parts(table: CellTable, options: Options) -> tuple[CellTable, Options] | None:
    """Counts of units with several records as sums of what each unit has, for who knows the own part; None where nobody
    is taken to know one.

    Whole numbers are left out of account: what is asked there is asked of outsiders, of the counts themselves.
    """
    if not (table.integral and options.singletons and options.part_share and bool((table.holders >= 0).any())):
        return None
    nobody: IntArray = np.full(len(table), NO_CONTRIBUTOR, dtype=np.int64)
    low = least(table, options)
    sums = replace(table, integral=False, sole_contributor=nobody, two_contributors=None)
    return sums, replace(options, least=low, apart=1.0)


def demand(table: CellTable, primary: PrimaryResult, options: Options) -> Demand:
    """Levels per cell (0 where not primary) from the rules and the policy for counts.

    A magnitude that only the minimum frequency hides has no level: it must stay open by ``width_share`` of its value,
    so that it is not known to the unit; one that a rule with a level hides as well keeps that width, however small the
    level is. A magnitude of 0 says of each of its units that it has nothing; it must stay open by that share of the
    table's smallest figure.
    """
    up, down, protection = primary.upl.copy(), primary.lpl.copy(), options.count_protection
    counted = primary.threshold > 0
    share = np.maximum(options.width_share * _sizes(table.sizes), options.apart)
    width = np.where(primary.mask, 1.0 if table.integral else share, 0.0)
    if table.integral:
        up, down = np.ceil(up - 1e-9), np.ceil(down - 1e-9)
        if isinstance(protection, Width):
            width[counted] = protection.w
        if isinstance(protection, Range):
            up = np.where(counted, np.maximum(up, primary.threshold - 1 - table.value), up)
            down = np.where(counted, np.maximum(down, table.value), down)
    # a level says all there is to say, except where few units ask a width besides
    levelled = (up + down > 0) & ~counted
    return Demand(up, np.minimum(down, table.value - least(table, options)), np.where(levelled, 0.0, width))


def _sizes(value: FloatArray) -> FloatArray:
    """The figures, and for each 0 the smallest figure above 0 (1 when there is none)."""
    smallest = float(value[value > 0].min(initial=np.inf))
    return np.where(value > 0, value, smallest if np.isfinite(smallest) else 1.0)
