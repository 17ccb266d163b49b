"""What the full programme delivers beside the first four: assistance, permits, vehicles, firms, transactions, ANBI."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from synthetic.calendar_days import OPEN, Texts, civil, day, dd_mm_yyyy, digits, glue
from synthetic.deliveries import (
    WATERMARK,
    address,
    decimal_comma,
    delivery_table,
    land_registry_table,
    municipal_tables,
    whole,
)
from synthetic.entities import FORMS
from synthetic.invented_contacts import belgian_numbers, emails, ibans, licence_plates, phones
from synthetic.randomness import Ints, pick, uniforms
from synthetic.town import Town

_KINDS = 8  # ordinals of accounts and contacts: one range per use, so that no two people share one


def all_municipal_tables(town: Town) -> dict[str, pa.Table]:
    """The five deliveries of a municipality."""
    return {**municipal_tables(town), "social_assistance": _assistance(town), "permits": _permits(town)}


def _own_numbers(town: Town, letter: bytes, count: int) -> Texts:
    prefix = f"{WATERMARK}{town.place.digits}-".encode()
    return glue(prefix + letter, digits(np.arange(1, count + 1), 7))


def _ordinals(town: Town, use: int, rows: Ints) -> Ints:
    found: Ints = (town.place.first_id + rows) * _KINDS + use
    return found


def _assistance(town: Town) -> pa.Table:
    adult = np.flatnonzero(town.persons.birth <= day(1998))
    u = uniforms(town.seed, "assistance/file", town.place.first_id, town.persons.count, 6)
    who = adult[u[adult, 0] < 0.05]
    u = u[who]
    start = day(2008) + np.floor(2900 * u[:, 1]).astype(np.int64)
    end = start + 60 + np.floor(900 * u[:, 2]).astype(np.int64)
    running = end >= day(2016)
    partner = town.homes.first[town.persons.household[who]]
    together = (partner != who) & (town.persons.role[who] == 1)
    home = town.occupancy.at(2016)[town.persons.household[who]]
    nothing = np.bytes_(b"")
    return delivery_table(
        "social_assistance",
        {
            "case": _own_numbers(town, b"B", len(who)),
            "bsn": town.identities.bsn[who],
            "surname": town.identities.surname.take(pa.array(who)),
            "birth_date": dd_mm_yyyy(town.persons.birth[who]),
            "partner_bsn": np.where(together, town.identities.bsn[partner], nothing),
            "iban": ibans(_ordinals(town, 0, who)),
            "phone": np.where(u[:, 3] < 0.8, phones(_ordinals(town, 1, who)), nothing),
            "email": np.where(u[:, 4] < 0.6, emails(_ordinals(town, 2, who)), nothing),
            **address(town, home),
            "start_date": dd_mm_yyyy(start),
            "end_date": np.where(running, nothing, dd_mm_yyyy(np.where(running, 0, end))),
            "norm": np.where(together, b"couple", np.where(u[:, 5] < 0.2, b"parent", b"single")),
            "amount_eur": decimal_comma(70_000 + np.floor(80_000 * u[:, 5]).astype(np.int64)),
        },
    )


def _permits(town: Town) -> pa.Table:
    count = max(20, town.place.persons // 90)
    u = uniforms(town.seed, "permit/file", town.place.first_id, count, 7)
    who = (u[:, 0] * town.persons.count).astype(np.int64)
    firm = (u[:, 1] * town.entities.count).astype(np.int64)
    standing = np.flatnonzero((town.objects.kind > 0) & (town.objects.end == OPEN))
    standing = standing if len(standing) else np.arange(town.objects.count)
    abroad = u[:, 2] < 0.08
    stray = (u[:, 0] * town.place.unregistered).astype(np.int64)
    birth = town.identities.stray_birth[stray]
    names = pa.concat_arrays([town.identities.full_name, town.identities.stray_name])
    nothing = np.bytes_(b"")
    return delivery_table(
        "permits",
        {
            "permit": _own_numbers(town, b"V", count),
            "kvk": town.entities.kvk[firm],
            "establishment": np.where(u[:, 3] < 0.7, town.entities.establishment[firm], nothing),
            "applicant_bsn": np.where(abroad, nothing, town.identities.bsn[who]),
            "applicant_foreign": np.where(abroad, belgian_numbers(birth, stray), nothing),
            "applicant_name": names.take(pa.array(np.where(abroad, town.persons.count + stray, who))),
            "bag_id": town.bag[standing[(u[:, 4] * len(standing)).astype(np.int64)]],
            "kind": np.array([b"horeca", b"shop", b"lodging", b"other"])[pick(u[:, 5], [0.5, 0.2, 0.1, 0.2])],
            "granted_on": yyyy_mm_dd(day(2007) + np.floor(3200 * u[:, 6]).astype(np.int64)),
            "decision": np.array([b"granted", b"refused", b"withdrawn"])[pick(u[:, 3], [0.9, 0.06, 0.04])],
        },
    )


def yyyy_mm_dd(days: Ints) -> Texts:
    """Dates as yyyy-mm-dd."""
    year, month, of_month = civil(days)
    return glue(digits(year, 4), b"-", digits(month, 2), b"-", digits(of_month, 2))


def _vehicles(town: Town) -> pa.Table:
    u = uniforms(town.seed, "plate/file", town.place.first_id, town.persons.count, 6)
    person = np.flatnonzero((town.persons.birth <= day(1998)) & (u[:, 0] < 0.55))
    firm = np.flatnonzero(u[: town.entities.count, 5] < 0.4)
    u = np.concatenate([u[person], u[firm]])
    of_person = np.arange(len(u)) < len(person)
    who, which = np.append(person, np.zeros_like(firm)), np.append(np.zeros_like(person), firm)
    nothing = np.bytes_(b"")
    ordinals = town.place.first_person + town.place.first_entity + np.arange(len(u))
    return delivery_table(
        "vehicle_register",
        {
            "licence_plate": licence_plates(ordinals),
            "holder_bsn": np.where(of_person, town.identities.bsn[who], nothing),
            "holder_rsin": np.where(of_person, nothing, town.entities.rsin[which]),
            "holder_birth_date": np.where(of_person, dd_mm_yyyy(town.persons.birth[who]), nothing),
            "vehicle_kind": np.array([b"1", b"2", b"3", b"6"])[pick(u[:, 1], [0.85, 0.1, 0.04, 0.01])],
            "fuel": np.array([b"B", b"D", b"E"])[pick(u[:, 2], [0.78, 0.19, 0.03])],
            "first_admission": dd_mm_yyyy(day(1998) + np.floor(6500 * u[:, 3]).astype(np.int64)),
            "catalogue_price": whole(9_000 + np.floor(60_000 * u[:, 4] ** 3).astype(np.int64)),
        },
    )


def _firms(town: Town) -> pa.Table:
    firms = town.entities
    ended = firms.end != OPEN
    return delivery_table(
        "trade_register",
        {
            "establishment": firms.establishment,
            "kvk": firms.kvk,
            "rsin": firms.rsin,
            "trade_name": pa.compute.if_else(pa.compute.equal(firms.trade_name, ""), firms.name, firms.trade_name),
            "legal_form": np.array(FORMS, dtype="S2")[firms.form],
            "branch": firms.branch,
            "start_date": dd_mm_yyyy(firms.start),
            "end_date": np.where(ended, dd_mm_yyyy(np.where(ended, firms.end, 0)), np.bytes_(b"")),
        },
    )


def _transactions(town: Town) -> pa.Table:
    count = max(12, town.place.persons // 80)
    u = uniforms(town.seed, "transaction/file", town.place.first_id, count, 7)
    kind = pick(u[:, 0], [0.4, 0.5, 0.1])  # person, entity, somebody abroad
    who = (u[:, 1] * town.persons.count).astype(np.int64)
    firm = (u[:, 1] * town.entities.count).astype(np.int64)
    stray = (u[:, 1] * town.place.unregistered).astype(np.int64)
    nothing = np.bytes_(b"")
    number = np.arange(count)
    return delivery_table(
        "suspicious_transactions",
        {
            "transaction": _own_numbers(town, b"T", count),
            "dossier": glue(f"{WATERMARK}{town.place.digits}-D".encode(), digits(number // 5, 7)),
            "party_bsn": np.where(kind == 0, town.identities.bsn[who], nothing),
            "party_rsin": np.where(kind == 1, town.entities.rsin[firm], nothing),
            "party_foreign": np.where(kind == 2, belgian_numbers(town.identities.stray_birth[stray], stray), nothing),
            "party_iban": ibans(_ordinals(town, 3, number)),
            "counter_iban": np.where(u[:, 2] < 0.7, ibans(_ordinals(town, 4, number)), nothing),
            "transaction_date": yyyy_mm_dd(day(2015) + np.floor(365 * u[:, 3]).astype(np.int64)),
            "kind": np.array([b"transfer", b"cash", b"exchange", b"other"])[pick(u[:, 4], [0.6, 0.2, 0.1, 0.1])],
            "amount_eur": decimal_comma(np.floor(100 * np.exp(8 + 2 * u[:, 5])).astype(np.int64)),
        },
    )


def _public_benefit(town: Town) -> pa.Table:
    firms = town.entities
    u = uniforms(town.seed, "anbi/file", town.place.first_id, firms.count, 3)
    rows = np.flatnonzero((firms.form == 3) & (u[:, 0] < 0.5))
    since = day(2008) + np.floor(2000 * u[rows, 1]).astype(np.int64)
    until = since + 200 + np.floor(5000 * u[rows, 2]).astype(np.int64)
    return delivery_table(
        "anbi_list",
        {
            "rsin": firms.rsin[rows],
            "name": firms.name.take(pa.array(rows)),
            "since": pa.array(since.astype(np.int32)),
            "until": pa.array(until.astype(np.int32), mask=until >= day(2016)),
        },
    )


NATIONAL_TABLES: Mapping[str, Callable[[Town], pa.Table]] = {
    "land_registry": land_registry_table,
    "vehicle_register": _vehicles,
    "trade_register": _firms,
    "suspicious_transactions": _transactions,
    "anbi_list": _public_benefit,
}
"""What national suppliers know of one municipality; they deliver all of them in one file."""
