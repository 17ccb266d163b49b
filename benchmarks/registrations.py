"""Single registrations behind the made-up counts of `benchmarks.country`, tabulated as the gate tabulates.

A person has one buurt and one age band; few have many registrations, in whatever offence classes. The registrations are
written to a Parquet frame area by area and `output_control.tables.evidence.tabulate` makes every cell from them:
records, distinct persons, largest contributions.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.country import Offences
from enclave.classifications import Classification, Code
from enclave.engine import open_engine
from enclave.frames import FrameManifest, FrameSink, manifest_columns, open_frame, writing_frame
from enclave.requests import DimensionRequest, Population, TableRequest
from enclave.zones import Derived
from output_control.tables.derived import Sources
from output_control.tables.evidence import shown_dimensions, tabulate
from output_control.tables.table import CellTable, Dimension, IntArray

PER_PERSON = 1.3
SKEW = 2.0
AT_ONCE = 500_000
ENGINE_GIB = 1.3
SCHEMA = pa.schema(
    [("record", pa.int64()), ("person", pa.int64())] + [(name, pa.string()) for name in ("area", "age", "offence")]
)


def tabulated(made: Offences, threads: int = 2) -> CellTable:
    """The table of all registrations of ``made`` with its evidence."""
    classifications = {dim.name: classification(dim) for dim in made.dims}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames" / "offences.parquet"
        path.parent.mkdir()
        columns = manifest_columns(SCHEMA, {})
        manifest = FrameManifest(zone=Derived.zone, name="offences", project="bench", columns=columns, made_by="bench")
        with writing_frame(path, manifest, SCHEMA) as sink:
            write_registrations(made, sink)
        frame = open_frame(path, Derived)
        with open_engine(
            "duckdb",
            scratch=Path(folder) / "scratch",
            readable=[path.parent],
            threads=threads,
            memory_gib=ENGINE_GIB,
        ) as engine:
            sources = Sources(engine, {"offences": frame}, {})
            asked = request(tuple(dim.name for dim in made.dims))
            return tabulate(asked, shown_dimensions(asked, classifications), sources).table


def classification(dim: Dimension) -> Classification:
    """The tree of a dimension, levels named by their depth."""
    codes = tuple(
        Code(
            code=code,
            parent=dim.codes[above] if above >= 0 else "",
            level=f"{dim.name}{depth}",
            label_nl=code,
            label_en=code,
        )
        for code, above, depth in zip(dim.codes, dim.parent.tolist(), dim.depth.tolist(), strict=True)
    )
    return Classification(name=dim.name, title_nl=dim.name, title_en=dim.name, codes=codes)


def request(names: tuple[str, ...]) -> TableRequest:
    """All levels of all dimensions, counts of records."""
    return TableRequest.model_validate(
        {
            "name": "offences",
            "title": "Offences",
            "derivation": "offences",
            "population": Population(dataset="offences", key="record"),
            "record": "record",
            "unit": "person",
            "dimensions": tuple(DimensionRequest(column=name, classification=name) for name in names),
            "statistic": "count",
        }
    )


def write_registrations(made: Offences, sink: FrameSink, seed: int = 2) -> None:
    """One row per registration, some hundreds of thousands at a time."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    area, age = made.leaves[:, 0].astype(np.int64), made.leaves[:, 1].astype(np.int64)
    home = np.unique(area * len(made.dims[1].codes) + age, return_inverse=True)[1].reshape(-1)
    registrations = np.bincount(home, weights=made.count)
    persons = np.maximum(np.rint(registrations / PER_PERSON), 1).astype(np.int64)
    first = np.cumsum(persons) - persons
    done = np.cumsum(made.count)
    cut = np.unique(np.searchsorted(done, np.arange(AT_ONCE, int(done[-1]), AT_ONCE)))
    for rows in np.split(np.arange(len(home)), cut):
        leaf = np.repeat(rows, made.count[rows])
        start = int(done[rows[0]] - made.count[rows[0]])
        within = np.floor(persons[home[leaf]] * rng.random(len(leaf)) ** SKEW).astype(np.int64)
        sink.write(_batch(made, leaf, np.arange(start, start + len(leaf)), first[home[leaf]] + within))


def _batch(made: Offences, leaf: IntArray, record: IntArray, person: IntArray) -> pa.Table:
    codes = [
        pa.array(dim.codes, pa.string()).take(pa.array(made.leaves[leaf, position]))
        for position, dim in enumerate(made.dims)
    ]
    return pa.table([pa.array(record), pa.array(person), *codes], schema=SCHEMA)
