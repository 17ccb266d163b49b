"""The office that the review and release tests share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.output_control.desk import (
    Office,
)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A fresh workspace with keys, roster and journal."""
    return Office(tmp_path / "workspace").open()


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office with one release."""
    office = Office(tmp_path_factory.mktemp("office") / "workspace").open()
    office.release(office.approved())
    return office


@pytest.fixture
def bundle(released: Office, tmp_path: Path) -> Path:
    """A copy of the released bundle that a test may spoil."""
    (original,) = (released.root / "released/zicht_demo").iterdir()
    copy = tmp_path / original.name
    shutil.copytree(original, copy)
    for path in copy.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy
