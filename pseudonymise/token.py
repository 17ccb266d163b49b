"""Keys that live in a PKCS#11 token (a hardware security module, a smart card; SoftHSM in tests) and never leave it.

Every key is generated in the token: sensitive, not extractable, not modifiable, and good for one thing only, namely
enciphering (AES-256) or signing (HMAC). None may decipher: whoever could decipher a tag of AES-CMAC would read the
identifier. CMAC is built from the token's AES-ECB over packed blocks, a mebibyte at a time, since a call per message
costs a thousand times more; the tags are those of the token's own AES-CMAC.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from enclave.errors import BadInput, EnclaveError, KeyUnavailable, NotAllowed, Tampered

KEY_BITS = 256
CALL_BYTES = 1 << 20
"""Bytes per call to the token: larger ones were slower."""


class TokenCipher:
    """AES-ECB under a key in the token; takes the place of a ``cryptography`` encryptor."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "TokenCipher(…)"

    def update_into(self, data: Any, buf: Any) -> int:
        """Encipher the whole blocks of ``data`` into ``buf``; returns the number of bytes."""
        from pkcs11 import Mechanism

        view = memoryview(data).cast("B")
        with _told_apart("encipher"):
            for start in range(0, len(view), CALL_BYTES):
                part = self._key.encrypt(bytes(view[start : start + CALL_BYTES]), mechanism=Mechanism.AES_ECB)
                buf[start : start + len(part)] = part
        return len(view)


class TokenSigner:
    """HMAC-SHA-256 under a key in the token, a call per message."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "TokenSigner(…)"

    def __call__(self, message: bytes) -> bytes:
        from pkcs11 import Mechanism

        with _told_apart("sign"):
            signed: bytes = self._key.sign(message, mechanism=Mechanism.SHA256_HMAC)
        return signed


class Token:
    """A token that was opened with its PIN, for this process; close it before another opens it here."""

    def __init__(self, session: Any, label: str) -> None:
        self._session = session
        self._label = label

    def __repr__(self) -> str:
        return f"Token({self._label})"

    def __reduce__(self) -> tuple[object, ...]:
        raise NotAllowed("a token does not leave its process")

    @classmethod
    def open(cls, module: str, label: str, pin: bytes) -> Token:
        """Log in to the token called ``label`` through the vendor's library ``module``.

        Raises:
            KeyUnavailable: no such library or token, a wrong PIN, or the token is open in this process already.
        """
        pkcs11 = _library()
        try:
            token = pkcs11.lib(module).get_token(token_label=label)
            return cls(token.open(rw=True, user_pin=pin.decode()), label)
        except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned):
            what, following = f"there is no single token called {label}", "plug it in, or see which tokens there are"
        except (pkcs11.PinIncorrect, pkcs11.PinLenRange, pkcs11.PinInvalid, pkcs11.ArgumentsBad, UnicodeDecodeError):
            what, following = "the token does not open under this PIN", "give its PIN; most tokens lock after a few"
        except pkcs11.PinLocked:
            what, following = "the token is locked after too many wrong PINs", "have its security officer reset it"
        except pkcs11.UserAlreadyLoggedIn:
            what, following = "the token is open in this process already", "close it there first"
        except (pkcs11.PKCS11Error, OSError):
            what, following = "the token's library does not load or answer", "see the path of the PKCS#11 module"
        raise KeyUnavailable(what, where=label, next_step=following) from None

    def close(self) -> None:
        """Log out."""
        self._session.close()

    def make_cipher(self, label: str) -> None:
        """Generate the AES key ``label``; one that is there stays."""
        from pkcs11 import KeyType, MechanismFlag

        self._make(label, KeyType.AES, MechanismFlag.ENCRYPT)

    def make_signer(self, label: str) -> None:
        """Generate the HMAC key ``label``; one that is there stays."""
        from pkcs11 import KeyType, MechanismFlag

        self._make(label, KeyType.GENERIC_SECRET, MechanismFlag.SIGN)

    def cipher(self, label: str) -> TokenCipher:
        """The AES key ``label``.

        Raises:
            KeyUnavailable: not in this token. Tampered: a key that may do more than encipher, or two of that name.
        """
        return TokenCipher(self._checked(label))

    def signer(self, label: str) -> TokenSigner:
        """The HMAC key ``label``; raises as :meth:`cipher`."""
        return TokenSigner(self._checked(label))

    def destroy(self, chosen: str) -> tuple[str, ...]:
        """Destroy the key ``chosen`` and every key below it (``chosen/…``); returns their labels."""
        gone = []
        with _told_apart("destroy"):
            for key in self._keys():
                label = str(key.label)
                if label == chosen or label.startswith(f"{chosen}/"):
                    key.destroy()
                    gone.append(label)
        return tuple(sorted(gone))

    def labels(self, below: str) -> tuple[str, ...]:
        """Labels of the keys below ``below/``, sorted."""
        with _told_apart("list"):
            return tuple(sorted(str(key.label) for key in self._keys() if str(key.label).startswith(f"{below}/")))

    def _keys(self) -> list[Any]:
        from pkcs11 import Attribute, ObjectClass

        return list(self._session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}))

    def _named(self, label: str) -> list[Any]:
        from pkcs11 import Attribute, ObjectClass

        wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: label}
        with _told_apart("find"):
            return list(self._session.get_objects(wanted))

    def _make(self, label: str, kind: Any, capability: Any) -> None:
        from pkcs11 import Attribute

        if self._named(label):
            return
        template = dict.fromkeys(
            (Attribute.EXTRACTABLE, Attribute.MODIFIABLE, Attribute.DECRYPT, Attribute.WRAP, Attribute.UNWRAP), False
        )
        with _told_apart("generate"):
            self._session.generate_key(
                kind,
                KEY_BITS,
                label=label,
                store=True,
                capabilities=capability,
                template={**template, Attribute.SENSITIVE: True, Attribute.PRIVATE: True},
            )

    def _checked(self, label: str) -> Any:
        from pkcs11 import Attribute

        found = self._named(label)
        if not found:
            raise KeyUnavailable(
                f"key {label} is not in this token",
                where=self._label,
                next_step="use the token that the data was made with; a destroyed key does not come back",
            )
        key = found[0]
        with _told_apart("look at"):
            unsafe = (Attribute.EXTRACTABLE, Attribute.DECRYPT, Attribute.UNWRAP, Attribute.WRAP, Attribute.DERIVE)
            safe = (Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE, Attribute.LOCAL)
            sound = all(key[name] for name in safe) and not any(key[name] for name in unsafe)
        if len(found) > 1 or not sound:
            raise Tampered(
                f"key {label} of the token was put there by somebody else, or may do more than its task",
                where=self._label,
                next_step="find out who manages the token; such a key is not used",
            )
        return key


def _library() -> Any:
    try:
        import pkcs11
    except ImportError:
        raise BadInput("tokens need the extra zicht[token]", next_step="install python-pkcs11") from None
    return pkcs11


@contextlib.contextmanager
def _told_apart(doing: str) -> Iterator[None]:
    """A failure of the token as an error of ours; the library's message may quote what it was given."""
    failed = ""
    try:
        yield
    except EnclaveError:
        raise
    except _library().PKCS11Error as error:
        failed = type(error).__name__
    if failed:
        raise KeyUnavailable(
            f"the token could not {doing} ({failed})", next_step="see that it is plugged in, then run the command again"
        )
