"""The office's list of suppliers' public keys: each confirmed by the custodian over another way, journalled, signed.

Everyone who appends to the journal could write a key there: what counts is the list in the custodian's zone, under the
receipt key. The journal says which list is the last, so that an old one put back is found; entries are signed too, each
naming the one before, and what others append, or append again, is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from enclave.errors import BadInput, Tampered
from enclave.files import TEMPORARY_MARK
from enclave.fingerprints import Json, canonical_json
from enclave.journal import Entry, Journal
from enclave.project import Project
from enclave.signatures import PayloadType, PublicKey, SigningKey
from enclave.zones import Workspace, Zone
from pseudonymise.manifest import MANIFEST
from pseudonymise.sender import Signature, verify
from pseudonymise.signed_statement import JournalHead, SignedStatement, key_id

KNOWN, REVOKED = "supplier-key-known", "supplier-key-revoked"
_FILE = "suppliers.json"


class SupplierKeys(SignedStatement):
    """Public keys (base64) by supplier; an empty one is revoked, and nothing of that supplier is received."""

    WORD = "list of suppliers' keys"
    SIGNED_AS = PayloadType.SUPPLIERS
    WHEN_BROKEN = "put it back from the backup of the key zone"
    keys: dict[str, str]

    @property
    def subject(self) -> str:
        """What it is."""
        return _FILE


def supplier_keys(workspace: Workspace, journal: Journal, key: PublicKey) -> Mapping[str, str]:
    """The suppliers whose key the office knows; empty when it knows none.

    Raises:
        Tampered: changed, missing, or not the list that the journal knows as the last.
    """
    last = _last(journal, key)
    found = _read(workspace, key)
    if not _stands(found, last):
        raise _other_list(last)
    return found.keys if found else {}


def change(
    supplier: str,
    public: PublicKey | None,
    *,
    workspace: Workspace,
    journal: Journal,
    key: SigningKey,
    actor: str,
    now: datetime,
) -> None:
    """Let ``public`` be the supplier's key from now on, in place of an earlier one; None revokes it.

    The journal comes first; a change that a kill cut off is finished by the same change again. The caller works in the
    key zone alone.

    Raises:
        BadInput: there is no key to revoke.
        Tampered: the list is not the one that the journal knows, for another reason than that.
    """
    action = REVOKED if public is None else KNOWN
    name = key_id(public) if public else ""
    found, last = _read(workspace, key.public), _last(journal, key.public)
    if not _stands(found, last):
        if last is None or (last.action, last.subject, last.details["key_id"]) != (action, supplier, name):
            raise _other_list(last)
        head = JournalHead(sequence=last.sequence, digest=last.digest)
    elif public is None and not (found and found.keys.get(supplier)):
        raise BadInput("the office knows no key of this supplier", where=supplier)
    else:
        details: dict[str, Json] = {"key_id": name, "after": last.digest if last else ""}
        details["signature"] = key.sign(PayloadType.SUPPLIER_KEY, _signed(action, supplier, details))
        written = journal.append(actor=actor, action=action, subject=supplier, details=details, now=now)
        head = JournalHead(sequence=written.sequence, digest=written.digest)
    keys = {**(found.keys if found else {}), supplier: public.text if public else ""}
    for left in workspace.path(Zone.KEY).glob(f".{_FILE}{TEMPORARY_MARK}*"):
        left.unlink(missing_ok=True)
    SupplierKeys(keys=keys, journal_head=head, key_id="").signed(key).save(_place(workspace), mode=0o600)


def checked_sender(
    supplier: str,
    kind: PayloadType,
    fields: Mapping[str, Json],
    signature: Signature | None,
    *,
    sealed_to: str,
    project: Project,
    known: Mapping[str, str],
) -> str:
    """The name of the supplier's key that signed these fields; empty when the office knows none, and need not.

    Raises:
        BadInput: the office knows a key of this supplier and this is not signed by it; or the key is revoked; or none
            is known, and the project asks for signatures.
    """
    if supplier not in known:
        if project.signed_deliveries == "required":
            raise BadInput(
                "the project receives what is signed alone, and the office knows no key of this supplier",
                where=MANIFEST,
                next_step="send the office your public key (zicht delivery key), and have it confirmed",
            )
        return ""
    if not known[supplier]:
        raise BadInput(
            "the key of this supplier was revoked",
            where=MANIFEST,
            next_step="make a new one (zicht delivery key --new), send it, and have the custodian confirm it",
        )
    public = PublicKey(known[supplier])
    verify(kind, fields, sealed_to, signature, public)
    return key_id(public)


def _other_list(last: Entry | None) -> Tampered:
    again = f"repeat the last change, to {last.subject}; or " if last else ""
    return Tampered(
        "the list of suppliers' keys is not the last one that the journal knows",
        where=_FILE,
        next_step=f"{again}put the list back from the backup",
    )


def _place(workspace: Workspace) -> Path:
    return workspace.path(Zone.KEY) / _FILE


def _read(workspace: Workspace, key: PublicKey) -> SupplierKeys | None:
    file = _place(workspace)
    return SupplierKeys.load(file, key) if file.exists() else None


def _last(journal: Journal, key: PublicKey) -> Entry | None:
    found: Entry | None = None
    for entry in journal.entries():
        if entry.action in (KNOWN, REVOKED) and _is_ours(entry, found, key):
            found = entry
    return found


def _is_ours(entry: Entry, before: Entry | None, key: PublicKey) -> bool:
    """Whether the custodian wrote this entry, right after ``before``: a copy of an earlier one names another."""
    try:
        payload = _signed(entry.action, entry.subject, entry.details)
        key.verify(PayloadType.SUPPLIER_KEY, payload, str(entry.details["signature"]))
    except (KeyError, Tampered):
        return False
    return entry.details["after"] == (before.digest if before else "")


def _signed(action: str, supplier: str, details: Mapping[str, Json]) -> bytes:
    fields: dict[str, Json] = {"action": action, "supplier": supplier}
    return canonical_json(fields | {"key_id": details["key_id"], "after": details["after"]})


def _stands(found: SupplierKeys | None, last: Entry | None) -> bool:
    if found is None or last is None:
        return found is None and last is None
    return found.journal_head == JournalHead(sequence=last.sequence, digest=last.digest)
