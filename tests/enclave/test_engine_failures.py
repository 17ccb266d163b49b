"""Both engines say the same of the same failure, and hold nothing of a library's message."""

from __future__ import annotations

import pytest

from enclave.engine.failures import run_fails
from enclave.errors import BadInput, StorageFailed


@pytest.mark.parametrize("engine", ["embedded", "Spark"])
def test_a_full_disk_and_a_failed_query_are_told_apart_without_the_librarys_words(engine: str) -> None:
    full = run_fails(engine, OSError("No space left on device: 999400131"))
    failed = run_fails(engine, ValueError("could not cast 999400131"))
    assert isinstance(full, StorageFailed)
    assert isinstance(failed, BadInput)
    assert failed.what == f"the {engine} engine could not run a query (ValueError)"
    assert "999400131" not in f"{full} {failed}"
