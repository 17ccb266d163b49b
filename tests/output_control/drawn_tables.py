"""Tables that Hypothesis draws: random hierarchies, counts, contributions of units that recur, and linked tables."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hypothesis import strategies as st

from output_control.tables.table import CellTable, Dimension
from tests.output_control.brute_force import Published, Tree
from tests.output_control.tables import counts, magnitudes

Record = tuple[tuple[str, ...], float, int]


def tree_of(dimension: Dimension) -> Tree:
    """The same hierarchy, as the attacker knows it."""
    return Tree(dimension.name, dimension.root, dimension.children)


def published(table: CellTable, hidden: object) -> Published:
    """What is shown when the cells marked in ``hidden`` are not."""
    mask = list(hidden)  # type: ignore[call-overload]  # an array of truth values
    shown = {table.labels(i): None if mask[i] else float(table.value[i]) for i in range(len(table))}
    return Published(tuple(tree_of(dim) for dim in table.dims), shown)


@st.composite
def hierarchies(draw: st.DrawFn, name: str, leaves: tuple[str, ...]) -> Dimension:
    """A tree over ``leaves``: unbalanced, with chains of parents of one child, or flat."""
    children: dict[str, tuple[str, ...]] = {}
    number = itertools.count()

    def grow(some: tuple[str, ...], depth: int) -> str:
        kind = draw(st.sampled_from(["flat", "chain", "split"])) if depth < 3 else "flat"
        if len(some) == 1 and kind != "chain":
            return some[0]
        code = f"{name}{next(number)}"
        if kind == "chain":
            children[code] = (grow(some, depth + 1),)
        elif kind == "split":
            cut = draw(st.integers(1, len(some) - 1))
            children[code] = (grow(some[:cut], depth + 1), grow(some[cut:], depth + 1))
        else:
            children[code] = some
        return code

    root = f"{name}-total"
    if len(leaves) == 1 or draw(st.booleans()):
        children[root] = (grow(leaves, 1),)
    else:
        children[root] = leaves
    return Dimension(name, root, children)


@st.composite
def dimensions(draw: st.DrawFn, most: int = 12, least_dims: int = 1) -> tuple[Dimension, ...]:
    """One to four of them, with at most ``most`` inner cells."""
    dims, cells = [], 1
    for name in "wxyz"[: draw(st.integers(least_dims, 4))]:
        size = draw(st.integers(1, max(min(4, most // cells), 1)))
        cells *= size
        dims.append(draw(hierarchies(name, tuple(f"{name}.{leaf}" for leaf in range(size)))))
    return tuple(dims)


def inner_cells(dims: tuple[Dimension, ...]) -> list[tuple[str, ...]]:
    """All combinations of leaves."""
    return list(itertools.product(*(dim.leaves for dim in dims)))


@st.composite
def count_tables(draw: st.DrawFn, most: int = 12, largest: int = 6) -> CellTable:
    """Counts of 0 to ``largest``, small ones more often."""
    dims = draw(dimensions(most))
    keys = inner_cells(dims)
    figure = st.one_of(st.integers(0, 3), st.integers(0, largest))
    return counts(
        dims, dict(zip(keys, draw(st.lists(figure, min_size=len(keys), max_size=len(keys)).filter(any)), strict=True))
    )


@dataclass(frozen=True)
class Drawn:
    """A magnitude table with its records."""

    dims: tuple[Dimension, ...]
    records: tuple[Record, ...]
    table: CellTable

    def contributions(self, codes: tuple[str, ...]) -> dict[int, float]:
        """What each unit brings into a cell, from the records."""
        trees = [tree_of(dim).below(code) for dim, code in zip(self.dims, codes, strict=True)]
        held: dict[int, float] = {}
        for key, value, unit in self.records:
            if all(code in tree for code, tree in zip(key, trees, strict=True)):
                held[unit] = held.get(unit, 0.0) + value
        return held


@st.composite
def magnitude_tables(draw: st.DrawFn, most: int = 9, units: int = 7) -> Drawn:
    """Records of holdings: each unit may be in several cells, and more than once in one."""
    dims = draw(dimensions(most))
    cell, value = st.sampled_from(inner_cells(dims)), st.one_of(st.integers(0, 9), st.integers(10, 99))
    records = draw(st.lists(st.tuples(cell, value, st.integers(0, units)), min_size=1, max_size=24))
    kept = tuple((key, float(value), unit) for key, value, unit in records)
    return Drawn(dims, kept, magnitudes(dims, kept))


@st.composite
def linked_counts(draw: st.DrawFn) -> tuple[CellTable, ...]:
    """Two tables of one population: of other dimensions, or of one dimension grouped otherwise."""
    area = tuple("abcd"[: draw(st.integers(2, 4))])
    one = Dimension("area", "all", {"all": area})
    half = draw(st.integers(1, len(area) - 1))
    other = Dimension("area", "all", {"all": ("g1", "g2"), "g1": area[::2], "g2": area[1::2]})
    third = Dimension("area", "all", {"all": ("h1", "h2"), "h1": area[:half], "h2": area[half:]})
    sex, kind = Dimension("sex", "both", {"both": ("f", "m")}), Dimension("kind", "any", {"any": ("p", "q")})
    chosen = draw(
        st.lists(
            st.sampled_from([(one, sex), (other,), (third,), (other, kind), (third, sex), (sex, kind), (one,)]),
            min_size=2,
            max_size=2,
            unique_by=lambda dims: tuple((dim.name, tuple(dim.codes)) for dim in dims),
        )
    )
    people = _people(draw, {"area": area, "sex": tuple("fm"), "kind": tuple("pq")})
    return tuple(_margin(people, dims) for dims in chosen)


@st.composite
def rings(draw: st.DrawFn) -> tuple[CellTable, ...]:
    """Three tables of two dimensions each, out of three or four of one population; trees may differ by table."""
    names = "wxyz"[: draw(st.integers(3, 4))]
    sizes = [draw(st.integers(2, 3)), 2, 2, 2][: len(names)]
    leaves = {name: tuple(f"{name}{at}" for at in range(size)) for name, size in zip(names, sizes, strict=True)}
    trees = {name: [draw(hierarchies(f"{name}{tree}.", leaves[name])) for tree in "pq"] for name in names}
    pairs = st.sampled_from(list(itertools.combinations(names, 2)))
    people = _people(draw, leaves)
    tables = []
    for pair in draw(st.lists(pairs, min_size=3, max_size=3, unique=True)):
        chosen = [(name, draw(st.sampled_from(trees[name]))) for name in pair]
        tables.append(_margin(people, tuple(Dimension(name, tree.root, tree.children) for name, tree in chosen)))
    return tuple(tables)


People = tuple[tuple[str, ...], dict[tuple[str, ...], int]]


def _people(draw: st.DrawFn, leaves: dict[str, tuple[str, ...]]) -> People:
    """How many there are of each combination, small numbers."""
    keys = list(itertools.product(*leaves.values()))
    figures = draw(st.lists(st.integers(0, 4), min_size=len(keys), max_size=len(keys)).filter(any))
    return tuple(leaves), dict(zip(keys, figures, strict=True))


def _margin(people: People, dims: tuple[Dimension, ...]) -> CellTable:
    places = [people[0].index(dim.name) for dim in dims]
    cells: dict[tuple[str, ...], int] = {}
    for key, figure in people[1].items():
        at = tuple(key[place] for place in places)
        cells[at] = cells.get(at, 0) + figure
    return counts(dims, {at: figure for at, figure in cells.items() if figure})
