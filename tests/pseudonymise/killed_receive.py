"""Run as a program by ``test_kill_during_receive``: receives a delivery and kills itself at the n-th file operation."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from enclave.journal import Journal
from enclave.zones import Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.receive import receive
from tests.pseudonymise.small_town import SCHEMAS, a_project

EVENTS = frozenset({"os.rename", "os.remove", "os.chmod", "os.truncate", "os.mkdir"})


def main(root: Path, sealed: Path, kill_at: int) -> None:
    """Receive ``sealed``; counts files opened for writing, renames, removals and such, and prints their number."""
    workspace = Workspace(root)
    custody = Custody.open(workspace.path(Zone.KEY), b"een zin")
    count = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if (event in EVENTS or writes) and str(root) in repr(arguments):
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    receive(
        sealed,
        custody=custody,
        project=a_project(),
        schemas=SCHEMAS,
        workspace=workspace,
        journal=Journal(workspace.journal),
        actor="custodian",
        now=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
    sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
