"""Who owes which delivery, what arrived, what is late, what was turned away and why; from project file and journal.

The journal is read by everyone, and so is this: sizes are classes, reasons are names of checks and columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum

from enclave.fingerprints import Json
from enclave.journal import Entry
from enclave.project import Owed, Project
from pseudonymise.manifest import DELIVERY_ID
from pseudonymise.receipt import ACCEPTED, REFUSED, REJECTED
from pseudonymise.withdrawal import WITHDRAWN, withdrawn_by

Key = tuple[str, str, str]
"""Supplier, schema, period."""
_UNEXPECTED = ("unexpected-", "unopened")


class State(Enum):
    """Where a delivery stands."""

    OWED = "owed"
    LATE = "late"
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"

    def description(self, *, dutch: bool = False) -> str:
        """A word or two for people."""
        return _DESCRIPTIONS[self][0 if dutch else 1]


_DESCRIPTIONS = {
    State.OWED: ("nog te leveren", "still owed"),
    State.LATE: ("te laat", "late"),
    State.WAITING: ("ligt te wachten", "handed in, waits"),
    State.ACCEPTED: ("aangenomen", "accepted"),
    State.REJECTED: ("afgekeurd", "rejected"),
    State.REFUSED: ("geweigerd", "refused"),
    State.WITHDRAWN: ("ingetrokken", "withdrawn"),
}
_OF_ACTION = {
    ACCEPTED: State.ACCEPTED,
    REJECTED: State.REJECTED,
    REFUSED: State.REFUSED,
    WITHDRAWN: State.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One delivery: what is owed (``due`` may be open), where it stands since when, sizes as classes, and reasons.

    ``late``: it arrived after its date, or has not arrived and its date has passed. ``attempts``: how often it was
    turned away. ``sender_key``: the supplier's key that signed what stands accepted, empty when none is known. Of an
    accepted one ``why`` is why the last try since was turned away.
    """

    supplier: str
    schema_name: str
    period: str
    due: date | None
    state: State
    since: str = ""
    late: bool = False
    accepted: str = ""
    quarantined: str = ""
    why: tuple[str, ...] = ()
    attempts: int = 0
    delivery: str = ""
    sender_key: str = ""

    @property
    def unverified(self) -> bool:
        """Whether it stands accepted and anybody may have sealed it."""
        return self.state is State.ACCEPTED and not self.sender_key


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """All lines, sorted; how many deliveries were refused that nobody owes, or that could not be opened; how many
    sealed ones of the inbox wait, as far as it was read."""

    lines: tuple[DeliveryLine, ...]
    unexpected: int
    waiting: int = 0

    def count(self, state: State) -> int:
        """Lines in ``state``."""
        return sum(line.state is state for line in self.lines)

    def summary(self) -> str:
        """One line: how many of all are where."""
        parts = [f"{self.count(state)} {state.description()}" for state in State if self.count(state)]
        after = sum(line.late and line.state is not State.LATE for line in self.lines)
        parts += [f"{after} came after their date"] if after else []
        unverified = sum(line.unverified for line in self.lines)
        parts += [f"{unverified} with a sender not verified"] if unverified else []
        parts += [f"{self.unexpected} refused that nobody owes or that cannot be opened"] if self.unexpected else []
        return f"{len(self.lines)}: " + ", ".join(parts) if self.lines else "nobody is known to owe any"


def delivery_status(
    project: Project, entries: Iterable[Entry], *, waiting: Collection[str] = (), today: date
) -> DeliveryStatus:
    """What the journal says of each delivery that is owed, and of each that came without being owed by name.

    ``waiting``: names (without ending) of sealed deliveries in the inbox that nobody answered; one of another file may
    have been refused under the same name.
    """
    lines = {_key(owed): _owed(owed, today) for owed in project.owed()}
    unexpected = 0
    for entry in entries:
        if entry.action not in _OF_ACTION:
            continue
        for delivery in withdrawn_by(entry) or (entry.subject,):
            named = DELIVERY_ID.fullmatch(delivery)
            if named is None or delivery.startswith(_UNEXPECTED):
                unexpected += entry.action == REFUSED
                continue
            key = (named["supplier"], named["schema"], named["period"])
            line = lines.get(key) or DeliveryLine(*key, None, State.OWED)
            lines[key] = _after(line, entry, delivery)
    for name in sorted(waiting):
        named = DELIVERY_ID.fullmatch(name)
        if named is not None:
            key = (named["supplier"], named["schema"], named["period"])
            line = lines.get(key) or DeliveryLine(*key, None, State.OWED)
            if line.state is not State.ACCEPTED:
                lines[key] = replace(line, state=State.WAITING, delivery=name)
    return DeliveryStatus(tuple(lines[key] for key in sorted(lines)), unexpected, len(waiting))


def _key(owed: Owed) -> Key:
    return owed.supplier, owed.schema_name, owed.period


def _owed(owed: Owed, today: date) -> DeliveryLine:
    late = owed.due is not None and owed.due < today
    return DeliveryLine(*_key(owed), owed.due, State.LATE if late else State.OWED, late=late)


def _after(line: DeliveryLine, entry: Entry, delivery: str) -> DeliveryLine:
    """The line after one more entry; what stands accepted is not undone by another try that is turned away."""
    state = _OF_ACTION[entry.action]
    if state in (State.REJECTED, State.REFUSED) and line.state is State.ACCEPTED:
        return replace(line, attempts=line.attempts + 1, why=_why(state, entry.details))
    if state is State.WITHDRAWN and line.delivery != delivery:
        return line
    arrived = datetime.fromisoformat(entry.time).date()
    turned_away = state in (State.REJECTED, State.REFUSED)
    return replace(
        line,
        state=state,
        since=entry.time,
        late=line.due is not None and arrived > line.due if state is not State.WITHDRAWN else line.late,
        accepted=str(entry.details.get("accepted", "")) if state is State.ACCEPTED else "",
        quarantined=str(entry.details.get("quarantined", "")) if state is State.ACCEPTED else "",
        why=_why(state, entry.details),
        attempts=line.attempts + turned_away,
        delivery=delivery,
        sender_key=str(entry.details.get("sender_key", "")) if state is State.ACCEPTED else "",
    )


def _why(state: State, details: Mapping[str, Json]) -> tuple[str, ...]:
    faults = details.get("faults")
    listed: Sequence[Json] = faults if isinstance(faults, list) else ()
    if state is State.REFUSED:
        return tuple(str(fault) for fault in listed) or (str(details.get("reason", "")),)
    if state is State.REJECTED:
        return tuple(_fault(fault) for fault in listed if isinstance(fault, dict))
    if state is State.WITHDRAWN:
        return (str(details.get("reason", "")),)
    return ()


def _fault(fault: Mapping[str, Json]) -> str:
    column, count = str(fault.get("column", "")), str(fault.get("count", ""))
    named = f"{fault.get('check', '')} {column}".rstrip()
    return f"{named} ({count})" if count not in ("", "<10") or column else named
