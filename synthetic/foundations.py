"""Foundations and their directors, with hubs, the whole group of five and more, and decoys (V2).

There are as many foundations as 2 % of the persons (350,000 in the Netherlands). Per 50,000 persons forty named hubs
sit on 5 – 25 boards and about seventy others on 5 – 8; nobody else on more than four.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import OPEN, REFERENCE, Texts, day
from synthetic.households import RESIDENT
from synthetic.identifiers import beid
from synthetic.plan import Municipality
from synthetic.randomness import Floats, Ints, pick, uniforms
from synthetic.town import Town

HUB_FROM, HUB_MOST = 5, 25
ROLES = {"1": "bestuurder", "2": "voorzitter", "3": "penningmeester", "9": "oprichtend notaris, geen bestuurder"}
NOTARY = 9
KINDS = ("ordinary", "named_hub", "group", "decoy_notary", "decoy_ended")
_HUB, _GROUP, _NOTARY, _ENDED = 1, 2, 3, 4
_BRANCHES = ("64309", "88999", "90041", "93199", "94911", "94919", "94994", "94997")
_BRANCH_SHARES = [0.16, 0.14, 0.10, 0.12, 0.08, 0.04, 0.20, 0.16]
_FIRST_ORDINAL, _PER_MUNICIPALITY = 50_000_000, 1 << 15  # beyond every firm's ordinal
_FIRST_DAY = day(1985)


@dataclass(frozen=True, slots=True)
class Foundations:
    """Foundations of one municipality, the spells of their directors, and what each person was planted as."""

    beid: Texts
    branch: Texts
    charity: Ints
    start: Ints
    end: Ints
    spell_person: Ints
    spell_foundation: Ints
    spell_role: Ints
    spell_start: Ints
    spell_end: Ints
    special: Ints
    special_kind: Ints
    degree: Ints


def make_foundations(town: Town) -> Foundations:
    """All of it for one municipality; a foundation has at least one director today."""
    place, seed = town.place, town.seed
    count = max(12, place.persons // 50)
    u = uniforms(seed, "foundation/basic", place.first_id, count, 6)
    start = _FIRST_DAY + np.floor((day(2015) - _FIRST_DAY) * u[:, 0]).astype(np.int64)
    # the first ten always stand, so that there are boards enough for the group in the smallest place
    dissolved = (u[:, 1] < 0.08) & (np.arange(count) >= 10)
    end = np.where(dissolved, np.minimum(start + 400 + np.floor(3000 * u[:, 2]), REFERENCE - 40), OPEN)
    end = np.where(end <= start, OPEN, end).astype(np.int64)
    special, kinds = _special_persons(town)
    spells = _spells(town, np.flatnonzero(end == OPEN), special, kinds)
    begun, ended = _dates(town, spells, start)
    active = (ended == OPEN) & (spells[:, 2] != NOTARY)
    return Foundations(
        beid=beid(seed, _FIRST_ORDINAL + place.index * _PER_MUNICIPALITY + np.arange(count)),
        branch=np.array(_BRANCHES, dtype="S5")[pick(u[:, 3], _BRANCH_SHARES)],
        charity=(u[:, 4] < 0.12).astype(np.int64),
        start=start,
        end=end,
        spell_person=spells[:, 0],
        spell_foundation=spells[:, 1],
        spell_role=spells[:, 2],
        spell_start=begun,
        spell_end=ended,
        special=special,
        special_kind=kinds,
        degree=np.bincount(spells[active, 0], minlength=town.persons.count).astype(np.int64),
    )


def quota(place: Municipality) -> tuple[int, int, int, int]:
    """Named hubs, others of five boards or more, decoy notaries, decoys whose boards have ended."""
    return (
        max(2, round(place.persons / 1250)),
        max(1, round(place.persons / 700)),
        max(1, round(place.persons / 10_000)),
        max(1, round(place.persons / 10_000)),
    )


def _candidates(town: Town) -> Ints:
    """Adults of 24 and older outside institutions, in a random order."""
    persons = town.persons
    u = uniforms(town.seed, "director/who", town.place.first_id, persons.count)[:, 0]
    adults = np.flatnonzero((persons.birth <= day(1990)) & (persons.role != RESIDENT))
    return adults[np.argsort(u[adults], kind="stable")].astype(np.int64)


def _special_persons(town: Town) -> tuple[Ints, Ints]:
    kinds = np.repeat(np.array([_HUB, _GROUP, _NOTARY, _ENDED]), quota(town.place))
    return _candidates(town)[: len(kinds)], kinds[: len(_candidates(town))]


def _spells(town: Town, standing: Ints, special: Ints, kinds: Ints) -> Ints:
    """Rows (person, foundation, role, ended): hubs on distinct boards first, then each board is filled up."""
    seed, place = town.seed, town.place
    u = uniforms(seed, "director/degree", place.first_id, len(special))[:, 0]
    most = min(HUB_MOST, len(standing))
    degree = np.select(
        [kinds == _HUB, kinds == _GROUP, kinds == _NOTARY],
        [HUB_FROM + np.floor((most - HUB_FROM + 1) * u**2), HUB_FROM + np.floor(4 * u**2), most],
        most // 2 + 2,
    ).astype(np.int64)
    # a random order of all boards per person: the first ones are theirs
    order = np.argsort(uniforms(seed, "director/boards", place.first_id, len(special), len(standing)), kind="stable")
    who = np.repeat(np.arange(len(special)), degree)
    rank = np.arange(len(who)) - np.repeat(np.cumsum(degree) - degree, degree)
    ended = (kinds[who] == _ENDED) & (rank >= 4)
    role = np.where(kinds[who] == _NOTARY, NOTARY, 1)
    chosen = np.stack([special[who], standing[order[who, rank]], role, ended], axis=1)
    sitting = np.bincount(chosen[(role != NOTARY) & ~ended, 1], minlength=int(standing.max()) + 1)[standing]
    others = _ordinary(town, standing, sitting, len(special))
    return np.concatenate([chosen, others]).astype(np.int64)


def _ordinary(town: Town, standing: Ints, sitting: Ints, skip: int) -> Ints:
    """Boards of two to five; who fills them sits on one board mostly, on four at most."""
    u = uniforms(town.seed, "director/fill", town.place.first_id, len(standing), 1)[:, 0]
    wanted = np.maximum(2 + pick(u, [0.35, 0.35, 0.2, 0.1]) - sitting, 1)
    seats = np.repeat(standing, wanted)
    v = uniforms(town.seed, "director/seat", town.place.first_id, len(seats), 3)
    seats = seats[np.argsort(v[:, 0], kind="stable")]
    pool = _candidates(town)[skip:]
    # zeta-like: one board 83 %, two 11 %, three 4 %, four 2 %
    person = np.repeat(pool, 1 + pick(_of_pool(town, len(pool)), [0.83, 0.11, 0.04, 0.02]))
    person = person[np.arange(len(seats)) % len(person)]
    pairs = np.unique(np.stack([person, seats], axis=1), axis=0)
    role = 1 + pick(uniforms(town.seed, "director/role", town.place.first_id, len(pairs))[:, 0], [0.5, 0.25, 0.25])
    return np.stack([pairs[:, 0], pairs[:, 1], role, np.zeros(len(pairs), dtype=np.int64)], axis=1)


def _of_pool(town: Town, count: int) -> Floats:
    boards: Floats = uniforms(town.seed, "director/ordinary", town.place.first_id, count)[:, 0]
    return boards


def _dates(town: Town, spells: Ints, founded: Ints) -> tuple[Ints, Ints]:
    """Spells start after the foundation did; a notary's lasts its first day, an ended one stops before 2016."""
    u = uniforms(town.seed, "director/dates", town.place.first_id, len(spells), 2)
    first = founded[spells[:, 1]]
    adult = town.persons.birth[spells[:, 0]] + 6575
    begun = np.maximum(first, adult)
    begun = begun + np.floor((REFERENCE - 30 - begun) * u[:, 0] * 0.9).astype(np.int64)
    notary, ended = spells[:, 2] == NOTARY, spells[:, 3] == 1
    begun = np.where(notary, first, begun)
    stop = begun + np.floor((REFERENCE - 1 - begun) * u[:, 1]).astype(np.int64)
    return begun, np.select([notary, ended], [first, stop], OPEN).astype(np.int64)
