"""Small files of others are read up to a bound, however large they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from enclave.errors import BadInput
from enclave.signatures import SigningKey
from pseudonymise.destruction import Certificate
from pseudonymise.manifest import read_manifest
from pseudonymise.receipt import Receipt
from pseudonymise.schemas import load_schema
from pseudonymise.withdrawal import Confirmation

KEY = SigningKey.from_seed(b"key " * 8).public


@pytest.mark.parametrize(
    ("read", "bound"),
    [
        (read_manifest, 1 << 20),
        (load_schema, 1 << 20),
        (lambda path: Receipt.load(path, KEY), 16 << 20),
        (lambda path: Confirmation.load(path, KEY), 16 << 20),
        (lambda path: Certificate.load(path, KEY), 16 << 20),
    ],
)
def test_a_file_above_its_bound_is_not_read(tmp_path: Path, read: Callable[[Path], object], bound: int) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(bound + 1)
    with pytest.raises(BadInput, match=f"too large: more than {bound >> 10} KiB"):
        read(path)
