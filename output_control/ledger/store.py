"""The ledger on disk: one encrypted entry per release, chained, written before the release that it is about.

``000001.head`` (who released what, until when it is kept, the wrapped key of its content) and ``000001.body`` (the rows
of every cell) are AES-256-GCM. A header holds the HMAC of its predecessor, so that a changed, swapped, missing or
cut-off entry is found; the journal holds the HMAC of each entry too, so that a whole ledger that was set back is found.
Names and sizes of files tell how many releases there were, which is public, and sizes are padded.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from enclave.errors import NotReady, Tampered
from enclave.files import storage_errors, sweep_temporaries, write_bytes
from enclave.fingerprints import canonical_json, digest_bytes
from output_control.ledger.keys import KEY_BYTES, LedgerKeys, decrypt, encrypt
from output_control.ledger.released import ReleasedTable, unpack

GENESIS = "0" * 64
HEAD_FILE = "head"
_PRIVATE = 0o600
_LENGTH = 8


class About(BaseModel):
    """What a release is, as its entry says; ``identity`` is the digest of all that the gate's check depended on."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    project: str
    request: str
    release: str
    identity: str
    kinds: tuple[str, ...]
    legal_basis: str
    kept_until: date


class Header(BaseModel):
    """The part of an entry that stays readable after its content was erased; holds no unit and no cell."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sequence: int
    about: About
    body: str
    key: str
    previous: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """An entry's place and HMAC, for the journal."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An entry of the ledger; its content is read on demand."""

    header: Header
    anchor: Anchor
    erased: bool

    @property
    def release(self) -> str:
        """The bundle's name."""
        return self.header.about.release


class Ledger:
    """The ledger in one folder, opened with its keys."""

    def __init__(self, folder: Path, keys: LedgerKeys) -> None:
        self.folder, self.keys = folder, keys
        self._chain, self._head = keys.derived("chain"), keys.derived("headers")

    def entries(self) -> tuple[Entry, ...]:
        """All entries, oldest first, the whole chain checked.

        Raises:
            Tampered: an entry was changed, swapped, taken out or cut off; names its number.
            NotReady: there is no ledger here.
        """
        recorded = self._recorded()
        found: list[Entry] = []
        # a header beyond the recorded head is that of a write that was killed before its last step
        while len(found) < recorded.sequence or self._path(len(found) + 1, "head").is_file():
            found.append(self._entry(len(found) + 1, found[-1].anchor if found else Anchor(0, GENESIS)))
        digest = found[recorded.sequence - 1].anchor.digest if recorded.sequence else GENESIS
        if digest != recorded.digest or len(found) > recorded.sequence + 1:
            raise Tampered(f"entry {recorded.sequence} of the release ledger is not the one that was recorded")
        return tuple(found)

    def verify(self, anchors: Iterable[Anchor] = (), *, bodies: bool = True) -> tuple[Entry, ...]:
        """Check the chain, anchors kept elsewhere, and every body that is not erased; returns the entries."""
        found = self.entries()
        for anchor in anchors:
            if anchor.sequence > len(found):
                raise Tampered(
                    f"the release ledger ends at entry {len(found)}, but entry {anchor.sequence} is known",
                    next_step="restore the ledger zone from its backup",
                )
            if found[anchor.sequence - 1].anchor != anchor:
                raise Tampered(f"entry {anchor.sequence} of the release ledger is not the one that is known")
        for entry in found:
            if bodies and not entry.erased:
                self.body(entry)
        return found

    def tables(self, entry: Entry) -> tuple[ReleasedTable, ...]:
        """The tables of a release.

        Raises:
            KeyUnavailable: the entry was erased.
            Tampered: its content was changed or swapped.
        """
        return unpack(self.body(entry), entry.release)

    def body(self, entry: Entry) -> bytes:
        """The decrypted content of an entry."""
        number, header = entry.header.sequence, entry.header
        wrapped = base64.b64decode(header.key)
        key = decrypt(self.keys.of_date(header.about.kept_until), f"key {number}", wrapped)
        try:
            sealed = self._path(number, "body").read_bytes()
        except OSError:
            raise Tampered(f"the content of entry {number} of the release ledger is missing") from None
        padded = decrypt(key, f"body {number}", sealed)
        content = padded[_LENGTH : _LENGTH + int.from_bytes(padded[:_LENGTH], "big")]
        if digest_bytes(content) != header.body:
            raise Tampered(f"the content of entry {number} of the release ledger is another one's")
        return content

    def create(self) -> Ledger:
        """Make an empty ledger; one that is there stays as it is."""
        with storage_errors("the release ledger"):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.folder / HEAD_FILE).exists():
            self._record(Anchor(0, GENESIS))
        return self

    def newest(self) -> Anchor:
        """The last entry; sequence 0 where there is none."""
        return _last(self.entries())

    def append(self, about: About, content: bytes, *, after: Anchor | None = None) -> Anchor:
        """Write an entry, durable when this returns; the same release twice is one entry.

        ``after``: the entry that must be the last one, since the release was held against those up to it.

        Raises:
            NotReady: there are entries beyond ``after``.
            StorageFailed: the disk is full; the ledger is as it was.
            Tampered: the ledger is not whole, or has another entry of this release.
        """
        with self._locked():
            known = self.entries()
            for entry in known:
                if (entry.header.about.project, entry.release) == (about.project, about.release):
                    if not entry.erased and entry.header.body != digest_bytes(content):
                        raise Tampered(f"the release ledger has other units for {about.release}")
                    self._record(known[-1].anchor)
                    return entry.anchor
            previous = _last(known)
            if after is not None and after != previous:
                raise NotReady(
                    "another release was written while this one was checked, so they were not held against each other",
                    where=about.release,
                    next_step="release it again",
                )
            anchor = self._write(previous, about, content)
            self._record(anchor)
            return anchor

    def erase(self, until: date) -> tuple[str, ...]:
        """Destroy the keys of all entries kept until ``until`` or earlier, and their bodies; returns the releases."""
        with self._locked():
            gone = [entry for entry in self.entries() if entry.header.about.kept_until <= until]
            self.keys.destroy(until)
            for entry in gone:
                self._path(entry.header.sequence, "body").unlink(missing_ok=True)
        return tuple(entry.release for entry in gone)

    def _write(self, previous: Anchor, about: About, content: bytes) -> Anchor:
        number = previous.sequence + 1
        key = secrets.token_bytes(KEY_BYTES)
        wrapped = encrypt(self.keys.of_date(about.kept_until), f"key {number}", key)
        header = Header(
            sequence=number,
            about=about,
            body=digest_bytes(content),
            key=base64.b64encode(wrapped).decode(),
            previous=previous.digest,
        )
        write_bytes(self._path(number, "body"), encrypt(key, f"body {number}", _padded(content)), mode=_PRIVATE)
        plain = canonical_json(header.model_dump(mode="json"))
        write_bytes(self._path(number, "head"), encrypt(self._head, f"header {number}", _padded(plain)), mode=_PRIVATE)
        return Anchor(number, self._digest(plain))

    def _entry(self, number: int, previous: Anchor) -> Entry:
        try:
            sealed = self._path(number, "head").read_bytes()
        except FileNotFoundError:
            raise Tampered(
                f"entry {number} of the release ledger is missing",
                next_step="restore the ledger zone from its backup",
            ) from None
        padded = decrypt(self._head, f"header {number}", sealed)
        plain = padded[_LENGTH : _LENGTH + int.from_bytes(padded[:_LENGTH], "big")]
        try:
            header = Header.model_validate_json(plain)
        except ValidationError:
            raise Tampered(f"entry {number} of the release ledger is not whole") from None
        if (header.sequence, header.previous) != (number, previous.digest):
            raise Tampered(f"entry {number} of the release ledger does not follow the entry before it")
        erased = self.keys.destroyed(header.about.kept_until)
        return Entry(header, Anchor(number, self._digest(plain)), erased)

    def _recorded(self) -> Anchor:
        try:
            sealed = (self.folder / HEAD_FILE).read_bytes()
        except OSError:
            raise NotReady(
                "there is no release ledger that this user may read",
                where="ledger",
                next_step="run as the release service's user; restore the ledger zone from its backup",
            ) from None
        fields = json.loads(decrypt(self._head, "the head", sealed))
        return Anchor(int(fields["sequence"]), str(fields["digest"]))

    def _record(self, anchor: Anchor) -> None:
        plain = canonical_json({"sequence": anchor.sequence, "digest": anchor.digest})
        write_bytes(self.folder / HEAD_FILE, encrypt(self._head, "the head", plain), mode=_PRIVATE)

    def _digest(self, plain: bytes) -> str:
        return hmac.new(self._chain, plain, hashlib.sha256).hexdigest()

    def _path(self, number: int, kind: str) -> Path:
        return self.folder / f"{number:06d}.{kind}"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with storage_errors("the release ledger"), (self.folder / ".lock").open("wb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            sweep_temporaries(self.folder)
            yield


def _last(entries: Sequence[Entry]) -> Anchor:
    return entries[-1].anchor if entries else Anchor(0, GENESIS)


def _padded(content: bytes) -> bytes:
    """Length, content, and zeros up to a size that tells only its order of magnitude.

    Padmé: at most 12 % more, and O(log log size) bits leak (Nikitin et al., PoPETs 2019, doi:10.2478/popets-2019-0056).
    """
    size = max(_LENGTH + len(content), 4096)
    exponent = size.bit_length() - 1
    free = exponent - exponent.bit_length()
    padded = (size + (1 << free) - 1) >> free << free
    return len(content).to_bytes(_LENGTH, "big") + content + bytes(padded - _LENGTH - len(content))
