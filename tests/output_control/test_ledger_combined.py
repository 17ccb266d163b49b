"""Three and more tables over a large population of which each two differ by thousands, and one person is left over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from enclave.errors import Refused
from output_control.ledger.released import ReleasedTable
from output_control.table import BoolArray, IntArray
from tests.output_control.ledger_tables import Shelf, a_dimension, a_table

MINIMUM = 10
EVERYONE = 60_000
PERSON = 50_001
ID = np.arange(EVERYONE)
AREA = ID // 15_000
AGE, SEX, KIND = a_dimension("age", 6), a_dimension("sex", 2), a_dimension("kind", 5)
CODES = {"age": 1 + ID * 7919 % 6, "sex": 1 + ID * 104_729 % 2, "kind": 1 + ID * 15_485_863 % 5}
DIMS = {"age": AGE, "sex": SEX, "kind": KIND}
Chosen = BoolArray | IntArray


def counted(name: str, chosen: Chosen, *variables: str) -> ReleasedTable:
    """The persons ``chosen`` by some variables."""
    ids = ID[chosen]
    codes = np.column_stack([CODES[variable][ids] for variable in variables])
    return a_table(name, [DIMS[variable] for variable in variables], codes, 1 + ids, minimum=MINIMUM)


def values(table: ReleasedTable) -> dict[tuple[int, ...], float]:
    """What is published."""
    return {
        tuple(codes): value
        for codes, value, hidden in zip(table.table.codes.tolist(), table.table.value, table.hidden, strict=True)
        if not hidden
    }


def gives_away(whole: ReleasedTable, parts: list[ReleasedTable], group: int) -> list[tuple[int, ...]]:
    """Cells of which the person's own value follows by plain subtraction: the attacker of these tests."""
    first, others = values(whole), [values(part) for part in parts]
    shown = set(first).intersection(*others)
    return [cell for cell in shown if 0 < first[cell] - sum(other[cell] for other in others) <= group]


def left_out(count: int, among: BoolArray) -> BoolArray:
    """``among`` without ``count`` persons, the last of it."""
    kept = among.copy()
    kept[np.flatnonzero(among)[-count:]] = False
    return kept


def the_attack(shelf: Shelf, missing: int, *variables: str, towns: int = 1) -> list[ReleasedTable]:
    """All, ``towns`` municipalities one by one; asked now: all others less ``missing`` persons."""
    shelf.release(counted("all", AREA >= 0, *variables))
    for town in range(towns):
        shelf.release(counted(f"town {town}", town == AREA, *variables))
    asked = counted("others", left_out(missing, towns <= AREA), *variables)
    alone = shelf.check(asked, alone=True).released[0]
    whole, *parts = shelf.released
    assert gives_away(whole, [*parts, alone], missing) or missing >= MINIMUM
    return [whole, *parts, asked]


@pytest.mark.parametrize("missing", [1, 9])
@pytest.mark.parametrize("towns", [1, 2, 3])
@pytest.mark.parametrize("variables", [("age",), ("age", "sex")])
def test_all_less_municipalities_less_the_others_leaves_nobody(
    tmp_path: Path, towns: int, missing: int, variables: tuple[str, ...]
) -> None:
    shelf = Shelf(tmp_path, MINIMUM)
    whole, *parts, asked = the_attack(shelf, missing, *variables, towns=towns)
    found = shelf.check(asked).released[0]
    assert not gives_away(whole, [*parts, found], missing)
    assert found.hidden.any() and not found.hidden.all()


@pytest.mark.parametrize("variables", [("age",), ("age", "sex")])
def test_as_many_as_the_minimum_frequency_may_be_left_over(tmp_path: Path, variables: tuple[str, ...]) -> None:
    """44,760 of 45,000: ten and more of each age, of each sex and of each age and sex are left out."""
    shelf = Shelf(tmp_path, MINIMUM)
    *_, asked = the_attack(shelf, 240, *variables)
    assert not shelf.check(asked).released[0].hidden.any()
