"""One flipped bit in any byte of a delivery, on its way or at rest, is noticed by whoever reads it next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from enclave.errors import BadInput, EnclaveError, KeyUnavailable, Tampered
from enclave.zones import Zone
from pseudonymise.receipt import Receipt
from pseudonymise.receive import accepted_frame, receipts
from pseudonymise.sealing import open_seal
from tests.pseudonymise.receiving import refused
from tests.pseudonymise.small_town import Enclave, csv_bytes, hemp_rows


@pytest.fixture
def received(enclave: Enclave) -> tuple[Enclave, Path, Receipt]:
    """An enclave with one accepted delivery, of which a row was set aside; and the sealed file."""
    rows = [*hemp_rows(12), {**hemp_rows(1)[0], "dossier": "H-2", "occupant_bsn": "123456789"}]
    file = enclave.file("hemp_clearances_2016.csv", csv_bytes(rows))
    sealed = enclave.seal(file, "hemp_clearances", len(rows))
    return enclave, sealed, enclave.receive(sealed)


def flipped_everywhere(path: Path, read: Callable[[], object], *, step: int = 1) -> int:
    """Flip one bit in each ``step``-th byte in turn; every reading must fail, and the last, of the whole file, not."""
    content = path.read_bytes()
    path.chmod(0o600)
    for place in range(0, len(content), step):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        with pytest.raises((Tampered, KeyUnavailable, BadInput)):
            read()
    path.write_bytes(content)
    read()
    return len(range(0, len(content), step))


def test_in_a_sealed_delivery(received: tuple[Enclave, Path, Receipt]) -> None:
    enclave, sealed, _ = received
    secret = enclave.custody.seal_identity("demo")

    def read() -> None:
        opened = open_seal(sealed, secret)
        with opened.stream() as handle:
            handle.read()

    assert flipped_everywhere(sealed, read) > 1000


def test_in_the_accepted_rows(received: tuple[Enclave, Path, Receipt]) -> None:
    enclave, _, receipt = received
    frame = enclave.workspace.path(Zone.IDENTIFIED) / "GM9001" / "hemp_clearances_2016.parquet"
    assert (
        flipped_everywhere(frame, lambda: accepted_frame(receipt, enclave.workspace, custody=enclave.custody), step=7)
        > 150
    )


def test_in_the_rows_that_were_set_aside(received: tuple[Enclave, Path, Receipt]) -> None:
    enclave, sealed, _ = received
    frame = enclave.workspace.path(Zone.IDENTIFIED) / "quarantine" / "GM9001" / "hemp_clearances_2016.parquet"
    assert flipped_everywhere(frame, lambda: enclave.receive(sealed), step=61) > 50


def test_in_a_receipt_save_for_white_space_between_its_fields(received: tuple[Enclave, Path, Receipt]) -> None:
    enclave, _, receipt = received
    path = enclave.workspace.path(Zone.IDENTIFIED) / "receipts" / f"{receipt.findings.delivery}.json"
    white = {place for place, byte in enumerate(path.read_bytes()) if chr(byte).isspace()}
    whole, places = path.read_bytes(), iter(range(path.stat().st_size))

    def read() -> None:
        place = next(places, None)
        assert receipts(enclave.workspace, enclave.custody) == (receipt,)
        if path.read_bytes() != whole:
            assert place in white
            raise Tampered("what it says is the same")

    assert flipped_everywhere(path, read) > 500


def test_in_the_journal(received: tuple[Enclave, Path, Receipt]) -> None:
    enclave, _, _ = received
    assert flipped_everywhere(enclave.journal.file, enclave.journal.verify, step=3) > 300


def test_a_refused_delivery_leaves_everything_as_it_was(received: tuple[Enclave, Path, Receipt]) -> None:
    enclave, sealed, receipt = received
    content = bytearray(sealed.read_bytes())
    content[len(content) // 3] ^= 4
    sealed.write_bytes(content)
    refused(enclave, sealed, EnclaveError)
    assert receipt.accepted
