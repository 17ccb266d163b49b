"""``tools/setup`` on a machine that lacks a Debian package: root gets it installed, others are told which one."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import CHECKOUT

NEEDED = ("sh", "dirname", "cat", "sha256sum", "cut", "id")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout whose environment stands, on a machine with the tools of ``NEEDED``, without java and softhsm2."""
    (tmp_path / "tools").mkdir()
    shutil.copy(CHECKOUT / "tools/setup", tmp_path / "tools/setup")
    (tmp_path / ".venv").mkdir()
    (tmp_path / "requirements.lock").write_text("x")
    (tmp_path / "pyproject.toml").write_text("y")
    (tmp_path / ".venv/installed").write_text(hashlib.sha256(b"xy").hexdigest() + "\n")
    (tmp_path / "bin").mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found
        (tmp_path / "bin" / name).symlink_to(found)
    (tmp_path / "bin/python3").symlink_to(sys.executable)
    return tmp_path


def tool(bare: Path, name: str, text: str) -> None:
    (bare / "bin" / name).unlink(missing_ok=True)
    (bare / "bin" / name).write_text(f"#!{shutil.which('sh')}\n{text}\n")
    (bare / "bin" / name).chmod(0o755)


def set_up(bare: Path) -> subprocess.CompletedProcess[str]:
    """``tools/setup`` with the packages that ``make test`` names."""
    (line,) = re.findall(r"^test:.*\n\t@tools/setup (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    environment = {"PATH": str(bare / "bin"), "PYTHON": sys.executable, "HOME": os.environ.get("HOME", "/")}
    command = [str(bare / "bin/sh"), str(bare / "tools/setup"), *line.split()]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_root_gets_java_bubblewrap_and_a_token_from_debian(bare: Path) -> None:
    tool(bare, "id", "echo 0")
    tool(bare, "apt-get", f'echo "$@" >>{bare}/installed')
    done = set_up(bare)
    assert done.returncode == 0, done.stderr
    update, install = (bare / "installed").read_text().splitlines()
    assert update.startswith("update")
    assert install.endswith(" bubblewrap default-jre-headless softhsm2")


def test_anybody_else_is_told_what_is_missing(bare: Path) -> None:
    tool(bare, "id", "echo 1000")
    tool(bare, "bwrap", "true")
    done = set_up(bare)
    assert done.returncode == 1
    assert "sudo apt-get install default-jre-headless softhsm2\n" in done.stderr


def test_nothing_is_installed_where_everything_is(bare: Path) -> None:
    for name in ("bwrap", "java", "softhsm2-util"):
        tool(bare, name, "true")
    tool(bare, "apt-get", "exit 9")
    assert set_up(bare).returncode == 0


def test_a_package_asked_for_with_extras_is_locked_with_them() -> None:
    """Else the pip of Debian 12 takes its newest release, of which the lock has no hash, and no installation works."""
    lock = (CHECKOUT / "requirements.lock").read_text()
    locked = {
        canonicalize_name(name): {extra.strip() for extra in extras.split(",")} - {""}
        for name, extras in re.findall(r"^([A-Za-z0-9._-]+)(?:\[([^]]*)\])?==", lock, re.MULTILINE)
    }
    parts = [metadata.distribution(name) for name in locked if _installed(name)]
    asked = [
        (canonicalize_name(need.name), need.extras)
        for part in parts
        for need in map(Requirement, part.requires or ())
        if not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in ("", *locked[_name(part)]))
    ]
    assert len(parts) > len(locked) / 2
    assert any(extras for _, extras in asked)
    assert [name for name, extras in asked if extras - locked.get(name, set())] == []


def _name(part: metadata.Distribution) -> str:
    return canonicalize_name(part.name)


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
