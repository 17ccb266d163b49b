"""Secondary suppression side by side: ``python -m benchmarks.suppression [--growth|--width|--magnitudes] [REFERENCE]``.

Without an option: every folder of REFERENCE (default ``../shared/reference``) by the methods flow, auto and gauss
beside the safe peers' figures of its ``results.csv``. With ``--growth``: CPU seconds of auto with the audit on made-up
count tables (`benchmarks.country`) of growing size, and the exponent that they grow with; with ``--width`` by the
gate's method and an interval of 3, as the shipped policies ask. With ``--magnitudes``: the gap on 3-way magnitudes,
without and with the singleton demand, and at growing sizes. Every pattern is audited; an unsafe one is an error.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.country import flat, offences
from benchmarks.measuring import say
from output_control.alone.instance import read_instance
from output_control.audit import audit
from output_control.protection import Method, Options, Width
from output_control.suppression import suppress
from output_control.tables.aggregate import aggregate
from output_control.tables.rules import Dominance, MinimumFrequency, PPercent, PrimaryResult, primary
from output_control.tables.table import CellTable

SIZES = ((3, 15, 60), (4, 30, 130), (1, 12, 80, 380), (2, 30, 300, 1260))
RECORDS_PER_LEAF = 60
MAGNITUDE = (13, 10, 8)
LARGER_MAGNITUDES = ((22, 20, 20), (31, 30, 30), (46, 45, 45))
UNITS_PER_CELL = 12
LARGE = 5000


def protected(table: CellTable, sensitive: PrimaryResult, options: Options) -> tuple[str, float]:
    """Secondaries, value, gap and CPU seconds as text, and the seconds."""
    start = time.process_time()
    pattern = suppress(table, sensitive, options=options)
    if not audit(table, sensitive, pattern, options).safe:
        raise SystemExit("the audit did not find the pattern safe")
    seconds = time.process_time() - start
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


def random_magnitudes(shape: tuple[int, ...], seed: int = 1) -> CellTable:
    """Contributions of lognormal size, one per unit, over flat dimensions of uneven categories."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    units = UNITS_PER_CELL * int(np.prod(shape))
    dims, columns = [], []
    for position, size in enumerate(shape):
        weight = 1 / np.arange(1, size + 1) ** 0.7
        columns.append(rng.choice(size, units, p=weight / weight.sum()) + 1)
        dims.append(flat(f"d{position}", size))
    leaves = np.column_stack(columns).astype(np.int32)
    value = np.round(rng.lognormal(4, 1.3, units), 1)
    return aggregate(tuple(dims), leaves, np.ones(units), value, np.arange(units), integral=False)


def magnitudes() -> None:
    """Three dimensions by two concentration rules: how far from the proven bound; and p% at growing sizes."""
    table = random_magnitudes(MAGNITUDE)
    for rule in (PPercent(10), Dominance(2, 85)):
        sensitive = primary(table, rule)
        for demand in (False, True):
            text, _ = protected(table, sensitive, Options(singletons=demand))
            shown = "on" if demand else "off"
            say(f"{len(table)} cells, {int(sensitive.mask.sum())} primary by {rule}, singletons {shown}: auto {text}")
    for shape in LARGER_MAGNITUDES:
        table = random_magnitudes(shape)
        sensitive = primary(table, PPercent(10))
        text, _ = protected(table, sensitive, Options())
        say(f"{len(table)} cells, {int(sensitive.mask.sum())} primary by p%, singletons on: auto {text}")


def growth(options: Options) -> None:
    """One method at several sizes, audit included; the slope of log CPU over log cells."""
    cells, seconds = [], []
    for sizes in SIZES:
        table = offences(sizes, RECORDS_PER_LEAF * 48 * sizes[-1]).table()
        sensitive = primary(table, MinimumFrequency(10))
        text, took = protected(table, sensitive, options)
        say(f"{len(table):6d} cells {int(sensitive.mask.sum()):5d} primary  {options.method} {text}")
        cells.append(len(table))
        seconds.append(max(took, 1e-3))
    slope = np.polyfit(np.log(cells), np.log(seconds), 1)[0]
    say(f"CPU seconds grow as cells^{slope:.2f}")


def main(arguments: list[str]) -> None:
    """Compare, or measure growth."""
    if "--growth" in arguments:
        growth(Options())
        return
    if "--width" in arguments:
        growth(Options(count_protection=Width(3), method="bounded", occupied=True))
        return
    if "--magnitudes" in arguments:
        magnitudes()
        return
    compare(Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2] / "shared" / "reference")


if __name__ == "__main__":
    main(sys.argv[1:])
