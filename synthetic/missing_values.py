"""The ledger of values that are unknown in registers: which, what was drawn, and why (Rubin's MCAR, MAR, MNAR)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from synthetic import registers
from synthetic import theme_registers as names
from synthetic.calendar_days import Texts, digits, glue, yyyymmdd
from synthetic.education import LEVELS
from synthetic.finances import INCOME_MISSING, INCOME_YEARS, present_in
from synthetic.offences import OFFENCE_YEARS, offences_of
from synthetic.randomness import Bools, Ints
from synthetic.theme_blocks import Rows, code_of
from synthetic.themes import Themes
from synthetic.town import Town

SCHEMA = pa.schema([(name, pa.string()) for name in ("register", "unit", "moment", "column", "mechanism", "value")])
REASONS = {
    "MCAR": "by chance alone",
    "MAR": "depends on what is known: age for education of 45 and older, the type of crime for places of facts",
    "MNAR": "depends on the unknown value: low education below 45, high personal income",
    "structural": "no value exists: members of institutions have no household income",
}


def missing_values(town: Town, themes: Themes, municipalities: int) -> Iterator[Rows]:
    """Blocks of the ledger of one municipality."""
    yield _education(town, themes)
    yield _personal_incomes(town, themes)
    yield _facts(town, themes)
    for column, year in enumerate(INCOME_YEARS):
        yield _incomes(town, column, year)
    for year in OFFENCE_YEARS:
        yield _suspects(town, municipalities, year)


def _rows(
    register: str,
    column: str,
    unit: Texts,
    *,
    moment: Texts | None,
    mechanism: Ints,
    names: tuple[str, ...],
    value: Texts,
) -> Rows:
    count = np.zeros(len(unit), dtype=np.int64)
    return {
        "register": pa.array([register]).take(pa.array(count)),
        "unit": unit,
        "moment": np.full(len(unit), b"") if moment is None else moment,
        "column": pa.array([column]).take(pa.array(count)),
        "mechanism": pa.array(names).take(pa.array(mechanism)),
        "value": value,
    }


def _education(town: Town, themes: Themes) -> Rows:
    found = themes.education
    rows = np.flatnonzero(found.missing)
    return _rows(
        names.EDUCATION_TAB,
        "OPLNIVSOI2021AGG4HBmetNIRWO",
        town.identities.rin[found.person[rows]],
        moment=None,
        mechanism=found.older[rows].astype(np.int64),
        names=("MNAR", "MAR"),
        value=code_of(tuple(LEVELS), found.level[rows]),
    )


def _personal_incomes(town: Town, themes: Themes) -> Rows:
    found = themes.incomes
    rows = np.flatnonzero(found.missing)
    return _rows(
        names.PERSONAL_INCOME_TAB,
        "INPPERSBRUT",
        town.identities.rin[found.person[rows]],
        moment=None,
        mechanism=np.zeros(len(rows), dtype=np.int64),
        names=("MNAR",),
        value=_whole(found.gross[rows]),
    )


def _facts(town: Town, themes: Themes) -> Rows:
    facts = themes.justice.facts
    rows = np.flatnonzero(facts.municipality == b"----")
    return _rows(
        names.FACT_BUS,
        "FEITGEMEENTE",
        town.identities.rin[facts.person[rows]],
        moment=yyyymmdd(facts.day[rows]),
        mechanism=np.zeros(len(rows), dtype=np.int64),
        names=("MAR",),
        value=facts.drawn_municipality[rows],
    )


def _incomes(town: Town, column: int, year: int) -> Rows:
    income, homes = town.finances.income[:, column], town.homes
    unknown: Bools = (income == INCOME_MISSING) & present_in(town.finances, year)
    rows = np.flatnonzero(unknown)
    structural = (homes.kind[rows] == 8).astype(np.int64)
    return _rows(
        registers.income_tab(year),
        "INHBESTINKH",
        town.identities.rin[homes.first[rows]],
        moment=None,
        mechanism=structural,
        names=("MCAR", "structural"),
        value=np.where(structural == 1, np.bytes_(b""), _whole(town.finances.income_drawn[rows, column])),
    )


def _suspects(town: Town, municipalities: int, year: int) -> Rows:
    found = offences_of(town.setting, town.occupancy, municipalities=municipalities, year=year)
    rows = np.flatnonzero(found.municipality == b"----")
    return _rows(
        registers.suspect_tab(year),
        "VERDGEMEENTE",
        town.identities.rin[found.person[rows]],
        moment=yyyymmdd(found.day[rows]),
        mechanism=np.zeros(len(rows), dtype=np.int64),
        names=("MCAR",),
        value=found.drawn_municipality[rows],
    )


def _whole(values: Ints) -> Texts:
    """Whole numbers as text; a minus before negative ones."""
    text = np.strings.lstrip(digits(np.abs(values), 12), b"0")
    text = np.where(values == 0, np.bytes_(b"0"), text)
    return np.where(values < 0, glue(b"-", text), text)
