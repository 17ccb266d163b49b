"""Socio-economic position and personal income in 2015, social assistance, and the three kinds of *windhapper* (V5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import OPEN, REFERENCE, day
from synthetic.dwellings import UNKNOWN
from synthetic.finances import INCOME_MISSING, WEALTH_MISSING
from synthetic.households import PARTNER, RESIDENT
from synthetic.ownership import UNREGISTERED
from synthetic.randomness import Bools, Floats, Ints, normals, pick, uniforms
from synthetic.town import Town
from synthetic.wijk_types import BENEFIT_SHARES

WORKER, SELF_EMPLOYED, UNEMPLOYED, ASSISTANCE, DISABLED, PENSION = 11, 12, 21, 22, 24, 25
STUDENT_EARNING, STUDENT_WITHOUT, WITHOUT = 26, 31, 32
# *vermogensgrens* of social assistance in 2016, euros: persons alone, and other households
NORM_ALONE, NORM_TOGETHER = 5_920, 11_840
MISSING_TOP, MISSING_OTHERS = 0.065, 0.015  # 2 % in all, by the income itself
_TYPICAL = {
    WORKER: 33_000, SELF_EMPLOYED: 30_000, UNEMPLOYED: 20_000, ASSISTANCE: 14_000, DISABLED: 18_000,
    PENSION: 21_000, STUDENT_EARNING: 6_000, STUDENT_WITHOUT: 0, WITHOUT: 0,
}  # fmt: skip
WINDHAPPERS = ("none", "A", "B", "C", "decoy_eleven_months", "decoy_one_euro", "decoy_unknown_wealth")
_NONE, _A, _B, _C, _ELEVEN, _ONE_EURO, _UNKNOWN_WEALTH = range(7)


@dataclass(frozen=True, slots=True)
class PersonalIncomes:
    """Per row a person of 15 or older; ``second`` (0: none) is the position from the first of month ``turn`` on."""

    person: Ints
    first: Ints
    second: Ints
    turn: Ints
    gross: Ints
    missing: Bools
    windhapper: Ints


def make_personal_incomes(town: Town, types: Ints) -> PersonalIncomes:
    """Natural owners all have an income; those without one are planted, so that A, B and C have exact members."""
    persons = town.persons
    rows = np.flatnonzero(persons.birth <= day(2000))
    u = uniforms(town.seed, "person/position", town.place.first_id, persons.count, 6)[rows]
    owner = home_owners(town)[rows]
    position = _positions(town, types, rows, u)
    position = np.where(owner & (position == STUDENT_WITHOUT), STUDENT_EARNING, position)
    position = np.where(owner & (position == WITHOUT), WORKER, position)
    turns = (position == WORKER) & (u[:, 2] < 0.08)
    second = np.where(turns, UNEMPLOYED, 0)
    turn = np.where(turns, 2 + (u[:, 3] * 11).astype(np.int64), 0)
    gross = _gross(town, rows, position)
    kind = _plant(town, rows, owner, u[:, 4])
    position, second, turn, gross = _as_planted(kind, u[:, 5], position=position, second=second, turn=turn, gross=gross)
    return PersonalIncomes(rows, position, second, turn, gross, _missing(town, rows, gross, kind), kind)


def home_owners(town: Town) -> Bools:
    """Persons with a share in a home on 1 January 2016, as far as the owner is known."""
    known = (town.objects.kind > 0) & (town.objects.end == OPEN) & (town.objects.tenure != UNKNOWN)
    owners = np.concatenate([owner[known] for owner in town.ownership.owners_at(REFERENCE)])
    found = np.zeros(town.persons.count, dtype=np.bool_)
    found[owners[(owners >= 0) & (owners < UNREGISTERED)]] = True
    return found


def wealth_norms(town: Town) -> Ints:
    """The norm of each household by its type: alone and other households 5,920, the rest 11,840."""
    return np.where(np.isin(town.homes.kind, (1, 7)), NORM_ALONE, NORM_TOGETHER)


def _positions(town: Town, types: Ints, rows: Ints, u: Floats) -> Ints:
    persons = town.persons
    household = persons.household[rows]
    age = (day(2015) - persons.birth[rows]) / 365.2425
    wijk = town.areas.wijk[town.objects.buurt[town.occupancy.at(2016)]]
    assisted = np.minimum(BENEFIT_SHARES[types[wijk]][household], 0.9)
    assisted = assisted * ((age >= 23) & (age < 65) & (persons.role[rows] != RESIDENT))
    # those not assisted: disability, unemployment, self-employment, work
    rest = np.array([DISABLED, UNEMPLOYED, SELF_EMPLOYED, WORKER])[pick(u[:, 1], [0.05, 0.04, 0.13, 0.78])]
    without = (persons.role[rows] == PARTNER) & (u[:, 1] < 0.10)
    rest = np.where(without, WITHOUT, rest)
    student = np.where(u[:, 1] < 0.6, STUDENT_EARNING, STUDENT_WITHOUT)
    return np.select(
        [age >= 65, u[:, 0] < assisted, (age < 18) | ((age < 23) & (u[:, 0] < 0.6))],
        [np.full(len(rows), PENSION), np.full(len(rows), ASSISTANCE), student],
        rest,
    ).astype(np.int64)


def _gross(town: Town, rows: Ints, position: Ints) -> Ints:
    noise = normals(town.seed, "person/income", town.place.first_id, town.persons.count)[rows, 0]
    typical = np.zeros(100)
    typical[list(_TYPICAL)] = list(_TYPICAL.values())
    level = typical[position] * np.exp(0.6 * town.homes.talent[town.persons.household[rows]] + 0.3 * noise)
    return np.where(typical[position] > 0, np.maximum(np.rint(level), 2), 0).astype(np.int64)


def _plant(town: Town, rows: Ints, owner: Bools, u: Floats) -> Ints:
    """A: no income, some wealth; B: as income and wealth of the household have it; C: a loss, no wealth."""
    household = town.persons.household[rows]
    low, wealth = town.finances.low[household, 4], town.finances.wealth[household]
    known = wealth != WEALTH_MISSING
    poor = owner & (low == 1) & known & (wealth < wealth_norms(town)[household])
    kind = np.where(poor, _B, _NONE)
    working_age = (town.persons.birth[rows] > day(1951)) & (town.persons.birth[rows] <= day(1990))
    rest = owner & (low == 0) & working_age & (town.persons.role[rows] != RESIDENT)
    few = max(1, round(0.004 * int(owner.sum())))
    for wanted, pool, count in (
        (_A, rest & known & (wealth > 0), 3 * few),
        (_ELEVEN, rest & known & (wealth > 0), few),
        (_ONE_EURO, rest & known & (wealth > 0), few),
        (_C, rest & known & (wealth <= 0), 3 * few),
        (_UNKNOWN_WEALTH, rest & ~known, few),
    ):
        free = np.flatnonzero(pool & (kind == _NONE))
        kind[free[np.argsort(u[free], kind="stable")[:count]]] = wanted
    return kind


def _as_planted(
    kind: Ints, u: Floats, *, position: Ints, second: Ints, turn: Ints, gross: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    idle, loss = np.isin(kind, (_A, _ELEVEN, _ONE_EURO)), np.isin(kind, (_C, _UNKNOWN_WEALTH))
    position = np.select([idle, loss], [WITHOUT, SELF_EMPLOYED], position)
    second = np.select([kind == _ELEVEN, idle | loss], [WORKER, 0], second)
    turn = np.select([kind == _ELEVEN, idle | loss], [12, 0], turn)
    negative = -np.floor(u * 4_000).astype(np.int64) * (u < 0.5)
    gross = np.select([kind == _ONE_EURO, np.isin(kind, (_A, _ELEVEN)) | loss], [1, negative], gross)
    return position, second, turn, gross


def _missing(town: Town, rows: Ints, gross: Ints, kind: Ints) -> Bools:
    """Not at random: the highest tenth of incomes is unknown four times as often; planted ones are known."""
    u = uniforms(town.seed, "person/income-missing", town.place.first_id, town.persons.count)[rows, 0]
    top = gross >= np.sort(gross)[int(0.9 * len(gross))]
    missing: Bools = (u < np.where(top, MISSING_TOP, MISSING_OTHERS)) & ((kind == _NONE) | (kind == _B))
    return missing


def primary_income(incomes: PersonalIncomes) -> Ints:
    """Income from work alone, euros; 9999999999 where the income is unknown."""
    works = np.isin(incomes.first, (WORKER, SELF_EMPLOYED))
    return np.where(incomes.missing, INCOME_MISSING, np.where(works, incomes.gross, 0))
