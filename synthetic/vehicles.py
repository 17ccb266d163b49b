"""Vehicles of persons on 1 January 2016, with the bait that output control must catch.

Baited cells are *buurt* × kind of vehicle, in the largest *buurt* of each municipality; the kinds occur elsewhere too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import Texts, day
from synthetic.identifiers import record_number
from synthetic.randomness import Bools, Ints, normals, pick, poisson, uniforms
from synthetic.town import Town
from synthetic.wijk_types import VAN_SHARES

VEHICLE_KINDS = {
    "1": "personenauto",
    "2": "bestelauto",
    "3": "motorfiets",
    "5": "kampeerauto",
    "6": "vrachtauto",
    "7": "landbouwtrekker",
    "8": "taxi",
    "9": "oplegger",
}
FUELS = {"B": "benzine", "D": "diesel", "E": "elektriciteit"}
BAIT_KINDS = {5: "group_95", 6: "dominant_60", 7: "one_unit", 8: "one_holder_twelve", 9: "differencing"}
_HOLDERS = 20
_PRICES = np.array([0, 24_000, 28_000, 11_000, 0, 62_000, 95_000, 48_000, 31_000, 27_000])


@dataclass(frozen=True, slots=True)
class Vehicles:
    """Vehicles in order of holder; ``bait_buurt`` is −1 where a municipality is too small for bait."""

    number: Texts
    person: Ints
    kind: Ints
    fuel: Texts
    price: Ints
    built: Ints
    bait_buurt: int


def make_vehicles(town: Town, types: Ints) -> Vehicles:
    """0.6 vehicles per adult; vans by the type of *wijk*; then the baited cells."""
    persons, place = town.persons, town.place
    buurt = town.objects.buurt[town.occupancy.at(2016)][persons.household]
    u = uniforms(town.seed, "vehicle/count", place.first_id, persons.count)[:, 0]
    adult = persons.birth <= day(1998)
    count = poisson(u, np.where(adult, 0.6, 0.0), 5)
    person = np.repeat(np.arange(persons.count), count)
    rank = np.arange(len(person)) - np.repeat(np.cumsum(count) - count, count)
    v = uniforms(town.seed, "vehicle/what", place.first_id * 5, persons.count * 5, 4)[person * 5 + rank]
    noise = normals(town.seed, "vehicle/price", place.first_id * 5, persons.count * 5)[person * 5 + rank, 0]
    van = v[:, 0] < VAN_SHARES[types[town.areas.wijk[buurt[person]]]]
    kind = np.where(
        van, 2, np.array([1, 3, 5, 6, 7, 8, 9])[pick(v[:, 1], [0.90, 0.05, 0.02, 0.01, 0.01, 0.005, 0.005])]
    )
    fuel = np.where(kind == 1, pick(v[:, 2], [0.78, 0.19, 0.03]), 1)
    price = np.rint(_PRICES[kind] * np.exp(0.4 * noise)).astype(np.int64)
    built = 2015 - np.floor(18 * v[:, 3]).astype(np.int64)
    rows = np.stack([person, kind, fuel, price, built], axis=1)
    rows, bait_buurt = _baited(town, rows, buurt, adult)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return Vehicles(
        number=record_number(town.seed, "vehicle", place.first_id + np.arange(len(rows))),
        person=rows[:, 0],
        kind=rows[:, 1],
        fuel=np.array([b"B", b"D", b"E"])[rows[:, 2]],
        price=rows[:, 3],
        built=rows[:, 4],
        bait_buurt=bait_buurt,
    )


def _baited(town: Town, rows: Ints, buurt: Ints, adult: Bools) -> tuple[Ints, int]:
    """Kinds 5 – 9 of the largest *buurt* are replaced by exact cells of at most twenty holders."""
    area = int(np.argmax(np.bincount(buurt[adult], minlength=town.place.buurten)))
    u = uniforms(town.seed, "vehicle/bait", town.place.first_id, len(buurt), 1)[:, 0]
    living = np.flatnonzero(adult & (buurt == area))
    holders = living[np.argsort(u[living], kind="stable")[:_HOLDERS]]
    if len(holders) < _HOLDERS:
        return rows, -1
    kept = rows[~((buurt[rows[:, 0]] == area) & (rows[:, 1] >= 5))]
    one = np.arange(_HOLDERS) == 0
    diesel, plain, built = np.ones(_HOLDERS, np.int64), np.full(_HOLDERS, 20_000), np.full(_HOLDERS, 2010)
    five, six, nine = (np.full(_HOLDERS, kind) for kind in (5, 6, 9))
    cells = [
        # 19 of 20 drive on diesel
        np.stack([holders, five, np.where(one, 0, diesel), 3 * plain, built], axis=1),
        # 589,000 of 969,000 is 60.8 %
        np.stack([holders, six, diesel, np.where(one, 589_000, plain), built], axis=1),
        np.array([[holders[0], 7, 1, 48_000, 2010]]),
        np.stack([np.repeat(holders[:1], 12), np.full(12, 8), diesel[:12], plain[:12], built[:12]], axis=1),
        # all, and all built before 2015, differ by one holder
        np.stack([holders, nine, diesel, plain, np.where(one, 2015, built)], axis=1),
    ]
    return np.concatenate([kept, *cells]).astype(np.int64), area
