"""Witnesses in the form of boxes: moves that are a product of one simple move per dimension.

A simple move of a dimension carries one unit from a leaf (and everything above it) to another leaf, or to nowhere: then
all totals above the leaf move too. The product of one such move per dimension keeps every equation of a
hierarchical table by construction, and moves each cell of the box by +1 or -1. Boxes are looked up in a dense array of
the cross product, many primaries at a time, so that most witnesses of a large table cost no LP. One dimension, the
longest, is walked option by option; the product of the others is one slab.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from output_control.tables.table import CellTable, Dimension, FloatArray, IntArray

MOST_CELLS = 30_000_000
LONG_OPTIONS = 24
SLAB_OPTIONS = 24
LEAVES_PER_CODE = 3
CHUNK = 2_000_000
MOST_PRODUCTS = 8_000_000
NOWHERE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Per code the moves that raise it: ``codes`` (codes × options × length, -1: padding) and their ``signs``."""

    codes: npt.NDArray[np.int32]
    signs: npt.NDArray[np.int8]

    @property
    def options(self) -> int:
        """Most options that a code has."""
        return int(self.codes.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The cheapest box per asked cell: its price (infinite: none) and its options in the long dimension and slab."""

    price: FloatArray
    long: IntArray
    slab: IntArray

    @staticmethod
    def nothing(asked: int) -> Found:
        """No box for any of so many cells."""
        return Found(np.full(asked, np.inf), np.zeros(asked, np.int64), np.zeros(asked, np.int64))

    def at(self, chosen: IntArray) -> Found:
        """Those of some of the asked cells."""
        return Found(self.price[chosen], self.long[chosen], self.slab[chosen])

    def improve(self, other: Found) -> None:
        """Take what is cheaper in ``other``."""
        better = other.price < self.price
        self.price[better], self.long[better], self.slab[better] = (part[better] for part in other.parts)

    def put(self, at: IntArray, new: Found) -> None:
        """Replace those of some of the asked cells."""
        for mine, theirs in zip(self.parts, new.parts, strict=True):
            mine[at] = theirs

    @property
    def parts(self) -> tuple[FloatArray, IntArray, IntArray]:
        """Price and options."""
        return self.price, self.long, self.slab


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    """What is asked of boxes: dense prices and amounts, and per asked cell what lowered and raised cells must hold."""

    cells: IntArray
    price: FloatArray
    amount: FloatArray | None
    falling: FloatArray
    rising: FloatArray


def simple_moves(dim: Dimension, weight: FloatArray, most: int) -> Moves:
    """For each code up to ``most`` moves; leaves and siblings of more ``weight`` come first."""
    below = _heaviest_leaves(dim, weight)
    siblings: list[list[int]] = [[] for _ in dim.codes]
    for code in range(1, len(dim.codes)):
        siblings[dim.parent[code]].append(code)
    moves = [_moves_of(dim, code, below, siblings, weight=weight)[:most] for code in range(len(dim.codes))]
    length = max(len(up) + len(down) for each in moves for up, down in each)
    codes = np.full((len(moves), max(len(each) for each in moves), length), NOWHERE, dtype=np.int32)
    signs = np.zeros(codes.shape, dtype=np.int8)
    for code, each in enumerate(moves):
        for option, (up, down) in enumerate(each):
            codes[code, option, : len(up) + len(down)] = up + down
            signs[code, option, : len(up)] = 1
            signs[code, option, len(up) : len(up) + len(down)] = -1
    return Moves(codes, signs)


def _heaviest_leaves(dim: Dimension, weight: FloatArray) -> list[list[int]]:
    """A few leaves below each code (itself if it is one), the heaviest first."""
    below: list[list[int]] = [[] for _ in dim.codes]
    inner = set(dim.parent[1:].tolist())
    for code in range(len(dim.codes) - 1, -1, -1):
        if code not in inner:
            below[code] = [code]
        below[code] = sorted(below[code], key=lambda leaf: (-weight[leaf], leaf))[:LEAVES_PER_CODE]
        if code:
            below[dim.parent[code]] += below[code]
    return below


def _moves_of(
    dim: Dimension, code: int, below: list[list[int]], children: list[list[int]], *, weight: FloatArray
) -> list[tuple[list[int], list[int]]]:
    """From the nearest to the farthest: within the parent, to nowhere, within the grandparent."""
    root: list[tuple[list[int], list[int]]] = [(_path(dim, leaf, -1), []) for leaf in below[code]]
    if not code:
        return root
    own, parent = below[code], int(dim.parent[code])
    others = sorted((s for s in children[parent] if s != code), key=lambda sibling: (-weight[sibling], sibling))
    near = [
        (_path(dim, leaf, parent), _path(dim, other, parent))
        for rank in range(LEAVES_PER_CODE)
        for sibling in others
        for other in below[sibling][rank : rank + 1]
        for leaf in own[:1]
    ]
    near += [(_path(dim, leaf, parent), _path(dim, below[s][0], parent)) for leaf in own[1:] for s in others]
    above = int(dim.parent[parent])
    far: list[tuple[list[int], list[int]]] = []
    if above >= 0:
        cousins = sorted((s for s in children[above] if s != parent), key=lambda sibling: (-weight[sibling], sibling))
        far = [(_path(dim, own[0], above), _path(dim, below[cousin][0], above)) for cousin in cousins[:4]]
    return [*near[: LONG_OPTIONS - 6], *root[:1], *far]


def _path(dim: Dimension, leaf: int, stop: int) -> list[int]:
    path = []
    while leaf != stop:
        path.append(leaf)
        leaf = int(dim.parent[leaf])
    return path


class Boxes:
    """The boxes of one table; `None` from `of` when its cross product is too large to be held."""

    def __init__(self, table: CellTable, spare: FloatArray | None = None) -> None:
        self.table, self._spare = table, table.value if spare is None else spare
        self._long = int(np.argmax(table.shape))
        self._others = [position for position in range(len(table.dims)) if position != self._long]
        # every cell can fall by one
        self._ones_fit = table.integral and bool((self._spare >= 1).all())
        shape = table.shape
        self._wide = int(np.prod([shape[position] for position in self._others], dtype=np.int64))
        self.row = table.codes[:, self._long].astype(np.int64)
        self.column = np.zeros(len(table), dtype=np.int64)
        for position in self._others:
            self.column = self.column * shape[position] + table.codes[:, position]
        self._cell_at = np.full((shape[self._long] + 1, self._wide + 1), NOWHERE, dtype=np.int32)
        self._cell_at[self.row, self.column] = np.arange(len(table), dtype=np.int32)
        weights = [np.bincount(table.codes[:, position], minlength=shape[position]) for position in range(len(shape))]
        heavy = [weight.astype(np.float64) for weight in weights]
        self._moves = simple_moves(table.dims[self._long], heavy[self._long], LONG_OPTIONS)
        self._slab_codes, self._slab_signs = self._products(self._small_enough(heavy))

    @staticmethod
    def of(table: CellTable, spare: FloatArray | None = None) -> Boxes | None:
        """The boxes of ``table``, unless it has but one dimension or its cross product is too large.

        ``spare``: how far each cell can fall (default: to 0).
        """
        small = int(np.prod(table.shape, dtype=np.int64)) <= MOST_CELLS
        return Boxes(table, spare) if small and len(table) and len(table.dims) > 1 else None

    def _small_enough(self, weight: list[FloatArray]) -> list[Moves]:
        """Simple moves of the other dimensions, so few that all their products fit."""
        most = SLAB_OPTIONS
        while True:
            parts = [simple_moves(self.table.dims[position], weight[position], most) for position in self._others]
            size = int(np.prod([part.codes.shape for part in parts], dtype=np.int64))
            if size <= MOST_PRODUCTS or most == 1:
                return parts
            most = most // 2

    def _products(self, parts: list[Moves]) -> tuple[IntArray, npt.NDArray[np.int8]]:
        """All products of simple moves of the other dimensions, per cell of the slab."""
        codes, signs = np.zeros((1, 1, 1), dtype=np.int64), np.ones((1, 1, 1), dtype=np.int8)
        for position, part in zip(self._others, parts, strict=True):
            size = self.table.shape[position]
            there = (codes >= 0)[:, None, :, None, :, None] & (part.codes >= 0)[None, :, None, :, None, :]
            joined = codes[:, None, :, None, :, None] * size + part.codes[None, :, None, :, None, :]
            sign = signs[:, None, :, None, :, None] * part.signs[None, :, None, :, None, :]
            shape = (
                codes.shape[0] * part.codes.shape[0],
                codes.shape[1] * part.codes.shape[1],
                codes.shape[2] * part.codes.shape[2],
            )
            codes = np.where(there, joined, NOWHERE).reshape(shape)
            signs = np.where(there, sign, 0).astype(np.int8).reshape(shape)
        return np.where(codes < 0, self._wide, codes), signs

    def cheapest(self, cells: IntArray, falling: FloatArray, rising: FloatArray, price: FloatArray) -> Found:
        """The box of least ``price`` (per cell; infinite: not allowed) that raises each of ``cells``.

        Every cell that the box lowers holds at least ``falling`` (per asked cell), every one that it raises ``rising``;
        with 1 and 0 that asks nothing of counts. A box without price ends the search for its cell.
        """
        dense = np.concatenate([price, [np.inf]])[self._cell_at]
        amount = None
        if not (self._ones_fit and (falling <= 1).all() and (rising <= 1).all()):
            amount = np.concatenate([self._spare, [0.0]])[self._cell_at]
        found, ask = Found.nothing(len(cells)), _Ask(cells, dense, amount, falling, rising)
        todo = np.arange(len(cells))
        rows = max(CHUNK // max(dense.shape[1], int(np.prod(self._slab_codes.shape[1:]))), 1)
        for option in range(self._moves.options):
            todo = todo[self._moves.codes[self.row[cells[todo]], option, 0] >= 0]
            for start in range(0, len(todo), rows):
                self._try(found, ask, todo[start : start + rows], option)
            todo = todo[found.price[todo] > 0]
        return found

    def _try(self, found: Found, ask: _Ask, part: IntArray, option: int) -> None:
        """One option of the long dimension with all of the slab."""
        asked = ask.cells[part]
        up, down = self._slabs(ask, part, option)
        corner, sign = self._slab_codes[self.column[asked]], self._slab_signs[self.column[asked]]
        rank = np.arange(len(part))[:, None, None]
        each = up[rank, corner] if up is down else np.where(sign >= 0, up[rank, corner], down[rank, corner])
        total = each.sum(axis=2)
        total[corner[:, :, 0] == self._wide] = np.inf
        best = np.argmin(total, axis=1)
        price = total[np.arange(len(part)), best]
        better = price < found.price[part]
        chosen = part[better]
        found.price[chosen], found.long[chosen], found.slab[chosen] = price[better], option, best[better]

    def _slabs(self, ask: _Ask, part: IntArray, option: int) -> tuple[FloatArray, FloatArray]:
        """The price of each place of the slab, summed over the move in the long dimension, when raised and lowered."""
        row = self.row[ask.cells[part]]
        codes, signs = self._moves.codes[row, option], self._moves.signs[row, option]
        up = np.zeros((len(part), ask.price.shape[1]))
        down = up if ask.amount is None else up.copy()
        for step in range(codes.shape[1]):
            there = np.flatnonzero(codes[:, step] >= 0)
            if not len(there):
                continue
            code = codes[there, step]
            if ask.amount is None:
                up[there] += ask.price[code]
                continue
            falling, rising = ask.falling[part[there]][:, None], ask.rising[part[there]][:, None]
            raised = signs[there, step][:, None] > 0
            held, price = ask.amount[code], ask.price[code]
            up[there] += np.where(held >= np.where(raised, rising, falling), price, np.inf)
            down[there] += np.where(held >= np.where(raised, falling, rising), price, np.inf)
        up[:, self._wide] = down[:, self._wide] = 0.0
        return up, down

    @property
    def long_dimension(self) -> Dimension:
        """The longest dimension; `row` is each cell's code in it."""
        return self.table.dims[self._long]

    def cells_below(self) -> IntArray:
        """Per code of the longest dimension how many cells it and the codes below it have."""
        dim = self.long_dimension
        size = np.bincount(self.row, minlength=len(dim.codes))
        for code in range(len(dim.codes) - 1, 0, -1):
            size[dim.parent[code]] += size[code]
        return size

    def part_of(self, cells: IntArray) -> IntArray:
        """The parent in the longest dimension of each of ``cells``: boxes mostly stay among the children of one."""
        return self.long_dimension.parent[self.row[cells]].astype(np.int64)

    def subtree_of(self, cells: IntArray, most: int) -> IntArray:
        """A number for each of ``cells``: the largest subtree of the longest dimension with at most ``most`` cells.

        -1 for cells above all of these.
        """
        dim, size = self.long_dimension, self.cells_below()
        label, last = np.full(len(dim.codes), -1, dtype=np.int64), -1
        for code, parent in enumerate(dim.parent.tolist()):
            above = int(label[parent]) if parent >= 0 else -1
            if above < 0 and size[code] <= most:
                last += 1
                above = last
            label[code] = above
        return np.asarray(label[self.row[cells]], dtype=np.int64)

    def corners(self, cells: IntArray, found: Found) -> tuple[IntArray, IntArray, FloatArray]:
        """The boxes found for ``cells``, joined: position of the asked cell, cell of the table, and its sign."""
        row = self.row[cells]
        codes, signs = self._moves.codes[row, found.long], self._moves.signs[row, found.long]
        corner = self._slab_codes[self.column[cells], found.slab]
        sign = self._slab_signs[self.column[cells], found.slab]
        there = (codes >= 0)[:, :, None] & (corner < self._wide)[:, None, :]
        owner, step, place = np.nonzero(there)
        cell = self._cell_at[codes[owner, step], corner[owner, place]].astype(np.int64)
        change = (signs[owner, step] * sign[owner, place]).astype(np.float64)
        return owner, cell, change
