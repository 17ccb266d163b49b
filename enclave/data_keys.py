"""Working copies of the keys of data sets: what researchers and the gate need to read linked data, until their date.

The custodian derives a data key from the key store and hands it out as a file in a folder that is no zone and in no
backup (design section 4). Past its date the key store cannot derive it any more, and the file is removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from enclave.encrypted_files import KEY_BYTES, DataKey, content_digest, key_name, last_day
from enclave.errors import KeyUnavailable, NotReady, Tampered
from enclave.files import TEMPORARY_MARK, storage_errors, write_bytes
from enclave.locks import flush

_SLUG, _REST = r"([a-z0-9][a-z0-9_-]*)", r"(\d{4}-\d\d-\d\d)(?:%s([0-9a-f]{16}))?"
_NAME = re.compile(f"{_SLUG}/{_SLUG}/{_REST % '/'}")
_FILE = re.compile(rf"{_SLUG}\.{_REST % '[.]'}\.key")
"""A version before this one knew no generations."""


@dataclass(frozen=True, slots=True)
class DataKeys:
    """The folder ``data-keys``; per key ``<project>/<data set>.<date>.<generation>.key``, for its group to read."""

    folder: Path

    def hand_out(self, key: DataKey) -> None:
        """Put a working copy where researchers and the gate read it."""
        path = self._path(key.name)
        with storage_errors("the keys of data sets"):
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)  # takes over the group of the folder above
        write_bytes(path, key.secret.hex().encode() + b"\n", mode=0o440)

    def opens(self, path: Path) -> bool:
        """Whether the working copy of a file's key lies here, whole, and opens the file: the end of it is looked at."""
        name = key_name(path)
        try:
            return name is not None and bool(content_digest(path, self.take(name)))
        except (KeyUnavailable, Tampered):
            return False

    def key_of(self, path: Path, *, project: str, data_set: str) -> DataKey:
        """The key of a linked data set's file.

        Raises:
            NotReady: the file was written by a version that did not encrypt linked data, or knew no generations.
            Tampered: it lies under the key of another data set, or the working copy does not open it.
            KeyUnavailable: there is no working copy, since the key was destroyed or was not handed out.
        """
        name = key_name(path)
        if name is None:
            raise NotReady(
                f"data set {data_set} is not encrypted", where=path.name, next_step="the custodian: zicht link --again"
            )
        if not name.startswith(f"{project}/{data_set}/"):
            raise Tampered("the file is of another data set or project", where=path.name, next_step="zicht link")
        if not _matched(name)[4]:
            raise NotReady(
                f"data set {data_set} lies under a key of an earlier version, which no withdrawal destroys",
                where=path.name,
                next_step="the custodian: zicht link, which writes it under a key of its own; then zicht run",
            )
        key = self.take(name)
        try:
            content_digest(path, key)
        except Tampered:
            raise Tampered(
                "the working copy of the key does not open the data set: it is another key, or the file was changed",
                where=name,
                next_step="the custodian: zicht link, which hands the key out anew and links again what was changed",
            ) from None
        return key

    def take(self, name: str) -> DataKey:
        """The key called ``name``.

        Raises:
            KeyUnavailable: no working copy, or this user may not read it.
            Tampered: it is not whole.
        """
        try:
            secret = bytes.fromhex(self._path(name).read_text())
        except FileNotFoundError:
            raise KeyUnavailable(
                f"there is no key for data that are kept until {last_day(name)}",
                where=name,
                next_step="if the date has passed, or a delivery was withdrawn, the data were destroyed and nothing "
                "reads them again; else the custodian hands the key out: zicht link; derived rows: zicht run",
            ) from None
        except PermissionError:
            raise KeyUnavailable(
                "this user may not read the key of the data set", where=name, next_step="ask the custodian"
            ) from None
        except ValueError:
            secret = b""
        if len(secret) != KEY_BYTES:
            raise Tampered(
                "the working copy of the key is not whole",
                where=name,
                next_step="the custodian: zicht link, which hands it out anew",
            )
        return DataKey(name, secret)

    def names(self, project: str) -> Iterator[str]:
        """The names of all working copies of a project; what a kill left half-written is one too."""
        files = {path.name for path in (self.folder / project).glob("*")}
        whole = {name[1:].rpartition(TEMPORARY_MARK)[0] if TEMPORARY_MARK in name else name for name in files}
        for file in sorted(whole):
            if found := _FILE.fullmatch(file):
                yield "/".join((project, *filter(None, found.groups())))

    def withdraw(self, names: Iterable[str]) -> None:
        """Remove working copies, durably; those that are gone already are not missed."""
        for path in map(self._path, names):
            with storage_errors("the keys of data sets"):
                for left in (path, *path.parent.glob(f".{path.name}{TEMPORARY_MARK}*")):
                    left.unlink(missing_ok=True)
                if path.parent.is_dir():
                    flush(path.parent)

    def _path(self, name: str) -> Path:
        found = _matched(name)
        return self.folder / found[1] / f"{'.'.join(filter(None, found.groups()[1:]))}.key"


def _matched(name: str) -> re.Match[str]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise Tampered("the name of a data key is none", next_step="zicht link")
    return found
