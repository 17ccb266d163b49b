"""The gate's method `bounded`: LP-flow's pattern or a cheaper one, by a counted number of programmes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from output_control import suppression
from output_control.audit import audit
from output_control.protection import Method, Options, Pattern, Range, Width
from output_control.suppression import suppress
from output_control.suppression.problem import Target
from output_control.tables.aggregate import aggregate
from output_control.tables.rules import MinimumFrequency, PrimaryResult, primary
from output_control.tables.table import CellTable
from tests.output_control.tables import flat

GATE = Options(count_protection=Width(3), part_share=1.0, method="bounded", occupied=True)
METHODS: tuple[Method, ...] = ("bounded", "optimal", "flow")


def three_way(seed: int, shape: tuple[int, ...] = (5, 4, 3)) -> CellTable:
    """Uneven counts over flat dimensions, six units per cell on average."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    units = 6 * int(np.prod(shape))
    columns = [rng.choice(size, units, p=(w := 1 / np.arange(1, size + 1) ** 0.8) / w.sum()) + 1 for size in shape]
    dims = tuple(flat(f"d{at}", [f"{at}{code}" for code in range(size)]) for at, size in enumerate(shape))
    ones = np.ones(units)
    return aggregate(dims, np.column_stack(columns).astype(np.int32), ones, ones, None, integral=True)


def audited(table: CellTable, sensitive: PrimaryResult, options: Options) -> Pattern:
    pattern = suppress(table, sensitive, options=options)
    assert audit(table, sensitive, pattern, options).safe
    return pattern


def test_a_small_table_is_proven_optimal() -> None:
    table = three_way(1, (4, 3))
    sensitive = primary(table, MinimumFrequency(4))
    found, best = (audited(table, sensitive, replace(GATE, method=method)) for method in METHODS[:2])
    assert sensitive.mask.any() and found.optimal and found.gap == 0 and found.cost == best.cost


@pytest.mark.parametrize(("protection", "seeds", "cheaper"), [(Width(3), range(2), 0), (Range(), range(1, 5), 1)])
def test_routes_never_hide_more_than_flow_and_less_of_some_tables(
    monkeypatch: pytest.MonkeyPatch, protection: Width | Range, seeds: range, cheaper: int
) -> None:
    """Which tables those are hangs on random directions: 7 of 32 others whose intervals are to cover 0 … n - 1."""
    monkeypatch.setattr(suppression, "BOUNDED_WORK_UP_TO", 0)
    monkeypatch.setattr(suppression, "ROUTES", 150)
    saved = []
    for seed in seeds:
        table = three_way(seed)
        sensitive, options = primary(table, MinimumFrequency(4)), replace(GATE, count_protection=protection)
        found, flow = (audited(table, sensitive, replace(options, method=method)) for method in METHODS[::2])
        assert not found.optimal and found.gap is not None
        saved.append(flow.cost - found.cost)
    assert min(saved) >= 0
    assert sum(each > 0 for each in saved) >= cheaper


def test_the_same_table_has_the_same_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression, "BOUNDED_WORK_UP_TO", 0)
    monkeypatch.setattr(suppression, "ROUTES", 60)
    table = three_way(2)
    sensitive = primary(table, MinimumFrequency(4))
    one, other = (audited(table, sensitive, GATE) for _ in range(2))
    assert (one.suppressed == other.suppressed).all()
    assert np.array_equal(one.witnesses.moves.toarray(), other.witnesses.moves.toarray())


def test_a_budget_that_ends_leaves_the_pattern_of_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression, "BOUNDED_WORK_UP_TO", 0)
    monkeypatch.setattr(suppression, "ROUTES", 0)
    table = three_way(0)
    sensitive = primary(table, MinimumFrequency(4))
    found, flow = (audited(table, sensitive, replace(GATE, method=method)) for method in METHODS[::2])
    assert (found.suppressed == flow.suppressed).all()


def test_one_side_gives_what_the_other_leaves_of_a_width() -> None:
    target = Target(0, 2.0, 0.0, 3.0, frozenset())
    assert (target.needs_up, target.needs_down) == (2, 3)
    target.raised = 2.0
    assert (target.needs_up, target.needs_down, target.met) == (3, 1, False)
    target.lowered = 1.0
    assert target.met and not target.open_sides
