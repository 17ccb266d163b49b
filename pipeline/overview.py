"""What is where and what comes next, read from the journal and from names of files; no frame is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from enclave.errors import EnclaveError
from enclave.zones import Zone
from output_control.review.request_file import list_requests
from pipeline.commands.review import desk_of
from pipeline.delivery_status import DeliveryStatus, delivery_status
from pipeline.hand_in import waiting
from pipeline.office import CHECK_REFUSED, ROSTER, Office, utc_now
from pipeline.runner import Record, Runner
from pipeline.unseen import not_looked_at
from pseudonymise.sealing import SUFFIX
from pseudonymise.withdrawal import Withdrawals


@dataclass(frozen=True, slots=True)
class Line:
    """One zone and what stands in it."""

    zone: str
    says: str


def overview(office: Office, found: DeliveryStatus) -> tuple[list[Line], list[str]]:
    """A line per zone, and the commands that come next; zones that this user may not read say so.

    ``found``: :func:`deliveries_of` the office.
    """
    runner = Runner(office.workspace.root, office.journal, actor="reader", clock=utc_now)
    records = runner.records()
    requests = _requests(office)
    released = sorted(path.parent.name for path in office.workspace.root.glob("released/*/*/manifest.json"))
    sealed = _names(office.workspace.path(Zone.INBOX), f"*{SUFFIX}")
    gone = frozenset(Withdrawals.of(office.journal))
    answered, hashed = _of(records, "receive"), _of(records, "pseudonymise")
    received = {name: record for name, record in answered.items() if not _answers(record) & gone}
    hashed = {name: record for name, record in hashed.items() if not gone.intersection(record.deliveries)}
    withdrawn = f", {len(answered) - len(received)} withdrawn" if len(answered) > len(received) else ""
    unseen = len(not_looked_at(office.journal.entries(), gone))
    lines = [
        Line("inbox", "not readable by this user" if sealed is None else f"{len(sealed)} sealed deliveries"),
        Line("deliveries", found.summary()),
        Line(
            "identified",
            f"{len(received)} deliveries received, {_having(received, 'quarantined')} of them with rows in quarantine"
            + withdrawn
            + (f", {unseen} not looked at (zicht plausibility)" if unseen else ""),
        ),
        Line("pseudonymised", f"{len(hashed)} deliveries"),
        Line("linked", _facts(records.get("link"), "not linked yet")),
        Line("results", ", ".join(_of(records, "run")) or "no analysis has run"),
        Line("gate", ", ".join(_of(records, "check")) or "nothing checked yet"),
        Line("review", ", ".join(f"{name}: {state}" for name, state in requests.items()) or "no requests"),
        Line("released", ", ".join(released) or "nothing yet"),
        Line("journal", f"{office.journal.head().sequence} entries"),
    ]
    return lines, _next(office, records, requests, found.waiting)


def deliveries_of(office: Office) -> DeliveryStatus:
    """Who owes what and what became of it, as far as this user may see."""
    readable = _names(office.workspace.path(Zone.INBOX), f"*{SUFFIX}") is not None
    return delivery_status(
        office.project,
        office.journal.entries(),
        waiting=[file.stem for file in waiting(office)] if readable else (),
        today=utc_now().date(),
    )


def _next(office: Office, records: Mapping[str, Record], requests: Mapping[str, str], wait: int) -> list[str]:
    if not (office.workspace.root / ROSTER).is_file():
        return ["zicht roster sign people.yaml --serial 1"]
    if wait:
        return [f"zicht receive ({wait} sealed deliveries wait)"]
    if not _of(records, "receive"):
        return ["suppliers: zicht delivery seal FILE --to RECIPIENT --manifest FILE; then zicht receive"]
    if len(_of(records, "pseudonymise")) == 0:
        return ["zicht pseudonymise"]
    if "link" not in records:
        return ["zicht link"]
    refused = {entry.subject: entry.sequence for entry in office.journal.entries() if entry.action == CHECK_REFUSED}
    steps = []
    for use in office.project.analyses:
        label = f"{use.name}-v{use.version}"
        ran, checked = records.get(f"run {label}"), records.get(f"check {label}")
        if ran is None:
            steps.append(f"zicht run {use.name}")
        elif refused.get(label, 0) > max(ran.sequence, checked.sequence if checked else 0):
            steps.append(
                f"the gate refused {use.name}: change its requests or derivation (zicht check {use.name} says why)"
            )
        elif checked is None:
            steps.append(f"zicht check {use.name}")
    for name, state in requests.items():
        if state in ("submitted", "approved by one"):
            steps.append(f"a checker: zicht review show {name}; zicht review approve {name}")
        elif state == "approved":
            steps.append(f"the release service: zicht release {name}")
    asked = {name for name, state in requests.items() if state != "draft"}
    return steps or (["zicht request ANALYSIS …"] if not asked else ["nothing waits"])


def _requests(office: Office) -> dict[str, str]:
    from output_control import review

    try:
        desk = desk_of(office)
        names = list_requests(office.workspace.path(Zone.REVIEW))
        return {name: review.state(name, desk=desk).value for name in names}
    except (EnclaveError, PermissionError):
        return {}


def _names(folder: Path, pattern: str) -> list[str] | None:
    try:
        return sorted(path.name for path in folder.iterdir() if path.match(pattern))
    except PermissionError:
        return None


def _of(records: Mapping[str, Record], verb: str) -> dict[str, Record]:
    return {name.removeprefix(f"{verb} "): record for name, record in records.items() if name.startswith(f"{verb} ")}


def _answers(record: Record) -> frozenset[str]:
    """Names of the deliveries whose receipts a step wrote."""
    return frozenset(Path(name).stem for name in record.outputs if Path(name).parent.name == "receipts")


def _having(records: Mapping[str, Record], count: str) -> int:
    return sum(record.counts.get(count, "0") not in (0, "0") for record in records.values())


def _facts(record: Record | None, otherwise: str) -> str:
    if record is None:
        return otherwise
    return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in record.counts.items())
