"""What hidden cells add up to: a total less its published parts, judged and hidden as a cell of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enclave.errors import Refused
from output_control.sensitive import sensitive_cells
from output_control.suppression import suppress
from output_control.tables.evidence import shown_dimensions, tabulate
from output_control.tables.relations import equations
from output_control.tables.table import CellTable, Dimension
from output_control.union_audit import sums_given_away
from output_control.unions.judged import Judged
from output_control.unions.known import known_unions
from output_control.unions.protected import protect_sums
from output_control.unions.sums import finder
from tests.output_control.gate_files import CELLS, rows_of
from tests.output_control.gate_world import CLASSIFICATIONS, World, table_request, tree_of
from tests.output_control.tables import counts, flat

Home = tuple[int, str, str, float]
KIND4 = tree_of("kind", {"total": ("all",), "kind": ("k1", "k2", "k3", "k4")})
SUM = {"statistic": "sum", "measure": "worth"}
MEAN = {"statistic": "mean", "measure": "worth"}
MANY: list[Home] = [(100 + i, "G1a1", "k4", 500.0 + i % 97) for i in range(180)]


def owned(owner: int, kind: str, homes: int, worth: float) -> list[Home]:
    return [(owner, "G1a1", kind, worth)] * homes


def homes_of(rows: list[Home]) -> pa.Table:
    return pa.table(
        {
            "home": pa.array(np.arange(len(rows), dtype=np.int64) * 7 + 3),
            "owner": pa.array([row[0] for row in rows], pa.int64()),
            "region": [row[1] for row in rows],
            "kind": [row[2] for row in rows],
            "flag": ["no"] * len(rows),
            "worth": [row[3] for row in rows],
        }
    )


def world_of(folder: Path, rows: list[Home], **policy: object) -> World:
    here = World(folder, classifications={**CLASSIFICATIONS, "kind": KIND4}, policy_overrides=dict(policy))
    return here.add("homes", homes_of(rows))


def shown_of(folder: Path, rows: list[Home], **request: object) -> set[str]:
    """The kinds that leave, of a table by kind."""
    out = world_of(folder, rows).check(table_request("kind", **request))
    return {row["kind"] for row in rows_of(out.outputs[CELLS]) if row["value"]}


ALONE_IN_THREE = owned(1, "k1", 5, 100) + owned(1, "k2", 6, 100) + owned(1, "k3", 7, 100)
TWO_IN_TWO = owned(1, "k1", 5, 100) + owned(2, "k1", 5, 90) + owned(1, "k2", 6, 120) + owned(2, "k2", 6, 110)
ONE_AND_TWO = owned(1, "k1", 6, 110) + owned(1, "k2", 5, 60) + owned(2, "k2", 5, 80)


@pytest.mark.parametrize("request_", [{}, SUM, MEAN], ids=["count", "sum", "mean"])
def test_of_who_is_alone_in_all_hidden_cells_the_total_tells_nothing(tmp_path: Path, request_: dict[str, str]) -> None:
    assert "k4" not in shown_of(tmp_path, ALONE_IN_THREE + MANY, **request_)


@pytest.mark.parametrize("rows", [TWO_IN_TWO, ONE_AND_TWO], ids=["both in both", "one in one, both in the other"])
def test_of_two_in_all_hidden_cells_neither_can_subtract_the_own_part(tmp_path: Path, rows: list[Home]) -> None:
    assert "k4" not in shown_of(tmp_path, rows + MANY, **SUM)


def test_tables_that_are_protected_together_give_no_sum_away_either(tmp_path: Path) -> None:
    many: list[Home] = [(100 + i, ("G1a1", "G1b1", "G2a1")[i % 3], "k4", 500.0 + i % 97) for i in range(180)]
    by_both = table_request("region", "kind", name="both", levels={"region": ("NL", "GM")}, **SUM)
    out = world_of(tmp_path, ALONE_IN_THREE + many).check(table_request("kind", **SUM), by_both)
    shown = {row["kind"] for row in rows_of(out.outputs[CELLS]) if row["value"]}
    assert "k4" not in shown
    shown = {
        row["kind"] for row in rows_of(out.outputs["outputs/demo/both.csv"]) if row["value"] and row["region"] == "G1"
    }
    assert "k4" not in shown


def test_hidden_cells_of_enough_owners_are_left_as_they_are(tmp_path: Path) -> None:
    rows = [(1000 + i, "G1a1", kind, 100.0) for i, kind in enumerate(["k1"] * 9 + ["k2"] * 9)]
    assert shown_of(tmp_path, rows + MANY, **SUM) == {"all", "k3", "k4"}


@pytest.mark.parametrize(("unions", "stays"), [("all", False), ("contributors", True)])
def test_counts_of_persons_are_judged_where_the_policy_says_so(tmp_path: Path, unions: str, *, stays: bool) -> None:
    rows = [(1000 + i, "G1a1", kind, 1.0) for i, kind in enumerate(["k1"] * 4 + ["k2"] * 5 + ["k3"] * 40)]
    out = world_of(tmp_path, rows + MANY, unions=unions).check(table_request("kind"))
    shown = {row["kind"] for row in rows_of(out.outputs[CELLS]) if row["value"]}
    assert ({"k3", "k4"} <= shown) is stays


def test_what_is_hidden_below_a_hidden_whole_is_known_through_what_is_above_it(tmp_path: Path) -> None:
    # G1a is hidden with its part of owner 1 and a published one beside it, and G1b is owner 1's alone
    rows = owned(1, "k4", 12, 100)
    there: list[Home] = [(1, "G1a1", kind, worth) for _, _, kind, worth in rows]
    there += [(1, "G1b1", kind, worth) for _, _, kind, worth in rows]
    there += [(2000 + i, "G1a2", "k4", 300.0) for i in range(40)] + [(3000 + i, "G2a1", "k4", 300.0) for i in range(60)]
    world = world_of(tmp_path, there)
    with world.sources() as sources:
        request = table_request("region", **SUM)
        evidence = tabulate(request, shown_dimensions(request, world.classifications), sources)
        place = {evidence.table.labels(cell)[0]: cell for cell in range(len(evidence.table))}
        hidden = np.isin(np.arange(len(evidence.table)), [place[c] for c in ("G1a", "G1a1", "G1b", "G1b1")])
        known = known_unions(equations(evidence.table), hidden)
        assert {place["G1a1"], place["G1b1"]} in [set(row.indices.tolist()) for row in known]
        assert sums_given_away(evidence, hidden, sources, world.policy) > 0


def test_the_audit_finds_by_itself_what_the_suppressor_was_not_asked_to_hide(tmp_path: Path) -> None:
    world = world_of(tmp_path, ALONE_IN_THREE + MANY)
    with world.sources() as sources:
        request = table_request("kind", **SUM)
        evidence = tabulate(request, shown_dimensions(request, world.classifications), sources)
        primary, options = sensitive_cells(evidence, world.policy), world.policy.options()
        bare = suppress(evidence.table, primary, options=options)
        assert sums_given_away(evidence, bare.suppressed, sources, world.policy) == 1
        find = finder(evidence.table, Judged(evidence, sources, world.policy))
        pattern, report = protect_sums(evidence.table, primary, bare, options, find)
        assert report.safe
        assert pattern.suppressed[bare.suppressed].all()
        assert sums_given_away(evidence, pattern.suppressed, sources, world.policy) == 0


def test_known_sums_are_those_of_every_line_whose_whole_is_shown() -> None:
    tree = Dimension("a", "all", {"all": ("x", "y", "z"), "x": ("x1", "x2"), "y": ("y1", "y2")})
    dims = tree, flat("b", "uvw")
    for seed in range(20):
        rng = np.random.default_rng(seed)
        table = counts(dims, {codes: int(rng.integers(1, 9)) for codes in product(tree.leaves, dims[1].leaves)})
        hidden = rng.random(len(table)) < 0.6
        found = {frozenset(row.indices.tolist()) for row in known_unions(equations(table), hidden)}
        lines = {cells for whole, parts in _lines(table) if not hidden[whole]
                 for cells in [frozenset(part for part in parts if hidden[part])] if len(cells) > 1}  # fmt: skip
        assert lines <= found
        # what else is found goes through hidden wholes: a sum that any table with these published figures has
        for cells in found - lines:
            assert _is_determined(table, hidden, cells)


def _lines(table: CellTable) -> Iterator[tuple[int, list[int]]]:
    """Whole and parts, by looking at labels."""
    labels = [table.labels(cell) for cell in range(len(table))]
    place = {label: cell for cell, label in enumerate(labels)}
    for cell, label in enumerate(labels):
        for at, dim in enumerate(table.dims):
            parts = [(*label[:at], code, *label[at + 1 :]) for code in dim.children.get(label[at], ())]
            if parts:
                yield cell, [place[part] for part in parts if part in place]


def _is_determined(table: CellTable, hidden: np.ndarray, cells: frozenset[int]) -> bool:
    rows = []
    for whole, parts in _lines(table):
        row = np.zeros(len(table))
        row[whole], row[parts] = -1, 1
        rows.append(row[hidden])
    asked = np.zeros(len(table))
    asked[list(cells)] = 1
    solution = np.linalg.lstsq(np.array(rows).T, asked[hidden], rcond=None)[0]
    return bool(np.allclose(np.array(rows).T @ solution, asked[hidden], atol=1e-8))


def exposed(rows: list[Home], shown: set[tuple[str, str]], n: int, p: float, k: float) -> list[str]:
    """Brute force: lines of the table by region (BU, GM, NL) and kind whose hidden cells are of too few owners, or of
    which one outdoes the others; ``shown`` are the codes of the cells that left."""
    levels = {"NL": ("G1", "G2"), "G1": ("G1a1", "G1b1"), "G2": ("G2a1",)}
    kinds = ("k1", "k2", "k3", "k4")

    def within(cell: tuple[str, str], row: Home) -> bool:
        return row[1].startswith(cell[0].replace("NL", "")) and cell[1] in {"all", row[2]}

    wrong = []
    regions = ["NL", "G1", "G2", "G1a1", "G1b1", "G2a1"]
    lines = [((region, "all"), [(region, kind) for kind in kinds]) for region in regions]
    for kind in ("all", *kinds):
        lines += [((above, kind), [(part, kind) for part in parts]) for above, parts in levels.items()]
    for whole, parts in lines:
        there = [part for part in parts if any(within(part, row) for row in rows)]
        hidden = [part for part in there if part not in shown]
        if whole not in shown or len(hidden) < 2:
            continue
        held: dict[int, float] = {}
        for row in rows:
            if any(within(part, row) for part in hidden):
                held[row[0]] = held.get(row[0], 0.0) + row[3]
        amounts = sorted(held.values(), reverse=True)
        first, second = amounts[0], sum(amounts[1:2])
        few = len(amounts) < n
        close = sum(amounts) - first - second < p / 100 * first * (1 - 1e-9)
        large = first > k / 100 * sum(amounts) * (1 + 1e-9)
        if few or close or large:
            wrong.append(f"{whole}: {hidden}")
    return wrong


@st.composite
def few_owners(draw: st.DrawFn) -> list[Home]:
    """Homes of owners of whom some hold nearly all small cells, over many others'."""
    cells = list(product(("G1a1", "G1b1", "G2a1"), ("k1", "k2", "k3", "k4")))
    rows: list[Home] = []
    for at, (region, kind) in enumerate(cells):
        for owner in draw(st.lists(st.integers(1, 4), max_size=3)):
            rows += [(owner, region, kind, float(draw(st.integers(10, 60))))] * draw(st.integers(1, 4))
        if draw(st.booleans()):
            rows += [(1000 * (at + 1) + i, region, kind, 50.0 + i) for i in range(draw(st.sampled_from([4, 15, 30])))]
    return rows or [(1, "G1a1", "k1", 1.0)]


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=few_owners())
def test_no_line_of_what_leaves_adds_up_to_a_few_owners(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Home]
) -> None:
    _attack(tmp_path_factory.mktemp("drawn"), rows)


@pytest.mark.sweep
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=few_owners())
def test_no_line_of_what_leaves_adds_up_to_a_few_owners_often(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Home]
) -> None:
    _attack(tmp_path_factory.mktemp("drawn"), rows)


def _attack(folder: Path, rows: list[Home]) -> None:
    world = world_of(folder, rows)
    levels = {"region": ("NL", "GM", "BU")}
    try:
        out = world.check(table_request("region", "kind", levels=levels, **SUM))
    except Refused:
        return
    shown = {(row["region"], row["kind"]) for row in rows_of(out.outputs[CELLS]) if row["value"]}
    policy = world.policy
    rule = policy.confidential
    n = policy.public.tables.minimum_frequency.value
    assert not exposed(rows, shown, n, rule.p_percent or 0.0, min(each.k for each in rule.dominance if each.n == 1))
