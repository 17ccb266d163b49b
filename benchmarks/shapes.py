"""``zicht protect`` on made-up tables of many shapes: ``python -m benchmarks.shapes [--singletons off] [NAME-PART …]``.

Every shape is written as an instance folder (`desc.json`, `micro.csv`) and protected by the command, method auto, in a
process of its own: CPU seconds of the whole command, peak memory, secondaries, gap, and what the audit said. Tables
differ in size (1,500 to 100,000 cells), number of dimensions, depth, density, skew, rule, and the share of sensitive
cells. Exit code 1 when a run fails, is unsafe, or misses the limit of its size. The exponent of growth is fitted over
each family that comes in several sizes.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np

from benchmarks.measuring import say

# CPU seconds that a table of so many cells may take (the first that it fits)
LIMITS = ((12_000, 10.0), (32_000, 40.0), (110_000, 90.0))
GIVE_UP = 150
Rule = dict[str, object]
FREQ3: Rule = {"type": "freq", "n": 3}
FREQ10: Rule = {"type": "freq", "n": 10}
P10: Rule = {"type": "p", "p": 10}
NK: Rule = {"type": "nk", "n": [1, 2], "k": [50, 85]}
Trees = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A table to make. ``trees``: per dimension the number of codes per level below the root; ``mean`` records per
    leaf that may hold any (a share ``fill`` of all), spread by lognormal factors of ``skew``; contributions are of
    ``size``, spread by ``spread``, of so many contributors per record as ``held`` says.
    """

    name: str
    trees: Trees
    rule: Rule
    mean: float
    skew: float = 1.0
    fill: float = 1.0
    size: float = 100.0
    spread: float = 1.2
    held: float = 1.0

    @property
    def cells(self) -> int:
        """Cells of the cross product, totals included."""
        return int(np.prod([1 + sum(levels) for levels in self.trees]))

    @property
    def counts(self) -> bool:
        """A frequency table."""
        return self.rule["type"] == "freq"


def tree(codes: int, depth: int) -> tuple[int, ...]:
    """Levels of about so many codes in all, each level as many times larger than the one above."""
    ratio = 1.01
    while sum(ratio**level for level in range(depth + 1)) < codes:
        ratio *= 1.01
    return tuple(max(round(ratio**level), 2) for level in range(1, depth + 1))


def _sized(cells: int, depth: int, *others: tuple[int, ...]) -> Trees:
    """A first dimension of ``depth`` levels that brings the table to about ``cells`` cells."""
    rest = int(np.prod([1 + sum(levels) for levels in others]))
    return (tree(cells // rest, depth), *others)


def families() -> list[Shape]:
    """All shapes, the small ones first."""
    made: list[Shape] = []
    for cells in (1_500, 5_000, 10_000, 30_000, 100_000):
        side, cube = round(cells**0.5), round(cells ** (1 / 3))
        label = f"{cells / 1000:g}k"
        made += [
            Shape(f"square2-freq10-{label}", (tree(side, 1), tree(side, 1)), FREQ10, 25),
            Shape(f"deep2-freq3-{label}", (tree(side, 4), tree(side, 3)), FREQ3, 5),
            Shape(f"deep2-sparse-freq10-{label}", _sized(cells, 5, tree(33, 3)), FREQ10, 3, skew=2.0, fill=0.5),
            Shape(f"flat3-freq10-{label}", _sized(cells, 1, (9,), (8,)), FREQ10, 30),
            Shape(f"cube3-freq3-{label}", (tree(cube, 2), tree(cube, 2), tree(cube, 1)), FREQ3, 4),
            Shape(f"deep3-sparse-freq10-{label}", _sized(cells, 4, (3, 6), (6,)), FREQ10, 2, skew=1.5),
            Shape(f"deep3-dense-freq10-{label}", _sized(cells, 3, (2, 6), (7,)), FREQ10, 80, skew=0.7),
            Shape(f"even3-freq10-{label}", _sized(cells, 3, (2, 6), (7,)), FREQ10, 14, skew=0.1),
            Shape(f"way4-freq10-{label}", _sized(cells, 2, (5,), (4,), (5,)), FREQ10, 20, skew=1.5),
            Shape(f"way4-sparse-freq3-{label}", _sized(cells, 2, (2, 4), (4,), (5,)), FREQ3, 0.7),
            Shape(f"deep2-p-{label}", (tree(side, 3), tree(side, 3)), P10, 6, spread=1.5),
            Shape(f"square2-nk-1e8-{label}", (tree(side, 1), tree(side, 1)), NK, 15, size=1e8),
        ]
        if cells <= 30_000:
            made += [
                Shape(f"cube3-p-{label}", (tree(cube, 1), tree(cube, 1), tree(cube, 1)), P10, 12, spread=1.3),
                Shape(f"deep3-nk-{label}", _sized(cells, 3, (2, 6), (7,)), NK, 8, spread=1.3, held=0.7),
                Shape(f"way4-p-sparse-{label}", _sized(cells, 2, (4,), (3,), (4,)), P10, 1.5, skew=1.5, held=0.5),
            ]
    return made


def write(shape: Shape, folder: Path, seed: int = 5) -> None:
    """The instance folder of ``shape``: the same bytes for the same seed."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    dims, leaf_codes = [], []
    for position, levels in enumerate(shape.trees):
        above, hierarchy = [f"T{position}"], {}
        for depth, size in enumerate(levels):
            codes = [f"d{position}l{depth}c{number:05d}" for number in range(size)]
            cut = np.linspace(0, size, len(above) + 1).round().astype(int)
            for parent, low, high in zip(above, cut[:-1], cut[1:], strict=True):
                hierarchy[parent] = codes[low:high]
            above = codes
        dims.append({"name": f"dim{position}", "root": f"T{position}", "hierarchy": hierarchy})
        leaf_codes.append(above)
    shares = np.ones(1)
    for codes in leaf_codes:
        shares = np.multiply.outer(shares, rng.lognormal(0, shape.skew / 2, len(codes))).reshape(-1)
    shares *= rng.lognormal(0, shape.skew / 2, len(shares)) * (rng.random(len(shares)) < shape.fill)
    counts = rng.poisson(shares / shares.sum() * shape.mean * shape.fill * len(shares))
    description = {
        "name": shape.name,
        "kind": "frequency" if shape.counts else "magnitude",
        "dims": dims,
        "measure": "value",
        "freq": "n",
        "contributor": None if shape.counts else "id",
        "rule": shape.rule,
    }
    (folder / "desc.json").write_text(json.dumps(description))
    leaves = np.flatnonzero(counts)
    rows = leaves if shape.counts else np.repeat(leaves, counts[leaves])
    places = np.unravel_index(rows, [len(codes) for codes in leaf_codes])
    columns: list[list[object]] = [
        [codes[at] for at in place.tolist()] for codes, place in zip(leaf_codes, places, strict=True)
    ]
    header = [str(dim["name"]) for dim in dims]
    if shape.counts:
        header, columns = [*header, "n", "value"], [*columns, counts[leaves].tolist(), counts[leaves].tolist()]
    else:
        value = np.round(shape.size * rng.lognormal(0, shape.spread, len(rows)), 1)
        unit = rng.integers(0, max(int(len(rows) * shape.held), 1), len(rows))
        owner = unit if shape.held < 1 else np.arange(len(rows))
        header = [*header, "n", "value", "id"]
        columns = [*columns, [1] * len(rows), value.tolist(), [f"u{number}" for number in owner.tolist()]]
    with (folder / "micro.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the command took and said (``report`` is empty when it failed)."""

    report: dict[str, Any]
    code: int
    said: str
    cpu: float
    mebibytes: float


def protect(folder: Path, out: Path, *options: str) -> Run:
    """The command in a process of its own, stopped after `GIVE_UP` CPU seconds."""
    command = [str(Path(sys.executable).parent / "zicht"), "protect", str(folder), "--out", str(out), *options]
    with (folder / "said").open("w+b") as said:
        process = Popen(command, stdout=said, stderr=said)
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (GIVE_UP, GIVE_UP))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = said.read().decode()
    report = json.loads((out / "report.json").read_text()) if code == 0 else {}
    return Run(report, code, words, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def line(shape: Shape, run: Run, demand: str) -> bool:
    """One line of the report; whether all is as it must be."""
    start = f"{shape.name:30s} {demand:3s} {shape.cells:7d}"
    limit = next(seconds for most, seconds in LIMITS if shape.cells <= most)
    if run.code == 3:
        # some tables have no safe pattern; the message says which cells, and is for a person to judge
        say(f"{start}  {run.cpu:6.1f} s  REFUSED: {run.said.strip()[:160]}")
        return run.cpu <= limit
    if run.code:
        say(f"{start}  {run.cpu:6.1f} s  FAILED ({run.code}): {run.said.strip()[-300:]}")
        return False
    report, audit = run.report, run.report["audit"]
    safe = audit["checked"] == report["primary"] and not any(
        audit[fault] for fault in ("exact", "below_level", "singleton_exact")
    )
    gap = report["gap"]
    shown = "optimal" if report["optimal"] else f"{gap:.2%}" if isinstance(gap, float) else "no bound"
    verdict = ("" if safe else "  UNSAFE") + ("" if run.cpu <= limit else "  SLOW")
    say(
        f"{start} {report['cells']:7d} {report['primary']:6d} {report['secondary']:6d} {shown:>9s}"
        f" {run.cpu:6.1f} s {run.mebibytes:6.0f} MiB{verdict}"
    )
    return not verdict


def main(arguments: list[str]) -> None:
    """All shapes whose name holds one of the given parts."""
    demand = "off" if "off" in arguments else "on"
    parts = [part for part in arguments if part not in {"--singletons", "on", "off"}]
    good, sizes = True, defaultdict(list)
    say(f"{'shape':30s} sg   cross   cells primary  second       gap      CPU   peak")
    for shape in families():
        if parts and not any(part in shape.name for part in parts):
            continue
        with tempfile.TemporaryDirectory() as place:
            folder, out = Path(place) / "instance", Path(place) / "out"
            folder.mkdir()
            write(shape, folder)
            run = protect(folder, out, "--singletons", demand)
        good &= line(shape, run, demand)
        if run.report:
            sizes[shape.name.rsplit("-", 1)[0]].append((float(str(run.report["cells"])), run.cpu))
    for family, points in sizes.items():
        if len(points) > 2:
            cells, seconds = np.log(np.array(points)).T
            say(f"{family}: CPU seconds grow as cells^{np.polyfit(cells, seconds, 1)[0]:.2f}")
    say("all as it must be" if good else "NOT all is as it must be")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
