"""Income, wealth and debt: lognormal income and shifted lognormal wealth, moved by the deprivation of the *buurt*."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import OPEN, REFERENCE, day
from synthetic.dwellings import OWN
from synthetic.households import CHILD, Persons
from synthetic.occupancy import Occupancy
from synthetic.randomness import Bools, Ints, normals, uniforms
from synthetic.setting import Setting

INCOME_YEARS = (2011, 2012, 2013, 2014, 2015)
INCOME_MISSING = 9_999_999_999
WEALTH_MISSING = 99_999_999_999
_LOW_INCOME_BELOW = -0.60
_DEBT_END = day(2017)


@dataclass(frozen=True, slots=True)
class Finances:
    """``income`` (euro), ``income_drawn`` (before some became unknown) and ``low`` (1, 0, 9) are (households, 5).

    ``since`` is the first day of each household.
    """

    income: Ints
    income_drawn: Ints
    low: Ints
    wealth: Ints
    wealth_without_home: Ints
    since: Ints


@dataclass(frozen=True, slots=True)
class Debts:
    """Debt-assistance spells, one per person at most; ``end`` is ``OPEN`` when it goes on after 2016."""

    person: Ints
    start: Ints
    end: Ints
    amount: Ints
    creditors: Ints


def make_finances(setting: Setting, occupancy: Occupancy) -> Finances:
    """Income of 2011 … 2015 and wealth of 2016 per household; 2 % of incomes are unknown, and all of institutions."""
    seed, areas, homes, objects = setting.seed, setting.areas, setting.homes, setting.objects
    ids, count = setting.place.first_id, homes.count
    noise = normals(seed, "household/income", ids, count, len(INCOME_YEARS))
    missing = uniforms(seed, "household/income-missing", ids, count, len(INCOME_YEARS)) < 0.02
    missing |= (homes.kind == 8)[:, None]
    level = np.stack(
        [
            homes.talent - 0.16 * areas.deprivation[objects.buurt[occupancy.at(year)]] + 0.12 * noise[:, column]
            for column, year in enumerate(INCOME_YEARS)
        ],
        axis=1,
    )
    members = np.array([0, 0, 0.42, 0.45, 0.5, 0.52, 0.18, 0.4, 0])[homes.kind]
    income = np.rint(np.exp(np.log(24_500) + members[:, None] + level)).astype(np.int64)
    low = (level < _LOW_INCOME_BELOW).astype(np.int64)
    wealth, without_home = _wealth(setting, occupancy)
    first = np.searchsorted(occupancy.household, np.arange(count))
    return Finances(
        income=np.where(missing, INCOME_MISSING, income),
        income_drawn=income,
        low=np.where(missing, 9, low),
        wealth=wealth,
        wealth_without_home=without_home,
        since=occupancy.start[first],
    )


def _wealth(setting: Setting, occupancy: Occupancy) -> tuple[Ints, Ints]:
    """Shifted lognormal, 10–15 % negative; owners add a part of their home's value. 1 % unknown."""
    seed, place, homes, objects = setting.seed, setting.place, setting.homes, setting.objects
    noise = normals(seed, "household/wealth", place.first_id, homes.count, 2)
    u = uniforms(seed, "household/wealth-missing", place.first_id, homes.count)[:, 0]
    free = np.exp(9.7 + 1.5 * noise[:, 0] + 1.2 * homes.talent) - 3_000
    home = occupancy.at(2016)
    value = np.where(objects.woz[home, 4] > 10**9, 200_000, objects.woz[home, 4])
    equity = np.where(objects.tenure[home] == OWN, value * (0.35 + 0.35 * noise[:, 1]), 0.0)
    unknown = (u < 0.01) | (homes.kind == 8)
    total = np.rint(free + equity).astype(np.int64)
    return (
        np.where(unknown, WEALTH_MISSING, total),
        np.where(unknown, WEALTH_MISSING, np.rint(free).astype(np.int64)),
    )


def make_debts(setting: Setting, occupancy: Occupancy, finances: Finances) -> Debts:
    """Debt assistance by low income and deprivation; about 5 % of adults between 2009 and 2016."""
    homes, persons, objects = setting.homes, setting.persons, setting.objects
    u = uniforms(setting.seed, "person/debt", setting.place.first_id, persons.count, 6)
    household = persons.household
    deprivation = setting.areas.deprivation[objects.buurt[occupancy.at(2013)]][household]
    low = (finances.low[household] == 1).any(axis=1)
    adult: Bools = (persons.role != CHILD) & (homes.kind[household] != 8) & (persons.birth < day(1991))
    chance = 1.0 / (1.0 + np.exp(3.5 - 1.2 * low - 0.5 * deprivation))
    person = np.flatnonzero(adult & (u[:, 0] < chance))
    v = u[person]
    start = day(2009) + np.floor(v[:, 1] * (_DEBT_END - day(2009))).astype(np.int64)
    end = start + 300 + np.floor(v[:, 2] * 1200).astype(np.int64)
    return Debts(
        person=person,
        start=start,
        end=np.where(end >= _DEBT_END, OPEN, end),
        amount=np.rint(100 * np.exp(9.6 + 1.1 * (v[:, 3] + v[:, 4] - 1.0) * 1.7)).astype(np.int64),
        creditors=1 + np.floor(24 * v[:, 5] ** 1.5).astype(np.int64),
    )


def present_in(finances: Finances, year: int) -> Bools:
    """Which households existed on 31 December of a year."""
    return finances.since < day(year + 1)


def born_by(persons: Persons, year: int) -> Bools:
    """Who was born on or before 31 December of a year; everyone was before the reference date."""
    return persons.birth < min(day(year + 1), REFERENCE)
