"""The match step: records of a delivery without a usable identifier, by likeness, before names are dropped.

Names stay in the custodian's process and in the identified zone: its scratch while the step runs, and the encrypted
clerical-review sample. What goes to the key zone is record number, register unit, pass and weight, and counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import BadInput, Fault
from enclave.identifiers import check
from enclave.project import Probabilistic
from linkage.evidence import MatchEvidence, evidence_of, is_right
from linkage.key_zone import read_batches
from linkage.matches import LABELLED, MATCHES, delivery_name, write_labelled, write_matches
from linkage.probabilistic import Found, Labelled, Room, match_units
from linkage.review_sample import draw_review_sample, write_review_sample
from linkage.unit_register import read_units
from pipeline.linking import key_zone
from pipeline.matched_keys import MatchedKey, first_date, match_step
from pipeline.office import Office
from pipeline.runner import Step
from pseudonymise.custody import Custody
from pseudonymise.quarantine import RECORD
from pseudonymise.receipt import Receipt
from pseudonymise.schemas import DeliverySchema

CODE = ("enclave", "linkage", "pipeline/matching.py")


def likeness_step(
    office: Office,
    custody: Custody,
    matched: MatchedKey,
    how: Probabilistic,
    *,
    frames: Mapping[Path, Receipt],
    schema: DeliverySchema,
) -> Step:
    """The step that matches the records of ``frames``, the accepted frames of one schema, by likeness."""
    _refuse_undeclared(matched, how, schema)
    register = {"key register": office.key_register / matched.units.register}

    def match() -> MatchEvidence:
        return _match(office, custody, matched, how, frames=frames, schema=schema)

    return match_step(office, matched, frames, register=register, code=CODE, match=match)


def _match(
    office: Office,
    custody: Custody,
    matched: MatchedKey,
    how: Probabilistic,
    *,
    frames: Mapping[Path, Receipt],
    schema: DeliverySchema,
) -> MatchEvidence:
    settings, files = office.settings, matched.files(office)
    delivered, origin = _delivered(matched, how, sorted(frames), schema, custody)
    room = Room(office.workspace.scratch, settings.threads, settings.memory_gib, settings.engine)
    register = office.key_register / matched.units.register
    result = match_units(
        matched.units,
        delivered,
        read_units(matched.units, register, custody.decryption),
        room=room,
        threshold=how.threshold,
        one_to_one=how.one_to_one,
    )
    until = first_date(office, frames)
    zone = key_zone(office, custody, until)
    sample = draw_review_sample(result, how)
    evidence = evidence_of(
        result, threshold=how.threshold, review=how.review, one_to_one=how.one_to_one, sample=sample.name
    )
    linked = result.found.take(result.found.probability >= how.threshold)
    write_matches(zone, files["matches"].name, _table(linked, origin))
    zone.write_texts({files["evidence"].name: evidence.model_dump_json(indent=1) + "\n"})
    write_labelled(zone, files["labelled"].name, _outcomes(result.labelled, origin, how.threshold))
    write_review_sample(
        files["review"],
        sample,
        delivered,
        register,
        encryption=custody.encryption(office.project.name, until),
        decryption=custody.decryption,
    )
    return evidence


def _delivered(
    matched: MatchedKey, how: Probabilistic, frames: Sequence[Path], schema: DeliverySchema, custody: Custody
) -> tuple[pa.Table, pa.Table]:
    """The records concerned, numbered from 0 and prepared; and per number the delivery and its own record number."""
    kinds = {column: str(schema.column(column).kind) for column in matched.key.source}
    columns = [RECORD, *dict.fromkeys([*kinds, *how.columns.values(), *how.where])]
    nothing = pa.nulls(0, pa.string())
    parts = [pa.table(dict.fromkeys((*matched.units.fields, "identifier"), nothing))]
    origins = [pa.table({"delivery": nothing, RECORD: pa.array([], pa.int64())})]
    for path in frames:
        for whole in read_batches(path, columns, custody.decryption):
            batch = _concerned(whole, how.where)
            fields = matched.units.prepare(batch, how.columns)
            parts.append(fields.append_column("identifier", _identifiers(batch, kinds)))
            name = pa.repeat(delivery_name(path), batch.num_rows)
            origins.append(pa.table({"delivery": name, RECORD: batch.column(RECORD).cast(pa.int64())}))
    delivered, origin = pa.concat_tables(parts).combine_chunks(), pa.concat_tables(origins).combine_chunks()
    return delivered.append_column(RECORD, pa.array(np.arange(delivered.num_rows))), origin


def _concerned(batch: pa.RecordBatch, where: Mapping[str, str]) -> pa.RecordBatch:
    """The rows whose columns hold these codes."""
    for name, code in where.items():
        batch = batch.filter(pc.equal(batch.column(name).cast(pa.string()), code))
    return batch


def _identifiers(batch: pa.RecordBatch, kinds: Mapping[str, str]) -> Any:
    """The first usable identifier, with its kind: an RSIN is no BSN, though it may have the same digits."""
    found = [
        pc.binary_join_element_wise(kind, check(kind, batch.column(name)).canonical, ":")
        for name, kind in kinds.items()
    ]
    return pc.coalesce(*found)


def _outcomes(labelled: Labelled, origin: pa.Table, threshold: float) -> pa.Table:
    """Per labelled record whether it was linked, and rightly."""
    found, size = labelled.found, len(labelled.record)
    linked, correct = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
    at = np.searchsorted(labelled.record, found.record)
    accepted = found.probability >= threshold
    linked[at] = accepted
    correct[at] = accepted & is_right(labelled)
    own = origin.take(pa.array(labelled.record))
    columns = [own["delivery"], own[RECORD], labelled.truth, pa.array(linked), pa.array(correct)]
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


def _refuse_undeclared(matched: MatchedKey, how: Probabilistic, schema: DeliverySchema) -> None:
    unknown = sorted({*how.columns.values(), *how.where} - set(schema.names))
    faults = [Fault(schema.name, "column", "not declared by the schema", name) for name in unknown]
    faults += [
        Fault(schema.name, "code", "where names a code that the schema has not", name)
        for name, code in sorted(how.where.items())
        if name in schema.names and code not in schema.column(name).codes
    ]
    if faults:
        raise BadInput(
            f"key {matched.key.name} of data set {matched.data_set} is matched by what the schema has not",
            where=schema.name,
            faults=faults,
        )
