"""The match step of deliveries of filters: compared with the key register's, both made outside by who has the secret.

The custodian has filters and no secret: whom a filter is about shows in the match alone. What goes to the key zone is
record number, register unit and similarity, and counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from enclave.errors import BadInput, Fault
from enclave.filters import FULL_SHARE, read_filters
from enclave.identifiers import Bytes, as_strings
from enclave.project import Encoded
from linkage.encodings.evidence import encoded_evidence
from linkage.encodings.files import read_register, register_file
from linkage.encodings.match import EncodedResult, match_filters
from linkage.encodings.similarity import is_usable
from linkage.evidence import MatchEvidence
from linkage.key_zone import read_batches
from linkage.matches import MATCHES, delivery_name, write_matches
from linkage.quality import SIMILAR
from pipeline.linking import key_zone
from pipeline.matched_keys import MatchedKey, first_date, match_step
from pipeline.office import Office
from pipeline.runner import Step
from pseudonymise.custody import Custody
from pseudonymise.quarantine import RECORD
from pseudonymise.receipt import Receipt
from pseudonymise.schemas import DeliverySchema

CODE = ("enclave", "linkage", "pipeline/encoded_matching.py")


def filter_step(
    office: Office,
    custody: Custody,
    matched: MatchedKey,
    how: Encoded,
    *,
    frames: Mapping[Path, Receipt],
    schema: DeliverySchema,
) -> Step:
    """The step that matches the filters of ``frames``, the accepted frames of one schema."""
    _refuse_mismatch(matched, how, schema)
    register = office.key_register / register_file(how.label)
    read_register(register, how.label)  # refused before anything else is looked at

    def match() -> MatchEvidence:
        return _match(office, custody, matched, how, frames=frames, register=register)

    return match_step(office, matched, frames, register={"register filters": register}, code=CODE, match=match)


def _match(
    office: Office,
    custody: Custody,
    matched: MatchedKey,
    how: Encoded,
    *,
    frames: Mapping[Path, Receipt],
    register: Path,
) -> MatchEvidence:
    files = matched.files(office)
    delivered, origin = _delivered(matched.key.source[0], how.bits, sorted(frames), custody)
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
    zone = key_zone(office, custody, first_date(office, frames))
    write_matches(zone, files["matches"].name, _table(result, origin))
    zone.write_texts({files["evidence"].name: evidence.model_dump_json(indent=1) + "\n"})
    return evidence


def _delivered(column: str, bits: int, frames: Sequence[Path], custody: Custody) -> tuple[Bytes, pa.Table]:
    """All filters, and per row the delivery and its own record number."""
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


def _refuse_mismatch(matched: MatchedKey, how: Encoded, schema: DeliverySchema) -> None:
    column = schema.filters
    if column is not None and column.name == matched.key.source[0] and column.bits == how.bits:
        return
    message = f"it must have a column {matched.key.source[0]} of filters of {how.bits} bits"
    raise BadInput(
        f"key {matched.key.name} of data set {matched.data_set} does not fit its delivery schema",
        where=schema.name,
        faults=[Fault(schema.name, "filters", message)],
    )
