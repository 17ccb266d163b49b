"""The way of large count tables, forced onto many small ones where a mistake shows: by audit and by enumeration."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from enclave.errors import CannotProtect
from output_control import suppression
from output_control.audit import audit
from output_control.protection import Options
from output_control.suppression import boxes, large, suppress
from output_control.tables.rules import MinimumFrequency, PrimaryResult, primary
from output_control.tables.table import CellTable, Dimension
from tests.output_control.random_tables import random_counts, random_options
from tests.output_control.tables import all_tables, cell, counts, flat

MOST_ENUMERATED = 300_000


@pytest.fixture(params=["as it is", "tiny parts and few boxes"])
def forced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables go the way of large ones; also with parts and boxes as scarce as they are in huge tables."""
    monkeypatch.setattr(suppression, "EXACT_UP_TO", 0)
    if request.param != "as it is":
        for module, name, value in (
            (large, "MASTER_CELLS", 12),
            (large, "PART_CELLS", (6, 12)),
            (large, "SERVED", 1),
            (boxes, "LONG_OPTIONS", 3),
            (boxes, "SLAB_OPTIONS", 2),
            (boxes, "CHUNK", 50),
        ):
            monkeypatch.setattr(module, name, value)


def outcome(seed: int) -> str:
    """Suppress one random table; says what became of it."""
    table = random_counts(seed)
    sensitive = primary(table, MinimumFrequency((2, 3, 4, 6)[seed % 4]))
    if not sensitive.mask.any():
        return "nothing to hide"
    options = random_options(seed, table, sensitive.mask, ("auto", "flow"))
    try:
        pattern = suppress(table, sensitive, options=options)
    except CannotProtect:
        return "refused"
    moves = pattern.witnesses.moves.toarray()
    witnessed = np.maximum(pattern.witnesses.up, pattern.witnesses.down)[sensitive.mask] >= 0
    kept = options.keep is None or not (pattern.suppressed & options.keep).any()
    if moves[:, ~pattern.suppressed].any() or not witnessed.all() or not kept:
        return f"wrong witnesses at seed {seed}"
    return "safe" if audit(table, sensitive, pattern, options).safe else f"unsafe at seed {seed}"


@pytest.mark.usefixtures("forced")
@pytest.mark.parametrize(
    "seeds", [range(40), pytest.param(range(40, 150), marks=pytest.mark.sweep)], ids=["0-39", "40-149"]
)
def test_every_pattern_of_the_large_way_is_safe(seeds: range) -> None:
    found = Counter(outcome(seed) for seed in seeds)
    assert set(found) <= {"safe", "refused", "nothing to hide"}
    assert found["safe"] > 0.6 * len(seeds)


@pytest.mark.sweep
@pytest.mark.usefixtures("forced")
@pytest.mark.parametrize("start", range(1000, 7000, 500))
def test_every_pattern_of_the_large_way_is_safe_on_thousands_of_tables(start: int) -> None:
    found = Counter(outcome(seed) for seed in range(start, start + 500))
    assert set(found) <= {"safe", "refused", "nothing to hide"}
    assert found["safe"] > 0.6 * 500


def chained() -> CellTable:
    """A secondary at the top of one hierarchy whose boxes reach down into parts that are looked at apart from it."""
    area = Dimension("area", "NL", {"NL": ("N", "S"), "N": ("n1",), "S": ("s1", "s2")})
    cells: dict[tuple[str, ...], int] = {
        ("n1", "x"): 4,
        ("n1", "y"): 5,
        ("s1", "x"): 1,
        ("s1", "y"): 7,
        ("s2", "x"): 9,
        ("s2", "y"): 2,
    }
    return counts((area, flat("kind", "xy")), cells)


@pytest.mark.usefixtures("forced")
def test_a_group_of_one_child_chains_is_not_published_while_a_box_needs_it() -> None:
    # N and n1 are always equal: one group, whose first cell lies elsewhere in the hierarchy than the boxes through n1
    table = chained()
    sensitive = primary(table, MinimumFrequency(3))
    pattern = suppress(table, sensitive, options=Options())
    assert pattern.suppressed[cell(table, "N", "x")] == pattern.suppressed[cell(table, "n1", "x")]
    possible = all_tables(table, pattern.suppressed, highest=10)
    for k in np.flatnonzero(sensitive.mask):
        assert len(np.unique(possible[:, k])) > 1


@pytest.mark.usefixtures("forced")
@pytest.mark.parametrize("tables", [20, pytest.param(60, marks=pytest.mark.sweep)])
def test_no_enumeration_pins_a_primary_that_the_large_way_protects(tables: int) -> None:
    enumerated = 0
    for seed in range(tables):
        table = random_counts(seed)
        sensitive = primary(table, MinimumFrequency(4))
        pattern = suppress(table, sensitive, options=Options())
        leaves = [np.isin(np.array(dim.codes), dim.leaves) for dim in table.dims]
        inner = np.all([leaf[table.codes[:, i]] for i, leaf in enumerate(leaves)], axis=0)
        highest = int(table.value[pattern.suppressed].max(initial=0)) + 1
        if (highest + 1) ** int((inner & pattern.suppressed).sum()) > MOST_ENUMERATED:
            continue
        possible = all_tables(table, pattern.suppressed, highest)
        for k in np.flatnonzero(sensitive.mask):
            assert len(np.unique(possible[:, k])) > 1, seed
            enumerated += 1
    assert enumerated > tables / 3


def falling(table: CellTable, cells: list[int]) -> PrimaryResult:
    """These cells must be able to fall by one, as the group rule asks, and none may be known exactly."""
    result = PrimaryResult.none(len(table))
    result.mask[cells] = True
    result.lpl[cells] = 1
    return result


@pytest.mark.usefixtures("forced")
@pytest.mark.parametrize("seed", range(10))
def test_a_cell_that_must_be_able_to_fall_has_a_witness_that_lowers_it(seed: int) -> None:
    table = random_counts(seed)
    sensitive = falling(table, np.flatnonzero(table.codes.all(axis=1))[:3].tolist())
    pattern = suppress(table, sensitive, options=Options())
    hidden = np.flatnonzero(sensitive.mask)
    lowered = pattern.witnesses.moves[pattern.witnesses.down[hidden], hidden]
    assert (np.asarray(lowered).reshape(-1) <= -1).all()
    assert audit(table, sensitive, pattern, Options()).safe
