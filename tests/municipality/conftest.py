"""An enclave to hand things in at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pseudonymise.small_town import Enclave


@pytest.fixture
def enclave(tmp_path: Path) -> Enclave:
    """A new one, with a supplier's folder beside it."""
    return Enclave.at(tmp_path)
