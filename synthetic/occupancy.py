"""Who lived where, 2009 – 2016: households move within their municipality, month by month.

A household moves with hazard 0.10 a year × age factor × 2 under private rent (domain.md, section 4) to a vacated or
vacant home that fits its means. Move days lie on the 2nd – 28th, so the first of a month is never in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import MOVES_END_YEAR, MOVES_START_YEAR, OPEN, day
from synthetic.dwellings import CORPORATION, OWN, PRIVATE
from synthetic.households import Households, Persons
from synthetic.randomness import Floats, Ints, normals, uniforms
from synthetic.setting import Setting

MONTHS = (MOVES_END_YEAR - MOVES_START_YEAR + 1) * 12
YEARLY_MOVES = 0.10
_AGE_EDGES = np.array([25, 35, 50, 65])
_AGE_FACTOR = np.array([2.2, 1.7, 0.9, 0.5, 0.35])
_ADULT = 6575  # days in 18 years
_FIRST_DAY = day(MOVES_START_YEAR)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Household spells sorted by household and start, and the home of each household on the first of each month."""

    household: Ints
    object: Ints
    start: Ints
    end: Ints
    home: Ints

    def at(self, year: int) -> Ints:
        """Object of each household on 1 January of a year (households that do not exist yet included)."""
        of_day: Ints = self.home[(year - MOVES_START_YEAR) * 12]
        return of_day


@dataclass(frozen=True, slots=True)
class Spells:
    """Address spells of persons, in order of person and start; ends inclusive, ``OPEN`` when there is none."""

    person: Ints
    object: Ints
    start: Ints
    end: Ints


def simulate(setting: Setting) -> Occupancy:
    """All household spells; institutions (at the end of both lists) never move."""
    seed, place, homes, objects = setting.seed, setting.place, setting.homes, setting.objects
    pays, asks = _means(setting)
    home = np.empty((MONTHS + 1, homes.count), dtype=np.int64)
    home[0] = _settle(setting, pays, asks)
    heads = setting.persons.birth[homes.first]
    adult_day = heads + _ADULT
    u = uniforms(seed, "move/month", place.first_id, homes.homes, 2 * MONTHS).reshape(homes.homes, MONTHS, 2)
    jitter = uniforms(seed, "move/choice", place.first_id, objects.homes, MONTHS)
    moves: list[tuple[Ints, Ints, Ints]] = []
    for month in range(MONTHS):
        first = day(MOVES_START_YEAR + month // 12, month % 12 + 1)
        now = home[month, : homes.homes]
        hazard = _hazard(first - heads[: homes.homes], objects.tenure[now])
        movers = np.flatnonzero((u[:, month, 0] < hazard) & (adult_day[: homes.homes] + 31 < first))
        pool = _free_homes(movers, now, jitter[:, month])
        chosen = np.empty(len(movers), dtype=np.int64)
        chosen[np.argsort(pays[movers], kind="stable")] = pool[np.argsort(asks[pool], kind="stable")]
        real = chosen != now[movers]
        movers, chosen = movers[real], chosen[real]
        home[month + 1] = home[month]
        home[month + 1, movers] = chosen
        moves.append((movers, chosen, first + 1 + (u[movers, month, 1] * 27).astype(np.int64)))
    return _household_spells(setting, adult_day, home, moves)


def _means(setting: Setting) -> tuple[Floats, Floats]:
    """What households can pay and what homes ask; matching them by rank makes tenure and place follow income."""
    place, homes, objects = setting.place, setting.homes, setting.objects
    asks = np.log(objects.woz[: objects.homes, 4].clip(0, 2_000_000) + 1.0) - 12.2
    tenure = objects.tenure[: objects.homes]
    asks = asks + 0.5 * (tenure == OWN) - 0.6 * (tenure == CORPORATION) - 0.1 * (tenure == PRIVATE)
    asks = asks - 0.15 * setting.areas.deprivation[objects.buurt[: objects.homes]]
    asks = asks + 0.35 * normals(setting.seed, "object/asks", place.first_id, objects.homes)[:, 0]
    kind = homes.kind[: homes.homes]
    pays = homes.talent[: homes.homes] + 0.3 * ((kind >= 2) & (kind <= 5))
    return pays + 0.35 * normals(setting.seed, "household/pays", place.first_id, homes.homes)[:, 0], asks


def _settle(setting: Setting, pays: Floats, asks: Floats) -> Ints:
    homes, objects = setting.homes, setting.objects
    u = uniforms(setting.seed, "object/vacant", setting.place.first_id, objects.homes)[:, 0]
    filled = np.sort(np.argsort(u, kind="stable")[: homes.homes])
    home = np.empty(homes.count, dtype=np.int64)
    home[np.argsort(pays, kind="stable")] = filled[np.argsort(asks[filled], kind="stable")]
    home[homes.homes :] = np.arange(objects.homes + objects.demolished, objects.count)
    return home


def _hazard(age_days: Ints, tenure: Ints) -> Floats:
    factor = _AGE_FACTOR[np.searchsorted(_AGE_EDGES, age_days / 365.2425, side="right")]
    return YEARLY_MOVES / 12.0 * factor * np.where(tenure == PRIVATE, 2.0, 1.0)


def _free_homes(movers: Ints, now: Ints, jitter: Floats) -> Ints:
    """As many homes as movers, at random among those that movers leave and those that stand vacant."""
    free = np.ones(len(jitter), dtype=np.bool_)
    free[now] = False
    free[now[movers]] = True
    pool = np.flatnonzero(free)
    return pool[np.argsort(jitter[pool], kind="stable")[: len(movers)]]


def _household_spells(setting: Setting, adult_day: Ints, home: Ints, moves: list[tuple[Ints, Ints, Ints]]) -> Occupancy:
    count = home.shape[1]
    u = uniforms(setting.seed, "household/since", setting.place.first_id, count)[:, 0]
    since = _FIRST_DAY - 1 + np.floor(np.log(u) * 9 * 365.2425).astype(np.int64)
    since = np.maximum(np.maximum(since, adult_day), setting.objects.start[home[0]] + 40)
    since = np.where(adult_day >= _FIRST_DAY, adult_day, np.minimum(since, _FIRST_DAY - 1))
    household = np.concatenate([np.arange(count), *(m[0] for m in moves)])
    where = np.concatenate([home[0], *(m[1] for m in moves)])
    start = np.concatenate([since, *(m[2] for m in moves)])
    order = np.lexsort((start, household))
    household, where, start = household[order], where[order], start[order]
    last = np.append(household[1:] != household[:-1], True)
    end = np.where(last, OPEN, np.append(start[1:], 0) - 1)
    return Occupancy(household=household, object=where, start=start, end=end, home=home)


def person_spells(persons: Persons, homes: Households, occupancy: Occupancy) -> Spells:
    """Household spells given to every member, from the member's birth on."""
    size = homes.size[occupancy.household]
    row = np.repeat(np.arange(len(size)), size)
    within = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    person = homes.first[occupancy.household[row]] + within
    start = np.maximum(occupancy.start[row], persons.birth[person])
    end = occupancy.end[row]
    keep = start <= end
    person, row, start, end = person[keep], row[keep], start[keep], end[keep]
    order = np.lexsort((start, person))
    return Spells(person=person[order], object=occupancy.object[row][order], start=start[order], end=end[order])
