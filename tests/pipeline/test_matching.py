"""Occupants without a BSN in the whole job: linked by name, with nothing of the names outside the identified zone."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.clerical_desk import review_sample, verdicts
from pipeline.custodian import open_desk
from pipeline.expiry import plan_expiry
from pipeline.linking import _matches
from pipeline.office import open_office
from pipeline.progress import Style, Teller
from pseudonymise.custody import Custody
from tests.canary_search import Canaries, Opening, leaking_files
from tests.conftest import CHECKOUT
from tests.pipeline.job import Job, copied_job, read_linked
from tests.pipeline.test_nothing_leaks import leaking_in, passphrase_of

pytestmark = pytest.mark.xdist_group("small-job")
SAMPLE = "identified/review/ondermijning-clearances-occupant.parquet"


def test_occupants_without_a_bsn_are_linked_with_pass_and_weight(small_job: Job) -> None:
    table = read_linked(small_job.workspace / "linked/ondermijning/clearances.parquet", small_job.workspace)
    by_name = table.filter(pc.is_valid(table["occupant_weight"]))
    assert by_name.num_rows > 0
    assert set(by_name["occupant_status"].to_pylist()) == {"R"}
    assert min(by_name["occupant_pass"].to_pylist()) > 1
    assert set(table.filter(pc.is_null(table["occupant_weight"]))["occupant_pass"].to_pylist()) == {1}


def test_the_report_says_for_whom_matching_is_right(small_job: Job) -> None:
    full = (small_job.workspace / "keys/ondermijning/linkage_quality.md").read_text()
    theirs = (small_job.workspace / "linked/ondermijning/linkage_quality.md").read_text()
    own = full.split("## clearances: occupant")[1]
    for group in ("| supplier | GM9001 |", "| sex | 1 |", "| age | 45-64 |"):
        assert group in own.split("### For whom it is right")[1].split("###")[0]
    assert "| sex | 1 | · | · |" in theirs  # fewer than a hundred were tried


def test_the_sample_for_clerks_is_encrypted_and_the_scratch_is_empty(small_job: Job) -> None:
    sample = small_job.workspace / SAMPLE
    assert sample.read_bytes()[:4] == b"PARE"
    assert sample.stat().st_mode & 0o777 == 0o400
    assert [path.name for path in (small_job.workspace / "scratch").iterdir()] == ["CACHEDIR.TAG"]


def test_names_are_in_no_file_that_matching_left(small_job: Job) -> None:
    people = pq.read_table(small_job.country / "key_register/persons.parquet")
    firms = pq.read_table(small_job.country / "key_register/entities.parquet")
    columns = (people["surname"], firms["name"], firms["trade_name"])
    names = [name for column in columns for name in column.unique().to_pylist() if len(name) > 9]
    canaries = Canaries(names)
    custody = Custody.open(small_job.workspace / "keys", passphrase_of(small_job))
    assert len(names) > 100
    assert leaking_files([small_job.country / "key_register"], canaries) != []
    assert leaking_in(small_job.workspace, canaries, Opening(custody)) == []
    assert leaking_files(small_job.places, canaries) == []
    opened = leaking_files([small_job.workspace / "identified"], canaries, Opening(custody))
    assert str(small_job.workspace / SAMPLE) in opened, "what clerks look at has names, and is read here"


def test_the_journal_tells_classes_of_counts(small_job: Job) -> None:
    lines = (small_job.workspace / "journal/journal.jsonl").read_text().splitlines()
    (entry,) = [found for found in map(json.loads, lines) if found["subject"] == "match clearances occupant"]
    assert set(entry["details"]["counts"].values()) <= {"0", "<10", "10-99"}


def test_a_clerk_judges_pairs_on_a_terminal_and_may_stop(small_job: Job, tmp_path: Path) -> None:
    job = copied_job(small_job, tmp_path)
    shown = on_a_terminal(job, b"u\nwhat?\nn\nq\n")
    assert "pair 3" in shown
    assert "2 verdicts taken up, 2 of 3 pairs" in shown
    kept = job.workspace / "keys/ondermijning/verdicts-clearances-occupant.parquet"
    assert kept.read_bytes()[:4] == b"PARE"
    secret = job.workspace / "people/custodian/passphrase"
    desk = open_desk(open_office(job.workspace), secret.read_bytes().strip(), Teller(Style.PLAIN))
    sample = review_sample(desk, "clearances", "occupant")
    assert verdicts(desk, "clearances", "occupant", sample) == {1: "unsure", 2: "no"}
    (entry,) = [found for found in desk.office.journal.entries() if found.action == "pairs judged"]
    assert (entry.subject, entry.details) == ("clearances occupant", {"yes": "0", "no": "<10", "unsure": "<10"})
    assert kept.name in _matches(desk.office, {"hemp_clearances"}), "linking is due again"
    until = max(r.findings.retention_date for r in desk.standing())
    gone = {Path(name).name for subject in plan_expiry(desk, until, until).subjects for name in subject.files}
    assert kept.name in gone


def on_a_terminal(job: Job, typed: bytes) -> str:
    """What a clerk sees who types this."""
    ours, theirs = pty.openpty()
    secret = job.workspace / "people/custodian/passphrase"
    command = [sys.executable, "-m", "pipeline", "clerical-review", "clearances", "occupant", "--judge"]
    options = ["--passphrase-file", secret, "--workspace", job.workspace]
    with subprocess.Popen([*command, *options], stdin=theirs, stdout=theirs, stderr=theirs, cwd=CHECKOUT):
        os.close(theirs)
        os.write(ours, typed)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal ends
            while part := os.read(ours, 65536):
                shown += part
    os.close(ours)
    return shown.decode()


def test_names_are_shown_on_a_terminal_only(small_job: Job) -> None:
    secret = small_job.workspace / "people/custodian/passphrase"
    done = small_job.zicht("clerical-review", "clearances", "occupant", "--passphrase-file", secret)
    assert done.code != 0
    assert "terminal" in done.err
    assert done.out == ""
