"""The release service on full disks and under two operating-system users."""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from enclave.errors import EnclaveError, StorageFailed
from enclave.signatures import SigningKey
from enclave.zones import Owner, Zone, assign_zones
from output_control import review
from output_control.release.bundle import write_bundle
from output_control.release.verify import verify_bundle
from output_control.review.states import State
from tests.output_control.desk import (
    ROOT,
    SERVICE,
    Office,
)
from tests.output_control.release_desk import approved_office, bundles


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
        Zone.LEDGER: Owner(RELEASER, RELEASER),
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
    """The researcher's user holds the signing key and the ledger by mistake: the folder's owner is a further lock."""
    office, request = two_users
    assign_zones(office.workspace, dict.fromkeys((Zone.GATE, Zone.LEDGER), Owner(RESEARCHER, RESEARCHER)))
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
