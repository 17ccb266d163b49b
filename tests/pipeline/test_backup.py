"""A backup of all zones, put back after the date: no record can be read from it; a killed run leaves none in a zone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from enclave.errors import KeyUnavailable
from enclave.zones import Zone
from pipeline.custodian import open_desk
from pipeline.expiry import expire, plan_expiry
from pipeline.office import open_office, utc_now
from pipeline.progress import Style, Teller
from pipeline.research import ResearchDesk
from tests.canary_search import decoded
from tests.conftest import CHECKOUT
from tests.pipeline.job import Job, copied_job, read_linked

pytestmark = pytest.mark.xdist_group("small-job")
END = date(2031, 12, 31)
DWELLINGS, DERIVED = (
    "linked/ondermijning/dwellings.parquet",
    "results/ondermijning/doorsluishuizen-v1/dwellings.parquet",
)


def holding(folders: Iterable[Path], numbers: Iterable[int]) -> set[str]:
    """Files in which a unit's number stands, as bytes or as text, however they are packed."""
    shapes = [shape for number in numbers for shape in (number.to_bytes(8, "little"), str(number).encode())]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        "/".join(path.parts[-3:]) for path in files if any(shape in part for part in decoded(path) for shape in shapes)
    }


def zones(root: Path) -> list[Path]:
    return [root / zone.value for zone in Zone]


def killed_with_plain_rows(job: Job) -> list[Path]:
    """Kill ``zicht run`` when its run folder holds plain data; what is left of that folder."""
    command = [sys.executable, "-m", "pipeline", "run", "doorsluishuizen", "--again", "--workspace", job.workspace]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not list(job.workspace.glob("scratch/engine-*/sandbox/*/out")):
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return sorted(job.workspace.glob("scratch/engine-*/linked/*.parquet"))


def test_after_the_date_no_record_can_be_read_from_a_backup_of_the_zones(small_job: Job, tmp_path: Path) -> None:
    job = copied_job(small_job, tmp_path)
    root = job.root
    numbers = read_linked(job.workspace / DWELLINGS, job.workspace)["dwelling"].to_pylist()[:40]
    assert set(numbers) & set(read_linked(job.workspace / DERIVED, job.workspace)["dwelling"].to_pylist())

    (plain,) = (path for path in killed_with_plain_rows(job) if path.stem == "dwellings")
    assert pq.read_table(plain)["dwelling"].to_pylist()[:40] == numbers
    for zone in zones(job.workspace):
        shutil.copytree(zone, root / "backup" / zone.name, ignore=shutil.ignore_patterns("key-store.json"))
    theirs = {"/".join(Path(name).parts[-3:]) for name in (DWELLINGS, DERIVED)}
    assert theirs <= holding(zones(job.workspace), numbers)
    assert holding([root / "backup"], numbers) == set()

    office = open_office(job.workspace)
    passphrase = (job.workspace / "people/custodian/passphrase").read_bytes()
    desk = open_desk(office, passphrase, Teller(Style.PLAIN))
    expire(desk, plan_expiry(desk, END, today=END), utc_now())
    desk.custody.close()
    assert [path.name for path in (job.workspace / "scratch").iterdir()] == ["CACHEDIR.TAG"]
    for zone in zones(root / "backup"):
        shutil.copytree(zone, job.workspace / zone.name, dirs_exist_ok=True)
    assert (job.workspace / DWELLINGS).is_file()
    assert holding([*zones(job.workspace), job.workspace / "data-keys", job.workspace / "journal"], numbers) == set()

    research = ResearchDesk(office, Teller(Style.PLAIN), actor="researcher")
    (use,) = research.uses("doorsluishuizen")
    for work in (research.run, research.check):
        with pytest.raises(KeyUnavailable, match=r"kept until 2031-12-31[\s\S]*Next: if the date has passed"):
            work(use, again=True)
