"""A checked output kept in the gate's zone comes back byte by byte, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import NotReady, Tampered
from output_control.review.shelf import put, take
from output_control.sealed import CheckedOutput

FILES = st.dictionaries(st.text("abc/.", min_size=1, max_size=8), st.binary(max_size=40), max_size=3)


def checked(**changed: object) -> CheckedOutput:
    fields: dict[str, object] = {
        "analysis": "counts",
        "version": 1,
        "outputs": {"outputs/counts/t.csv": b"a\n"},
        "evidence": {},
        "checker_annex": {"t.json": b"{}"},
        "policy_document": b"{}",
        "inputs": {"homes": "0" * 64},
        "fingerprint": "f",
        "advice": ("coarser",),
    }
    return CheckedOutput(**{**fields, **changed})  # type: ignore[arg-type]  # fields by name, for short tests


@given(outputs=FILES, annex=FILES, document=st.binary(max_size=40))
def test_what_is_kept_is_what_is_taken(
    tmp_path_factory: pytest.TempPathFactory, outputs: dict[str, bytes], annex: dict[str, bytes], document: bytes
) -> None:
    kept = checked(outputs=outputs, checker_annex=annex, policy_document=document)
    path = put(kept, tmp_path_factory.mktemp("gate") / "checked.json")
    assert take(path) == kept
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_output_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (put(checked(), tmp_path / name).read_bytes() for name in ("one", "two"))
    assert one == two


def test_nothing_kept_and_a_spoiled_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="has not checked"):
        take(tmp_path / "absent.json")
    path = put(checked(), tmp_path / "checked.json")
    for spoiled in (path.read_bytes()[:-9], b"[]", json.dumps({"analysis": "counts"}).encode()):
        path.write_bytes(spoiled)
        with pytest.raises(Tampered, match="not whole"):
            take(path)
