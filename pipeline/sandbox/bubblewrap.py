"""The boundary: an empty file system, no network, no other process, in fresh kernel namespaces (bubblewrap).

Inside there are ``/usr``, Python and its packages, the code of the analyses and the inputs of this run, all read-only;
``/box/out`` and ``/box/spill`` can be written and are private to the run. The loopback interface is that of the new
network namespace: Spark's own processes can talk to each other, and nothing else hears them.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

CODE = Path("/code")
BOX = Path("/box")
_TMP_BYTES = 1 << 30
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64")
_ACCOUNT = "zicht:x:{uid}:{gid}:analysis:/tmp:/usr/sbin/nologin\n"
_HOSTS = "127.0.0.1 localhost\n"


@dataclass(frozen=True, slots=True)
class Mounts:
    """What the outside puts into the sandbox: path inside -> path outside."""

    read_only: Mapping[Path, Path]
    writable: Mapping[Path, Path]


def find_bubblewrap() -> str | None:
    """The ``bwrap`` program, if this machine has it."""
    return shutil.which("bwrap")


def python_places() -> tuple[Path, ...]:
    """Where this interpreter and its packages live, outside ``/usr``."""
    places = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    return tuple(sorted(place for place in places if not place.is_relative_to("/usr")))


def environment(code: Path, temporary: Path) -> dict[str, str]:
    """All environment variables that the child sees."""
    variables = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(code),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={temporary}",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "PYSPARK_PYTHON": sys.executable,
    }
    java = java_home()
    return variables | ({"JAVA_HOME": str(java)} if java else {})


def java_home() -> Path | None:
    """The Java runtime that Spark would use."""
    named = os.environ.get("JAVA_HOME")
    if named:
        return Path(named).resolve()
    java = shutil.which("java")
    return Path(java).resolve().parent.parent if java else None


def python_command(job_file: Path) -> list[str]:
    """How the child is started."""
    return [sys.executable, "-s", "-P", "-B", "-m", "pipeline.sandbox.child", str(job_file)]


def account_files(folder: Path) -> dict[Path, Path]:
    """Write the two files of ``/etc`` that a Java runtime reads; path inside -> path outside."""
    (folder / "passwd").write_text(_ACCOUNT.format(uid=os.getuid(), gid=os.getgid()))
    (folder / "hosts").write_text(_HOSTS)
    return {Path("/etc/passwd"): folder / "passwd", Path("/etc/hosts"): folder / "hosts"}


def sandboxed_command(bwrap: str, mounts: Mounts, command: list[str], variables: Mapping[str, str]) -> list[str]:
    """``command`` inside a sandbox that holds ``mounts`` and nothing else of this machine but its programs."""
    return [
        bwrap,
        *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--hostname", "localhost"),
        *(["--disable-userns"] if _has_option(bwrap, "--disable-userns") else []),
        *("--cap-drop", "ALL", "--clearenv", "--proc", "/proc", "--dev", "/dev"),
        *("--size", str(_TMP_BYTES), "--tmpfs", "/tmp"),  # noqa: S108 - inside the sandbox, private to it
        *_system(),
        *_binds("--ro-bind", {place: place for place in _runtime_places()}),
        *_binds("--ro-bind", mounts.read_only),
        *_binds("--bind", mounts.writable),
        *("--remount-ro", "/", "--chdir", str(BOX)),
        *(part for name, value in sorted(variables.items()) for part in ("--setenv", name, value)),
        "--",
        *command,
    ]


@functools.cache
def _has_option(bwrap: str, option: str) -> bool:
    """Whether this version knows ``option``; before 0.8 a sandbox may make namespaces of its own inside."""
    shown = subprocess.run([bwrap, "--help"], capture_output=True, text=True, check=False, timeout=10)
    return option in shown.stdout + shown.stderr


def _system() -> Iterable[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _MERGED:
        place = Path("/", name)
        if place.is_symlink():
            yield from ("--symlink", str(place.readlink()), str(place))
        elif place.is_dir():
            yield from ("--ro-bind", str(place), str(place))


def _runtime_places() -> Iterable[Path]:
    yield from python_places()
    java = java_home()
    if java is not None and not java.is_relative_to("/usr"):
        yield java
    yield from sorted(Path("/etc").glob("java-*"))


def _binds(option: str, places: Mapping[Path, Path]) -> Iterable[str]:
    for inside, outside in sorted(places.items()):
        yield from (option, str(outside), str(inside))
