"""Output requests: the only way out of the sandbox; what is unknown or malformed is refused without being repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import Refused
from enclave.requests import (
    KINDS,
    DimensionRequest,
    OutputRequest,
    Population,
    RegressionRequest,
    TableRequest,
    Term,
    TransitionRequest,
    TreeRequest,
    dump_requests,
    parse_requests,
)
from tests.output_control.distribution_requests import ONE_OF_EACH

POPULATION = Population(dataset="dwellings", key="dwelling")
COMMON: dict[str, Any] = {
    "title": "Dwellings",
    "derivation": "spells",
    "population": POPULATION,
    "record": "dwelling",
    "unit": "owner",
}
TABLE = TableRequest(name="area", dimensions=(DimensionRequest(column="region", classification="region"),), **COMMON)
REGRESSION = RegressionRequest(name="odds", outcome="hemp", terms=(Term(column="age"),), cluster="area", **COMMON)
TREE = TreeRequest(name="leaves", outcome="hemp", features=("age",), **COMMON)


def as_json(*requests: OutputRequest) -> list[Any]:
    """The list that came out of a sandbox."""
    listed = json.loads(dump_requests(requests))
    assert isinstance(listed, list)
    return listed


def refusal(content: object) -> str:
    """Why a sandbox's answer is refused."""
    with pytest.raises(Refused) as raised:
        parse_requests(content if isinstance(content, bytes) else json.dumps(content))
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return str(raised.value)


def test_requests_come_back_as_they_were() -> None:
    transition = TransitionRequest(name="moves", before="a", after="b", classification="region", **COMMON)
    requests = (TABLE, REGRESSION, TREE, transition, *ONE_OF_EACH.values())
    assert parse_requests(dump_requests(requests)) == requests
    assert {request.kind for request in requests} == set(KINDS)


def test_the_text_of_requests_is_the_same_every_time() -> None:
    assert dump_requests((TABLE,)) == dump_requests(parse_requests(dump_requests((TABLE,))))


@pytest.mark.parametrize(
    "content", [b"", b"no json", b"\xff", {}, [], None, "text", 3, b"[" * 200_000, b"[1e9999999999999]x"]
)
def test_what_is_no_list_of_requests_is_refused(content: object) -> None:
    assert "did not return a list of output requests" in refusal(content)


@pytest.mark.parametrize("item", [None, 3, "table", [], {}, {"kind": None}, {"kind": "frame"}, {"kind": ["table"]}])
def test_an_unknown_kind_is_refused_by_its_position(item: object) -> None:
    assert "output request 2 is of no known kind" in refusal([*as_json(TABLE), item])


def test_a_frame_of_records_is_refused() -> None:
    said = refusal([{"kind": "frame", "rows": [{"bsn": "CANARY"}]}])
    assert "output request 1 is of no known kind" in said
    assert "CANARY" not in said


def test_two_requests_of_one_name_are_refused() -> None:
    assert "two output requests have the same name" in refusal(as_json(TABLE, TREE.model_copy(update={"name": "area"})))


@pytest.mark.parametrize(
    ("request_", "change", "place"),
    [
        (TABLE, {"name": "Area"}, "name"),
        (TABLE, {"name": "../x"}, "name"),
        (TABLE, {"name": "area\n"}, "name"),
        (TABLE, {"title": "x"}, "title"),
        (TABLE, {"title": "x" * 201}, "title"),
        (TABLE, {"dimensions": []}, "dimensions"),
        (TABLE, {"dimensions": [{"column": "a b", "classification": "c"}]}, "dimensions.0.column"),
        (TABLE, {"dimensions": [{"column": "a", "classification": "c"}] * 7}, "dimensions"),
        (TABLE, {"statistic": "max"}, "statistic"),
        (TABLE, {"measure": "a; drop"}, "measure"),
        (TABLE, {"population": {"dataset": "x"}}, "population.key"),
        (REGRESSION, {"family": "ridge"}, "family"),
        (TABLE, {"figure": {"chart": "pie"}}, "figure.chart"),
        (ONE_OF_EACH["lorenz"], {"classes": 1}, "classes"),
        (REGRESSION, {"terms": []}, "terms"),
        (REGRESSION, {"terms": [{"column": "age", "categorical": "yes"}]}, "terms.0.categorical"),
        (TREE, {"max_depth": 7}, "max_depth"),
        (TREE, {"min_leaf": 9}, "min_leaf"),
        (TREE, {"min_leaf": "50"}, "min_leaf"),
        (TREE, {"features": ["x"] * 61}, "features"),
    ],
)
def test_a_malformed_request_is_refused_by_position_and_field(
    request_: OutputRequest, change: dict[str, Any], place: str
) -> None:
    said = refusal([{**as_json(request_)[0], **change}])
    start, _, places = said.partition(": ")
    assert start == "output request 1 is malformed at"
    assert place in places.split(", ")


def test_a_hostile_field_name_is_not_repeated() -> None:
    """An analysis could put an identifier where a field's name belongs, and read it in the message outside."""
    for change in ({"CANARY123456782": 1}, {"population": {**POPULATION.model_dump(), "CANARY": 1}}):
        said = refusal([{**as_json(TABLE)[0], **change}])
        assert "a field that requests do not have" in said
        assert "CANARY" not in said


def test_all_malformed_fields_are_named_at_once() -> None:
    said = refusal([{**as_json(TABLE)[0], "title": "", "unit": "", "record": 3}])
    assert "malformed at: record, title, unit" in said


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=20)
        | st.sampled_from(["table", "regression", "tree"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["kind", "name", "title", "terms", "x"]) | st.text(max_size=5), inner, max_size=4
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_parsed_or_refused(content: object) -> None:
    try:
        parse_requests(json.dumps(content))
    except Refused as refused:
        assert str(refused)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        parse_requests(content)
