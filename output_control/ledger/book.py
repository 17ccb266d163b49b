"""The ledger of an installation, opened against its journal: for the gate to read, for the release service to write.

Fails closed: a project that has released before has a ledger that holds each of its releases, or nothing is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from enclave.errors import NotReady, Tampered
from enclave.fingerprints import Json, digest_bytes, digest_json
from enclave.journal import Entry as JournalEntry
from enclave.journal import Journal
from output_control.ledger.charter import Charter
from output_control.ledger.history import History
from output_control.ledger.released import kinds_in
from output_control.ledger.rows import LedgerIds
from output_control.ledger.store import About, Anchor, Ledger
from output_control.review.cases import PREFIX
from output_control.review.states import Action

ANCHOR = "ledger"


def identity(analysis: str, version: int, fingerprint: str, inputs: Mapping[str, str], policy_document: bytes) -> str:
    """Digest of everything that a check's result depends on, but for the ledger."""
    policy = digest_bytes(policy_document)
    return digest_json([analysis, version, fingerprint, dict(inputs), policy])


def anchors_of(journal: Journal) -> list[Anchor]:
    """What the journal says of the ledger: one anchor per release.

    Raises:
        Tampered: a release stands in the journal that no ledger remembers.
    """
    released = [entry for entry in journal.entries() if entry.action == PREFIX + Action.RELEASE.value]
    return [_anchor(entry) for entry in released]


def open_history(ledger: Ledger, journal: Journal, ids: LedgerIds) -> History:
    """Everything that was released, for the gate.

    Raises:
        NotReady: the ledger is missing. Tampered: it is not whole, or lacks a release that the journal knows.
    """
    anchors = anchors_of(journal)
    try:
        return History(ledger, ledger.verify(anchors, bodies=False), ids)
    except NotReady as error:
        known = f"{len(anchors)} release(s) are known, and " if anchors else ""
        raise NotReady(f"{known}{error.what}: nothing is checked", next_step=error.next_step) from None


@dataclass(frozen=True, slots=True)
class Book:
    """The ledger and its charter, as the release service writes them; ``after``: the entry that must be the last."""

    ledger: Ledger
    charter: Charter
    after: Anchor | None = None

    def pinned(self) -> Book:
        """The book for a check that begins now: it takes nothing when another release came between."""
        return replace(self, after=self.ledger.newest())

    def write(self, cells: bytes, *, identity: str, project: str, request: str, release: str, now: datetime) -> Anchor:
        """Remember the cells of a release; durable when this returns, and the same release twice is one entry.

        Raises:
            NotReady: the output was not tabulated anew, so its units are not known; or another release was written
                since the book was pinned.
            StorageFailed: the disk is full; nothing was released.
        """
        if not cells:
            raise NotReady(
                "this output says nothing of who is in its cells, so the ledger cannot remember it",
                where=request,
                next_step="have the release service tabulate it again",
            )
        about = About(
            project=project,
            request=request,
            release=release,
            identity=identity,
            kinds=kinds_in(cells),
            legal_basis=self.charter.legal_basis,
            kept_until=self.charter.kept_until(now),
        )
        return self.ledger.append(about, cells, after=self.after)


def anchored(anchor: Anchor) -> dict[str, Json]:
    """The journal's note of an entry."""
    return {ANCHOR: {"sequence": anchor.sequence, "digest": anchor.digest}}


def _anchor(entry: JournalEntry) -> Anchor:
    noted = entry.details.get(ANCHOR)
    if not isinstance(noted, Mapping) or not isinstance(noted.get("sequence"), int):
        raise Tampered(
            f"journal entry {entry.sequence} is a release that the ledger does not know, so it cannot be told what "
            "it discloses together with others",
            next_step="a person must decide: releases from before the ledger need a workspace of their own",
        )
    return Anchor(int(str(noted["sequence"])), str(noted["digest"]))
