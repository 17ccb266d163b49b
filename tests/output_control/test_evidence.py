"""Tabulation with evidence, against arithmetic written apart from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from enclave.classifications import Classification
from enclave.engine.interface import EngineName
from enclave.errors import Refused
from enclave.requests import DimensionRequest, TableRequest
from output_control.outputs import table_columns
from output_control.tables.derived import faults_of_frame
from output_control.tables.evidence import (
    Evidence,
    cross_product,
    faults_of_codes,
    shown_dimensions,
    tabulate,
)
from output_control.tables.shown import shown_dimension
from tests.examples import examples
from tests.output_control.gate_world import (
    CLASSIFICATIONS,
    KIND,
    REGION,
    World,
    frame_of,
    random_homes,
    table_request,
    tree_of,
)


def evidence_of(world: World, request: TableRequest, engine: EngineName = "duckdb", threads: int = 1) -> Evidence:
    shown = shown_dimensions(request, world.classifications)
    with world.sources(engine, threads) as sources:
        assert faults_of_frame(request, sources) == []
        assert faults_of_codes(request, shown, sources) == []
        return tabulate(request, shown, sources)


def below(classification: Classification, code: str) -> set[str]:
    """The leaves below a code, by walking up from each leaf."""
    parent = {each.code: each.parent for each in classification.codes}

    def is_above(leaf: str) -> bool:
        return leaf == code or (parent[leaf] != "" and is_above(parent[leaf]))

    return {leaf for leaf in classification.leaves() if is_above(leaf)}


def by_hand(homes: pd.DataFrame, columns: list[str], measure: str | None) -> dict[tuple[str, ...], tuple[object, ...]]:
    """Every non-empty cell of the cross product: records, units, total, three largest units, the only unit or two."""
    records = homes.to_dict("records")
    if measure is not None:
        records = [record for record in records if pd.notna(record[measure])]
    under = [{each.code: below(CLASSIFICATIONS[column], each.code) for each in CLASSIFICATIONS[column].codes}
             for column in columns]  # fmt: skip
    cells = {}
    for codes in product(*under):
        leaves = [found[code] for found, code in zip(under, codes, strict=True)]
        inside = [r for r in records if all(r[c] in leaf for c, leaf in zip(columns, leaves, strict=True))]
        if not inside:
            continue
        per_unit = Counter[int]()
        for record in inside:
            per_unit[record["owner"]] += 1 if measure is None else record[measure]
        largest = [*sorted(map(abs, per_unit.values()), reverse=True)[:3], 0, 0, 0]
        sole = next(iter(per_unit)) if len(per_unit) == 1 else -1
        couple = sorted(per_unit) if len(per_unit) == 2 else [-1, -1]
        cells[codes] = (
            len(inside),
            len(per_unit),
            round(float(sum(per_unit.values())), 4),
            *largest[:3],
            sole,
            *couple,
        )
    return cells


def by_gate(found: Evidence) -> dict[tuple[str, ...], tuple[object, ...]]:
    table = found.table
    return {
        table.labels(i): (
            int(found.records[i]),
            int(table.freq[i]),
            float(table.value[i]),
            *table.top[i].tolist(),
            int(table.sole_contributor[i]),
            *table.couples[i].tolist(),
        )
        for i in range(len(table))
    }


homes = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(REGION.leaves()),
        st.sampled_from(KIND.leaves()),
        st.one_of(st.none(), st.integers(0, 400)),
    ),
    min_size=1,
    max_size=40,
)


@examples(10, 100, rows=homes)
def test_counts_and_their_evidence_are_those_of_the_records(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str, int | None]]
) -> None:
    world = World(tmp_path_factory.mktemp("w")).add("homes", frame_of(rows))
    found = evidence_of(world, table_request("region", "kind"))
    assert by_gate(found) == by_hand(frame_of(rows).to_pandas(), ["region", "kind"], None)
    assert found.table.integral
    assert not found.signed.any()


@examples(10, 100, rows=homes.filter(lambda rows: any(row[3] is not None for row in rows)))
def test_sums_and_their_evidence_are_those_of_the_records_that_have_a_measure(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str, int | None]]
) -> None:
    world = World(tmp_path_factory.mktemp("w")).add("homes", frame_of(rows))
    found = evidence_of(world, table_request("region", "kind", statistic="sum", measure="worth"))
    assert by_gate(found) == by_hand(frame_of(rows).to_pandas(), ["region", "kind"], "worth")
    assert not found.table.integral


def test_a_crosstab_of_pandas_gives_the_same_margins(tmp_path: Path) -> None:
    table = random_homes(3, 3000, 800)
    found = evidence_of(World(tmp_path).add("homes", table), table_request("region", "kind"))
    data = table.to_pandas()
    crossed = pd.crosstab(data["region"], data["kind"], margins=True, margins_name="all")
    value = dict(zip((found.table.labels(i) for i in range(len(found.table))), found.table.value, strict=True))
    for region in REGION.leaves():
        for kind in ("all", *KIND.leaves()):
            assert value.get((region, kind), 0) == crossed.loc[region, kind]
    assert value["NL", "all"] == 3000


def test_levels_that_are_not_asked_for_are_left_out_and_the_total_stays(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(4, 500))
    found = evidence_of(world, table_request("region", levels={"region": ("BU", "GM")}))
    dimension = found.shown[0].dimension
    assert dimension.codes == ("NL", "G1", "G1a1", "G1a2", "G1b1", "G2", "G2a1", "G2a2")
    assert dimension.children["G1"] == ("G1a1", "G1a2", "G1b1")
    assert float(found.table.value[0]) == 500


def test_finer_codes_count_in_the_coarsest_level_that_is_shown(tmp_path: Path) -> None:
    data = random_homes(4, 500)
    found = evidence_of(World(tmp_path).add("homes", data), table_request("region", levels={"region": ("GM",)}))
    by_municipality = data.to_pandas()["region"].str[:2].value_counts()
    assert {found.table.labels(i)[0]: found.table.value[i] for i in range(1, 3)} == by_municipality.to_dict()


def test_the_order_of_rows_and_the_number_of_threads_change_nothing(tmp_path: Path) -> None:
    data = random_homes(5, 2000, 300)
    shuffled = data.take(pa.array(np.random.default_rng(1).permutation(2000)))
    request = table_request("region", "kind", statistic="sum", measure="worth")
    first = evidence_of(World(tmp_path).add("homes", data), request)
    (tmp_path / "b").mkdir()
    second = evidence_of(World(tmp_path / "b").add("homes", shuffled), request, threads=2)
    assert by_gate(first) == by_gate(second)
    assert list(by_gate(first)) == list(by_gate(second))


def test_a_sum_of_cents_is_exact(tmp_path: Path) -> None:
    rows = 1000
    data = frame_of([(i % 50, "G1a1", "k1", 1) for i in range(rows)])
    data = data.set_column(4, "worth", pa.array(np.full(rows, 0.1)))
    found = evidence_of(World(tmp_path).add("homes", data), table_request("kind", statistic="sum", measure="worth"))
    assert found.table.value[0] == 100.0


def test_negative_contributions_are_ranked_by_size(tmp_path: Path) -> None:
    rows = [(1, "G1a1", "k1", 100), (2, "G1a1", "k1", -70), (3, "G1a1", "k1", 20), (3, "G1a1", "k1", -5)]
    found = evidence_of(
        World(tmp_path).add("homes", frame_of(rows)), table_request("kind", statistic="sum", measure="worth")
    )
    assert found.signed.all()
    assert found.table.value[0] == 100 - 70 + 20 - 5
    assert found.table.top[0].tolist() == [100, 70, 15]
    assert found.size[0] == 100 + 70 + 15
    # no total is below 0, and an attacker is taken to know it
    assert found.table.size is None


def test_a_cell_below_zero_is_tabulated_with_its_size(tmp_path: Path) -> None:
    rows = [(1, "G1a1", "k1", -100), (3, "G1a1", "k1", 30), (2, "G1a1", "k2", 500)]
    found = evidence_of(
        World(tmp_path).add("homes", frame_of(rows)), table_request("kind", statistic="sum", measure="worth")
    )
    assert found.table.value.tolist() == [430, -70, 500]
    assert found.table.sizes.tolist() == [630, 130, 500]


def test_a_measure_that_nobody_has_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", frame_of([(1, "G1a1", "k1", None)]))
    with pytest.raises(Refused, match="no record has a value"):
        evidence_of(world, table_request("kind", statistic="sum", measure="worth"))


def test_a_ragged_leaf_is_shown_where_its_own_level_is_shown() -> None:
    ragged = tree_of("kind", {"total": ("all",), "kind": ("k1", "x"), "sort": ("k1a", "k1b")})
    shown = shown_dimension(DimensionRequest(column="kind", classification="kind"), ragged)
    assert shown.home == {"k1a": "k1a", "k1b": "k1b", "x": "x"}
    coarse = shown_dimension(DimensionRequest(column="kind", classification="kind", levels=("kind",)), ragged)
    assert coarse.home == {"k1a": "k1", "k1b": "k1", "k1": "k1", "x": "x"}


def test_the_cross_product_is_row_major() -> None:
    assert cross_product((2, 2)).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@examples(10, 100, rows=homes, least=st.integers(1, 30), weight=st.sampled_from(["none", "secret", "public"]))
def test_what_is_left_beyond_the_least_measure_is_the_table_of_what_is_left(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str, int | None]], least: int, weight: str
) -> None:
    known = [(*row[:3], row[3] or 0) for row in rows]
    lowest = min(row[3] for row in known)
    fields = {"weight": "w"} if weight != "none" else {}
    request = table_request("region", "kind", measure="worth", statistic="sum", **fields)
    tables = []
    for added in (least - lowest, -lowest):
        data = frame_of([(*row[:3], row[3] + added) for row in known])
        data = data.append_column("w", pa.array([1 + i % 4 for i in range(len(rows))]))
        world = World(tmp_path_factory.mktemp("w")).add("homes", data)
        with world.sources() as sources:
            shown = shown_dimensions(request, world.classifications)
            found = tabulate(request, shown, sources, weights="public" if weight == "public" else "secret")
        tables.append(found.beyond if added == least - lowest else found.table)
    left, plain = tables
    assert left is not None
    assert plain is not None
    assert left.keys().tolist() == plain.keys().tolist()
    assert left.value.tolist() == plain.value.tolist()
    assert left.top.tolist() == plain.top.tolist()
    assert left.sole_contributor.tolist() == plain.sole_contributor.tolist()


@pytest.mark.spark
def test_spark_and_duckdb_give_the_same_evidence(tmp_path: Path) -> None:
    world = World(tmp_path).add("homes", random_homes(6, 1500, 200))
    request = table_request("region", "kind", "flag", measure="worth", statistic="sum")
    first, second = evidence_of(world, request), evidence_of(world, request, "spark")
    assert by_gate(first) == by_gate(second)
    assert first.beyond is not None
    assert second.beyond is not None
    assert first.beyond.top.tolist() == second.beyond.top.tolist()


def test_a_table_whose_labels_belong_to_other_codes_is_refused(tmp_path: Path) -> None:
    evidence = evidence_of(World(tmp_path).add("homes", random_homes(1, 200)), table_request("region", "kind"))
    shown_in_another_order = replace(evidence, shown=evidence.shown[::-1])
    with pytest.raises(Refused, match="labels of this table belong to other codes"):
        table_columns(shown_in_another_order, np.zeros(len(evidence.table), np.bool_))
