"""Establishments by branch and *buurt*, with hot spots of a branch (B1): three times the national share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import Texts
from synthetic.identifiers import record_number
from synthetic.randomness import Floats, Ints, pick, uniforms
from synthetic.town import Town

PER_PERSON = 0.13  # 2.28 million in the Netherlands (domain.md, section 3)
QUOTIENT, LEAST_EXPECTED = 3.0, 5.0
BRANCHES = (
    "47710", "56101", "56300", "96021", "45204", "68100", "70221", "41200", "49320", "81210",
    "47111", "43220", "62010", "69101", "86919", "85519", "74101", "46900", "01131", "93130",
)  # fmt: skip
_SHARES = np.array([7, 6, 4, 6, 4, 4, 9, 8, 3, 4, 4, 5, 8, 4, 6, 4, 5, 4, 2, 3], dtype=np.float64)
_HOT_BRANCHES = 10  # the first ten may be hot somewhere; their own hot spots raise their national share
_PERSONS_PER_SPOT = 4_200  # twelve at 50,000 persons


@dataclass(frozen=True, slots=True)
class Establishments:
    """Establishments, and the hot spots: *buurt* and branch, as positions."""

    number: Texts
    firm: Ints
    branch: Ints
    buurt: Ints
    workers: Ints
    hot_buurt: Ints
    hot_branch: Ints


def make_establishments(town: Town) -> Establishments:
    """In a hot spot exactly three times as many as expected; elsewhere branches by their shares, area by area alike."""
    place = town.place
    count = round(place.persons * PER_PERSON)
    u = uniforms(town.seed, "establishment/basic", place.first_id, count, 5)
    at = (u[:, 0] * town.objects.homes).astype(np.int64)
    buurt = town.objects.buurt[at]
    branch = pick(u[:, 1], list(_SHARES))
    hot_buurt, hot_branch = _spots(town, np.bincount(buurt, minlength=place.buurten))
    branch = _heated(branch, buurt, hot_buurt, hot_branch, u[:, 2])
    return Establishments(
        number=record_number(town.seed, "establishment", place.first_id + np.arange(count)),
        firm=(u[:, 3] * town.entities.count).astype(np.int64),
        branch=branch,
        buurt=buurt,
        workers=1 + np.floor(1.0 / u[:, 4] ** 0.7 - 1.0).clip(0, 900).astype(np.int64),
        hot_buurt=hot_buurt,
        hot_branch=hot_branch,
    )


def national_shares() -> Floats:
    """Expected national share per branch, hot spots counted in: share × (1 − f) ÷ (1 − 3f) with f the part that is hot.

    f is a tenth (ten branches) of the hot spots per *buurt*: 4,200 persons a spot, 1,150 persons a *buurt*.
    """
    plain: Floats = _SHARES / _SHARES.sum()
    hot = 1_150 / _PERSONS_PER_SPOT / _HOT_BRANCHES
    raised = np.where(np.arange(len(plain)) < _HOT_BRANCHES, (1 - hot) / (1 - QUOTIENT * hot), 1.0)
    shares: Floats = plain * raised / (plain * raised).sum()
    return shares


def _spots(town: Town, sizes: Ints) -> tuple[Ints, Ints]:
    """The *buurten* with the highest draw, one branch each; only where five or more are expected."""
    place = town.place
    u = uniforms(town.seed, "establishment/hot", place.first_id, place.buurten, 2)
    shares = national_shares()
    branch = (u[:, 1] * _HOT_BRANCHES).astype(np.int64)
    enough = np.flatnonzero(sizes * shares[branch] >= LEAST_EXPECTED * 1.2)
    chosen = np.sort(
        enough[np.argsort(u[enough, 0], kind="stable")[: max(1, round(place.persons / _PERSONS_PER_SPOT))]]
    )
    return chosen.astype(np.int64), branch[chosen]


def _heated(branch: Ints, buurt: Ints, hot_buurt: Ints, hot_branch: Ints, u: Floats) -> Ints:
    """Bring each hot spot to its exact number: others become the branch, or some of the branch become others."""
    out = branch.copy()
    shares = national_shares()
    for area, kind in zip(hot_buurt.tolist(), hot_branch.tolist(), strict=True):
        rows = np.flatnonzero(buurt == area)
        wanted = int(np.ceil(QUOTIENT * len(rows) * shares[kind]))
        # who has the branch comes first, then the others in a random order
        order = rows[np.lexsort((u[rows], branch[rows] != kind))]
        out[order[:wanted]] = kind
        surplus = order[wanted:][branch[order[wanted:]] == kind]
        out[surplus] = (kind + 1 + (u[surplus] * (len(BRANCHES) - 1)).astype(np.int64)) % len(BRANCHES)
    return out
