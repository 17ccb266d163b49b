"""Protected tables against an attacker written apart, on whatever Hypothesis draws.

The attacker (`brute_force`) searches whole-number tables one by one; of magnitudes it finds the ends by a linear
programme of its own equations. It must never come closer to a sensitive figure than the audit certifies.
The everyday part is short; ``-m sweep`` runs the same over hundreds of cases each.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event
from hypothesis import strategies as st

from output_control.audit import AuditReport, audit
from output_control.linked.linked_tables import link, protect_linked
from output_control.protection import (
    CountProtection,
    Exact,
    Method,
    Options,
    Pattern,
    Range,
    Width,
    Witnesses,
    demand,
    least,
)
from output_control.suppression import suppress
from output_control.tables.rules import (
    Dominance,
    MinimumFrequency,
    PPercent,
    PrimaryResult,
    PriorPosterior,
    Rule,
    group_disclosure,
    primary,
)
from output_control.tables.table import CellTable
from tests.examples import examples
from tests.output_control.brute_force import BruteForce, Published, TooLong
from tests.output_control.drawn_tables import Drawn, count_tables, linked_counts, magnitude_tables, published, rings
from tests.output_control.tables import cell, counts, flat

PROTECTIONS = st.sampled_from([Exact(), Width(2), Width(3), Range()])
METHODS = st.sampled_from(["auto", "flow", "optimal", "gauss", "bounded"])


VERDICTS: Counter[str] = Counter()


def decided(ends: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test of `examples` in which the attacker decides at least so many ends per case, and leaves hardly one open.

    Many drawn tables have no primary: the floors are far below what is seen.
    """

    def counted(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(cases: int, **asked: Any) -> None:
            VERDICTS.clear()
            test(cases=cases, **asked)
            assert VERDICTS["decided"] >= ends * cases and 50 * VERDICTS["open"] <= VERDICTS["decided"], VERDICTS

        return run

    return counted


def certified(table: Any, sensitive: PrimaryResult, options: Options) -> tuple[Pattern, AuditReport]:
    """A pattern and what the audit says of it, which must be that it is safe."""
    pattern = suppress(table, sensitive, options=options)
    found = audit(table, sensitive, pattern, options)
    assert found.safe and not (sensitive.mask & ~pattern.suppressed).any()
    return pattern, found


def attacked(
    attack: BruteForce,
    places: Sequence[tuple[Published, tuple[str, ...]]],
    found: AuditReport,
    primaries: Sequence[int],
) -> None:
    """No end of the certified intervals is beyond what some whole-number table reaches."""
    for position, k in enumerate(primaries):
        of, codes = places[k]
        for end in ((found.upper[position], np.inf), (0, found.lower[position])):
            try:
                assert attack.can_be(of, codes, *end), codes
                VERDICTS["decided"] += 1
            except TooLong:
                VERDICTS["open"] += 1


@decided(4)
@examples(
    40, 400, table=count_tables(), n=st.integers(2, 5), protection=PROTECTIONS, method=METHODS, occupied=st.booleans()
)
def test_no_whole_number_table_narrows_a_count(
    table: CellTable, n: int, protection: CountProtection, method: Method, occupied: bool
) -> None:
    sensitive = primary(table, MinimumFrequency(n))
    options = Options(count_protection=protection, method=method, occupied=occupied)
    pattern, found = certified(table, sensitive, options)
    shown = published(table, pattern.suppressed)
    cells = np.flatnonzero(sensitive.mask).tolist()
    event(f"{len(table.dims)} dimensions, {'primaries' if cells else 'none'}")
    attack = BruteForce([shown], least=int(occupied))
    attacked(attack, [(shown, table.labels(i)) for i in range(len(table))], found, cells)
    width = found.upper - found.lower
    assert (width >= (protection.w if isinstance(protection, Width) else 1)).all()
    if isinstance(protection, Range):
        assert (found.lower <= least(table, options)[cells]).all() and (found.upper >= n - 1).all()


@examples(15, 150, table=count_tables(largest=25), share=st.sampled_from([0.6, 0.75, 0.9]), n=st.integers(2, 4))
def test_no_whole_number_table_says_nearly_everything_of_a_group(table: CellTable, share: float, n: int) -> None:
    found = group_disclosure(table, sensitive=0, neutral=table.dims[0].leaves[:1], share=share, n=n)
    sensitive = found.primary
    assume(sensitive.mask.any())
    pattern, _ = certified(table, sensitive, Options())
    shown = published(table, pattern.suppressed)
    attack = BruteForce([shown])
    for k in np.flatnonzero(sensitive.mask):
        codes, group = table.labels(int(k)), table.labels(int(sensitive.anchor[k]))
        whole = float(table.value[sensitive.anchor[k]])
        allowed = max(min(np.floor(share * whole + 1e-9), whole - n), 0)
        assert attack.can_be(shown, codes, 0, allowed, known=[(group, whole)])


def linked_attack(tables: Sequence[CellTable], n: int, options: Options) -> None:
    """Protect ``tables`` together, and set the attacker of their common population on them."""
    linked, pattern, found = protect_linked(tables, [primary(table, MinimumFrequency(n)) for table in tables], options)
    shown = [published(table, hidden) for table, hidden in zip(tables, linked.split(pattern.suppressed), strict=True)]
    places = [(of, table.labels(i)) for of, table in zip(shown, tables, strict=True) for i in range(len(table))]
    sensitive = linked.primary([primary(table, MinimumFrequency(n)) for table in tables])
    attacked(BruteForce(shown, least=int(options.occupied)), places, found, np.flatnonzero(sensitive.mask).tolist())


@decided(0.2)
@examples(
    25, 200, tables=linked_counts(), n=st.integers(2, 4), protection=PROTECTIONS, method=METHODS, occupied=st.booleans()
)
def test_no_whole_number_population_narrows_a_count_of_two_linked_tables(
    tables: tuple[CellTable, ...], n: int, protection: CountProtection, method: Method, occupied: bool
) -> None:
    linked_attack(tables, n, Options(count_protection=protection, method=method, occupied=occupied))


@decided(0.2)
@examples(25, 200, tables=rings(), n=st.integers(2, 4), protection=PROTECTIONS, method=METHODS, occupied=st.booleans())
def test_no_whole_number_population_narrows_a_count_of_three_linked_tables(
    tables: tuple[CellTable, ...], n: int, protection: CountProtection, method: Method, occupied: bool
) -> None:
    linked_attack(tables, n, Options(count_protection=protection, method=method, occupied=occupied))


@examples(10, 200, tables=rings(), data=st.data())
def test_the_audit_of_three_linked_tables_finds_the_ends_of_the_whole_number_populations(
    tables: tuple[CellTable, ...], data: st.DataObject
) -> None:
    """Of any pattern, hardly ever a safe one: no end is too far out, and none too near."""
    linked = link(tables)
    parts = [np.array(data.draw(st.lists(st.booleans(), min_size=len(t), max_size=len(t)))) for t in tables]
    hidden = np.concatenate([*parts, np.ones(int(linked.unseen.sum()), dtype=np.bool_)])
    none = [PrimaryResult.none(len(table)) for table in tables]
    asked = linked.primary([replace(each, mask=part) for each, part in zip(none, parts, strict=True)])
    pattern = Pattern(hidden, hidden & ~asked.mask, Witnesses.none(len(hidden)), 0.0, "drawn", False, None)
    found = audit(linked.joint, asked, pattern, Options(), solve_intervals=True)
    assume(found.intervals_exact)
    shown = [published(table, part) for table, part in zip(tables, parts, strict=True)]
    attack = BruteForce(shown)
    places = [(of, table.labels(i)) for of, table in zip(shown, tables, strict=True) for i in range(len(table))]
    ends = [attack.whole_ends(*places[k]) for k in np.flatnonzero(asked.mask)]
    assert list(zip(found.lower, found.upper, strict=True)) == ends


def test_three_tables_that_each_two_leave_open_say_all_together() -> None:
    """Each two of three dimensions: that all three are margins of one population is said by no cell that they share."""
    people = {("a", "f", "p"): 1, ("a", "f", "q"): 3, ("a", "m", "p"): 2, ("b", "f", "p"): 2, ("b", "m", "p"): 2}
    dims = [flat("area", "ab"), flat("sex", "fm"), flat("kind", "pq")]
    tables = []
    for pair in ((0, 2), (0, 1), (1, 2)):
        cells: dict[tuple[str, ...], int] = {}
        for key, figure in people.items():
            at = tuple(key[place] for place in pair)
            cells[at] = cells.get(at, 0) + figure
        tables.append(counts(tuple(dims[place] for place in pair), cells))
    linked_attack(tables, 3, Options(count_protection=Width(3)))


RULES: dict[str, Rule] = {
    "p": PPercent(20), "coalition": PPercent(15, coalition=2), "nk": Dominance(1, 60), "nk2": Dominance(2, 80),
    "pq": PriorPosterior(10, 50), "freq": MinimumFrequency(3),
}  # fmt: skip


def level_of(rule: Rule, held: dict[int, float]) -> float:
    """How far a cell of these contributions must be open, by plain arithmetic; 0 where the rule does not find it."""
    largest, total = sorted(held.values(), reverse=True), sum(held.values())
    if isinstance(rule, Dominance):
        top = sum(largest[: rule.n])
        return 100 / rule.k * top - total if top > rule.k / 100 * total + 1e-9 else 0.0
    if isinstance(rule, MinimumFrequency):
        return 0.0
    share = rule.p / 100 if isinstance(rule, PPercent) else rule.p / rule.q
    knowing = rule.coalition if isinstance(rule, PPercent) else 1
    level = share * largest[0] - sum(largest[knowing + 1 :])
    return level if level > 1e-9 else 0.0


@examples(
    12, 200, drawn=magnitude_tables(), names=st.sets(st.sampled_from(list(RULES)), min_size=1, max_size=3),
    singletons=st.booleans(), method=METHODS,
)  # fmt: skip
def test_no_magnitude_is_closer_than_its_levels_and_no_sole_contributor_closer_than_a_tenth(
    drawn: Drawn, names: set[str], singletons: bool, method: Method
) -> None:
    table, rules = drawn.table, [RULES[name] for name in sorted(names)]
    sensitive, options = primary(table, rules), Options(singletons=singletons, method=method)
    pattern, _ = certified(table, sensitive, options)
    shown = published(table, pattern.suppressed)
    attack = BruteForce([shown])
    slack = 1e-5 * (1 + float(table.value.max()))
    alone: dict[int, dict[tuple[str, ...], float]] = {}
    for i in np.flatnonzero(pattern.suppressed):
        held = drawn.contributions(table.labels(int(i)))
        if len(held) == 1:
            alone.setdefault(next(iter(held)), {})[table.labels(int(i))] = float(table.value[i])
    for k in np.flatnonzero(sensitive.mask):
        codes, value = table.labels(int(k)), float(table.value[k])
        held = drawn.contributions(codes)
        level = max(level_of(rule, held) for rule in rules)
        low, high = attack.ends(shown, codes)
        assert high >= value + level - slack and low <= value - min(level, value) + slack
        assert high > low
        if singletons:
            away = 0.1 * (level + min(level, value))
            for unit, known in alone.items():
                if codes not in known:
                    low, high = attack.ends(shown, codes, known)
                    assert high - low >= away - slack, unit


def test_the_attacker_beats_a_pattern_that_hides_too_little() -> None:
    """The attacker of these tests can win: against the primaries alone of a row that shows its total."""
    table = counts((flat("d", "abc"),), {("a",): 1, ("b",): 20, ("c",): 30})
    shown = published(table, np.arange(len(table)) == cell(table, "a"))
    attack = BruteForce([shown])
    assert not attack.can_be(shown, ("a",), 2, np.inf) and not attack.can_be(shown, ("a",), 0, 0)
    assert attack.can_be(shown, ("a",), 1, 1)
    assert attack.ends(shown, ("a",)) == pytest.approx((1, 1))


@pytest.mark.parametrize("tables", [8, pytest.param(150, marks=pytest.mark.sweep)])
def test_both_ends_of_an_interval_that_is_said_to_be_exact_are_whole_tables(tables: int) -> None:
    """In three dimensions the LP's interval is wider than what whole numbers allow: 3 × 3 × 3, many of them small."""
    rng = np.random.default_rng(1)
    dims = tuple(flat(name, "abc") for name in "xyz")
    keys = [(x, y, z) for x in "abc" for y in "abc" for z in "abc"]
    seen = 0.0
    for _ in range(tables):
        drawn = rng.choice([0, 1, 2, 3, 5], 27, p=[0.3, 0.3, 0.2, 0.1, 0.1])
        table = counts(dims, {key: int(value) for key, value in zip(keys, drawn, strict=True) if value})
        sensitive = primary(table, MinimumFrequency(2))
        pattern = suppress(table, sensitive, options=Options())
        found = audit(table, sensitive, pattern, Options(), solve_intervals=True)
        assert found.safe and found.intervals_exact
        shown = published(table, pattern.suppressed)
        cells = np.flatnonzero(sensitive.mask).tolist()
        VERDICTS.clear()
        attacked(BruteForce([shown]), [(shown, table.labels(i)) for i in range(len(table))], found, cells)
        seen += VERDICTS["decided"] / 2
    assert seen > 10 * tables / 2


# strictness ----------------------------------------------------------------------------------------------------------

COUNT_STEPS: list[tuple[str, int, CountProtection, int, CountProtection]] = [
    ("n", 3, Exact(), 4, Exact()),
    ("n", 3, Width(3), 5, Width(3)),
    ("n", 3, Range(), 4, Range()),
    ("width", 4, Exact(), 4, Width(2)),
    ("width", 4, Width(2), 4, Width(4)),
    ("range", 4, Exact(), 4, Range()),
]


def hidden_value(table: CellTable, sensitive: PrimaryResult, options: Options) -> float:
    """What a proven optimum hides in all."""
    pattern = suppress(table, sensitive, options=options)
    assume(pattern.optimal)
    return float(table.value[pattern.suppressed].sum())


@examples(12, 150, table=count_tables(largest=12), step=st.sampled_from(COUNT_STEPS))
def test_the_optimum_of_counts_grows_with_each_parameter(
    table: CellTable, step: tuple[str, int, CountProtection, int, CountProtection]
) -> None:
    _, n, loose, more, strict = step
    less, greater = primary(table, MinimumFrequency(n)), primary(table, MinimumFrequency(more))
    assert not (less.mask & ~greater.mask).any()
    cost = [
        hidden_value(table, sensitive, Options(count_protection=protection, method="optimal"))
        for sensitive, protection in ((less, loose), (greater, strict))
    ]
    assert cost[0] <= cost[1] + 1e-6 * (1 + cost[1])


MAGNITUDE_STEPS: list[tuple[list[Rule], bool, list[Rule], bool]] = [
    ([PPercent(10)], False, [PPercent(25)], False),
    ([PPercent(10)], True, [PPercent(25)], True),
    ([PPercent(15)], False, [PPercent(15, coalition=2)], False),
    ([Dominance(1, 80)], False, [Dominance(1, 60)], False),
    ([Dominance(1, 70)], False, [Dominance(2, 70)], False),
    ([PriorPosterior(10, 50)], False, [PriorPosterior(25, 50)], False),
    ([PriorPosterior(10, 50)], False, [PriorPosterior(10, 25)], False),
    ([MinimumFrequency(2)], False, [MinimumFrequency(4)], False),
    ([MinimumFrequency(3)], False, [MinimumFrequency(3), PPercent(10)], False),
    ([PPercent(15)], False, [PPercent(15), MinimumFrequency(3)], False),
    ([PPercent(15)], False, [PPercent(15)], True),
    ([MinimumFrequency(3)], False, [MinimumFrequency(3)], True),
]


@examples(15, 200, drawn=magnitude_tables(), step=st.sampled_from(MAGNITUDE_STEPS))
def test_the_optimum_of_magnitudes_grows_with_each_parameter(
    drawn: Drawn, step: tuple[list[Rule], bool, list[Rule], bool]
) -> None:
    loose, without, strict, with_ = step
    less, greater = primary(drawn.table, loose), primary(drawn.table, strict)
    assert not (less.mask & ~greater.mask).any() and (less.upl <= greater.upl + 1e-9).all()
    asked = [demand(drawn.table, each, Options()) for each in (less, greater)]
    assert (asked[0].width <= np.maximum(asked[1].width, asked[1].up + asked[1].down) + 1e-9).all()
    cost = [
        hidden_value(drawn.table, sensitive, Options(method="optimal", singletons=singletons))
        for sensitive, singletons in ((less, without), (greater, with_))
    ]
    assert cost[0] <= cost[1] + 1e-6 * (1 + cost[1])


@examples(40, 400, table=count_tables(largest=25), share=st.floats(0.55, 0.9), n=st.integers(2, 5))
def test_the_groups_found_grow_with_share_and_minimum(table: CellTable, share: float, n: int) -> None:
    def groups(share: float, n: int) -> tuple[np.ndarray, np.ndarray]:
        found = group_disclosure(table, sensitive=0, share=share, n=n)
        large = table.value[np.maximum(found.primary.anchor, 0)] >= n + 1
        return (found.primary.mask | found.complete) & large, found.primary.lpl

    base, level = groups(share + 0.09, n)
    stricter, more = groups(share, n)
    assert not (base & ~stricter).any() and (level[base] <= more[base]).all()
