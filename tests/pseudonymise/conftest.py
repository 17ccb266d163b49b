"""Fixtures that several modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pseudonymise.small_town import (
    Enclave,
    hemp_rows,
)


@pytest.fixture
def enclave(tmp_path: Path) -> Enclave:
    return Enclave.at(tmp_path)


@pytest.fixture
def standing(enclave: Enclave) -> Iterator[Enclave]:
    """An enclave with one accepted delivery, which is as it was afterwards."""
    first = enclave.hemp(hemp_rows(4))
    table = enclave.accepted(first)
    yield enclave
    assert enclave.accepted(first).equals(table)
    enclave.journal.verify()
