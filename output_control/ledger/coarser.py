"""What would leave of tables that cannot leave beside earlier releases: coarser ones, each tried by the check itself.

Where no suppression helps, what remains is to ask for less: a column down to a coarser level, without a column, or
without one of the tables. Cutting a level leaves the other cells, and what makes them sensitive, as they were; so each
change is judged by the very check that refused, and what is proposed passes it. How many are tried follows from what
who asks knows anyhow (codes asked for and releases there are), never from records: that would count them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from output_control.ledger.released import ReleasedTable
from output_control.tables.table import Dimension, cell_keys
from output_control.unions.sums import judge_of_some

MOST_TRIED = 12
# over all that is tried, so that a refusal takes no longer than checks of these sizes, or two checks like its own
MOST_RELEASES, MOST_CELLS = 120, 200_000


@dataclass(frozen=True, slots=True)
class Change:
    """``table`` (its position) with the dimension ``column`` down to depth ``deepest`` (0: without it), or left out
    (None)."""

    table: int
    column: int | None
    deepest: int = 0


Hidden = Callable[[Sequence[ReleasedTable], Mapping[int, int]], Sequence[ReleasedTable] | None]


def least_loss(
    asked: Sequence[ReleasedTable], attached: Mapping[int, int], hidden: Hidden, *, releases: int
) -> list[Change]:
    """The changes that help, those that ask for most first; ``attached`` as in
    :func:`output_control.ledger.joint.protect_together`, ``hidden`` gives what may leave of some tables, or None.
    ``releases``: how many there are to hold each against."""
    counts_of = {figure: counts for counts, figure in attached.items()}
    figures = [at for at in range(len(asked)) if at not in attached]
    found = []
    cells = sum(_combinations(asked[at]) for at in figures)
    most = min(MOST_TRIED, MOST_RELEASES // max(releases, 1), MOST_CELLS // max(cells, 1))
    for change in changes(asked, figures)[: max(most, 1)]:
        tables, kept = [], []
        for at in figures:
            for each in (at, *([counts_of[at]] if at in counts_of else [])):
                if at != change.table:
                    tables.append(asked[each])
                elif change.column is not None:
                    tables.append(cut(asked[each], change.column, change.deepest))
                else:
                    continue
                kept.append(each)
        place = {each: position for position, each in enumerate(kept)}
        pairs = {place[counts]: place[figure] for counts, figure in attached.items() if counts in place}
        if hidden(tables, pairs) is not None:
            found.append(change)
    return found


def changes(asked: Sequence[ReleasedTable], figures: Sequence[int]) -> list[Change]:
    """All there are; those that ask for most first, by codes and not by what is in them."""

    def all_of() -> Iterator[tuple[int, Change]]:
        for at in figures:
            table = asked[at].table
            for column, dim in enumerate(table.dims):
                others = _combinations(asked[at]) // len(dim.codes)
                for deepest in range(int(dim.depth.max(initial=0)) - 1, -1 if len(table.dims) > 1 else 0, -1):
                    yield int((dim.depth > deepest).sum()) * others, Change(at, column, deepest)
            if len(figures) > 1:
                yield _combinations(asked[at]), Change(at, None)

    return [change for _, change in sorted(all_of(), key=lambda each: each[0])]


def _combinations(table: ReleasedTable) -> int:
    """Cells that there could be, whoever is in them."""
    return int(np.prod(table.table.shape, dtype=np.int64))


def cut(table: ReleasedTable, column: int, deepest: int) -> ReleasedTable:
    """The cells of ``table`` down to a depth of one dimension; down to 0 without it."""
    held, dims = table.table, list(table.table.dims)
    dim = dims[column]
    cells = np.flatnonzero(dim.depth[held.codes[:, column]] <= deepest)
    codes, leaf = held.codes[cells].copy(), held.codes.copy()
    while (deep := dim.depth[leaf[:, column]] > deepest).any():
        leaf[deep, column] = dim.parent[leaf[deep, column]]
    above = {parent: below for parent, below in dim.children.items() if dim.depth[dim.index[parent]] < deepest}
    dims[column] = Dimension(dim.name, dim.root, above)
    for each in (codes, leaf):
        each[:, column] = np.searchsorted(np.flatnonzero(dim.depth <= deepest), each[:, column])
    if not deepest:
        del dims[column]
        codes, leaf = np.delete(codes, column, axis=1), np.delete(leaf, column, axis=1)
    shape = [len(each.codes) for each in dims]
    # codes stay in the order of the tree, so that the keys still rise
    place = np.searchsorted(cell_keys(codes, shape), cell_keys(leaf, shape))
    some = replace(held.only(cells), dims=tuple(dims), codes=codes)
    return replace(
        table,
        table=some,
        rows=replace(table.rows, leaf=place[table.rows.leaf].astype(np.int64)),
        # the total that a group is judged by is no deeper than the group
        primary=table.primary.only(cells),
        hidden=table.hidden[cells],
        sets=table.sets[cells],
        keep=None if table.keep is None else table.keep[cells],
        cost=None if table.cost is None else table.cost[cells],
        altered=None if table.altered is None else table.altered.of_cells(cells),
        judge=judge_of_some(table.judge, cells, len(held)),
    )
