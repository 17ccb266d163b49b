"""Contributors know what is theirs: of a hidden cell that they hold nearly all of, that it is hardly less or more."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enclave.errors import CannotProtect
from output_control.audit import audit
from output_control.ledger.joint import protect_together
from output_control.ledger.released import ReleasedTable, Rows, pack, unpack
from output_control.ledger.remember import ProjectIds, set_numbers, with_ledger_ids
from output_control.linked.linked_tables import link
from output_control.protection import Method, Options, Pattern, Witnesses
from output_control.suppression import suppress
from output_control.tables.rules import Dominance, MinimumFrequency, PPercent, PrimaryResult, primary
from output_control.tables.table import BoolArray, CellTable
from tests.output_control.brute_force import BruteForce, Published, Tree
from tests.output_control.ledger_tables import a_dimension, a_table
from tests.output_control.tables import cell, flat, magnitudes

Record = tuple[tuple[str, ...], float, int]
NEAR = 1e-5
BEYOND = 100  # contributors of cells that many are in
CROWD: list[Record] = [(("D",), 100.0, BEYOND + i) for i in range(4)]
CROWD += [(("E",), 120.0, 2 * BEYOND + i) for i in range(5)]
# A: 83, of which 80 are one's, so that it must stay open by 7 to both sides
DOMINATED: list[Record] = [(("A",), 80.0, 10), (("A",), 2.0, 11), (("A",), 1.0, 12)]
NEARLY: list[Record] = [
    *DOMINATED, (("B",), 50.0, 1), (("B",), 0.2, 13), (("C",), 60.0, 1), (("C",), 0.3, 14), *CROWD,
]  # fmt: skip
BETWEEN_TWO: list[Record] = [
    *DOMINATED, (("B",), 50.0, 1), (("B",), 0.2, 13), (("C",), 60.0, 2), (("C",), 0.3, 14), *CROWD,
]  # fmt: skip


def reach_for(  # the whole attack
    records: Sequence[Record], table: CellTable, hidden: BoolArray, target: int, members: set[int],
    *, whole: bool, parts: bool = True,
) -> tuple[float, float]:  # fmt: skip
    """How far above and below the truth a cell may be for ``members``: they take what is theirs off every figure.

    Without ``parts`` they know the cells that hold nobody else, and no part of any other.

    ``whole``: by listing every table of whole numbers; else by linear programmes.
    """
    trees = tuple(Tree(dim.name, dim.root, dim.children) for dim in table.dims)
    theirs = members if parts else set()
    shown: dict[tuple[str, ...], float | None] = {}
    for i in range(len(table)):
        here = inside(records, table, i)
        others = sum(value for value, who in here if who not in theirs)
        known = not hidden[i] or {who for _, who in here} <= members
        shown[table.labels(i)] = others if known else None
    attack = BruteForce([Published(trees, shown)])
    true = sum(value for value, who in inside(records, table, target) if who not in theirs)
    if not whole:
        low, high = attack.ends(attack.tables[0], table.labels(target))
        return high - true, true - low
    cells = attack.inside(attack.tables[0], table.labels(target))
    most = int(max(value for value in shown.values() if value is not None))
    found = attack.every_at_once(most)[:, cells].sum(axis=1)
    return float(found.max()) - true, true - float(found.min())


def exposed(
    records: Sequence[Record], table: CellTable, sensitive: PrimaryResult, hidden: BoolArray, options: Options,
    *, whole: bool = False, groups: Sequence[tuple[int, ...]] = (),
) -> set[tuple[int, tuple[int, ...]]]:  # fmt: skip
    """Primaries, and who comes closer to them than the options allow by what they have in hidden cells; brute force.

    ``groups``: who is tried; everybody, and all who may come together, when none is named.
    """
    units = sorted({who for _, _, who in records})
    everybody = [each for size in range(1, options.coalition + 1) for each in itertools.combinations(units, size)]
    found = set()
    if options.part_share == 0:  # who is alone nowhere knows no more than anybody
        alone = [{who for _, who in inside(records, table, k)} for k in np.flatnonzero(hidden).tolist()]
        everybody = [each for each in everybody if any(here <= set(each) for here in alone)]
    for k in np.flatnonzero(sensitive.mask & hidden).tolist():
        here = {who for _, who in inside(records, table, k)}
        for members in groups or everybody:
            if here <= set(members):
                continue
            up, down = reach_for(records, table, hidden, k, set(members), whole=whole, parts=options.part_share > 0)
            level, width = asked(records, table, sensitive, k, members, options)
            if up < level - NEAR * (1 + level) or up + down < width - NEAR * (1 + width):
                found.add((k, members))
    return found


def asked(  # noqa: PLR0917  # the whole attack
    records: Sequence[Record],
    table: CellTable,
    sensitive: PrimaryResult,
    k: int,
    members: Sequence[int],
    options: Options,
) -> tuple[float, float]:
    """How far up a primary must be open for ``members``, and how wide."""
    up, down = float(sensitive.upl[k]), float(sensitive.lpl[k])
    width = options.singleton_share * (up + down or 0.01 * float(table.value[k]))
    parts = Counter[int]()
    for value, who in inside(records, table, k):
        parts[who] += value  # type: ignore[assignment]  # a Counter adds up any numbers
    (largest, most), *_ = parts.most_common()
    if largest in members:
        # p of the rule is what the level says of the largest, and holds for the largest of others
        smaller = sum(sorted(parts.values(), reverse=True)[options.coalition + 1 :])
        of_others = max((value for who, value in parts.items() if who not in members), default=0)
        up = min(up, (up + smaller) / most * of_others)
    return options.part_share * up, width


def inside(records: Sequence[Record], table: CellTable, k: int) -> list[tuple[float, int]]:
    """Value and contributor of the records of a cell."""
    under = [
        Tree(dim.name, dim.root, dim.children).below(code)
        for dim, code in zip(table.dims, table.labels(k), strict=True)
    ]
    return [(value, who) for codes, value, who in records
            if all(code in part for code, part in zip(codes, under, strict=True))]  # fmt: skip


def a_pattern(table: CellTable, sensitive: PrimaryResult, hidden: BoolArray) -> Pattern:
    """A pattern of someone else, without any proof."""
    nothing = Witnesses.none(len(table))
    return Pattern(hidden, hidden & ~sensitive.mask, nothing, 0.0, "", optimal=False, gap=None)


@pytest.mark.parametrize("method", ["flow", "optimal"])
@pytest.mark.parametrize(("records", "coalition"), [(NEARLY, 1), (BETWEEN_TWO, 2)], ids=["one", "two together"])
def test_who_holds_nearly_all_of_two_cells_is_kept_from_the_third(
    records: list[Record], coalition: int, method: Method
) -> None:
    """A, B and C hidden: to the line's total 193.5 the holder of 110 of B and C leaves 0.5 for A to rise by."""
    table = magnitudes((flat("r", "ABCDE"),), records)
    rules = PPercent(10, coalition)
    sensitive = replace(primary(table, rules), mask=np.isin(np.arange(len(table)), [cell(table, c) for c in "ABC"]))
    options = Options(method=method, coalition=coalition, part_share=1.0)
    before = suppress(replace(table, contributors=None), sensitive, options=options)
    assert not before.secondary.any()
    assert audit(replace(table, contributors=None), sensitive, before, options).safe
    holders = tuple(range(1, coalition + 1))
    up, down = reach_for(records, table, before.suppressed, cell(table, "A"), set(holders), whole=False)
    assert (up, down) == pytest.approx((0.5, 83))
    told = audit(table, sensitive, before, options)
    assert not told.safe and cell(table, "A") in told.failed
    alone = exposed(records, table, sensitive, before.suppressed, options, groups=[holders])
    assert (cell(table, "A"), holders) in alone
    now = suppress(table, sensitive, options=options)
    assert audit(table, sensitive, now, options).safe
    assert now.suppressed[cell(table, "D")] and now.cost == pytest.approx(400)
    assert not exposed(records, table, sensitive, now.suppressed, options)


def random_records(seed: int) -> list[Record]:
    """3 × 3 cells of one to three out of seven contributors, of very unlike size, so that many hold nearly all."""
    random = np.random.default_rng(seed)
    found: list[Record] = []
    for codes in itertools.product("abc", "xyz"):
        some = random.permutation(7)[: random.choice([1, 2, 2, 3, 3])].tolist()
        found += [(codes, float(np.round(np.exp(random.normal(3, 1.8)) + 0.1, 1)), who) for who in some]
    return found


def outcome(seed: int) -> str:
    """Pattern and audit against all contributors; the audit of other patterns too must find just those."""
    records = random_records(seed)
    table = magnitudes((flat("r", "abc"), flat("c", "xyz")), records)
    coalition = 1 + seed % 2
    rule = (PPercent(15, coalition), Dominance(1, 70), MinimumFrequency(2))[seed // 2 % 3]
    sensitive = primary(table, rule)
    options = Options(
        method=("flow", "optimal")[seed // 6 % 2], coalition=coalition, part_share=(1.0, 0.3)[seed // 12 % 2]
    )
    hidden = sensitive.mask | (np.random.default_rng(seed).random(len(table)) < 0.6)
    hidden[cell(table, "r-total", "c-total")] = False
    told = audit(table, sensitive, a_pattern(table, sensitive, hidden), options)
    near = {k for k, _ in exposed(records, table, sensitive, hidden, options)}
    assert told.singleton_exact == len(near), seed
    try:
        pattern = suppress(table, sensitive, options=options)
    except CannotProtect:
        everything = np.ones(len(table), dtype=np.bool_)
        every = audit(table, sensitive, a_pattern(table, sensitive, everything), options)
        return "refused" if not every.safe else "given up"
    assert audit(table, sensitive, pattern, options).safe, seed
    assert not exposed(records, table, sensitive, pattern.suppressed, options), seed
    alone = suppress(table, sensitive, options=replace(options, part_share=0.0))
    return "dearer" if pattern.cost > alone.cost + 1e-6 else "safe"


@pytest.mark.parametrize("seeds", [(0, 2), pytest.param(range(240), marks=pytest.mark.sweep)], ids=["few", "many"])
def test_no_contributor_comes_close_to_a_random_magnitude(seeds: Sequence[int]) -> None:
    found = Counter(outcome(seed) for seed in seeds)
    assert found["safe"] + found["dearer"] >= len(seeds) / 2 and found["given up"] <= len(seeds) / 20


def named_twice(witnesses: Witnesses) -> Witnesses:
    """The same, every rise a further move of its cell besides, two times."""
    cells = np.flatnonzero(witnesses.up >= 0)
    rises = np.column_stack([cells, witnesses.up[cells]])
    return replace(witnesses, also=np.concatenate([witnesses.also, rises, rises]))


@pytest.mark.parametrize("coalition", [1, 2])
def test_the_audit_finds_with_witnesses_whom_its_programmes_find_without(coalition: int) -> None:
    asked = Options(part_share=1.0, coalition=coalition, method="flow")
    exposed_in, safe = 0, 0
    for seed in range(4 // coalition):
        table = magnitudes((flat("r", "abc"), flat("c", "xyz")), random_records(seed))
        sensitive = primary(table, PPercent(15, coalition))
        # one pattern that heeds contributors less than is asked, and one as much
        for heeded in (replace(asked, part_share=0.0, coalition=1), asked):
            try:
                pattern = suppress(table, sensitive, options=heeded)
            except CannotProtect:
                continue
            bare = replace(pattern, witnesses=Witnesses.none(len(table)))
            seen = audit(table, sensitive, bare, asked)
            for shown in (pattern, replace(pattern, witnesses=named_twice(pattern.witnesses))):
                looked_up = audit(table, sensitive, shown, asked)
                assert seen.failed.tolist() == looked_up.failed.tolist()
                assert seen.singleton_exact == looked_up.singleton_exact
            exposed_in += seen.singleton_exact > 0
            safe += seen.safe
    assert exposed_in and safe


@st.composite
def whole_records(draw: st.DrawFn) -> list[Record]:
    """2 × 2 cells of one or two out of three contributors, in whole numbers."""
    found: list[Record] = []
    for codes in itertools.product("ab", "xy"):
        some = draw(st.sets(st.integers(0, 2), min_size=1, max_size=2))
        found += [(codes, float(draw(st.sampled_from([1, 1, 2, 5]))), who) for who in sorted(some)]
    return found


@settings(max_examples=6, deadline=None)
@given(whole_records(), st.sets(st.integers(0, 8), max_size=6), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_audit_finds_whom_a_list_of_all_tables_exposes(
    records: list[Record], more: set[int], part_share: float
) -> None:
    """In two dimensions the ends of every interval are whole when all figures are, so both must find the same."""
    table = magnitudes((flat("r", "ab"), flat("c", "xy")), records)
    sensitive, options = primary(table, PPercent(40)), Options(part_share=part_share)
    hidden = sensitive.mask.copy()
    hidden[sorted(more)] = True
    hidden[cell(table, "r-total", "c-total")] = False
    told = audit(table, sensitive, a_pattern(table, sensitive, hidden), options)
    near = exposed(records, table, sensitive, hidden, options, whole=True)
    assert told.singleton_exact == len({k for k, _ in near})


def test_the_largest_of_a_cell_is_kept_from_the_second_only() -> None:
    """A: 80, 2 and 1. The holder of 80 holds nearly all of B and C too, and may know A within 2 at p = 10 %."""
    records = [*DOMINATED, (("B",), 50.0, 10), (("B",), 0.2, 13), (("C",), 60.0, 10), (("C",), 0.3, 14), *CROWD]
    table = magnitudes((flat("r", "ABCDE"),), records)
    sensitive = replace(
        primary(table, PPercent(10)), mask=np.isin(np.arange(len(table)), [cell(table, code) for code in "ABC"])
    )
    hidden = sensitive.mask.copy()
    asked_of_him = [
        asked(records, table, sensitive, cell(table, "A"), [who], Options(part_share=1.0)) for who in (10, 11)
    ]
    # of 2 beside 1: (7 + 1) / 80 of the level, which the 0.5 of B and C leave; of all others 7
    assert asked_of_him[0][0] == pytest.approx(8 / 80 * 2) and asked_of_him[1][0] == pytest.approx(7)
    told = audit(table, sensitive, a_pattern(table, sensitive, hidden), Options(part_share=1.0))
    near = exposed(records, table, sensitive, hidden, Options(part_share=1.0))
    assert cell(table, "A") not in told.failed and {k for k, _ in near} == set(told.failed.tolist())


def of_several(cells: dict[str, list[tuple[int, int]]]) -> CellTable:
    """Counts from (records, unit) per cell."""
    records: list[Record] = [((code,), float(n), who) for code, some in cells.items() for n, who in some]
    return replace(magnitudes((flat("r", list(cells)),), records), integral=True)


@pytest.mark.parametrize("others", [0, 9])
@pytest.mark.parametrize("joint", [False, True], ids=["by itself", "joint"])
def test_who_has_many_records_of_a_count_is_kept_from_another_beside_it(others: int, joint: bool) -> None:
    """300 of B's records are one's: to A + B the owner leaves at most 9 for A to rise by, whose level is 20."""
    cells = {"A": [(200, 7), *((1, 20 + i) for i in range(9))], "B": [(300, 1), *((1, 40 + i) for i in range(others))]}
    alone = of_several({**cells, "C": [(1, 100 + i) for i in range(900)]})
    table = link([alone]).joint if joint else alone
    sensitive, options = primary(alone, PPercent(10)), Options(part_share=1.0, occupied=not joint)
    assert np.flatnonzero(sensitive.mask).tolist() == [cell(alone, "A"), cell(alone, "B")]
    before = suppress(replace(table, contributors=None), sensitive, options=options)
    assert not before.secondary.any()
    assert audit(replace(table, contributors=None), sensitive, before, options).safe
    told = audit(table, sensitive, before, options)
    assert not told.safe and told.singleton_exact and cell(alone, "A") in told.failed
    now = suppress(table, sensitive, options=options)
    assert np.flatnonzero(now.secondary).tolist() == [cell(alone, "C")] and now.cost == 900
    assert audit(table, sensitive, now, options).safe
    # the proof is of use, and not needed
    assert audit(table, sensitive, replace(now, beside_parts=None), options).safe


def test_linked_tables_know_the_same_contributor_in_both() -> None:
    """B in one table and C in the other are nearly all one's; A is in both."""
    dims = (flat("r", "AB"), flat("s", "pq"))
    records: list[Record] = [
        (("A", "p"), 80.0, 10), (("A", "p"), 3.0, 11), (("A", "q"), 30.0, 12), (("A", "q"), 31.0, 15),
        (("B", "p"), 50.0, 1), (("B", "p"), 0.2, 13), (("B", "q"), 60.0, 1), (("B", "q"), 0.3, 14),
    ]  # fmt: skip
    both = magnitudes(dims, records)
    rows = magnitudes(dims[:1], [(codes[:1], value, who) for codes, value, who in records])
    joint = link([both, rows]).joint
    assert joint.holders.tolist() == [*both.holders.tolist(), *rows.holders.tolist()]
    assert joint.top.tolist() == [*both.top.tolist(), *rows.top.tolist()]


def test_the_ledger_remembers_the_largest_contributions_and_whose_they_are() -> None:
    dims = [a_dimension("area", 3)]
    counts = a_table("sums", dims, np.array([[1], [1], [2], [3], [3], [3]]), np.array([11, 15, 12, 13, 14, 16]))
    assert unpack(pack([counts]), "r1")[0].table.contributors is None
    whose = np.full((len(counts.table), 3), -1, dtype=np.int64)
    whose[1] = 15, 11, -1
    top = np.zeros(whose.shape)
    top[1, :2] = 40.0, 2.5
    sums = replace(counts, table=replace(counts.table, integral=False, contributors=whose, top=top), quantity="sum")
    (found,) = unpack(pack([sums]), "r1")
    assert found.table.holders.tolist() == whose.tolist() and found.table.top.tolist() == top.tolist()
    assert with_ledger_ids(sums.table, ProjectIds()).holders.tolist() == whose.tolist()


def test_a_contribution_below_0_bounds_nothing() -> None:
    records: list[Record] = [(("A",), 5.0, 1), (("A",), -2.0, 2), (("B",), 4.0, 1)]
    assert magnitudes((flat("r", "AB"),), records).contributors is None
    assert magnitudes((flat("r", "AB"),), [records[0], records[2]]).holders[1].tolist() == [1, -1, -1]


def margin(at: Sequence[int], rule: PPercent) -> tuple[ReleasedTable, list[Record]]:
    """Two of the three dimensions of `OF_THREE`, as a table that is being checked; and its records."""
    records = [(tuple(codes[i] for i in at), value, who) for codes, value, who in OF_THREE]
    table = magnitudes(tuple(flat("abc"[i], ("abc"[i] + "0", "abc"[i] + "1")) for i in at), records)
    numbers = np.arange(1, len(records) + 1)
    leaf = np.array([cell(table, *codes) for codes, _, _ in records])
    rows = Rows(numbers, np.array([who for *_, who in records]), leaf, np.array([value for _, value, _ in records]))
    made = ReleasedTable(
        f"by {at}", "", "sum", ("unit", "unit"), table, rows, primary(table, rule), np.zeros(len(table), np.bool_),
        set_numbers(table, rows), defined="alike",
    )  # fmt: skip
    return made, records


OF_THREE: list[Record] = [
    (("a0", "b0", "c0"), 40.0, 4), (("a0", "b0", "c0"), 20.0, 1), (("a0", "b0", "c1"), 5.0, 3),
    (("a0", "b1", "c0"), 40.0, 2), (("a0", "b1", "c0"), 5.0, 3), (("a0", "b1", "c1"), 20.0, 4),
    (("a1", "b0", "c0"), 20.0, 4), (("a1", "b0", "c0"), 5.0, 1), (("a1", "b0", "c1"), 20.0, 1),
    (("a1", "b0", "c1"), 40.0, 4), (("a1", "b1", "c0"), 20.0, 3), (("a1", "b1", "c1"), 5.0, 3),
]  # fmt: skip


def test_nobody_comes_close_by_taking_the_own_records_off_three_tables_at_once() -> None:
    """Of a × b, a × c and b × c: what is left is a population too, without anything below 0. Contributor 3 has nothing
    in b0 × c0, and knew by the own 20 of a1 × b1 × c0 that it is not more than it is."""
    rule, options = PPercent(10), Options(part_share=1.0, method="flow", occupied=True)
    made = [margin(at, rule) for at in ((0, 1), (0, 2), (1, 2))]
    patterns = protect_together([table for table, _ in made], None, options, 1).patterns
    tried = 0
    for who in sorted({who for *_, who in OF_THREE}):
        left = []
        for (released, records), pattern in zip(made, patterns, strict=True):
            table, shown = released.table, dict[tuple[str, ...], float | None]()
            for k in range(len(table)):
                here = inside(records, table, k)
                known = not pattern.suppressed[k] or {each for _, each in here} == {who}
                shown[table.labels(k)] = sum(value for value, each in here if each != who) if known else None
            left.append(Published(tuple(Tree(dim.name, dim.root, dim.children) for dim in table.dims), shown))
        attack = BruteForce(left)
        for (released, records), published in zip(made, left, strict=True):
            for k in np.flatnonzero(released.primary.mask).tolist():
                here = inside(records, released.table, k)
                if {each for _, each in here} == {who}:
                    continue
                low, high = attack.ends(published, released.table.labels(k))
                true = sum(value for value, each in here if each != who)
                level, width = asked(records, released.table, released.primary, k, (who,), options)
                assert high - true >= level - NEAR * (1 + level), (who, released.table.labels(k))
                assert high - low >= width - NEAR * (1 + width)
                tried += 1
    assert tried
