"""What the gate is given of the ledger: the entries to check against, and the ids to follow units by."""

from __future__ import annotations

from dataclasses import dataclass

from enclave.errors import KeyUnavailable, Refused
from enclave.fingerprints import digest_bytes
from output_control.ledger.released import ReleasedTable
from output_control.ledger.rows import LedgerIds
from output_control.ledger.store import Entry, Ledger


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Earlier releases, oldest first, as one check sees them; it cannot write.

    ``repeated`` is the digest of what the ledger holds of the same check's own release, if that left already.
    """

    ledger: Ledger
    entries: tuple[Entry, ...]
    ids: LedgerIds
    repeated: str = ""

    def before(self, identity: str) -> History:
        """The releases before the one that the same check, on the same data, led to.

        What gives the very bytes that left already discloses nothing new: it is checked against what its release was
        checked against. So a killed release, a check that is made again, and a reproduction end the same.
        """
        for at, entry in enumerate(self.entries):
            if entry.header.about.identity == identity:
                return History(self.ledger, self.entries[:at], self.ids, entry.header.body)
        return self

    def must_repeat(self, cells: bytes) -> None:
        """See that a check that led to a release before found the same units now.

        Raises:
            Refused: other units, so that it was not compared with all it should be: the derivation depends on more than
                its code and data (a clock, a draw).
        """
        if self.repeated and digest_bytes(cells) != self.repeated:
            raise Refused(
                "the same code on the same data counted other units when it was released, so it depends on something "
                "else; nothing of it leaves",
                next_step="leave out what reads the clock or draws at random, and run the analysis as a new version",
            )

    def tables(self, entry: Entry, kinds: frozenset[str]) -> tuple[ReleasedTable, ...]:
        """The tables of an earlier release; none of one that was erased and counted other kinds of units.

        Raises:
            Refused: its units were erased, and it may have counted those that are asked about now.
            Tampered: the entry is not whole.
        """
        try:
            if not entry.erased:
                return self.ledger.tables(entry)
        except KeyUnavailable:
            pass  # its key was destroyed between opening the ledger and now
        if kinds & set(entry.header.about.kinds):
            raise Refused(
                f"the units of earlier release {entry.release} were erased at their retention date, so it cannot be "
                "told what it discloses together with this; a person must decide",
                next_step="ask the output checkers, with the released tables of both beside each other",
            )
        return ()
