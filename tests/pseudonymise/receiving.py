"""What tests of receiving share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from enclave.errors import EnclaveError
from enclave.fingerprints import digest_file
from pseudonymise.refusal import Refusal
from tests.pseudonymise.small_town import (
    Enclave,
    Row,
)


def changed(rows: list[Row], place: int, **values: Any) -> list[Row]:
    return [{**row, **values} if number == place else row for number, row in enumerate(rows)]


def refused(enclave: Enclave, sealed: Path, error: type[Exception]) -> Exception:
    """The error; nothing changed but that the refusal is journalled, and answered with a signature."""
    before = enclave.bytes_of_zones()
    with pytest.raises(error) as caught:
        enclave.receive(sealed)
    after = enclave.bytes_of_zones()
    (answer,) = after.keys() - before.keys()
    assert {name: content for name, content in after.items() if name != answer} == before
    assert enclave.actions()[-1] == "delivery-refused"
    (entry,) = (each for each in enclave.journal.entries() if each.sequence == enclave.journal.head().sequence)
    found = Refusal.load(enclave.workspace.root / answer, enclave.custody.receipt_key().public)
    assert answer == f"inbox/receipts/{entry.subject}.{digest_file(sealed)[:12]}.refused.json"
    assert (found.sealed_sha256, found.journal_head.digest) == (digest_file(sealed), entry.digest)
    assert isinstance(caught.value, EnclaveError)
    assert (found.reason, found.next_step) == (caught.value.what, caught.value.next_step)
    assert [str(fault) for fault in found.faults] == [str(fault) for fault in getattr(caught.value, "faults", ())]
    return caught.value
