"""Killed anywhere, the job goes on when it is run again, and releases what an undisturbed one releases."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.pipeline.job import Job, content_of, run_job, zicht

pytestmark = pytest.mark.xdist_group("small-job")
PARTS = ("outputs", "evidence")
COMMAND = [sys.executable, "-m", "pipeline", "demo", "--persons", "1000", "--seed", "1"]


def killed_after(seconds: float, workspace: Path) -> bool:
    """Start the job and kill it, with the children it has, after ``seconds``; whether it was still running."""
    process = subprocess.Popen(
        [*COMMAND, "--workspace", str(workspace)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        start_new_session=True,
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def rerun(workspace: Path) -> Job:
    done = zicht("demo", "--persons", "1000", "--seed", "1", "--workspace", workspace)
    assert done.code == 0, done.said
    return Job(workspace.parent, done)


def check_survives(points: int, seed: int, undisturbed: Job, root: Path) -> None:
    started = time.monotonic()
    run_job(root / "timed", persons=1000)
    length = time.monotonic() - started
    chance = random.Random(seed)
    workspace = root / "run"
    for _ in range(points):
        if not killed_after(chance.uniform(0.5, length), workspace):
            break
    job = rerun(workspace)
    expected = content_of(undisturbed.bundles()["doorsluishuizen"], *PARTS)
    assert content_of(job.bundles()["doorsluishuizen"], *PARTS) == expected
    assert job.zicht("journal", "verify").code == 0
    left = [path for path in workspace.rglob("*.part-*") if "scratch" not in path.as_posix()]
    assert len(left) <= points


def test_killed_at_random_points_the_job_ends_the_same(small_job: Job, tmp_path: Path) -> None:
    check_survives(5, 1, small_job, tmp_path)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(6))
def test_killed_many_times_the_job_ends_the_same(seed: int, small_job: Job, tmp_path: Path) -> None:
    check_survives(8, seed, small_job, tmp_path)
