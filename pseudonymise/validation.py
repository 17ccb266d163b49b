"""Validation of a delivery, batch by batch: which rows are sound, which are set aside and why.

The checks are a pandera schema over the typed columns, run lazily so that every fault of every row is found. pandera's
errors hold raw values; :func:`_failures` keeps column, check and row of them and lets the rest go before anything
could print or store it.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import EnclaveError, Fault
from pseudonymise.conversion import FORM_CODES, Converted, arrow_type, convert
from pseudonymise.formats.batch import Batch, Note, Remark
from pseudonymise.quarantine import RECORD, Defect, set_aside
from pseudonymise.schemas import ColumnSpec, DeliverySchema, PeriodCheck, period_years
from pseudonymise.uniqueness import SeenBefore

SHOWN_ROWS = 5
_FORM = ":form"
_JOIN = "+"
_TEXT_TYPES = ("code", "text", "identifier")


@dataclass(slots=True)
class Tally:
    """What was found so far. ``reasons``: rows per ``column:defect`` (a row with two defects counts in both);
    ``shown``: the first record numbers of each; ``notes``: the same for what was repaired or is odd."""

    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    shown: dict[str, list[int]] = field(default_factory=dict)
    notes: Counter[tuple[str, Note]] = field(default_factory=Counter)
    shown_notes: dict[tuple[str, Note], list[int]] = field(default_factory=dict)
    outside_period: int = 0
    dated: int = 0

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

    ``salt`` (any bytes that belong to the delivery) keys the digests by which duplicates are recognised.
    """

    def __init__(self, schema: DeliverySchema, period: str, *, salt: bytes) -> None:
        self.tally = Tally()
        self._schema = schema
        self._years = period_years(period)
        self._checks = _pandera_schema(schema, self._years)
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
        failures = _failures(self._checks, _pandas_frame(typed, converted))
        self._count_period(typed, failures)
        failures += self._duplicates(typed, failures)
        bad = np.zeros(len(records), dtype=np.bool_)
        for rows, _ in failures:
            bad[rows] = True
        self._count(records, failures, batch)
        reasons = _reasons_per_row(failures, bad)
        aside = set_aside(records[bad], reasons, batch.cells.filter(pa.array(bad)), batch.broken)
        sound = _without_nulls(typed.filter(pa.array(~bad)))
        self.tally.received += len(records) + len(batch.broken)
        self.tally.accepted += sound.num_rows
        self.tally.quarantined += aside.num_rows
        return Sorted(sound, aside, remarks)

    def faults_of_file(self, file: str) -> tuple[Fault, ...]:
        """What is wrong with the file as a whole, now that all its rows were seen."""
        rule, tally = self._schema.rules.period, self.tally
        if rule is None or not tally.dated or tally.outside_period <= rule.max_share_outside * tally.dated:
            return ()
        first, last = self._years
        message = f"{tally.outside_period} of {tally.dated} dates lie outside {first}-{last}: a file of another period?"
        return (Fault(file, "period", message, column=rule.column),)

    def _count_period(self, typed: pa.Table, failures: list[_Failure]) -> None:
        rule = self._schema.rules.period
        if rule is not None:
            self.tally.dated += typed.num_rows - typed.column(rule.column).null_count
            key = f"{rule.column}:{Defect.OTHER_PERIOD.value}"
            self.tally.outside_period += sum(len(rows) for rows, reason in failures if reason == key)

    def _duplicates(self, typed: pa.Table, failures: list[_Failure]) -> list[_Failure]:
        """Only rows that are sound so far can be originals, or be set aside as copies."""
        candidates = np.ones(typed.num_rows, dtype=np.bool_)
        for rows, _ in failures:
            candidates[rows] = False
        found = []
        for seen in self._seen:
            places = np.flatnonzero(candidates)
            again = places[seen.again(typed.take(pa.array(places)))]
            if len(again):
                candidates[again] = False
                found.append((again, f"{_JOIN.join(seen.columns)}:{Defect.DUPLICATE.value}"))
        return found

    def _count(self, records: Any, failures: list[_Failure], batch: Batch) -> None:
        for rows, key in failures:
            self.tally.add_reasons(key, records[rows[:SHOWN_ROWS]].tolist(), len(rows))
        for row in batch.broken:
            self.tally.add_reasons(f":{row.defect}", (row.row,), 1)


_Failure = tuple[np.ndarray[Any, np.dtype[np.int64]], str]


def _remarks(converted: Mapping[str, Converted], records: Any) -> Iterator[Remark]:
    for name, column in converted.items():
        for note, mask in column.notes.items():
            yield Remark(note, name, tuple(records[mask].tolist()))


def _without_nulls(table: pa.Table) -> pa.Table:
    """An empty text is '' in every Parquet file of Zicht; numbers may be null."""
    for place, column in enumerate(table.schema):
        if column.type == pa.string():
            table = table.set_column(place, column, pc.fill_null(table.column(place), ""))
    return table


def _pandas_frame(typed: pa.Table, converted: Mapping[str, Converted]) -> pd.DataFrame:
    frame: pd.DataFrame = typed.drop_columns([RECORD]).to_pandas()
    forms = {name + _FORM: column.form for name, column in converted.items()}
    return pd.concat([frame, pd.DataFrame(forms)], axis=1)


def _failures(checks: Any, frame: pd.DataFrame) -> list[_Failure]:
    """Rows (places in the batch, ascending) per reason. Nothing of pandera's error survives this function."""
    from pandera.errors import SchemaErrors

    try:
        with _no_spark_warning():
            checks.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "index"]].copy()
    else:
        return []
    found: dict[str, list[Any]] = {}
    for (column, check), places in cases.groupby(["column", "check"], sort=False)["index"]:
        found.setdefault(_reason(str(column), str(check)), []).append(places.to_numpy(dtype=np.int64))
    return [(np.unique(np.concatenate(places)), reason) for reason, places in sorted(found.items())]


def _reason(column: str, check: str) -> str:
    """Checks of a row carry the whole reason; those of a column only the defect."""
    return check if ":" in check else f"{column.removesuffix(_FORM)}:{check}"


def _reasons_per_row(failures: list[_Failure], bad: Any) -> pa.Array:
    """For each bad row its reasons, parted by ``; ``."""
    if not failures:
        return pa.array([], pa.string())
    places = np.concatenate([rows for rows, _ in failures])
    which = np.repeat(np.arange(len(failures)), [len(rows) for rows, _ in failures])
    order = np.argsort(places, kind="stable")
    offsets = np.searchsorted(places[order], [*np.flatnonzero(bad), len(bad)])
    names = pa.array([reason for _, reason in failures]).take(pa.array(which[order]))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names), "; ")


@contextlib.contextmanager
def _no_spark_warning() -> Iterator[None]:
    """Where Spark is installed pandera looks at it, and it warns about pandas 3; it is not used here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _pandera_schema(schema: DeliverySchema, years: tuple[int, int]) -> Any:
    with _no_spark_warning():
        import pandera.pandas as pandera

    columns: dict[str, Any] = {}
    for spec in schema.columns:
        columns[spec.name] = pandera.Column(None, nullable=True, checks=_value_checks(spec, pandera))
        columns[spec.name + _FORM] = pandera.Column(None, checks=_form_checks(pandera))
    return pandera.DataFrameSchema(columns, checks=_row_checks(schema, years, pandera))


def _form_checks(pandera: Any) -> list[Any]:
    return [
        pandera.Check(lambda codes, code=code: codes != code, name=defect.value) for defect, code in FORM_CODES.items()
    ]


def _value_checks(spec: ColumnSpec, pandera: Any) -> list[Any]:
    checks = []
    if spec.codes:
        allowed = list(spec.codes)
        checks.append(pandera.Check(lambda values: values.isin(allowed), name=Defect.NOT_IN_LIST.value))
    if (spec.minimum, spec.maximum) != (None, None):
        low = -np.inf if spec.minimum is None else spec.minimum
        high = np.inf if spec.maximum is None else spec.maximum
        checks.append(pandera.Check(lambda values: values.between(low, high), name=Defect.OUT_OF_RANGE.value))
    if spec.pattern:
        whole = re.compile(spec.pattern)
        checks.append(pandera.Check(lambda values: values.str.fullmatch(whole), name=Defect.PATTERN.value))
    return checks


def _row_checks(schema: DeliverySchema, years: tuple[int, int], pandera: Any) -> list[Any]:
    rules = schema.rules
    checks = [
        pandera.Check(_any_filled(group), name=f"{_JOIN.join(group)}:{Defect.NONE_FILLED.value}")
        for group in rules.any_of
    ]
    checks += [
        pandera.Check(_in_order(first, second), name=f"{first}{_JOIN}{second}:{Defect.WRONG_ORDER.value}")
        for first, second in rules.in_order
    ]
    checks += [
        pandera.Check(_filled_if(rule.column, rule.code, rule.then), name=f"{rule.then}:{Defect.MISSING.value}")
        for rule in rules.required_if
    ]
    if rules.period is not None:
        name = f"{rules.period.column}:{Defect.OTHER_PERIOD.value}"
        checks.append(pandera.Check(_in_period(rules.period, years), name=name))
    return checks


def _any_filled(group: tuple[str, ...]) -> Any:
    """An identifier that does not hold its form has a fault of its own: it counts as filled here."""

    def check(frame: pd.DataFrame) -> pd.Series[bool]:
        filled = frame[list(group)].notna().any(axis=1)
        return filled | (frame[[name + _FORM for name in group]] != 0).any(axis=1)

    return check


def _in_order(first: str, second: str) -> Any:
    def check(frame: pd.DataFrame) -> pd.Series[bool]:
        both = frame[first].notna() & frame[second].notna()
        return ~both | (frame[first].fillna("") <= frame[second].fillna(""))

    return check


def _filled_if(column: str, code: str, then: str) -> Any:
    def check(frame: pd.DataFrame) -> pd.Series[bool]:
        concerned = frame[column].fillna("") == code
        return ~concerned | frame[then].notna() | (frame[then + _FORM] != 0)

    return check


def _in_period(rule: PeriodCheck, years: tuple[int, int]) -> Any:
    first, last = years[0] - rule.years_before, years[1]

    def check(frame: pd.DataFrame) -> pd.Series[bool]:
        values = frame[rule.column]
        found = values if values.dtype.kind in "if" else pd.to_numeric(values.str.slice(0, 4))
        return values.isna() | found.between(first, last)

    return check


def row_faults(tally: Tally, file: str) -> tuple[Fault, ...]:
    """One fault per column and defect, with the first record numbers and the count."""
    faults = []
    for key, count in sorted(tally.reasons.items()):
        column, _, defect = key.rpartition(":")
        faults.append(
            Fault(file, defect, Defect(defect).description(), column=column, rows=tuple(tally.shown[key]), count=count)
        )
    return tuple(faults)


def tolerance_faults(tally: Tally, schema: DeliverySchema, file: str) -> tuple[Fault, ...]:
    """The fault of a file in which more rows are bad than its schema tolerates."""
    if tally.quarantined <= schema.tolerance * tally.received:
        return ()
    share = f"{tally.quarantined} of {tally.received} rows are bad; the schema tolerates {schema.tolerance:.1%}"
    return (Fault(file, "tolerance", share),)
