"""Why rows are set aside, and the quarantine frame that holds them: as delivered, with reasons, encrypted, counted."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa

from enclave.identifiers import as_strings
from pseudonymise.cells import without_nulls
from pseudonymise.formats.batch import BrokenRow
from pseudonymise.schemas import DeliverySchema

RECORD, REASONS, RAW = "record", "reasons", "raw"


class Defect(Enum):
    """What can be wrong with a row; the value stands in receipts and in the quarantine's reasons."""

    MISSING = "missing"
    MALFORMED = "malformed"
    FAILED_CHECK = "failed_check"
    ALL_ZERO = "all_zero"
    TEST_ID = "test_id"
    UNKNOWN = "unknown"
    NOT_A_NUMBER = "not_a_number"
    NOT_A_DATE = "not_a_date"
    NOT_IN_LIST = "not_in_list"
    OUT_OF_RANGE = "out_of_range"
    PATTERN = "pattern"
    TOO_LONG = "too_long"
    NONE_FILLED = "none_filled"
    WRONG_ORDER = "wrong_order"
    OTHER_PERIOD = "other_period"
    DUPLICATE = "duplicate"
    UNKNOWN_KEY = "unknown_key"
    CELLS = "cells"
    QUOTES = "quotes"
    EMPTY_ROW = "empty_row"
    DELIVERY = "delivery_rejected"

    def description(self) -> str:
        """One clause for the supplier."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Defect.MISSING: "no value, where one is required",
    Defect.MALFORMED: "not of the form that this identifier has (digits, letters, length)",
    Defect.FAILED_CHECK: "fails the identifier's own check (a typing error?)",
    Defect.ALL_ZERO: "zeros only",
    Defect.TEST_ID: "a number of examples or tests, which is nobody's",
    Defect.UNKNOWN: "a word or number that says that the identifier is not known: leave the cell empty instead",
    Defect.NOT_A_NUMBER: "not a number as the schema writes numbers",
    Defect.NOT_A_DATE: "not a date of the calendar as the schema writes dates",
    Defect.NOT_IN_LIST: "not one of the codes of the schema",
    Defect.OUT_OF_RANGE: "outside the range of the schema",
    Defect.PATTERN: "not of the form that the schema asks for",
    Defect.TOO_LONG: "longer than the schema allows",
    Defect.NONE_FILLED: "none of these columns is filled",
    Defect.WRONG_ORDER: "the first date lies after the second",
    Defect.OTHER_PERIOD: "lies outside the period of the delivery",
    Defect.DUPLICATE: "the same record stood earlier in the file",
    Defect.UNKNOWN_KEY: "refers to a record that the other file does not hold, or that was set aside there",
    Defect.CELLS: "the row has too few or too many cells",
    Defect.QUOTES: "a quote within a value is not doubled, or a line break not quoted",
    Defect.EMPTY_ROW: "an empty row between filled ones",
    Defect.DELIVERY: "a sound row of a delivery that is rejected as a whole",
}


FORM_CODES = {
    Defect.MISSING: 1,
    Defect.MALFORMED: 2,
    Defect.FAILED_CHECK: 3,
    Defect.ALL_ZERO: 4,
    Defect.NOT_A_NUMBER: 5,
    Defect.NOT_A_DATE: 6,
    Defect.TOO_LONG: 7,
    Defect.TEST_ID: 8,
    Defect.UNKNOWN: 9,
}
"""Defects of a single value's form, as they stand in a column's codes; 0 is sound."""


def quarantine_schema(schema: DeliverySchema) -> pa.Schema:
    """Record number, reasons (``column:defect`` parted by ``; ``), the columns as delivered, and the text of rows that
    have no columns."""
    names = [(name, pa.string()) for name in schema.names]
    return pa.schema([(RECORD, pa.int64()), (REASONS, pa.string()), *names, (RAW, pa.string())])


def set_aside(
    records: np.ndarray[Any, np.dtype[np.int64]], reasons: pa.Array, cells: pa.Table, broken: Sequence[BrokenRow]
) -> pa.Table:
    """Rows for the quarantine frame, in the order of the file: bad rows with their cells, and broken ones."""
    lost = len(broken)
    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        RECORD: pa.array([*records.tolist(), *(row.row for row in broken)], pa.int64()),
        REASONS: pa.concat_arrays([reasons, pa.array([f":{row.defect}" for row in broken], pa.string())]),
    }
    none = pa.array([""] * lost, pa.string())
    for name in cells.column_names:
        filled = without_nulls(as_strings(cells.column(name)))
        columns[name] = pa.concat_arrays([filled, none]) if lost else filled
    columns[RAW] = pa.array([""] * len(records) + [row.raw for row in broken], pa.string())
    return pa.table(columns).sort_by(RECORD) if lost else pa.table(columns)
