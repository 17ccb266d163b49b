"""Sealing and handing in, broken off anywhere: nothing half is left, and the same command goes on."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from enclave.errors import BadInput
from enclave.files import TEMPORARY_MARK
from enclave.journal import Journal
from pipeline.main import app
from pseudonymise.handing_in import BLOCK, INCOMPLETE, copy_on, digest_itself
from pseudonymise.manifest import parse_manifest
from pseudonymise.outbox import Outbox
from pseudonymise.sealing import open_seal
from tests.municipality.scenes import KILLED, played
from tests.pseudonymise.small_town import NOW, Enclave, csv_bytes, hemp_rows, manifest_fields


def test_a_broken_off_copy_goes_on_where_it_was(tmp_path: Path) -> None:
    source, target = tmp_path / "big.zicht", tmp_path / "share" / "big.zicht"
    source.write_bytes(os.urandom(5 * BLOCK + 17))
    target.parent.mkdir()
    (target.parent / f"big.zicht{INCOMPLETE}").write_bytes(source.read_bytes()[: 3 * BLOCK + 5])
    assert copy_on(source, target) == 3 * BLOCK + 5
    assert target.read_bytes() == source.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["big.zicht"]
    assert copy_on(source, target) == 5 * BLOCK + 17


@given(
    size=st.integers(0, 3 * BLOCK),
    there=st.binary(max_size=64),
    kept=st.integers(0, 4 * BLOCK),
    wrong=st.integers(0, 5),
)
def test_whatever_an_earlier_try_left_the_copy_is_the_source(
    tmp_path_factory: pytest.TempPathFactory, size: int, there: bytes, kept: int, wrong: int
) -> None:
    folder = tmp_path_factory.mktemp("copy")
    source, part = folder / "a.zicht", folder / "share" / f"a.zicht{INCOMPLETE}"
    source.write_bytes(bytes(range(251)) * (size // 251 + 1))
    part.parent.mkdir()
    left = bytearray(source.read_bytes()[:kept] + there)
    if wrong and left:
        left[len(left) * wrong // 6] ^= 1
    part.write_bytes(left)
    copy_on(source, folder / "share" / "a.zicht")
    assert (folder / "share" / "a.zicht").read_bytes() == source.read_bytes()
    assert not part.exists()
    shutil.rmtree(folder)


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Enclave, Path, Path]:
    """An enclave, a delivered file, and its manifest."""
    enclave = Enclave.at(tmp_path)
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(40)))
    manifest = enclave.home / "hemp.manifest.yaml"
    manifest.write_text(yaml.safe_dump(parse_manifest(manifest_fields(file, "hemp_clearances", 40)).as_json()))
    return enclave, file, manifest


def test_a_killed_seal_leaves_nothing_half_and_the_next_one_is_whole(sealed: tuple[Enclave, Path, Path]) -> None:
    enclave, file, manifest = sealed
    recipient = enclave.custody.seal_recipient("demo")
    kill_at, killed = 1, True
    while killed:
        outbox = enclave.home / f"outbox-{kill_at}"
        killed = played("seal", kill_at, outbox, file, manifest, recipient) == KILLED
        for whole in outbox.glob("*.zicht"):
            open_seal(whole, enclave.custody.seal_identity("demo"))
        assert played("seal", 0, outbox, file, manifest, recipient) == 0
        (whole,) = outbox.glob("*.zicht")
        opened = open_seal(whole, enclave.custody.seal_identity("demo"))
        assert opened.sha256 == opened.manifest.file.sha256
        assert not list(outbox.rglob(f"*{TEMPORARY_MARK}*"))
        Journal(outbox / "journal").verify()
        kill_at += 5
    assert kill_at > 10


def test_a_hand_in_killed_anywhere_is_finished_by_the_next(sealed: tuple[Enclave, Path, Path]) -> None:
    enclave, file, manifest = sealed
    outbox = Outbox(enclave.home / "outbox")
    whole = outbox.seal(
        file,
        parse_manifest(yaml.safe_load(manifest.read_text())),
        enclave.custody.seal_recipient("demo"),
        now=NOW,
    )
    kill_at, killed = 1, True
    while killed:
        share = enclave.home / f"share-{kill_at}"
        killed = played("hand-in", kill_at, share, whole, outbox.folder) == KILLED
        assert all(path.read_bytes() == whole.read_bytes() for path in share.glob("*.zicht"))
        assert played("hand-in", 0, share, whole, outbox.folder) == 0
        assert [path.name for path in share.iterdir()] == [whole.name]
        assert (share / whole.name).read_bytes() == whole.read_bytes()
        kill_at += 1
    assert kill_at > 3
    outbox.journal.verify()


def test_only_what_is_sealed_is_handed_in(sealed: tuple[Enclave, Path, Path], tmp_path: Path) -> None:
    enclave, file, _ = sealed
    with pytest.raises(BadInput, match="only what is sealed"):
        Outbox(enclave.home / "outbox").hand_in(file, tmp_path / "share", now=NOW)
    assert not (tmp_path / "share").exists()
    with pytest.raises(BadInput, match="no such file"):
        Outbox(enclave.home / "outbox").hand_in(file.with_name("none.zicht"), tmp_path / "share", now=NOW)


def test_the_suppliers_journal_says_what_was_done_and_nothing_of_the_file(sealed: tuple[Enclave, Path, Path]) -> None:
    enclave, file, manifest = sealed
    outbox = Outbox(enclave.home / "outbox")
    described = parse_manifest(yaml.safe_load(manifest.read_text()))
    whole = outbox.seal(file, described, enclave.custody.seal_recipient("demo"), now=NOW)
    outbox.hand_in(whole, enclave.home / "share", now=NOW)
    outbox.note(enclave.receive(whole), now=NOW)
    assert [entry.action for entry in outbox.journal.entries()] == ["sealed", "handed-in", "receipt-verified"]
    said = outbox.journal.file.read_text()
    assert described.file.sha256 not in said
    (secret,) = (outbox.folder / "secrets").glob("*.txt")
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip() not in said


@pytest.mark.parametrize("trap", ["link", "second name", "pipe", "folder"])
def test_a_copy_never_goes_through_a_link_that_somebody_put_there(tmp_path: Path, trap: str) -> None:
    """Others write in a hand-in folder; the custodian's answer must not land in a file of the custodian."""
    source, kept = tmp_path / "receipt.json", tmp_path / "key-store.json"
    source.write_bytes(b"receipt")
    kept.write_bytes(b"keys")
    folder = tmp_path / "receipts"
    part = folder / f"receipt.json{INCOMPLETE}"
    if trap == "folder":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
    if trap == "link":
        part.symlink_to(kept)
    elif trap == "second name":
        part.hardlink_to(kept)
    elif trap == "pipe":
        os.mkfifo(part)
    with pytest.raises(BadInput, match="a link or special file stands where a copy goes or comes from"):
        copy_on(source, folder / "receipt.json")
    assert kept.read_bytes() == b"keys"
    assert not any((tmp_path / "elsewhere").glob("*"))
    if trap != "second name":  # that it has another name is no harm to who reads it
        with pytest.raises(BadInput, match="a link or special file stands"):
            digest_itself(part if part.exists() else folder)


def test_a_folder_that_is_exchanged_for_a_link_at_the_last_moment_gets_nothing(tmp_path: Path) -> None:
    source, folder, elsewhere = tmp_path / "receipt.json", tmp_path / "receipts", tmp_path / "elsewhere"
    source.write_bytes(b"receipt")
    elsewhere.mkdir()
    folder.mkdir()
    waiting = [True]

    def exchange(event: str, given: tuple[object, ...]) -> None:
        if waiting and event == "open" and str(given[0]).endswith(INCOMPLETE):
            waiting.clear()
            folder.rename(tmp_path / "aside")
            folder.symlink_to(elsewhere)

    sys.addaudithook(exchange)
    copy_on(source, folder / "receipt.json")
    assert not waiting
    assert not any(elsewhere.iterdir())
    assert (tmp_path / "aside" / "receipt.json").read_bytes() == b"receipt"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("legal_basis", " "),
        ("purpose", ""),
        ("purpose", "about 999400131 and others"),
        ("contact", ""),
        ("retention_date", "2026-02-28"),
        ("period", "2016-2014"),
    ],
)
def test_what_no_enclave_would_receive_is_refused_at_home_already(
    sealed: tuple[Enclave, Path, Path], field: str, value: str
) -> None:
    enclave, file, _ = sealed
    manifest = parse_manifest(manifest_fields(file, "hemp_clearances", 40, **{field: value}))
    outbox = Outbox(enclave.home / "outbox")
    with pytest.raises(BadInput, match="would not receive") as caught:
        outbox.seal(file, manifest, enclave.custody.seal_recipient("demo"), now=NOW)
    assert field in {fault.column for fault in caught.value.faults}
    assert not outbox.folder.exists()
    with pytest.raises(BadInput) as there:
        enclave.receive(enclave.seal_as(file, manifest))
    assert set(caught.value.faults) <= set(there.value.faults)


def test_a_manifest_that_no_enclave_would_receive_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "hemp_clearances_2016.csv"
    file.write_bytes(csv_bytes(hemp_rows(3)))
    told = ["--schema", "hemp_clearances", "--period", "2016", "--supplier", "GM9001", "--contact", "x"]
    told += ["--legal-basis", "", "--purpose", " ", "--retention-date", "2020-01-01", "--out", str(tmp_path / "m.yaml")]
    done = CliRunner().invoke(app, ["delivery", "manifest", str(file), *told])
    assert isinstance(done.exception, BadInput)
    assert [fault.column for fault in done.exception.faults] == ["legal_basis", "purpose", "contact", "retention_date"]
    assert not (tmp_path / "m.yaml").exists()
