"""Facts of which persons are suspected, 2009 – 2016: careers as first-order Markov chains (D3), drug facts by age (D1).

A register of its own beside VERDTAB, which keeps one drug offence per person and year. Antecedents of directors (V2)
follow from the number of boards alone, those within a household from the reference person (odds ratio 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import REFERENCE, Texts, civil, day
from synthetic.households import Persons
from synthetic.offences import place_by_gravity
from synthetic.randomness import Bools, Floats, Ints, pick, stratified, uniforms
from synthetic.town import Town

# SCM 2010
CRIMES = {
    "1": "vermogensmisdrijven",
    "2": "vernieling en openbare orde",
    "3": "gewelds- en seksuele misdrijven",
    "5": "verkeersmisdrijven",
    "6": "drugsmisdrijven",
    "9": "overig",
}
DRUGS = 4
FIRST_SHARES = (0.34, 0.16, 0.20, 0.10, 0.14, 0.06)
TRANSITIONS = (
    (0.52, 0.10, 0.12, 0.06, 0.14, 0.06),
    (0.18, 0.38, 0.24, 0.06, 0.08, 0.06),
    (0.14, 0.16, 0.48, 0.06, 0.10, 0.06),
    (0.16, 0.06, 0.08, 0.54, 0.10, 0.06),
    (0.20, 0.05, 0.11, 0.06, 0.52, 0.06),
    (0.22, 0.14, 0.16, 0.10, 0.14, 0.24),
)
AGE_GROUPS = ("12-17", "18-25 with parents", "18-25", "26-45", "46+")
# F40 … F46 given the age group: hard drugs are traded at 18 – 25, by about as many with parents as not; soft drugs
# at 25 – 45 (D1)
DRUG_SHARES = (
    (0.10, 0.48, 0.12, 0.20, 0.01, 0.04, 0.05),
    (0.08, 0.12, 0.60, 0.10, 0.02, 0.04, 0.04),
    (0.22, 0.27, 0.14, 0.20, 0.04, 0.09, 0.04),
    (0.26, 0.16, 0.04, 0.27, 0.06, 0.17, 0.04),
    (0.26, 0.20, 0.03, 0.18, 0.07, 0.22, 0.04),
)
PLACES = {"1": "woning", "2": "openbare weg", "3": "horeca", "4": "bedrijfspand", "5": "overig"}
# place given F40 … F46, and in the last row given a fact that is no drug offence
PLACE_SHARES = (
    (0.20, 0.50, 0.18, 0.04, 0.08),
    (0.25, 0.52, 0.12, 0.03, 0.08),
    (0.24, 0.48, 0.16, 0.05, 0.07),
    (0.34, 0.34, 0.16, 0.08, 0.08),
    (0.42, 0.05, 0.02, 0.40, 0.11),
    (0.66, 0.04, 0.02, 0.22, 0.06),
    (0.30, 0.35, 0.10, 0.10, 0.15),
    (0.28, 0.44, 0.10, 0.10, 0.08),
)
ANTECEDENT_OF_DIRECTORS, DIRECTOR_RATIO = 0.06, 2.5
_MANY_BOARDS = 5
FAMILY_ODDS = 3.0
PLACE_MISSING_DRUGS, PLACE_MISSING = 0.02, 0.0433  # 4 % in all
_AGES = (12, 15, 18, 22, 30, 45, 60, 75, 110)
_EVER = (0.017, 0.05, 0.085, 0.08, 0.05, 0.03, 0.015, 0.005, 0.001)
_GROWN_AT_HOME = 3.0
_GOES_ON, MOST_FACTS = 0.6, 12
_FIRST_DAY, _AFTER = day(2009), day(2017)
_COMPANION = 0.03


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts in order of person and day; ``drug`` is 0 – 6 for F40 – F46 and −1 for other crimes."""

    person: Ints
    day: Ints
    crime: Ints
    drug: Ints
    place: Ints
    municipality: Texts
    drawn_municipality: Texts


def make_careers(town: Town, degree: Ints, guided: Bools, drawn: Floats) -> Ints:
    """Rows (person, day, crime): those of the chains, and same-day companions of some of them.

    ``degree`` is the number of boards per person, those with five or more drawn in strata so that their share holds.
    ``guided`` were detained or on youth probation in 2015 and have a career nearly always; ``drawn`` are uniforms, one
    per person.
    """
    persons, place = town.persons, town.place
    start, end = _windows(persons, degree)
    many, drawn = degree >= _MANY_BOARDS, drawn.copy()
    drawn[many] = stratified(drawn[many], uniforms(town.seed, "career/strata", place.index, 1)[0, 0])
    offender = (drawn < _chances(town, degree, guided, drawn)) & (start < end)
    who = np.flatnonzero(offender)
    u = uniforms(town.seed, "career/facts", place.first_id, persons.count, 1 + 2 * MOST_FACTS)[who]
    number = 1 + np.minimum(np.log(u[:, 0]) / np.log(_GOES_ON), MOST_FACTS - 1).astype(np.int64)
    used = np.arange(MOST_FACTS) < number[:, None]
    span = (end - start)[who, None]
    days = start[who, None] + np.floor(span * u[:, 1 : 1 + MOST_FACTS]).astype(np.int64)
    days = np.sort(np.where(used, days, _AFTER), axis=1)
    crimes = _chain(u[:, 1 + MOST_FACTS :])
    rows = np.stack([np.broadcast_to(who[:, None], used.shape)[used], days[used], crimes[used]], axis=1)
    again = uniforms(town.seed, "career/companion", place.first_id, len(rows))[:, 0] < _COMPANION
    companion = rows[again].copy()
    # never a drug offence, so that it has no part in D1 and D5
    companion[:, 2] = np.where(companion[:, 2] == 5, 1, 5)
    return np.concatenate([rows, companion])


def describe(town: Town, rows: Ints, municipalities: int) -> Facts:
    """Facts with the kind of drug offence, the kind of place and the municipality, some of them unknown."""
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
    person, of_day, crime = rows.T.copy()
    u = uniforms(town.seed, "fact/what", town.place.first_id, len(rows), 5)
    group = age_group(town.persons, person, of_day)
    drug = drug_offences(crime, group, u[:, 0])
    where = place_by_gravity(town.place, u[:, 2:4], municipalities)
    unknown = u[:, 4] < np.where(crime == DRUGS, PLACE_MISSING_DRUGS, PLACE_MISSING)
    return Facts(
        person=person,
        day=of_day,
        crime=crime,
        drug=drug,
        place=kinds_of_place(drug, u[:, 1]),
        municipality=np.where(unknown, np.bytes_(b"----"), where),
        drawn_municipality=where,
    )


def drug_offences(crime: Ints, group: Ints, u: Floats) -> Ints:
    """0 – 6 for F40 – F46 by age group, −1 for other crimes."""
    return np.where(crime == DRUGS, _pick_row(np.array(DRUG_SHARES)[group], u), -1)


def kinds_of_place(drug: Ints, u: Floats) -> Ints:
    """Position in ``PLACES``, given the drug offence (−1: another crime)."""
    return _pick_row(np.array(PLACE_SHARES)[drug], u)


def age_group(persons: Persons, person: Ints, of_day: Ints) -> Ints:
    """Position in ``AGE_GROUPS``; ages in whole years on the day, living with parents by PLHH of the reference date."""
    year, month, day_of_month = civil(of_day)
    born, born_month, born_day = civil(persons.birth[person])
    before = (month < born_month) | ((month == born_month) & (day_of_month < born_day))
    age = year - born - before
    away = (persons.position[person] != 1).astype(np.int64)
    return np.select([age < 18, age <= 25, age <= 45], [0, 1 + away, 3], 4)


def _windows(persons: Persons, degree: Ints) -> tuple[Ints, Ints]:
    """From the twelfth birthday; who is 23 or younger, or a director, has nothing in 2016 here (see ``recruits``)."""
    start = np.maximum(_FIRST_DAY, persons.birth + 4384)
    young = persons.birth > day(1992)
    return start, np.where(young | (degree > 0), REFERENCE, _AFTER)


def _chances(town: Town, degree: Ints, guided: Bools, drawn: Floats) -> Floats:
    """Chance of at least one fact; that of the reference person's household members depends on the former's draw."""
    persons, homes = town.persons, town.homes
    deprivation = town.areas.deprivation[town.objects.buurt[town.occupancy.at(2013)]][persons.household]
    age = (day(2013) - persons.birth) / 365.2425
    chance = np.interp(age, _AGES, _EVER) * np.where(persons.woman, 0.4, 1.6) * np.exp(0.35 * deprivation)
    grown_at_home = (persons.position == 1) & (persons.birth <= day(1998))
    chance = chance * np.where(grown_at_home, _GROWN_AT_HOME, 1.0)
    chance = np.minimum(np.where(homes.kind[persons.household] == 8, 0.0, chance), 0.6)
    chance = np.where(guided, 0.9, chance)
    director = np.where(degree >= _MANY_BOARDS, DIRECTOR_RATIO, 1.0) * ANTECEDENT_OF_DIRECTORS
    chance = np.where(degree > 0, director, chance)
    head = homes.first[persons.household]
    related = (drawn < chance)[head] & (head != np.arange(persons.count)) & (degree == 0) & ~guided
    odds = np.where(related, FAMILY_ODDS, 1.0) * chance / (1 - chance)
    return np.where(related, odds / (1 + odds), chance)


def _chain(u: Floats) -> Ints:
    """First types and transitions; every step is drawn for all chains at once."""
    states = np.empty(u.shape, dtype=np.int64)
    states[:, 0] = pick(u[:, 0], list(FIRST_SHARES))
    for step in range(1, u.shape[1]):
        states[:, step] = _pick_row(np.array(TRANSITIONS)[states[:, step - 1]], u[:, step])
    return states


def _pick_row(shares: Floats, u: Floats) -> Ints:
    """A category per row, from a row of shares each."""
    edges = np.cumsum(shares, axis=1)
    picked: Ints = (u[:, None] * edges[:, -1:] >= edges[:, :-1]).sum(axis=1).astype(np.int64)
    return picked
