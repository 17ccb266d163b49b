"""Going on with key tables that were restored from an older backup, or without any, where no newer ones are left.

The journal knows that there were newer ones: whoever puts older ones back could give units a second number unseen. So
two persons say together that nothing newer is left, the custodian, who opens the key store, and the office, with its
root key; the journal holds what both signed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from enclave.errors import Refused
from enclave.fingerprints import Json, canonical_json
from enclave.signatures import PayloadType, SigningKey
from enclave.zones import Zone
from linkage.inventory import Behind
from linkage.key_register import versions
from linkage.rekeying import BRIDGE
from pipeline.custodian import ACTOR, CustodianDesk
from pipeline.linking import LISTED, key_inventory, key_zone
from pipeline.office import utc_now
from pipeline.office_setup import ROOT_KEY
from pipeline.rotation import refuse_unfinished

TAKEN_BACK = "older key tables accepted"


@dataclass(frozen=True, slots=True)
class Loss:
    """What going on with older tables costs: the revisions that are lost, and the days on which they were written."""

    behind: Behind
    written: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """It in words, a line each."""
        lies = f"revision {self.behind.revision}" if self.behind.revision else "none"
        yield f"key tables that lie there: {lies}; the journal knows revision {self.behind.told}"
        yield f"lost is what commands wrote there until: {', '.join(self.written)}"
        yield "  - units that got their number since get another one: data that were linked since do not follow on"
        yield "  - verdicts of clerical review since are gone"
        yield "  - the release ledger takes units that the register does not know for others, if keys were rotated"


def older_tables(desk: CustodianDesk) -> Loss:
    """What lies there, and what is lost with it.

    Raises:
        BadInput: it is no older than the journal. Tampered: it is no earlier state of these tables, whole.
        NotReady: a rotation is half done. Refused: the hash keys were rotated since.
    """
    refuse_unfinished(desk.custody)
    zone = key_zone(desk.office, desk.custody)
    behind = key_inventory(desk.office, desk.custody).behind(_replaced_since(desk))
    known = versions(zone)
    if known and known[-1].key_version != desk.custody.hash_version:
        raise Refused(
            "the hash keys were rotated after these key tables were written: nothing meets them any more",
            where=desk.office.key_folder.name,
            next_step="go on without key tables: put this folder aside, then zicht custody accept-tables again",
        )
    entries = (e for e in desk.office.journal.entries() if e.action == LISTED and e.subject == desk.office.project.name)
    since = (e for e in entries if isinstance(at := e.details.get("revision"), int) and at > behind.revision)
    return Loss(behind, tuple(dict.fromkeys(e.time[:10] for e in since)))


def accept_older(desk: CustodianDesk, root: bytes) -> Loss:
    """Go on with what lies there. ``root`` opens the office's root key, which signs beside the custodian.

    Killed at any moment, it can be called again: until the journal knows of it nothing else goes on.

    Raises:
        KeyUnavailable: not the root key's passphrase. Others as :func:`older_tables`.
    """
    with desk.alone(), desk.journalling_keys("accept-tables"):
        loss = older_tables(desk)
        root_key = SigningKey.load(desk.office.workspace.path(Zone.KEY) / ROOT_KEY, root)
        for name in loss.behind.again:
            (desk.office.key_folder / name).unlink(missing_ok=True)
        project = desk.office.project.name
        said: dict[str, Json] = {"revision": loss.behind.revision, "instead_of": loss.behind.told}
        payload = canonical_json({"project": project, **said})
        signed = (desk.custody.receipt_key(), root_key)
        said["signatures"] = {key.public.text: key.sign(PayloadType.KEY_TABLES, payload) for key in signed}
        desk.office.journal.append(actor=ACTOR, action=TAKEN_BACK, subject=project, details=said, now=utc_now())
        key_inventory(desk.office, desk.custody).accept(loss.behind)
    return loss


def _replaced_since(desk: CustodianDesk) -> Callable[[str, str], bool]:
    """Whether a step wrote another bridge since: it finds that changed, and writes it again when it is missing."""
    made = desk.runner.made()
    folder = desk.office.key_folder.relative_to(desk.office.workspace.root).as_posix()
    return lambda name, digest: name.startswith(BRIDGE) and made.get(f"{folder}/{name}", digest) != digest
