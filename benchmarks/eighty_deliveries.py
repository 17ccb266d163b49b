"""The dirty country's 80 deliveries: ``python -m benchmarks.eighty_deliveries [PERSONS] [SEED]`` (1,000,000 and 4).

Makes the country, seals and receives every delivery, compares the verdicts with the planted ones, and measures recall
and false alarms row by row against ``truth/``. A row is alarmed about when it is set aside, noted (save file-wide
notes), or doubted beside the register. Exits with 1 when a target is missed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import peak_mebibytes, say
from enclave.entropy import SecureEntropy, SeededEntropy
from enclave.errors import BadInput
from enclave.journal import Journal
from enclave.project import load_project
from enclave.zones import Workspace, Zone
from pseudonymise.custody import Custody
from pseudonymise.delivery import seal
from pseudonymise.formats import read_batches
from pseudonymise.formats.batch import PlainFile
from pseudonymise.manifest import read_manifest
from pseudonymise.quarantine import RECORD
from pseudonymise.receive import receive
from pseudonymise.register_check import IdentifiedRegister
from pseudonymise.schemas import load_schemas
from pseudonymise.validation import Validator
from synthetic.country import make_country

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
SCHEMAS = load_schemas(CONFIGS / "schemas")
PROJECT = load_project(CONFIGS / "projects" / "vijftien_gemeenten.yaml")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILE_NOTES = {
    "bom_utf8": (":byte_order_mark",),
    "thousand_dots": ("damage_eur:variant",),
    "day_month_short": ("clearance_date:variant", "occupant_birth_date:variant"),
    "numbers_as_text": ("debt_eur:number_as_text", "creditors:number_as_text"),
    "bsn_as_number": ("bsn:text_as_number",),
}
"""What is noted, at rows that are otherwise clean, of a defect of a whole file that can be accepted."""
SYNTACTIC_TARGET, SEMANTIC_TARGET, FALSE_ALARM_TARGET = 0.99, 0.95, 0.001


def receive_all(country: Path, root: Path) -> dict[str, str]:
    """Seal and receive every delivery: file → ``accepted``, ``rejected`` or ``refused``, and which checks say why."""
    workspace = Workspace(root)
    workspace.create()
    custody = Custody.create(workspace.path(Zone.KEY), b"een zin", SeededEntropy(3))
    journal = Journal(workspace.journal)
    verdicts = {}
    for path in sorted(country.glob("deliveries/*/*.manifest.yaml")):
        manifest = read_manifest(path).with_token(SecureEntropy())
        name = f"{path.parent.name}/{manifest.file.name}"
        recipient, inbox = custody.seal_recipient(PROJECT.name), workspace.path(Zone.INBOX)
        sealed = seal(path.parent / manifest.file.name, manifest, recipient, inbox)
        try:
            receipt = receive(
                sealed,
                custody=custody,
                project=PROJECT,
                schemas=SCHEMAS,
                workspace=workspace,
                journal=journal,
                actor="custodian",
                now=NOW,
            )
        except BadInput as refused:
            verdicts[name] = "refused: " + " ".join(sorted({fault.check for fault in refused.faults}))
        else:
            own = set(receipt.findings.by_reason)
            fatal = {each.check for each in receipt.findings.faults if f"{each.column}:{each.check}" not in own}
            verdicts[name] = receipt.findings.outcome + (f": {' '.join(sorted(fatal))}" if fatal else "")
        sealed.unlink()
    journal.verify()
    return verdicts


@dataclass(slots=True)
class Alarms:
    """Record numbers of one file that were alarmed about, by what said so, and how many records it has."""

    rows: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    records: int = 0

    def all(self) -> set[int]:
        """Records with any alarm."""
        return set().union(*self.rows.values()) if self.rows else set()


def alarms_of(file: Path, schema_name: str, period: str, register: IdentifiedRegister) -> Alarms:
    """Validate a file that can be accepted, and compare what is sound with the register."""
    schema = SCHEMAS[schema_name]
    validator, found = Validator(schema, period, salt=b""), Alarms()
    for batch in read_batches(PlainFile(file), schema):
        divided = validator.sort(batch)
        found.rows["set aside"].update(divided.quarantined.column(RECORD).to_pylist())
        for remark in divided.remarks:
            found.rows[f"{remark.column}:{remark.note.value}"].update(remark.rows)
        records = divided.accepted.column(RECORD).to_numpy()
        for column, doubt, rows in register.doubts(schema, divided.accepted):
            found.rows[f"{column}:{doubt.value}"].update(records[rows].tolist())
    found.records = validator.tally.received
    return found


@dataclass(frozen=True, slots=True)
class Measured:
    """Verdicts against the planted ones; planted and found defects by (class, kind); clean rows, and those alarmed."""

    wrong_verdicts: Mapping[str, str]
    unacceptable: int
    planted: Counter[tuple[str, str]]
    found: Counter[tuple[str, str]]
    clean: int
    false_alarms: Counter[str]

    def recall(self, of: str) -> float:
        """Share of the planted defects of a class (``syntactic``, ``semantic``) that were found."""
        planted = sum(count for (each, _), count in self.planted.items() if each == of)
        return sum(count for (each, _), count in self.found.items() if each == of) / planted

    @property
    def false_share(self) -> float:
        """Alarms per clean row."""
        return sum(self.false_alarms.values()) / self.clean


def measure(country: Path, verdicts: Mapping[str, str]) -> Measured:
    """Compare with ``truth/deliveries.parquet`` and, row by row, ``truth/defects.parquet``.

    A file that is rejected whole counts by its verdict: none of its rows goes on, and they are not looked at singly.
    """
    truth = pq.read_table(country / "truth" / "deliveries.parquet").to_pylist()
    wrong = {
        row["file"]: f"{verdicts[row['file']]}; planted: {row['because'] or 'acceptable'}"
        for row in truth
        if verdicts[row["file"]].startswith("accepted") != row["acceptable"]
    }
    register = IdentifiedRegister.load(country / "key_register")
    accepted = {name for name, verdict in verdicts.items() if verdict.startswith("accepted")}
    alarms = {}
    for path in sorted(country.glob("deliveries/*/*.manifest.yaml")):
        manifest = read_manifest(path)
        name = f"{path.parent.name}/{manifest.file.name}"
        if name in accepted:
            alarms[name] = alarms_of(path.parent / manifest.file.name, manifest.schema_name, manifest.period, register)
    alarmed = {file: seen.all() for file, seen in alarms.items()}
    planted: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    marked: dict[str, set[int]] = defaultdict(set)
    excused: dict[str, set[str]] = defaultdict(set)
    for defect in _defects(country):
        file, kind = defect["file"], (defect["class"], defect["kind"])
        if defect["row"] is None:
            notes = FILE_NOTES.get(str(defect["kind"]), ())
            told = file not in accepted or (bool(notes) and set(notes) <= set(alarms[file].rows))
            excused[file].update(notes)
        elif file in accepted:
            marked[file].add(defect["row"])
            told = defect["row"] in alarmed[file]
        else:
            continue
        planted[kind] += 1
        found[kind] += told
    false_alarms: Counter[str] = Counter()
    for file, seen in alarms.items():
        for what, rows in seen.rows.items():
            if what not in excused[file]:
                false_alarms[f"{Path(file).stem} {what}"] += len(rows - marked[file])
    clean = sum(seen.records - len(marked[file]) for file, seen in alarms.items())
    unacceptable = sum(not row["acceptable"] for row in truth)
    return Measured(wrong, unacceptable, planted, found, clean, +false_alarms)


def main(arguments: list[str]) -> int:
    """Run at the size given, or at a million persons."""
    pa.set_cpu_count(1)
    persons, seed = (*map(int, arguments), *(1_000_000, 4)[len(arguments) :])
    with tempfile.TemporaryDirectory() as folder:
        clocks = [(time.perf_counter(), time.process_time())]

        def step(name: str) -> None:
            clocks.append((time.perf_counter(), time.process_time()))
            wall, cpu = (now - before for now, before in zip(clocks[-1], clocks[-2], strict=True))
            say(f"{name:<34} {wall:8.1f} s wall {cpu:8.1f} s CPU, peak {peak_mebibytes():6.0f} MiB")

        country = Path(folder) / "country"
        make_country(country, persons=persons, seed=seed, dirty=True, programme="full")
        step(f"country of {persons:,} persons")
        verdicts = receive_all(country, Path(folder) / "workspace")
        step(f"{len(verdicts)} deliveries sealed and received")
        found = measure(country, verdicts)
        step("rows compared with the truth")
    return report(found, verdicts)


def report(found: Measured, verdicts: Mapping[str, str]) -> int:
    """Print the figures; 1 when a target is missed."""
    for file, verdict in sorted(verdicts.items()):
        if not verdict.startswith("accepted"):
            say(f"  {file:<44} {verdict}")
    for file, verdict in found.wrong_verdicts.items():
        say(f"  WRONG {file}: {verdict}")
    for kind in sorted(found.planted):
        say(f"  {' '.join(kind):<34} {found.found[kind]:>7} of {found.planted[kind]:>7}")
    for what, count in found.false_alarms.most_common(12):
        say(f"  false alarm: {what} {count}")
    syntactic, semantic = found.recall("syntactic"), found.recall("semantic")
    say(f"verdicts: {len(verdicts)}, of {found.unacceptable} unacceptable, {len(found.wrong_verdicts)} wrong")
    say(f"recall of syntactic defects {syntactic:.5f} (≥ {SYNTACTIC_TARGET})")
    say(f"recall of semantic defects {semantic:.4f} (≥ {SEMANTIC_TARGET})")
    say(f"false alarms {found.false_share:.6f} of {found.clean:,} clean rows (≤ {FALSE_ALARM_TARGET})")
    met = not found.wrong_verdicts and syntactic >= SYNTACTIC_TARGET and semantic >= SEMANTIC_TARGET
    return 0 if met and found.false_share <= FALSE_ALARM_TARGET else 1


def _defects(country: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(country / "truth" / "defects.parquet").to_pylist()
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
