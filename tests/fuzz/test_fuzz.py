"""Sound files pass, damaged ones end in a clear error. The long way: ``python -m tests.fuzz NAME --seconds 600``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from tests.fuzz.targets import TARGETS, attempt

DAMAGES = 60
CHECKOUT = Path(__file__).resolve().parents[2]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed, cut out, doubled, or put in: what a bad line, a clumsy editor or an attacker leaves."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at, length = int(rng.integers(0, len(data) + 1)), int(rng.integers(1, 40))
        match int(rng.integers(0, 5)):
            case 0:
                data[at : at + length] = b""
            case 1:
                data[at:at] = data[at : at + length] * int(rng.integers(1, 50))
            case 2:
                data[at : at + 1] = bytes([int(rng.integers(0, 256))])
            case 3:
                data[at:at] = rng.choice(
                    [b"[", b"{", b'"', b"\x00", b"\xff\xfe", b"-", b"9" * 400, b"1e999", b"&a *a\n"]
                )
            case _:
                data[at : at + length] = rng.bytes(length)
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_end_in_a_clear_error_or_are_read(name: str) -> None:
    rng = np.random.default_rng(list(TARGETS).index(name))
    for seed in TARGETS[name].seeds():
        attempt(TARGETS[name], seed)
        for _ in range(DAMAGES):
            attempt(TARGETS[name], damaged(seed, rng))


@pytest.mark.sweep
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_found_by_following_the_code_crashes(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, "--seconds", "60"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def _a_cell(handle: BinaryIO, size: int) -> None:
    handle.write(b"first;second\na;")
    for _ in range(size >> 20):
        handle.write(b"x" * (1 << 20))


def _quoted_for_ever(handle: BinaryIO, size: int) -> None:
    handle.write(b'first;second\n"')
    for _ in range(size >> 20):
        handle.write(b"a;\n;" * (1 << 18))


def _columns(handle: BinaryIO, size: int) -> None:
    for _ in range(size >> 20):
        handle.write(b"a;" * (1 << 19))


def _separators(handle: BinaryIO, size: int) -> None:
    handle.write(b"first;second\n")
    _columns(handle, size)


READ = """
import resource, sys
from pathlib import Path
from enclave.errors import EnclaveError
from pseudonymise.formats import read_batches
from pseudonymise.formats.batch import PlainFile
from tests.fuzz.targets import two_columns
two_columns("csv")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    for batch in read_batches(PlainFile(Path(sys.argv[1])), two_columns("csv")):
        pass
except EnclaveError as error:
    print("refused")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.parametrize("write", [_a_cell, _quoted_for_ever, _columns, _separators])
@pytest.mark.parametrize("size", [1 << 25, pytest.param(1 << 30, marks=pytest.mark.sweep)])
def test_absurd_files_are_refused_in_bounded_memory(
    tmp_path: Path, write: Callable[[BinaryIO, int], None], size: int
) -> None:
    path = tmp_path / "two.csv"
    with path.open("wb") as handle:
        write(handle, size)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    said, grown = done.stdout.split()
    assert said == "refused"
    assert int(grown) < 256, "MiB more than before reading"
