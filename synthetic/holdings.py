"""Holdings (*ondernemingengroepen*): which firms belong together, since when, with bait for output control.

Every firm lies in one holding, most of them alone in theirs. Baited cells are *buurt* × branch of the register of
establishments, so that nothing else has to move: only who belongs to whom is planted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import OPEN, REFERENCE, Texts
from synthetic.establishments import BRANCHES, Establishments
from synthetic.identifiers import record_number
from synthetic.randomness import Ints, pick, uniforms
from synthetic.town import Town

BAIT = ("one_holding", "dominant_holding", "many_holdings")
LEAST_UNITS = 12  # beyond the minimum frequency of every shipped policy
DOMINANT, LARGEST_FIRM = 0.6, 0.4
_COMPANY = 2  # NV or BV, as a position among the legal forms
_GROUPED, _TAKEN_OVER = 0.35, 0.15
_SIZE_SHARES = (0.5, 0.25, 0.12, 0.08, 0.05)  # two members, three …


@dataclass(frozen=True, slots=True)
class Holdings:
    """Spells of firms in holdings, ordered by firm and day, and the baited cells (``bait``: positions in `BAIT`)."""

    number: Texts
    firm: Ints
    since: Ints
    until: Ints
    bait: Ints
    bait_buurt: Ints
    bait_branch: Ints


@dataclass(frozen=True, slots=True)
class _Cell:
    """The firms of one *buurt* × branch, by their workers there, largest first."""

    key: int
    firm: Ints
    workers: Ints


def make_holdings(town: Town, found: Establishments) -> Holdings:
    """The group of each firm, and the spells that lead there; a firm that was taken over was in another before."""
    place, firms = town.place, town.entities
    u = uniforms(town.seed, "holding/firm", place.first_id, firms.count, 5)
    cells = list(_cells(found))
    group = np.full(firms.count, -1, dtype=np.int64)
    baited = _bait(cells, group)
    free = np.flatnonzero((firms.form == _COMPANY) & (group < 0) & (u[:, 0] < _GROUPED))
    free = free[np.argsort(u[free, 1], kind="stable")]
    sizes = 2 + pick(uniforms(town.seed, "holding/size", place.first_id, firms.count)[:, 0], list(_SIZE_SHARES))
    edges = np.cumsum(sizes[: len(free)])
    edges = edges[edges <= len(free)]  # who is left over stays alone
    planted, whole = len(baited), int(edges[-1]) if len(edges) else 0
    group[free[:whole]] = planted + np.searchsorted(edges, np.arange(whole), side="right")
    groups = planted + len(edges)
    alone = groups + np.arange(firms.count)
    grouped = np.flatnonzero(group >= 0)
    other = (group[grouped] + 1 + (u[grouped, 2] * max(groups - 1, 1)).astype(np.int64)) % max(groups, 1)
    taken_over = (u[grouped, 3] < _TAKEN_OVER) & (other != group[grouped])
    since = firms.start.copy()
    since[grouped] += 1 + np.floor((REFERENCE - 31 - firms.start[grouped]) * u[grouped, 4]).astype(np.int64)
    firm = np.concatenate([grouped, np.arange(firms.count)])
    holding = np.concatenate([np.where(taken_over, other, alone[grouped]), np.where(group >= 0, group, alone)])
    start = np.concatenate([firms.start[grouped], since])
    end = np.concatenate([since[grouped] - 1, np.full(firms.count, OPEN)])
    order = np.lexsort((start, firm))
    many = _many(cells, np.where(group >= 0, group, alone), {cell.key for _, cell in baited})
    told = [*baited, *many]
    keys = np.array([cell.key for _, cell in told], dtype=np.int64)
    return Holdings(
        number=record_number(town.seed, "holding", place.first_id + holding[order]),
        firm=firm[order],
        since=start[order],
        until=end[order],
        bait=np.array([BAIT.index(kind) for kind, _ in told], dtype=np.int64),
        bait_buurt=keys // len(BRANCHES),
        bait_branch=keys % len(BRANCHES),
    )


def _cells(found: Establishments) -> Iterator[_Cell]:
    """Cells with enough firms, in order."""
    cell = found.buurt * len(BRANCHES) + found.branch
    pairs, which = np.unique(np.stack([cell, found.firm], axis=1), axis=0, return_inverse=True)
    workers = np.bincount(which.reshape(-1), weights=found.workers).astype(np.int64)
    order = np.lexsort((pairs[:, 1], -workers, pairs[:, 0]))
    pairs, workers = pairs[order], workers[order]
    keys, start, size = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    for key, at, count in zip(keys.tolist(), start.tolist(), size.tolist(), strict=True):
        if count >= LEAST_UNITS:
            yield _Cell(key, pairs[at : at + count, 1], workers[at : at + count])


def _bait(cells: list[_Cell], group: Ints) -> list[tuple[str, _Cell]]:
    """Plant a cell whose firms are all of holding 0, and one whose largest firms, each safe by itself, are of holding
    1; what a small municipality has no cell for is left out."""
    told: list[tuple[str, _Cell]] = []
    smallest = sorted(cells, key=lambda cell: (len(cell.firm), cell.key))
    for cell in smallest[:1]:
        group[cell.firm] = 0
        told.append((BAIT[0], cell))
    for cell in smallest[1:]:
        share = np.cumsum(cell.workers) / cell.workers.sum()
        members = int(np.argmax(share > DOMINANT)) + 1
        apart = not (group[cell.firm] == 0).any() and len(cell.firm) - members >= LEAST_UNITS
        if apart and share[0] <= LARGEST_FIRM:
            group[cell.firm[:members]] = 1
            told.append((BAIT[1], cell))
            break
    return told


def _many(cells: list[_Cell], holding: Ints, taken: set[int]) -> list[tuple[str, _Cell]]:
    """The decoy: of the other cells that with the most holdings, when these are enough."""
    free = [(len(np.unique(holding[cell.firm])), -cell.key, cell) for cell in cells if cell.key not in taken]
    most = max(free, key=lambda each: each[:2], default=None)
    return [(BAIT[2], most[2])] if most is not None and most[0] >= LEAST_UNITS else []
