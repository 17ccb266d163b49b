"""Every planted identifier is looked for in everything that was written outside the identified and key zones."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.canary_search import Canaries, leaking_files
from tests.conftest import CHECKOUT
from tests.pipeline.job import Done, Job, zicht
from tests.pipeline.observed import process_list

pytestmark = pytest.mark.xdist_group("small-job")
MAY_HOLD_IDENTIFIERS = {"identified", "keys"}


def canaries_of(job: Job) -> Canaries:
    return Canaries(pq.read_table(job.country / "truth/canaries.parquet").column("value").unique().to_pylist())


def written_outside(job: Job) -> list[Path]:
    return [path for path in job.workspace.iterdir() if path.is_dir() and path.name not in MAY_HOLD_IDENTIFIERS]


def check_nothing_leaks(job: Job, canaries: Canaries | None = None) -> None:
    canaries = canaries or canaries_of(job)
    assert leaking_files(written_outside(job), canaries) == []
    assert not canaries.found_in(job.done.said.encode())
    deliveries = [path for path in (job.country / "deliveries").rglob("*") if ".manifest." not in path.name]
    files = [path for path in deliveries if path.is_file()]
    assert {str(path) for path in files} <= set(leaking_files([job.country / "deliveries"], canaries))


def test_nothing_leaks_from_clean_deliveries(small_job: Job) -> None:
    check_nothing_leaks(small_job)


def test_nothing_leaks_from_dirty_deliveries(tmp_path: Path) -> None:
    """Of so small a country no delivery of debts is acceptable: the job stops before linking and says why."""
    done = zicht("demo", "--persons", "1000", "--seed", "3", "--dirty", "--workspace", tmp_path / "run")
    assert done.code == 10, done.said
    assert "no delivery of debt_assistance" in done.err
    check_nothing_leaks(Job(tmp_path, done))


def test_the_search_finds_an_identifier_in_every_shape(small_job: Job, tmp_path: Path) -> None:
    import gzip
    import json
    import sqlite3

    canaries = canaries_of(small_job)
    people = pq.read_table(small_job.country / "key_register/persons.parquet")
    bsn = next(value for value in people.column("bsn").to_pylist() if value.startswith("0"))
    (tmp_path / "plain.txt").write_text(f"person {bsn}.")
    (tmp_path / "stripped.csv").write_text(f"a;{int(bsn)};b")
    (tmp_path / "wide.txt").write_bytes(f"person {bsn}.".encode("utf-16-le"))
    (tmp_path / "encoded.txt").write_bytes(base64.b64encode(f"x{bsn}y".encode()))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(f"person {bsn}.".encode()))
    (tmp_path / "nested.json").write_text(
        json.dumps({"blob": base64.b64encode(f'{{"id": "{bsn}"}}'.encode()).decode()})
    )
    pq.write_table(pa.table({"number": [int(bsn), 5]}), tmp_path / "numbers.parquet")
    with sqlite3.connect(tmp_path / "base.sqlite") as database:
        database.execute("CREATE TABLE t (v TEXT)")
        database.execute("INSERT INTO t VALUES (?)", (bsn,))
    (tmp_path / f"file-{bsn}").write_text("")
    planted = sorted(str(path) for path in tmp_path.iterdir() if path.stat().st_size)
    assert sorted(set(leaking_files([tmp_path], canaries))) == sorted([*planted, f"name of {tmp_path}"])


@pytest.mark.parametrize("number", ["123456782", "012345672"])
@pytest.mark.parametrize("before", ["", "x", "id=", '{"unit": "', "g" * 40])
def test_a_number_in_base64_is_found_at_every_alignment_and_not_where_it_stands_in_a_digest(
    number: str, before: str, tmp_path: Path
) -> None:
    """As Parquet footers hold schemas, with manifests and their digests, in base64."""
    canaries = Canaries([number])
    digest = f"{'0f' * 14}a{number}b{'c4' * 13}"
    for shape in (number, number.lstrip("0")):
        held = base64.b64encode(f"{before}{shape}".encode()), base64.urlsafe_b64encode(f"{before}{shape}?~ÿ".encode())
        for place, text in enumerate((*held, b"path/" + held[0], b"ab" + held[1])):
            table = pa.table({"a": [1]}).replace_schema_metadata({"schema": text})
            pq.write_table(table, tmp_path / f"{place}.parquet")
            assert canaries.found_in(text), place
        assert len(leaking_files([tmp_path], canaries)) == 4
        assert not canaries.found_in(base64.b64encode(f'{before}"sha256": "{digest}"'.encode()))
    table = pa.table({"a": [1]}).replace_schema_metadata({"manifest": f'{before}{{"sha256": "{digest}"}}'})
    pq.write_table(table, tmp_path / "0.parquet")
    assert str(tmp_path / "0.parquet") not in leaking_files([tmp_path], canaries)


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("persons", "engine", "dirty"),
    [(1000, "duckdb", False), (1000, "spark", False), (50_000, "duckdb", True), (1_000_000, "duckdb", True)],
)
def test_nothing_leaks_into_files_process_lists_plans_and_logs(
    persons: int, engine: str, dirty: bool, tmp_path: Path
) -> None:
    """With the engines made to say all they can."""
    told = tmp_path / "told"
    size = ("--persons", str(persons), "--seed", "5", "--engine", engine, *(("--dirty",) if dirty else ()))
    command = [sys.executable, "-m", "tests.pipeline.observed", told, "demo", *size, "--workspace", tmp_path / "run"]
    with process_list() as seen:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    job = Job(tmp_path, Done(done.returncode, done.stdout, done.stderr))
    assert any(b"pipeline" in line for line in seen)
    canaries = canaries_of(job)
    assert leaking_files([told], canaries) == []
    assert not any(canaries.found_in(line) for line in seen)
    assert talks(told, engine)
    check_nothing_leaks(job, canaries)


def talks(told: Path, engine: str) -> bool:
    """Whether what the engine said is there."""
    if engine == "spark":
        return any(b"SparkListenerSQLExecutionStart" in path.read_bytes() for path in told.rglob("*") if path.is_file())
    entries = [path.read_text() for path in told.rglob("duckdb_log_entries.csv")]
    return "HASH_JOIN" in "".join(entries) and "Hash Join" in (told / "plans.txt").read_text()
