"""Digests change with what they cover, and with nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.fingerprints import (
    canonical_json,
    code_files,
    digest_bytes,
    digest_code,
    digest_environment,
    digest_file,
    digest_folder,
    digest_json,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_sha_256_of_abc_is_that_of_fips_180_4() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_bytes(b"abc") == expected


@given(st.dictionaries(st.text(max_size=5), JSON, min_size=2, max_size=5))
def test_the_order_of_keys_changes_nothing(value: dict[str, object]) -> None:
    backwards = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(backwards)  # type: ignore[arg-type] # JSON by construction


@given(JSON, JSON)
def test_two_values_have_one_text_only_when_python_reads_the_same_from_both(one: object, other: object) -> None:
    import json

    same = canonical_json(one) == canonical_json(other)  # type: ignore[arg-type] # JSON by construction
    assert same == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest_json([value])


def test_texts_are_utf_8_without_escapes() -> None:
    assert canonical_json({"b": "é", "a": [1, None]}) == '{"a":[1,null],"b":"é"}'.encode()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_is_digested_in_blocks_as_a_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert digest_file(tmp_path / "file") == hashlib.sha256(b"x" * size).hexdigest()


def a_folder(place: Path) -> Path:
    """Two files, one in a folder."""
    (place / "inner").mkdir(parents=True)
    (place / "a.txt").write_bytes(b"1")
    (place / "inner/b.py").write_bytes(b"2")
    return place


def test_a_folder_elsewhere_has_the_same_digest(tmp_path: Path) -> None:
    assert digest_folder(a_folder(tmp_path / "x")) == digest_folder(a_folder(tmp_path / "y/z"))


def test_content_name_place_and_pattern_change_a_folders_digest(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "x")
    seen = {digest_folder(folder), digest_folder(folder, "**/*.py")}
    (folder / "a.txt").write_bytes(b"3")
    seen.add(digest_folder(folder))
    (folder / "a.txt").rename(folder / "c.txt")
    seen.add(digest_folder(folder))
    (folder / "c.txt").rename(folder / "inner/c.txt")
    seen.add(digest_folder(folder))
    assert len(seen) == 5


def two_versions(place: Path, one: str, other: str) -> list[Path]:
    """Two analyses whose modules have the same name."""
    for name, text in (("a", one), ("b", other)):
        (place / name).mkdir(parents=True)
        (place / name / "v1.py").write_text(text)
    return [place / "a/v1.py", place / "b/v1.py"]


def test_every_source_counts_even_when_two_have_the_same_name(tmp_path: Path) -> None:
    texts = [("x", "y"), ("x", "z"), ("w", "y")]
    digests = {digest_code(two_versions(tmp_path / str(n), *pair)) for n, pair in enumerate(texts)}
    assert len(digests) == 3


def test_the_order_and_the_place_of_sources_change_nothing(tmp_path: Path) -> None:
    here, there = two_versions(tmp_path / "here", "x", "y"), two_versions(tmp_path / "there", "x", "y")
    assert digest_code(here) == digest_code(reversed(there))


def test_every_source_has_its_own_digest_by_its_path(tmp_path: Path) -> None:
    sources = two_versions(tmp_path, "x", "y")
    before = code_files([tmp_path / "a", tmp_path / "b/v1.py"], tmp_path)
    assert before == {"a/v1.py": digest_bytes(b"x"), "b/v1.py": digest_bytes(b"y")}
    sources[1].write_text("z")
    after = code_files([tmp_path], tmp_path)
    assert [name for name in before if before[name] != after[name]] == ["b/v1.py"]


def test_a_folder_of_sources_counts_by_its_python_files(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "x")
    before = digest_code([folder])
    (folder / "a.txt").write_bytes(b"changed")
    assert digest_code([folder]) == before
    (folder / "inner/b.py").write_bytes(b"changed")
    assert digest_code([folder]) != before


def test_a_missing_distribution_is_told_from_an_installed_one() -> None:
    assert digest_environment(["pytest"]) != digest_environment(["no-such-distribution"])
    assert digest_environment(["pytest", "pydantic"]) == digest_environment(["pydantic", "pytest"])
    assert digest_environment(["no-such-distribution"]) != digest_environment([])
