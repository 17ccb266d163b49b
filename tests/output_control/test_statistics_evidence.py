"""Evidence of every statistic over several kinds of unit, and on both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from enclave.engine.interface import EngineName
from output_control.statistics.percentiles import percentiles
from output_control.tables.evidence import shown_dimensions, tabulate, unit_sets, write_unit_sets
from tests.examples import examples
from tests.output_control.gate_world import CLASSIFICATIONS, World, random_homes, table_request
from tests.output_control.statistic_rows import (
    released,
    rows_of,
    weighted,
)
from tests.output_control.test_evidence import by_hand, evidence_of, frame_of

rows = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from(CLASSIFICATIONS["region"].leaves()),
        st.sampled_from(CLASSIFICATIONS["kind"].leaves()),
        st.integers(-50, 400),
    ),
    min_size=1,
    max_size=60,
)


def three_ways(rows: list[tuple[int, str, str, int]], flags: list[str]) -> pa.Table:
    table = frame_of([(owner, region, kind, worth) for owner, region, kind, worth in rows])
    return table.append_column("flag", pa.array((flags * len(rows))[: len(rows)]))


@examples(12, 150, rows=rows, flags=st.lists(st.sampled_from(["yes", "no"]), min_size=1, max_size=7))
def test_units_in_many_cells_are_counted_once_in_each_over_three_hierarchies(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str, int]], flags: list[str]
) -> None:
    """The roll-up in memory and the spreading of units together, against pandas over every cell."""
    from tests.output_control.test_evidence import by_gate

    data = three_ways(rows, flags)
    world = World(tmp_path_factory.mktemp("w")).add("homes", data)
    found = evidence_of(world, table_request("region", "kind", "flag"))
    assert by_gate(found) == by_hand(data.to_pandas(), ["region", "kind", "flag"], None)


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def test_unit_sets_are_the_distinct_units_of_every_cell(tmp_path: Path, engine: EngineName) -> None:
    world = World(tmp_path).add("homes", random_homes(11, 800, 200))
    request = table_request("region", "kind")
    shown = shown_dimensions(request, world.classifications)
    with world.sources(engine) as sources:
        sets = unit_sets(request, shown, sources)
        evidence = tabulate(request, shown, sources)
        batches: list[pa.RecordBatch] = []
        write_unit_sets(request, shown, sources, batches.append)
    assert sets.schema == pa.schema([("cell", pa.int64()), ("unit", pa.int64())])
    pairs = sets.to_pandas()
    assert not pairs.duplicated().any()
    assert pairs.groupby("cell").size().tolist() == evidence.table.freq.tolist()
    assert pairs["cell"].unique().tolist() == evidence.table.keys().tolist()
    assert pa.Table.from_batches(batches).to_pandas().equals(pairs)


@pytest.mark.spark
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"statistic": "mean", "measure": "worth", "weight": "w"},
        pytest.param({"statistic": "sum", "measure": "worth"}, marks=pytest.mark.sweep),
        pytest.param({"statistic": "percentile", "measure": "worth", "percentile": 30}, marks=pytest.mark.sweep),
        pytest.param({"also_units": ("home",), "weight": "w"}, marks=pytest.mark.sweep),
    ],
)
def test_spark_gives_what_duckdb_gives_for_every_statistic(tmp_path: Path, fields: dict[str, object]) -> None:
    data = random_homes(12, 1200, 300)
    data = data.append_column("w", pa.array(1 + np.arange(1200) % 7 / 4))
    world = World(tmp_path).add("homes", data)
    request = table_request("region", "kind", "flag", **fields)
    shown = shown_dimensions(request, world.classifications)
    found = []
    for name in ("duckdb", "spark"):
        with world.sources(name) as sources:
            evidence = tabulate(request, shown, sources, weights="public")
            parts = [
                (kind.table.keys(), kind.table.freq, kind.table.value, kind.table.top, kind.table.sole_contributor)
                for kind in evidence.kinds
            ]
            numbers = [evidence.records, evidence.size, evidence.weighted]
            if request.measure and request.statistic == "percentile":
                quantile = percentiles(request, shown, sources, "owner")
                numbers += [quantile.value, quantile.below, quantile.above]
            found.append([*[array.tolist() for part in parts for array in part], *[n.tolist() for n in numbers]])
    assert found[0] == found[1]


def test_permuting_rows_and_renaming_codes_change_no_figure(tmp_path: Path) -> None:
    data = random_homes(13, 700, 250)
    order = np.random.default_rng(4).permutation(700)
    swapped = {"k1": "k3", "k3": "k1", "k2": "k2"}
    renamed = data.take(pa.array(order))
    renamed = renamed.set_column(
        renamed.schema.get_field_index("kind"), "kind", pa.array([swapped[k] for k in renamed["kind"].to_pylist()])
    )
    (tmp_path / "b").mkdir()
    request = table_request("region", "kind", statistic="median", measure="worth")
    first = released(World(tmp_path).add("homes", data), request)
    second = released(World(tmp_path / "b").add("homes", renamed), request)
    back = {**swapped, "all": "all"}
    primaries = [
        (key, row["value"], second[key[0], back[key[1]]]["value"]) for key, row in first.items() if row["value"]
    ]
    same = [a == b for _, a, b in primaries if b]
    assert len(same) > 10
    assert all(same)


def test_effective_records_are_those_of_kish(tmp_path: Path) -> None:
    from output_control.tables.evidence import shown_dimensions, tabulate

    weights = [1.0 + i % 7 for i in range(40)]
    data = weighted([("k1", 1.0, w) for w in weights] + [("k2", 1.0, 3.0)] * 20)
    world, request = World(tmp_path).add("homes", data), table_request("kind", weight="w")
    with world.sources() as sources:
        found = tabulate(request, shown_dimensions(request, world.classifications), sources)
    assert found.effective[1] == pytest.approx(sum(weights) ** 2 / sum(w * w for w in weights), rel=1e-6)
    assert found.effective[2] == pytest.approx(20, rel=1e-6)


def test_percentiles_of_one_measure_lie_as_many_units_apart_as_one_from_an_end(tmp_path: Path) -> None:
    """Eighty percentiles of a hundred homes listed the values of eighty."""
    data = weighted([("k1", float(i), 1.0) for i in range(100)] + [("k2", float(i), 1.0) for i in range(300)])

    def of(*percents: int) -> dict[tuple[int, str], str]:
        asked = [
            table_request("kind", name=f"p{each}", statistic="percentile", percentile=each, measure="worth")
            for each in percents
        ]
        folder = tmp_path / "-".join(map(str, percents))
        folder.mkdir()
        out = World(folder).add("homes", data).check(*asked).outputs
        return {
            (each, row["kind"]): row["value"] for each in percents for row in rows_of(out[f"outputs/demo/p{each}.csv"])
        }

    near, far = of(50, 55), of(50, 60)
    assert (near[50, "k1"], near[50, "k2"], near[55, "k2"]) == ("", "149", "164")  # 5 of the units, and 15
    assert (far[50, "k1"], far[60, "k1"]) == ("49", "59")
    assert of(50)[50, "k1"] == "49"
