"""The second phase inside the sandbox: attach the inputs, derive, write each frame in order of its record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import narwhals as nw
import pyarrow as pa

from enclave.engine import Engine, open_engine
from enclave.frames import FrameManifest, manifest_columns, writing_frame
from enclave.zones import Zone
from pipeline.sandbox.job import Ended, Job, Outcome, looks_tabular


@contextlib.contextmanager
def opened(job: Job) -> Iterator[Engine]:
    """The engine with every input attached under its name."""
    readable = tuple(job.inputs.values())
    with open_engine(
        job.engine, scratch=job.spill, readable=readable, threads=job.threads, memory_gib=job.engine_gib
    ) as engine:
        for name, path in sorted(job.inputs.items()):
            engine.attach(name, path)
        yield engine


def derive(job: Job, module: ModuleType, engine: Engine) -> None:
    """Run ``derive`` and write what it returns to ``<out>/<name>.parquet``."""
    inputs = {name: engine.lazy(name) for name in job.inputs}
    returned = module.derive(inputs, job.parameters)
    for name, frame in sorted(frames_of(returned, job).items()):
        typed, schema = normalised(frame)
        manifest = FrameManifest(
            zone=Zone.RESULTS, name=name, project="", columns=manifest_columns(schema, {}), made_by="sandbox"
        )
        with writing_frame(job.out / f"{name}.parquet", manifest, schema, mode=0o600) as sink:
            engine.write_lazy(typed, job.order[name], sink.write)


def frames_of(returned: object, job: Job) -> Mapping[str, nw.LazyFrame[Any]]:
    """The lazy frames by name; exactly those that the requests name."""
    if not isinstance(returned, dict):
        raise Ended(looks_tabular(returned))
    if not all(isinstance(frame, nw.LazyFrame) for frame in returned.values()):
        raise Ended(Outcome.RETURNED_RECORDS)
    if set(returned) != set(job.order):
        raise Ended(Outcome.OTHER_FRAMES)
    return returned


def normalised(frame: nw.LazyFrame[Any]) -> tuple[nw.LazyFrame[Any], pa.Schema]:
    """The frame with 64-bit whole numbers and floats and text, the only types that a derived frame has."""
    columns = frame.collect_schema()
    wanted = [type_of(dtype) for dtype in columns.values()]
    typed = frame.select(*(nw.col(name).cast(to) for name, (to, _) in zip(columns, wanted, strict=True)))
    return typed, pa.schema([pa.field(name, arrow) for name, (_, arrow) in zip(columns, wanted, strict=True)])


def type_of(dtype: nw.dtypes.DType) -> tuple[nw.dtypes.DType, pa.DataType]:
    """The narwhals and Arrow types that a column of ``dtype`` is written as."""
    if dtype.is_integer():
        return nw.Int64(), pa.int64()
    if dtype.is_float():
        return nw.Float64(), pa.float64()
    if dtype == nw.String:
        return nw.String(), pa.string()
    raise Ended(Outcome.COLUMN_TYPE)
