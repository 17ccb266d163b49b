"""Hashes of two key versions lead to the same units, one to one, or nothing is changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from enclave.engine import open_engine
from enclave.errors import Refused, Tampered
from linkage.key_register import KeyTableVersion, build_key_table, require_same_keys, versions
from linkage.rekeying import NAMES, Carry, bridge_file, carry_unmatched, names_of_unmatched, write_bridge
from linkage.units import ASSIGNED
from pseudonymise.custody import CMAC
from pseudonymise.keyed_hash import HashKey, cmac
from tests.linkage.conftest import Keys, Site

AGAIN = HashKey.of(b"again" + bytes(27), CMAC).hash_again


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def tag(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()[:16]


def tags(*numbers: int | None) -> pa.Array:
    return pa.array([None if n is None else tag(n) for n in numbers], pa.binary(16))


def rotated(site: Site, carry: Carry) -> KeyTableVersion:
    """The key table of a second version, whose hashes are under other keys."""
    new = Keys(f"{site.project.name}-2")
    with open_engine(
        "duckdb", scratch=site.root / "scratch", readable=[site.root], threads=1, memory_gib=1.0
    ) as engine:
        return build_key_table(
            site.country / "key_register",
            hasher=new.hasher,
            key_ids=new.ids(),
            zone=site.zone,
            engine=engine,
            key_version=2,
            carry=carry,
        )


def built(site: Site) -> Site:
    with open_engine(
        "duckdb", scratch=site.root / "scratch", readable=[site.root], threads=1, memory_gib=1.0
    ) as engine:
        site.build(engine)
    return site


def test_carried_hashes_are_the_old_ones_hashed_again_and_lead_to_the_same_units(site: Site, tmp_path: Path) -> None:
    own = built(site.at(tmp_path))
    before = pq.read_table(own.zone.folder / "hashes-000001.parquet")
    made = rotated(own, Carry(AGAIN, "carried", own.keys.hasher))
    carried = pq.read_table(own.zone.folder / made.carried_file)
    expected = dict(zip(AGAIN(before["hash"].combine_chunks()).to_pylist(), before["unit"].to_pylist(), strict=True))
    assert dict(zip(carried["hash"].to_pylist(), carried["unit"].to_pylist(), strict=True)) == expected
    direct = pq.read_table(own.zone.folder / made.file)
    assert sorted(direct["unit"].to_pylist()) == sorted(before["unit"].to_pylist())
    assert not set(direct["hash"].to_pylist()) & {*carried["hash"].to_pylist(), *before["hash"].to_pylist()}
    # without the old key, what was carried stays as it was
    alone = built(site.at(tmp_path / "alone"))
    rotated(alone, Carry(AGAIN, "carried"))
    assert pq.read_table(alone.zone.folder / made.carried_file).equals(carried)


def test_versions_that_are_not_one_to_one_change_nothing(site: Site, tmp_path: Path) -> None:
    own = built(site.at(tmp_path))
    before = files(own.zone.folder)

    def all_the_same(hashes: pa.Array) -> pa.Array:
        return pa.array([tag(0)] * len(hashes), pa.binary(16))

    with pytest.raises(Tampered, match="not one to one"):
        rotated(own, Carry(all_the_same, "carried", own.keys.hasher))
    assert files(own.zone.folder) == before
    assert [found.version for found in versions(own.zone)] == [1]


def test_frames_under_the_carry_over_key_are_linked_and_under_any_other_refused(site: Site, tmp_path: Path) -> None:
    made = rotated(built(site.at(tmp_path)), Carry(AGAIN, "carried", site.keys.hasher))
    require_same_keys("frame", {"bsn": "carried"}, made)
    require_same_keys("frame", {"bsn": made.key_ids["bsn"]}, made)
    with pytest.raises(Refused, match="under other keys"):
        require_same_keys("frame", {"bsn": site.keys.ids()["bsn"]}, made)


@pytest.fixture
def unmatched(site: Site, tmp_path: Path) -> Site:
    """Three units: one of the register, two that are known by their hash only."""
    own = site.at(tmp_path)
    labels = ["P000000001", *("U" + tag(n).hex().upper() for n in (1, 2))]
    with own.zone.writing("units-000001.parquet", ASSIGNED) as sink:
        sink(pa.record_batch([pa.array(labels), pa.array([7, 8, 9])], schema=ASSIGNED))
    return own


def test_unmatched_units_are_called_by_their_hash_carried_over_once_and_twice(unmatched: Site) -> None:
    zone = unmatched.zone
    assert carry_unmatched(zone, 2, AGAIN) == 2
    first = {row["hash"]: row["unit"] for row in names_of_unmatched(zone, 2).to_pylist()}
    assert first == {AGAIN(tags(n))[0].as_py(): "U" + tag(n).hex().upper() for n in (1, 2)}
    assert carry_unmatched(zone, 3, AGAIN) == 2
    twice = {row["hash"]: row["unit"] for row in names_of_unmatched(zone, 3).to_pylist()}
    assert twice == {AGAIN(AGAIN(tags(n)))[0].as_py(): "U" + tag(n).hex().upper() for n in (1, 2)}


def test_a_bridge_holds_the_new_hashes_of_unmatched_units_and_of_nobody_else(unmatched: Site) -> None:
    zone = unmatched.zone
    carry_unmatched(zone, 2, AGAIN)
    pairs = [(AGAIN(tags(1, 5, None, 2)), tags(101, 105, 106, None)), (AGAIN(tags(1)), tags(101))]
    path, held = write_bridge(zone, 2, "GM1/debts_2016", pairs)
    assert (path.name, held) == (bridge_file(2, "GM1/debts_2016"), 1)
    assert pq.read_table(path).cast(NAMES).to_pylist() == [{"hash": tag(101), "unit": "U" + tag(1).hex().upper()}]
    assert names_of_unmatched(zone, 2).num_rows == 3
    assert carry_unmatched(zone, 3, AGAIN) == 3


def test_two_units_that_would_share_a_name_change_nothing(unmatched: Site) -> None:
    with pytest.raises(Tampered, match="would share a name"):
        carry_unmatched(unmatched.zone, 2, lambda hashes: pa.array([tag(0)] * len(hashes), pa.binary(16)))
    assert not list(unmatched.zone.folder.glob("unmatched-*"))


def test_names_that_are_no_hashes_are_noticed(site: Site, tmp_path: Path) -> None:
    own = site.at(tmp_path)
    for label in ("U123", "U" + "Z" * 32):
        with own.zone.writing("units-000001.parquet", ASSIGNED) as sink:
            sink(pa.record_batch([pa.array([label]), pa.array([7])], schema=ASSIGNED))
        with pytest.raises(Tampered, match="do not read"):
            carry_unmatched(own.zone, 2, AGAIN)


def test_hashing_again_is_cmac_of_the_hash(site: Site) -> None:
    text = pa.array(["sixteen bytes ok"])
    assert cmac(text, b"again" + bytes(27))[0] == AGAIN(pa.array([b"sixteen bytes ok"], pa.binary(16)))[0]
