"""What municipalities and the land registry deliver about one municipality: Arrow tables as in the data model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from synthetic.calendar_days import (
    MOVES_START_YEAR,
    OPEN,
    REFERENCE,
    Texts,
    civil,
    dd_mm_yyyy,
    digits,
    glue,
)
from synthetic.delivery_layouts import LAYOUTS
from synthetic.ownership import DEED_TYPES, ENTITY, NOBODY, UNREGISTERED
from synthetic.randomness import Ints, uniforms
from synthetic.register_blocks import sex_text, use_codes
from synthetic.registers import arrow_column
from synthetic.town import Town
from synthetic.written_by_hand import NO_BAG_NUMBER, NO_FIRM_NUMBER, firm_names, home_addresses, without_address

WATERMARK = "SYN-"


_REMARKS = (
    "Ontruimd zonder bijzonderheden.",
    "Illegale stroomaansluiting aangetroffen; netbeheerder gewaarschuwd.",
    "Kweekruimte op zolder, afzuiging via dak.",
    "Oogst kort voor ontruiming verwijderd; alleen potten en aarde.",
    "Vochtschade aan plafond; verhuurder aangeschreven.",
    "",
)


def municipal_tables(town: Town) -> dict[str, pa.Table]:
    """The three municipal deliveries."""
    return {
        "hemp_clearances": _hemp(town),
        "debt_assistance": _debts(town),
        "property_tax": _property_tax(town),
    }


def dossiers(town: Town) -> tuple[Ints, Texts]:
    """Rows of ``town.hemp`` with a clearance, in order of date, and their dossier numbers."""
    rows = np.flatnonzero(town.hemp.event)
    rows = rows[np.lexsort((town.hemp.object[rows], town.hemp.event_day[rows]))]
    number = digits(np.arange(1, len(rows) + 1), 5)
    prefix = f"{WATERMARK}{town.place.digits}-".encode()
    return rows, glue(prefix, digits(town.hemp.year[rows], 4), b"-", number)


def _hemp(town: Town) -> pa.Table:
    rows, dossier = dossiers(town)
    thing, who = town.hemp.object[rows], town.hemp.occupant[rows]
    u = uniforms(town.seed, "hemp/file", town.place.first_id, len(rows), 4)
    known = u[:, 0] < 0.8
    v = uniforms(town.seed, "hemp/by-hand", town.place.first_id, len(rows), 2)
    written = v[:, 0] < NO_BAG_NUMBER
    return delivery_table(
        "hemp_clearances",
        {
            "dossier": dossier,
            "clearance_date": dd_mm_yyyy(town.hemp.event_day[rows]),
            **home_addresses(address(town, thing), written, v[:, 1]),
            "bag_id": np.where(written, np.bytes_(b""), town.bag[thing]),
            "occupant_bsn": np.where(known, town.identities.bsn[who], np.bytes_(b"")),
            "occupant_name": town.identities.full_name.take(pa.array(who)),
            "occupant_birth_date": dd_mm_yyyy(town.persons.birth[who]),
            "plants": whole(5 + np.floor(900 * u[:, 1] ** 2).astype(np.int64)),
            "damage_eur": decimal_comma(np.floor(100 * np.exp(6.5 + 3 * u[:, 2])).astype(np.int64)),
            "remark": pa.array(_REMARKS).take(pa.array((u[:, 3] * len(_REMARKS)).astype(np.int64))),
        },
    )


def _debts(town: Town) -> pa.Table:
    debts = town.debts
    year, month, _ = civil(debts.start)
    months = (year - MOVES_START_YEAR) * 12 + month - 1
    home = town.occupancy.home[months, town.persons.household[debts.person]]
    who = pa.array(debts.person)
    ends = pa.array(debts.end.astype(np.int32), mask=debts.end == OPEN)
    return delivery_table(
        "debt_assistance",
        {
            "bsn": town.identities.bsn[debts.person],
            "surname": town.identities.surname.take(who),
            "prefix": town.identities.prefix.take(who),
            "first_names": town.identities.first_names.take(who),
            "birth_date": pa.array(town.persons.birth[debts.person].astype(np.int32)),
            "sex": sex_text(town.persons.woman[debts.person]),
            **address(town, home),
            "start_date": pa.array(debts.start.astype(np.int32)),
            "end_date": ends,
            "debt_eur": debts.amount / 100.0,
            "creditors": debts.creditors,
        },
    )


def _property_tax(town: Town) -> pa.Table:
    standing = np.flatnonzero((town.objects.kind > 0) & (town.objects.end == OPEN))
    owner = town.ownership.owners_at(REFERENCE)[0][standing]
    noise = np.where(town.objects.woz[standing, 4] > 10**9, 210_000, town.objects.woz[standing, 4])
    return delivery_table(
        "property_tax",
        {
            "bag_id": town.bag[standing],
            **address(town, standing),
            **_owner(town, owner, standing),
            "owner_kind": np.where(owner >= ENTITY, 2, 1),
            "use_code": use_codes(town)[standing],
            "woz_value": noise,
            "valuation_year": np.full(len(standing), 2015),
        },
    )


def land_registry_table(town: Town) -> pa.Table:
    """Deeds on objects of one municipality: one row per deed and buyer."""
    deeds = town.ownership.deeds
    buyers = 1 + (deeds.second != NOBODY)
    row = np.repeat(np.arange(deeds.count), buyers)
    is_second = np.append(False, row[1:] == row[:-1])
    buyer = np.where(is_second, deeds.second[row], deeds.first[row])
    prefix = f"{WATERMARK}{town.place.digits}-".encode()
    birth = np.where(buyer < UNREGISTERED, town.persons.birth[np.where(buyer < UNREGISTERED, buyer, 0)], 0)
    stray = (buyer >= UNREGISTERED) & (buyer < ENTITY)
    birth = np.where(stray, town.identities.stray_birth[np.where(stray, buyer - UNREGISTERED, 0)], birth)
    return delivery_table(
        "land_registry",
        {
            "deed": glue(prefix, digits(row + 1, 7)),
            "bag_id": town.bag[deeds.object[row]],
            "deed_date": dd_mm_yyyy(deeds.day[row]),
            "deed_sequence": whole(deeds.sequence[row]),
            "deed_type": pa.array(DEED_TYPES).take(pa.array(deeds.type[row])),
            "price_eur": decimal_comma(deeds.price[row]),
            **_party(town, buyer, "buyer"),
            "buyer_birth_date": np.where(buyer < ENTITY, dd_mm_yyyy(birth), np.bytes_(b"")),
            "share": np.where(buyers[row] == 2, np.bytes_(b"0,5"), np.bytes_(b"1")),
        },
    )


def _party(town: Town, owner: Ints, role: str) -> dict[str, Texts | pa.Array]:
    """BSN, RSIN, KvK and name of owners or buyers."""
    entity = owner >= ENTITY
    stray = (owner >= UNREGISTERED) & ~entity
    person = ~entity & ~stray
    who, firm = np.where(person, owner, 0), np.where(entity, owner - ENTITY, 0)
    other = np.where(stray, owner - UNREGISTERED, 0)
    nothing = np.bytes_(b"")
    bsn = np.where(stray, town.identities.stray_bsn[other], np.where(person, town.identities.bsn[who], nothing))
    # one list of all names, so that a single take picks each row's own
    names = pa.concat_arrays([town.identities.full_name, town.identities.stray_name, town.entities.name])
    people, strays = town.persons.count, town.place.unregistered
    position = np.where(entity, people + strays + firm, np.where(stray, people + other, who))
    return {
        f"{role}_bsn": bsn,
        f"{role}_rsin": np.where(entity, town.entities.rsin[firm], nothing),
        f"{role}_kvk": np.where(entity, town.entities.kvk[firm], nothing),
        f"{role}_name": names.take(pa.array(position)),
    }


def _owner(town: Town, owner: Ints, objects: Ints) -> dict[str, Texts | pa.Array]:
    """Owners with their numbers and, of firms, their address; some firms by hand, without a number."""
    u = uniforms(town.seed, "property/by-hand", town.place.first_id, town.objects.count, 7)[objects]
    entity = owner >= ENTITY
    written = entity & (u[:, 0] < NO_FIRM_NUMBER)
    firm = np.where(entity, owner - ENTITY, 0)
    home = address(town, town.entities.home[firm])
    addressed = entity & ~without_address(written, u[:, 1])
    party = _party(town, owner, "owner")
    names = firm_names(party["owner_name"], town.entities.trade_name.take(pa.array(firm)), written, u[:, 2:])
    nothing = np.bytes_(b"")
    return {
        **party,
        "owner_rsin": np.where(written, nothing, party["owner_rsin"]),
        "owner_kvk": np.where(written, nothing, party["owner_kvk"]),
        "owner_name": names,
        "owner_postcode": np.where(addressed, home["postcode"], nothing),
        "owner_house_number": np.where(addressed, glue(home["house_number"], home["addition"]), nothing),
    }


def address(town: Town, rows: Ints) -> dict[str, Texts]:
    """Postcode, house number and addition of objects."""
    return {
        "postcode": town.objects.postcode[rows],
        "house_number": town.objects.house_number[rows],
        "addition": town.objects.addition[rows],
    }


def whole(values: Ints) -> Texts:
    """Whole numbers ≥ 0 as text without leading zeros."""
    text = np.strings.lstrip(digits(values, 12), b"0")
    return np.where(values == 0, np.bytes_(b"0"), text)


def decimal_comma(cents: Ints) -> Texts:
    """Whole cents as 1234,50."""
    return glue(whole(cents // 100), b",", digits(cents % 100, 2))


def delivery_table(schema: str, columns: dict[str, Texts | pa.Array]) -> pa.Table:
    """The columns in the order and types of the layout."""
    layout = LAYOUTS[schema].schema
    return pa.table([arrow_column(columns[field.name], field.type) for field in layout], schema=layout)
