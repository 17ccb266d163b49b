"""Ed25519 signatures: published vectors, one spelling per key, types that cannot pass for one another, guarded keys."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import BadInput, KeyUnavailable, Tampered
from enclave.signatures import PayloadType, PublicKey, SigningKey, load_public

KEY = SigningKey.from_seed(bytes(range(32)))


def other_spellings(text: str) -> list[str]:
    """Base64 texts that a careless decoder reads as the same bytes."""
    raw = base64.b64decode(text)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    padding = text[len(body) :]
    same = [body[:-1] + letter + padding for letter in alphabet]
    return [spelled for spelled in same if spelled != text and base64.b64decode(spelled) == raw]


def test_the_public_key_of_a_published_seed_is_the_published_one() -> None:
    """RFC 8032, section 7.1, test 1."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert SigningKey.from_seed(seed).public.text == base64.b64encode(public).decode()


def test_a_signature_is_over_the_pre_authentication_encoding_of_dsse() -> None:
    """The Dead Simple Signing Envelope, protocol v1: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body."""
    payload = b"hello world"
    kind = PayloadType.RECEIPT
    encoded = f"DSSEv1 {len(kind.value)} {kind.value} 11 hello world".encode()
    raw = Ed25519PublicKey.from_public_bytes(base64.b64decode(KEY.public.text))
    raw.verify(base64.b64decode(KEY.sign(kind, payload)), encoded)


@given(st.binary(max_size=200), st.sampled_from(list(PayloadType)))
def test_what_was_signed_verifies(payload: bytes, kind: PayloadType) -> None:
    KEY.public.verify(kind, payload, KEY.sign(kind, payload))


@given(st.binary(min_size=1, max_size=60), st.data())
def test_any_other_payload_does_not(payload: bytes, data: st.DataObject) -> None:
    signature = KEY.sign(PayloadType.APPROVAL, payload)
    other = data.draw(st.binary(max_size=60).filter(lambda value: value != payload))
    with pytest.raises(Tampered, match="the signature over approval does not hold"):
        KEY.public.verify(PayloadType.APPROVAL, other, signature)


@pytest.mark.parametrize("made", list(PayloadType))
@pytest.mark.parametrize("claimed", list(PayloadType))
def test_a_signature_of_one_type_passes_for_no_other(made: PayloadType, claimed: PayloadType) -> None:
    signature = KEY.sign(made, b"{}")
    if made is claimed:
        KEY.public.verify(claimed, b"{}", signature)
        return
    with pytest.raises(Tampered):
        KEY.public.verify(claimed, b"{}", signature)


def test_types_have_different_names() -> None:
    assert len({kind.value for kind in PayloadType}) == len(PayloadType)


def test_another_persons_key_does_not_verify() -> None:
    with pytest.raises(Tampered):
        SigningKey.generate().public.verify(PayloadType.ROSTER, b"x", KEY.sign(PayloadType.ROSTER, b"x"))


def test_two_generated_keys_differ() -> None:
    assert SigningKey.generate().public != SigningKey.generate().public


def test_every_flipped_bit_of_a_signature_is_found() -> None:
    signature = base64.b64decode(KEY.sign(PayloadType.ROSTER, b"x"))
    for bit in range(len(signature) * 8):
        altered = bytearray(signature)
        altered[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(Tampered):
            KEY.public.verify(PayloadType.ROSTER, b"x", base64.b64encode(altered).decode())


@pytest.mark.parametrize("signature", ["", "x", "====", "é", "AAAA", "\n", "A" * 88])
def test_what_is_no_signature_does_not_hold(signature: str) -> None:
    with pytest.raises(Tampered):
        KEY.public.verify(PayloadType.ROSTER, b"x", signature)


def test_a_signature_and_a_key_have_one_spelling() -> None:
    signature = KEY.sign(PayloadType.ROSTER, b"x")
    spellings = other_spellings(signature)
    assert len(spellings) == 15  # four unused bits
    for spelled in [*spellings, signature + "\n", " " + signature]:
        with pytest.raises(Tampered):
            KEY.public.verify(PayloadType.ROSTER, b"x", spelled)
    keys = other_spellings(KEY.public.text)
    assert len(keys) == 3  # two unused bits
    for spelled in keys:
        with pytest.raises(Tampered):
            PublicKey(spelled).verify(PayloadType.ROSTER, b"x", signature)
        with pytest.raises(KeyUnavailable):
            PublicKey(spelled).check()
    KEY.public.check()


def test_a_signing_key_shows_nothing_of_itself() -> None:
    assert repr(KEY) == str(KEY) == f"{KEY}" == "SigningKey(…)"


# keys on disk


def test_a_saved_key_loads_under_its_passphrase_and_is_not_readable_without(tmp_path: Path) -> None:
    path = tmp_path / "release.key"
    KEY.save(path, b"passphrase")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
    assert SigningKey.load(path, b"passphrase").public == KEY.public
    assert load_public(tmp_path / "release.pub") == KEY.public
    for wrong in (b"Passphrase", b""):
        with pytest.raises(KeyUnavailable, match="does not open under this passphrase"):
            SigningKey.load(path, wrong)


def test_a_key_without_a_passphrase_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="needs a passphrase"):
        KEY.save(tmp_path / "release.key", b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_key_that_others_may_reach_is_refused(tmp_path: Path, mode: int) -> None:
    KEY.save(tmp_path / "k.key", b"p")
    (tmp_path / "k.key").chmod(mode)
    with pytest.raises(KeyUnavailable, match="others than its owner"):
        SigningKey.load(tmp_path / "k.key", b"p")


def test_a_missing_key_and_what_is_no_key_say_so(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="there is no such key"):
        SigningKey.load(tmp_path / "k.key", b"p")
    for content in (b"", b"no key", b"\xff"):
        (tmp_path / "k.key").write_bytes(content)
        (tmp_path / "k.key").chmod(0o600)
        with pytest.raises(KeyUnavailable, match="does not open"):
            SigningKey.load(tmp_path / "k.key", b"p")


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    pem = X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"p")
    )
    (tmp_path / "k.key").write_bytes(pem)
    (tmp_path / "k.key").chmod(0o600)
    with pytest.raises(KeyUnavailable, match="no Ed25519 key"):
        SigningKey.load(tmp_path / "k.key", b"p")


def test_a_key_without_protection_is_refused(tmp_path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "k.key").write_bytes(pem)
    (tmp_path / "k.key").chmod(0o600)
    with pytest.raises(KeyUnavailable, match="does not open"):
        SigningKey.load(tmp_path / "k.key", b"p")


@pytest.mark.parametrize("loading", ["private", "public"])
def test_a_key_of_another_user_cannot_be_read(tmp_path: Path, loading: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    KEY.save(tmp_path / "k.key", b"p")
    (tmp_path / "k.pub").chmod(0o600)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(tmp_path)
            os.setuid(65534)
            with pytest.raises(KeyUnavailable, match="this user may not read"):
                SigningKey.load(Path("k.key"), b"p") if loading == "private" else load_public(Path("k.pub"))
            status = 0
        finally:
            os._exit(status)
    tmp_path.chmod(0o755)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("content", [b"", b"no key", b"\xff\xfe", b"AAAA", base64.b64encode(bytes(31))])
def test_what_is_no_public_key_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k.pub").write_bytes(content)
    with pytest.raises(BadInput, match="no Ed25519 public key"):
        load_public(tmp_path / "k.pub")


def test_a_missing_public_key_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="no such public key"):
        load_public(tmp_path / "k.pub")


def test_a_key_file_with_another_byte_opens_as_no_other_key(tmp_path: Path) -> None:
    """PKCS #8 has no check of its own: a byte of the seed's cipher block makes another key of it."""
    file = tmp_path / "k.pem"
    KEY.save(file, b"een lange zin")
    whole, refused = file.read_bytes(), set()
    for place in range(len(whole) - 120, len(whole), 3):  # the ciphertext, and the end of the file
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert SigningKey.load(file, b"een lange zin").public == KEY.public
        except (KeyUnavailable, Tampered) as error:
            refused.add(type(error))
    assert refused == {KeyUnavailable, Tampered}
    file.write_bytes(whole)
    file.with_suffix(".pub").write_text(SigningKey.from_seed(bytes(32)).public.text + "\n")
    with pytest.raises(Tampered, match="do not belong together"):
        SigningKey.load(file, b"een lange zin")
