"""Suspicious transactions reported to the FIU, in dossiers (F1): BVs are reported 3.62 times as often as they exist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import REFERENCE, Texts, day
from synthetic.identifiers import record_number
from synthetic.randomness import Bools, Floats, Ints, normals, stratified, uniforms
from synthetic.town import Town

BV_RATIO = 3.62  # 76 % of reported entities against 21 % of all (domain.md, F1)
_BV = 2
_DOSSIERS_PER_PERSON = 1 / 500  # boosted: twice the national rate of 2022
_MOST = 30
_ENTITY_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Transactions:
    """``party`` is an entity's position, or a person's where ``by_entity`` is false; ``amount`` in whole euros."""

    number: Texts
    dossier: Texts
    by_entity: Bools
    party: Ints
    day: Ints
    amount: Ints


def make_transactions(town: Town) -> Transactions:
    """About 5.7 transactions a dossier (91,893 in 16,213 in 2022), of one entity or one person each dossier.

    Legal forms are drawn in strata, so that the share of BVs among dossiers is nearly that planted.
    """
    place, seed = town.place, town.seed
    dossiers = max(4, round(place.persons * _DOSSIERS_PER_PERSON))
    u = uniforms(seed, "fiu/dossier", place.first_id, dossiers, 5)
    size = 1 + np.minimum(np.floor(np.log(u[:, 0]) / np.log(1 - 1 / 5.7)), _MOST - 1).astype(np.int64)
    dossier = np.repeat(np.arange(dossiers), size)
    v = uniforms(seed, "fiu/transaction", place.first_id * _MOST, dossiers * _MOST, 1)[:, 0]
    rank = np.arange(len(dossier)) - np.repeat(np.cumsum(size) - size, size)
    amount = np.exp(8.9 + 1.5 * normals(seed, "fiu/amount", place.first_id * _MOST, dossiers * _MOST)[:, 0])
    by_entity = u[:, 1] < _ENTITY_SHARE
    form, shift = u[:, 2].copy(), uniforms(seed, "fiu/strata", place.index, 1)[0, 0]
    form[by_entity] = stratified(form[by_entity], shift)
    party = np.where(by_entity, _entity(town, form, u[:, 3]), _adult(town, u[:, 4]))
    return Transactions(
        number=record_number(seed, "fiu/transaction", place.first_id + np.arange(len(dossier))),
        dossier=record_number(seed, "fiu/dossier", place.first_id + dossier),
        by_entity=by_entity[dossier],
        party=party[dossier],
        day=day(2015) + np.floor((REFERENCE - day(2015)) * v[dossier * _MOST + rank]).astype(np.int64),
        amount=np.maximum(np.rint(amount[dossier * _MOST + rank]), 10).astype(np.int64),
    )


def _entity(town: Town, u: Floats, v: Floats) -> Ints:
    form = town.entities.form
    firms, others = np.flatnonzero(form == _BV), np.flatnonzero(form != _BV)
    # small places may hold more BVs than 1 in 3.62, so that no probability of that size exists
    chance = min(BV_RATIO * len(firms) / len(form), 0.98) if len(firms) else 0.0
    of_firms = firms[(v * len(firms)).astype(np.int64)] if len(firms) else np.zeros(len(v), dtype=np.int64)
    return np.where(u < chance, of_firms, others[(v * len(others)).astype(np.int64)])


def _adult(town: Town, u: Floats) -> Ints:
    adults = np.flatnonzero(town.persons.birth <= day(1997))
    return adults[(u * len(adults)).astype(np.int64)]
