"""V3: the planted pass-through homes are found, and nothing else; the rule agrees with a loop over deeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.doorsluishuizen import v1
from enclave.requests import TableRequest, dump_requests, parse_requests
from tests.analyses.linked_country import LinkedCountry

START = date(1996, 1, 1)


@dataclass(frozen=True)
class Deed:
    dwelling: int
    day: date
    sequence: int
    kind: str
    buyers: tuple[int | None, ...]


def lazy(tables: Mapping[str, pa.Table]) -> dict[str, nw.LazyFrame[Any]]:
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)
    return {name: nw.from_native(connection.table(name)) for name in tables}


def transfers(deeds: Sequence[Deed]) -> pa.Table:
    rows = [(deed, buyer) for deed in deeds for buyer in deed.buyers]
    return pa.table(
        {
            "dwelling": pa.array([deed.dwelling for deed, _ in rows], pa.int64()),
            "buyer": pa.array([buyer for _, buyer in rows], pa.int64()),
            "deed_date": pa.array([deed.day for deed, _ in rows], pa.date32()),
            "deed_sequence": pa.array([deed.sequence for deed, _ in rows], pa.int64()),
            "deed_type": pa.array([deed.kind for deed, _ in rows], pa.string()),
        }
    )


def changes(deeds: Sequence[Deed]) -> dict[int, int]:
    derived = v1.ownership_changes(lazy({"transfers": transfers(deeds)})["transfers"], START)
    return dict(zip(*derived.collect("pyarrow").to_dict(as_series=False).values(), strict=True))


def day(number: int) -> date:
    return date(2000, 1, 1) + timedelta(days=number)


def sale(number: int, *buyers: int, sequence: int = 1, kind: str = "sale") -> Deed:
    return Deed(1, day(number), sequence, kind, buyers)


@pytest.mark.parametrize(
    ("deeds", "expected"),
    [
        ([sale(1, 10)], 1),
        ([sale(1, 10, kind="new_build")], 0),
        ([sale(1, 10, kind="new_build"), sale(2, 10)], 0),
        ([sale(1, 10, kind="new_build"), sale(2, 11)], 1),
        ([sale(1, 10), sale(2, 11), sale(3, 10)], 3),
        ([sale(1, 10), sale(2, 10)], 1),
        ([sale(1, 10, 11), sale(2, 11, 10)], 1),
        ([sale(1, 10, 11), sale(2, 10)], 2),
        ([sale(1, 10), sale(2, 11, kind="inheritance"), sale(3, 11)], 1),
        ([sale(1, 10), sale(2, 11, kind="inheritance"), sale(3, 10)], 2),
        ([sale(1, 10), sale(2, 11, kind="divorce"), sale(3, 12, kind="intra_group")], 1),
        ([sale(1, 10), *(sale(2, 10 + n, sequence=n) for n in range(1, 6))], 2),
        ([sale(1, 10), sale(2, 11, sequence=1), sale(2, 10, sequence=2)], 1),
    ],
)
def test_a_change_is_a_sale_date_that_ends_with_other_owners(deeds: list[Deed], expected: int) -> None:
    assert changes(deeds).get(1, 0) == expected


def test_the_window_runs_from_its_first_day_to_the_day_before_the_reference_date() -> None:
    days = [date(1995, 12, 31), date(1996, 1, 1), date(2015, 12, 31), date(2016, 1, 1)]
    assert changes([Deed(1, day, 1, "sale", (n,)) for n, day in enumerate(days)]) == {1: 2}


KINDS = ("sale", "sale", "sale", *v1.NOT_COUNTED_DEEDS)
BUYERS = st.lists(st.sampled_from([None, 5, 6, 7]), min_size=1, max_size=2, unique=True).map(tuple)
DEEDS = st.lists(
    st.builds(
        Deed,
        dwelling=st.integers(1, 2),
        day=st.integers(0, 4).map(day),
        sequence=st.integers(1, 3),
        kind=st.sampled_from(KINDS),
        buyers=BUYERS,
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda deed: (deed.dwelling, deed.day, deed.sequence),
)


def changes_by_loop(deeds: Sequence[Deed]) -> dict[int, int]:
    """The definition of the data model, one dwelling and day after the other."""
    days: dict[int, dict[date, list[Deed]]] = defaultdict(lambda: defaultdict(list))
    for deed in deeds:
        days[deed.dwelling][deed.day].append(deed)
    counted: dict[int, int] = defaultdict(int)
    for dwelling, by_day in days.items():
        owners: frozenset[int | None] | None = None
        for _, passed in sorted(by_day.items()):
            after = frozenset(max(passed, key=lambda deed: deed.sequence).buyers)
            sold = any(deed.kind not in v1.NOT_COUNTED_DEEDS for deed in passed)
            counted[dwelling] += sold and after != owners
            owners = after
    return {dwelling: number for dwelling, number in counted.items() if number}


@given(DEEDS)
def test_lazy_changes_agree_with_a_loop_over_deeds(deeds: list[Deed]) -> None:
    assert changes(deeds) == changes_by_loop(deeds)


@settings(max_examples=15)
@given(DEEDS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(deeds: list[Deed], random: Any) -> None:
    shuffled = list(deeds)
    random.shuffle(shuffled)
    assert changes(shuffled) == changes(deeds)


def home(**changed: object) -> dict[str, nw.LazyFrame[Any]]:
    """One home with five changes; keywords replace single values."""
    row: dict[str, Any] = {
        "owner": 50,
        "GEBRUIKSCODEWOZ": "10",
        "WOZWAARDE": 150_000,
        "AANVLEVCYCLWOONNIETWOON": "19960101",
        "EINDLEVCYCLWOONNIETWOON": "88888888",
        "WONINGTYPE": "4",
        "bc2016": "9001000C",
    } | changed
    owned = {"dwelling": [1], "owner": pa.array([row["owner"]], pa.int64())}
    built = ("AANVLEVCYCLWOONNIETWOON", "EINDLEVCYCLWOONNIETWOON", "WONINGTYPE")
    return lazy(
        {
            "transfers": transfers([sale(n, n) for n in range(5)]),
            "dwellings": pa.table({"dwelling": [1]} | {name: [row[name]] for name in built}),
            "dwelling_areas": pa.table({"dwelling": [1], "bc2016": [row["bc2016"]]}),
            "property_2016": pa.table(owned | {name: [row[name]] for name in ("GEBRUIKSCODEWOZ", "WOZWAARDE")}),
        }
    )


def derived(**changed: object) -> list[dict[str, Any]]:
    parameters = {**v1.PARAMETERS, **{"least_changes": changed.pop("least", 5)}}
    frame = v1.derive(home(**changed), parameters)["dwellings"].collect("pyarrow")
    return list(frame.rows(named=True))


def test_a_home_is_described_by_owner_area_type_value_and_flag() -> None:
    expected = {"dwelling": 1, "owner": 50, "buurt": "BU9001000C", "dwelling_type": "4", "woz_class": "150-250k"}
    assert derived() == [expected | {"doorsluis": "yes"}]
    assert derived(least=6) == [expected | {"doorsluis": "no"}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "<150k"),
        (149_999, "<150k"),
        (150_000, "150-250k"),
        (249_999, "150-250k"),
        (250_000, "250-400k"),
        (400_000, ">=400k"),
        (9_999_999_999, "unknown"),
    ],
)
def test_a_lower_bound_belongs_to_its_value_class(value: int, expected: str) -> None:
    assert [row["woz_class"] for row in derived(WOZWAARDE=value)] == [expected]


@pytest.mark.parametrize(
    "changed",
    [
        {"GEBRUIKSCODEWOZ": "30"},
        {"AANVLEVCYCLWOONNIETWOON": "19960102"},
        {"AANVLEVCYCLWOONNIETWOON": ""},
        {"EINDLEVCYCLWOONNIETWOON": "20151231"},
        {"WONINGTYPE": ""},
        {"bc2016": "--------"},
        {"bc2016": ""},
    ],
)
def test_what_is_no_standing_home_of_known_type_and_area_is_left_out(changed: dict[str, str]) -> None:
    assert derived(**changed) == []


def test_a_home_that_ends_on_the_reference_date_counts() -> None:
    assert len(derived(EINDLEVCYCLWOONNIETWOON="20160101")) == 1


def test_a_home_of_an_unknown_owner_is_a_unit_of_its_own() -> None:
    assert [row["owner"] for row in derived(owner=None)] == [1]


@pytest.mark.parametrize(("finest", "levels"), [("WK", ("NL", "GM", "WK")), ("BU", ("NL", "GM", "WK", "BU"))])
def test_the_request_goes_down_to_the_finest_level_asked_for(finest: str, levels: tuple[str, ...]) -> None:
    (request,) = v1.requests({**v1.PARAMETERS, "finest_level": finest})
    assert isinstance(request, TableRequest)
    assert request.dimensions[0].levels == levels
    assert (request.record, request.unit) == ("dwelling", "owner")
    assert parse_requests(dump_requests((request,))) == (request,)


def test_the_derived_dwellings_equal_the_planted_truth(country: Path, linked: LinkedCountry) -> None:
    connection = duckdb.connect()
    inputs = {name: nw.from_native(connection.read_parquet(str(linked.files[name]))) for name in v1.INPUTS}
    found = v1.derive(inputs, v1.PARAMETERS)["dwellings"].collect("pyarrow").to_arrow()
    truth = pq.read_table(country / "truth/v3_dwellings.parquet").to_pylist()
    expected = {
        (linked.dwellings[row["RINOBJECTNUMMER"]], row["buurt"], row["type"], row["woz_class"], row["flagged"])
        for row in truth
    }
    columns = ("dwelling", "buurt", "dwelling_type", "woz_class", "doorsluis")
    rows = found.select(columns).to_pylist()
    assert {(*list(row.values())[:4], row["doorsluis"] == "yes") for row in rows} == expected
    assert len(rows) == len(truth)
    planted = {row["planted"] for row in truth}
    assert "pass_through" in planted
    assert {"four_changes", "same_day", "inheritance_chain", "same_owner"} & planted
