"""That cells of different populations or categories hold the same units is chance, and no excuse to tell it.

Each of these tables was released, and was the first to tell what it told: the attacker, who tries every whole-number
population, could not know it from the earlier ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enclave.errors import Refused
from output_control.ledger import atoms
from output_control.ledger.released import ReleasedTable, pack
from output_control.tables.table import BoolArray
from tests.output_control.ledger_tables import Shelf, a_dimension, a_table
from tests.output_control.ledger_world import about
from tests.output_control.test_ledger_attacker import Enumerator

ID = np.arange(1, 201)
SIZES = {"g": 4, "s": 2, "q": 5, "h": 3}
POOR = np.isin(ID, [3, 6]) | ((ID < 16) & (ID % 3 == 1))
NOT_RICH = POOR | ((ID < 32) & (ID % 3 > 0))
ONE = ID == 4
CODES = {
    "g": np.where(ONE, 1, 2 + ID % 3),
    "s": np.where(ONE, 1, 1 + ID // 4 % 2),
    "q": np.where(ONE, 5, 1 + ID // 3 % 4),
    "h": 1 + ID % 3,
}


@pytest.fixture(autouse=True)
def relations_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As beside large populations, whose atoms are too many."""
    monkeypatch.setattr(atoms, "MOST_ROWS", 0)


def by(*variables: str, name: str = "", chosen: BoolArray = ID > 0) -> ReleasedTable:
    """Everyone ``chosen`` by some variables."""
    codes = np.column_stack([CODES[each] for each in variables])[chosen]
    dims = [a_dimension(each, SIZES[each]) for each in variables]
    return a_table(name or "".join(variables), dims, codes, ID[chosen], minimum=3)


def lone(table: ReleasedTable) -> ReleasedTable:
    """As by rules that asked for no second cell beside a lone one."""
    return replace(table, hidden=table.primary.mask.copy())


def told_by(shelf: Shelf, old: Sequence[ReleasedTable], new: ReleasedTable) -> list[str]:
    """Small cells that the earlier tables left open and ``new``, if it is released, gives away."""
    for table in old:
        shelf.ledger.append(about(table.name), pack([table]))
    try:
        released = shelf.check(new).released
    except Refused:
        return []
    before, after = (
        Enumerator([(table, list(table.name)) for table in some], SIZES) for some in (old, [*old, *released])
    )
    return [
        name
        for name, inside, _ in after.hidden
        if after.end(inside, 1) == after.end(inside, -1) and before.end(inside, 1) != before.end(inside, -1)
    ]


def test_the_sex_of_one_who_was_hidden_in_vain_is_not_told(tmp_path: Path) -> None:
    """That g0 has one was known; that no woman is there only the new table tells."""
    assert not told_by(Shelf(tmp_path), [lone(by("g"))], by("g", "s"))


def test_a_cell_that_holds_by_chance_the_one_who_was_hidden_in_vain_is_not_told(tmp_path: Path) -> None:
    """That one is of q4 nobody knew."""
    assert not told_by(Shelf(tmp_path), [lone(by("g"))], by("q"))


@pytest.mark.parametrize("order", list(itertools.permutations("gq")))
def test_a_cell_that_was_hidden_well_is_not_given_away_for_one_that_was_hidden_in_vain(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    """The one of g0 and the one of q4 are the same: by chance."""
    hidden = by("q")
    hidden = replace(hidden, hidden=np.isin(hidden.table.codes[:, 0], [1, 5]))
    old = {"g": lone(by("g")), "q": hidden}
    assert not told_by(Shelf(tmp_path), [old[each] for each in order], by("q", "s"))


@pytest.mark.parametrize(("others", "defined"), [(NOT_RICH, "alike"), (POOR, "alike"), (NOT_RICH, "otherwise")])
def test_two_who_are_known_not_to_be_rich_are_not_told_to_be_poor(
    tmp_path: Path, others: BoolArray, defined: str
) -> None:
    """All by area and the rich left before: two of h0 are not rich. That the two are poor, and that nobody else of h0
    is not rich, those who are not poor by area would be the first to tell; the rich by area once more would not. Nor
    may those who are not poor be taken for the rich where they are the same by chance."""
    shelf = Shelf(tmp_path)
    for table in (by("h", name="all"), by("h", name="rich", chosen=~NOT_RICH)):
        shelf.ledger.append(about(table.name), pack([table]))
    new = replace(by("h", name="new", chosen=~others), defined=defined)
    if others is NOT_RICH and defined == "alike":
        assert shelf.check(new).given_before
        return
    with pytest.raises(Refused):
        shelf.check(new)


@pytest.mark.parametrize("in_arrears", [False, True])
def test_a_category_made_to_hold_what_an_earlier_one_holds_is_no_excuse_however_many_are_in_it(
    tmp_path: Path, *, in_arrears: bool
) -> None:
    """`k0` is "g1, or alone in g0 and in arrears": whether the one is in it would be told by the figures that leave."""
    shelf, old = Shelf(tmp_path), lone(by("g"))
    shelf.ledger.append(about("old"), pack([old]))
    code = np.where(ONE, 2 if in_arrears else 1, CODES["g"])
    crafted = a_table("new", [a_dimension("k", 4)], code[:, None], ID, minimum=3)
    with pytest.raises(Refused):
        shelf.check(crafted)
