"""Between suppliers' folders and the inbox: what is taken from them, and the answers that go back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from enclave.errors import BadInput, Fault
from enclave.project import Project
from enclave.zones import Zone
from pipeline.office import Office
from pseudonymise.handing_in import copy_on, digest_itself, is_plain
from pseudonymise.manifest import DELIVERY_ID
from pseudonymise.receipt import ACCEPTED, REJECTED
from pseudonymise.refusal import answered_for_good, refusal_file, refusals
from pseudonymise.sealing import SUFFIX
from pseudonymise.unaccepted import destroyed_unaccepted
from pseudonymise.withdrawal import NOTICE_SUFFIX, Confirmation, Withdrawals

if TYPE_CHECKING:
    from pseudonymise.custody import Custody


def in_inbox(office: Office) -> tuple[Path, ...]:
    """Sealed deliveries that wait or were received, by name."""
    return tuple(sorted(office.workspace.path(Zone.INBOX).glob(f"*{SUFFIX}")))


def accept_into_inbox(office: Office, sealed: Iterable[Path]) -> tuple[Path, ...]:
    """Copy sealed deliveries into the inbox; one that is there already stays as it is."""
    folder = office.workspace.path(Zone.INBOX)
    files = list(sealed)
    absent = [Fault(file.name, "file", "there is no such file") for file in files if not file.is_file()]
    if absent:
        raise BadInput("nothing was received", faults=absent, next_step="name sealed deliveries (*.zicht)")
    targets = tuple(folder / f"{public_name(office.project, file)}{SUFFIX}" for file in files)
    for file, target in zip(files, targets, strict=True):
        copy_on(file, target, mode=0o440)
    return targets


def waiting(office: Office) -> tuple[Path, ...]:
    """Sealed deliveries of the inbox that nobody has answered: by name or, for those that were refused, by digest."""
    entries = list(office.journal.entries())
    named = {entry.subject for entry in entries if entry.action in (ACCEPTED, REJECTED)}
    told = refusals(entries)
    left = [file for file in in_inbox(office) if file.stem not in named]
    return tuple(file for file in left if not is_plain(file) or digest_itself(file) not in told)


def handed_in(office: Office, folder: Path, *, again: bool = False) -> list[Path]:
    """Sealed deliveries in a supplier's hand-in folder; those that were withdrawn are left alone.

    So are those that were refused for good, unless they are to be looked at ``again``.
    """
    gone = Withdrawals.of(office.journal)
    found = [file for file in sorted(folder.glob(f"*{SUFFIX}")) if is_plain(file) and file.stem not in gone]
    return found if again else unanswered(office, found)


def unanswered(office: Office, sealed: Iterable[Path]) -> list[Path]:
    """Those that were neither refused for good before, for they would be again, nor destroyed since."""
    told = refusals(office.journal.entries())
    left = [file for file in sealed if not answered_for_good(file, told, office.workspace)]
    return [f for f in left if not is_plain(f) or not destroyed_unaccepted(digest_itself(f), office.workspace)]


def answer(office: Office, custody: Custody, folder: Path, withdrawn: Iterable[Confirmation]) -> tuple[Path, ...]:
    """Put the answers to what lies in a supplier's hand-in folder into its ``receipts/``.

    A receipt counts rows: it goes where the sealed file lies that it is about, whatever files are called. So does a
    refusal.
    """
    from pseudonymise.receive import receipts

    handed = [file for suffix in (SUFFIX, NOTICE_SUFFIX) for file in folder.glob(f"*{suffix}") if is_plain(file)]
    sealed = {digest_itself(file) for file in handed}
    answers = [f"{confirmation.delivery}.withdrawn.json" for confirmation in withdrawn]
    for receipt in receipts(office.workspace, custody):
        found = receipt.findings
        if found.sealed_sha256 in sealed:
            answers.append(f"{found.delivery}.json")
            answers += [f"{found.replaces}.withdrawn.json"] if found.replaces and receipt.accepted else []
    told = refusals(office.journal.entries())
    refused = [refusal_file(told[sha256], office.workspace) for sha256 in sealed & told.keys()]
    answers += [file.name for file in refused if file.is_file()]
    answers += [file.name for sha256 in sealed for file in destroyed_unaccepted(sha256, office.workspace)]
    returned = office.workspace.path(Zone.INBOX) / "receipts"
    copies = [folder / "receipts" / name for name in sorted(set(answers))]
    for file in copies:
        copy_on(returned / file.name, file)
    return tuple(copies)


def public_name(project: Project, sealed: Path) -> str:
    """The file's name when sealing gave it; else a digest: it goes into the journal, and could name anybody."""
    known = DELIVERY_ID.fullmatch(sealed.stem)
    expected = known and project.expects(known["supplier"], known["schema"], known["period"])
    return sealed.stem if expected else f"unexpected-{digest_itself(sealed)[:12]}"
