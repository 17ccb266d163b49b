"""Sealed files of which nothing was taken up: which they are, and that they were destroyed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from enclave.errors import BadInput, Tampered
from enclave.signatures import PublicKey
from enclave.zones import Workspace, Zone
from pseudonymise.receipt import Receipt
from pseudonymise.refusal import REFUSED_SUFFIX, Refusal

DESTROYED_SUFFIX = ".destroyed.json"


@dataclass(frozen=True, slots=True)
class Unaccepted:
    """A sealed file of which nothing was taken up: the digest of its bytes, what it is called, and when it was answered
    last."""

    sealed_sha256: str
    delivery: str
    answered: date

    @property
    def name(self) -> str:
        """What the answers to this very file are called."""
        return f"{self.delivery}.{self.sealed_sha256[:12]}"


def not_accepted(receipts: Iterable[Receipt], workspace: Workspace, key: PublicKey) -> tuple[Unaccepted, ...]:
    """The sealed files that were refused, or rejected, and never accepted, by digest; their signed answers are there.

    What stands in the journal alone counts for nothing: others write there too. ``receipts`` are those that count.

    Raises:
        Tampered: a refusal was changed.
    """
    kept = tuple(receipts)
    found = [
        Unaccepted(r.findings.sealed_sha256, r.findings.delivery, _day(r.findings.time)) for r in kept if not r.accepted
    ]
    for path in sorted((workspace.path(Zone.INBOX) / "receipts").glob(f"*{REFUSED_SUFFIX}")):
        try:
            refusal = Refusal.load(path, key)
        except (BadInput, Tampered):
            raise Tampered(
                "this refusal was changed",
                where=f"inbox/receipts/{path.name}",
                next_step="remove it, then zicht receive --again, which answers anew",
            ) from None
        found.append(Unaccepted(refusal.sealed_sha256, refusal.delivery, _day(refusal.time)))
    accepted = {receipt.findings.sealed_sha256 for receipt in kept if receipt.accepted}
    last = {each.sealed_sha256: each for each in sorted(found, key=lambda each: each.answered)}
    return tuple(last[sha256] for sha256 in sorted(last.keys() - accepted))


def _day(time: str) -> date:
    return datetime.fromisoformat(time).date()


def destroyed_file(delivery: str, workspace: Workspace) -> Path:
    """Where suppliers find that what they delivered was destroyed."""
    return workspace.path(Zone.INBOX) / "receipts" / f"{delivery}{DESTROYED_SUFFIX}"


def destroyed_unaccepted(sealed_sha256: str, workspace: Workspace) -> tuple[Path, ...]:
    """Certificates that a sealed file of which nothing was taken up was destroyed; none: it was not."""
    folder = workspace.path(Zone.INBOX) / "receipts"
    return tuple(sorted(folder.glob(f"*.{sealed_sha256[:12]}{DESTROYED_SUFFIX}")))
