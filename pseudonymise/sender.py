"""Who sealed it: the supplier's signature over a manifest or a notice of withdrawal, and to whom it was sealed.

The manifest holds the digests of the files, and so the signature binds them. The recipient is signed too: what one
office received cannot be sealed on to another under the supplier's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from enclave.errors import BadInput, Tampered
from enclave.files import TEMPORARY_MARK, write_text
from enclave.fingerprints import Json, canonical_json, digest_bytes
from enclave.signatures import PayloadType, PublicKey, SigningKey
from pseudonymise.signed_statement import key_id

KEY_FILE, PUBLIC_FILE = "signing.pem", "signing.pub"


class Signature(BaseModel):
    """A signature (base64, Ed25519) and the short name of the key that made it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key_id: str = Field(pattern=r"^ed25519/[0-9a-f]{16}$")
    signature: str = Field(max_length=100)


def sign(kind: PayloadType, fields: Mapping[str, Json], sealed_to: str, key: SigningKey) -> Signature:
    """The signature of a supplier over what it seals to the age recipient ``sealed_to``."""
    return Signature(key_id=key_id(key.public), signature=key.sign(kind, _payload(fields, sealed_to)))


def verify(
    kind: PayloadType, fields: Mapping[str, Json], sealed_to: str, signature: Signature | None, key: PublicKey
) -> None:
    """Raise unless ``signature`` is ``key``'s over these fields, sealed to this recipient.

    Raises:
        BadInput: not signed, signed by another key, or for other fields or another office.
    """
    if signature is None:
        raise _not_theirs("it is not signed")
    if signature.key_id != key_id(key):
        raise _not_theirs("it is signed by another key")
    try:
        key.verify(kind, _payload(fields, sealed_to), signature.signature)
    except Tampered:
        raise _not_theirs("the signature is not over this, or not for this office") from None


def _payload(fields: Mapping[str, Json], sealed_to: str) -> bytes:
    return canonical_json({"signed": dict(fields), "sealed_to": sealed_to})


def _not_theirs(why: str) -> BadInput:
    return BadInput(
        f"it does not come from this supplier, as far as the office knows: {why}",
        next_step="seal it in the folder whose key the office confirmed; after a new key (zicht delivery key), "
        "call the custodian",
    )


def fingerprint(key: PublicKey) -> str:
    """What two people compare over another way: 128 bits of the SHA-256 of the key's text, in eight groups of four."""
    digits = digest_bytes(key.text.encode())[:32]
    return " ".join(digits[place : place + 4] for place in range(0, 32, 4))


def own_key(outbox: Path, *, new: bool = False) -> SigningKey:
    """The signing key of an outbox, drawn when it is first asked for; ``new`` draws another in its place.

    It lies in ``secrets/`` with mode 0600 and without a passphrase: who can read that folder can sign as this supplier,
    as they can withdraw. The public half lies beside ``secrets/``, to be sent to the office.

    Raises:
        KeyUnavailable: others may read it, or it is no key.
    """
    file = outbox / "secrets" / KEY_FILE
    if new or not file.is_file():
        SigningKey.generate().save_unprotected(file)
        file.parent.chmod(0o700)
    key = SigningKey.load(file, None)
    public, text = outbox / PUBLIC_FILE, key.public.text + "\n"
    if not public.is_file() or public.read_text(encoding="utf-8") != text:
        for left in outbox.glob(f".{PUBLIC_FILE}{TEMPORARY_MARK}*"):
            left.unlink(missing_ok=True)
        write_text(public, text, mode=0o644)
    return key
