"""The ids by which the ledger knows units: the same in every project, and read by the gate alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.entropy import SeededEntropy
from enclave.errors import KeyUnavailable, NotReady, Tampered
from linkage.key_zone import KeyZone
from linkage.units import ASSIGNED
from output_control.ledger.keys import LedgerKeys
from pipeline.ledger_units import MAP_FILE, RECIPIENT, UnitMap, publish_recipient, write_map

KEY = bytes(range(32))
UNITS = ("P000000012", "O000000012", "P900000034", "U" + "ab" * 16)


def a_map(folder: Path, integers: list[int], units: tuple[str, ...] = UNITS) -> tuple[LedgerKeys, Path]:
    """A project's map, sealed to a gate with keys from a seed."""
    gate, keys = folder / "gate", folder / "keys"
    gate.mkdir(parents=True)
    ledger_keys = LedgerKeys.create(gate, SeededEntropy(3))
    publish_recipient(ledger_keys, keys)
    zone = KeyZone(folder / "project")
    with zone.writing("units-000001.parquet", ASSIGNED) as sink:
        sink(pa.RecordBatch.from_arrays([pa.array(units), pa.array(integers)], schema=ASSIGNED))
    return ledger_keys, write_map(zone, KEY, keys / RECIPIENT, folder / MAP_FILE)


def test_a_unit_has_one_id_in_two_projects(tmp_path: Path) -> None:
    one, two = ([70, 5, 900, 12], [3, 2**52, 8, 44])
    found = [
        UnitMap.open(path, keys).ids(np.array(integers))
        for place, integers in (("a", one), ("b", two))
        for keys, path in [a_map(tmp_path / place, integers)]
    ]
    assert found[0].tolist() == found[1].tolist()
    assert len(set(found[0].tolist())) == len(UNITS)
    assert (found[0] > 0).all() and not set(found[0].tolist()) & {*one, *two}


def test_only_the_gate_opens_the_map_and_it_holds_nothing_in_clear(tmp_path: Path) -> None:
    keys, path = a_map(tmp_path / "a", [70, 5, 900, 12])
    stored = path.read_bytes()
    for number in (*UnitMap.open(path, keys).ids(np.array([70, 5, 900, 12])).tolist(),):
        assert np.int64(number).tobytes() not in stored
    (tmp_path / "other").mkdir()
    with pytest.raises(KeyUnavailable):
        UnitMap.open(path, LedgerKeys.create(tmp_path / "other", SeededEntropy(4)))
    path.chmod(0o640)
    path.write_bytes(stored[:-1] + bytes([stored[-1] ^ 1]))
    with pytest.raises(Tampered):
        UnitMap.open(path, keys)


def test_an_unknown_unit_and_a_missing_map_say_to_link_again(tmp_path: Path) -> None:
    keys, path = a_map(tmp_path / "a", [70, 5, 900, 12])
    with pytest.raises(NotReady, match=r"1 row.s. have a unit") as caught:
        UnitMap.open(path, keys).ids(np.array([70, 71]))
    assert "71" not in str(caught.value)
    path.unlink()
    with pytest.raises(NotReady, match="linking has not told the ledger its units"):
        UnitMap.open(path, keys)
