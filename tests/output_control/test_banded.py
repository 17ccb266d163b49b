"""What a refusal says of rows: their order of magnitude, never how many they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import Refused
from enclave.requests import LorenzRequest, OutputRequest, RegressionRequest, Term
from output_control.banded import banded
from tests.output_control.distribution_requests import asked
from tests.output_control.gate_world import World
from tests.output_control.ledger_world import homes, table_request

REGRESSION = asked(RegressionRequest, family="ols", outcome="worth", terms=(Term(column="size"),))
WRONG: dict[str, tuple[OutputRequest, str, Callable[[int], list[object]]]] = {
    "no value": (REGRESSION, "size", lambda few: [None] * few + [float(i % 9) for i in range(60 - few)]),
    "no category": (
        asked(
            RegressionRequest,
            family="ols",
            outcome="worth",
            terms=(Term(column="kind", categorical=True, reference="k1"),),
        ),
        "kind",
        lambda few: [f"a;{i}" for i in range(few)] + ["k1", "k2"] * 30,
    ),
    "below 0": (asked(LorenzRequest, measure="worth"), "worth", lambda few: [-1.0] * few + [2.0] * (60 - few)),
    "no code": (table_request("kind"), "kind", lambda few: ["zz"] * few + ["k1"] * (60 - few)),
    "no key": (table_request("kind"), "owner", lambda few: [None] * few + list(range(60 - few))),
    "no unit": (table_request("kind"), "owner", lambda few: [-1] * few + list(range(60 - few))),
    "again": (table_request("kind"), "home", lambda few: [0] * (few + 1) + list(range(1, 60 - few))),
}


def refusal(folder: Path, request: OutputRequest, column: str, values: list[object]) -> str:
    folder.mkdir()
    whole: dict[str, list[object]] = {"home": list(range(60)), "owner": list(range(60)), "kind": ["k1", "k2"] * 30}
    whole |= {"worth": [float(i) for i in range(60)], "size": [float(i % 7) for i in range(60)]}
    data = homes(**{**whole, column: values[:60]})
    with pytest.raises(Refused) as caught:
        World(folder).add("homes", data, homes(**whole)).check(request)
    return str(caught.value)


@pytest.mark.parametrize("what", WRONG)
def test_a_refusal_says_the_same_of_two_rows_and_of_seven(tmp_path: Path, what: str) -> None:
    request, column, values = WRONG[what]
    said = [refusal(tmp_path / str(few), request, column, values(few)) for few in (2, 7)]
    assert said[0] == said[1] and "fewer than 10" in said[0]


@given(st.integers(1, 10**9))
def test_a_number_lies_in_its_band_and_shares_it_with_nine_others_at_least(count: int) -> None:
    words = banded(count).split()
    low, high = (1, 9) if count < 10 else (int(words[0]), int(words[2]))
    assert low <= count <= high and high - low >= 8
    assert banded(low) == banded(count) == banded(high)
