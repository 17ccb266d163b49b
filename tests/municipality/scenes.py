"""Playing a scene of :mod:`tests.municipality.killed` in a process of its own.

A server that has the libraries loaded forks it, so that dozens of kills cost seconds.
"""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from tests.municipality.killed import main

KILLED = -9
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.municipality.killed", "pyrage", "pyarrow.csv"])


def played(scene: str, kill_at: int, root: Path, *arguments: str | Path) -> int:
    """The exit code; ``kill_at`` 0 lets it end by itself."""
    process = _PROCESSES.Process(target=main, args=(scene, kill_at, str(root), *map(str, arguments)))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the process hangs"
    return process.exitcode
