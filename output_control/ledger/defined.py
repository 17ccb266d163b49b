"""Columns that are defined by others: which combinations nobody can be in is then known from titles and labels.

"A or B", "how many of A, B and C", "adults and children": who reads what the columns mean knows that nobody is in A and
not in "A or B". Only the data tell the gate so. A column counts as defined by others where each of their combinations
has one code of it; and a combination as telling a code where so many units would hardly agree by chance. What is
wrongly held defined makes the attacker know more than he does, and no less safe.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from output_control.tables.table import BoolArray, FloatArray, IntArray

LEAST_UNITS = 2.0  # per combination of what defines a column: with fewer nearly each is one unit, which always agrees
CHANCE = 1e-3
MOST_COLUMNS = 40
MOST_KEYS = 1 << 62


def known_empty(atoms: IntArray, units: IntArray, empty: IntArray) -> BoolArray:
    """Which rows of ``empty`` nobody can be in, by what the columns mean.

    ``atoms`` (atoms × columns) are the combinations of codes that hold units, ``units`` how many; ``empty`` (rows ×
    columns) are combinations that hold none.
    """
    found = np.zeros(len(empty), dtype=np.bool_)
    if len(atoms) and len(empty):
        coded, cut = _distinct(atoms, empty)
        columns = _Columns(coded[:cut], units)
        for told in columns.told():
            found |= told.contradicted(coded[cut:])
    return found


def _distinct(atoms: IntArray, empty: IntArray) -> tuple[IntArray, int]:
    """Codes from 0 on of the columns that cut the atoms, those that cut alike once, those of few codes first; and how
    many rows of them are atoms."""
    both, cut = np.concatenate([atoms, empty]), len(atoms)
    columns: dict[bytes, IntArray] = {}
    for column in both.T:
        code = np.unique(column, return_inverse=True)[1].reshape(-1).astype(np.int64)
        _, first, place = np.unique(code, return_index=True, return_inverse=True)
        alike = first[place.reshape(-1)]  # the same for columns that differ by the names of their codes alone
        if alike[:cut].any():
            columns.setdefault(alike.tobytes(), code)
    kept = sorted(columns.values(), key=lambda code: int(code.max()))[:MOST_COLUMNS]
    return np.array(kept, dtype=np.int64).reshape(len(kept), len(both)).T, cut


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """``codes`` (combinations × columns): what a combination of columns ``by`` tells of each, -1: nothing. ``key``:
    the combinations, as numbers that grow, of codes below ``sizes``."""

    by: tuple[int, ...]
    sizes: tuple[int, ...]
    key: IntArray
    codes: IntArray

    def contradicted(self, rows: IntArray) -> BoolArray:
        """Which rows have another code than their combination tells."""
        key = _joint(rows, self.by, self.sizes)
        at = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        said = self.codes[at]
        other: BoolArray = ((said >= 0) & (said != rows)).any(axis=1) & (self.key[at] == key)
        return other


class _Columns:
    """The codes of atoms in columns that differ from each other, with the units of each atom."""

    def __init__(self, codes: IntArray, units: IntArray) -> None:
        self._codes, self._units = codes, units.astype(np.float64)
        self._sizes = tuple((codes.max(axis=0) + 1).tolist())
        number = codes.shape[1]
        self._log_share = {(y, x): self._share(y, x) for y in range(number) for x in range(number) if x != y}

    def _share(self, y: int, x: int) -> FloatArray:
        """Logarithm of the share of each code of ``x`` among the units of each code of ``y``."""
        sizes = self._sizes[y], self._sizes[x]
        joint = self._codes[:, y] * sizes[1] + self._codes[:, x]
        count = np.bincount(joint, weights=self._units, minlength=sizes[0] * sizes[1]).reshape(sizes)
        with np.errstate(divide="ignore", invalid="ignore"):
            share: FloatArray = np.log(count / count.sum(axis=1, keepdims=True))
        return share

    def told(self) -> Iterator[_Told]:
        """By each two columns; and, of each column that more than two define, by the fewest."""
        number = self._codes.shape[1]
        for by in combinations(range(number), 2):
            yield self._told(by, [at for at in range(number) if at not in by], by_chance=True)
        for at in range(number):
            fewest = self._fewest(at)
            if len(fewest) > 2 and math.prod(self._sizes[other] + 1 for other in fewest) < MOST_KEYS:
                yield self._told(fewest, [at], by_chance=False)

    def _told(self, by: tuple[int, ...], columns: list[int], *, by_chance: bool) -> _Told:
        sizes = tuple(self._sizes[at] for at in by)
        key, first, group = np.unique(_joint(self._codes, by, sizes), return_index=True, return_inverse=True)
        held = np.bincount(group.reshape(-1), weights=self._units)
        codes = np.full((len(key), self._codes.shape[1]), -1, dtype=np.int64)
        often = held.sum() >= LEAST_UNITS * len(key)
        for at in columns:
            code = self._codes[first, at]
            same = np.ones(len(key), dtype=np.bool_)
            same[group.reshape(-1)[self._codes[:, at] != code[group.reshape(-1)]]] = False
            if not often or np.count_nonzero(same) < len(same):
                if not by_chance:
                    continue
                log = np.max([self._log_share[y, at][self._codes[first, y], code] for y in by], axis=0)
                same &= log * held < np.log(CHANCE)
            codes[same, at] = code[same]
        return _Told(by, sizes, key, codes)

    def _fewest(self, at: int) -> tuple[int, ...]:
        """Columns that together, but none alone, define column ``at``; those of many codes are done without first."""
        by = [other for other in range(self._codes.shape[1]) if other != at and not self._define((other,), at)]
        if not self._define(tuple(by), at):
            return ()
        for other in sorted(by, key=lambda column: -self._sizes[column]):
            rest = [column for column in by if column != other]
            if self._define(tuple(rest), at):
                by = rest
        return tuple(by)

    def _define(self, by: tuple[int, ...], at: int) -> bool:
        """Whether each combination of ``by`` has one code of column ``at``."""
        if not by:
            return False
        combined = np.unique(self._codes[:, list(by)], axis=0, return_inverse=True)[1].reshape(-1)
        low, high = np.full(len(combined), self._sizes[at]), np.full(len(combined), -1)
        np.minimum.at(low, combined, self._codes[:, at])
        np.maximum.at(high, combined, self._codes[:, at])
        return bool((low >= high)[np.unique(combined)].all())


def _joint(rows: IntArray, by: tuple[int, ...], sizes: tuple[int, ...]) -> IntArray:
    """One number per row for its combination of columns ``by``."""
    key = np.zeros(len(rows), dtype=np.int64)
    for at, size in zip(by, sizes, strict=True):
        key = key * (size + 1) + np.minimum(rows[:, at], size)
    return key
