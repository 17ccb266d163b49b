"""The journal finds every changed, missing, reordered and cut-off entry, and survives kills and full disks."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import NotReady, StorageFailed, Tampered
from enclave.fingerprints import canonical_json, digest_bytes
from enclave.journal import GENESIS, Head, Journal, size_class

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def add(journal: Journal, number: int, **details: object) -> Head:
    """An entry like those of the runner."""
    return journal.append(
        actor="runner", action="step", subject=f"s{number}", details=details or {"n": number}, now=NOW
    )  # type: ignore[arg-type] # JSON in these tests


def filled(folder: Path, count: int = 5) -> Journal:
    """A journal of ``count`` entries."""
    journal = Journal(folder)
    for number in range(1, count + 1):
        add(journal, number)
    return journal


def lines(journal: Journal) -> list[bytes]:
    """The journal's lines."""
    return journal.file.read_bytes().splitlines(keepends=True)


def rewrite(journal: Journal, content: list[bytes]) -> None:
    """Replace the journal's lines."""
    journal.file.write_bytes(b"".join(content))


# appending


def test_entries_come_back_in_order_with_their_digests(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    entries = list(journal.entries())
    assert [e.sequence for e in entries] == [1, 2, 3, 4, 5]
    assert [e.previous for e in entries] == [GENESIS, *(e.digest for e in entries[:-1])]
    assert journal.head() == journal.verify() == Head(5, entries[-1].digest)


def test_an_entrys_digest_is_sha_256_over_its_other_fields(tmp_path: Path) -> None:
    fields = json.loads(lines(filled(tmp_path, 1))[0])
    digest = fields.pop("digest")
    assert digest == digest_bytes(canonical_json(fields))


def test_times_are_written_in_utc(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    abroad = NOW.astimezone(timezone(timedelta(hours=2)))
    journal.append(actor="a", action="b", subject="c", details={}, now=abroad)
    assert next(journal.entries()).time == "2026-03-02T09:00:00+00:00"


def test_an_empty_journal_has_a_head_and_nothing_to_verify(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none")
    assert journal.head() == Head(0, GENESIS)
    assert list(journal.entries()) == []
    with pytest.raises(NotReady, match="no journal yet"):
        journal.verify()


def test_the_journal_may_be_appended_by_its_group(tmp_path: Path) -> None:
    journal = filled(tmp_path, 1)
    assert journal.file.stat().st_mode & 0o777 == 0o664
    assert (tmp_path / "head.json").stat().st_mode & 0o777 == 0o664


@given(
    st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(max_size=20), max_size=4)
)
def test_any_details_come_back(tmp_path_factory: pytest.TempPathFactory, details: dict[str, object]) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal"))
    journal.append(actor="a", action="b", subject="c", details=details, now=NOW)  # type: ignore[arg-type] # JSON by construction
    assert next(journal.entries()).details == details
    journal.verify()


@pytest.mark.parametrize("size", [65_000, 65_536, 70_000, 300_000])
def test_entries_longer_than_the_block_that_is_read_backwards_are_found(tmp_path: Path, size: int) -> None:
    journal = filled(tmp_path, 2)
    add(journal, 3, text="x" * size)
    add(journal, 4, text="x" * size)
    assert journal.head().sequence == 4
    assert journal.verify().sequence == 4


def append_many(folder: str) -> None:
    """Forty entries by one of several processes."""
    for number in range(40):
        add(Journal(Path(folder)), number)


def test_several_processes_append_without_losing_or_mixing_an_entry(tmp_path: Path) -> None:
    workers = [multiprocessing.get_context("fork").Process(target=append_many, args=(str(tmp_path),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Journal(tmp_path).verify().sequence == 120


# tampering


@pytest.mark.parametrize("entry", range(5))
def test_every_changed_byte_of_every_entry_is_found(tmp_path: Path, entry: int) -> None:
    journal = filled(tmp_path)
    original = lines(journal)
    for position in range(0, len(original[entry]), 3):
        line = bytearray(original[entry])
        line[position] ^= 1
        rewrite(journal, [*original[:entry], bytes(line), *original[entry + 1 :]])
        with pytest.raises(Tampered):
            journal.verify()
    rewrite(journal, original)
    journal.verify()


@pytest.mark.parametrize("entry", range(4))
def test_a_missing_entry_is_named(tmp_path: Path, entry: int) -> None:
    journal = filled(tmp_path)
    original = lines(journal)
    rewrite(journal, original[:entry] + original[entry + 1 :])
    with pytest.raises(Tampered, match=f"journal entry {entry + 1} is missing or out of order"):
        journal.verify()


def test_swapped_entries_are_named(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    one, two, three, *rest = lines(journal)
    rewrite(journal, [one, three, two, *rest])
    with pytest.raises(Tampered, match="journal entry 2 is missing or out of order"):
        journal.verify()


def forged(journal: Journal, entry: int, **changed: object) -> bytes:
    """An entry that was changed and digested anew."""
    fields = json.loads(lines(journal)[entry])
    del fields["digest"]
    fields |= changed
    return canonical_json({**fields, "digest": digest_bytes(canonical_json(fields))}) + b"\n"


def test_a_changed_entry_with_a_new_digest_breaks_the_chain(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    original = lines(journal)
    rewrite(journal, [original[0], forged(journal, 1, subject="other"), *original[2:]])
    with pytest.raises(Tampered, match="journal entry 3 does not follow the entry before it"):
        journal.verify()


def test_a_changed_last_entry_with_a_new_digest_is_found_by_the_recorded_head(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    rewrite(journal, [*lines(journal)[:-1], forged(journal, 4, subject="other")])
    with pytest.raises(Tampered, match="journal entry 5 is not the one"):
        journal.verify()
    with pytest.raises(Tampered, match="journal entry 5 is not the one"):
        add(journal, 6)


def test_a_journal_written_anew_is_found_by_an_anchor_kept_elsewhere(tmp_path: Path) -> None:
    anchor = filled(tmp_path / "true", 3).head()
    forgery = Journal(tmp_path / "forged")
    for number in range(5):
        add(forgery, 100 + number)
    with pytest.raises(Tampered, match="journal entry 3 is not the one whose digest is known"):
        forgery.verify([anchor])


@pytest.mark.parametrize("kept", range(5))
def test_a_cut_off_end_is_found_by_the_recorded_head(tmp_path: Path, kept: int) -> None:
    journal = filled(tmp_path)
    rewrite(journal, lines(journal)[:kept])
    with pytest.raises(Tampered, match=f"ends at entry {kept}, but entry 5 is known"):
        journal.verify()
    with pytest.raises(Tampered, match="entries were cut off"):
        add(journal, 6)


def test_a_cut_into_the_last_entry_is_found_by_the_recorded_head(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    text = journal.file.read_bytes()
    for cut in (1, 2, 30):
        journal.file.write_bytes(text[:-cut])
        with pytest.raises(Tampered, match="ends at entry 4, but entry 5 is known"):
            journal.verify()


def test_a_cut_off_end_without_the_recorded_head_is_found_by_an_anchor(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    anchor = journal.head()
    rewrite(journal, lines(journal)[:2])
    (tmp_path / "head.json").unlink()
    assert journal.verify().sequence == 2
    with pytest.raises(Tampered, match="ends at entry 2, but entry 5 is known"):
        journal.verify([anchor])


def test_a_missing_journal_whose_heads_are_known_is_tampering(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    anchor = journal.head()
    journal.file.unlink()
    with pytest.raises(Tampered, match="journal file is missing"):
        journal.verify()
    (tmp_path / "head.json").unlink()
    with pytest.raises(Tampered, match="journal file is missing"):
        journal.verify([anchor])


def test_an_anchor_that_is_no_place_in_a_journal_is_refused(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    with pytest.raises(Tampered, match="entry -1 is known"):
        journal.verify([Head(-1, journal.head().digest)])


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"sequence":"x","digest":""}', b"\xff"])
def test_an_unreadable_head_file_is_tampering(tmp_path: Path, content: bytes) -> None:
    journal = filled(tmp_path)
    (tmp_path / "head.json").write_bytes(content)
    with pytest.raises(Tampered, match="head file is not readable"):
        journal.verify()


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"{}\n", b"no json\n", b"\xff\n", b'{"sequence":"x","digest":1}\n'])
def test_a_line_that_is_no_entry_is_tampering_everywhere(tmp_path: Path, line: bytes) -> None:
    journal = filled(tmp_path, 2)
    rewrite(journal, [*lines(journal), line])
    with pytest.raises(Tampered, match="journal entry 3 is not a whole entry"):
        journal.verify()
    with pytest.raises(Tampered, match="journal entry 3 is not a whole entry"):
        list(journal.entries())
    with pytest.raises(Tampered, match="last entry is not a whole entry"):
        journal.head()
    with pytest.raises(Tampered, match="last entry is not a whole entry"):
        add(journal, 3)


def test_an_entry_in_another_spelling_is_tampering(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    original = lines(journal)
    rewrite(journal, [original[0].replace(b'":', b'": '), *original[1:]])
    with pytest.raises(Tampered, match="journal entry 1 is not a whole entry"):
        journal.verify()


# kills and disks


@pytest.mark.parametrize("half", [b"{", b'{"action":"st', b"\xc3"])
def test_a_half_written_line_is_no_entry_and_goes_with_the_next_one(tmp_path: Path, half: bytes) -> None:
    journal = filled(tmp_path, 3)
    with journal.file.open("ab") as handle:
        handle.write(half)
    assert journal.head().sequence == 3
    assert journal.verify().sequence == 3
    assert len(list(journal.entries())) == 3
    add(journal, 4)
    assert journal.verify().sequence == 4


def test_a_first_line_that_was_half_written_is_no_entry(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.file.write_bytes(b'{"action"')
    assert journal.head() == Head(0, GENESIS)
    assert journal.verify() == Head(0, GENESIS)
    add(journal, 1)
    assert journal.verify().sequence == 1


def test_a_kill_between_entry_and_recorded_head_loses_nothing(tmp_path: Path) -> None:
    journal = filled(tmp_path, 3)
    child = os.fork()
    if child == 0:
        import sys

        sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGKILL) if event == "os.rename" else None)
        try:
            add(journal, 4)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert json.loads((tmp_path / "head.json").read_bytes())["sequence"] == 3
    assert journal.verify().sequence == 4
    add(journal, 5)
    assert journal.verify().sequence == 5


@pytest.mark.parametrize("moment", ["open", "fcntl.flock"])
def test_a_kill_at_the_start_of_appending_changes_nothing(tmp_path: Path, moment: str) -> None:
    journal = filled(tmp_path, 3)
    before = journal.file.read_bytes()
    child = os.fork()
    if child == 0:
        import sys

        sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGKILL) if event == moment else None)
        try:
            add(journal, 4)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert journal.file.read_bytes() == before
    assert add(journal, 4).sequence == 4


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["/bin/umount", str(place)], check=True)


def test_a_full_disk_is_said_and_leaves_the_journal_as_it_was(small_disk: Path) -> None:
    journal = filled(small_disk, 3)
    before = journal.file.read_bytes()
    with pytest.raises(StorageFailed, match="the disk is full while writing the journal"):
        add(journal, 4, text="x" * 100_000)
    assert journal.file.read_bytes() == before
    assert add(journal, 4).sequence == 4
    journal.verify()


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0"), (1, "<10"), (9, "<10"), (10, "10-99"), (99, "10-99"), (100, "100-999"), (123_456, "100000-999999")],
)
def test_a_size_class_tells_the_order_of_magnitude_only(count: int, said: str) -> None:
    assert size_class(count) == said
