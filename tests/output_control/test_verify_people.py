"""``zicht verify`` on bundles whose bytes hold and whose keys and approvals do not."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from enclave.errors import NotAllowed
from enclave.fingerprints import canonical_json
from enclave.signatures import PayloadType
from output_control.release.verify import verify_bundle
from output_control.review.approvals import certify_release_key
from output_control.review.roster import Role, sign_roster
from tests.output_control.desk import (
    END,
    KEYS,
    ROOT,
    SERVICE,
    START,
    Office,
    a_roster,
    contents,
    line,
    roster_lines,
    seed_key,
)
from tests.output_control.dishonest import Files, approvals, edit, fault, resigned, sign_again


def test_resigning_without_a_change_holds(bundle: Path) -> None:
    before = contents(bundle)
    assert contents(resigned(bundle, lambda files: None)) == before
    verify_bundle(bundle, ROOT.public)


def test_a_manifest_signed_by_another_key_is_found(bundle: Path) -> None:
    assert "manifest.sig is not the release key's signature" in fault(resigned(bundle, lambda files: None, seed_key(3)))


def test_a_release_key_that_the_office_did_not_certify_is_found(bundle: Path) -> None:
    mine = certify_release_key(seed_key(3).public, seed_key(3), valid_from=START)
    spoiled = resigned(bundle, lambda files: files.update({"release-key.json": mine}), seed_key(3))
    assert "release-key.json is not certified by this office's root key" in fault(spoiled)


def test_a_checkers_key_cannot_pass_for_a_release_key(bundle: Path) -> None:
    """A signature of the root key over a roster is of another type than one over a release key."""

    def pass_off(files: Files) -> None:
        roster = json.loads(files["roster.json"])
        files["release-key.json"] = (
            canonical_json({"statement": roster["roster"], "signature": roster["signature"]}) + b"\n"
        )

    assert "release-key.json is not certified" in fault(resigned(bundle, pass_off))


@pytest.mark.parametrize(("start", "days"), [(-400, 300), (70, 300)])
def test_a_release_key_outside_its_validity_is_refused(bundle: Path, start: int, days: int) -> None:
    other = certify_release_key(SERVICE.public, ROOT, valid_from=START + timedelta(days=start), days=days)
    spoiled = resigned(bundle, lambda files: files.update({"release-key.json": other}))
    assert "the release key was not valid at the time of release" in fault(spoiled, NotAllowed)


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph["./"]["hasPart"].pop(),
        lambda graph: graph["./"].update(identifier="v3-v1-000000000000"),
        lambda graph: graph["./"].update(datePublished="2020-01-01T00:00:00+00:00"),
        lambda graph: graph["#run"].update(agent={"@id": "#person-other"}),
        lambda graph: graph["#sign-off-p-first"].update(agent={"@id": "#person-p-third"}),
        lambda graph: graph["#sign-off-p-first"].pop("agent"),
        lambda graph: graph["./"].update({"@id": "elsewhere"}),
    ],
)
def test_a_crate_that_says_something_else_is_found_under_a_good_signature(bundle: Path, change: Any) -> None:
    def spoil(files: Files) -> None:
        crate = json.loads(files["ro-crate-metadata.json"])
        change({entity["@id"]: entity for entity in crate["@graph"]})
        files["ro-crate-metadata.json"] = json.dumps(crate).encode()

    assert "ro-crate-metadata.json does not describe these files and approvals" in fault(
        resigned(bundle, spoil), NotAllowed
    )


def test_a_missing_approval_is_refused(bundle: Path) -> None:
    for kept in (1, 0):
        spoiled = resigned(
            bundle, approvals(lambda content, kept=kept: content.update(approvals=content["approvals"][:kept]))
        )
        assert "an approval is missing" in fault(spoiled, NotAllowed)


def test_one_person_twice_is_refused(bundle: Path) -> None:
    def twice(content: Any) -> None:
        second = json.loads(json.dumps(content["approvals"][0]))
        second["journal"] = content["approvals"][1]["journal"]
        content["approvals"][1] = second

    said = fault(resigned(bundle, approvals(twice)), NotAllowed)
    assert "one person approved twice" in said
    assert "an approval is missing" in said


def test_the_author_as_checker_is_refused_even_when_the_roster_lets_them_check(bundle: Path) -> None:
    lines = [*roster_lines(), line("p-author", Role.CHECKER, KEYS["p-author"])]

    def self_check(files: Files) -> None:
        files["roster.json"] = sign_roster(lines, ROOT)
        edit(files, "approvals.json", lambda c: sign_again(c["approvals"][0], KEYS["p-author"], person="p-author"))

    assert "p-author is the author and checked their own request" in fault(resigned(bundle, self_check), NotAllowed)


def test_the_authors_key_under_another_id_is_refused(bundle: Path) -> None:
    forged = approvals(lambda content: sign_again(content["approvals"][0], KEYS["p-author"]))
    said = fault(resigned(bundle, forged), NotAllowed)
    assert "p-first is the author and checked their own request" in said
    assert "another key than the roster's" in said


def test_one_key_under_two_ids_is_refused_even_when_the_office_signed_it(bundle: Path) -> None:
    lines = [entry for entry in roster_lines() if entry.id != "p-second"]
    body = {
        "serial": 1,
        "people": [e.model_dump(mode="json") for e in [*lines, line("p-second", Role.CHECKER, KEYS["p-first"])]],
    }
    signature = ROOT.sign(PayloadType.ROSTER, canonical_json(body))

    def two_ids(files: Files) -> None:
        files["roster.json"] = canonical_json({"roster": body, "signature": signature}) + b"\n"
        edit(files, "approvals.json", lambda c: sign_again(c["approvals"][1], KEYS["p-first"]))

    said = fault(resigned(bundle, two_ids), NotAllowed)
    assert "one person under two ids" in said
    assert "one key approved under two ids" in said


def test_a_checker_outside_the_roster_is_refused(bundle: Path) -> None:
    forged = approvals(lambda content: sign_again(content["approvals"][1], seed_key(80), person="p-friend"))
    assert "p-friend does not stand in the roster" in fault(resigned(bundle, forged), NotAllowed)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"valid_until": START + timedelta(days=1)}, "did not hold"),
        ({"valid_from": END - timedelta(days=1)}, "did not hold"),
        ({"projects": ["another"]}, "p-second is no checker of project zicht_demo"),
        ({"role": Role.PUBLISHER}, "p-second does not have the role checker"),
        ({"key": seed_key(81)}, "another key"),
    ],
)
def test_a_checker_without_role_project_or_validity_when_signing_is_refused(
    bundle: Path, changed: dict[str, Any], sentence: str
) -> None:
    facts = {"role": Role.CHECKER, "key": KEYS["p-second"], **changed}
    lines = [entry for entry in roster_lines() if entry.id != "p-second"]
    roster = a_roster([*lines, line("p-second", facts.pop("role"), facts.pop("key"), **facts)])
    spoiled = resigned(bundle, lambda files: files.update({"roster.json": roster.document}))
    assert sentence in fault(spoiled, NotAllowed)


def test_an_author_who_was_no_researcher_is_refused(bundle: Path) -> None:
    lines = [entry for entry in roster_lines() if entry.id != "p-author"]
    spoiled = resigned(bundle, lambda files: files.update({"roster.json": sign_roster(lines, ROOT)}))
    assert "p-author does not stand in the roster" in fault(spoiled, NotAllowed)


def test_a_backdated_approval_is_refused_by_its_journalled_time(bundle: Path) -> None:
    """The checker's authorisation ended between the time that they wrote down and the time that the journal has."""
    ended = START + timedelta(days=30)
    lines = [entry for entry in roster_lines() if entry.id != "p-second"]

    def backdate(files: Files) -> None:
        files["roster.json"] = sign_roster(
            [*lines, line("p-second", Role.CHECKER, KEYS["p-second"], valid_until=ended)], ROOT
        )
        edit(
            files,
            "approvals.json",
            lambda c: sign_again(c["approvals"][1], KEYS["p-second"], time="2026-01-05T00:00:00+00:00"),
        )

    assert "did not hold at 2026-03-02T09:03:00+00:00" in fault(resigned(bundle, backdate), NotAllowed)


def test_an_approval_that_claims_to_be_later_than_its_journal_entry_is_refused(bundle: Path) -> None:
    later = approvals(lambda c: sign_again(c["approvals"][1], KEYS["p-second"], time="2026-04-01T00:00:00+00:00"))
    assert "p-second signed later than the journal says" in fault(resigned(bundle, later), NotAllowed)


@pytest.mark.parametrize("part", ["request", "outputs", "evidence", "policy"])
def test_an_approval_for_another_digest_is_refused(bundle: Path, part: str) -> None:
    def another(content: Any) -> None:
        subject = {**content["approvals"][0]["statement"]["subject"], part: "0" * 64}
        sign_again(content["approvals"][0], KEYS["p-first"], subject=subject)

    assert "the approval of p-first is for another digest" in fault(resigned(bundle, approvals(another)), NotAllowed)


def test_an_approval_for_another_request_is_refused(bundle: Path) -> None:
    another = approvals(lambda c: sign_again(c["approvals"][0], KEYS["p-first"], request="v3-v1-000000000000"))
    assert "the approval of p-first is for another digest" in fault(resigned(bundle, another), NotAllowed)


def test_a_rejection_does_not_pass_for_an_approval(bundle: Path) -> None:
    signed_as_approval = approvals(lambda c: sign_again(c["approvals"][0], KEYS["p-first"], action="reject"))
    assert "p-first did not approve" in fault(resigned(bundle, signed_as_approval), NotAllowed)


def test_a_signature_over_another_type_of_statement_does_not_pass(bundle: Path) -> None:
    as_decision = approvals(lambda c: sign_again(c["approvals"][0], KEYS["p-first"], PayloadType.DECISION))
    assert "an approval is not signed as it stands" in fault(resigned(bundle, as_decision))


def test_an_unsigned_change_of_a_statement_is_found(bundle: Path) -> None:
    changed = approvals(lambda c: c["approvals"][0]["statement"].update(time="2026-03-02T09:01:30+00:00"))
    assert "an approval is not signed as it stands" in fault(resigned(bundle, changed))


def test_a_submission_that_someone_else_signed_is_found(bundle: Path) -> None:
    changed = approvals(lambda c: c["submission"]["statement"].update(person="p-third"))
    assert "the submission is not signed as it stands" in fault(resigned(bundle, changed))


@pytest.mark.parametrize("order", [[1, 3, 2], [1, 2, 2], [0, 2, 3], [1, 2, 4], [2, 1, 3]])
def test_approvals_out_of_the_journals_order_are_refused(bundle: Path, order: list[int]) -> None:
    def reorder(content: Any) -> None:
        for item, number in zip([content["submission"], *content["approvals"]], order, strict=True):
            item["journal"]["sequence"] = number

    assert "do not follow one another" in fault(resigned(bundle, approvals(reorder)), NotAllowed)


def test_an_approval_after_the_release_is_refused(bundle: Path) -> None:
    early = approvals(lambda content: content.update(released="2026-03-02T09:02:30+00:00"))
    assert "something was approved after the release" in fault(resigned(bundle, early), NotAllowed)


def test_a_release_from_the_future_is_refused(bundle: Path, released: Office) -> None:
    said = fault(bundle, NotAllowed, now=released.now - timedelta(hours=1))
    assert "a time that has not come yet" in said


def test_a_release_that_the_journal_does_not_know_is_found(bundle: Path, tmp_path: Path) -> None:
    other = Office(tmp_path / "other").open()
    assert "the journal does not hold this release: the journal file is missing" in fault(bundle, journal=other.journal)
    other.submit()
    assert "the journal does not hold this release" in fault(bundle, journal=other.journal)


def test_an_altered_journal_is_found(bundle: Path, released: Office, tmp_path: Path) -> None:
    copy = Office(tmp_path / "copy", released.roster)
    shutil.copytree(released.root, copy.root)
    text = copy.journal.file.read_bytes()
    copy.journal.file.write_bytes(text.replace(b"p-first", b"p-third"))
    assert "journal entry 2 was changed" in fault(bundle, journal=copy.journal)


def test_other_times_than_the_journals_are_found(bundle: Path, released: Office) -> None:
    earlier = approvals(lambda c: c["submission"]["journal"].update(time="2026-03-02T09:01:30+00:00"))
    said = fault(resigned(bundle, earlier), journal=released.journal)
    assert "the journal has other times" in said
