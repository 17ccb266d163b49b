"""Digests of what went into a step: files, code, parameters, environment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

Json: TypeAlias = "None | bool | int | float | str | list[Json] | tuple[Json, ...] | Mapping[str, Json]"

_BLOCK = 1 << 20


def canonical_json(value: Json) -> bytes:
    """One byte string per value: sorted keys, no spaces, UTF-8; NaN and infinities are refused (ValueError)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_bytes(content: bytes) -> str:
    """SHA-256 as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_json(value: Json) -> str:
    """SHA-256 of the canonical JSON of ``value``."""
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, read in blocks."""
    running = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            running.update(block)
    return running.hexdigest()


def digest_folder(folder: Path, pattern: str = "**/*") -> str:
    """SHA-256 over the relative names and contents of the files below ``folder``; names of folders count too."""
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    return digest_json({path.relative_to(folder).as_posix(): digest_file(path) for path in files})


def digest_code(places: Iterable[Path]) -> str:
    """SHA-256 over the Python sources in ``places`` (files, or folders read recursively), in any order.

    Two places of one name both count: ``a/v1.py`` and ``b/v1.py`` are two sources.
    """
    sources: list[Json] = []
    for place in places:
        files = [place] if place.is_file() else sorted(place.rglob("*.py"))
        listed: list[Json] = [[file.relative_to(place).as_posix(), digest_file(file)] for file in files]
        sources.append([place.name, listed])
    return digest_json(sorted(sources, key=digest_json))


def code_files(places: Iterable[Path], root: Path) -> dict[str, str]:
    """SHA-256 of every Python source in ``places``, by its path below ``root``: which file changed can be told."""
    found = (file for place in places for file in ([place] if place.is_file() else place.rglob("*.py")))
    return {file.relative_to(root).as_posix(): digest_file(file) for file in sorted(found)}


def digest_environment(distributions: Iterable[str]) -> str:
    """SHA-256 over the installed versions of ``distributions``; a missing one counts as such."""
    return digest_json({name: _version(name) for name in sorted(distributions)})


@cache  # a process goes on with what it loaded, and each version is read from a long text
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
