"""Which cells are sensitive by themselves, and by how much an attacker's interval must widen around them.

Order contributions x1 ≥ x2 ≥ …, total X. Sources: Hundepool et al., *Statistical Disclosure Control* (Wiley 2012),
chapter 4; the parameters are policy and never constants here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from output_control.tables.table import BoolArray, CellTable, FloatArray, IntArray, cell_keys


@dataclass(frozen=True, slots=True)
class MinimumFrequency:
    """Sensitive when 0 < units < ``n``."""

    n: int
    name = "freq"

    @property
    def reads(self) -> int:
        """How many of the largest contributions it reads."""
        return 0


@dataclass(frozen=True, slots=True)
class Dominance:
    """(n,k): sensitive when the ``n`` largest contribute more than ``k`` percent of the total."""

    n: int
    k: float
    name = "nk"

    @property
    def reads(self) -> int:
        """How many of the largest contributions it reads."""
        return self.n


@dataclass(frozen=True, slots=True)
class PPercent:
    """p%: sensitive when the ``coalition`` next largest contributors can tell the largest within ``p`` percent."""

    p: float
    coalition: int = 1
    name = "p"

    @property
    def reads(self) -> int:
        """How many of the largest contributions it reads."""
        return self.coalition + 1


@dataclass(frozen=True, slots=True)
class PriorPosterior:
    """pq: as p%, for an attacker who knows every contribution within ``q`` percent beforehand."""

    p: float
    q: float
    name = "pq"

    @property
    def reads(self) -> int:
        """How many of the largest contributions it reads."""
        return 2


Rule = MinimumFrequency | Dominance | PPercent | PriorPosterior


def for_signed(rule: Rule, factor: float) -> Rule:
    """The rule for contributions of either sign, judged by their size: p/f, p/(f·q), 100 − (100 − k)/f with f > 1.

    A remainder of unknown sign is known beforehand within 100·f percent only. Source: Hundepool et al., *Handbook on
    Statistical Disclosure Control*, section 4.2, negative contributions.
    """
    if isinstance(rule, PPercent):
        return PPercent(rule.p / factor, rule.coalition)
    if isinstance(rule, PriorPosterior):
        return PriorPosterior(rule.p / factor, rule.q)
    return Dominance(rule.n, 100 - (100 - rule.k) / factor) if isinstance(rule, Dominance) else rule


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Cells that hold nearly all of their group: the verdicts of group disclosure, one per position.

    ``cell`` holds ``inside`` of the ``whole`` that its group, the cell ``total``, has; ``sensitive`` is the position of
    the dimension whose categories are compared, ``counted`` says what was counted (a column of units, or records).
    """

    cell: IntArray
    total: IntArray
    sensitive: IntArray
    inside: FloatArray
    whole: FloatArray
    counted: npt.NDArray[np.str_]

    @staticmethod
    def of(cells: IntArray, total: IntArray, units: FloatArray, *, sensitive: int, counted: str) -> Groups:
        """Verdicts on ``cells``; ``total`` and ``units`` are per cell of the table."""
        above = total[cells]
        dimension, name = np.full(len(cells), sensitive, dtype=np.int64), np.full(len(cells), counted)
        return Groups(cells, above, dimension, units[cells], units[above], name)

    @staticmethod
    def none() -> Groups:
        """No verdict."""
        nowhere = np.zeros(0, dtype=np.int64)
        return Groups.of(nowhere, nowhere, np.zeros(0), sensitive=0, counted="")

    def __len__(self) -> int:
        return len(self.cell)

    def also(self, other: Groups) -> Groups:
        """The verdicts of both."""
        if not len(other) or not len(self):
            return self if len(self) else other
        return Groups(
            np.concatenate([self.cell, other.cell]),
            np.concatenate([self.total, other.total]),
            np.concatenate([self.sensitive, other.sensitive]),
            np.concatenate([self.inside, other.inside]),
            np.concatenate([self.whole, other.whole]),
            np.concatenate([self.counted, other.counted]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PrimaryResult:
    """Per cell: is it sensitive, how far up and down must it stay open, and by which rules.

    ``threshold`` is the n of the minimum-frequency rule where that rule hits, else 0: what it asks of the interval is
    the choice of `suppression.Options.count_protection`. ``anchor`` is the cell that the attacker is granted while
    the lower level must be reached (group disclosure: the row total), or -1. ``reason`` names the rules, joined by +;
    ``groups`` says of which group each cell of the rule ``group`` tells something.
    """

    mask: BoolArray
    upl: FloatArray
    lpl: FloatArray
    threshold: FloatArray
    anchor: IntArray
    reason: npt.NDArray[np.str_]
    groups: Groups = field(default_factory=Groups.none)

    @staticmethod
    def none(cells: int) -> PrimaryResult:
        """No sensitive cell at all."""
        zero = np.zeros(cells)
        return PrimaryResult(
            mask=np.zeros(cells, dtype=np.bool_),
            upl=zero,
            lpl=zero.copy(),
            threshold=zero.copy(),
            anchor=np.full(cells, -1, dtype=np.int64),
            reason=np.full(cells, "", dtype="<U40"),
        )

    def where(self, cells: BoolArray) -> PrimaryResult:
        """The same of ``cells`` alone, without verdicts on groups."""
        return PrimaryResult(
            mask=self.mask & cells,
            upl=np.where(cells, self.upl, 0.0),
            lpl=np.where(cells, self.lpl, 0.0),
            threshold=np.where(cells, self.threshold, 0.0),
            anchor=np.where(cells, self.anchor, -1),
            reason=np.where(cells, self.reason, ""),
        )

    def beside(self, other: PrimaryResult) -> PrimaryResult:
        """The cells of this, then those of another; without the groups."""
        size = len(self.mask)
        return PrimaryResult(
            mask=np.append(self.mask, other.mask),
            upl=np.append(self.upl, other.upl),
            lpl=np.append(self.lpl, other.lpl),
            threshold=np.append(self.threshold, other.threshold),
            anchor=np.append(self.anchor, np.where(other.anchor >= 0, other.anchor + size, -1)),
            reason=np.append(self.reason, other.reason),
        )

    def only(self, cells: IntArray) -> PrimaryResult:
        """What makes some of the cells (rising) sensitive; their anchors are among them. Without the groups."""
        anchor = self.anchor[cells]
        return PrimaryResult(
            mask=self.mask[cells],
            upl=self.upl[cells],
            lpl=self.lpl[cells],
            threshold=self.threshold[cells],
            anchor=np.where(anchor >= 0, np.searchsorted(cells, anchor), -1),
            reason=self.reason[cells],
        )

    def also(self, other: PrimaryResult) -> PrimaryResult:
        """Sensitive by either, each level the larger one."""
        mine, theirs = (np.char.add(np.char.add("+", part), "+") for part in (self.reason, other.reason))
        news = (other.reason != "") & (np.char.find(mine, theirs) < 0)
        link = np.where(news & (self.reason != ""), "+", "")
        joined = np.char.add(np.char.add(self.reason, link), np.where(news, other.reason, ""))
        return PrimaryResult(
            mask=self.mask | other.mask,
            upl=np.maximum(self.upl, other.upl),
            lpl=np.maximum(self.lpl, other.lpl),
            threshold=np.maximum(self.threshold, other.threshold),
            anchor=np.maximum(self.anchor, other.anchor),
            reason=joined.astype("<U40"),
            groups=self.groups.also(other.groups),
        )


def primary(table: CellTable, rules: Rule | Sequence[Rule]) -> PrimaryResult:
    """Cells sensitive by any of ``rules``.

    Levels: (n,k) 100/k·(x1+…+xn) − X; p% p/100·x1 − (X − x1 − x2), of a coalition of m p/100·x1 − (X − x1 − … −
    x(m+1)); pq p/q·x1 − (X − x1 − x2); the lower level is the same, but never more than the value itself (of either
    sign: its size), since the attacker knows y ≥ 0. Minimum frequency has no level of its own. Units are the distinct
    contributors where they are known.
    """
    result = PrimaryResult.none(len(table))
    for rule in rules if isinstance(rules, Sequence) else (rules,):
        result = result.also(_one(table, rule))
    return result


def _one(table: CellTable, rule: Rule) -> PrimaryResult:
    result = PrimaryResult.none(len(table))
    if isinstance(rule, MinimumFrequency):
        units = np.minimum(table.freq, table.n_contributors)
        hit = (units > 0) & (units < rule.n)
        level = np.zeros(len(table))
        result.threshold[hit] = rule.n
    else:
        hit, level = _concentration(table, rule)
    result.mask[:] = hit
    result.upl[hit] = level[hit]
    result.lpl[hit] = np.minimum(level, table.sizes)[hit]
    result.reason[hit] = rule.name
    return result


def _concentration(table: CellTable, rule: Dominance | PPercent | PriorPosterior) -> tuple[BoolArray, FloatArray]:
    """Cells that the rule finds, and the level it asks for (0 or less where it does not)."""
    total, top = table.value, table.top
    # sums of the same contributions in another order differ in the last bits: a remainder that is only that is none
    noise = 1e-12 * total
    if isinstance(rule, Dominance):
        largest = top[:, : rule.n].sum(axis=1)
        excess = largest - rule.k / 100 * total
        return excess > noise, np.maximum(100 / rule.k * largest - total, 0)
    share = rule.p / 100 if isinstance(rule, PPercent) else rule.p / rule.q
    knowing = rule.coalition if isinstance(rule, PPercent) else 1
    remainder = np.maximum(total - top[:, : knowing + 1].sum(axis=1), 0)
    level = share * top[:, 0] - remainder
    return level > noise, np.maximum(level, 0)


@dataclass(frozen=True, slots=True, eq=False)
class GroupDisclosure:
    """What the group rule finds: primaries to protect, and cells that no suppression can help.

    ``complete`` marks cells that hold *all* units of their group while the other categories are published zeros:
    hiding figures leaves the share at 100 %, so the table must be recoded or the dimension dropped. ``whole`` are the
    verdicts on these.
    """

    primary: PrimaryResult
    complete: BoolArray
    whole: Groups


def group_disclosure(
    table: CellTable,
    *,
    sensitive: int,
    neutral: Sequence[str] = (),
    share: float = 0.9,
    n: int = 10,
    counted: str = "units",
) -> GroupDisclosure:
    """Cells that tell something about nearly everyone of a group.

    ``sensitive`` is the position of the sensitive dimension; for each combination of codes of the other dimensions,
    a category other than the root and ``neutral`` is dominating when it holds more than ``share`` of the group's
    units, or all but fewer than ``n`` of them (asked of groups of at least ``n`` units: smaller ones are hidden by the
    minimum frequency). The level: with the group's total known to the attacker (`anchor`), the cell must be able to
    fall to the largest count that is neither, so that the feasible minimum share is at most ``share``. ``counted`` is
    what the verdicts call the units. Source: CBS guideline as described in the shared notes, section 2; Hundepool et
    al. 2012, section 5.2.
    """
    dim = table.dims[sensitive]
    keys = table.keys()
    order = np.argsort(keys, kind="stable")
    to_total = table.codes.copy()
    to_total[:, sensitive] = 0
    total_keys = cell_keys(to_total, table.shape)
    total = order[np.searchsorted(keys, total_keys, sorter=order)]
    code = table.codes[:, sensitive]
    exempt = np.isin(np.array(dim.codes), [dim.root, *neutral])[code]
    units, group = table.freq, table.freq[total]
    dominates = (units > share * group) | (group - units < n)
    hit = ~exempt & dominates & (group >= n) & (units > 0)
    safe_count = np.maximum(np.minimum(np.floor(share * group + 1e-9), group - n), 0)
    complete = hit & (units == group)
    hit &= ~complete

    def verdicts(cells: BoolArray) -> Groups:
        return Groups.of(np.flatnonzero(cells), total, units, sensitive=sensitive, counted=counted)

    result = replace(PrimaryResult.none(len(table)), groups=verdicts(hit))
    result.mask[:] = hit
    result.lpl[hit] = (units - safe_count)[hit]
    result.anchor[hit] = total[hit]
    result.reason[hit] = "group"
    return GroupDisclosure(result, complete, verdicts(complete))
