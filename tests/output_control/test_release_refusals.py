"""What the release service refuses: other numbers, altered files, forged entries, keys and rosters that do not hold."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from typing import Any

import pytest

from enclave.errors import NotAllowed, NotReady, Refused, StorageFailed, Tampered
from enclave.fingerprints import digest_json
from enclave.zones import Zone
from output_control import review
from output_control.release.verify import verify_bundle
from output_control.review.states import State
from output_control.sealed import CheckedOutput
from tests.output_control.desk import (
    KEYS,
    ROOT,
    TABLE,
    Office,
    a_checked_output,
    a_roster,
    contents,
    roster_lines,
    seed_key,
)
from tests.output_control.release_desk import bundles, must_not_run, shelf


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"outputs": {**a_checked_output().outputs, "outputs/v3/area.csv": b"other\n"}}, "outputs/v3/area.csv"),
        ({"outputs": {**a_checked_output().outputs, "outputs/v3/more.csv": b"1\n"}}, "outputs/v3/more.csv"),
        ({"evidence": {"evidence/v3/area.json": b"{}"}}, "evidence/v3/area.json, evidence/v3/inputs.json"),
        ({"checker_annex": {**a_checked_output().checker_annex, "annex/v3/area.json": b"{}"}}, "annex/v3/area.json"),
        (
            {"checker_annex": {**a_checked_output().checker_annex, "v3/derivation-v1.py": b""}},
            "annex/v3/derivation-v1.py",
        ),
        ({"policy_document": b"{}"}, "policy.json"),
        ({"inputs": {"dwellings": "e" * 64}}, "input dwellings"),
        ({"inputs": {}}, "input dwellings"),
        ({"fingerprint": "e" * 64}, "code"),
        ({"version": 2}, "analysis"),
        ({"analysis": "v4"}, "analysis"),
    ],
)
def test_any_difference_on_re_tabulation_voids_the_approvals(
    office: Office, change: dict[str, Any], named: str
) -> None:
    request = office.approved()
    with pytest.raises(Tampered, match=rf"differs from what was approved: {named}; the approvals are void"):
        office.release(request, lambda: a_checked_output(**change))
    assert bundles(office) == []
    assert review.state(request, desk=office.desk) is State.VOID
    assert list(office.journal.entries())[-1].details["differs"] == named.split(", ")
    with pytest.raises(NotAllowed, match="a request that is void cannot be released"):
        office.release(request)


def made_with(**changed: object) -> CheckedOutput:
    """A checked output that says what made it."""
    code = {"analyses/v3/v1.py": "a" * 64, "output_control/tables/rules.py": "b" * 64}
    said = {"made_with": {"code": code, "parameters": "c" * 64, "packages": "d" * 64, **changed}}
    evidence = {**a_checked_output().evidence, "evidence/v3/inputs.json": json.dumps(said).encode()}
    return a_checked_output(evidence=evidence, fingerprint=digest_json(said["made_with"]))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"code": {"analyses/v3/v1.py": "e" * 64, "output_control/tables/rules.py": "b" * 64}},
            ["code analyses/v3/v1.py"],
        ),
        (
            {"code": {"analyses/v3/v1.py": "a" * 64, "output_control/more.py": "b" * 64}},
            ["code output_control/more.py", "code output_control/tables/rules.py"],
        ),
        ({"parameters": "e" * 64, "packages": "e" * 64}, ["packages", "parameters"]),
    ],
)
def test_changed_code_is_named_by_its_files(office: Office, change: dict[str, Any], named: list[str]) -> None:
    request = office.approved(made_with())
    with pytest.raises(Tampered, match=", ".join(named)):
        office.release(request, lambda: made_with(**change))
    assert list(office.journal.entries())[-1].details["differs"] == [*named, "evidence/v3/inputs.json"]


def test_a_long_list_of_changed_files_is_cut_in_the_message_and_whole_in_the_journal(office: Office) -> None:
    request = office.approved(made_with(code={f"enclave/f{n:02}.py": "a" * 64 for n in range(40)}))
    with pytest.raises(Tampered, match=r"f19\.py and 21 more; the approvals are void"):
        office.release(request, lambda: made_with(code={f"enclave/f{n:02}.py": "b" * 64 for n in range(40)}))
    assert len(list(office.journal.entries())[-1].details["differs"]) == 41


@pytest.mark.parametrize("part", ["outputs/v3/area.csv", "evidence/v3/area.json", "annex/v3/area.json", "policy.json"])
def test_a_file_that_was_altered_after_the_approvals_stops_the_release(office: Office, part: str) -> None:
    request = office.approved()
    file = office.workspace.path(Zone.REVIEW) / request / part
    asked = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(asked + b" ")
    with pytest.raises(Tampered, match=rf"{part} was altered"):
        office.release(request, must_not_run)
    assert bundles(office) == []
    file.write_bytes(asked)
    office.release(request)


def test_an_annex_that_was_altered_while_the_numbers_were_made_again_stops_the_release(office: Office) -> None:
    request = office.approved()

    def meanwhile() -> CheckedOutput:
        (office.workspace.path(Zone.REVIEW) / request / "annex/v3/area.json").unlink()
        return a_checked_output()

    with pytest.raises(Tampered, match=r"annex/v3/area\.json is missing"):
        office.release(request, meanwhile)
    assert bundles(office) == []


def test_an_annex_that_was_altered_after_the_release_is_found_at_every_later_look(office: Office) -> None:
    request = office.approved()
    office.release(request)
    file = office.workspace.path(Zone.REVIEW) / request / "annex/v3/area.cells.csv"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b"primary", b"published"))
    for look in (lambda: review.show(request, desk=office.desk), lambda: office.release(request, must_not_run)):
        with pytest.raises(Tampered, match=r"annex/v3/area\.cells\.csv was altered"):
            look()


def test_an_error_of_the_re_tabulation_leaves_the_approvals_standing(office: Office) -> None:
    def fails() -> CheckedOutput:
        raise StorageFailed("the disk is full")

    request = office.approved()
    with pytest.raises(StorageFailed):
        office.release(request, fails)
    assert review.state(request, desk=office.desk) is State.APPROVED
    office.release(request)


def test_what_is_no_checked_output_is_refused(office: Office) -> None:
    class LooksLikeIt:
        def __getattr__(self, name: str) -> Any:
            return getattr(a_checked_output(), name)

    impostor: Any = LooksLikeIt
    with pytest.raises(Refused, match="checked output and nothing else"):
        office.release(office.approved(), impostor)
    assert bundles(office) == []


def test_an_objection_during_the_re_tabulation_blocks(office: Office) -> None:
    request = office.approved()

    def objected() -> CheckedOutput:
        why = "A third pair of eyes saw something."
        review.reject(request, why, person="p-third", key=KEYS["p-third"], desk=office.desk, now=office.now)
        return a_checked_output()

    with pytest.raises(NotAllowed, match="a request that is rejected cannot be released"):
        office.release(request, objected)
    assert bundles(office) == []


def test_of_two_releases_at_once_the_second_is_held_against_the_first(office: Office) -> None:
    """Both were tabulated beside the same earlier releases; together they may subtract to one unit."""
    other = a_checked_output(version=2)
    first, second = office.approved(), office.approved(other)

    def meanwhile() -> CheckedOutput:
        office.release(second, lambda: other)
        return a_checked_output()

    with pytest.raises(NotReady, match="another release was written while this one was checked"):
        office.release(first, meanwhile)
    assert [path.name for path in bundles(office)] == [office.book.ledger.entries()[0].release]
    office.release(first)
    assert len(bundles(office)) == 2


def test_a_checker_who_left_the_roster_before_the_release_does_not_count(office: Office) -> None:
    request = office.approved()
    left = a_roster([entry for entry in roster_lines() if entry.id != "p-second"], serial=2)
    with pytest.raises(NotAllowed, match="p-second does not stand in the roster"):
        office.release(request, must_not_run, roster=left)


def test_a_roster_older_than_the_last_one_used_is_refused(office: Office) -> None:
    office.roster = a_roster(serial=5)
    office.release(office.approved())
    newer = a_checked_output(version=2)
    request = office.approved(newer)
    with pytest.raises(Tampered, match="roster 4 is older than roster 5"):
        office.release(request, must_not_run, roster=a_roster(serial=4))
    office.release(request, lambda: newer, roster=a_roster(serial=6))


def test_a_key_that_the_office_did_not_certify_signs_nothing(office: Office) -> None:
    with pytest.raises(NotAllowed, match="not the release key that the office certified"):
        office.release(office.approved(), must_not_run, signing_key=seed_key(66))


def test_another_offices_root_key_releases_nothing(office: Office) -> None:
    with pytest.raises(Tampered, match="release_key does not hold"):
        office.release(office.approved(), must_not_run, root_public=seed_key(66).public)


def test_an_expired_release_key_signs_nothing(office: Office) -> None:
    request = office.approved()
    office.later(days=400)
    with pytest.raises(NotAllowed, match="release key is not valid"):
        office.release(request, must_not_run)


def test_a_gate_without_a_certificate_says_what_to_do(office: Office) -> None:
    (office.workspace.path(Zone.GATE) / "release-key.json").unlink()
    with pytest.raises(NotReady, match="no certificate of the release key"):
        office.release(office.approved(), must_not_run)


def test_an_altered_journal_stops_the_release(office: Office) -> None:
    request = office.approved()
    text = office.journal.file.read_bytes()
    office.journal.file.write_bytes(text.replace(b'"actor":"p-first"', b'"actor":"p-third"'))
    with pytest.raises(Tampered, match="journal entry 2 was changed"):
        office.release(request, must_not_run)


def test_a_bundle_that_was_altered_after_its_release_is_found_when_released_again(office: Office) -> None:
    request = office.approved()
    made = office.release(request)
    (made.path / "policy.json").chmod(0o644)
    (made.path / "policy.json").write_bytes(b"{}")
    with pytest.raises(Tampered, match=r"policy\.json was altered"):
        office.release(request, must_not_run)


def test_a_bundle_that_was_replaced_after_its_release_is_found(office: Office) -> None:
    request = office.approved()
    made = office.release(request)
    twin = Office(office.root.with_name("twin")).open()
    replacement = twin.release(twin.approved())
    twin_files = contents(replacement.path)
    assert twin_files == contents(made.path)
    later = Office(office.root.with_name("later")).open()
    later.later(hours=1)
    other = later.release(later.approved())
    shutil.rmtree(made.path)
    shutil.copytree(other.path, made.path)
    with pytest.raises(Tampered):
        office.release(request, must_not_run)


def test_a_bundle_that_was_replaced_by_another_good_one_is_found(office: Office) -> None:
    request = office.approved()
    made = office.release(request)
    newer = a_checked_output(version=2)
    other = office.release(office.approved(newer), lambda: newer)
    shutil.rmtree(made.path)
    shutil.copytree(other.path, made.path)
    with pytest.raises(Tampered, match="another release stands under this name"):
        office.release(request, must_not_run)


def test_a_bundle_made_again_with_other_approvals_is_found(office: Office) -> None:
    """The same content, approved by others and released anew: good in itself, and not what the journal names."""
    copy = Office(office.root.with_name("copy"), office.roster, office.now)
    request = office.submit()
    shutil.copytree(office.root, copy.root)
    copy.now = office.now
    office.approve(request, "p-first", "p-second")
    made = office.release(request)
    copy.approve(request, "p-third", "p-second")
    other = copy.release(request)
    shutil.rmtree(made.path)
    shutil.copytree(other.path, made.path)
    with pytest.raises(Tampered):
        office.release(request, must_not_run)


def test_a_release_entry_that_someone_forged_gives_no_release(office: Office) -> None:
    request = office.approved()
    for name in ("zicht_demo/none", "../gate", "/etc"):
        copy = Office(office.root.with_name(f"copy-{len(name)}"), office.roster, office.now)
        shutil.copytree(office.root, copy.root)
        details = {"bundle": name, "manifest": "0" * 64}
        copy.journal.append(actor="x", action="request.release", subject=request, details=details, now=copy.now)
        with pytest.raises(NotReady, match="no release bundle here"):
            copy.release(request, must_not_run)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_beginning_that_someone_forged_does_not_set_the_time_of_release(office: Office, hours: int) -> None:
    request = office.approved()
    forged = office.now + timedelta(hours=hours)
    office.journal.append(
        actor="release-service", action="release.begin", subject=request, details={"roster": 1}, now=forged
    )
    report = verify_bundle(office.release(request).path, ROOT.public)
    assert report.released == office.now.isoformat()


OTHER = {"outputs/v3/area.csv": TABLE.replace(b'"0003",80', b'"0003",90')}


@pytest.mark.parametrize("outputs", [a_checked_output().outputs, {**a_checked_output().outputs, **OTHER}])
def test_a_bundle_of_something_else_under_the_same_name_is_never_overwritten(office: Office, outputs: Any) -> None:
    made = office.release(office.approved())
    newer = a_checked_output(version=2, outputs=outputs)
    request = office.approved(newer)
    copy = Office(office.root.with_name("copy"), office.roster, office.now)
    shutil.copytree(office.root, copy.root)
    second = office.release(request, lambda: newer)
    shutil.copytree(made.path, shelf(copy) / second.path.name)
    before = contents(shelf(copy))
    with pytest.raises(Tampered, match="another release stands under this name"):
        copy.release(request, lambda: newer)
    assert contents(shelf(copy)) == before


def test_a_bundle_that_does_not_verify_is_never_published(office: Office) -> None:
    """The gate would have to be broken: evidence that says that the audit failed, approved by two persons."""
    evidence = {"evidence/v3/area.json": b'{"kind":"table","checks":["x"],"audit":{"passed":false}}'}
    broken = a_checked_output(evidence=evidence)
    request = office.approved(broken)
    with pytest.raises(NotAllowed, match="does not say that every check and the audit passed"):
        office.release(request, lambda: broken)
    assert bundles(office) == []
    assert review.state(request, desk=office.desk) is State.APPROVED
