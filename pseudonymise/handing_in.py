"""Copying a sealed delivery into the folder where it is handed in, so that a broken-off copy of a big one goes on.

The copy grows beside its final name, which it gets when it is whole: the enclave never sees a half one.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from enclave.errors import BadInput, StorageFailed
from enclave.files import storage_errors
from enclave.fingerprints import digest_file
from enclave.locks import flush, lock_file

INCOMPLETE = ".incomplete"
BLOCK = 1 << 20


def copy_on(source: Path, target: Path, *, mode: int = 0o640) -> int:
    """Copy ``source`` to ``target``; returns how many bytes an earlier, broken-off copy had brought over.

    What is there already is compared with the source, and kept up to the first block that differs. The finished copy is
    read back before it gets its name.

    Raises:
        BadInput: there is no such file.
        StorageFailed: the disk is full or gives other bytes back; the same command goes on later.
    """
    if not source.is_file():
        raise BadInput("there is no such file", where=source.name)
    if target.is_file() and digest_file(target) == digest_file(source):
        return target.stat().st_size
    part = target.with_name(target.name + INCOMPLETE)
    with storage_errors(target.name):
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as whole, _opened_itself(part) as copy:
            lock_file(copy.fileno())
            kept = _agreeing(whole, copy)
            os.ftruncate(copy.fileno(), kept)
            whole.seek(kept)
            while block := whole.read(BLOCK):
                _write_whole(copy, block)
        flush(part)
        if digest_file(part) != digest_file(source):
            part.unlink(missing_ok=True)
            raise StorageFailed("the copy differs from what was sealed", where=target.name, next_step="copy it again")
        part.chmod(mode)
        part.replace(target)
        flush(target.parent)
    return kept


def _opened_itself(part: Path) -> BinaryIO:
    """The file of that name for appending, never one that it leads to: others write in these folders.

    Raises:
        BadInput: the name, or its folder's, is a link, or the file has another name too.
    """
    try:
        if part.parent.is_symlink():
            raise OSError
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(part, flags | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as error:
        if error.errno in (None, errno.ELOOP, errno.ENXIO):
            raise _not_itself(part) from None
        raise
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(handle)
        raise _not_itself(part)
    return os.fdopen(handle, "a+b", buffering=0)


def _not_itself(part: Path) -> BadInput:
    return BadInput(
        "a link or special file stands where a copy goes",
        where=part.name,
        next_step="find out who put it there, and remove it",
    )


def is_plain(file: Path) -> bool:
    """Whether this is a file itself: no link, folder, pipe or device."""
    return file.is_file() and not file.is_symlink()


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
