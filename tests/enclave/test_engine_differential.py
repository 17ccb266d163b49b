"""Both engines give the same result for the same statement or derivation."""

# ruff: noqa: S608 (statements are built from names and numbers that stand in this file)
from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import narwhals as nw
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enclave.engine import Dialect, Engine, open_engine
from enclave.errors import BadInput, EnclaveError, NotReady, Refused

pytestmark = pytest.mark.spark

Engines: TypeAlias = tuple[Engine, Engine]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    scratch = tmp_path_factory.mktemp("scratch")
    with (
        open_engine("duckdb", scratch=scratch / "duckdb", readable=[scratch]) as embedded,
        open_engine("spark", scratch=scratch / "spark", readable=[scratch], memory_gib=1.0) as spark,
    ):
        yield embedded, spark
    assert not list((scratch / "spark").iterdir())


def same(engines: Engines, query: str | Callable[[Dialect], str]) -> pa.Table:
    """The common result; fails when schema, rows or their order differ."""
    first, second = (engine.collect(query if isinstance(query, str) else query(engine.dialect)) for engine in engines)
    assert first.schema == second.schema
    assert first.to_pylist() == second.to_pylist()
    return first


def load(engines: Engines, **tables: pa.Table) -> None:
    for engine in engines:
        for name, table in tables.items():
            engine.load(name, table.to_reader())


RECORDS = pa.table(
    {
        "area": ["a", "a", "b", None, "b", "ü", ""],
        "kind": pa.array(["x", None, "x", "y", "y", "x", "x"]),
        "unit": [1, 1, 2, 3, None, 5, 6],
        "amount": [3.5, -2.25, 0.1, 0.2, None, 7.0, 0.7],
        "day": pa.array([date(2016, 1, 1), None, date(1999, 12, 31)] + [date(2016, 2, 29)] * 4),
        "hash": pa.array([b"\0\xff" * 8, None, b"\x01" * 16] + [b"\xfe" * 16] * 4, pa.binary(16)),
    }
)


@pytest.fixture
def loaded(engines: Engines) -> Engines:
    load(engines, records=RECORDS, units=pa.table({"unit": [1, 2, 3, 9], "label": ["P", "Q", None, "Z"]}))
    return engines


@pytest.mark.parametrize(
    "query",
    [
        "SELECT r.*, u.label FROM records r LEFT JOIN units u ON r.unit = u.unit",
        "SELECT r.area, u.label FROM records r FULL JOIN units u ON r.unit = u.unit",
        "SELECT * FROM units u WHERE NOT EXISTS (SELECT 1 FROM records r WHERE r.unit = u.unit)",
        "SELECT area, count(*) AS n, count(unit) AS m, count(DISTINCT unit) AS d, min(day) AS f, max(area) AS g "
        "FROM records GROUP BY area",
        "SELECT area, kind, grouping(area) AS ga, grouping(kind) AS gk, count(DISTINCT unit) AS d, sum(unit) AS s "
        "FROM records GROUP BY GROUPING SETS ((area, kind), (area), (kind), ())",
        "SELECT hex(hash) AS h, substr(area, 1, 1) AS s, area || '-' || kind AS t, length(area) AS l FROM records",
        "SELECT CAST(unit AS STRING) AS t, CAST('20160229' AS BIGINT) AS i, coalesce(kind, '?') AS k FROM records",
        "SELECT CAST('2016-02-29' AS DATE) AS d, day < CAST('2016-01-01' AS DATE) AS early FROM records",
        "SELECT area, row_number() OVER (PARTITION BY kind ORDER BY day, area, unit) AS r FROM records",
        "SELECT CASE WHEN amount > 0 THEN 'p' WHEN amount <= 0 THEN 'n' END AS sign FROM records",
        "SELECT DISTINCT kind, amount IS NULL AS missing FROM records",
        "SELECT round(0.5) AS a, round(-0.5) AS b, round(2.5) AS c, abs(-3) AS d",
    ],
)
def test_common_sql_means_the_same(loaded: Engines, query: str) -> None:
    same(loaded, query)


def test_grouping_sets_count_distinct_units(loaded: Engines) -> None:
    found = same(loaded, "SELECT kind, count(DISTINCT unit) AS n FROM records GROUP BY GROUPING SETS ((kind), ())")
    assert found.to_pylist() == [
        {"kind": None, "n": 1},
        {"kind": None, "n": 5},
        {"kind": "x", "n": 4},
        {"kind": "y", "n": 1},
    ]


def test_the_three_largest_contributions_agree_with_arithmetic(loaded: Engines) -> None:
    """Ties go to the larger unit; a struct of value and unit has one order on both."""
    rows = pa.table({"g": ["a"] * 5 + ["b"], "v": [4, 9, 4, 4, -1, -3], "u": [1, 2, 3, 4, 5, 6]})
    load(loaded, contributions=rows)
    found = same(loaded, lambda d: f"SELECT g, {d.top_contributions('v', 'u', 3)} AS top FROM contributions GROUP BY g")
    assert found["top"].to_pylist() == [
        [{"value": 9, "unit": 2}, {"value": 4, "unit": 4}, {"value": 4, "unit": 3}],
        [{"value": -3, "unit": 6}],
    ]


Derivation: TypeAlias = Callable[[nw.LazyFrame[Any], nw.LazyFrame[Any]], nw.LazyFrame[Any]]

DERIVATIONS: dict[str, Derivation] = {
    "join and group": lambda r, u: (
        r.join(u, on="unit", how="left").group_by("label").agg(n=nw.len(), s=nw.col("unit").sum())
    ),
    "window": lambda r, _: r.with_columns(
        first=nw.col("day").min().over("kind"),
        rank=nw.col("unit").rank("min").over("kind"),
        previous=nw.col("unit").shift(1).over("kind", order_by=["day", "area", "unit"]),
    ).select("kind", "area", "first", "previous", "rank"),
    "conditions": lambda r, _: r.select(
        "area",
        late=nw.when(nw.col("day") >= date(2016, 1, 1)).then(1).otherwise(0),
        known=(~nw.col("kind").is_null()).cast(nw.Int64),
        year=nw.col("day").dt.year(),
    ),
    "distinct": lambda r, _: r.select("kind", "day").unique(),
    "anti join": lambda r, u: u.join(r, on="unit", how="anti"),
    "text": lambda r, _: r.select(
        "area", starts=nw.col("area").str.starts_with("a"), two=nw.col("area").str.slice(0, 2)
    ),
}


@pytest.mark.parametrize("name", DERIVATIONS)
def test_a_derivation_in_narwhals_means_the_same(loaded: Engines, name: str) -> None:
    results = []
    for engine in loaded:
        frame = DERIVATIONS[name](engine.lazy("records"), engine.lazy("units"))
        batches: list[pa.RecordBatch] = []
        engine.write_lazy(frame, [], batches.append)
        results.append(pa.Table.from_batches(batches, engine.schema_lazy(frame)))
    assert results[0].schema == results[1].schema
    assert results[0].to_pylist() == results[1].to_pylist()


_rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "é", "", None]),
        st.one_of(st.none(), st.integers(-(2**40), 2**40)),
        st.one_of(st.none(), st.integers(1, 6)),
        st.one_of(st.none(), st.floats(-1e6, 1e6)),
    ),
    min_size=1,
    max_size=30,
)


@given(left=_rows, right=_rows)
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_small_data_give_the_same_evidence(engines: Engines, left: list[Any], right: list[Any]) -> None:
    schema = pa.schema([("g", pa.string()), ("v", pa.int64()), ("u", pa.int64()), ("f", pa.float64())])
    tables = (pa.table([[row[i] for row in rows] for i in range(4)], schema=schema) for rows in (left, right))
    load(engines, **dict(zip(("a", "b"), tables, strict=True)))
    found = same(
        engines,
        lambda d: (
            f"SELECT a.g, b.g AS h, count(*) AS n, count(DISTINCT a.u) AS d, {d.exact_sum('a.f', 6)} AS s, "
            f"{d.exact_sum('a.v')} AS t, {d.top_contributions('coalesce(a.v, 0)', 'coalesce(a.u, 0)', 3)} AS top "
            "FROM a LEFT JOIN b ON a.u = b.u GROUP BY GROUPING SETS ((a.g, b.g), (a.g), ())"
        ),
    )
    expected = sum(max(1, sum(r[2] == row[2] is not None for r in right)) for row in left)
    whole = [row["n"] for row in found.to_pylist() if row["n"] == expected]
    assert whole


def test_streams_are_equal_and_arrive_in_order(loaded: Engines) -> None:
    results = []
    for engine in loaded:
        engine.load("many", pa.table({"k": [i * 7919 % 50021 for i in range(50_000)]}).to_reader())
        batches: list[pa.RecordBatch] = []
        engine.write("SELECT k, k % 3 AS r FROM many", ["r"], batches.append)
        results.append(pa.Table.from_batches(batches))
    assert results[0].equals(results[1])
    assert results[0]["r"].to_pylist() == sorted(results[0]["r"].to_pylist())


def test_spark_errors_hold_no_value_and_its_logs_are_quiet(loaded: Engines, capfd: pytest.CaptureFixture[str]) -> None:
    spark = loaded[1]
    load(loaded, canaries=pa.table({"t": ["Kanarie-912345678"]}))
    with pytest.raises(EnclaveError) as caught:
        spark.collect("SELECT CAST(t AS INT) AS i FROM canaries")
    with pytest.raises(BadInput, match="UNRESOLVED_COLUMN"):
        spark.collect("SELECT absent FROM canaries")
    written = "".join(capfd.readouterr())
    assert "Kanarie" not in str(caught.value) + written
    assert caught.value.__suppress_context__


def test_spark_reads_no_path_and_no_second_session_opens(loaded: Engines, tmp_path: Path) -> None:
    spark = loaded[1]
    with pytest.raises(BadInput):
        spark.collect("SELECT * FROM text.`/etc/hostname`")
    with pytest.raises(Refused):
        spark.attach("x", Path("/etc/hostname"))
    with (
        pytest.raises(NotReady, match="already open"),
        open_engine("spark", scratch=tmp_path, readable=[]),
    ):
        pass


def test_a_lazy_frame_of_one_engine_is_refused_by_the_other(loaded: Engines) -> None:
    for mine, other in (loaded, loaded[::-1]):
        with pytest.raises(BadInput, match="another engine"):
            other.write_lazy(mine.lazy("records"), [], lambda batch: None)
