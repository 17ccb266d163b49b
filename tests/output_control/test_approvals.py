"""Approvals as the release service judges them: from signed statements and today's roster, not from a stored state."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from enclave.errors import BadInput, NotAllowed, Tampered
from output_control.review.approvals import certify_release_key, check_approved, check_release_key
from output_control.review.cases import Case, open_case
from output_control.review.roster import Role, moment
from output_control.review.statements import ReleaseKey, Signed, read_signed
from tests.output_control.desk import (
    KEYS,
    NOW,
    ROOT,
    SERVICE,
    START,
    Office,
    a_roster,
    line,
    roster_lines,
    seed_key,
)


@pytest.fixture
def case(office: Office) -> Case:
    """An approved request as it lies on disk."""
    return open_case(office.workspace, office.approved(), office.journal)


def changed(case: Case, position: int, **fields: Any) -> Case:
    """The case with one approval's statement changed; its signature was checked when the case was opened."""
    decisions = list(case.decisions)
    approval = decisions[position]
    statement = approval.signed.statement.model_copy(update=fields)
    decisions[position] = replace(approval, signed=Signed(statement, approval.signed.signature))
    return replace(case, decisions=tuple(decisions))


def refused(case: Case, roster: Any = None) -> str:
    """Why the approvals do not hold."""
    with pytest.raises(NotAllowed) as raised:
        check_approved(case, roster or a_roster())
    return str(raised.value)


def test_two_checkers_of_the_roster_are_enough(case: Case) -> None:
    submission, approvals = check_approved(case, a_roster())
    assert submission.statement.person == "p-author"
    assert [a.signed.statement.person for a in approvals] == ["p-first", "p-second"]


@pytest.mark.parametrize("kept", [0, 1])
def test_fewer_than_two_are_not(case: Case, kept: int) -> None:
    assert f"there are {kept}" in refused(replace(case, decisions=case.decisions[:kept]))


def test_one_person_twice_is_one(case: Case) -> None:
    assert "there are 1" in refused(replace(case, decisions=(case.decisions[0], case.decisions[0])))


def test_one_person_under_two_ids_is_one(case: Case) -> None:
    assert "there are 1" in refused(changed(case, 1, key=KEYS["p-first"].public.text))


@pytest.mark.parametrize("fields", [{"person": "p-author"}, {"key": KEYS["p-author"].public.text}])
def test_the_author_is_none(case: Case, fields: dict[str, str]) -> None:
    assert "approved their own request" in refused(changed(case, 1, **fields))


def test_who_left_the_roster_since_is_none(case: Case) -> None:
    assert "p-second does not stand in the roster" in refused(
        case, a_roster([entry for entry in roster_lines() if entry.id != "p-second"])
    )


def test_validity_is_that_of_the_journalled_time(case: Case) -> None:
    others = [entry for entry in roster_lines() if entry.id != "p-second"]
    times = {"valid_from": START, "valid_until": NOW + timedelta(minutes=3)}
    until = a_roster([*others, line("p-second", Role.CHECKER, KEYS["p-second"], **times)])
    assert "did not hold at 2026-03-02T09:03:00" in refused(case, until)
    times["valid_until"] += timedelta(seconds=1)
    check_approved(case, a_roster([*others, line("p-second", Role.CHECKER, KEYS["p-second"], **times)]))


def test_a_statement_later_than_its_entry_is_none(case: Case) -> None:
    later = changed(case, 0, time="2026-03-02T10:00:00+00:00")
    assert "p-first signed later than the journal says" in refused(later)


def test_an_author_without_the_role_asks_for_nothing(case: Case) -> None:
    lines = [entry for entry in roster_lines() if entry.id != "p-author"]
    assert "p-author does not stand in the roster" in refused(case, a_roster(lines))


def test_a_request_that_was_never_submitted_is_not_approved(case: Case) -> None:
    assert "never submitted" in refused(replace(case, submission=None))


def test_all_reasons_are_given_at_once(case: Case) -> None:
    said = refused(changed(case, 0, person="p-author"), a_roster(roster_lines()[:2]))
    for reason in ("does not have the role checker", "their own request", "p-second does not stand"):
        assert reason in said


# the release key's certificate


def test_a_certified_key_is_valid_from_its_first_second_and_not_at_its_last() -> None:
    certificate = certify_release_key(SERVICE.public, ROOT, valid_from=START, days=1)
    known = {"root_public": ROOT.public, "public": SERVICE.public}
    check_release_key(certificate, when=moment(START), **known)
    for when in (START - timedelta(seconds=1), START + timedelta(days=1)):
        with pytest.raises(NotAllowed, match="not valid at this time"):
            check_release_key(certificate, when=moment(when), **known)


def test_another_key_or_another_office_is_refused() -> None:
    certificate = certify_release_key(SERVICE.public, ROOT, valid_from=START)
    with pytest.raises(NotAllowed, match="not the release key"):
        check_release_key(certificate, root_public=ROOT.public, public=seed_key(5).public, when=moment(START))
    with pytest.raises(Tampered, match="does not hold"):
        check_release_key(certificate, root_public=seed_key(5).public, public=SERVICE.public, when=moment(START))


def test_a_certificate_of_no_days_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one day"):
        certify_release_key(SERVICE.public, ROOT, valid_from=START, days=0)


def test_a_statement_in_another_spelling_is_refused() -> None:
    certificate = certify_release_key(SERVICE.public, ROOT, valid_from=START)
    for spoiled in (certificate + b" ", certificate.replace(b":", b": "), certificate.replace(b"statement", b"x")):
        with pytest.raises(Tampered):
            read_signed(spoiled, ReleaseKey, "release-key.json")


def test_times_are_those_of_the_statement() -> None:
    assert datetime.fromisoformat(moment(NOW)) == NOW
