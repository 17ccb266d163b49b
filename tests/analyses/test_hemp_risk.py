"""D2: dwelling-years, outcome and characteristics equal the planted ones; boundaries lie where the data model says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analyses.hemp_risk import v1
from enclave.requests import RegressionRequest, TreeRequest, dump_requests, parse_requests
from tests.analyses.linked_country import LinkedCountry

CLUSTERED = ("buurt", "clearance", *v1.RISKS, *v1.CONTROLS)
TRUTH_NAMES = {"clearance": "event"}


def tables(**changed: Any) -> dict[str, pa.Table]:
    """Home 1 with occupant 100 of 40 since 2000; keywords replace single values or whole tables."""
    value: dict[str, Any] = {
        "start": "20000101",
        "end": "88888888",
        "birth": ("1975", "06", "15"),
        "debts": [],
        "cleared": [],
        "low": "0",
        "owner_type": "1",
        "woz": 100_000,
        "use": "10",
        "type": "4",
        "floor": 80,
        "bc2016": "90010000",
        "spells": [],
    } | changed
    spells = [
        (100, value["start"], value["end"]),
        *((200 + n, start, start) for n, start in enumerate(value["spells"])),
    ]
    year, month, day = value["birth"]
    found = {
        "dwellings": pa.table({"dwelling": [1], "WONINGTYPE": [value["type"]], "VBOOPPERVLAKTE": [value["floor"]]}),
        "dwelling_areas": pa.table({"dwelling": [1], "bc2016": [value["bc2016"]]}),
        "addresses": pa.table(
            {
                "person": [person for person, _, _ in spells],
                "dwelling": [1] * len(spells),
                "GBADATUMAANVANGADRESHOUDING": [start for _, start, _ in spells],
                "GBADATUMEINDEADRESHOUDING": [end for _, _, end in spells],
            }
        ),
        "persons": pa.table(
            {"person": [100], "GBAGEBOORTEJAAR": [year], "GBAGEBOORTEMAAND": [month], "GBAGEBOORTEDAG": [day]}
        ),
        "debts": pa.table(
            {
                "person": pa.array([100] * len(value["debts"]), pa.int64()),
                "start_date": pa.array([start for start, _ in value["debts"]], pa.date32()),
                "end_date": pa.array([end for _, end in value["debts"]], pa.date32()),
            }
        ),
        "clearances": pa.table(
            {
                "dwelling": pa.array([1] * len(value["cleared"]), pa.int64()),
                "clearance_date": pa.array(value["cleared"], pa.date32()),
            }
        ),
    }
    owned = {"dwelling": [1], "TypeEigenaar": [value["owner_type"]], "WOZWAARDE": [value["woz"]]}
    for t in v1.YEARS:
        found[f"property_{t}"] = pa.table(owned | {"GEBRUIKSCODEWOZ": [value["use"]]})
        found[f"household_link_{t - 1}"] = pa.table({"person": [100], "household": [500]})
        found[f"income_{t - 1}"] = pa.table({"household": [500], "INHARMLAGL": [value["low"]]})
    return found


def derived(given: Mapping[str, pa.Table]) -> dict[int, dict[str, Any]]:
    """Year -> the dwelling-year of home 1."""
    connection = duckdb.connect()
    for name, table in given.items():
        connection.register(name, table)
    inputs = {name: nw.from_native(connection.table(name)) for name in given}
    frame = v1.derive(inputs, v1.PARAMETERS)["dwelling_years"].collect("pyarrow")
    return {row["year"]: row for row in frame.rows(named=True)}


def years_with(column: str, **changed: Any) -> list[int]:
    return sorted(year for year, row in derived(tables(**changed)).items() if row[column] == 1)


def test_an_ordinary_home_has_no_risk_in_any_year() -> None:
    rows = derived(tables())
    assert sorted(rows) == [2012, 2013, 2014, 2015, 2016]
    assert all(row[column] == 0 for row in rows.values() for column in CLUSTERED[1:])
    assert {row["buurt"] for row in rows.values()} == {"BU90010000"}


@pytest.mark.parametrize(
    ("changed", "years"),
    [
        ({"start": "20130101"}, [2013, 2014, 2015, 2016]),
        ({"start": "20130102"}, [2014, 2015, 2016]),
        ({"end": "20140101"}, [2012, 2013, 2014]),
        ({"end": "20131231"}, [2012, 2013]),
        ({"use": "12"}, [2012, 2013, 2014, 2015, 2016]),
        ({"use": "30"}, []),
        ({"bc2016": "--------"}, []),
    ],
)
def test_a_dwelling_year_is_a_home_with_an_occupant_on_1_january(changed: dict[str, str], years: list[int]) -> None:
    assert sorted(derived(tables(**changed))) == years


@pytest.mark.parametrize(
    ("column", "changed", "years"),
    [
        ("clearance", {"cleared": [date(2013, 1, 1), date(2013, 12, 31), date(2017, 1, 1)]}, [2013]),
        ("moves", {"spells": ["20120101", "20131231"]}, [2014]),
        ("moves", {"spells": ["20120101", "20120101"]}, []),
        ("moves", {"spells": ["20111231", "20130101"]}, []),
        ("debt", {"debts": [(date(2012, 12, 31), date(2014, 1, 1))]}, [2013, 2014]),
        ("debt", {"debts": [(date(2013, 1, 1), None)]}, [2014, 2015, 2016]),
        ("debt", {"debts": [(date(2012, 12, 31), date(2013, 12, 31))]}, [2013]),
        ("low_income", {"low": "1"}, [2012, 2013, 2014, 2015, 2016]),
        ("low_income", {"low": "9"}, []),
        ("private_rent", {"owner_type": "3"}, [2012, 2013, 2014, 2015, 2016]),
        ("private_rent", {"owner_type": "9"}, []),
        ("detached", {"type": "1"}, [2012, 2013, 2014, 2015, 2016]),
        ("apartment", {"type": "5"}, [2012, 2013, 2014, 2015, 2016]),
        ("large_area", {"floor": 100}, [2012, 2013, 2014, 2015, 2016]),
        ("large_area", {"floor": 99}, []),
        ("high_woz", {"woz": 250_000}, [2012, 2013, 2014, 2015, 2016]),
        ("high_woz", {"woz": 249_999}, []),
        ("high_woz", {"woz": 9_999_999_999}, []),
        ("elderly", {"birth": ("1949", "01", "01")}, [2014, 2015, 2016]),
        ("elderly", {"birth": ("1949", "01", "02")}, [2015, 2016]),
        ("elderly", {"birth": ("", "", "")}, []),
        ("child", {"birth": ("2002", "01", "01")}, [2012, 2013]),
        ("child", {"birth": ("2002", "01", "02")}, [2012, 2013, 2014]),
        ("child", {"birth": ("", "", "")}, []),
    ],
)
def test_each_characteristic_holds_in_the_years_of_its_definition(
    column: str, changed: dict[str, Any], years: list[int]
) -> None:
    assert years_with(column, **changed) == years


def test_low_income_is_that_of_the_year_before() -> None:
    given = tables()
    given["income_2013"] = pa.table({"household": [500], "INHARMLAGL": ["1"]})
    assert sorted(year for year, row in derived(given).items() if row["low_income"]) == [2014]


def test_an_occupant_without_register_data_counts_as_no() -> None:
    given = tables(low="1")
    given["persons"] = given["persons"].slice(1)
    given["household_link_2011"] = given["household_link_2011"].slice(1)
    row = derived(given)[2012]
    assert (row["elderly"], row["child"], row["low_income"]) == (0, 0, 0)


def test_the_requests_cluster_by_buurt_and_bound_the_tree() -> None:
    regression, tree = v1.requests(v1.PARAMETERS)
    assert isinstance(regression, RegressionRequest)
    assert isinstance(tree, TreeRequest)
    assert regression.cluster == "buurt"
    assert {term.column for term in regression.terms} == set(tree.features) == {*v1.RISKS, *v1.CONTROLS}
    assert (tree.max_depth, tree.min_leaf) == (4, 50)
    assert (regression.record, regression.period, regression.unit) == ("dwelling", "year", "dwelling")
    assert parse_requests(dump_requests((regression, tree))) == (regression, tree)


def test_the_derived_dwelling_years_equal_the_planted_truth(country: Path, linked: LinkedCountry) -> None:
    connection = duckdb.connect()
    inputs = {name: nw.from_native(connection.read_parquet(str(linked.files[name]))) for name in v1.INPUTS}
    rows = v1.derive(inputs, v1.PARAMETERS)["dwelling_years"].collect("pyarrow").rows(named=True)
    truth = pq.read_table(country / "truth/hemp_dwelling_years.parquet").to_pylist()
    assert len(rows) == len(truth) > 0
    found = {(row["dwelling"], row["year"], *(row[name] for name in CLUSTERED)) for row in rows}
    expected = {
        (linked.dwellings[row["RINOBJECTNUMMER"]], row["year"], *(row[TRUTH_NAMES.get(n, n)] for n in CLUSTERED))
        for row in truth
    }
    assert found == expected
    assert all(any(row[name] for row in rows) for name in CLUSTERED[1:])
