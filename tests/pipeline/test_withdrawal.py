"""After a withdrawal: what was linked from the delivery is used no more, and the journal says what it was used for."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from enclave.data_keys import DataKeys
from enclave.encrypted_files import DataKey
from enclave.entropy import SeededEntropy
from enclave.errors import KeyUnavailable, NotReady, Tampered
from enclave.files import TEMPORARY_MARK
from enclave.fingerprints import Json
from enclave.journal import Journal
from enclave.project import AnalysisUse, load_project
from enclave.zones import Workspace, Zone
from pipeline.expiry import refuse_resurrected
from pipeline.lineage import (
    KEYS_DESTROYED,
    USED,
    journal_use,
    releases_using,
    told_uses,
    untold,
    withdrawn_since_linked,
)
from pipeline.linking import remove_tables, withhold_withdrawn
from pipeline.matched_keys import forget_withdrawn
from pipeline.office import create_office, open_office, settings_for
from pipeline.overview import deliveries_of, overview
from pipeline.progress import Style, Teller
from pipeline.research import ResearchDesk
from pipeline.runner import Runner
from pipeline.sandbox.run import SandboxResult
from pipeline.withdrawn_rows import refuse_withdrawn_rows
from pseudonymise.custody import Custody
from pseudonymise.receipt import Receipt
from tests.conftest import CHECKOUT
from tests.enclave.test_files import forked
from tests.pipeline.job import Job, copied_job, read_linked
from tests.pseudonymise.small_town import NOW

PROJECT = load_project(CHECKOUT / "configs" / "projects" / "ondermijning.yaml")
LAND, HEMP = "kadaster-land_registry-1996-2015-0123456789ab", "GM9001-hemp_clearances-2016-0123456789ab"


def journal_of(folder: Path, *events: tuple[str, ...]) -> Journal:
    """A journal with these actions and subjects; what follows are deliveries."""
    journal = Journal(folder)
    for action, subject, *listed in events:
        details: dict[str, Json] = {"bundle": f"ondermijning/{subject}"} if action == "request.release" else {}
        details |= {"parts" if action == WITHDRAWN else "deliveries": list(listed)} if listed else {}
        journal.append(actor="test", action=action, subject=subject, details=details, now=NOW)
    return journal


ACCEPTED, WITHDRAWN, LINK = "delivery-accepted", "delivery-withdrawn", ("step finished", "link")
V3, D2 = ("request.release", "doorsluishuizen-v1-aaaaaaaaaaaa"), ("request.release", "hemp_risk-v1-bbbbbbbbbbbb")


@pytest.mark.parametrize(
    ("events", "delivery", "used"),
    [
        ([(*LINK, LAND), V3], LAND, ["doorsluishuizen"]),
        ([(*LINK, LAND, HEMP), V3, D2], HEMP, ["hemp_risk"]),
        ([(*LINK, HEMP), V3, (ACCEPTED, LAND)], LAND, []),
        ([(ACCEPTED, LAND), V3], LAND, []),
        ([(*LINK, LAND), (WITHDRAWN, LAND), V3], LAND, ["doorsluishuizen"]),
        ([(WITHDRAWN, LAND), (*LINK, LAND), V3], LAND, ["doorsluishuizen"]),  # withdrawn while it was linked
        ([(*LINK, LAND), (WITHDRAWN, LAND), LINK, V3], LAND, []),
        ([(*LINK, LAND), ("request.release", "gone-v1-cccccccccccc")], LAND, ["gone"]),
    ],
)
def test_a_release_used_what_was_linked_when_it_was_made(
    events: list[tuple[str, ...]], delivery: str, used: list[str], tmp_path: Path
) -> None:
    found = releases_using(journal_of(tmp_path, *events), PROJECT, delivery)
    assert [name.split("/")[1].split("-")[0] for name in found] == used


def test_linked_data_are_stale_from_a_withdrawal_to_the_next_link(tmp_path: Path) -> None:
    linked, gone = (*LINK, LAND, HEMP), (WITHDRAWN, HEMP)
    assert withdrawn_since_linked(journal_of(tmp_path / "a", linked)) == ()
    assert withdrawn_since_linked(journal_of(tmp_path / "b", linked, gone)) == (HEMP,)
    assert withdrawn_since_linked(journal_of(tmp_path / "c", gone, linked)) == (HEMP,)
    assert withdrawn_since_linked(journal_of(tmp_path / "d", linked, gone, (*LINK, LAND))) == ()
    assert withdrawn_since_linked(journal_of(tmp_path / "e", linked, (WITHDRAWN, "part", "part", HEMP))) == (HEMP,)
    assert withdrawn_since_linked(journal_of(tmp_path / "f", (ACCEPTED, HEMP), gone)) == ()


def test_uses_are_told_once(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, (*LINK, LAND), V3, (WITHDRAWN, LAND))
    assert untold(journal) == (LAND,)
    journal_use(journal, PROJECT, LAND, actor="custodian", now=NOW)
    assert untold(journal) == ()
    assert told_uses(journal) == {LAND: ("ondermijning/doorsluishuizen-v1-aaaaaaaaaaaa",)}


def test_what_was_made_of_a_withdrawn_delivery_is_taken_back_where_the_project_knows_it_no_more_too(
    tmp_path: Path,
) -> None:
    """Keys of what is linked, derived rows, and what was matched under a key that is not in the project any more."""
    (tmp_path / "data").mkdir()
    settings = settings_for(tmp_path / "run", tmp_path / "data", CHECKOUT / "configs", project=PROJECT.name)
    office = create_office(tmp_path / "run", settings)
    run, match = office.workspace.root, "match clearances"
    events = [
        (LINK[0], f"{match} former", HEMP),
        (*LINK, LAND, HEMP),
        (WITHDRAWN, HEMP),
        (LINK[0], f"{match} later", LAND),
    ]
    journal = journal_of(run / "journal", *events)
    former = [run / "keys/ondermijning/labelled-clearances-former.parquet"]
    former.append(run / "identified/review/ondermijning-clearances-former.parquet")
    derived, other = (run / "results/ondermijning" / name / "f.parquet" for name in ("hemp_risk-v1", V3[1][:18]))
    later = run / "keys/ondermijning/matches-clearances-later.parquet"
    for path in (*former, derived, other, later):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"rows")
    keys = DataKeys(office.workspace.data_keys)
    custody = Custody.create(office.workspace.path(Zone.KEY), b"custodian", SeededEntropy(1))
    keys.hand_out(key := custody.data_key("ondermijning", "dwellings", PROJECT.retention_date))
    keys.hand_out(DataKey("ondermijning/clearances/2031-12-31", bytes(32)))  # of an earlier version
    records = Runner(run, journal, actor="test", clock=lambda: NOW).records()
    forget_withdrawn(office, records, partial(remove_tables, office, custody))
    set_back = (run / "keys/key-store.json").read_bytes()
    for _ in range(2):
        assert withhold_withdrawn(office, custody)
    assert [path.exists() for path in (*former, later, derived, other)] == [False, False, True, False, True]
    assert list(keys.names("ondermijning")) == []
    assert [entry.details["keys"] for entry in journal.entries() if entry.action == KEYS_DESTROYED] == [
        [f"data/{key.name}"]
    ]
    refuse_resurrected(office, custody)
    (run / "keys/key-store.json").write_bytes(set_back)
    with pytest.raises(Tampered, match="was set back: 1 keys"):
        refuse_resurrected(office, custody)


def test_rows_that_another_user_derived_are_named_and_nothing_is_linked_until_these_are_gone(tmp_path: Path) -> None:
    """As under separate operating-system users: results are the researchers', and here root's."""
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    (tmp_path / "data").mkdir()
    settings = settings_for(tmp_path / "run", tmp_path / "data", CHECKOUT / "configs", project=PROJECT.name)
    office = replace(create_office(tmp_path / "run", settings), workspace=Workspace(Path("run")))
    journal = journal_of(tmp_path / "run/journal", (*LINK, LAND, HEMP), (WITHDRAWN, HEMP))
    for path in (tmp_path, folder := tmp_path / "run/journal", *folder.iterdir()):
        path.chmod(0o755)
    results = tmp_path / "run/results/ondermijning"
    for name, mode in (("hemp_risk-v1", 0o755), (".hemp_risk-v1.part-12345678", 0o700), ("former-v1", 0o750)):
        (results / name).mkdir(parents=True)
        (results / name / "f.parquet").write_bytes(b"rows")
        (results / name).chmod(mode)

    (tmp_path / "run/scratch/engine-killed").mkdir(mode=0o700)

    def as_custodian(left: list[str]) -> None:
        os.chdir(tmp_path)
        os.setuid(65534)
        with pytest.raises(NotReady, match="not complete") if left else nullcontext() as refused:
            refuse_withdrawn_rows(office)
        said = re.findall(r"(?:results/ondermijning|scratch)/(\S+) of user root", str(refused.value) if refused else "")
        assert sorted(said) == left

    assert (
        forked(lambda: as_custodian([".hemp_risk-v1.part-12345678", "engine-killed", "former-v1", "hemp_risk-v1"])) == 0
    )
    researcher = ResearchDesk(replace(office, workspace=Workspace(tmp_path / "run")), Teller(Style.PLAIN), actor="r")
    with pytest.raises(NotReady, match="hold a delivery that was withdrawn"):
        researcher.run(PROJECT.analysis("hemp_risk"))
    assert [*tmp_path.rglob("*.parquet"), *tmp_path.rglob("engine-*")] == []
    assert forked(lambda: as_custodian([])) == 0
    journal.verify()


class RelinkedMeanwhile(ResearchDesk):
    """A desk of which another links the data while the analysis is in the sandbox."""

    def _sandboxed(self, use: AnalysisUse, linked: Mapping[str, Path], out: Path, scratch: Path) -> SandboxResult:
        entries = [entry for entry in self.office.journal.entries() if (entry.action, entry.subject) == LINK]
        details = entries[-1].details
        self.office.journal.append(actor="custodian", action=LINK[0], subject=LINK[1], details=details, now=NOW)
        return super()._sandboxed(use, linked, out, scratch)


def received(job: Job) -> list[int]:
    """How many deliveries were received, and how many withdrawn, as ``zicht status`` says."""
    office = open_office(job.workspace)
    (line,) = [line.says for line in overview(office, deliveries_of(office))[0] if line.zone == "identified"]
    return [int(count) for count in re.findall(r"([0-9]+) (?:deliveries received|withdrawn)", line)]


def keys_of(job: Job) -> list[str]:
    """The working copies of keys of linked data."""
    return [path.name for path in job.workspace.glob("data-keys/*/*.key")]


@pytest.mark.xdist_group("small-job")
def test_after_a_withdrawal_nothing_runs_until_it_is_linked_again_without_the_delivery(
    small_job: Job, tmp_path: Path
) -> None:
    job = copied_job(small_job, tmp_path)
    phrase = ("--passphrase-file", job.workspace / "people" / "custodian" / "passphrase")
    receipts = [Receipt.model_validate_json(path.read_bytes()) for path in job.workspace.glob("identified/receipts/*")]
    accepted = {receipt.findings.schema_name: receipt for receipt in receipts if receipt.accepted}
    (bundle,) = [path for name, path in job.bundles().items() if name == "doorsluishuizen"]

    hemp = accepted["hemp_clearances"].findings
    linked = job.workspace / "linked" / "ondermijning" / "clearances.parquet"
    rows = read_linked(linked, job.workspace).num_rows
    backup = [linked, job.workspace / "linked/ondermijning/dwellings.parquet"]  # rows derived from both lie under one
    backup = [Path(shutil.copyfile(path, tmp_path / path.name)) for path in backup]
    matching = [path for path in job.workspace.rglob("*-clearances-occupant.*") if "linkage" not in path.name]
    assert len(matching) == 4
    kept = {path: path.read_bytes() for path in matching}
    before = received(job)
    # as a killed step leaves it, whole but under another name
    places = ("linked/ondermijning", "pseudonymised", "identified/review", "keys/ondermijning")
    left = [job.workspace / place / f".clearances.parquet{TEMPORARY_MARK}x" for place in places]
    for path in left:
        path.write_bytes(linked.read_bytes())
    done = job.zicht_here("withdraw", hemp.delivery, "--reason", "errors", *phrase)
    assert done.code == 0, done.said
    assert not any(path.exists() for path in left)
    assert not list(job.workspace.glob(f"*/{hemp.supplier}/hemp_clearances_2016.parquet"))
    assert job.zicht_here("run", "doorsluishuizen").code == 10
    assert "hold a delivery that was withdrawn" in job.zicht_here("check", "doorsluishuizen").said
    assert received(job) == [before[0] - 1, 1]
    assert not any(path.exists() for path in matching)
    assert keys_of(job) == []
    for path, content in kept.items():  # as a kill leaves them
        path.write_bytes(content)
    done = job.zicht_here("link", *phrase)  # records were matched by name while the delivery stood
    assert not any(path.exists() for path in matching)
    assert done.code == 10
    assert "match clearances dwelling was not run on the deliveries that stand" in done.said
    for step in ("receive", "pseudonymise", "link"):
        done = job.zicht_here(step, *phrase)
        assert done.code == 0, done.said
    assert keys_of(job) != []
    for path in backup:
        with pytest.raises(KeyUnavailable):
            read_linked(path, job.workspace)
    assert read_linked(linked, job.workspace).num_rows == rows - hemp.accepted
    assert job.zicht_here("run", "doorsluishuizen").code == 0
    derived = list(job.workspace.glob("results/ondermijning/*/*.parquet"))
    others = [path for path in derived if "doorsluishuizen" not in path.parent.name]
    assert others != derived
    office = open_office(job.workspace)
    with pytest.raises(NotReady, match="linked again while the analysis ran"):
        RelinkedMeanwhile(office, Teller(Style.PLAIN), actor="r").run(
            office.project.analysis("doorsluishuizen"), again=True
        )
    aside = (job.workspace / "journal").rename(job.workspace / "aside")  # linked, and killed before that was journalled
    office = open_office(job.workspace)
    with pytest.raises(NotReady, match="linking was broken off"):
        ResearchDesk(office, Teller(Style.PLAIN), actor="r").run(office.project.analysis("doorsluishuizen"))
    aside.rename(job.workspace / "journal")

    done = job.zicht_here("withdraw", accepted["land_registry"].findings.delivery, "--reason", "not-allowed", *phrase)
    assert f"releases that used it: {bundle.parent.name}/{bundle.name}" in done.out
    assert job.zicht_here("pseudonymise", *phrase).code == 0
    done = job.zicht_here("link", *phrase)
    assert done.code == 10  # nobody else delivers it: the question waits
    assert "land_registry" in done.said
    assert job.zicht_here("run", "doorsluishuizen").code == 10
    assert keys_of(job) == []  # what is linked stays until then, and nobody reads it
    assert set(job.workspace.glob("results/ondermijning/*/*.parquet")) <= set(others)
    journal = Journal(job.workspace / "journal")
    journal.verify()
    assert [entry.action for entry in journal.entries()].count(USED) == 2
