"""Deeds 1996 – 2015 and owners of every object.

Owner-occupied homes pass to the household that moves in; let homes pass between landlords; frailty (gamma, shape 2)
makes some change hands often. Planted on top: pass-through homes (5 – 30 changes) and decoys that resemble them. An
owner is a number: persons by position, unregistered persons from ``UNREGISTERED``, entities from ``ENTITY``, nobody −1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from synthetic.calendar_days import REFERENCE, WINDOW_START, day
from synthetic.dwellings import CORPORATION, OWN, PRIVATE, UNKNOWN, Objects
from synthetic.entities import CORPORATIONS
from synthetic.households import CHILD, Households, Persons
from synthetic.occupancy import Occupancy
from synthetic.plan import Municipality
from synthetic.randomness import Bools, Floats, Ints, gamma_shape_two, pick, poisson, uniforms
from synthetic.setting import Setting

UNREGISTERED = 1 << 30
ENTITY = 1 << 31
NOBODY = -1
_DRAWS = 32
_YEAR = 365.2425
_MOST_PLANTED = 30
_DRAWN, _OCCUPANT = 0, 2  # where a row of deeds comes from: drawn, planted same owner (1), move into an own home


class DeedType(IntEnum):
    """Order as in ``DEED_TYPES``."""

    SALE = 0
    NEW_BUILD = 1
    INHERITANCE = 2
    DIVORCE = 3
    INTRA_GROUP = 4


DEED_TYPES = ("sale", "new_build", "inheritance", "divorce", "intra_group")


class Planted(IntEnum):
    """What was planted at an object, for the truth table."""

    NATURAL = 0
    PASS_THROUGH = 1
    FOUR_CHANGES = 2
    SAME_DAY = 3
    INHERITANCE_CHAIN = 4
    SAME_OWNER = 5


@dataclass(frozen=True, slots=True)
class Deeds:
    """Deeds in order of object, day and sequence (1 …, within the day)."""

    object: Ints
    day: Ints
    sequence: Ints
    type: Ints
    first: Ints
    second: Ints
    price: Ints

    @property
    def count(self) -> int:
        """Number of deeds."""
        return len(self.object)


@dataclass(frozen=True, slots=True)
class Ownership:
    """All deeds, the owners before the first of them, and what was planted where."""

    deeds: Deeds
    before_first: Ints
    before_second: Ints
    planted: Ints

    def owners_at(self, moment: int) -> tuple[Ints, Ints]:
        """First and second owner of every object on the morning of a day."""
        earlier = np.flatnonzero(self.deeds.day < moment)
        first, second = self.before_first.copy(), self.before_second.copy()
        # deeds stand in order, so the last assignment per object is the latest deed
        first[self.deeds.object[earlier]] = self.deeds.first[earlier]
        second[self.deeds.object[earlier]] = self.deeds.second[earlier]
        return first, second


@dataclass(frozen=True, slots=True)
class _Market:
    """What the drawing of deeds needs to know about one municipality."""

    seed: int
    place: Municipality
    objects: Objects
    adults: Ints
    landlords: Ints


def make_ownership(setting: Setting, occupancy: Occupancy) -> Ownership:
    """Deeds and owners of one municipality."""
    homes, persons, objects = setting.homes, setting.persons, setting.objects
    market = _market(setting.seed, setting.place, persons, objects)
    since, occupant = _first_occupants(homes, objects, occupancy)
    planted = _plant(setting, since)
    past = _past_deeds(market, planted, since)
    moved = _move_in_deeds(market, homes, persons, occupancy)
    rows = np.concatenate([past, moved])
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
    rows = _without_repeats(rows, market.adults, planted)
    rows[:, 2] = _sequence(rows)
    before_first, before_second = _before(market, homes, persons, occupant)
    return Ownership(
        deeds=_as_deeds(market, rows),
        before_first=before_first,
        before_second=before_second,
        planted=planted,
    )


def _as_deeds(market: _Market, rows: Ints) -> Deeds:
    thing, of_day, sequence, type_, first, second = rows[:, :6].T.copy()
    return Deeds(thing, of_day, sequence, type_, first, second, _prices(market, rows))


def _market(seed: int, place: Municipality, persons: Persons, objects: Objects) -> _Market:
    """Buyers of the past are today's inhabitants who were adults in 1996; of the few landlords some own many homes."""
    adults = np.flatnonzero(persons.birth < day(1978))
    lets = int((objects.tenure == PRIVATE).sum())
    u = uniforms(seed, "landlord/who", place.first_id, max(4, lets), 2)
    person = adults[(u[:, 0] * len(adults)).astype(np.int64)]
    firm = ENTITY + CORPORATIONS + (u[:, 0] * (place.entities - CORPORATIONS)).astype(np.int64)
    return _Market(seed, place, objects, adults, np.where(u[:, 1] < 0.5, person, firm))


def _first_occupants(homes: Households, objects: Objects, occupancy: Occupancy) -> tuple[Ints, Ints]:
    """Per object: the day its household of 1 January 2009 came (2009 when vacant) and that household (−1)."""
    since = np.full(objects.count, day(2009), dtype=np.int64)
    occupant = np.full(objects.count, -1, dtype=np.int64)
    first = np.searchsorted(occupancy.household, np.arange(homes.count))
    settled = np.flatnonzero(occupancy.start[first] < day(2009))
    since[occupancy.home[0][settled]] = occupancy.start[first][settled]
    occupant[occupancy.home[0][settled]] = settled
    return since, occupant


def _plant(setting: Setting, since: Ints) -> Ints:
    """Pass-through homes mostly in deprived *buurten*; decoys among let homes."""
    areas, objects, place = setting.areas, setting.objects, setting.place
    u = uniforms(setting.seed, "planted/which", place.first_id, objects.count)[:, 0]
    old = (objects.start <= WINDOW_START) & (objects.kind > 0)
    let = old & np.isin(objects.tenure, (PRIVATE, UNKNOWN))
    eligible = let | (old & (objects.tenure == OWN) & (since >= day(2004)))
    eligible[objects.homes :] = False
    # hot spots: the most deprived sixth of the buurten, in every municipality at least one
    hot = np.zeros(place.buurten, dtype=np.bool_)
    hot[np.argsort(-areas.deprivation, kind="stable")[: max(1, place.buurten // 6)]] = True
    chance = np.where(hot, 0.18, 0.01)[objects.buurt]
    planted = np.where(eligible & (u < chance), int(Planted.PASS_THROUGH), int(Planted.NATURAL))
    for number, kind in enumerate(
        (Planted.FOUR_CHANGES, Planted.SAME_DAY, Planted.INHERITANCE_CHAIN, Planted.SAME_OWNER)
    ):
        chosen = let & (planted == Planted.NATURAL) & (u > 0.98 - 0.02 * number) & (u < 1.0 - 0.02 * number)
        chosen[objects.homes :] = False
        planted[chosen] = kind
    return planted


def _past_deeds(market: _Market, planted: Ints, since: Ints) -> Ints:
    """Deeds that don't follow from moves: rows (object, day, sequence, type, first owner, second owner, source)."""
    objects, place = market.objects, market.place
    ids, count = place.first_id, objects.count
    u = uniforms(market.seed, "deed/count", ids, count, 4)
    end = np.where(objects.tenure == OWN, since, REFERENCE)
    end = np.where(objects.end < REFERENCE, objects.end, end)
    start = np.maximum(WINDOW_START, objects.start + 45)
    years = np.maximum(end - start, 0) / _YEAR
    rate = np.select(
        [objects.tenure == OWN, objects.tenure == CORPORATION, objects.kind == 0], [0.055, 0.006, 0.0], 0.06
    )
    number = poisson(u[:, 0], rate * years * gamma_shape_two(u[:, 1:3]), 12)
    number = np.select(
        [planted == kind for kind in Planted if kind],
        [5 + np.floor((_MOST_PLANTED - 4) * u[:, 3] ** 3).astype(np.int64), 4, 5, 6, 6],
        number,
    )
    # an owner-occupied home changes hands with every move as well: room for eight of those below thirty
    number = np.where((planted == Planted.PASS_THROUGH) & (objects.tenure == OWN), np.minimum(number, 22), number)
    # homes that many changes passed through, but that did not stand through the whole window
    outside = ((objects.start > WINDOW_START) | (objects.end < REFERENCE)) & (objects.tenure == PRIVATE)
    number = np.where(outside & (u[:, 3] < 0.2), 7, number)
    number = np.where(years < 0.5, 0, number)
    room = np.maximum(end - start - 40, 1)  # forty days are kept free for deeds that a coincidence moves on
    days = start[:, None] + np.floor(room[:, None] * uniforms(market.seed, "deed/day", ids, count, _DRAWS))
    days = days.astype(np.int64)
    days[planted == Planted.SAME_DAY] = days[planted == Planted.SAME_DAY][:, :1]
    rows = _rows(market, planted, number, days)
    return np.concatenate([rows, _new_build(market)])


def _rows(market: _Market, planted: Ints, number: Ints, days: Ints) -> Ints:
    thing = np.repeat(np.arange(len(number)), number)
    rank = np.arange(len(thing)) - np.repeat(np.cumsum(number) - number, number)
    of_day = days[thing, rank]
    same_day = planted[thing] == Planted.SAME_DAY
    order = np.lexsort((rank, of_day, thing))
    thing, rank, of_day, same_day = thing[order], rank[order], of_day[order], same_day[order]
    repeated = np.append(False, (thing[1:] == thing[:-1]) & (of_day[1:] == of_day[:-1])) & ~same_day
    # a planted number of changes must not lose one to a coincidence: the later deed moves on a day
    of_day = of_day + repeated
    u = uniforms(market.seed, "deed/what", market.place.first_id * _DRAWS, len(number) * _DRAWS, 4)
    u = u[thing * _DRAWS + rank]
    kind = planted[thing]
    type_ = pick(u[:, 0], [0.88, 0.0, 0.06, 0.04, 0.02])
    type_ = np.where(kind != Planted.NATURAL, int(DeedType.SALE), type_)
    type_ = np.where(kind == Planted.INHERITANCE_CHAIN, int(DeedType.INHERITANCE), type_)
    type_ = np.where(market.objects.tenure[thing] == CORPORATION, int(DeedType.INTRA_GROUP), type_)
    first, second = _buyers(market, thing, type_, u)
    same = kind == Planted.SAME_OWNER
    leader = np.maximum.accumulate(np.where(np.append(True, thing[1:] != thing[:-1]), np.arange(len(thing)), 0))
    first, second = np.where(same, first[leader], first), np.where(same, second[leader], second)
    return np.stack([thing, of_day, 1 + rank * same_day, type_, first, second, same.astype(np.int64)], axis=1)


def _buyers(market: _Market, thing: Ints, type_: Ints, u: Floats) -> tuple[Ints, Ints]:
    """Persons (two in 35 %), 3 % of them in no register; firms and landlords for let homes, corporations for theirs."""
    adults, place = market.adults, market.place
    person = adults[(u[:, 1] * len(adults)).astype(np.int64)]
    person = np.where(u[:, 2] < 0.03, UNREGISTERED + (u[:, 1] * place.unregistered).astype(np.int64), person)
    landlord = market.landlords[(u[:, 1] ** 2.5 * len(market.landlords)).astype(np.int64)]
    tenure = market.objects.tenure[thing]
    human = np.isin(type_, (DeedType.INHERITANCE, DeedType.DIVORCE))
    firm = ENTITY + CORPORATIONS + (u[:, 1] * (place.entities - CORPORATIONS)).astype(np.int64)
    first = np.where((tenure == PRIVATE) & ~human, landlord, person)
    first = np.where(type_ == DeedType.INTRA_GROUP, firm, first)
    first = np.where(tenure == CORPORATION, ENTITY + (u[:, 1] * CORPORATIONS).astype(np.int64), first)
    other = adults[((u[:, 3] / 0.35) % 1.0 * len(adults)).astype(np.int64)]
    pair = (first < ENTITY) & (u[:, 3] < 0.35) & (other != first)
    return first, np.where(pair, other, NOBODY)


def _new_build(market: _Market) -> Ints:
    """The first deed of what was built in the window: counted by nobody."""
    objects = market.objects
    thing = np.flatnonzero((objects.start > WINDOW_START) & (objects.kind > 0) & (objects.tenure != CORPORATION))
    u = uniforms(market.seed, "deed/new-build", market.place.first_id, objects.count, 4)[thing]
    type_ = np.full(len(thing), int(DeedType.NEW_BUILD))
    first, second = _buyers(market, thing, type_, u)
    zero = np.zeros(len(thing), dtype=np.int64)
    return np.stack([thing, objects.start[thing] + 20, zero + 1, type_, first, second, zero], axis=1)


def _move_in_deeds(market: _Market, homes: Households, persons: Persons, occupancy: Occupancy) -> Ints:
    """Whoever moves into an owner-occupied home buys it; couples jointly in 70 %."""
    u = uniforms(market.seed, "deed/move-in", market.place.first_id, len(occupancy.household), 2)
    bought = (market.objects.tenure[occupancy.object] == OWN) & (occupancy.start >= WINDOW_START)
    rows = np.flatnonzero(bought & (occupancy.start < REFERENCE))
    first, second = _household_owners(homes, persons, occupancy.household[rows])
    second = np.where(u[rows, 1] < 0.7, second, NOBODY)
    one = np.ones(len(rows), dtype=np.int64)
    type_ = pick(u[rows, 0], [0.93, 0.0, 0.045, 0.025, 0.0])
    source = _OCCUPANT * one
    return np.stack([occupancy.object[rows], occupancy.start[rows], one, type_, first, second, source], axis=1)


def _household_owners(homes: Households, persons: Persons, household: Ints) -> tuple[Ints, Ints]:
    head = homes.first[household]
    couple = (homes.kind[household] >= 2) & (homes.kind[household] <= 5)
    return head, np.where(couple & (persons.role[np.minimum(head + 1, persons.count - 1)] != CHILD), head + 1, NOBODY)


def _without_repeats(rows: Ints, adults: Ints, planted: Ints) -> Ints:
    """Every deed changes the owner set, but where repeats were planted.

    A drawn buyer who owned it one or two deeds before is replaced; a household that moves back into the home it still
    owns makes no deed; one that buys it back does so from a buyer, so that every reading of "change" agrees.
    """
    for attempt in range(8):
        one_back, two_back = _same_set(rows, 1), _same_set(rows, 2)
        drawn = (rows[:, 6] == _DRAWN) & (planted[rows[:, 0]] != Planted.SAME_OWNER)
        occupant = rows[:, 6] == _OCCUPANT
        replace = np.flatnonzero(drawn & (one_back | two_back))
        rows[replace, 4] = adults[(rows[replace, 1] * 7919 + replace * 31 + attempt) % len(adults)]
        rows[replace, 5] = NOBODY
        rows[np.flatnonzero(occupant & two_back) - 1, 3] = int(DeedType.SALE)
        returning = occupant & one_back
        if not len(replace) and not returning.any():
            break
        rows = rows[~returning]
    return rows


def _same_set(rows: Ints, back: int) -> Bools:
    """Whether a deed's owner set is that of the deed ``back`` places earlier at the same object."""
    sets = np.sort(rows[:, 4:6], axis=1)
    same = np.zeros(len(rows), dtype=np.bool_)
    same[back:] = (rows[back:, 0] == rows[:-back, 0]) & (sets[back:] == sets[:-back]).all(axis=1)
    return same


def _sequence(rows: Ints) -> Ints:
    """1, 2, … within one object and day."""
    leads = np.append(True, (rows[1:, :2] != rows[:-1, :2]).any(axis=1))
    at = np.arange(len(rows))
    return at - np.maximum.accumulate(np.where(leads, at, 0)) + 1


def _before(market: _Market, homes: Households, persons: Persons, occupant: Ints) -> tuple[Ints, Ints]:
    """Owners on 1 January 1996, as far as no deed has replaced them."""
    objects = market.objects
    u = uniforms(market.seed, "owner/before", market.place.first_id, objects.count, 4)
    type_ = np.full(objects.count, int(DeedType.SALE))
    first, second = _buyers(market, np.arange(objects.count), type_, u)
    firm = ENTITY + CORPORATIONS + (u[:, 1] * (market.place.entities - CORPORATIONS)).astype(np.int64)
    first = np.where(objects.kind == 0, firm, first)
    second = np.where(objects.kind == 0, NOBODY, second)
    lived = (objects.tenure == OWN) & (occupant >= 0)
    head, partner = _household_owners(homes, persons, np.maximum(occupant, 0))
    return np.where(lived, head, first), np.where(lived, partner, second)


def _prices(market: _Market, rows: Ints) -> Ints:
    """Whole cents: value of 2016 × price index × noise; nothing for inheritance and divorce."""
    year = 1970 + rows[:, 1] / _YEAR
    index = np.interp(year, [1996, 2001, 2008, 2013, 2016], [0.40, 0.75, 1.08, 0.96, 1.0])
    value = np.where(market.objects.woz[rows[:, 0], 4] > 10**9, 200_000, market.objects.woz[rows[:, 0], 4])
    u = uniforms(market.seed, "deed/price", market.place.first_id, len(rows))[:, 0]
    euros = np.rint(value * index * np.exp(0.25 * (u - 0.5)) / 250) * 250
    free = np.isin(rows[:, 3], (DeedType.INHERITANCE, DeedType.DIVORCE))
    return np.where(free, 0, euros * 100).astype(np.int64)
