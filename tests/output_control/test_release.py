"""The release service: what it writes, once and again, and that a kill leaves nothing half."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from enclave.files import TEMPORARY_MARK
from output_control import review
from output_control.release.verify import verify_bundle
from output_control.review.states import State
from tests.output_control.desk import (
    CONTEXT,
    ROOT,
    Office,
    a_checked_output,
    contents,
)
from tests.output_control.killing import Killer, audited, traced
from tests.output_control.release_desk import approved_office, bundles, must_not_run


def test_an_approved_request_becomes_a_bundle_that_verifies(office: Office) -> None:
    request = office.approved()
    made = office.release(request)
    assert bundles(office) == [made.path]
    assert (made.request, made.analysis, made.version) == (request, "v3", 1)
    verify_bundle(made.path, ROOT.public, now=office.now, journal=office.journal)
    assert review.state(request, desk=office.desk) is State.RELEASED
    assert office.actions(request)[-2:] == ["release.begin", "request.release"]


def test_outputs_evidence_and_policy_are_byte_for_byte_what_was_checked(office: Office) -> None:
    written = contents(office.release(office.approved()).path)
    checked = a_checked_output()
    for name, content in {**checked.outputs, **checked.evidence, "policy.json": checked.policy_document}.items():
        assert written[name] == content


def test_nothing_confidential_and_no_free_text_gets_into_a_bundle(office: Office) -> None:
    written = b"".join(contents(office.release(office.approved()).path).values())
    for secret in (b"CONFIDENTIAL-7", b"annex", b'"primary"', CONTEXT.encode(), b'"0001",7'):
        assert secret not in written


def test_times_stand_only_in_approvals_crate_roster_and_release_key(office: Office) -> None:
    written = contents(office.release(office.approved()).path)
    with_time = {name for name, content in written.items() if b"2026-0" in content}
    assert with_time == {"approvals.json", "ro-crate-metadata.json", "roster.json", "release-key.json"}


def test_two_offices_at_other_places_and_times_write_the_same_outputs_and_evidence(tmp_path: Path) -> None:
    one, other = Office(tmp_path / "a").open(), Office(tmp_path / "b/c/d").open()
    other.later(days=3)
    first, second = (contents(office.release(office.approved()).path) for office in (one, other))
    same = {name for name in first if first[name] == second[name]}
    assert same >= {name for name in first if name.startswith(("outputs/", "evidence/"))} | {"policy.json"}


def test_releasing_again_gives_the_same_release_and_writes_nothing(office: Office) -> None:
    request = office.approved()
    made = office.release(request)
    before = contents(office.root)
    assert office.release(request, recheck=must_not_run) == made
    assert contents(office.root) == before


def test_another_request_for_the_same_content_gets_the_release_that_stands(office: Office) -> None:
    made = office.release(office.approved())
    second = office.submit(context=CONTEXT + " Asked again.")
    office.approve(second, "p-second", "p-third")
    again = office.release(second)
    assert (again.path, again.digest, again.request) == (made.path, made.digest, second)
    assert bundles(office) == [made.path]
    assert office.release(second, recheck=must_not_run) == again


def test_another_version_stands_beside_the_first(office: Office) -> None:
    first = office.release(office.approved())
    newer = a_checked_output(version=2)
    second = office.release(office.approved(newer), lambda: newer)
    assert bundles(office) == [first.path, second.path]


def survive(tmp_path: Path, killer: Killer, points: Iterator[int]) -> int:
    """Kill a release at each point; afterwards nothing half is there, and a second run makes the very same bundle."""
    office, request = approved_office(tmp_path / "office")
    undisturbed = Office(tmp_path / "undisturbed", office.roster, office.now)
    shutil.copytree(office.root, undisturbed.root)
    expected = contents(undisturbed.release(request, now=office.now).path)
    kills = 0
    for point in points:
        copy = Office(tmp_path / f"at-{point}", office.roster, office.now)
        shutil.copytree(office.root, copy.root)
        if not killer(lambda copy=copy: copy.release(request, now=office.now), point):
            break
        kills += 1
        for found in bundles(copy):
            if TEMPORARY_MARK not in found.name:
                verify_bundle(found, ROOT.public)
        assert review.state(request, desk=copy.desk) in (State.APPROVED, State.RELEASED)
        again = copy.release(request, now=office.now)
        assert contents(again.path) == expected
        assert bundles(copy) == [again.path]
        assert copy.actions(request).count("request.release") == 1
        verify_bundle(again.path, ROOT.public, journal=copy.journal)
        shutil.rmtree(copy.root)
    return kills


def test_a_kill_at_any_file_operation_leaves_no_half_bundle_and_a_second_run_finishes(tmp_path: Path) -> None:
    assert survive(tmp_path, audited, iter(range(1, 2000, 5))) > 20


@pytest.mark.sweep
def test_a_kill_at_every_file_operation(tmp_path: Path) -> None:
    assert survive(tmp_path, audited, iter(range(1, 10_000))) > 100


@pytest.mark.sweep
def test_a_kill_at_many_lines_of_code(tmp_path: Path) -> None:
    assert survive(tmp_path, traced, iter(range(1, 1_000_000, 23))) > 100
