"""``zicht verify``: what holds, and every altered byte, name and file."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enclave.errors import NotReady, Tampered
from output_control.release.verify import verify_bundle
from tests.output_control.desk import (
    ROOT,
    Office,
    contents,
    seed_key,
)
from tests.output_control.dishonest import fault


def test_a_whole_bundle_holds_and_says_what_it_is(bundle: Path, released: Office) -> None:
    report = verify_bundle(bundle, ROOT.public, now=released.now, journal=released.journal)
    assert (report.project, report.analysis, report.version) == ("zicht_demo", "v3", 1)
    assert (report.author, report.checkers) == ("p-author", ("p-first", "p-second"))
    assert report.files == len(contents(bundle))
    assert released.journal.verify([report.journal_head])
    assert len(report.checks) == 6


def test_a_copy_elsewhere_under_another_name_holds_without_the_journal(bundle: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    bundle.rename(moved)
    assert verify_bundle(moved, ROOT.public).request.startswith("v3-v1-")


def test_a_folder_that_is_not_there_or_a_link_to_one_is_no_bundle(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(bundle)
    for place in (tmp_path / "nothing", tmp_path / "link"):
        with pytest.raises(NotReady, match="no release bundle"):
            verify_bundle(place, ROOT.public)


def positions(length: int) -> list[int]:
    """First, last and some twenty places in between."""
    return sorted({0, length - 1, *range(0, length, max(length // 20, 1))})


def test_a_flipped_bit_in_any_file_is_found(bundle: Path) -> None:
    tried = 0
    for name, content in contents(bundle).items():
        for position in positions(len(content)):
            altered = bytearray(content)
            altered[position] ^= 1 << (position % 8)
            (bundle / name).write_bytes(bytes(altered))
            fault(bundle)
            tried += 1
        (bundle / name).write_bytes(content)
    assert tried > 200
    verify_bundle(bundle, ROOT.public)


@pytest.mark.sweep
def test_every_flipped_bit_in_every_file_is_found(bundle: Path) -> None:
    for name, content in contents(bundle).items():
        for bit in range(len(content) * 8):
            altered = bytearray(content)
            altered[bit // 8] ^= 1 << (bit % 8)
            (bundle / name).write_bytes(bytes(altered))
            fault(bundle)
        (bundle / name).write_bytes(content)


@pytest.mark.sweep
def test_every_flipped_bit_of_the_signature_is_found(bundle: Path) -> None:
    signature = (bundle / "manifest.sig").read_bytes()
    for bit in range(len(signature) * 8):
        altered = bytearray(signature)
        altered[bit // 8] ^= 1 << (bit % 8)
        (bundle / "manifest.sig").write_bytes(bytes(altered))
        assert "manifest.sig is not the release key's signature" in fault(bundle)


def test_every_removed_file_is_named(bundle: Path) -> None:
    for name, content in contents(bundle).items():
        (bundle / name).unlink()
        assert f"{name} is missing" in fault(bundle)
        (bundle / name).write_bytes(content)


def test_every_emptied_or_lengthened_file_is_found(bundle: Path) -> None:
    for name, content in contents(bundle).items():
        for spoiled in (b"", content + b"\n", content[:-1], b"\xff\xfe"):
            (bundle / name).write_bytes(spoiled)
            assert name in fault(bundle)
        (bundle / name).write_bytes(content)


@pytest.mark.parametrize(
    "name", ["extra.txt", ".hidden", "outputs/v3/records.csv", "evidence/more.json", "manifest.json.bak", "a\nb"]
)
def test_every_added_file_is_found(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"1\n")
    assert "was added: the manifest does not list it" in fault(bundle)


def test_an_added_empty_folder_is_found(bundle: Path) -> None:
    (bundle / "outputs/v4").mkdir()
    assert "outputs/v4 is an empty folder" in fault(bundle)


def test_a_renamed_file_is_missing_and_added(bundle: Path) -> None:
    (bundle / "outputs/v3/area.csv").rename(bundle / "outputs/v3/Area.csv")
    said = fault(bundle)
    assert "outputs/v3/area.csv is missing" in said
    assert "outputs/v3/Area.csv was added" in said


def test_two_swapped_files_are_both_found(bundle: Path) -> None:
    one, other = bundle / "outputs/v3/area.csv", bundle / "policy.json"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    said = fault(bundle)
    assert "outputs/v3/area.csv was altered" in said
    assert "policy.json was altered" in said


@pytest.mark.parametrize("kind", ["link to the same bytes", "dangling link", "linked folder", "pipe"])
def test_links_and_devices_are_found_and_never_followed(bundle: Path, tmp_path: Path, kind: str) -> None:
    path = bundle / "outputs/v3/area.csv"
    if kind == "linked folder":
        shutil.move(bundle / "outputs", tmp_path / "outputs")
        (bundle / "outputs").symlink_to(tmp_path / "outputs")
        path = bundle / "outputs"
    elif kind == "pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        (tmp_path / "same").write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(tmp_path / ("same" if kind != "dangling link" else "none"))
    assert f"{path.relative_to(bundle).as_posix()} is no regular file" in fault(bundle)


def test_all_faults_are_reported_at_once(bundle: Path) -> None:
    (bundle / "policy.json").write_bytes(b"{}")
    (bundle / "outputs/v3/area.csv").unlink()
    (bundle / "extra").write_bytes(b"")
    (bundle / "journal-head").write_bytes(b"{}")
    said = fault(bundle)
    for expected in (
        "policy.json was altered",
        "area.csv is missing",
        "extra was added",
        "journal-head is not readable",
    ):
        assert expected in said


def test_an_empty_folder_lacks_everything(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = fault(tmp_path / "empty")
    assert said.count("is missing") == 8


def test_a_message_never_shows_what_a_file_holds(bundle: Path) -> None:
    for name, content in contents(bundle).items():
        (bundle / name).write_bytes(b'{"secret":"CANARY-4711","people":[CANARY-4711]}')
        assert "CANARY" not in fault(bundle)
        (bundle / name).write_bytes(content)


@settings(max_examples=150)
@given(data=st.data())
def test_any_bytes_in_any_files_are_met_with_one_clear_error(data: st.DataObject, released: Office) -> None:
    (original,) = (released.root / "released/zicht_demo").iterdir()
    name = data.draw(st.sampled_from(sorted(contents(original))))
    before = contents(original)[name]
    junk = data.draw(
        st.one_of(
            st.binary(max_size=300),
            st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8).map(
                lambda value: json.dumps(value).encode()
            ),
            st.just(b"[" * 100_000),
            st.just(b'{"statement":' * 5_000),
        ).filter(lambda value: value != before)
    )
    (original / name).chmod(0o644)
    try:
        (original / name).write_bytes(junk)
        with pytest.raises(Tampered):
            verify_bundle(original, ROOT.public)
    finally:
        (original / name).write_bytes(before)


def test_another_offices_root_key_verifies_nothing(bundle: Path) -> None:
    with pytest.raises(Tampered) as raised:
        verify_bundle(bundle, seed_key(99).public)
    assert "release-key.json is not certified" in str(raised.value)
    assert "roster is not signed by this office's root key" in str(raised.value)
