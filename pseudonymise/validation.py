"""Validation of a delivery, batch by batch: which rows are sound, which are set aside and why.

Every fault of every row is found. A check says of whole columns which rows fail it (:mod:`pseudonymise.row_checks`);
no value goes any further than that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import EnclaveError, Fault
from enclave.identifiers import as_strings
from pseudonymise.cells import without_nulls
from pseudonymise.conversion import Converted, arrow_type, convert
from pseudonymise.formats.batch import Batch, Note, Remark
from pseudonymise.quarantine import RECORD, Defect, set_aside
from pseudonymise.references import KnownKeys
from pseudonymise.row_checks import JOIN, Failure, failures_of
from pseudonymise.schemas import DeliverySchema, period_years
from pseudonymise.uniqueness import SeenBefore
from pseudonymise.written import what_is_wrong, years_allowed

SHOWN_ROWS = 5


@dataclass(slots=True)
class Tally:
    """What was found so far. ``reasons``: rows per ``column:defect`` (a row with two defects counts in both);
    ``shown``: the first record numbers of each; ``notes``: the same for what was repaired or is odd; ``schema`` and
    ``years``: what was asked for."""

    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    shown: dict[str, list[int]] = field(default_factory=dict)
    notes: Counter[tuple[str, Note]] = field(default_factory=Counter)
    shown_notes: dict[tuple[str, Note], list[int]] = field(default_factory=dict)
    outside_period: int = 0
    dated: int = 0
    schema: DeliverySchema | None = None
    years: tuple[int, int] = (0, 0)

    def add_reasons(self, key: str, rows: Iterable[int], count: int) -> None:
        """Count ``count`` rows with this reason, showing the first of them."""
        self.reasons[key] += count
        _keep_first(self.shown.setdefault(key, []), rows)

    def add_remark(self, remark: Remark) -> None:
        """Count a note."""
        key = (remark.column, remark.note)
        self.notes[key] += max(len(remark.rows), 1)
        _keep_first(self.shown_notes.setdefault(key, []), remark.rows)

    def sorted_notes(self) -> list[tuple[tuple[str, Note], int]]:
        """Notes by column and kind."""
        return sorted(self.notes.items(), key=lambda item: (item[0][0], item[0][1].value))


def _keep_first(kept: list[int], rows: Iterable[int]) -> None:
    kept.extend(list(rows)[: SHOWN_ROWS - len(kept)] if len(kept) < SHOWN_ROWS else ())


@dataclass(frozen=True, slots=True)
class Sorted:
    """A batch after validation: typed sound rows, the rows set aside as they were delivered, and all notes."""

    accepted: pa.Table
    quarantined: pa.Table
    remarks: tuple[Remark, ...]


def accepted_schema(schema: DeliverySchema) -> pa.Schema:
    """Record number and the schema's columns with their Arrow types."""
    return pa.schema([(RECORD, pa.int64()), *((c.name, arrow_type(c)) for c in schema.columns)])


class Validator:
    """Validates the batches of one delivery in order; ``tally`` holds the counts so far.

    ``period`` is '' at home as long as it is not known: nothing is compared with it then.
    ``salt`` (any bytes that belong to the delivery) keys the digests by which duplicates are recognised. ``keys`` are
    those of the delivery's other files, where it has any that came before this one.
    """

    def __init__(self, schema: DeliverySchema, period: str, *, salt: bytes, keys: KnownKeys | None = None) -> None:
        self._keys = keys
        self._schema = schema
        self._years = period_years(period) if period else None
        self.tally = Tally(schema=schema, years=self._years or (0, 0))
        self._seen = tuple(SeenBefore(columns, salt) for columns in schema.rules.unique)

    def sort(self, batch: Batch) -> Sorted:
        """Divide a batch into sound rows and rows set aside; every received row is in exactly one of the two.

        Raises:
            EnclaveError: a library failed on these rows. Its own message is not passed on: it could hold a value.
        """
        try:
            return self._sort(batch)
        except (pa.ArrowException, ValueError, TypeError, LookupError, ArithmeticError) as error:
            kind = type(error).__name__
        # raised outside the handler, so that not even its context leads to the library's message
        raise EnclaveError(
            f"rows could not be validated ({kind})",
            where=self._schema.name,
            next_step="nothing was received; report this to the maintainers with the schema and the row count",
        )

    def _sort(self, batch: Batch) -> Sorted:
        records = batch.rows.to_numpy(zero_copy_only=False)
        converted = {c.name: convert(c, self._schema, batch.cells.column(c.name)) for c in self._schema.columns}
        remarks = (*batch.remarks, *_remarks(converted, records))
        for remark in remarks:
            self.tally.add_remark(remark)
        typed = pa.table(
            {RECORD: batch.rows, **{name: column.values for name, column in converted.items()}},
            schema=accepted_schema(self._schema),
        )
        failures = failures_of(converted, self._schema, self._years)
        self._count_period(typed, failures)
        failures += self._references(typed, failures)
        failures += self._duplicates(typed, failures)
        bad = np.zeros(len(records), dtype=np.bool_)
        for rows, _ in failures:
            bad[rows] = True
        self._count(records, failures, batch)
        reasons = _reasons_per_row(failures, bad)
        aside = set_aside(records[bad], reasons, batch.cells.filter(pa.array(bad)), batch.broken)
        sound = _without_nulls(typed.filter(pa.array(~bad)) if bad.any() else typed)
        if self._keys is not None:
            self._keys.remember(self._schema, sound)
        self.tally.received += len(records) + len(batch.broken)
        self.tally.accepted += sound.num_rows
        self.tally.quarantined += aside.num_rows
        return Sorted(sound, aside, remarks)

    def faults_of_file(self, file: str) -> tuple[Fault, ...]:
        """What is wrong with the file as a whole, now that all its rows were seen."""
        rule, tally = self._schema.rules.period, self.tally
        if (
            rule is None
            or self._years is None
            or not tally.dated
            or tally.outside_period <= rule.max_share_outside * tally.dated
        ):
            return ()
        first, last = years_allowed(self._schema, self._years)
        message = f"{tally.outside_period} of {tally.dated} dates lie outside {first}-{last}: a file of another period?"
        return (Fault(file, "period", message, column=rule.column),)

    def _count_period(self, typed: pa.Table, failures: list[Failure]) -> None:
        rule = self._schema.rules.period
        if rule is not None:
            self.tally.dated += typed.num_rows - typed.column(rule.column).null_count
            key = f"{rule.column}:{Defect.OTHER_PERIOD.value}"
            self.tally.outside_period += sum(len(rows) for rows, reason in failures if reason == key)

    def _references(self, typed: pa.Table, failures: list[Failure]) -> list[Failure]:
        """A key that does not hold its form, or is missing, has a fault of its own already."""
        if self._keys is None:
            return []
        faulty = {name: np.zeros(typed.num_rows, dtype=np.bool_) for name in self._schema.names}
        for rows, reason in failures:
            for name in reason.rpartition(":")[0].split(JOIN):
                faulty[name][rows] = True
        dangling = []
        for rule in self._schema.rules.refers:
            wrong = self._keys.unknown(rule, typed) & ~np.logical_or.reduce([faulty[name] for name in rule.columns])
            if wrong.any():
                dangling.append((np.flatnonzero(wrong), f"{JOIN.join(rule.columns)}:{Defect.UNKNOWN_KEY.value}"))
        return dangling

    def _duplicates(self, typed: pa.Table, failures: list[Failure]) -> list[Failure]:
        """Only rows that are sound so far can be originals, or be set aside as copies."""
        candidates = np.ones(typed.num_rows, dtype=np.bool_)
        for rows, _ in failures:
            candidates[rows] = False
        found = []
        for seen in self._seen:
            places = np.flatnonzero(candidates)
            columns = typed.select(seen.columns)
            again = places[seen.again(columns if candidates.all() else columns.take(pa.array(places)))]
            if len(again):
                candidates[again] = False
                found.append((again, f"{JOIN.join(seen.columns)}:{Defect.DUPLICATE.value}"))
        return found

    def _count(self, records: Any, failures: list[Failure], batch: Batch) -> None:
        for rows, key in failures:
            self.tally.add_reasons(key, records[rows[:SHOWN_ROWS]].tolist(), len(rows))
        for row in batch.broken:
            self.tally.add_reasons(f":{row.defect}", (row.row,), 1)


def _remarks(converted: Mapping[str, Converted], records: Any) -> Iterator[Remark]:
    for name, column in converted.items():
        for note, mask in column.notes.items():
            yield Remark(note, name, tuple(records[mask].tolist()))


def _without_nulls(table: pa.Table) -> pa.Table:
    """An empty text is '' in every Parquet file of Zicht; numbers may be null."""
    for place, column in enumerate(table.schema):
        if column.type == pa.string() and table.column(place).null_count:
            table = table.set_column(place, column, without_nulls(as_strings(table.column(place))))
    return table


def _reasons_per_row(failures: list[Failure], bad: Any) -> pa.Array:
    """For each bad row its reasons, parted by ``; ``."""
    if not failures:
        return pa.array([], pa.string())
    places = np.concatenate([rows for rows, _ in failures])
    which = np.repeat(np.arange(len(failures)), [len(rows) for rows, _ in failures])
    order = np.argsort(places, kind="stable")
    offsets = np.searchsorted(places[order], [*np.flatnonzero(bad), len(bad)])
    names = pa.array([reason for _, reason in failures]).take(pa.array(which[order]))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names), "; ")


def row_faults(tally: Tally, file: str) -> tuple[Fault, ...]:
    """One fault per column and defect, with the first record numbers and the count."""
    faults = []
    for key, count in sorted(tally.reasons.items()):
        column, _, defect = key.rpartition(":")
        found = Defect(defect)
        message = what_is_wrong(found, column, tally.schema, tally.years) if tally.schema else found.description()
        faults.append(Fault(file, defect, message, column=column, rows=tuple(tally.shown[key]), count=count))
    return tuple(faults)


def tolerance_faults(tally: Tally, schema: DeliverySchema, file: str) -> tuple[Fault, ...]:
    """The fault of a file in which more rows are bad than its schema tolerates."""
    if tally.quarantined <= schema.tolerance * tally.received:
        return ()
    share = f"{tally.quarantined} of {tally.received} rows are bad; the schema tolerates {schema.tolerance:.1%}"
    return (Fault(file, "tolerance", share),)
