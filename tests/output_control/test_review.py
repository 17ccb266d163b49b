"""The review: who may do what in which state, and what a request must say."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from enclave.errors import BadInput, NotAllowed, NotReady, Tampered
from enclave.zones import Zone
from output_control import review
from output_control.review import permissions
from output_control.review.cases import open_case
from output_control.review.permissions import Actor
from output_control.review.request_file import list_requests
from output_control.review.roster import Role, moment
from output_control.review.states import Action, State, can, check_can
from tests.output_control.desk import (
    CONTEXT,
    END,
    KEYS,
    Office,
    a_checked_output,
    a_roster,
    line,
    roster_lines,
    seed_key,
)
from tests.output_control.review_acts import WHY, do

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
    from output_control.review.statements import Decision

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
