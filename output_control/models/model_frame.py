"""The rows that a model is fitted on: read by the gate from the re-derived frame, in one fixed order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.errors import Refused
from enclave.requests import Request
from output_control.banded import banded
from output_control.leaving.text import long_numbers
from output_control.tables.derived import Sources, faults_of_frame
from output_control.tables.table import BoolArray, FloatArray, IntArray

_CATEGORY = re.compile(r"[A-Za-z0-9<>=.,+_/% -]{1,40}")
LARGEST = 2.0**53  # whole numbers above it are not what they say, and powers of much larger ones are no numbers


@dataclass(frozen=True, slots=True, eq=False)
class ModelFrame:
    """Rows ordered by record and period; ``unit`` and ``record`` are numbered from 0, ``columns`` are as stored."""

    columns: Mapping[str, pa.ChunkedArray]
    unit: IntArray
    record: IntArray

    @property
    def records(self) -> int:
        """Number of rows."""
        return len(self.unit)

    @property
    def units(self) -> int:
        """Number of distinct protected units."""
        return int(self.unit.max(initial=-1)) + 1

    def numbers(self, column: str) -> FloatArray:
        """A 0/1 or number column; NaN where it has no value."""
        return np.asarray(_as_floats(self.columns[column]).to_numpy(), dtype=np.float64)

    def categories(self, column: str) -> pa.ChunkedArray:
        """A column of codes, as text."""
        return pc.cast(self.columns[column], pa.string())

    def numbered(self, column: str) -> IntArray:
        """A column of codes or keys, numbered from 0 in their order."""
        return _numbered(self.columns[column])

    def units_where(self, rows: BoolArray) -> int:
        """Distinct units among the marked rows."""
        return len(np.unique(self.unit[rows]))


def read_model_frame(request: Request, sources: Sources, *, missing: bool = False) -> ModelFrame:
    """The rows of a model; ``missing`` allows number columns without a value here and there.

    Raises:
        Refused: everything that is wrong with the frame or its columns at once.
    """
    faults = faults_of_frame(request, sources)
    if faults:
        raise Refused("\n".join(faults))
    found = sources.collect(
        "SELECT {columns} FROM {table}",
        columns=request.columns(),
        table=sources.derived_table(request.derivation),
        order_by=[request.record, *([request.period] if request.period else [])],
    )
    names = list(dict.fromkeys((*request.flags(), *request.numbers(), *request.categories())))
    may_miss = set(request.numbers()) if missing else set()
    faults = [
        f"{banded(found.column(name).null_count)} rows have no value in column {name}"
        for name in names
        if found.column(name).null_count and name not in may_miss
    ]
    faults += [fault for name in request.flags() for fault in _faults_of_outcome(name, found)]
    faults += [fault for name in dict.fromkeys(request.numbers()) for fault in _faults_of_number(name, found)]
    if faults:
        raise Refused("\n".join(faults))
    unit, record = (_numbered(found.column(name)) for name in (request.unit, request.record))
    return ModelFrame({name: found.column(name) for name in names}, unit, record)


def faults_of_categories(column: str, frame: ModelFrame) -> list[str]:
    """Codes that would leave with the output: text (which is of a code list), short names, no long numbers."""
    if not _is_text(frame.columns[column].type):
        # a number is in no code list: each could be a value that a record has
        return [f"column {column} holds no codes as text; derive codes of a classification"]
    codes = pc.unique(frame.categories(column)).to_pylist()
    odd = sum(not _CATEGORY.fullmatch(code) or long_numbers(pa.array([code])) > 0 for code in codes)
    return [f"{banded(odd)} codes of {column} are no category names: short, without long numbers"] if odd else []


def rows_by_code(column: str | None, frame: ModelFrame) -> list[tuple[str, BoolArray]]:
    """Each code of ``column`` in order with its rows; all rows under an empty code when there is no column."""
    if column is None:
        return [("", np.ones(frame.records, dtype=np.bool_))]
    codes = frame.categories(column)
    return [
        (code, np.asarray(pc.equal(codes, code).to_numpy(), dtype=np.bool_))
        for code in sorted(pc.unique(codes).to_pylist())
    ]


def sums_by_unit(frame: ModelFrame, rows: BoolArray, values: FloatArray) -> FloatArray:
    """What each unit that has one of the marked rows contributes."""
    units, place = np.unique(frame.unit[rows], return_inverse=True)
    return np.bincount(place, weights=values[rows], minlength=len(units)).astype(np.float64)


def _faults_of_outcome(outcome: str, found: pa.Table) -> list[str]:
    column = found.column(outcome)
    if not _is_number(column.type):
        return [f"outcome {outcome} is no 0/1 column"]
    values = pc.unique(_as_floats(column.drop_null())).to_pylist()
    return [] if sorted(values) == [0.0, 1.0] else [f"outcome {outcome} does not consist of 0 and 1, both of them"]


def _faults_of_number(name: str, found: pa.Table) -> list[str]:
    if not _is_number(found.column(name).type):
        return [f"column {name} is no number; name it as categorical, with its reference code"]
    values = _as_floats(found.column(name).drop_null())
    if pc.all(pc.is_finite(values)).as_py() is False:
        return [f"column {name} holds numbers that are not finite"]
    if pc.any(pc.greater(pc.abs(values), LARGEST)).as_py():
        return [f"column {name} holds numbers above 2^53 in size; derive it in thousands"]
    return []


def _as_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # a safe cast would name the value that does not fit
    return pc.cast(column, pa.float64(), safe=False)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    tests: Sequence[object] = (
        pa.types.is_integer(kind),
        pa.types.is_floating(kind),
        pa.types.is_boolean(kind),
        pa.types.is_decimal(kind),
    )
    return any(tests)


def _numbered(column: pa.ChunkedArray) -> IntArray:
    values = column.to_numpy()
    if values.dtype == object:
        values = values.astype(np.str_)
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
