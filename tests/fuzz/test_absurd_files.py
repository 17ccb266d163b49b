"""Zip bombs, ten million columns, a cell of 1 GB: refused soon and in little memory, in every format that is taken.

``blocks``, ``entities``, ``far_row``, ``parts`` and ``tags`` are small files that unfold; the others are as large as
they say. Each is read in a process of its own, so that its growth is its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.fuzz.absurd import FILES


def readings(*paths: Path) -> dict[str, tuple[str, int, float]]:
    """What is said of each file, the growth of memory (MiB), and CPU seconds."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.fuzz.absurd", *map(str, paths)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: (said, int(grown), float(cpu)) for name, said, grown, cpu in lines}


def test_absurd_files_are_refused_soon_and_in_little_memory(tmp_path: Path) -> None:
    small = {name: absurd for name, absurd in FILES.items() if absurd.everyday}
    for name, absurd in small.items():
        absurd.write(tmp_path / name, absurd.everyday)
    began = time.process_time()
    sum(range(10_000_000))
    soon = 10 * (time.process_time() - began)  # a second or two, as fast as this machine is just now
    found = readings(*(tmp_path / name for name in small))
    assert set(found) == set(small)
    wrong = {
        name: reading
        for name, reading in found.items()
        if not reading[0].startswith("refused") or reading[1] > 96 or reading[2] > soon
    }
    assert wrong == {}


@pytest.mark.sweep
@pytest.mark.parametrize("name", FILES)
def test_files_of_any_size_are_read_in_bounded_memory(tmp_path: Path, name: str) -> None:
    FILES[name].write(tmp_path / name, FILES[name].whole)
    size = (tmp_path / name).stat().st_size
    [(said, grown, cpu)] = readings(tmp_path / name).values()
    sys.stdout.write(f"{name}, {size >> 20} MiB: {said}; {grown} MiB more, {cpu} CPU s\n")
    (tmp_path / name).unlink()
    assert said.startswith("refused") or name in ("texts.sav", "strings.xlsx")
    assert grown <= FILES[name].most
