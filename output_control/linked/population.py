"""The cells of the one population behind linked tables: what three tables say together and no two of them do.

Of area × sex, area × kind and sex × kind each two can agree in all that they share while no table of all three has
them as its margins: the attacker rules such figures out. Where the tables hang together like a tree, agreement of each
two is enough; such tables are left out here. Source: Atserias and Kolaitis, *Structure and Complexity of Bag
Consistency* (2021), arXiv:2012.12126. A population's cell is there when all its margins are: others are
known to be empty, since an empty cell of a table is published as 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from enclave.errors import BadInput, CannotProtect
from output_control.linear_programme import Model
from output_control.tables.table import NO_CONTRIBUTOR, CellTable, Dimension, FloatArray, IntArray, cell_keys

MOST_CELLS = 6_000
MOST_ON_THE_WAY = 20 * MOST_CELLS
MOST_NODES = 2_000
SWEEPS = 100
AT_ONCE = 1_000_000

Groups = tuple[frozenset[str], ...]
Sums = Mapping[int, tuple[IntArray, sparse.csr_array]]


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """``groups`` per dimension: the sets of codes, of those that several tables know, that people have together.

    ``cells`` (cells × dimensions) are positions in ``groups``; ``value`` is one population that has the tables as its
    margins, ``sole_contributor`` who alone can be in a cell, or -1, ``two_contributors`` the two who alone can.
    ``sums`` per table, of those that need it: cells of the table, and which of the population's cells (columns) each is
    the sum of.
    """

    groups: Mapping[str, Groups]
    cells: IntArray
    value: FloatArray
    sole_contributor: IntArray
    two_contributors: IntArray
    sums: Sums


def population(tables: Sequence[CellTable]) -> Population | None:
    """The population behind ``tables`` as far as several of them show it; None where each two say all there is.

    Raises:
        BadInput: no population has these tables as its margins. CannotProtect: its cells are too many to try.
    """
    core = tangled(tables)
    if len(core) < 3:
        return None
    dims: dict[str, list[Dimension]] = defaultdict(list)
    for at in core:
        for dim in tables[at].dims:
            dims[dim.name].append(dim)
    groups = {name: _groups(same) for name, same in dims.items()}
    margins = {at: _Margin(tables[at], groups) for at in core}
    cells = _possible(groups, list(margins.values()))
    sums = {at: margin.sums(cells) for at, margin in margins.items()}
    count = len(cells)
    alone, both = _sole(tables, sums, count), _couples(tables, sums, count)
    return Population(groups, cells, _filled(tables, sums), alone, both, sums)


def tangled(tables: Sequence[CellTable]) -> list[int]:
    """Positions of the tables that do not hang together like a tree; at most one when all do.

    A table whose codes that others know are all known to one of them is tied to the rest by that one's shared cells.
    """
    known = [{dim.name: frozenset(dim.codes[1:]) for dim in table.dims} for table in tables]
    left = list(range(len(tables)))
    while (loose := next((at for at in left if _tied_by_one(at, left, known)), None)) is not None:
        left.remove(loose)
    return left


def _tied_by_one(at: int, left: Sequence[int], known: Sequence[Mapping[str, frozenset[str]]]) -> bool:
    nothing: frozenset[str] = frozenset()
    others = [known[other] for other in left if other != at]
    shared = {name: codes.intersection(nothing.union(*(other.get(name, nothing) for other in others)))
              for name, codes in known[at].items()}  # fmt: skip
    return any(all(codes <= other.get(name, nothing) for name, codes in shared.items()) for other in others)


def _groups(dims: Sequence[Dimension]) -> Groups:
    """The sets of shared codes that one person can have by the trees of one dimension in several tables."""
    shared = {code for code, times in Counter(code for dim in dims for code in dim.codes[1:]).items() if times > 1}
    found, seen = {frozenset[str]()}, set[str]()
    for dim in dims:
        own = shared.intersection(dim.codes[1:])
        paths = defaultdict(set)
        for path in _paths(dim, own).values():
            paths[path & seen].add(path)
        found = {one | path for one in found for path in paths[one & own]}
        seen |= own
        if len(found) > MOST_ON_THE_WAY:
            raise _too_many([dims[0].name])
    return tuple(sorted(found, key=sorted))


def _paths(dim: Dimension, own: set[str]) -> dict[int, frozenset[str]]:
    """Per leaf, the codes of ``own`` at or above it."""
    path: list[frozenset[str]] = []
    for code, parent in zip(dim.codes, dim.parent.tolist(), strict=True):
        above = path[parent] if parent >= 0 else frozenset[str]()
        path.append(above | {code} if code in own and parent >= 0 else above)
    return {dim.index[leaf]: path[dim.index[leaf]] for leaf in dim.leaves}


class _Margin:
    """One table as a margin of the population: per dimension, the lowest code of each group and of each leaf."""

    def __init__(self, table: CellTable, groups: Mapping[str, Groups]) -> None:
        self.table = table
        names = list(groups)
        self.columns = [names.index(dim.name) for dim in table.dims]
        self._lowest = [_lowest(dim, groups[dim.name]) for dim in table.dims]
        of_leaf = [_of_leaf(dim, groups[dim.name]) for dim in table.dims]
        rows = np.column_stack([of[table.codes[:, at]] for at, of in enumerate(of_leaf)])
        self._there = np.unique(rows[(rows >= 0).all(axis=1)], axis=0)

    def holds(self, cells: IntArray) -> np.ndarray:
        """Whether each cell, known in the first dimensions only, has anybody in this table."""
        seen = [at for at, column in enumerate(self.columns) if column < cells.shape[1]]
        shape = [len(self.table.dims[at].codes) for at in seen]
        return np.isin(cell_keys(self._codes(cells, seen), shape), cell_keys(self._there[:, seen], shape))

    def _codes(self, cells: IntArray, dims: Sequence[int]) -> IntArray:
        return np.column_stack([self._lowest[at][cells[:, self.columns[at]]] for at in dims])

    def sums(self, cells: IntArray) -> tuple[IntArray, sparse.csr_array]:
        """Cells of the table that some of ``cells`` lie lowest in, and what lies in them."""
        codes, shape = self._codes(cells, range(len(self.columns))), self.table.shape
        wanted, at = np.unique(cell_keys(codes, shape)), np.arange(len(cells))
        found: list[tuple[IntArray, IntArray]] = []
        stack = [(0, at, codes)]
        while stack:
            dim, rows, now = stack.pop()
            if dim == len(shape):
                keys = cell_keys(now, shape)
                kept = np.isin(keys, wanted)
                found.append((np.searchsorted(wanted, keys[kept]), rows[kept]))
                continue
            parent = self.table.dims[dim].parent
            while len(rows):
                stack.append((dim + 1, rows, now))
                up = parent[now[:, dim]].astype(np.int64)
                rows, now = rows[up >= 0], now[up >= 0].copy()
                now[:, dim] = up[up >= 0]
        row, column = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.argsort(self.table.keys(), kind="stable")
        mine = order[np.searchsorted(self.table.keys(), wanted, sorter=order)]
        return mine, sparse.csr_array((np.ones(len(row)), (row, column)), shape=(len(wanted), len(cells)))


def _lowest(dim: Dimension, groups: Groups) -> IntArray:
    """Per group the lowest of its codes in this dimension (the root where it has none)."""
    index = {code: at for at, code in enumerate(dim.codes) if at}
    # codes are numbered from the root down, and those of a group lie on one path
    return np.array([max((index.get(code, 0) for code in group), default=0) for group in groups], dtype=np.int64)


def _of_leaf(dim: Dimension, groups: Groups) -> IntArray:
    """Per code the lowest code at or above it that a group knows; -1 where the code is no leaf."""
    known = frozenset[str]().union(*groups).intersection(dim.codes[1:])
    of = np.full(len(dim.codes), -1, dtype=np.int64)
    for leaf, path in _paths(dim, set(known)).items():
        of[leaf] = max((dim.index[code] for code in path), default=0)
    return of


def _possible(groups: Mapping[str, Groups], margins: Sequence[_Margin]) -> IntArray:
    """All combinations of groups that no margin knows to be empty, one dimension after the other."""
    found = np.zeros((1, 0), dtype=np.int64)
    for at, name in enumerate(groups):
        size = len(groups[name])
        parts, count = [], 0
        for some in np.array_split(found, max(1, len(found) * size // AT_ONCE)):
            wider = np.column_stack([np.repeat(some, size, axis=0), np.tile(np.arange(size), len(some))])
            for margin in margins:
                if at in margin.columns:
                    wider = wider[margin.holds(wider)]
            parts.append(wider)
            count += len(wider)
            if count > (MOST_CELLS if at == len(groups) - 1 else MOST_ON_THE_WAY):
                raise _too_many(list(groups))
        found = np.concatenate(parts)
    if not len(found):
        raise no_population()
    return found


def _too_many(names: Sequence[str]) -> CannotProtect:
    return CannotProtect(
        f"the population behind the linked tables has more than {MOST_CELLS} cells, too many to try what three or more "
        "tables give away together",
        where=" × ".join(names),
        next_step="link fewer of them, leave out a level or a dimension, or have them checked at the gate, which has "
        "the records",
    )


def _filled(tables: Sequence[CellTable], sums: Sums) -> FloatArray:
    """Some population with these margins; whole for counts. Which one makes no difference to what is possible."""
    held = sparse.csr_array(sparse.vstack([held for _, held in sums.values()]))
    total = np.concatenate([tables[at].value[cells] for at, (cells, _) in sums.items()])
    whole = all(table.integral for table in tables)
    scale = 1.0 if whole else max(float(total.max(initial=0)), 1e-300)
    least, nothing = np.floor(_proportional(held, total, sums)) if whole else np.zeros(0), np.zeros(held.shape[1])
    for low, high in [(least, least + 1), (nothing, np.inf + nothing)] if whole else [(nothing, np.inf + nothing)]:
        rest = (total - held @ low) / scale
        kinds = np.ones(len(low), dtype=np.bool_) if whole else None
        found = Model(held, nothing, nothing, high - low, (rest, rest), integer=kinds, max_nodes=MOST_NODES).solve()
        if found is not None:
            value: FloatArray = np.maximum(low + (np.rint(found.x) if whole else found.x * scale), 0)
            return value
    raise no_population()


def _proportional(held: sparse.csr_array, total: FloatArray, sums: Sums) -> FloatArray:
    """Fractions with these margins as near as some sweeps of proportional fitting come: whole figures lie near them."""
    value: FloatArray = np.ones(held.shape[1])
    rows = np.split(np.arange(len(total)), np.cumsum([len(cells) for cells, _ in sums.values()])[:-1])
    parts = [(sparse.csr_array(held[row]), total[row]) for row in rows]
    for part, amount in parts * SWEEPS:
        now = part @ value
        value = value * (part.T @ np.divide(amount, now, out=np.ones(len(now)), where=now > 0))
    return value


def no_population() -> BadInput:
    """What is said of tables that no population has as its margins, or none that was found."""
    return BadInput(
        "no population was found that has the linked tables as its margins",
        next_step="tabulate them from the same data, or give unlike dimensions unlike names",
    )


def _sole(tables: Sequence[CellTable], sums: Mapping[int, tuple[IntArray, sparse.csr_array]], count: int) -> IntArray:
    """Who alone is in a table's cell is alone in all that it is the sum of, and knows it."""
    sole = np.full(count, NO_CONTRIBUTOR, dtype=np.int64)
    for at, (cells, held) in sums.items():
        pairs = sparse.coo_array(held)
        np.maximum.at(sole, pairs.coords[1], tables[at].sole_contributor[cells[pairs.coords[0]]])
    return sole


def _couples(tables: Sequence[CellTable], sums: Sums, count: int) -> IntArray:
    """Of cells with different pairs in two tables the last pair: whoever is in both is alone there, or nobody is."""
    couples = np.full((count, 2), NO_CONTRIBUTOR, dtype=np.int64)
    for at, (cells, held) in sums.items():
        pairs = sparse.coo_array(held)
        two = tables[at].couples[cells[pairs.coords[0]]]
        couples[pairs.coords[1][two[:, 0] >= 0]] = two[two[:, 0] >= 0]
    return couples
