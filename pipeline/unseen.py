"""Which accepted deliveries nobody has held beside anything yet, from the journal alone."""

from __future__ import annotations

from collections.abc import Container, Iterable

from enclave.journal import Entry
from pseudonymise.receipt import ACCEPTED

LOOKED_AT = "plausibility-looked-at"


def not_looked_at(entries: Iterable[Entry], withdrawn: Container[str]) -> tuple[str, ...]:
    """Accepted deliveries that stand and that nobody looked at, in the order in which they came."""
    accepted: dict[str, None] = {}
    seen: set[str] = set()
    for entry in entries:
        if entry.action == ACCEPTED:
            accepted[entry.subject] = None
        elif entry.action == LOOKED_AT:
            seen.update(entry.details)
    return tuple(name for name in accepted if name not in seen and name not in withdrawn)
