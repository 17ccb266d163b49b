"""The right to correct: a supplier takes a delivery back or replaces it, and from then on nothing of it is used."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from enclave.errors import BadInput, NotReady, StorageFailed, Tampered
from enclave.fingerprints import digest_file
from enclave.journal import Journal
from enclave.signatures import SigningKey
from enclave.zones import Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.manifest import parse_manifest
from pseudonymise.outbox import Outbox
from pseudonymise.receipt import Receipt
from pseudonymise.receive import receipts
from pseudonymise.withdrawal import Confirmation, Reason
from pseudonymise.withdrawing import Withdrawer
from tests.municipality.scenes import KILLED, played
from tests.pseudonymise.small_town import (
    NOW,
    Enclave,
    csv_bytes,
    debt_rows,
    debt_xlsx,
    hemp_rows,
    manifest_fields,
)

LATER = NOW + timedelta(days=1)


def withdrawer(enclave: Enclave) -> Withdrawer:
    return Withdrawer(enclave.workspace, enclave.custody, enclave.journal, "custodian")


def sealed(enclave: Enclave, rows: int, *, replaces: str = "") -> Path:
    """A ``hemp_clearances`` of so many rows, sealed in the supplier's own outbox."""
    file = enclave.file(f"hemp_clearances_2016_{rows}.csv", csv_bytes(hemp_rows(rows)))
    manifest = parse_manifest(manifest_fields(file, "hemp_clearances", rows))
    outbox = Outbox(enclave.home / "outbox")
    return outbox.seal(file, manifest, enclave.custody.seal_recipient("demo"), now=NOW, replaces=replaces)


def notice(enclave: Enclave, delivery: str) -> Path:
    recipient = enclave.custody.seal_recipient("demo")
    return Outbox(enclave.home / "outbox").withdraw(delivery, Reason.WRONG_FILE, recipient, now=NOW)


@pytest.fixture
def accepted(enclave: Enclave) -> Receipt:
    return enclave.receive(sealed(enclave, 20))


def files_of(enclave: Enclave, receipt: Receipt) -> set[str]:
    """What lies in the zones of a delivery, by path."""
    marks = (receipt.findings.delivery, "hemp_clearances_2016.parquet")
    return {path for path in enclave.bytes_of_zones() if any(mark in path for mark in marks)}


def test_a_notice_removes_the_delivery_and_is_confirmed_with_a_signature(enclave: Enclave, accepted: Receipt) -> None:
    delivery = accepted.findings.delivery
    (confirmation,) = withdrawer(enclave).on_notice(notice(enclave, delivery), enclave.project, LATER)
    assert files_of(enclave, accepted) == {
        f"identified/withdrawn/{delivery}.json",
        f"inbox/receipts/{delivery}.json",
        f"inbox/receipts/{delivery}.withdrawn.json",
    }
    assert receipts(enclave.workspace, enclave.custody) == ()
    (entry,) = [entry for entry in enclave.journal.entries() if entry.action == "delivery-withdrawn"]
    assert (entry.subject, entry.details["by"], entry.details["reason"]) == (delivery, "supplier", "wrong-file")
    file = enclave.workspace.path(Zone.INBOX) / "receipts" / f"{delivery}.withdrawn.json"
    key = enclave.custody.receipt_key().public
    assert Confirmation.load(file, key) == confirmation
    assert confirmation.journal_head.digest == entry.digest
    file.write_text(file.read_text().replace("wrong-file", "wrong-period"))
    with pytest.raises(Tampered, match="does not hold"):
        Confirmation.load(file, key)
    with pytest.raises(Tampered, match="another key"):
        Confirmation.load(file, SigningKey.generate().public)


def test_asked_twice_it_is_answered_the_same(enclave: Enclave, accepted: Receipt) -> None:
    asked = notice(enclave, accepted.findings.delivery)
    first = withdrawer(enclave).on_notice(asked, enclave.project, LATER)
    before = enclave.bytes_of_zones()
    assert withdrawer(enclave).on_notice(asked, enclave.project, LATER + timedelta(days=1)) == first
    assert withdrawer(enclave).by_hand(accepted.findings.delivery, Reason.ERRORS, LATER) == first
    assert enclave.bytes_of_zones() == before


def test_nobody_else_can_withdraw(enclave: Enclave, accepted: Receipt, tmp_path: Path) -> None:
    delivery = accepted.findings.delivery
    stranger = Outbox(tmp_path / "stranger")
    with pytest.raises(BadInput, match="no such delivery was sealed from this folder"):
        stranger.withdraw(delivery, Reason.ERRORS, enclave.custody.seal_recipient("demo"), now=NOW)
    (stranger.folder / "secrets").mkdir(parents=True)
    (stranger.folder / "secrets" / f"{delivery}.txt").write_text("00" * 32)
    forged = stranger.withdraw(delivery, Reason.ERRORS, enclave.custody.seal_recipient("demo"), now=NOW)
    with pytest.raises(BadInput, match="the secret is another one"):
        withdrawer(enclave).on_notice(forged, enclave.project, LATER)
    forged.write_bytes(forged.read_bytes()[:-3])
    with pytest.raises(BadInput, match="no notice of withdrawal"):
        withdrawer(enclave).on_notice(forged, enclave.project, LATER)
    assert receipts(enclave.workspace, enclave.custody) == (accepted,)


def test_the_secret_stands_in_no_file_of_the_enclave(enclave: Enclave, accepted: Receipt) -> None:
    (secret,) = (enclave.home / "outbox" / "secrets").glob("*.txt")
    text = secret.read_text().strip()
    withdrawer(enclave).on_notice(notice(enclave, accepted.findings.delivery), enclave.project, LATER)
    written = [path for path in enclave.workspace.root.rglob("*") if path.is_file()]
    assert not [path for path in written if text.encode() in path.read_bytes()]


def test_a_custodian_withdraws_for_a_supplier_who_lost_the_secret(enclave: Enclave) -> None:
    receipt = enclave.hemp(hemp_rows(4))
    delivery = receipt.findings.delivery
    with pytest.raises(NotReady, match="no such delivery stands"):
        withdrawer(enclave).by_hand("GM9001-hemp_clearances-2016-000000000000", Reason.ERRORS, LATER)
    (confirmation,) = withdrawer(enclave).by_hand(delivery, Reason.NOT_ALLOWED, LATER)
    assert (confirmation.by, confirmation.reason) == ("custodian", Reason.NOT_ALLOWED)
    assert enclave.hemp(hemp_rows(5)).accepted


def test_what_was_withdrawn_is_not_taken_up_again(enclave: Enclave) -> None:
    whole = sealed(enclave, 20)
    copy = enclave.home / "kept.zicht"
    shutil.copy(whole, copy)
    receipt = enclave.receive(whole)
    withdrawer(enclave).on_notice(notice(enclave, receipt.findings.delivery), enclave.project, LATER)
    with pytest.raises(BadInput, match="this delivery was withdrawn"):
        enclave.receive(copy)


def test_a_newer_version_takes_the_place_of_the_earlier_one(enclave: Enclave, accepted: Receipt) -> None:
    newer = enclave.receive(sealed(enclave, 30, replaces=accepted.findings.delivery), now=LATER)
    assert newer.findings.replaces == accepted.findings.delivery
    assert receipts(enclave.workspace, enclave.custody) == (newer,)
    assert enclave.accepted(newer).num_rows == 30
    assert enclave.actions() == ["delivery-accepted", "delivery-withdrawn", "delivery-accepted"]
    confirmed = enclave.workspace.path(Zone.INBOX) / "receipts" / f"{accepted.findings.delivery}.withdrawn.json"
    told = Confirmation.load(confirmed, enclave.custody.receipt_key().public)
    assert (told.reason, told.replaced_by) == (Reason.REPLACED, newer.findings.delivery)


def test_a_newer_version_that_is_rejected_leaves_the_earlier_one(enclave: Enclave, accepted: Receipt) -> None:
    table = enclave.accepted(accepted)
    file = enclave.file("worse_2016.csv", csv_bytes([{**row, "plants": "x"} for row in hemp_rows(5)]))
    manifest = parse_manifest(manifest_fields(file, "hemp_clearances", 5))
    outbox = Outbox(enclave.home / "outbox")
    worse = outbox.seal(
        file, manifest, enclave.custody.seal_recipient("demo"), now=NOW, replaces=accepted.findings.delivery
    )
    assert not enclave.receive(worse).accepted
    assert accepted in receipts(enclave.workspace, enclave.custody)
    assert enclave.accepted(accepted).equals(table)


def test_a_newer_version_of_somebody_else_is_refused(enclave: Enclave, accepted: Receipt) -> None:
    file = enclave.file("hemp_2016.csv", csv_bytes(hemp_rows(7)))
    delivery = accepted.findings.delivery
    for proof in ("", "00" * 32):
        claim = manifest_fields(file, "hemp_clearances", 7, replaces=delivery, replaces_proof=proof)
        with pytest.raises(BadInput, match="the secret is another one"):
            enclave.receive(enclave.seal_as(file, parse_manifest(claim)))
    other = delivery[:-12] + "0" * 12
    with pytest.raises(BadInput, match="withdraw it first"):
        claim = manifest_fields(file, "hemp_clearances", 7, replaces=other, replaces_proof="00" * 32)
        enclave.receive(enclave.seal_as(file, parse_manifest(claim)))
    assert receipts(enclave.workspace, enclave.custody) == (accepted,)


def copied(enclave: Enclave, root: Path) -> Enclave:
    shutil.copytree(enclave.workspace.root, root)
    workspace = Workspace(root)
    custody = Custody.open(workspace.path(Zone.KEY), b"een zin")
    return replace(enclave, workspace=workspace, custody=custody, journal=Journal(workspace.journal))


def comparable(enclave: Enclave) -> set[str]:
    return set(enclave.bytes_of_zones())


def check_killed_withdrawal(enclave: Enclave, accepted: Sequence[Receipt], root: Path, kill_at: int) -> bool:
    """Whether the kill came before the end."""
    asked = notice(enclave, accepted[0].findings.delivery)
    undisturbed, part = copied(enclave, root / f"whole-{kill_at}"), copied(enclave, root / f"killed-{kill_at}")
    withdrawer(undisturbed).on_notice(asked, enclave.project, NOW)
    killed = played("withdraw", kill_at, part.workspace.root, asked) == KILLED
    standing = [] if "delivery-withdrawn" in part.actions() else sorted(r.findings.delivery for r in accepted)
    withdrawer(part).finish()
    assert [receipt.findings.delivery for receipt in receipts(part.workspace, part.custody)] == standing
    withdrawer(part).on_notice(asked, enclave.project, NOW)
    assert comparable(part) == comparable(undisturbed)
    assert part.actions() == undisturbed.actions()
    part.journal.verify()
    return killed


def check_killed_replacement(enclave: Enclave, accepted: Sequence[Receipt], root: Path, kill_at: int) -> bool:
    """Whether the kill came before the end."""
    newer = sealed(enclave, 30, replaces=accepted[0].findings.delivery)
    undisturbed, part = copied(enclave, root / f"whole-{kill_at}"), copied(enclave, root / f"killed-{kill_at}")
    expected = undisturbed.receive(newer)
    killed = played("receive", kill_at, part.workspace.root, newer) == KILLED
    withdrawer(part).finish()
    again = part.receive(newer)
    assert part.accepted(again).equals(undisturbed.accepted(expected), check_metadata=True)
    assert receipts(part.workspace, part.custody) == (again,)
    assert comparable(part) == comparable(undisturbed)
    part.journal.verify()
    return killed


def sealed_both(enclave: Enclave, rows: int, *, replaces: str = "") -> Path:
    """A delivery of two files, the first of so many rows."""
    cases = enclave.file("hemp_clearances_2016.csv", csv_bytes(hemp_rows(rows)))
    debts = enclave.file("debts_2016.xlsx", lambda path: debt_xlsx(path, debt_rows(20)))
    listed = [
        {"name": file.name, "sha256": digest_file(file), "rows": count, "schema": schema, "schema_version": 1}
        for file, schema, count in ((cases, "hemp_clearances", rows), (debts, "debt_assistance", 20))
    ]
    manifest = parse_manifest(manifest_fields(cases, "hemp_clearances", rows, files=listed))
    outbox, recipient = Outbox(enclave.home / "outbox"), enclave.custody.seal_recipient("demo")
    return outbox.seal([cases, debts], manifest, recipient, now=NOW, replaces=replaces)


@pytest.fixture
def both(enclave: Enclave) -> tuple[Receipt, ...]:
    return enclave.receive_all(sealed_both(enclave, 20))


def test_a_disk_that_is_full_at_the_last_frame_leaves_the_earlier_delivery_whole(
    enclave: Enclave, both: tuple[Receipt, ...]
) -> None:
    """The frames of the small file are whole by then, and wait for the others."""
    newer = sealed_both(enclave, 4000, replaces=both[0].findings.delivery)
    before, tables = enclave.bytes_of_zones(), [enclave.accepted(receipt) for receipt in both]
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, unlimited[1]))
    try:
        with pytest.raises(StorageFailed, match="the disk is full while writing hemp_clearances_2016"):
            enclave.receive_all(newer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert enclave.bytes_of_zones() == before
    assert [enclave.accepted(receipt) for receipt in both] == tables
    assert receipts(enclave.workspace, enclave.custody) == tuple(sorted(both, key=lambda r: r.findings.delivery))
    assert [enclave.accepted(receipt).num_rows for receipt in enclave.receive_all(newer)] == [4000, 20]


@pytest.mark.parametrize("kill_at", [2, 12, 22, 30])
def test_a_killed_withdrawal_is_finished_by_the_next_command(
    enclave: Enclave, both: tuple[Receipt, ...], tmp_path: Path, kill_at: int
) -> None:
    assert check_killed_withdrawal(enclave, both, tmp_path, kill_at)


@pytest.mark.parametrize("kill_at", [8, 14, 20])
def test_a_killed_replacement_is_finished_by_the_next_command(
    enclave: Enclave, both: tuple[Receipt, ...], tmp_path: Path, kill_at: int
) -> None:
    assert check_killed_replacement(enclave, both, tmp_path, kill_at)


@pytest.mark.sweep
@pytest.mark.parametrize("check", [check_killed_withdrawal, check_killed_replacement])
def test_a_kill_at_every_operation_is_finished_by_the_next_command(
    check: Callable[..., bool], enclave: Enclave, both: tuple[Receipt, ...], tmp_path: Path
) -> None:
    kill_at = 1
    while check(enclave, both, tmp_path, kill_at):
        kill_at += 1
    assert kill_at > 30
