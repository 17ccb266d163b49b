"""The custodian's steps: receive, pseudonymise, link; each a step of the runner, so each is skipped when up to date."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from enclave.errors import BadInput, EnclaveError, Fault, KeyUnavailable, NotReady, Tampered
from enclave.fingerprints import Json
from enclave.journal import size_class
from enclave.zones import Workspace, Zone
from linkage.link import REPORT
from pipeline.encoded_matching import filter_step
from pipeline.expiry import broken_off, refuse_broken_off, refuse_resurrected
from pipeline.hand_in import public_name, unanswered
from pipeline.ledger_units import RECIPIENT, check_recipient
from pipeline.lineage import journal_use, untold
from pipeline.linking import hand_out_keys, key_zone, link_step, remove_tables, withhold_withdrawn
from pipeline.matched_keys import forget_withdrawn, matched_keys, sweep_half_written
from pipeline.matching import likeness_step
from pipeline.office import Office, utc_now
from pipeline.plausibility import Checked, check_deliveries, looked_at
from pipeline.progress import Teller
from pipeline.rotation import carried_over, refuse_other_algorithm, refuse_unfinished, write_bridge_of
from pipeline.runner import Outcome, Runner, Step
from pipeline.unseen import LOOKED_AT
from pipeline.withdrawn_rows import refuse_withdrawn_rows
from pseudonymise.answering import hand_out_again
from pseudonymise.custody import Custody
from pseudonymise.handing_in import digest_itself, is_plain
from pseudonymise.pseudonymise import pseudonymise
from pseudonymise.receipt import Receipt
from pseudonymise.receive import accepted_frame, one_at_a_time, receipts, receive_files
from pseudonymise.refusal import refusals
from pseudonymise.schemas import DeliverySchema, load_schemas
from pseudonymise.unlocking import Given
from pseudonymise.withdrawal import Confirmation, Reason, Withdrawals
from pseudonymise.withdrawing import Withdrawer

ACTOR = "custodian"
WRITTEN_AGAIN = "public key written again"
CODE = ("enclave", "pseudonymise")


@dataclass(frozen=True, slots=True)
class Intake:
    """Receipts of this run, and how many of them came from steps that really ran."""

    receipts: tuple[Receipt, ...]
    ran: int
    refused: tuple[Fault, ...] = ()

    def total(self, field: str) -> int:
        """Sum of a count (``received``, ``accepted``, ``quarantined``) over all receipts."""
        return sum(int(getattr(receipt.findings, field)) for receipt in self.receipts)


class CustodianDesk:
    """What the custodian's process works with: the opened keys never leave it."""

    def __init__(self, office: Office, custody: Custody, teller: Teller, uses: Counter[str] | None = None) -> None:
        self.office = office
        self.custody = custody
        self.teller = teller
        self.runner = Runner(office.workspace.root, office.journal, actor=ACTOR, clock=utc_now)
        self._uses: Counter[str] = Counter() if uses is None else uses
        self._schema_folder = office.configs / "schemas"

    def schemas(self) -> Mapping[str, DeliverySchema]:
        """All delivery schemas."""
        return load_schemas(self._schema_folder)

    @contextlib.contextmanager
    def journalling_keys(self, command: str) -> Iterator[None]:
        """Write down which keys a command used, and how often: names of keys, never a key (ENISA 2019)."""
        self._uses.clear()
        try:
            yield
        finally:
            if self._uses:
                used: dict[str, Json] = dict(sorted(self._uses.items()))
                self.office.journal.append(
                    actor=ACTOR, action="keys used", subject=command, details=used, now=utc_now()
                )

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait for the custodian's commands in other terminals: a withdrawal and an expiry remove what is half-written,
        and what they remove is not read by others."""
        folder = self.office.workspace.path(Zone.KEY)
        with one_at_a_time(folder, lambda: self.teller.say("waiting for another command of the custodian to end")):
            try:
                yield
            finally:  # a command that failed may have written there too
                if self.office.key_folder.is_dir():
                    with contextlib.suppress(Tampered):  # said by the next command that writes there, before it does
                        key_zone(self.office, self.custody).tell_journal()

    @property
    def _withdrawer(self) -> Withdrawer:
        return Withdrawer(self.office.workspace, self.custody, self.office.journal, ACTOR)

    def withdraw(self, delivery: str, reason: Reason) -> tuple[Confirmation, ...]:
        """Withdraw a delivery by hand, and write down which releases used it.

        Raises:
            NotReady: no such delivery stands.
        """
        with self.alone(), self.journalling_keys("withdraw"):
            withdrawn = self._withdrawer.by_hand(delivery, reason, utc_now())
            self.finish_withdrawals()
        return withdrawn

    def withdraw_on(
        self, notices: Iterable[Path], *, again: bool = False
    ) -> tuple[tuple[Confirmation, ...], tuple[Fault, ...]]:
        """Withdraw what suppliers' notices name; one that does not hold is a fault, and does not keep others out.

        What is refused as it was before is told ``again`` only when asked for.
        """
        done: list[Confirmation] = []
        refused: list[Fault] = []
        before = {} if again else self._refusals()
        with self.alone(), self.journalling_keys("withdraw"):
            for file in notices:
                try:
                    done += self._withdrawer.on_notice(file, self.office.project, utc_now())
                except (BadInput, NotReady) as error:
                    refused += self._faults(file, error, before)
            self.finish_withdrawals()
        return tuple(done), tuple(refused)

    def _refusals(self) -> dict[str, int]:
        """Places in the journal of what is refused, by the digest of the sealed file."""
        return {sha256: entry.sequence for sha256, entry in refusals(self.office.journal.entries()).items()}

    def _faults(self, file: Path, error: EnclaveError, before: Mapping[str, int]) -> list[Fault]:
        """What kept a sealed file out, as faults of it; nothing when that was told ``before``."""
        told = self._refusals()
        digest = digest_itself(file) if is_plain(file) else ""
        if digest in told and told[digest] == before.get(digest):
            return []
        inner = error.faults if isinstance(error, BadInput) else ()
        ours = isinstance(error, Tampered) and "/" in error.where  # a file of a zone
        return [Fault(file.name, "refused", f"{error.where}: {error.what}" if ours else error.what), *inner]

    def finish_withdrawals(self) -> None:
        """Remove what is left of withdrawn deliveries, here and in what was made of several, and write down which
        releases used them: all that a killed process left undone. The caller is :meth:`alone`."""
        self._withdrawer.finish()
        if Withdrawals.of(self.office.journal).entries:
            sweep_half_written(self.office)
        forget_withdrawn(self.office, self.runner.records(), partial(remove_tables, self.office, self.custody))
        withhold_withdrawn(self.office, self.custody)
        for delivery in untold(self.office.journal):
            journal_use(self.office.journal, self.office.project, delivery, actor=ACTOR, now=utc_now())

    def receive(self, sealed: Iterable[Path], *, again: bool = False, named: bool = False) -> Intake:
        """Receive every delivery in ``sealed``; faults of one do not keep the others out.

        What was refused before is left alone, unless the custodian ``named`` it, or all is looked at ``again``.
        """
        schemas = self.schemas()
        anew = again or named
        files = sorted(sealed if anew else unanswered(self.office, sealed))
        before = {} if anew else self._refusals()
        ran = 0
        refused = []
        with self.alone(), self.journalling_keys("receive"), self.teller.bar("receive") as tick:
            self.finish_withdrawals()
            for position, file in enumerate(files):
                tick(file.name, position, len(files))
                if not file.exists() and file.stem in Withdrawals.of(self.office.journal):
                    continue  # a newer version that came before it in this run took its place
                try:
                    ran += self.runner.run(self._receiving(file, schemas), again=again).ran
                except (BadInput, KeyUnavailable, NotReady, Tampered) as error:
                    refused += self._faults(file, error, before)
            self.finish_withdrawals()
        answered = {receipt.findings.delivery: receipt for receipt in receipts(self.office.workspace, self.custody)}
        hand_out_again(answered.values(), self.office.workspace)
        return Intake(tuple(answered[name] for name in sorted(answered)), ran, tuple(refused))

    def _receiving(self, sealed: Path, schemas: Mapping[str, DeliverySchema]) -> Step:
        counts: dict[str, Json] = {}

        def action() -> Mapping[str, Path]:
            answers = receive_files(
                sealed,
                custody=self.custody,
                project=self.office.project,
                schemas=schemas,
                workspace=self.office.workspace,
                journal=self.office.journal,
                actor=ACTOR,
                now=utc_now(),
            )
            for name in ("received", "accepted", "quarantined"):
                counts[name] = size_class(sum(int(getattr(receipt.findings, name)) for receipt in answers))
            return {
                f"{receipt.findings.schema_name} {label}": path
                for receipt in answers
                for label, path in _written(receipt, self.office.workspace).items()
            }

        inputs = {"sealed": sealed, **self._schema_files()}
        return Step(f"receive {public_name(self.office.project, sealed)}", inputs, CODE, {}, action, lambda: counts)

    def plausibility(self) -> tuple[Checked, ...]:
        """What there is to look at in each accepted delivery; looking is journalled, with the keys that it used."""
        accepted = self.standing()
        with self.journalling_keys("plausibility"):
            found = tuple(
                check_deliveries(
                    accepted,
                    workspace=self.office.workspace,
                    custody=self.custody,
                    schemas=self.schemas(),
                    key_register=self.office.key_register,
                )
            )
        if found:
            self.office.journal.append(
                actor=ACTOR, action=LOOKED_AT, subject="deliveries", details=looked_at(found), now=utc_now()
            )
        return found

    def pseudonymise(self, *, again: bool = False) -> list[Outcome]:
        """Pseudonymise every accepted delivery.

        Raises:
            NotReady: nothing was accepted yet.
        """
        with self.alone():
            self.finish_withdrawals()
            refuse_unfinished(self.custody)
            refuse_other_algorithm(self.office, self.custody)
            accepted = self.standing()
            if not accepted:
                raise NotReady("no delivery has been accepted yet", next_step="zicht receive SEALED…")
            with self.journalling_keys("pseudonymise"):
                key_zone(self.office, self.custody).check()
                return self._pseudonymised(accepted, again=again)

    def _pseudonymised(self, accepted: Sequence[Receipt], *, again: bool) -> list[Outcome]:
        outcomes = []
        with self.teller.bar("pseudonymise") as tick:
            for position, receipt in enumerate(accepted):
                tick(receipt.findings.delivery, position, len(accepted))
                outcomes.append(
                    carried_over(self, receipt) or self.runner.run(self._pseudonymising(receipt), again=again)
                )
            outcomes += [self.runner.run(step, again=again) for step in self._matching(accepted)]
        return outcomes

    def _matching(self, accepted: Iterable[Receipt]) -> Iterator[Step]:
        """Steps that match records without an identifier by likeness or by filter, as the project file says."""
        for matched in matched_keys(self.office):
            frames = {self.accepted_path(r): r for r in accepted if r.findings.schema_name == matched.schema_name}
            if not frames:
                continue
            schema, key = self.schemas()[matched.schema_name], matched.key
            if key.probabilistic is not None:
                yield likeness_step(self.office, self.custody, matched, key.probabilistic, frames=frames, schema=schema)
            elif key.encoded is not None:
                yield filter_step(self.office, self.custody, matched, key.encoded, frames=frames, schema=schema)

    def accepted_path(self, receipt: Receipt) -> Path:
        """Where the rows of a delivery that were accepted lie."""
        found = receipt.findings
        return (
            self.office.workspace.path(Zone.IDENTIFIED) / found.supplier / f"{found.schema_name}_{found.period}.parquet"
        )

    def _pseudonymising(self, receipt: Receipt) -> Step:
        found = receipt.findings
        target = self.pseudonymised_path(receipt)
        numbered = found.schema_name in {matched.schema_name for matched in matched_keys(self.office)}
        schema = self.schemas()[found.schema_name]
        version = self.custody.hash_version
        bridging = version > 1 and version - 1 in self.custody.hash_versions()

        def action() -> Mapping[str, Path]:
            frame = accepted_frame(receipt, self.office.workspace, custody=self.custody)
            pseudonymise(
                frame,
                schema=schema,
                project=self.office.project.name,
                custody=self.custody,
                out=target,
                hash_version=version,
                encryption=self.custody.encryption(self.office.project.name, found.retention_date),
                record_numbers=numbered,
            )
            written = {"frame": target}
            if bridging:
                written["bridge"] = write_bridge_of(self, receipt, schema)
            return written

        inputs = {
            "accepted": self.accepted_path(receipt),
            "schema": self._schema_folder / f"{found.schema_name}.yaml",
        }
        counts: dict[str, Json] = {"rows": size_class(found.accepted)}
        parameters: dict[str, Json] = {"project": self.office.project.name, "record numbers": numbered}
        parameters["key version"] = version
        name = f"pseudonymise {found.supplier} {found.schema_name} {found.period}"
        return Step(name, inputs, CODE, parameters, action, partial(dict, counts), (found.delivery,))

    def link(self, *, again: bool = False) -> Outcome:
        """Link what was pseudonymised, and the registers, into the project's linked zone.

        Raises:
            NotReady: an earlier step was not done, or rows that were derived from a withdrawn delivery are left.
        """
        with self.alone():
            self.finish_withdrawals()
            refuse_withdrawn_rows(self.office)
            refuse_unfinished(self.custody)
            refuse_other_algorithm(self.office, self.custody)
            refuse_broken_off(self.office)
            with self.journalling_keys("link"):
                lost = key_zone(self.office, self.custody).check()
                again = again or any(name.startswith(REPORT) for name in lost)
                frames = self._matched(self.standing())
                outcome = self.runner.run(link_step(self.office, self.custody, frames, self.schemas()), again=again)
                hand_out_keys(self.office, self.custody)
        return outcome

    def _matched(self, accepted: Sequence[Receipt]) -> dict[Path, Receipt]:
        """The pseudonymised frames of deliveries of which all are there and matched."""
        frames = {self.pseudonymised_path(receipt): receipt for receipt in accepted}
        missing = sum(not path.is_file() for path in frames)
        if missing or not frames:
            raise NotReady(f"{missing or 'all'} deliveries are not pseudonymised yet", next_step="zicht pseudonymise")
        for step in self._matching(accepted):
            last = self.runner.records().get(step.name)
            if last is None or last.fingerprint != self.runner.fingerprint(step):
                raise NotReady(f"{step.name} was not run on the deliveries that stand", next_step="zicht pseudonymise")
        return frames

    def standing(self) -> list[Receipt]:
        """Receipts of the deliveries that were accepted and have not expired."""
        found = [receipt for receipt in receipts(self.office.workspace, self.custody) if receipt.accepted]
        project = self.office.project.name
        return [r for r in found if not self.custody.expired(project, r.findings.retention_date)]

    def pseudonymised_path(self, receipt: Receipt, version: int | None = None) -> Path:
        """Where the pseudonymised frame of a delivery lies, under the key version in use or another."""
        found = receipt.findings
        version = version or self.custody.hash_version
        folder = self.office.workspace.path(Zone.PSEUDONYMISED)
        if version > 1:
            folder = folder / f"{version:04d}"  # no supplier's name begins with a digit
        return folder / found.supplier / f"{found.schema_name}_{found.period}.parquet"

    def _schema_files(self) -> dict[str, Path]:
        return {f"schema {file.name}": file for file in sorted(self._schema_folder.glob("*.yaml"))}


def open_desk(office: Office, given: Given, teller: Teller, *, expiring: bool = False) -> CustodianDesk:
    """The custodian's desk, its key store opened; public keys that an earlier version kept closed are published.

    Raises:
        Tampered: keys that were destroyed are in the store again; ``expiring`` opens it to destroy them anew. Or a
            public key that the office hands out was changed.
    """
    uses: Counter[str] = Counter()
    custody = Custody.open(
        office.workspace.path(Zone.KEY),
        given,
        office.entropy,
        on_use=lambda use: uses.update([f"{use.purpose} {use.key}"]),
    )
    try:
        refuse_resurrected(office, custody)
    except Tampered:
        # a key store that was put back has earlier keys than are handed out, until expiry destroys them anew
        if not expiring:
            raise
    else:
        custody.check_public_halves(office.project.name)
    check_recipient(office.workspace.path(Zone.KEY) / RECIPIENT)
    for name in office.workspace.publish_public_keys():
        if not broken_off(office):  # else the expiry that was killed is what changed it
            _tell_of_another(name, office, teller)
    return CustodianDesk(office, custody, teller, uses)


def _tell_of_another(name: str, office: Office, teller: Teller) -> None:
    """Somebody may have sealed to it, or believed what it signed."""
    told = f"public-keys/{name} was another key than the office's, and was written again: whoever took it before must "
    teller.say(told + "compare it with the office's now; find out who wrote there")
    office.journal.append(actor=ACTOR, action=WRITTEN_AGAIN, subject=f"public-keys/{name}", details={}, now=utc_now())


def _written(receipt: Receipt, workspace: Workspace) -> dict[str, Path]:
    """The files that receiving wrote; a rejected delivery leaves receipt and findings only."""
    found = receipt.findings
    identified = workspace.path(Zone.IDENTIFIED)
    name = f"{found.schema_name}_{found.period}.parquet"
    files = {"receipt": identified / "receipts" / f"{found.delivery}.json"}
    if receipt.accepted:
        files["accepted"] = identified / found.supplier / name
        files["quarantine"] = identified / "quarantine" / found.supplier / name
    findings = identified / "findings" / f"{found.delivery}.json"  # salted, so that a digest tells nothing
    if findings.is_file():
        files["findings"] = findings
    return files
