"""Keys that are matched by likeness or by filter: their step, what it leaves, and when that goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from enclave.files import sweep_temporaries
from enclave.fingerprints import Json
from enclave.journal import size_class
from enclave.project import Key
from enclave.zones import Zone
from linkage.clerical_review import verdicts_file
from linkage.evidence import MatchEvidence
from linkage.matches import delivery_name, evidence_file, labelled_file, matches_file
from linkage.review_sample import review_file
from linkage.unit_model import UnitModel
from linkage.unit_models import model_of
from pipeline.office import Office
from pipeline.runner import Record, Step
from pseudonymise.manifest import DELIVERY_ID
from pseudonymise.receipt import Receipt
from pseudonymise.withdrawal import Withdrawals

_MATCH = "match "


@dataclass(frozen=True, slots=True)
class MatchedKey:
    """A key that is matched by likeness: its data set, and the schema of the deliveries that this is made of."""

    data_set: str
    schema_name: str
    key: Key

    @property
    def units(self) -> UnitModel:
        """What is known of its kind of unit."""
        return model_of(self.key.matched_kind)

    @property
    def step(self) -> str:
        """Name of the step that matches it."""
        return f"{_MATCH}{self.data_set} {self.key.name}"

    def files(self, office: Office) -> dict[str, Path]:
        """What that step leaves; of filters neither labelled records nor a sample for clerks."""
        found = _files(office, self.data_set, self.key.name)
        left = ("matches", "evidence", *(() if self.key.probabilistic is None else ("labelled", "review")))
        return {name: found[name] for name in left}

    def all_files(self, office: Office) -> dict[str, Path]:
        """All that goes with it: the same, and the verdicts on the sample."""
        return _files(office, self.data_set, self.key.name)


def _files(office: Office, data_set: str, key: str) -> dict[str, Path]:
    """All that matching a key may leave, however it is matched, and what clerks said of it."""
    names, zone = (data_set, key), office.key_folder
    return {
        "matches": zone / matches_file(*names),
        "evidence": zone / evidence_file(*names),
        "labelled": zone / labelled_file(*names),
        "review": office.workspace.path(Zone.IDENTIFIED) / "review" / review_file(office.project.name, *names),
        "verdicts": zone / verdicts_file(*names),
    }


def first_date(office: Office, frames: Mapping[Path, Receipt]) -> date:
    """The first date on which one of the deliveries expires: what is made of several names units of all of them."""
    return min([office.project.retention_date, *(receipt.findings.retention_date for receipt in frames.values())])


def matched_keys(office: Office) -> list[MatchedKey]:
    """All keys of the project that are matched by likeness, by data set."""
    return [
        MatchedKey(name, data.delivery, key)
        for name, data in sorted(office.project.data.items())
        for key in data.keys
        if key.is_matched
    ]


def match_step(
    office: Office,
    matched: MatchedKey,
    frames: Mapping[Path, Receipt],
    *,
    register: Mapping[str, Path],
    code: tuple[str, ...],
    match: Callable[[], MatchEvidence],
) -> Step:
    """The step in which ``match`` compares ``frames``, the accepted frames of one schema, with ``register``."""
    counts: dict[str, Json] = {}

    def action() -> Mapping[str, Path]:
        evidence = match()
        shown = {"wanted": evidence.wanted, "linked": evidence.linked, "review": evidence.review}
        counts.update({name: size_class(count) for name, count in shown.items()})  # everyone reads the journal
        return matched.files(office)

    inputs = {delivery_name(path): path for path in frames} | dict(register)
    parameters: dict[str, Json] = {
        "key": matched.key.model_dump(mode="json"),
        "project": office.project.name,
        "engine": office.settings.engine,
    }
    deliveries = tuple(sorted(receipt.findings.delivery for receipt in frames.values()))
    places = (*code, "pipeline/matched_keys.py")
    return Step(matched.step, inputs, places, parameters, action, lambda: counts, deliveries)


def forget_withdrawn(
    office: Office, records: Mapping[str, Record], remove_tables: Callable[[Iterable[Path]], None]
) -> None:
    """Remove what was made of a withdrawn delivery, alone or with others, before it was withdrawn or at the same time.

    What a broken-off step left counts as made before: the next ``zicht pseudonymise`` makes it again without the
    delivery. Can be called again at any time. ``remove_tables`` removes those that are among the key tables.
    """
    gone: list[Path] = []
    for name, entry in Withdrawals.of(office.journal).entries.items():
        for step, files in made_of(office, records, name):
            record = records.get(step)
            if record is None or record.sequence < entry.sequence or name in record.deliveries:
                gone += files
    remove_tables(gone)
    for file in gone:
        file.unlink(missing_ok=True)


def made_of(office: Office, records: Mapping[str, Record], delivery: str) -> Iterator[tuple[str, list[Path]]]:
    """Steps that may have read a delivery, or another of its place, and the files that they left: pseudonymised under
    any key version, and what matching left, also of keys that the project has no more."""
    found = DELIVERY_ID.fullmatch(delivery)
    supplier, schema, period = (found["supplier"], found["schema"], found["period"]) if found else ("", "", "")
    known = {matched.step for matched in matched_keys(office)}
    former = {step.removeprefix(_MATCH) for step in {*records} - known if step.startswith(_MATCH)}
    for what in sorted(former):
        yield f"{_MATCH}{what}", [*_files(office, *what.split()).values()]
    for matched in matched_keys(office):
        if matched.schema_name == schema:
            yield matched.step, list(_files(office, matched.data_set, matched.key.name).values())
    hashed = office.workspace.path(Zone.PSEUDONYMISED).rglob(f"{supplier}/{schema}_{period}.parquet")
    bridges = office.key_folder.glob(f"bridge-k*-{supplier}-{schema}_{period}.parquet")
    yield f"pseudonymise {supplier} {schema} {period}", [*hashed, *bridges]


def sweep_half_written(office: Office) -> None:
    """Remove what killed steps left half-written: it may be whole but for its name, and hold rows of any delivery.

    The caller keeps the custodian's other commands from running.
    """
    zones, project = office.workspace.path, office.project.name
    places = (zones(Zone.IDENTIFIED), zones(Zone.PSEUDONYMISED), zones(Zone.LINKED) / project, office.key_folder)
    for folder in (*places, office.workspace.data_keys, zones(Zone.INBOX) / "receipts"):
        sweep_temporaries(folder)
