"""The rows that a model is fitted on: read by the gate from the re-derived frame, in one fixed order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from enclave.requests import RegressionRequest, TreeRequest
from output_control.derived import Sources, columns_of
from output_control.table import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class ModelFrame:
    """Rows ordered by record and period. ``unit`` and ``cluster`` are numbered from 0; ``columns`` are as stored."""

    outcome: BoolArray
    columns: Mapping[str, pa.ChunkedArray]
    unit: IntArray
    cluster: IntArray | None

    @property
    def records(self) -> int:
        """Number of rows."""
        return len(self.outcome)

    @property
    def units(self) -> int:
        """Number of distinct protected units."""
        return int(self.unit.max(initial=-1)) + 1

    @property
    def clusters(self) -> int:
        """Number of distinct clusters; 0 when the request has none."""
        return 0 if self.cluster is None else int(self.cluster.max(initial=-1)) + 1

    def numbers(self, column: str) -> FloatArray:
        """A 0/1 or number column."""
        return np.asarray(pc.cast(self.columns[column], pa.float64()).to_numpy(), dtype=np.float64)

    def units_where(self, rows: BoolArray) -> int:
        """Distinct units among the marked rows."""
        return len(np.unique(self.unit[rows]))


def read_model_frame(request: RegressionRequest | TreeRequest, sources: Sources) -> tuple[ModelFrame | None, list[str]]:
    """The rows of a model, or everything that is wrong with them."""
    order = [request.record, *([request.period] if request.period else [])]
    found = sources.collect(
        "SELECT {columns} FROM {table}",
        columns=columns_of(request),
        table=sources.derived_table(request.derivation),
        order_by=order,
    )
    names = [name for name in columns_of(request) if name not in {request.record, request.period, request.unit}]
    faults = [
        f"{found.column(name).null_count} row(s) have no value in column {name}"
        for name in names
        if found.column(name).null_count
    ]
    faults += _faults_of_outcome(request.outcome, found)
    faults += [fault for name in _number_columns(request) for fault in _faults_of_number(name, found)]
    if faults:
        return None, faults
    cluster = request.cluster if isinstance(request, RegressionRequest) else None
    return (
        ModelFrame(
            outcome=np.asarray(pc.cast(found.column(request.outcome), pa.float64()).to_numpy() == 1),
            columns={name: found.column(name) for name in names},
            unit=_numbered(found.column(request.unit)),
            cluster=None if cluster is None else _numbered(found.column(cluster)),
        ),
        [],
    )


def _number_columns(request: RegressionRequest | TreeRequest) -> list[str]:
    if isinstance(request, TreeRequest):
        return list(request.features)
    return [term.column for term in request.terms if not term.categorical]


def _faults_of_outcome(outcome: str, found: pa.Table) -> list[str]:
    column = found.column(outcome)
    if not (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type) or pa.types.is_floating(column.type)):
        return [f"outcome {outcome} is no 0/1 column"]
    values = pc.unique(pc.cast(column.drop_null(), pa.float64())).to_pylist()
    return [] if sorted(values) == [0.0, 1.0] else [f"outcome {outcome} does not consist of 0 and 1, both of them"]


def _faults_of_number(name: str, found: pa.Table) -> list[str]:
    kind = found.column(name).type
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        return [f"column {name} is no number; name it as categorical, with its reference code"]
    finite = pc.is_finite(pc.cast(found.column(name).drop_null(), pa.float64()))
    return [] if pc.all(finite).as_py() in {True, None} else [f"column {name} holds numbers that are not finite"]


def _numbered(column: pa.ChunkedArray) -> IntArray:
    values = column.to_numpy()
    if values.dtype == object:
        values = values.astype(np.str_)
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
