"""The key store: one file of random keys, each wrapped under a key that opens by passphrase, shares or token.

``key-store.json`` (mode 0600, folder 0700) is canonical JSON. The wrapping key is :mod:`pseudonymise.unlocking`'s;
each entry is AES-256-GCM with the entry's name as associated data; an HMAC over the whole file shows an entry that was
taken out or put back. Under a token a key is more than its entry: without the token's own key of that name the entry is
nothing, so that destroying the token's key ends what it protected even where a copy of this file was kept. Nothing here
prints a key.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from enclave.entropy import Entropy
from enclave.errors import BadInput, KeyUnavailable, Tampered
from enclave.files import TEMPORARY_MARK, storage_errors, write_bytes
from enclave.fingerprints import canonical_json, digest_json
from pseudonymise.token import Token
from pseudonymise.unlocking import (
    KEY_BYTES,
    PASSPHRASE,
    SHARES,
    TOKEN,
    Given,
    Lock,
    Passphrase,
    Secret,
    Unlocked,
    token_key,
    unlock,
    unwrap,
    wrap,
)

STORE_FILE = "key-store.json"
_FORMAT = "zicht-key-store/1"
_CHECK = "check"

_Body = dict[str, Any]


TWO_HALVES = ("retention/", "data/", "seal/", "seal-v", "hash-master/")
"""Keys that will be destroyed: under a token, half of each lies there, and no copy of the file brings it back."""


class KeyStore:
    """An opened key store; reads the file anew at every use, so that what another process destroyed is gone."""

    def __init__(self, folder: Path, unlocked: Unlocked) -> None:
        self._folder = folder
        self._kek = unlocked.kek
        self.token: Token | None = unlocked.token

    def __repr__(self) -> str:
        return f"KeyStore({self._folder.name})"

    @classmethod
    def create(cls, folder: Path, lock: bytes | Lock, names: Iterable[str], entropy: Entropy) -> KeyStore:
        """Make the store with random keys of the given names; ``lock`` in bytes is a passphrase.

        Raises:
            BadInput: empty passphrase, or there is a store already (it is left as it is).
        """
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"the key zone must be a folder; {folder.name} is a file", where=STORE_FILE)
        if (folder / STORE_FILE).exists():
            raise _there_is_one()
        unlocked = (Passphrase(lock) if isinstance(lock, bytes) else lock).make()
        with storage_errors("the key zone"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        store = cls(folder, unlocked)
        with _locked(folder):
            if (folder / STORE_FILE).exists():
                raise _there_is_one()
            body: _Body = {"format": _FORMAT, **unlocked.fields, "revision": 0, "keys": {}, "destroyed": []}
            body["check"] = wrap(store._kek, _CHECK, Secret(bytes(KEY_BYTES)))
            for name in names:
                store._draw(body, name, entropy)
            store._save(body)
        return store

    @classmethod
    def open(cls, folder: Path, given: Given) -> KeyStore:
        """Open the store in ``folder`` by what its lock needs: a passphrase, several, or a token's PIN.

        Raises:
            KeyUnavailable: no such file, readable by others, wrong passphrase or PIN, too few keepers, no token.
            Tampered: any byte of the file was altered.
        """
        body = _read(folder)
        store = cls(folder, unlock(body, given))
        try:
            unwrap(store._kek, _CHECK, body["check"])
        except Tampered:
            store.close()
            raise KeyUnavailable(
                "the key store does not open under this passphrase",
                where=STORE_FILE,
                next_step="give the passphrase it was made with; without it nothing pseudonymised can be linked again",
            ) from None
        store._body()
        return store

    def close(self) -> None:
        """Log out of the token, if there is one."""
        if self.token is not None:
            self.token.close()

    def lock_anew(self, lock: Lock) -> None:
        """Put every key under a new lock: in one step, or not at all. Keys that live on a token stay there.

        Raises:
            BadInput: keys live on the present token, and the new lock is none.
        """
        with _locked(self._folder):
            body = self._body()
            if self.token is not None:
                raise BadInput(
                    "the keys of this store live on its token and do not leave it",
                    where=STORE_FILE,
                    next_step="set up a new office without a token, or keep this one",
                )
            old, unlocked = self._kek, lock.make()
            body = {name: value for name, value in body.items() if name not in ("kdf", "salt", "lock")}
            body |= unlocked.fields
            body["check"] = wrap(unlocked.kek, _CHECK, Secret(bytes(KEY_BYTES)))
            body["keys"] = {
                name: wrap(unlocked.kek, name, unwrap(old, name, kept)) for name, kept in body["keys"].items()
            }
            self._kek, self.token = unlocked.kek, unlocked.token
            self._save(body)

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
                self._draw(body, name, entropy)
                self._save(body)
            return self._found(body, name)

    def destroy(self, chosen: Callable[[str], bool]) -> tuple[str, ...]:
        """Take out every key whose name is ``chosen``; the names stay, so that none is made again.

        Returns the names that were taken out now. What a token holds of them goes too, also of those that an earlier,
        killed call took out.
        """
        with _locked(self._folder):
            body = self._body()
            gone = sorted(name for name in body["keys"] if chosen(name))
            if gone:
                body["keys"] = {name: kept for name, kept in body["keys"].items() if name not in gone}
                body["destroyed"] = sorted({*body["destroyed"], *gone})
                self._save(body)
            if self.token is not None:
                for name in filter(chosen, body["destroyed"]):
                    self.token.destroy(_label(body, name))
        return tuple(gone)

    def destroyed(self) -> tuple[str, ...]:
        """Names of the keys that were destroyed, sorted."""
        return tuple(self._body()["destroyed"])

    @property
    def revision(self) -> int:
        """How often the store was written."""
        return int(self._body()["revision"])

    def note(self, name: str, text: str) -> None:
        """Remember a fact under the store's seal, such as which version of the hash keys is in use."""
        with _locked(self._folder):
            body = self._body()
            if body.get("facts", {}).get(name) != text:
                body["facts"] = {**body.get("facts", {}), name: text}
                self._save(body)

    def fact(self, name: str) -> str | None:
        """What :meth:`note` remembered."""
        found = self._body().get("facts", {}).get(name)
        return None if found is None else str(found)

    def on_token(self, name: str) -> bool:
        """Whether the key ``name`` has its other half on the token."""
        return name in self._body().get("on_token", ())

    def token_label(self, name: str, *parts: str) -> str:
        """What the token calls key ``name``, or a key below it.

        Raises:
            KeyUnavailable: ``name`` was never made here, or is destroyed.
        """
        body = self._body()
        self._found(body, name)
        return "/".join((_label(body, name), *parts))

    def making_on_token(self) -> contextlib.AbstractContextManager[None]:
        """Hold the store's lock: two processes that generate one key would make two of one name."""
        return _locked(self._folder)

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
        entry = unwrap(self._kek, name, body["keys"][name])
        if name not in body.get("on_token", ()):
            return entry
        if self.token is None:
            raise KeyUnavailable(f"key {name} needs the token", where=STORE_FILE, next_step="open the store with it")
        return token_key(self.token, _label(body, name), entry.reveal())

    def _draw(self, body: _Body, name: str, entropy: Entropy) -> None:
        body["keys"][name] = wrap(self._kek, name, Secret(entropy.draw(KEY_BYTES, f"key store/{name}")))
        if self.token is not None and name.startswith(TWO_HALVES):
            self.token.make_cipher(_label(body, name))
            body["on_token"] = sorted({*body.get("on_token", ()), name})

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


def opened_by(folder: Path) -> tuple[str, int]:
    """What opens the store, in words, and how many persons have to give a passphrase or PIN."""
    lock = _read(folder).get("lock", {})
    if "needed" in lock:
        keepers = ", ".join(sorted(lock["shares"]))
        return f"{lock['needed']} of the keepers {keepers} together", int(lock["needed"])
    return (f"the token {lock['label']}, by its PIN" if lock else "a passphrase"), 1


_Salt = Annotated[Base64Bytes, Field(min_length=8, strict=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Share(_Strict):
    salt: _Salt
    share: str


class _Shares(_Strict):
    needed: int = Field(ge=2)
    shares: dict[str, _Share]


class _Place(_Strict):
    """Where a token is."""

    module: str
    label: str
    name: str


class _Shape(_Strict):
    """What stands in the file, whoever wrote it; that it is ours, only the seal shows."""

    check: str
    revision: int
    keys: dict[str, str]
    destroyed: list[str]
    on_token: list[str] = []
    facts: dict[str, str] = {}
    seal: str


class _OneSalt(_Strict):
    salt: _Salt


class _SharesLock(_Strict):
    lock: _Shares


class _TokenPlace(_OneSalt):
    lock: _Place


_LOCKS: dict[str, type[BaseModel]] = {PASSPHRASE: _OneSalt, SHARES: _SharesLock, TOKEN: _TokenPlace}


class _Unknown(KeyUnavailable):
    """A key that was never made here; so it may be made now."""


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with storage_errors("the key zone"), (folder / ".key-store.lock").open("wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in folder.glob(f".{STORE_FILE}{TEMPORARY_MARK}*"):  # a killed writer's: it may hold what is destroyed
            left.unlink()
        yield


def _there_is_one() -> BadInput:
    return BadInput("there is a key store already; it was left as it is", where=STORE_FILE)


def _label(body: _Body, name: str) -> str:
    return f"{body['lock']['name']}/{name}"


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
        if digest != digest_json(body) or body["format"] != _FORMAT or body["kdf"] not in _LOCKS:
            raise ValueError
        _Shape.model_validate(body)
        _LOCKS[body["kdf"]].model_validate(body)
        return body
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Tampered(
            "the key store is not whole: bytes of it were changed or lost",
            where=STORE_FILE,
            next_step="restore it from the custodian's own backup",
        ) from None
