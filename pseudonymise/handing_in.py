"""Copying a sealed delivery into the folder where it is handed in, so that a broken-off copy of a big one goes on.

The copy grows beside its final name, which it gets when it is whole: the enclave never sees a half one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from enclave.errors import BadInput, StorageFailed
from enclave.files import storage_errors
from enclave.locks import WINDOWS, lock_file

INCOMPLETE = ".incomplete"
BLOCK = 1 << 20
_ITSELF = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def copy_on(source: Path, target: Path, *, mode: int = 0o640) -> int:
    """Copy ``source`` to ``target``; returns how many bytes an earlier, broken-off copy had brought over.

    What is there already is compared with the source, and kept up to the first block that differs. The finished copy is
    read back before it gets its name. Neither goes through a link: others write in these folders, at any time.

    Raises:
        BadInput: there is no such file, or a link or special file stands in its place, or where the copy goes.
        StorageFailed: the disk is full or gives other bytes back; the same command goes on later.
    """
    part = target.name + INCOMPLETE
    with opened_itself(source) as whole, storage_errors(target.name), _held(target.parent) as folder:
        wanted = _digest(whole)
        if folder.has(target.name, wanted):
            return os.fstat(whole.fileno()).st_size
        with folder.opened(part) as copy:
            lock_file(copy.fileno())
            kept = _agreeing(whole, copy)
            os.ftruncate(copy.fileno(), kept)
            whole.seek(kept)
            while block := whole.read(BLOCK):
                _write_whole(copy, block)
            os.fsync(copy.fileno())
            same = _digest(copy) == wanted
            if not WINDOWS:  # which has no such modes
                os.fchmod(copy.fileno(), mode)
        if not same:
            folder.remove(part)
            raise StorageFailed("the copy differs from what was sealed", where=target.name, next_step="copy it again")
        folder.rename(part, target.name)
    return kept


@contextlib.contextmanager
def opened_itself(file: Path) -> Iterator[BinaryIO]:
    """The file of that name for reading, never one that it leads to.

    Raises:
        BadInput: there is none, or a link, folder or special file.
    """
    if not hasattr(os, "O_NOFOLLOW") and file.is_symlink():
        raise _not_itself(file.name)
    try:
        handle = os.open(file, os.O_RDONLY | _ITSELF)
    except FileNotFoundError:
        raise BadInput("there is no such file", where=file.name) from None
    except OSError as error:
        raise _not_itself(file.name) if error.errno == errno.ELOOP else error from None
    with os.fdopen(handle, "rb", buffering=0) as opened:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _not_itself(file.name)
        yield opened


def digest_itself(file: Path) -> str:
    """SHA-256 of a file; raises as :func:`opened_itself`."""
    with opened_itself(file) as opened:
        return _digest(opened)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that is held open: wherever its name leads from now on, this one is meant. Windows holds none open."""

    path: Path
    handle: int | None

    def place(self, name: str) -> str:
        """What the system calls a file of it."""
        return str(self.path / name) if self.handle is None else name

    def has(self, name: str, digest: str) -> bool:
        """Whether there is a file of that name, itself, with that digest."""
        try:
            handle = os.open(self.place(name), os.O_RDONLY | _ITSELF, dir_fd=self.handle)
        except OSError:
            return False
        with os.fdopen(handle, "rb", buffering=0) as opened:
            return stat.S_ISREG(os.fstat(handle).st_mode) and _digest(opened) == digest

    def opened(self, name: str) -> BinaryIO:
        """The file of that name for appending, never one that it leads to, or that has another name too."""
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | _ITSELF
            handle = os.open(self.place(name), flags, 0o600, dir_fd=self.handle)
        except OSError as error:
            raise _not_itself(name) if error.errno in (errno.ELOOP, errno.ENXIO) else error from None
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(handle)
            raise _not_itself(name)
        return os.fdopen(handle, "a+b", buffering=0)

    def remove(self, name: str) -> None:
        """Remove a file of it."""
        os.unlink(self.place(name), dir_fd=self.handle)

    def rename(self, name: str, new: str) -> None:
        """Rename a file of it, durably."""
        os.replace(self.place(name), self.place(new), src_dir_fd=self.handle, dst_dir_fd=self.handle)
        if self.handle is not None:
            os.fsync(self.handle)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[_Folder]:
    """A folder, made when it is not there.

    Raises:
        BadInput: its name is a link's, or a file's.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if WINDOWS and folder.is_symlink():
            raise NotADirectoryError
        handle = None if WINDOWS else os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (FileExistsError, NotADirectoryError):
        raise _not_itself(folder.name) from None
    except OSError as error:
        raise _not_itself(folder.name) if error.errno == errno.ELOOP else error from None
    try:
        yield _Folder(folder, handle)
    finally:
        if handle is not None:
            os.close(handle)


def _not_itself(name: str) -> BadInput:
    return BadInput(
        "a link or special file stands where a copy goes or comes from",
        where=name,
        next_step="find out who put it there, and remove it",
    )


def is_plain(file: Path) -> bool:
    """Whether this is a file itself: no link, folder, pipe or device."""
    return file.is_file() and not file.is_symlink()


def _digest(opened: BinaryIO) -> str:
    opened.seek(0)
    running = hashlib.sha256()
    while block := opened.read(BLOCK):
        running.update(block)
    return running.hexdigest()


def _agreeing(whole: BinaryIO, copy: BinaryIO) -> int:
    """How many bytes, in whole blocks or up to the copy's end, are the same in both."""
    whole.seek(0)
    copy.seek(0)
    same = 0
    while there := copy.read(BLOCK):
        if whole.read(len(there)) != there:
            break
        same += len(there)
    return same


def _write_whole(handle: BinaryIO, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[handle.write(view) :]
