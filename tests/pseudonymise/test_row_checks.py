"""The checks of rows find what pandera finds, on whatever cells."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pseudonymise.conversion import convert
from pseudonymise.row_checks import failures_of
from pseudonymise.schemas import ColumnSpec, DeliverySchema, period_years
from tests.pseudonymise.pandera_oracle import pandera_failures
from tests.pseudonymise.small_town import SCHEMAS

ODD = [
    "",
    " ",
    "x",
    "onbekend",
    "0",
    "-1",
    "1.234,50",
    "99999999999",
    "31-02-2016",
    "1-2-2016",
    "20160101",
    "2016-05-17",
]


def cells_of(spec: ColumnSpec) -> st.SearchStrategy[str]:
    """Mostly what the column asks for, sometimes what it does not."""
    good = [spec.example, *spec.codes, "2016", "1999", "0,5", "01-02-1970", "17-05-2016"]
    return st.one_of(st.sampled_from(good), st.sampled_from(good + ODD), st.text(max_size=5))


def tables_of(schema: DeliverySchema) -> st.SearchStrategy[list[dict[str, str]]]:
    return st.lists(st.fixed_dictionaries({c.name: cells_of(c) for c in schema.columns}), min_size=1, max_size=12)


def compared(schema: DeliverySchema, rows: list[dict[str, str]]) -> list[tuple[list[int], str]]:
    years = period_years("2016")
    table = pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in schema.names})
    converted = {spec.name: convert(spec, schema, table.column(spec.name)) for spec in schema.columns}
    ours = [(places.tolist(), reason) for places, reason in failures_of(converted, schema, years)]
    theirs = [(places.tolist(), reason) for places, reason in pandera_failures(converted, schema, years)]
    assert ours == theirs
    return ours


@pytest.mark.parametrize("name", sorted(SCHEMAS))
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_the_fast_checks_find_the_rows_that_pandera_finds(name: str, data: Any) -> None:
    compared(SCHEMAS[name], data.draw(tables_of(SCHEMAS[name])))


def test_what_is_compared_holds_faults_of_every_kind() -> None:
    """Else the two could agree on nothing."""
    schema = SCHEMAS["hemp_clearances"]
    rows = [
        {**{c.name: c.example for c in schema.columns}, **odd}
        for odd in (
            {"clearance_date": "17-05-2006"},
            {"bag_id": "onbekend"},
            {"plants": "100001"},
            {"house_number": "A"},
            {"damage_eur": "veel"},
            {"occupant_bsn": "123456782"},
            {"postcode": ""},
        )
    ]
    assert compared(schema, rows) == [
        ([1], "bag_id:unknown"),
        ([0], "clearance_date:other_period"),
        ([4], "damage_eur:not_a_number"),
        ([3], "house_number:pattern"),
        ([5], "occupant_bsn:test_id"),
        ([2], "plants:out_of_range"),
        ([6], "postcode:missing"),
    ]
