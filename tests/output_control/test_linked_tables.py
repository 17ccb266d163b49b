"""Tables that share cells: what each hides by itself, and what an attacker of both computes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from enclave.errors import BadInput, CannotProtect
from output_control.audit import audit
from output_control.linked.linked_tables import link, protect_linked
from output_control.protection import Options, Pattern, Witnesses
from output_control.tables.rules import MinimumFrequency, PrimaryResult, primary
from output_control.tables.table import CellTable, Dimension
from tests.output_control.tables import cell, counts, flat

# sdcTools UserSupport #136 (protectLinkedTables can be unsafe): the same regions by county and by size
UNITS = {"A": 2, "B": 2, "I": 8, "J": 8, "K": 3, "L": 3, "M": 3, "N": 7}
BY_COUNTY = Dimension(
    "region", "Total", {"Total": ("c1", "c2"), "c1": ("A", "B", "I", "J"), "c2": ("K", "L", "M", "N")}
)
BY_SIZE = Dimension(
    "region", "All", {"All": ("BIG", "small"), "BIG": ("L", "M"), "small": ("A", "B", "I", "J", "K", "N")}
)


def both() -> tuple[CellTable, CellTable]:
    cells = {(code,): count for code, count in UNITS.items()}
    return counts((BY_COUNTY,), cells), counts((BY_SIZE,), cells)


def pattern_of(size: int, hidden: list[int], mask: np.ndarray) -> Pattern:
    away = np.zeros(size, dtype=np.bool_)
    away[hidden] = True
    return Pattern(away, away & ~mask, Witnesses.none(size), 0.0, "foreign", False, None)


def test_user_support_136_two_patterns_that_are_safe_alone_give_k_away_together() -> None:
    # c2 shows K + L + M = 9 and BIG shows L + M = 6, so K = 3
    tables, hidden = both(), "ABKLM"
    linked = link(tables)
    alone = [primary(table, MinimumFrequency(4)) for table in tables]
    for table, sensitive in zip(tables, alone, strict=True):
        own = pattern_of(len(table), [cell(table, code) for code in hidden], sensitive.mask)
        assert audit(table, sensitive, own, Options()).safe
    joint = linked.primary(alone)
    cells = [cell(tables[0], code) for code in hidden]
    cells += [len(tables[0]) + cell(tables[1], code) for code in hidden]
    found = audit(linked.joint, joint, pattern_of(len(linked.joint), cells, joint.mask), Options())
    failed = {linked.joint.labels(int(k)) for k in found.failed}
    assert found.exact == 2 and failed == {("K in table 1",), ("K in table 2",)}


@pytest.mark.parametrize("method", ["flow", "optimal", "gauss", "auto"])
def test_linked_tables_are_protected_as_one(method: str) -> None:
    tables = both()
    options = Options(method=method)  # type: ignore[arg-type]  # parametrised
    sensitive = [primary(table, MinimumFrequency(4)) for table in tables]
    linked, pattern, report = protect_linked(tables, sensitive, options)
    assert report.safe and report.checked == 10
    by_county, by_size = linked.split(pattern.suppressed)
    for code in UNITS:
        assert by_county[cell(tables[0], code)] == by_size[cell(tables[1], code)]
    assert not given_away(tables, (by_county, by_size), sensitive)


def test_shared_cells_are_those_of_the_same_codes_and_totals_of_what_is_missing() -> None:
    sex, age = flat("sex", "fm"), flat("age", "xy")
    full = counts((sex, age), {("f", "x"): 1, ("f", "y"): 2, ("m", "x"): 3, ("m", "y"): 4})
    short = counts((sex,), {("f",): 3, ("m",): 7})
    joint = link((full, short)).joint
    for found in (joint.relations, joint.audited):
        assert not (found @ joint.value).any()
        same = found[found.shape[0] - 3 :]
        assert sorted(joint.value[same.indices[same.data > 0]].tolist()) == [3, 7, 10]
        assert sorted(same.indices[same.data < 0].tolist()) == [len(full), len(full) + 1, len(full) + 2]
    assert joint.labels(len(full)) == ("sex-total in table 2",)


@pytest.mark.parametrize("turned", [False, True])
def test_tables_that_disagree_are_refused_by_their_codes(turned: bool) -> None:
    sex = flat("sex", "fm")
    one, other = counts((sex,), {("f",): 3, ("m",): 7}), counts((sex,), {("f",): 424, ("m",): 7})
    with pytest.raises(BadInput, match="differ between two linked tables: sex-total; f") as refusal:
        link((other, one) if turned else (one, other))
    assert "424" not in str(refusal.value)


@pytest.mark.parametrize("turned", [False, True])
def test_a_cell_that_only_one_of_two_tables_has_is_a_disagreement(turned: bool) -> None:
    sex = flat("sex", "fmx")
    one, other = counts((sex,), {("f",): 3, ("m",): 7}), counts((sex,), {("f",): 3, ("m",): 5, ("x",): 2})
    with pytest.raises(BadInput, match="differ between two linked tables"):
        link((other, one) if turned else (one, other))


# an attacker of all tables, from microdata and codes alone ------------------------------------------------------------

VARIABLES = (flat("a", "pqr"), flat("b", "uv"), flat("c", "xyz"))
CROSS = list(itertools.product(*(dim.leaves for dim in VARIABLES)))


def given_away(
    tables: Sequence[CellTable], hidden: Sequence[np.ndarray], sensitive: Sequence[PrimaryResult]
) -> list[tuple[str, ...]]:
    """Sensitive cells of which all whole, non-negative tables that agree with everything published say the same.

    One unknown per cell of any table; equations by walking the hierarchies code by code, shared cells by their codes
    (a code that is missing in a table's dimensions counts as its total). Nothing of the gate's systems is used.
    """
    start = np.cumsum([0, *(len(table) for table in tables)])
    rows: list[dict[int, float]] = []
    seen: dict[frozenset[tuple[str, str]], int] = {}
    for table, first in zip(tables, start[:-1].tolist(), strict=True):
        places = {table.labels(i): first + i for i in range(len(table))}
        for labels, place in places.items():
            codes = {dim.name: code for dim, code in zip(table.dims, labels, strict=True) if code != dim.root}
            twin = seen.setdefault(frozenset(codes.items()), place)
            if twin != place:
                rows.append({place: 1.0, twin: -1.0})
            for at, dim in enumerate(table.dims):
                if labels[at] in dim.children:
                    below = [(*labels[:at], child, *labels[at + 1 :]) for child in dim.children[labels[at]]]
                    rows.append({place: -1.0, **{places[other]: 1.0 for other in below if other in places}})
    matrix = np.zeros((len(rows), int(start[-1])))
    for at, row in enumerate(rows):
        matrix[at, list(row)] = list(row.values())
    value, away = np.concatenate([t.value for t in tables]), np.concatenate(hidden)
    bounds = Bounds(np.where(away, 0, value), np.where(away, np.inf, value))
    found = []
    for table, first, result in zip(tables, start[:-1].tolist(), sensitive, strict=True):
        for cell_ in np.flatnonzero(result.mask).tolist():
            ends = [_end(matrix, bounds, first + cell_, side) for side in (1, -1)]
            found += [table.labels(cell_)] if ends[0] == ends[1] else []
    return found


def _end(matrix: np.ndarray, bounds: Bounds, cell_: int, side: int) -> float:
    cost = np.zeros(matrix.shape[1])
    cost[cell_] = side
    done = milp(
        cost, constraints=LinearConstraint(matrix, 0, 0), integrality=np.ones(len(cost), dtype=np.int64), bounds=bounds
    )
    return np.inf * -side if done.x is None else float(round(done.x[cell_]))


def test_this_attacker_finds_what_two_safe_patterns_give_away() -> None:
    tables = both()
    sensitive = [primary(table, MinimumFrequency(4)) for table in tables]
    hidden = [np.isin([table.labels(i)[0] for i in range(len(table))], list("ABKLM")) for table in tables]
    assert given_away(tables, hidden, sensitive) == [("K",), ("K",)]
    for table, own, away in zip(tables, sensitive, hidden, strict=True):
        assert not given_away((table,), (away,), (own,))


def of_people(people: Sequence[tuple[str, ...]], variables: Sequence[int]) -> CellTable:
    found = Counter(tuple(person[v] for v in variables) for person in people)
    return counts(tuple(VARIABLES[v] for v in variables), found)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2, 3, 4, 6, 9]), min_size=len(CROSS), max_size=len(CROSS)),
    st.lists(st.sampled_from([(0, 1), (1, 2), (0, 2), (0,), (1,), (0, 1, 2)]), min_size=2, max_size=3, unique=True),
)
def test_what_linked_tables_hide_together_no_attacker_of_all_of_them_computes(
    amounts: list[int], asked: list[tuple[int, ...]]
) -> None:
    people = [codes for codes, amount in zip(CROSS, amounts, strict=True) for _ in range(amount)]
    if not people:
        return
    tables = [of_people(people, variables) for variables in asked]
    sensitive = [primary(table, MinimumFrequency(3)) for table in tables]
    try:
        linked, pattern, _ = protect_linked(tables, sensitive, Options(method="flow"))
    except CannotProtect:
        return
    assert not given_away(tables, linked.split(pattern.suppressed), sensitive)
