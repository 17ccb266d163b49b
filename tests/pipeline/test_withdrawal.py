"""After a withdrawal: what was linked from the delivery is used no more, and the journal says what it was used for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from enclave.journal import Journal
from enclave.project import load_project
from pipeline.lineage import USED, journal_use, releases_using, told_uses, untold, withdrawn_since_linked
from pseudonymise.receipt import Receipt
from tests.conftest import CHECKOUT
from tests.pipeline.job import Job, read_linked
from tests.pseudonymise.small_town import NOW

PROJECT = load_project(CHECKOUT / "configs" / "projects" / "ondermijning.yaml")
LAND, HEMP = "kadaster-land_registry-1996-2015-0123456789ab", "GM9001-hemp_clearances-2016-0123456789ab"


def journal_of(folder: Path, *events: tuple[str, str]) -> Journal:
    """A journal with these actions and subjects."""
    journal = Journal(folder)
    for action, subject in events:
        details = {"bundle": f"ondermijning/{subject}"} if action == "request.release" else {}
        journal.append(actor="test", action=action, subject=subject, details=details, now=NOW)
    return journal


ACCEPTED, WITHDRAWN, LINK = "delivery-accepted", "delivery-withdrawn", ("step finished", "link")
V3, D2 = ("request.release", "doorsluishuizen-v1-aaaaaaaaaaaa"), ("request.release", "hemp_risk-v1-bbbbbbbbbbbb")


@pytest.mark.parametrize(
    ("events", "delivery", "used"),
    [
        ([(ACCEPTED, LAND), LINK, V3], LAND, ["doorsluishuizen"]),
        ([(ACCEPTED, HEMP), LINK, V3, D2], HEMP, ["hemp_risk"]),
        ([LINK, V3, (ACCEPTED, LAND)], LAND, []),
        ([(ACCEPTED, LAND), V3], LAND, []),
        ([(ACCEPTED, LAND), LINK, (WITHDRAWN, LAND), V3], LAND, ["doorsluishuizen"]),
        ([(ACCEPTED, LAND), LINK, (WITHDRAWN, LAND), LINK, V3], LAND, []),
        ([(ACCEPTED, LAND), LINK, ("request.release", "gone-v1-cccccccccccc")], LAND, ["gone"]),
    ],
)
def test_a_release_used_what_was_linked_when_it_was_made(
    events: list[tuple[str, str]], delivery: str, used: list[str], tmp_path: Path
) -> None:
    found = releases_using(journal_of(tmp_path, *events), PROJECT, delivery)
    assert [name.split("/")[1].split("-")[0] for name in found] == used


def test_linked_data_are_stale_from_a_withdrawal_to_the_next_link(tmp_path: Path) -> None:
    before = [(ACCEPTED, LAND), (ACCEPTED, HEMP), LINK]
    assert withdrawn_since_linked(journal_of(tmp_path / "a", *before)) == ()
    assert withdrawn_since_linked(journal_of(tmp_path / "b", *before, (WITHDRAWN, HEMP))) == (HEMP,)
    assert withdrawn_since_linked(journal_of(tmp_path / "c", *before, (WITHDRAWN, HEMP), LINK)) == ()
    assert withdrawn_since_linked(journal_of(tmp_path / "d", (ACCEPTED, HEMP), (WITHDRAWN, HEMP))) == ()


def test_uses_are_told_once(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, (ACCEPTED, LAND), LINK, V3, (WITHDRAWN, LAND))
    assert untold(journal) == (LAND,)
    journal_use(journal, PROJECT, LAND, actor="custodian", now=NOW)
    assert untold(journal) == ()
    assert told_uses(journal) == {LAND: ("ondermijning/doorsluishuizen-v1-aaaaaaaaaaaa",)}


@pytest.mark.xdist_group("small-job")
def test_after_a_withdrawal_nothing_runs_until_it_is_linked_again_without_the_delivery(
    small_job: Job, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("withdrawn")  # as deep as the job's own: its settings hold relative paths
    shutil.copytree(small_job.root, root, dirs_exist_ok=True, symlinks=True)
    job = Job(root, small_job.done)
    phrase = ("--passphrase-file", job.workspace / "people" / "custodian" / "passphrase")
    receipts = [Receipt.model_validate_json(path.read_bytes()) for path in job.workspace.glob("identified/receipts/*")]
    accepted = {receipt.findings.schema_name: receipt for receipt in receipts if receipt.accepted}
    (bundle,) = [path for name, path in job.bundles().items() if name == "doorsluishuizen"]

    hemp = accepted["hemp_clearances"].findings
    linked = job.workspace / "linked" / "ondermijning" / "clearances.parquet"
    rows = read_linked(linked, job.workspace).num_rows
    done = job.zicht("withdraw", hemp.delivery, "--reason", "errors", *phrase)
    assert done.code == 0, done.said
    assert not list(job.workspace.glob(f"*/{hemp.supplier}/hemp_clearances_2016.parquet"))
    assert job.zicht("run", "doorsluishuizen").code == 10
    assert "hold a delivery that was withdrawn" in job.zicht("check", "doorsluishuizen").said
    done = job.zicht("link", *phrase)  # records were matched by name while the delivery stood
    assert done.code == 10
    assert "match clearances occupant was not run on the deliveries that stand" in done.said
    for step in ("receive", "pseudonymise", "link"):
        done = job.zicht(step, *phrase)
        assert done.code == 0, done.said
    assert read_linked(linked, job.workspace).num_rows == rows - hemp.accepted
    assert job.zicht("run", "doorsluishuizen").code == 0

    done = job.zicht("withdraw", accepted["land_registry"].findings.delivery, "--reason", "not-allowed", *phrase)
    assert f"releases that used it: {bundle.parent.name}/{bundle.name}" in done.out
    assert job.zicht("pseudonymise", *phrase).code == 0
    done = job.zicht("link", *phrase)
    assert done.code == 10  # nobody else delivers it: the question waits
    assert "land_registry" in done.said
    assert job.zicht("run", "doorsluishuizen").code == 10
    journal = Journal(job.workspace / "journal")
    journal.verify()
    assert [entry.action for entry in journal.entries()].count(USED) == 2
