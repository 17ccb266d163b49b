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

from enclave.errors import Tampered
from enclave.files import TEMPORARY_MARK, write_bytes
from enclave.fingerprints import Json, canonical_json, digest_file
from enclave.signatures import PayloadType, SigningKey

LISTING = "inventory.json"
MADE_AGAIN = ("matches-", "labelled-", "linkage")
"""How files begin that the commands write again when they are missing: what matching leaves, and reports."""
_ABSENT = ""
_RESTORE = (
    "restore the project's whole folder in keys/ from one backup; files that begin with matches-, labelled- or linkage "
    "may be deleted instead: zicht pseudonymise and zicht link make them again"
)
_Listed: TypeAlias = dict[str, tuple[str, ...]]
"""File -> the digests that are right: one, or, around a change, that of before and that of after."""


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
        (listed, revision), found = self._listed(), self._found()
        missing = {name for name, right in listed.items() if name not in found and _ABSENT not in right}
        lost = frozenset(name for name in missing if name.startswith(MADE_AGAIN))
        faults = dict.fromkeys(missing - lost, "is missing")
        faults |= dict.fromkeys(found.keys() - listed.keys(), "is foreign")
        faults |= {name: "was changed" for name, right in listed.items() if found.get(name, right[0]) not in right}
        if faults:
            raise Tampered(
                "the key tables are not as they were left: " + "; ".join(" ".join(f) for f in sorted(faults.items())),
                where=min(faults),
                next_step=_RESTORE,
            )
        settled = {name: (digest,) for name, digest in found.items()} | {name: listed[name] for name in lost}
        if settled != listed or (settled and not revision):
            self._save(settled, revision)
        return lost

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
        try:
            content = (self.folder / LISTING).read_bytes()
        except FileNotFoundError:
            if self.told():
                raise Tampered(f"{LISTING} of the key tables is missing", where=LISTING, next_step=_RESTORE) from None
            return {name: (digest,) for name, digest in self._found().items()}, 0
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
        if revision < (told := self.told()):
            raise Tampered(
                f"the key tables were set back: {LISTING} is revision {revision}, and the journal knows {told}",
                where=LISTING,
                next_step="restore the project's whole folder in keys/ from a backup no older than the journal",
            )
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
