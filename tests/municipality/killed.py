"""What the tests of kills run in a process: one thing of the supplier or custodian, killed at the n-th file operation
below a folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from enclave.journal import Journal
from enclave.zones import Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.manifest import read_manifest
from pseudonymise.outbox import Outbox
from pseudonymise.receive import receive_files
from pseudonymise.withdrawing import Withdrawer
from tests.pseudonymise.small_town import NOW, SCHEMAS, a_project

EVENTS = frozenset({"os.rename", "os.remove", "os.chmod", "os.truncate", "os.mkdir"})


def seal(folder: str, file: str, manifest: str, recipient: str) -> None:
    """Seal a file into the outbox ``folder``."""
    Outbox(Path(folder)).seal(Path(file), read_manifest(Path(manifest)), recipient, now=NOW)


def hand_in(folder: str, sealed: str, outbox: str) -> None:
    """Hand a sealed delivery in at ``folder``."""
    Outbox(Path(outbox)).hand_in(Path(sealed), Path(folder), now=NOW)


def receive(workspace: str, sealed: str) -> None:
    """Receive a sealed delivery."""
    custody, place = _opened(workspace)
    receive_files(
        Path(sealed),
        custody=custody,
        project=a_project(),
        schemas=SCHEMAS,
        workspace=place,
        journal=Journal(place.journal),
        actor="custodian",
        now=NOW,
    )


def withdraw(workspace: str, notice: str) -> None:
    """Withdraw what a notice names."""
    custody, place = _opened(workspace)
    Withdrawer(place, custody, Journal(place.journal), "custodian").on_notice(Path(notice), a_project(), NOW)


def _opened(workspace: str) -> tuple[Custody, Workspace]:
    place = Workspace(Path(workspace))
    return Custody.open(place.path(Zone.KEY), b"een zin"), place


SCENES: dict[str, Callable[..., None]] = {"seal": seal, "hand-in": hand_in, "receive": receive, "withdraw": withdraw}


def main(scene: str, kill_at: int, root: str, *arguments: str) -> None:
    """Play ``scene`` in ``root``."""
    count = 0

    def watch(event: str, given: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(given[2], int) and bool(given[2] & (os.O_WRONLY | os.O_RDWR))
        here = root in repr(given) or (isinstance(given[0], str) and not Path(given[0]).is_absolute())
        if (event in EVENTS or writes) and here:
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    SCENES[scene](root, *arguments)
