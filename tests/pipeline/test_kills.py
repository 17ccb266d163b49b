"""Killed anywhere, the job goes on when it is run again, and ends with the bytes of an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.custodian import open_desk
from pipeline.office import open_office
from pipeline.progress import Style, Teller
from pseudonymise.withdrawal import Reason
from tests.conftest import CHECKOUT
from tests.pipeline.job import Job, content_of, zicht
from tests.pipeline.way_in import zones

pytestmark = pytest.mark.xdist_group("small-job")
PARTS = ("outputs", "evidence")
DEMO = ("demo", "--persons", "1000", "--seed", "1", "--only", "doorsluishuizen")
LINKED = "link"
LONGEST_STEP = 2.0  # seconds between two entries of the journal


def killed_at(entries: int, delay: float, workspace: Path) -> bool:
    """Start the job and kill it, with its children, ``delay`` seconds after the journal has so many entries.

    Whether it was still running.
    """
    journal = workspace / "journal" / "journal.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *DEMO, "--workspace", str(workspace)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        start_new_session=True,
    )
    while process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") >= entries:
            try:
                process.wait(timeout=delay)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return True
        time.sleep(0.02)
    return False


def rerun(workspace: Path) -> Job:
    done = zicht(*DEMO, "--workspace", workspace)
    assert done.code == 0, done.said
    return Job(workspace.parent, done)


def entries_until(step: str, job: Job) -> int:
    """How many entries the journal has when ``step`` is finished."""
    lines = (job.workspace / "journal" / "journal.jsonl").read_text().splitlines()
    return 1 + next(i for i, line in enumerate(lines) if json.loads(line)["subject"] == step)


def passphrase_of(workspace: Path) -> bytes:
    return (workspace / "people/custodian/passphrase").read_bytes()


def check_survives(points: int, seed: int, undisturbed: Job, root: Path) -> None:
    chance = random.Random(seed)
    workspace = root / "run"
    last = entries_until(LINKED, undisturbed)
    killed = [
        killed_at(entries, chance.uniform(0, LONGEST_STEP), workspace)
        for entries in sorted(chance.sample(range(last), points))
    ]
    assert all(killed)
    job = rerun(workspace)
    ours, theirs = zones(job), zones(undisturbed)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    expected = content_of(undisturbed.bundles()["doorsluishuizen"], *PARTS)
    assert content_of(job.bundles()["doorsluishuizen"], *PARTS) == expected
    assert job.zicht("journal", "verify").code == 0
    desk = open_desk(open_office(workspace), passphrase_of(workspace), Teller(Style.PLAIN))
    desk.withdraw(desk.standing()[0].findings.delivery, Reason.ERRORS)
    assert [path for path in workspace.rglob("*.part-*") if "scratch" not in path.as_posix()] == []


def test_killed_at_random_points_the_job_ends_the_same(small_job: Job, tmp_path: Path) -> None:
    check_survives(3, 1, small_job, tmp_path)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(20))
def test_killed_many_times_on_the_way_in_the_job_ends_the_same(seed: int, small_job: Job, tmp_path: Path) -> None:
    """Two hundred kills while deliveries are received, pseudonymised, matched and linked."""
    check_survives(10, seed, small_job, tmp_path)
