"""Highest education of persons of 15 and older, with what is unknown: much for older ages, as in HOOGSTEOPLTAB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import day
from synthetic.randomness import Bools, Floats, Ints, uniforms
from synthetic.town import Town

# SOI 2021, 18 groups
LEVELS = {
    "1111": "basisonderwijs groep 1-2",
    "1112": "basisonderwijs groep 3-8",
    "1211": "praktijkonderwijs",
    "1212": "vmbo basis en kader",
    "1213": "mbo 1",
    "1221": "vmbo gemengd en theoretisch",
    "1222": "onderbouw havo en vwo",
    "2111": "mbo 2",
    "2112": "mbo 3",
    "2121": "mbo 4",
    "2131": "bovenbouw havo",
    "2132": "bovenbouw vwo",
    "3111": "hbo associate degree",
    "3112": "hbo bachelor",
    "3113": "wo bachelor",
    "3211": "hbo master",
    "3212": "wo master",
    "3213": "doctor",
}
UNKNOWN_LEVEL = b"----"
_SHARES = np.array([1, 7, 2, 10, 3, 7, 6, 8, 7, 14, 6, 4, 1, 12, 3, 2, 6, 1], dtype=np.float64)
_LOW = 7  # the first seven groups are "laag"
OLDER_FROM, OLDER_MISSING = 45, 0.35
YOUNGER_MISSING_LOW, YOUNGER_MISSING = 0.06, 0.02


@dataclass(frozen=True, slots=True)
class Education:
    """``level`` is the position in ``LEVELS``; ``older`` are those whose missing depends on age alone."""

    person: Ints
    level: Ints
    missing: Bools
    older: Bools


def make_education(town: Town) -> Education:
    """Levels by talent of the household and cohort; missing at random above 45, by the level itself below."""
    persons = town.persons
    u = uniforms(town.seed, "person/education", town.place.first_id, persons.count, 2)
    rows = np.flatnonzero(persons.birth <= day(2001))
    age = (day(2016) - persons.birth[rows]) / 365.2425
    level = _levels(u[rows, 0], town.homes.talent[persons.household[rows]] - 0.012 * (age - 45), age)
    older = persons.birth[rows] <= day(2016 - OLDER_FROM)
    chance = np.where(older, OLDER_MISSING, np.where(level < _LOW, YOUNGER_MISSING_LOW, YOUNGER_MISSING))
    return Education(person=rows, level=level, missing=u[rows, 1] < chance, older=older)


def _levels(u: Floats, pull: Floats, age: Floats) -> Ints:
    # a power of the uniform bends the shares up or down; who is young can't have finished the later schools yet
    edges = np.cumsum(_SHARES) / _SHARES.sum()
    level = np.searchsorted(edges, u ** np.exp(-1.2 * pull), side="right").clip(0, len(_SHARES) - 1)
    most = np.interp(age, [15, 18, 22, 26], [5, 9, 13, 17])
    capped: Ints = np.minimum(level, most.astype(np.int64)).astype(np.int64)
    return capped
