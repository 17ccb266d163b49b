"""What evidence costs: ``PYTHONPATH=. python benchmarks/tabulation.py [ROWS …] [--spark] [--threads N]``.

Side by side, in one process each: a bare ``GROUPING SETS`` query of the same cells with ``count(DISTINCT unit)``, and
`tabulate` with its evidence (records, units, value, three largest contributions), on the same engine over the same
Parquet file. Three ways in which units may lie: ``person`` (one record each), ``owner`` (one to several records in
cells of their own) and ``years`` (five records each, all in several cells). Prints CPU seconds, their ratio and peak
memory.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.measuring import peak_mebibytes, say
from enclave.classifications import Classification, Code
from enclave.engine import Engine, open_engine
from enclave.engine.interface import EngineName
from enclave.frames import FrameManifest, manifest_columns, open_frame, writing_frame
from enclave.requests import DimensionRequest, Population, TableRequest
from enclave.zones import Derived
from output_control.tables.derived import Sources
from output_control.tables.evidence import shown_dimensions, tabulate

SIZES = (100_000, 1_000_000, 5_000_000)
WAYS = ("person", "owner", "years")
LEVELS = {"region": ("GM", "WK", "BU"), "age": ("age",), "offence": ("offence",)}


def classification(name: str) -> Classification:
    """A region of 40 × 10 × 4 areas, or a flat list of 8 or 6 categories."""
    listed = [("all", "", "total")]
    if name == "region":
        for municipality in (f"G{i:02}" for i in range(40)):
            listed.append((municipality, "all", "GM"))
            for district in (f"{municipality}W{i}" for i in range(10)):
                listed.append((district, municipality, "WK"))
                listed += [(f"{district}B{i}", district, "BU") for i in range(4)]
    else:
        listed += [(f"{name}{i}", "all", name) for i in range({"age": 8, "offence": 6}[name])]
    codes = tuple(Code(code=c, parent=p, level=level, label_nl=c, label_en=c) for c, p, level in listed)
    return Classification(name=name, title_nl=name, title_en=name, codes=codes)


CLASSIFICATIONS = {name: classification(name) for name in LEVELS}


def records(rows: int, way: str) -> pa.Table:
    """Skewed records; who holds them depends on ``way``."""
    rng = np.random.default_rng(1)
    buurten = CLASSIFICATIONS["region"].leaves()
    share = rng.dirichlet(np.full(len(buurten), 0.7))
    unit = {
        "person": np.arange(rows),
        "owner": rng.integers(0, int(rows / 1.5), rows),
        "years": np.arange(rows) % max(rows // 5, 1),
    }[way]
    offence = rng.choice(6, rows, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05])

    def named(codes: tuple[str, ...], places: np.ndarray) -> pa.Array:
        return pa.array(codes).take(pa.array(places))

    return pa.table(
        {
            "record": pa.array(np.arange(rows)),
            "unit": pa.array(unit.astype(np.int64)),
            "region": named(buurten, rng.choice(len(buurten), rows, p=share)),
            "age": named(CLASSIFICATIONS["age"].leaves(), rng.integers(0, 8, rows)),
            "offence": named(CLASSIFICATIONS["offence"].leaves(), offence),
            "worth": pa.array(np.round(rng.lognormal(3, 1, rows), 2)),
        }
    )


def request(statistic: str) -> TableRequest:
    """All levels of all three dimensions."""
    return TableRequest.model_validate(
        {
            "name": "bench",
            "title": "Benchmark",
            "derivation": "bench",
            "population": Population(dataset="bench", key="record"),
            "record": "record",
            "unit": "unit",
            "dimensions": tuple(DimensionRequest(column=name, classification=name) for name in LEVELS),
            "statistic": statistic,
            "measure": "worth" if statistic == "sum" else None,
        }
    )


def bare(engine: Engine, sources: Sources, statistic: str) -> int:
    """The same cells without evidence; gives their number."""
    region = CLASSIFICATIONS["region"]
    parent = {code.code: code.parent for code in region.codes}
    buurten = region.leaves()
    above = pa.table({"BU": buurten, "WK": [parent[b] for b in buurten], "GM": [parent[parent[b]] for b in buurten]})
    sources.load("above", above)
    sets = product(("", "GM", "WK", "BU"), ("", "age"), ("", "offence"))
    grouping = ", ".join("(" + ", ".join(filter(None, each)) + ")" for each in sets)
    figure = "COUNT(*)" if statistic == "count" else "SUM(CAST(worth AS DECIMAL(18,4)))"
    table = sources.derived_table("bench")
    return len(
        engine.collect(
            f"SELECT GM, WK, BU, age, offence, {figure} AS figure, COUNT(DISTINCT unit) AS units FROM {table} "  # noqa: S608 - our own names
            f"JOIN above ON region = BU GROUP BY GROUPING SETS ({grouping})"
        )
    )


def measure(what: str, rows: int, way: str, statistic: str, *, engine: EngineName, threads: int) -> dict[str, float]:
    """One run: CPU seconds, cells, peak MiB; the engine's start and the writing of the file do not count."""
    with tempfile.TemporaryDirectory() as folder:
        table = records(rows, way)
        path = Path(folder) / "frames" / "bench.parquet"
        path.parent.mkdir()
        columns = manifest_columns(table.schema, {})
        manifest = FrameManifest(zone=Derived.zone, name="bench", project="bench", columns=columns, made_by="bench")
        with writing_frame(path, manifest, table.schema) as sink:
            sink.write(table)
        del table
        frame = open_frame(path, Derived)
        with open_engine(
            engine, scratch=Path(folder) / "scratch", readable=[path.parent], threads=threads, memory_gib=2
        ) as opened:
            sources = Sources(opened, {"bench": frame}, {})
            sources.derived_table("bench")
            start = time.process_time()
            if what == "bare":
                cells = bare(opened, sources, statistic)
            else:
                asked = request(statistic)
                cells = len(tabulate(asked, shown_dimensions(asked, CLASSIFICATIONS), sources).table)
            seconds = time.process_time() - start
    return {"cells": cells, "seconds": seconds, "peak": peak_mebibytes()}


def apart(what: str, rows: int, way: str, statistic: str, *, engine: str, threads: int) -> dict[str, float]:
    """`measure` in a process of its own, so that memory is its own."""
    arguments = [what, str(rows), way, statistic, engine, str(threads)]
    done = subprocess.run([sys.executable, __file__, "--one", *arguments], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Run all sizes and ways and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", type=int, default=SIZES)
    parser.add_argument("--spark", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    engine = "spark" if options.spark else "duckdb"
    say(f"{platform.machine()}, {engine}, duckdb {duckdb.__version__}, {options.threads} thread(s)")
    for rows, way, statistic in product(options.rows, WAYS, ("count", "sum")):
        first = apart("bare", rows, way, statistic, engine=engine, threads=options.threads)
        second = apart("evidence", rows, way, statistic, engine=engine, threads=options.threads)
        if first["cells"] != second["cells"]:
            raise SystemExit("the two queries found different cells")
        ratio = second["seconds"] / first["seconds"]
        say(
            f"{rows:>9,} {way:<7} {statistic:<6} {int(first['cells']):>8,} cells  "
            f"bare {first['seconds']:7.2f} s {first['peak']:6.0f} MiB  "
            f"evidence {second['seconds']:7.2f} s {second['peak']:6.0f} MiB  ratio {ratio:.2f}",
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        what, rows, way, statistic, engine, threads = sys.argv[2:]
        name: EngineName = "spark" if engine == "spark" else "duckdb"
        say(json.dumps(measure(what, int(rows), way, statistic, engine=name, threads=int(threads))))
    else:
        main()
