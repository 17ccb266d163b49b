"""A delivery as one sealed file: manifest and data, encrypted to the enclave's age recipient (age-encryption.org/v1).

Inside the seal: a line that names the format, the length of the head, the head (manifest, the supplier's signature over
it, file sizes; canonical JSON), and the files' bytes. Sealing and opening stream; the opened data never touches a disk
in the clear: a reader gets it through a pipe, or, where it must jump about in it, in a file that lies in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from enclave.errors import BadInput, EnclaveError, KeyUnavailable, StorageFailed, Tampered
from enclave.files import replacing, storage_errors
from enclave.fingerprints import Json, canonical_json
from enclave.signatures import PayloadType, SigningKey
from pseudonymise.manifest import MAX_FILES, Manifest, parse_manifest
from pseudonymise.sender import Signature, sign

FORMAT_LINE = b"zicht-delivery/1\n"
SUFFIX = ".zicht"
MAX_HEAD = 1 << 20
MAX_IN_MEMORY = 1 << 30


def seal_delivery(
    files: Path | Sequence[Path], manifest: Manifest, recipient: str, out: Path, key: SigningKey | None = None
) -> None:
    """Write the sealed delivery ``out``, atomically; ``files`` in the manifest's order. ``key`` signs the manifest.

    Raises:
        BadInput: the recipient is no age recipient, or a file is not the one the manifest describes.
        StorageFailed: the disk is full; nothing was written.
    """
    import pyrage

    sealed_to = parse_recipient(recipient)
    listed = [files] if isinstance(files, Path) else list(files)
    with storage_errors(out.name), contextlib.ExitStack() as opened:
        handles = [opened.enter_context(file.open("rb")) for file in listed]
        sizes: list[Json] = [os.fstat(handle.fileno()).st_size for handle in handles]
        fields: dict[str, Json] = {"manifest": manifest.as_json(), "sizes": sizes}
        if key is not None:
            signed = sign(PayloadType.MANIFEST, manifest.as_json(), str(sealed_to), key)
            fields["signature"] = signed.model_dump(mode="json")
        head = canonical_json(fields)
        reader = _Reader(FORMAT_LINE + len(head).to_bytes(8, "big") + head, handles)
        with replacing(out) as temporary, temporary.open("wb") as sealed:
            writer = _Writer(sealed.write)
            with contextlib.suppress(pyrage.EncryptError):
                pyrage.encrypt_io(reader, writer, [sealed_to])
            writer.raise_error()
            _refuse_other_files(reader, manifest)


def parse_recipient(recipient: str) -> Any:
    """The age recipient in a text.

    Raises:
        BadInput: it holds none.
    """
    import pyrage

    try:
        return pyrage.x25519.Recipient.from_str(recipient.strip())
    except (ValueError, pyrage.RecipientError):
        raise BadInput("this is no age recipient", next_step="use the text that starts with age1") from None


def _refuse_other_files(reader: _Reader, manifest: Manifest) -> None:
    for digest, listed in zip(reader.digests, manifest.files, strict=True):
        if digest.hexdigest() != listed.sha256:
            raise BadInput("the file is not the one that the manifest describes", where=listed.name)


class _Reader:
    """The head, then the files; keeps the files' digests."""

    def __init__(self, head: bytes, files: Sequence[BinaryIO]) -> None:
        self._head = io.BytesIO(head)
        self._files = list(files)
        self._current = 0
        self.digests = [hashlib.sha256() for _ in files]

    def read(self, size: int) -> bytes:
        """The next bytes."""
        if part := self._head.read(size):
            return part
        while self._current < len(self._files):
            if part := self._files[self._current].read(size):
                self.digests[self._current].update(part)
                return part
            self._current += 1
        return b""


class _Writer:
    """Passes bytes on and keeps the error that pyrage would turn into text."""

    def __init__(self, put: Callable[[bytes], Any]) -> None:
        self._put = put
        self._error: BaseException | None = None

    def write(self, block: bytes) -> int:
        """Pass ``block`` on whole."""
        try:
            self._put(block)
        except BaseException as error:
            self._error = error
            raise
        return len(block)

    def flush(self) -> None:
        """Nothing is held back."""

    def raise_error(self) -> None:
        """Raise what went wrong while passing on, if anything did."""
        if self._error is not None:
            raise self._error


class _Unpacked:
    """Takes the bytes inside a seal; parses the head and passes the files' bytes to ``put``, with the file's number."""

    def __init__(self, put: Callable[[int, bytes], Any]) -> None:
        self._put = put
        self._held: bytes | None = b""
        self._file = 0
        self._left = 0
        self.manifest: Manifest | None = None
        self.signature: Signature | None = None
        self.sizes: tuple[int, ...] = ()
        self.seen = 0

    def take(self, block: bytes) -> None:
        """The next bytes of the seal's content."""
        if self._held is None:
            self._pass(block)
            return
        self._held += block
        start = len(FORMAT_LINE) + 8
        if not self._held.startswith(FORMAT_LINE[: len(self._held)]):
            raise BadInput("the seal holds no delivery of Zicht", next_step="seal the file with zicht delivery seal")
        if len(self._held) < start:
            return
        length = int.from_bytes(self._held[start - 8 : start], "big")
        if length > MAX_HEAD:
            raise BadInput("the head of the sealed delivery is too large")
        if len(self._held) < start + length:
            return
        rest = self._held[start + length :]
        self._parse(self._held[start : start + length])
        self._held = None
        self._pass(rest)

    def _parse(self, head: bytes) -> None:
        try:
            fields = json.loads(head)
            self.sizes = tuple(int(size) for size in fields["sizes"])
            manifest = fields["manifest"]
            if "signature" in fields:
                self.signature = Signature.model_validate(fields["signature"])
        except (ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError):
            raise BadInput("the head of the sealed delivery is not readable") from None
        self.manifest = parse_manifest(manifest)
        if len(self.sizes) != len(self.manifest.files) or min(self.sizes) < 0:
            raise BadInput("the head of the sealed delivery is not readable")
        self._left = self.sizes[0]

    def _pass(self, block: bytes) -> None:
        self.seen += len(block)
        view = memoryview(block)
        while view:
            while not self._left and self._file + 1 < len(self.sizes):
                self._file += 1
                self._left = self.sizes[self._file]
            if not self._left:
                return  # more than the head says: told by ``seen``
            self._put(self._file, bytes(view[: self._left]))
            taken = min(len(view), self._left)
            self._left -= taken
            view = view[taken:]


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file inside a seal whose every byte was verified; a :class:`~pseudonymise.formats.batch.Source`.

    ``manifest`` is that of this file (:meth:`~pseudonymise.manifest.Manifest.parts`), ``number`` its place in the seal.
    ``name`` is made of schema and period: the supplier's own file name is not repeated.
    """

    sealed: Path
    identity: Any
    manifest: Manifest
    sha256: str
    size: int
    number: int = 0

    def __repr__(self) -> str:
        return f"SealedFile({self.name})"

    @property
    def name(self) -> str:
        """What faults call the file."""
        suffix = Path(self.manifest.file.name).suffix.lower()
        return f"{self.manifest.schema_name}_{self.manifest.period}{suffix}"

    @contextlib.contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """The bytes in order, through a pipe that a thread fills."""
        read_end, write_end = os.pipe()
        failure: list[BaseException] = []
        thread = threading.Thread(target=self._fill, args=(write_end, failure), daemon=True)
        with os.fdopen(read_end, "rb") as handle:
            thread.start()
            try:
                yield handle
            finally:
                handle.close()
                thread.join()
                if failure and not isinstance(failure[0], BrokenPipeError):
                    raise failure[0]

    def _fill(self, write_end: int, failure: list[BaseException]) -> None:
        try:
            with os.fdopen(write_end, "wb", buffering=0) as pipe:
                self._decrypt_to(pipe)
        except BaseException as error:  # handed to the reading thread
            failure.append(error)

    @contextlib.contextmanager
    def whole(self) -> Iterator[Path]:
        """A path to the bytes in memory; gone with the block."""
        if self.size > MAX_IN_MEMORY:
            raise BadInput(
                f"a .{self.name.rsplit('.', 1)[-1]} file may hold at most {MAX_IN_MEMORY >> 20} MiB",
                where=self.name,
                next_step="deliver it in parts, or as CSV",
            )
        with os.fdopen(os.memfd_create("delivery", os.MFD_CLOEXEC), "w+b", buffering=0) as memory:
            self._decrypt_to(memory)
            memory.seek(0)
            yield Path(f"/proc/self/fd/{memory.fileno()}")

    def _decrypt_to(self, handle: Any) -> None:
        def put(number: int, block: bytes) -> None:
            if number == self.number:
                _write_all(handle, block)

        _decrypt(self.sealed, self.identity, _Unpacked(put))


def _write_all(handle: Any, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[handle.write(view) :]


def open_seal(sealed: Path, secret: str) -> SealedFile:
    """The first file of :func:`open_delivery`."""
    return open_delivery(sealed, secret).files[0]


@dataclass(frozen=True, slots=True)
class Opened:
    """What was in a seal: the manifest, its signature (not looked at yet), to whom it was sealed, and the files."""

    manifest: Manifest
    signature: Signature | None
    sealed_to: str
    files: tuple[SealedFile, ...]


def open_delivery(sealed: Path, secret: str) -> Opened:
    """Open a seal and verify every byte of it; keeps nothing of the content but digests.

    Raises:
        BadInput: there is no such file, it is no sealed delivery, or its manifest does not hold.
        KeyUnavailable: sealed to another key.
        Tampered: cut off or altered.
    """
    import pyrage

    identity = pyrage.x25519.Identity.from_str(secret)
    digests = [hashlib.sha256() for _ in range(MAX_FILES)]
    content = _Unpacked(lambda number, block: digests[number].update(block))
    _decrypt(sealed, identity, content)
    if content.manifest is None:
        raise BadInput("the seal holds no delivery of Zicht", next_step="seal the file with zicht delivery seal")
    if content.seen != sum(content.sizes):
        raise BadInput("the sealed delivery holds more or fewer bytes than its head says")
    files = tuple(
        SealedFile(sealed, identity, part, digests[number].hexdigest(), content.sizes[number], number)
        for number, part in enumerate(content.manifest.parts())
    )
    return Opened(content.manifest, content.signature, str(identity.to_public()), files)


def _decrypt(sealed: Path, identity: Any, content: _Unpacked) -> None:
    import pyrage

    writer = _Writer(content.take)
    try:
        with sealed.open("rb") as handle:
            pyrage.decrypt_io(handle, writer, [identity])
    except FileNotFoundError:
        raise BadInput("there is no such sealed delivery", where=sealed.name) from None
    except (OSError, ValueError, EnclaveError, pyrage.DecryptError) as error:
        writer.raise_error()
        raise _refusal(error) from None


def _refusal(error: Exception) -> EnclaveError:
    if isinstance(error, OSError) and error.errno is not None:
        return StorageFailed("the sealed delivery cannot be read from the disk")
    if "No matching keys" in str(error):
        return KeyUnavailable(
            "the delivery is sealed to another key, or its first bytes were changed",
            next_step="ask the supplier to seal it again, to this project's present recipient",
        )
    return Tampered(
        "the sealed delivery is cut off or was altered: its seal does not hold",
        next_step="ask the supplier to hand it in again",
    )
