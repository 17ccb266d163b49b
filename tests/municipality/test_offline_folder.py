"""The folder that a municipality gets: installed as its page says, without a network; a swapped wheel is refused."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import CHECKOUT


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("municipality_folder", CHECKOUT / "tools/municipality.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def documented(page: str) -> list[str]:
    """The commands of the page's installation, for this system."""
    text = (CHECKOUT / "docs/tutorial" / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"```text\n(certutil.*?)```", text, re.DOTALL)
    lines = [re.sub(r" {3,}\(.*", "", line) for line in block.splitlines()[1:]]
    return [line.replace("zicht\\Scripts\\pip", "zicht/bin/pip") for line in lines]


def test_both_pages_say_the_same_commands() -> None:
    commands = documented("municipality.md")
    assert commands == documented("gemeente.md")
    assert commands == [
        "python -m venv zicht",
        "zicht/bin/pip install --no-index --find-links . --require-hashes -r municipality.lock",
    ]


def wheel_in(folder: Path, content: str) -> Path:
    wheel = folder / "zicht-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("zicht_example.py", content)
        archive.writestr("zicht-0.1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: zicht\nVersion: 0.1.0\n")
        archive.writestr(
            "zicht-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("zicht-0.1.0.dist-info/RECORD", "")
    return wheel


def test_a_swapped_wheel_of_zicht_is_refused(tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path, "x = 1")
    (tmp_path / "municipality.lock").write_text(tool().lock_with(wheel, ""))
    command = [sys.executable, "-m", "pip", *documented("municipality.md")[1].split()[1:]]
    command += ["--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--disable-pip-version-check"]

    def installs() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert installs().returncode == 0
    wheel_in(tmp_path, "x = 2")
    refused = installs()
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr


@pytest.mark.registry
def test_the_folder_is_installed_as_the_page_says_without_a_network(tmp_path: Path) -> None:
    folder, version = tmp_path / "folder", f"{sys.version_info[0]}.{sys.version_info[1]}"
    tags = [f"{tag}_{platform.machine()}" for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")]
    digest = tool().make(folder, tags, [version])
    assert hashlib.sha256((folder / "municipality.lock").read_bytes()).hexdigest() == digest
    assert {"gemeente.md", "municipality.md"} <= {path.name for path in folder.iterdir()}
    offline = ["bwrap", "--dev-bind", "/", "/", "--unshare-net"] if shutil.which("bwrap") else []
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "TMPDIR")}
    started = {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in documented("municipality.md"):
        subprocess.run([*offline, *command.split()], cwd=folder, env=started, check=True)
    told = subprocess.run(
        [*offline, "zicht/bin/zicht", "delivery", "schemas"], cwd=folder, env=started, check=True, capture_output=True
    )
    assert b"hemp_clearances" in told.stdout
