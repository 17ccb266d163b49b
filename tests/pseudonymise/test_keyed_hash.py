"""Keyed hashes against published vectors and against the library's own CMAC and HMAC."""

from __future__ import annotations

import hmac
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import cmac as library
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import BadInput
from pseudonymise.custody import ALGORITHMS, CMAC, HMAC
from pseudonymise.keyed_hash import CHUNK_ROWS, HashKey, HashSpec, algorithm_for, cmac, hash_values, hmac_128, subkeys

# NIST SP 800-38B, appendix D.3 (AES-256); RFC 4493, section 4 (AES-128)
KEY_256 = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
KEY_128 = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
BLOCK = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")


def raw_strings(values: list[bytes]) -> pa.Array:
    """A string array of any bytes: the published messages are not UTF-8."""
    offsets = np.cumsum([0, *map(len, values)]).astype(np.int32)
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(b"".join(values)))


def library_cmac(key: bytes, message: bytes) -> bytes:
    running = library.CMAC(AES(key))
    running.update(message)
    return running.finalize()


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        (KEY_256, "cad1ed03299eedac2e9a99808621502f", "95a3da06533ddb585d3533010c42a0d9"),
        (KEY_128, "fbeed618357133667c85e08f7236a8de", "f7ddac306ae266ccf90bc11ee46d513b"),
    ],
)
def test_subkeys_are_the_published_ones(key: bytes, first: str, second: str) -> None:
    assert [k.hex() for k in subkeys(key)] == [first, second]


@pytest.mark.parametrize(
    ("key", "empty", "one_block"),
    [
        (KEY_256, "028962f61b7bf89efc6b551f4667d983", "28a7023f452e8f82bd4bf28d8c37c35c"),
        (KEY_128, "bb1d6929e95937287fa37d129b756746", "070a16b46b4d4144f79bdd9dd04a287c"),
    ],
)
def test_cmac_gives_the_published_tags(key: bytes, empty: str, one_block: str) -> None:
    tags = cmac(raw_strings([b"", BLOCK]), key).to_pylist()
    assert [tag.hex() for tag in tags] == [empty, one_block]


@pytest.mark.parametrize(
    ("key", "tag"), [(KEY_256, "28a7023f452e8f82bd4bf28d8c37c35c"), (KEY_128, "070a16b46b4d4144f79bdd9dd04a287c")]
)
def test_a_hash_hashed_again_is_the_published_tag_of_its_block(key: bytes, tag: str) -> None:
    encryptor = Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block each, as CMAC has it
    again = HashKey(CMAC, encryptor, None).hash_again(pa.array([bytes(16), None, BLOCK], pa.binary(16)).slice(1))
    assert again.to_pylist() == [None, bytes.fromhex(tag)]


def test_hashing_again_equals_the_library_over_several_chunks() -> None:
    hashes = hash_values(pa.array([str(n) for n in range(CHUNK_ROWS + 2)]), KEY_256, CMAC)
    again = HashKey.of(bytes(32), CMAC).hash_again(hashes)
    for place in (0, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1):
        assert again[place].as_py() == library_cmac(bytes(32), hashes[place].as_py())
    with pytest.raises(BadInput, match="aes-cmac only"):
        HashKey.of(bytes(32), HMAC).hash_again(hashes)


# RFC 4231, cases 1, 2, 6 and 7; the first 128 bits
@pytest.mark.parametrize(
    ("key", "text", "tag"),
    [
        (b"\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b"),
        (b"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7"),
        (b"\xaa" * 131, "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f"),
        (
            b"\xaa" * 131,
            "This is a test using a larger than block-size key and a larger than block-size data. "
            "The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944",
        ),
    ],
)
def test_hmac_gives_the_published_tags(key: bytes, text: str, tag: str) -> None:
    assert hmac_128(pa.array([text, text]), key).to_pylist() == [bytes.fromhex(tag)] * 2


@given(st.lists(st.one_of(st.none(), st.binary(max_size=16)), max_size=60), st.binary(min_size=32, max_size=32))
def test_cmac_equals_the_library_on_any_bytes_and_null_stays_null(values: list[bytes | None], key: bytes) -> None:
    array = raw_strings([value or b"" for value in values])
    bitmap = pa.py_buffer(
        np.packbits(np.array([value is not None for value in values], dtype=np.bool_), bitorder="little").tobytes()
    )
    array = pa.StringArray.from_buffers(len(values), *array.buffers()[1:], bitmap)
    expected = [None if value is None else library_cmac(key, value) for value in values]
    assert cmac(array, key).to_pylist() == expected


@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=30), st.binary(min_size=32, max_size=32))
def test_hmac_equals_the_standard_library_and_null_stays_null(values: list[str | None], key: bytes) -> None:
    expected = [None if v is None else hmac.digest(key, v.encode(), "sha256")[:16] for v in values]
    assert hash_values(pa.array(values, pa.string()), key, HMAC).to_pylist() == expected


def test_chunks_borders_and_slices_change_nothing() -> None:
    numbers = np.arange(CHUNK_ROWS + 3) + 900_000_000
    values = pa.array(numbers.astype("U9").tolist())
    tags = hash_values(values, KEY_256, CMAC)
    for place in (0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 2):
        assert tags[place].as_py() == library_cmac(KEY_256, str(numbers[place]).encode())
    assert hash_values(values.slice(7, 100), KEY_256, CMAC).equals(tags.slice(7, 100))
    parts = pa.chunked_array([values.slice(start, end - start) for start, end in pairwise((0, 5, 70, len(values)))])
    assert hash_values(parts, KEY_256, CMAC).equals(tags)


def test_different_short_values_never_share_a_hash() -> None:
    values = pa.array(["", "0", "00", "000", "1", "1\x80", "1\x00", *(f"{n:09d}" for n in range(20_000))])
    assert len(hash_values(values, KEY_256, CMAC).unique()) == len(values)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_in_nothing_out(algorithm: str) -> None:
    tags = hash_values(pa.array([], pa.string()), KEY_256, algorithm)
    assert (len(tags), tags.type) == (0, pa.binary(16))
    assert hash_values(pa.array([None], pa.string()), KEY_256, algorithm).to_pylist() == [None]


def test_a_value_too_long_for_one_block_is_refused_without_showing_it() -> None:
    with pytest.raises(BadInput, match="2 values are longer") as refusal:
        hash_values(pa.array(["x", "ab" * 9, "ab" * 10]), KEY_256, CMAC)
    assert "abab" not in str(refusal.value)


def test_short_keys_and_unknown_algorithms_are_refused() -> None:
    with pytest.raises(BadInput, match="32 bytes"):
        hash_values(pa.array(["x"]), KEY_128, CMAC)
    with pytest.raises(BadInput, match="no hash algorithm md5"):
        hash_values(pa.array(["x"]), KEY_256, "md5")


def test_free_form_kinds_are_hashed_with_hmac_whatever_is_asked() -> None:
    assert algorithm_for("address", CMAC) == HMAC
    assert algorithm_for("bsn", CMAC) == CMAC
    assert algorithm_for("bsn", HMAC) == HMAC


def test_a_spec_is_one_line_for_the_manifest() -> None:
    assert HashSpec(CMAC, "demo/bsn/v1/0a", 1).text() == "aes-cmac;v1;demo/bsn/v1/0a"
