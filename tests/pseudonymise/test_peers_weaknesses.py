"""What other tools for pseudonymisation let pass, asked of this one; shown of them, too, where they run here.

Sources: the shared notes on pseudonymisation and linkage, section 2, on the tools' own code: dapla's pseudo-service,
OpenPseudonymiser, the pseudonym service of the Dutch ministry of health (PRS), python-stdnum, Spark, polars-hash,
clkhash and blocklib, Presidio.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import pickle
import re
import tomllib
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stdnum.nl import bsn as stdnum_bsn

from enclave.engine import EngineName, open_engine
from enclave.entropy import SecureEntropy, SeededEntropy
from enclave.errors import EnclaveError, KeyUnavailable
from enclave.identifier_patterns import LeakKind, find_patterns
from enclave.identifiers import check
from linkage.key_register import build_key_table
from linkage.key_zone import KeyZone
from pseudonymise.custody import ALGORITHMS, Custody
from pseudonymise.identifier_hashing import IdentifierHasher
from pseudonymise.keyed_hash import HashKey
from pseudonymise.pseudonymise import pseudonymise
from tests.canary_search import Canaries, leaking_files
from tests.conftest import CHECKOUT
from tests.pipeline.observed import REPLACED, observe
from tests.pseudonymise.invented_deliveries import PROJECT, bsns, identified, schema, table

PASSPHRASE = b"een lange zin voor de sleutels"
ROOMS = ("enclave", "pseudonymise", "linkage", "pipeline")
CACHE_FOLDER = "8a477f597d28d172789f06886806bc55"  # what every CACHEDIR.TAG in the world begins with


@pytest.fixture
def custody(tmp_path: Path) -> Custody:
    return Custody.create(tmp_path / "keys", PASSPHRASE, SeededEntropy(1))


def pseudonymised(folder: Path, custody: Custody, content: pa.Table) -> Path:
    frame = identified(folder / "identified/x.parquet", content)
    out = folder / "pseudonymised/x.parquet"
    pseudonymise(frame, schema=schema(), project=PROJECT, custody=custody, out=out)
    return out


# pseudo-service ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("short", ["7", "a1", "x-9"])
def test_a_value_of_fewer_than_four_characters_is_hashed_like_any_other(
    short: str, tmp_path: Path, custody: Custody
) -> None:
    """pseudo-service gives it back as it came (``RETURN_ORIGINAL``)."""
    content = table(3)
    content = content.set_column(content.column_names.index("dossier"), "dossier", pa.array([short, "HD-00001", None]))
    hashes = pq.read_table(pseudonymised(tmp_path, custody, content))["dossier_hash"].to_pylist()
    assert [len(value or b"") for value in hashes] == [16, 16, 0]
    assert short.encode() not in hashes[0]


def test_a_value_that_cannot_be_hashed_stops_the_work_and_is_told_nowhere(
    tmp_path: Path, custody: Custody, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """pseudo-service puts it into its trace (``pseudoRequest.values``) and into the exception (``originalValue=``)."""
    caplog.set_level(logging.DEBUG)
    content = table(3)
    long = bsns(1)[0] * 3
    content = content.set_column(content.column_names.index("bag_id"), "bag_id", pa.array([long, None, None]))
    with pytest.raises(EnclaveError) as stopped:
        HashKey.of(bytes(32), "aes-cmac").hash(content["bag_id"])
    told = [*traceback.format_exception(stopped.value), *caplog.messages, *capfd.readouterr()]
    out = pseudonymised(tmp_path, custody, content)
    told += [*caplog.messages, *capfd.readouterr()]
    assert bsns(1)[0] not in "".join(told)
    assert pq.read_table(out)["bag_id_hash"].null_count == 3  # no identifier of the kind: no hash, and not itself


# OpenPseudonymiser ---------------------------------------------------------------------------------------------------


def test_no_key_and_no_salt_stands_in_the_code() -> None:
    """OpenPseudonymiser opens its "encrypted salt" with an RSA key that is written in its source."""
    key_like = re.compile(
        r"-----BEGIN [A-Z ]*KEY|AGE-SECRET-KEY-1[A-Z0-9]{9}|\b[0-9a-fA-F]{32,}\b|\b[A-Za-z0-9+/_-]{43}=|(\\x..){16}"
    )
    shapes = (
        bytes(range(32)).hex(),
        base64.b64encode(b"k" * 32).decode(),
        repr(bytes(32)),
        "-----BEGIN RSA PUBLIC KEY",
    )
    assert all(key_like.search(f"KEY = {shape}") for shape in shapes)
    sources = [path for room in ROOMS for path in (CHECKOUT / room).rglob("*.py")]
    assert len(sources) > 100
    texts = {path.name: path.read_text(encoding="utf-8").replace(CACHE_FOLDER, "") for path in sources}
    assert [name for name, text in texts.items() if key_like.search(text)] == []


def test_hashes_follow_from_no_passphrase_and_no_plain_digest(tmp_path: Path) -> None:
    """Two stores under one passphrase share no hash, and who has all files but not the passphrase computes none."""
    values = pa.array(bsns(50))
    stores = [Custody.create(tmp_path / name, PASSPHRASE, SecureEntropy()) for name in ("one", "other")]
    hashes = [set(IdentifierHasher(PROJECT, store)("bsn", values).to_pylist()) for store in stores]
    assert not hashes[0] & hashes[1]
    salts = [b"", PASSPHRASE, (tmp_path / "one/key-store.json").read_bytes()]
    for salt in salts:
        plain = {hashlib.sha256(value.encode() + salt).digest()[:16] for value in values.to_pylist()}
        assert not hashes[0] & plain
    with pytest.raises(KeyUnavailable):
        Custody.open(tmp_path / "one", b"another")


# PRS, python-stdnum --------------------------------------------------------------------------------------------------


def test_a_number_with_and_without_its_leading_zero_has_one_hash(custody: Custody) -> None:
    """PRS strips blanks only: two pseudonyms for one person. Its digits are a BSN by the eleven-test: 13579009."""
    written = pa.array(["013579009", "13579009", " 013579009 ", "0135.79.009"])
    assert len(set(IdentifierHasher(PROJECT, custody)("bsn", written).to_pylist()) - {None}) == 1
    assert IdentifierHasher(PROJECT, custody)("bsn", written)[:2].null_count == 0


def test_a_number_that_fails_the_eleven_test_has_no_hash(custody: Custody) -> None:
    """PRS takes any text for a BSN, also one digit off."""
    numbers = bsns(20)
    off = [number[:-1] + str((int(number[-1]) + 1) % 10) for number in numbers]
    assert IdentifierHasher(PROJECT, custody)("bsn", pa.array(off)).null_count == 20
    assert IdentifierHasher(PROJECT, custody)("bsn", pa.array(numbers)).null_count == 0


def test_parts_of_an_address_never_run_into_each_other(custody: Custody) -> None:
    """As PRS refuses its separator within a field: 12 with addition 3 is not 1 with 23, nor 123."""
    addresses = pa.array(["1234AB 12 3", "1234AB 1 23", "1234AB 123", "1234AB|12|3|"])
    hashes = IdentifierHasher(PROJECT, custody)("address", addresses).to_pylist()
    assert len(set(hashes[:3]) - {None}) == 3
    assert hashes[3] in (None, hashes[0])


def test_short_numbers_that_python_stdnum_fills_with_zeros_have_no_hash(custody: Custody) -> None:
    assert stdnum_bsn.is_valid("12")
    short = pa.array([str(n) for n in range(1, 3000) if stdnum_bsn.is_valid(str(n))])
    assert len(short) > 200
    assert IdentifierHasher(PROJECT, custody)("bsn", short).null_count == len(short)


# Spark ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def test_no_key_and_no_identifier_stands_in_a_plan_or_an_event_log(
    engine: EngineName, tmp_path: Path, custody: Custody, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark's own ``hmac`` prints its key in both, as is seen here; the register is hashed before an engine sees it."""
    for place, name in REPLACED:
        monkeypatch.setattr(place, name, getattr(place, name))  # put back after the test
    told = tmp_path / "told"
    observe(told)
    register = tmp_path / "register"
    register.mkdir()
    numbers = bsns(300)
    pq.write_table(
        pa.table({"bsn": numbers, "RINPERSOON": [f"r{n}" for n in range(300)]}), register / "persons.parquet"
    )
    none = pa.array([], pa.string())
    pq.write_table(pa.table({"bag_id": none, "RINOBJECTNUMMER": none}), register / "addresses.parquet")
    pq.write_table(pa.table({"rsin": none, "kvk": none, "BEID": none}), register / "entities.parquet")
    hasher = IdentifierHasher(PROJECT, custody)
    zone = KeyZone(tmp_path / "keys" / PROJECT)
    zone.folder.mkdir()
    printed = "abcdefghijklmnopqrstuvwxyz012345"
    with open_engine(engine, scratch=tmp_path / "scratch", readable=[], threads=1, memory_gib=1.0) as at_work:
        made = build_key_table(register, hasher=hasher, key_ids={}, zone=zone, engine=at_work)
        if engine == "spark":
            plan = at_work.session.sql(f"SELECT hmac('text', '{printed}')")  # type: ignore[attr-defined]  # Spark's engine has it
            plan.collect()
    assert made.hashes == 300
    kinds = ("bsn", "bag", "rsin", "kvk")
    keys = {custody.hash_key(PROJECT, kind, algorithm=algorithm) for kind in kinds for algorithm in ALGORITHMS}
    assert leaking_files([told], Canaries(numbers, keys)) == []
    assert b"register_hashes" in b"".join(path.read_bytes() for path in told.rglob("*") if path.is_file())
    assert bool(leaking_files([told], Canaries([], [printed.encode()]))) == (engine == "spark")


# polars-hash ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_at_work_is_bytes_shows_nothing_and_cannot_be_serialised(algorithm: str) -> None:
    """polars-hash hides its key, a text, in ``explain()`` and writes it out in ``serialize()``; its blake3 has none."""
    keys = [hashlib.sha256(name).digest() for name in (b"one", b"other")]
    working = [HashKey.of(key, algorithm) for key in keys]
    hashes = [each.hash(pa.array(bsns(20))) for each in working]
    assert not set(hashes[0].to_pylist()) & set(hashes[1].to_pylist())
    assert {found.type for found in hashes} == {pa.binary(16)}
    assert not Canaries([], keys).stand_in(f"{working!r} {[str(each) for each in working]}".encode())
    for each in working:
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as refused:
            pickle.dumps(each)
        assert not Canaries([], keys).stand_in(repr(refused.value).encode())
    with pytest.raises((EnclaveError, TypeError)):
        HashKey.of("a key that is a text, 32 of them", algorithm).hash(pa.array(["x"]))  # type: ignore[arg-type]  # what polars-hash takes


# clkhash, blocklib, polars-hash, Presidio ----------------------------------------------------------------------------


def locked(name: str) -> set[str]:
    """Names of the packages that a lock installs."""
    text = (CHECKOUT / name).read_text()
    return {_plain(found) for found in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", text, re.MULTILINE)}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted() -> set[str]:
    """Names of the packages that the project asks for, extras and tools for its makers too."""
    said = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    groups: list[Any] = [said["project"]["dependencies"], *said["project"]["optional-dependencies"].values()]
    groups += said.get("dependency-groups", {}).values()
    return {_plain(re.match(r"[A-Za-z0-9._-]+", line)[0]) for group in groups for line in group}  # type: ignore[index]  # each begins with one


def test_what_pins_old_libraries_or_shows_keys_is_in_no_lock() -> None:
    """clkhash wants cryptography below 41, blocklib numpy below 2 and pydantic below 2: beside them pyarrow breaks.

    Their formats are read and written by code of our own; recognisers of Presidio know no Dutch number.
    """
    unwanted = {"clkhash", "blocklib", "anonlink", "polars-hash", "presidio-analyzer", "presidio-anonymizer"}
    installed = locked("requirements.lock") | locked("municipality.lock")
    assert {"pyarrow", "cryptography", "numpy", "pydantic"} <= installed & wanted()
    assert not unwanted & (installed | wanted())


def test_numbers_of_nine_digits_are_no_alarm_and_one_bsn_is() -> None:
    """A bare pattern of nine digits floods; of what fails the eleven-test none is taken for a BSN."""
    numbers = [f"{n:09d}" for n in np.random.default_rng(1).integers(10**8, 10**9, 2000)]
    failing = [number for number in numbers if check("bsn", pa.array([number])).canonical.null_count][:500]
    texts = pa.array([f"factuur {number} voldaan" for number in failing])
    hits = find_patterns(pa.array([*texts.to_pylist(), f"factuur {bsns(1)[0]} voldaan"]))[LeakKind.ELEVEN_TEST]
    assert list(hits[:-1]).count(True) == 0
    assert hits[-1]
