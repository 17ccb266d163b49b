"""The whole job on Spark releases the bytes that it releases on the embedded engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.job import Job, content_of, run_job


@pytest.mark.sweep
@pytest.mark.spark
@pytest.mark.xdist_group("small-job")
def test_spark_and_duckdb_release_the_same(small_job: Job, tmp_path: Path) -> None:
    spark = run_job(tmp_path, persons=1000, options=("--engine", "spark"))
    expected = content_of(small_job.bundles()["doorsluishuizen"], "outputs")
    assert content_of(spark.bundles()["doorsluishuizen"], "outputs") == expected
