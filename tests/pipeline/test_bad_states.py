"""A full disk, and a changed file in any zone: a clear error, and everything else as it was."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from enclave.errors import Tampered
from enclave.fingerprints import Json, digest_file
from pipeline.clerical_desk import judge
from pipeline.custodian import open_desk
from pipeline.expiry import Plan, expire
from pipeline.linking import LISTED
from pipeline.office import open_office, utc_now
from pipeline.progress import Style, Teller
from pipeline.rotation import rotate
from pseudonymise.destruction import Destroyed
from tests.pipeline.job import Job, content_of, copied_job, zicht, zicht_here

pytestmark = pytest.mark.xdist_group("small-job")

CHANGED = {
    "inbox": "inbox/kadaster-land_registry-*.zicht",
    "identified": "identified/kadaster/land_registry_*.parquet",
    "receipt": "identified/receipts/kadaster-*.json",
    "pseudonymised": "pseudonymised/kadaster/*.parquet",
    "linked": "linked/ondermijning/transfers.parquet",
    "results": "results/ondermijning/doorsluishuizen-v1/requests.json",
    "gate": "gate/checked/doorsluishuizen-v1.json",
    "keys": "keys/ondermijning/*.parquet",
}


SOMETHING = Destroyed(kind="keys", name="k", project="ondermijning", retention_date=date(2020, 1, 1), files={}, keys=())


@pytest.fixture
def copied(small_job: Job, tmp_path: Path) -> Job:
    """The finished small job, to be spoiled."""
    return copied_job(small_job, tmp_path / "copy")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    mode = path.stat().st_mode
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(mode)


def state(workspace: Path) -> dict[str, str]:
    """Digests of all files but the journal, which tells of the refusal."""
    files = (path for path in workspace.rglob("*") if path.is_file() and "scratch" not in path.as_posix())
    return {str(path): digest_file(path) for path in files if "journal" not in path.parts}


@pytest.mark.parametrize("zone", CHANGED)
def test_a_changed_file_stops_the_run_and_nothing_else_changes(zone: str, copied: Job) -> None:
    changed = sorted(copied.workspace.glob(CHANGED[zone]))[0]
    flip(changed)
    if zone == "keys":  # the linked data would be made anew from the key tables: take them away
        shutil.rmtree(copied.workspace / "linked/ondermijning")
    before = state(copied.workspace)
    done = copied.zicht_here(
        "all", "ondermijning", "--passphrase-file", copied.workspace / "people/custodian/passphrase"
    )
    assert done.code == (2 if zone == "inbox" else 6), done.said
    assert "Next: " in done.err
    assert zone == "inbox" or changed.name in done.err
    assert "Traceback" not in done.err
    after = state(copied.workspace)
    assert {name: digest for name, digest in after.items() if name in before} == before


def test_a_changed_missing_or_foreign_file_among_the_key_tables_stops_every_command_that_writes_there(
    copied: Job,
) -> None:
    office = open_office(copied.workspace)
    desk = open_desk(office, (copied.workspace / "people/custodian/passphrase").read_bytes(), Teller(Style.PLAIN))
    tables = sorted(path for path in office.key_folder.iterdir() if path.suffix != ".svg")
    assert {"hashes-000001.parquet", "versions.json", "units-000001.parquet", "inventory.json"} < {
        p.name for p in tables
    }
    today = utc_now().date()
    commands: dict[str, Callable[[], object]] = {
        "link": desk.link,
        "pseudonymise": desk.pseudonymise,
        "rotate": lambda: rotate(desk, date(2099, 1, 1)),
        "expire": lambda: expire(desk, Plan(on=today, subjects=(SOMETHING,)), utc_now()),
        "judge": lambda: judge(desk, "clearances", "occupant", pa.table({}), {}),
    }

    before = state(copied.workspace)

    def refused(path: Path, *said: str) -> None:
        found = path.read_bytes() if path.is_file() else None
        for command in said:
            with pytest.raises(Tampered, match=re.escape(path.name)) as raised:
                commands[command]()
            assert raised.value.next_step, command
        assert (path.read_bytes() if path.is_file() else None) == found

    for path in tables:
        kept = path.read_bytes()
        flip(path)
        refused(path, "link")
        path.write_bytes(kept)
    for name in ("versions.json", "inventory.json"):
        path = office.key_folder / name
        path.rename(aside := copied.workspace / "aside")
        refused(path, *commands)
        aside.rename(path)
    foreign = office.key_folder / "units-000002.parquet"
    shutil.copyfile(office.key_folder / "units-000001.parquet", foreign)
    refused(foreign, *commands)
    foreign.unlink()
    assert state(copied.workspace) == before
    assert not desk.link().ran
    forged: dict[str, Json] = {"revision": 10**6, "signature": "A" * 86 + "=="}
    office.journal.append(actor="r", action=LISTED, subject="ondermijning", details=forged, now=utc_now())
    assert not desk.link().ran, "what researchers write in the journal is passed over"
    shutil.copytree(office.key_folder, aside)
    (office.key_folder / "linkage.md").unlink()
    assert desk.link().ran, "a report is written again"
    assert not desk.link().ran
    shutil.rmtree(office.key_folder)
    aside.rename(office.key_folder)
    refused(office.key_folder / "inventory.json", *commands)


def test_a_changed_request_is_not_decided_on(copied: Job) -> None:
    (request,) = (path.name for path in copied.workspace.glob("review/doorsluishuizen-*"))
    flip(next(copied.workspace.glob("review/doorsluishuizen-*/outputs/*/*.csv")))
    assert copied.zicht_here("review", "show", request).code == 6


def test_a_changed_release_does_not_verify(copied: Job) -> None:
    bundle = copied.bundles()["doorsluishuizen"]
    flip(next(bundle.glob("outputs/*/*.csv")))
    done = zicht_here("verify", bundle, "--key", copied.workspace / "keys/release.pub")
    assert done.code == 6
    assert "outputs/doorsluishuizen" in done.err


def test_a_changed_journal_is_found(copied: Job) -> None:
    journal = copied.workspace / "journal/journal.jsonl"
    content = journal.read_bytes()
    assert b'"accepted":' in content
    journal.write_bytes(content.replace(b'"accepted":', b'"accepted_":', 1))
    done = copied.zicht_here("journal", "verify")
    assert done.code == 6
    assert "was changed" in done.err


@pytest.fixture(
    params=[
        "600k",
        *(pytest.param(size, marks=pytest.mark.sweep) for size in ("200k", "400k", "900k", "1200k", "1500k", "1800k")),
    ]
)
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk that is full early, later, and late in the job."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", disk], check=False)  # noqa: S607
    if mounted.returncode:
        pytest.skip("this machine mounts no tmpfs")
    yield disk
    subprocess.run(["umount", disk], check=True)  # noqa: S607


def test_a_full_disk_loses_nothing_and_with_space_the_job_goes_on(
    small_disk: Path, small_job: Job, tmp_path: Path
) -> None:
    size = ("--persons", "1000", "--seed", "1")
    arguments = ("demo", *size, "--only", "doorsluishuizen", "--country", tmp_path / "country")
    full = zicht(*arguments, "--workspace", small_disk / "run")
    assert full.code == 7, full.said
    assert "the disk is full" in full.err
    for bundle in small_disk.glob("run/released/*/*"):
        assert zicht_here("verify", bundle, "--key", small_disk / "run/keys/release.pub").code == 0
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)  # noqa: S607
    done = zicht(*arguments, "--workspace", small_disk / "run")
    assert done.code == 0, done.said
    (bundle,) = small_disk.glob("run/released/*/doorsluishuizen-*")
    parts = ("outputs", "evidence")
    assert content_of(bundle, *parts) == content_of(small_job.bundles()["doorsluishuizen"], *parts)
