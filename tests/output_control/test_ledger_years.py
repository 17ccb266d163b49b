"""Models of other periods beside what was released before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from enclave.errors import Refused
from output_control.ledger.released import pack, unpack
from output_control.sealed import CheckedOutput
from tests.output_control.gate_world import World
from tests.output_control.ledger_models import HOMES, REGRESSION, in_years, people, yearly
from tests.output_control.ledger_world import Past, about, table_request

PERIODS: list[tuple[dict[str, str], dict[str, str]]] = [
    ({}, {"unit": "home", "period": "year"}),
    ({"unit": "home", "period": "year"}, {}),
    ({"unit": "home"}, {"period": "year"}),
]


@pytest.mark.parametrize(("first", "second"), PERIODS)
def test_another_unit_and_a_period_do_not_hide_that_one_record_is_missing(
    tmp_path: Path, first: dict[str, str], second: dict[str, str]
) -> None:
    """Rows of a period match no others, and homes are no owners: nothing was compared, and one home could be had."""
    past = Past(tmp_path)

    def check(data: pa.Table, fields: dict[str, str]) -> CheckedOutput:
        world = World(tmp_path).add("homes", data, data.select(["home", "owner", "year"]))
        world.history = past.history()
        return world.check(REGRESSION.model_copy(update=fields))

    data = people().append_column("year", pa.array([2020] * HOMES))
    past.ledger.append(about("first-v1"), check(data, first).released_cells)
    for fewer in (1, 9):
        with pytest.raises(Refused, match="risk and risk of first-v1"):
            check(data.slice(fewer), second)
    check(data.slice(10), second)


YEARLY = REGRESSION.model_copy(update={"period": "year"})
Years = tuple[int, ...]
Fields = dict[str, str]
SEVERAL: list[tuple[Years, Fields, Years, Fields]] = [
    # a second year of other units: its records are no longer as many
    ((2020,), {}, (2020, 2021), {"unit": "home", "period": "year"}),
    ((2020, 2021), {"unit": "home", "period": "year"}, (2020,), {}),
    # a second year beside the first of the same column: no record of it has its like
    ((2020,), {"period": "year"}, (2020, 2021), {"period": "year"}),
    ((2020, 2021), {"period": "year"}, (2021,), {"period": "year"}),
    # another year
    ((2020,), {"period": "year"}, (2021,), {"period": "year"}),
]


@pytest.mark.parametrize("case", SEVERAL)
def test_a_second_year_does_not_hide_that_one_home_is_missing(
    tmp_path: Path, case: tuple[Years, Fields, Years, Fields]
) -> None:
    """What is true of a home in all years, two models on all homes and on all but one of them tell of that one."""
    before, first, after, second = case
    past, one = Past(tmp_path), REGRESSION.model_copy(update=first)
    past.ledger.append(about("first-v1"), yearly(past, in_years(people(), *before), one).released_cells)
    two = REGRESSION.model_copy(update=second)
    for less in (1, 9):
        with pytest.raises(Refused, match="risk and risk of first-v1"):
            yearly(past, in_years(people().slice(less), *after), two)
    yearly(past, in_years(people(), *after), two)
    yearly(past, in_years(people().slice(10), *after), two)


@pytest.mark.parametrize("order", ["model after table", "table after model"])
@pytest.mark.parametrize(("less", "told"), [(0, False), (1, True), (10, False)])
def test_a_second_year_does_not_hide_it_beside_a_table_either(
    tmp_path: Path, order: str, less: int, told: bool
) -> None:
    past = Past(tmp_path)
    table = table_request("kind", period="year", unit="home")
    k1 = people().filter(pc.equal(people()["kind"], "k1")).slice(less)
    asked_for = (in_years(people(), 2020), table), (in_years(k1, 2020, 2021), YEARLY)
    (data, first), (later, second) = asked_for if order == "model after table" else asked_for[::-1]
    past.ledger.append(about("first-v1"), yearly(past, data, first).released_cells)
    if told:
        with pytest.raises(Refused, match="of first-v1 are about the same units"):
            yearly(past, later, second)
    else:
        yearly(past, later, second)


# the same data in another year, or other data ------------------------------------------------------------------------


def worth_more(data: pa.Table, homes: int, column: str = "worth") -> pa.Table:
    """``data`` in which the last ``homes`` homes have something else in a column."""
    values = data[column].to_numpy().copy()
    values[len(values) - homes :] += 7.0
    return data.set_column(data.column_names.index(column), column, pa.array(values))


def test_a_yearly_model_of_a_small_area_is_held_apart_only_where_its_data_are_those_of_the_other_year(
    tmp_path: Path,
) -> None:
    """Three homes were pulled down since. Where ten homes and more are worth something else, these lie between, too."""
    past, data = Past(tmp_path), people()
    past.ledger.append(about("first-v1"), yearly(past, in_years(data, 2020), YEARLY).released_cells)
    for less, other in ((3, HOMES - 3), (3, 60), (0, 60), (0, 0)):
        yearly(past, in_years(worth_more(data.slice(less), other), 2021), YEARLY)
    for less, other, why in (
        (3, 8, "are about the same units"),
        (0, 5, "are of the same units and columns, but for what fewer than 10 units have there"),
    ):
        with pytest.raises(Refused, match=f"risk and risk of first-v1 {why}"):
            yearly(past, in_years(worth_more(data.slice(less), other), 2021), YEARLY)
    # what the figures are about is what must have changed, not what explains it
    with pytest.raises(Refused, match="risk and risk of first-v1"):
        yearly(past, in_years(worth_more(data.slice(3), 100, "size"), 2021), YEARLY)


@pytest.mark.parametrize("column", ["worth", "size"])
def test_the_same_regression_after_a_few_have_another_value_is_refused(tmp_path: Path, column: str) -> None:
    past = Past(tmp_path)
    out = past.release("first-v1", people(), REGRESSION)
    (held,) = unpack(out.released_cells, "first-v1")
    assert pack([held]) == out.released_cells
    for homes in (1, 9):
        with pytest.raises(Refused, match="but for what fewer than 10 units have there"):
            past.check(worth_more(people(), homes, column), REGRESSION)
    past.check(worth_more(people(), 40, column), REGRESSION)


@pytest.mark.parametrize("statistic", ["sum", "count"])
def test_a_model_of_a_year_beside_a_table_of_another(tmp_path: Path, statistic: str) -> None:
    """Sums say what all of a cell are worth, and a model of all but three of them next year what is left; counts say
    nothing of it."""
    past, data = Past(tmp_path), people()
    of = {"statistic": "sum", "measure": "worth"} if statistic == "sum" else {}
    table, model = table_request("kind", period="year", unit="home", **of), YEARLY.model_copy(update={"unit": "home"})
    past.ledger.append(about("first-v1"), yearly(past, in_years(data, 2020), table).released_cells)
    k1 = data.filter(pc.equal(data["kind"], "k1")).slice(3)
    for other in (0, 9) if statistic == "sum" else ():
        with pytest.raises(Refused, match="of first-v1 are about the same units"):
            yearly(past, in_years(worth_more(k1, other), 2021), model)
    yearly(past, in_years(worth_more(k1, 100 if statistic == "sum" else 0), 2021), model)


def before_members(content: bytes) -> bytes:
    """An entry as the ledger wrote it before it kept members."""
    (table,) = unpack(content, "first-v1")
    return pack([replace(table, rows=replace(table.rows, member=None))])


def test_an_entry_from_before_members_were_kept_is_read_or_refused(tmp_path: Path) -> None:
    past, data = Past(tmp_path), in_years(people(), 2020)
    plain = before_members(yearly(past, data, REGRESSION).released_cells)
    (held,) = unpack(plain, "first-v1")
    assert held.rows.member is None
    past.ledger.append(about("first-v1"), plain)
    # without periods a record is the member itself: compared as ever
    with pytest.raises(Refused, match="risk and risk of first-v1 are about the same units"):
        yearly(past, in_years(people().slice(1), 2020, 2021), YEARLY.model_copy(update={"unit": "home"}))
    # of a period, the records are known and the members are not
    past = Past(tmp_path / "periods")
    past.ledger.append(about("first-v1"), before_members(yearly(past, data, YEARLY).released_cells))
    with pytest.raises(Refused, match="risk and risk of first-v1 are about the same units"):
        yearly(past, in_years(people().slice(1), 2020), YEARLY)
    with pytest.raises(Refused, match="left before the ledger kept which members its records are of"):
        yearly(past, data, REGRESSION.model_copy(update={"unit": "home"}))
