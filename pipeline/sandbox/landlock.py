"""The second layer: Landlock, by which a process gives up its own rights to files and TCP for good (Linux 5.13 on).

Inside bubblewrap it repeats the boundary; where a project accepts to run without bubblewrap, it is all that is left: no
file but the analysis' own, and no TCP. It does not hide processes, nor stop UDP.

Source: Linux ``Documentation/userspace-api/landlock.rst`` and ``include/uapi/linux/landlock.h``.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = (1 << bit for bit in range(4))
_TRUNCATE = 1 << 14
_READ = _EXECUTE | _READ_FILE | _READ_FOLDER
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
# How many rights to files each version knows: 13, then rename across folders, truncate, and control of devices.
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
_TCP = 0b11
_SCOPES = 0b11


def restrict(*, readable: Iterable[Path], writable: Iterable[Path], network: bool) -> bool:
    """Give up every right but reading ``readable`` and writing ``writable``; TCP too unless ``network``.

    Also gives up signals and abstract sockets to processes outside, where the kernel can (6.12). Paths that don't exist
    are left out. False when this kernel has no Landlock; a failure half-way raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < 1:
        return False
    rights = (1 << _RIGHTS_BY_VERSION.get(version, 16)) - 1
    fields = [rights, 0 if network else _TCP, _SCOPES][: 1 if version < 4 else 2 if version < 6 else 3]
    ruleset = _checked(libc, _CREATE_RULESET, struct.pack(f"={len(fields)}Q", *fields), 8 * len(fields), 0)
    try:
        for place in readable:
            _allow(libc, ruleset, place, _READ & rights)
        for place in writable:
            _allow(libc, ruleset, place, rights)
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        _checked(libc, _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow(libc: ctypes.CDLL, ruleset: int, place: Path, rights: int) -> None:
    try:
        handle = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        allowed = rights if place.is_dir() else rights & _ON_FILES
        _checked(libc, _ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, handle), 0)
    finally:
        os.close(handle)


def _checked(libc: ctypes.CDLL, call: int, *arguments: object) -> int:
    result: int = libc.syscall(call, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    return result
