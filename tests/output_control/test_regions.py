"""Tables of counts of which an interval is asked: served region by region, whatever their shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from output_control.audit import audit
from output_control.protection import Options, Width
from output_control.suppression import covering, suppress
from output_control.suppression.boxes import Boxes
from output_control.suppression.flow import serve
from output_control.suppression.problem import build
from output_control.suppression.regions import regions, serve_by_region
from output_control.suppression.search import Search
from output_control.tables.aggregate import aggregate
from output_control.tables.rules import MinimumFrequency, primary
from output_control.tables.table import CellTable, Dimension
from tests.output_control.random_tables import random_counts

OPTIONS = Options(count_protection=Width(3), singletons=False, method="flow", occupied=True)
TOWNS, QUARTERS = 6, 4


def regional(seed: int, records: int) -> CellTable:
    """A country of towns and quarters, by age and kind; skewed, so that many cells are small."""
    towns = [f"T{town}" for town in range(TOWNS)]
    children = {town: tuple(f"{town}Q{quarter}" for quarter in range(QUARTERS)) for town in towns}
    area = Dimension("area", "country", {"country": tuple(towns), **children})
    rng = np.random.Generator(np.random.Philox(key=seed))
    dims = [area, *(Dimension(n, f"{n}*", {f"{n}*": tuple(f"{n}{c}" for c in range(5))}) for n in ("age", "kind"))]
    leaf = np.array([area.codes.index(quarter) for town in towns for quarter in children[town]])
    drawn = [rng.choice(leaf, records, p=_skewed(len(leaf))), *(1 + rng.choice(5, records, p=_skewed(5)) for _ in "ab")]
    one = np.ones(records)
    return aggregate(tuple(dims), np.column_stack(drawn).astype(np.int32), one, one, None, integral=True)


def _skewed(size: int) -> np.ndarray:
    weight = 1 / np.arange(1, size + 1)
    share: np.ndarray = weight / weight.sum()
    return share


def test_regions_hold_every_cell_below_the_top_once_and_siblings_together_with_what_is_above_them() -> None:
    table = regional(1, 4000)
    boxes, cells = Boxes(table), np.arange(len(table))
    town = max(int(boxes.cells_below()[code]) for code in range(1, len(boxes.long_dimension.codes)))
    parts = list(regions(boxes, cells, town, above=False))
    assert len(parts) == TOWNS
    top = boxes.row == 0
    assert np.array_equal(np.sort(np.concatenate(parts)), np.flatnonzero(~top))
    for together in (1, 2, 3, 5):
        joined = list(regions(boxes, cells, together * town, above=True))
        # none is left over by itself, to move with nothing but the dear cells above it
        assert together == 1 or all(int((~top[part]).sum()) > town for part in joined)
        assert len(joined) <= -(-TOWNS // together) + 1
        assert all(np.isin(np.flatnonzero(top), part).all() for part in joined)
        assert all(int((~top[part]).sum()) <= together * town for part in joined)
        assert np.array_equal(np.unique(np.concatenate(joined)), cells)


@pytest.mark.parametrize("seed", range(8))
def test_what_is_served_by_region_is_safe_by_the_audit(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covering, "BY_REGION_FROM", 0)
    table = random_counts(seed)
    sensitive = primary(table, MinimumFrequency(4))
    pattern = suppress(table, sensitive, options=OPTIONS)
    assert audit(table, sensitive, pattern, OPTIONS).safe


@pytest.mark.parametrize(("seed", "records"), [(1, 4000), (2, 6000), (3, 25_000)])
def test_regions_prove_nearly_every_target_and_leave_the_rest_as_it_was(seed: int, records: int) -> None:
    table = regional(seed, records)
    sensitive = primary(table, MinimumFrequency(10))
    keep = ~sensitive.mask & (np.arange(len(table)) % 7 == 0)
    search = Search.start(build(table, sensitive, replace(OPTIONS, keep=keep)), None)
    targets = search.problem.targets
    serve_by_region(search)
    assert len(targets) > 100
    left = search.proof.open_targets()
    assert len(left) <= 0.02 * len(targets)
    assert bool(search.problem.keep.any())
    assert not bool((search.hidden & search.problem.keep).any())
    for target in targets:
        for cells, change in search.proof.used(target):
            assert search.hidden[cells].all()
            assert not (search.problem.columns[:, cells] @ change).any()
            assert (search.problem.amount[cells] + change >= 0).all()
    assert not [target for target in left if not serve(search, target)]
