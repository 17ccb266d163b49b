"""A folder for spilled rows that is gone afterwards; after a kill, the next engine removes what was left."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from enclave.files import storage_errors

_PREFIX = "engine-"


@contextmanager
def own_scratch(parent: Path) -> Iterator[Path]:
    """Yield a new private folder below ``parent``; a lock on it says that its process lives.

    Raises:
        StorageFailed: ``parent`` may not be written.
    """
    with storage_errors("the scratch folder"):
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent)
        folder = parent.resolve() / f"{_PREFIX}{secrets.token_hex(4)}"
        unlocked = folder.with_name(f".{folder.name}")  # no sweep sees it before it is locked
        unlocked.mkdir(mode=0o700)
        handle = os.open(unlocked, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        unlocked.rename(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def sweep(parent: Path) -> None:
    """Remove what killed processes of this user left: folders that no living process holds.

    Everyone may write here: what is no folder is left alone (opening a named pipe would wait for ever).
    """
    for left in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)
