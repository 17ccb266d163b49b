"""Who sealed it: what a supplier whose key the office knows did not sign is not received, nor withdrawn."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest
from typer.testing import CliRunner

from enclave.errors import BadInput, KeyUnavailable, NotAllowed, Tampered
from enclave.project import Project
from enclave.signatures import PayloadType, PublicKey, SigningKey
from enclave.zones import Zone
from pipeline.delivery_status import delivery_status
from pipeline.main import app
from pseudonymise import sealing
from pseudonymise.clerk_report import Language, receipt_text
from pseudonymise.delivery import seal
from pseudonymise.manifest import Manifest, parse_manifest
from pseudonymise.outbox import Outbox
from pseudonymise.receipt import Receipt
from pseudonymise.refusal import Refusal
from pseudonymise.sender import fingerprint, own_key
from pseudonymise.signed_statement import key_id
from pseudonymise.supplier_keys import change, supplier_keys
from pseudonymise.withdrawal import Notice, Reason, seal_notice
from pseudonymise.withdrawing import Withdrawer
from tests.pseudonymise.small_town import NOW, Enclave, csv_bytes, hemp_rows, manifest_fields

UNSIGNED, ANOTHER, FORGED = "it is not signed", "it is signed by another key", "the signature is not over this"


def outbox(enclave: Enclave, name: str = "outbox") -> Outbox:
    return Outbox(enclave.home / name)


def recipient(enclave: Enclave) -> str:
    return enclave.custody.seal_recipient("demo")


def hemp(enclave: Enclave, rows: int, **changes: object) -> tuple[Path, Manifest]:
    file = enclave.file(f"hemp_{rows}.csv", csv_bytes(hemp_rows(rows)))
    return file, parse_manifest(manifest_fields(file, "hemp_clearances", rows, **changes))


def sealed(enclave: Enclave, rows: int, name: str = "outbox", replaces: str = "", **changes: object) -> Path:
    file, manifest = hemp(enclave, rows, **changes)
    return outbox(enclave, name).seal(file, manifest, recipient(enclave), now=NOW, replaces=replaces)


def known(enclave: Enclave, name: str = "outbox", supplier: str = "GM9001") -> SigningKey:
    """Let the office know the key of an outbox."""
    key = own_key(enclave.home / name)
    changed(enclave, key.public, supplier)
    return key


def changed(enclave: Enclave, public: PublicKey | None, supplier: str = "GM9001") -> None:
    change(
        supplier,
        public,
        workspace=enclave.workspace,
        journal=enclave.journal,
        key=enclave.custody.receipt_key(),
        actor="custodian",
        now=NOW,
    )


def refused(enclave: Enclave, delivery: Path, why: str) -> None:
    """Refused for this, with a signed answer that says so, and nothing is received."""
    before = set(enclave.bytes_of_zones())
    with pytest.raises(BadInput, match=why):
        enclave.receive(delivery)
    (answer,) = set(enclave.bytes_of_zones()) - before
    found = Refusal.load(enclave.workspace.root / answer, enclave.custody.receipt_key().public)
    assert why in found.reason
    assert enclave.actions()[-1] == "delivery-refused"


def withdrawer(enclave: Enclave) -> Withdrawer:
    return Withdrawer(enclave.workspace, enclave.custody, enclave.journal, "custodian")


def unverified(enclave: Enclave) -> list[bool]:
    found = delivery_status(enclave.project, enclave.journal.entries(), today=NOW.date())
    return [line.unverified for line in found.lines if line.delivery]


def demanding(enclave: Enclave) -> Enclave:
    fields = enclave.project.model_dump(by_alias=True) | {"signed_deliveries": "required"}
    return replace(enclave, project=Project.model_validate(fields))


def test_a_supplier_whose_key_is_known_is_verified_and_the_receipt_journal_and_status_say_so(enclave: Enclave) -> None:
    key = known(enclave)
    receipt = enclave.receive(sealed(enclave, 4))
    assert receipt.accepted and receipt.findings.sender_key == key_id(key.public)
    (entry,) = (each for each in enclave.journal.entries() if each.action == "delivery-accepted")
    assert entry.details["sender_key"] == key_id(key.public)
    assert unverified(enclave) == [False]
    assert f"sender verified, by {key_id(key.public)}" in str(receipt)
    assert "afzender vastgesteld" in receipt_text(receipt, Language.NL)


@pytest.mark.parametrize("signed", [True, False])
def test_of_a_supplier_whose_key_nobody_confirmed_it_is_said_that_the_sender_is_not_verified(
    enclave: Enclave, signed: bool
) -> None:
    known(enclave, supplier="kadaster")
    whole = sealed(enclave, 4) if signed else enclave.seal_as(*hemp(enclave, 4))
    receipt = enclave.receive(whole)
    assert receipt.accepted and receipt.findings.sender_key == ""
    assert unverified(enclave) == [True]
    assert "sender not verified" in str(receipt) and "afzender niet vastgesteld" in receipt_text(receipt, Language.NL)
    found = delivery_status(enclave.project, enclave.journal.entries(), today=NOW.date())
    assert "1 with a sender not verified" in found.summary()
    assert Receipt.model_validate_json(receipt.model_dump_json()) == receipt


def test_unsigned_or_signed_by_another_it_is_refused(enclave: Enclave) -> None:
    known(enclave)
    refused(enclave, enclave.seal_as(*hemp(enclave, 4)), UNSIGNED)
    refused(enclave, sealed(enclave, 5, "stranger"), ANOTHER)
    known(enclave, "kadaster", supplier="kadaster")
    refused(enclave, sealed(enclave, 6, "kadaster"), ANOTHER)  # another supplier's key, known as that one's
    assert enclave.receive(sealed(enclave, 7)).accepted


def test_a_signature_over_something_else_is_refused(enclave: Enclave, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forger who has seen a signature of the supplier: over other fields, or of an earlier delivery."""
    key = known(enclave)
    file, manifest = hemp(enclave, 4)
    real = sealing.sign
    for forged in (
        lambda kind, fields, to, key: real(kind, {**fields, "purpose": "another"}, to, key),
        lambda kind, fields, to, key: real(PayloadType.NOTICE, fields, to, key),
        lambda kind, fields, to, key: real(kind, fields, to, SigningKey.generate()).model_copy(
            update={"key_id": key_id(key.public)}
        ),
    ):
        monkeypatch.setattr(sealing, "sign", forged)
        whole = seal(file, manifest, recipient(enclave), enclave.home, key)
        monkeypatch.undo()
        refused(enclave, whole, FORGED)
    assert enclave.receive(seal(file, manifest, recipient(enclave), enclave.home, key)).accepted


def test_what_was_signed_for_another_office_is_not_received_here(
    enclave: Enclave, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another office opens what was sealed to it, and seals it on with the supplier's signature."""
    key = known(enclave)
    other = str(pyrage.x25519.Identity.generate().to_public())
    file, manifest = hemp(enclave, 4)
    kept = sealing.sign
    monkeypatch.setattr(sealing, "sign", lambda kind, fields, _, key: kept(kind, fields, other, key))
    passed_on = seal(file, manifest, recipient(enclave), enclave.home, key)
    monkeypatch.undo()
    refused(enclave, passed_on, "not for this office")


def test_a_replaced_key_signs_no_more_and_the_new_one_does(enclave: Enclave) -> None:
    known(enclave)
    first = enclave.receive(old := sealed(enclave, 4))
    late = sealed(enclave, 5, replaces=first.findings.delivery)
    outbox(enclave).new_key(now=NOW)
    refused(enclave, sealed(enclave, 6, replaces=first.findings.delivery), ANOTHER)  # nobody confirmed it yet
    known(enclave)
    refused(enclave, late, ANOTHER)
    assert enclave.receive(old) == first  # answered before: its receipt is given again
    newer = enclave.receive(sealed(enclave, 7, replaces=first.findings.delivery))
    assert newer.accepted and newer.findings.sender_key != first.findings.sender_key
    changes = [entry.action for entry in enclave.journal.entries() if entry.action.startswith("supplier-key")]
    assert changes == ["supplier-key-known"] * 2


def test_after_a_revocation_nothing_of_the_supplier_is_received_until_another_key_is_known(enclave: Enclave) -> None:
    known(enclave)
    changed(enclave, None)
    for whole in (sealed(enclave, 4), enclave.seal_as(*hemp(enclave, 5))):
        refused(enclave, whole, "the key of this supplier was revoked")
    with pytest.raises(BadInput, match="knows no key"):
        changed(enclave, None)
    outbox(enclave).new_key(now=NOW)
    known(enclave)
    assert enclave.receive(sealed(enclave, 6)).findings.sender_key


def test_an_old_signed_delivery_that_is_handed_in_again_brings_nothing_back(enclave: Enclave) -> None:
    known(enclave)
    shutil.copy(whole := sealed(enclave, 4), kept := enclave.home / "kept.zicht")
    first = enclave.receive(whole)
    enclave.receive(sealed(enclave, 5, replaces=first.findings.delivery))
    refused(enclave, kept, "this delivery was withdrawn")
    refused(enclave, sealed(enclave, 6), "was accepted before")


def test_a_project_that_demands_signatures_receives_nothing_else(enclave: Enclave) -> None:
    strict = demanding(enclave)
    refused(strict, sealed(strict, 4), "what is signed alone")
    known(strict)
    assert strict.receive(sealed(strict, 5)).findings.sender_key


def test_a_notice_of_a_supplier_whose_key_is_known_is_signed_too(enclave: Enclave) -> None:
    first = enclave.receive(sealed(enclave, 4)).findings.delivery
    proof = (enclave.home / "outbox/secrets" / f"{first}.txt").read_text().strip()
    signed = outbox(enclave).withdraw(first, Reason.ERRORS, recipient(enclave), now=NOW)
    key = known(enclave)
    plain = enclave.home / "plain.withdrawal"
    notice = Notice(delivery=first, reason=Reason.ERRORS, proof=proof)
    for signer, why in ((None, UNSIGNED), (SigningKey.generate(), ANOTHER)):
        seal_notice(notice, recipient(enclave), plain, signer)
        with pytest.raises(BadInput, match=why):
            withdrawer(enclave).on_notice(plain, enclave.project, NOW)
    seal_notice(notice, other := str(pyrage.x25519.Identity.generate().to_public()), plain, key)
    assert other != recipient(enclave)
    with pytest.raises(BadInput, match="no notice of withdrawal"):
        withdrawer(enclave).on_notice(plain, enclave.project, NOW)
    assert enclave.actions().count("withdrawal-refused") == 3 and "delivery-withdrawn" not in enclave.actions()
    (confirmed,) = withdrawer(enclave).on_notice(signed, enclave.project, NOW)
    assert confirmed.delivery == first


def test_a_list_that_was_changed_put_back_or_lost_stops_receiving(enclave: Enclave) -> None:
    known(enclave)
    place = enclave.workspace.path(Zone.KEY) / "suppliers.json"
    earlier = place.read_bytes()
    changed(enclave, None)
    last, whole = place.read_bytes(), sealed(enclave, 4)
    assert place.stat().st_mode & 0o777 == 0o600
    for content in (earlier, last.replace(b'"GM9001": ""', b'"GM9002": ""'), b"{}", None):
        place.unlink() if content is None else place.write_bytes(content)
        with pytest.raises(Tampered):
            enclave.receive(whole)
    assert "delivery-accepted" not in enclave.actions()
    place.write_bytes(last)
    refused(enclave, whole, "was revoked")


def test_a_change_that_was_killed_after_its_entry_is_finished_by_the_same_and_by_no_other(enclave: Enclave) -> None:
    known(enclave)
    place = enclave.workspace.path(Zone.KEY) / "suppliers.json"
    earlier = place.read_bytes()
    changed(enclave, None)
    finished, entries = place.read_bytes(), enclave.journal.head().sequence
    place.write_bytes(earlier)
    with pytest.raises(Tampered, match="repeat the last change, to GM9001"):
        changed(enclave, SigningKey.generate().public, "kadaster")
    changed(enclave, None)
    assert place.read_bytes() == finished and enclave.journal.head().sequence == entries


def test_what_others_append_to_the_journal_changes_nothing_and_stops_nobody(enclave: Enclave) -> None:
    """The journal's group appends; it may invent an entry, or copy one that stood before."""
    known(enclave)
    changed(enclave, None)
    outbox(enclave).new_key(now=NOW)
    key = known(enclave)
    told = [entry for entry in enclave.journal.entries() if entry.action.startswith("supplier-key")]
    invented = {"key_id": key_id(SigningKey.generate().public), "after": told[-1].digest, "signature": ""}
    for action, details in (
        ("supplier-key-known", {}),
        ("supplier-key-known", invented),
        *((entry.action, dict(entry.details)) for entry in told),
    ):
        enclave.journal.append(actor="custodian", action=action, subject="GM9001", details=details, now=NOW)
    assert supplier_keys(enclave.workspace, enclave.journal, enclave.custody.receipt_key().public) == {
        "GM9001": key.public.text
    }
    assert enclave.receive(sealed(enclave, 4)).findings.sender_key == key_id(key.public)
    changed(enclave, None)
    refused(enclave, sealed(enclave, 5), "was revoked")


def test_the_key_at_home_is_the_suppliers_alone_and_stays_the_same(enclave: Enclave) -> None:
    sealed(enclave, 4)
    home = enclave.home / "outbox"
    key = home / "secrets/signing.pem"
    assert key.stat().st_mode & 0o777 == 0o600 and key.parent.stat().st_mode & 0o777 == 0o700
    public = (home / "signing.pub").read_text().strip()
    assert own_key(home).public.text == public
    (home / "signing.pub").unlink()
    sealed(enclave, 5)
    assert (home / "signing.pub").read_text().strip() == public
    key.chmod(0o644)
    with pytest.raises(KeyUnavailable, match="others than its owner"):
        sealed(enclave, 6)
    written = [path for path in enclave.workspace.root.rglob("*") if path.is_file()]
    secret = key.read_bytes().splitlines()[1]
    assert not [path for path in written if secret in path.read_bytes()]


def test_the_commands_of_both_sides(tmp_path: Path) -> None:
    from tests.pipeline.test_refused_deliveries import Office

    office = Office.at(tmp_path / "office")
    custodian = ("--workspace", office.root / "run", "--passphrase-file", office.root / "pass")

    def said(*arguments: str | Path, answer: str = "") -> str:
        done = CliRunner().invoke(app, list(map(str, arguments)), input=answer)
        if done.exception:
            raise done.exception
        return done.output

    home = office.outbox.folder
    told = said("delivery", "key", "--outbox", home)
    public = home / "signing.pub"
    digits = fingerprint(PublicKey(public.read_text().strip()))
    assert digits in told and "tell the fingerprint" in told
    with pytest.raises(BadInput, match="expects nothing from this supplier"):
        said("supplier", "add", "nobody", public, "--fingerprint", digits, *custodian)
    with pytest.raises(BadInput, match="another fingerprint"):
        said("supplier", "add", "GM9001", public, "--fingerprint", digits[::-1], *custodian)
    with pytest.raises(NotAllowed, match="nobody confirmed"):
        said("supplier", "add", "GM9001", public, *custodian, answer="n\n")
    assert not office.entries("supplier-key-known")
    assert digits in said("supplier", "add", "GM9001", public, *custodian, answer="y\n")
    said("supplier", "add", "GM9001", public, "--fingerprint", digits.upper().replace(" ", ""), *custodian)
    assert f"GM9001       {digits}" in said("supplier", "list", *custodian)
    office.hand_in(office.sealed(4))
    assert "sender verified, by ed25519/" in office.receive("--hand-in", office.share)
    office.foreign(5, supplier="GM9002")
    assert "sender not verified" in office.receive("--hand-in", office.share)
    status = said("status", "--deliveries", "--workspace", office.root / "run")
    assert "1 with a sender not verified" in status
    (line,) = (line for line in status.splitlines() if line.startswith("  GM9002") and "accepted" in line)
    assert line.endswith("sender not verified")
    said("supplier", "revoke", "GM9001", *custodian)
    assert '"GM9001": "revoked"' in said("supplier", "list", "--json", *custodian)
    assert "signing-key-drawn" not in office.outbox.journal.file.read_text()
    assert said("delivery", "key", "--new", "--outbox", home, "--language", "nl") != told
    assert "signing-key-drawn" in office.outbox.journal.file.read_text()
