"""Everything about one municipality, drawn in the order areas → dwellings → households → … → outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from synthetic import names
from synthetic.areas import Areas, make_areas
from synthetic.calendar_days import Texts
from synthetic.dwellings import Objects, make_objects
from synthetic.entities import Entities, make_entities
from synthetic.finances import Debts, Finances, make_debts, make_finances
from synthetic.hemp import DwellingYears, dwelling_years
from synthetic.households import Households, Persons, make_households
from synthetic.identifiers import NumberSpace, bag_id, rin_object, rin_person
from synthetic.occupancy import Occupancy, Spells, person_spells, simulate
from synthetic.ownership import Ownership, make_ownership
from synthetic.plan import Municipality
from synthetic.randomness import Floats, Ints, uniforms
from synthetic.setting import Setting


@dataclass(frozen=True, slots=True)
class Identities:
    """Names and numbers of the persons of one municipality, and of persons in no register (``stray_…``)."""

    bsn: Texts
    rin: Texts
    surname: pa.Array
    prefix: pa.Array
    first_names: pa.Array
    full_name: pa.Array
    stray_bsn: Texts
    stray_name: pa.Array
    stray_birth: Ints


@dataclass(frozen=True, slots=True)
class Town:
    """One municipality in memory."""

    setting: Setting
    occupancy: Occupancy
    spells: Spells
    finances: Finances
    debts: Debts
    entities: Entities
    ownership: Ownership
    hemp: DwellingYears
    identities: Identities
    bag: Texts
    rin_object: Texts
    street: pa.Array

    @property
    def seed(self) -> int:
        """The country's seed."""
        return self.setting.seed

    @property
    def place(self) -> Municipality:
        """Size and number ranges."""
        return self.setting.place

    @property
    def areas(self) -> Areas:
        """Wijken and buurten."""
        return self.setting.areas

    @property
    def homes(self) -> Households:
        """Households."""
        return self.setting.homes

    @property
    def persons(self) -> Persons:
        """Persons."""
        return self.setting.persons

    @property
    def objects(self) -> Objects:
        """Dwellings and other objects."""
        return self.setting.objects


def make_town(seed: int, place: Municipality, numbers: NumberSpace) -> Town:
    """Draw one municipality; nothing depends on any other."""
    areas = make_areas(seed, place)
    homes, persons = make_households(seed, place)
    objects = make_objects(seed, place, areas, households=homes.homes, institutions=homes.count - homes.homes)
    setting = Setting(seed, place, areas, homes, persons, objects)
    occupancy = simulate(setting)
    spells = person_spells(persons, homes, occupancy)
    finances = make_finances(setting, occupancy)
    debts = make_debts(setting, occupancy, finances)
    return Town(
        setting=setting,
        occupancy=occupancy,
        spells=spells,
        finances=finances,
        debts=debts,
        entities=make_entities(seed, place, numbers, objects.homes),
        ownership=make_ownership(setting, occupancy),
        hemp=dwelling_years(setting, spells, finances, debts),
        identities=_identities(seed, place, homes, persons, numbers),
        bag=bag_id(place.digits.encode(), _bag_numbers(objects.count)),
        rin_object=rin_object(seed, place.first_id + np.arange(objects.count)),
        street=names.texts(names.STREETS, objects.street),
    )


def _bag_numbers(count: int) -> Ints:
    # odd steps, so that a BAG number tells nothing of the neighbour's
    return 1_000_003 + np.arange(count, dtype=np.int64) * 7_919


def _identities(
    seed: int, place: Municipality, homes: Households, persons: Persons, numbers: NumberSpace
) -> Identities:
    """Children bear the reference person's surname; in 60 % of couples each partner keeps the own name."""
    u = uniforms(seed, "person/name", place.first_id, persons.count, 5)
    own = names.surname_numbers(u[:, 0])
    keeps_own = (persons.role == 1) & (u[:, 1] < 0.6) | (persons.role >= 3)
    surname = np.where(keeps_own, own, own[homes.first[persons.household]])
    first = names.texts(names.FIRST_NAMES, names.first_name_numbers(u[:, 2], persons.woman))
    second = names.texts(("", *names.FIRST_NAMES), _second_names(u[:, 3], u[:, 4], persons))
    columns = (
        names.joined(first, second),
        names.texts(names.PREFIXES, names.prefix_numbers(surname)),
        names.texts(names.SURNAMES, surname),
    )
    strays = place.unregistered
    v = uniforms(seed, "stray/name", place.first_id, strays, 3)
    stray_surname = names.surname_numbers(v[:, 0])
    women = v[:, 2] < 0.5
    return Identities(
        bsn=numbers.persons(place.first_person + np.arange(persons.count)),
        rin=rin_person(seed, place.first_id + np.arange(persons.count)),
        first_names=columns[0],
        prefix=columns[1],
        surname=columns[2],
        full_name=names.joined(*columns),
        stray_bsn=numbers.others(place.first_other + np.arange(strays)),
        stray_name=names.joined(
            names.texts(names.FIRST_NAMES, names.first_name_numbers(v[:, 1], women)),
            names.texts(names.PREFIXES, names.prefix_numbers(stray_surname)),
            names.texts(names.SURNAMES, stray_surname),
        ),
        stray_birth=-14_000 + np.floor(16_000 * v[:, 2]).astype(np.int64),
    )


def _second_names(u: Floats, v: Floats, persons: Persons) -> Ints:
    return np.where(u < 0.45, 1 + names.first_name_numbers(v, persons.woman), 0)
