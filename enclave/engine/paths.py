"""Which files an engine may read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from enclave.errors import NotReady, Refused


def require_readable(path: Path, readable: Sequence[Path]) -> None:
    """Refuse a path that lies below none of ``readable`` (resolved paths); symbolic links are followed first.

    Raises:
        Refused: outside.
        NotReady: nothing is there.
    """
    resolved = path.resolve()
    if not any(resolved.is_relative_to(allowed) for allowed in readable):
        raise Refused(f"the engine may not read {path.name}", next_step="only a step's declared inputs can be read")
    if not resolved.exists():
        raise NotReady(f"there is no file {path.name}", next_step="run the step that makes it: zicht status")


def parquet_pattern(path: Path) -> Path:
    """A file as it is, a folder as all its Parquet files."""
    return path / "*.parquet" if path.is_dir() else path
