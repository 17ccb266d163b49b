"""One municipality as rows of the registers and of the office's key register."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from synthetic import registers as names
from synthetic.calendar_days import OPEN, REFERENCE, Texts, civil, day, digits, glue, yyyymmdd
from synthetic.dwellings import OWN, WOZ_YEARS
from synthetic.finances import INCOME_YEARS, born_by, present_in
from synthetic.offences import CLASSES, OFFENCE_YEARS, offences_of, parents
from synthetic.origins import origins
from synthetic.ownership import ENTITY, NOBODY, UNREGISTERED
from synthetic.randomness import Bools, Ints
from synthetic.registers import Block
from synthetic.town import Town

KEY_PERSONS = [
    "bsn",
    "surname",
    "prefix",
    "first_names",
    "birth_date",
    "sex",
    "postcode",
    "house_number",
    "addition",
    "RINPERSOONS",
    "RINPERSOON",
]
KEY_ADDRESSES = ["bag_id", "postcode", "house_number", "addition", "street", "municipality", "RINOBJECTNUMMER"]
KEY_ENTITIES = [
    "rsin",
    "kvk",
    "establishment",
    "name",
    "trade_name",
    "street",
    "house_number",
    "addition",
    "postcode",
    "municipality",
    "BEID",
]


def register_blocks(town: Town, municipalities: int) -> Iterator[tuple[str, Block]]:
    """(register, rows) for every register."""
    everyone = np.arange(town.persons.count)
    yield names.PERSON_TAB, _persons(town)
    yield names.ADDRESS_BUS, _addresses(town)
    yield names.HOUSEHOLD_BUS, _households(town, everyone)
    yield names.KIN_TAB, _kin(town)
    yield names.AREA_TAB, _areas(town)
    yield names.LIFE_BUS, _life_cycles(town)
    for column, year in enumerate(WOZ_YEARS):
        yield names.owner_tab(year), _owners(town, year, column)
    for column, year in enumerate(INCOME_YEARS):
        present = present_in(town.finances, year)
        yield (
            names.head_tab(year),
            _heads(town, np.flatnonzero(born_by(town.persons, year) & present[town.persons.household])),
        )
        yield names.income_tab(year), _incomes(town, np.flatnonzero(present), column)
    yield names.WEALTH_TAB, _wealth(town)
    for year in OFFENCE_YEARS:
        yield names.suspect_tab(year), _suspects(town, municipalities, year)
    yield names.FIRM_TAB, _firms(town)


def sex_text(women: Bools) -> Texts:
    """1 man, 2 woman."""
    return np.where(women, np.bytes_(b"2"), np.bytes_(b"1"))


def key_persons(town: Town) -> dict[str, Texts | pa.Array]:
    """Rows of the identified register of persons, with the address on the reference date."""
    who = town.identities
    home = town.occupancy.at(2016)[town.persons.household]
    return {
        "bsn": who.bsn,
        "surname": who.surname,
        "prefix": who.prefix,
        "first_names": who.first_names,
        "birth_date": yyyymmdd(town.persons.birth),
        "sex": sex_text(town.persons.woman),
        "postcode": town.objects.postcode[home],
        "house_number": town.objects.house_number[home],
        "addition": town.objects.addition[home],
        **_person(town, np.arange(town.persons.count)),
    }


def key_addresses(town: Town) -> dict[str, Texts | pa.Array]:
    """Rows of the identified register of objects."""
    everything = np.arange(town.objects.count)
    return {"bag_id": town.bag, **_written_address(town, everything), "RINOBJECTNUMMER": town.rin_object}


def key_entities(town: Town) -> dict[str, Texts | pa.Array]:
    """Rows of the identified register of entities: one per establishment."""
    firms, second = town.entities, town.entities.second
    who = np.concatenate([np.arange(firms.count), second.entity])
    return {
        "rsin": firms.rsin[who],
        "kvk": firms.kvk[who],
        "establishment": np.concatenate([firms.establishment, second.number]),
        "name": firms.name.take(pa.array(who)),
        "trade_name": pa.concat_arrays([firms.trade_name, second.trade_name]),
        **_written_address(town, np.concatenate([firms.home, second.home])),
        "BEID": firms.beid[who],
    }


def _written_address(town: Town, things: Ints) -> dict[str, Texts | pa.Array]:
    return {
        "postcode": town.objects.postcode[things],
        "house_number": town.objects.house_number[things],
        "addition": town.objects.addition[things],
        "street": town.street.take(pa.array(things)),
        "municipality": _same(len(things), town.place.digits.encode()),
    }


def _same(count: int, text: bytes) -> Texts:
    return np.full(count, text)


def _person(town: Town, rows: Ints) -> dict[str, Texts]:
    return {"RINPERSOONS": _same(len(rows), b"R"), "RINPERSOON": town.identities.rin[rows]}


def _object(town: Town, rows: Ints) -> dict[str, Texts]:
    return {"SOORTOBJECTNUMMER": _same(len(rows), b"B"), "RINOBJECTNUMMER": town.rin_object[rows]}


def _head(town: Town, households: Ints) -> dict[str, Texts]:
    head = town.homes.first[households]
    return {"RINPERSOONSHKW": _same(len(head), b"R"), "RINPERSOONHKW": town.identities.rin[head]}


def _persons(town: Town) -> Block:
    year, month, of_month = civil(town.persons.birth)
    return {
        **_person(town, np.arange(town.persons.count)),
        "GBAGEBOORTEJAAR": digits(year, 4),
        "GBAGEBOORTEMAAND": digits(month, 2),
        "GBAGEBOORTEDAG": digits(of_month, 2),
        "GBAGESLACHT": sex_text(town.persons.woman),
        "GBAHERKOMSTGROEPERING": origins(town),
    }


def _addresses(town: Town) -> Block:
    spells = town.spells
    return {
        **_person(town, spells.person),
        **_object(town, spells.object),
        "GBADATUMAANVANGADRESHOUDING": yyyymmdd(spells.start),
        "GBADATUMEINDEADRESHOUDING": yyyymmdd(spells.end),
        "GBAFUNCTIEADRES": _same(len(spells.person), b"W"),
    }


def _households(town: Town, everyone: Ints) -> Block:
    people = town.persons
    start = np.maximum(town.finances.since[people.household], people.birth)
    reference = everyone == town.homes.first[people.household]
    return {
        **_person(town, everyone),
        "DATUMAANVANGHH": yyyymmdd(start),
        "DATUMEINDEHH": _same(len(everyone), b"88888888"),
        "TYPHH": digits(town.homes.kind[people.household], 1),
        "PLHH": np.strings.lstrip(digits(people.position, 2), b"0"),
        "REFPERSOONHH": np.where(reference, np.bytes_(b"1"), np.bytes_(b"0")),
        "HUISHOUDNR": digits(town.place.first_id + people.household, 12),
    }


def _kin(town: Town) -> Block:
    child, mother, father = parents(town.setting)
    family = np.where(mother >= 0, mother, father)
    return {
        **_person(town, child),
        "RINPERSOONSMa": _known(mother, b"R", b"-"),
        "RINPERSOONMa": _rin_or_dashes(town, mother),
        "RINPERSOONSpa": _known(father, b"R", b"-"),
        "RINPERSOONpa": _rin_or_dashes(town, father),
        "XKOPPELNUMMER": digits(town.place.first_id + np.maximum(family, 0), 12),
    }


def _known(rows: Ints, yes: bytes, no: bytes) -> Texts:
    return np.where(rows >= 0, np.bytes_(yes), np.bytes_(no))


def _rin_or_dashes(town: Town, rows: Ints) -> Texts:
    return np.where(rows >= 0, town.identities.rin[np.maximum(rows, 0)], np.bytes_(b"---------"))


def _areas(town: Town) -> Block:
    things = np.arange(town.objects.count)
    return {
        **_object(town, things),
        "gem2016": _same(len(things), town.place.digits.encode()),
        "wc2016": town.areas.wc[town.objects.buurt],
        "bc2016": town.areas.bc[town.objects.buurt],
    }


def _life_cycles(town: Town) -> Block:
    objects = town.objects
    return {
        **_object(town, np.arange(objects.count)),
        "AANVLEVCYCLWOONNIETWOON": yyyymmdd(objects.start),
        "EINDLEVCYCLWOONNIETWOON": yyyymmdd(objects.end),
        "WONINGTYPE": np.where(objects.kind > 0, digits(objects.kind, 1), np.bytes_(b"")),
        "VBOOPPERVLAKTE": objects.floor_area,
    }


def use_codes(town: Town) -> Ints:
    """GEBRUIKSCODEWOZ: 10 mostly, 11 and 12 for some homes, 30 for institutions."""
    return np.where(town.objects.kind == 0, 30, 10 + np.arange(town.objects.count) % 97 // 95)


def _owners(town: Town, year: int, column: int) -> Block:
    standing = np.flatnonzero((town.objects.end >= day(year)) & (town.objects.start < day(year)))
    first, second = town.ownership.owners_at(day(year))
    tenure = town.objects.tenure[standing]
    hidden = tenure == 9
    one = np.where(hidden, NOBODY, first[standing])
    two = np.where(hidden, NOBODY, second[standing])
    return {
        **_object(town, standing),
        "TypeEigendom": np.where(tenure == OWN, np.bytes_(b"E"), np.bytes_(b"H")),
        "TypeEigenaar": digits(np.where(town.objects.kind[standing] == 0, 3, tenure), 1),
        "SOORTRINEIGENAAR": _owner_kind(one),
        "RINEIGENAAR": _owner_rin(town, one),
        "SOORTRINEIGENAAR2": _owner_kind(two),
        "RINEIGENAAR2": _owner_rin(town, two),
        "WOZWAARDE": town.objects.woz[standing, column],
        "GEBRUIKSCODEWOZ": digits(use_codes(town)[standing], 2),
    }


def _owner_kind(owner: Ints) -> Texts:
    person = (owner >= 0) & (owner < UNREGISTERED)
    return np.where(owner >= ENTITY, np.bytes_(b"E"), np.where(person, np.bytes_(b"R"), np.bytes_(b"")))


def _owner_rin(town: Town, owner: Ints) -> Texts:
    """RIN or BEID; blank for nobody and for persons in no register."""
    person = (owner >= 0) & (owner < UNREGISTERED)
    entity = owner >= ENTITY
    rin = np.where(person, town.identities.rin[np.where(person, owner, 0)], np.bytes_(b""))
    return np.where(entity, town.entities.beid[np.where(entity, owner - ENTITY, 0)], rin)


def _heads(town: Town, rows: Ints) -> Block:
    return {**_person(town, rows), **_head(town, town.persons.household[rows])}


def _incomes(town: Town, households: Ints, column: int) -> Block:
    return {
        **_head(town, households),
        "INHBESTINKH": town.finances.income[households, column],
        "INHARMLAGL": digits(town.finances.low[households, column], 1),
    }


def _wealth(town: Town) -> Block:
    present = np.flatnonzero(town.finances.since < REFERENCE)
    return {
        **_head(town, present),
        "VEHW1000VERH": town.finances.wealth[present],
        "VEHWVEREXEWH": town.finances.wealth_without_home[present],
    }


def _suspects(town: Town, municipalities: int, year: int) -> Block:
    found = offences_of(town.setting, town.occupancy, municipalities=municipalities, year=year)
    return {
        **_person(town, found.person),
        "VERDDATUM": yyyymmdd(found.day),
        "VERDDELICT": np.array(CLASSES, dtype="S3")[found.offence],
        "VERDGEMEENTE": found.municipality,
    }


def _firms(town: Town) -> Block:
    firms = town.entities
    form = glue(digits(firms.form + 1, 1), b"0")
    return {
        "BEID": firms.beid,
        "SBI": firms.branch,
        "RECHTSVORM": form,
        "GK": firms.size,
        "DATUMSTART": yyyymmdd(firms.start),
        "DATUMSTOP": yyyymmdd(np.where(firms.end == OPEN, OPEN, firms.end)),
    }
