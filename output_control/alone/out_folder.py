"""The folder that `zicht protect` writes: whole and of one run, for its owner alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from enclave.errors import BadInput, StorageFailed
from enclave.files import storage_errors, write_bytes
from output_control.report.owner import DUTCH, ENGLISH

OWNER_ONLY = 0o600
WRITTEN = ("table.csv", "pattern.csv", "report.json", "comparison.json", ENGLISH, DUTCH)


def clear(folder: Path) -> None:
    """Remove what an earlier run left, so that a run that fails leaves no table that looks like its own.

    Raises:
        BadInput: it is a file.
        StorageFailed: it may not be written.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInput("the output is a file, not a folder", where=folder.name, next_step="name a folder")
    for name in WRITTEN if folder.is_dir() else ():
        with storage_errors(name):
            (folder / name).unlink(missing_ok=True)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files``, which are of `WRITTEN`. Raises `StorageFailed` where that cannot be done."""
    try:
        with storage_errors(folder.name):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        raise StorageFailed(
            "the output folder cannot be made",
            where=folder.name,
            next_step="name a folder on a disk that can be written",
        ) from None
    for name, content in files.items():
        write_bytes(folder / name, content, mode=OWNER_ONLY)
