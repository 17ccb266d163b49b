"""Files that lie encrypted, read and written as streams: what a backup holds of them ends with their key.

A file is a head in clear (which key, which file), then blocks of 1 MiB, each under AES-256-GCM-SIV (RFC 8452), then one
block with the SHA-256 of the plain content. A block's nonce is its number and the last block binds the length, so that
none can be cut off, moved or put in, save one of an earlier version of the same file: that shows in the digest, which
is compared before any content is handed out. The file's own key follows from the data key and the head (HKDF-SHA-256,
RFC 5869). The same content under the same key and head gives the same bytes, which is all that GCM-SIV tells of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from enclave.errors import KeyUnavailable, Tampered
from enclave.files import replacing, storage_errors
from enclave.fingerprints import canonical_json

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

MAGIC = b"ZICHT\x00E1"
BLOCK = 1 << 20
KEY_BYTES = 32
_TAG = 16
_LENGTH = 2
_END = hashlib.sha256().digest_size + _TAG


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one data set until one date; ``name`` is ``<project>/<data set>/<YYYY-MM-DD>/<generation>``.

    The generation is drawn at random. After a withdrawal a set gets another one, so that its key opens no earlier copy.
    """

    name: str
    secret: bytes = field(repr=False)

    @property
    def until(self) -> date:
        """The date on which it is destroyed."""
        return last_day(self.name)


def last_day(name: str) -> date:
    """The date in a data key's name."""
    return date.fromisoformat(name.split("/")[2])


class EncryptedWriter(io.RawIOBase):
    """Takes plain bytes, puts encrypted blocks into ``target``; whole only after :meth:`finish`."""

    def __init__(self, target: BinaryIO, key: DataKey, label: str) -> None:
        head = canonical_json({"key": key.name, "file": label})
        target.write(MAGIC + len(head).to_bytes(_LENGTH, "big") + head)
        self._target = target
        self._cipher = _cipher(key, head)
        self._digest = hashlib.sha256()
        self._held = bytearray()
        self._blocks = 0
        self._length = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, content: ReadableBuffer, /) -> int:
        """Take bytes; memory holds one block and what one call brings."""
        taken = memoryview(content).cast("B")
        self._digest.update(taken)
        self._held += taken
        self._length += len(taken)
        while len(self._held) >= BLOCK:
            self._put(BLOCK)
        return len(taken)

    def finish(self) -> None:
        """Write what is held, and the end without which the file does not open."""
        if self._held:
            self._put(len(self._held))
        self._target.write(self._cipher.encrypt(_nonce(self._blocks), self._digest.digest(), _end_of(self._length)))

    def _put(self, size: int) -> None:
        with memoryview(self._held) as held:
            self._target.write(self._cipher.encrypt(_nonce(self._blocks), held[:size], None))
        del self._held[:size]
        self._blocks += 1


class _Blocks(io.RawIOBase):
    """The plain content, decrypted block by block as it is asked for."""

    def __init__(self, path: Path, key: DataKey) -> None:
        self._name = path.name
        self._file = path.open("rb")
        head = _head(self._file)
        if head is None:
            raise Tampered("the file is not encrypted as it should be", where=path.name)
        self._cipher = _cipher(key, head)
        self._start = self._file.tell()
        body = self._file.seek(0, io.SEEK_END) - self._start - _END
        blocks = -(-max(body, 0) // (BLOCK + _TAG))
        self.size = body - blocks * _TAG
        self._place = 0
        self._number, self._block = -1, b""
        self._blocks = blocks
        self._tags: list[bytes] = []
        self.digest = self._decrypted(blocks, self._start + body, _END, _end_of(max(self.size, 0)))[0]

    def whole(self) -> Iterator[bytes]:
        """The content, block by block; raises when it is not, together, what the end says.

        From then on only these very blocks are read: a block's tag is another one when anything in it is (RFC 8452).
        """
        digest, tags = hashlib.sha256(), []
        for number in range(self._blocks):
            block, tag = self._opened(number)
            digest.update(block)
            tags.append(tag)
            yield block
        if digest.digest() != self.digest:
            raise _changed(self._name)
        self._tags = tags

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place of the plain content."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        return self._place

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read at most to the end of a block."""
        number, within = divmod(self._place, BLOCK)
        if self._place >= self.size:
            return 0
        if number != self._number:
            block, tag = self._opened(number)
            if tag != self._tags[number]:
                raise _changed(self._name)
            self._number, self._block = number, block
        room = memoryview(buffer).cast("B")
        part = self._block[within : within + len(room)]
        room[: len(part)] = part
        self._place += len(part)
        return len(part)

    def _opened(self, number: int) -> tuple[bytes, bytes]:
        """A block and its tag."""
        left = min(self.size - number * BLOCK, BLOCK)
        return self._decrypted(number, self._start + number * (BLOCK + _TAG), left + _TAG, None)

    def _decrypted(self, number: int, at: int, size: int, bound: bytes | None) -> tuple[bytes, bytes]:
        try:
            self._file.seek(at)
            sealed = self._file.read(size)
            return self._cipher.decrypt(_nonce(number), sealed, bound), sealed[-_TAG:]
        except (InvalidTag, ValueError, OSError):
            raise _changed(self._name) from None


def _changed(name: str) -> Tampered:
    return Tampered(
        "the file was changed or cut off, or is not under this key",
        where=name,
        next_step="restore the file, or run the step that made it again",
    )


def open_encrypted(path: Path, key: DataKey) -> io.BufferedReader:
    """The plain content of a file, to be read anywhere: for pyarrow and pandas; no plain copy is made.

    It is decrypted twice: once before anything is handed out, to know that all of it is what was written together.

    Raises:
        Tampered: not encrypted, changed, cut off, mixed with another version of the file, or under another key; at
            once, or while it is read if it was changed since.
    """
    blocks = _Blocks(path, key)
    try:
        deque(blocks.whole(), maxlen=0)
    except BaseException:
        blocks.close()
        raise
    return io.BufferedReader(blocks, BLOCK)


def content_digest(path: Path, key: DataKey) -> str:
    """SHA-256 of the plain content, as the file's end holds it; the content itself is not read."""
    with _Blocks(path, key) as blocks:
        return blocks.digest.hex()


def key_name(path: Path) -> str | None:
    """The name of the key under which a file says it lies; None when it is not encrypted. Not authenticated yet."""
    with path.open("rb") as file:
        head = _head(file)
    try:
        return None if head is None else str(json.loads(head)["key"])
    except (ValueError, KeyError, TypeError):
        raise Tampered("the head of the encrypted file does not read", where=path.name) from None


def decrypt_file(path: Path, key: DataKey, target: Path) -> Path:
    """Write the plain content to ``target``, which lies in a run folder: it is gone when the run is.

    Raises:
        Tampered: as :func:`open_encrypted`; ``target`` is gone then.
    """
    try:
        with storage_errors("the run folder"), _Blocks(path, key) as source, target.open("wb") as file:
            file.writelines(source.whole())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    target.chmod(0o400)
    return target


def encrypt_file(path: Path, key: DataKey, target: Path, *, label: str, mode: int = 0o440) -> Path:
    """Write the content of ``path`` to ``target``, encrypted and atomically."""
    with replacing(target, mode=mode) as temporary, path.open("rb") as source, temporary.open("wb") as file:
        writer = EncryptedWriter(file, key, label)
        shutil.copyfileobj(source, writer, BLOCK)
        writer.finish()
    return target


def _cipher(key: DataKey, head: bytes) -> AESGCMSIV:
    if len(key.secret) != KEY_BYTES:
        raise KeyUnavailable("a data key has 32 bytes")
    return AESGCMSIV(HKDF(SHA256(), 32, salt=None, info=b"zicht encrypted file 1" + head).derive(key.secret))


def _head(file: BinaryIO) -> bytes | None:
    if file.read(len(MAGIC)) != MAGIC:
        return None
    return file.read(int.from_bytes(file.read(_LENGTH), "big"))


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _end_of(length: int) -> bytes:
    return b"end" + length.to_bytes(8, "big")
