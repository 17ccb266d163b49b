"""Differencing through sums of several tables: what is left over is one person's amount, or mostly one person's."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from enclave.errors import Refused
from enclave.requests import TableRequest
from output_control.sealed import CheckedOutput
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


def test_no_group_that_one_amount_dominates_is_left_over(tmp_path: Path) -> None:
    """Sixty are left over, twenty of each age: enough, but one of them has nearly all."""
    world, data = Past(tmp_path, {}, {"age": flat("age", "a", 3)}), everyone(EVERYONE - 1)
    whole = last(world.release("all", data, *requests("sum")), ("sum",))

    town = last(world.release("town", data.slice(0, TOWN), *requests("sum")), ("sum",))
    found = beside(world, data.slice(TOWN, EVERYONE - TOWN - 60), "sum")

    assert not [amount for amount in left_over(whole, town, found).values() if RICH <= amount < RICH * 1.1]
