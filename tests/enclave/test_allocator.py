"""Pages of columns that come and go are taken from the system once, not for every batch."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from enclave.allocator import keep_freed_memory
from tests.conftest import CHECKOUT

BATCHES = """
import ctypes, resource, sys
import numpy as np
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: one page at a time, whatever the machine is set to
from enclave.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(60):
    columns = [np.full(1 << 17, at) for at in range(10)]  # ten columns of a mebibyte
    del columns
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", BATCHES, how], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has these thresholds")
def test_the_pages_of_a_batch_serve_the_next() -> None:
    """60 batches of ten mebibytes are 153,600 pages when each is asked of the system, and 2,560 when they are kept."""
    assert faults("by default") - faults("kept") > 50_000


def test_where_the_c_library_has_no_such_thresholds_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThresholds:
        """macOS: a C library without ``mallopt``."""

    monkeypatch.setattr(ctypes, "CDLL", lambda name: NoThresholds())
    keep_freed_memory()

    def no_library(name: None) -> None:
        raise TypeError("Windows: LoadLibrary() argument 1 must be str, not None")

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    keep_freed_memory()
