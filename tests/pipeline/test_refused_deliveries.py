"""What becomes of a delivery that is refused: a signed answer, once, and nothing that waits for the custodian."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyrage
import pytest
from typer.testing import CliRunner

from enclave.errors import BadInput, Tampered
from enclave.fingerprints import Json, digest_file
from enclave.journal import Entry, Journal
from pipeline.custodian import open_desk
from pipeline.expiry import expire as do_expire
from pipeline.expiry import plan_expiry
from pipeline.main import app
from pipeline.office import create_office, open_office, settings_for, utc_now
from pipeline.office_setup import set_up
from pipeline.overview import deliveries_of, overview
from pipeline.progress import Style, Teller
from pseudonymise.delivery import seal
from pseudonymise.destruction import BY_REMOVAL_SEALED, Certificate
from pseudonymise.manifest import parse_manifest
from pseudonymise.outbox import Outbox
from pseudonymise.withdrawal import Reason
from tests.conftest import CHECKOUT
from tests.pseudonymise.small_town import NOW, csv_bytes, hemp_rows, manifest_fields

PROJECT = "ondermijning"


@dataclass(frozen=True)
class Office:
    """An office without data, and a supplier's folders beside it."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> Office:
        (root / "data").mkdir(parents=True)
        configs = CHECKOUT / "configs"
        settings = settings_for(root / "run", root / "data", configs, project=PROJECT, threads=1, demo_seed=7)
        office = create_office(root / "run", settings)
        example = configs / "policies" / f"{office.project.policy}.confidential.example.yaml"
        set_up(
            office, custodian=b"c", root=b"r", service=b"s", entropy=office.entropy, confidential=example, now=utc_now()
        )
        (root / "pass").write_text("c")
        (root / "pass").chmod(0o600)
        return cls(root)

    @property
    def share(self) -> Path:
        return self.root / "share"

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.root / "outbox")

    @property
    def recipient(self) -> str:
        return (self.root / f"run/public-keys/seal-{PROJECT}.pub").read_text().strip()

    def file(self, rows: int) -> Path:
        path = self.root / f"hemp_{rows}.csv"
        path.write_bytes(csv_bytes(hemp_rows(rows)))
        return path

    def foreign(self, rows: int, to: str = "", **changes: object) -> Path:
        """A delivery sealed with a tool of another maker, which does not look at the manifest."""
        file = self.file(rows)
        manifest = parse_manifest(manifest_fields(file, "hemp_clearances", rows, **changes))
        return seal(file, manifest, to or self.recipient, self.share)

    def sealed(self, rows: int, replaces: str = "") -> Path:
        file = self.file(rows)
        manifest = parse_manifest(manifest_fields(file, "hemp_clearances", rows))
        return self.outbox.seal(file, manifest, self.recipient, now=NOW, replaces=replaces)

    def hand_in(self, sealed: Path) -> None:
        self.outbox.hand_in(sealed, self.share, now=NOW)

    def said(self, *arguments: str | Path) -> str:
        """What a command says; raises what stops it."""
        done = CliRunner().invoke(app, list(map(str, arguments)))
        if done.exception:
            raise done.exception
        return done.output

    def receive(self, *arguments: str | Path) -> str:
        return self.said(
            "receive", *arguments, "--workspace", self.root / "run", "--passphrase-file", self.root / "pass"
        )

    def refused(self, *arguments: str | Path) -> BadInput:
        with pytest.raises(BadInput, match="deliveries were refused") as caught:
            self.receive(*arguments)
        return caught.value

    def entries(self, action: str) -> list[Entry]:
        return [entry for entry in Journal(self.root / "run/journal").entries() if entry.action == action]

    def verified(self, answer: Path, *more: str | Path) -> str:
        return self.said("receipt", "verify", answer, "--key", self.root / "run/public-keys/receipt.pub", *more)

    def following(self) -> str:
        office = open_office(self.root / "run")
        return overview(office, deliveries_of(office))[1][0]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office.at(tmp_path / "office")


def test_a_refused_delivery_is_answered_once_and_nothing_waits_then(office: Office) -> None:
    sealed = office.foreign(3, legal_basis=" ", contact="")
    checks = {fault.check for fault in office.refused("--hand-in", office.share).faults}
    assert checks == {"refused", "legal_basis", "contact"}
    (answer,) = (office.share / "receipts").iterdir()
    assert answer.name == f"{sealed.stem}.{digest_file(sealed)[:12]}.refused.json"
    said = office.verified(answer, "--file", sealed)
    assert "holds: signed by ed25519/" in said and "a delivery without a legal basis is not received" in said
    assert "there is nobody to send questions to" in said and "Next: correct the manifest" in said
    assert "zonder grondslag" in office.verified(answer, "--language", "nl")
    assert "roster sign" in office.following()  # and not: receive
    for again in (("--hand-in", office.share), ()):
        office.receive(*again)  # ends well, and opens it no more
    assert len(office.entries("delivery-refused")) == 1
    office.refused(office.root / "run/inbox" / sealed.name)  # named, it is told again
    office.refused("--again")
    assert len(office.entries("delivery-refused")) == 1
    assert [path.name for path in (office.share / "receipts").iterdir()] == [answer.name]


def test_what_cannot_be_opened_is_answered_by_its_digest(office: Office) -> None:
    sealed = office.foreign(3, to=str(pyrage.x25519.Identity.generate().to_public()))
    shutil.copy(sealed, cut := office.share / "A. Person 999400131.zicht")
    cut.write_bytes(cut.read_bytes()[:-40])
    office.refused("--hand-in", office.share)
    told = {path.name: path for path in (office.share / "receipts").iterdir()}
    assert told.keys() == {f"unopened.{digest_file(path)[:12]}.refused.json" for path in (sealed, cut)}
    for path in (sealed, cut):
        answer = told[f"unopened.{digest_file(path)[:12]}.refused.json"]
        assert f"it is about {path.name}" in office.verified(answer, "--file", path)
        assert "999400131" not in answer.read_text()
    with pytest.raises(Tampered, match="about another sealed file"):
        office.verified(answer, "--file", sealed)
    office.outbox.hand_in(sealed, office.root / "elsewhere", now=NOW)
    of_sealed = told[f"unopened.{digest_file(sealed)[:12]}.refused.json"]
    assert f"it is about {sealed.stem}" in office.verified(of_sealed, "--outbox", office.outbox.folder)
    assert list(office.outbox.journal.entries())[-1].details["outcome"] == "refused"


def test_an_altered_refusal_does_not_hold(office: Office) -> None:
    office.foreign(3, purpose="")
    office.refused("--hand-in", office.share)
    (answer,) = (office.share / "receipts").iterdir()
    fields = json.loads(answer.read_text())
    answer.write_text(json.dumps({**fields, "reason": "seal it to another key"}))
    with pytest.raises(Tampered, match="signature over refusal does not hold"):
        office.verified(answer)


def test_a_delivery_that_comes_before_the_one_it_replaces_waits_for_it_and_holds_nobody_up(office: Office) -> None:
    first = office.sealed(3)
    newer = office.sealed(4, replaces=first.stem)
    office.hand_in(newer)
    office.foreign(5, supplier="GM9002")
    (fault,) = office.refused("--hand-in", office.share).faults
    assert (fault.file, fault.message) == (newer.name, "no such delivery was accepted")
    assert [entry.subject[:6] for entry in office.entries("delivery-accepted")] == ["GM9002"]
    assert "accepted" in office.receive("--hand-in", office.share)
    assert len(office.entries("delivery-refused")) == 1
    office.hand_in(first)
    for _ in range(2):  # whichever of the two comes first by its name
        office.receive("--hand-in", office.share)
    assert office.entries("delivery-accepted")[-1].subject == newer.stem
    assert (office.share / "receipts" / f"{first.stem}.withdrawn.json").is_file()


def test_a_notice_that_does_not_hold_is_answered_once(office: Office) -> None:
    first = office.sealed(3)
    office.hand_in(first)
    office.receive("--hand-in", office.share)
    (office.outbox.folder / "secrets" / f"{first.stem}.txt").write_text("00" * 32)
    notice = office.outbox.withdraw(first.stem, Reason.ERRORS, office.recipient, now=NOW)
    office.hand_in(notice)
    (fault,) = office.refused("--hand-in", office.share).faults
    assert "the secret is another one" in fault.message
    answer = office.share / "receipts" / f"{first.stem}.{digest_file(notice)[:12]}.refused.json"
    assert "the secret is another one" in office.verified(answer, "--file", notice)
    office.receive("--hand-in", office.share)
    assert len(office.entries("withdrawal-refused")) == 1 and not office.entries("delivery-withdrawn")
    assert office.following() == "zicht roster sign people.yaml --serial 1"


def test_a_corrected_delivery_under_the_same_name_is_looked_at(office: Office) -> None:
    """A clerk corrects the manifest and seals again: the name, made of the same token, is the same."""
    sealed = office.foreign(3, legal_basis="", token="0123456789ab")
    office.refused("--hand-in", office.share)
    assert office.foreign(3, token="0123456789ab") == sealed
    assert "accepted 3" in office.receive("--hand-in", office.share)
    assert [line.why for line in deliveries_of(open_office(office.root / "run")).lines if line.delivery] == [()]


def expire(office: Office, day: date) -> tuple[Certificate, ...]:
    """As ``zicht expire`` does on that day."""
    desk = open_desk(open_office(office.root / "run"), b"c", Teller(Style.PLAIN), expiring=True)
    return do_expire(desk, plan_expiry(desk, day, today=day), utc_now())


def test_what_was_not_accepted_is_destroyed_after_the_days_of_the_project_file(office: Office) -> None:
    too_many = office.root / "rejected.csv"
    too_many.write_bytes(csv_bytes([{**row, "plants": "veel"} for row in hemp_rows(20)]))
    fields = manifest_fields(too_many, "hemp_clearances", 20, supplier="GM9002")
    rejected = seal(too_many, parse_manifest(fields), office.recipient, office.share)
    refused = office.foreign(3, legal_basis=" ")
    newer = office.sealed(4, replaces=office.sealed(6).stem)
    office.hand_in(newer)
    accepted = office.foreign(5, supplier="GM9004")
    office.refused("--hand-in", office.share)
    names = {f"{path.stem}.{digest_file(path)[:12]}": path for path in (rejected, refused, newer)}
    inbox, today = office.root / "run/inbox", utc_now().date()
    assert len(list(inbox.glob("*.zicht"))) == 4
    office.refused(inbox / refused.name)  # looked at again, it waits no longer for that
    assert expire(office, today + timedelta(days=29)) == ()
    recipient = office.recipient
    certificates = expire(office, today + timedelta(days=30))
    assert {c.destroyed.name for c in certificates} == names.keys()
    for found in certificates:
        path = names[found.destroyed.name]
        assert (found.means, found.destroyed.keys) == (BY_REMOVAL_SEALED, ())
        assert found.destroyed.files == {f"inbox/{path.name}": digest_file(path)}
        assert found.destroyed.retention_date == today + timedelta(days=30)
    assert [path.name for path in inbox.glob("*.zicht")] == [accepted.name]
    assert office.recipient == recipient  # nobody has to seal again
    told = {entry.details["sealed_sha256"]: entry.subject for entry in office.entries("destroyed")}
    assert told == {digest_file(path): f"refused delivery {name}" for name, path in names.items()}
    before = len(list(Journal(office.root / "run/journal").entries()))
    office.receive("--hand-in", office.share)  # what still lies in the supplier's folder is not taken again
    assert [path.name for path in inbox.glob("*.zicht")] == [accepted.name]
    assert {e.action for e in Journal(office.root / "run/journal").entries(after=before)} <= {"keys used"}
    for name in names:
        certificate = office.share / "receipts" / f"{name}.destroyed.json"
        said = office.said("certificate", "verify", certificate, "--key", office.root / "run/public-keys/receipt.pub")
        assert f"refused delivery {name} of project {PROJECT}" in said
    office.refused("--hand-in", office.share, "--again")
    assert len(list(inbox.glob("*.zicht"))) == 4
    assert len(expire(office, today + timedelta(days=30))) == 3


def test_what_others_write_into_the_journal_destroys_nothing(office: Office) -> None:
    sealed = office.foreign(3)
    shutil.copy(sealed, waits := office.root / "run/inbox" / sealed.name)
    details: dict[str, Json] = {"sealed_sha256": digest_file(sealed), "error": "BadInput", "reason": "x", "faults": []}
    Journal(office.root / "run/journal").append(
        actor="r-mallory", action="delivery-refused", subject="unopened", details=details, now=NOW
    )
    assert expire(office, utc_now().date() + timedelta(days=99)) == ()
    assert waits.is_file()


def test_a_changed_refusal_is_named_and_keeps_nothing_from_going_once_it_is_given_anew(office: Office) -> None:
    office.foreign(3, contact="")
    office.refused("--hand-in", office.share)
    (answer,) = (office.root / "run/inbox/receipts").iterdir()
    answer.chmod(0o600)
    answer.write_text(answer.read_text().replace("GM9001", "GM9009", 1))
    day = utc_now().date() + timedelta(days=30)
    with pytest.raises(Tampered, match=rf"inbox/receipts/{answer.name}: this refusal was changed[\s\S]*--again"):
        expire(office, day)
    answer.unlink()
    office.refused("--again")
    assert len(expire(office, day)) == 1


def test_a_delivery_that_expired_and_is_handed_in_again_does_not_change_the_key_that_suppliers_seal_to(
    office: Office,
) -> None:
    sealed = office.foreign(3, retention_date="2027-01-31")
    office.receive("--hand-in", office.share)
    day = date(2027, 1, 31)
    (gone,) = expire(office, day)
    assert gone.destroyed.kind == "delivery"
    recipient = office.recipient
    office.refused("--hand-in", office.share)  # it still lies there: sealed to another key
    assert (office.root / "run/inbox" / sealed.name).is_file()
    (again,) = expire(office, day)
    assert again.destroyed.name == f"unopened.{digest_file(sealed)[:12]}"
    assert office.recipient == recipient
    certificate = next((office.root / "run/keys/certificates").glob("delivery-*"))
    assert Certificate.model_validate_json(certificate.read_bytes()) == gone
