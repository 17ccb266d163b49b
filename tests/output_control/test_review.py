"""Asking and deciding: the whole transition matrix, who may do what, and what a kill in between leaves."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from enclave.errors import BadInput, NotAllowed, NotReady, Tampered
from enclave.files import TEMPORARY_MARK
from enclave.journal import Journal
from enclave.zones import Zone
from output_control import permissions, review
from output_control.cases import open_case
from output_control.permissions import Actor
from output_control.request_file import list_requests, read_request
from output_control.review_states import Action, State, can, check_can
from output_control.roster import Role, moment
from tests.output_control.desk import (
    CONTEXT,
    CONTROLS,
    END,
    KEYS,
    Office,
    a_checked_output,
    a_roster,
    contents,
    line,
    roster_lines,
    seed_key,
)
from tests.output_control.killing import audited

WHY = "The population is not the one of the question."

# The matrix as a reader of the rules would write it down: what is not here is refused.
ALLOWED = {
    (State.DRAFT, Action.SUBMIT): State.SUBMITTED,
    (State.SUBMITTED, Action.APPROVE): State.APPROVED_ONCE,
    (State.SUBMITTED, Action.REQUEST_CHANGES): State.CHANGES_REQUESTED,
    (State.SUBMITTED, Action.REJECT): State.REJECTED,
    (State.SUBMITTED, Action.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED_ONCE, Action.APPROVE): State.APPROVED,
    (State.APPROVED_ONCE, Action.REQUEST_CHANGES): State.CHANGES_REQUESTED,
    (State.APPROVED_ONCE, Action.REJECT): State.REJECTED,
    (State.APPROVED_ONCE, Action.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Action.REQUEST_CHANGES): State.CHANGES_REQUESTED,
    (State.APPROVED, Action.REJECT): State.REJECTED,
    (State.APPROVED, Action.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Action.RELEASE): State.RELEASED,
    (State.APPROVED, Action.VOID): State.VOID,
    (State.CHANGES_REQUESTED, Action.REJECT): State.REJECTED,
    (State.CHANGES_REQUESTED, Action.WITHDRAW): State.WITHDRAWN,
}


def do(office: Office, action: Action, request: str, person: str) -> State:
    """One command of the review, by ``person`` with their own key."""
    who: dict[str, Any] = {"key": KEYS[person], "desk": office.desk, "now": office.later()}
    if action is Action.SUBMIT:
        return review.submit(request, author=person, **who)
    if action is Action.APPROVE:
        return review.approve(request, person=person, **who)
    objections = {
        Action.REQUEST_CHANGES: review.request_changes,
        Action.REJECT: review.reject,
        Action.WITHDRAW: review.withdraw,
    }
    return objections[action](request, WHY, person=person, **who)


def bring_to(office: Office, state: State) -> str:
    """A request that got into ``state`` through the real commands."""
    if state is State.DRAFT:
        return office.draft()
    if state in (State.APPROVED, State.RELEASED, State.VOID):
        request = office.approved()
        if state is State.RELEASED:
            office.release(request)
        if state is State.VOID:
            with pytest.raises(Tampered):
                office.release(request, lambda: a_checked_output(fingerprint="e" * 64))
        return request
    request = office.submit()
    steps: dict[State, list[tuple[Action, str]]] = {
        State.SUBMITTED: [],
        State.APPROVED_ONCE: [(Action.APPROVE, "p-first")],
        State.CHANGES_REQUESTED: [(Action.REQUEST_CHANGES, "p-first")],
        State.REJECTED: [(Action.REJECT, "p-first")],
        State.WITHDRAWN: [(Action.WITHDRAW, "p-author")],
    }
    for action, person in steps[state]:
        do(office, action, request, person)
    return request


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("state", list(State))
def test_the_whole_transition_matrix(state: State, action: Action) -> None:
    if (state, action) in ALLOWED:
        assert check_can(action, state) is ALLOWED[state, action]
        assert can(action, state)
    else:
        assert not can(action, state)
        with pytest.raises(NotAllowed, match=f"a request that is {state.value} cannot be"):
            check_can(action, state)


@pytest.mark.parametrize("state", list(State))
def test_the_commands_follow_the_matrix_from_every_state(office: Office, state: State) -> None:
    request = bring_to(office, state)
    assert review.state(request, desk=office.desk) is state
    kept = tuple(office.root.rglob("*"))
    for action in (Action.SUBMIT, Action.APPROVE, Action.REQUEST_CHANGES, Action.REJECT, Action.WITHDRAW):
        person = "p-author" if action in (Action.SUBMIT, Action.WITHDRAW) else "p-third"
        if (state, action) not in ALLOWED:
            with pytest.raises(NotAllowed):
                do(office, action, request, person)
            assert tuple(office.root.rglob("*")) == kept
            assert review.state(request, desk=office.desk) is state
            continue
        copy = Office(office.root.with_name(f"copy-{action.value}"), office.roster, office.now)
        shutil.copytree(office.root, copy.root)
        assert do(copy, action, request, person) is ALLOWED[state, action]
        assert review.state(request, desk=copy.desk) is ALLOWED[state, action]


def test_only_an_approved_request_is_released(office: Office) -> None:
    for state in (State.DRAFT, State.SUBMITTED, State.APPROVED_ONCE, State.REJECTED):
        each = Office(office.root.with_name(state.name), office.roster).open()
        each.submit(context=CONTEXT + " Elsewhere.")
        with pytest.raises(NotAllowed, match="cannot be released"):
            each.release(bring_to(each, state))
        assert list(each.workspace.path(Zone.RELEASED).iterdir()) == []


def test_states_and_actions_explain_themselves() -> None:
    assert len({state.description() for state in State}) == len(State)
    assert len({action.description() for action in Action}) == len(Action)


# who


@pytest.mark.parametrize("action", [Action.APPROVE, Action.REQUEST_CHANGES, Action.REJECT])
def test_nobody_decides_on_their_own_request_even_as_a_checker(office: Office, action: Action) -> None:
    office.roster = a_roster([*roster_lines(), line("p-author", Role.CHECKER, KEYS["p-author"])])
    request = office.submit()
    with pytest.raises(NotAllowed, match="their own request"):
        do(office, action, request, "p-author")


def test_the_same_person_does_not_approve_twice(office: Office) -> None:
    request = office.submit()
    office.approve(request, "p-first")
    with pytest.raises(NotAllowed, match="p-first approved already"):
        office.approve(request, "p-first")


def test_one_key_under_two_ids_does_not_approve_twice() -> None:
    facts = permissions.RequestFacts("p", "a", "author key", (a_decision("first", "same key"),))
    roster = a_roster()
    with pytest.raises(NotAllowed, match="their own request"):
        permissions.check_can_approve(Actor("second", "author key", "2026"), facts, roster)
    facts = permissions.RequestFacts("zicht_demo", "a", "x", (a_decision("other", KEYS["p-first"].public.text),))
    actor = Actor("p-first", KEYS["p-first"].public.text, "2026-03-02T09:00:00+00:00")
    with pytest.raises(NotAllowed, match="this key approved already under another id"):
        permissions.check_can_approve(actor, facts, roster)
    assert not permissions.user_can_approve(actor, facts, roster)
    assert permissions.user_can_object(actor, facts, roster)


def a_decision(person: str, key: str) -> Any:
    """An approval as the rules about persons see it; its form is not theirs to check."""
    from output_control.statements import Decision

    return Decision.model_construct(person=person, key=key, action=Action.APPROVE)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"projects": ["another"]}, "no checker of project"),
        ({"valid_until": datetime.fromisoformat("2026-02-01T00:00:00+00:00")}, "did not hold"),
        ({"valid_from": datetime.fromisoformat("2026-12-01T00:00:00+00:00")}, "did not hold"),
    ],
)
def test_a_checker_without_a_valid_authorisation_is_refused(
    office: Office, changed: dict[str, Any], sentence: str
) -> None:
    others = [entry for entry in roster_lines() if entry.id != "p-first"]
    office.roster = a_roster([*others, line("p-first", Role.CHECKER, KEYS["p-first"], **changed)])
    request = office.submit()
    with pytest.raises(NotAllowed, match=sentence):
        office.approve(request, "p-first")
    assert office.actions(request) == ["request.submit"]


def test_a_researcher_is_no_checker_and_a_checker_no_researcher(office: Office) -> None:
    office.roster = a_roster([*roster_lines(), line("p-colleague", Role.RESEARCHER, seed_key(60))])
    request = office.submit()
    with pytest.raises(NotAllowed, match="does not have the role checker"):
        review.approve(request, person="p-colleague", key=seed_key(60), desk=office.desk, now=office.later())
    checkers_draft = office.draft(author="p-third", title="Another title")
    with pytest.raises(NotAllowed, match="does not have the role researcher"):
        review.submit(checkers_draft, author="p-third", key=KEYS["p-third"], desk=office.desk, now=office.later())


def test_a_decision_with_another_persons_key_is_refused(office: Office) -> None:
    request = office.submit()
    with pytest.raises(NotAllowed, match="another key"):
        review.approve(request, person="p-first", key=KEYS["p-second"], desk=office.desk, now=office.later())


def test_only_the_author_submits_and_withdraws(office: Office) -> None:
    request = office.draft()
    with pytest.raises(NotAllowed, match="only its author submits"):
        review.submit(request, author="p-third", key=KEYS["p-third"], desk=office.desk, now=office.later())
    do(office, Action.SUBMIT, request, "p-author")
    with pytest.raises(NotAllowed, match="only its author withdraws"):
        do(office, Action.WITHDRAW, request, "p-third")
    with pytest.raises(NotAllowed, match="only its author withdraws"):
        review.withdraw(request, WHY, person="p-author", key=seed_key(70), desk=office.desk, now=office.later())


def test_an_expired_author_can_still_take_a_request_back(office: Office) -> None:
    request = office.submit()
    office.now = END + timedelta(days=1)
    assert do(office, Action.WITHDRAW, request, "p-author") is State.WITHDRAWN


def test_what_a_page_offers_is_what_the_rule_allows(office: Office) -> None:
    request = office.submit()
    office.approve(request, "p-first")
    facts = open_case(office.workspace, request, office.journal).facts
    for person in KEYS:
        actor = Actor(person, KEYS[person].public.text, moment(office.now))
        offered = {
            Action.SUBMIT: permissions.user_can_submit(actor, facts, office.roster),
            Action.APPROVE: permissions.user_can_approve(actor, facts, office.roster),
            Action.REJECT: permissions.user_can_object(actor, facts, office.roster),
            Action.WITHDRAW: permissions.user_can_withdraw(actor, facts, office.roster),
        }
        expected = {
            Action.SUBMIT: person == "p-author",
            Action.APPROVE: person in ("p-second", "p-third"),
            Action.REJECT: person != "p-author",
            Action.WITHDRAW: person == "p-author",
        }
        assert offered == expected
        assert not permissions.user_can(Action.RELEASE, actor, facts, office.roster)


# what is asked


@pytest.mark.parametrize("field", ["context", "controls"])
@pytest.mark.parametrize("text", ["", "   \n\t  ", "see code", "x " * 40, "a" * 80])
def test_context_and_controls_must_say_something(office: Office, field: str, text: str) -> None:
    with pytest.raises(BadInput, match=field):
        office.draft(**{field: text})
    assert list_requests(office.workspace.path(Zone.REVIEW)) == ()


def test_all_missing_texts_are_reported_at_once(office: Office) -> None:
    with pytest.raises(BadInput) as raised:
        office.draft(title=" ", context="", controls="")
    assert [fault.check for fault in raised.value.faults] == ["title", "context", "controls"]


@pytest.mark.parametrize(
    "name",
    [
        "outputs/v3/../../x.csv",
        "/etc/x.csv",
        "outputs/other/x.csv",
        "outputs/v3/.hidden",
        "outputs/v3/a b.csv",
        "outputs\\v3\\x",
        "outputs/v3/",
        "outputs/v3/x\n",
        "evidence/v3/x.csv",
    ],
)
def test_a_file_name_that_leaves_its_place_is_refused(office: Office, name: str) -> None:
    with pytest.raises(BadInput, match="file name"):
        office.draft(a_checked_output(outputs={name: b"1\n"}))


def test_an_objection_needs_a_reason(office: Office) -> None:
    request = office.submit()
    with pytest.raises(BadInput, match="say why"):
        review.reject(request, "  no  ", person="p-first", key=KEYS["p-first"], desk=office.desk, now=office.later())


def test_the_same_request_twice_is_one_request_and_another_text_is_another(office: Office) -> None:
    first = office.draft()
    assert office.draft() == first
    assert office.draft(context=CONTEXT + " Again.") != first
    assert len(list_requests(office.workspace.path(Zone.REVIEW))) == 2


def test_no_review_zone_means_no_requests(tmp_path: Path) -> None:
    assert list_requests(tmp_path / "nowhere") == ()


@pytest.mark.parametrize("request_id", ["../keys", "v3-v1-0123", "", "v3-v1-0123456789ab/..", "v3-v1-0123456789ab\n"])
def test_what_is_no_request_id_is_refused(office: Office, request_id: str) -> None:
    with pytest.raises(BadInput, match="no request id"):
        review.state(request_id, desk=office.desk)


def test_an_unknown_request_says_so(office: Office) -> None:
    with pytest.raises(NotReady, match="no such request"):
        review.state("v3-v1-0123456789ab", desk=office.desk)


def test_the_journal_and_the_logs_of_a_review_hold_no_remark_and_no_value(office: Office) -> None:
    request = office.submit()
    do(office, Action.REJECT, request, "p-first")
    text = office.journal.file.read_text()
    assert WHY not in text
    assert CONTEXT not in text
    assert "CONFIDENTIAL-7" not in text


# what a checker sees


def test_a_checker_sees_outputs_evidence_annex_texts_and_earlier_decisions(office: Office) -> None:
    request = office.submit()
    office.approve(request, "p-first")
    do(office, Action.REQUEST_CHANGES, request, "p-second")
    seen = review.show(request, desk=office.desk)
    assert (seen.context, seen.controls, seen.author) == (CONTEXT, CONTROLS, "p-author")
    assert seen.state is State.CHANGES_REQUESTED
    assert [(d.person, d.action, d.remark) for d in seen.decisions] == [
        ("p-first", "approve", ""),
        ("p-second", "request_changes", WHY),
    ]
    assert seen.earlier == {}
    assert seen.policy["name"] == "cbs_ra"


def test_a_checker_sees_why_each_cell_is_hidden_and_what_an_attacker_finds(office: Office) -> None:
    (table,) = review.show(office.submit(), desk=office.desk).outputs
    assert (table.name, table.kind, table.title) == ("v3/area", "table", "Pass-through homes by municipality")
    assert table.cells is not None
    hidden = next(cell for cell in table.cells.to_pylist() if cell["status"] == "primary")
    assert (hidden["region"], hidden["reason"], hidden["lower"], hidden["upper"]) == ("0001", "frequency", 0, 40)
    assert table.released.column("value").to_pylist() == [120, None, None, 80, 0]
    assert table.summary["suppressed_value"] == "CONFIDENTIAL-7"
    assert table.suppressed_share == 2 / 4  # of five cells one is empty


def test_a_checker_of_a_model_sees_its_evidence_and_no_cells(office: Office) -> None:
    model = a_checked_output(
        outputs={"outputs/v3/odds.csv": b'"term","odds_ratio"\n"a",1.5\n'},
        evidence={"evidence/v3/odds.json": b'{"kind":"regression","checks":["converged"]}'},
        checker_annex={},
    )
    (odds,) = review.show(office.submit(model), desk=office.desk).outputs
    assert (odds.kind, odds.cells, odds.suppressed_share, odds.summary) == ("regression", None, None, {})


def test_a_table_without_a_filled_cell_loses_nothing(office: Office) -> None:
    counts = b'{"kind":"table","checks":["x"],"cells":{"all":3,"published":3,"published_zero":3,"suppressed":0}}'
    empty = a_checked_output(evidence={"evidence/v3/area.json": counts}, checker_annex={"area.json": b"[]"})
    (table,) = review.show(office.submit(empty), desk=office.desk).outputs
    assert table.suppressed_share == 0.0


def test_evidence_that_says_nothing_is_shown_as_nothing(office: Office) -> None:
    for evidence in (b"no json", b"[1]", b'{"cells":{}}', b'{"cells":{"all":3}}'):
        silent = a_checked_output(evidence={"evidence/v3/area.json": evidence}, checker_annex={})
        (table,) = review.show(office.draft(silent), desk=office.desk).outputs
        assert (table.suppressed_share, table.kind) == (None, "unknown")


def test_a_checker_sees_the_decisions_on_earlier_requests_for_the_same_analysis(office: Office) -> None:
    first = office.submit()
    do(office, Action.REJECT, first, "p-first")
    office.draft(a_checked_output(analysis="v3b", outputs={"outputs/v3b/area.csv": b"x\n"}))
    second = office.submit(context=CONTEXT + " Merged, as asked.")
    elsewhere = review.draft(
        a_checked_output(),
        project="other",
        author="p-author",
        title="t",
        context=CONTEXT,
        controls=CONTROLS,
        desk=office.desk,
    )
    seen = review.show(second, desk=office.desk)
    assert list(seen.earlier) == [first]
    assert elsewhere not in seen.earlier
    assert seen.earlier[first][0] is State.REJECTED
    assert [d.remark for d in seen.earlier[first][1]] == [WHY]


def test_the_annex_is_for_its_owner_alone(office: Office) -> None:
    folder = office.workspace.path(Zone.REVIEW) / office.draft()
    assert (folder / "annex").stat().st_mode & 0o777 == 0o700
    assert (folder / "annex/v3/area.json").stat().st_mode & 0o777 == 0o400


def test_a_user_who_may_not_read_the_annex_is_told_so(office: Office) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    request = office.submit()
    with tempfile.TemporaryDirectory() as place:
        copy = Office(Path(place) / "workspace", office.roster)
        shutil.copytree(office.root, copy.root)
        Path(place).chmod(0o755)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setuid(65534)
                with pytest.raises(NotAllowed, match="may not read annex"):
                    review.show(request, desk=copy.desk)
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0


def test_two_writers_of_one_draft_do_not_undo_what_was_decided_on_it(office: Office) -> None:
    """Many processes draft and submit the same request at once: one submission, and it stays."""
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            try:
                request = office.draft()
                review.submit(request, author="p-author", key=KEYS["p-author"], desk=office.desk, now=office.now)
            except NotAllowed:
                pass
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    request = office.draft()
    assert review.state(request, desk=office.desk) is State.SUBMITTED
    assert office.actions(request) == ["request.submit"]


# tampering


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


# kills


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


# any order of commands


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
