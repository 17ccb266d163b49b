"""Differencing through sums of several tables: what is left over is one person's amount, or mostly one person's."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import TableRequest
from output_control.ledger.released import ReleasedTable
from output_control.sealed import CheckedOutput
from output_control.tables.table import IntArray
from tests.output_control.ledger_tables import Shelf, a_dimension, a_table
from tests.output_control.ledger_world import Past, cells_of, flat, homes, table_request

EVERYONE, TOWN = 3_000, 900
RICH = 20_000.0
Cells = dict[tuple[str, ...], float | None]


def everyone(rich: int) -> pa.Table:
    """Homes by age; amounts of 100 to 106, but that of the home ``rich``."""
    worth: list[object] = [float(100 + i % 7) for i in range(EVERYONE)]
    worth[rich] = RICH if rich >= TOWN else worth[rich]
    return homes(age=[f"a{i % 3}" for i in range(EVERYONE)], worth=worth)


def left_over(whole: Cells, town: Cells, others: Cells) -> dict[tuple[str, ...], float]:
    """The attacker: per cell, what all have beyond the town and the others."""
    found = {}
    for code, figures in ((code, (whole[code], town.get(code), others.get(code))) for code in whole):
        shown = [figure for figure in figures if figure is not None]
        if len(shown) == 3:
            found[code] = round(shown[0] - shown[1] - shown[2], 2)
    return found


def beside(world: Past, data: pa.Table, *statistics: str) -> Cells:
    """What leaves of ``data`` beside the past, of the last of ``statistics``; nothing when it is refused."""
    try:
        return last(world.check(data, *requests(*statistics)), statistics)
    except Refused:
        return {}


def requests(*statistics: str) -> list[TableRequest]:
    return [table_request("age", name=each, statistic=each, **({} if each == "count" else {"measure": "worth"}))
            for each in statistics]  # fmt: skip


def last(out: CheckedOutput, statistics: tuple[str, ...]) -> Cells:
    return cells_of(out, "age", name=statistics[-1])


@pytest.mark.parametrize("missing", [1, 9])
@pytest.mark.parametrize("statistics", [("sum",), ("count", "sum")])
def test_all_less_a_municipality_less_all_others_but_one_leaves_no_amount(
    tmp_path: Path, missing: int, statistics: tuple[str, ...]
) -> None:
    world, data = Past(tmp_path, {}, {"age": flat("age", "a", 3)}), everyone(0)
    whole = last(world.release("all", data, *requests(*statistics)), statistics)
    town = last(world.release("town", data.slice(0, TOWN), *requests(*statistics)), statistics)
    others = data.slice(TOWN, EVERYONE - TOWN - missing)
    alone = last(world.check(others, *requests(*statistics), alone=True), statistics)
    gone = sum(data["worth"].to_pylist()[EVERYONE - missing :])
    assert left_over(whole, town, alone)[("all",)] == gone
    found = beside(world, others, *statistics)
    assert not [amount for amount in left_over(whole, town, found).values() if 0 < amount < 10 * 100]


def test_as_many_as_the_minimum_frequency_may_be_left_over_of_sums(tmp_path: Path) -> None:
    world, data = Past(tmp_path, {}, {"age": flat("age", "a", 3)}), everyone(0)
    for name, some in (("all", data), ("town", data.slice(0, TOWN))):
        world.release(name, some, *requests("sum"))
    found = beside(world, data.slice(TOWN, EVERYONE - TOWN - 60), "sum")
    assert found and None not in found.values()


@pytest.mark.parametrize("added", [0.0, 1000.0])
def test_no_group_that_one_amount_dominates_is_left_over(tmp_path: Path, added: float) -> None:
    """Sixty are left over, twenty of each age: enough, but one of them has nearly all, whatever is added to all."""
    world, data = Past(tmp_path, {}, {"age": flat("age", "a", 3)}), everyone(EVERYONE - 1)
    amount = np.where(np.arange(EVERYONE) == EVERYONE - 1, RICH, np.arange(EVERYONE) % 7 * 12.0) + added
    data = data.set_column(data.schema.get_field_index("worth"), "worth", pa.array(amount))
    whole = last(world.release("all", data, *requests("sum")), ("sum",))

    town = last(world.release("town", data.slice(0, TOWN), *requests("sum")), ("sum",))
    found = beside(world, data.slice(TOWN, EVERYONE - TOWN - 60), "sum")

    amounts = [left - count * added for left in left_over(whole, town, found).values() for count in (20, 60)]
    assert found and not [amount for amount in amounts if RICH <= amount < RICH * 1.5]


def sums(name: str, people: IntArray, amount: np.ndarray, chosen: tuple[int, int]) -> ReleasedTable:
    """The sums of ``amount`` by two of three variables of two codes each."""
    counted = a_table(name, [a_dimension("pqr"[at], 2) for at in chosen], people[:, chosen], np.arange(len(people)))
    value = np.zeros(len(counted.table))
    for cell, codes in enumerate(counted.table.codes):
        value[cell] = amount[((people[:, chosen] == codes) | (codes == 0)).all(axis=1)].sum()
    table = replace(counted.table, value=value, integral=False)
    return replace(counted, quantity="worth", table=table, rows=replace(counted.rows, amount=amount))


@pytest.mark.parametrize("least", [0.0, 0.001, 900.0])
def test_three_sums_that_leave_one_amount_an_interval_of_nearly_nothing_do_not_leave(
    tmp_path: Path, least: float
) -> None:
    """By p × q, p × r and q × r all changes are one number t, added to four groups and taken from the four others: the
    rich one alone in its group is known to within the two smallest groups."""
    cells = dict.fromkeys(itertools.product((1, 2), repeat=3), 20) | {(1, 1, 1): 1}
    people = np.repeat(np.array(list(cells)), list(cells.values()), axis=0)
    amount = np.full(len(people), 100.0)
    amount[(people == (1, 1, 1)).all(axis=1)] = RICH
    for small in ((1, 2, 2), (2, 2, 2)):
        there = np.flatnonzero((people == small).all(axis=1))
        amount[there] = 0.0
        amount[there[0]] = least
    shelf, shown = Shelf(tmp_path), list[ReleasedTable]()
    for chosen in itertools.combinations(range(3), 2):
        try:
            shown += shelf.release(sums(f"by {chosen}", people, amount, chosen)).released
        except Refused:
            continue
    whole = len(shown) == 3 and not any(table.hidden.any() for table in shown)
    assert whole == (2 * least >= 0.01 * RICH)
