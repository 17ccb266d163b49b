"""Young persons at risk (D5): detention, youth probation, and a first drug suspicion in 2016 with planted lifts.

Population: ages 8 – 23 on 1 January 2016. Of those detained in 2015, 26 % are first suspected of a drug offence in
2016, of those on youth probation 13.5 %, of all 0.5 %: lifts of 52 and 27 (domain.md, D5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import day
from synthetic.careers import DRUGS
from synthetic.randomness import Bools, Floats, Ints, uniforms
from synthetic.town import Town

OVERALL = 0.005
LIFTS = {"detention": 52.0, "youth_probation": 27.0}
_DETAINED, _PROBATION = 0.006, 0.012  # of those aged 8 – 23; all of them 12 and older


@dataclass(frozen=True, slots=True)
class Youth:
    """Masks over the persons of a municipality."""

    resident: Bools
    detained: Bools
    probation: Bools


def make_youth(town: Town) -> Youth:
    """Who is 8 – 23, and who of them was detained or on youth probation in 2015 (never both)."""
    persons = town.persons
    resident = (persons.birth > day(1992)) & (persons.birth <= day(2008))
    # twelve before 2015 begins, so that a fact may precede
    able = (persons.birth > day(1992)) & (persons.birth <= day(2003))
    u = uniforms(town.seed, "youth/guided", town.place.first_id, persons.count)[:, 0]
    scale = int(resident.sum()) / max(1, int(able.sum()))
    detained = able & (u < _DETAINED * scale)
    return Youth(resident, detained, able & ~detained & (u < (_DETAINED + _PROBATION) * scale))


def first_suspicions(town: Town, youth: Youth, careers: Ints) -> Ints:
    """Rows (person, day, crime): a first drug fact in 2016 of persons without one before."""
    persons = town.persons
    u = uniforms(town.seed, "youth/recruit", town.place.first_id, persons.count, 2)
    before = np.zeros(persons.count, dtype=np.bool_)
    before[careers[careers[:, 2] == DRUGS, 0]] = True
    chance = _chances(youth, ~before & (persons.birth <= day(2004)))
    person = np.flatnonzero(u[:, 0] < chance)
    of_day = day(2016) + np.floor((day(2017) - day(2016)) * u[person, 1]).astype(np.int64)
    return np.stack([person, of_day, np.full(len(person), DRUGS)], axis=1).astype(np.int64)


def _chances(youth: Youth, able: Bools) -> Floats:
    """Per person; within each group those able carry the chance of those who aren't, so that its share holds."""
    chance = np.zeros(len(able))
    expected = OVERALL * int(youth.resident.sum())
    for group, lift in ((youth.detained, LIFTS["detention"]), (youth.probation, LIFTS["youth_probation"])):
        share = OVERALL * lift * int(group.sum())
        chance[group & able] = min(1.0, share / max(1, int((group & able).sum())))
        expected -= share
    rest = youth.resident & ~youth.detained & ~youth.probation & able
    chance[rest] = min(1.0, max(0.0, expected) / max(1, int(rest.sum())))
    return chance
