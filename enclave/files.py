"""Atomic writing: write beside, fsync, rename. A kill or a full disk leaves the earlier file intact."""

from __future__ import annotations

import contextlib
import errno
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from enclave.errors import BadInput, StorageFailed
from enclave.locks import flush

TEMPORARY_MARK = ".part-"
MAX_SMALL = 1 << 20
sync_folder = flush
"""Make a rename in a folder, or the content of a file, durable."""
_ASIDE = "-old"


@contextlib.contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn the operating system's write errors into :class:`StorageFailed`, naming ``what`` was being written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFailed(
                f"the disk is full while writing {what}; nothing was changed",
                next_step="free space in the workspace and run the same command again",
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageFailed(
                f"this user may not write {what}; nothing was changed",
                next_step="run the command as the user who owns that zone",
            ) from None
        if error.errno == errno.EIO:
            raise StorageFailed(f"the disk failed while writing {what}; nothing was changed") from None
        raise


def sync_tree(folder: Path) -> None:
    """Make every file and folder in ``folder`` durable."""
    for entry in (folder, *sorted(folder.rglob("*"))):
        if not entry.is_symlink():
            sync_folder(entry)


class Replacing(Protocol):
    """:func:`replacing`, or what :func:`together` yields."""

    def __call__(self, path: Path, *, mode: int = 0o640) -> AbstractContextManager[Path]:
        """A temporary path beside ``path``, whose content takes its place."""


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o640) -> Iterator[Path]:
    """Yield an empty file beside ``path``; on success fsync and rename it over ``path``, else remove it.

    It is its owner's alone (0600) until it is whole.

    Raises:
        StorageFailed: the disk is full or the folder may not be written.
    """
    with together() as staged, staged(path, mode=mode) as temporary:
        yield temporary


@contextlib.contextmanager
def together() -> Iterator[Replacing]:
    """Yield a :func:`replacing` for files that belong together: none is renamed before all are whole on the disk."""
    whole: list[tuple[Path, Path]] = []

    @contextlib.contextmanager
    def staged(path: Path, *, mode: int = 0o640) -> Iterator[Path]:
        temporary = path.with_name(f".{path.name}{TEMPORARY_MARK}{secrets.token_hex(4)}")
        with storage_errors(path.name):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch(mode=0o600, exist_ok=False)  # nobody else reads what is not finished
            try:
                yield temporary
                sync_folder(temporary)
                temporary.chmod(mode)
                whole.append((temporary, path))
            finally:
                if (temporary, path) not in whole:
                    temporary.unlink(missing_ok=True)

    try:
        yield staged
        for temporary, path in whole:
            with storage_errors(path.name):
                temporary.replace(path)
                sync_folder(path.parent)
    finally:
        for temporary, _ in whole:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(folder: Path, *, mode: int = 0o750) -> Iterator[Path]:
    """As :func:`replacing`, for a folder that must not exist yet or is replaced whole.

    A reader sees the old folder or the new one; between the two renames of a replacement, for an instant, none. When
    the process is killed in that instant, :func:`sweep_temporaries` puts the old one back.
    """
    token = secrets.token_hex(4)
    temporary = folder.with_name(f".{folder.name}{TEMPORARY_MARK}{token}")
    aside = folder.with_name(f".{folder.name}{TEMPORARY_MARK}{token}{_ASIDE}")
    with storage_errors(folder.name):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir(mode=0o700)
        try:
            yield temporary
            sync_tree(temporary)
            temporary.chmod(mode)
            if folder.exists():
                folder.replace(aside)
            temporary.replace(folder)
            sync_folder(folder.parent)
        finally:
            if aside.exists() and not folder.exists():
                aside.replace(folder)
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(aside, ignore_errors=True)


def read_small(path: Path, most: int = MAX_SMALL) -> bytes:
    """The content of a file that somebody else wrote, of at most so many bytes.

    Raises:
        BadInput: it is larger. OSError: it cannot be read.
    """
    with path.open("rb") as handle:
        content = handle.read(most + 1)
    if len(content) > most:
        raise BadInput(f"the file is too large: more than {most >> 10} KiB", where=path.name)
    return content


def write_bytes(path: Path, content: bytes, *, mode: int = 0o640) -> None:
    """Write ``content`` to ``path`` atomically."""
    with replacing(path, mode=mode) as temporary:
        # Buffered on purpose: a raw write on a nearly full disk writes a part and reports no error.
        temporary.write_bytes(content)


def write_text(path: Path, content: str, *, mode: int = 0o640) -> None:
    """Write UTF-8 ``content`` to ``path`` atomically."""
    write_bytes(path, content.encode(), mode=mode)


def sweep_temporaries(folder: Path) -> int:
    """Remove what a killed process left half-written below ``folder``; returns how many were removed.

    An old folder that was set aside, and whose replacement never came, is put back. Whoever calls this holds the lock
    under which ``folder`` is written: the temporaries of a running writer would go too.
    """
    removed = 0
    for left in sorted(folder.rglob(f".*{TEMPORARY_MARK}*")):
        if not left.is_symlink() and not left.exists():
            continue
        removed += 1
        target = left.with_name(left.name[1:].rpartition(TEMPORARY_MARK)[0])
        if left.name.endswith(_ASIDE) and not target.exists():
            left.replace(target)
        elif left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    return removed
