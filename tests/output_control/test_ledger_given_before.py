"""What earlier releases give away by themselves is no fault of the next table; what it would add itself still is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import Refused
from output_control.ledger import atoms
from output_control.ledger.released import ReleasedTable, pack
from output_control.tables.table import Dimension, FloatArray, IntArray
from tests.output_control.ledger_tables import Shelf, a_dimension, a_table
from tests.output_control.ledger_world import Past, about, cells_of, flat, homes, table_request

EVERYONE = 200
ID = np.arange(1, EVERYONE + 1)
AREA, SEX, QUARTER = a_dimension("g", 4), a_dimension("s", 2), a_dimension("p", 4)
HERE = 1 + ID % 4
SEXES = 1 + ID // 4 % 2


@pytest.fixture
def relations_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As beside large populations, whose atoms are too many."""
    monkeypatch.setattr(atoms, "MOST_ROWS", 0)


def counted(name: str, chosen: np.ndarray, *, by_sex: bool = False, where: IntArray = HERE) -> ReleasedTable:
    """Some of everyone by area, and by sex."""
    dims, codes = ([AREA, SEX], np.column_stack([where, SEXES])) if by_sex else ([AREA], where[:, None])
    return a_table(name, dims, codes[chosen], ID[chosen], minimum=3)


def released_unchecked(shelf: Shelf, *tables: ReleasedTable) -> None:
    """As if by rules that saw nothing in them."""
    for table in tables:
        shelf.ledger.append(about(table.name), pack([table]))


def test_a_revised_cell_that_was_published_under_another_name_may_be_shown(tmp_path: Path) -> None:
    """Of g0 and g1 two change places. The new areas leave as quarters, and then as areas: 50 and 50 are known by then.

    Before: refused, for g0 and g1 had to be hidden as revised, and could not.
    """
    shelf, moved = Shelf(tmp_path), HERE.copy()
    moved[[3, 4]] = moved[[4, 3]]
    shelf.release(counted("january", ID > 0))
    quarters = a_table("quarters", [QUARTER], moved[:, None], ID, minimum=3)
    assert not shelf.release(quarters).released[0].hidden.any()
    assert not shelf.check(counted("february", ID > 0, where=moved)).released[0].hidden.any()


def test_a_revised_cell_that_nobody_published_is_hidden(tmp_path: Path) -> None:
    shelf, moved = Shelf(tmp_path), HERE.copy()
    moved[[3, 4]] = moved[[4, 3]]
    shelf.release(counted("january", ID > 0))
    assert shelf.check(counted("february", ID > 0, where=moved)).released[0].hidden.sum() == 2


@pytest.mark.usefixtures("relations_only")
def test_no_table_is_refused_for_what_earlier_ones_gave_away(tmp_path: Path) -> None:
    """All, and all but one of g1, were published: the one is known. By area and sex everyone of g1 is known too.

    Before: refused, since the difference of one stays open to an attacker whatever is hidden.
    """
    shelf, but_one = Shelf(tmp_path), ID != 4
    released_unchecked(shelf, counted("all", ID > 0), counted("but one", but_one))
    together = shelf.check(counted("both", ID > 0, by_sex=True))
    assert any("but one" in name for name in together.given_before)
    shown = ~together.released[0].hidden
    assert shown[together.released[0].table.codes[:, 1] == 0].all()  # they were published before
    # the one is a man: neither all nor all but one were counted by sex
    assert shown.all()


@pytest.mark.usefixtures("relations_only")
def test_what_the_new_table_would_add_itself_is_hidden_all_the_same(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    released_unchecked(shelf, counted("all", ID > 0))
    together = shelf.check(counted("but one", ID != 4, by_sex=True))
    hidden = together.released[0].hidden
    assert not together.given_before and hidden[together.released[0].table.codes[:, 0] == 1].sum() >= 2


@pytest.mark.usefixtures("relations_only")
def test_a_small_cell_that_earlier_releases_gave_away_under_no_name_is_refused(tmp_path: Path) -> None:
    """Of g1 there are 50, and 49 without one of them: an area of that one would be the first to say whose."""
    shelf, but_one = Shelf(tmp_path), ID != 4
    released_unchecked(shelf, counted("all", ID > 0), counted("but one", but_one))
    parts = a_dimension("q", 5)
    own = a_table("parts", [parts], np.where(but_one, HERE, 5)[:, None], ID, minimum=3)
    with pytest.raises(Refused, match=r"even with every other cell hidden|must stay published"):
        shelf.check(own)


@pytest.mark.usefixtures("relations_only")
def test_a_small_cell_that_an_earlier_table_hid_in_vain_may_be_hidden_again(tmp_path: Path) -> None:
    """One lone hidden cell beside its total was released by rules that asked for no second; the same table again."""
    shelf = Shelf(tmp_path)
    where = np.where(ID == 4, 1, np.where(HERE == 1, 2, HERE))
    table = counted("lone", ID > 0, where=where)
    assert table.primary.mask.sum() == 1
    released_unchecked(shelf, replace(table, hidden=table.primary.mask.copy()))
    found = shelf.check(counted("again", ID > 0, where=where))
    assert found.released[0].hidden[table.primary.mask].all() and found.given_before
    assert (found.reports[0].lower, found.reports[0].upper) == ([1.0], [1.0])


@pytest.mark.usefixtures("relations_only")
def test_checkers_are_told_what_earlier_releases_give_away_and_nobody_else_is(tmp_path: Path) -> None:
    world = Past(tmp_path, {}, {"area": flat("area", "g", 4), "sex": flat("sex", "s", 2)})
    data = homes(area=[f"g{i % 4}" for i in range(200)], sex=[f"s{i // 4 % 2}" for i in range(200)])
    for name, some in (("all", data), ("but one", data.filter(pa.array([i != 0 for i in range(200)])))):
        world.ledger.append(about(name), world.check(some, table_request("area"), alone=True).released_cells)
    out = world.check(data, table_request("area", "sex"))
    assert None not in cells_of(out, "area", "sex").values()
    annex = next(json.loads(text) for name, text in out.checker_annex.items() if name.endswith("homes.releases.json"))
    assert annex["given_before"]["names"] == ["a difference between homes of this request and homes of but one"]
    pages = [text.decode() for name, text in out.checker_annex.items() if name.endswith(".html")]
    assert any("Earlier releases together give away at least 1" in page for page in pages)
    others = [*out.evidence.values(), *out.outputs.values(), *out.researcher_files.values()]
    assert not any(b"give away" in text or b"given_before" in text for text in others)


def hidden_or_refused(shelf: Shelf, table: ReleasedTable, cells: IntArray) -> bool:
    """Whether ``cells`` of ``table`` stay unknown."""
    try:
        together = shelf.check(table)
    except Refused:
        return True
    return bool(together.released[0].hidden[cells].all())


@pytest.mark.usefixtures("relations_only")
@pytest.mark.parametrize("one", [4, 8])
def test_the_sex_of_one_whose_existence_is_known_is_not_told(tmp_path: Path, one: int) -> None:
    """All by area and all but one by area and sex left before: that there is one more is known, and not its sex."""
    shelf = Shelf(tmp_path)
    released_unchecked(shelf, counted("all", ID > 0), counted("but one", one != ID, by_sex=True))
    both = counted("both", ID > 0, by_sex=True)
    cells = np.flatnonzero((both.table.codes[:, 0] == 1 + one % 4) & (both.table.codes[:, 1] > 0))
    assert hidden_or_refused(shelf, both, cells)


@pytest.mark.usefixtures("relations_only")
def test_three_who_were_left_over_under_a_lower_minimum_keep_their_sex(tmp_path: Path) -> None:
    """The minimum frequency was 3, and is 5: three men more in the new table's men than in those published."""
    men = np.flatnonzero((HERE == 1) & (SEXES == 1))[:3]
    shelf = Shelf(tmp_path, minimum=3)
    shelf.release(counted("all", ID > 0))
    shelf.release(counted("but three", ~np.isin(ID, ID[men]), by_sex=True))
    assert not any(table.hidden.any() for table in shelf.released)
    shelf.minimum = 5
    both = counted("both", ID > 0, by_sex=True)
    assert hidden_or_refused(shelf, both, np.flatnonzero((both.table.codes[:, 0] == 1) & (both.table.codes[:, 1] > 0)))


def summed(name: str, dim: Dimension, code: list[str], amount: FloatArray) -> ReleasedTable:
    """Amounts of a unit each by code."""
    at = np.array([dim.index[each] for each in code])
    counted = a_table(name, [dim], at[:, None], np.arange(1, len(code) + 1))
    value = np.zeros(len(counted.table))
    for cell, (position,) in enumerate(counted.table.codes.tolist()):
        inside = at.copy()
        while (inside >= 0).any():
            value[cell] += amount[inside == position].sum()
            inside = np.where(inside > 0, dim.parent[inside], -1)
    table = replace(counted.table, value=value, integral=False)
    return replace(counted, quantity="worth", table=table, rows=replace(counted.rows, amount=amount))


@pytest.mark.usefixtures("relations_only")
@pytest.mark.parametrize("large", [1e3, 1e9])
def test_a_small_amount_that_is_open_beside_large_ones_is_not_excused(tmp_path: Path, large: float) -> None:
    """Of t1 and t2 only their sum of 0.9 is known. The new table shows t1 with three others who are published."""
    tree = {"all": ("A", "B"), "A": ("t1", "t2", "ok", "more"), "B": tuple(f"b{i}" for i in range(250))}
    code = ["t1", "t2", *["ok"] * 4, *["more"] * 4, *(f"b{i}" for i in range(250))]
    amount = np.array([0.5, 0.4, *[25.0] * 8, *[large] * 250])
    old = summed("old", Dimension("x", "all", tree), code, amount)
    assert old.primary.mask.sum() == 252
    shelf = Shelf(tmp_path)
    released_unchecked(shelf, replace(old, hidden=old.primary.mask.copy()))
    there = ["n" if each in {"t1", "ok"} else "m" for each in code]
    new = summed("new", Dimension("y", "all", {"all": ("n", "m")}), there, amount)
    assert hidden_or_refused(shelf, new, np.array([1, 2]))


@pytest.mark.usefixtures("relations_only")
@pytest.mark.parametrize(("others", "defined"), [(False, "alike"), (True, "alike"), (False, "otherwise"), (False, "")])
def test_a_category_of_another_name_is_no_other_though_the_same_are_in_it(
    tmp_path: Path, *, others: bool, defined: str
) -> None:
    """All by area; and all but one of g0, by area (g0 and g2 hidden) and by half: g0 and g1 are 99, g1 is 50.

    Only the new table's own cells lead from the half to g0. Where the halves are of ``others`` than all but the one, it
    is by chance that these 99 are the same; and else a derivation might have made them so.
    """
    shelf, but_one = Shelf(tmp_path), ID != 4
    areas = counted("areas", but_one)
    areas = replace(areas, hidden=np.isin(areas.table.codes[:, 0], [1, 3]))
    some = but_one & (ID % 4 != 2) if others else but_one
    halves = a_table("halves", [a_dimension("h", 2)], 1 + (HERE[some, None] - 1) // 2, ID[some], minimum=3)
    assert halves.table.freq.tolist() == ([149, 99, 50] if others else [199, 99, 100])
    released_unchecked(shelf, counted("all", ID > 0), areas, replace(halves, defined=defined))
    new = counted("new", but_one, by_sex=True)
    with pytest.raises(Refused, match="cannot be released beside all of all"):
        shelf.check(new)
