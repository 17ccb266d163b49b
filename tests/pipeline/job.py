"""Running the whole job as its users do: the command, in a process of its own, with what it printed."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from enclave.data_keys import DataKeys
from enclave.encrypted_files import key_name, open_encrypted
from pipeline.main import main
from tests.conftest import CHECKOUT


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def zicht(*arguments: str | Path, code_root: Path = CHECKOUT, environment: Mapping[str, str] | None = None) -> Done:
    """``zicht`` with ``arguments``, run from the sources in ``code_root``."""
    variables = {**os.environ, "PYTHONPATH": str(code_root), "COLUMNS": "200", **(environment or {})}
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, cwd=code_root)
    return Done(done.returncode, done.stdout, done.stderr)


def zicht_here(*arguments: str | Path) -> Done:
    """`zicht` in this process, which has read all modules: for refusals, and commands that others start for real."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["zicht", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        patch.chdir(CHECKOUT)
        with pytest.raises(SystemExit) as ended:
            main()
    for stream in (out, err):
        stream.seek(0)
    return Done(int(ended.value.code or 0), out.read(), err.read())


@dataclass(frozen=True)
class Job:
    """A workspace in which ``zicht demo`` ended well."""

    root: Path
    done: Done

    @property
    def workspace(self) -> Path:
        return self.root / "run"

    @property
    def country(self) -> Path:
        return self.root / "country"

    @property
    def places(self) -> list[Path]:
        """Where its processes could have left files beside the workspace."""
        return [self.root / "home", self.root / "tmp"]

    def bundles(self) -> dict[str, Path]:
        """Released bundles by analysis."""
        return {path.name.rsplit("-v", 1)[0]: path for path in sorted(self.workspace.glob("released/*/*"))}

    def zicht(self, *arguments: str | Path) -> Done:
        return zicht(*arguments, "--workspace", self.workspace)

    def zicht_here(self, *arguments: str | Path) -> Done:
        return zicht_here(*arguments, "--workspace", self.workspace)


def own_places(root: Path) -> dict[str, str]:
    """A home and a folder for temporary files below ``root`` for one job alone: what is left in them is its own."""
    places = {"HOME": root / "home", "XDG_CACHE_HOME": root / "home/.cache", "TMPDIR": root / "tmp"}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    return {name: str(place) for name, place in places.items()}


def run_job(
    root: Path, *, persons: int, seed: int = 1, code_root: Path = CHECKOUT, options: tuple[str, ...] = ()
) -> Job:
    """Run the demonstration in ``root``; it must end well."""
    size = ("--persons", str(persons), "--seed", str(seed))
    done = zicht(
        "demo", *size, "--workspace", root / "run", *options, code_root=code_root, environment=own_places(root)
    )
    assert done.code == 0, done.said
    return Job(root, done)


def made_once(factory: pytest.TempPathFactory, name: str, *, persons: int) -> Job:
    """The demonstration of ``persons``, made by whichever worker asks first; the others wait for it and read it too.

    It lies as deep as a folder of ``mktemp``: a copy there finds the configuration at the same relative path.
    """
    base = factory.getbasetemp()
    home = base.parent / "made-once" if "PYTEST_XDIST_WORKER" in os.environ else base
    home.mkdir(exist_ok=True)
    root, told = home / name, home / f"{name}.json"
    with (home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            root.mkdir()
            done = run_job(root, persons=persons).done
            told.write_text(json.dumps([done.code, done.out, done.err]))
    return Job(root, Done(*json.loads(told.read_text())))


def copied_job(job: Job, root: Path) -> Job:
    """A copy of ``job`` in ``root``, wherever that lies, to be changed at will."""
    shutil.copytree(job.root, root, dirs_exist_ok=True, symlinks=True)
    settings = root / "run" / "office.yaml"
    said = yaml.safe_load(settings.read_text())
    said["configs"] = os.path.relpath(CHECKOUT / "configs", root / "run")
    settings.write_text(yaml.safe_dump(said))
    return Job(root, job.done)


def read_linked(path: Path, workspace: Path) -> pa.Table:
    """A linked data set or derived frame, by the key that was handed out; no plain copy is made."""
    name = key_name(path)
    assert name, "the file lies there plain"
    with open_encrypted(path, DataKeys(workspace / "data-keys").take(name)) as file:
        return pq.read_table(file)


def content_of(bundle: Path, *parts: str) -> dict[str, bytes]:
    """The bytes of a bundle's files in the folders ``parts``."""
    files = [path for part in parts for path in sorted((bundle / part).rglob("*")) if path.is_file()]
    return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in files}
