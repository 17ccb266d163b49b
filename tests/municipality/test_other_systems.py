"""The supplier's side where there is no Linux: modelled, since no Windows runs here.

The model takes away what Windows has not, and refuses what it refuses: ``fcntl`` and its like, opening a folder,
flushing what is not open for writing, removing an open file. Wheels for each system are asked of the registry by
``test_light_distribution.py``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.pseudonymise.small_town import Enclave, csv_bytes, hemp_rows

MODEL = """
import errno, os, stat, sys, types

locks = []
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
msvcrt = types.ModuleType("msvcrt")
msvcrt.LK_LOCK = 1
msvcrt.locking = lambda descriptor, mode, size: locks.append(os.lseek(descriptor, 0, os.SEEK_CUR))
import pyarrow, pyarrow.csv, pyreadstat, pyrage, openpyxl, typer, yaml, cryptography.hazmat.primitives.ciphers
sys.modules["msvcrt"] = msvcrt

real_open, real_fsync = os.open, os.fsync
def windows_open(path, flags, *more, **named):
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "folders are not opened")
    return real_open(path, flags, *more, **named)
def windows_fsync(descriptor):
    if real_flags(descriptor) == os.O_RDONLY:
        raise OSError(errno.EBADF, "not open for writing")
    return real_fsync(descriptor)
def real_flags(descriptor):
    with open(f"/proc/self/fdinfo/{descriptor}") as handle:
        return int([line for line in handle if line.startswith("flags")][0].split()[1], 8) & os.O_ACCMODE
def open_here(path):
    named = os.path.abspath(path)
    for entry in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{entry}") == named:
                return True
        except FileNotFoundError:
            pass
    return False
def refusing(real, places):
    def call(*given, **named):
        if any(open_here(given[place]) for place in places if len(given) > place):
            raise PermissionError(errno.EACCES, "the file is open")
        return real(*given, **named)
    return call
os.open, os.fsync = windows_open, windows_fsync
os.unlink, os.remove = refusing(os.unlink, [0]), refusing(os.remove, [0])
os.rename, os.replace = refusing(os.rename, [0, 1]), refusing(os.replace, [0, 1])
for name in ("pread", "fchmod", "memfd_create", "geteuid", "getuid", "fork", "chown", "fchown", "O_CLOEXEC"):
    if hasattr(os, name):
        delattr(os, name)

import enclave.locks
enclave.locks.WINDOWS = True
import pipeline.main
sys.argv[0] = "zicht"
try:
    pipeline.main.main()
finally:
    sys.stderr.write(f"locks {len(locks)} {min(locks, default=0) >= 1 << 40}\\n")
"""


def windows(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::EncodingWarning:pipeline", "-c", MODEL, *map(str, arguments)],
        cwd=home,
        env={"PYTHONPATH": str(CHECKOUT), "PYTHONWARNDEFAULTENCODING": "1", "PYTHONIOENCODING": "cp1252:strict"},
        capture_output=True,
        encoding="cp1252",
        check=False,
    )


def said(home: Path, *arguments: str | Path) -> str:
    done = windows(home, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_suppliers_side_asks_for_nothing_that_windows_has_not(enclave: Enclave) -> None:
    home = enclave.home
    kind = ("--schema", "hemp_clearances", "--period", "2016")
    recipient = enclave.custody.seal_recipient("demo")
    for form in ("csv", "xlsx", "sav"):
        said(home, "delivery", "template", "hemp_clearances", "--out", f"empty.{form}")
        said(home, "delivery", "check", f"empty.{form}", *kind, "--rows", f"{form}.csv")
    (home / "hemp.csv").write_bytes(csv_bytes(hemp_rows(20)))
    declared = ("--supplier", "GM9001", "--legal-basis", "CBS-wet, artikel 33", "--purpose", "ontmoeting: één doel")
    declared += ("--retention-date", "2030-12-31", "--contact", "gegevensbeheer", "--out", "manifest.yaml")
    said(home, "delivery", "manifest", "hemp.csv", *kind, *declared)
    done = windows(home, "delivery", "seal", "hemp.csv", "--to", recipient, "--manifest", "manifest.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "locks 1 True"
    (sealed,) = (home / "outbox").glob("*.zicht")
    said(home, "delivery", "hand-in", sealed, "--to", home / "share")
    receipt = enclave.receive(home / "share" / sealed.name)
    assert receipt.accepted
    assert receipt.findings.purpose == "ontmoeting: één doel"
    key = home / "receipt.pub"
    key.write_text(enclave.custody.receipt_key().public.text + "\n")
    answer = home / "answer.json"
    receipt.save(answer, mode=0o640)
    verify = ("receipt", "verify", answer, "--key", key, "--file", "hemp.csv", "--outbox", "outbox")
    assert "aangenomen 20" in said(home, *verify, "--language", "nl")
    said(home, "delivery", "withdraw", receipt.findings.delivery, "--reason", "errors", "--to", recipient)


@pytest.mark.parametrize("wanted", ["fcntl", "pwd", "resource"])
def test_the_model_takes_away_what_it_says(wanted: str, tmp_path: Path) -> None:
    """The control: what uses such a module fails in it."""
    script = MODEL.split("import enclave.locks", maxsplit=1)[0] + f"import {wanted}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert f"import of {wanted} halted" in done.stderr
