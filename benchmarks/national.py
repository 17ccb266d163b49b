"""A national count table, protected and audited: ``python -m benchmarks.national [BUURTEN]`` (default 14,500).

The Netherlands > 12 provinces > 342 municipalities > 3,400 wijken > 14,500 buurten by 8 age bands by 6 offence classes,
1,150,065 cells, made up by `benchmarks.country` (fewer BUURTEN: all levels in proportion) and tabulated with evidence
from single registrations (`benchmarks.registrations`). Then the same with the adaptive choice of margins: per area the
finest of age by offence, offence, age, total of which nearly all non-empty cells reach n; others are not offered.
Each stage: wall and CPU seconds, and the peak memory so far.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from benchmarks.country import NATION, offences
from benchmarks.measuring import peak_mebibytes
from benchmarks.registrations import tabulated
from output_control.alternatives.coarser import adaptive_margins, suppress_within
from output_control.audit import audit
from output_control.protection import Options, Pattern
from output_control.suppression import suppress
from output_control.tables.rules import MinimumFrequency, PrimaryResult, primary
from output_control.tables.table import BoolArray, CellTable

LEAST = 10
RECORDS_PER_LEAF = 8.0
NEARLY_ALL = 0.95
THREADS = 2


class Clock:
    """Says what the time since the last line was."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        self.start = self.wall, self.cpu

    def end(self) -> None:
        """The whole command."""
        self.wall, self.cpu = self.start
        self.say("all")

    def say(self, text: str) -> None:
        """One line of the report."""
        wall, cpu = time.perf_counter(), time.process_time()
        peak = peak_mebibytes()
        sys.stdout.write(f"{text}; wall {wall - self.wall:.1f} s, CPU {cpu - self.cpu:.1f} s, peak {peak:.0f} MiB\n")
        sys.stdout.flush()
        self.wall, self.cpu = wall, cpu


def audited(table: CellTable, sensitive: PrimaryResult, pattern: Pattern, options: Options, clock: Clock) -> None:
    """Two lines on a pattern; stops when the audit does not find it safe or had to look for a proof of its own."""
    gap = "no bound" if pattern.gap is None else f"gap {pattern.gap:.1%}"
    clock.say(f"  {int(pattern.secondary.sum()):,} secondary cells of value {pattern.cost:,.0f}, {gap}")
    checked = audit(table, sensitive, pattern, options)
    if not checked.safe:
        raise SystemExit("the audit did not find the pattern safe")
    proof = pattern.witnesses
    with_witness = int((np.maximum(proof.up, proof.down)[sensitive.mask] >= 0).sum())
    whole = bool((proof.moves.data == np.rint(proof.moves.data)).all())
    if with_witness < checked.primaries or not whole:
        raise SystemExit("some primary has no integral witness")
    clock.say(
        f"  audited: {checked.checked:,} primaries, {proof.moves.shape[0]:,} integral witnesses verified, none fails"
    )


def lost(table: CellTable, hidden: BoolArray, offered: BoolArray) -> str:
    """How much of what is offered is hidden."""
    cells, away = int(offered.sum()), int((hidden & offered).sum())
    share = float(table.value[hidden & offered].sum() / max(table.value[offered].sum(), 1))
    return f"{away:,} of {cells:,} offered cells hidden ({away / max(cells, 1):.1%}, {share:.2%} of their value)"


def main(arguments: list[str]) -> None:
    """Both ways, one after the other."""
    buurten = int(arguments[0]) if arguments else NATION[-1]
    sizes = tuple(max(round(size * buurten / NATION[-1]), 1) for size in NATION)
    clock = Clock()
    made = offences(sizes, int(RECORDS_PER_LEAF * 48 * buurten))
    clock.say(f"made {len(made.count):,} non-empty leaves of {int(made.count.sum()):,} registrations")
    table = tabulated(made)
    del made
    clock.say(f"tabulated {len(table):,} non-empty of {int(np.prod(table.shape)):,} cells from single registrations")
    sensitive = primary(table, MinimumFrequency(LEAST))
    clock.say(f"  {int(sensitive.mask.sum()):,} primary ({sensitive.mask.mean():.0%})")
    options = Options(threads=THREADS)
    pattern = suppress(table, sensitive, options=options)
    audited(table, sensitive, pattern, options, clock)
    everything = np.ones(len(table), dtype=np.bool_)
    clock.say(f"  {lost(table, pattern.suppressed, everything)}")
    del pattern
    margins = adaptive_margins(table, 0, LEAST, NEARLY_ALL)
    small = int((sensitive.mask & margins.kept).sum())
    clock.say(f"adaptive margins offer {int(margins.kept.sum()):,} cells, {small:,} of them primary")
    pattern = suppress_within(table, sensitive, margins, options)
    audited(table, sensitive, pattern, options, clock)
    clock.say(f"  {lost(table, pattern.suppressed, margins.kept)}")
    clock.end()


if __name__ == "__main__":
    main(sys.argv[1:])
