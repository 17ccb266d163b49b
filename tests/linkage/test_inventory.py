"""No file of the key zone changes, comes or goes unseen, wherever the writer was killed."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from enclave.errors import Tampered
from enclave.files import sweep_temporaries, write_text
from enclave.signatures import SigningKey
from linkage.inventory import LISTING, Inventory
from linkage.key_zone import KeyZone
from linkage.units import ASSIGNED
from tests.output_control.killing import audited

KEY = SigningKey.from_seed(bytes(32))
ROWS = pa.record_batch([pa.array(["P1"]), pa.array([5])], schema=ASSIGNED)


def zone_in(root: Path, project: str = "p", key: SigningKey = KEY) -> KeyZone:
    """A key zone with a file beside it that remembers revisions, as the journal does."""
    journal = root / "journal"
    (root / "zone").mkdir(parents=True, exist_ok=True)
    inventory = Inventory(
        root / "zone",
        project,
        key=lambda: key,
        told=lambda: int(journal.read_text()) if journal.is_file() else 0,
        tell=lambda revision: write_text(journal, str(revision)),
    )
    return KeyZone(root / "zone", inventory=inventory)


def written(zone: KeyZone) -> KeyZone:
    """Two tables and two texts, one of them written twice, and one more table that was removed."""
    for name in ("units-000001.parquet", "matches-a-b.parquet", "old.parquet"):
        with zone.writing(name, ASSIGNED) as sink:
            sink(ROWS)
    zone.write_texts({"versions.json": "[1]", "linkage.md": "report"})
    zone.write_texts({"versions.json": "[1, 2]"})
    zone.remove(["old.parquet", "never.parquet"])
    return zone


@pytest.fixture
def zone(tmp_path: Path) -> KeyZone:
    return written(zone_in(tmp_path))


def state(zone: KeyZone) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in zone.folder.iterdir()}


def refused(zone: KeyZone, *said: str) -> None:
    before = state(zone)
    with pytest.raises(Tampered) as raised:
        zone.check()
    assert all(text in str(raised.value) for text in said), str(raised.value)
    assert raised.value.next_step
    assert state(zone) == before


def test_what_was_written_is_right_and_stays_so(zone: KeyZone) -> None:
    before = state(zone)
    assert zone.check() == frozenset()
    assert state(zone) == before
    assert sorted(before) == sorted(
        ["units-000001.parquet", "matches-a-b.parquet", "versions.json", "linkage.md", LISTING]
    )


@pytest.mark.parametrize("step", [41, pytest.param(1, marks=pytest.mark.sweep)])
def test_one_flipped_bit_in_any_byte_of_any_file_is_found(step: int, zone: KeyZone) -> None:
    for path in sorted(zone.folder.iterdir()):
        content = path.read_bytes()
        for place in range(0, len(content), step):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
            refused(zone, path.name)
        path.write_bytes(content)
        zone.check()


def test_a_file_of_before_is_found(zone: KeyZone) -> None:
    (zone.folder / "versions.json").write_text("[1]")
    refused(zone, "versions.json was changed")


def test_all_that_is_wrong_is_told_at_once(zone: KeyZone) -> None:
    (zone.folder / "units-000001.parquet").unlink()
    (zone.folder / "units-000002.parquet").write_bytes(b"x")
    (zone.folder / "versions.json").write_text("[]")
    refused(
        zone,
        "units-000001.parquet is missing",
        "units-000002.parquet is foreign",
        "versions.json was changed",
    )
    (zone.folder / "deep").mkdir()
    (zone.folder / "deep/er").symlink_to("nowhere")
    with pytest.raises(Tampered, match="deep/er is foreign"):
        zone.check()


def test_what_a_command_makes_again_may_be_missing_and_is_told_until_it_is_there(zone: KeyZone) -> None:
    lost = {"matches-a-b.parquet", "linkage.md"}
    for name in lost:
        (zone.folder / name).unlink()
    assert zone.check() == zone.check() == lost
    assert zone.with_prefix("linkage") == {"linkage.md"}
    zone.write_texts({"linkage.md": "another"})
    zone.remove(["matches-a-b.parquet"])
    assert zone.check() == frozenset()


def test_a_listing_that_is_missing_of_another_project_or_under_another_key_is_found(
    zone: KeyZone, tmp_path: Path
) -> None:
    listing = zone.folder / LISTING
    for other in (zone_in(tmp_path, project="q"), zone_in(tmp_path, key=SigningKey.from_seed(bytes(31) + b"1"))):
        refused(other, f"{LISTING} of the key tables was changed, or is of another project")
    listing.unlink()
    refused(zone, f"{LISTING} of the key tables is missing")
    for path in zone.folder.iterdir():
        path.unlink()
    refused(zone, f"{LISTING} of the key tables is missing")
    with pytest.raises(Tampered, match="is missing"):
        zone.write_texts({"versions.json": "[]"})


def test_a_folder_that_was_set_back_whole_is_found(zone: KeyZone) -> None:
    before = state(zone)
    zone.write_texts({"versions.json": "[1, 2, 3]"})
    zone.tell_journal()
    for name, content in before.items():
        (zone.folder / name).write_bytes(content)
    refused(zone, "set back")
    with pytest.raises(Tampered, match="set back"):
        zone.write_texts({"versions.json": "[]"})


def test_the_tables_of_an_earlier_version_are_taken_as_they_are_once(tmp_path: Path) -> None:
    zone = zone_in(tmp_path)
    (zone.folder / "versions.json").write_text("[1]")
    assert zone.check() == frozenset()
    (zone.folder / "versions.json").write_text("[2]")
    refused(zone, "versions.json was changed")


@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.sweep)])
def test_killed_at_any_file_operation_the_zone_is_right_and_a_second_run_ends_the_same(
    step: int, tmp_path: Path
) -> None:
    expected = state(written(zone_in(tmp_path / "whole")))
    killed = 0
    for point in itertools.count(2, step):
        zone = zone_in(tmp_path / str(point))
        if not audited(partial(written, zone), point):
            break
        killed += 1
        zone.check()
        written(zone).check()
        sweep_temporaries(zone.folder)
        ours = {name: content for name, content in state(zone).items() if name != LISTING}
        assert ours == {name: content for name, content in expected.items() if name != LISTING}, point
    assert killed * step > 60


def test_a_plain_table_that_was_put_there_before_the_first_command_is_not_read(tmp_path: Path) -> None:
    """Who has no key could choose the numbers of all units, and know them in what researchers see."""
    with (plain := zone_in(tmp_path)).writing("units-000001.parquet", ASSIGNED) as sink:
        sink(ROWS)
    assert plain.reader(["units-000001.parquet"], ASSIGNED).read_all().num_rows == 1
    offices = KeyZone(plain.folder, encryption=lambda: None, decryption=lambda: None)
    with pytest.raises(Tampered, match=r"units-000001\.parquet is not encrypted") as raised:
        offices.reader(["units-000001.parquet"], ASSIGNED).read_all()
    assert raised.value.next_step
