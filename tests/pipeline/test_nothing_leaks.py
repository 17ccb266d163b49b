"""Every planted identifier, and every key, is looked for in all that was written, tables opened by their keys.

Of the identified zone, whose tables hold identifiers, in what lies there as it lies.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from enclave.identifiers import check
from pseudonymise.custody import ALGORITHMS, Custody
from pseudonymise.key_store import KeyStore
from pseudonymise.schemas import CHECKED_KINDS
from synthetic.country import make_country
from tests.canary_search import Canaries, Opening, leaking_files
from tests.conftest import CHECKOUT
from tests.pipeline.eighty import NATIONAL, PASSPHRASE, linked_office
from tests.pipeline.job import Done, Job, own_places, zicht
from tests.pipeline.observed import process_list

pytestmark = pytest.mark.xdist_group("small-job")
MAY_HOLD_IDENTIFIERS = "identified"


def canaries_of(job: Job) -> Canaries:
    return Canaries(planted(job.country), keys_of(job.workspace / "keys", passphrase_of(job)))


def passphrase_of(job: Job) -> bytes:
    return (job.workspace / "people/custodian/passphrase").read_bytes()


def opening_of(workspace: Path, country: Path, passphrase: bytes) -> Opening:
    persons = pq.read_table(country / "key_register/persons.parquet", columns=["RINPERSOON"])
    custody = Custody.open(workspace / "keys", passphrase)
    return Opening(custody, persons["RINPERSOON"].combine_chunks(), households_of(country))


def households_of(country: Path) -> pa.Array:
    folder = country / "registers/Bevolking/GBAHUISHOUDENSBUS"
    held = [pq.read_table(path, columns=["HUISHOUDNR"]) for path in sorted(folder.glob("*.parquet"))]
    return pc.unique(pa.concat_tables(held)["HUISHOUDNR"].combine_chunks())


def planted(country: Path) -> set[str]:
    """Every planted identifier as it was delivered and in the form in which it is hashed."""
    found = pq.read_table(country / "truth/canaries.parquet")
    values = set(found.column("value").unique().to_pylist())
    for kind in CHECKED_KINDS & set(found.column("kind").unique().to_pylist()):
        of_kind = found.filter(pc.equal(found.column("kind"), kind)).column("value").combine_chunks()
        canonical = check(kind, of_kind).canonical.drop_null().to_pylist()
        # six letters and figures stand in base64 by chance: plates without hyphens count as cells and as JSON texts
        values |= {shape for text in canonical for shape in ([text] if len(text) > 6 else [f"\n{text}\n", f'"{text}"'])}
    return values


def keys_of(folder: Path, passphrase: bytes) -> set[bytes]:
    """All that the key store holds, and every hash key that follows from it; data keys are handed out."""
    custody, store = Custody.open(folder, passphrase), KeyStore.open(folder, passphrase)
    project = next(key.removeprefix("seal/") for key in store.names() if key.startswith("seal/"))
    derived = {
        custody.hash_key(project, kind, version, algorithm=algorithm)
        for kind in CHECKED_KINDS | {"earlier"}
        for version in custody.hash_versions()
        for algorithm in ALGORITHMS
    }
    return derived | {store.get(name).reveal() for name in store.names()}


def leaking_in(workspace: Path, canaries: Canaries, opening: Opening) -> list[str]:
    """Files of every zone, and of what is none, that hold what they must not."""
    zones = [path for path in workspace.iterdir() if path.is_dir()]
    within = [path for path in zones if path.name == MAY_HOLD_IDENTIFIERS]
    outside = [path for path in zones if path not in within]
    assert {"keys", "pseudonymised"} <= {path.name for path in outside}
    return leaking_files(outside, canaries, opening) + leaking_files(within, canaries, closed=True)


def check_nothing_leaks(job: Job, canaries: Canaries | None = None) -> None:
    canaries = canaries or canaries_of(job)
    assert leaking_in(job.workspace, canaries, opening_of(job.workspace, job.country, passphrase_of(job))) == []
    assert all(place.is_dir() for place in job.places)
    assert leaking_files(job.places, canaries) == []
    assert not canaries.stand_in(job.done.said.encode())
    deliveries = [path for path in (job.country / "deliveries").rglob("*") if ".manifest." not in path.name]
    files = [path for path in deliveries if path.is_file()]
    assert {str(path) for path in files} <= set(leaking_files([job.country / "deliveries"], canaries))


def test_nothing_leaks_from_clean_deliveries(small_job: Job) -> None:
    check_nothing_leaks(small_job)


def test_nothing_leaks_from_dirty_deliveries(tmp_path: Path) -> None:
    """Of so small a country no delivery of debts is acceptable: the job stops before linking and says why."""
    size = ("--persons", "1000", "--seed", "3", "--dirty")
    done = zicht("demo", *size, "--workspace", tmp_path / "run", environment=own_places(tmp_path))
    assert done.code == 10, done.said
    assert "no delivery of debt_assistance" in done.err
    check_nothing_leaks(Job(tmp_path, done))


def test_no_kind_of_identifier_and_no_key_leaks_from_the_programme_of_eighty_deliveries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts, phones, addresses of e-mail, plates, foreign and own numbers too; of one municipality here."""
    country, run = tmp_path / "country", tmp_path / "run"
    make_country(country, persons=600, seed=6, programme="full")
    for name, place in own_places(tmp_path).items():
        monkeypatch.setenv(name, place)
    monkeypatch.setattr(tempfile, "tempdir", None)
    suppliers = ("GM9015", *NATIONAL)
    linked_office(country, run, suppliers=suppliers)
    canaries = Canaries(planted(country), keys_of(run / "keys", PASSPHRASE))
    assert leaking_in(run, canaries, opening_of(run, country, PASSPHRASE)) == []
    assert leaking_files([tmp_path / "home", tmp_path / "tmp"], canaries) == []
    truth = pq.read_table(country / "truth/canaries.parquet")
    handed_in = b"".join(path.read_bytes() for name in suppliers for path in (country / "deliveries" / name).iterdir())
    for kind in ("iban", "phone", "email", "licence_plate", "foreign", "own_number", "establishment"):
        of_kind = truth.filter(pc.equal(truth.column("kind"), kind)).column("value").to_pylist()
        assert any(value.encode() in handed_in and canaries.found_in(value.encode()) for value in of_kind), kind


@pytest.mark.parametrize("shape", ["raw", "hex", "HEX", "base64", "inside base64", "printed", "as numbers", "UTF-16"])
def test_the_search_finds_a_key_in_every_shape(shape: str) -> None:
    key = bytes(range(7, 256, 8))
    shapes = {
        "raw": key,
        "hex": key.hex().encode(),
        "HEX": f"X'{key.hex().upper()}'".encode(),  # as Spark's plans show the key of its hmac
        "base64": base64.urlsafe_b64encode(key),
        "inside base64": base64.b64encode(b"k=" + key + b";"),
        "printed": repr(key).encode(),
        "as numbers": str(list(key)).encode(),
        "UTF-16": key.hex().encode("utf-16-le"),
    }
    assert Canaries((), [key]).found_in(b"before " + shapes[shape] + b" after")
    assert not Canaries((), [key[::-1]]).found_in(b"before " + shapes[shape] + b" after")


@pytest.mark.sweep
@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_nothing_of_eighty_deliveries_and_no_key_is_told_by_engines_and_process_lists(
    engine: str, tmp_path: Path
) -> None:
    country, run, told = (tmp_path / name for name in ("country", "run", "told"))
    make_country(country, persons=2000, seed=5, programme="full")
    command = [sys.executable, "-m", "tests.pipeline.eighty", *map(str, (country, run)), engine, str(told)]
    with process_list() as seen:
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **own_places(tmp_path)},
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(b"eighty" in line for line in seen)
    canaries = Canaries({*planted(country), PASSPHRASE.decode()}, keys_of(run / "keys", PASSPHRASE))
    assert leaking_files([told, tmp_path / "home", tmp_path / "tmp"], canaries) == []
    assert leaking_in(run, canaries, opening_of(run, country, PASSPHRASE)) == []
    assert not any(canaries.stand_in(line) for line in (*seen, (done.stdout + done.stderr).encode()))
    assert talks(told, engine)


def test_the_search_finds_an_identifier_in_every_shape(small_job: Job, tmp_path: Path) -> None:
    import gzip
    import json
    import sqlite3

    canaries = canaries_of(small_job)
    people = pq.read_table(small_job.country / "key_register/persons.parquet")
    bsn = next(value for value in people.column("bsn").to_pylist() if value.startswith("0"))
    (tmp_path / "plain.txt").write_text(f"person {bsn}.")
    (tmp_path / "stripped.csv").write_text(f"a;{int(bsn)};b")
    (tmp_path / "wide.txt").write_bytes(f"person {bsn}.".encode("utf-16-le"))
    (tmp_path / "encoded.txt").write_bytes(base64.b64encode(f"x{bsn}y".encode()))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(f"person {bsn}.".encode()))
    (tmp_path / "nested.json").write_text(
        json.dumps({"blob": base64.b64encode(f'{{"id": "{bsn}"}}'.encode()).decode()})
    )
    pq.write_table(pa.table({"number": [int(bsn), 5]}), tmp_path / "numbers.parquet")
    with sqlite3.connect(tmp_path / "base.sqlite") as database:
        database.execute("CREATE TABLE t (v TEXT)")
        database.execute("INSERT INTO t VALUES (?)", (bsn,))
    (tmp_path / f"file-{bsn}").write_text("")
    planted = sorted(str(path) for path in tmp_path.iterdir() if path.stat().st_size)
    assert sorted(set(leaking_files([tmp_path], canaries))) == sorted([*planted, f"name of {tmp_path}"])


def test_the_search_opens_every_pseudonymised_frame_and_key_table(small_job: Job) -> None:
    """What does stand in each, a hash or a unit of its own, is found in each, and by the custodian's keys alone."""
    folders = [small_job.workspace / name for name in ("keys", "pseudonymised")]
    opening = Opening(Custody.open(folders[0], passphrase_of(small_job)))
    tables = sorted(path for folder in folders for path in folder.rglob("*.parquet"))
    held = [pq.read_table(path, decryption_properties=opening.custody.decryption()) for path in tables]
    hashes = [table[name][0].as_py() for table in held for name in table.column_names if name.endswith("hash")]
    units = [table["unit"][0].as_py() for table in held if "unit" in table.column_names]
    own = Canaries([unit.removeprefix("P") for unit in units], filter(None, hashes))
    assert len(tables) >= 14
    assert leaking_files(folders, own, opening) == [str(path) for path in tables]
    with pytest.raises(ValueError, match="encrypted"):
        leaking_files(folders, own)


def test_the_search_finds_an_identifier_in_an_encrypted_table(small_job: Job, tmp_path: Path) -> None:
    """As text, as a number, in a column for hashes and in the place of a register's number, which is none itself."""
    canaries = canaries_of(small_job)
    opening = opening_of(small_job.workspace, small_job.country, passphrase_of(small_job))
    people = pq.read_table(small_job.country / "key_register/persons.parquet")
    numbers = people["RINPERSOON"].to_pylist()
    bsn = next(value for value in people["bsn"].to_pylist() if value.startswith("0") and value not in numbers)
    columns = {
        "text": pa.array(["nothing", f"see {bsn}."]),
        "number": pa.array([1, int(bsn)]),
        "hash": pa.array([bytes(16), bsn.encode().ljust(16, b"\0")], pa.binary(16)),
        "bytes": pa.array([b"", bsn.encode()]),
        "unit": pa.array(["P000000000", f"P{bsn}"]),
        "pairs": pa.array([bytes(4), bytes.fromhex(bsn[1:])], pa.binary(4)),
    }
    clean = {"unit": pa.array([f"P{numbers[0]}", f"HNXP{numbers[1]}"]), "hash": pa.array([b"\7" * 16], pa.binary(16))}
    until = date(2031, 12, 31)
    for name, column in {**columns, **{f"clean-{name}": column for name, column in clean.items()}}.items():
        how = opening.custody.encryption("ondermijning", until)
        pq.write_table(pa.table({name: column}), tmp_path / f"{name}.parquet", encryption_properties=how)
    assert leaking_files([tmp_path], canaries, closed=True) == []
    assert leaking_files([tmp_path], canaries, opening) == sorted(str(tmp_path / f"{name}.parquet") for name in columns)
    register = Canaries(numbers[:1])
    assert leaking_files([tmp_path], register, opening) == []
    assert leaking_files([tmp_path], register, Opening(opening.custody)) == [str(tmp_path / "clean-unit.parquet")]
    household = opening.households.to_pylist()[-1]
    how = opening.custody.encryption("ondermijning", until)
    units = pa.table({"unit": [f"HN{household}", "HN999999999999"]})
    pq.write_table(units, tmp_path / "household.parquet", encryption_properties=how)
    found = [str(tmp_path / "household.parquet")]
    assert leaking_files([tmp_path], Canaries([household]), opening) == []
    assert leaking_files([tmp_path], Canaries([household]), Opening(opening.custody)) == found
    assert leaking_files([tmp_path], Canaries(["999999999999"]), opening) == found


@pytest.mark.parametrize("number", ["123456782", "012345672"])
@pytest.mark.parametrize("before", ["", "x", "id=", '{"unit": "', "g" * 40])
def test_a_number_in_base64_is_found_at_every_alignment_and_not_where_it_stands_in_a_digest(
    number: str, before: str, tmp_path: Path
) -> None:
    """As Parquet footers hold schemas, with manifests and their digests, in base64."""
    canaries = Canaries([number])
    digest = f"{'0f' * 14}a{number}b{'c4' * 13}"
    for shape in (number, number.lstrip("0")):
        held = base64.b64encode(f"{before}{shape}".encode()), base64.urlsafe_b64encode(f"{before}{shape}?~ÿ".encode())
        for place, text in enumerate((*held, b"path/" + held[0], b"ab" + held[1])):
            table = pa.table({"a": [1]}).replace_schema_metadata({"schema": text})
            pq.write_table(table, tmp_path / f"{place}.parquet")
            assert canaries.found_in(text), place
        assert len(leaking_files([tmp_path], canaries)) == 4
        assert not canaries.found_in(base64.b64encode(f'{before}"sha256": "{digest}"'.encode()))
    table = pa.table({"a": [1]}).replace_schema_metadata({"manifest": f'{before}{{"sha256": "{digest}"}}'})
    pq.write_table(table, tmp_path / "0.parquet")
    assert str(tmp_path / "0.parquet") not in leaking_files([tmp_path], canaries)


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("persons", "engine", "dirty"),
    [(1000, "duckdb", False), (1000, "spark", False), (50_000, "duckdb", True), (1_000_000, "duckdb", True)],
)
def test_nothing_leaks_into_files_process_lists_plans_and_logs(
    persons: int, engine: str, dirty: bool, tmp_path: Path
) -> None:
    """With the engines made to say all they can."""
    told = tmp_path / "told"
    size = ("--persons", str(persons), "--seed", "5", "--engine", engine, *(("--dirty",) if dirty else ()))
    command = [sys.executable, "-m", "tests.pipeline.observed", told, "demo", *size, "--workspace", tmp_path / "run"]
    with process_list() as seen:
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **own_places(tmp_path)},
        )
    assert done.returncode == 0, done.stdout + done.stderr
    job = Job(tmp_path, Done(done.returncode, done.stdout, done.stderr))
    assert any(b"pipeline" in line for line in seen)
    canaries = canaries_of(job)
    assert leaking_files([told], canaries) == []
    assert not any(canaries.stand_in(line) for line in seen)
    assert talks(told, engine)
    check_nothing_leaks(job, canaries)


def talks(told: Path, engine: str) -> bool:
    """Whether what the engine said is there."""
    if engine == "spark":
        return any(b"SparkListenerSQLExecutionStart" in path.read_bytes() for path in told.rglob("*") if path.is_file())
    entries = [path.read_text() for path in told.rglob("duckdb_log_entries.csv")]
    return "HASH_JOIN" in "".join(entries) and "Hash Join" in (told / "plans.txt").read_text()
