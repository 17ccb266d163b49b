"""Identifiers and hidden characters in texts that leave.

Two things look like identifiers and are none, and nobody but the gate writes them: codes of areas (``BU`` and eight
figures) and digests. They are taken out whole before anything is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from enclave.identifier_patterns import find_patterns

_HIDING = r"[\pC\p{Zl}\p{Zp}]"
_AREAS = r"\b(?:NL|LD|PV|CR|GM|WK|BU)[0-9]{1,8}\b"
_DIGESTS = r"\b[0-9a-f]{64}\b|-v[0-9]{1,6}-[0-9a-f]{12}\b"  # SHA-256; the end of a request's id
_SIGNED = r"^[A-Za-z0-9+/_-]{42,}={0,2}$"  # base64 of a key or a signature: the whole text
_TIMES = r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,16}(?:Z|[+-][0-9]{2}:?[0-9]{2})?"


def hides_characters(text: str) -> bool:
    """Whether ``text`` holds control, format, private or unassigned characters, or line and paragraph separators."""
    return bool(pc.match_substring_regex(pa.scalar(text), _HIDING).as_py())


def faults_of_texts(texts: pa.Array) -> Iterator[str]:
    """One clause per kind of identifier in a string array."""
    plain = pc.replace_substring_regex(texts, _SIGNED, "#")
    for pattern in (_TIMES, _AREAS, _DIGESTS):
        plain = pc.replace_substring_regex(plain, pattern, "#")
    for kind, hit in find_patterns(plain).items():
        if hit.any():
            yield f"{kind.description()} ({int(hit.sum())} text(s))"
