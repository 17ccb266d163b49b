"""The gate's own files as they were last accepted: policy, salt, noise key and release key with every byte they had.

What was checked or released under one secret must not go on under another that a disk or a hand made of it. The MAC of
each file, under a key derived from the ledger's, stands in the journal, which everyone reads: it tells nothing of the
file. What others write of it there is passed over, and the highest serial counts, so that none are set back.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from enclave.errors import BadInput, KeyUnavailable, NotReady, Tampered
from enclave.fingerprints import Json, canonical_json
from enclave.journal import Journal
from output_control.ledger.keys import KEYS_FILE
from output_control.ledger.store import Ledger

ACCEPTED = "gate files accepted"
_RESTORE = (
    "restore it in gate/ from the backup of that zone, and remove what is new; only where the office changed it "
    "itself: zicht gate accept FILE"
)


@dataclass(frozen=True, slots=True)
class GateFiles:
    """The files of the gate's zone ``folder``, but its subfolders and the ledger's keys, which the ledger checks."""

    folder: Path
    ledger: Ledger
    journal: Journal

    def check(self, now: datetime) -> None:
        """Compare all files with those that were accepted last.

        `zicht init` accepts what it makes; in a workspace of an earlier version the first check does.

        Raises:
            Tampered: a file was changed, is missing or is new; nothing was written. So is the ledger, or its keys.
            NotReady, KeyUnavailable: this is not the gate's user.
        """
        (accepted, serial), found = self._accepted(), self._found()
        if not serial:
            self.accept_made(now)
            return
        if faults := _faults(accepted, found):
            raise Tampered(
                f"the gate's files are not as accepted: {_said(faults)}", where=min(faults), next_step=_RESTORE
            )

    def accept_made(self, now: datetime) -> None:
        """Accept all that lies there: of who has just made it."""
        self.ledger.entries()  # other keys know of no acceptance either: under them nothing is accepted
        self._tell(self._found(), self._accepted()[1] + 1, now)

    def accept(self, names: Collection[str], now: datetime) -> None:
        """Accept ``names`` as they lie there now, changed, new or gone; all others must be as they were accepted.

        Raises:
            BadInput: one of these is no file of the gate's that was changed.
            Tampered: another one was changed too.
            NotReady: nothing was accepted yet.
        """
        self.ledger.entries()
        (accepted, serial), found = self._accepted(), self._found()
        if not serial:
            raise NotReady("nothing was accepted yet: the first check does so", next_step="zicht check")
        faults = _faults(accepted, found)
        if same := set(names) - faults.keys():
            raise BadInput(
                "this is no file of the gate's that was changed",
                where=min(same),
                next_step=f"name what was: {_said(faults)}" if faults else "nothing was changed; zicht check",
            )
        if other := {name: fault for name, fault in faults.items() if name not in names}:
            raise Tampered(
                f"other files of the gate's are not as accepted: {_said(other)}", where=min(other), next_step=_RESTORE
            )
        self._tell(found, serial + 1, now)

    def _found(self) -> dict[str, str]:
        try:
            files = {path.name: path for path in self.folder.iterdir() if path.is_file()}
            ours = {name: path for name, path in files.items() if name != KEYS_FILE and not name.startswith(".")}
            return {name: self._mac("file", name.encode() + b"\0" + path.read_bytes()) for name, path in ours.items()}
        except OSError:
            raise KeyUnavailable(
                "the gate's files cannot be read", where=self.folder.name, next_step="run as the release service's user"
            ) from None

    def _accepted(self) -> tuple[Mapping[str, str], int]:
        """The MACs that were accepted last, and the serial, which counts from 1; 0 where nothing was accepted yet."""
        newest: tuple[Mapping[str, str], int] = {}, 0
        for entry in self.journal.entries():
            if entry.action == ACCEPTED:
                files, serial = entry.details.get("files"), entry.details.get("serial")
                if not isinstance(files, Mapping) or type(serial) is not int or serial <= newest[1]:
                    continue
                listed = {name: str(mac) for name, mac in files.items()}
                if hmac.compare_digest(self._of(listed, serial), str(entry.details.get("mac")).encode()):
                    newest = listed, serial
        return newest

    def _tell(self, files: Mapping[str, str], serial: int, now: datetime) -> None:
        details: dict[str, Json] = {"files": dict(files), "serial": serial, "mac": self._of(files, serial).decode()}
        self.journal.append(actor="gate", action=ACCEPTED, subject=self.folder.name, details=details, now=now)

    def _of(self, files: Mapping[str, str], serial: int) -> bytes:
        return self._mac("listing", canonical_json({"files": dict(files), "serial": serial})).encode()

    def _mac(self, purpose: str, content: bytes) -> str:
        return hmac.digest(self.ledger.keys.derived(f"gate files {purpose}"), content, "sha256").hex()


def _faults(accepted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    faults = dict.fromkeys(accepted.keys() - found.keys(), "is missing")
    faults |= dict.fromkeys(found.keys() - accepted.keys(), "is new")
    return faults | {name: "was changed" for name in found.keys() & accepted.keys() if found[name] != accepted[name]}


def _said(faults: Mapping[str, str]) -> str:
    return "; ".join(" ".join(fault) for fault in sorted(faults.items()))
