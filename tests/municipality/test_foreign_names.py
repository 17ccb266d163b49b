"""A delivery's name is public. Who delivers under another's name, or a part of it, is refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from enclave.errors import BadInput
from enclave.fingerprints import digest_file
from pseudonymise.manifest import Manifest, parse_manifest
from pseudonymise.outbox import Outbox
from pseudonymise.receive import accepted_frame, receipts
from pseudonymise.withdrawal import Reason
from pseudonymise.withdrawing import Withdrawer
from tests.pseudonymise.small_town import (
    NOW,
    Enclave,
    csv_bytes,
    debt_rows,
    debt_xlsx,
    hemp_rows,
    manifest_fields,
)


def sealed_by(enclave: Enclave, who: str, files: list[Path], manifest: Manifest) -> Path:
    recipient = enclave.custody.seal_recipient("demo")
    return Outbox(enclave.home / who).seal(files if len(files) > 1 else files[0], manifest, recipient, now=NOW)


def hemp(enclave: Enclave, name: str, rows: int, **fields: object) -> tuple[Path, Manifest]:
    file = enclave.file(name, csv_bytes(hemp_rows(rows)))
    return file, parse_manifest(manifest_fields(file, "hemp_clearances", rows, **fields))


@pytest.mark.parametrize("beside", [False, True])
def test_nobody_delivers_under_a_name_that_stands(enclave: Enclave, beside: bool) -> None:
    file, manifest = hemp(enclave, "hemp.csv", 20)
    (first,) = enclave.receive_all(sealed_by(enclave, "supplier", [file], manifest))
    token = first.findings.delivery[-12:]
    other, foreign = hemp(enclave, "other.csv", 7, token=token)
    files = [other]
    if beside:  # a second file for a place that is free makes the whole look new
        debts = enclave.file("debts.xlsx", lambda path: debt_xlsx(path, debt_rows(20)))
        files.append(debts)
        named = (("hemp_clearances", other, 7), ("debt_assistance", debts, 20))
        listed = [
            {"name": path.name, "sha256": digest_file(path), "rows": rows, "schema": schema, "schema_version": 1}
            for schema, path, rows in named
        ]
        foreign = parse_manifest(manifest_fields(other, "hemp_clearances", 7, files=listed, token=token))
    with pytest.raises(BadInput, match="another delivery has this name"):
        enclave.receive_all(sealed_by(enclave, "stranger", files, foreign))
    assert receipts(enclave.workspace, enclave.custody) == (first,)
    frame = accepted_frame(first, enclave.workspace, custody=enclave.custody)
    assert pq.read_table(frame.path, decryption_properties=enclave.custody.decryption()).num_rows == 20


def test_nobody_gets_a_name_like_anothers_and_with_it_the_right_to_withdraw(enclave: Enclave) -> None:
    file, manifest = hemp(enclave, "hemp.csv", 20)
    (first,) = enclave.receive_all(sealed_by(enclave, "supplier", [file], manifest))
    debts = enclave.file("debts.xlsx", lambda path: debt_xlsx(path, debt_rows(20)))
    fields = manifest_fields(debts, "debt_assistance", 20, token=first.findings.delivery[-12:])
    with pytest.raises(BadInput, match="another delivery has this name"):
        enclave.receive_all(sealed_by(enclave, "stranger", [debts], parse_manifest(fields)))
    notice = Outbox(enclave.home / "supplier").withdraw(
        first.findings.delivery, Reason.ERRORS, enclave.custody.seal_recipient("demo"), now=NOW
    )
    (confirmed,) = Withdrawer(enclave.workspace, enclave.custody, enclave.journal, "custodian").on_notice(
        notice, enclave.project, NOW
    )
    assert confirmed.delivery == first.findings.delivery
