"""Killing a forked process at a chosen point of its work: a file operation, or a line of the project's code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeAlias

Killer: TypeAlias = Callable[[Callable[[], object], int], bool]
_EVENTS = frozenset(
    {
        "open",
        "os.rename",
        "os.mkdir",
        "os.chmod",
        "os.remove",
        "os.rmdir",
        "fcntl.flock",
        "os.truncate",
        "shutil.rmtree",
    }
)
_ROOMS = ("/enclave/", "/output_control/")


def audited(work: Callable[[], object], point: int) -> bool:
    """Run ``work`` in a fork that dies by SIGKILL at its ``point``-th file operation; whether it died."""
    left = [point]

    def hook(event: str, _arguments: object) -> None:
        if event in _EVENTS:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return _in_fork(work, lambda: sys.addaudithook(hook))


def traced(work: Callable[[], object], point: int) -> bool:
    """As :func:`audited`, at the ``point``-th executed line of the project's code."""
    left = [point]

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "call" and not any(room in frame.f_code.co_filename for room in _ROOMS):
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return _in_fork(work, lambda: sys.settrace(trace))


def _in_fork(work: Callable[[], object], arm: Callable[[], object]) -> bool:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            arm()
            work()
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work failed before it was killed"
    return os.WIFSIGNALED(status)
