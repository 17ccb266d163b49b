"""Mortgages on 1 January 2016: on homes whose first owner is a person, as often as the type of *wijk* says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import OPEN, REFERENCE, WINDOW_START
from synthetic.dwellings import UNKNOWN
from synthetic.ownership import UNREGISTERED
from synthetic.randomness import Ints, pick, uniforms
from synthetic.town import Town
from synthetic.wijk_types import MORTGAGE_SHARES

MORTGAGE_KINDS = {"1": "annuïtair", "2": "lineair", "3": "aflossingsvrij", "4": "overig"}
_KIND_SHARES = [0.42, 0.08, 0.38, 0.12]


@dataclass(frozen=True, slots=True)
class Mortgages:
    """One mortgage per object at most; ``amount`` in whole euros."""

    object: Ints
    person: Ints
    amount: Ints
    since: Ints
    kind: Ints


def make_mortgages(town: Town, types: Ints) -> Mortgages:
    """A mortgage is 30 to 105 % of the value of 2016; only the type of *wijk* decides whether there is one."""
    objects, place = town.objects, town.place
    owner = town.ownership.owners_at(REFERENCE)[0]
    mortgageable = (objects.kind > 0) & (objects.end == OPEN) & (objects.tenure != UNKNOWN)
    mortgageable &= (owner >= 0) & (owner < UNREGISTERED)
    u = uniforms(town.seed, "mortgage/what", place.first_id, objects.count, 4)
    share = MORTGAGE_SHARES[types[town.areas.wijk[objects.buurt]]]
    rows = np.flatnonzero(mortgageable & (u[:, 0] < share))
    value = np.where(objects.woz[rows, 4] > 10**9, 200_000, objects.woz[rows, 4])
    since = WINDOW_START + np.floor((REFERENCE - WINDOW_START) * np.sqrt(u[rows, 2])).astype(np.int64)
    return Mortgages(
        object=rows,
        person=owner[rows],
        amount=(np.rint(value * (0.30 + 0.75 * u[rows, 1]) / 500) * 500).astype(np.int64),
        since=np.maximum(since, objects.start[rows]),
        kind=1 + pick(u[rows, 3], _KIND_SHARES),
    )
