"""Atomic writing on real disks: killed, full, forbidden."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import StorageFailed
from enclave.files import (
    TEMPORARY_MARK,
    replacing,
    replacing_folder,
    storage_errors,
    sweep_temporaries,
    write_bytes,
    write_text,
)


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden things too."""
    return sorted(path.name for path in folder.iterdir())


def forked(work: Callable[[], object]) -> int:
    """Run ``work`` in a child process; its wait status (its own errors count as status 1)."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


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


# what is written


@given(content=st.binary(max_size=1000), mode=st.sampled_from([0o600, 0o640, 0o444]))
def test_what_is_written_is_what_is_read_with_its_mode(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, mode: int
) -> None:
    path = tmp_path_factory.mktemp("write") / "deeper" / "file"
    write_bytes(path, content, mode=mode)
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == mode
    assert names(path.parent) == ["file"]


def test_what_is_not_finished_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with replacing(tmp_path / "file", mode=0o644) as temporary:
            modes = [temporary.stat().st_mode & 0o777]
            temporary.write_bytes(b"half")
            modes.append(temporary.stat().st_mode & 0o777)
    finally:
        os.umask(before)
    assert modes == [0o600, 0o600]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_text_is_utf_8(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "één\n")
    assert (tmp_path / "file").read_bytes() == b"\xc3\xa9\xc3\xa9n\n"


def test_an_error_while_writing_leaves_the_earlier_file_and_no_temporary(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"before")
    with pytest.raises(KeyError), replacing(tmp_path / "file") as temporary:
        temporary.write_bytes(b"half")
        raise KeyError
    assert (tmp_path / "file").read_bytes() == b"before"
    assert names(tmp_path) == ["file"]


def test_a_kill_while_writing_leaves_the_earlier_file(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"before")

    def killed() -> None:
        with replacing(tmp_path / "file") as temporary:
            temporary.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

    assert os.WIFSIGNALED(forked(killed))
    assert (tmp_path / "file").read_bytes() == b"before"
    assert len(names(tmp_path)) == 2
    assert sweep_temporaries(tmp_path) == 1
    assert names(tmp_path) == ["file"]


# folders


def fill(folder: Path, content: bytes) -> None:
    """Write a folder with a file in a folder of its own, as :func:`replacing_folder` does."""
    with replacing_folder(folder) as fresh:
        (fresh / "inner").mkdir()
        (fresh / "inner/file").write_bytes(content)
        (fresh / "link").symlink_to("inner/file")


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    fill(tmp_path / "folder", b"one")
    (tmp_path / "folder/extra").write_bytes(b"")
    fill(tmp_path / "folder", b"two")
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["inner", "link"]
    assert (tmp_path / "folder/inner/file").read_bytes() == b"two"
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


def test_an_error_while_filling_a_folder_leaves_the_earlier_one(tmp_path: Path) -> None:
    fill(tmp_path / "folder", b"one")
    with pytest.raises(KeyError), replacing_folder(tmp_path / "folder"):
        raise KeyError
    assert names(tmp_path) == ["folder"]
    assert (tmp_path / "folder/inner/file").read_bytes() == b"one"


def killed_at_rename(folder: Path, number: int) -> int:
    """Fill ``folder`` anew in a child that dies just before its ``number``-th rename."""

    def work() -> None:
        import sys

        left = [number]

        def hook(event: str, _arguments: object) -> None:
            if event == "os.rename":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        fill(folder, b"two")

    return forked(work)


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "folder", b"one")
    assert os.WIFSIGNALED(killed_at_rename(tmp_path / "folder", 2))
    assert not (tmp_path / "folder").exists()
    assert sweep_temporaries(tmp_path) == 2
    assert names(tmp_path) == ["folder"]
    assert (tmp_path / "folder/inner/file").read_bytes() == b"one"


def test_a_kill_before_the_first_rename_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "folder", b"one")
    assert os.WIFSIGNALED(killed_at_rename(tmp_path / "folder", 1))
    sweep_temporaries(tmp_path)
    assert (tmp_path / "folder/inner/file").read_bytes() == b"one"


def test_an_old_folder_whose_replacement_came_is_swept_away(tmp_path: Path) -> None:
    fill(tmp_path / "folder", b"two")
    fill(tmp_path / f".folder{TEMPORARY_MARK}0000-old", b"one")
    assert sweep_temporaries(tmp_path) == 1
    assert (tmp_path / "folder/inner/file").read_bytes() == b"two"
    assert names(tmp_path) == ["folder"]


def test_a_second_rename_that_fails_puts_the_earlier_folder_back(tmp_path: Path) -> None:
    """The new folder vanishes at the last moment, so that only its rename can fail."""
    fill(tmp_path / "folder", b"one")
    (tmp_path / "folder").chmod(0o700)

    def vanish(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and str(arguments[1]).endswith("/folder") and "-old" not in str(arguments[0]):
            Path(str(arguments[0])).rename(tmp_path / "away")

    def work() -> None:
        import sys

        sys.addaudithook(vanish)
        with pytest.raises(FileNotFoundError):
            fill(tmp_path / "folder", b"two")
        assert (tmp_path / "folder/inner/file").read_bytes() == b"one"

    assert forked(work) == 0
    assert (tmp_path / "folder/inner/file").read_bytes() == b"one"


# sweeping


def test_sweeping_takes_files_folders_and_links_and_leaves_what_links_point_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_bytes(b"1")
    (tmp_path / f".a{TEMPORARY_MARK}01").write_bytes(b"")
    (tmp_path / f".b{TEMPORARY_MARK}02").symlink_to(kept)
    inner = tmp_path / f".c{TEMPORARY_MARK}03"
    inner.mkdir()
    (inner / f".d{TEMPORARY_MARK}04").write_bytes(b"")
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / f"visible{TEMPORARY_MARK}05").write_bytes(b"")
    assert sweep_temporaries(tmp_path) == 3
    assert names(tmp_path) == [".hidden", "kept", f"visible{TEMPORARY_MARK}05"]
    assert names(kept) == ["file"]


# full and forbidden disks


def test_a_full_disk_is_said_and_leaves_the_earlier_file(small_disk: Path) -> None:
    write_bytes(small_disk / "file", b"before")
    with pytest.raises(StorageFailed, match="the disk is full while writing file") as raised:
        write_bytes(small_disk / "file", bytes(100_000))
    assert raised.value.exit_code == 7
    assert "free space" in raised.value.next_step
    assert (small_disk / "file").read_bytes() == b"before"
    assert names(small_disk) == ["file"]


def test_a_full_disk_leaves_the_earlier_folder(small_disk: Path) -> None:
    fill(small_disk / "folder", b"before")
    with pytest.raises(StorageFailed, match="full"):
        fill(small_disk / "folder", bytes(100_000))
    assert (small_disk / "folder/inner/file").read_bytes() == b"before"
    assert names(small_disk) == ["folder"]


def test_a_write_that_is_cut_short_is_an_error_and_not_a_short_file(tmp_path: Path) -> None:
    """A limit on file size makes the first write of the system a partial one, as a nearly full disk does."""
    write_bytes(tmp_path / "file", b"before")

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(StorageFailed, match="full"):
            write_bytes(tmp_path / "file", bytes(5000))

    assert forked(limited) == 0
    assert (tmp_path / "file").read_bytes() == b"before"


def test_a_folder_that_this_user_may_not_write_is_said(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    tmp_path.chmod(0o755)

    def as_nobody() -> None:
        if os.geteuid() == 0:
            os.chdir(closed)
            os.setuid(65534)
        with pytest.raises(StorageFailed, match="this user may not write file"):
            write_bytes(Path("file"), b"")

    if os.geteuid() != 0:
        os.chdir(closed)
    assert forked(as_nobody) == 0


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EROFS, "may not write"),
        (errno.EIO, "the disk failed"),
    ],
)
def test_errors_of_the_disk_say_what_happened(number: int, sentence: str) -> None:
    with pytest.raises(StorageFailed, match=sentence) as raised, storage_errors("the journal"):
        raise OSError(number, "secret path")
    assert raised.value.__suppress_context__
    assert "secret" not in str(raised.value)


def test_other_errors_pass_through() -> None:
    with pytest.raises(IsADirectoryError), storage_errors("the journal"):
        raise IsADirectoryError(errno.EISDIR, "x")
