"""Encrypted files: what goes in comes out, anywhere in the file; nothing else opens."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from enclave.data_keys import DataKeys
from enclave.encrypted_files import (
    BLOCK,
    MAGIC,
    DataKey,
    EncryptedWriter,
    content_digest,
    decrypt_file,
    encrypt_file,
    key_name,
    open_encrypted,
)
from enclave.errors import KeyUnavailable, NotReady, Tampered
from enclave.fingerprints import digest_bytes
from enclave.frames import FrameManifest, manifest_columns, open_frame, writing_frame
from enclave.zones import Linked, Zone

KEY = DataKey("project/homes/2031-12-31/0123456789abcdef", bytes(range(32)))
OTHER = DataKey("project/homes/2031-12-31/0123456789abcdef", bytes(32))
LENGTHS = (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 5)


def content(length: int) -> bytes:
    return (b"canary %07d " * (length // 15 + 1) % tuple(range(length // 15 + 1)))[:length]


def encrypted(folder: Path, plain: bytes, key: DataKey = KEY, label: str = "linked/homes") -> Path:
    (folder / "plain").write_bytes(plain)
    return encrypt_file(folder / "plain", key, folder / "file", label=label)


@pytest.mark.parametrize("length", LENGTHS)
def test_what_goes_in_comes_out_and_its_digest_is_known(length: int, tmp_path: Path) -> None:
    plain = content(length)
    path = encrypted(tmp_path, plain)
    assert b"canary" not in path.read_bytes()
    assert open_encrypted(path, KEY).read() == plain
    assert content_digest(path, KEY) == digest_bytes(plain)
    assert decrypt_file(path, KEY, tmp_path / "again").read_bytes() == plain
    assert key_name(path) == KEY.name


def test_a_block_is_what_the_standards_say(tmp_path: Path) -> None:
    """RFC 5869 and RFC 8452, put together by hand."""
    path = encrypted(tmp_path, b"a record")
    head = b'{"file":"linked/homes","key":"project/homes/2031-12-31/0123456789abcdef"}'
    own = HKDF(SHA256(), 32, salt=None, info=b"zicht encrypted file 1" + head).derive(KEY.secret)
    whole = MAGIC + len(head).to_bytes(2, "big") + head
    whole += AESGCMSIV(own).encrypt(bytes(12), b"a record", None)
    whole += AESGCMSIV(own).encrypt(
        (1).to_bytes(12, "big"), bytes.fromhex(digest_bytes(b"a record")), b"end" + (8).to_bytes(8, "big")
    )
    assert path.read_bytes() == whole


@given(st.lists(st.binary(max_size=300)))
def test_the_pieces_in_which_it_is_written_do_not_show(pieces: list[bytes]) -> None:
    target = io.BytesIO()
    writer = EncryptedWriter(target, KEY, "any")
    for piece in pieces:
        assert writer.write(piece) == len(piece)
    writer.finish()
    whole = io.BytesIO()
    in_one = EncryptedWriter(whole, KEY, "any")
    in_one.write(b"".join(pieces))
    in_one.finish()
    assert target.getvalue() == whole.getvalue()


def test_any_place_is_read_across_blocks(tmp_path: Path) -> None:
    plain = content(3 * BLOCK + 7)
    with open_encrypted(encrypted(tmp_path, plain), KEY) as file:
        for start, length in ((BLOCK - 3, 9), (0, 5), (2 * BLOCK, BLOCK + 7), (3 * BLOCK + 1, 99), (BLOCK, 2 * BLOCK)):
            file.seek(start)
            assert file.read(length) == plain[start : start + length]
        assert file.seek(-7, io.SEEK_END) == 3 * BLOCK
        assert file.read() == plain[-7:]


def test_a_changed_cut_moved_or_foreign_file_does_not_open(tmp_path: Path) -> None:
    path = encrypted(tmp_path, content(2 * BLOCK + 5))
    whole = path.read_bytes()
    start = len(whole) - 2 * BLOCK - 5 - 3 * 16 - 48
    first, second = whole[start : start + BLOCK + 16], whole[start + BLOCK + 16 : start + 2 * (BLOCK + 16)]
    spoiled = {
        "a bit of the head": whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],
        "a bit of a block": whole[: start + 9] + bytes([whole[start + 9] ^ 1]) + whole[start + 10 :],
        "the last byte": whole[:-1],
        "the end": whole[:-48],
        "the last block": whole[: start + 2 * (BLOCK + 16)] + whole[-48:],
        "two blocks changed places": whole[:start] + second + first + whole[start + 2 * (BLOCK + 16) :],
        "more": whole + b"x",
        "nothing but a head": whole[:start],
        "plain": b"PAR1" + whole,
        "empty": b"",
    }
    for what, bytes_ in spoiled.items():
        (tmp_path / "spoiled").write_bytes(bytes_)
        with pytest.raises(Tampered):
            open_encrypted(tmp_path / "spoiled", KEY).read()
            pytest.fail(what)
    with pytest.raises(Tampered):
        open_encrypted(path, OTHER)


def test_a_block_of_an_earlier_version_opens_in_no_copy(tmp_path: Path) -> None:
    """The same key, label and place: each block by itself is right."""
    earlier = encrypted(tmp_path, content(BLOCK) + b"withdrawn").read_bytes()
    path = encrypted(tmp_path, content(BLOCK) + b"in effect")
    path.chmod(0o600)
    path.write_bytes(earlier[: -48 - 25] + path.read_bytes()[-48 - 25 :])
    assert decrypt_file(path, KEY, tmp_path / "same").read_bytes().endswith(b"in effect")
    path.write_bytes(earlier[:-48] + path.read_bytes()[-48:])
    with pytest.raises(Tampered, match="was changed"):
        decrypt_file(path, KEY, tmp_path / "mixed")
    assert not (tmp_path / "mixed").exists()
    with pytest.raises(Tampered, match="was changed"):
        open_encrypted(path, KEY)


def test_a_block_that_is_put_in_while_the_file_is_read_is_not_handed_out(tmp_path: Path) -> None:
    earlier = encrypted(tmp_path, content(BLOCK) + b"withdrawn").read_bytes()
    path = encrypted(tmp_path, content(BLOCK) + b"in effect")
    later = path.read_bytes()
    with open_encrypted(path, KEY) as file:
        path.chmod(0o600)
        path.write_bytes(earlier[:-48] + later[-48:])
        assert file.read(BLOCK) == content(BLOCK)  # the same in both
        with pytest.raises(Tampered, match="was changed"):
            file.read()


def test_the_same_content_gives_the_same_bytes_under_one_key_and_label_only(tmp_path: Path) -> None:
    made = [encrypted(tmp_path, b"x" * 99).read_bytes() for _ in range(2)]
    assert made[0] == made[1]
    tail = 16 + 48 + 99
    assert encrypted(tmp_path, b"x" * 99, OTHER).read_bytes()[-tail:] != made[0][-tail:]
    assert encrypted(tmp_path, b"x" * 99, label="results/homes").read_bytes()[-tail:] != made[0][-tail:]


def test_a_frame_is_written_encrypted_and_read_without_a_plain_copy(tmp_path: Path) -> None:
    table = pa.table({"home": pa.array(range(300_000), pa.int64()), "type": ["canary"] * 300_000})
    manifest = FrameManifest(
        zone=Zone.LINKED, name="homes", project="project", columns=manifest_columns(table.schema, {}), made_by="a test"
    )
    for path, key in ((tmp_path / "plain", None), (tmp_path / "file", KEY)):
        with writing_frame(path, manifest, table.schema, key=key) as sink:
            sink.write(table)
    assert b"canary" in (tmp_path / "plain").read_bytes()
    assert b"canary" not in (tmp_path / "file").read_bytes()
    assert b"zicht.frame" not in (tmp_path / "file").read_bytes()
    assert pq.read_table(open_encrypted(tmp_path / "file", KEY)).equals(table)
    opened = open_frame(decrypt_file(tmp_path / "file", KEY, tmp_path / "again"), Linked)
    assert opened.digest() == open_frame(tmp_path / "plain", Linked).digest() == content_digest(tmp_path / "file", KEY)
    with pytest.raises(Tampered):
        open_frame(tmp_path / "file", Linked)


def test_a_frame_that_fails_leaves_nothing(tmp_path: Path) -> None:
    schema = pa.schema([("home", pa.int64())])
    manifest = FrameManifest(
        zone=Zone.LINKED, name="homes", project="project", columns=manifest_columns(schema, {}), made_by="a test"
    )
    with pytest.raises(RuntimeError), writing_frame(tmp_path / "file", manifest, schema, key=KEY) as sink:
        sink.write(pa.table({"home": [1]}))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_working_copy_of_a_key_is_handed_out_and_withdrawn(tmp_path: Path) -> None:
    keys = DataKeys(tmp_path / "keys")
    path = encrypted(tmp_path, b"")
    with pytest.raises(KeyUnavailable, match=r"kept until 2031-12-31[\s\S]*zicht link"):
        keys.key_of(path, project="project", data_set="homes")
    keys.hand_out(KEY)
    assert keys.key_of(path, project="project", data_set="homes") == KEY
    assert KEY.secret.hex() not in repr(KEY)
    assert list(keys.names("project")) == [KEY.name]
    assert (tmp_path / "keys/project/homes.2031-12-31.0123456789abcdef.key").stat().st_mode & 0o777 == 0o440
    with pytest.raises(Tampered, match="another data set"):
        keys.key_of(path, project="project", data_set="persons")
    with pytest.raises(NotReady, match="not encrypted"):
        keys.key_of(tmp_path / "plain", project="project", data_set="homes")
    earlier = DataKey("project/homes/2031-12-31", KEY.secret)  # of a version without generations
    keys.hand_out(earlier)
    with pytest.raises(NotReady, match=r"earlier version[\s\S]*zicht link"):
        keys.key_of(encrypted(tmp_path, b"", earlier), project="project", data_set="homes")
    assert list(keys.names("project")) == [KEY.name, earlier.name]
    keys.withdraw([earlier.name])
    encrypted(tmp_path, b"")
    assert keys.opens(path)
    file = tmp_path / "keys/project/homes.2031-12-31.0123456789abcdef.key"
    file.chmod(0o600)
    for wrong, said in ((b"", "not whole"), (KEY.secret.hex()[:40].encode(), "not whole"), (b"no key", "not whole")):
        file.write_bytes(wrong)
        assert not keys.opens(path)
        with pytest.raises(Tampered, match=rf"2031-12-31/0123456789abcdef: [\s\S]*{said}[\s\S]*zicht link"):
            keys.key_of(path, project="project", data_set="homes")
    file.write_bytes(OTHER.secret.hex().encode())
    assert not keys.opens(path)
    with pytest.raises(Tampered, match=r"does not open the data set[\s\S]*zicht link"):
        keys.key_of(path, project="project", data_set="homes")
    file.rename(file.with_name(f".{file.name}.part-12345678"))  # as a kill leaves it
    assert list(keys.names("project")) == [KEY.name]
    keys.withdraw([KEY.name])
    keys.withdraw([KEY.name])
    assert list(file.parent.iterdir()) == []
    with pytest.raises(KeyUnavailable):
        keys.take(KEY.name)
    with pytest.raises(Tampered):
        keys.take("../../etc/2031-12-31")
