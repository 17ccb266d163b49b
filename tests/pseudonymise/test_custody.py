"""Custody: hash keys per project, type and version; sealing; receipts; keys that end on a date."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import pickle
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyrage
import pytest

from enclave.entropy import SecureEntropy, SeededEntropy
from enclave.errors import BadInput, KeyUnavailable, NotAllowed, Tampered
from enclave.frames import FrameManifest, manifest_columns, open_frame, writing_frame
from enclave.signatures import PayloadType, load_public
from enclave.zones import Identified, Zone
from pseudonymise.age_keys import bech32, recipient_text, secret_text
from pseudonymise.custody import ALGORITHMS, CMAC, HMAC, Custody, KeyUse
from pseudonymise.key_store import STORE_FILE, KeyStore

PASSPHRASE = b"een lange zin voor de sleutels"
EXPIRY = date(2030, 6, 30)


@pytest.fixture
def custody(tmp_path: Path) -> Custody:
    return Custody.create(tmp_path / "keys", PASSPHRASE, SeededEntropy(1))


def reference_hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, written out."""
    extracted = hmac.digest(salt or bytes(32), secret, "sha256")
    out, block = b"", b""
    for count in itertools.count(1):
        if len(out) >= length:
            return out[:length]
        block = hmac.digest(extracted, block + info + bytes([count]), "sha256")
        out += block
    raise AssertionError


def test_the_reference_hkdf_gives_the_published_output() -> None:
    """RFC 5869, appendix A, cases 1 and 3."""
    one = reference_hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)
    three = reference_hkdf(b"\x0b" * 22, b"", b"", 42)
    assert one.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    assert three.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"


def test_a_hash_key_is_hkdf_of_the_master_over_length_prefixed_fields(custody: Custody) -> None:
    master = SeededEntropy(1).draw(32, "key store/hash-master/v1")
    fields = (b"zicht hash key 1", b"demo", b"bsn", b"1", b"aes-cmac")
    info = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    assert custody.hash_key("demo", "bsn", 1) == reference_hkdf(master, b"", info, 32)


def test_no_two_combinations_of_project_type_version_and_algorithm_share_a_key(custody: Custody) -> None:
    custody.add_hash_version(2)
    combinations = list(itertools.product(("demo", "demob", "demo-b"), ("bsn", "sn", "rsin"), (1, 2), ALGORITHMS))
    keys = {custody.hash_key(p, k, v, algorithm=a) for p, k, v, a in combinations}
    ids = {custody.hash_key_id(p, k, v, algorithm=a).rsplit("/", 1)[1] for p, k, v, a in combinations}
    assert len(keys) == len(ids) == len(combinations) == 36


def test_the_same_seed_gives_the_same_keys_and_key_ids_and_another_seed_others(tmp_path: Path) -> None:
    first, same, other = (
        Custody.create(tmp_path / name, PASSPHRASE, SeededEntropy(seed))
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    for custody, equal in ((same, True), (other, False)):
        assert (custody.hash_key("demo", "bsn") == first.hash_key("demo", "bsn")) is equal
        assert (custody.hash_key_id("demo", "bsn") == first.hash_key_id("demo", "bsn")) is equal
        assert (custody.seal_recipient("demo") == first.seal_recipient("demo")) is equal
        assert (custody.receipt_key().public == first.receipt_key().public) is equal


def test_keys_survive_closing_and_opening(custody: Custody, tmp_path: Path) -> None:
    secret = custody.seal_identity("demo")
    again = Custody.open(tmp_path / "keys", PASSPHRASE)
    assert again.seal_identity("demo") == secret
    assert again.hash_key("demo", "bsn") == custody.hash_key("demo", "bsn")
    assert again.receipt_key().public == custody.receipt_key().public


def test_a_key_version_that_was_never_drawn_is_unavailable(custody: Custody) -> None:
    with pytest.raises(KeyUnavailable, match="hash-master/v2"):
        custody.hash_key("demo", "bsn", 2)


@pytest.mark.parametrize(
    ("project", "kind", "version", "algorithm"),
    [
        *(("../demo", "bsn", 1, CMAC), ("Demo", "bsn", 1, CMAC), ("", "bsn", 1, CMAC), ("demo", "b/sn", 1, CMAC)),
        *(("demo", "bsn", 0, CMAC), ("demo", "bsn", 1, "md5")),
    ],
)
def test_a_key_is_not_derived_from_odd_names(
    custody: Custody, project: str, kind: str, version: int, algorithm: str
) -> None:
    with pytest.raises(BadInput):
        custody.hash_key(project, kind, version, algorithm=algorithm)


def test_a_project_name_cannot_lead_out_of_the_key_zone(custody: Custody, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        custody.seal_recipient("../outside")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["keys"]


def test_what_is_sealed_to_a_project_opens_with_its_identity_only(custody: Custody, tmp_path: Path) -> None:
    recipient = custody.seal_recipient("demo")
    assert (tmp_path / "keys/seal-demo.pub").read_text() == recipient + "\n"
    sealed = pyrage.encrypt(b"delivery", [pyrage.x25519.Recipient.from_str(recipient)])
    opened = pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(custody.seal_identity("demo"))])
    assert opened == b"delivery"
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(custody.seal_identity("other"))])


@pytest.mark.parametrize("raw", [bytes(32), bytes(range(32)), b"\xff" * 32])
def test_identities_made_from_bytes_are_identities_to_age(raw: bytes) -> None:
    text = secret_text(raw)
    assert str(pyrage.x25519.Identity.from_str(text)) == text
    assert recipient_text(text).startswith("age1")


def test_bech32_gives_the_published_texts() -> None:
    """BIP-173, test vectors: valid strings without data."""
    assert bech32("a", b"") == "a12uel5l"
    assert bech32("?", b"") == "?1ezyfcl"


def test_receipts_are_signed_by_the_key_whose_public_half_lies_beside(custody: Custody, tmp_path: Path) -> None:
    signature = custody.receipt_key().sign(PayloadType.RECEIPT, b"receipt")
    load_public(tmp_path / "keys/receipt.pub").verify(PayloadType.RECEIPT, b"receipt", signature)


def table() -> pa.Table:
    return pa.table({"bsn": ["123456782"] * 3000, "n": list(range(3000))})


def encrypted(custody: Custody, path: Path, until: date = EXPIRY) -> Path:
    manifest = FrameManifest(
        zone=Zone.IDENTIFIED, name="x", project="demo", columns=manifest_columns(table().schema, {}), made_by="test"
    )
    with writing_frame(path, manifest, table().schema, encryption=custody.encryption("demo", until)) as sink:
        sink.write(table())
    return path


def test_an_encrypted_frame_shows_nothing_and_opens_under_the_custody_that_wrote_it(
    custody: Custody, tmp_path: Path
) -> None:
    path = encrypted(custody, tmp_path / "x.parquet")
    assert b"123456782" not in path.read_bytes()
    assert b"bsn" not in path.read_bytes()
    again = Custody.open(tmp_path / "keys", PASSPHRASE)
    assert open_frame(path, Identified, decryption=again.decryption()).rows == 3000
    assert pq.read_table(path, decryption_properties=again.decryption()).column("n").to_pylist() == list(range(3000))


def test_every_file_has_a_data_key_of_its_own(custody: Custody, tmp_path: Path) -> None:
    properties = custody.encryption("demo", EXPIRY)
    for name in "ab":
        pq.write_table(table(), tmp_path / name, encryption_properties=properties)
        pq.write_table(table(), tmp_path / (name * 2), encryption_properties=custody.encryption("demo", EXPIRY))
    contents = {(tmp_path / name).read_bytes()[:2000] for name in ("a", "b", "aa", "bb")}
    assert len(contents) == 4


def test_without_keys_a_frame_is_unreadable(custody: Custody, tmp_path: Path) -> None:
    path = encrypted(custody, tmp_path / "x.parquet")
    with pytest.raises(Tampered):
        open_frame(path, Identified)
    stranger = Custody.create(tmp_path / "stranger", PASSPHRASE, SecureEntropy())
    with pytest.raises(KeyUnavailable, match="not in this key store"):
        open_frame(path, Identified, decryption=stranger.decryption())
    stranger.encryption("demo", EXPIRY)
    with pytest.raises(Tampered, match="another key store"):
        open_frame(path, Identified, decryption=stranger.decryption())


def test_a_flipped_byte_in_an_encrypted_frame_is_found(custody: Custody, tmp_path: Path) -> None:
    path = encrypted(custody, tmp_path / "x.parquet")
    whole = path.read_bytes()
    path.chmod(0o600)
    for place in (4, 60, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises((OSError, Tampered)):
            pq.read_table(path, decryption_properties=custody.decryption())


def test_after_destruction_what_expired_is_unreadable_and_the_rest_is_not(custody: Custody, tmp_path: Path) -> None:
    expired = encrypted(custody, tmp_path / "expired.parquet", EXPIRY)
    later = encrypted(custody, tmp_path / "later.parquet", date(2031, 1, 1))
    backup = tmp_path / "backup.parquet"
    backup.write_bytes(expired.read_bytes())
    other_project = custody.encryption("other", EXPIRY)
    pq.write_table(table(), tmp_path / "other.parquet", encryption_properties=other_project)
    assert custody.destroy("demo", EXPIRY) == ("retention/demo/2030-06-30",)
    for path in (expired, backup):
        with pytest.raises(KeyUnavailable, match="was destroyed"):
            open_frame(path, Identified, decryption=custody.decryption())
    with pytest.raises(KeyUnavailable, match="was destroyed"):
        custody.encryption("demo", EXPIRY)
    assert open_frame(later, Identified, decryption=custody.decryption()).rows == 3000
    assert pq.read_metadata(tmp_path / "other.parquet", decryption_properties=custody.decryption()).num_rows == 3000


def test_a_data_key_that_was_destroyed_is_never_made_again(custody: Custody, tmp_path: Path) -> None:
    """A copy of what lay under it stays closed, whatever is handed out later; on its date, either half suffices."""
    first = custody.data_key("demo", "homes", EXPIRY)
    assert first == custody.data_key("demo", "homes", EXPIRY) == custody.data_key_called(first.name)
    assert first.name.rpartition("/")[0] == "demo/homes/2030-06-30"
    half = {name: SeededEntropy(1).draw(32, f"key store/{name}") for name in custody.store.names()}
    info = b"zicht data key 2 " + first.name.encode()
    both = (half["retention/demo/2030-06-30"], half[f"data/{first.name}"])
    assert first.secret == reference_hkdf(*both, info, 32)
    other = custody.data_key("other", "homes", EXPIRY)
    (tmp_path / f"keys/.{STORE_FILE}.part-12345678").write_bytes(b"a killed writer's, from before")
    assert custody.destroy_data_keys("demo") == (f"data/{first.name}",)
    assert list((tmp_path / "keys").glob("*.part-*")) == []
    second = custody.data_key("demo", "homes", EXPIRY)
    assert second.name.rpartition("/")[0] == "demo/homes/2030-06-30"
    assert len({first.name, second.name}) == len({first.secret, second.secret}) == 2
    with pytest.raises(KeyUnavailable, match="was destroyed"):
        custody.data_key_called(first.name)
    assert custody.data_key_called(other.name) == other
    custody.destroy("demo", EXPIRY)
    for again in (lambda: custody.data_key_called(second.name), lambda: custody.data_key("demo", "homes", EXPIRY)):
        with pytest.raises(KeyUnavailable, match="retention/demo/2030-06-30 was destroyed"):
            again()


def test_every_use_of_a_key_is_told(tmp_path: Path) -> None:
    told: list[KeyUse] = []
    custody = Custody.create(tmp_path / "keys", PASSPHRASE, SeededEntropy(1), on_use=told.append)
    custody.hash_key("demo", "bsn", algorithm=HMAC)
    custody.seal_identity("demo")
    custody.receipt_key()
    path = encrypted(custody, tmp_path / "x.parquet")
    open_frame(path, Identified, decryption=custody.decryption())
    assert told == [
        KeyUse("hash", "hash/demo/bsn/v1/hmac-sha256"),
        KeyUse("open-seal", "seal/demo"),
        KeyUse("sign-receipt", "receipt"),
        KeyUse("encrypt", "retention/demo/2030-06-30"),
        KeyUse("decrypt", "retention/demo/2030-06-30"),
    ]


def test_custody_neither_prints_nor_pickles(custody: Custody) -> None:
    assert repr(custody) == "Custody(keys)"
    with pytest.raises(NotAllowed):
        pickle.dumps(custody)


def test_the_key_zone_holds_no_key_in_the_clear(custody: Custody, tmp_path: Path) -> None:
    custody.seal_recipient("demo")
    store = KeyStore.open(tmp_path / "keys", PASSPHRASE)
    written = b"".join(path.read_bytes() for path in sorted((tmp_path / "keys").iterdir()))
    entries = json.loads((tmp_path / "keys" / STORE_FILE).read_bytes())["keys"]
    assert set(entries) == {"hash-master/v1", "receipt", "seal/demo"}
    for name in entries:
        key = store.get(name).reveal()
        assert key not in written
        assert key.hex().encode() not in written
        assert hashlib.sha256(key).hexdigest().encode() not in written
    assert custody.seal_identity("demo").encode() not in written


def test_public_halves_that_are_none_of_the_stores_are_refused_and_missing_ones_written(
    custody: Custody, tmp_path: Path
) -> None:
    custody.seal_recipient("demo")
    custody.check_public_halves("demo")
    custody.check_public_halves("other")  # nothing was ever sealed to it
    assert not (tmp_path / "keys/seal-other.pub").exists()
    for name in ("receipt.pub", "seal-demo.pub"):
        file = tmp_path / "keys" / name
        whole = file.read_bytes()
        for place in range(len(whole)):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(Tampered, match=f"keys/{name}"):
                custody.check_public_halves("demo")
        file.unlink()
        custody.check_public_halves("demo")
        assert file.read_bytes() == whole


@pytest.mark.parametrize("killed_at", ["note", "seal_recipient", "destroy"])
def test_killed_while_the_sealing_identity_changes_the_public_half_is_still_a_key_of_the_store(
    killed_at: str, custody: Custody, monkeypatch: pytest.MonkeyPatch
) -> None:
    custody.seal_recipient("demo")
    with monkeypatch.context() as patch:
        patch.setattr(
            Custody if killed_at == "seal_recipient" else KeyStore,
            killed_at,
            lambda *_: (_ for _ in ()).throw(KeyError),
        )
        with pytest.raises(KeyError):
            custody.use_seal("demo", custody.next_seal_name("demo"))
    custody.check_public_halves("demo")
