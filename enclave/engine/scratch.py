"""A folder for spilled rows that is gone afterwards; after a kill, the next engine of the same user removes it."""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from enclave.files import storage_errors

_PREFIX = "engine-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


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
        remove_folder(folder)
        os.close(handle)


def sweep(parent: Path) -> None:
    """Remove what killed processes of this user left, and as root those of all: folders that no living process holds.

    Everyone may write here: what is no folder, or another's, is left alone (a named pipe would keep us for ever).
    """
    for left in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError, RecursionError):
            handle = os.open(left, _FOLDER)
            try:
                own = os.fstat(handle).st_uid == os.geteuid()
                if own or os.geteuid() == 0:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    # whose folder it is may change it all the while: rmtree follows no link and changes no permission
                    (remove_folder if own else shutil.rmtree)(left)
            finally:
                os.close(handle)


def held(parent: Path) -> dict[str, str]:
    """Folders of runs, and who owns each: of runs that live, and of killed ones that this user may not remove."""
    found = {}
    for left in sorted(parent.glob(f"{_PREFIX}*")):
        with suppress(OSError):
            found[left.name] = owner_of(left)
    return found


def owner_of(path: Path) -> str:
    """The name of the operating-system user who owns a file or folder, or their number where they have no name."""
    user = path.lstat().st_uid
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"number {user}"


def remove_folder(folder: Path) -> None:
    """Remove a folder of this user, however deep an analysis made it, and whatever it closed there to its own user:
    rows that it hid so would outlive the run. What cannot be removed stays.

    Folders within are moved up and emptied there: nothing recurses, and no more than two are open at a time.
    """
    with suppress(OSError):
        top = os.open(folder, _FOLDER)
        try:
            seen: set[str] = set()
            while names := set(os.listdir(top)) - seen:  # noqa: PTH208 - pathlib lists no open folder
                seen |= names
                for name in names:
                    with suppress(OSError):
                        _take_apart(name, top)
        finally:
            os.close(top)
        folder.rmdir()


def _take_apart(name: str, top: int) -> None:
    """Remove an entry of the open folder ``top``; folders that it holds become entries of ``top``."""
    if not _opened_up(name, top):
        os.unlink(name, dir_fd=top)
        return
    inner = os.open(name, _FOLDER, dir_fd=top)
    try:
        for entry in os.listdir(inner):  # noqa: PTH208 - pathlib lists no open folder
            with suppress(OSError):
                if _opened_up(entry, inner):
                    os.rename(entry, f"moved-{secrets.token_hex(8)}", src_dir_fd=inner, dst_dir_fd=top)
                else:
                    os.unlink(entry, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)


def _opened_up(name: str, parent: int) -> bool:
    """Whether an entry is a folder; its user may then go into it."""
    is_folder = stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    if is_folder:
        os.chmod(name, 0o700, dir_fd=parent)
    return is_folder
