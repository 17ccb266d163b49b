"""Locks between processes, and flushing to the disk, on every system that a supplier may have.

The enclave runs on Linux; a municipality checks and seals on Windows or macOS too. What differs stands here alone.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

WINDOWS = sys.platform == "win32"
_FAR = 1 << 40


def lock_file(descriptor: int) -> None:
    """Wait for, and take, the one lock of an open file; closing the file gives it back."""
    if WINDOWS:
        import msvcrt

        # Windows locks bytes, and keeps others from reading them: one far beyond the end is locked
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows only
        os.lseek(descriptor, place, os.SEEK_SET)
        return
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX)


def flush(path: Path) -> None:
    """Make the content of a file, or the names in a folder, durable."""
    is_folder = stat.S_ISDIR(path.stat().st_mode)
    if WINDOWS and is_folder:
        return  # Windows opens no folders; NTFS journals their names
    # Windows flushes only what is open for writing
    flags = os.O_RDWR if WINDOWS else os.O_RDONLY
    handle = os.open(path, flags | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
