"""Clear messages for forbidden actions: Python's audit events, attributed to the code that caused them.

This is not the boundary, bubblewrap is: code that evades the hook finds no network, no files and no other process. The
hook is there so that an honest mistake, or a clumsy attack, ends at once with a sentence that names what was tried.
"""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import enclave
from pipeline.sandbox.job import Attempt
from pipeline.sandbox.source import ANALYSES, may_import

_PREFIXES = {
    "socket.": Attempt.NETWORK,
    "http.": Attempt.NETWORK,
    "urllib.": Attempt.NETWORK,
    "ftplib.": Attempt.NETWORK,
    "smtplib.": Attempt.NETWORK,
    "subprocess.": Attempt.PROCESS,
    "pty.": Attempt.PROCESS,
    "ctypes.": Attempt.MACHINE_CODE,
    "pickle.": Attempt.PICKLE,
    "shutil.": Attempt.WRITE,
    "tempfile.": Attempt.WRITE,
    "glob.": Attempt.FILE,
    "sqlite3.": Attempt.FILE,
    "mmap.": Attempt.FILE,
}
_EVENTS = {
    **dict.fromkeys(("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"), Attempt.PROCESS),
    **dict.fromkeys(("os.kill", "os.killpg", "signal.pthread_kill"), Attempt.PROCESS),
    **dict.fromkeys(("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename"), Attempt.WRITE),
    **dict.fromkeys(("os.rmdir", "os.symlink", "os.truncate", "os.utime", "os.setxattr"), Attempt.WRITE),
}
_PATH_EVENTS = ("open", "os.listdir", "os.scandir", "os.chdir")
# What datetime's own C code imports on behalf of whoever formats or parses a date.
_BY_DATETIME = ("time", "_strptime")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

Ending = Callable[[Attempt, int], NoReturn]


def arm(analyses: Path, readable: Sequence[Path], end: Ending) -> None:
    """From now on, ``end`` is called with what was tried and the analysis' line. Cannot be undone in this process.

    ``analyses`` is the folder of analysis modules; ``readable`` are the folders that Python itself loads code from. An
    event belongs to the analysis when no library stands between the two on the stack: what narwhals or an engine opens
    on its own account is theirs; what the standard library or text under ``exec`` does is its caller's.
    """
    own = str(analyses) + os.sep
    libraries = tuple(str(place) + os.sep for place in readable)
    house = (str(Path(enclave.__file__).parent) + os.sep, str(Path(__file__).parent) + os.sep)

    def culprit() -> int | None:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(own):
                return frame.f_lineno
            if name.startswith(house) or "site-packages" in name:
                return None
            frame = frame.f_back
        return None

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        attempt = classify(event, arguments, libraries)
        if attempt is not None and (line := culprit()) is not None:
            end(attempt, line)

    builtins.__import__ = _guarded_import(builtins.__import__, end)
    sys.addaudithook(hook)


def classify(event: str, arguments: tuple[Any, ...], libraries: tuple[str, ...]) -> Attempt | None:
    """What an audit event amounts to; None for events that an analysis may cause."""
    if event in _PATH_EVENTS:
        return _path_attempt(arguments, libraries)
    if event in _EVENTS:
        return _EVENTS[event]
    for prefix, attempt in _PREFIXES.items():
        if event.startswith(prefix):
            return attempt
    return None


def _path_attempt(arguments: tuple[Any, ...], libraries: tuple[str, ...]) -> Attempt | None:
    flags = arguments[2] if len(arguments) > 2 else 0
    if isinstance(flags, int) and flags & _WRITING:
        return Attempt.WRITE
    place = arguments[0] if arguments else None
    named = os.fsdecode(place) if isinstance(place, str | bytes) else ""
    return None if os.path.normpath(named).startswith(libraries) else Attempt.FILE


def _guarded_import(original: Callable[..., Any], end: Ending) -> Callable[..., Any]:
    def guarded(name: str, globals: Mapping[str, Any] | None = None, *rest: Any, **more: Any) -> Any:
        importer = str((globals or {}).get("__name__", ""))
        level = more.get("level", rest[2] if len(rest) > 2 else 0)
        package, _, within = importer.partition(".")
        wanted = f"{ANALYSES}.{name}".rstrip(".") if level == 2 else name
        listed = rest[1] if len(rest) > 1 else more.get("fromlist")
        names = [f"{ANALYSES}.{part}" for part in listed or ()] if wanted == ANALYSES else [wanted]
        own = within.partition(".")[0]
        if package == ANALYSES and level != 1 and not all(may_import(one, own, _BY_DATETIME) for one in names):
            end(Attempt.IMPORT, sys._getframe(1).f_lineno)
        return original(name, globals, *rest, **more)

    return guarded
