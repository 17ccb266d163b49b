"""The match step of deliveries of filters: compared with the key register's, both made outside by who has the secret.

The custodian has filters and no secret: whom a filter is about shows in the match alone. What goes to the key zone is
record number, register unit and similarity, and counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from enclave.errors import BadInput, Fault
from enclave.files import write_text
from enclave.filters import FULL_SHARE, read_filters
from enclave.fingerprints import Json
from enclave.identifiers import Bytes, as_strings
from enclave.journal import size_class
from enclave.project import Encoded, Key
from linkage.encodings.evidence import encoded_evidence
from linkage.encodings.files import read_register, register_file
from linkage.encodings.match import EncodedResult, match_filters
from linkage.encodings.similarity import is_usable
from linkage.evidence import MatchEvidence
from linkage.key_zone import read_batches
from linkage.matches import MATCHES, delivery_name, evidence_file, matches_file, write_matches
from linkage.quality import SIMILAR
from pipeline.linking import key_zone
from pipeline.office import Office
from pipeline.runner import Step
from pseudonymise.custody import Custody
from pseudonymise.quarantine import RECORD
from pseudonymise.schemas import DeliverySchema

CODE = ("enclave", "linkage", "pipeline/encoded_matching.py")


@dataclass(frozen=True, slots=True)
class EncodedKey:
    """A key that is matched by filter: its data set, and how."""

    data_set: str
    schema_name: str
    key: Key
    how: Encoded


def encoded_keys(office: Office) -> list[EncodedKey]:
    """All keys of the project that are matched by filter, by data set."""
    return [
        EncodedKey(name, data.delivery, key, key.encoded)
        for name, data in sorted(office.project.data.items())
        for key in data.keys
        if key.encoded is not None
    ]


def encoded_step(
    office: Office, custody: Custody, encoded: EncodedKey, frames: Sequence[Path], schema: DeliverySchema
) -> Step:
    """The step that matches the filters of ``frames``, the accepted frames of one schema."""
    _refuse_mismatch(encoded, schema)
    counts: dict[str, Json] = {}
    register = office.key_register / register_file(encoded.how.label)

    def action() -> Mapping[str, Path]:
        written, evidence = _match(office, custody, encoded, frames, register)
        shown = {"wanted": evidence.wanted, "linked": evidence.linked, "review": evidence.review}
        counts.update({name: size_class(count) for name, count in shown.items()})  # everyone reads the journal
        return written

    read_register(register, encoded.how.label)  # refused before anything else is looked at
    inputs = {delivery_name(path): path for path in frames} | {"register filters": register}
    parameters: dict[str, Json] = {"key": encoded.key.model_dump(mode="json"), "project": office.project.name}
    return Step(f"match {encoded.data_set} {encoded.key.name}", inputs, CODE, parameters, action, lambda: counts)


def _match(
    office: Office, custody: Custody, encoded: EncodedKey, frames: Sequence[Path], register: Path
) -> tuple[Mapping[str, Path], MatchEvidence]:
    how = encoded.how
    delivered, origin = _delivered(encoded, frames, custody)
    units, batches = read_register(register, how.label, custody.decryption)
    result = match_filters(
        delivered,
        batches,
        units=units,
        threshold=how.threshold,
        margin=how.margin,
        one_to_one=how.one_to_one,
        usable=is_usable(delivered, FULL_SHARE),
    )
    evidence = encoded_evidence(
        result, wanted=len(delivered), threshold=how.threshold, one_to_one=how.one_to_one, name=SIMILAR
    )
    zone = key_zone(office, custody)
    names = (encoded.data_set, encoded.key.name)
    matches = write_matches(zone, matches_file(*names), _table(result, origin))
    about = zone.folder / evidence_file(*names)
    write_text(about, evidence.model_dump_json(indent=1) + "\n", mode=0o600)
    return {"matches": matches, "evidence": about}, evidence


def _delivered(encoded: EncodedKey, frames: Sequence[Path], custody: Custody) -> tuple[Bytes, pa.Table]:
    """All filters, and per row the delivery and its own record number."""
    column, bits = encoded.key.source[0], encoded.how.bits
    parts = [np.zeros((0, bits // 8), dtype=np.uint8)]
    origins = [pa.table({"delivery": pa.nulls(0, pa.string()), RECORD: pa.array([], pa.int64())})]
    for path in frames:
        for batch in read_batches(path, [RECORD, column], custody.decryption):
            parts.append(read_filters(as_strings(batch.column(column)), bits)[0])
            name = pa.repeat(delivery_name(path), batch.num_rows)
            origins.append(pa.table({"delivery": name, RECORD: batch.column(RECORD).cast(pa.int64())}))
    return np.concatenate(parts), pa.concat_tables(origins).combine_chunks()


def _table(result: EncodedResult, origin: pa.Table) -> pa.Table:
    own = origin.take(pa.array(result.record))
    columns: list[Any] = [
        own["delivery"],
        own[RECORD],
        result.unit.cast(pa.string()),
        pa.array(np.ones(len(result.record), dtype=np.int64)),
        pa.array(np.round(result.similarity, 4)),
    ]
    return pa.table(columns, schema=MATCHES)


def _refuse_mismatch(encoded: EncodedKey, schema: DeliverySchema) -> None:
    column = schema.filters
    if column is not None and column.name == encoded.key.source[0] and column.bits == encoded.how.bits:
        return
    message = f"it must have a column {encoded.key.source[0]} of filters of {encoded.how.bits} bits"
    raise BadInput(
        f"key {encoded.key.name} of data set {encoded.data_set} does not fit its delivery schema",
        where=schema.name,
        faults=[Fault(schema.name, "filters", message)],
    )
