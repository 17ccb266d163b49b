"""The custodian's part of a withdrawal: on the supplier's notice, or by hand; finished after a kill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from enclave.errors import BadInput, EnclaveError, NotReady
from enclave.journal import Journal
from enclave.project import Project
from enclave.signatures import PayloadType
from enclave.zones import Workspace, Zone
from pseudonymise.age_keys import recipient_text
from pseudonymise.answered import Told
from pseudonymise.custody import Custody
from pseudonymise.receipt import Receipt
from pseudonymise.receive import one_at_a_time, receipts, receipts_kept
from pseudonymise.refusal import NOTICE_REFUSED, UNOPENED, refuse
from pseudonymise.supplier_keys import checked_sender, supplier_keys
from pseudonymise.withdrawal import (
    Confirmation,
    Reason,
    Withdrawals,
    check_proof,
    journal_withdrawal,
    open_notice,
    remove_withdrawn,
    token_of,
)


@dataclass(frozen=True, slots=True)
class Withdrawer:
    """Withdraws deliveries of one workspace."""

    workspace: Workspace
    custody: Custody
    journal: Journal
    actor: str

    def on_notice(self, file: Path, project: Project, now: datetime) -> tuple[Confirmation, ...]:
        """Withdraw what a supplier's notice names, after a look at its secret and, where a key is known, its signature.

        Raises:
            BadInput: no notice, or not from who sealed the delivery.
            NotReady: no such delivery stands. Either is journalled and answered with a signed refusal.
        """
        secret, named = self.custody.seal_identity(project.name), UNOPENED
        known = supplier_keys(self.workspace, self.journal, self.custody.receipt_key().public)
        try:
            notice = open_notice(file, secret)
            told = Told.of(self.journal).answers.get(notice.delivery)
            named = notice.delivery if told else named
            check_proof(notice.delivery, notice.proof, told)
            checked_sender(
                notice.supplier,
                PayloadType.NOTICE,
                notice.signed_fields(),
                notice.signature,
                sealed_to=recipient_text(secret),
                project=project,
                known=known,
            )
            return self._withdraw(notice.delivery, notice.reason, "supplier", now)
        except (BadInput, NotReady) as error:
            self._refuse(file, named, error, project.name, now)
            raise

    def _refuse(self, file: Path, named: str, error: EnclaveError, project: str, now: datetime) -> None:
        with one_at_a_time(self.workspace.path(Zone.IDENTIFIED)):
            refuse(
                file,
                named,
                error,
                project=project,
                key=self.custody.receipt_key(),
                workspace=self.workspace,
                journal=self.journal,
                actor=self.actor,
                now=now,
                action=NOTICE_REFUSED,
            )

    def by_hand(self, delivery: str, reason: Reason, now: datetime) -> tuple[Confirmation, ...]:
        """Withdraw a delivery on the custodian's own responsibility.

        Raises:
            NotReady: no such delivery stands.
        """
        return self._withdraw(delivery, reason, "custodian", now)

    def finish(self) -> tuple[Confirmation, ...]:
        """Remove what a killed process left of withdrawn deliveries."""
        with one_at_a_time(self.workspace.path(Zone.IDENTIFIED)):
            return self._finish()

    def _finish(self) -> tuple[Confirmation, ...]:
        """As long as a receipt lies where receipts lie, something of its file may be left."""
        gone = Withdrawals.of(self.journal)
        kept = receipts_kept(self.workspace, self.custody)
        return tuple(self._remove(receipt) for name, receipt in kept.items() if name in gone)

    def _withdraw(self, delivery: str, reason: Reason, by: str, now: datetime) -> tuple[Confirmation, ...]:
        """All files of a delivery go together."""
        with one_at_a_time(self.workspace.path(Zone.IDENTIFIED)):
            self._finish()
            standing = [
                receipt
                for receipt in receipts(self.workspace, self.custody)
                if receipt.accepted and token_of(receipt.findings.delivery) == token_of(delivery)
            ]
            if not standing:
                return self._confirmed_before(delivery)
            journal_withdrawal(standing, self.journal, actor=self.actor, reason=reason, by=by, now=now)
            return tuple(self._remove(receipt) for receipt in standing)

    def _confirmed_before(self, delivery: str) -> tuple[Confirmation, ...]:
        """Asked twice, answered the same."""
        gone = [name for name in Withdrawals.of(self.journal) if token_of(name) == token_of(delivery)]
        if not gone:
            raise NotReady("no such delivery stands: nothing was withdrawn", where=delivery)
        folder = self.workspace.path(Zone.INBOX) / "receipts"
        key = self.custody.receipt_key().public
        return tuple(Confirmation.load(folder / f"{name}.withdrawn.json", key) for name in gone)

    def _remove(self, receipt: Receipt) -> Confirmation:
        return remove_withdrawn(receipt, self.workspace, self.journal, self.custody.receipt_key())
