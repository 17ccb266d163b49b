"""Merging neighbouring classes until each holds enough distinct units, in every class of outcome that is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from output_control.tables.table import BoolArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Rows that are counted apart (with the event, censored); ``none_is_fine``: a class without any is published."""

    rows: BoolArray
    none_is_fine: bool = False


def merge_classes(place: IntArray, classes: int, unit: IntArray, counted: Sequence[Counted], need: int) -> IntArray:
    """The merged class of each of ``classes`` classes, numbered from 0; empty when even all together are too few.

    ``place`` is the class of each row. Classes are closed from the first to the last as soon as each of ``counted``
    has ``need`` distinct units; what is left over joins the class before it.
    """
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(classes + 1))
    units_of = [
        [np.unique(unit[rows[each.rows[rows]]]) for each in counted]
        for rows in (order[low:high] for low, high in pairwise(bounds.tolist()))
    ]

    def enough(members: Sequence[int]) -> bool:
        for position, each in enumerate(counted):
            parts = [units_of[member][position] for member in members]
            distinct = len(np.unique(np.concatenate(parts)))
            if distinct < need and not (each.none_is_fine and distinct == 0):
                return False
        return True

    groups = _close(range(classes), enough)
    merged = np.zeros(classes, dtype=np.int64)
    for number, members in enumerate(groups):
        merged[list(members)] = number
    return merged if groups else np.zeros(0, dtype=np.int64)


def _close(classes: range, enough: Callable[[Sequence[int]], bool]) -> list[list[int]]:
    groups: list[list[int]] = []
    open_group: list[int] = []
    for position in classes:
        open_group.append(position)
        if enough(open_group):
            groups.append(open_group)
            open_group = []
    while open_group and groups:
        open_group = groups.pop() + open_group
        if enough(open_group):
            groups.append(open_group)
            open_group = []
    return groups


def merged_from(merged: IntArray) -> IntArray:
    """How many of the classes that were asked for each merged class holds."""
    return np.bincount(merged)


def first_of(merged: IntArray) -> IntArray:
    """Position of the first class of each merged class."""
    return np.flatnonzero(np.r_[True, np.diff(merged) > 0])


def last_of(merged: IntArray) -> IntArray:
    """Position of the last class of each merged class."""
    return np.flatnonzero(np.r_[np.diff(merged) > 0, True])
