"""How much freed memory the C library keeps: columns come and go in blocks of a few megabytes.

By default glibc gives the top of its heap back to the system as soon as a few megabytes are free, and takes blocks
beyond its threshold straight from the system; each page of the next batch is then zeroed anew, which costs more than
what is computed on it (mallopt(3), M_TRIM_THRESHOLD and M_MMAP_THRESHOLD).
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEPT_BYTES, LARGEST_BYTES = 256 << 20, 32 << 20


def keep_freed_memory() -> None:
    """Keep up to `KEPT_BYTES` that were freed, and blocks up to `LARGEST_BYTES` on the heap; elsewhere than under glibc
    nothing changes."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, LARGEST_BYTES)
