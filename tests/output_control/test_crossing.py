"""Crossing the best safe pattern with a proposal of the master: what its cuts claim, and what it gains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.shapes import NK, P10, Shape, write
from output_control import suppression
from output_control.alone.instance import read_instance
from output_control.audit import audit
from output_control.protection import Options
from output_control.suppression import exact, suppress
from output_control.suppression.covering import cover
from output_control.suppression.crossing import cross
from output_control.suppression.exact import cost_of, repair
from output_control.suppression.master import Master
from output_control.suppression.problem import build
from output_control.suppression.prove import check
from output_control.suppression.search import Search
from output_control.suppression.singletons import cover_singletons
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable

SHARED_UNITS = Shape("nk", ((2, 4), (3,), (3,)), NK, 8, spread=1.3, held=0.7)
FEWER_CELLS = replace(SHARED_UNITS, trees=((2, 3), (3,), (2,)))


def instance(shape: Shape, folder: Path) -> tuple[CellTable, PrimaryResult]:
    """A 3-way table by two dominance rules, whose units contribute to several cells."""
    write(shape, folder)
    read = read_instance(folder)
    return read.table, read.sensitive(read.rules)


def test_every_safe_pattern_keeps_the_cuts_of_a_crossing(tmp_path: Path) -> None:
    table, sensitive = instance(SHARED_UNITS, tmp_path)
    problem = build(table, sensitive, Options())
    best = Search.start(problem, None)
    assert not cover(best) and not cover_singletons(best)
    master = Master.build(problem)
    crossed = cross(master, best, problem.primary, best.problem.targets)
    assert master.cuts and not (crossed & ~best.hidden).any()
    made, lost = check(best, crossed, (best,))
    assert not repair(made, lost) and not cover_singletons(made) and cost_of(made) < cost_of(best)
    rows = master.cut_rows(master.cuts)[:, : problem.size]
    levels = np.array([cut.level for cut in master.cuts])
    other = suppress(table, sensitive, options=Options(method="gauss"))
    assert audit(table, sensitive, other, Options()).safe
    of_groups = np.bincount(problem.group, other.suppressed) > 0
    for hidden in (best.hidden, made.hidden, of_groups):
        assert (rows @ hidden >= levels - 1e-6).all()


@pytest.mark.parametrize(
    "shape", [FEWER_CELLS, pytest.param(SHARED_UNITS, marks=pytest.mark.sweep)], ids=["fewer cells", "more cells"]
)
def test_a_wide_gap_of_magnitudes_is_left_below_a_tenth_and_twice_alike(
    shape: Shape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, sensitive = instance(shape, tmp_path)
    # so small a table is proven, and its gap hardly wide; here every gap is wide and no table small
    monkeypatch.setattr(exact, "WIDE_GAP", 0.0)
    monkeypatch.setattr(suppression, "PROVEN_UP_TO", 0)
    first, again = (suppress(table, sensitive, options=Options()) for _ in range(2))
    assert audit(table, sensitive, first, Options()).safe
    assert first.gap is not None and first.gap < 0.1
    assert np.array_equal(first.suppressed, again.suppressed)
    assert first.cost <= suppress(table, sensitive, options=Options(method="flow")).cost


def test_a_small_table_is_proven_optimal_though_its_gap_was_wide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, sensitive = instance(Shape("p", ((4,), (4,), (4,)), P10, 10, spread=1.3), tmp_path)
    proven = suppress(table, sensitive, options=Options())
    assert proven.optimal and audit(table, sensitive, proven, Options()).safe
    monkeypatch.setattr(suppression, "PROVEN_UP_TO", 0)
    left = suppress(table, sensitive, options=Options())
    assert left.gap is not None and 0 < left.gap < exact.WIDE_GAP
    assert left.cost * (1 - left.gap) <= proven.cost * (1 + 1e-9) and proven.cost < left.cost
