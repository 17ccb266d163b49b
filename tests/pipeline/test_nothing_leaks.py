"""Every planted identifier is looked for in everything that was written outside the identified and key zones."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.canary_search import Canaries, leaking_files
from tests.pipeline.job import Job, run_job, zicht

pytestmark = pytest.mark.xdist_group("small-job")
MAY_HOLD_IDENTIFIERS = {"identified", "keys"}


def canaries_of(job: Job) -> Canaries:
    return Canaries(pq.read_table(job.country / "truth/canaries.parquet").column("value").unique().to_pylist())


def written_outside(job: Job) -> list[Path]:
    return [path for path in job.workspace.iterdir() if path.is_dir() and path.name not in MAY_HOLD_IDENTIFIERS]


def check_nothing_leaks(job: Job) -> None:
    canaries = canaries_of(job)
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
    import base64
    import gzip
    import json
    import sqlite3

    import pyarrow as pa

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


@pytest.mark.sweep
def test_nothing_leaks_at_fifty_thousand_persons(tmp_path: Path) -> None:
    check_nothing_leaks(run_job(tmp_path, persons=50_000, seed=5, options=("--dirty",)))
