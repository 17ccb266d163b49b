"""The zones of the enclave: where data may lie, who may read it, and the folder each one is.

A zone is a type parameter of a :class:`enclave.frames.Frame` (the marker classes here) and a run-time fact in the
frame's own file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar, TypeVar, final

from enclave.errors import StorageFailed, Tampered
from enclave.files import storage_errors, sweep_temporaries, write_bytes
from enclave.locks import lock_file


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
    LEDGER = "ledger"
    RELEASED = "released"

    def description(self) -> str:
        """Who may read and write here, in one sentence."""
        return _DESCRIPTIONS[self]

    @property
    def mode(self) -> int:
        """Permission bits of the zone's folder: private zones are closed to everyone but their owner."""
        private = {Zone.INBOX, Zone.IDENTIFIED, Zone.KEY, Zone.GATE, Zone.LEDGER, Zone.PSEUDONYMISED}
        return 0o700 if self in private else 0o755


_DESCRIPTIONS = {
    Zone.INBOX: "sealed deliveries as they were handed in; opened by the custodian only",
    Zone.IDENTIFIED: "opened deliveries, encrypted and short-lived; the custodian only",
    Zone.KEY: "key store and key tables; the custodian only (everyone reads copies of public keys in public-keys/)",
    Zone.PSEUDONYMISED: "deliveries with keyed hashes for identifiers; the custodian only",
    Zone.LINKED: "data sets by meaningless integers, encrypted until their date; researchers read, nobody edits",
    Zone.RESULTS: "requests and (encrypted) derived frames of analyses; the researchers of the project",
    Zone.REVIEW: "requests, evidence and decisions; checkers and the author",
    Zone.GATE: "confidential policy, keys of the ledger, signing key; the release service only",
    Zone.LEDGER: "which units are in which released cell, encrypted; the release service only",
    Zone.RELEASED: "signed bundles; written by the release service, read by everyone",
}


_NO_BACKUP = b"Signature: 8a477f597d28d172789f06886806bc55\n# Zicht: in no backup, or data outlive their date\n"


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
    def public_keys(self) -> Path:
        """Copies of the public keys, for everyone who verifies or seals; the key zone itself is closed."""
        return self.root / "public-keys"

    @property
    def state(self) -> Path:
        """What the runner remembers of finished steps (fingerprints and digests, no data)."""
        return self.root / "state"

    @property
    def data_keys(self) -> Path:
        """Working copies of the keys of data sets; no zone, and in no backup."""
        return self.root / "data-keys"

    @property
    def scratch(self) -> Path:
        """Where runs lay plain rows while they last, each in a private folder; no zone, and in no backup."""
        return self.root / "scratch"

    def create(self) -> None:
        """Make every zone's folder with its permission bits; existing ones keep their content and their owner.

        Raises:
            StorageFailed: a zone is missing or too open, and this user may not mend that.
        """
        with storage_errors("the zones of the workspace"):
            self.root.mkdir(parents=True, exist_ok=True)
            for zone in Zone:
                folder = self.path(zone)
                folder.mkdir(exist_ok=True)
                if folder.stat().st_mode & 0o777 != zone.mode:
                    folder.chmod(zone.mode)
            for folder in (self.journal, self.state):
                folder.mkdir(exist_ok=True)
        self.create_unsaved()

    def create_unsaved(self) -> None:
        """Make the two folders that no backup may hold, marked as such (https://bford.info/cachedir/)."""
        with storage_errors("the folders that no backup holds"):
            for folder, mode in ((self.data_keys, 0o750), (self.scratch, 0o1777)):
                if not folder.is_dir():
                    folder.mkdir()
                    folder.chmod(mode)
                tag = folder / "CACHEDIR.TAG"
                if os.access(folder, os.W_OK) and not (tag.is_file() and tag.read_bytes() == _NO_BACKUP):
                    write_bytes(tag, _NO_BACKUP, mode=0o444)

    def publish_public_keys(self) -> tuple[str, ...]:
        """Copy the key zone's ``.pub`` files to where everyone reads them; what is the same there stays as it is.

        Returns:
            The names of those that were there and had other bytes.

        Raises:
            StorageFailed: this user does not own the folder of public keys.
            Tampered: the folder, or a key in it, is a link to somewhere else.
        """
        linked = [path for path in (self.public_keys, *self.public_keys.glob("*.pub")) if path.is_symlink()]
        if linked:
            raise Tampered(
                "public keys are no links: whoever can change what one leads to hands out keys of their own",
                where=linked[0].name,
                next_step="find out who made the link, remove it, and run the same command again",
            )
        others = []
        with storage_errors("the public keys"):
            self.public_keys.mkdir(exist_ok=True)
            if self.public_keys.stat().st_mode & 0o777 != 0o755:
                self.public_keys.chmod(0o755)
            handle = os.open(self.public_keys, os.O_RDONLY)
            try:
                lock_file(handle)  # or the copies of another would be swept before they have their names
                sweep_temporaries(self.public_keys)
                for key in sorted(self.path(Zone.KEY).glob("*.pub")):
                    copy, content = self.public_keys / key.name, key.read_bytes()
                    if not copy.is_file() or copy.read_bytes() != content:
                        others += [key.name] if copy.is_file() else []
                        write_bytes(copy, content, mode=0o444)
            finally:
                os.close(handle)
        return tuple(others)


@dataclass(frozen=True, slots=True)
class Owner:
    """The numeric user and group that own a zone's folder; no account need exist for them."""

    user: int
    group: int


def assign_zones(workspace: Workspace, owners: Mapping[Zone, Owner], *, common_group: int | None = None) -> None:
    """Give each zone in ``owners``, with all it holds, to its operating-system user (design section 2, lock 4).

    Zones that are not named stay with whoever created them. ``common_group`` is the group whose members append to the
    journal, remember finished steps, and read the keys of data sets; without it these folders stay as they are.

    Raises:
        StorageFailed: only root may hand folders to other users.
    """
    try:
        for zone, owner in owners.items():
            folder = workspace.path(zone)
            _give(folder, owner.user, owner.group)
            folder.chmod(zone.mode)
        if common_group is not None:
            for folder in (workspace.journal, workspace.state):
                _give(folder, -1, common_group)
                folder.chmod(0o2775)
            _give(workspace.data_keys, owners[Zone.LINKED].user if Zone.LINKED in owners else -1, common_group)
            for folder in (workspace.data_keys, *(path for path in workspace.data_keys.iterdir() if path.is_dir())):
                folder.chmod(0o2750)
    except PermissionError:
        raise StorageFailed(
            "this user may not give zones to other users", next_step="run the set-up of the workspace as root"
        ) from None


def _give(folder: Path, user: int, group: int) -> None:
    """Hand over ``folder`` and everything in it; a link is handed over itself, never what it points to."""
    os.chown(folder, user, group, follow_symlinks=False)
    for entry in folder.rglob("*"):
        os.chown(entry, user, group, follow_symlinks=False)
