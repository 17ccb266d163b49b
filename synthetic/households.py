"""Households and persons of one municipality, by the national shares of household types, positions and ages.

Shares: CBS 2024, households by size and persons by position (domain.md, section 4). Household composition is that of
the reference date; members appear at their birth, households when their reference person turns 18.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.calendar_days import REFERENCE
from synthetic.plan import Municipality
from synthetic.randomness import Bools, Floats, Ints, normals, pick, uniforms

# TYPHH 1 … 7, millions of households
TYPE_WEIGHTS = (3.341, 0.651, 1.6875, 0.4695, 1.5605, 0.618, 0.0465)
INSTITUTION_SHARE = 0.289 / 17.943
_CHILDREN_OF_COUPLE = (0.378, 0.435, 0.142, 0.045)
_CHILDREN_OF_ONE = (0.59, 0.31, 0.10, 0.0)
_INSTITUTION_SIZE = 12
# quantiles of the reference person's age, per TYPHH
_AGE_QUANTILES: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    1: ((0, 0.14, 0.26, 0.42, 0.62, 0.78, 0.92, 1), (18, 25, 32, 45, 60, 72, 82, 98)),
    2: ((0, 0.25, 0.5, 0.65, 0.9, 1), (19, 25, 30, 40, 60, 85)),
    3: ((0, 0.08, 0.3, 0.6, 0.85, 1), (24, 45, 57, 66, 74, 94)),
    4: ((0, 0.25, 0.5, 0.8, 1), (22, 31, 36, 42, 58)),
    5: ((0, 0.25, 0.5, 0.78, 1), (25, 36, 42, 48, 64)),
    6: ((0, 0.25, 0.55, 0.8, 1), (22, 36, 44, 50, 68)),
    7: ((0, 0.3, 0.7, 1), (20, 30, 50, 90)),
}
_YEAR = 365.2425
REFERENCE_ROLE, PARTNER, CHILD, OTHER, RESIDENT = range(5)


@dataclass(frozen=True, slots=True)
class Households:
    """``kind`` is TYPHH (8 = institution, at the end); members of household h are first[h] … first[h]+size[h]−1."""

    kind: Ints
    size: Ints
    first: Ints
    talent: Floats
    homes: int

    @property
    def count(self) -> int:
        """All households, institutions included."""
        return len(self.kind)


@dataclass(frozen=True, slots=True)
class Persons:
    """Persons in household order; ``birth`` in days since 1970, ``position`` is PLHH."""

    household: Ints
    role: Ints
    position: Ints
    woman: Bools
    birth: Ints

    @property
    def count(self) -> int:
        """Number of persons."""
        return len(self.household)


def make_households(seed: int, place: Municipality) -> tuple[Households, Persons]:
    """Exactly ``place.persons`` persons: what does not fill a last household becomes singles."""
    residents = max(6, round(place.persons * INSTITUTION_SHARE))
    kind, size = _homes(seed, place, place.persons - residents)
    institutions = max(1, residents // _INSTITUTION_SIZE)
    of_institutions = np.full(institutions, residents // institutions, dtype=np.int64)
    of_institutions[: residents % institutions] += 1
    kinds = np.concatenate([kind, np.full(institutions, 8, dtype=np.int64)])
    sizes = np.concatenate([size, of_institutions])
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    talent = 0.42 * normals(seed, "household/talent", place.first_id, len(kinds))[:, 0]
    homes = Households(kind=kinds, size=sizes, first=first, talent=talent, homes=len(kind))
    return homes, _persons(seed, place, homes)


def _homes(seed: int, place: Municipality, persons: int) -> tuple[Ints, Ints]:
    candidates = int(persons * 0.62) + 80
    u = uniforms(seed, "household/type", place.first_id, candidates, 2)
    kind = pick(u[:, 0], list(TYPE_WEIGHTS)) + 1
    size = np.array([0, 1, 2, 2, 2, 2, 1, 2], dtype=np.int64)[kind]
    couples, alone = (kind == 4) | (kind == 5), kind == 6
    size += np.where(couples, 1 + pick(u[:, 1], list(_CHILDREN_OF_COUPLE)), 0)
    size += np.where(alone, 1 + pick(u[:, 1], list(_CHILDREN_OF_ONE)), 0)
    size += np.where(kind == 7, u[:, 1] < 0.5, 0)
    fits = int(np.searchsorted(np.cumsum(size), persons, side="right"))
    left = persons - int(size[:fits].sum())
    return np.concatenate([kind[:fits], np.ones(left, np.int64)]), np.concatenate(
        [size[:fits], np.ones(left, np.int64)]
    )


def _persons(seed: int, place: Municipality, homes: Households) -> Persons:
    household = np.repeat(np.arange(homes.count), homes.size)
    rank = np.arange(len(household)) - homes.first[household]
    kind = homes.kind[household]
    role = np.select(
        [kind == 8, rank == 0, (rank == 1) & (kind >= 2) & (kind <= 5), kind == 7],
        [RESIDENT, REFERENCE_ROLE, PARTNER, OTHER],
        CHILD,
    )
    u = uniforms(seed, "person/sex-age", place.first_id, len(household), 3)
    age = _ages(seed, place, homes, role, u)
    position = np.select(
        [role == RESIDENT, role == CHILD, kind == 1, kind == 6, kind == 7],
        [10, 1, 2, 7, np.where(rank == 0, 8, 9)],
        kind + 1,
    )
    return Persons(
        household=household.astype(np.int64),
        role=role.astype(np.int64),
        position=position.astype(np.int64),
        woman=_women(homes, role, age, u[:, 0]),
        birth=(REFERENCE - 1 - np.floor(age * _YEAR)).astype(np.int64),
    )


def _ages(seed: int, place: Municipality, homes: Households, role: Ints, u: Floats) -> Floats:
    """Ages in years at the reference date; partners differ by N(0, 3²), children follow the eldest."""
    household = np.repeat(np.arange(homes.count), homes.size)
    rank = np.arange(len(household)) - homes.first[household]
    v = uniforms(seed, "household/age", place.first_id, homes.count, 2)
    # every municipality has its own age pyramid: the quantiles are bent, not the household types
    bend = float(np.exp(0.25 * (uniforms(seed, "municipality/age", place.index, 1)[0, 0] - 0.5)))
    head = np.zeros(homes.count)
    for kind, (at, ages) in _AGE_QUANTILES.items():
        head = np.where(homes.kind == kind, np.interp(v[:, 0] ** bend, at, ages), head)
    eldest = v[:, 1] * np.clip(head - 21.0, 0.5, 25.0)
    spread = normals(seed, "person/age", place.first_id, len(household))[:, 0]
    of_head = head[household]
    age = np.select(
        [role == REFERENCE_ROLE, role == PARTNER, role == OTHER, role == CHILD],
        [
            of_head + 0.99 * u[:, 1],
            np.clip(of_head + 3.0 * spread, 18.2, 101.0),
            np.clip(of_head + 12.0 * spread, 18.2, 99.0),
            np.maximum(eldest[household] * (1.0 - 0.3 * (rank - np.where(homes.kind[household] == 6, 1, 2))), 0)
            + 0.4 * u[:, 1],
        ],
        np.where(u[:, 2] < 0.7, 78 + 20 * u[:, 1], 20 + 55 * u[:, 1]),
    )
    return age.astype(np.float64)


def _women(homes: Households, role: Ints, age: Floats, u: Floats) -> Bools:
    household = np.repeat(np.arange(homes.count), homes.size)
    kind = homes.kind[household]
    chance = np.select(
        [role == CHILD, role == RESIDENT, kind == 6, (kind == 1) & (age >= 65), kind == 1, role == REFERENCE_ROLE],
        [0.488, 0.66, 0.83, 0.68, 0.47, 0.15],
        0.5,
    )
    woman = u < chance
    head_is_woman = woman[homes.first[household]]
    # 3 % of couples are of one sex
    return np.where(role == PARTNER, np.where(u < 0.03, head_is_woman, ~head_is_woman), woman)
