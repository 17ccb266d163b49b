"""What opens a key store: a passphrase, some of several persons together, or a token.

Each makes the *wrapping key* under which the store's keys lie. A passphrase gives it by Argon2id (RFC 9106, second
recommended parameters). Split custody draws it at random and divides it by Shamir's scheme into shares (SLIP-39), each
under its keeper's own passphrase; fewer than the needed number tell nothing of it. A token gives it by enciphering two
blocks, a counter and a salt, under a key that never leaves the token; HKDF-SHA-256 (RFC 5869) of both is the key.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from enclave.errors import BadInput, KeyUnavailable, NotAllowed, Tampered
from pseudonymise.token import Token

KEY_BYTES = 32
PASSPHRASE = "argon2id t=3 p=4 m=65536KiB"  # noqa: S105 - the name of a derivation
SHARES = "slip-39 shares under argon2id t=3 p=4 m=65536KiB"
TOKEN = "pkcs11 aes-256 hkdf-sha-256"  # noqa: S105 - the name of a derivation
MODULE_VARIABLE = "ZICHT_PKCS11_MODULE"
"""Names the PKCS#11 library on a machine where it lies elsewhere than where the store was made."""

Given: TypeAlias = bytes | Sequence[bytes]
"""What a person gives to open a store: a passphrase or PIN; several passphrases for split custody."""
Fields: TypeAlias = dict[str, Any]

_NONCE_BYTES = 12
_MOST_SHARES = 16  # SLIP-39


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


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The wrapping key, the store's fields that lead to it again, and the token when one is part of it."""

    kek: Secret
    fields: Fields
    token: Token | None = None


class Lock(Protocol):
    """A way to lock a store that is being made, or locked anew."""

    def make(self) -> Unlocked:
        """A new wrapping key."""
        ...


@dataclass(frozen=True, slots=True)
class Passphrase:
    """One person's passphrase."""

    text: bytes

    def __repr__(self) -> str:
        return "Passphrase(…)"

    def make(self) -> Unlocked:
        """Derive the key under a new salt; BadInput when the passphrase is empty."""
        if not self.text:
            raise BadInput("a key store needs a passphrase")
        salt = secrets.token_bytes(16)
        return Unlocked(_derived(self.text, salt), {"kdf": PASSPHRASE, "salt": _text(salt)})


@dataclass(frozen=True, slots=True)
class Split:
    """``needed`` of the keepers (name → passphrase) together."""

    needed: int
    keepers: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"Split({self.needed} of {len(self.keepers)})"

    def make(self) -> Unlocked:
        """Draw a key and divide it.

        Raises:
            BadInput: fewer than two are needed, or more than there are; an empty or shared passphrase.
        """
        self._check()
        kek = Secret(secrets.token_bytes(KEY_BYTES))
        shares = _divided(kek, self.needed, len(self.keepers))
        lying = {}
        for (name, passphrase), share in zip(sorted(self.keepers.items()), shares, strict=True):
            salt = secrets.token_bytes(16)
            lying[name] = {"salt": _text(salt), "share": wrap(_derived(passphrase, salt), f"share/{name}", share)}
        return Unlocked(kek, {"kdf": SHARES, "salt": "", "lock": {"needed": self.needed, "shares": lying}})

    def _check(self) -> None:
        if not 2 <= self.needed <= len(self.keepers) <= _MOST_SHARES:
            raise BadInput(
                f"{self.needed} of {len(self.keepers)} keepers is no division of a key",
                next_step=f"let at least two be needed, of at most {_MOST_SHARES}",
            )
        if not all(self.keepers.values()) or len(set(self.keepers.values())) < len(self.keepers):
            raise BadInput("every keeper has a passphrase of their own", next_step="ask each of them alone")


@dataclass(frozen=True, slots=True)
class TokenLock:
    """A key in the token ``label``, reached through the vendor's library ``module``."""

    module: str
    label: str
    pin: bytes

    def __repr__(self) -> str:
        return f"TokenLock({self.label})"

    def make(self) -> Unlocked:
        """Generate a key in the token and derive the wrapping key from it."""
        name, salt = f"zicht/{secrets.token_hex(6)}", secrets.token_bytes(15)
        token = Token.open(self.module, self.label, self.pin)
        token.make_cipher(f"{name}/kek")
        place = {"module": self.module, "label": self.label, "name": name}
        return Unlocked(
            token_key(token, f"{name}/kek", salt), {"kdf": TOKEN, "salt": _text(salt), "lock": place}, token
        )


def unlock(fields: Mapping[str, Any], given: Given) -> Unlocked:
    """Open what :meth:`Lock.make` made; a wrong passphrase gives a wrong key, which the store's check value tells.

    Raises:
        KeyUnavailable: too few shares open, no token, wrong PIN.
    """
    kept = {name: fields[name] for name in ("kdf", "salt", "lock") if name in fields}
    if kept["kdf"] == SHARES:
        return Unlocked(_combined(kept["lock"], [given] if isinstance(given, bytes) else list(given)), kept)
    one = given if isinstance(given, bytes) else b"".join(given[:1])
    if kept["kdf"] == PASSPHRASE:
        return Unlocked(_derived(one, base64.b64decode(kept["salt"])), kept)
    place = kept["lock"]
    token = Token.open(os.environ.get(MODULE_VARIABLE) or place["module"], place["label"], one)
    try:
        return Unlocked(token_key(token, f"{place['name']}/kek", base64.b64decode(kept["salt"])), kept, token)
    except BaseException:
        token.close()
        raise


def token_key(token: Token, label: str, context: bytes) -> Secret:
    """32 bytes that follow from the token's key ``label`` and ``context``, and from neither alone.

    Two blocks (a counter, and the context's digest of 15 bytes) are enciphered in the token; HKDF makes a key of them.
    """
    cipher = token.cipher(label)
    digest = HKDF(SHA256(), 15, salt=None, info=b"zicht token context").derive(context)
    out = bytearray(2 * 16)
    cipher.update_into(b"\x01" + digest + b"\x02" + digest, out)
    return Secret(HKDF(SHA256(), KEY_BYTES, salt=context, info=b"zicht token key 1").derive(bytes(out)))


def _derived(passphrase: bytes, salt: bytes) -> Secret:
    kdf = Argon2id(salt=salt, length=KEY_BYTES, iterations=3, lanes=4, memory_cost=64 * 1024)
    return Secret(kdf.derive(passphrase))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _divided(kek: Secret, needed: int, keepers: int) -> list[Secret]:
    from shamir_mnemonic import generate_mnemonics

    [words] = generate_mnemonics(1, [(needed, keepers)], kek.reveal(), iteration_exponent=0)
    return [Secret(share.encode()) for share in words]


def _combined(lock: Mapping[str, Any], given: Sequence[bytes]) -> Secret:
    """The key from the shares that open under one of the passphrases; each passphrase counts once."""
    opened: dict[str, bytes] = {}
    for passphrase in dict.fromkeys(given):
        for name, lying in sorted(lock["shares"].items()):
            if name not in opened:
                try:
                    key = _derived(passphrase, base64.b64decode(lying["salt"]))
                    opened[name] = unwrap(key, f"share/{name}", lying["share"]).reveal()
                    break
                except Tampered:
                    continue
    needed = int(lock["needed"])
    if len(opened) < needed:
        raise KeyUnavailable(
            f"{needed} keepers open this key store together; {len(opened)} of the passphrases did",
            next_step=f"let {needed} of these give theirs: {', '.join(sorted(lock['shares']))}",
        )
    from shamir_mnemonic import MnemonicError, combine_mnemonics

    try:
        return Secret(combine_mnemonics([share.decode() for share in list(opened.values())[:needed]]))
    except (MnemonicError, UnicodeDecodeError):
        pass  # out here, so that no cause comes along: it may quote a share
    raise Tampered("the shares of the key store do not fit together", next_step="restore it from its backup")
