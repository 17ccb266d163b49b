"""The match step: records of a delivery without a usable identifier, by name, before names are dropped.

Names stay in the custodian's process and in the identified zone: its scratch while the step runs, and the encrypted
clerical-review sample. What goes to the key zone is record number, register unit, pass and weight, and counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import BadInput, Fault
from enclave.files import write_text
from enclave.fingerprints import Json
from enclave.frames import open_frame
from enclave.identifiers import check
from enclave.journal import size_class
from enclave.project import Key, Probabilistic
from enclave.zones import Identified, Zone
from linkage.evidence import MatchEvidence, evidence_of, is_right
from linkage.key_zone import read_batches
from linkage.matches import (
    LABELLED,
    MATCHES,
    delivery_name,
    evidence_file,
    labelled_file,
    matches_file,
    write_labelled,
    write_matches,
)
from linkage.person_fields import FIELDS, REGISTER_COLUMNS, prepare
from linkage.probabilistic import Found, Labelled, Room, match_persons
from linkage.review_sample import draw_review_sample, review_file, write_review_sample
from pipeline.linking import key_zone
from pipeline.office import Office
from pipeline.runner import Step
from pseudonymise.custody import Custody
from pseudonymise.quarantine import RECORD
from pseudonymise.schemas import DeliverySchema

CODE = ("enclave", "linkage", "pipeline/matching.py")
_PERSONS = "persons.parquet"
_PERSON = "P"
_REGISTER_IDENTIFIER, _REGISTER_UNIT = "bsn", "RINPERSOON"


@dataclass(frozen=True, slots=True)
class Matched:
    """A key that is matched by name: its data set, and how."""

    data_set: str
    schema_name: str
    key: Key
    how: Probabilistic


def matched_keys(office: Office) -> list[Matched]:
    """All keys of the project that are matched by name, by data set."""
    return [
        Matched(name, data.delivery, key, key.probabilistic)
        for name, data in sorted(office.project.data.items())
        for key in data.keys
        if key.probabilistic is not None
    ]


def match_step(
    office: Office, custody: Custody, matched: Matched, frames: Sequence[Path], schema: DeliverySchema
) -> Step:
    """The step that matches the records of ``frames``, the accepted frames of one schema."""
    _refuse_undeclared(matched, schema)
    counts: dict[str, Json] = {}

    def action() -> Mapping[str, Path]:
        written, evidence = _match(office, custody, matched, frames, schema)
        shown = {"wanted": evidence.wanted, "linked": evidence.linked, "review": evidence.review}
        counts.update({name: size_class(count) for name, count in shown.items()})  # everyone reads the journal
        return written

    inputs = {delivery_name(path): path for path in frames} | {"key register": office.key_register / _PERSONS}
    parameters: dict[str, Json] = {"key": matched.key.model_dump(mode="json"), "project": office.project.name}
    return Step(f"match {matched.data_set} {matched.key.name}", inputs, CODE, parameters, action, lambda: counts)


def _match(
    office: Office, custody: Custody, matched: Matched, frames: Sequence[Path], schema: DeliverySchema
) -> tuple[Mapping[str, Path], MatchEvidence]:
    how, settings = matched.how, office.settings
    delivered, origin = _delivered(matched, frames, schema, custody)
    room = Room(office.workspace.scratch, settings.threads, settings.memory_gib)
    register = office.key_register / _PERSONS
    result = match_persons(
        delivered, _register(register, custody), room=room, threshold=how.threshold, one_to_one=how.one_to_one
    )
    zone = key_zone(office, custody)
    names = (matched.data_set, matched.key.name)
    evidence = evidence_of(result, threshold=how.threshold, review=how.review, one_to_one=how.one_to_one)
    linked = result.found.take(result.found.probability >= how.threshold)
    matches = write_matches(zone, matches_file(*names), _table(linked, origin))
    about = zone.folder / evidence_file(*names)
    write_text(about, evidence.model_dump_json(indent=1) + "\n", mode=0o600)
    labelled = write_labelled(zone, labelled_file(*names), _outcomes(result.labelled, origin, how.threshold))
    sample = draw_review_sample(result, how)
    review = write_review_sample(
        office.workspace.path(Zone.IDENTIFIED) / "review" / review_file(office.project.name, *names),
        sample,
        delivered,
        register,
        encryption=custody.encryption(office.project.name, _earliest(office, frames, custody)),
        decryption=custody.decryption,
    )
    return {"matches": matches, "evidence": about, "labelled": labelled, "review": review}, evidence


def _earliest(office: Office, frames: Sequence[Path], custody: Custody) -> date:
    """The first date on which one of the deliveries expires: the sample holds names of all of them."""
    manifests = [open_frame(path, Identified, decryption=custody.decryption()).manifest for path in frames]
    dates = [date.fromisoformat(found.retention_date) for found in manifests if found.retention_date]
    return min([office.project.retention_date, *dates])


def _delivered(
    matched: Matched, frames: Sequence[Path], schema: DeliverySchema, custody: Custody
) -> tuple[pa.Table, pa.Table]:
    """All records numbered from 0, prepared; and per number the delivery and its own record number."""
    kinds = {column: str(schema.column(column).kind) for column in matched.key.source}
    columns = [RECORD, *dict.fromkeys([*kinds, *matched.how.columns.values()])]
    nothing = pa.nulls(0, pa.string())
    parts = [pa.table(dict.fromkeys((*FIELDS, "identifier"), nothing))]
    origins = [pa.table({"delivery": nothing, RECORD: pa.array([], pa.int64())})]
    for path in frames:
        for batch in read_batches(path, columns, custody.decryption):
            fields = prepare(batch, matched.how.columns)
            parts.append(fields.append_column("identifier", _identifiers(batch, kinds)))
            name = pa.repeat(delivery_name(path), batch.num_rows)
            origins.append(pa.table({"delivery": name, RECORD: batch.column(RECORD).cast(pa.int64())}))
    delivered, origin = pa.concat_tables(parts).combine_chunks(), pa.concat_tables(origins).combine_chunks()
    return delivered.append_column(RECORD, pa.array(np.arange(delivered.num_rows))), origin


def _identifiers(batch: pa.RecordBatch, kinds: Mapping[str, str]) -> Any:
    """The first usable identifier, with its kind: an RSIN is no BSN, though it may have the same digits."""
    found = [
        pc.binary_join_element_wise(kind, check(kind, batch.column(name)).canonical, ":")
        for name, kind in kinds.items()
    ]
    return pc.coalesce(*found)


def _register(path: Path, custody: Custody) -> pa.RecordBatchReader:
    schema = pa.schema([(name, pa.string()) for name in (*FIELDS, "unit", "identifier")])
    return pa.RecordBatchReader.from_batches(schema, _register_batches(path, custody))


def _register_batches(path: Path, custody: Custody) -> Iterator[pa.RecordBatch]:
    columns = [*dict.fromkeys(REGISTER_COLUMNS.values()), _REGISTER_IDENTIFIER, _REGISTER_UNIT]
    for batch in read_batches(path, columns, custody.decryption):
        unit = pc.binary_join_element_wise(_PERSON, batch.column(_REGISTER_UNIT).cast(pa.string()), "")
        identifier = check(_REGISTER_IDENTIFIER, batch.column(_REGISTER_IDENTIFIER)).canonical
        fields = prepare(batch, REGISTER_COLUMNS)
        made = fields.append_column("unit", unit).append_column(
            "identifier", pc.binary_join_element_wise(_REGISTER_IDENTIFIER, identifier, ":")
        )
        yield from made.filter(pc.not_equal(unit, _PERSON)).to_batches()


def _outcomes(labelled: Labelled, origin: pa.Table, threshold: float) -> pa.Table:
    """Per labelled record whether it was linked, and rightly."""
    found, size = labelled.found, len(labelled.record)
    linked, correct = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
    at = np.searchsorted(labelled.record, found.record)
    accepted = found.probability >= threshold
    linked[at] = accepted
    correct[at] = accepted & is_right(labelled)
    deliveries = origin["delivery"].take(pa.array(labelled.record))
    columns = [deliveries, labelled.truth, pa.array(linked), pa.array(correct)]
    return pa.table(columns, schema=LABELLED)


def _table(linked: Found, origin: pa.Table) -> pa.Table:
    own = origin.take(pa.array(linked.record))
    columns = [
        own["delivery"],
        own[RECORD],
        linked.unit.cast(pa.string()),
        pa.array(linked.rule + 1),
        pa.array(linked.weight),
    ]
    return pa.table(columns, schema=MATCHES)


def _refuse_undeclared(matched: Matched, schema: DeliverySchema) -> None:
    unknown = sorted({*matched.how.columns.values()} - set(schema.names))
    if unknown:
        raise BadInput(
            f"key {matched.key.name} of data set {matched.data_set} is matched by columns that the schema has not",
            where=schema.name,
            faults=[Fault(schema.name, "column", "not declared by the schema", name) for name in unknown],
        )
