"""The review finds what was altered, forged or left half by a kill, in any order of commands."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from enclave.errors import NotAllowed, Tampered
from enclave.files import TEMPORARY_MARK
from enclave.journal import Journal
from enclave.zones import Zone
from output_control import review
from output_control.review.cases import open_case
from output_control.review.request_file import read_request
from output_control.review.states import Action, State
from tests.output_control.desk import (
    CONTEXT,
    KEYS,
    Office,
    a_roster,
    contents,
    roster_lines,
)
from tests.output_control.killing import audited
from tests.output_control.review_acts import do


@pytest.mark.parametrize("part", ["outputs/v3/area.csv", "evidence/v3/area.json", "annex/v3/area.json", "policy.json"])
@pytest.mark.parametrize("how", ["altered", "removed", "link"])
def test_a_changed_file_is_found_before_anyone_sees_or_signs_it(office: Office, part: str, how: str) -> None:
    request = office.submit()
    path = office.workspace.path(Zone.REVIEW) / request / part
    before = path.read_bytes()
    path.unlink()
    if how == "altered":
        path.write_bytes(before + b" ")
    if how == "link":
        (office.root / "elsewhere").write_bytes(before if part != "policy.json" else b"x")
        path.symlink_to(office.root / "elsewhere")
    found = part.split("/", maxsplit=1)[0]
    with pytest.raises(Tampered, match=found):
        office.approve(request, "p-first")
    with pytest.raises(Tampered, match=found):
        review.show(request, desk=office.desk)
    assert office.actions(request) == ["request.submit"]


def test_an_added_file_is_found(office: Office) -> None:
    request = office.submit()
    folder = office.workspace.path(Zone.REVIEW) / request / "outputs"
    (folder / "v3/records.csv").write_bytes(b"1\n")
    (folder / "link").symlink_to(folder / "v3")
    with pytest.raises(Tampered, match=r"outputs/link was added; outputs/v3/records.csv was added"):
        office.approve(request, "p-first")


def test_every_altered_byte_of_the_request_document_is_found(office: Office) -> None:
    request = office.draft()
    path = office.workspace.path(Zone.REVIEW) / request / "request.json"
    document = path.read_bytes()
    path.chmod(0o644)
    for position in range(0, len(document), 7):
        path.write_bytes(document[:position] + bytes([document[position] ^ 1]) + document[position + 1 :])
        with pytest.raises(Tampered, match=r"request\.json was altered"):
            read_request(path.parent.parent, request)


def test_a_removed_objection_is_found(office: Office) -> None:
    request = office.submit()
    do(office, Action.REJECT, request, "p-first")
    (office.workspace.path(Zone.REVIEW) / request / "decisions/0001.json").unlink()
    with pytest.raises(Tampered, match="statement behind journal entry 2 is missing"):
        review.state(request, desk=office.desk)


def test_a_decision_of_another_request_does_not_count_here(office: Office) -> None:
    here, there = office.submit(), office.submit(context=CONTEXT + " Elsewhere.")
    office.approve(there, "p-first")
    review_zone = office.workspace.path(Zone.REVIEW)
    planted = review_zone / here / "decisions/0001.json"
    planted.write_bytes((review_zone / there / "decisions/0001.json").read_bytes())
    office.approve(here, "p-second")
    assert review.state(here, desk=office.desk) is State.APPROVED_ONCE
    assert office.actions(here) == ["request.submit", "request.approve"]


def test_a_journal_entry_that_names_another_requests_decision_is_found(office: Office) -> None:
    here, there = office.submit(), office.submit(context=CONTEXT + " Elsewhere.")
    office.approve(there, "p-first")
    review_zone = office.workspace.path(Zone.REVIEW)
    (review_zone / here / "decisions/0001.json").write_bytes((review_zone / there / "decisions/0001.json").read_bytes())
    forge(office, here, "request.approve", there)
    with pytest.raises(Tampered, match="about another request"):
        review.state(here, desk=office.desk)


def test_a_journal_entry_that_calls_a_rejection_an_approval_is_found(office: Office) -> None:
    request = office.submit()
    do(office, Action.REJECT, request, "p-first")
    last = list(office.journal.entries())[-1]
    office.journal.file.write_bytes(b"".join(office.journal.file.read_bytes().splitlines(keepends=True)[:1]))
    (office.workspace.journal / "head.json").unlink()
    office.journal.append(
        actor="p-first", action="request.approve", subject=request, details=last.details, now=office.later()
    )
    with pytest.raises(Tampered, match="names another decision"):
        review.state(request, desk=office.desk)


def forge(office: Office, request: str, action: str, source: str) -> None:
    """Append an entry on ``request`` with the details of the last one on ``source``."""
    entry = [entry for entry in office.journal.entries() if entry.subject == source][-1]
    office.journal.append(actor="p-x", action=action, subject=request, details=entry.details, now=office.later())


def test_a_submission_of_another_request_is_found(office: Office) -> None:
    here, there = office.draft(), office.submit(context=CONTEXT + " Elsewhere.")
    review_zone = office.workspace.path(Zone.REVIEW)
    (review_zone / here / "submission.json").write_bytes((review_zone / there / "submission.json").read_bytes())
    forge(office, here, "request.submit", there)
    with pytest.raises(Tampered, match="about another request"):
        review.state(here, desk=office.desk)


def test_an_unsigned_statement_never_counts(office: Office) -> None:
    request = office.submit()
    folder = office.workspace.path(Zone.REVIEW) / request
    (folder / "decisions/0001.json").write_bytes(b'{"signature":"","statement":{}}\n')
    (folder / "decisions/0002.json").write_bytes(b"[]")
    office.approve(request, "p-first")
    assert review.state(request, desk=office.desk) is State.APPROVED_ONCE
    assert len(list((folder / "decisions").iterdir())) == 1


def test_a_kill_at_any_file_operation_of_an_approval_is_made_good_by_the_next_command(tmp_path: Path) -> None:
    office = Office(tmp_path / "0").open()
    request = office.submit()
    now = office.later()
    for at in range(1, 200):
        copy = Office(tmp_path / str(at), office.roster, now)
        shutil.copytree(office.root, copy.root, symlinks=True)

        def approve(desk: review.Desk = copy.desk) -> None:
            review.approve(request, person="p-first", key=KEYS["p-first"], desk=desk, now=now)

        if not audited(approve, at):
            break
        before = review.state(request, desk=copy.desk)
        assert before in (State.SUBMITTED, State.APPROVED_ONCE)
        review.approve(request, person="p-second", key=KEYS["p-second"], desk=copy.desk, now=copy.later())
        after = review.state(request, desk=copy.desk)
        assert after in (State.APPROVED_ONCE, State.APPROVED)
        assert not (before is State.APPROVED_ONCE and after is not State.APPROVED)
        copy.journal.verify()
        statements = contents(copy.workspace.path(Zone.REVIEW) / request / "decisions")
        journalled = copy.actions(request).count("request.approve")
        assert len([name for name in statements if TEMPORARY_MARK not in name]) == journalled
    else:
        pytest.fail("the approval never finished")
    assert at > 8


def test_a_written_and_not_journalled_approval_counts_from_the_next_command_on(office: Office) -> None:
    request = office.submit()
    lose_last_entry(office, lambda: office.approve(request, "p-first"))
    assert review.state(request, desk=office.desk) is State.SUBMITTED
    office.approve(request, "p-second")
    assert review.state(request, desk=office.desk) is State.APPROVED
    assert [entry.actor for entry in office.journal.entries()] == ["p-author", "p-first", "p-second"]


def test_a_written_and_not_journalled_approval_of_who_lost_the_role_is_removed(office: Office) -> None:
    request = office.submit()
    lose_last_entry(office, lambda: office.approve(request, "p-first"))
    office.roster = a_roster([entry for entry in roster_lines() if entry.id != "p-first"], serial=2)
    office.approve(request, "p-second")
    assert review.state(request, desk=office.desk) is State.APPROVED_ONCE


def test_a_written_and_not_journalled_submission_counts_from_the_next_command_on(office: Office) -> None:
    request = office.draft()
    lose_last_entry(office, lambda: do(office, Action.SUBMIT, request, "p-author"))
    assert review.state(request, desk=office.desk) is State.DRAFT
    office.approve(request, "p-first")
    assert review.state(request, desk=office.desk) is State.APPROVED_ONCE


def test_a_statement_from_the_future_never_counts(office: Office) -> None:
    request = office.submit()
    before = office.now
    office.later(days=1)
    lose_last_entry(office, lambda: office.approve(request, "p-first"))
    office.now = before
    office.approve(request, "p-second")
    assert review.state(request, desk=office.desk) is State.APPROVED_ONCE


def lose_last_entry(office: Office, work: Callable[[], object]) -> None:
    """Do ``work``, then take its journal entry away, as if the process had died before writing it."""
    kept = contents(office.workspace.journal)
    work()
    for name in contents(office.workspace.journal):
        (office.workspace.journal / name).unlink()
    for name, content in kept.items():
        (office.workspace.journal / name).write_bytes(content)


def test_half_written_drafts_are_swept(office: Office) -> None:
    zone = office.workspace.path(Zone.REVIEW)
    (zone / f".v3-v1-0123456789ab{TEMPORARY_MARK}00").mkdir()
    assert review.tidy(office.workspace) == 1
    assert list(zone.iterdir()) == []


class AnyOrder(RuleBasedStateMachine):
    """Random persons do random things; a second, simpler account of the rules says what must happen."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.office = Office(self.folder / "workspace").open()
        self.request = self.office.draft()
        self.submitted = False
        self.approvers: set[str] = set()
        self.over = ""

    @rule(action=st.sampled_from(list(Action)[:5]), person=st.sampled_from(sorted(KEYS)))
    def someone_does_something(self, action: Action, person: str) -> None:
        allowed = self._allowed(action, person)
        try:
            do(self.office, action, self.request, person)
        except NotAllowed:
            assert not allowed
            return
        assert allowed
        self.submitted = True
        if action is Action.APPROVE:
            self.approvers.add(person)
        elif action is not Action.SUBMIT:
            self.over = action.value

    def _allowed(self, action: Action, person: str) -> bool:
        author = person == "p-author"
        if action is Action.SUBMIT:
            return author and not self.submitted
        if not self.submitted or self.over in ("reject", "withdraw"):
            return False
        if action is Action.WITHDRAW:
            return author
        if author or (self.over and action is not Action.REJECT):
            return False
        return action is not Action.APPROVE or (person not in self.approvers and len(self.approvers) < 2)

    @invariant()
    def approved_means_two_others_and_no_objection(self) -> None:
        approved = review.state(self.request, desk=self.office.desk) is State.APPROVED
        assert approved == (len(self.approvers - {"p-author"}) == 2 and not self.over)

    @invariant()
    def every_statement_has_its_journal_entry(self) -> None:
        case = open_case(self.office.workspace, self.request, self.office.journal)
        assert case.pending == ()
        assert len(case.decisions) + bool(case.submission) == len(self.office.actions(self.request))

    def teardown(self) -> None:
        if self.submitted:
            Journal(self.office.workspace.journal).verify()
        shutil.rmtree(self.folder)


AnyOrder.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestAnyOrder = AnyOrder.TestCase


@pytest.mark.sweep
def test_many_orders_of_commands() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(AnyOrder, settings=settings(max_examples=400, stateful_step_count=25, deadline=None))
