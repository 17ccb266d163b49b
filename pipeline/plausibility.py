"""What a custodian should look at before linking: deliveries beside their period before and the key register."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from enclave.fingerprints import Json
from enclave.frames import streamed
from enclave.zones import Workspace
from pseudonymise.custody import Custody
from pseudonymise.plausibility import Caution, Profile, compare, profile_of
from pseudonymise.quarantine import RECORD
from pseudonymise.receipt import Receipt
from pseudonymise.receive import accepted_frame
from pseudonymise.register_check import Doubt, IdentifiedRegister
from pseudonymise.schemas import DeliverySchema, period_years

BATCH_ROWS = 128 * 1024
SHOWN_ROWS = 5


@dataclass(slots=True)
class Doubted:
    """Records of one identifier column that the register says something against; the first record numbers."""

    column: str
    doubt: Doubt
    count: int = 0
    rows: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.rows)) + (" …" if self.count > len(self.rows) else "")
        return f"{self.column}: {self.count} records, {self.doubt.description()} (record {shown})"


@dataclass(frozen=True, slots=True)
class Checked:
    """One accepted delivery; ``beside`` is the period that it was compared with, empty when there is none."""

    receipt: Receipt
    beside: str
    cautions: tuple[Caution, ...]
    doubts: tuple[Doubted, ...]


def looked_at(found: Iterable[Checked]) -> dict[str, Json]:
    """What the journal keeps of a look: for each delivery the period beside which it was held, or an empty text. What
    there was to see is for the custodian alone."""
    return {each.receipt.findings.delivery: each.beside for each in found}


def check_deliveries(
    accepted: Sequence[Receipt],
    *,
    workspace: Workspace,
    custody: Custody,
    schemas: Mapping[str, DeliverySchema],
    key_register: Path,
) -> Iterator[Checked]:
    """Each accepted delivery beside that of the same supplier and schema whose period ended last before its own."""
    register = IdentifiedRegister.load(key_register)
    profiles: dict[str, Profile] = {}

    def profile(receipt: Receipt) -> Profile:
        found = receipt.findings
        if found.delivery not in profiles:
            profiles[found.delivery] = profile_of(
                accepted_frame(receipt, workspace, custody=custody),
                schemas[found.schema_name],
                supplier=found.supplier,
                period=found.period,
                quarantined=found.quarantined,
                custody=custody,
            )
        return profiles[found.delivery]

    for receipt in accepted:
        earlier = _before(receipt, accepted)
        cautions = compare(profile(receipt), profile(earlier)) if earlier else ()
        frame = accepted_frame(receipt, workspace, custody=custody)
        doubts = _doubts(frame.path, schemas[receipt.findings.schema_name], register, custody)
        yield Checked(receipt, earlier.findings.period if earlier else "", cautions, doubts)


def _before(receipt: Receipt, accepted: Iterable[Receipt]) -> Receipt | None:
    found = receipt.findings
    end = period_years(found.period)[1]
    earlier = [
        other
        for other in accepted
        if (other.findings.supplier, other.findings.schema_name) == (found.supplier, found.schema_name)
        and period_years(other.findings.period)[1] < end
    ]
    return max(earlier, key=lambda other: period_years(other.findings.period)[1], default=None)


def _doubts(path: Path, schema: DeliverySchema, register: IdentifiedRegister, custody: Custody) -> tuple[Doubted, ...]:
    columns = sorted({name for check in schema.rules.against_register for name in check.columns})
    found: dict[tuple[str, Doubt], Doubted] = {}
    if not columns:
        return ()
    with streamed(path, decryption=custody.decryption()) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=[RECORD, *columns], use_threads=False):
            table = pa.Table.from_batches([batch])
            records = batch.column(RECORD).to_numpy()
            for column, doubt, rows in register.doubts(schema, table):
                places = np.flatnonzero(rows)
                if places.size:
                    told = found.setdefault((column, doubt), Doubted(column, doubt))
                    told.rows += records[places[: SHOWN_ROWS - len(told.rows)]].tolist()
                    told.count += len(places)
    return tuple(found[key] for key in sorted(found, key=lambda key: (key[0], key[1].value)))
