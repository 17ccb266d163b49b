"""Frames: a Parquet file with a zone inside, written whole or not at all, the same bytes whatever the batches."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enclave.errors import BadInput, NotReady, Tampered, WrongZone
from enclave.fingerprints import digest_file
from enclave.frames import (
    MANIFEST_KEY,
    ROW_GROUP_ROWS,
    Column,
    Frame,
    FrameManifest,
    manifest_columns,
    open_frame,
    streamed,
    writing_frame,
)
from enclave.zones import Derived, Identified, Linked, Pseudonymised, Zone, ZoneTag

SCHEMA = pa.schema([("person", pa.int64()), ("key", pa.binary(16)), ("place", pa.string())])
ROLES = {"person": "key:person", "key": "key:other", "person_status": "status:person"}


def a_manifest(zone: Zone = Zone.LINKED, schema: pa.Schema = SCHEMA) -> FrameManifest:
    """A manifest for ``schema``."""
    columns = manifest_columns(schema, {name: role for name, role in ROLES.items() if name in schema.names})
    return FrameManifest(zone=zone, name="persons", project="demo", columns=columns, made_by="test")


def some_rows(count: int, start: int = 0) -> pa.Table:
    """``count`` rows that differ."""
    numbers = range(start, start + count)
    keys = [n.to_bytes(16, "big") for n in numbers]
    places = [None if n % 7 == 0 else f"0{n % 50:03}" for n in numbers]
    columns = [pa.array(numbers, pa.int64()), pa.array(keys, pa.binary(16)), pa.array(places)]
    return pa.table(columns, schema=SCHEMA)


def write(path: Path, batches: Sequence[pa.Table | pa.RecordBatch], manifest: FrameManifest | None = None) -> Path:
    """A frame of these batches."""
    with writing_frame(path, manifest or a_manifest(), SCHEMA) as sink:
        for batch in batches:
            sink.write(batch)
    return path


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    frame = open_frame(write(tmp_path / "f.parquet", [some_rows(10)]), Linked)
    assert frame.rows == 10
    assert frame.manifest == a_manifest()
    assert pq.read_table(frame.path).replace_schema_metadata(None).equals(some_rows(10))
    assert frame.digest() == digest_file(frame.path)
    assert frame.path.stat().st_mode & 0o777 == 0o440


def test_an_empty_frame_has_its_columns(tmp_path: Path) -> None:
    frame = open_frame(write(tmp_path / "f.parquet", []), Linked)
    assert frame.rows == 0
    assert pq.read_schema(frame.path).names == SCHEMA.names


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(0, ROW_GROUP_ROWS + 5000), max_size=6))
def test_the_bytes_do_not_depend_on_how_rows_are_batched(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("frames")
    table = _LARGE
    edges = [0, *sorted(cuts), len(table)]
    pieces = [table.slice(low, high - low) for low, high in itertools.pairwise(edges)]
    one, other = write(folder / "one.parquet", [table]), write(folder / "other.parquet", pieces)
    assert one.read_bytes() == other.read_bytes()


_LARGE = some_rows(ROW_GROUP_ROWS + 5000)


def test_row_groups_have_one_size_and_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", _LARGE.to_batches(max_chunksize=1000))
    meta = pq.read_metadata(path)
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [ROW_GROUP_ROWS, 5000]


def test_rows_that_fill_a_group_exactly_leave_no_empty_one(tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", [_LARGE.slice(0, ROW_GROUP_ROWS)])
    assert pq.read_metadata(path).num_row_groups == 1


def test_columns_may_come_in_any_order_and_as_batches(tmp_path: Path) -> None:
    table = some_rows(5)
    turned = table.select(["place", "person", "key"]).to_batches()[0]
    assert write(tmp_path / "a", [turned]).read_bytes() == write(tmp_path / "b", [table]).read_bytes()


def test_a_column_that_the_schema_lacks_stays_out_and_one_that_is_missing_stops(tmp_path: Path) -> None:
    more = some_rows(5).append_column("name", pa.array(["x"] * 5))
    assert "name" not in pq.read_schema(write(tmp_path / "a", [more])).names
    with pytest.raises(KeyError):
        write(tmp_path / "b", [some_rows(5).drop_columns(["key"])])
    assert not (tmp_path / "b").exists()


def test_a_manifest_of_other_columns_is_refused(tmp_path: Path) -> None:
    other = a_manifest(schema=pa.schema([("person", pa.int64())]))
    with pytest.raises(BadInput, match="names other columns than its schema"):
        write(tmp_path / "f", [], other)
    assert list(tmp_path.iterdir()) == []


def test_columns_are_found_by_role() -> None:
    manifest = a_manifest()
    assert manifest.column_names("key") == ("person", "key")
    assert manifest.column_names("key:person") == ("person",)
    assert manifest.column_names("attribute") == ("place",)
    assert manifest.column_names("ke") == ()
    assert manifest.columns[1] == Column(name="key", type="fixed_size_binary[16]", role="key:other")


# zones


@pytest.mark.parametrize("written", [Identified, Pseudonymised, Linked, Derived])
@pytest.mark.parametrize("wanted", [Identified, Pseudonymised, Linked, Derived])
def test_a_frame_opens_in_its_own_zone_only(tmp_path: Path, written: type[ZoneTag], wanted: type[ZoneTag]) -> None:
    path = write(tmp_path / "f.parquet", [some_rows(3)], a_manifest(written.zone))
    if written is wanted:
        frame: Frame[ZoneTag] = open_frame(path, wanted)
        assert frame.tag is wanted
        return
    with pytest.raises(WrongZone, match=f"belongs to zone {written.zone.value}, not {wanted.zone.value}"):
        open_frame(path, wanted)


def test_a_parquet_file_that_is_no_frame_is_refused(tmp_path: Path) -> None:
    pq.write_table(some_rows(3), tmp_path / "f.parquet")
    with pytest.raises(WrongZone, match="not a frame of Zicht"):
        open_frame(tmp_path / "f.parquet", Linked)


# damage


def test_a_missing_frame_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="there is no frame persons") as raised:
        open_frame(tmp_path / "persons.parquet", Linked)
    assert "zicht status" in raised.value.next_step


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.parquet").write_bytes(content)
    with pytest.raises(Tampered, match="not a whole Parquet file"):
        open_frame(tmp_path / "f.parquet", Linked)


def test_a_truncated_frame_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", [some_rows(100)])
    content = path.read_bytes()
    path.chmod(0o640)
    for kept in range(0, len(content), 97):
        path.write_bytes(content[:kept])
        with pytest.raises(Tampered):
            open_frame(path, Linked)


def test_a_changed_byte_anywhere_is_found_by_the_journalled_digest(tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", [some_rows(100)])
    digest = digest_file(path)
    open_frame(path, Linked, sha256=digest)
    content = path.read_bytes()
    path.chmod(0o640)
    for position in range(0, len(content), 61):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(Tampered, match="differ from what was journalled"):
            open_frame(path, Linked, sha256=digest)


@pytest.mark.parametrize("manifest", [b"", b"{}", b'{"zone":"CANARY"}', b"\xff"])
def test_an_unreadable_manifest_is_refused_without_showing_it(tmp_path: Path, manifest: bytes) -> None:
    pq.write_table(some_rows(3).replace_schema_metadata({MANIFEST_KEY: manifest}), tmp_path / "f.parquet")
    with pytest.raises(Tampered, match="says of itself is not readable") as raised:
        open_frame(tmp_path / "f.parquet", Linked)
    assert "CANARY" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_an_error_while_writing_leaves_no_frame(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing_frame(tmp_path / "f", a_manifest(), SCHEMA) as sink:
        sink.write(some_rows(10))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_writing_leaves_the_earlier_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet", [some_rows(3)])
    before = path.read_bytes()
    child = os.fork()
    if child == 0:
        try:
            with writing_frame(path, a_manifest(), SCHEMA):
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert path.read_bytes() == before
    assert open_frame(path, Linked).rows == 3


def test_a_table_read_batch_by_batch_is_never_held_whole(tmp_path: Path) -> None:
    group, groups = 1 << 20, 40
    noise = pa.table({"noise": [os.urandom(group)]})
    with pq.ParquetWriter(tmp_path / "large.parquet", noise.schema, compression="none") as writer:
        for _ in range(groups):
            writer.write_table(noise)
    before, most = pa.total_allocated_bytes(), 0
    with streamed(tmp_path / "large.parquet") as file:
        for batch in file.iter_batches(batch_size=1, use_threads=False):
            assert batch.num_rows == 1
            most = max(most, pa.total_allocated_bytes() - before)
    assert group <= most < groups / 4 * group
