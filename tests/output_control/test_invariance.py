"""What may not matter does not: the order of rows, names of codes and contributors, hash seeds, threads, processes."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from enclave.errors import Refused
from output_control.alone.protect import protect
from output_control.protection import Options
from output_control.suppression import suppress
from output_control.tables.rules import MinimumFrequency, PPercent, primary
from output_control.tables.table import Dimension
from tests.output_control.drawn_tables import Drawn, Record, magnitude_tables
from tests.output_control.gate_files import CELLS, rows_of
from tests.output_control.gate_world import CLASSIFICATIONS, World, random_homes, table_request, tree_of
from tests.output_control.tables import magnitudes

CHECKOUT = Path(__file__).resolve().parents[2]
RULE = {"type": "any", "rules": [{"type": "p", "p": 15}, {"type": "freq", "n": 3}]}


def delivered(folder: Path, dims: tuple[Dimension, ...], records: list[Record]) -> Path:
    """A folder for `zicht protect`."""
    folder.mkdir()
    trees = [{"name": dim.name, "root": dim.root, "hierarchy": dict(dim.children)} for dim in dims]
    columns = {"measure": "value", "freq": "n", "contributor": "id"}
    described = {"name": "drawn", "kind": "magnitude", "rule": RULE, "dims": trees, **columns}
    (folder / "desc.json").write_text(json.dumps(described), encoding="utf-8")
    with (folder / "micro.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(dim.name for dim in dims), "n", "value", "id"])
        writer.writerows([*codes, 1, value, f"u{unit:03d}"] for codes, value, unit in records)
    return folder


def made(folder: Path) -> dict[str, bytes]:
    """All files but the report, which holds seconds, and the report without them."""
    found = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "report.json"}
    report = json.loads((folder / "report.json").read_text())
    del report["seconds"]
    return found | {"report": json.dumps(report, sort_keys=True).encode()}


def renamed_dims(dims: tuple[Dimension, ...]) -> tuple[tuple[Dimension, ...], list[dict[str, str]]]:
    """The same trees with every code called otherwise, so that the names sort the other way round."""
    names = [{code: f"r{999 - at:03d}" for at, code in enumerate(dim.codes)} for dim in dims]
    return tuple(
        Dimension(dim.name, name[dim.root], {name[k]: tuple(name[c] for c in v) for k, v in dim.children.items()})
        for dim, name in zip(dims, names, strict=True)
    ), names


@pytest.mark.parametrize("cases", [12, pytest.param(300, marks=pytest.mark.sweep)])
def test_permuted_rows_give_the_same_bytes_and_renamed_codes_the_same_pattern_renamed(cases: int) -> None:
    @settings(max_examples=cases, deadline=None, suppress_health_check=list(HealthCheck))
    @given(drawn=magnitude_tables(), seed=st.integers(0, 2**31))
    def run(drawn: Drawn, seed: int) -> None:
        rng = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as name:
            folder, records = Path(name), list(drawn.records)
            protect(delivered(folder / "a", drawn.dims, records), folder / "out-a")
            permuted = [records[i] for i in rng.permutation(len(records))]
            protect(delivered(folder / "b", drawn.dims, permuted), folder / "out-b", threads=2)
            assert made(folder / "out-a") == made(folder / "out-b")
            dims, names = renamed_dims(drawn.dims)
            other = [(tuple(n[c] for n, c in zip(names, codes, strict=True)), v, u) for codes, v, u in records]
            protect(delivered(folder / "c", dims, other), folder / "out-c")
            first, second = ((folder / out / "table.csv").read_text().splitlines() for out in ("out-a", "out-c"))
            for line, again in zip(first[1:], second[1:], strict=True):
                parts = line.split(",")
                codes = [n[c.strip('"')] for n, c in zip(names, parts, strict=False)]
                assert [part.strip('"') for part in again.split(",")] == [
                    *codes,
                    *(p.strip('"') for p in parts[len(codes) :]),
                ]

    run()


@pytest.mark.parametrize("cases", [10, pytest.param(300, marks=pytest.mark.sweep)])
def test_contributors_called_otherwise_and_codes_in_another_order_cost_the_same_at_the_optimum(cases: int) -> None:
    """Ties may break otherwise then, so the cost is what stays."""

    @settings(max_examples=cases, deadline=None, suppress_health_check=list(HealthCheck))
    @given(drawn=magnitude_tables(units=5), seed=st.integers(0, 2**31))
    def run(drawn: Drawn, seed: int) -> None:
        rng = np.random.default_rng(seed)
        name = rng.permutation(6)
        dims = tuple(
            Dimension(
                dim.name, dim.root, {k: tuple(v[i] for i in rng.permutation(len(v))) for k, v in dim.children.items()}
            )
            for dim in drawn.dims
        )
        table = magnitudes(dims, [(codes, value, int(name[unit])) for codes, value, unit in drawn.records])
        found = []
        for each in (drawn.table, table):
            sensitive = primary(each, [MinimumFrequency(3), PPercent(15)])
            pattern = suppress(each, sensitive, options=Options(method="optimal"))
            assume(pattern.optimal)
            found.append((sorted(each.labels(int(i)) for i in np.flatnonzero(sensitive.mask)), pattern.cost))
        assert found[0][0] == found[1][0]
        assert found[0][1] == pytest.approx(found[1][1], rel=1e-9, abs=1e-6)

    run()


@pytest.mark.parametrize("cases", [2, pytest.param(60, marks=pytest.mark.sweep)])
def test_the_gate_hides_the_same_cells_in_any_order_of_rows_and_under_any_names(cases: int) -> None:
    other = {"all": "total", "k1": "z", "k2": "y", "k3": "x"}
    kind = tree_of("kind", {"total": ("total",), "kind": ("z", "y", "x")})

    @settings(max_examples=cases, deadline=None, suppress_health_check=list(HealthCheck))
    @given(seed=st.integers(0, 10**6), rows=st.integers(80, 500), owners=st.integers(40, 500))
    def run(seed: int, rows: int, owners: int) -> None:
        data = random_homes(seed, rows, owners)
        shuffled = data.take(pa.array(np.random.default_rng(seed).permutation(rows)))
        called = data.set_column(3, "kind", pa.array([other[code] for code in data["kind"].to_pylist()]))
        shown = []
        with tempfile.TemporaryDirectory() as name:
            for place, rows_ in (("a", data), ("b", shuffled), ("c", called)):
                folder = Path(name) / place
                folder.mkdir()
                listed = {**CLASSIFICATIONS, "kind": kind} if place == "c" else CLASSIFICATIONS
                world = World(folder, classifications=listed).add("homes", rows_)
                try:
                    out = world.check(table_request("region", "kind")).outputs[CELLS]
                except Refused as error:
                    shown.append(str(error))
                    continue
                shown.append(out if place != "c" else [(r["region"], r["kind"], r["value"]) for r in rows_of(out)])
        assert shown[0] == shown[1]
        if isinstance(shown[0], bytes):
            assert [(r["region"], other[r["kind"]], r["value"]) for r in rows_of(shown[0])] == shown[2]

    run()


ZICHT = "from pipeline.main import main; main()"


def run_apart(arguments: list[str], seed: str, threads: str) -> str:
    """A process of its own, with another order of hashes and another number of threads."""
    environment = {
        **os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads,
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment, cwd=CHECKOUT
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("reference", ["b07"])
def test_two_processes_with_other_hash_seeds_and_threads_protect_to_the_same_bytes(
    shared: Path, tmp_path: Path, reference: str
) -> None:
    folder = next((shared / "reference").glob(reference + "*"))
    found = []
    for seed, threads in (("1", "1"), ("4242", "2")):
        out = tmp_path / seed
        command = ["-c", ZICHT, "protect", str(folder), "--out", str(out), "--threads", threads]
        run_apart(command, seed, threads)
        found.append(made(out))
    assert found[0] == found[1]


GATE = """
import hashlib, sys
from pathlib import Path
from tests.output_control.gate_world import World, random_homes, table_request
world = World(Path(sys.argv[1])).add("homes", random_homes(7, 900, 400))
out = world.check(
    table_request("region", "kind", "flag", name="a"), table_request("kind", "flag", name="b"),
    table_request("region", "kind", statistic="sum", measure="worth", name="c"), threads=int(sys.argv[2]),
)
for name, content in sorted({**out.outputs, **out.evidence, **out.checker_annex}.items()):
    print(name, hashlib.sha256(content).hexdigest())
print("cells", hashlib.sha256(out.released_cells).hexdigest())
"""


def test_two_processes_with_other_hash_seeds_and_threads_check_to_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for seed, threads in (("1", "1"), ("4242", "2")):
        folder = tmp_path / seed
        folder.mkdir()
        found.append(run_apart(["-c", GATE, str(folder), threads], seed, threads).splitlines())
    assert found[0] == found[1]
    assert len(found[0]) > 6 and len({line.split()[1] for line in found[0]}) == len(found[0])
    assert hashlib.sha256().hexdigest() not in "".join(found[0])
