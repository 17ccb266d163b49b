"""Risk factors of hemp farms, version 1 (D2): dwelling-years with and without a clearance.

A record is a dwelling in a year *t* of 2012-2016, in use as a home (GEBRUIKSCODEWOZ 10-12) and with at least one
occupant on 1 January *t*; dwellings without a known *buurt* are left out. All characteristics are those of 1 January
*t* or before, so that none of them follows from the clearance. What is unknown counts as "no".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

import narwhals as nw

from enclave.analysis import Parameters
from enclave.requests import OutputRequest, Population, RegressionRequest, Term, TreeRequest

Lazy: TypeAlias = nw.LazyFrame[Any]

TITLE = "Risk factors of hemp farms in dwellings"
YEARS = (2012, 2013, 2014, 2015, 2016)
INPUTS = (
    "dwellings",
    "dwelling_areas",
    "addresses",
    "persons",
    "debts",
    "clearances",
    *(f"property_{year}" for year in YEARS),
    *(f"income_{year - 1}" for year in YEARS),
    *(f"household_link_{year - 1}" for year in YEARS),
)
PARAMETERS: Parameters = {"max_depth": 4, "min_leaf": 50}

RISKS = ("moves", "debt", "low_income", "private_rent", "detached")
CONTROLS = ("apartment", "large_area", "high_woz", "elderly", "child")
HOME_USE_CODES = ("10", "11", "12")
WOZ_MISSING = 9_999_999_999
NO_OCCUPANT_DATA = ("debt", "low_income", "elderly", "child")


def derive(inputs: Mapping[str, Lazy], parameters: Parameters) -> Mapping[str, Lazy]:
    """One row per dwelling and year: the outcome, ten 0/1 characteristics, and the *buurt* that errors cluster in."""
    years = [dwellings_of_year(inputs, year) for year in YEARS]
    return {"dwelling_years": nw.concat(years, how="vertical")}


def requests(parameters: Parameters) -> Sequence[OutputRequest]:
    """A logistic regression with errors clustered by *buurt*, and a classification tree of the same variables."""
    common: dict[str, Any] = {
        "derivation": "dwelling_years",
        "population": Population(dataset="dwellings", key="dwelling"),
        "record": "dwelling",
        "period": "year",
        "unit": "dwelling",
        "outcome": "clearance",
    }
    regression = RegressionRequest(
        name="hemp_odds",
        title="Odds ratios of a hemp farm cleared in the year, dwelling-years 2012-2016",
        terms=tuple(Term(column=column) for column in RISKS + CONTROLS),
        cluster="buurt",
        **common,
    )
    tree = TreeRequest(
        name="hemp_tree",
        title="Classification tree of hemp farms cleared in the year, dwelling-years 2012-2016",
        features=RISKS + CONTROLS,
        max_depth=int(parameters["max_depth"]),
        min_leaf=int(parameters["min_leaf"]),
        **common,
    )
    return (regression, tree)


def dwellings_of_year(inputs: Mapping[str, Lazy], year: int) -> Lazy:
    """The dwelling-years of one year."""
    joined = homes(inputs, year).join(occupied(inputs, year), on="dwelling", how="inner")
    for found in (moves(inputs["addresses"], year), clearances(inputs["clearances"], year)):
        joined = joined.join(found, on="dwelling", how="left")
    flags = [nw.col(name).fill_null(0).cast(nw.Int64).alias(name) for name in ("clearance", *RISKS, *CONTROLS)]
    return joined.select("dwelling", nw.lit(year).cast(nw.Int64).alias("year"), "buurt", *flags)


def homes(inputs: Mapping[str, Lazy], year: int) -> Lazy:
    """Dwellings in use as homes on 1 January: area, tenure, value, type and size."""
    owned = inputs[f"property_{year}"].filter(nw.col("GEBRUIKSCODEWOZ").is_in(HOME_USE_CODES))
    valued = (nw.col("WOZWAARDE") >= 250_000) & (nw.col("WOZWAARDE") != WOZ_MISSING)
    built = inputs["dwellings"].select(
        "dwelling",
        detached=yes(nw.col("WONINGTYPE") == "1"),
        apartment=yes(nw.col("WONINGTYPE") == "5"),
        large_area=yes(nw.col("VBOOPPERVLAKTE") >= 100),
    )
    return (
        owned.select("dwelling", private_rent=yes(nw.col("TypeEigenaar") == "3"), high_woz=yes(valued))
        .join(areas(inputs["dwelling_areas"]), on="dwelling", how="inner")
        .join(built, on="dwelling", how="left")
    )


def areas(dwelling_areas: Lazy) -> Lazy:
    """Dwelling -> code of its *buurt*; dwellings without one are left out."""
    placed = dwelling_areas.filter((nw.col("bc2016") != "") & ~nw.col("bc2016").str.starts_with("-"))
    return placed.select("dwelling", buurt=nw.concat_str([nw.lit("BU"), nw.col("bc2016")]))


def occupied(inputs: Mapping[str, Lazy], year: int) -> Lazy:
    """Dwellings with an occupant on 1 January, and whether any occupant has the characteristic."""
    first_day = f"{year}0101"
    there = (nw.col("GBADATUMAANVANGADRESHOUDING") <= first_day) & (nw.col("GBADATUMEINDEADRESHOUDING") >= first_day)
    occupants = inputs["addresses"].filter(there).select("person", "dwelling")
    for found in (ages(inputs["persons"], year), in_debt(inputs["debts"], year), poor(inputs, year - 1)):
        occupants = occupants.join(found, on="person", how="left")
    return occupants.group_by("dwelling").agg(*(nw.col(name).max() for name in NO_OCCUPANT_DATA))


def ages(persons: Lazy, year: int) -> Lazy:
    """Person -> 65 or older, younger than 12 on 1 January; dates are yyyymmdd text, and an empty one is neither."""
    birth = nw.concat_str([nw.col("GBAGEBOORTEJAAR"), nw.col("GBAGEBOORTEMAAND"), nw.col("GBAGEBOORTEDAG")])
    return persons.select("person", birth=birth).select(
        "person",
        elderly=yes((nw.col("birth") != "") & (nw.col("birth") <= f"{year - 65}0101")),
        child=yes(nw.col("birth") > f"{year - 12}0101"),
    )


def in_debt(debts: Lazy, year: int) -> Lazy:
    """Persons whose debt assistance started before 1 January and had not ended by then."""
    first_day = nw.lit(date(year, 1, 1))
    running = (nw.col("start_date") < first_day) & (nw.col("end_date").is_null() | (nw.col("end_date") >= first_day))
    return debts.filter(running).select("person").unique().with_columns(debt=nw.lit(1))


def poor(inputs: Mapping[str, Lazy], year: int) -> Lazy:
    """Persons in a household with a low income in ``year``."""
    low = inputs[f"income_{year}"].filter(nw.col("INHARMLAGL") == "1").select("household")
    members = inputs[f"household_link_{year}"].select("person", "household").join(low, on="household", how="inner")
    return members.select("person").unique().with_columns(low_income=nw.lit(1))


def moves(addresses: Lazy, year: int) -> Lazy:
    """Dwelling -> two or more distinct start dates of spells in the 24 months before 1 January."""
    start = nw.col("GBADATUMAANVANGADRESHOUDING")
    recent = addresses.filter((start >= f"{year - 2}0101") & (start <= f"{year - 1}1231"))
    starts = recent.group_by("dwelling", "GBADATUMAANVANGADRESHOUDING").agg(spells=nw.len())
    return starts.group_by("dwelling").agg(dates=nw.len()).select("dwelling", moves=yes(nw.col("dates") >= 2))


def clearances(dated: Lazy, year: int) -> Lazy:
    """Dwellings where a farm was cleared in ``year``."""
    day = nw.col("clearance_date")
    cleared = dated.filter((day >= nw.lit(date(year, 1, 1))) & (day < nw.lit(date(year + 1, 1, 1))))
    return cleared.select("dwelling").unique().with_columns(clearance=nw.lit(1))


def yes(condition: nw.Expr) -> nw.Expr:
    """1 where the condition holds, 0 where it doesn't or is unknown."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0))
