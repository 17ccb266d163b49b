"""``Frame[Identified]`` → ``Frame[Pseudonymised]``: one Arrow stream in the custodian's process.

Per batch: identifiers made canonical and hashed under the project's key of their type, direct identifiers dropped,
near-identifiers made coarser, free text scanned. What the schema does not declare does not pass. Record numbers are
carried on only where records were matched by likeness and the match has to find its record; rows keep the order of the
delivery, since this zone is the custodian's alone and linking orders rows by random integers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import BadInput, Fault, Refused, Tampered, WrongZone
from enclave.frames import Frame, FrameManifest, manifest_columns, open_frame, streamed, writing_frame
from enclave.identifiers import Reason, as_strings, check
from enclave.zones import Identified, Pseudonymised, Zone
from pseudonymise.coarsening import coarsening
from pseudonymise.custody import CMAC, Custody
from pseudonymise.identifier_hashing import IdentifierHasher
from pseudonymise.keyed_hash import HASH_BYTES
from pseudonymise.leaving import BLANK_ON_LEAK, TEXT, LeavingScan, kept_name, kept_values
from pseudonymise.quarantine import RECORD
from pseudonymise.schemas import ColumnSpec, DeliverySchema

BATCH_ROWS = 64 * 1024


@dataclass(frozen=True, slots=True)
class PseudonymisationReport:
    """What happened, in counts: rows; per hashed column how many values were usable, missing, …; per text column how
    many texts were blanked because they held an identifier; what was found in them."""

    rows: int
    identifiers: Mapping[str, Mapping[Reason, int]]
    blanked: Mapping[str, int]
    leaks: tuple[Fault, ...]


def pseudonymise(
    frame: Frame[Identified],
    *,
    schema: DeliverySchema,
    project: str,
    custody: Custody,
    out: Path,
    hash_version: int = 1,
    algorithm: str = CMAC,
    encryption: Any = None,
    record_numbers: bool = False,
    report: Callable[[PseudonymisationReport], None] | None = None,
) -> Frame[Pseudonymised]:
    """Write the pseudonymised frame to file ``out`` (in the pseudonymised zone) and open it.

    Columns of treatment ``hash`` become ``<column>_hash`` (16 bytes, null where unusable, role ``key:<kind>``),
    ``coarsen:<rule>`` becomes ``<column>_<rule>``, ``keep`` and ``text-scan`` keep their name; the rest goes. With
    ``record_numbers`` the record number within the delivery comes along. Same input and keys, same bytes.

    Raises:
        Refused: another project's frame, columns that the schema does not declare, a rule that does not exist, or
            identifiers left in text or in a declared column (counts and record numbers); nothing is written.
        WrongZone: not an identified frame.
        KeyUnavailable, Tampered: a key is gone, or the frame cannot be read under it.
    """
    source = _Source(frame, custody)
    _refuse_mismatch(frame, source.types, schema, project)
    hasher = IdentifierHasher(project, custody, version=hash_version, algorithm=algorithm)
    run = _Run(source, schema, hasher, record_numbers=record_numbers)
    target = pa.schema(run.record_field + [pa.field(name, made.type) for name, made in run.targets.items()])
    manifest = FrameManifest(
        zone=Zone.PSEUDONYMISED,
        name=frame.manifest.name,
        project=project,
        columns=manifest_columns(target, {RECORD: RECORD} | {name: made.role for name, made in run.targets.items()}),
        made_by=f"pseudonymise/{schema.name}/v{schema.version}",
        parents=frame.manifest.parents or {frame.manifest.name: frame.digest()},
        key_ids={name: hasher.spec(kind).text() for name, kind in run.hashed_kinds().items()},
        period=frame.manifest.period,
        retention_date=frame.manifest.retention_date,
    )
    with writing_frame(out, manifest, target, encryption=encryption) as sink:
        for batch in run.batches():
            sink.write(batch)
        run.refuse_leaks()
    if report is not None:
        report(run.report(sink.rows))
    return open_frame(out, Pseudonymised, decryption=None if encryption is None else custody.decryption())


@dataclass(frozen=True, slots=True)
class _Target:
    """A column to be written: where it comes from, its type and role."""

    source: ColumnSpec
    type: Any
    role: str


class _Source:
    """The identified frame, read batch by batch."""

    def __init__(self, frame: Frame[Identified], custody: Custody) -> None:
        self._custody = custody
        self.frame = frame
        self.types: dict[str, Any] = dict(self._guarded(self._arrow_types))
        self.record = next(iter(frame.manifest.column_names("record")), "")

    def read(self, columns: list[str]) -> Iterator[Any]:
        """Batches of the columns.

        Raises:
            Tampered: the bytes are damaged, or under another key.
            KeyUnavailable: the key was destroyed.
        """
        file = self._guarded(self._open)
        with file:
            batches = file.iter_batches(batch_size=BATCH_ROWS, columns=columns, use_threads=False)
            while (batch := self._guarded(lambda: next(batches, None))) is not None:
                yield batch

    def _open(self) -> Any:
        return streamed(self.frame.path, decryption=self._custody.decryption())

    def _arrow_types(self) -> Any:
        with self._open() as file:
            return [(field.name, field.type) for field in file.schema_arrow]

    def _guarded(self, step: Callable[[], Any]) -> Any:
        with contextlib.suppress(OSError, pa.ArrowException):
            return step()
        raise Tampered(  # out here, so that no cause comes along
            f"{self.frame.path.name} cannot be read: bytes of it were changed or lost",
            where=Zone.IDENTIFIED.value,
            next_step="receive the delivery again",
        )


class _Run:
    """One pass over a frame; collects counts and leaks on the way."""

    def __init__(
        self, source: _Source, schema: DeliverySchema, hasher: IdentifierHasher, *, record_numbers: bool
    ) -> None:
        self._source = source
        self._file = source.frame.manifest.name
        self._hasher = hasher
        present = [column for column in schema.columns if column.name in source.types]
        self.targets = {name: made for column in present for name, made in _targets(column, source.types)}
        self._scan = LeavingScan(schema, source.types)
        self._counts = {c.name: np.zeros(len(Reason), dtype=np.int64) for c in present if c.treatment == "hash"}
        self.record_field = [pa.field(RECORD, pa.int64())] if record_numbers else []

    def hashed_kinds(self) -> dict[str, str]:
        """Identifier kind of every column of hashes."""
        return {name: str(made.source.kind) for name, made in self.targets.items() if made.source.treatment == "hash"}

    def batches(self) -> Iterator[pa.Table]:
        """The pseudonymised batches."""
        self._learn_names()
        wanted = {made.source.name for made in self.targets.values()} | self._scan.columns
        record = self._source.record
        done = 0
        for batch in self._source.read(sorted(wanted | ({record} if record else set()))):
            records = np.arange(done, done + batch.num_rows) + 1
            if record:
                records = batch.column(record).to_numpy(zero_copy_only=False)
            texts = self._scan.look(batch, records)
            numbers = {field.name: pa.array(records, pa.int64()) for field in self.record_field}
            yield pa.table(
                numbers | {name: self._made(name, made, batch, texts) for name, made in self.targets.items()}
            )
            done += batch.num_rows

    def _learn_names(self) -> None:
        """A pass of its own, since any row may name any other's person."""
        if self._scan.names:
            for batch in self._source.read(self._scan.names):
                self._scan.learn(batch)

    def _made(self, name: str, made: _Target, batch: Any, texts: Mapping[str, Any]) -> Any:
        source = made.source.name
        if made.role.startswith("key:"):
            return self._hashed(made.source, batch.column(source))
        if made.role == "text":
            return texts[source]
        values = kept_values(made.source, batch.column(source))
        self._scan.judge(name, values)
        return _as_dates(values) if pa.types.is_date(made.type) else values

    def _hashed(self, column: ColumnSpec, values: Any) -> Any:
        checked = check(str(column.kind), values)
        reasons = checked.reason.to_numpy(zero_copy_only=False)
        self._counts[column.name] += np.bincount(reasons, minlength=len(Reason))
        return self._hasher.hash(str(column.kind), checked)

    def refuse_leaks(self) -> None:
        """Raise Refused when an identifier stayed behind where the schema does not have it blanked."""
        faults = self._scan.refusals(self._file)
        if faults:
            raise Refused(
                "\n  - ".join(["identifiers were left behind; nothing was written", *map(str, faults)]),
                where=self._file,
                next_step="ask the supplier for corrected rows, or let the schema drop the column "
                f"or blank such texts ({BLANK_ON_LEAK})",
            )

    def report(self, rows: int) -> PseudonymisationReport:
        """The counts of a finished run."""
        counts = {name: {reason: int(seen[reason]) for reason in Reason} for name, seen in self._counts.items()}
        return PseudonymisationReport(rows, counts, dict(self._scan.blanked), self._scan.found(self._file))


def _as_dates(values: Any) -> Any:
    """Dates of the identified zone are texts yyyymmdd, checked when they were received."""
    if pa.types.is_date(values.type):
        return values
    texts = as_strings(values)
    dates = pc.cast(pc.strptime(texts, format="%Y%m%d", unit="s", error_is_null=True), pa.date32())
    empty = pc.fill_null(pc.equal(texts, ""), True)
    if dates.null_count != (pc.sum(empty).as_py() or 0):
        raise BadInput("a date column of a received delivery holds what is no date", next_step="receive it again")
    return dates


def _targets(column: ColumnSpec, types: Mapping[str, Any]) -> Iterator[tuple[str, _Target]]:
    """The column that ``column`` becomes; none when it is dropped."""
    treatment = column.treatment
    if treatment == "hash":
        yield f"{column.name}_hash", _Target(column, pa.binary(HASH_BYTES), f"key:{column.kind}")
    elif treatment.startswith("coarsen:"):
        rule = treatment.removeprefix("coarsen:")
        yield kept_name(column), _Target(column, coarsening(rule).type, "attribute")
    elif treatment in TEXT:
        yield column.name, _Target(column, pa.string(), "text")
    elif treatment == "keep":
        yield column.name, _Target(column, pa.date32() if column.type == "date" else types[column.name], "attribute")
    elif treatment != "drop":
        raise Refused(f"column {column.name} has no treatment that is known here", next_step="mend the schema")


def _refuse_mismatch(frame: Frame[Identified], found: Mapping[str, Any], schema: DeliverySchema, project: str) -> None:
    if frame.tag is not Identified or frame.manifest.zone is not Zone.IDENTIFIED:
        raise WrongZone(f"frame {frame.manifest.name} is not of the identified zone")
    if frame.manifest.project != project:
        raise Refused(
            f"frame {frame.manifest.name} was delivered for another project than {project}",
            next_step="pseudonymise it for the project whose purpose and legal basis it came under",
        )
    records = set(frame.manifest.column_names("record"))
    undeclared = sorted(set(found) - set(schema.names) - records)
    absent = sorted(c.name for c in schema.columns if c.required and c.name not in found)
    faults = [f"column {name} is not declared by schema {schema.name}" for name in undeclared]
    faults += [f"column {name} of schema {schema.name} is not in the frame" for name in absent]
    if faults:
        raise Refused(
            "; ".join(faults), where=frame.manifest.name, next_step="receive the delivery under the schema it follows"
        )
