"""The supplier's folder: sealed deliveries, the key that signs them, the secrets that withdraw them, and a journal.

The journal is the enclave's: append-only lines, each with the digest of the one before, so that both sides can show
what they did. It holds names, times and digests of sealed files; nothing of what was delivered.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from enclave.entropy import SecureEntropy
from enclave.errors import BadInput
from enclave.files import sweep_temporaries, write_text
from enclave.fingerprints import Json, digest_file
from enclave.journal import Journal
from enclave.signatures import SigningKey
from pseudonymise.delivery import seal
from pseudonymise.handing_in import copy_on
from pseudonymise.manifest import DELIVERY_ID, Manifest, refuse_incomplete
from pseudonymise.receipt import Receipt
from pseudonymise.refusal import Refusal
from pseudonymise.sealing import SUFFIX
from pseudonymise.sender import own_key
from pseudonymise.signed_statement import key_id
from pseudonymise.withdrawal import NOTICE_SUFFIX, Confirmation, Notice, Reason, digest_of_proof, seal_notice

ACTOR = "supplier"
NEW_KEY = "signing-key-drawn"
SEALED, HANDED_IN, ANSWERED, ASKED_BACK = "sealed", "handed-in", "receipt-verified", "withdrawal-asked"


class Outbox:
    """The folder in which a supplier seals; ``secrets/`` in it is for nobody else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder / "journal")

    def seal(
        self, files: Path | Sequence[Path], manifest: Manifest, recipient: str, *, now: datetime, replaces: str = ""
    ) -> Path:
        """Seal a delivery and write it down; ``replaces`` names an earlier one whose place it takes.

        Raises:
            BadInput: as :func:`~pseudonymise.delivery.seal`; no project would receive it
                (:func:`~pseudonymise.manifest.refuse_incomplete`); or the earlier one was not sealed from this folder.
        """
        refuse_incomplete(manifest, now.date())
        manifest = manifest.with_token(SecureEntropy())
        sweep_temporaries(self.folder / "secrets")
        changes = {"withdrawal": digest_of_proof(self._secret(manifest.delivery_id))}
        if replaces:
            changes |= {"replaces": replaces, "replaces_proof": self._kept(replaces)}
        key = own_key(self.folder)
        sealed = seal(files, manifest.model_copy(update=changes), recipient, self.folder, key)
        self._tell(SEALED, manifest.delivery_id, {"sealed_sha256": digest_file(sealed), "replaces": replaces}, now)
        return sealed

    def hand_in(self, sealed: Path, folder: Path, *, now: datetime) -> int:
        """Copy a sealed delivery, or a notice, into ``folder``; returns the bytes that an earlier try had brought over.

        Raises:
            BadInput: no such file, or one that is neither.
            StorageFailed: the copy broke off; the same command goes on.
        """
        if sealed.suffix not in (SUFFIX, NOTICE_SUFFIX):
            raise BadInput(
                "only what is sealed is handed in", where=sealed.name, next_step="seal it: zicht delivery seal"
            )
        kept = copy_on(sealed, folder / sealed.name)
        self._tell(HANDED_IN, sealed.stem, {"sealed_sha256": digest_file(sealed)}, now)
        return kept

    def withdraw(self, delivery: str, reason: Reason, recipient: str, *, now: datetime) -> Path:
        """A sealed notice that withdraws a delivery, to be handed in.

        Raises:
            BadInput: it was not sealed from this folder.
        """
        notice = Notice(delivery=delivery, reason=reason, proof=self._kept(delivery))
        out = self.folder / f"{delivery}{NOTICE_SUFFIX}"
        seal_notice(notice, recipient, out, own_key(self.folder))
        self._tell(ASKED_BACK, delivery, {"reason": reason.value}, now)
        return out

    def new_key(self, *, now: datetime) -> SigningKey:
        """Draw another signing key in place of the present one; the office must come to know it."""
        key = own_key(self.folder, new=True)
        self._tell(NEW_KEY, key_id(key.public), {}, now)
        return key

    def note(self, answer: Receipt | Confirmation | Refusal, *, now: datetime) -> None:
        """Write down an answer of the enclave whose signature was verified."""
        if isinstance(answer, Receipt):
            subject, outcome = answer.findings.delivery, str(answer.findings.outcome)
        elif isinstance(answer, Refusal):
            subject, outcome = self.sealed_as(answer.sealed_sha256) or answer.delivery, "refused"
        else:
            subject, outcome = answer.delivery, "withdrawn"
        head = answer.journal_head
        anchor: dict[str, Json] = {"sequence": head.sequence, "digest": head.digest}
        self._tell(ANSWERED, subject, {"outcome": outcome, "journal_head": anchor}, now)

    def sealed_as(self, sealed_sha256: str) -> str:
        """The name of what was sealed or handed in from this folder with that digest; empty when nothing was."""
        digests = {str(e.details.get("sealed_sha256", "")): e.subject for e in self.journal.entries()}
        return digests.get(sealed_sha256, "")

    def _tell(self, action: str, subject: str, details: dict[str, Json], now: datetime) -> None:
        self.journal.append(actor=ACTOR, action=action, subject=subject, details=details, now=now)

    def _secret(self, delivery: str) -> str:
        """The secret of a delivery, drawn when it is first asked for."""
        file = self._secret_file(delivery)
        if not file.is_file():
            write_text(file, secrets.token_hex(32) + "\n", mode=0o600)
            file.parent.chmod(0o700)
        return file.read_text(encoding="utf-8").strip()

    def _kept(self, delivery: str) -> str:
        if not DELIVERY_ID.fullmatch(delivery) or not self._secret_file(delivery).is_file():
            raise BadInput(
                "no such delivery was sealed from this folder",
                where=self.folder.name,
                next_step="take the delivery's name from its receipt; if the folder is lost, call the custodian",
            )
        return self._secret(delivery)

    def _secret_file(self, delivery: str) -> Path:
        return self.folder / "secrets" / f"{delivery}.txt"
