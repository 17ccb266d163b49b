"""The key store: one file of random keys, each wrapped under a key that follows from the custodian's passphrase.

``key-store.json`` (mode 0600, folder 0700) is canonical JSON. The wrapping key is Argon2id of the passphrase (RFC 9106,
second recommended parameters); each entry is AES-256-GCM with the entry's name as associated data; an HMAC over the
whole file shows an entry that was taken out or put back. Nothing here prints a key.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from enclave.entropy import Entropy
from enclave.errors import BadInput, KeyUnavailable, NotAllowed, Tampered
from enclave.files import storage_errors, write_bytes
from enclave.fingerprints import canonical_json, digest_json

STORE_FILE = "key-store.json"
KEY_BYTES = 32
_FORMAT = "zicht-key-store/1"
_KDF = "argon2id t=3 p=4 m=65536KiB"
_NONCE_BYTES = 12
_CHECK = "check"

_Body = dict[str, Any]


class Secret:
    """Key bytes that neither print, compare, hash nor pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> tuple[object, ...]:
        raise NotAllowed("a key does not leave its process")

    def reveal(self) -> bytes:
        """The bytes; call it in the argument list of what needs them, and keep no name for the result."""
        return self._value


def wrap(key: Secret, name: str, value: Secret) -> str:
    """``value`` under ``key``: base64 of nonce + AES-256-GCM ciphertext, bound to ``name``."""
    nonce = secrets.token_bytes(_NONCE_BYTES)  # never from a seed: a nonce that comes twice breaks GCM
    return base64.b64encode(nonce + AESGCM(key.reveal()).encrypt(nonce, value.reveal(), name.encode())).decode()


def unwrap(key: Secret, name: str, wrapped: str) -> Secret:
    """What :func:`wrap` wrapped.

    Raises:
        Tampered: another key or name, or altered bytes.
    """
    try:
        raw = base64.b64decode(wrapped, validate=True)
        return Secret(AESGCM(key.reveal()).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], name.encode()))
    except (InvalidTag, ValueError):
        raise Tampered(f"the wrapped key {name} was altered, or belongs to another key store") from None


class KeyStore:
    """An opened key store; reads the file anew at every use, so that what another process destroyed is gone."""

    def __init__(self, folder: Path, kek: Secret) -> None:
        self._folder = folder
        self._kek = kek

    def __repr__(self) -> str:
        return f"KeyStore({self._folder.name})"

    @classmethod
    def create(cls, folder: Path, passphrase: bytes, names: Iterable[str], entropy: Entropy) -> KeyStore:
        """Make the store with random keys of the given names.

        Raises:
            BadInput: empty passphrase, or there is a store already (it is left as it is).
        """
        if not passphrase:
            raise BadInput("a key store needs a passphrase", where=STORE_FILE)
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"the key zone must be a folder; {folder.name} is a file", where=STORE_FILE)
        with storage_errors("the key zone"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        with _locked(folder):
            if (folder / STORE_FILE).exists():
                raise BadInput("there is a key store already; it was left as it is", where=STORE_FILE)
            salt = secrets.token_bytes(16)
            store = cls(folder, _derived(passphrase, salt))
            body: _Body = {
                "format": _FORMAT,
                "kdf": _KDF,
                "salt": base64.b64encode(salt).decode(),
                "revision": 0,
                "check": wrap(store._kek, _CHECK, Secret(bytes(KEY_BYTES))),
                "keys": {name: wrap(store._kek, name, _drawn(entropy, name)) for name in names},
                "destroyed": [],
            }
            store._save(body)
        return store

    @classmethod
    def open(cls, folder: Path, passphrase: bytes) -> KeyStore:
        """Open the store in ``folder``.

        Raises:
            KeyUnavailable: no such file, readable by others, or wrong passphrase.
            Tampered: any byte of the file was altered.
        """
        body = _read(folder)
        store = cls(folder, _derived(passphrase, base64.b64decode(body["salt"])))
        try:
            unwrap(store._kek, _CHECK, body["check"])
        except Tampered:
            raise KeyUnavailable(
                "the key store does not open under this passphrase",
                where=STORE_FILE,
                next_step="give the passphrase it was made with; without it nothing pseudonymised can be linked again",
            ) from None
        store._body()
        return store

    def get(self, name: str) -> Secret:
        """The key called ``name``.

        Raises:
            KeyUnavailable: never made in this store, or destroyed.
        """
        return self._found(self._body(), name)

    def get_or_draw(self, name: str, entropy: Entropy) -> Secret:
        """The key called ``name``; made, and durably kept, when it is new. Never made again once destroyed."""
        with contextlib.suppress(_Unknown):
            return self.get(name)
        with _locked(self._folder):
            body = self._body()
            if name not in body["keys"] and name not in body["destroyed"]:
                body["keys"][name] = wrap(self._kek, name, _drawn(entropy, name))
                self._save(body)
            return self._found(body, name)

    def destroy(self, chosen: Callable[[str], bool]) -> tuple[str, ...]:
        """Take out every key whose name is ``chosen``; the names stay, so that none is made again. Returns them."""
        with _locked(self._folder):
            body = self._body()
            gone = sorted(name for name in body["keys"] if chosen(name))
            if gone:
                body["keys"] = {name: kept for name, kept in body["keys"].items() if name not in gone}
                body["destroyed"] = sorted({*body["destroyed"], *gone})
                self._save(body)
        return tuple(gone)

    def names(self) -> tuple[str, ...]:
        """Names of the keys that exist, sorted."""
        return tuple(sorted(self._body()["keys"]))

    def _found(self, body: _Body, name: str) -> Secret:
        if name in body["destroyed"]:
            raise KeyUnavailable(
                f"key {name} was destroyed; what it protected cannot be read again",
                where=STORE_FILE,
                next_step="ask the supplier for a new delivery if there is still a legal basis for it",
            )
        if name not in body["keys"]:
            raise _Unknown(
                f"key {name} is not in this key store",
                where=STORE_FILE,
                next_step="use the key store that the data was made with",
            )
        return unwrap(self._kek, name, body["keys"][name])

    def _body(self) -> _Body:
        body = _read(self._folder)
        seal = body.pop("seal")
        if not hmac.compare_digest(str(seal), self._seal(body)):
            raise Tampered(
                "the key store was altered by someone without its passphrase, or replaced by another",
                where=STORE_FILE,
                next_step="restore it from the custodian's own backup",
            )
        return body

    def _seal(self, body: _Body) -> str:
        sealing = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"zicht key store seal").derive(self._kek.reveal())
        return hmac.new(sealing, canonical_json(body), hashlib.sha256).hexdigest()

    def _save(self, body: _Body) -> None:
        body["revision"] += 1
        sealed = {**body, "seal": self._seal(body)}
        content = canonical_json({**sealed, "digest": digest_json(sealed)}) + b"\n"
        write_bytes(self._folder / STORE_FILE, content, mode=0o600)


class _Unknown(KeyUnavailable):
    """A key that was never made here; so it may be made now."""


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with storage_errors("the key zone"), (folder / ".key-store.lock").open("wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _drawn(entropy: Entropy, name: str) -> Secret:
    return Secret(entropy.draw(KEY_BYTES, f"key store/{name}"))


def _derived(passphrase: bytes, salt: bytes) -> Secret:
    kdf = Argon2id(salt=salt, length=KEY_BYTES, iterations=3, lanes=4, memory_cost=64 * 1024)
    return Secret(kdf.derive(passphrase))


def _read(folder: Path) -> _Body:
    """The file's fields but the digest, which is checked here; the seal is checked by who holds the wrapping key."""
    file = folder / STORE_FILE
    try:
        if (file.stat().st_mode | folder.stat().st_mode) & 0o077:
            raise KeyUnavailable(
                "others than its owner may enter the key zone or read the key store; it stays closed",
                where=STORE_FILE,
                next_step="chmod 700 the folder and 600 the file, and consider every key in it seen",
            )
        content = file.read_bytes()
    except FileNotFoundError:
        raise KeyUnavailable(
            "there is no key store here",
            where=STORE_FILE,
            next_step="restore it from the custodian's own backup; make a new one only for a new enclave",
        ) from None
    except OSError:
        raise KeyUnavailable(
            "the key store cannot be read", where=STORE_FILE, next_step="run as the custodian, who owns the key zone"
        ) from None
    return _parsed(content)


def _parsed(content: bytes) -> _Body:
    try:
        body: _Body = json.loads(content)
        if canonical_json(body) + b"\n" != content:
            raise ValueError
        digest = body.pop("digest")
        if digest != digest_json(body) or (body["format"], body["kdf"]) != (_FORMAT, _KDF):
            raise ValueError
        return body
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Tampered(
            "the key store is not whole: bytes of it were changed or lost",
            where=STORE_FILE,
            next_step="restore it from the custodian's own backup",
        ) from None
