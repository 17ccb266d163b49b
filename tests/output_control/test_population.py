"""The one population behind linked tables: when it must be asked, what it says, and where it is refused."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from enclave.errors import BadInput, CannotProtect
from output_control.audit import audit
from output_control.linked.linked_tables import LinkedTables, link, protect_linked
from output_control.linked.population import MOST_CELLS, population, tangled
from output_control.protection import Options, Pattern, Width, Witnesses
from output_control.tables.rules import MinimumFrequency, PPercent, PrimaryResult, primary
from output_control.tables.table import CellTable, Dimension
from tests.output_control.brute_force import BruteForce, Published, Tree
from tests.output_control.drawn_tables import published
from tests.output_control.ledger_tables import Shelf, a_dimension, a_table
from tests.output_control.tables import cell, counts, flat, magnitudes

AREA, SEX, KIND = flat("area", "ab"), flat("sex", "fm"), flat("kind", "pq")
# everybody of kind p lives in a and everybody of kind q in b: sex by kind is sex by area
PEOPLE = {("a", "f", "p"): 2, ("a", "m", "p"): 20, ("b", "f", "q"): 30, ("b", "m", "q"): 40}
RING = ((0, 1), (0, 2), (1, 2))


def margins(
    people: Mapping[tuple[str, ...], int], dims: Sequence[Dimension], chosen: Sequence[tuple[int, ...]]
) -> list[CellTable]:
    tables = []
    for some in chosen:
        cells: dict[tuple[str, ...], int] = {}
        for key, figure in people.items():
            at = tuple(key[place] for place in some)
            cells[at] = cells.get(at, 0) + figure
        tables.append(counts(tuple(dims[place] for place in some), cells))
    return tables


def hiding(linked: LinkedTables, masks: Sequence[np.ndarray]) -> Pattern:
    hidden = np.concatenate([*masks, np.ones(int(linked.unseen.sum()), dtype=np.bool_)])
    return Pattern(hidden, hidden, Witnesses.none(len(hidden)), 0.0, "by hand", False, None)


def test_a_table_that_two_others_repeat_by_other_words_is_known_to_the_audit_and_hidden_by_the_suppressor() -> None:
    tables = margins(PEOPLE, (AREA, SEX, KIND), RING)
    sensitive = [primary(table, MinimumFrequency(3)) for table in tables]
    linked = link(tables)
    joint = linked.primary(sensitive)
    inner = [(table.codes > 0).all(axis=1) for table in tables]
    nothing = np.zeros(len(tables[1]), dtype=np.bool_)
    # all of area by sex is hidden, and by itself that is safe
    assert audit(tables[0], sensitive[0], Pattern(
        inner[0], inner[0], Witnesses.none(len(inner[0])), 0.0, "by hand", False, None), Options()).safe  # fmt: skip
    only_first = audit(linked.joint, linked.primary([sensitive[0], *map(PrimaryResult.none, map(len, tables[1:]))]),
                       hiding(linked, [inner[0], nothing, np.zeros(len(tables[2]), np.bool_)]), Options())  # fmt: skip
    assert only_first.primaries == only_first.exact == 1
    assert audit(linked.joint, joint, hiding(linked, [inner[0], nothing, inner[2]]), Options()).safe
    _, pattern, report = protect_linked(tables, sensitive, Options())
    hidden = linked.split(pattern.suppressed)
    assert report.safe and hidden[0][cell(tables[0], "a", "f")] and hidden[2][cell(tables[2], "f", "p")]
    assert not (pattern.secondary & linked.unseen).any() and pattern.cost == sum(
        float(table.value[away & ~each.mask].sum()) for table, away, each in zip(tables, hidden, sensitive, strict=True)
    )


def test_what_must_stay_is_asked_of_the_cells_of_the_tables_alone() -> None:
    tables = margins(PEOPLE, (AREA, SEX, KIND), RING)
    sensitive = [primary(table, MinimumFrequency(3)) for table in tables]
    stay = np.concatenate([(table.codes == 0).any(axis=1) for table in tables])
    linked, pattern, _ = protect_linked(tables, sensitive, Options(keep=stay, cost=np.ones(len(stay))))
    assert not pattern.suppressed[~linked.unseen][stay].any()
    assert pattern.cost == pattern.secondary.sum()


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (((0, 1), (1, 2)), 1),
        (((0, 1), (1, 2), (2, 3)), 1),
        (((0, 1), (0, 2), (0, 3)), 1),
        (RING, 3),
        ((*RING, (0, 1, 2)), 1),
        ((*RING, (2, 3)), 3),
        (((0, 1), (1, 2), (2, 3), (3, 0)), 4),
        (((0, 1, 2), (1, 2, 3), (0, 3)), 3),
        (((0,), (1,), (2,)), 1),
    ],
)
def test_only_tables_that_form_a_ring_bound_each_other_beyond_their_shared_cells(
    chosen: Sequence[tuple[int, ...]], left: int
) -> None:
    dims = [flat(name, (f"{name}0", f"{name}1")) for name in "wxyz"]
    people = dict.fromkeys(itertools.product(*(dim.leaves for dim in dims)), 1)
    tables = margins(people, dims, chosen)
    assert len(tangled(tables)) == left
    assert (population(tables) is None) == (left < 3)


def test_codes_of_one_table_alone_do_not_tell_the_population_apart() -> None:
    """The ring of 2 × 2 × 2, where one table tells areas and a dimension of its own in more detail."""
    fine = Dimension("area", "all", {"all": ("a", "b"), "a": tuple(f"a{at}" for at in range(9))})
    own = flat("own", [f"o{at}" for at in range(9)])
    people = dict.fromkeys(itertools.product([*fine.children["a"], "b"], "fm", "pq", own.leaves), 1)
    coarse = {(key[0][:1], *key[1:3]): 0 for key in people}
    for key in people:
        coarse[key[0][:1], *key[1:3]] += 1
    tables = [*margins(people, (fine, SEX, KIND, own), [(0, 1, 3)]), *margins(coarse, (AREA, SEX, KIND), RING[1:])]
    behind = population(tables)
    assert behind is not None and len(behind.cells) == 8
    assert behind.value.sum() == len(people)
    link(tables)


@pytest.mark.parametrize("few", [0, 1])
def test_tables_that_agree_two_by_two_and_have_no_population_are_refused(few: int) -> None:
    """Vlach's smallest kind: x = y and y = z of nearly all, and x ≠ z of nearly all."""
    dims = [flat(name, ("0", "1")) for name in "xyz"]
    alike = {("0", "0"): 9, ("1", "1"): 9, ("0", "1"): few, ("1", "0"): few}
    unlike = {("0", "1"): 9, ("1", "0"): 9, ("0", "0"): few, ("1", "1"): few}
    pairs = [(dims[one], dims[other]) for one, other in RING]
    for cells in itertools.permutations((alike, alike, unlike)):
        with pytest.raises(BadInput, match="no population was found"):
            link([counts(pair, each) for pair, each in zip(pairs, cells, strict=True)])
    link([counts(pair, alike) for pair in pairs])


def test_too_large_a_population_is_refused_by_its_dimensions_and_not_passed_by() -> None:
    dims = [flat(name, [f"{name}{at}" for at in range(20)]) for name in ("area", "age", "work")]
    assert MOST_CELLS < 20**3
    full = {(one, other): 40 for one in range(20) for other in range(20)}
    tables = [
        counts((a, b), {(a.leaves[i], b.leaves[j]): n for (i, j), n in full.items()})
        for a, b in itertools.combinations(dims, 2)
    ]
    with pytest.raises(
        CannotProtect, match="area × age × work: the population behind the linked tables has more"
    ) as no:
        protect_linked(tables, [primary(table, MinimumFrequency(3)) for table in tables], Options())
    assert "link fewer of them" in str(no.value) and "40" not in str(no.value)
    assert link(tables[:2]).joint is not None


@pytest.mark.parametrize("seed", range(6))
def test_sums_of_three_linked_tables_keep_their_levels_against_who_adds_them_all_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = [*PEOPLE, ("a", "f", "q"), ("b", "m", "p")]
    records = [(keys[rng.integers(len(keys))], float(np.ceil(rng.lognormal(3, 2))), at) for at in range(14)]
    tables = [
        magnitudes(
            tuple((AREA, SEX, KIND)[place] for place in pair),
            [(tuple(key[place] for place in pair), value, unit) for key, value, unit in records],
        )
        for pair in RING
    ]
    sensitive = [primary(table, PPercent(20)) for table in tables]
    assert sum(each.mask.sum() for each in sensitive) >= 2
    linked, pattern, _ = protect_linked(tables, sensitive, Options())
    hidden = linked.split(pattern.suppressed)
    shown = [published(table, away) for table, away in zip(tables, hidden, strict=True)]
    attack = BruteForce(shown)
    for table, of, each in zip(tables, shown, sensitive, strict=True):
        for k in np.flatnonzero(each.mask).tolist():
            low, high = attack.ends(of, table.labels(k))
            assert high >= (table.value[k] + each.upl[k]) * (1 - 1e-6)
            assert low <= max(table.value[k] - each.lpl[k], 0) * (1 + 1e-6) + 1e-6

    # what each holds of all tables at once is not in them
    with pytest.raises(CannotProtect, match="without the records"):
        protect_linked(tables, sensitive, Options(part_share=0.5))


def test_the_suppressor_hides_what_shared_cells_alone_do_not_ask_for() -> None:
    """A suppressor without the population makes a pattern here, by flow and at the optimum, that the audit refuses."""
    dims = [flat(name, [f"{name}{at}" for at in range(size)]) for name, size in (("area", 3), ("sex", 2), ("kind", 2))]
    amounts = np.array([[[0, 5], [3, 0]], [[0, 3], [0, 5]], [[0, 3], [0, 2]]])
    people = {
        tuple(dim.leaves[place] for dim, place in zip(dims, at, strict=True)): int(amounts[at])
        for at in np.ndindex(3, 2, 2)
        if amounts[at]
    }
    tables = margins(people, dims, RING)
    sensitive = [primary(table, MinimumFrequency(3)) for table in tables]
    for method in ("flow", "optimal"):
        linked, pattern, _ = protect_linked(tables, sensitive, Options(method=method, count_protection=Width(3)))
        shown = [published(table, away) for table, away in zip(tables, linked.split(pattern.suppressed), strict=True)]
        attack = BruteForce(shown)
        for table, of, each in zip(tables, shown, sensitive, strict=True):
            for k in np.flatnonzero(each.mask).tolist():
                low, high = attack.whole_ends(of, table.labels(k))
                assert high - low >= 3, table.labels(k)


# the gate has the records, and tries atoms of them instead of a population, up to so many ----------------------------


SPARSE = np.array(
    [
        [[2, 0, 20], [20, 0, 0], [0, 0, 2]],
        [[0, 1, 0], [20, 3, 3], [0, 0, 20]],
        [[0, 5, 5], [0, 1, 2], [1, 0, 3]],
    ]
)


@pytest.mark.parametrize("others", [0, 12])
def test_a_ring_in_one_request_at_the_gate_is_as_open_as_asked_however_many_other_cells_there_are(
    tmp_path: Path, others: int
) -> None:
    """A corner of three areas, sexes and kinds beside ``others`` of each in which 8 people are in every cell."""
    size = others + len(SPARSE)
    people = np.zeros((size, size, size), dtype=np.int64)
    people[:others, :others, :others], people[others:, others:, others:] = 8, SPARSE
    codes = np.repeat(np.argwhere(people >= 0), people.ravel(), axis=0) + 1
    dims = [a_dimension(name, size) for name in ("area", "sex", "kind")]
    asked = [
        a_table(f"t{at}", [dims[place] for place in pair], codes[:, pair], np.arange(len(codes)))
        for at, pair in enumerate(RING)
    ]
    options = Options(method="flow", count_protection=Width(3))
    released = Shelf(tmp_path, options=options).check(*asked).released
    corner = [
        Published(
            tuple(Tree(dim.name, "all", {"all": tuple(f"{dim.name}{at}" for at in range(others, size))})
                  for dim in each.table.dims),
            {each.table.labels(at): None if away or not each.table.codes[at].any() else float(each.table.value[at])
             for at, away in enumerate(each.hidden)
             if all(not code or code > others for code in each.table.codes[at].tolist())},
        )
        for each in released
    ]  # fmt: skip
    attack = BruteForce(corner)
    for each, shown in zip(released, corner, strict=True):
        for k in np.flatnonzero(each.primary.mask).tolist():
            low, high = attack.whole_ends(shown, each.table.labels(k))
            assert high - low >= 3, each.table.labels(k)
