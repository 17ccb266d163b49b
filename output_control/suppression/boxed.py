"""Proving and serving targets by boxes: the vectorised first choice, before any LP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from output_control.suppression.boxes import Boxes, Found
from output_control.suppression.problem import Problem, Target
from output_control.suppression.search import Search
from output_control.tables.table import FloatArray, IntArray

WIDEST = 8
ROUNDS = 40


def certify_by_boxes(search: Search, targets: Sequence[Target]) -> None:
    """Prove what boxes of hidden cells prove."""
    _offer(search, targets, search.problem.by_cell(np.where(search.hidden, 0.0, np.inf)), free=True)


def serve_by_boxes(search: Search) -> None:
    """Hide the cheapest box of each open target, the cheapest first and one per part of the table at a time.

    What is hidden for one serves its neighbours, so all prices are looked up again after each round.
    """
    for _ in range(ROUNDS):
        targets = search.proof.open_targets()
        if not targets:
            return
        problem = search.problem
        price = np.where(search.hidden, 0.0, np.where(problem.keep, np.inf, problem.cost))
        if not _offer(search, targets, problem.by_cell(price), free=False):
            return


def _offer(search: Search, targets: Sequence[Target], price: FloatArray, *, free: bool) -> int:
    """Take boxes for ``targets``: all that cost nothing, or the cheapest of each part; returns how many."""
    boxes = search.problem.boxes
    asked = [target for target in targets if target.plain and not target.met]
    if boxes is None or not asked:
        return 0
    cells = search.problem.first_cell[[target.cell for target in asked]]
    best = _cheapest(boxes, asked, cells, price)
    taken = np.flatnonzero(best.price == 0) if free else _one_per_part(boxes, cells, best)
    _credit(search, [asked[i] for i in taken.tolist()], cells[taken], best.at(taken))
    return len(taken)


def _cheapest(boxes: Boxes, asked: Sequence[Target], cells: IntArray, price: FloatArray) -> Found:
    """The cheapest box per target over the ways to split a width into a rise and a fall."""
    up, down, width = (np.array([getattr(target, name) for target in asked]) for name in ("up", "down", "width"))
    best = Found.nothing(len(asked))
    for share in _splits(float(width.max(initial=0)), integral=boxes.table.integral):
        falling = np.maximum(up, width - share if boxes.table.integral else width * (1 - share))
        rising = np.maximum(down, np.minimum(share, width) if boxes.table.integral else width * share)
        best.improve(boxes.cheapest(cells, falling, rising, price))
    return best


def _splits(widest: float, *, integral: bool) -> list[float]:
    """How much of a width is to be had by falling: nothing first, everything last."""
    if not widest:
        return [0.0]
    if integral and widest == 1:
        return [0.0]
    return [float(part) for part in range(int(widest) + 1)] if integral and widest <= WIDEST else [0.0, 1.0]


def _one_per_part(boxes: Boxes, cells: IntArray, best: Found) -> IntArray:
    """Of each part of the longest dimension (one parent's children) the cheapest box that there is."""
    there = np.flatnonzero(np.isfinite(best.price))
    order = there[np.lexsort((cells[there], best.price[there]))]
    part = boxes.part_of(cells[order])
    return np.asarray(order[np.sort(np.unique(part, return_index=True)[1])], dtype=np.int64)


def _credit(search: Search, targets: Sequence[Target], cells: IntArray, found: Found) -> None:
    """Hide the boxes and store them as witnesses."""
    problem: Problem = search.problem
    boxes = problem.boxes
    if boxes is None or not targets:
        return
    owner, cell, sign = boxes.corners(cells, found)
    group = problem.group[cell]
    search.hidden[group] = True
    cut = np.searchsorted(owner, np.arange(1, len(targets)))
    for target, groups, signs in zip(targets, np.split(group, cut), np.split(sign, cut), strict=True):
        moving, first = np.unique(groups, return_index=True)
        search.proof.take_box(target, moving, signs[first])
