"""The zones of the enclave: where data may lie, who may read it, and the folder each one is.

A zone is a type parameter of a :class:`enclave.frames.Frame` (the marker classes here) and a run-time fact in the
frame's own file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar, TypeVar, final


class Zone(Enum):
    """A folder of the workspace with one owner; the value is the folder's name."""

    INBOX = "inbox"
    IDENTIFIED = "identified"
    KEY = "keys"
    PSEUDONYMISED = "pseudonymised"
    LINKED = "linked"
    RESULTS = "results"
    REVIEW = "review"
    GATE = "gate"
    RELEASED = "released"

    def description(self) -> str:
        """Who may read and write here, in one sentence."""
        return _DESCRIPTIONS[self]

    @property
    def mode(self) -> int:
        """Permission bits of the zone's folder: private zones are closed to everyone but their owner."""
        private = {Zone.IDENTIFIED, Zone.KEY, Zone.GATE, Zone.PSEUDONYMISED}
        return 0o700 if self in private else 0o755


_DESCRIPTIONS = {
    Zone.INBOX: "sealed deliveries as they were handed in; opened by the custodian only",
    Zone.IDENTIFIED: "opened deliveries, encrypted and short-lived; the custodian only",
    Zone.KEY: "key store and key tables; the custodian only (public keys are readable)",
    Zone.PSEUDONYMISED: "deliveries with keyed hashes for identifiers; the custodian only",
    Zone.LINKED: "data sets with meaningless project integers; researchers read, nobody edits",
    Zone.RESULTS: "requests and derived frames of analyses; the researchers of the project",
    Zone.REVIEW: "requests, evidence and decisions; checkers and the author",
    Zone.GATE: "confidential policy, release ledger, signing key; the release service only",
    Zone.RELEASED: "signed bundles; written by the release service, read by everyone",
}


class ZoneTag:
    """Base of the marker classes; never instantiated."""

    zone: ClassVar[Zone]


@final
class Identified(ZoneTag):
    """Data with names, addresses or identifiers of persons and firms."""

    zone = Zone.IDENTIFIED


@final
class Pseudonymised(ZoneTag):
    """Data whose identifiers are keyed hashes."""

    zone = Zone.PSEUDONYMISED


@final
class Linked(ZoneTag):
    """Data whose units are random integers of one project."""

    zone = Zone.LINKED


@final
class Derived(ZoneTag):
    """What an analysis derived from linked data, inside the results zone or a fresh sandbox of the gate."""

    zone = Zone.RESULTS


Tag = TypeVar("Tag", bound=ZoneTag)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder that holds all zones of one installation."""

    root: Path

    def path(self, zone: Zone) -> Path:
        """The folder of ``zone``."""
        return self.root / zone.value

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.root / "journal"

    @property
    def state(self) -> Path:
        """What the runner remembers of finished steps (fingerprints and digests, no data)."""
        return self.root / "state"

    def create(self) -> None:
        """Make every zone's folder with its permission bits; existing ones keep their content."""
        self.root.mkdir(parents=True, exist_ok=True)
        for zone in Zone:
            self.path(zone).mkdir(exist_ok=True)
            self.path(zone).chmod(zone.mode)
        for folder in (self.journal, self.state):
            folder.mkdir(exist_ok=True)
