"""What a municipality finds out about a receipt, by the command and with public things only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from enclave.errors import BadInput, EnclaveError, Tampered
from enclave.signatures import SigningKey
from enclave.zones import Zone
from pipeline.main import app
from tests.pseudonymise.small_town import Enclave, csv_bytes, hemp_rows


@dataclass(frozen=True)
class Sent:
    """What the municipality has: its file, the receipt, and the office's receipt key."""

    file: Path
    receipt: Path
    key: Path

    def verify(self, *more: str) -> str:
        done = CliRunner().invoke(app, ["receipt", "verify", str(self.receipt), "--key", str(self.key), *more])
        if done.exception:
            raise done.exception
        return done.output

    def refused(self, kind: type[EnclaveError], sentence: str) -> None:
        with pytest.raises(kind, match=sentence):
            self.verify("--file", str(self.file))


@pytest.fixture
def sent(tmp_path: Path) -> Sent:
    enclave = Enclave.at(tmp_path / "office")
    file = enclave.file("hemp.csv", csv_bytes(hemp_rows(12)))
    found = enclave.receive(enclave.seal(file, "hemp_clearances", 12)).findings
    receipt = enclave.workspace.path(Zone.INBOX) / "receipts" / f"{found.delivery}.json"
    return Sent(file, receipt, enclave.workspace.path(Zone.KEY) / "receipt.pub")


def test_a_genuine_receipt_holds_and_says_what_became_of_the_rows(sent: Sent) -> None:
    said = sent.verify("--file", str(sent.file))
    assert "holds: signed by ed25519/" in said
    assert "it is about hemp.csv" in said
    assert "accepted; received 12, accepted 12, quarantined 0" in said
    assert "--file FILE checks that it is about your file" in sent.verify()
    fields = json.loads(sent.verify("--json", "--file", str(sent.file)))
    assert (fields["outcome"], fields["received"], fields["file_matches"]) == ("accepted", 12, True)


@pytest.mark.parametrize(
    ("field", "value"),
    [("accepted", 11), ("outcome", "rejected"), ("sha256", "0" * 64), ("retention_date", "2099-01-01")],
)
def test_an_altered_receipt_does_not_hold(sent: Sent, field: str, value: object) -> None:
    fields = json.loads(sent.receipt.read_text())
    fields["findings"][field] = value
    if field == "accepted":
        fields["findings"]["quarantined"] = 1
    sent.receipt.chmod(0o644)
    sent.receipt.write_text(json.dumps(fields))
    sent.refused(Tampered, "signature over receipt does not hold")


def test_another_offices_key_is_told_apart(sent: Sent, tmp_path: Path) -> None:
    SigningKey.from_seed(b"x" * 32).save(tmp_path / "other.pem", b"p")
    Sent(sent.file, sent.receipt, tmp_path / "other.pub").refused(Tampered, "signed by another key")


def test_a_receipt_for_another_file_is_told_apart(sent: Sent) -> None:
    sent.file.write_bytes(sent.file.read_bytes() + b"\r\n")
    sent.refused(Tampered, "about other bytes than those of this file")


def test_what_is_missing_or_no_receipt_is_said(sent: Sent) -> None:
    Sent(sent.file.with_name("none.csv"), sent.receipt, sent.key).refused(BadInput, "no such file")
    Sent(sent.file, sent.receipt.with_name("none.json"), sent.key).refused(BadInput, "no such receipt")
    sent.receipt.chmod(0o644)
    sent.receipt.write_text("{}")
    sent.refused(Tampered, "not whole")
