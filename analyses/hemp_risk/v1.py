"""Risk factors of hemp farms, version 1 (D2): dwelling-years with and without a clearance.

A record is a dwelling in a year *t* of 2012-2016, in use as a home (GEBRUIKSCODEWOZ 10-12) and with at least one
occupant on 1 January *t*; dwellings without a known *buurt* are left out. All characteristics are those of 1 January
*t* or before, so that none of them follows from the clearance. What is unknown counts as "no".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
OF_OCCUPANTS = ("debt", "low_income", "elderly", "child")
RECORD = ["dwelling", "year"]


def derive(inputs: Mapping[str, Lazy], parameters: Parameters) -> Mapping[str, Lazy]:
    """One row per dwelling and year: the outcome, ten 0/1 characteristics, and the *buurt* that errors cluster in."""
    joined = homes(inputs).join(occupied(inputs), on=RECORD, how="inner")
    for found in (moves(inputs["addresses"]), clearances(inputs["clearances"])):
        joined = joined.join(found, on=RECORD, how="left")
    flags = [nw.col(name).fill_null(0).cast(nw.Int64).alias(name) for name in ("clearance", *RISKS, *CONTROLS)]
    return {"dwelling_years": joined.select("dwelling", nw.col("year").cast(nw.Int64), "buurt", *flags)}


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


def every_year(one_year: Callable[[int], Lazy]) -> Lazy:
    """The rows of all years, one year below the other, with the year as a column."""
    return nw.concat([one_year(year).with_columns(year=nw.lit(year)) for year in YEARS], how="vertical")


def homes(inputs: Mapping[str, Lazy]) -> Lazy:
    """Dwellings in use as homes on 1 January: area, tenure, value, type and size."""

    def owned(year: int) -> Lazy:
        return (
            inputs[f"property_{year}"]
            .filter(nw.col("GEBRUIKSCODEWOZ").is_in(HOME_USE_CODES))
            .select("dwelling", "TypeEigenaar", "WOZWAARDE")
        )

    valued = (nw.col("WOZWAARDE") >= 250_000) & (nw.col("WOZWAARDE") != WOZ_MISSING)
    built = inputs["dwellings"].select(
        "dwelling",
        detached=yes(nw.col("WONINGTYPE") == "1"),
        apartment=yes(nw.col("WONINGTYPE") == "5"),
        large_area=yes(nw.col("VBOOPPERVLAKTE") >= 100),
    )
    return (
        every_year(owned)
        .with_columns(private_rent=yes(nw.col("TypeEigenaar") == "3"), high_woz=yes(valued))
        .join(areas(inputs["dwelling_areas"]), on="dwelling", how="inner")
        .join(built, on="dwelling", how="left")
    )


def areas(dwelling_areas: Lazy) -> Lazy:
    """Dwelling -> code of its *buurt*; dwellings without one are left out."""
    placed = dwelling_areas.filter((nw.col("bc2016") != "") & ~nw.col("bc2016").str.starts_with("-"))
    return placed.select("dwelling", buurt=nw.concat_str([nw.lit("BU"), nw.col("bc2016")]))


def occupied(inputs: Mapping[str, Lazy]) -> Lazy:
    """Dwelling-years with an occupant on 1 January, and whether any occupant has the characteristic."""

    def occupants(year: int) -> Lazy:
        day = f"{year}0101"
        there = (nw.col("GBADATUMAANVANGADRESHOUDING") <= day) & (nw.col("GBADATUMEINDEADRESHOUDING") >= day)
        limits = {"born_by": nw.lit(f"{year - 65}0101"), "born_after": nw.lit(f"{year - 12}0101")}
        return inputs["addresses"].filter(there).select("person", "dwelling", **limits)

    birth = nw.concat_str([nw.col("GBAGEBOORTEJAAR"), nw.col("GBAGEBOORTEMAAND"), nw.col("GBAGEBOORTEDAG")])
    people = every_year(occupants).join(inputs["persons"].select("person", birth=birth), on="person", how="left")
    for found in (in_debt(inputs["debts"]), poor(inputs)):
        people = people.join(found, on=["person", "year"], how="left")
    # Dates are yyyymmdd text; an empty date of birth is neither old nor young.
    aged = people.with_columns(
        elderly=yes((nw.col("birth") != "") & (nw.col("birth") <= nw.col("born_by"))),
        child=yes(nw.col("birth") > nw.col("born_after")),
    )
    return aged.group_by(RECORD).agg(*(nw.col(name).max() for name in OF_OCCUPANTS))


def in_debt(debts: Lazy) -> Lazy:
    """Person-years whose debt assistance started before 1 January and had not ended by then."""

    def running(year: int) -> Lazy:
        first_day = nw.lit(date(year, 1, 1))
        not_ended = nw.col("end_date").is_null() | (nw.col("end_date") >= first_day)
        return debts.filter((nw.col("start_date") < first_day) & not_ended).select("person")

    return every_year(running).unique().with_columns(debt=nw.lit(1))


def poor(inputs: Mapping[str, Lazy]) -> Lazy:
    """Person-years in a household with a low income in the year before."""

    def members(year: int) -> Lazy:
        low = inputs[f"income_{year - 1}"].filter(nw.col("INHARMLAGL") == "1").select("household")
        linked = inputs[f"household_link_{year - 1}"].select("person", "household")
        return linked.join(low, on="household", how="inner").select("person")

    return every_year(members).unique().with_columns(low_income=nw.lit(1))


def moves(addresses: Lazy) -> Lazy:
    """Dwelling-year -> two or more distinct start dates of spells in the 24 months before 1 January."""
    start = nw.col("GBADATUMAANVANGADRESHOUDING")

    def recent(year: int) -> Lazy:
        return addresses.filter((start >= f"{year - 2}0101") & (start <= f"{year - 1}1231")).select(
            "dwelling", "GBADATUMAANVANGADRESHOUDING"
        )

    dates = every_year(recent).unique().group_by(RECORD).agg(dates=nw.len())
    return dates.select(*RECORD, moves=yes(nw.col("dates") >= 2))


def clearances(dated: Lazy) -> Lazy:
    """Dwelling-years in which a farm was cleared."""
    day = nw.col("clearance_date")

    def cleared(year: int) -> Lazy:
        within = (day >= nw.lit(date(year, 1, 1))) & (day < nw.lit(date(year + 1, 1, 1)))
        return dated.filter(within).select("dwelling")

    return every_year(cleared).unique().with_columns(clearance=nw.lit(1))


def yes(condition: nw.Expr) -> nw.Expr:
    """1 where the condition holds, 0 where it doesn't or is unknown."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0))
