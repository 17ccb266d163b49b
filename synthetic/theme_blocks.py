"""One municipality as rows of the registers by theme."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from synthetic import theme_registers as names
from synthetic.calendar_days import REFERENCE, Texts, civil, day, digits, yyyymmdd
from synthetic.careers import CRIMES
from synthetic.education import LEVELS, UNKNOWN_LEVEL
from synthetic.establishments import BRANCHES
from synthetic.finances import INCOME_MISSING
from synthetic.offences import CLASSES
from synthetic.personal_incomes import ASSISTANCE, primary_income
from synthetic.randomness import Bools, Floats, Ints, uniforms
from synthetic.register_blocks import sex_text
from synthetic.registers import Block
from synthetic.themes import Themes
from synthetic.town import Town

Rows = dict[str, Texts | Ints | Floats | pa.Array]
_NOTHING = np.bytes_(b"")


def theme_blocks(town: Town, themes: Themes) -> Iterator[tuple[str, Block]]:
    """(register, rows) for every register by theme."""
    yield names.MORTGAGE_TAB, _mortgages(town, themes)
    yield names.POSITION_BUS, _positions(town, themes)
    yield names.PERSONAL_INCOME_TAB, _personal_incomes(town, themes)
    yield names.ASSISTANCE_TAB, _assistance(town, themes)
    yield names.EDUCATION_TAB, _education(town, themes)
    yield names.VEHICLE_TAB, _vehicles(town, themes)
    yield names.FOUNDATION_TAB, _foundations(themes)
    yield names.DIRECTOR_BUS, _directors(town, themes)
    yield names.ESTABLISHMENT_TAB, _establishments(town, themes)
    yield names.HOLDING_BUS, _holdings(town, themes)
    yield names.FACT_BUS, _facts(town, themes)
    yield names.NON_RESIDENT_TAB, _non_residents(themes)
    yield names.CONVICTION_BUS, _convictions(town, themes)
    yield names.DETENTION_TAB, _detentions(town, themes)
    yield names.PROBATION_BUS, _probation(town, themes)
    yield names.TRANSACTION_TAB, _transactions(town, themes)


def person_columns(town: Town, rows: Ints) -> dict[str, Texts]:
    """The pair of columns that names residents."""
    return {"RINPERSOONS": np.full(len(rows), b"R"), "RINPERSOON": town.identities.rin[rows]}


def code_of(codes: Mapping[str, str] | tuple[str, ...], positions: Ints) -> Texts:
    """The codes at the given positions."""
    listed = [code.encode() for code in codes]
    return np.array(listed)[positions]


def crime_texts(drug: Ints) -> Texts:
    """F40 … F46, blank for no drug offence."""
    return np.where(drug >= 0, np.array(CLASSES, dtype="S3")[np.maximum(drug, 0)], _NOTHING)


def _mortgages(town: Town, themes: Themes) -> Block:
    found = themes.mortgages
    return {
        "SOORTOBJECTNUMMER": np.full(len(found.object), b"B"),
        "RINOBJECTNUMMER": town.rin_object[found.object],
        **person_columns(town, found.person),
        "HYPBEDRAG": found.amount,
        "HYPDATUM": yyyymmdd(found.since),
        "HYPSOORT": digits(found.kind, 1),
    }


def _positions(town: Town, themes: Themes) -> Block:
    """One spell of 2015, or two when the position changed on the first of a month."""
    found = themes.incomes
    row = np.repeat(np.arange(len(found.person)), 1 + (found.second > 0))
    later = np.append(False, row[1:] == row[:-1])
    first_of_month = np.array([day(2015, max(1, month)) for month in range(13)])[found.turn]
    ends = np.where(found.second > 0, first_of_month - 1, REFERENCE - 1)
    return {
        **person_columns(town, found.person[row]),
        "AANVSECM": yyyymmdd(np.where(later, first_of_month[row], day(2015))),
        "EINDSECM": yyyymmdd(np.where(later, REFERENCE - 1, ends[row])),
        "SECM": digits(np.where(later, found.second[row], found.first[row]), 2),
    }


def _personal_incomes(town: Town, themes: Themes) -> Block:
    found = themes.incomes
    return {
        **person_columns(town, found.person),
        "INPPERSBRUT": np.where(found.missing, INCOME_MISSING, found.gross),
        "INPPERSPRIM": primary_income(found),
    }


def _assistance(town: Town, themes: Themes) -> Block:
    found = themes.incomes
    rows = np.flatnonzero(found.first == ASSISTANCE)
    u = uniforms(town.seed, "assistance/dates", town.place.first_id, town.persons.count)[found.person[rows], 0]
    since = day(2009) + np.floor((day(2015) - day(2009)) * u).astype(np.int64)
    return {
        **person_columns(town, found.person[rows]),
        "AANVBIJSTAND": yyyymmdd(since),
        "EINDBIJSTAND": np.full(len(rows), b"88888888"),
        "BEDRAGBIJSTAND": found.gross[rows],
    }


def _education(town: Town, themes: Themes) -> Block:
    found = themes.education
    level = np.where(found.missing, np.bytes_(UNKNOWN_LEVEL), code_of(tuple(LEVELS), found.level))
    return {**person_columns(town, found.person), "OPLNIVSOI2021AGG4HBmetNIRWO": level}


def _vehicles(town: Town, themes: Themes) -> Block:
    found = themes.vehicles
    return {
        "RINVOERTUIG": found.number,
        **person_columns(town, found.person),
        "VOERTUIGSOORT": digits(found.kind, 1),
        "BRANDSTOF": found.fuel,
        "CATALOGUSPRIJS": found.price,
        "BOUWJAAR": digits(found.built, 4),
    }


def _foundations(themes: Themes) -> Block:
    found = themes.foundations
    return {
        "BEID": found.beid,
        "SBI": found.branch,
        "ANBI": digits(found.charity, 1),
        "DATUMSTART": yyyymmdd(found.start),
        "DATUMSTOP": yyyymmdd(found.end),
    }


def _directors(town: Town, themes: Themes) -> Block:
    found = themes.foundations
    order = np.lexsort((found.spell_start, found.spell_foundation, found.spell_person))
    return {
        **person_columns(town, found.spell_person[order]),
        "BEID": found.beid[found.spell_foundation[order]],
        "FUNCTIE": digits(found.spell_role[order], 1),
        "AANVANGFUNCTIE": yyyymmdd(found.spell_start[order]),
        "EINDEFUNCTIE": yyyymmdd(found.spell_end[order]),
    }


def _establishments(town: Town, themes: Themes) -> Block:
    found = themes.establishments
    return {
        "VESTID": found.number,
        "BEID": town.entities.beid[found.firm],
        "SBI": code_of(BRANCHES, found.branch),
        "gem2016": np.full(len(found.number), town.place.digits.encode()),
        "wc2016": town.areas.wc[found.buurt],
        "bc2016": town.areas.bc[found.buurt],
        "WERKZAMEPERSONEN": found.workers,
    }


def _holdings(town: Town, themes: Themes) -> Block:
    found = themes.holdings
    return {
        "BEID": town.entities.beid[found.firm],
        "OGID": found.number,
        "AANVBEOG": yyyymmdd(found.since),
        "EINDBEOG": yyyymmdd(found.until),
    }


def _facts(town: Town, themes: Themes) -> Block:
    """Residents first, then suspects in no population register, whose facts lie in this municipality."""
    facts, others = themes.justice.facts, themes.justice.non_residents
    here = np.full(len(others.rin), town.place.digits.encode())
    residents = person_columns(town, facts.person)
    return {
        "RINPERSOONS": np.concatenate([residents["RINPERSOONS"], np.full(len(others.rin), b"N")]),
        "RINPERSOON": np.concatenate([residents["RINPERSOON"], others.rin]),
        "FEITDATUM": yyyymmdd(np.concatenate([facts.day, others.day])),
        "FEITSCM": code_of(CRIMES, np.concatenate([facts.crime, others.crime])),
        "FEITDELICT": crime_texts(np.concatenate([facts.drug, others.drug])),
        "FEITGEMEENTE": np.concatenate([facts.municipality, here]),
        "FEITPLAATS": digits(1 + np.concatenate([facts.place, others.place]), 1),
    }


def _non_residents(themes: Themes) -> Block:
    found = themes.justice.non_residents
    women: Bools = found.woman
    return {
        "RINPERSOONS": np.full(len(found.rin), b"N"),
        "RINPERSOON": found.rin,
        "GEBOORTEJAAR": digits(civil(found.birth)[0], 4),
        "GESLACHT": sex_text(women),
    }


def _convictions(town: Town, themes: Themes) -> Block:
    found, facts = themes.justice, themes.justice.facts
    return {
        **person_columns(town, facts.person[found.convicted]),
        "FEITDATUM": yyyymmdd(facts.day[found.convicted]),
        "UITSPRAAKDATUM": yyyymmdd(found.verdict),
        "FEITSCM": code_of(CRIMES, facts.crime[found.convicted]),
        "STRAF": digits(found.sentence, 1),
    }


def _detentions(town: Town, themes: Themes) -> Block:
    found = themes.justice
    return {
        **person_columns(town, found.detained),
        "DATUMIN": yyyymmdd(found.detained_from),
        "DATUMUIT": yyyymmdd(found.detained_until),
    }


def _probation(town: Town, themes: Themes) -> Block:
    found = themes.justice
    return {
        **person_columns(town, found.probation),
        "AANVJGDRECLASS": yyyymmdd(found.probation_from),
        "EINDJGDRECLASS": yyyymmdd(found.probation_until),
    }


def _transactions(town: Town, themes: Themes) -> Block:
    found = themes.transactions
    entity = np.where(found.by_entity, found.party, 0)
    person = np.where(found.by_entity, 0, found.party)
    return {
        "FIUTRANSACTIE": found.number,
        "FIUDOSSIER": found.dossier,
        "SOORTRINPARTIJ": np.where(found.by_entity, np.bytes_(b"E"), np.bytes_(b"R")),
        "RINPARTIJ": np.where(found.by_entity, town.entities.beid[entity], town.identities.rin[person]),
        "FIUDATUM": yyyymmdd(found.day),
        "FIUBEDRAG": found.amount,
    }
