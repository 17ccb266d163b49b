"""Secondary suppression side by side: ``python benchmarks/suppression.py [--growth] [REFERENCE]``.

Without ``--growth``: every folder of REFERENCE (default ``../shared/reference``) by the methods flow, auto and gauss
beside the safe peers' figures of its ``results.csv``. With ``--growth``: CPU seconds of flow on random skewed count
tables of growing size, and the exponent that they grow with. Every pattern is audited; an unsafe one is an error.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np

from output_control.aggregate import aggregate
from output_control.audit import audit
from output_control.instance import read_instance
from output_control.protection import Method, Options, Width
from output_control.rules import MinimumFrequency, PrimaryResult, primary
from output_control.suppression import suppress
from output_control.table import CellTable, Dimension

SIZES = ((6, 6, 6), (8, 8, 8), (10, 10, 10))
UNITS_PER_CELL = 100
LARGE = 5000


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def protected(table: CellTable, sensitive: PrimaryResult, options: Options) -> tuple[str, float]:
    """Secondaries, value, gap and CPU seconds as text, and the seconds."""
    start = time.process_time()
    pattern = suppress(table, sensitive, options=options)
    seconds = time.process_time() - start
    if not audit(table, sensitive, pattern, options).safe:
        raise SystemExit("the audit did not find the pattern safe")
    gap = "optimal" if pattern.optimal else f"gap {pattern.gap:.1%}" if pattern.gap is not None else "no bound"
    return f"{int(pattern.secondary.sum()):6d} {pattern.cost:18,.1f}  {gap:10s} {seconds:7.1f} s", seconds


def best_peers(results: Path) -> dict[str, str]:
    """Per folder, the safe peer that hides the least value."""
    best: dict[str, tuple[float, str]] = {}
    with results.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["safe"] == "True" and row["secondary"]:
                found = float(row["secondary_value"])
                text = f"{int(row['secondary']):6d} {found:18,.1f}  {row['peer']:10s} {float(row['cpu_s']):7.1f} s"
                best[row["instance"]] = min(best.get(row["instance"], (found, text)), (found, text))
    return {name: text for name, (_, text) in best.items()}


def compare(reference: Path) -> None:
    """One block per folder."""
    peers = best_peers(reference / "results.csv")
    for folder in sorted(path for path in reference.iterdir() if (path / "desc.json").is_file()):
        instance = read_instance(folder)
        sensitive = instance.sensitive(instance.rules)
        say(f"{folder.name}: {len(instance.table)} non-empty cells, {int(sensitive.mask.sum())} primary")
        say(f"  best safe peer {peers.get(folder.name, '     –')}")
        for method in get_args(Method):
            if method == "optimal" or (method == "gauss" and len(instance.table) > LARGE):
                continue
            text, _ = protected(instance.table, sensitive, Options(method=method, singletons=False))
            say(f"  {method:14s} {text}")


def random_counts(shape: tuple[int, ...], seed: int = 1) -> CellTable:
    """Units spread over the codes of each dimension as 1/rank."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    units = UNITS_PER_CELL * int(np.prod(shape))
    dims, columns = [], []
    for position, size in enumerate(shape):
        dim = Dimension(f"d{position}", "T", {"T": tuple(f"c{code}" for code in range(size))})
        weight = 1 / np.arange(1, size + 1)
        columns.append(rng.choice(size, units, p=weight / weight.sum()) + 1)
        dims.append(dim)
    leaves = np.column_stack(columns).astype(np.int32)
    ones = np.ones(units)
    return aggregate(tuple(dims), leaves, ones, ones, None, integral=True)


def growth() -> None:
    """Flow at several sizes; the slope of log CPU over log cells."""
    cells, seconds = [], []
    for shape in SIZES:
        table = random_counts(shape)
        sensitive = primary(table, MinimumFrequency(5))
        text, took = protected(table, sensitive, Options(method="flow", count_protection=Width(3)))
        say(f"{len(table):6d} cells {int(sensitive.mask.sum()):5d} primary  flow {text}")
        cells.append(len(table))
        seconds.append(max(took, 1e-3))
    slope = np.polyfit(np.log(cells), np.log(seconds), 1)[0]
    say(f"CPU seconds grow as cells^{slope:.2f}")


def main(arguments: list[str]) -> None:
    """Compare, or measure growth."""
    if "--growth" in arguments:
        growth()
        return
    compare(Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2] / "shared" / "reference")


if __name__ == "__main__":
    main(sys.argv[1:])
