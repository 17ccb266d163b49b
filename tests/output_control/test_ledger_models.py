"""Models beside what was released before: nearly the same population, one person less, gives that person away."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from enclave.errors import Refused
from enclave.requests import CorrelationRequest, HistogramRequest
from output_control.ledger.released import COUNT, MODEL, pack, unpack
from tests.output_control.distribution_requests import asked
from tests.output_control.ledger_models import HOMES, REGRESSION, TABLE, passes, people, refused, without
from tests.output_control.ledger_world import Past


@pytest.mark.parametrize(("less", "told"), [(0, False), (1, True), (9, True), (10, False)])
def test_a_regression_on_fewer_units_less_than_the_minimum_frequency_is_refused(
    tmp_path: Path, less: int, told: bool
) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), REGRESSION)
    for one, other in ((REGRESSION, people(HOMES - less)), (REGRESSION, people(HOMES + less))):
        if told:
            found = refused(past, other, one)
            assert "risk: risk and risk of first-v1 are about the same units but for fewer than 10" in found
            assert "the very records of what was released" in found
        else:
            passes(past, other, one)


def test_one_unit_in_the_place_of_another_is_two_units_of_difference(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), REGRESSION)
    assert "risk of first-v1" in refused(past, people(first=1), REGRESSION)
    passes(past, people(first=5), REGRESSION)


def test_a_model_of_another_kind_and_of_another_specification_is_held_apart_too(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), REGRESSION)
    fewer = without(people(), 7)
    for kind, fields in (
        (CorrelationRequest, {"features": ("size", "worth")}),
        (HistogramRequest, {"measure": "size", "start": 80.0, "width": 10.0, "bins": 4}),
    ):
        assert "output and risk of first-v1" in refused(past, fewer, asked(kind, **fields))  # type: ignore[type-var]  # mypy joins the two to their base


@pytest.mark.parametrize("order", ["model after table", "table after model"])
def test_a_model_beside_a_table_of_nearly_its_population(tmp_path: Path, order: str) -> None:
    first, second = (TABLE, REGRESSION) if order == "model after table" else (REGRESSION, TABLE)
    past = Past(tmp_path)
    past.release("first-v1", people(), first)
    assert "homes" in refused(past, without(people(), 3), second)
    assert "first-v1" in refused(past, without(people(), 3), second)
    passes(past, people(), second)
    passes(past, people(HOMES - 10), second)


def test_a_model_of_one_cell_of_a_table_but_for_a_few(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), TABLE)
    k1 = people().filter(pc.equal(people()["kind"], "k1"))
    passes(past, k1, REGRESSION)
    assert "risk and homes of first-v1 are about the same units" in refused(past, without(k1, 0, 5), REGRESSION)


@pytest.mark.parametrize(("third", "hidden"), [(5, True), (50, False)])
def test_a_hidden_cell_is_nothing_to_subtract_from(tmp_path: Path, third: int, hidden: bool) -> None:
    # k3 of five homes is hidden, and k1 to protect it: the least of the others
    kinds = ["k1"] * 100 + ["k2"] * (500 - third) + ["k3"] * third
    data = people().set_column(2, "kind", pa.array(kinds))
    past = Past(tmp_path)
    out = past.release("first-v1", data, TABLE)
    (table,) = unpack(out.released_cells, "first-v1")
    assert dict(zip((table.table.labels(i)[0] for i in range(4)), table.hidden.tolist(), strict=True))["k1"] == hidden
    nearly_k1 = people(94)
    if hidden:
        # all less k2 less these leaves six of k1 and the five of k3: enough
        passes(past, nearly_k1, REGRESSION)
        assert "homes of first-v1" in refused(past, people(98), REGRESSION)
    else:
        assert "homes of first-v1" in refused(past, nearly_k1, REGRESSION)


def test_twelve_homes_of_one_owner_are_one_unit(tmp_path: Path) -> None:
    owner = [0 if i < 12 else i for i in range(HOMES)]
    data = people(owner=owner)
    past = Past(tmp_path)
    past.release("first-v1", data, REGRESSION)
    assert "risk of first-v1" in refused(past, without(data, *range(12)), REGRESSION)
    # and of the twelve homes one, though its owner stays in both
    assert "risk of first-v1" in refused(past, without(data, 4), REGRESSION)
    passes(past, without(data, *range(100, 110)), REGRESSION)


def test_a_model_beside_a_new_table_of_the_same_request(tmp_path: Path) -> None:
    past = Past(tmp_path)
    k1 = people().filter(pc.equal(people()["kind"], "k1"))
    fewer = REGRESSION.model_copy(update={"derivation": "part", "population": asked(CorrelationRequest, features=(
        "size", "worth")).population})  # fmt: skip
    with pytest.raises(Refused, match="risk and homes of this request are about the same units"):
        past.check(people(), TABLE, fewer, part=without(k1, 0))


def test_what_the_ledger_remembers_of_a_model_and_what_the_evidence_says(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.release("first-v1", people(), TABLE)
    out = past.release("second-v1", people(), REGRESSION)
    (held,) = unpack(out.released_cells, "second-v1")
    assert held.quantity == MODEL and held.kinds == ("owner", "object")
    assert (held.table.freq.tolist(), len(held.rows), held.label) == ([HOMES], HOMES, "risk of second-v1")
    assert pack([held]) == out.released_cells
    said = json.loads(out.evidence["evidence/demo/risk.json"])
    assert "no earlier release is about the same units but for fewer than the minimum frequency" in said["notes"][0]
    assert said["notes"][1] == "shares units with earlier releases: first-v1"
    # a later table is compared with the table, and names both
    third = past.check(people(), TABLE)
    assert [table.quantity for table in unpack(third.released_cells, "x")] == [COUNT]
