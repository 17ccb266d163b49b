"""The two sealed types: what the gate has checked, and what the release service has released.

Both are final and frozen, and an import contract lets only the gate, the review and the release service name them
(design section 2, lock 2). Python objects can be forged inside a process: the signature over the bundle is the lock
that holds; this module makes the honest path the only convenient one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import final


@final
@dataclass(frozen=True, slots=True)
class CheckedOutput:
    """Files that passed output control, as bytes, keyed by their path in a bundle.

    ``outputs`` lie under ``outputs/<analysis>/``, ``evidence`` under ``evidence/``. ``checker_annex`` is confidential:
    checkers see it, a bundle never holds it. ``policy_document`` is the public ``policy.json``. ``inputs`` maps each
    data set to its SHA-256; ``fingerprint`` covers code, parameters, policy and environment. ``advice`` tells the
    researcher how less would be lost; it goes into no file. ``researcher_files`` are for who asked: how the table is
    protected, and what other ways would cost; nothing confidential, and in no bundle. ``released_cells`` is what the
    release ledger is to remember, the units of every cell; it goes into the ledger alone, so a checked output from
    the shelf has none.
    """

    analysis: str
    version: int
    outputs: Mapping[str, bytes]
    evidence: Mapping[str, bytes]
    checker_annex: Mapping[str, bytes]
    policy_document: bytes
    inputs: Mapping[str, str]
    fingerprint: str
    advice: tuple[str, ...] = ()
    researcher_files: Mapping[str, bytes] = field(default_factory=dict)
    released_cells: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        for name in ("outputs", "evidence", "checker_annex", "inputs", "researcher_files"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


@final
@dataclass(frozen=True, slots=True)
class Release:
    """A finished bundle in the released zone; ``digest`` is the SHA-256 of its ``manifest.json``."""

    path: Path
    project: str
    analysis: str
    version: int
    request: str
    digest: str
