"""What a researcher could ask for instead to lose less, read off the pattern that they see anyhow.

Where few cells are small, whether a coarser cell is small would tell which of the hidden ones are, or what hidden ones
add up to. So nothing is judged here but what was published: a level above all hidden cells, and two categories of which
nothing but both together is hidden, so that what they add up to is known already. That tells nobody anything new.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from output_control.tables.evidence import Evidence
from output_control.tables.table import BoolArray, CellTable, CodeArray, IntArray, cell_keys

BY_PATTERN = "what would show more, by this pattern alone (beside other outputs, other cells may have to be hidden):"
NONE_BY_PATTERN = (
    "no coarser level of one column and no merging of two categories shows everything: combine changes, and try them"
)


@dataclass(frozen=True, slots=True)
class _Merged:
    """Two categories of one column put together: how many hidden cells that leaves."""

    pair: tuple[int, int]
    left: int


def advise_by_pattern(evidence: Evidence, hidden: BoolArray, minimum: int, *, exact: bool) -> list[str]:
    """Lines for the researcher, none where nothing is hidden; ``hidden`` per cell of the table.

    ``minimum``: the public minimum frequency, since a merged count below it would be hidden again. ``exact``: counts
    leave as they are, so that what two hidden ones add up to can be read off the others.
    """
    if not hidden.any():
        return []
    plain = exact and evidence.request.statistic == "count" and not evidence.request.weight
    lines = [*_levels(evidence, hidden), *(_merges(evidence, hidden, minimum) if plain else [])]
    more = "more years" if evidence.request.period else "a longer period"
    return [BY_PATTERN, *(lines or [NONE_BY_PATTERN]), f"longer period: {more}, if the purpose allows; not tried"]


def _levels(evidence: Evidence, hidden: BoolArray) -> list[str]:
    """Per column the finest level down to which nothing is hidden."""
    lines = []
    for position, shown in enumerate(evidence.shown):
        depth = shown.dimension.depth[evidence.table.codes[:, position]]
        deepest = int(depth[hidden].min()) - 1
        if deepest > 0:
            lines.append(f"coarser, {shown.column} down to {shown.levels[deepest]}: nothing hidden")
        elif deepest == 0 and len(evidence.shown) > 1:
            lines.append(f"without {shown.column}: nothing hidden")
    return lines


def _merges(evidence: Evidence, hidden: BoolArray, minimum: int) -> list[str]:
    """Per column the merging of two finest categories after which fewest cells are hidden, where that is fewer."""
    lines = []
    for position, shown in enumerate(evidence.shown):
        best = _best_merge(evidence.table, hidden, position, minimum)
        if best is not None:
            names = " and ".join(shown.dimension.codes[code] for code in best.pair)
            left = "nothing hidden" if not best.left else f"{int(hidden.sum()) - best.left} fewer cells hidden"
            lines.append(f"merged, {shown.column} {names}: {left}")
    return lines


def _best_merge(table: CellTable, hidden: BoolArray, position: int, minimum: int) -> _Merged | None:
    dim, code = table.dims[position], table.codes[:, position].astype(np.int64)
    leaf = ~np.isin(np.arange(len(dim.codes)), dim.parent[1:])
    first, second = _pairs(table, hidden, position)
    if not len(first):
        return None
    both = leaf[code[first]] & leaf[code[second]]
    # what the two add up to is published, as their parent less its other parts
    known = both & (table.value[first] + table.value[second] >= minimum)
    pairs = np.sort(np.column_stack([code[first], code[second]])[known], axis=1)
    counted = Counter(map(tuple, pairs.tolist()))
    # of two hidden cells none is left where they are known together, and else one
    gone = {
        pair: lines + _both_hidden(table, hidden, position, pair)
        for pair, lines in counted.items()
        if _siblings(dim.parent, leaf, pair[0]) > 2  # two merged into one are their parent
    }
    best = max(gone, key=lambda pair: (gone[pair], [-each for each in pair]), default=None)
    return None if best is None else _Merged((best[0], best[1]), int(hidden.sum()) - gone[best])


def _siblings(parent: CodeArray, leaf: BoolArray, code: int) -> int:
    return int((leaf & (parent == parent[code])).sum())


def _pairs(table: CellTable, hidden: BoolArray, position: int) -> tuple[IntArray, IntArray]:
    """Cells, two by two, that are all that is hidden below a published cell along one dimension."""
    dim, codes = table.dims[position], table.codes.astype(np.int64)
    above = codes.copy()
    above[:, position] = dim.parent[codes[:, position]]
    cells = np.flatnonzero(hidden & (above[:, position] >= 0))
    if not len(cells):
        return cells, cells
    keys, line = table.keys(), cell_keys(above[cells], table.shape)
    order = np.argsort(line, kind="stable")
    cells, line = cells[order], line[order]
    lines, start, size = np.unique(line, return_index=True, return_counts=True)
    sorter = np.argsort(keys, kind="stable")
    parent = sorter[np.searchsorted(keys, lines, sorter=sorter)]
    fit = start[(size == 2) & ~hidden[parent]]
    return cells[fit], cells[fit + 1]


def _both_hidden(table: CellTable, hidden: BoolArray, position: int, pair: tuple[int, ...]) -> int:
    """Lines in which both categories are hidden, whether or not something else is."""
    others = np.delete(table.codes, position, axis=1)
    cells = np.flatnonzero(np.isin(table.codes[:, position], pair) & hidden)
    line = np.unique(others[cells], axis=0, return_inverse=True)[1].reshape(-1)
    return int((np.bincount(line) == 2).sum())
