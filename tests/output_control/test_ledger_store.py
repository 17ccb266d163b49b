"""The ledger on disk: nothing in clear, nothing lost, nothing changed unseen, and gone when it is erased."""

from __future__ import annotations

import shutil
import struct
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from enclave.entropy import SeededEntropy
from enclave.errors import KeyUnavailable, NotReady, Refused, StorageFailed, Tampered
from output_control.ledger.history import History
from output_control.ledger.keys import KEYS_FILE, LedgerKeys
from output_control.ledger.released import pack, unpack
from output_control.ledger.remember import ProjectIds
from output_control.ledger.store import Anchor, Ledger
from tests.output_control.killing import audited
from tests.output_control.ledger_tables import Shelf, a_dimension, a_table
from tests.output_control.ledger_world import UNTIL, a_ledger, about

UNITS = np.array([4_611_686_018_427_387_001 + 977 * i for i in range(40)])
MEMBERS = UNITS - 7
TABLE = a_table("t", [a_dimension("p", 4)], (np.arange(40) % 4 + 1)[:, None], UNITS)
CONTENT = pack([replace(TABLE, rows=replace(TABLE.rows, member=MEMBERS))])


def filled(folder: Path, releases: int = 3) -> Ledger:
    ledger = a_ledger(folder)
    for number in range(releases):
        ledger.append(about(f"r{number}"), CONTENT)
    return ledger


def reopened(folder: Path) -> Ledger:
    return Ledger(folder / "ledger", LedgerKeys.open(folder / "gate-keys"))


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    filled(tmp_path)
    ledger = reopened(tmp_path)
    entries = ledger.verify()
    assert [entry.release for entry in entries] == ["r0", "r1", "r2"]
    (table,) = ledger.tables(entries[1])
    (original,) = unpack(CONTENT, "r1")
    assert np.array_equal(table.rows.row, UNITS) and table.rows.member is not None
    assert np.array_equal(table.rows.member, MEMBERS) and np.array_equal(table.rows.leaf, original.rows.leaf)
    assert table.table.value.tolist() == original.table.value.tolist() == [40, 10, 10, 10, 10]
    assert (table.label, table.kinds, table.table.dims) == ("t of r1", ("unit", "unit"), original.table.dims)


def test_the_same_release_twice_is_one_entry(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 1)
    assert ledger.append(about("r0"), CONTENT) == ledger.entries()[0].anchor
    assert len(ledger.entries()) == 1
    with pytest.raises(Tampered, match="other units for r0"):
        ledger.append(about("r0"), pack([]))


def test_no_unit_name_or_number_of_units_lies_in_the_zone_in_clear(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    stored = b"".join(path.read_bytes() for path in sorted(ledger.folder.iterdir()))
    for unit in [*UNITS.tolist(), *MEMBERS.tolist()]:
        assert struct.pack("<q", unit) in CONTENT
        for form in (struct.pack("<q", unit), struct.pack(">q", unit), str(unit).encode()):
            assert form not in stored
    for word in (b"r0-request", b"object", b"sequence", b"statistiek", b"kept_until"):
        assert word not in stored
    assert all(path.stat().st_mode & 0o077 == 0 for path in ledger.folder.iterdir() if path.name != ".lock")


def test_sizes_tell_only_the_order_of_magnitude(tmp_path: Path) -> None:
    sizes = set()
    for count in (1024, 1040, 1061, 1080):
        rows = np.arange(1, count + 1)
        table = a_table("t", [a_dimension("p", 4)], (rows % 4 + 1)[:, None], rows)
        ledger = a_ledger(tmp_path / str(count))
        ledger.append(about("r"), pack([replace(table, defined="")]))
        sizes.add((ledger.folder / "000001.body").stat().st_size)
    assert len(sizes) == 1


@pytest.mark.parametrize("kind", ["head", "body"])
def test_every_changed_byte_is_found(tmp_path: Path, kind: str) -> None:
    ledger = filled(tmp_path)
    file = ledger.folder / f"000002.{kind}"
    whole = file.read_bytes()
    for place in (0, 13, len(whole) // 2, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(Tampered, match="2 of the release ledger"):
            reopened(tmp_path).verify()
    file.write_bytes(whole)
    reopened(tmp_path).verify()


@pytest.mark.parametrize("kind", ["head", "body"])
def test_two_swapped_entries_are_found(tmp_path: Path, kind: str) -> None:
    folder = filled(tmp_path).folder
    first, second = folder / f"000001.{kind}", folder / f"000002.{kind}"
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    with pytest.raises(Tampered):
        reopened(tmp_path).verify()


def test_an_entry_that_was_taken_out_is_found(tmp_path: Path) -> None:
    folder = filled(tmp_path).folder
    (folder / "000002.head").unlink()
    with pytest.raises(Tampered, match="entry 2 of the release ledger is missing"):
        reopened(tmp_path).entries()


def test_a_ledger_that_was_set_back_whole_is_found_by_the_journals_anchor(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 2)
    shutil.copytree(ledger.folder, tmp_path / "earlier")
    anchor = ledger.append(about("r2"), CONTENT)
    shutil.rmtree(ledger.folder)
    shutil.copytree(tmp_path / "earlier", ledger.folder)
    back = reopened(tmp_path)
    back.verify()
    with pytest.raises(Tampered, match="ends at entry 2, but entry 3 is known"):
        back.verify([anchor])
    back.append(about("another"), CONTENT)
    with pytest.raises(Tampered, match="entry 3 of the release ledger is not the one that is known"):
        back.verify([anchor])


def test_another_ledgers_entries_do_not_open(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    keys = tmp_path / "b"
    keys.mkdir()
    other = Ledger(tmp_path / "a" / "ledger", LedgerKeys.create(keys, SeededEntropy(8)))
    with pytest.raises(Tampered):
        other.entries()


def test_a_missing_ledger_and_missing_or_open_keys_are_refused(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "gate-keys" / KEYS_FILE).chmod(0o640)
    with pytest.raises(KeyUnavailable, match="others may read"):
        reopened(tmp_path)
    (tmp_path / "gate-keys" / KEYS_FILE).chmod(0o600)
    shutil.rmtree(tmp_path / "ledger")
    with pytest.raises(NotReady, match="no release ledger"):
        reopened(tmp_path).entries()
    (tmp_path / "gate-keys" / KEYS_FILE).unlink()
    with pytest.raises(KeyUnavailable):
        reopened(tmp_path)


def test_killed_at_any_file_operation_the_ledger_is_whole_and_goes_on(tmp_path: Path) -> None:
    filled(tmp_path / "start", 1)
    point, died = 1, True
    while died:
        place = tmp_path / f"at{point}"
        shutil.copytree(tmp_path / "start", place)
        died = audited(lambda place=place: reopened(place).append(about("r1"), CONTENT), point)
        before = reopened(place).verify()
        assert [entry.release for entry in before] in (["r0"], ["r0", "r1"])
        anchor = reopened(place).append(about("r1"), CONTENT)
        assert [entry.anchor for entry in reopened(place).verify([anchor])][1] == anchor
        assert not [path for path in (place / "ledger").iterdir() if ".part-" in path.name]
        point += 1
    assert point > 8


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = filled(tmp_path, 1)
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if ".head" in path.name:
            write(path, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageFailed, match="the disk is full"):
        ledger.append(about("r1"), CONTENT)
    monkeypatch.undo()
    assert [entry.release for entry in reopened(tmp_path).verify()] == ["r0"]


def test_erased_units_are_gone_wherever_a_copy_is_and_a_request_that_overlaps_goes_to_a_person(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    rows = np.arange(1, 41)
    table = a_table("t", [a_dimension("p", 4)], (rows % 4 + 1)[:, None], rows)
    shelf.ledger.append(about("old", kept_until=date(2030, 12, 31), kinds=("unit",)), pack([table]))
    shelf.ledger.append(about("new", kinds=("unit",)), pack([]))
    shutil.copytree(shelf.ledger.folder, tmp_path / "backup")
    assert shelf.ledger.erase(date(2031, 1, 1)) == ("old",)
    assert not (shelf.ledger.folder / "000001.body").exists()
    for folder in (shelf.ledger.folder, tmp_path / "backup"):
        kept = Ledger(folder, LedgerKeys.open(tmp_path / "gate-keys"))
        old, new = kept.verify()
        assert (old.erased, new.erased) == (True, False)
        with pytest.raises(KeyUnavailable, match="erased"):
            kept.tables(old)
    with pytest.raises(Refused, match=r"old were erased at their retention date.*a person must decide"):
        shelf.check(table)


def test_an_erased_release_of_other_units_does_not_stand_in_the_way(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.ledger.append(about("old", kept_until=date(2030, 12, 31), kinds=("entity",)), pack([]))
    shelf.ledger.erase(date(2031, 1, 1))
    rows = np.arange(1, 41)
    shelf.check(a_table("t", [a_dimension("p", 4)], (rows % 4 + 1)[:, None], rows))


def test_the_same_check_again_sees_what_its_release_saw(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    history = History(ledger, ledger.entries(), ProjectIds())
    assert [entry.release for entry in history.before("r1").entries] == ["r0"]
    assert len(history.before("something else").entries) == 3


def test_an_anchor_of_nothing_is_no_anchor(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    with pytest.raises(Tampered):
        ledger.verify([Anchor(1, "0" * 64)])
    assert date(2026, 1, 1) < UNTIL
