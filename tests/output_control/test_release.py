"""The release service: what it refuses, what a kill leaves, who may write, and that it writes the same bytes again."""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from enclave.errors import EnclaveError, NotAllowed, NotReady, Refused, StorageFailed, Tampered
from enclave.files import TEMPORARY_MARK
from enclave.fingerprints import digest_json
from enclave.signatures import SigningKey
from enclave.zones import Owner, Zone, assign_zones
from output_control import review
from output_control.bundle import write_bundle
from output_control.review_states import State
from output_control.sealed import CheckedOutput
from output_control.verify import verify_bundle
from tests.output_control.desk import (
    CONTEXT,
    KEYS,
    ROOT,
    SERVICE,
    Office,
    a_checked_output,
    a_roster,
    contents,
    roster_lines,
    seed_key,
)
from tests.output_control.killing import Killer, audited, traced


def shelf(office: Office) -> Path:
    """Where the project's bundles stand."""
    return office.workspace.path(Zone.RELEASED) / "zicht_demo"


def bundles(office: Office) -> list[Path]:
    """Everything on the shelf, half-written things too."""
    return sorted(shelf(office).iterdir()) if shelf(office).is_dir() else []


# what is written


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
    for secret in (b"CONFIDENTIAL-7", b"annex", b"primary", CONTEXT.encode(), b'"0001",7'):
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


# again


def test_releasing_again_gives_the_same_release_and_writes_nothing(office: Office) -> None:
    request = office.approved()
    made = office.release(request)
    before = contents(office.root)
    assert office.release(request, recheck=must_not_run) == made
    assert contents(office.root) == before


def must_not_run() -> CheckedOutput:
    """A re-tabulation that nobody should have asked for."""
    pytest.fail("tabulated again without need")


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


# what is refused


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
    code = {"analyses/v3/v1.py": "a" * 64, "output_control/rules.py": "b" * 64}
    said = {"made_with": {"code": code, "parameters": "c" * 64, "packages": "d" * 64, **changed}}
    evidence = {**a_checked_output().evidence, "evidence/v3/inputs.json": json.dumps(said).encode()}
    return a_checked_output(evidence=evidence, fingerprint=digest_json(said["made_with"]))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"code": {"analyses/v3/v1.py": "e" * 64, "output_control/rules.py": "b" * 64}},
            ["code analyses/v3/v1.py"],
        ),
        (
            {"code": {"analyses/v3/v1.py": "a" * 64, "output_control/more.py": "b" * 64}},
            ["code output_control/more.py", "code output_control/rules.py"],
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


@pytest.mark.parametrize("outputs", [a_checked_output().outputs, {"outputs/v3/area.csv": b"other\n"}])
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


# kills


def approved_office(place: Path) -> tuple[Office, str]:
    """An office with an approved request, as every killed run finds it."""
    office = Office(place).open()
    request = office.approved()
    office.later()
    return office, request


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


# disks and users


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 96 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["/bin/umount", str(place)], check=True)


def test_a_full_disk_leaves_no_bundle_and_the_approvals_standing(office: Office, small_disk: Path) -> None:
    request = office.approved()
    shutil.rmtree(office.workspace.path(Zone.RELEASED))
    office.workspace.path(Zone.RELEASED).symlink_to(small_disk)
    (small_disk / "filler").write_bytes(bytes(80 * 1024))
    with pytest.raises(StorageFailed, match="the disk is full"):
        office.release(request)
    assert bundles(office) == []
    assert review.state(request, desk=office.desk) is State.APPROVED
    (small_disk / "filler").unlink()
    verify_bundle(office.release(request).path, ROOT.public)


RESEARCHER, RELEASER = 61001, 61002
COMMON = 61003


@pytest.fixture
def shared_place() -> Iterator[Path]:
    """A folder that other users may enter; pytest's own are closed to them."""
    place = Path(tempfile.mkdtemp(prefix="zicht-users-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def as_user(user: int, work: Callable[[], Any]) -> Any:
    """What ``work`` returns, or the error's class and text, in a process of another operating-system user.

    A fork, because this interpreter may lie where others cannot start it; no account is needed for the number.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([COMMON])
            os.setgid(user)
            os.setuid(user)
            try:
                answer = work()
            except Exception as error:
                answer = [type(error).__name__, str(error)]
            os.write(write, json.dumps(answer).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answers:
        answer = json.load(answers)
    os.waitpid(child, 0)
    return answer


def granted(root: Path) -> list[str]:
    """What the present user may do in the workspace."""

    def write(zone: str) -> None:
        (root / zone / "planted").write_bytes(b"x")
        (root / zone / "planted").unlink()

    released = next((root / "released").rglob("policy.json"))
    tries: dict[str, Callable[[], object]] = {
        "read keys": lambda: list((root / "keys").iterdir()),
        "read gate": lambda: list((root / "gate").iterdir()),
        "read the signing key": (root / "gate/release.key").read_bytes,
        "read linked": (root / "linked/frame").read_bytes,
        "read released": released.read_bytes,
        **{f"write {zone}": functools.partial(write, zone) for zone in ("keys", "gate", "linked", "released")},
        "change a bundle": lambda: released.open("ab"),
        "remove from a bundle": released.unlink,
        "take a bundle away": lambda: released.parent.rename(released.parent.with_name("gone")),
        "give itself a zone": lambda: os.chown(root / "released", os.getuid(), os.getgid()),
        "open a zone": lambda: (root / "gate").chmod(0o777),
    }
    may = []
    for what, attempt in tries.items():
        try:
            attempt()
        except PermissionError:
            continue
        may.append(what)
    return may


@pytest.fixture
def two_users(shared_place: Path) -> tuple[Office, str]:
    """An approved request in a workspace whose gate and released zone belong to the release service's user."""
    if os.geteuid() != 0:
        pytest.skip("needs root to run processes as two operating-system users")
    office, request = approved_office(shared_place / "workspace")
    warm, other = approved_office(shared_place / "warm")
    warm.release(other)  # so that forked processes need no module from where they cannot read
    SERVICE.save(office.workspace.path(Zone.GATE) / "release.key", b"test")
    (office.workspace.path(Zone.LINKED) / "frame").write_bytes(b"linked")
    owners = dict.fromkeys(Zone, Owner(61000, 61000)) | {
        Zone.GATE: Owner(RELEASER, RELEASER),
        Zone.RELEASED: Owner(RELEASER, RELEASER),
        Zone.RESULTS: Owner(RESEARCHER, RESEARCHER),
        Zone.REVIEW: Owner(RESEARCHER, RESEARCHER),
    }
    assign_zones(office.workspace, owners, common_group=COMMON)
    return office, request


def release_with_stored_key(office: Office, request: str) -> Any:
    """Read the signing key from the gate and release."""
    key = SigningKey.load(office.workspace.path(Zone.GATE) / "release.key", b"test")
    return str(office.release(request, signing_key=key).path)


def test_under_two_users_the_researcher_cannot_release_and_the_service_can(two_users: tuple[Office, str]) -> None:
    office, request = two_users
    kind, _ = as_user(RESEARCHER, lambda: release_with_stored_key(office, request))
    assert kind == "KeyUnavailable"
    assert bundles(office) == []
    made = as_user(RELEASER, lambda: release_with_stored_key(office, request))
    verify_bundle(Path(made), ROOT.public, journal=office.journal)


def test_under_two_users_only_the_service_reads_the_gate_and_writes_released(two_users: tuple[Office, str]) -> None:
    office, request = two_users
    as_user(RELEASER, lambda: release_with_stored_key(office, request))
    assert as_user(RESEARCHER, lambda: granted(office.root)) == ["read linked", "read released"]
    service = as_user(RELEASER, lambda: granted(office.root))
    assert {"read gate", "read the signing key", "write released", "write gate"} <= set(service)
    assert not {"read keys", "write keys", "write linked"} & set(service)


def test_a_stolen_key_and_certificate_do_not_open_the_released_zone(two_users: tuple[Office, str]) -> None:
    """The researcher's user holds the signing key by mistake: the folder's owner is a second lock."""
    office, request = two_users
    assign_zones(office.workspace, {Zone.GATE: Owner(RESEARCHER, RESEARCHER)})
    kind, said = as_user(RESEARCHER, lambda: release_with_stored_key(office, request))
    assert kind == "StorageFailed"
    assert "this user may not write the released zone" in said
    assert bundles(office) == []


def test_only_root_gives_zones_away(two_users: tuple[Office, str]) -> None:
    office, _ = two_users
    mine = {Zone.RELEASED: Owner(RESEARCHER, RESEARCHER)}
    kind, said = as_user(RESEARCHER, lambda: assign_zones(office.workspace, mine))
    assert (kind, "as root" in said) == ("StorageFailed", True)


def test_a_stored_key_is_the_key_that_signs(office: Office) -> None:
    SERVICE.save(office.workspace.path(Zone.GATE) / "release.key", b"test")
    stored = SigningKey.load(office.workspace.path(Zone.GATE) / "release.key", b"test")
    verify_bundle(office.release(office.approved(), signing_key=stored).path, ROOT.public)


def test_an_interrupted_writing_of_a_bundle_is_an_error_of_storage(tmp_path: Path) -> None:
    def full(fresh: Path) -> None:
        raise OSError(errno.EIO, "failed")

    check: Callable[[Path], object] = full
    with pytest.raises(EnclaveError, match="the disk failed"):
        write_bundle(tmp_path / "b", {"a": b"1"}, check)
    assert list(tmp_path.iterdir()) == []
