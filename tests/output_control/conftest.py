"""The office that the review and release tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.output_control.desk import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A fresh workspace with keys, roster and journal."""
    return Office(tmp_path / "workspace").open()
