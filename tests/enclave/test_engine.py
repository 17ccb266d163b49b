"""The embedded engine alone: what it may read, what its errors say, order, bounded memory, threads."""

# ruff: noqa: S608 (statements are built from names and numbers that stand in this file)
from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from enclave.engine import Engine, open_engine
from enclave.engine.canonical import canonical_schema, total_order
from enclave.engine.scratch import held, sweep
from enclave.errors import BadInput, EnclaveError, NotReady, Refused, StorageFailed
from tests.enclave.test_files import forked

CANARY = "Kanarie-912345678"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "people.parquet"
    path.parent.mkdir()
    table = pa.table({"area": ["b", "a", None, "a"], "amount": [0.1, 0.2, 1e9, 0.3], "unit": [4, 2, 1, 2]})
    pq.write_table(table, path)
    return path


@pytest.fixture
def engine(tmp_path: Path, people: Path) -> Iterator[Engine]:
    with open_engine("duckdb", scratch=tmp_path / "scratch", readable=[people.parent]) as opened:
        opened.attach("people", people)
        yield opened


def test_rows_come_in_total_order_with_nulls_first(engine: Engine) -> None:
    rows = engine.collect("SELECT area, unit, amount FROM people", ["area"]).to_pydict()
    assert rows == {"area": [None, "a", "a", "b"], "unit": [1, 2, 2, 4], "amount": [1e9, 0.2, 0.3, 0.1]}


def test_a_sum_of_decimals_is_exact_whatever_the_order(engine: Engine) -> None:
    """0.1 + 0.2 + 0.3 is 0.6 here, in hundredths: 10 + 20 + 30; and 10^9 swallows none of it."""
    query = f"SELECT {engine.dialect.exact_sum('amount', 2)} AS s, sum(unit) AS u FROM people"
    assert engine.collect(query).to_pylist() == [{"s": 60 + 10**11, "u": 9}]


def test_counts_and_sums_of_integers_are_64_bit_integers(engine: Engine) -> None:
    query = "SELECT count(*) AS n, sum(unit) AS s, sum(CAST(unit AS DECIMAL(9,0))) AS d FROM people"
    assert set(engine.schema(query).types) == {pa.int64()}


def test_a_sum_beyond_64_bits_is_refused_and_not_wrapped(engine: Engine) -> None:
    with pytest.raises(BadInput, match="64 bits"):
        engine.collect(f"SELECT sum({2**62}) AS s FROM people")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/passwd'",
        "COPY people TO '/tmp/out.csv'",
        "ATTACH '/tmp/other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET threads = 64",
    ],
)
def test_a_statement_reaches_no_file_extension_or_setting(engine: Engine, query: str) -> None:
    with pytest.raises(BadInput):
        engine.define("x", query)
    with pytest.raises(BadInput):
        engine.collect(query)


def test_only_declared_paths_are_attached_even_through_a_link(engine: Engine, people: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.parquet"
    pq.write_table(pa.table({"x": [1]}), secret)
    link = people.parent / "link.parquet"
    link.symlink_to(secret)
    for path in (secret, link, people.parent / ".." / "secret.parquet"):
        with pytest.raises(Refused):
            engine.attach("x", path)
    with pytest.raises(NotReady):
        engine.attach("x", people.parent / "absent.parquet")


def test_one_declared_file_opens_nothing_beside_it(tmp_path: Path, people: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), people.parent / "beside.parquet")
    with open_engine("duckdb", scratch=tmp_path / "s", readable=[people]) as engine:
        engine.attach("people", people)
        with pytest.raises(Refused):
            engine.attach("x", people.parent / "beside.parquet")
        with pytest.raises(BadInput, match="PermissionException"):
            engine.collect(f"SELECT * FROM read_parquet('{people.parent / 'beside.parquet'}')")


def test_an_error_holds_no_cell_value(tmp_path: Path) -> None:
    pq.write_table(pa.table({"t": [CANARY]}), tmp_path / "t.parquet")
    with open_engine("duckdb", scratch=tmp_path / "s", readable=[tmp_path]) as engine:
        engine.attach("t", tmp_path / "t.parquet")
        with pytest.raises(EnclaveError) as caught:
            engine.collect("SELECT CAST(t AS INTEGER) AS x FROM t")
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_statement_that_does_not_hold_names_the_column(engine: Engine) -> None:
    with pytest.raises(BadInput, match="absent"):
        engine.collect("SELECT absent FROM people")
    with pytest.raises(BadInput, match="no column absent"):
        engine.collect("SELECT unit FROM people", ["absent"])
    with pytest.raises(BadInput, match="two columns of one name"):
        total_order(["a", "a"], [])


def test_a_type_without_canonical_form_is_refused() -> None:
    with pytest.raises(BadInput, match="canonical"):
        canonical_schema(pa.schema([("t", pa.time64("us"))]))


def test_loaded_rows_are_a_table_and_can_be_replaced(engine: Engine) -> None:
    engine.load("codes", pa.table({"area": ["a"], "label": ["x"]}).to_reader())
    engine.load("codes", pa.table({"area": ["a"], "label": ["y"]}).to_reader())
    found = engine.collect("SELECT label, count(*) AS n FROM people JOIN codes USING (area) GROUP BY label")
    assert found.to_pylist() == [{"label": "y", "n": 2}]


def test_a_source_that_fails_halfway_is_reported_as_what_it_was(engine: Engine) -> None:
    schema = pa.schema([("a", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array([1])], schema=schema)
        raise NotReady("the source is gone")

    with pytest.raises(NotReady, match="the source is gone"):
        engine.load("broken", pa.RecordBatchReader.from_batches(schema, batches()))
    with pytest.raises(BadInput):
        engine.collect("SELECT * FROM broken")


def test_a_name_with_quotes_is_a_name_and_no_statement(engine: Engine) -> None:
    name = 'x"; DROP VIEW people; --'
    engine.load(name, pa.table({"a": [1]}).to_reader())
    assert engine.collect(f"SELECT * FROM {engine.dialect.quote(name)}").num_rows == 1
    assert engine.collect("SELECT * FROM people").num_rows == 4
    assert engine.collect(f"SELECT {engine.dialect.literal(name + chr(39))} AS t").to_pylist() == [{"t": name + "'"}]


def test_whatever_others_put_into_the_scratch_folder_stops_nobody(tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    os.mkfifo(tmp_path / "engine-pipe")
    (tmp_path / "engine-link").symlink_to(aside)
    (tmp_path / "engine-left").mkdir()
    sweeping = threading.Thread(target=sweep, args=(tmp_path,), daemon=True)
    sweeping.start()
    sweeping.join(5)
    assert not sweeping.is_alive()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aside", "engine-link", "engine-pipe"]


def test_nothing_that_an_analysis_makes_keeps_its_folder_from_being_removed(tmp_path: Path) -> None:
    """Folders closed to their own user, or deeper than Python recurses; what a link leads to stays."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_bytes(b"kept")
    tmp_path.chmod(0o777)
    child = os.fork()
    if child == 0:
        try:
            os.chdir(tmp_path)
            if os.geteuid() == 0:  # who may do everything would not notice
                os.setuid(65534)
            inner = Path("engine-left/hidden/inner")
            inner.mkdir(parents=True)
            (inner / "rows.parquet").write_bytes(b"plain")
            (inner / "away").symlink_to(tmp_path / "kept")
            inner.chmod(0)
            inner.parent.chmod(0)
            home = os.open(".", os.O_RDONLY)
            os.chdir("engine-left")
            for _ in range(2000):
                Path("d").mkdir()
                os.chdir("d")
            os.fchdir(home)
            sweep(Path())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    left, kept = (tmp_path / "engine-left").exists(), (tmp_path / "kept" / "file").exists()
    subprocess.run(["/bin/rm", "-rf", tmp_path / "engine-left"], check=False)  # pytest could not remove it either
    assert (left, kept) == (False, True)


def test_what_another_user_left_is_named_with_its_owner_and_root_removes_it(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give folders to other users")
    (tmp_path / "engine-left/inner").mkdir(parents=True)
    (tmp_path / "engine-left/inner/rows").write_bytes(b"plain")
    os.chown(tmp_path / "engine-left", 7001, 7001)
    tmp_path.chmod(0o1777)

    def as_another() -> None:
        os.chdir(tmp_path)
        os.setuid(65534)
        sweep(Path())
        assert held(Path()) == {"engine-left": "number 7001"}

    assert forked(as_another) == 0
    handle = os.open(tmp_path / "engine-left", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    sweep(tmp_path)
    assert (tmp_path / "engine-left/inner/rows").exists()  # its run lives
    os.close(handle)
    sweep(tmp_path)
    assert held(tmp_path) == {}


def test_closing_leaves_nothing_in_the_scratch_folder(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    with open_engine("duckdb", scratch=scratch, readable=[], memory_gib=0.05) as engine:
        rows: list[int] = []
        spilled: set[str] = set()

        def sink(batch: pa.RecordBatch) -> None:
            rows.append(batch.num_rows)
            spilled.update(path.name for path in scratch.rglob("*"))

        engine.write("SELECT hash(range) % 1000003 AS a, range AS b FROM range(5000000)", ["a"], sink)
    assert sum(rows) == 5_000_000
    assert spilled
    assert not list(scratch.iterdir())


_STREAM = """
import sys
from pathlib import Path
from enclave.engine import open_engine
seen = 0
def sink(batch):
    global seen
    seen += batch.num_rows
with open_engine("duckdb", scratch=Path(sys.argv[1]), readable=[], threads=2, memory_gib=0.25) as engine:
    engine.write("SELECT CAST(hash(range) % 1000003 AS BIGINT) AS a, range AS b, repeat('x', 40) AS c "
                 "FROM range(8000000)", ["a"], sink)
# ru_maxrss would count the test process too, from which this one was forked
print(seen, Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def test_a_large_result_streams_in_bounded_memory(tmp_path: Path) -> None:
    """8 M rows of some 60 bytes are 480 MB; the limit is 256 MiB, and libraries take some 200 MB."""
    done = subprocess.run(
        [sys.executable, "-c", _STREAM, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert int(done[0]) == 8_000_000
    assert int(done[1]) < 650 * 1024


def test_too_small_a_memory_limit_is_reported_as_such(tmp_path: Path) -> None:
    with (
        open_engine("duckdb", scratch=tmp_path, readable=[], memory_gib=0.02) as engine,
        pytest.raises(StorageFailed, match="memory"),
    ):
        engine.collect("SELECT list(range) AS a FROM range(9000000)")


_KILLED = """
import os, signal, sys
from pathlib import Path
from enclave.engine import open_engine
with open_engine("duckdb", scratch=Path(sys.argv[1]), readable=[], memory_gib=0.05) as engine:
    engine.write("SELECT hash(range) % 1000003 AS a, range AS b FROM range(5000000)", ["a"],
                 lambda batch: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_what_a_killed_engine_spilled_is_removed_by_the_next_one_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with open_engine("duckdb", scratch=tmp_path, readable=[]):
        alive = {path.name for path in tmp_path.iterdir()}
        assert subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False).returncode == -9
        left = {path.name for path in tmp_path.iterdir()} - alive
        assert [path for name in left for path in (tmp_path / name).rglob("*")]
        with open_engine("duckdb", scratch=tmp_path, readable=[]):
            now = {path.name for path in tmp_path.iterdir()}
            assert alive < now
            assert not left & now
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_one_and_two_threads_give_the_same_rows(tmp_path: Path) -> None:
    results = []
    for threads in (1, 2):
        with open_engine("duckdb", scratch=tmp_path / str(threads), readable=[], threads=threads) as engine:
            query = (
                f"SELECT hash(range) % 7 AS g, {engine.dialect.exact_sum('sqrt(range)', 6)} AS s, "
                f"{engine.dialect.top_contributions('range % 10', 'range', 3)} AS top "
                "FROM range(400000) GROUP BY 1"
            )
            results.append(engine.collect(query))
    assert results[0].equals(results[1])


def test_without_java_the_error_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; os.environ.pop('JAVA_HOME', None); os.environ['PATH'] = '/nowhere'\n"
        "from enclave.engine import open_engine; from enclave.errors import NotReady\n"
        "try:\n    open_engine('spark', scratch=Path(sys.argv[1]), readable=[]).__enter__()\n"
        "except NotReady as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "Java" in done.stdout
    assert "default-jre-headless" in done.stdout
    assert not list(tmp_path.iterdir())
