"""Leak scan: ``python benchmarks/leak_scan.py [ROWS]`` (default 10,000,000), one thread.

Remarks of which no two are alike, one in a thousand with a planted identifier, read beside two name and number columns
of the same record; and five kept columns of numbers, judged for density and for copies. Made batch by batch; only the
scan is timed. More than the target makes the exit code 1.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.measuring import exit_code, options, peak_mebibytes, positive, say, verdict
from enclave.identifier_density import FORMS, CopyCheck, DensityCheck, bare
from pseudonymise.leak_names import NameWords
from pseudonymise.leak_scan import any_leak, scan_text
from pseudonymise.pseudonymise import BATCH_ROWS
from synthetic.leaky_remarks import KINDS, leaky_remarks

MADE_AT_ONCE = 8 * BATCH_ROWS
MINUTES_TARGET = 5.0
NUMBERS = 5


class Scan:
    """The scan of one delivery, with its time."""

    def __init__(self) -> None:
        self.cpu = {"names": 0.0, "text": 0.0, "columns": 0.0}
        self.known = NameWords()
        self.density = [DensityCheck(tuple(FORMS)) for _ in range(NUMBERS)]
        self.copies = [CopyCheck() for _ in range(NUMBERS)]

    def timed(self, part: str, work: Any) -> Any:
        """Do ``work`` and add its time."""
        started = time.process_time()
        done = work()
        self.cpu[part] += time.process_time() - started
        return done

    def columns(self, kept: list[Any], own: Any) -> None:
        """Judge one batch of the kept columns."""
        numbers = [bare(own)]
        for values, density, copies in zip(kept, self.density, self.copies, strict=True):
            density.add(values)
            copies.add(values, numbers)


def main(arguments: list[str]) -> int:
    """Measure at the number of rows given."""
    parser = options(__doc__)
    parser.add_argument("rows", type=positive, nargs="?", default=10_000_000)
    measure(parser.parse_args(arguments).rows)
    return exit_code()


def measure(rows: int) -> None:
    """Two passes, as pseudonymisation makes them: names first, then everything."""
    pa.set_cpu_count(1)
    scan, rng = Scan(), np.random.default_rng(1)
    planted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for first in range(0, rows, MADE_AT_ONCE):
        made = leaky_remarks(min(MADE_AT_ONCE, rows - first), seed=1, first=first)
        scan.timed("names", lambda made=made: scan.known.add(made.name))
    for first in range(0, rows, MADE_AT_ONCE):
        made = leaky_remarks(min(MADE_AT_ONCE, rows - first), seed=1, first=first)
        for at in range(0, len(made.remarks), BATCH_ROWS):
            texts, names, numbers, kinds = (
                column[at : at + BATCH_ROWS] for column in (made.remarks, made.name, made.number, made.kind)
            )
            hits = scan.timed("text", lambda t=texts, n=names, o=numbers: scan_text(t, scan.known, [n], [o]))
            kept = [pa.array(rng.integers(0, 10**k, len(texts))) for k in range(5, 5 + NUMBERS)]
            scan.timed("columns", lambda k=kept, o=numbers: scan.columns(k, o))
            leaking = any_leak(hits, len(texts))
            planted.update(_counts(kinds))
            found.update(_counts(kinds.filter(pa.array(leaking))))
    _report(rows, scan, planted, found)


def _counts(kinds: Any) -> dict[str, int]:
    listed = pc.value_counts(pc.fill_null(kinds.cast(pa.string()), "none")).to_pylist()
    return {row["values"]: row["counts"] for row in listed}


def _report(rows: int, scan: Scan, planted: Counter[str], found: Counter[str]) -> None:
    total = sum(scan.cpu.values())
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in scan.cpu.items())
    say(f"{rows:,} rows: {total:.1f} CPU s ({parts}), {rows / total:,.0f} rows/s, peak {peak_mebibytes():.0f} MiB")
    say(f"  minutes    {verdict(round(total / 60, 2), MINUTES_TARGET)}: {total / 60:.2f}")
    for kind in KINDS:
        say(f"  {kind:<22} {found[kind]:>6,} of {planted[kind]:>6,} found")
    say(f"  false alarms           {found['none']:>6,} of {planted['none']:,} clean remarks")
    columns = sum(check.leaks() for check in (*scan.density, *scan.copies))
    say(f"  kept columns refused   {columns} of {NUMBERS} (none is one of identifiers)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
