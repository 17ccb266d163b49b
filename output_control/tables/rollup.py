"""Cells that add up: from the leaves of every dimension to all cells above them, with the largest contributions.

Only where no unit is counted twice. All numbers are whole, so nothing depends on an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from output_control.tables.table import Dimension, IntArray

LARGEST = 3
NOBODY = -1


@dataclass(frozen=True, slots=True, eq=False)
class Tallies:
    """Per cell: whole-number sums (cells × columns) and the `LARGEST` contributions with their units.

    ``cell`` is the position in the cross product. ``top`` and ``top_unit`` are cells × rankings × `LARGEST`; ``top``
    falls, equal contributions by the larger unit first; where there are fewer units, both are `NOBODY`.
    """

    cell: IntArray
    sums: IntArray
    top: IntArray
    top_unit: IntArray

    @staticmethod
    def of(parts: Sequence[Tallies]) -> Tallies:
        """All rows of ``parts``, in rising order of the cells."""
        cell = np.concatenate([part.cell for part in parts])
        order = np.argsort(cell, kind="stable")
        return Tallies(
            cell[order],
            np.concatenate([part.sums for part in parts])[order],
            np.concatenate([part.top for part in parts])[order],
            np.concatenate([part.top_unit for part in parts])[order],
        )

    def added(self) -> Tallies:
        """One row per cell, rows in rising order; no unit may be in two rows of a cell."""
        fresh = np.r_[True, self.cell[1:] != self.cell[:-1]] if len(self.cell) else np.zeros(0, dtype=np.bool_)
        start = np.flatnonzero(fresh)
        if len(start) == len(self.cell):
            return self
        count = np.diff(np.r_[start, len(self.cell)])
        top, owner = self.top[start], self.top_unit[start]
        # most cells have one row, whose ranking stands
        merged = np.flatnonzero(count > 1)
        rows = np.repeat(count > 1, count)
        top[merged], owner[merged] = _largest(count[merged], self.top[rows], self.top_unit[rows])
        return Tallies(self.cell[start], np.add.reduceat(self.sums, start, axis=0), top, owner)

    def only(self, keep: npt.NDArray[np.bool_]) -> Tallies:
        """Some of the cells."""
        return Tallies(self.cell[keep], self.sums[keep], self.top[keep], self.top_unit[keep])


def roll_up(rows: Tallies, alone_from: IntArray, dims: Sequence[Dimension], guide: int) -> Tallies:
    """Every cell, from rows that are leaves (``alone_from`` ≥ 0) or finished cells (-1).

    A leaf counts in the cells above it whose code in dimension ``guide`` lies on level ``alone_from`` or below; within
    these no unit may be in two leaves of a cell.
    """
    strides = [int(np.prod([len(dim.codes) for dim in dims[i + 1 :]], dtype=np.int64)) for i in range(len(dims))]
    leaves = [(level, rows.only(alone_from == level)) for level in range(dims[guide].levels)]
    found = Tallies.of([_along(part, dims[guide], strides[guide], level) for level, part in leaves]).added()
    for i, dim in enumerate(dims):
        if i != guide:
            found = _along(found, dim, strides[i], 0)
    return Tallies.of([found, rows.only(alone_from < 0)]).added()


def _along(found: Tallies, dim: Dimension, stride: int, until: int) -> Tallies:
    """The cells above along one dimension up to a level, one level at a time, so that each is added up once."""
    depth = dim.depth[found.cell // stride % len(dim.codes)]
    layers = [found.only(depth == level) for level in range(dim.levels)]
    for level in range(dim.levels - 1, until, -1):
        layers[level - 1] = Tallies.of([layers[level - 1], _lifted(layers[level], dim, stride)]).added()
    return Tallies.of(layers)


def _lifted(layer: Tallies, dim: Dimension, stride: int) -> Tallies:
    code = layer.cell // stride % len(dim.codes)
    return Tallies(
        layer.cell + (dim.parent[code].astype(np.int64) - code) * stride, layer.sums, layer.top, layer.top_unit
    )


def _largest(count: IntArray, top: IntArray, unit: IntArray) -> tuple[IntArray, IntArray]:
    """The largest contributions of each group among those of its rows; ``count`` rows that follow each other each."""
    ranked, owner = (np.empty((len(count), *top.shape[1:]), dtype=np.int64) for _ in range(2))
    count = count * LARGEST
    start = np.cumsum(count) - count
    for ranking in range(top.shape[1]):
        amount, who = top[:, ranking].reshape(-1), unit[:, ranking].reshape(-1)
        for place in range(LARGEST):
            most = np.maximum.reduceat(amount, start)
            tied = amount == np.repeat(most, count)
            last = np.maximum.reduceat(np.where(tied, who, NOBODY), start)
            ranked[:, ranking, place], owner[:, ranking, place] = most, last
            taken = tied & (who == np.repeat(last, count))
            amount, who = np.where(taken, NOBODY, amount), np.where(taken, NOBODY, who)
    return ranked, owner
