"""The released odds ratios against the planted ones, over twenty countries."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import pytest
from scipy.stats import binomtest

from tests.pipeline.job import Job, run_job


def covered(job: Job) -> dict[str, bool]:
    """Per covariate whether the released 95 % interval holds the marginal truth."""
    truth = json.loads((job.country / "truth/hemp.json").read_text())["marginal"]
    (file,) = job.bundles()["hemp_risk"].glob("outputs/*/hemp_odds.csv")
    with file.open(newline="") as handle:
        rows = {row["term"]: row for row in csv.DictReader(handle)}
    return {
        name: float(rows[name]["ci95_low"]) <= math.exp(value) <= float(rows[name]["ci95_high"])
        for name, value in truth.items()
        if name in rows
    }


@pytest.mark.sweep
def test_released_intervals_cover_the_planted_odds_as_often_as_they_say(tmp_path: Path) -> None:
    hits: list[bool] = []
    for seed in range(101, 121):
        job = run_job(tmp_path / str(seed), persons=50_000, seed=seed, options=("--only", "hemp_risk"))
        found = covered(job)
        assert len(found) == 10
        hits += found.values()
        shutil.rmtree(tmp_path / str(seed))
    print(f"covered {sum(hits)} of {len(hits)}")  # noqa: T201 - the figure of the acceptance
    assert binomtest(sum(hits), len(hits), 0.95, alternative="less").pvalue > 0.001
