"""The installation of a municipality: our own wheel and the packages of ``municipality.lock``, no more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tests.conftest import CHECKOUT

LOCK = CHECKOUT / "municipality.lock"


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Light:
    """How to start its ``zicht``, and in which folder the clerk works."""

    command: tuple[str, ...]
    home: Path

    def zicht(self, *arguments: str | Path, **environment: str) -> Done:
        """Run it as a clerk does: without a network where the machine can take it away, on a narrow console."""
        offline = ("bwrap", "--dev-bind", "/", "/", "--unshare-net") if shutil.which("bwrap") else ()
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")}
        # a Western European console, as Windows has it: what cannot be written there fails
        variables = {**kept, "PYTHONIOENCODING": "cp1252:strict", "COLUMNS": "200", **environment}
        done = subprocess.run(
            [*offline, *self.command, *map(str, arguments)],
            cwd=self.home,
            env=variables,
            capture_output=True,
            encoding="cp1252",
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


def locked() -> tuple[str, ...]:
    """Names of the packages that the lock has for this system."""
    lines = re.findall(r"^([a-z][a-z0-9._-]*)==\S+(?: ; (.*?))? \\$", LOCK.read_text(), re.MULTILINE)
    return tuple(name for name, marker in lines if "win32" not in marker)


def build_wheel(folder: Path) -> Path:
    """The distribution's wheel, built from the checkout without a network."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(CHECKOUT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("zicht-*.whl")
    return wheel


def linked(folder: Path, wheel: Path) -> Light:
    """The locked packages by themselves, linked from this environment: nothing else of it can be imported."""
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for name in locked():
        for place in {Path(file).parts[0] for file in metadata.distribution(name).files or ()} - {"..", "__pycache__"}:
            found = Path(str(metadata.distribution(name).locate_file(place)))
            if not (packages / place).exists():
                (packages / place).symlink_to(found)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    start = (
        f"import sys; sys.path.append({str(packages)!r}); sys.argv[0] = 'zicht'; from pipeline.main import main; main()"
    )
    return Light((sys.executable, "-I", "-S", "-c", start), _home(folder))


def installed(folder: Path, wheel: Path) -> Light:
    """A fresh virtual environment with the lock, from the registry that this machine is set up for."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    pip = [str(folder / "venv/bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
    for what in (["--require-hashes", "--requirement", str(LOCK)], ["--no-deps", "--no-index", str(wheel)]):
        subprocess.run([*pip, *what], check=True, capture_output=True)
    return Light((str(folder / "venv/bin/zicht"),), _home(folder))


def _home(folder: Path) -> Path:
    home = folder / "home"
    home.mkdir()
    return home
