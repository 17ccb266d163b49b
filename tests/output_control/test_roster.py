"""The roster: signed by the office, valid at the time of signing, one key per person."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import BadInput, NotReady, Tampered
from output_control.review.roster import Role, authorisation, moment, open_roster, read_roster, sign_roster
from tests.output_control.desk import END, KEYS, PROJECT, ROOT, START, a_roster, line, roster_lines, seed_key

KEY = KEYS["p-first"].public.text


def refusal(**changed: Any) -> str:
    """What the roster says to the first checker, with one fact changed."""
    facts: dict[str, Any] = {"role": Role.CHECKER, "project": PROJECT, "key": KEY, "when": "2026-03-02T09:00:00+00:00"}
    facts |= changed
    return a_roster().refusal(facts.pop("person", "p-first"), facts.pop("role"), **facts)


def test_a_checker_of_the_project_with_the_right_key_is_not_refused() -> None:
    assert refusal() == ""


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"person": "p-nobody"}, "does not stand in the roster"),
        ({"role": Role.CUSTODIAN}, "does not have the role custodian"),
        ({"project": "another"}, "is no checker of project another"),
        ({"key": KEYS["p-second"].public.text}, "another key"),
        ({"when": moment(START - timedelta(seconds=1))}, "did not hold"),
        ({"when": moment(END)}, "did not hold"),
    ],
)
def test_each_missing_fact_is_refused_with_its_own_sentence(changed: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(**changed)


@pytest.mark.parametrize("when", [START, END - timedelta(seconds=1)])
def test_validity_includes_its_first_second_and_excludes_its_last(when: datetime) -> None:
    assert refusal(when=moment(when)) == ""


def test_a_new_key_of_the_same_person_is_a_second_line() -> None:
    middle = datetime(2026, 6, 1, tzinfo=UTC)
    old = line("p-first", Role.CHECKER, seed_key(30), valid_until=middle)
    new = line("p-first", Role.CHECKER, seed_key(31), valid_from=middle)
    roster = a_roster([old, new])
    where = {"project": PROJECT, "when": moment(middle)}
    assert "another key" in roster.refusal("p-first", Role.CHECKER, key=old.public_key, **where)
    assert roster.refusal("p-first", Role.CHECKER, key=new.public_key, **where) == ""


def test_a_roster_of_another_office_is_refused() -> None:
    with pytest.raises(Tampered, match="root key"):
        read_roster(sign_roster(roster_lines(), seed_key(99)), ROOT.public)


def test_every_altered_byte_of_a_roster_is_found() -> None:
    document = sign_roster(roster_lines(), ROOT)
    for position in range(len(document) - 1):  # the last byte is the line's end, which the manifest covers
        altered = document[:position] + bytes([document[position] ^ 1]) + document[position + 1 :]
        with pytest.raises(Tampered):
            read_roster(altered, ROOT.public)


@pytest.mark.parametrize("document", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"roster":{},"signature":""}'])
def test_what_is_no_roster_is_refused(document: bytes) -> None:
    with pytest.raises(Tampered, match="no roster"):
        read_roster(document, ROOT.public)


def test_a_missing_roster_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no roster"):
        open_roster(tmp_path / "roster.json", ROOT.public)


def test_a_written_roster_opens_with_its_own_bytes(tmp_path: Path) -> None:
    document = sign_roster(roster_lines(), ROOT, serial=7)
    (tmp_path / "roster.json").write_bytes(document)
    roster = open_roster(tmp_path / "roster.json", ROOT.public)
    assert (roster.serial, roster.document, len(roster.people)) == (7, document, 4)


def test_all_contradictions_are_reported_at_once() -> None:
    twice = line("p-other", Role.CHECKER, KEYS["p-first"])
    backwards = line("p-late", Role.CHECKER, seed_key(40), valid_from=END, valid_until=START)
    broken = backwards.model_copy(update={"id": "p-broken", "public_key": "no key"})
    with pytest.raises(BadInput) as raised:
        sign_roster([*roster_lines(), twice, backwards, broken], ROOT)
    checks = sorted(fault.check for fault in raised.value.faults)
    assert checks == ["key", "key", "validity", "validity"]
    assert "one person under two ids" in str(raised.value)


def test_a_signed_roster_that_gives_one_key_to_two_persons_is_refused_when_read() -> None:
    from enclave.fingerprints import canonical_json
    from enclave.signatures import PayloadType

    lines = [line("p-one", Role.CHECKER, seed_key(50)), line("p-two", Role.CHECKER, seed_key(50))]
    body = {"serial": 1, "people": [entry.model_dump(mode="json") for entry in lines]}
    signature = ROOT.sign(PayloadType.ROSTER, canonical_json(body))
    with pytest.raises(BadInput, match="contradicts itself"):
        read_roster(canonical_json({"roster": body, "signature": signature}), ROOT.public)


def test_one_key_in_another_spelling_is_no_key() -> None:
    text = KEYS["p-first"].public.text
    spelled = text[:-2] + chr(ord(text[-2]) + 1) + "="  # the same 32 bytes for a careless decoder
    with pytest.raises(BadInput, match="contradicts itself"):
        sign_roster([line("p-two", Role.CHECKER, seed_key(1)).model_copy(update={"public_key": spelled})], ROOT)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])))
def test_moments_compare_as_times_do(time: datetime) -> None:
    other = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert (moment(time) < moment(other)) == (time.replace(microsecond=0) < other)


def test_times_in_other_spellings_are_refused() -> None:
    for text in ("2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "soon"):
        with pytest.raises(ValueError, match="valid_from"):
            type(roster_lines()[0]).model_validate_json(
                json.dumps({**roster_lines()[0].model_dump(mode="json"), "valid_from": text})
            )


def test_every_role_says_what_it_does() -> None:
    assert len({role.description() for role in Role}) == len(Role)


def test_an_authorisation_without_a_project_is_none() -> None:
    with pytest.raises(BadInput, match="at least one project"):
        authorisation("p-x", Role.CHECKER, ROOT.public, valid_from=START, valid_until=END, projects=[])
