"""The journal: append-only lines, each holding the digest of the one before it.

Whoever keeps a head (sequence number and digest: every receipt and every release bundle does) can later prove that
nothing up to it was changed, reordered or cut off. Entries hold names, classes of counts (:func:`size_class`) and
digests; never a cell value.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from enclave.errors import NotReady, Tampered
from enclave.files import TEMPORARY_MARK, storage_errors, write_bytes
from enclave.fingerprints import Json, canonical_json, digest_bytes
from enclave.locks import lock_file

GENESIS = "0" * 64


def size_class(count: int) -> str:
    """A number of rows as everyone may read it: ``0``, ``<10``, ``10-99``, ``100-999`` and so on.

    The journal is read by all users of a workspace. Powers of ten, so that no small count comes back by subtraction.
    """
    if count < 10:
        return "<10" if count else "0"
    low = 10 ** (len(str(count)) - 1)
    return f"{low}-{10 * low - 1}"


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry's sequence number (0 = empty journal) and digest."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One journalled state change."""

    sequence: int
    time: str
    actor: str
    action: str
    subject: str
    details: Mapping[str, Json]
    previous: str
    digest: str


def _digest(fields: Mapping[str, Json]) -> str:
    return digest_bytes(canonical_json(fields))


def _line(fields: dict[str, Json]) -> bytes:
    return canonical_json({**fields, "digest": _digest(fields)}) + b"\n"


class Journal:
    """The journal in ``folder``: ``journal.jsonl`` and, for finding a cut-off end, ``head.json``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "journal.jsonl"
        self._head_file = folder / "head.json"

    def append(self, *, actor: str, action: str, subject: str, details: Mapping[str, Json], now: datetime) -> Head:
        """Add an entry and return the new head; durable when this returns.

        A line that a killed process left half-written is cut before the new one is added.

        Raises:
            StorageFailed: the disk is full; the journal is as it was.
            Tampered: the file ends before the recorded head.
        """
        with storage_errors("the journal"):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.file.open("a+b", buffering=0) as handle:
                lock_file(handle.fileno())
                if os.fstat(handle.fileno()).st_size == 0:
                    self.file.chmod(0o664)  # every zone's user appends; the folder's group says who
                for left in self.folder.glob(f".{self._head_file.name}{TEMPORARY_MARK}*"):
                    left.unlink(missing_ok=True)  # of a writer that was killed: whoever writes holds the lock
                head, whole = self._last(handle.fileno())
                self._refuse_cut_off(head)
                if os.fstat(handle.fileno()).st_size > whole:
                    os.ftruncate(handle.fileno(), whole)
                fields: dict[str, Json] = {
                    "sequence": head.sequence + 1,
                    "time": now.astimezone(UTC).isoformat(timespec="seconds"),
                    "actor": actor,
                    "action": action,
                    "subject": subject,
                    "details": dict(details),
                    "previous": head.digest,
                }
                self._write_whole(handle.fileno(), _line(fields), whole)
                new = Head(head.sequence + 1, _digest(fields))
                write_bytes(
                    self._head_file,
                    canonical_json({"sequence": new.sequence, "digest": new.digest}),
                    mode=0o664,
                )
        return new

    @staticmethod
    def _write_whole(descriptor: int, line: bytes, whole: int) -> None:
        try:
            written = 0
            while written < len(line):
                written += os.write(descriptor, line[written:])
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, whole)
            raise

    def _last(self, descriptor: int) -> tuple[Head, int]:
        """Head and length of the whole lines, reading backwards from the end."""
        size = os.fstat(descriptor).st_size
        take = min(size, 1 << 16)
        while True:
            os.lseek(descriptor, size - take, os.SEEK_SET)
            tail = _read_whole(descriptor, take)
            end = tail.rfind(b"\n") + 1
            start = tail.rfind(b"\n", 0, max(end - 1, 0)) + 1
            if end == 0 and take == size:
                return Head(0, GENESIS), 0
            if end and (start or take == size):
                return _head_of(tail[start:end]), size - take + end
            take = min(size, take * 4)

    def _recorded_head(self) -> Head:
        try:
            fields = json.loads(self._head_file.read_bytes())
            return Head(int(fields["sequence"]), str(fields["digest"]))
        except FileNotFoundError:
            return Head(0, GENESIS)
        except (ValueError, KeyError, TypeError):
            raise Tampered("the journal's head file is not readable") from None

    def _refuse_cut_off(self, head: Head) -> None:
        recorded = self._recorded_head()
        if recorded.sequence == head.sequence and recorded.digest != head.digest:
            raise Tampered(
                f"journal entry {head.sequence} is not the one whose digest is recorded",
                next_step="restore the journal from its backup; zicht journal verify",
            )
        if recorded.sequence > head.sequence:
            raise Tampered(
                "the journal ends before its recorded head: entries were cut off",
                next_step="restore the journal from its backup; zicht journal verify",
            )

    def head(self) -> Head:
        """The present head."""
        if not self.file.is_file():
            return Head(0, GENESIS)
        with self.file.open("rb") as handle:
            return self._last(handle.fileno())[0]

    def entries(self, *, after: int = 0) -> Iterator[Entry]:
        """Entries with a sequence number above ``after``, in order, without verifying them."""
        if not self.file.is_file():
            return
        with self.file.open("rb") as handle:
            for number, line in enumerate(itertools.islice(handle, after, None), start=after + 1):
                if line.endswith(b"\n"):
                    yield _entry(line, number)

    def verify(self, anchors: Iterable[Head] = ()) -> Head:
        """Check the whole chain, the recorded head and every anchor kept elsewhere; returns the head.

        Raises:
            NotReady: there is no journal.
            Tampered: an entry was changed, is missing, was reordered or cut off; names the sequence number.
        """
        if not self.file.is_file():
            if self._recorded_head().sequence or any(anchor.sequence for anchor in anchors):
                raise Tampered("the journal file is missing, but heads of it are known")
            raise NotReady("there is no journal yet")
        digests = [GENESIS]
        with self.file.open("rb") as handle:
            for number, line in enumerate(handle, start=1):
                # A last line without its end is a killed write, not an entry: a cut into a finished
                # entry is found below, by the recorded head.
                if line.endswith(b"\n"):
                    digests.append(_checked(line, number, digests[-1]))
        known = [*anchors, self._recorded_head()]
        for anchor in known:
            if not 0 <= anchor.sequence < len(digests):
                raise Tampered(f"the journal ends at entry {len(digests) - 1}, but entry {anchor.sequence} is known")
            if digests[anchor.sequence] != anchor.digest:
                raise Tampered(f"journal entry {anchor.sequence} is not the one whose digest is known")
        return Head(len(digests) - 1, digests[-1])


def _read_whole(descriptor: int, size: int) -> bytes:
    found = b""
    while len(found) < size and (part := os.read(descriptor, size - len(found))):
        found += part
    return found


def _entry(line: bytes, number: int) -> Entry:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        raise Tampered(f"journal entry {number} is not a whole entry") from None


def _head_of(line: bytes) -> Head:
    try:
        fields = json.loads(line)
        return Head(int(fields["sequence"]), str(fields["digest"]))
    except (ValueError, KeyError, TypeError):
        raise Tampered("the journal's last entry is not a whole entry") from None


def _checked(line: bytes, number: int, previous: str) -> str:
    try:
        fields = json.loads(line)
        digest = str(fields.pop("digest"))
        if canonical_json({**fields, "digest": digest}) + b"\n" != line:
            raise ValueError
    except (ValueError, KeyError, AttributeError, TypeError):
        raise Tampered(f"journal entry {number} is not a whole entry") from None
    if fields.get("sequence") != number:
        raise Tampered(f"journal entry {number} is missing or out of order")
    if fields.get("previous") != previous:
        raise Tampered(f"journal entry {number} does not follow the entry before it")
    if _digest(fields) != digest:
        raise Tampered(f"journal entry {number} was changed")
    return digest
