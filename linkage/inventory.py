"""Which files the key zone of a project holds, each by its digest, under the office's signature.

A file is noted before it takes its place and again when it has, likewise when it goes: killed in between, both states
are right, and the next check settles on the one that is there. Nothing else may change, come or go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from enclave.errors import BadInput, Tampered
from enclave.files import TEMPORARY_MARK, write_bytes
from enclave.fingerprints import Json, canonical_json, digest_file
from enclave.signatures import PayloadType, SigningKey

LISTING = "inventory.json"
MADE_AGAIN = ("matches-", "labelled-", "linkage")
"""How files begin that the commands write again when they are missing: what matching leaves, and reports."""
_ABSENT = ""
_LOST = "lost"
_RESTORE = (
    "restore the project's whole folder in keys/ from one backup; files that begin with matches-, labelled- or linkage "
    "may be deleted instead: zicht pseudonymise and zicht link make them again"
)
_OLDER = (
    "restore the project's whole folder in keys/ from a backup no older than the journal; only where there is none: "
    "zicht custody accept-tables"
)
_Listed: TypeAlias = dict[str, tuple[str, ...]]
"""File -> the digests that are right: one, or, around a change, that of before and that of after."""


@dataclass(frozen=True, slots=True)
class Behind:
    """An earlier state of the key tables: its revision, the one that the journal knows, the files that commands make
    again, and the others with their digests."""

    revision: int
    told: int
    again: tuple[str, ...]
    kept: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Inventory:
    """The signed listing of the files in ``folder``; used by one process at a time.

    ``key`` signs it. ``told`` says the last revision that the journal knows, 0 for none, and ``tell`` adds one: else an
    earlier folder could take the place of this one whole. What lay there before the first listing is taken as it is.
    """

    folder: Path
    project: str
    key: Callable[[], SigningKey]
    told: Callable[[], int]
    tell: Callable[[int], None]

    def check(self) -> frozenset[str]:
        """Compare all files with the listing; returns those that are missing and that a command makes again.

        Raises:
            Tampered: a file was changed, is missing or is foreign, or the listing itself; nothing is changed.
        """
        listed, revision = self._listed()
        settled, lost = self._settled(listed, lambda name: name.startswith(MADE_AGAIN))
        if settled != listed or (settled and not revision):
            self._save(settled, revision)
        return lost

    def behind(self, replaced: Callable[[str, str], bool]) -> Behind:
        """The earlier state of this project's tables that lies here, whole; or none of it, revision 0.

        ``replaced`` tells of a file and its digest whether a command wrote another since: such files may be missing,
        as those may that are made again.

        Raises:
            BadInput: they are no older than the journal.
            Tampered: they are not as they were left at any time.
        """
        listed, revision = self._read() or ({}, 0)
        told = self.told()
        if revision >= told:
            raise BadInput("the key tables are no older than the journal", next_step="zicht link")
        stale = frozenset(name for name, right in listed.items() if any(replaced(name, digest) for digest in right))
        settled, _ = self._settled(listed, lambda name: name in stale or name.startswith(MADE_AGAIN))
        again = {name for name in settled if name.startswith(MADE_AGAIN)} - stale
        kept = {name: right for name, right in settled.items() if name not in again | stale}
        return Behind(revision, told, tuple(sorted(again | stale)), kept)

    def accept(self, behind: Behind) -> None:
        """Go on with an earlier state: from now on neither the one that was lost nor another earlier one is taken.

        Reports count as missing, so that linking runs again; what is ``behind.again`` must be gone by now.
        """
        self.tell(behind.told + 1)
        self._save(dict(behind.kept) | dict.fromkeys((*behind.again, "linkage.md"), (_LOST,)), behind.told)

    def _settled(self, listed: _Listed, may_be_missing: Callable[[str], bool]) -> tuple[_Listed, frozenset[str]]:
        """The listing with the one digest that each file has, and which of its files are missing and may be."""
        found = self._found()
        missing = {name for name, right in listed.items() if name not in found and _ABSENT not in right}
        lost = frozenset(name for name in missing if may_be_missing(name))
        faults = dict.fromkeys(missing - lost, "is missing")
        faults |= dict.fromkeys(found.keys() - listed.keys(), "is foreign")
        faults |= {name: "was changed" for name, right in listed.items() if found.get(name, right[0]) not in right}
        if faults:
            raise Tampered(
                "the key tables are not as they were left: " + "; ".join(" ".join(f) for f in sorted(faults.items())),
                where=min(faults),
                next_step=_RESTORE,
            )
        return {name: (digest,) for name, digest in found.items()} | {name: listed[name] for name in lost}, lost

    def coming(self, files: Mapping[str, str]) -> None:
        """Note files, with their digests, that are about to take their places, or to go (no digest)."""
        listed, revision = self._listed()
        new = {name: _both(listed.get(name, (_ABSENT,)), digest) for name, digest in files.items()}
        self._save(listed | new, revision)

    def settled(self, files: Mapping[str, str]) -> None:
        """Note that these have taken their places, or are gone."""
        listed, revision = self._listed()
        listed |= {name: (digest,) for name, digest in files.items()}
        self._save({name: right for name, right in listed.items() if right != (_ABSENT,)}, revision)

    def names(self) -> frozenset[str]:
        """The files that are listed."""
        return frozenset(self._listed()[0])

    def tell_journal(self) -> None:
        """Tell the journal the present revision, where it does not know it: a command that wrote here has ended."""
        if (self.folder / LISTING).is_file() and (revision := self._listed()[1]) > self.told():
            self.tell(revision)

    def _found(self) -> dict[str, str]:
        paths = [path for path in self.folder.rglob("*") if path.is_symlink() or not path.is_dir()]
        named = {path.relative_to(self.folder).as_posix(): path for path in paths if not _half_written(path)}
        return {
            name: digest_file(path) if path.is_file() else "no file" for name, path in named.items() if name != LISTING
        }

    def _listed(self) -> tuple[_Listed, int]:
        """The listing and its revision, which counts from 1; revision 0 where there is none yet."""
        if (read := self._read()) is None:
            if self.told():
                raise Tampered(f"{LISTING} of the key tables is missing", where=LISTING, next_step=_OLDER)
            return {name: (digest,) for name, digest in self._found().items()}, 0
        if (revision := read[1]) < (told := self.told()):
            raise Tampered(
                f"the key tables were set back: {LISTING} is revision {revision}, and the journal knows {told}",
                where=LISTING,
                next_step=_OLDER,
            )
        return read

    def _read(self) -> tuple[_Listed, int] | None:
        """The listing that lies there, whatever the journal knows; None where there is none."""
        try:
            content = (self.folder / LISTING).read_bytes()
        except FileNotFoundError:
            return None
        try:
            fields = json.loads(content)
            signature, files, revision = fields["signature"], fields["files"], int(fields["revision"])
            listed = {str(name): tuple(map(str, right)) for name, right in files.items()}
            if content != self._content(listed, revision, signature):
                raise ValueError
            self.key().public.verify(PayloadType.KEY_TABLES, self._payload(listed, revision), signature)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Tampered):
            raise Tampered(
                f"{LISTING} of the key tables was changed, or is of another project", where=LISTING, next_step=_RESTORE
            ) from None
        return listed, revision

    def _save(self, listed: _Listed, before: int) -> None:
        revision = before + 1
        signature = self.key().sign(PayloadType.KEY_TABLES, self._payload(listed, revision))
        write_bytes(self.folder / LISTING, self._content(listed, revision, signature), mode=0o600)
        if not before:
            self.tell(revision)

    def _payload(self, listed: _Listed, revision: int) -> bytes:
        return canonical_json({"project": self.project, "revision": revision, "files": dict(listed)})

    def _content(self, listed: _Listed, revision: int, signature: str) -> bytes:
        signed: dict[str, Json] = {"project": self.project, "revision": revision, "files": dict(listed)}
        return canonical_json({**signed, "signature": signature}) + b"\n"


def _both(right: Iterable[str], digest: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*right, digest)))


def _half_written(path: Path) -> bool:
    return path.name.startswith(".") and TEMPORARY_MARK in path.name
