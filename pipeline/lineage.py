"""Which releases rest on a delivery, whether linked data rest on one that was withdrawn, and which keys were destroyed:
told by the journal alone.

The entry of a link names the deliveries that went into it: one may be withdrawn while they are linked.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from enclave.fingerprints import Json
from enclave.journal import Entry, Journal
from enclave.project import Project
from output_control.review.cases import PREFIX
from output_control.review.states import Action
from pipeline.runner import ACTION, deliveries_of
from pseudonymise.manifest import DELIVERY_ID
from pseudonymise.withdrawal import withdrawn_by

RELEASED = PREFIX + Action.RELEASE.value
USED = "withdrawn delivery was used"
DESTROYED, KEYS_DESTROYED = "destroyed", "data keys destroyed"


def releases_using(journal: Journal, project: Project, delivery: str) -> tuple[str, ...]:
    """Bundles that were released from data into which ``delivery`` was linked, by name and in order.

    An analysis uses a delivery when its question may use a data set made of it; one that the project no longer has
    counts as using it.
    """
    linked = False
    bundles: list[str] = []
    for entry in journal.entries():
        if _is_link(entry):
            linked = delivery in deliveries_of(entry.details)
        elif entry.action == RELEASED and linked and may_use(project, entry.subject, delivery):
            bundles.append(str(entry.details["bundle"]))
    return tuple(dict.fromkeys(bundles))


def withdrawn_since_linked(journal: Journal) -> tuple[str, ...]:
    """Deliveries that the present linked data still hold, though they were withdrawn, before linking or since."""
    gone: set[str] = set()
    linked: tuple[str, ...] = ()
    for entry in journal.entries():
        gone.update(withdrawn_by(entry))
        if _is_link(entry):
            linked = deliveries_of(entry.details)
    return tuple(sorted(gone.intersection(linked)))


def journal_use(journal: Journal, project: Project, delivery: str, *, actor: str, now: datetime) -> tuple[str, ...]:
    """Write down which releases used a delivery that was withdrawn; returns them."""
    used = releases_using(journal, project, delivery)
    releases: list[Json] = list(used)
    journal.append(actor=actor, action=USED, subject=delivery, details={"releases": releases}, now=now)
    return used


def untold(journal: Journal) -> tuple[str, ...]:
    """Withdrawn deliveries of which the journal does not say yet which releases used them."""
    waiting: dict[str, None] = {}
    for entry in journal.entries():
        waiting.update(dict.fromkeys(withdrawn_by(entry)))
        if entry.action == USED:
            waiting.pop(entry.subject, None)
    return tuple(waiting)


def told_uses(journal: Journal) -> dict[str, tuple[str, ...]]:
    """The releases that used each withdrawn delivery, as the journal says."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in journal.entries():
        releases = entry.details.get("releases")
        if entry.action == USED and isinstance(releases, list):
            found[entry.subject] = tuple(map(str, releases))
    return found


def destroyed_keys(journal: Journal) -> set[str]:
    """Names of keys that were destroyed, on their date or at a withdrawal."""
    listed = [entry.details.get("keys") for entry in journal.entries() if entry.action in (DESTROYED, KEYS_DESTROYED)]
    return {str(name) for names in listed if isinstance(names, list) for name in names}


def journal_destroyed(journal: Journal, project: str, names: Iterable[str], *, actor: str, now: datetime) -> None:
    """Write down which of these keys were destroyed, as far as the journal does not say so yet."""
    told = destroyed_keys(journal)
    new: list[Json] = [name for name in names if name not in told]
    if new:
        journal.append(actor=actor, action=KEYS_DESTROYED, subject=project, details={"keys": new}, now=now)


def _is_link(entry: Entry) -> bool:
    return entry.action == ACTION and entry.subject == "link"


def may_use(project: Project, request: str, delivery: str) -> bool:
    """Whether the analysis of a request, which begins with its name and version, may use data made of a delivery."""
    found = DELIVERY_ID.fullmatch(delivery)
    schema = found["schema"] if found else ""
    uses = [use for use in project.analyses if request.startswith(f"{use.name}-v{use.version}-")]
    return not uses or any(
        project.data[data].delivery == schema for use in uses for data in project.questions[use.question].uses
    )
