"""What code, parameters, requests and packages made a checked output, so that a difference can be told by its name.

``evidence/<analysis>/inputs.json`` holds it under ``made_with``: ``code`` maps each source file to its SHA-256, every
other name is a digest. The output's fingerprint is the digest of all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

CODE = "code"


def changed(before: bytes, after: bytes) -> tuple[str, ...]:
    """Names of what differs between two ``inputs.json``: ``code <file>`` each, ``parameters``, ``packages`` …

    Empty when one of them does not say what it was made with; no content is ever shown.
    """
    one, other = _parts(before), _parts(after)
    if not one or not other:
        return ()
    return tuple(name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name))


def _parts(document: bytes) -> dict[str, str]:
    try:
        said = json.loads(document)
    except ValueError:
        return {}
    made_with = said.get("made_with") if isinstance(said, Mapping) else None
    if not isinstance(made_with, Mapping):
        return {}
    code = made_with.get(CODE)
    files = code if isinstance(code, Mapping) else {}
    rest = {str(name): str(digest) for name, digest in made_with.items() if name != CODE}
    return {**rest, **{f"{CODE} {name}": str(digest) for name, digest in files.items()}}


def listed(names: tuple[str, ...], *, most: int = 20) -> str:
    """``names`` for a message: the first ``most``, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
