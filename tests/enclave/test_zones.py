"""Zones: who may read what, on disk and in types."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from enclave.data_keys import DataKeys
from enclave.encrypted_files import DataKey
from enclave.errors import StorageFailed
from enclave.zones import Derived, Identified, Linked, Owner, Pseudonymised, Workspace, Zone, assign_zones

PRIVATE = {Zone.INBOX, Zone.IDENTIFIED, Zone.KEY, Zone.GATE, Zone.LEDGER, Zone.PSEUDONYMISED}
WRONG_ZONE_CALLS = """
from enclave.frames import Frame
from enclave.zones import Derived, Identified, Linked, Pseudonymised, ZoneTag

def link(frame: Frame[Pseudonymised]) -> None: ...
def anything(frame: Frame[ZoneTag]) -> None: ...
def right(frame: Frame[Pseudonymised]) -> None: link(frame)
def wrong_one(frame: Frame[Identified]) -> None: link(frame)
def wrong_two(frame: Frame[Linked]) -> None: link(frame)
def wrong_three(frame: Frame[Derived]) -> None: link(frame)
def wrong_four(frame: Frame[Identified]) -> None: anything(frame)
class Mine(Linked): ...
"""


def test_every_zone_says_who_may_read_and_write() -> None:
    assert len({zone.description() for zone in Zone}) == len(Zone)


def test_a_workspace_has_a_folder_per_zone_and_private_ones_are_closed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "office")
    workspace.create()
    for zone in Zone:
        assert workspace.path(zone).stat().st_mode & 0o777 == (0o700 if zone in PRIVATE else 0o755)
    assert workspace.journal.is_dir()
    assert workspace.state.is_dir()


def test_creating_again_keeps_what_is_there_and_closes_what_was_opened(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create()
    (workspace.path(Zone.KEY) / "k").write_bytes(b"1")
    workspace.path(Zone.KEY).chmod(0o777)
    workspace.create()
    assert (workspace.path(Zone.KEY) / "k").read_bytes() == b"1"
    assert workspace.path(Zone.KEY).stat().st_mode & 0o777 == 0o700


def test_each_marker_names_its_zone() -> None:
    zones = [tag.zone for tag in (Identified, Pseudonymised, Linked, Derived)]
    assert zones == [Zone.IDENTIFIED, Zone.PSEUDONYMISED, Zone.LINKED, Zone.RESULTS]


def test_the_type_checker_refuses_every_wrong_zone_call(tmp_path: Path) -> None:
    (tmp_path / "calls.py").write_text(WRONG_ZONE_CALLS)
    checkout = Path(__file__).resolve().parents[2]
    # the libraries are checked elsewhere, and reading them takes most of the time
    skipped = "[mypy]\nstrict = true\nfollow_imports = silent\n[mypy-pyarrow.*,pydantic.*]\nfollow_imports = skip\n"
    (tmp_path / "mypy.ini").write_text(skipped)
    command = [sys.executable, "-m", "mypy", "--config-file", str(tmp_path / "mypy.ini"), "--no-error-summary"]
    said = subprocess.run(
        [*command, "--cache-dir", str(tmp_path / "cache"), str(tmp_path / "calls.py")],
        cwd=checkout,
        env={**os.environ, "MYPYPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    refused = {int(line.split(":")[1]) for line in said.splitlines() if "calls.py" in line and "error" in line}
    wrong = {n for n, line in enumerate(WRONG_ZONE_CALLS.splitlines(), 1) if "wrong" in line or "Mine" in line}
    assert refused == wrong, said


def test_zones_go_to_their_owners_with_everything_in_them(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give folders away")
    workspace = Workspace(tmp_path / "office")
    workspace.create()
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    inner = workspace.path(Zone.GATE) / "a"
    inner.mkdir()
    (inner / "file").write_bytes(b"")
    (inner / "link").symlink_to(outside)
    workspace.path(Zone.GATE).chmod(0o777)
    assign_zones(workspace, {Zone.GATE: Owner(7001, 7002)})
    for path in (workspace.path(Zone.GATE), inner, inner / "file", inner / "link"):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (7001, 7002)
    assert workspace.path(Zone.GATE).stat().st_mode & 0o777 == 0o700
    assert outside.stat().st_uid == 0
    assert workspace.path(Zone.KEY).stat().st_uid == 0
    assert workspace.journal.stat().st_gid == 0


@pytest.mark.parametrize("mode", [0o700, 0o777])
def test_another_user_finds_the_zones_in_order_or_is_told_who_must_mend_them(tmp_path: Path, mode: int) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    workspace = Workspace(tmp_path / "office")
    workspace.create()
    workspace.path(Zone.GATE).chmod(mode)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(workspace.root)
            os.setuid(65534)
            try:
                Workspace(Path()).create()
                status = 0
            except StorageFailed:
                status = 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (0 if mode == 0o700 else 2)


def test_the_journals_folder_goes_to_the_common_group(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give folders away")
    workspace = Workspace(tmp_path / "office")
    workspace.create()
    assign_zones(workspace, {}, common_group=7003)
    for folder in (workspace.journal, workspace.state):
        assert (folder.stat().st_gid, folder.stat().st_uid) == (7003, 0)
        assert folder.stat().st_mode & 0o7777 == 0o2775


def test_the_keys_of_data_sets_are_for_the_common_group_alone(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give folders away")
    workspace = Workspace(tmp_path / "office")
    workspace.create()
    key = DataKey("project/homes/2031-12-31", bytes(32))
    DataKeys(workspace.data_keys).hand_out(key)
    assign_zones(workspace, {Zone.LINKED: Owner(7001, 7002)}, common_group=7003)
    DataKeys(workspace.data_keys).hand_out(DataKey("project/persons/2031-12-31", bytes(32)))
    for path in (workspace.data_keys, *workspace.data_keys.rglob("*")):
        assert path.stat().st_gid == 7003
        assert path.stat().st_mode & 0o007 == 0 or path.name == "CACHEDIR.TAG"
    assert workspace.data_keys.stat().st_uid == 7001
    assert workspace.scratch.stat().st_mode & 0o7777 == 0o1777


def test_who_is_not_root_gives_nothing_away(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "office")
    workspace.create()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.chdir(workspace.root)
                os.setuid(65534)
            with pytest.raises(StorageFailed, match="may not give zones to other users"):
                assign_zones(Workspace(Path()), {Zone.RELEASED: Owner(0, 0)})
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
