"""What follows on facts: convictions, detention in 2015, youth probation; and suspects in no population register."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import OPEN, REFERENCE, Texts, day
from synthetic.careers import (
    FIRST_SHARES,
    Facts,
    describe,
    drug_offences,
    kinds_of_place,
    make_careers,
)
from synthetic.foundations import Foundations
from synthetic.identifiers import rin_person
from synthetic.randomness import Bools, Ints, pick, uniforms
from synthetic.recruits import Youth, first_suspicions, make_youth
from synthetic.town import Town

SENTENCES = {"1": "geldboete", "2": "taakstraf", "3": "vrijheidsstraf", "4": "voorwaardelijke straf"}
_PRISON = 3
_AWAY_AT_18_25 = 2
NON_RESIDENT_SHARE = 0.08  # of all suspects (domain.md, section 4)


@dataclass(frozen=True, slots=True)
class NonResidents:
    """Suspects outside the population register, one fact each."""

    rin: Texts
    birth: Ints
    woman: Bools
    day: Ints
    crime: Ints
    drug: Ints
    place: Ints


@dataclass(frozen=True, slots=True)
class Justice:
    """Facts of residents, their convictions (row of the fact, day, sentence), spells of 2015, and non-residents."""

    facts: Facts
    youth: Youth
    convicted: Ints
    verdict: Ints
    sentence: Ints
    detained: Ints
    detained_from: Ints
    detained_until: Ints
    probation: Ints
    probation_from: Ints
    probation_until: Ints
    non_residents: NonResidents


def make_justice(town: Town, foundations: Foundations, municipalities: int) -> Justice:
    """Facts first, then what follows from them; the detention of young persons is planted (``recruits``)."""
    youth = make_youth(town)
    drawn = uniforms(town.seed, "career/who", town.place.first_id, town.persons.count)[:, 0]
    careers = make_careers(town, foundations.degree, youth.detained | youth.probation, drawn)
    facts = describe(town, np.concatenate([careers, first_suspicions(town, youth, careers)]), municipalities)
    convicted, verdict, sentence = _convictions(town, facts)
    detained, since, until = _detentions(town, facts, youth, convicted, verdict=verdict, sentence=sentence)
    probation = np.flatnonzero(youth.probation)
    u = uniforms(town.seed, "youth/probation", town.place.first_id, town.persons.count, 2)[probation]
    start = day(2014, 7) + np.floor(400 * u[:, 0]).astype(np.int64)
    end = np.maximum(start + 120 + np.floor(500 * u[:, 1]).astype(np.int64), day(2015, 1, 1))
    return Justice(
        facts=facts,
        youth=youth,
        convicted=convicted,
        verdict=verdict,
        sentence=sentence,
        detained=detained,
        detained_from=since,
        detained_until=until,
        probation=probation,
        probation_from=start,
        probation_until=np.where(end >= REFERENCE, OPEN, end),
        non_residents=_non_residents(town, len(np.unique(facts.person))),
    )


def _convictions(town: Town, facts: Facts) -> tuple[Ints, Ints, Ints]:
    """Of 45 % of the facts, two to twenty months later, up to the end of 2016; no prison for who is 23 or younger."""
    u = uniforms(town.seed, "conviction", town.place.first_id, len(facts.person), 3)
    verdict = facts.day + 60 + np.floor(540 * u[:, 1]).astype(np.int64)
    rows = np.flatnonzero((u[:, 0] < 0.45) & (verdict < day(2017)))
    sentence = 1 + pick(u[rows, 2], [0.40, 0.30, 0.18, 0.12])
    young = town.persons.birth[facts.person[rows]] > day(1992)
    return rows, verdict[rows], np.where(young & (sentence == _PRISON), 2, sentence)


def _detentions(
    town: Town, facts: Facts, youth: Youth, convicted: Ints, *, verdict: Ints, sentence: Ints
) -> tuple[Ints, Ints, Ints]:
    """Spells that start in 2015: adults sentenced to prison, and the planted young persons."""
    start = verdict + 30
    jailed = (sentence == _PRISON) & (start >= day(2015)) & (start < REFERENCE)
    adults, young = facts.person[convicted[jailed]], np.flatnonzero(youth.detained)
    u = uniforms(town.seed, "youth/detention", town.place.first_id, town.persons.count, 2)
    person = np.concatenate([adults, young])
    since = np.concatenate([start[jailed], day(2015) + np.floor(360 * u[young, 0]).astype(np.int64)])
    until = since + 14 + np.floor(300 * u[person, 1] ** 2).astype(np.int64)
    order = np.lexsort((since, person))
    # one spell a person: the first; those that overlap would be one
    first = order[np.append(True, person[order][1:] != person[order][:-1])] if len(order) else order
    return person[first], since[first], until[first]


def _non_residents(town: Town, suspects: int) -> NonResidents:
    """As many as make 8 % of all suspects; their RINs are numbers that no resident has."""
    count = round(suspects * NON_RESIDENT_SHARE / (1 - NON_RESIDENT_SHARE))
    place = town.place
    u = uniforms(town.seed, "non-resident", place.first_id, count, 6)
    crime = pick(u[:, 3], list(FIRST_SHARES))
    drug = drug_offences(crime, np.full(count, _AWAY_AT_18_25), u[:, 4])
    return NonResidents(
        rin=rin_person(town.seed, place.first_id + place.persons + np.arange(count)),
        birth=day(1960) + np.floor((day(1996) - day(1960)) * u[:, 0] ** 0.7).astype(np.int64),
        woman=u[:, 1] < 0.15,
        day=day(2009) + np.floor((day(2017) - day(2009)) * u[:, 2]).astype(np.int64),
        crime=crime,
        drug=drug,
        place=kinds_of_place(drug, u[:, 5]),
    )
