"""Keys in a PKCS#11 token, against SoftHSM: never seen, good for one thing, the same tags, gone when destroyed."""

from __future__ import annotations

import pickle
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives import cmac as library
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from enclave.entropy import SecureEntropy
from enclave.errors import BadInput, KeyUnavailable, NotAllowed, Tampered
from pseudonymise.custody import CMAC, HMAC, Custody
from pseudonymise.identifier_hashing import IdentifierHasher
from pseudonymise.key_store import STORE_FILE, opened_by
from pseudonymise.keyed_hash import cmac, hash_values
from pseudonymise.token import Token, TokenCipher
from pseudonymise.unlocking import Passphrase, Split, TokenLock

EXPIRY = date(2030, 6, 30)
pkcs11 = pytest.importorskip("pkcs11", reason="needs the extra zicht[token]")


@pytest.fixture
def token(token_lock: TokenLock) -> Any:
    opened = Token.open(token_lock.module, token_lock.label, token_lock.pin)
    yield opened
    opened.close()


def custody_on(token_lock: TokenLock, folder: Path) -> Custody:
    return Custody.create(folder, token_lock, SecureEntropy())


def planted(token: Token, label: str, value: bytes, **attributes: bool) -> None:
    """A key put into the token from outside."""
    template = {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
        pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
        pkcs11.Attribute.LABEL: label,
        pkcs11.Attribute.VALUE: value,
        pkcs11.Attribute.TOKEN: True,
        pkcs11.Attribute.ENCRYPT: True,
        **{pkcs11.Attribute[name.upper()]: given for name, given in attributes.items()},
    }
    token._session.create_object(template)


def test_a_generated_key_can_neither_be_read_nor_decipher_nor_be_changed(token: Token) -> None:
    token.make_cipher("a/key")
    key = token._named("a/key")[0]
    for attribute in ("SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "LOCAL", "ENCRYPT", "PRIVATE"):
        assert key[pkcs11.Attribute[attribute]] is True, attribute
    for attribute in ("EXTRACTABLE", "DECRYPT", "SIGN", "WRAP", "UNWRAP", "DERIVE", "MODIFIABLE"):
        assert key[pkcs11.Attribute[attribute]] is False, attribute
    with pytest.raises(pkcs11.AttributeSensitive):
        _ = key[pkcs11.Attribute.VALUE]
    with pytest.raises(pkcs11.ActionProhibited if hasattr(pkcs11, "ActionProhibited") else pkcs11.PKCS11Error):
        key[pkcs11.Attribute.DECRYPT] = True


def test_tags_of_the_token_are_those_of_the_software_and_of_the_library(token: Token) -> None:
    """A known key, which only a test may put there; more rows than one call takes, every length, and null."""
    key = bytes(range(32))
    planted(token, "known", key)
    cipher = TokenCipher(token._named("known")[0])
    numbers = pa.array((np.arange(70_000) + 900_000_000).astype("U9").tolist())
    mixed = pa.array([None, "", *("x" * n for n in range(1, 17))])
    for values in (numbers, mixed, numbers.slice(3, 65_537)):
        assert cmac(values, cipher).equals(hash_values(values, key, CMAC))
    expected = library.CMAC(AES(key))
    expected.update(b"900000000")
    assert cmac(numbers, cipher)[0].as_py() == expected.finalize()


def test_the_token_agrees_with_its_own_cmac(token: Token) -> None:
    planted(token, "both", bytes(32), sign=True)
    key = token._named("both")[0]
    tags = cmac(pa.array(["123456782", "sixteen bytes ok"]), TokenCipher(key)).to_pylist()
    assert tags == [key.sign(m, mechanism=pkcs11.Mechanism.AES_CMAC) for m in (b"123456782", b"sixteen bytes ok")]


@pytest.mark.parametrize("more", ["decrypt", "extractable", "wrap", "unwrap"])
def test_a_key_that_may_do_more_than_encipher_is_not_used(token: Token, more: str) -> None:
    planted(token, f"bad/{more}", bytes(32), **{more: True})
    with pytest.raises(Tampered, match="may do more than its task"):
        token.cipher(f"bad/{more}")


def test_of_two_keys_of_one_name_none_is_used(token: Token) -> None:
    token.make_cipher("twice")
    planted(token, "twice", bytes(32))
    with pytest.raises(Tampered):
        token.cipher("twice")


def test_a_wrong_pin_a_missing_token_and_a_missing_library_say_so_without_the_pin(token_lock: TokenLock) -> None:
    for lock, said in (
        (TokenLock(token_lock.module, token_lock.label, b"9999-wrong"), "does not open under this PIN"),
        (TokenLock(token_lock.module, "nowhere", token_lock.pin), "no single token called nowhere"),
    ):
        with pytest.raises(KeyUnavailable, match=said) as refusal:
            Token.open(lock.module, lock.label, lock.pin)
        assert lock.pin.decode() not in str(refusal.value)
        assert refusal.value.__cause__ is None


def test_a_token_neither_prints_nor_pickles(token: Token, token_lock: TokenLock) -> None:
    assert repr(token) == f"Token({token_lock.label})"
    assert "4321" not in repr(token_lock)
    with pytest.raises(NotAllowed):
        pickle.dumps(token)


def test_a_custody_on_a_token_hashes_the_same_after_closing_and_differently_per_project_type_and_version(
    token_lock: TokenLock, tmp_path: Path
) -> None:
    custody = custody_on(token_lock, tmp_path / "keys")
    custody.add_hash_version(2)
    values = pa.array(["100000009", None])
    wanted = [(p, k, v) for p in ("demo", "demob") for k in ("bsn", "rsin") for v in (1, 2)]
    tags = {w: custody.hash_with(*w).hash(values)[0].as_py() for w in wanted}
    ids = {custody.hash_key_id(*w).rsplit("/", 1)[1] for w in wanted}
    assert len(set(tags.values())) == len(ids) == len(wanted) == 8
    with pytest.raises(NotAllowed, match="does not leave it"):
        custody.hash_key("demo", "bsn")
    signed = custody.hash_with("demo", "address", algorithm=HMAC).hash(pa.array(["Dorpsstraat 1"])).to_pylist()
    custody.close()
    again = Custody.open(tmp_path / "keys", token_lock.pin)
    assert {w: again.hash_with(*w).hash(values)[0].as_py() for w in wanted} == tags
    assert again.hash_with("demo", "address", algorithm=HMAC).hash(pa.array(["Dorpsstraat 1"])).to_pylist() == signed
    assert IdentifierHasher("demo", again)("bsn", values)[0].as_py() == tags["demo", "bsn", 1]
    again.close()


def test_the_key_store_of_a_token_opens_by_that_token_only(token_lock: TokenLock, tmp_path: Path) -> None:
    custody = custody_on(token_lock, tmp_path / "keys")
    recipient = custody.seal_recipient("demo")
    assert opened_by(tmp_path / "keys") == (f"the token {token_lock.label}, by its PIN", 1)
    custody.close()
    with pytest.raises(KeyUnavailable, match="PIN"):
        Custody.open(tmp_path / "keys", b"not the pin")
    again = Custody.open(tmp_path / "keys", token_lock.pin)
    assert again.seal_recipient("demo") == recipient
    again.store.token.destroy(again.store._body()["lock"]["name"] + "/kek")  # type: ignore[union-attr]  # this store has a token
    again.close()
    with pytest.raises(KeyUnavailable, match="kek is not in this token"):
        Custody.open(tmp_path / "keys", token_lock.pin)


def test_what_expired_stays_unreadable_even_with_a_copy_of_everything_on_disk(
    token_lock: TokenLock, tmp_path: Path
) -> None:
    custody = custody_on(token_lock, tmp_path / "keys")
    table = pa.table({"bsn": ["123456782"] * 100})
    for name, until in (("expired", EXPIRY), ("later", date(2031, 1, 1))):
        pq.write_table(table, tmp_path / name, encryption_properties=custody.encryption("demo", until))
    shutil.copytree(tmp_path / "keys", tmp_path / "backup of the key zone")
    assert custody.destroy("demo", EXPIRY) == ("retention/demo/2030-06-30",)
    custody.close()
    for folder in ("keys", "backup of the key zone"):
        opened = Custody.open(tmp_path / folder, token_lock.pin)
        with pytest.raises(KeyUnavailable):
            pq.read_table(tmp_path / "expired", decryption_properties=opened.decryption())
        assert pq.read_table(tmp_path / "later", decryption_properties=opened.decryption()).equals(table)
        opened.close()


def test_a_destroyed_version_takes_its_keys_off_the_token(token_lock: TokenLock, tmp_path: Path) -> None:
    custody = custody_on(token_lock, tmp_path / "keys")
    custody.hash_with("demo", "bsn")
    custody.add_hash_version(2)
    custody.hash_with("demo", "bsn", 2)
    below = custody.store._body()["lock"]["name"]
    token = custody.store.token
    assert token is not None
    assert f"{below}/hash-master/v1/demo/bsn/aes-cmac" in token.labels(below)
    custody.store.destroy(lambda name: name == "hash-master/v1")
    assert not token.labels(f"{below}/hash-master/v1")
    assert f"{below}/hash-master/v2/demo/bsn/aes-cmac" in token.labels(below)
    with pytest.raises(KeyUnavailable, match="was destroyed"):
        custody.hash_with("demo", "bsn")
    custody.close()


def test_a_store_that_moves_to_a_token_keeps_its_keys_and_draws_later_versions_there(
    token_lock: TokenLock, tmp_path: Path
) -> None:
    custody = Custody.create(tmp_path / "keys", b"een zin", SecureEntropy())
    before = custody.hash_key("demo", "bsn")
    custody.store.lock_anew(token_lock)
    assert custody.hash_key("demo", "bsn") == before
    custody.add_hash_version(2)
    assert custody.store.on_token("hash-master/v2")
    with pytest.raises(BadInput, match="do not leave it"):
        custody.store.lock_anew(Passphrase(b"x"))
    custody.close()
    with pytest.raises(KeyUnavailable):
        Custody.open(tmp_path / "keys", b"een zin")
    assert b"een zin" not in (tmp_path / "keys" / STORE_FILE).read_bytes()


KEEPERS = {"anna": b"wachtzin van anna", "bram": b"wachtzin van bram", "els": b"wachtzin van els"}


def test_two_of_three_keepers_open_a_split_store_and_one_does_not(tmp_path: Path) -> None:
    custody = Custody.create(tmp_path / "keys", Split(2, KEEPERS), SecureEntropy())
    key = custody.hash_key("demo", "bsn")
    assert opened_by(tmp_path / "keys") == ("2 of the keepers anna, bram, els together", 2)
    for pair in (("anna", "bram"), ("els", "anna"), ("bram", "els")):
        assert Custody.open(tmp_path / "keys", [KEEPERS[name] for name in pair]).hash_key("demo", "bsn") == key
    for given in ([KEEPERS["anna"]], [KEEPERS["anna"]] * 2, [KEEPERS["anna"], b"wrong"], KEEPERS["els"], b"", []):
        with pytest.raises(KeyUnavailable, match="2 keepers open this key store together") as refusal:
            Custody.open(tmp_path / "keys", given)
        assert not any(said.decode() in str(refusal.value) for said in KEEPERS.values())


def test_a_store_is_split_later_and_put_together_again_and_its_keys_stay(tmp_path: Path) -> None:
    custody = Custody.create(tmp_path / "keys", b"een zin", SecureEntropy())
    keys = {name: custody.store.get(name).reveal() for name in custody.store.names()}
    custody.store.lock_anew(Split(2, KEEPERS))
    with pytest.raises(KeyUnavailable):
        Custody.open(tmp_path / "keys", b"een zin")
    again = Custody.open(tmp_path / "keys", [KEEPERS["bram"], KEEPERS["els"]])
    again.store.lock_anew(Passphrase(b"een andere zin"))
    last = Custody.open(tmp_path / "keys", b"een andere zin")
    assert {name: last.store.get(name).reveal() for name in last.store.names()} == keys


@pytest.mark.parametrize(
    ("needed", "keepers"),
    [(1, KEEPERS), (4, KEEPERS), (2, {"a": b"same", "b": b"same"}), (2, {"a": b"", "b": b"x"}), (2, {"a": b"x"})],
)
def test_a_division_that_protects_nothing_is_refused(tmp_path: Path, needed: int, keepers: dict[str, bytes]) -> None:
    with pytest.raises(BadInput):
        Custody.create(tmp_path / "keys", Split(needed, keepers), SecureEntropy())
    assert not (tmp_path / "keys" / STORE_FILE).exists()
