"""Suspects of drug offences 2012 – 2016 by the age–crime curve and deprivation, and who is whose child."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import OUTCOME_YEARS, Texts, day, digits
from synthetic.households import CHILD, Persons
from synthetic.occupancy import Occupancy
from synthetic.plan import Municipality
from synthetic.randomness import Floats, Ints, pick, uniforms
from synthetic.setting import Setting

CLASSES = ("F40", "F41", "F42", "F43", "F44", "F45", "F46")
_CLASS_SHARES = (0.24, 0.22, 0.17, 0.14, 0.05, 0.14, 0.04)
# suspects per 10,000 a year (domain.md, section 4), by age
_AGES = (0, 12, 15, 18, 22, 30, 45, 60, 75, 110)
_RATES = (0, 10, 90, 178, 170, 110, 75, 35, 8, 2)
UNKNOWN_PLACE_SHARE = 0.04


@dataclass(frozen=True, slots=True)
class Offences:
    """Registrations of one year, in order of person; ``drawn_municipality`` is the place before 4 % became unknown."""

    year: int
    person: Ints
    day: Ints
    offence: Ints
    municipality: Texts
    drawn_municipality: Texts


def offences_of(setting: Setting, occupancy: Occupancy, *, municipalities: int, year: int) -> Offences:
    """At most one registration per person and year; place of offence unknown (``----``) in 4 %."""
    place, homes, persons = setting.place, setting.homes, setting.persons
    u = uniforms(setting.seed, f"offence/{year}", place.first_id, persons.count, 5)
    age = (day(year) - persons.birth) / 365.2425
    home = occupancy.at(year)[persons.household]
    deprivation = setting.areas.deprivation[setting.objects.buurt[home]]
    rate = (
        np.interp(age, _AGES, _RATES) / 10_000 * np.where(persons.woman, 0.4, 1.6) * np.exp(0.35 * deprivation - 0.06)
    )
    rate = np.where(homes.kind[persons.household] == 8, 0.0, rate)
    person = np.flatnonzero(u[:, 0] < rate)
    v = u[person]
    where = place_by_gravity(place, v[:, 3:5], municipalities)
    unknown = v[:, 3] > 1 - UNKNOWN_PLACE_SHARE
    return Offences(
        year=year,
        person=person,
        day=day(year) + np.floor(v[:, 1] * (day(year + 1) - day(year))).astype(np.int64),
        offence=pick(v[:, 2], list(_CLASS_SHARES)),
        municipality=np.where(unknown, np.bytes_(b"----"), where),
        drawn_municipality=where,
    )


def place_by_gravity(place: Municipality, u: Floats, municipalities: int) -> Texts:
    """Municipality of an offence, from uniforms (n, 2): the own one in 80 %, else another, the nearer the likelier."""
    away = (u[:, 0] < 0.2).astype(np.int64)
    # nearby numbers stand for nearby municipalities: the gravity of distance
    distance = 1 + np.floor(1 / np.maximum(u[:, 1], 0.02) - 1).astype(np.int64) % (municipalities - 1)
    return digits(9001 + (place.index + away * distance) % municipalities, 4)


def parents(setting: Setting) -> tuple[Ints, Ints, Ints]:
    """Child, mother, father (−1 unknown): children at home, and 40 % of adults under 60 with older inhabitants."""
    homes, persons = setting.homes, setting.persons
    at_home = np.flatnonzero(persons.role == CHILD)
    head = homes.first[persons.household[at_home]]
    couple = homes.kind[persons.household[at_home]] != 6
    mother, father = _by_sex(persons, head, np.where(couple, head + 1, -1))
    u = uniforms(setting.seed, "kin/adult", setting.place.first_id, persons.count, 2)
    wanted = (persons.role != CHILD) & (u[:, 0] < 0.4) & (persons.birth > day(1956))
    adult = np.flatnonzero(wanted)
    couples = np.flatnonzero((homes.kind >= 2) & (homes.kind <= 5))
    by_age = couples[np.argsort(persons.birth[homes.first[couples]], kind="stable")]
    target = persons.birth[adult] - ((24 + 10 * u[adult, 1]) * 365.2425).astype(np.int64)
    position = np.searchsorted(persons.birth[homes.first[by_age]], target)
    found = position < len(by_age)
    adult, chosen = adult[found], by_age[position[found]]
    near = np.abs(persons.birth[homes.first[chosen]] - target[found]) < 1200
    adult, chosen = adult[near], chosen[near]
    older_mother, older_father = _by_sex(persons, homes.first[chosen], homes.first[chosen] + 1)
    child = np.concatenate([at_home, adult])
    order = np.argsort(child, kind="stable")
    return (
        child[order],
        np.concatenate([mother, older_mother])[order],
        np.concatenate([father, older_father])[order],
    )


def _by_sex(persons: Persons, one: Ints, other: Ints) -> tuple[Ints, Ints]:
    """Mother and father; of two of one sex, the reference person stands in the own column, the other opposite."""
    one_is_woman = persons.woman[one]
    return np.where(one_is_woman, one, other), np.where(one_is_woman, other, one)


OFFENCE_YEARS = OUTCOME_YEARS
