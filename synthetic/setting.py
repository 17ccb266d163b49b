"""What later draws about a municipality build on: its areas, households, persons and objects."""

from __future__ import annotations

from dataclasses import dataclass

from synthetic.areas import Areas
from synthetic.dwellings import Objects
from synthetic.households import Households, Persons
from synthetic.plan import Municipality


@dataclass(frozen=True, slots=True)
class Setting:
    """One municipality before anything has happened in it."""

    seed: int
    place: Municipality
    areas: Areas
    homes: Households
    persons: Persons
    objects: Objects
