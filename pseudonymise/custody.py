"""Who holds which key: hash keys, sealing identities, the receipt key, and the keys that make data unreadable in time.

All of it lies in one :class:`~pseudonymise.key_store.KeyStore` that only the custodian's process opens. Every use is
told to ``on_use``, so that the caller can journal it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet.encryption as pe
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from enclave.encrypted_files import DataKey, last_day
from enclave.entropy import Entropy, SecureEntropy
from enclave.errors import BadInput, KeyUnavailable, NotAllowed, Tampered
from enclave.files import write_text
from enclave.signatures import SigningKey
from pseudonymise.age_keys import recipient_text, secret_text
from pseudonymise.key_store import KeyStore
from pseudonymise.keyed_hash import ALGORITHMS, CMAC, HMAC, HashKey
from pseudonymise.token import Token
from pseudonymise.unlocking import KEY_BYTES, Given, Lock, Secret, unwrap, wrap

__all__ = ["ALGORITHMS", "CMAC", "HMAC", "Custody", "KeyUse", "is_key_of_project"]

_RECEIPT = "receipt"
_EARLIER = "earlier"
_VERSION_FACT = "hash-version"
_LEDGER = "ledger-units"
_GENERATION_BYTES = 8
_SEAL = re.compile(r"seal-v(\d+)")
_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One use of a key: what for and its name.

    For ``hash``, ``open-seal``, ``sign-receipt``, ``encrypt``, ``decrypt`` or ``hand-out`` (a data set's, to who runs
    analyses).
    """

    purpose: str
    key: str


class Custody:
    """The custodian's opened keys. Make with :meth:`create`, later :meth:`open`; prints and pickles nothing."""

    def __init__(
        self, folder: Path, store: KeyStore, entropy: Entropy, on_use: Callable[[KeyUse], None] | None
    ) -> None:
        self._folder = folder
        self._store = store
        self._entropy = entropy
        self._on_use = on_use
        # Arrow's properties call back into the factory: it lives as long as the custody that made them.
        self._factory = pe.CryptoFactory(lambda _config: _RetentionKeys(self))

    def __repr__(self) -> str:
        return f"Custody({self._folder.name})"

    def __reduce__(self) -> tuple[object, ...]:
        raise NotAllowed("keys do not leave the custodian's process")

    @classmethod
    def create(
        cls,
        folder: Path,
        lock: bytes | Lock,
        entropy: Entropy,
        *,
        on_use: Callable[[KeyUse], None] | None = None,
    ) -> Custody:
        """Make the key store in ``folder``, with the first hash master and the receipt key.

        ``lock`` is a passphrase, or how else the store is to be locked (:mod:`pseudonymise.unlocking`).
        With :class:`~enclave.entropy.SeededEntropy` the same seed gives the same keys (demo and tests only).

        Raises:
            BadInput: empty passphrase, or a store is there already (left as it is).
        """
        store = KeyStore.create(folder, lock, (_hash_master(1), _RECEIPT), entropy)
        custody = cls(folder, store, entropy, on_use)
        write_text(folder / "receipt.pub", _signing_key(store).public.text + "\n", mode=0o644)
        return custody

    @classmethod
    def open(
        cls,
        folder: Path,
        given: Given,
        entropy: Entropy | None = None,
        *,
        on_use: Callable[[KeyUse], None] | None = None,
    ) -> Custody:
        """Open the key store in ``folder``; ``entropy`` is for keys made from now on (default: the system).

        Raises:
            KeyUnavailable: missing, readable by others, wrong passphrase or PIN, too few keepers.
            Tampered: an altered file.
        """
        return cls(folder, KeyStore.open(folder, given), entropy or SecureEntropy(), on_use)

    def seal_identity(self, project: str) -> str:
        """The age secret that opens deliveries to ``project``: for memory only."""
        name = self.seal_name(project)
        self._tell("open-seal", name)
        return secret_text(self._store.get_or_draw(name, self._entropy).reveal())

    def seal_recipient(self, project: str) -> str:
        """The age recipient that suppliers seal to; also written to ``seal-<project>.pub``."""
        name = self.seal_name(project)
        recipient = recipient_text(secret_text(self._store.get_or_draw(name, self._entropy).reveal()))
        write_text(self._folder / f"seal-{project}.pub", recipient + "\n", mode=0o644)
        return recipient

    def seal_name(self, project: str) -> str:
        """What the store calls the present sealing identity."""
        return self._store.fact(f"seal of {project}") or _named("seal", project)

    def next_seal_name(self, project: str) -> str:
        """What it will call the one after."""
        present = _SEAL.fullmatch(self.seal_name(project).split("/")[0])
        return _named(f"seal-v{int(present[1]) + 1 if present else 2}", project)

    def use_seal(self, project: str, name: str) -> tuple[str, ...]:
        """From now on suppliers seal to identity ``name``; earlier ones are destroyed. Returns their names.

        What was sealed to them cannot be opened again, wherever a copy is; what is on its way is sealed anew.
        """
        self._store.get_or_draw(name, self._entropy)
        self._store.note(f"seal of {project}", name)
        self.seal_recipient(project)  # before the earlier ones go: killed in between, the file is still a key's of ours
        return self._store.destroy(lambda other: _is_seal(other, project) and other != name)

    def end_project(self, project: str) -> tuple[str, ...]:
        """Destroy every key of ``project``: of dates and data, sealing identities, all hash keys. Returns names."""
        return self._store.destroy(lambda name: is_key_of_project(name, project))

    def check_public_halves(self, project: str) -> None:
        """Compare the public halves that this office hands out with the keys in the store; a missing one is written.

        Raises:
            Tampered: one is no key of this store.
        """
        seals = [name for name in self._store.names() if _is_seal(name, project)]
        recipients = {name: recipient_text(secret_text(self._store.get(name).reveal())) for name in seals}
        halves = {"receipt.pub": {_RECEIPT: _signing_key(self._store).public.text}, f"seal-{project}.pub": recipients}
        present = {"receipt.pub": _RECEIPT, f"seal-{project}.pub": self.seal_name(project)}
        for file, right in halves.items():
            path = self._folder / file
            if path.is_file() and right and path.read_bytes() not in {f"{text}\n".encode() for text in right.values()}:
                raise Tampered(
                    "this public key is none of the key store's: bytes of it were changed, or somebody else's was put "
                    "there",
                    where=f"keys/{file}",
                    next_step=f"compare public-keys/{file} with a copy that was handed out earlier, and tell who may "
                    "have taken it since; then delete the file in keys/: the next command of the custodian writes it",
                )
            if not path.is_file() and present[file] in right:
                write_text(path, right[present[file]] + "\n", mode=0o644)

    def receipt_key(self) -> SigningKey:
        """The key that signs receipts; its public half is ``receipt.pub``."""
        self._tell("sign-receipt", _RECEIPT)
        return _signing_key(self._store)

    def hash_with(self, project: str, id_type: str, version: int = 1, *, algorithm: str = CMAC) -> HashKey:
        """The key at work for identifiers of ``id_type`` in ``project``: in the token where this version lives there.

        On a token it was generated for this project, identifier type, version and algorithm alone, and does not leave
        it; else it is :meth:`hash_key`.

        Raises:
            KeyUnavailable: this version was never drawn, or was destroyed; the token does not answer.
        """
        master = _hash_master(version)
        if not self._store.on_token(master):
            return HashKey.of(self.hash_key(project, id_type, version, algorithm=algorithm), algorithm)
        self._tell("hash", f"hash/{project}/{id_type}/v{version}/{algorithm}")
        return self._on_token(project, id_type, version, algorithm)

    def hash_key(self, project: str, id_type: str, version: int = 1, *, algorithm: str = CMAC) -> bytes:
        """The 32-byte key for identifiers of ``id_type`` in ``project``: HKDF-SHA-256 (RFC 5869) of a hash master.

        Each of project, identifier type, version and algorithm is length-prefixed in the derivation, so that no two
        combinations share a key.

        Raises:
            KeyUnavailable: this version has no master, or it was destroyed.
            NotAllowed: this version lives on a token.
        """
        if self._store.on_token(_hash_master(version)):
            raise NotAllowed("a hash key of a token does not leave it")
        self._tell("hash", f"hash/{project}/{id_type}/v{version}/{algorithm}")
        return self._derived(b"zicht hash key 1", project, id_type, version, algorithm)

    def hash_key_id(self, project: str, id_type: str, version: int = 1, *, algorithm: str = CMAC) -> str:
        """What metadata call that key: ``<project>/<id type>/v<version>/<check value>``.

        The check value (32 bits, from a derivation of its own; on a token, of the hash of a text that is no
        identifier) shows that data were made under another master.
        """
        if self._store.on_token(_hash_master(version)):
            known = self._on_token(project, id_type, version, algorithm).hash(pa.array(["zicht key check"]))
            check = known[0].as_py()[:4].hex()
        else:
            check = self._derived(b"zicht key check 1", project, id_type, version, algorithm)[:4].hex()
        return f"{project}/{id_type}/v{version}/{check}"

    def hash_again_with(self, project: str, version: int) -> HashKey:
        """The key that carries hashes of the version before over to ``version``: :meth:`HashKey.hash_again`.

        One for all identifier types of the project: hashes of different types differ already.
        """
        return self.hash_with(project, _EARLIER, version)

    def hash_again_id(self, project: str, version: int) -> str:
        """What metadata call that key."""
        return self.hash_key_id(project, _EARLIER, version)

    def hash_versions(self) -> tuple[int, ...]:
        """The key versions that exist, oldest first."""
        prefix = _hash_master(1)[:-1]
        return tuple(sorted(int(n.removeprefix(prefix)) for n in self._store.names() if n.startswith(prefix)))

    @property
    def hash_version(self) -> int:
        """The version under which data are hashed now."""
        return int(self._store.fact(_VERSION_FACT) or 1)

    def use_hash_version(self, version: int) -> None:
        """From now on hash under ``version``, which was drawn."""
        self._store.get(_hash_master(version))
        self._store.note(_VERSION_FACT, str(version))

    def hash_algorithm(self, project: str, version: int) -> str:
        """How this version hashes fixed-format identifiers of ``project``."""
        return self._store.fact(f"hash-algorithm of {project} v{version}") or CMAC

    def fix_hash_algorithm(self, project: str, version: int, algorithm: str) -> None:
        """Let this version hash with ``algorithm``; one that was fixed before stays.

        Raises:
            BadInput: there is no such algorithm.
        """
        _refuse_algorithm(algorithm)
        fact = f"hash-algorithm of {project} v{version}"
        if self._store.fact(fact) is None:
            self._store.note(fact, algorithm)

    def destroy_hash_version(self, version: int) -> tuple[str, ...]:
        """Destroy a version that is not in use; returns the names of keys that went now.

        Raises:
            NotAllowed: it is in use.
        """
        if version >= self.hash_version:
            raise NotAllowed(f"key version {version} is in use", next_step="zicht custody rotate")
        return self._store.destroy(lambda name: name == _hash_master(version))

    @property
    def store(self) -> KeyStore:
        """The key store, for the commands that manage it."""
        return self._store

    def close(self) -> None:
        """Log out of the token, if there is one."""
        self._store.close()

    def ledger_key(self) -> bytes:
        """The 32-byte key under which the release ledger knows a unit: one for all projects of this key store."""
        self._tell("hash", _LEDGER)
        return self._store.get_or_draw(_LEDGER, self._entropy).reveal()

    def add_hash_version(self, version: int) -> None:
        """Draw the master of a later key version (rotation); an existing one stays."""
        self._store.get_or_draw(_hash_master(version), self._entropy)

    def encryption(self, project: str, retention_date: date) -> Any:
        """Parquet encryption (AES-256-GCM, footer and all columns) for one or more files that expire on a date.

        Arrow draws a random data key per file; it lies in the file, wrapped by the random key of (project, date),
        which lies in the key store only: :meth:`destroy` makes the files unreadable, wherever a copy is.

        Raises:
            KeyUnavailable: the key of that date was destroyed.
        """
        name = _named("retention", project, retention_date.isoformat())
        self._store.get_or_draw(name, self._entropy)
        how = pe.EncryptionConfiguration(
            footer_key=name, uniform_encryption=True, double_wrapping=False, data_key_length_bits=8 * KEY_BYTES
        )
        return self._factory.file_encryption_properties(pe.KmsConnectionConfig(), how)

    def data_key(self, project: str, data_set: str, until: date) -> DataKey:
        """The key under which a data set that is kept until a date is linked now; drawn where there is none.

        Raises:
            KeyUnavailable: the retention key of that date was destroyed.
        """
        self._store.get_or_draw(_named("retention", project, until.isoformat()), self._entropy)
        prefix = _named("data", project, data_set, until.isoformat()) + "/"
        alive = [name for name in self._store.names() if name.startswith(prefix)]
        if not alive:
            before = sum(name.startswith(prefix) for name in self._store.destroyed())
            generation = self._entropy.draw(_GENERATION_BYTES, f"generation {before + 1} of {prefix}").hex()
            alive = [prefix + generation]
            self._store.get_or_draw(alive[0], self._entropy)
        return self.data_key_called(alive[0].removeprefix("data/"))

    def data_key_called(self, name: str) -> DataKey:
        """The data key of that name: HKDF-SHA-256 (RFC 5869) of its date's retention key, and of one of its own.

        It opens nothing else, and cannot be made again once either is destroyed, on the date or at a withdrawal: what
        is left of it then are working copies, which who destroys removes.

        Raises:
            KeyUnavailable: it was destroyed, or never drawn in this store.
        """
        project, until = name.split("/", maxsplit=1)[0], last_day(name).isoformat()
        own, retention = (self._store.get(key) for key in (f"data/{name}", _named("retention", project, until)))
        self._tell("hand-out", name)
        info = b"zicht data key 2 " + name.encode()  # slugs: no other parts read the same
        derive = HKDF(SHA256(), KEY_BYTES, salt=own.reveal(), info=info).derive
        return DataKey(name, derive(retention.reveal()))

    def destroyed_data_key(self, name: str) -> bool:
        """Whether the data key of that name was destroyed, on its date or at a withdrawal."""
        return f"data/{name}" in self._store.destroyed() or self.expired(name.split("/", maxsplit=1)[0], last_day(name))

    def destroy_data_keys(self, project: str) -> tuple[str, ...]:
        """Destroy the keys of all linked data of a project; linking draws others. Returns all that ever were."""
        self._store.destroy(lambda name: name.startswith(_named("data", project) + "/"))
        return tuple(name for name in self._store.destroyed() if name.startswith(_named("data", project) + "/"))

    def decryption(self) -> Any:
        """Parquet decryption for any file of this custody; reading raises KeyUnavailable where the key is gone."""
        return self._factory.file_decryption_properties(pe.KmsConnectionConfig(), pe.DecryptionConfiguration())

    def expired(self, project: str, retention_date: date) -> bool:
        """Whether the keys of that date were destroyed."""
        return _named("retention", project, retention_date.isoformat()) in self._store.destroyed()

    def destroy(self, project: str, until: date) -> tuple[str, ...]:
        """Destroy the retention keys of ``project`` whose date is ``until`` or earlier; returns their names."""
        prefix = _named("retention", project) + "/"
        return self._store.destroy(
            lambda name: name.startswith(prefix) and date.fromisoformat(name.removeprefix(prefix)) <= until
        )

    def _on_token(self, project: str, id_type: str, version: int, algorithm: str) -> HashKey:
        _refuse_algorithm(algorithm)
        _named("hash", project, id_type)
        label = self._store.token_label(_hash_master(version), project, id_type, algorithm)
        token = self._token()
        with self._store.making_on_token():
            (token.make_signer if algorithm == HMAC else token.make_cipher)(label)
        if algorithm == HMAC:
            return HashKey(algorithm, None, token.signer(label))
        return HashKey(algorithm, token.cipher(label), None)

    def _token(self) -> Token:
        if self._store.token is None:
            raise KeyUnavailable("the hash keys live on a token, and none is open", next_step="open the store with it")
        return self._store.token

    def _derived(self, purpose: bytes, project: str, id_type: str, version: int, algorithm: str) -> bytes:
        _refuse_algorithm(algorithm)
        _named("hash", project, id_type)
        info = b"".join(
            len(part).to_bytes(4, "big") + part
            for part in (purpose, project.encode(), id_type.encode(), str(version).encode(), algorithm.encode())
        )
        master = self._store.get(_hash_master(version))
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(master.reveal())

    def _tell(self, purpose: str, key: str) -> None:
        if self._on_use is not None:
            self._on_use(KeyUse(purpose, key))


class _RetentionKeys(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Arrow's view of the key store: wraps and unwraps data keys, gives none away."""

    def __init__(self, custody: Custody) -> None:
        pe.KmsClient.__init__(self)
        self._custody = custody

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        self._custody._tell("encrypt", master_key_identifier)
        return wrap(self._custody._store.get(master_key_identifier), master_key_identifier, Secret(key_bytes))

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        self._custody._tell("decrypt", master_key_identifier)
        return unwrap(self._custody._store.get(master_key_identifier), master_key_identifier, wrapped_key).reveal()


def _refuse_algorithm(algorithm: str) -> None:
    if algorithm not in ALGORITHMS:
        raise BadInput(f"there is no hash algorithm {algorithm}", next_step=f"use one of: {', '.join(ALGORITHMS)}")


def _hash_master(version: int) -> str:
    if version < 1:
        raise BadInput("key versions count from 1")
    return f"hash-master/v{version}"


def is_key_of_project(name: str, project: str) -> bool:
    """Whether a key ends with its project: retention and data keys, sealing identities, the office's hash keys."""
    kept = tuple(f"{_named(kind, project)}/" for kind in ("retention", "data"))
    return name.startswith((*kept, "hash-master/")) or _is_seal(name, project)


def _is_seal(name: str, project: str) -> bool:
    kind, _, of = name.partition("/")
    return of == project and (kind == "seal" or _SEAL.fullmatch(kind) is not None)


def _signing_key(store: KeyStore) -> SigningKey:
    return SigningKey.from_seed(store.get(_RECEIPT).reveal())


def _named(purpose: str, *parts: str) -> str:
    """A key's name; the parts become file names too, so they are slugs or dates."""
    for part in parts:
        if not _SLUG.fullmatch(part) and not re.fullmatch(r"\d{4}-\d\d-\d\d", part):
            raise BadInput("a key's project and identifier type are slugs: lower-case letters, digits, - and _")
    return "/".join((purpose, *parts))
