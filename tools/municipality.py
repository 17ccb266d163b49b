"""Make the folder that a municipality installs from without a network: wheels, their lock, and both tutorials.

The lock in the folder holds the digest of every wheel, Zicht's own among them: one digest, that of the lock, told over
another way, answers for all of it.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LOCK = "municipality.lock"
PAGES = ("municipality.md", "gemeente.md")


def main(arguments: list[str]) -> None:
    """Make the folder and say the digest of its lock."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--platform", nargs="+", required=True, help="pip's names of it, such as win_amd64")
    parser.add_argument("--python", nargs="+", required=True, help="versions, such as 3.12; wheels differ between them")
    parser.add_argument("--wheel", type=Path, help="Zicht's own, where it is built already")
    chosen = parser.parse_args(arguments)
    digest = make(chosen.out, chosen.platform, chosen.python, chosen.wheel)
    sys.stdout.write(f"{chosen.out}: {len(list(chosen.out.glob('*.whl')))} wheels\n{digest}  {LOCK}\n")


def make(out: Path, platforms: list[str], pythons: list[str], wheel: Path | None = None) -> str:
    """Fill ``out``; returns the SHA-256 of its lock, 64 hexadecimal digits.

    Raises:
        subprocess.CalledProcessError: a wheel cannot be built, or the registry has none of this digest.
    """
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob("*.whl"):
        left.unlink()
    lock = (CHECKOUT / LOCK).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        # pip judges conditions by the system that it runs on: all parts of all systems are asked for
        every = Path(folder) / LOCK
        every.write_text(re.sub(r" ; .* \\$", r" \\", lock, flags=re.MULTILINE), encoding="utf-8")
        tags = [word for platform in platforms for word in ("--platform", platform)]
        wanted = ("--require-hashes", "--only-binary=:all:", *tags, "--dest", out, "--requirement", every)
        for python in pythons:
            _pip("download", *wanted, "--python-version", python)
    if wheel is None:
        _pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", out, CHECKOUT)
    else:
        shutil.copy(wheel, out)
    (own,) = out.glob("zicht-*.whl")
    written = lock_with(own, lock).encode()
    (out / LOCK).write_bytes(written)
    for page in PAGES:
        shutil.copy(CHECKOUT / "docs/tutorial" / page, out)
    return hashlib.sha256(written).hexdigest()


def lock_with(wheel: Path, lock: str) -> str:
    """The lock with a wheel of our own behind it."""
    name, version = wheel.name.split("-")[:2]
    return f"{lock}{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def _pip(command: str, *arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *map(str, arguments)],
        check=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
