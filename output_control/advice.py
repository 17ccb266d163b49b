"""What a researcher could change to lose less, tried on the evidence and judged by the minimum frequency alone.

The dominance rules are confidential: nothing here knows them, so no advice can be asked often enough to learn them. How
many cells are small is not said either: beside the pattern it would tell which hidden cells are small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from output_control.policy import Policy, TableRules
from output_control.rounded import protect_by_rounding
from output_control.tables.evidence import Evidence
from output_control.tables.rules import primary
from output_control.tables.table import BoolArray, CellTable, IntArray

ROUNDING_TRIED = (5, 10)
ROUNDING_CELLS = 300  # by their codes: advice may not cost more than the suppression, nor count small cells


@dataclass(frozen=True, slots=True)
class Mend:
    """One change and what it would do: cells left, small ones among them."""

    what: str
    cells: int
    small: int

    def passes(self, rules: TableRules) -> bool:
        """Whether so few cells are small that suppression loses little."""
        return self.small <= rules.warn_primary_share.value * self.cells


def advise(evidence: Evidence, policy: Policy) -> list[str]:
    """Lines for the researcher: each change that was tried, and whether few cells are small then; none when few are."""
    rules = policy.public.tables
    small = _small(evidence, policy)
    if small.mean() <= rules.warn_primary_share.value:
        return []
    lines = [
        f"many cells have fewer than {rules.minimum_frequency.value} units: much will be hidden. "
        "Tried on this table, by the minimum frequency alone:"
    ]
    tried = [*_coarser(evidence, small), *_merged(evidence, policy)]
    lines += [f"{mend.what}: {'passes' if mend.passes(rules) else 'not enough'}" for mend in tried]
    return [*lines, *_rounding(evidence, policy), _longer(evidence)]


def _small(evidence: Evidence, policy: Policy) -> BoolArray:
    small = np.zeros(len(evidence.table), dtype=np.bool_)
    for kind in evidence.kinds:
        small |= primary(kind.table, policy.frequency_rule()).mask
    return small


def _coarser(evidence: Evidence, small: BoolArray) -> list[Mend]:
    """Each dimension down to each coarser level; the total alone is the dimension dropped."""
    mends = []
    for position, shown in enumerate(evidence.shown):
        depth = shown.dimension.depth[evidence.table.codes[:, position]]
        for deepest in range(shown.dimension.levels - 2, -1, -1):
            kept = depth <= deepest
            what = f"coarser, {shown.column} down to {shown.levels[deepest]}" if deepest else f"without {shown.column}"
            if len(evidence.shown) > 1 or deepest:
                mends.append(Mend(what, int(kept.sum()), int(small[kept].sum())))
    return mends


def _merged(evidence: Evidence, policy: Policy) -> list[Mend]:
    """In each dimension, the leaf that is small most often put together with the sibling that helps most."""
    n = policy.public.tables.minimum_frequency.value
    mends = []
    for position, shown in enumerate(evidence.shown):
        best = [_merge(evidence, position, pair, n) for pair in _pairs(evidence, position, n)]
        if best:
            small, pair = min(best)
            names = " and ".join(shown.dimension.codes[code] for code in pair)
            gone = _overlap(evidence.table, position, pair)
            mends.append(Mend(f"merged, {shown.column} {names}", len(evidence.table) - gone, small))
    return mends


def _pairs(evidence: Evidence, position: int, n: int) -> list[tuple[int, int]]:
    """The leaf with most small cells, beside each sibling leaf."""
    dim = evidence.shown[position].dimension
    code = evidence.table.codes[:, position]
    leaf = np.isin(np.arange(len(dim.codes)), dim.parent, invert=True)
    worst = np.bincount(code, weights=evidence.table.freq < n, minlength=len(dim.codes)) * leaf
    first = int(np.argmax(worst))
    siblings = np.flatnonzero(leaf & (dim.parent == dim.parent[first]))
    others = [int(each) for each in siblings if each != first]
    # a dimension of two categories merged is the dimension dropped
    return [(min(first, each), max(first, each)) for each in others] if worst[first] and len(others) > 1 else []


def _merge(evidence: Evidence, position: int, pair: tuple[int, int], n: int) -> tuple[int, tuple[int, int]]:
    """Small cells after merging; units that may stand in both cells count once (the larger of the two)."""
    small = 0
    for kind in evidence.kinds:
        table = kind.table
        line, units = _lines(table, position, pair)
        merged = np.zeros(int(line.max(initial=-1)) + 1)
        (np.add if _apart(kind) else np.maximum).at(merged, line, units)
        others = ~np.isin(table.codes[:, position], pair)
        small = max(small, int((merged < n).sum() + (table.freq[others] < n).sum()))
    return small, pair


def _apart(kind: Evidence) -> bool:
    """Whether no unit is in two records, so that units add up."""
    return bool((kind.records == kind.table.n_contributors).all())


def _lines(table: CellTable, position: int, pair: tuple[int, int]) -> tuple[IntArray, IntArray]:
    cells = np.flatnonzero(np.isin(table.codes[:, position], pair))
    others = np.delete(table.codes[cells], position, axis=1)
    line = np.unique(others, axis=0, return_inverse=True)[1].reshape(-1)
    return line.astype(np.int64), table.n_contributors[cells]


def _overlap(table: CellTable, position: int, pair: tuple[int, int]) -> int:
    line, _ = _lines(table, position, pair)
    return len(line) - len(np.unique(line))


def _rounding(evidence: Evidence, policy: Policy) -> list[str]:
    """Whether rounded counts would need no secondary suppression."""
    if not evidence.table.integral or policy.public.tables.count_rounding.value.base:
        return []
    if int(np.prod(evidence.table.shape, dtype=np.int64)) > ROUNDING_CELLS:
        return []
    for base in ROUNDING_TRIED:
        alone = primary(evidence.table, policy.frequency_rule())
        found = protect_by_rounding(evidence.table, alone, policy.options(), base)
        if found is not None:
            return [f"rounding, counts to {base}: no cell besides the small ones would be hidden; needs another policy"]
    return []


def _longer(evidence: Evidence) -> str:
    period = evidence.request.period
    more = "more years" if period else "a longer period, which makes the counts larger"
    return f"longer period: {more}, if the purpose allows; it cannot be tried on these data"
