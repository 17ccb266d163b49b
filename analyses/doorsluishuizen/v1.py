"""Pass-through homes, version 1 (V3): dwellings whose owners changed five times or more in twenty years.

Population: dwellings (GEBRUIKSCODEWOZ 10-12 on the reference date) that existed during the whole window, of a known
type (WONINGTYPE 1-5) and with a known *buurt*; a dwelling without one of the two stands in no cell of the table.

A *change* is a deed date with a counted deed (a sale) on which the set of owners after the day's last deed differs from
the set after the previous deed date. New building, inheritance, divorce and transfers within a group of firms are no
counted deeds, but do say who owned the home before the next sale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

import narwhals as nw

from enclave.analysis import Parameters
from enclave.requests import DimensionRequest, OutputRequest, Population, TableRequest

Lazy: TypeAlias = nw.LazyFrame[Any]

TITLE = "Doorsluishuizen: homes that change hands unusually often"
INPUTS = ("transfers", "dwellings", "dwelling_areas", "property_2016")
PARAMETERS: Parameters = {"least_changes": 5, "window_years": 20, "finest_level": "WK"}

REFERENCE_YEAR = 2016
HOME_USE_CODES = ("10", "11", "12")
DWELLING_TYPES = ("1", "2", "3", "4", "5")
NOT_COUNTED_DEEDS = ("new_build", "inheritance", "divorce", "intra_group")
WOZ_MISSING = 9_999_999_999
LEVELS = ("NL", "GM", "WK", "BU")
NO_BUYER = -1


def derive(inputs: Mapping[str, Lazy], parameters: Parameters) -> Mapping[str, Lazy]:
    """One row per dwelling of the population: its owner, its area, type and value, and whether it is a pass-through."""
    changes = ownership_changes(inputs["transfers"], window_start(parameters))
    least = int(parameters["least_changes"])
    homes = (
        standing_homes(inputs["dwellings"], window_start(parameters))
        .join(homes_and_owners(inputs["property_2016"]), on="dwelling", how="inner")
        .join(areas(inputs["dwelling_areas"]), on="dwelling", how="inner")
        .join(changes, on="dwelling", how="left")
    )
    passed_through = nw.col("changes").fill_null(0) >= least
    derived = homes.with_columns(
        doorsluis=nw.when(passed_through).then(nw.lit("yes")).otherwise(nw.lit("no")),
    ).select("dwelling", "owner", "buurt", "dwelling_type", "woz_class", "doorsluis")
    return {"dwellings": derived}


def requests(parameters: Parameters) -> Sequence[OutputRequest]:
    """One table: area by dwelling type by WOZ class by pass-through; its root row is the Netherlands, for reference."""
    finest = str(parameters["finest_level"])
    dimensions = (
        DimensionRequest(column="buurt", classification="region_2016", levels=LEVELS[: LEVELS.index(finest) + 1]),
        DimensionRequest(column="dwelling_type", classification="dwelling_type"),
        DimensionRequest(column="woz_class", classification="woz_class_2016"),
        DimensionRequest(column="doorsluis", classification="doorsluis"),
    )
    table = TableRequest(
        name="doorsluishuizen",
        title=(
            f"Dwellings standing throughout {REFERENCE_YEAR - int(parameters['window_years'])}-{REFERENCE_YEAR - 1}, "
            f"by area, type, WOZ class and whether owners changed {parameters['least_changes']} times or more; "
            "the row NL is the reference"
        ),
        derivation="dwellings",
        population=Population(dataset="dwellings", key="dwelling"),
        record="dwelling",
        unit="owner",
        dimensions=dimensions,
    )
    return (table,)


def window_start(parameters: Parameters) -> date:
    """The first day of the window; its last is 31 December before the reference date."""
    return date(REFERENCE_YEAR - int(parameters["window_years"]), 1, 1)


def ownership_changes(transfers: Lazy, start: date) -> Lazy:
    """Dwelling -> number of changes of ownership in the window; a dwelling without one has no row."""
    in_window = (nw.col("deed_date") >= nw.lit(start)) & (nw.col("deed_date") < nw.lit(date(REFERENCE_YEAR, 1, 1)))
    owners = owners_after_each_day(transfers.filter(in_window))
    before = owners.with_columns(
        first_before=nw.col("first_buyer").shift(1).over("dwelling", order_by="deed_date"),
        last_before=nw.col("last_buyer").shift(1).over("dwelling", order_by="deed_date"),
    )
    differs = (
        nw.col("first_before").is_null()
        | (nw.col("first_buyer") != nw.col("first_before"))
        | (nw.col("last_buyer") != nw.col("last_before"))
    )
    changed = before.filter((nw.col("counted") > 0) & differs)
    return changed.group_by("dwelling").agg(changes=nw.len())


def owners_after_each_day(transfers: Lazy) -> Lazy:
    """One row per dwelling and deed date: the owners after the day's last deed, and whether a counted deed was passed.

    A deed has at most two buyers, so the smaller and the larger of their integers are the set. A buyer without an
    integer counts as one unknown owner.
    """
    deeds = transfers.with_columns(
        buyer=nw.col("buyer").fill_null(NO_BUYER),
        last_deed=nw.col("deed_sequence").max().over("dwelling", "deed_date"),
        counted=nw.when(nw.col("deed_type").is_in(NOT_COUNTED_DEEDS)).then(nw.lit(0)).otherwise(nw.lit(1)),
    )
    is_last = nw.col("deed_sequence") == nw.col("last_deed")
    ends_day = deeds.with_columns(end_buyer=nw.when(is_last).then(nw.col("buyer")))
    return ends_day.group_by("dwelling", "deed_date").agg(
        first_buyer=nw.col("end_buyer").min(),
        last_buyer=nw.col("end_buyer").max(),
        counted=nw.col("counted").max(),
    )


def standing_homes(dwellings: Lazy, start: date) -> Lazy:
    """Dwellings of a known type whose life cycle covers the window; 88888888 (no end yet) is later than any date."""
    covers = (
        (nw.col("AANVLEVCYCLWOONNIETWOON") != "")
        & (nw.col("AANVLEVCYCLWOONNIETWOON") <= start.strftime("%Y%m%d"))
        & (nw.col("EINDLEVCYCLWOONNIETWOON") >= f"{REFERENCE_YEAR}0101")
    )
    typed = nw.col("WONINGTYPE").is_in(DWELLING_TYPES)
    return dwellings.filter(covers & typed).select("dwelling", dwelling_type=nw.col("WONINGTYPE"))


def homes_and_owners(property_2016: Lazy) -> Lazy:
    """Dwellings in use as homes on the reference date, with WOZ class and first owner.

    A home whose owner is unknown is protected as a unit of its own: the dwelling's integer stands in for the owner's.
    """
    homes = property_2016.filter(nw.col("GEBRUIKSCODEWOZ").is_in(HOME_USE_CODES))
    return homes.select(
        "dwelling",
        owner=nw.coalesce(nw.col("owner"), nw.col("dwelling")),
        woz_class=woz_class(nw.col("WOZWAARDE")),
    )


def woz_class(value: nw.Expr) -> nw.Expr:
    """The value class of a WOZ value in euro; lower bounds belong to the class."""
    known = value.is_null() | (value == WOZ_MISSING)
    return (
        nw.when(known)
        .then(nw.lit("unknown"))
        .when(value < 150_000)
        .then(nw.lit("<150k"))
        .when(value < 250_000)
        .then(nw.lit("150-250k"))
        .when(value < 400_000)
        .then(nw.lit("250-400k"))
        .otherwise(nw.lit(">=400k"))
    )


def areas(dwelling_areas: Lazy) -> Lazy:
    """Dwelling -> code of its *buurt*; dwellings without one are left out."""
    placed = dwelling_areas.filter((nw.col("bc2016") != "") & ~nw.col("bc2016").str.starts_with("-"))
    return placed.select("dwelling", buurt=nw.concat_str([nw.lit("BU"), nw.col("bc2016")]))
